"""A constraint is loosened."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("bot", "0002_responsevariant")]
    operations = [
        migrations.AlterField("messageharmonizationlog", "message_ids", models.JSONField(null=True)),
    ]
