"""A column that must be filled. Django takes its default out of the database again: older code cannot insert."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("messaging", "0002_message_channel")]
    operations = [
        migrations.AddField("message", "intent", models.CharField(default="unknown", max_length=32)),
    ]
