# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Inline SVG without scripts: colours come from the page's style sheet, and nothing is told by colour alone."""

from __future__ import annotations

from collections.abc import Iterable

from markupsafe import Markup, escape

from .findings import Probe
from .outside import View
from .reading import stamp
from .timeline import Step, Timeline

LANE = 420  # width of the lanes of the timeline, in user units
WIDE, TALL = 920, 208


def lane(step: Step, line: Timeline) -> Markup:
    """One row of the timeline: the step's bar, the end of its budget, and the downtime shaded behind."""
    scale = LANE / max(line.seconds, 0.001)
    parts = [_shade(line, scale)]
    if step.began is not None:
        x = (step.began - line.start) * scale
        wide = max(2.5, ((step.ended if step.ended is not None else line.end) - step.began) * scale)
        x = min(x, LANE - 2.5)
        parts.append(_rect(x, 5, min(wide, LANE - x), 10, f"bar {step.phase} {step.state}", radius=2))
        edge = x + step.budget * scale
        if edge < LANE:
            parts.append(Markup('<path class="budget" d="M{0:.1f} 3v14"/>').format(edge))
    return _svg(LANE, 20, f"{step.name}, {step.state}", parts, "lane", stretched=True)


def axis(line: Timeline) -> Markup:
    """The head of the timeline's lanes: minutes since the start. No SVG: the lanes are stretched, text must not be."""
    mark = Markup('<span style="left:{0:.2f}%">{1}</span>')
    ticks = (mark.format(100 * second / max(line.seconds, 0.001), _clock(second)) for second in _ticks(line.seconds, 5))
    return Markup('<div class="axis">{0}</div>').format(Markup("").join(ticks))


def availability(view: View, line: Timeline) -> Markup:
    """Requests per time above, good and failed; latency below. The outage is shaded, the maintenance page is marked."""
    left, right, top, middle, bottom = 50.0, 8.0, 20.0, 96.0, 186.0
    scale = (WIDE - left - right) / (view.end - view.start)

    def x(at: float) -> float:
        return min(max(left + (at - view.start) * scale, left), WIDE - right)

    most = max(1, *(each.requests for each in view.bins))
    slow = _nice(max([each.p95_ms for each in view.bins if each.p95_ms is not None], default=1.0))
    width = (WIDE - left - right) / len(view.bins)
    parts = [HATCH]
    if view.outage:
        parts.append(_rect(x(view.outage[0]), top, x(view.outage[1]) - x(view.outage[0]), bottom - top, "down"))
    for i, each in enumerate(view.bins):
        good = (each.requests - each.failed) / most * (middle - top)
        bad = each.failed / most * (middle - top)
        place = left + i * width
        parts.append(_rect(place, middle - good, width - 0.8, good, "good") if good else Markup(""))
        parts.append(_rect(place, middle - good - bad, width - 0.8, bad, "bad") if bad else Markup(""))
    floor = bottom - middle - 14
    for name in ("p95", "p50"):
        points: list[tuple[float, float] | None] = []
        for i, each in enumerate(view.bins):
            ms = each.p95_ms if name == "p95" else each.p50_ms
            points.append(None if ms is None else (left + (i + 0.5) * width, bottom - ms / slow * floor))
        parts.append(_line(points, name))
    for y, label in ((top, f"{most} req"), (middle, "0"), (bottom - floor, f"{slow:g} ms"), (bottom, "0")):
        parts.append(Markup('<path class="grid" d="M{0:.1f} {1:.1f}H{2:.1f}"/>').format(left, y, WIDE - right))
        parts.append(_text(left - 5, y + 3, label, "end"))
    for second in _ticks(view.end - view.start, 8):
        parts.append(_text(x(view.start + second), TALL - 6, stamp(view.start + second, "%H:%M:%S"), "middle"))
    marks = [(line.start, "run begins")]
    if line.down:
        marks.append((line.down[0], "maintenance on"))
        marks += [(line.down[1], "off")] if line.down[1] is not None else []
    clear = -1.0
    for at, label in marks:
        parts.append(Markup('<path class="mark" d="M{0:.1f} {1}V{2}"/>').format(x(at), top - 4, bottom))
        # Labels that would lie over each other share a line: the later one begins where the earlier one ends.
        place = max(x(at), clear)
        parts.append(_text(place, top - 8, label, "start" if place < WIDE - 110 else "end"))
        clear = place + 6.0 * len(label) + 8
    return _svg(WIDE, TALL, "requests and latency as seen from outside", parts, "chart")


def sparkline(probe: Probe) -> Markup:
    """The readings of a probe: height is time, a bad reading is a cross, an unknown one a ring."""
    wide, tall = 150.0, 20.0
    if not probe.series:
        return Markup("")
    first, last = probe.series[0][0], probe.series[-1][0]
    most = max(ms for _second, ms, _state in probe.series) or 1.0
    parts, points = [], []
    for second, ms, state in probe.series:
        x = 4 + (second - first) / ((last - first) or 1.0) * (wide - 8)
        y = tall - 4 - ms / most * (tall - 8)
        points.append((x, y))
        if state == 0:
            parts.append(Markup('<path class="cross" d="M{0:.1f} {1:.1f}l5 5m0-5l-5 5"/>').format(x - 2.5, y - 2.5))
        elif state != 1:
            parts.append(Markup('<circle class="ring" cx="{0:.1f}" cy="{1:.1f}" r="2"/>').format(x, y))
    if len(points) == 1:
        parts.insert(0, Markup('<circle class="dot" cx="{0:.1f}" cy="{1:.1f}" r="2"/>').format(*points[0]))
    return _svg(wide, tall, f"{len(points)} readings, {most:.0f} ms at most", [_line(points, "spark"), *parts], "spark")


HATCH = Markup(
    '<defs><pattern id="hatch" width="4" height="4" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    '<path class="hatch" d="M0 0v4"/></pattern></defs>'
)


def _shade(line: Timeline, scale: float) -> Markup:
    if not line.down:
        return Markup("")
    on, off = line.down
    wide = max(1.0, ((line.end if off is None else off) - on) * scale)
    return _rect((on - line.start) * scale, 0, wide, 20, "down")


def _line(points: Iterable[tuple[float, float] | None], name: str) -> Markup:
    """A line through the points; None makes a gap."""
    path, pen = [], "M"
    for point in points:
        if point is None:
            pen = "M"
        else:
            path.append(f"{pen}{point[0]:.1f} {point[1]:.1f}")
            pen = "L"
    return Markup('<path class="line {0}" d="{1}"/>').format(name, "".join(path)) if path else Markup("")


def _rect(x: float, y: float, wide: float, tall: float, name: str, *, radius: float = 0) -> Markup:
    return Markup('<rect class="{0}" x="{1:.1f}" y="{2:.1f}" width="{3:.1f}" height="{4:.1f}" rx="{5:g}"/>').format(
        name, x, y, max(0.0, wide), max(0.0, tall), radius
    )


def _text(x: float, y: float, words: str, anchor: str) -> Markup:
    return Markup('<text x="{0:.1f}" y="{1:.1f}" text-anchor="{2}">{3}</text>').format(x, y, anchor, words)


def _svg(
    wide: float, tall: float, title: str, parts: Iterable[Markup], name: str, *, stretched: bool = False
) -> Markup:
    shape = Markup(' preserveAspectRatio="none"') if stretched else Markup("")
    return Markup('<svg class="{0}" viewBox="0 0 {1:g} {2:g}"{3} role="img" aria-label="{4}">{5}</svg>').format(
        name, wide, tall, shape, escape(title), Markup("").join(parts)
    )


def _ticks(seconds: float, about: int) -> list[float]:
    """Round times from 0 to ``seconds``, ``about`` so many."""
    steps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 86400]
    step = next((each for each in steps if seconds / each <= about), max(seconds / about, 1.0))
    return [i * step for i in range(int(seconds / step) + 1)]


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02}"


def _nice(value: float) -> float:
    """The next round number above ``value``: 1, 2, 5, 10, 20 and so on."""
    size = 1.0
    while size * 10 <= value:
        size *= 10
    return next(size * factor for factor in (1, 2, 5, 10) if size * factor >= value)
