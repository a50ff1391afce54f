"""Smoke tests against the live database that leave nothing behind."""

from contextlib import contextmanager

from django.db import transaction

from apps.messaging.models import Conversation, Message


@contextmanager
def rehearsal(tenant):
    """A conversation inside a transaction that is always taken back."""
    with transaction.atomic():
        yield Conversation.objects.create(tenant=tenant, customer_phone="+000")
        transaction.set_rollback(True)


def say(conversation, text):
    """Store an inbound message, as the API does."""
    return Message.objects.create(conversation=conversation, direction=Message.INBOUND, text=text)
