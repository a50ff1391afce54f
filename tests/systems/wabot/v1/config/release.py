"""Which release this process runs, read once: a switched symlink does not change a process that is already up."""

import json
import os
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent
VERSION = (BASE_DIR / "VERSION").read_text(encoding="utf-8").strip()


def _marker():
    """What the deployment wrote beside the code, or nothing in a developer's checkout."""
    try:
        return json.loads((BASE_DIR / ".release.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}


_MARKER = _marker()
COMMIT = os.environ.get("WABOT_COMMIT") or _MARKER.get("commit", "unknown")
TAG = _MARKER.get("tag", "")
