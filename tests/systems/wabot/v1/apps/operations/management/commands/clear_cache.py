"""Empty Django's cache."""

from django.core.cache import cache
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    help = __doc__

    def handle(self, *args, **options):
        cache.clear()
        self.stdout.write("The cache is empty.")
