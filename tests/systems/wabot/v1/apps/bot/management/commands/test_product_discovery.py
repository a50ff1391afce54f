"""See that a tenant's products are found, in the number that its configuration allows."""

from django.core.management.base import BaseCommand, CommandError

from apps.bot import services
from apps.bot.configuration import settings_of

from ._tenants import add_tenant_option, tenant_of


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser):
        add_tenant_option(parser, required=True)

    def handle(self, *args, tenant_id, **options):
        tenant = tenant_of(tenant_id)
        found = services.find_products(tenant, "")
        limit = settings_of(tenant).max_products_to_show
        if not 0 < len(found) <= limit:
            raise CommandError(f"{len(found)} products were found, between 1 and {limit} were expected.")
        self.stdout.write(f"OK: {len(found)} products")
