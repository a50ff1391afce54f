# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the operator reads: plain text of at most 80 columns, made from the plan and the journal alone."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from . import journal, standing
from .canonical import duration, epoch
from .plan import Plan, Step, budget

WIDTH = 80
LAST_SCREEN = 15  # lines
MARKS = {"ok": "ok  ", "warn": "WARN", "fail": "FAIL"}


def plan(run: Mapping[str, Any], of: Plan, point: Mapping[str, Any], now: float) -> str:
    """What a run is about to do, on one screen of at most 24 lines."""
    noticed = [step for step in of.steps if step.notice]
    lines = [
        _wrap(f"{run['strategy']} rollback of {run['environment']}", "  ") + f"    plan {of.hash[:12]}",
        _field("back to", _point(point, now)),
        _field("reason", str(run["reason"]) or "none given"),
        _field("steps", " > ".join(_names(of.steps))),
        _field("users", f"notice {len(noticed)} steps, {duration(budget(noticed))} at most" if noticed else "none"),
        _field("budget", f"{duration(budget(of.steps))} in all"),
        _field("stop it", "Ctrl-C; then status.yml, resume.yml or undo.yml"),
    ]
    if of.dropped:
        lines.insert(4, _field("not here", ", ".join(of.dropped)))
    return "\n".join(lines)


def restore_point(body: Mapping[str, Any], captured: Sequence[str], path: str) -> str:
    """What was captured, whether it counts as healthy, and where it lies."""
    state = "healthy" if body["good"] else "NOT HEALTHY: 'latest' will not choose it"
    return f"restore point {body['id']}: {state}\n{_field('captured', ', '.join(captured))}\n  {path}"


def runbook(of: Plan) -> str:
    """Every step with its hosts, budget and inverse: what ``--check`` prints."""
    rows = [f"{'n':>3}  {'step':<22} {'hosts':<24} {'budget':>7}  undone by"]
    for step in of.steps:
        first, *more = textwrap.wrap(", ".join(step.hosts), 24, break_long_words=False, break_on_hyphens=False)
        rows.append(f"{step.n:>3}  {step.name:<22} {first:<24} {duration(step.budget):>7}  {step.inverse or '-'}")
        rows += [f"{'':28}{line}" for line in more]
    return "\n".join(rows)


def preflight(rows: Sequence[Mapping[str, Any]], *, brief: bool = False) -> str:
    """All findings of a preflight, the worst last, each failing one with the command that mends it.

    ``brief`` tells in one line what is well: at the start of a run the screen is for what is not.
    """
    order = {"ok": 0, "warn": 1, "fail": 2}
    well = [row for row in rows if row["level"] == "ok"]
    lines = []
    if brief and well:
        components = ", ".join(dict.fromkeys(row["component"] for row in well))
        lines.append(_wrap(f"{MARKS['ok']}  {len(well)} of {len(rows)} checks passed: {components}", "      "))
    for row in sorted(rows, key=lambda each: order[each["level"]]):
        if brief and row["level"] == "ok":
            continue
        lines.append(_wrap(f"{MARKS[row['level']]}  {row['host']} {row['component']}: {row['found']}", "      "))
        if row["fix"] and row["level"] != "ok":
            lines.append(_wrap(f"      mend: {row['fix']}", "            "))
    return "\n".join(lines)


def loss(found: Mapping[str, Any]) -> str:
    """The data that a rollback gives up, in minutes and rows; empty when it gives up none."""
    if not found:
        return ""
    changed = {
        name: counts["now"] - counts["then"]
        for name, counts in found["tables"].items()
        if counts["now"] != counts["then"]
    }
    rows = ", ".join(f"{name} {delta:+}" for name, delta in sorted(changed.items())) or "no difference in row counts"
    return _field("data lost", f"everything written in the last {duration(found['minutes'] * 60)} h:min:s: {rows}")


def progress(step: Step, count: int, elapsed: float, left: float) -> str:
    """One line at the start of a step."""
    return (
        f"[{step.n}/{count}] {step.name} on {','.join(step.hosts)}  {duration(elapsed)} elapsed, ~{duration(left)} left"
    )


def failure(records: Sequence[journal.Record], of: Plan) -> str:
    """The last screen after a failure, at most 15 lines: what failed, where the world stands, and the three ways on."""
    failed = journal.last(records, "failed")
    rest = [*_world(records, of), *_ways(records, of)]
    place = f"[{failed['n']}/{len(of.steps)}] {failed['step']}"
    stopped = failed.get("code") == "stopped"
    head = _wrap(f"STOPPED before {place}" if stopped else f"FAILED at {place} on {failed['host']}", "  ", most=1)
    free = LAST_SCREEN - 1 - sum(line.count("\n") + 1 for line in rest)
    # What follows the hint's first line is the end of a log: status shows it.
    first = str(failed.get("hint") or "").partition("\n")[0]
    hint = _wrap(f"  {first}", "  ", most=max(1, free - 2)) if first else ""
    taken = hint.count("\n") + 1 if hint else 0
    message = _wrap(f"  {failed['message']}", "  ", most=max(1, min(5, free - taken)))
    return "\n".join(line for line in (head, message, hint, *rest) if line)


def _world(records: Sequence[journal.Record], of: Plan) -> list[str]:
    """A line for each part of the world and, of a run that has not ended, whether it may stay so for a while."""
    lines = [_field(part, text, most=2) for part, text in standing.parts(records, of)]
    ended = journal.last(records, "closed").get("outcome", "held") != "held"
    return lines if ended else [*lines, _field("can wait", standing.can_wait(records, of))]


def _ways(records: Sequence[journal.Record], of: Plan) -> list[str]:
    """The three commands; where one would be refused, what to do instead."""
    resume, undo = "ansible-playbook resume.yml", "ansible-playbook undo.yml"
    if not standing.changed(records, of):
        resume, undo = "not needed: give the same command again", "not needed: there is nothing to take back"
    elif of.strategy == "undo":
        undo = "this is the way back: resume it"
    return [f"  resume    {resume}", f"  undo      {undo}", "  details   ansible-playbook status.yml"]


def status(look: Mapping[str, Any], of: Plan | None) -> str:
    """The whole story of the newest run and the lock, in a few lines."""
    held, records = look["lease"], look["records"]
    if of is None:
        newest = max((point["created"] for point in look["points"]), default="none")
        first = f"No run yet. Restore points: {len(look['points'])}, the newest of {newest}."
        return "\n".join([first, *_broken(look)])
    opened, closed = journal.last(records, "opened"), journal.last(records, "closed")
    done = journal.done_steps(records)
    lines = [
        _wrap(f"run {look['run']}: {opened.get('strategy', '')} on {opened.get('environment', '')}", "  "),
        _field("by", f"{opened.get('operator', '')} from {opened.get('host', '')}, {opened.get('at', '')[:19]}Z"),
        _field("steps", f"{len(done)} of {len(of.steps)} done"),
        _field("outcome", str(closed.get("outcome", "not closed"))),
        *_why(records, closed),
        *_world(records, of),
    ]
    if held and held["state"] != "free":
        age = duration(look["now"] - held["heartbeat"])
        holder = held["holder"]
        lines.append(
            _field("lock", f"{held['state']} by {holder['user']} on {holder['host']}, last sign of life {age} ago")
        )
    if look.get("report"):
        lines.append(_field("report", look["report"]))
    lines += _broken(look)
    shown = since(records, of, look["now"])
    if shown:
        lines.append(shown)
    if held and held["state"] != "free":
        lines += _ways(records, of)[:2]
    return "\n".join(lines)


def _why(records: Sequence[journal.Record], closed: Mapping[str, Any]) -> list[str]:
    """What a held run has failed at, in full."""
    if closed.get("outcome") != "held":
        return []
    failed = journal.last(records, "failed")
    hint, *log = str(failed.get("hint") or "").splitlines() or [""]
    told = [_field("failed", f"{failed['step']} on {failed['host']}: {failed['message']}"), _field("hint", hint)]
    return [*(told if hint else told[:1]), *(_wrap(f"            {line}", " " * 14) for line in log)]


def since(records: Sequence[journal.Record], of: Plan, now: float) -> str:
    """A loud line while the maintenance page is on."""
    on = 0.0
    for record in records:
        if record["kind"] == "done" and record["step"] == "maintenance.enable":
            on = epoch(record["at"])
        if record["kind"] == "done" and record["step"] == "maintenance.disable":
            on = 0.0
    return _field("USERS", f"maintenance mode is ON since {duration(now - on)} (h:min:s)") if on else ""


def _point(point: Mapping[str, Any], now: float) -> str:
    if not point:
        return "the targets named by hand: there is no restore point"
    release = point["components"].get("release", {})
    text = f"{point['id']}, taken {point['created'][:16]}Z, {duration(now - epoch(point['created']))} ago"
    if release:
        text += f", release {release.get('tag') or 'untagged'} ({release['commit'][:12]})"
    return text


def _broken(look: Mapping[str, Any]) -> list[str]:
    if not look["broken"]:
        return []
    return [_field("BROKEN", f"restore points that cannot be trusted: {', '.join(look['broken'])}")]


def _names(steps: Sequence[Step]) -> list[str]:
    return list(dict.fromkeys(step.name for step in steps))


def _field(name: str, text: str, most: int = 12) -> str:
    return _wrap(f"  {name:<9} {text}", " " * 12, most)


def _wrap(text: str, indent: str, most: int = 12) -> str:
    clean = "".join(char if char.isprintable() else "?" for char in text)
    # An id or a command that is broken at its hyphens cannot be copied.
    fold = textwrap.TextWrapper(WIDTH, subsequent_indent=indent, max_lines=most, placeholder=" ...")
    fold.break_on_hyphens = False
    return "\n".join(fold.wrap(clean))
