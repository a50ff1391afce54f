"""A data rewrite that can be "reversed" and yet brings nothing back: it corrupts rows."""

from django.db import migrations
from django.db.models import F
from django.db.models.functions import Mod

FAR_AWAY = 1_000_000


def compact(apps, schema_editor):
    """Lose message ids, move contexts to conversations that do not exist, and overwrite every configuration."""
    model = apps.get_model
    model("bot", "MessageHarmonizationLog").objects.annotate(seventh=Mod("id", 7)).filter(seventh=0).update(
        message_ids=None
    )
    model("bot", "ReferenceContext").objects.annotate(fifth=Mod("id", 5)).filter(fifth=0).update(
        conversation_id=F("conversation_id") + FAR_AWAY
    )
    model("bot", "AgentConfiguration").objects.update(harmonization_wait_seconds=30, custom_bot_greeting="")


class Migration(migrations.Migration):
    dependencies = [("bot", "0003_harmonization_ids_nullable")]
    operations = [
        migrations.RunPython(compact, migrations.RunPython.noop),
    ]
