"""What a shop sells, as its bot would show it."""

from django.http import JsonResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_GET

from apps.messaging.models import Tenant

from .services import find_products


@require_GET
def products(request):
    """GET ``?tenant=slug&q=words``."""
    tenant = get_object_or_404(Tenant, slug=request.GET.get("tenant", ""))
    found = find_products(tenant, request.GET.get("q", ""))
    return JsonResponse({"products": [{"name": one.name, "price_cents": one.price_cents} for one in found]})
