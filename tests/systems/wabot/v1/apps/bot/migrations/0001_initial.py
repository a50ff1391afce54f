"""The first schema."""

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("messaging", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="AgentConfiguration",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("enable_message_harmonization", models.BooleanField(default=True)),
                ("harmonization_wait_seconds", models.PositiveIntegerField(default=3)),
                ("enable_immediate_product_display", models.BooleanField(default=True)),
                ("max_products_to_show", models.PositiveIntegerField(default=5)),
                ("enable_grounded_validation", models.BooleanField(default=True)),
                ("enable_reference_resolution", models.BooleanField(default=True)),
                ("use_business_name_as_identity", models.BooleanField(default=True)),
                ("custom_bot_greeting", models.TextField(blank=True, default="")),
                ("tenant", models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, to="messaging.tenant")),
            ],
        ),
        migrations.CreateModel(
            name="MessageHarmonizationLog",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("message_ids", models.JSONField()),
                ("status", models.CharField(default="done", max_length=16)),
                ("created_at", models.DateTimeField(db_index=True, default=django.utils.timezone.now)),
                (
                    "conversation",
                    models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to="messaging.conversation"),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Product",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=200)),
                ("price_cents", models.PositiveIntegerField()),
                ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to="messaging.tenant")),
            ],
        ),
        migrations.CreateModel(
            name="ReferenceContext",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("items", models.JSONField()),
                ("created_at", models.DateTimeField(db_index=True, default=django.utils.timezone.now)),
                (
                    "conversation",
                    models.ForeignKey(
                        db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, to="messaging.conversation"
                    ),
                ),
            ],
        ),
    ]
