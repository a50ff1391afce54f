# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""``make bench``: every benchmark, one after the other. With names only these: ``python benchmarks swap engine``."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
SETS = {
    "journal": [],
    "engine": [],
    "fleet": [],
    "code_rollback": [],
    "full_rollback": ["--megabytes", "1000"],
    "swap": ["--megabytes", "100,1000,5000"],
    "backup": ["--megabytes", "1200"],
}


def main() -> int:
    """The exit code."""
    failed = []
    for name in sys.argv[1:] or SETS:
        began = time.monotonic()
        print(f"== {name}", flush=True)
        done = subprocess.run([sys.executable, str(HERE / f"{name}.py"), *SETS[name]], check=False)
        print(f"== {name}: {time.monotonic() - began:.0f} s", flush=True)
        failed += [name] if done.returncode else []
    print(f"FAILED: {', '.join(failed)}" if failed else f"Tables and pictures: {HERE / 'results'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
