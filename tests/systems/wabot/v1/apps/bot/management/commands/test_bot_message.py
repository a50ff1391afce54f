"""Let a tenant's bot answer one message, and take everything back."""

from django.core.management.base import BaseCommand, CommandError

from apps.bot import services

from ._rehearsal import rehearsal, say
from ._tenants import add_tenant_option, tenant_of


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser):
        add_tenant_option(parser, required=True)
        parser.add_argument("--text", default="What do you have?", help="what the customer writes")

    def handle(self, *args, tenant_id, text, **options):
        with rehearsal(tenant_of(tenant_id)) as conversation:
            answer = services.answer(conversation, say(conversation, text)).text
        if not answer.strip():
            raise CommandError("The bot gave an empty answer.")
        self.stdout.write(f"OK: {answer.splitlines()[0]}")
