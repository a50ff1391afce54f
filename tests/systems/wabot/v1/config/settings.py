"""Settings, all from the environment: the same release runs on every host."""

import os
import time
from pathlib import Path

from .release import BASE_DIR

SECRET_KEY = os.environ.get("WABOT_SECRET_KEY", "only-for-a-developer")
DEBUG = False
ALLOWED_HOSTS = os.environ.get("WABOT_ALLOWED_HOSTS", "localhost,127.0.0.1").split(",")
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "UTC"

INSTALLED_APPS = [
    "django.contrib.staticfiles",
    "apps.messaging",
    "apps.bot",
    "apps.operations",
]
MIDDLEWARE = [
    "apps.operations.middleware.release_headers",
    "apps.operations.middleware.maintenance",
    "apps.bot.middleware.conversation_ux",
    "django.middleware.common.CommonMiddleware",
]

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": os.environ.get("WABOT_DB_HOST", "127.0.0.1"),
        "PORT": os.environ.get("WABOT_DB_PORT", "5432"),
        "NAME": os.environ.get("WABOT_DB_NAME", "wabot"),
        "USER": os.environ.get("WABOT_DB_USER", "wabot"),
        "PASSWORD": os.environ.get("WABOT_DB_PASSWORD", ""),
        "CONN_MAX_AGE": 60,
        # A connection that the server has closed is replaced, so a database that was swapped is found again.
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {"connect_timeout": 3, "application_name": "wabot"},
    }
}

CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": os.environ.get("WABOT_CACHE_URL", "redis://127.0.0.1:6379/1"),
        "KEY_PREFIX": "wabot",
        "OPTIONS": {"socket_connect_timeout": 2, "socket_timeout": 2},
    }
}

CELERY_BROKER_URL = os.environ.get("WABOT_BROKER_URL", "redis://127.0.0.1:6379/0")
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {"socket_connect_timeout": 2, "socket_timeout": 5}
CELERY_TASK_IGNORE_RESULT = True
# A worker that is stopped hard gives its running job back to the queue.
CELERY_TASK_ACKS_LATE = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
# The worker logs where everything else of this host does.
CELERY_WORKER_HIJACK_ROOT_LOGGER = False

STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "assets"]

# One file a host: gunicorn, the workers and the management command look at the same one.
MAINTENANCE_FILE = Path(os.environ.get("WABOT_MAINTENANCE_FILE", BASE_DIR / "maintenance.flag"))
MAINTENANCE_RETRY_AFTER = 120

LOG_DIR = os.environ.get("WABOT_LOG_DIR", "")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "format": "%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s: %(message)s",
            "datefmt": "%Y-%m-%dT%H:%M:%S",
            "()": "config.settings.utc_formatter",
        }
    },
    "handlers": {
        "application": (
            {
                "class": "logging.handlers.WatchedFileHandler",
                "filename": str(Path(LOG_DIR) / "application.log"),
                "formatter": "line",
            }
            if LOG_DIR
            else {"class": "logging.StreamHandler", "formatter": "line"}
        )
    },
    "root": {"handlers": ["application"], "level": "INFO"},
    "loggers": {"django": {"handlers": ["application"], "level": "INFO", "propagate": False}},
}


def utc_formatter(format, datefmt):  # noqa: A002
    """A formatter whose times are UTC on every host."""
    import logging

    formatter = logging.Formatter(format, datefmt)
    formatter.converter = time.gmtime
    return formatter
