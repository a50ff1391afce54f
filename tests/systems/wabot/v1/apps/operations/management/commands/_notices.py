"""How the tenants hear from operations: one line a tenant in a file that the mail gateway picks up."""

import json
import logging
from pathlib import Path

from django.conf import settings
from django.utils import timezone

from apps.messaging.models import Tenant

logger = logging.getLogger("Notifications")


def notify_tenants(kind, message):
    """Hand ``message`` over for every tenant; returns how many there are."""
    slugs = list(Tenant.objects.order_by("slug").values_list("slug", flat=True))
    at = timezone.now().isoformat()
    with (Path(settings.LOG_DIR or settings.BASE_DIR) / "notifications.jsonl").open("a", encoding="utf-8") as outbox:
        outbox.writelines(json.dumps({"at": at, "kind": kind, "to": slug, "message": message}) + "\n" for slug in slugs)
    logger.warning("%s notification to %s tenants: %s", kind, len(slugs), message)
    return len(slugs)
