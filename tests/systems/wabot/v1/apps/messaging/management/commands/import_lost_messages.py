"""Bring messages back from a CSV file of messaging_message, with new ids, each at most once."""

import csv

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils.dateparse import parse_datetime

from apps.messaging.models import Conversation, Message

NEEDED = {"conversation_id", "direction", "text", "response_time_ms", "created_at"}


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser):
        parser.add_argument("file", help="CSV with a header, as COPY ... TO ... CSV HEADER writes it")
        wanted = parser.add_mutually_exclusive_group(required=True)
        wanted.add_argument("--dry-run", action="store_true", help="only say what would be done")
        wanted.add_argument("--confirm", action="store_true", help="import")

    def handle(self, *args, file, confirm, **options):
        with open(file, newline="", encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream))
        missing = NEEDED - set(rows[0] if rows else NEEDED)
        if missing:
            raise CommandError(f"The file lacks the columns {sorted(missing)}.")
        known = set(Conversation.objects.values_list("id", flat=True))
        messages = [self._message(row) for row in rows if int(row["conversation_id"]) in known]
        new = [message for message in messages if not self._is_there(message)]
        if confirm:
            with transaction.atomic():
                Message.objects.bulk_create(new)
        self.stdout.write(
            f"{'Imported' if confirm else 'Would import'} {len(new)} messages; {len(messages) - len(new)} are there"
            f" already, {len(rows) - len(messages)} have no conversation."
        )

    @staticmethod
    def _message(row):
        try:
            created_at = parse_datetime(row["created_at"])
            waited = int(row["response_time_ms"]) if row["response_time_ms"] else None
        except ValueError as error:
            raise CommandError(f"The row {row} cannot be read: {error}") from error
        if created_at is None:
            raise CommandError(f"The row {row} has no usable created_at.")
        return Message(
            conversation_id=int(row["conversation_id"]),
            direction=row["direction"],
            text=row["text"],
            response_time_ms=waited,
            created_at=created_at,
        )

    @staticmethod
    def _is_there(message):
        return Message.objects.filter(
            conversation_id=message.conversation_id,
            direction=message.direction,
            text=message.text,
            created_at=message.created_at,
        ).exists()
