"""A busy machine is no failure: hypothesis judges what a test finds, not how long it took."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("calm", deadline=None)
settings.load_profile("calm")
