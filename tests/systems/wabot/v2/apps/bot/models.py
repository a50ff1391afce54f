"""How a shop wants its bot, what it sells, and what the bot remembers."""

from django.db import models
from django.utils import timezone

from apps.messaging.models import Conversation, Tenant


class AgentConfiguration(models.Model):
    """The switches of one tenant's bot."""

    tenant = models.OneToOneField(Tenant, on_delete=models.CASCADE)
    enable_message_harmonization = models.BooleanField(default=True)
    harmonization_wait_seconds = models.PositiveIntegerField(default=3)
    enable_immediate_product_display = models.BooleanField(default=True)
    max_products_to_show = models.PositiveIntegerField(default=5)
    enable_grounded_validation = models.BooleanField(default=True)
    enable_reference_resolution = models.BooleanField(default=True)
    use_business_name_as_identity = models.BooleanField(default=True)
    custom_bot_greeting = models.TextField(default="", blank=True)


class Product(models.Model):
    """Something a shop sells."""

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE)
    name = models.CharField(max_length=200)
    price_cents = models.PositiveIntegerField()


class MessageHarmonizationLog(models.Model):
    """Which messages were read together as one thought."""

    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE)
    message_ids = models.JSONField(null=True)
    status = models.CharField(max_length=16, default="done")
    created_at = models.DateTimeField(default=timezone.now, db_index=True)


class ReferenceContext(models.Model):
    """What "the second one" means in a conversation; short-lived, so no constraint ties it to its conversation."""

    conversation = models.ForeignKey(Conversation, on_delete=models.DO_NOTHING, db_constraint=False)
    items = models.JSONField()
    expires_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=timezone.now, db_index=True)


class ResponseVariant(models.Model):
    """One way to put an answer."""

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE)
    name = models.CharField(max_length=32)
    opening = models.TextField()
