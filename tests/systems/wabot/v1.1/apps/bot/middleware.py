"""Watches what a customer feels, and harmonizes and validates every request: the bad code of this release.

One request in ten fails and one in ten is slow. The two faults hang on the switches of the configuration, so switching
the features off for all tenants (and clearing the cache) heals them.
"""

import logging
import random
import time

from django.core.cache import cache

from apps.bot.models import AgentConfiguration

logger = logging.getLogger("ConversationUx")
harmonization_log = logging.getLogger("MessageHarmonizationService")
SLOW_MS = 1000
WINDOW_SECONDS = 2.4
WATCHED = ("/v1/conversations", "/v1/products")
FAIL, WAIT = "fail", "wait"


class HarmonizationError(Exception):
    """Two windows of the same conversation overlapped."""


def _deal():
    """Fates in shuffled hands of twenty: the rates hold within seconds, and no caller falls into step with them."""
    while True:
        hand = [FAIL] * 2 + [WAIT] * 2 + [""] * 16
        random.shuffle(hand)
        yield from hand


_fates = _deal()


def _enabled():
    """Which of the two features any tenant has switched on; kept for minutes, like the configuration itself."""
    kept = cache.get("ux-features")
    if kept is None:
        fields = ("enable_message_harmonization", "enable_grounded_validation")
        kept = [AgentConfiguration.objects.filter(**{field: True}).exists() for field in fields]
        cache.set("ux-features", kept, 300)
    return kept


def _harmonize():
    """The faults."""
    fate = next(_fates)
    harmonizing, validating = _enabled()
    if fate == FAIL and harmonizing:
        harmonization_log.error("overlapping windows")
        raise HarmonizationError
    if fate == WAIT and validating:
        time.sleep(WINDOW_SECONDS)


def conversation_ux(get_response):
    """Harmonize, answer, and log every slow answer."""

    def middleware(request):
        started = time.monotonic()
        if request.path.startswith(WATCHED):
            _harmonize()
        response = get_response(request)
        took = round((time.monotonic() - started) * 1000)
        if took >= SLOW_MS:
            logger.warning("%s %s took %s ms", request.method, request.path, took)
        return response

    return middleware
