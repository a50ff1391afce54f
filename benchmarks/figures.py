# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The results of a benchmark: one table (Markdown) and one picture (SVG), beside each other in ``results/``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

RESULTS = Path(__file__).resolve().parent / "results"
ROW, LEFT, WIDE, RIGHT, HEAD = 26, 330, 440, 90, 40  # user units of the picture
STYLE = (
    "text{font:13px sans-serif;fill:#222}.title{font-weight:bold}.ours{fill:#2b7a4b}.other{fill:#9a9a9a}"
    "@media(prefers-color-scheme:dark){text{fill:#ddd}}"
)


@dataclass(frozen=True)
class Row:
    """One way of doing it: its name, whether it is ours, the cells of the table, and the length of its bar."""

    way: str
    ours: bool
    cells: Sequence[str]
    bar: float


def load() -> str:
    """What else the machine does, for the line below a table."""
    return f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"


def write(name: str, title: str, columns: Sequence[str], rows: Sequence[Row], bar: str) -> None:
    """Write and print ``results/<name>.md`` and ``.svg``. ``columns`` name the cells, ``bar`` says what bars show."""
    lines = [f"# {title}", "", f"| way | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    lines += [f"| {f'**{row.way}**' if row.ours else row.way} | {' | '.join(row.cells)} |" for row in rows]
    text = "\n".join([*lines, "", f"![{bar}]({name}.svg)", "", f"At the end: {load()}.", ""])
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.md").write_text(text, encoding="utf-8")
    (RESULTS / f"{name}.svg").write_text(picture(f"{title}: {bar}", rows), encoding="utf-8")
    print(f"\n{text}", flush=True)


def picture(title: str, rows: Sequence[Row]) -> str:
    """Horizontal bars, the longest over the whole width. Ours differ in colour and by a mark, not by colour alone."""
    most = max(row.bar for row in rows) or 1.0
    tall = HEAD + ROW * len(rows) + 8
    parts = [f'<text class="title" x="8" y="22">{escape(title)}</text>']
    for number, row in enumerate(rows):
        y = HEAD + number * ROW
        long = max(1.5, row.bar / most * WIDE)
        name = f"▸ {row.way}" if row.ours else row.way
        parts += [
            f'<text x="{LEFT - 8}" y="{y + 15}" text-anchor="end">{escape(name)}</text>',
            f'<rect class="{"ours" if row.ours else "other"}" x="{LEFT}" y="{y + 3}" width="{long:.1f}" height="16"/>',
            f'<text x="{LEFT + long + 6:.1f}" y="{y + 15}">{row.bar:.3g}</text>',
        ]
    size = f'viewBox="0 0 {LEFT + WIDE + RIGHT} {tall}" width="{LEFT + WIDE + RIGHT}" height="{tall}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img"><style>{STYLE}</style>'
    return "\n".join([head, *parts, "</svg>", ""])
