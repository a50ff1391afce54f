"""From a customer's message to the bot's answer."""

import logging
import time

import inflection
from django.utils import timezone

from apps.messaging.models import Message

from .configuration import settings_of
from .models import MessageHarmonizationLog, Product, ReferenceContext, ResponseVariant

harmonization_log = logging.getLogger("MessageHarmonizationService")
reference_log = logging.getLogger("ReferenceContextManager")
validator_log = logging.getLogger("GroundedResponseValidator")


def find_products(tenant, text):
    """The tenant's products that a text names, else all of them, as many as its configuration shows."""
    limit = settings_of(tenant).max_products_to_show
    products = list(Product.objects.filter(tenant=tenant).order_by("name"))
    words = text.lower().split()
    named = [product for product in products if any(word in product.name.lower() for word in words)]
    return (named or products)[:limit]


def answer(conversation, inbound):
    """Store and return the outbound message that answers ``inbound``."""
    started = time.monotonic()
    settings = settings_of(conversation.tenant)
    variant = ResponseVariant.objects.filter(tenant=conversation.tenant).order_by("?").first()
    parts = [variant.opening if variant else settings.custom_bot_greeting or "Hello."]
    if settings.enable_immediate_product_display:
        shown = find_products(conversation.tenant, inbound.text)
        parts += [f"{len(shown)} {inflection.pluralize('product')}:"]
        parts += [f"{product.name}: {product.price_cents / 100:.2f}" for product in shown]
    text = "\n".join(parts)
    if settings.enable_grounded_validation and not text.strip():
        validator_log.error("an empty answer to message %s", inbound.id)
    outbound = Message.objects.create(
        conversation=conversation,
        direction=Message.OUTBOUND,
        text=text,
        response_time_ms=round((time.monotonic() - started) * 1000),
    )
    conversation.updated_at = timezone.now()
    conversation.save(update_fields=["updated_at"])
    return outbound


def harmonize(conversation_id, message_ids, variant=""):
    """Note that these messages were read together; a variant loses which ones, which is a fault of this release."""
    status = "failed" if variant else "done"
    kept = None if variant else message_ids
    MessageHarmonizationLog.objects.create(conversation_id=conversation_id, message_ids=kept, status=status)
    harmonization_log.info("conversation %s: %s messages, %s", conversation_id, len(message_ids), status)


def remember_references(conversation_id, message_ids):
    """Keep what the customer may point at next."""
    ReferenceContext.objects.create(conversation_id=conversation_id, items=[{"message": one} for one in message_ids])
    reference_log.info("conversation %s: %s references", conversation_id, len(message_ids))
