"""What monitoring asks."""

from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django.http import JsonResponse
from django.views.decorators.http import require_GET

from config.release import COMMIT, TAG, VERSION

RELEASE = {"version": VERSION, "commit": COMMIT, "tag": TAG}
HEADS = "SELECT app, max(name) FROM django_migrations GROUP BY app"


def _database():
    """(state, heads): the newest applied migration of every app, from the database itself."""
    try:
        with connection.cursor() as cursor:
            cursor.execute(HEADS)
            return "ok", dict(cursor.fetchall())
    except Exception as error:  # whatever is wrong, health says so and lives
        return f"error: {type(error).__name__}", {}


def _redis():
    try:
        cache.get("health")
    except Exception as error:
        return f"error: {type(error).__name__}"
    return "ok"


@require_GET
def health(request):
    """200 when the database and Redis answer, else 503 with the same fields."""
    database, heads = _database()
    redis = _redis()
    well = database == redis == "ok"
    body = {
        "status": "ok" if well else "error",
        "database": database,
        "redis": redis,
        **RELEASE,
        "migrations": heads,
        "maintenance": settings.MAINTENANCE_FILE.exists(),
    }
    return JsonResponse(body, status=200 if well else 503)


@require_GET
def version(request):
    """The release that runs."""
    return JsonResponse(RELEASE)
