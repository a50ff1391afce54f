"""Destructive: the names of all customers are gone, and older code that reads them fails."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("messaging", "0003_message_intent")]
    operations = [
        migrations.RemoveField("conversation", "customer_name"),
    ]
