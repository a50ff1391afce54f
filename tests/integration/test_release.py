# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Releases on a real host directory: real git, real virtualenvs, and every way in which they go wrong."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.steady.rollback.plugins.module_utils.core.errors import (
    BadInput,
    CommandFailed,
    NotEffective,
    RollbackError,
    TargetMissing,
    TargetRefused,
)
from ansible_collections.steady.rollback.plugins.module_utils.release import finalize, locks, look, switch, target
from integration.release_fixtures import Product, marker, product_fixture, running_fixture, told  # noqa: F401

CHANGE = "r20261125t022301-4f2a"


def rows(product: Product, wanted: str, **options: Any) -> dict[str, tuple[str, str]]:
    """Level and code of the findings of a preflight, by name."""
    given = {"agreed": {}, "allow_bad": False, **options.pop("look", {})}
    found = look.preflight(product.builder(**options), CHANGE, wanted, **given)
    assert all(row["fix"] for row in found if row["level"] == "fail")
    return {row["name"]: (row["level"], row["code"]) for row in found}


def test_build_switch_and_all_the_ways_back(product: Product) -> None:
    product.deploy("v2")
    release, built = product.build("v1", CHANGE)
    assert built and product.live() == "v2"
    assert (release.path / "static/site.css").exists()
    told_word = subprocess.run([release.path / "venv/bin/python", "-c", "import greeting; print(greeting.WORD)"],
                               stdout=subprocess.PIPE, text=True, check=True).stdout  # fmt: skip
    assert told_word == "v1\n"
    assert marker(release)["commit"] == release.commit and not (release.path / ".building").exists()
    assert switch.switch(product.home, told(CHANGE), dry_run=True)["changed"] and product.live() == "v2"
    done = switch.switch(product.home, told(CHANGE), dry_run=False)
    assert (done["changed"], done["tag"], done["replaced"]["tag"]) == (True, "v1", "v2")
    assert switch.switch(product.home, told(CHANGE), dry_run=False)["changed"] is False
    assert switch.verify(product.home, release.commit).tag == "v1"
    bad = product.home.bad(done["replaced"]["commit"])
    assert (bad["change"], bad["reason"]) == (CHANGE, "5xx above 5 %")
    for _ in range(2):
        assert product.undo(CHANGE) == product.undo(CHANGE) == "v2"
        assert product.home.bad(done["replaced"]["commit"]) == {}
        assert switch.switch(product.home, told(CHANGE), dry_run=False)["tag"] == "v1"
        assert product.home.bad(done["replaced"]["commit"])
    assert product.log() == [("deploy", "v2"), *[("rollback", "v1"), ("undo", "v2")] * 2, ("rollback", "v1")]


def test_a_retained_release_needs_no_network_and_no_build(running: Product) -> None:
    shutil.rmtree(running.origin)
    shutil.rmtree(running.directory / "repo.git")
    shutil.rmtree(running.wheels)
    assert running.rollback("previous", CHANGE) == "v2"
    assert running.rollback("v1", "r2") == "v1"


def test_previous_comes_from_the_log_and_never_returns_to_what_was_left(running: Product) -> None:
    # H8: with the modification times of directories a second rollback chooses the same release again.
    assert running.rollback("previous", "r1") == "v2"
    assert running.rollback("previous", "r2") == "v1"
    with pytest.raises(TargetMissing, match="names no earlier release that is good") as none:
        running.rollback("previous", "r3")
    assert none.value.code == "release-no-previous"
    assert running.undo("r2") == "v2"
    assert running.undo("r1") == "v3"
    assert running.rollback("previous", "r4") == "v2"


def test_modification_times_mean_nothing(running: Product) -> None:
    # H9 and H10: something touches an old release; nothing live is taken for another, and nothing is deleted.
    v1 = running.home.directory(running.home.switches()[0]["commit"])
    os.utime(v1, (2**31, 2**31))
    assert running.live() == "v3"
    assert running.rollback("previous", CHANGE) == "v2"
    assert len(running.home.all()) == 3
    # H11: what was replaced is still there to go back to.
    assert running.undo(CHANGE) == "v3"


def test_the_target_is_decided_once(running: Product) -> None:
    running.build("previous", CHANGE)
    running.release("v2.1")
    running.git("tag", "--force", "v2", "v2.1")
    running.git("push", "--quiet", "--force", str(running.origin), "v2")
    assert switch.switch(running.home, told(CHANGE), dry_run=False)["tag"] == "v2"
    site = running.builder()
    assert target.find(site.home, site.mirror, CHANGE, "v1").tag == "v2"
    assert target.find(site.home, site.mirror, "another", "v1").tag == "v1"


def test_a_deployment_in_between_is_never_thrown_away(running: Product) -> None:
    running.build("v1", CHANGE)
    running.deploy("v2")
    with pytest.raises(TargetRefused, match="somebody has switched releases") as moved:
        switch.switch(running.home, told(CHANGE), dry_run=False)
    assert (moved.value.code, running.live()) == ("release-moved", "v2")
    running.rollback("v1", "r2")
    running.deploy("v3")
    with pytest.raises(TargetRefused, match="somebody has switched releases"):
        running.undo("r2")


def test_what_is_live_already_is_not_switched_and_not_marked(running: Product) -> None:
    assert running.rollback("v3", CHANGE) == "v3"
    assert running.home.bad(running.home.live().commit) == {}
    assert running.undo(CHANGE) == "v3"
    assert len(running.log()) == 3
    assert rows(running, "v3")["target"] == ("warn", "release-live-already")


def test_a_switch_without_preparation_is_refused_and_its_undo_is_nothing(running: Product) -> None:
    with pytest.raises(TargetMissing, match="never prepared"):
        switch.switch(running.home, told(CHANGE), dry_run=False)
    assert running.undo(CHANGE) == "v3"


def test_killed_between_the_rename_and_the_log(running: Product) -> None:
    running.build("v2", CHANGE)
    switch.point(running.home, str(running.home.directory(running.home.switches()[1]["commit"])))
    assert switch.switch(running.home, told(CHANGE), dry_run=False)["changed"] is False
    assert running.log()[-1] == ("rollback", "v2")
    assert running.undo(CHANGE) == "v3"


def test_a_torn_line_of_the_log_does_no_harm(running: Product) -> None:
    with running.home.log.open("a") as log:
        log.write('{"at": "2026-11-2')
    assert running.rollback("previous", CHANGE) == "v2"
    assert running.log()[-1] == ("rollback", "v2")


@pytest.mark.parametrize("stage", ["building", "half", "foreign"])
def test_an_unfinished_build_is_begun_anew(product: Product, stage: str) -> None:
    product.deploy("v2")
    commit = product.git("rev-parse", "v1")
    path = product.home.directory(commit)
    path.mkdir()
    (path / "leftover").write_text("x")
    if stage != "foreign":
        (path / ".building").write_text("r0\n")
    if stage == "half":
        (path / "venv").mkdir()
    release, built = product.build("v1", CHANGE)
    assert built and not (release.path / "leftover").exists()
    kept = path.with_name(f"{path.name}.kept-{CHANGE}")
    assert kept.exists() == (stage == "foreign")


def test_sigkill_inside_a_build_then_again(product: Product, tmp_path: Path) -> None:
    product.deploy("v2")
    gate = tmp_path / "gate"
    wait = (
        f"import pathlib, time; gate = pathlib.Path({str(gate)!r})\ngate.touch()\nwhile gate.exists(): time.sleep(0.05)"
    )
    script = (
        "import sys; from pathlib import Path; sys.path[:0] = sys.argv[1].split(':');"
        "from integration.release_fixtures import *;"
        "p = Product.__new__(Product); p.root = Path(sys.argv[2]); p.origin = p.root / 'origin.git'; p.options = {};"
        "p.wheels, p.directory = p.root / 'wheels', p.root / 'app1';"
        "p.build('v1', sys.argv[3], build_commands=[['python', '-c', sys.argv[4]]])"
    )
    argv = [sys.executable, "-c", script, ":".join(sys.path), str(product.root), CHANGE, wait]
    first = subprocess.Popen(argv)
    while not gate.exists():
        assert first.poll() is None
        time.sleep(0.02)
    first.send_signal(signal.SIGKILL)
    first.wait()
    path = product.home.directory(product.git("rev-parse", "v1"))
    assert product.home.inspect(path).problem
    # Its child lives on and holds the lock: nobody builds in the same place.
    with pytest.raises(RollbackError, match="Another build still works") as running:
        product.build("v1", CHANGE, build_timeout=1)
    assert running.value.code == "release-build-running"
    gate.unlink()
    release, built = product.build("v1", CHANGE)
    assert built and release.tag == "v1" and product.live() == "v2"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"requirements.lock": "greeting==1.9 --hash=sha256:" + "0" * 64 + "\n"}, "release-install-failed"),
        ({"requirements.lock": "greeting==1.9\n"}, "release-install-failed"),
        ({"requirements.lock": None}, "release-lock-missing"),
        ({"app.py": "syntax error"}, "release-build-failed"),
        ({"app.py": "import sys\nsys.exit('static' not in sys.argv)"}, "release-check-failed"),
        ({"app.py": "import time\ntime.sleep(60)"}, "command-timeout"),
    ],
    ids=["wrong hash", "no hash", "no lock", "broken code", "broken check", "hangs"],
)
def test_a_broken_build_leaves_the_live_release_untouched(product: Product, change: dict[str, Any], code: str) -> None:
    live = product.deploy("v2")
    before = {path: path.lstat().st_mtime_ns for path in live.path.rglob("*")}
    for name, text in change.items():
        (product.work / name).write_text(text) if text is not None else (product.work / name).unlink()
    product.publish("broken")
    with pytest.raises((CommandFailed, TargetRefused)) as broken:
        product.build("broken", CHANGE, build_timeout=2 if code == "command-timeout" else 60)
    assert broken.value.code == code
    assert product.live() == "v2"
    assert {path: path.lstat().st_mtime_ns for path in live.path.rglob("*")} == before
    if code != "release-check-failed":
        with pytest.raises(TargetMissing):
            switch.switch(product.home, told(CHANGE), dry_run=False)


def test_an_index_out_of_reach_leaves_the_live_release_and_is_named_without_its_password(product: Product) -> None:
    product.deploy("v2")
    index = "http://ci:topsecret9@127.0.0.1:1/simple"
    with pytest.raises(CommandFailed) as told:
        product.build("v1", CHANGE, wheels="", index_url=index)
    assert told.value.code == "release-install-failed"
    assert "127.0.0.1:1/simple/greeting" in told.value.message + told.value.hint
    assert "topsecret9" not in told.value.message + told.value.hint
    assert product.live() == "v2"
    # It is found as soon as the index is there again: what was begun is begun anew.
    assert product.build("v1", CHANGE)[1]


def test_secrets_stay_out_of_the_message(product: Product) -> None:
    product.deploy("v2")
    (product.work / "app.py").write_text("import os\nraise SystemExit('key is ' + os.environ['APP_SECRET_KEY'])")
    product.publish("talks")
    with pytest.raises(CommandFailed) as failed:
        product.build("talks", CHANGE)
    assert "key is ***" in failed.value.hint and "topsecret" not in repr(vars(failed.value))


def test_verify_refuses_another_release(running: Product) -> None:
    with pytest.raises(NotEffective, match="Live is"):
        switch.verify(running.home, running.home.switches()[0]["commit"])


def test_a_symlink_of_the_repository_does_not_leave_the_release(product: Product) -> None:
    product.deploy("v1")
    outside = product.root / "outside"
    outside.mkdir()
    (product.work / "static").symlink_to(outside)
    product.publish("escape")
    with pytest.raises(BadInput, match="leads out of it") as refused:
        product.build("escape", CHANGE)
    assert refused.value.code == "path-escapes"
    assert list(outside.iterdir()) == []


def test_current_that_leads_out_is_refused(running: Product) -> None:
    outside = running.root / "outside"
    outside.mkdir()
    running.home.current.unlink()
    running.home.current.symlink_to(outside)
    assert rows(running, "v2")["layout"] == ("fail", "path-escapes")
    running.home.current.unlink()
    running.home.current.mkdir()
    assert rows(running, "v2")["layout"] == ("fail", "release-current-not-link")


def test_a_dangling_current_can_be_rolled_back_and_undone(running: Product) -> None:
    (running.home.root / ".t").symlink_to(running.home.releases / ("f" * 12))
    os.replace(running.home.root / ".t", running.home.current)
    seen = look.captured(running.home)
    assert (seen["good"], seen["captured"]["commit"]) == (False, "")
    assert running.rollback("v2", CHANGE) == "v2"
    running.undo(CHANGE)
    assert os.readlink(running.home.current).endswith("f" * 12)


def test_capture_says_what_is_live_and_whether_it_is_good(product: Product) -> None:
    live = product.deploy("v1")
    seen = look.captured(product.home)
    assert seen["captured"] == {"commit": live.commit, "tag": "v1", "lock_sha256": live.lock_sha256}
    assert (len(live.lock_sha256), seen["captured_host"]["path"], seen["good"]) == (64, str(live.path), True)
    product.home.mark_bad(live.commit, "r0", "x", "t")
    assert look.captured(product.home)["good"] is False
    (live.path / "requirements.lock").write_text("other")
    assert "changed after the build" in look.captured(product.home)["captured_host"]["problem"]
    assert rows(product, "v1")["release"] == ("fail", "release-live-incomplete")
    with pytest.raises(TargetRefused, match="is live and is not a complete release"):
        product.build("v1", CHANGE)


def test_preflight_finds_every_problem_at_once(running: Product) -> None:
    assert {level for level, _code in rows(running, "v2").values()} == {"ok"}
    commit = running.git("rev-parse", "v2")
    assert rows(running, "v2", look={"agreed": {"app1": commit, "app2": "0" * 40}})["target"] == (
        "fail",
        "release-hosts-disagree",
    )
    running.home.mark_bad(commit, "r0", "x", "t")
    os.chmod(running.home.releases, 0o777)
    (running.directory / "env").chmod(0o644)
    shutil.rmtree(running.home.directory(commit))
    found = rows(running, "v2", lock="requirements.lock", wheels="/nonexistent")
    assert found["target"] == ("fail", "release-bad")
    assert found["layout"] == ("fail", "release-layout")
    assert found["index"] == ("fail", "release-index")
    assert found["env file"] == ("warn", "release-env-open")
    assert rows(running, "v2", env_file="/nonexistent")["layout"] == ("fail", "env-file-unreadable")
    assert rows(running, "v2", look={"allow_bad": True})["target"] == ("warn", "release-bad")


@pytest.mark.parametrize(
    ("wanted", "options", "expected"),
    [
        ("", {}, ("target", "fail", "release-unnamed")),
        ("v9", {}, ("target", "fail", "release-unknown")),
        ("v9", {"repository": ""}, ("target", "fail", "release-unknown")),
        ("0" * 40, {"repository": ""}, ("source", "fail", "release-unknown")),
        ("0" * 40, {}, ("source", "warn", "release-unknown")),
        ("previous", {}, ("target", "fail", "release-no-previous")),
        ("v1", {"repository": "/nonexistent/x.git"}, ("target", "fail", "release-origin")),
        ("--upload-pack=x", {}, ("target", "fail", "release-name")),
        ("v1", {"repository": "ext::sh -c x"}, ("target", "fail", "release-address")),
        ("v1", {"owner": ""}, ("source", "ok", "")),
    ],
)
def test_preflight_of_a_host_that_has_nothing(
    product: Product, wanted: str, options: dict[str, Any], expected: tuple[str, str, str]
) -> None:
    before = sorted(product.directory.rglob("*"))
    name, level, code = expected
    assert rows(product, wanted, **options)[name] == (level, code)
    assert sorted(product.directory.rglob("*")) == before


def test_a_release_with_pip(product: Product, monkeypatch: pytest.MonkeyPatch) -> None:
    site = product.builder(python="/usr/bin/python3" if Path("/usr/bin/python3").exists() else sys.executable)
    monkeypatch.setattr(type(site), "uv", lambda self: "")
    site.mirror.fetch("v1")
    release, built = site.build(target.find(site.home, site.mirror, "", "v1"), CHANGE, 0)
    site.check(release)
    assert built and json.loads((release.path / ".release.json").read_text())["tag"] == "v1"


def test_finalize_leaves_what_somebody_may_go_back_to(running: Product) -> None:
    commits = [line["commit"] for line in running.home.switches()]
    kept = finalize.prune(running.home, 3, [], dry_run=False)
    assert (kept["changed"], kept["removed"]) == (False, [])
    assert [name.split()[1] for name in kept["kept"]] == ["v3", "v2", "v1"]
    foreseen = finalize.prune(running.home, 1, [commits[0]], dry_run=True)
    assert foreseen["removed"] == [commits[1][:12]] and len(running.home.all()) == 3
    assert finalize.prune(running.home, 1, [commits[0]], dry_run=False)["removed"] == [commits[1][:12]]
    assert [release.tag for release in running.home.all()].count("v1") == 1
    assert finalize.prune(running.home, 1, [commits[0]], dry_run=False)["changed"] is False


def test_finalize_leaves_the_way_back_of_the_newest_rollback_and_linked_releases(running: Product) -> None:
    running.rollback("v1", CHANGE)
    (running.home.root / "standby").symlink_to(running.home.directory(running.git("rev-parse", "v2")))
    assert finalize.prune(running.home, 1, [], dry_run=False)["removed"] == []
    (running.home.root / "standby").unlink()
    assert finalize.prune(running.home, 1, [], dry_run=False)["removed"] == [running.git("rev-parse", "v2")[:12]]
    assert running.undo(CHANGE) == "v3"


def test_finalize_is_not_in_the_way_of_a_build_and_cleans_up_after_a_kill(running: Product) -> None:
    first = running.home.directory(running.home.switches()[0]["commit"])
    first.with_name(f".removing-{'0' * 12}").mkdir()
    with locks.held(first.with_name(f".{first.name}.lock"), 1):
        done = finalize.prune(running.home, 2, [], dry_run=False)
    assert (done["busy"], done["removed"], first.exists()) == ([first.name], [], True)
    assert list(running.home.releases.glob(".removing-*")) == []
    assert finalize.prune(running.home, 2, [], dry_run=False)["removed"] == [first.name]
    with pytest.raises(BadInput, match="the live release must stay"):
        finalize.prune(running.home, 0, [], dry_run=False)
