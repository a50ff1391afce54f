# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The half of the migrations library that runs inside a release: what is applied, what is on disk, what each step does.

It must not import anything of this collection. A migration is called ``app.name``.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Any

# (why older code cannot live with an operation, what undoing it would lose); empty: there is no such reason.
HARMLESS = (
    *("AddIndex", "RemoveIndex", "RenameIndex", "AlterIndexTogether", "AddIndexConcurrently"),
    *("RemoveIndexConcurrently", "RemoveConstraint", "ValidateConstraint", "AlterModelOptions", "AlterModelManagers"),
    "AlterModelTableComment",
)
MEANING = {
    **dict.fromkeys(HARMLESS, ("", "")),
    **dict.fromkeys(("RenameField", "RenameModel", "AlterModelTable"), ("older code uses the old name", "")),
    **dict.fromkeys(
        ("AddConstraint", "AddConstraintNotValid", "AlterUniqueTogether"), ("older code may write what it refuses", "")
    ),
    **dict.fromkeys(
        ("RemoveField", "DeleteModel"), ("older code uses what is gone", "what it removed does not come back")
    ),
    "CreateModel": ("", "the rows of the new table"),
}
UNKNOWN = ("nobody knows what it does", "nobody knows what it does")
# Each older type's values fit into the newer one, and older code reads them as before.
WIDER = {
    ("AutoField", "BigAutoField"),
    ("SmallIntegerField", "IntegerField"),
    ("SmallIntegerField", "BigIntegerField"),
    ("IntegerField", "BigIntegerField"),
    ("CharField", "TextField"),
}


def of(path: str) -> Any:
    """The object at a dotted path of Django."""
    module, _dot, name = path.rpartition(".")
    return getattr(import_module(f"django.{module}"), name)


def disk() -> dict[str, list[str]]:
    """The migrations that this release brings, each with those that it replaces. Needs no database."""
    loader = of("db.migrations.loader.MigrationLoader")(None, load=False)
    loader.load_disk()
    return {named(key): [named(old) for old in m.replaces] for key, m in loader.disk_migrations.items()}


def named(key: tuple[str, str]) -> str:
    """``app.name``."""
    return f"{key[0]}.{key[1]}"


def describe() -> dict[str, Any]:
    """The schema as this release sees it; the keys are those of migrations/schema.py."""
    connection = of("db.connection")
    recorder = of("db.migrations.recorder.MigrationRecorder")(connection)
    rows = list(recorder.migration_qs.order_by("id").values_list("app", "name")) if recorder.has_table() else []
    facts: dict[str, Any] = {
        **{"applied": list(dict.fromkeys(named(row) for row in rows)), "disk": disk(), "problems": []},
        **{"heads": {}, "pending": [], "steps": {}, "paths": paths()},
    }
    replaced = {old for olds in facts["disk"].values() for old in olds}
    facts["unknown"] = [name for name in facts["applied"] if name not in facts["disk"] and name not in replaced]
    try:
        executor = of("db.migrations.executor.MigrationExecutor")(connection)
        executor.loader.check_consistent_history(connection)
    except (
        of("db.migrations.exceptions.NodeNotFoundError"),
        of("db.migrations.exceptions.BadMigrationError"),
    ) as error:
        return {**facts, "problems": [f"the migrations on disk do not fit together: {error}"]}
    except of("db.migrations.exceptions.InconsistentMigrationHistory") as error:
        facts["problems"].append(str(error))
    loader = executor.loader
    for app, names in loader.detect_conflicts().items():
        facts["problems"].append(f"{app} has several heads: {', '.join(sorted(names))}")
    for app, name in loader.graph.leaf_nodes():
        facts["heads"].setdefault(app, []).append(name)
    plan = executor.migration_plan(loader.graph.leaf_nodes(), clean_start=True)
    pending = [m for m, _back in plan if (m.app_label, m.name) not in loader.applied_migrations]
    facts["pending"] = [named((m.app_label, m.name)) for m in pending]
    facts["problems"] += [trace for m in pending for trace in traces(m, connection)] + broken_indexes(connection)
    state = of("db.migrations.state.ProjectState")()
    for migration, _back in plan:
        key = (migration.app_label, migration.name)
        facts["steps"][named(key)] = {
            "operations": [judged for op in migration.operations for judged in judge(op, key[0], state)],
            "children": [named(child.key) for child in loader.graph.node_map[key].children],
            "atomic": migration.atomic,
        }
    return facts


def paths() -> dict[str, str]:
    """Where each app of the project keeps its migrations, below the release; packages' apps are left out."""
    loader, here, found = of("db.migrations.loader.MigrationLoader"), os.path.realpath(os.getcwd()), {}
    for config in of("apps.apps").get_app_configs():
        module, _explicit = loader.migrations_module(config.label)
        home = os.path.realpath(config.path)
        if module == f"{config.name}.migrations" and home.startswith(here + os.sep) and "site-packages" not in home:
            found[config.label] = os.path.join(os.path.relpath(home, here), "migrations")
    return found


# -- what one operation means for code that does not know it


def judge(op: Any, app: str, state: Any) -> list[dict[str, Any]]:
    """The operation, and those in it, with ``breaks`` and ``loses``: why older code cannot live with it, what undoing
    it would lose. Moves ``state`` on."""
    if type(op).__name__ == "SeparateDatabaseAndState":
        inner = [found for each in op.database_operations for found in judge(each, app, state.clone())]
        op.state_forwards(app, state)
        return inner
    breaks, loses = ("", "") if unmanaged(op, app, state) else meaning(op, app, state)
    op.state_forwards(app, state)
    return [{"what": f"{app}: {op.describe()}", "breaks": breaks, "loses": loses, "back": bool(op.reversible)}]


def unmanaged(op: Any, app: str, state: Any) -> bool:
    """Whether the operation is about a table that Django does not manage, so that it touches no database."""
    if type(op).__name__ == "CreateModel":
        return op.options.get("managed", True) is False
    model = state.models.get((app, str(getattr(op, "model_name", None) or getattr(op, "name", "")).lower()))
    return model is not None and model.options.get("managed", True) is False


def meaning(op: Any, app: str, state: Any) -> tuple[str, str]:
    """(why older code cannot live with it, what undoing it would lose), each empty when there is no such reason."""
    kind = type(op).__name__
    if kind == "AddField":
        return added(op.field)
    if kind == "AlterField":
        return altered(state.models[(app, op.model_name_lower)].fields[op.name], op.field)
    if kind in ("RunPython", "RunSQL"):
        return rewritten(op, kind)
    return MEANING.get(kind, ("", "what uses the extension") if kind.endswith("Extension") else UNKNOWN)


def added(field: Any) -> tuple[str, str]:
    """AddField."""
    if getattr(field, "generated", False):
        return "", ""
    empty = field.many_to_many or field.null or getattr(field, "has_db_default", lambda: False)()
    return "" if empty else "the database has no default for it, so older code cannot insert", "what is in it"


def altered(old: Any, new: Any) -> tuple[str, str]:
    """AlterField. What is loosened breaks nothing."""
    types = (old.get_internal_type(), new.get_internal_type())
    if types[0] != types[1] and types not in WIDER:
        return f"its type changed from {types[0]} to {types[1]}", "the older type may not hold its values"
    shorter = [
        getattr(new, limit, None) is not None and (getattr(old, limit, None) or sys.maxsize) > getattr(new, limit)
        for limit in ("max_length", "max_digits", "decimal_places")
    ]
    target = [str(getattr(field.remote_field, "model", "")).lower() for field in (old, new)]
    checked = [getattr(field, "db_constraint", True) for field in (old, new)]
    has_default = [getattr(field, "has_db_default", lambda: False)() for field in (old, new)]
    reasons = {
        "it may no longer be empty": old.null and not new.null,
        "its values became shorter": any(shorter),
        "its values must be unique now": new.unique and not old.unique,
        "its column has another name": old.db_column != new.db_column,
        "it refers to another table": target[0] != target[1],
        "its reference is checked now": checked[1] and not checked[0],
        "its default in the database is gone": has_default[0] and not has_default[1] and not new.null,
    }
    return ", ".join(reason for reason, holds in reasons.items() if holds), ""


def rewritten(op: Any, kind: str) -> tuple[str, str]:
    """RunPython and RunSQL: nobody can judge them from outside, but a way back that does nothing is none."""
    noop = of(f"db.migrations.{kind}").noop
    there, back = (op.code, op.reverse_code) if kind == "RunPython" else (op.sql, op.reverse_sql)
    if there in (noop, "", []):
        return "", ""
    return "it changes data in a way that nobody can judge", "its way back does nothing" if back in (
        noop,
        "",
        [],
    ) else ""


# -- what a deployment that was cut off leaves behind


def traces(migration: Any, connection: Any) -> list[str]:
    """What is in the database already of a migration that does not count as applied."""
    found, app = [], migration.app_label
    with connection.cursor() as cursor:
        tables = set(connection.introspection.table_names(cursor))
        for op in migration.operations:
            kind, model = type(op).__name__, getattr(op, "model_name", None) or getattr(op, "name", "")
            table = getattr(op, "options", {}).get("db_table") or f"{app}_{str(model).lower()}"
            if kind == "CreateModel" and table in tables and op.options.get("managed", True):
                found.append(f"table {table}")
            elif kind == "AddField" and table in tables and not op.field.many_to_many:
                op.field.set_attributes_from_name(op.name)
                columns = {column.name for column in connection.introspection.get_table_description(cursor, table)}
                found += [f"column {table}.{op.field.column}"] if op.field.column in columns else []
            elif kind.startswith("AddIndex") and table in tables:
                names = connection.introspection.get_constraints(cursor, table)
                found += [f"index {op.index.name}"] if op.index.name in names else []
    name = named((app, migration.name))
    return [f"{name} is applied in part: {', '.join(found)} exists and the migration is not recorded"] if found else []


def broken_indexes(connection: Any) -> list[str]:
    """Indexes that a cut-off CREATE INDEX CONCURRENTLY left behind."""
    if connection.vendor != "postgresql":
        return []
    with connection.cursor() as cursor:
        cursor.execute("SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid ORDER BY 1")
        return [f"the index {name} is invalid: its building was cut off" for (name,) in cursor.fetchall()]


# -- acts


def move(names: list[str], backwards: bool) -> list[str]:
    """Undo (or apply) exactly these migrations, in the order given, each in its own transaction; returns those done."""
    executor = of("db.migrations.executor.MigrationExecutor")(of("db.connection"))
    graph, applied = executor.loader.graph, executor.loader.applied_migrations
    keys = [tuple(name.split(".", 1)) for name in names]
    plan = [(graph.nodes[key], backwards) for key in keys if (key in applied) == backwards]
    if plan:
        executor.migrate([(m.app_label, m.name) for m, _back in plan], plan=plan)
    return [named((m.app_label, m.name)) for m, _back in plan]
