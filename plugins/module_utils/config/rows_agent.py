# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The half that runs inside the release, as ``manage.py shell -c TEXT``: rows of models, read and written.

Standard input is JSON: ``{"models": [label], "rows": null, or the rows that shall be all of them, "fields": {"pk":
{field: value}} for the first model}``. Standard output is JSON: the rows before and after, as dumpdata spells them.
It must not import anything of this collection.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from typing import Any


def main() -> None:
    """Do what standard input asks for, in one transaction."""
    apps: Any = import_module("django.apps").apps
    serializers: Any = import_module("django.core.serializers")
    transaction: Any = import_module("django.db.transaction")
    asked = json.load(sys.stdin)
    models = [apps.get_model(label) for label in asked["models"]]

    def rows() -> list[Any]:
        found = [row for model in models for row in model._base_manager.order_by("pk")]
        return list(json.loads(serializers.serialize("json", found)))

    with transaction.atomic():
        before = rows()
        if asked.get("rows") is not None:
            wanted = list(serializers.deserialize("json", json.dumps(asked["rows"]), ignorenonexistent=True))
            given = {(row["model"], str(row["pk"])): set(row["fields"]) for row in asked["rows"]}
            for model in models:
                kept = [each.object.pk for each in wanted if isinstance(each.object, model)]
                model._base_manager.exclude(pk__in=kept).delete()
            for each in wanted:
                row, label = each.object, each.object._meta.label_lower
                known = {field.name for field in row._meta.concrete_fields if not field.primary_key}
                # A field that the rows do not know keeps its value: a newer release may have added it.
                if type(row)._base_manager.filter(pk=row.pk).exists():
                    row.save_base(raw=True, update_fields=sorted(known & given[label, str(row.pk)]))
                else:
                    each.save(save_m2m=False)
                for name, values in (each.m2m_data or {}).items():
                    getattr(row, name).set(values)
        for pk, fields in asked.get("fields", {}).items():
            models[0]._base_manager.filter(pk=pk).update(**fields)
        after = rows()
    sys.stdout.write(json.dumps({"before": before, "after": after}) + "\n")
