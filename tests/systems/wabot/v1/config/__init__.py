"""The project; ``celery -A config`` finds the Celery application here."""

from .celery import app

__all__ = ["app"]
