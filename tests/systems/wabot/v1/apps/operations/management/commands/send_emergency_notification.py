"""Tell every tenant about an emergency."""

from django.core.management.base import BaseCommand

from ._notices import notify_tenants


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser):
        parser.add_argument("--message", required=True)

    def handle(self, *args, message, **options):
        self.stdout.write(f"{notify_tenants('emergency', message)} tenants notified.")
