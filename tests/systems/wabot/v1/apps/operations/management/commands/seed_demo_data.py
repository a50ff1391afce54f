"""Fill an empty database with shops, products, conversations and messages: the same ones every time."""

import random
from datetime import timedelta

from django.core.management.base import BaseCommand
from django.db import transaction
from django.utils import timezone

from apps.bot.models import AgentConfiguration, MessageHarmonizationLog, Product, ReferenceContext
from apps.messaging.models import Conversation, Message, Tenant

SHOPS = {
    "bakery": ("Corner Bakery", ["Rye bread", "Croissant", "Almond cake", "Pretzel", "Baguette", "Poppy roll"]),
    "florist": ("Green Florist", ["Red roses", "Tulips", "Fern", "Sunflower", "Orchid"]),
    "books": ("Old Books", ["Atlas", "Cookbook", "Field guide", "Novel"]),
}
QUESTIONS = ["What do you have?", "How much is it?", "Is it still there?", "And the second one?", "Do you deliver?"]


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser):
        parser.add_argument("--conversations", type=int, default=150, help="in all, spread over the tenants")
        parser.add_argument("--messages", type=int, default=20, help="a conversation; half of them are answers")

    @transaction.atomic
    def handle(self, *args, conversations, messages, **options):
        if Tenant.objects.exists():
            self.stdout.write("There is data already.")
            return
        tenants = [self._shop(slug, name, goods) for slug, (name, goods) in SHOPS.items()]
        chance = random.Random(7)
        now = timezone.now()
        begun = Conversation.objects.bulk_create(
            Conversation(
                tenant=tenants[number % len(tenants)],
                customer_phone=f"+49151{number:07d}",
                customer_name=f"Customer {number}",
                created_at=now - timedelta(minutes=number),
                updated_at=now - timedelta(minutes=number),
            )
            for number in range(conversations)
        )
        said = Message.objects.bulk_create(
            self._message(one, number, chance) for one in begun for number in range(messages)
        )
        pairs = [said[at : at + 2] for at in range(0, len(said) - 1, 2)]
        MessageHarmonizationLog.objects.bulk_create(
            MessageHarmonizationLog(conversation=first.conversation, message_ids=[first.id, second.id])
            for first, second in pairs
        )
        ReferenceContext.objects.bulk_create(
            ReferenceContext(conversation=first.conversation, items=[{"message": first.id}]) for first, _ in pairs[::5]
        )
        self.stdout.write(f"{len(tenants)} tenants, {len(begun)} conversations, {len(said)} messages.")

    @staticmethod
    def _shop(slug, name, goods):
        tenant = Tenant.objects.create(slug=slug, business_name=name)
        AgentConfiguration.objects.create(tenant=tenant, custom_bot_greeting=f"Welcome to {name}!")
        Product.objects.bulk_create(
            Product(tenant=tenant, name=good, price_cents=250 + 90 * place) for place, good in enumerate(goods)
        )
        return tenant

    @staticmethod
    def _message(conversation, number, chance):
        inbound = number % 2 == 0
        return Message(
            conversation=conversation,
            direction=Message.INBOUND if inbound else Message.OUTBOUND,
            text=chance.choice(QUESTIONS) if inbound else "Here is what we have.",
            response_time_ms=None if inbound else chance.randint(20, 180),
            created_at=conversation.created_at + timedelta(seconds=number),
        )
