"""Lead a whole conversation: question, answer, second question, bookkeeping; and take everything back."""

from django.core.management.base import BaseCommand, CommandError

from apps.bot import services

from ._rehearsal import rehearsal, say
from ._tenants import add_tenant_option, tenant_of


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser):
        add_tenant_option(parser, required=True)

    def handle(self, *args, tenant_id, **options):
        with rehearsal(tenant_of(tenant_id)) as conversation:
            for text in ("What do you have?", "And the second one?"):
                inbound = say(conversation, text)
                ids = [inbound.id, services.answer(conversation, inbound).id]
                services.harmonize(conversation.id, ids)
                services.remember_references(conversation.id, ids)
            count = conversation.messages.count()
        if count != 4:
            raise CommandError(f"The conversation has {count} messages, 4 were expected.")
        self.stdout.write("OK: 2 questions, 2 answers")
