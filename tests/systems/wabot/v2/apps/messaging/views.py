"""The conversation API: JSON in, JSON out."""

import json

from django.db import transaction
from django.http import HttpResponseBadRequest, JsonResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apps.bot import services, tasks

from .models import Conversation, Message, Tenant


def _document(request, *names):
    """The request's JSON fields ``names`` as strings, or None when one is missing."""
    try:
        body = json.loads(request.body)
        return [str(body[name]) for name in names]
    except (ValueError, KeyError, TypeError):
        return None


def _conversation(conversation):
    return {
        "id": conversation.id,
        "tenant": conversation.tenant.slug,
        "customer_phone": conversation.customer_phone,
        "status": conversation.status,
        "updated_at": conversation.updated_at.isoformat(),
    }


def _message(message):
    return {
        "id": message.id,
        "direction": message.direction,
        "text": message.text,
        "intent": message.intent,
        "response_time_ms": message.response_time_ms,
        "created_at": message.created_at.isoformat(),
    }


@require_http_methods(["GET", "POST"])
def conversations(request):
    """GET lists a tenant's latest conversations, POST begins one."""
    return _begin(request) if request.method == "POST" else _latest(request)


def _latest(request):
    tenant = get_object_or_404(Tenant, slug=request.GET.get("tenant", ""))
    found = Conversation.objects.filter(tenant=tenant).select_related("tenant").order_by("-updated_at")[:20]
    return JsonResponse({"conversations": [_conversation(one) for one in found]})


def _begin(request):
    fields = _document(request, "tenant", "customer_phone")
    if fields is None:
        return HttpResponseBadRequest("tenant and customer_phone are needed")
    tenant = get_object_or_404(Tenant, slug=fields[0])
    conversation = Conversation.objects.create(tenant=tenant, customer_phone=fields[1])
    return JsonResponse(_conversation(conversation), status=201)


@require_GET
def conversation(request, conversation_id):
    """One conversation with its messages."""
    found = get_object_or_404(Conversation.objects.select_related("tenant"), pk=conversation_id)
    texts = [_message(message) for message in found.messages.order_by("id")]
    return JsonResponse({**_conversation(found), "messages": texts})


@require_POST
def messages(request, conversation_id):
    """Take a customer's message, answer it, and leave the bookkeeping to the worker."""
    fields = _document(request, "text")
    if fields is None:
        return HttpResponseBadRequest("text is needed")
    found = get_object_or_404(Conversation.objects.select_related("tenant"), pk=conversation_id)
    with transaction.atomic():
        inbound = Message.objects.create(conversation=found, direction=Message.INBOUND, text=fields[0])
        outbound = services.answer(found, inbound)
        transaction.on_commit(lambda: tasks.after_answer(found, [inbound.id, outbound.id]))
    return JsonResponse({"id": inbound.id, "answer": _message(outbound)}, status=201)
