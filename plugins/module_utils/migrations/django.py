# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Django's migrations on the way back: what a restore point keeps, what a release can serve, down and up again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..core import canonical, checks, failpoint
from ..core.errors import CommandFailed, NotEffective, RollbackError, TargetMissing, TargetRefused
from ..django_agent import ask
from ..django_command import PROJECT_OPTIONS, Project
from ..kept import Kept
from ..release import target
from ..release.commands import Runner
from ..release.git import Mirror
from ..release.layout import Home
from . import agent, disk
from .verdict import CODE_ONLY, DOWN, REFUSE, Disk, Schema, Verdict, judge, lacking, missing

# The options of this room's modules (doc fragments: project, migrations).
OPTIONS: dict[str, dict[str, Any]] = {
    **PROJECT_OPTIONS,
    "home": {"type": "path", "required": True},
    "lock": {"type": "str", "default": "requirements.lock"},
    "change": {"type": "str", "default": ""},
    "commit": {"type": "str", "default": ""},
}
SHOWN = 6  # reasons that one line names
FULL = "ansible-playbook full-rollback.yml"


@dataclass(frozen=True)
class Migrations:
    """The migrations of one product: its live release, its home, and what a change goes back to."""

    project: Project
    home: Home
    mirror: Mirror
    change: str
    wanted: str = ""

    @classmethod
    def of(cls, params: Mapping[str, Any]) -> Migrations:
        """What a module's OPTIONS describe."""
        home = Home(params["home"], params["lock"])
        mirror = Mirror(home.mirror, "", Runner(timeout=float(params["command_timeout"])))
        return cls(Project.of(params), home, mirror, params["change"], params["commit"])

    def schema(self) -> Schema:
        """The database as the live release sees it."""
        return Schema.of(ask(self.project, agent, "describe"))

    def target(self, live: Schema) -> tuple[Disk, str]:
        """The target's migrations, and where they were read."""
        commit = target.find(self.home, self.mirror, self.change, self.wanted).commit
        return disk.of_commit(self.home, self.mirror, commit, self.project, live)

    def capture(self) -> dict[str, Any]:
        """What a restore point keeps. A half-migrated schema is nothing good to come back to."""
        live = self.schema()
        applied = by_app(live.applied)
        captured = {"heads": live.heads, "applied": applied, "sha256": canonical.digest(applied)}
        trouble = [*live.problems, *(f"{name} is pending" for name in live.pending)]
        trouble += [f"{name} is applied and not on disk" for name in live.unknown]
        return {"captured": captured, "trouble": trouble, **({"good": False} if trouble else {})}

    # -- before anything is touched

    def preflight(
        self, *, swaps: bool, undoing: bool, allow_down: bool, captured: dict[str, list[str]]
    ) -> list[checks.Check]:
        """Whether the schema and the target will fit. ``swaps``: the plan brings back the restore point's database."""
        try:
            live = self.schema()
        except CommandFailed as error:
            if not swaps:
                raise
            # A release that cannot start is what one rolls back from; the target answers for itself.
            return [checks.warn("history", error.message, error.next, error.code), *self._alone(captured)]
        trouble = [*live.problems, *(f"{name} is not applied" for name in live.pending)]
        heads = ", ".join(f"{app} {' and '.join(names)}" for app, names in sorted(live.heads.items()))
        rows = [checks.ok("history", f"{len(live.applied)} applied; heads: {heads}")]
        if trouble:
            rows = [checks.warn("history", some(trouble), self.project.by_hand("manage.py showmigrations --plan"))]
        if undoing:
            return rows
        names, where = self.target(live)
        return [*rows, self._restored(captured, live, names) if swaps else self._served(live, names, where, allow_down)]

    def _alone(self, captured: dict[str, list[str]]) -> list[checks.Check]:
        """The target and the backup, without the live release."""
        commit = target.find(self.home, self.mirror, self.change, self.wanted).commit
        if self.home.release(commit).problem:
            found = "Migrations of the target are read when it is built: the live release cannot say where they are."
            return [checks.warn("schema", found, "The verb verify compares them with the database.")]
        names, _where = disk.of_commit(self.home, self.mirror, commit, self.project, Schema())
        return [self._restored(captured, Schema(), names)]

    def _served(self, live: Schema, names: Disk, where: str, allow_down: bool) -> checks.Check:
        verdict = judge(live, names)
        if verdict.kind == CODE_ONLY:
            beyond = f"; it can live with {', '.join(verdict.lacks)}" if verdict.lacks else ""
            return checks.ok("schema", f"{where} can serve the schema{beyond}")
        if verdict.kind == DOWN and allow_down:
            return checks.warn("schema", f"to undo: {', '.join(verdict.undo)}", "The step migrations.down undoes them.")
        error = self.refusal(verdict)
        return checks.fail("schema", error.message, error.next, error.code)

    def _restored(self, captured: dict[str, list[str]], live: Schema, names: Disk) -> checks.Check:
        """Whether the target's code and the restore point's database belong together."""
        if not captured:
            found = "The restore point holds no migrations, so they cannot be compared with the target."
            return checks.warn("schema", found, "Capture them: put a host into the group rollback_migrations.")
        applied = disk.flat(captured)
        wrong = [f"{name} is in the backup and not in the target" for name in lacking(applied, live.disk, names)]
        wrong += [f"{name} is in the target and not in the backup" for name in missing(applied, live.disk, names)]
        if wrong:
            fix = "Name the release of the restore point: leave out -e release=."
            return checks.fail("schema", some(wrong), fix, "schema-not-of-target")
        return checks.ok("schema", f"the target and the backup have the same {len(applied)} migrations")

    # -- down and up

    def down(self, kept: Kept, allow_down: bool, dry_run: bool) -> dict[str, Any]:
        """Undo what the target cannot live with, where nothing is lost by it."""
        live = self.schema()
        names, _where = self.target(live)
        verdict = judge(live, names)
        facts = {"verdict": verdict.kind, "lacks": list(verdict.lacks), "undone": list(verdict.undo)}
        if verdict.kind == CODE_ONLY:
            return {"changed": False, **facts}
        if verdict.kind != DOWN or not allow_down:
            raise self.refusal(verdict)
        if not dry_run:
            kept.once("migrations", list(verdict.undo))
            failpoint.inside("migrations.down")
            ask(self.project, agent, "move", names=list(verdict.undo), backwards=True)
            self._look_again([name for name in verdict.undo if name in self.schema().applied], "undone")
        return {"changed": True, **facts}

    def up(self, kept: Kept, dry_run: bool) -> dict[str, Any]:
        """Apply again what this change has undone."""
        undone = kept.read("migrations") or []
        live = self.schema()
        again = [name for name in reversed(undone) if name not in live.applied]
        if absent := [name for name in again if name not in live.disk]:
            raise TargetMissing(
                f"The live release does not have {', '.join(absent)}, so they cannot be applied again.",
                hint="The newer release must be live again first: release.switch comes before migrations.up.",
                next="ansible-playbook resume.yml",
                code="migrations-not-on-disk",
            )
        if not dry_run:
            if again:
                ask(self.project, agent, "move", names=again, backwards=False)
                now = self.schema().applied
                self._look_again([name for name in again if name not in now], "applied")
            failpoint.inside("migrations.up")
            kept.close("migrations")
        return {"changed": bool(again), "applied": again}

    def _look_again(self, left: list[str], what: str) -> None:
        if left:
            raise NotEffective(
                f"These migrations should have been {what} and are not: {', '.join(left)}.",
                hint="Something else migrates this database. Stop it, then run the step again.",
                next=self.project.by_hand("manage.py showmigrations --plan"),
                code="migrations-not-moved",
            )

    # -- afterwards

    def verify(self, *, allow_unknown: bool, expected: dict[str, list[str]]) -> dict[str, Any]:
        """The schema is what the release on disk expects, and with ``expected`` exactly what the restore point kept."""
        live = self.schema()
        wrong = [*live.problems, *(f"{name} is on disk and not applied" for name in live.pending)]
        wrong += [] if allow_unknown else [f"{name} is applied and not on disk" for name in live.unknown]
        if expected:
            wanted, have = set(disk.flat(expected)), set(live.applied)
            wrong += [f"{name} is missing" for name in sorted(wanted - have)]
            wrong += [f"{name} is newer than the restore point" for name in sorted(have - wanted)]
        if wrong:
            raise NotEffective(
                f"Code and schema do not fit: {some(wrong)}.",
                hint="The release that is live and the database do not belong together. undo.yml goes back.",
                next=self.project.by_hand("manage.py showmigrations --plan"),
                code="schema-not-as-expected",
            )
        self.project.manage("check")
        return {"applied": len(live.applied), "heads": live.heads, "unknown": list(live.unknown)}

    def refusal(self, verdict: Verdict) -> RollbackError:
        """Why code alone cannot go back."""
        down, refused = verdict.kind == DOWN, verdict.kind == REFUSE
        allow = "ansible-playbook code-rollback.yml -e migrations_allow_down=true"
        return TargetRefused(
            f"The older code cannot serve this schema ({verdict.kind}): {some(verdict.reasons)}",
            hint="Undoing them loses nothing and has to be allowed." if down else "Only the backup brings this back.",
            next=allow if down else FULL,
            code="schema-needs-down" if down else "schema-refused" if refused else "schema-needs-restore",
            verdict=verdict.kind,
            reasons=list(verdict.reasons),
            undo=list(verdict.undo),
        )


def by_app(names: tuple[str, ...]) -> dict[str, list[str]]:
    """``app.name`` sorted into {app: names}."""
    found: dict[str, list[str]] = {}
    for app, _dot, name in (full.partition(".") for full in sorted(names)):
        found.setdefault(app, []).append(name)
    return found


def some(texts: list[str] | tuple[str, ...]) -> str:
    """The first few of them in one line."""
    more = f"; and {len(texts) - SHOWN} more" if len(texts) > SHOWN else ""
    return "; ".join(texts[:SHOWN]) + more
