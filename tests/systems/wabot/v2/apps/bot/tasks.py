"""What the worker does after the customer has the answer."""

import time
from datetime import timedelta

from celery import shared_task
from django.utils import timezone

from . import services
from .configuration import settings_of
from .models import ReferenceContext


def after_answer(conversation, message_ids):
    """Send the jobs that follow an answer: one with an argument, one with a name, that older workers do not know."""
    settings = settings_of(conversation.tenant)
    if settings.enable_message_harmonization:
        harmonize_messages.delay(conversation.id, message_ids, "variant-b")
    if settings.enable_reference_resolution:
        remember_references.delay(conversation.id, message_ids)
    enrich_profile.delay(conversation.id)


@shared_task(name="bot.harmonize_messages")
def harmonize_messages(conversation_id, message_ids, variant=""):
    """Log which messages belong together."""
    services.harmonize(conversation_id, message_ids, variant)


@shared_task(name="bot.remember_references")
def remember_references(conversation_id, message_ids):
    """Store the reference context of an answer."""
    services.remember_references(conversation_id, message_ids)


@shared_task(name="bot.expire_reference_contexts")
def expire_reference_contexts():
    """Forget contexts older than a week."""
    ReferenceContext.objects.filter(created_at__lt=timezone.now() - timedelta(days=7)).delete()


@shared_task(name="bot.enrich_profile")
def enrich_profile(conversation_id):
    """Learn about the customer; slow."""
    time.sleep(1)


@shared_task(name="bot.rebuild_variants")
def rebuild_variants():
    """Make the variants anew; beat asks for it faster than the worker can do it, so the queue grows."""
    time.sleep(4)
