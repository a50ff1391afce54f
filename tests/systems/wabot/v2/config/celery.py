"""The Celery application and what beat sends."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("wabot")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.conf.beat_schedule = {
    "rebuild-variants": {"task": "bot.rebuild_variants", "schedule": 1.0},
    "expire-reference-contexts": {"task": "bot.expire_reference_contexts", "schedule": 60.0},
}
