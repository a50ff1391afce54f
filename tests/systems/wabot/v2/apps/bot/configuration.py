"""A tenant's configuration, from the cache where it is there: it is read for every message."""

from dataclasses import asdict, dataclass

from django.core.cache import cache

from .models import AgentConfiguration

# The shape of what is kept. A release that does not know it cannot read it: this is the poison of this release.
SCHEMA = 2


@dataclass(frozen=True)
class Settings:
    """The eight fields of an AgentConfiguration."""

    enable_message_harmonization: bool
    harmonization_wait_seconds: int
    enable_immediate_product_display: bool
    max_products_to_show: int
    enable_grounded_validation: bool
    enable_reference_resolution: bool
    use_business_name_as_identity: bool
    custom_bot_greeting: str


def settings_of(tenant):
    """The Settings of ``tenant``."""
    key = f"config:{tenant.slug}"
    kept = cache.get(key)
    if kept is None or kept.get("schema") != SCHEMA:
        row = AgentConfiguration.objects.get(tenant=tenant)
        fields = asdict(Settings(**{name: getattr(row, name) for name in Settings.__dataclass_fields__}))
        kept = {"schema": SCHEMA, "fields": fields}
        cache.set(key, kept, timeout=None)
    return Settings(**kept["fields"])
