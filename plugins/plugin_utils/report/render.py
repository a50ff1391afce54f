# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The report as files: one HTML page that needs nothing else, and the rollback log in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from . import charts, outside, reading, story


def files(records: Sequence[Mapping[str, Any]], samples: Iterable[str] = ()) -> dict[str, str]:
    """``report.html`` and ``report.md`` of a journal. ``samples``: lines of a prober outside, ``{t, ms, ok}`` each."""
    report = story.tell(records, outside.parse(samples))
    return {"report.html": page(report), "report.md": log(report)}


def page(report: story.Report) -> str:
    """The HTML page. Every text of the journal is escaped."""
    return HTML.get_template("report.html.j2").render(r=report, charts=charts)


def log(report: story.Report) -> str:
    """The rollback log in Markdown. No text of the journal can end its line, open a table cell or become HTML."""
    return MARKDOWN.get_template("report.md.j2").render(r=report)


def _plain(value: Any) -> Any:
    """A value for Markdown: inert as HTML and inside a table, and neither a link nor a picture that is fetched."""
    if isinstance(value, str) and not isinstance(value, Markup):
        inert = " ".join(value.splitlines()).replace("\\", "\\\\").replace("<", "&lt;").replace("`", "'")
        return Markup(inert.replace("|", "\\|").replace("[", "\\["))  # noqa: S704 - of Markdown, and just made inert
    return value


def _code(value: str) -> Markup:
    """A line of an indented block, where Markdown reads nothing; inert as HTML all the same."""
    return Markup(" ".join(value.splitlines()).replace("<", "&lt;"))  # noqa: S704


def _count(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def _percent(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio * 100:.1f} %"


def _ms(value: float | None) -> str:
    if value is None or value >= 1000:
        return "-" if value is None else f"{value / 1000:.1f} s"
    return f"{value:.0f} ms" if value >= 10 else f"{value:.1f} ms"


def _environment(**more: Any) -> jinja2.Environment:
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    made = jinja2.Environment(
        autoescape=True, loader=loader, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, **more
    )
    made.filters.update(
        code=_code, took=story.took, spelled=story.spelled, stamp=reading.stamp, percent=_percent, count=_count, ms=_ms
    )
    return made


HTML, MARKDOWN = _environment(), _environment(finalize=_plain)
