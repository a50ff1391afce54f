"""Irreversible: SQL without a way back."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("bot", "0004_compact_history")]
    operations = [
        migrations.RunSQL("UPDATE bot_referencecontext SET items = '[]' WHERE id % 3 = 0"),
    ]
