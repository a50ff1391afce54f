# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The half that runs inside the release, see django_agent.py: rows of models, read and written.

It must not import anything of this collection.
"""

from __future__ import annotations

import json
from importlib import import_module
from typing import Any


def work(models: list[str], wanted: list[Any] | None = None, fields: dict[str, dict[str, Any]] | None = None) -> Any:
    """The rows of the models called ``models``, as dumpdata spells them, after they were made ``wanted`` (when it is
    given) and after ``fields[primary key]`` of the first model were set, all in one transaction."""
    apps: Any = import_module("django.apps").apps
    serializers: Any = import_module("django.core.serializers")
    transaction: Any = import_module("django.db.transaction")
    classes = [apps.get_model(label) for label in models]
    with transaction.atomic():
        if wanted is not None:
            objects = list(serializers.deserialize("json", json.dumps(wanted), ignorenonexistent=True))
            given = {(row["model"], str(row["pk"])): set(row["fields"]) for row in wanted}
            for model in classes:
                kept = [each.object.pk for each in objects if isinstance(each.object, model)]
                model._base_manager.exclude(pk__in=kept).delete()
            for each in objects:
                row, label = each.object, each.object._meta.label_lower
                known = {field.name for field in row._meta.concrete_fields if not field.primary_key}
                # A field that the rows do not know keeps its value: a newer release may have added it.
                if type(row)._base_manager.filter(pk=row.pk).exists():
                    row.save_base(raw=True, update_fields=sorted(known & given[label, str(row.pk)]))
                else:
                    each.save(save_m2m=False)
                for name, values in (each.m2m_data or {}).items():
                    getattr(row, name).set(values)
        for pk, values in (fields or {}).items():
            classes[0]._base_manager.filter(pk=pk).update(**values)
        found = [row for model in classes for row in model._base_manager.order_by("pk")]
        return json.loads(serializers.serialize("json", found))
