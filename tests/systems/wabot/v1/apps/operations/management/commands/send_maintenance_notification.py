"""Tell every tenant that maintenance has begun."""

from django.core.management.base import BaseCommand

from ._notices import notify_tenants

DEFAULT = "Maintenance is in progress. Service will be back shortly."


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser):
        parser.add_argument("--message", default=DEFAULT)

    def handle(self, *args, message, **options):
        self.stdout.write(f"{notify_tenants('maintenance', message)} tenants notified.")
