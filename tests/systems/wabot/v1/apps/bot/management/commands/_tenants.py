"""The option that the commands for one tenant share."""

from django.core.management.base import CommandError

from apps.messaging.models import Tenant


def add_tenant_option(parser, required=False):
    """Add ``--tenant-id``."""
    parser.add_argument("--tenant-id", type=int, required=required, help="the id of one tenant")


def tenant_of(tenant_id):
    """The tenant, or an error that names the id."""
    try:
        return Tenant.objects.get(pk=tenant_id)
    except Tenant.DoesNotExist as error:
        raise CommandError(f"There is no tenant with id {tenant_id}.") from error
