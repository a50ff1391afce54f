"""Switch the enhancements of the conversation off or on, for all tenants or for one."""

from django.core.management.base import BaseCommand, CommandError

from apps.bot.models import AgentConfiguration

from ._tenants import add_tenant_option, tenant_of

FEATURES = {
    "harmonization": "enable_message_harmonization",
    "immediate-display": "enable_immediate_product_display",
    "grounded-validation": "enable_grounded_validation",
    "reference-resolution": "enable_reference_resolution",
}
ALL = "all-enhancements"


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser):
        add_tenant_option(parser)
        for name in (*FEATURES, ALL):
            parser.add_argument(f"--disable-{name}", action="append_const", const=(name, False), dest="changes")
            parser.add_argument(f"--enable-{name}", action="append_const", const=(name, True), dest="changes")

    def handle(self, *args, changes, tenant_id, **options):
        if not changes:
            raise CommandError("Name at least one feature, for example --disable-harmonization.")
        values = {}
        for name, enabled in changes:
            values.update({field: enabled for field in (FEATURES.values() if name == ALL else [FEATURES[name]])})
        chosen = AgentConfiguration.objects.all()
        if tenant_id is not None:
            chosen = chosen.filter(tenant=tenant_of(tenant_id))
        count = chosen.update(**values)
        for field, enabled in values.items():
            self.stdout.write(f"{field} = {enabled} for {count} tenants")
