"""Watches what a customer feels: how long an answer of the API takes."""

import logging
import time

logger = logging.getLogger("ConversationUx")
SLOW_MS = 1000


def conversation_ux(get_response):
    """Log every slow answer."""

    def middleware(request):
        started = time.monotonic()
        response = get_response(request)
        took = round((time.monotonic() - started) * 1000)
        if took >= SLOW_MS:
            logger.warning("%s %s took %s ms", request.method, request.path, took)
        return response

    return middleware
