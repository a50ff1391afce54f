"""Additive: a new table, and a new column that may be empty."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("bot", "0001_initial"), ("messaging", "0004_remove_conversation_customer_name")]
    operations = [
        migrations.CreateModel(
            name="ResponseVariant",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=32)),
                ("opening", models.TextField()),
                ("tenant", models.ForeignKey("messaging.tenant", on_delete=models.CASCADE)),
            ],
        ),
        migrations.AddField("referencecontext", "expires_at", models.DateTimeField(null=True)),
    ]
