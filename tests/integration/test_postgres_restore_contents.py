"""What a database may hold, and what of it comes back: names, rights, owners, extensions, sequences."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.steady.rollback.plugins.module_utils.core.errors import (
    CommandFailed,
)
from ansible_collections.steady.rollback.plugins.module_utils.databases import (
    backup,
    ledger,
    names,
    restore,
    source,
    standing,
    swap,
)
from ansible_collections.steady.rollback.plugins.module_utils.storage.objects import Bucket
from integration.postgres_fixtures import (  # noqa: F401
    Cluster,
    bucket_fixture,
    cluster17_fixture,
    cluster_fixture,
    product_fixture,
    s3_fixture,
)
from integration.restore_fixtures import CHANGE, PLACE, captured, order
from psycopg import sql


def test_hostile_name_and_an_extension(product: Cluster, bucket: Bucket) -> None:
    name = product.create("we\"ird; drop 'x'=y\\--" + "é" * 18)
    product.run(name, "SET ROLE wabot; CREATE EXTENSION hstore; CREATE TABLE tags AS SELECT 'a=>1'::hstore AS t")
    facts = captured(product, bucket, name)
    place = source.Place(name, "production")
    done = restore.prepare(product.server, bucket, order(facts, place=place), dry_run=False)
    assert done["tables"] == facts["tables"]
    assert len(done["database"].encode()) <= 63


HOSTILE = "we\"ird; drop 'x'=y\\\n--%s {v0} $(id) `id`" + "é" * 11 + "x"


def test_hostile_names_all_the_way(product: Cluster, bucket: Bucket, tmp_path: Path) -> None:
    """Database, owner, schema, table, column and sequence are called so, and go there and back."""
    with product.connect() as connection:
        quoted = sql.Identifier(HOSTILE).as_string(connection)
    assert len(HOSTILE.encode()) == names.LONGEST
    product.run("postgres", f"CREATE ROLE {quoted}", f"GRANT {quoted} TO rollback")
    product.run("postgres", f"CREATE DATABASE {quoted} OWNER {quoted}", f"REVOKE ALL ON DATABASE {quoted} FROM PUBLIC")
    product.run("postgres", f"ALTER ROLE {quoted} IN DATABASE {quoted} SET work_mem = '5MB'")
    product.run(
        HOSTILE,
        f"SET ROLE {quoted}",
        f"CREATE SCHEMA {quoted}",
        f"CREATE TABLE {quoted}.{quoted} ({quoted} serial PRIMARY KEY, v text)",
        f"INSERT INTO {quoted}.{quoted} (v) SELECT n::text FROM generate_series(1, 5) n",
    )
    try:
        facts = captured(product, bucket, HOSTILE)
        product.run(HOSTILE, f"UPDATE {quoted}.{quoted} SET v = 'lost' WHERE {quoted} = 1")
        wanted = order(facts, place=source.Place(HOSTILE, "production"), gap=10)
        done = restore.prepare(product.server, bucket, wanted, dry_run=False)
        assert (done["tables"], list(done["sequences"].values())) == (
            {f"{quoted}.{quoted}": 5},
            [{"restored": 5, "now": 15}],
        )
        terms = swap.Terms(HOSTILE, CHANGE, CHANGE, 72, 10)
        assert swap.swapped(product.server, terms, False)["differences"] == []
        assert product.run(HOSTILE, f"SELECT v FROM {quoted}.{quoted} WHERE {quoted} = 1") == [("1",)]
        lost = ledger.Order(HOSTILE, CHANGE, str(tmp_path), facts["started"], facts["tables"], {}, 60, 10**6)
        account = ledger.account(product.server, lost, dry_run=False)
        assert (account["recovery"], account["lost"]["changed"]) == ("possible", 1)
        assert standing.verify(product.server, HOSTILE, CHANGE, swapped=True)["swapped"]
        swap.swapped_back(product.server, terms, False)
        assert product.run(HOSTILE, f"SELECT v FROM {quoted}.{quoted} WHERE {quoted} = 1") == [("lost",)]
    finally:
        product.drop_all()
        product.run("postgres", f"DROP ROLE {quoted}")


def test_sequences_go_on_beyond_what_was_given_out(product: Cluster, bucket: Bucket) -> None:
    product.run(
        "wabot",
        "SET ROLE wabot",
        "CREATE SEQUENCE down INCREMENT -5 START -1; CREATE SEQUENCE short MAXVALUE 7; CREATE SEQUENCE gone",
        "SELECT nextval('down'), nextval('short'), nextval('gone')",
    )
    facts = captured(product, bucket)
    product.run("wabot", "SELECT nextval('down')", "DROP SEQUENCE gone")
    product.run(
        "wabot", "INSERT INTO message (conversation_id, body) SELECT 1, 'seen by a customer' FROM generate_series(1, 9)"
    )
    same = restore.prepare(product.server, bucket, order(facts, change="c2"), dry_run=False)
    assert "sequences" not in same
    assert product.run(same["database"], "SELECT last_value FROM message_id_seq") == [(2000,)]
    done = restore.prepare(product.server, bucket, order(facts, gap=1000), dry_run=False)
    assert done["sequences"] == {
        "public.conversation_id_seq": {"restored": 200, "now": 1200},
        "public.django_migrations_id_seq": {"restored": 2, "now": 1002},
        "public.down": {"restored": -1, "now": -5006},
        "public.gone": {"restored": 1, "now": 1001},
        "public.message_id_seq": {"restored": 2000, "now": 3009},
        "public.short": {"restored": 1, "now": 7},
    }
    added = "INSERT INTO message (conversation_id, body) VALUES (1, 'next') RETURNING id"
    assert product.run(done["database"], added) == [(3010,)]


def test_code_in_a_dump_gets_no_more_rights_than_the_owner(product: Cluster, bucket: Bucket) -> None:
    """An index expression runs while it is built: as a superuser it could start programs on the server."""
    product.run(
        "wabot",
        "CREATE FUNCTION evil() RETURNS void LANGUAGE plpgsql AS $$ BEGIN "
        "EXECUTE 'COPY (SELECT 1) TO PROGRAM ''touch /tmp/owned'''; END $$",
        "CREATE FUNCTION innocent(n bigint) RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN "
        "PERFORM public.evil(); RETURN n; END $$",
        "CREATE TABLE bait (n bigint); CREATE INDEX trap ON bait (innocent(n)); INSERT INTO bait SELECT 1 WHERE false",
        "ALTER TABLE bait OWNER TO wabot; ALTER FUNCTION innocent OWNER TO wabot",
        "SET session_replication_role TO replica; ALTER TABLE bait DISABLE TRIGGER ALL",
        "UPDATE pg_index SET indisready = false, indislive = false WHERE indexrelid = 'trap'::regclass",
        "INSERT INTO bait VALUES (1)",
        "UPDATE pg_index SET indisready = true, indislive = true WHERE indexrelid = 'trap'::regclass",
    )
    facts = captured(product, bucket)
    with pytest.raises(CommandFailed, match="permission denied to COPY to or from an external program"):
        restore.prepare(product.server, bucket, order(facts), dry_run=False)
    assert product.databases() == {"postgres", "wabot"}
    assert not Path("/tmp/owned").exists()


def test_grants_that_cannot_be_repeated_do_not_stop_a_restore(product: Cluster, bucket: Bucket) -> None:
    product.run("postgres", "CREATE ROLE passing NOLOGIN")
    product.run("wabot", "GRANT SELECT ON message TO passing")
    facts = captured(product, bucket)
    product.run("wabot", "DROP OWNED BY passing; DROP ROLE passing")
    levels = {row.name: row.level for row in source.look(product.server, bucket, facts, PLACE)}
    assert levels["grants on tables"] == "warn"
    assert restore.prepare(product.server, bucket, order(facts), dry_run=False)["tables"] == facts["tables"]


def test_an_extension_of_a_superuser_is_left_out_or_waits_in_a_template(product: Cluster, bucket: Bucket) -> None:
    product.run("wabot", "CREATE EXTENSION pg_stat_statements", "CREATE EXTENSION hstore")
    facts = captured(product, bucket)
    levels = {row.name: row.level for row in source.look(product.server, bucket, facts, PLACE)}
    assert levels["backup's extensions"] == "warn"
    done = restore.prepare(product.server, bucket, order(facts), dry_run=False)
    installed = "SELECT extname::text FROM pg_extension WHERE extname <> 'plpgsql' ORDER BY 1"
    assert product.run(done["database"], installed) == [("hstore",)]
    product.run("postgres", "CREATE DATABASE ready IS_TEMPLATE true")
    product.run("ready", "CREATE EXTENSION pg_stat_statements")
    waiting = restore.prepare(product.server, bucket, order(facts, change="c2", template="ready"), dry_run=False)
    assert product.run(waiting["database"], installed) == [("hstore",), ("pg_stat_statements",)]
    product.run("postgres", "ALTER DATABASE ready IS_TEMPLATE false")


def test_what_only_a_superuser_may_create_is_left_out_and_said(product: Cluster, bucket: Bucket) -> None:
    """A dump that holds it would fail half-way; a subscription would start to work."""
    product.run(
        "wabot",
        'CREATE PUBLICATION "all rows" FOR ALL TABLES',
        "CREATE PUBLICATION whole FOR TABLES IN SCHEMA public",
        "CREATE PUBLICATION one FOR TABLE message",
        "CREATE FUNCTION watch() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN END $$",
        "CREATE EVENT TRIGGER guard ON ddl_command_end EXECUTE FUNCTION watch()",
        "COMMENT ON EVENT TRIGGER guard IS 'of the auditors'",
        "COMMENT ON PUBLICATION \"all rows\" IS 'for the warehouse'",
        "CREATE SUBSCRIPTION feed CONNECTION 'host=127.0.0.1 port=1' PUBLICATION x WITH (connect = false)",
        "ALTER SUBSCRIPTION feed SET (slot_name = NONE)",
    )
    facts = captured(product, bucket)
    (row,) = (row for row in source.look(product.server, bucket, facts, PLACE) if row.name == "backup's objects")
    assert (row.level, row.found, row.fix) == (
        "warn",
        "only a superuser may create event trigger guard, publication all rows, publication whole, subscription feed: "
        "left out",
        "Create them again after the rollback.",
    )
    done = restore.prepare(product.server, bucket, order(facts), dry_run=False)
    assert product.run(done["database"], "SELECT pubname::text FROM pg_publication") == [("one",)]
    assert product.run(done["database"], "SELECT count(*) FROM pg_event_trigger") == [(0,)]
    product.run(
        "wabot", "DROP SUBSCRIPTION feed", "CREATE FUNCTION c() RETURNS int LANGUAGE internal AS 'pg_backend_pid'"
    )
    facts = backup.take(product.server, bucket, backup.Order("wabot", "production", "c", "pre_deploy"), dry_run=False)
    assert facts["backup"]["reserved"]["needed"] == [["FUNCTION", "public.c()"]]


def test_a_superuser_restores_as_the_owner_too(product: Cluster, bucket: Bucket) -> None:
    product.run("wabot", "CREATE EXTENSION pg_stat_statements")
    facts = captured(product, bucket)
    superuser = replace(product.server, user="postgres")
    assert restore.prepare(superuser, bucket, order(facts), dry_run=False)["tables"] == facts["tables"]


def test_what_is_in_no_dump_is_not_compared(product: Cluster, bucket: Bucket) -> None:
    """An index that was left half made, and the index of a table that belongs to an extension that is left out."""
    product.run(
        "wabot",
        "CREATE INDEX half ON message (body); UPDATE pg_index SET indisvalid = false "
        "WHERE indexrelid = 'half'::regclass",
        "CREATE EXTENSION pg_stat_statements; CREATE TABLE job (id int PRIMARY KEY)",
        "ALTER EXTENSION pg_stat_statements ADD TABLE job",
    )
    facts = captured(product, bucket)
    assert restore.prepare(product.server, bucket, order(facts), dry_run=False)["tables"] == facts["tables"]


def test_other_owners_and_versions_are_said(product: Cluster, bucket: Bucket) -> None:
    product.run("postgres", "GRANT CREATE ON DATABASE wabot TO reporting")
    product.run(
        "wabot",
        "CREATE EXTENSION hstore VERSION '1.4'",
        "SET ROLE reporting; CREATE SCHEMA theirs; CREATE TABLE theirs.sums (n int); RESET ROLE",
    )
    facts = captured(product, bucket)
    rows = {row.name: row.found for row in source.look(product.server, bucket, facts, PLACE) if row.level == "warn"}
    assert rows == {
        "versions of extensions": "hstore 1.4 becomes 1.8",
        "owners": "what belongs to reporting will belong to the owner of the database",
    }
    assert restore.prepare(product.server, bucket, order(facts), dry_run=False)["tables"] == facts["tables"]


def test_a_database_beside_sorts_as_the_live_one(product: Cluster, bucket: Bucket) -> None:
    made = "CREATE DATABASE sorted OWNER wabot TEMPLATE template0 LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' "
    product.run("postgres", made + "LC_COLLATE 'C' LC_CTYPE 'C.UTF-8'")
    facts = captured(product, bucket, "sorted")
    done = restore.prepare(product.server, bucket, order(facts, place=source.Place("sorted", "production")), False)
    query = "SELECT datlocprovider, datlocale, datcollate, datctype FROM pg_database WHERE datname = '{}'"
    assert product.run("postgres", query.format(done["database"])) == product.run("postgres", query.format("sorted"))
