"""Who talks with whom, and what was said."""

from django.db import models
from django.utils import timezone


class Tenant(models.Model):
    """A shop."""

    slug = models.SlugField(unique=True)
    business_name = models.CharField(max_length=200)

    def __str__(self):
        return self.slug


class Conversation(models.Model):
    """One customer's thread with one shop."""

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE)
    customer_phone = models.CharField(max_length=32)
    status = models.CharField(max_length=16, default="open")
    created_at = models.DateTimeField(default=timezone.now, db_index=True)
    updated_at = models.DateTimeField(default=timezone.now, db_index=True)


class Message(models.Model):
    """One text; an outbound one knows how long the customer waited for it."""

    INBOUND = "inbound"
    OUTBOUND = "outbound"

    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="messages")
    direction = models.CharField(max_length=8, choices=[(INBOUND, INBOUND), (OUTBOUND, OUTBOUND)])
    text = models.TextField()
    response_time_ms = models.PositiveIntegerField(null=True)
    channel = models.CharField(max_length=16, null=True)
    intent = models.CharField(max_length=32, default="unknown")
    created_at = models.DateTimeField(default=timezone.now, db_index=True)
