"""Count the rows that contradict each other; any such row is a failure."""

import json

from django.core.management.base import BaseCommand, CommandError
from django.db import connection

CHECKS = {
    "harmonization logs without messages": "SELECT count(*) FROM bot_messageharmonizationlog WHERE message_ids IS NULL",
    "reference contexts without items": "SELECT count(*) FROM bot_referencecontext WHERE items IS NULL",
    "reference contexts without a conversation": (
        "SELECT count(*) FROM bot_referencecontext WHERE conversation_id NOT IN (SELECT id FROM messaging_conversation)"
    ),
    "answers without a response time": (
        "SELECT count(*) FROM messaging_message WHERE direction = 'outbound' AND response_time_ms IS NULL"
    ),
    "tenants without a configuration": (
        "SELECT count(*) FROM messaging_tenant WHERE id NOT IN (SELECT tenant_id FROM bot_agentconfiguration)"
    ),
}


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser):
        parser.add_argument("--verbose", action="store_true", help="show the checks that pass as well")
        parser.add_argument("--json", action="store_true", help="one JSON document instead of lines")

    def handle(self, *args, verbose, **options):
        counts = {}
        with connection.cursor() as cursor:
            for name, query in CHECKS.items():
                cursor.execute(query)
                counts[name] = cursor.fetchone()[0]
        if options["json"]:
            self.stdout.write(json.dumps(counts))
        for name, count in counts.items():
            if not options["json"] and (verbose or count):
                self.stdout.write(f"{count} {name}")
        if any(counts.values()):
            raise CommandError(f"{sum(counts.values())} rows contradict each other.")
        if not options["json"]:
            self.stdout.write("The data is consistent.")
