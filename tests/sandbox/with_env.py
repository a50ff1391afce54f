# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""``with_env.py HOME PROGRAM ...``: run a program of HOME's current release with HOME's env file.

It is what ``EnvironmentFile=`` and ``WorkingDirectory=`` are to systemd. The symlink is followed at every start.
"""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Become the program."""
    home, program, *arguments = sys.argv[1:]
    with open(os.path.join(home, "env"), encoding="utf-8") as lines:
        settings = dict(line.rstrip("\n").split("=", 1) for line in lines if "=" in line and line[0] != "#")
    current = os.path.join(home, "current")
    os.chdir(current)
    # PWD keeps the symlink: gunicorn's reload goes through it, and so finds a switched release.
    os.environ.update(settings, PWD=current)
    os.execv(os.path.join(current, "venv", "bin", program), [program, *arguments])


if __name__ == "__main__":
    main()
