"""Close the API of this host for maintenance, open it again, or say how it stands."""

from django.conf import settings
from django.core.management.base import BaseCommand
from django.utils import timezone


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser):
        parser.add_argument("state", choices=["on", "off", "status"])

    def handle(self, *args, state, **options):
        flag = settings.MAINTENANCE_FILE
        if state == "on" and not flag.exists():
            flag.write_text(f"{timezone.now().isoformat()}\n", encoding="utf-8")
        elif state == "off":
            flag.unlink(missing_ok=True)
        self.stdout.write("on" if flag.exists() else "off")
