# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The option shared by the modules that speak to an object store."""

from __future__ import annotations


class ModuleDocFragment:
    """See SPEC in module_utils/storage/arguments.py."""

    DOCUMENTATION = r"""
options:
  s3:
    description:
      - The object store. Empty means that there is none.
    type: dict
    default: {}
    suboptions:
      bucket:
        description: The bucket. Empty means that there is no store.
        type: str
        default: ""
      endpoint_url:
        description: URL of a store that is not Amazon's.
        type: str
        default: ""
      region:
        description: The region.
        type: str
        default: us-east-1
      access_key:
        description: The access key. Empty means what boto3 finds on the host.
        type: str
        default: ""
      secret_key:
        description: The secret key.
        type: str
        default: ""
      ca_file:
        description: File of the certificate authorities that are trusted instead of the system's.
        type: path
        default: ""
      prefix:
        description: Put before every key.
        type: str
        default: ""
"""
