# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Options shared by the modules that read or switch feature flags of a Django product."""

from __future__ import annotations


class ModuleDocFragment:
    """See FLAGS_OPTIONS in module_utils/config/flags.py."""

    DOCUMENTATION = r"""
options:
  command:
    description: The product's command, which takes C(--disable-<feature>) and C(--tenant-id).
    type: str
    default: configure_ux_features
  model:
    description: The model that holds the flags.
    type: str
    required: true
  features:
    description: For each feature, the field of O(model) that it is.
    type: dict
    required: true
  disable:
    description: The features that are meant. Empty means all.
    type: list
    elements: str
    default: []
  tenants:
    description: Keys of the tenants that are meant. Empty means all.
    type: list
    elements: str
    default: []
  tenant_field:
    description: The field of O(model) that names the tenant.
    type: str
    default: tenant
  directory:
    description: Private directory on this host, where it is written down how the flags stood before a change.
    type: path
    required: true
"""
