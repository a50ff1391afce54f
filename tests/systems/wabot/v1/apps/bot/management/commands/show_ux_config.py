"""Show every tenant's configuration."""

import json

from django.core.management.base import BaseCommand
from django.forms.models import model_to_dict

from apps.bot.models import AgentConfiguration

from ._tenants import add_tenant_option, tenant_of


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser):
        add_tenant_option(parser)
        parser.add_argument("--json", action="store_true", help="one JSON document instead of lines")

    def handle(self, *args, tenant_id, **options):
        chosen = AgentConfiguration.objects.select_related("tenant").order_by("tenant_id")
        if tenant_id is not None:
            chosen = chosen.filter(tenant=tenant_of(tenant_id))
        shown = {row.tenant.slug: model_to_dict(row, exclude=["id", "tenant"]) for row in chosen}
        if options["json"]:
            self.stdout.write(json.dumps(shown, indent=2))
            return
        for slug, fields in shown.items():
            self.stdout.write(f"{slug}:")
            for name, value in fields.items():
                self.stdout.write(f"  {name} = {value}")
