"""How the bot names itself."""

from types import SimpleNamespace

from django.test import SimpleTestCase

from apps.bot.greetings import greeting

SHOP = SimpleNamespace(business_name="Corner Bakery")


class Greetings(SimpleTestCase):
    def test_a_custom_greeting_wins(self):
        settings = SimpleNamespace(custom_bot_greeting="Hi!", use_business_name_as_identity=True)
        self.assertEqual(greeting(settings, SHOP), "Hi!")

    def test_the_shop_is_the_identity(self):
        settings = SimpleNamespace(custom_bot_greeting="", use_business_name_as_identity=True)
        self.assertEqual(greeting(settings, SHOP), "Corner Bakery here.")
