# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""``with_env.py LINK PROGRAM ...``: run a program of the release that LINK names, with the env file beside LINK.

It is what ``EnvironmentFile=`` and ``WorkingDirectory=`` are to systemd. The symlink is followed at every start.
"""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Become the program."""
    link, program, *arguments = sys.argv[1:]
    with open(os.path.join(os.path.dirname(link), "env"), encoding="utf-8") as lines:
        settings = dict(line.rstrip("\n").split("=", 1) for line in lines if "=" in line and line[0] != "#")
    os.chdir(link)
    # PWD keeps the symlink: gunicorn's reload goes through it, and so finds a switched release.
    os.environ.update(settings, PWD=link)
    os.execv(os.path.join(link, "venv", "bin", program), [program, *arguments])


if __name__ == "__main__":
    main()
