"""Additive: a new column that may be empty."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("messaging", "0001_initial")]
    operations = [
        migrations.AddField("message", "channel", models.CharField(max_length=16, null=True)),
    ]
