"""Every address of the API."""

from django.urls import path

from apps.bot import views as bot
from apps.messaging import views as messaging
from apps.operations import views as operations

urlpatterns = [
    path("v1/health", operations.health),
    path("v1/version", operations.version),
    path("v1/products", bot.products),
    path("v1/conversations", messaging.conversations),
    path("v1/conversations/<int:conversation_id>", messaging.conversation),
    path("v1/conversations/<int:conversation_id>/messages", messaging.messages),
]
