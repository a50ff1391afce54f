# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""``python tests/sandbox start|stop|status|deploy TAG|fingerprint``."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
# Run as a directory, Python puts this directory first; the package is importable from the one above.
sys.path[0] = str(HERE.parent)

import sandbox  # noqa: E402

DEFAULT = HERE.parent.parent / ".sandbox"


def main() -> int:
    """The exit code: 0 when what was asked for is so."""
    parser = argparse.ArgumentParser(prog="sandbox", description=(sandbox.__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("action", choices=["start", "stop", "status", "deploy", "fingerprint"])
    parser.add_argument("tag", nargs="?", default="v1", help="the release to deploy")
    parser.add_argument("--warm", action="store_true", help="keep the release before it warm on the standby ports")
    parser.add_argument("--dir", type=Path, default=DEFAULT, help="everything lives here (default: %(default)s)")
    arguments = parser.parse_args()
    began = time.monotonic()
    if arguments.action == "start":
        print(f"inventory: {sandbox.start(arguments.dir).inventory}")
    elif arguments.action == "stop":
        sandbox.stop(arguments.dir)
    elif arguments.action == "deploy":
        print(f"{arguments.tag} is commit {sandbox.deploy(arguments.dir, arguments.tag, arguments.warm)}")
    elif arguments.action == "fingerprint":
        print(json.dumps(sandbox.fingerprint(arguments.dir), indent=2))
        return 0
    states = sandbox.status(arguments.dir)
    for name, state in states.items():
        print(f"{name:16} {state}")
    print(f"{arguments.action}: {time.monotonic() - began:.1f} s, {len(states)} programs")
    return 0 if bool(states) != (arguments.action == "stop") else 1


if __name__ == "__main__":
    sys.exit(main())
