"""Maintenance mode, and the release on every answer."""

from django.conf import settings
from django.http import HttpResponse

from config.release import COMMIT, VERSION

ALWAYS_OPEN = ("/v1/health", "/v1/version")


def release_headers(get_response):
    """Name the release that answered: a prober outside sees a switch without asking a second question."""

    def middleware(request):
        response = get_response(request)
        response["X-Wabot-Version"] = VERSION
        response["X-Wabot-Commit"] = COMMIT[:12]
        return response

    return middleware


def maintenance(get_response):
    """Answer 503 while this host's maintenance file exists. Health stays open: a load balancer asks it."""

    def middleware(request):
        if request.path in ALWAYS_OPEN or not settings.MAINTENANCE_FILE.exists():
            return get_response(request)
        response = HttpResponse("Maintenance in progress.\n", status=503, content_type="text/plain")
        response["Retry-After"] = str(settings.MAINTENANCE_RETRY_AFTER)
        response["Cache-Control"] = "no-store"
        return response

    return middleware
