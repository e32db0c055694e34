"""The database itself: migrations up and down, comments everywhere, and nobody may do more than they must."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import psycopg2
import pytest
from alembic import command
from psycopg2 import errors

from heartwave_tasks.ecg.labels import CLASS_NAMES, CLASSES
from heartwave_tasks.settings import PROJECT_ROOT
from heartwave_tasks.stores.database import (
    DatabaseSetupError,
    alembic_config,
    create_database,
    current_revision,
    initialise_database,
    migrate,
    owner_connection,
)
from tests.integration.planting import random_labels, rows

if TYPE_CHECKING:
    from tests.integration.conftest import DatabaseUrls
    from tests.integration.planting import Planter

HEAD = max(path.name[:4] for path in (PROJECT_ROOT / "sql" / "migrations" / "versions").glob("*.py"))
FOR_SUMMARIES = ("jit=off", "enable_nestloop=off", "work_mem=64MB")

RELATIONS = """
    SELECT c.relname::text FROM pg_class AS c
    WHERE c.relnamespace = 'heartwave'::regnamespace AND c.relkind = ANY(%s) ORDER BY 1
"""
# Everything migrations and grants leave behind, with rights; surrogate object ids left out.
SNAPSHOT = """
    SELECT 'relation', c.relname::text, c.relkind::text, coalesce(c.relacl::text, '')
    FROM pg_class AS c WHERE c.relnamespace = 'heartwave'::regnamespace
    UNION ALL
    SELECT 'column', c.relname || '.' || a.attname, format_type(a.atttypid, a.atttypmod), coalesce(a.attacl::text, '')
    FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE c.relnamespace = 'heartwave'::regnamespace
    UNION ALL
    SELECT 'constraint', conrelid::regclass || '.' || conname, pg_get_constraintdef(oid), ''
    FROM pg_constraint WHERE connamespace = 'heartwave'::regnamespace
    UNION ALL
    SELECT 'function', proname::text, pg_get_functiondef(oid), coalesce(proacl::text, '')
    FROM pg_proc WHERE pronamespace = 'heartwave'::regnamespace
    UNION ALL
    SELECT 'database', '', coalesce(datacl::text, ''), '' FROM pg_database WHERE datname = current_database()
    UNION ALL
    SELECT 'schema', nspname::text, coalesce(nspacl::text, ''), '' FROM pg_namespace
    WHERE nspname IN ('heartwave', 'public')
    UNION ALL
    SELECT 'default', defaclobjtype::text, defaclacl::text, '' FROM pg_default_acl
    ORDER BY 1, 2, 3, 4
"""


def relations(urls: DatabaseUrls, *kinds: str) -> list[str]:
    """Return the names in the schema: kinds are r (table), p (partitioned table), v (view)."""
    return [name for (name,) in rows(urls.superuser, RELATIONS, (list(kinds),))]


# Setting up ---------------------------------------------------------------------------------------------------------


def test_initialising_again_changes_nothing(empty_database: DatabaseUrls) -> None:
    """The second `heartwave init` leaves schema and rights exactly as the first."""
    urls = empty_database
    initialise_database(urls.admin, urls.owner, urls.writer, urls.reader)
    assert current_revision(urls.owner) == HEAD
    before = rows(urls.superuser, SNAPSHOT)

    initialise_database(urls.admin, urls.owner, urls.writer, urls.reader)

    assert rows(urls.superuser, SNAPSHOT) == before


def test_four_initialisations_at_once_succeed(empty_database: DatabaseUrls) -> None:
    """Services that start together may all run `heartwave init`."""
    urls = empty_database
    arguments = (urls.admin, urls.owner, urls.writer, urls.reader)
    with ProcessPoolExecutor(4, mp_context=multiprocessing.get_context("spawn")) as processes:
        for run in [processes.submit(initialise_database, *arguments) for _ in range(4)]:
            run.result()

    assert current_revision(urls.owner) == HEAD


def test_the_owner_alone_can_initialise_when_roles_exist(database: DatabaseUrls) -> None:
    """Without an administrator's URL, the owner migrates and grants."""
    with owner_connection(database.owner) as connection:
        command.downgrade(alembic_config(connection), "base")

    initialise_database(None, database.owner, database.writer, database.reader)

    assert rows(database.reader, "SELECT n_labels FROM label_digest") == [(0,)]


def test_an_administrator_need_not_be_superuser(postgres_port: int, empty_database: DatabaseUrls) -> None:
    """On a managed server, a role with CREATEROLE and CREATEDB is enough."""
    names = [f"{role}_{postgres_port}" for role in ("owner", "writer", "reader")]
    host = empty_database.admin.rsplit("@", 1)[1].split("/")[0]
    database_name = empty_database.owner.rsplit("/", 1)[1]
    rows(empty_database.admin, "CREATE ROLE manager LOGIN CREATEROLE CREATEDB PASSWORD 'secret'")
    owner, writer, reader = (f"postgresql://{name}:secret@{host}/{database_name}" for name in names)

    for _ in range(2):
        initialise_database(f"postgresql://manager:secret@{host}/postgres", owner, writer, reader)

    assert rows(reader, "SELECT n_labels FROM label_digest") == [(0,)]


def test_passwords_are_stored_and_sent_as_scram(database: DatabaseUrls) -> None:
    """The server holds SCRAM verifiers, for each role another one, and no password."""
    stored = rows(database.admin, "SELECT rolpassword FROM pg_authid WHERE rolname LIKE 'heartwave%%'", ())
    assert len(set(stored)) == 4
    assert all(password.startswith("SCRAM-SHA-256$") for (password,) in stored)


def test_names_and_passwords_may_hold_anything(postgres_port: int, empty_database: DatabaseUrls) -> None:
    """Quotes, percent signs and at signs in names and passwords are quoted, not run."""
    host = empty_database.admin.rsplit("@", 1)[1].split("/")[0]
    owner = f"""postgresql://o%22w'%25s%40{postgres_port}:p%22'%40%25%3A%2F@{host}/odd%22'name"""

    create_database(empty_database.admin, owner)
    create_database(empty_database.admin, owner)

    with owner_connection(owner) as connection:
        name = connection.exec_driver_sql("SELECT current_user || '|' || current_database()").scalar()
    assert name == f"""o"w'%s@{postgres_port}|odd"'name"""


@pytest.mark.parametrize(
    ("changed", "old", "new", "complaint"),
    [
        ("owner", "heartwave_owner:", "heartwave_owner:wrong", "password authentication failed"),
        ("reader", "/heartwave_", "/other_", "must use one database"),
        ("reader", "heartwave_reader", "heartwave_writer", "three different roles"),
        ("owner", "postgresql://", "mysql://", "keeps its labels in PostgreSQL"),
        ("writer", "heartwave_writer", "nobody_such", "Role nobody_such does not exist"),
    ],
)
def test_a_wrong_url_gets_a_plain_sentence(
    database: DatabaseUrls, changed: str, old: str, new: str, complaint: str
) -> None:
    """What is wrong with the URLs is said in words, and no password with it."""
    urls = {name: getattr(database, name) for name in ("owner", "writer", "reader")}
    urls[changed] = urls[changed].replace(old, new)

    with pytest.raises(DatabaseSetupError, match=complaint) as caught:
        initialise_database(None, urls["owner"], urls["writer"], urls["reader"])

    assert database.owner.split(":")[2].split("@")[0] not in str(caught.value)


def test_an_administrator_without_rights_is_told_so(database: DatabaseUrls) -> None:
    """A role that may not create roles is named, with what it would need."""
    other = database.owner.replace("heartwave_owner", "another_owner")
    with pytest.raises(DatabaseSetupError, match=r"heartwave_owner may not set up .* CREATEROLE and CREATEDB"):
        create_database(database.owner, other)


# Migrations ---------------------------------------------------------------------------------------------------------


def test_migrations_go_down_and_up_again(database: DatabaseUrls) -> None:
    """Down leaves nothing but Alembic's own table; up again gives the same schema and rights."""
    before = rows(database.superuser, SNAPSHOT)

    with owner_connection(database.owner) as connection:
        command.downgrade(alembic_config(connection), "base")
    assert current_revision(database.owner) is None
    assert relations(database, "r", "p", "v", "S") == ["alembic_version"]
    assert rows(database.superuser, "SELECT typname FROM pg_type WHERE typname = 'beat_class'") == []
    assert rows(database.superuser, "SELECT proname FROM pg_proc WHERE pronamespace = 'heartwave'::regnamespace") == []

    migrate(database.owner)
    assert rows(database.superuser, SNAPSHOT) == before


def test_a_failing_migration_leaves_the_schema_as_it_was(database: DatabaseUrls) -> None:
    """Migrations and rights are one transaction."""
    before = rows(database.superuser, SNAPSHOT)

    def fail_at_the_end() -> None:
        with owner_connection(database.owner) as connection:
            command.downgrade(alembic_config(connection), "base")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail_at_the_end()

    assert rows(database.superuser, SNAPSHOT) == before


def test_every_table_view_column_and_function_has_a_comment(plant: Planter, database: DatabaseUrls) -> None:
    """Whoever opens the schema in any tool reads what each thing is; partitions included."""
    plant.store.ensure_partition(datetime.now(UTC).date())
    uncommented = rows(
        database.superuser,
        """
        SELECT c.relname::text, coalesce(a.attname::text, '') FROM pg_class AS c
        LEFT JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        WHERE c.relnamespace = 'heartwave'::regnamespace AND c.relkind IN ('r', 'p', 'v')
          AND (obj_description(c.oid, 'pg_class') IS NULL OR col_description(c.oid, a.attnum) IS NULL)
        UNION ALL
        SELECT proname::text, '()' FROM pg_proc
        WHERE pronamespace = 'heartwave'::regnamespace AND obj_description(oid, 'pg_proc') IS NULL
        """,
    )
    assert uncommented == []
    assert len(relations(database, "v")) >= 9


def test_the_words_for_classes_are_the_packages(database: DatabaseUrls) -> None:
    """Classes have one order and one set of words, in SQL and in Python."""
    assert rows(database.writer, "SELECT class, name FROM heartwave.beat_classes ORDER BY class") == list(
        zip(CLASSES, CLASS_NAMES, strict=True)
    )


# Rights -------------------------------------------------------------------------------------------------------------


def refused(url: str, statement: str) -> bool:
    """Tell whether a role may not run a statement."""
    connection = psycopg2.connect(url)
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement)
    except errors.InsufficientPrivilege:
        return True
    else:
        return False
    finally:
        connection.close()  # without a commit: nothing the role was allowed to do stays


def test_the_reader_reads_every_view_and_no_table(plant: Planter, database: DatabaseUrls) -> None:
    """The analyst's role sees the views with their rows, and neither tables nor partitions."""
    plant.score(plant.recording("clinic/a", 3), plant.model(1, promoted=True), random_labels(3))
    views, tables = relations(database, "v"), relations(database, "r", "p")
    assert {"current_labels", "recording_burden", "recording_hourly_burden", "model_leaderboard"} < set(views)
    assert {"labels", "scorings", "alembic_version"} < set(tables)
    assert any(name.startswith("labels_2") for name in tables)

    for view in views:
        rows(database.reader, f"SELECT * FROM {view}")
    assert rows(database.reader, "SELECT count(*) FROM current_labels") == [(3,)]
    assert [name for name in tables if not refused(database.reader, f"SELECT FROM heartwave.{name}")] == []


def test_the_reader_writes_nowhere(plant: Planter, database: DatabaseUrls) -> None:
    """The analyst's role can neither change rows nor create anything, not even a temporary table."""
    plant.store.ensure_partition(datetime.now(UTC).date())
    for name in relations(database, "r", "p", "v"):
        ((column,),) = rows(
            database.superuser,
            "SELECT attname::text FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND attidentity = '' "
            "ORDER BY attnum LIMIT 1",
            (f"heartwave.{name}",),
        )
        for statement in (
            f"INSERT INTO heartwave.{name} DEFAULT VALUES",
            f"UPDATE heartwave.{name} SET {column} = {column}",
            f"DELETE FROM heartwave.{name}",
            f"TRUNCATE heartwave.{name}",
            f"LOCK TABLE heartwave.{name} IN ACCESS EXCLUSIVE MODE",
        ):
            # PostgreSQL finds out that a view cannot be written before it asks for rights, or refuses TRUNCATE.
            with pytest.raises(psycopg2.Error) as caught:
                rows(database.reader, statement)
            expected = (errors.InsufficientPrivilege, errors.ObjectNotInPrerequisiteState, errors.WrongObjectType)
            assert isinstance(caught.value, expected), statement


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE heartwave.mine (x int)",
        "CREATE TABLE public.mine (x int)",
        "CREATE TEMP TABLE mine (x int)",
        "CREATE SCHEMA mine",
        "CREATE VIEW heartwave.mine AS SELECT 1",
        "CREATE FUNCTION heartwave.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE FUNCTION public.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE DATABASE mine",
        "CREATE ROLE mine",
        "CREATE EXTENSION vector",
        "SELECT pg_read_file('postgresql.conf')",
        "SELECT pg_ls_dir('.')",
        "COPY (SELECT 1) TO '/tmp/mine'",
        "COPY (SELECT 1) TO PROGRAM 'true'",
        "SELECT lo_create(0)",
        "SELECT lo_from_bytea(0, 'x')",
        "SELECT rolpassword FROM pg_authid",
        "SELECT heartwave.ensure_label_partition(current_date)",
        "SELECT heartwave.drop_label_partitions_before(current_date)",
        "SET ROLE heartwave_owner",
        "SET ROLE heartwave_writer",
        "SET SESSION AUTHORIZATION heartwave_owner",
        "ALTER VIEW current_labels RENAME TO mine",
        "COMMENT ON VIEW current_labels IS 'mine'",
    ],
)
def test_the_reader_can_do_nothing_else(database: DatabaseUrls, statement: str) -> None:
    """Neither files nor functions nor other roles are open to the analyst's role."""
    connection = psycopg2.connect(database.reader)
    connection.autocommit = True  # CREATE DATABASE asks for that before it asks for rights
    with connection.cursor() as cursor, pytest.raises(errors.InsufficientPrivilege):
        cursor.execute(statement)
    connection.close()


def test_the_writer_can_change_no_label(plant: Planter, database: DatabaseUrls) -> None:
    """What is committed stays: the pipeline's role adds labels and ledger rows and cannot change or delete them."""
    plant.score(plant.recording("clinic/a", 3), plant.model(1), random_labels(3))
    migrate(database.owner)  # rights are given anew now that there is a partition
    partition = next(name for name in relations(database, "r") if name.startswith("labels_2"))
    for statement in (
        "UPDATE heartwave.labels SET class = 'V'",
        "DELETE FROM heartwave.labels",
        "TRUNCATE heartwave.labels",
        "DROP TABLE heartwave.labels",
        f"INSERT INTO heartwave.{partition} SELECT * FROM heartwave.labels",
        f"DELETE FROM heartwave.{partition}",
        f"SELECT * FROM heartwave.{partition}",
        "UPDATE heartwave.scorings SET n_labels = 0",
        "DELETE FROM heartwave.scorings",
        "UPDATE heartwave.recordings SET recording_id = 'x/y'",
        "UPDATE heartwave.recording_revisions SET n_beats = 0",
        "UPDATE heartwave.model_versions SET version = 7",
        "DELETE FROM heartwave.promotions",
        "UPDATE heartwave.alembic_version SET version_num = ''",
        "CREATE TABLE heartwave.mine (x int)",
        "CREATE TEMP TABLE mine (x int)",
        "SELECT heartwave.drop_label_partitions_before(current_date)",
    ):
        assert refused(database.writer, statement), statement


def test_other_roles_are_shut_out(database: DatabaseUrls) -> None:
    """Roles of the same server that a database is not for cannot even connect to it."""
    rows(database.admin, "CREATE ROLE stranger LOGIN PASSWORD 'secret'")
    host, name = database.superuser.split("@")[1].split("/")
    create_database(database.admin, f"postgresql://airflow:secret@{host}/airflow")

    for url in (
        f"postgresql://stranger:secret@{host}/{name}",
        f"postgresql://stranger:secret@{host}/airflow",
        f"{database.reader.rsplit('/', 1)[0]}/airflow",
    ):
        with pytest.raises(psycopg2.OperationalError, match="permission denied for database"):
            psycopg2.connect(url)


def test_rights_given_by_hand_are_taken_back(database: DatabaseUrls) -> None:
    """Running the migrations again restores exactly the rights in sql/grants.sql."""
    before = rows(database.superuser, SNAPSHOT)
    rows(database.owner, "GRANT SELECT ON heartwave.labels TO heartwave_reader")
    rows(database.owner, "GRANT UPDATE (n_labels) ON heartwave.scorings TO heartwave_writer")
    rows(database.owner, "GRANT SELECT ON heartwave.labels TO PUBLIC")
    rows(database.owner, "GRANT CREATE ON SCHEMA heartwave TO heartwave_reader")
    rows(database.owner, "GRANT TEMP ON DATABASE " + database.owner.rsplit("/", 1)[1] + " TO PUBLIC")
    assert rows(database.superuser, SNAPSHOT) != before

    migrate(database.owner)

    assert rows(database.superuser, SNAPSHOT) == before


def test_functions_with_the_owners_rights_pin_their_search_path(database: DatabaseUrls) -> None:
    """Nobody can slip an object of their own under a SECURITY DEFINER function."""
    found = rows(
        database.superuser,
        "SELECT proname::text, proconfig::text[] FROM pg_proc "
        "WHERE pronamespace = 'heartwave'::regnamespace AND prosecdef",
    )
    assert sorted(found) == [
        ("ensure_label_partition", ["search_path=pg_catalog, pg_temp"]),
        ("finish_scoring", ["search_path=heartwave, pg_temp", *FOR_SUMMARIES]),
        ("least_confident_beats", ["search_path=heartwave, pg_temp", "enable_sort=off"]),
        ("review_beat", ["search_path=heartwave, pg_temp"]),
        ("summarise_scoring", ["search_path=heartwave, pg_temp", *FOR_SUMMARIES]),
    ]


# Partitions ---------------------------------------------------------------------------------------------------------


def test_eight_sessions_at_once_make_one_partition(database: DatabaseUrls) -> None:
    """The nights of one month, asked for at the same moment, get one partition between them."""
    with ThreadPoolExecutor(8) as threads:
        names = list(
            threads.map(
                lambda day: rows(database.writer, f"SELECT heartwave.ensure_label_partition('2026-02-{day:02}')"),
                range(1, 25),
            )
        )

    assert set(map(tuple, names)) == {(("labels_2026_02",),)}
    bounds = "SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE relispartition AND relkind = 'r'"
    assert rows(database.superuser, bounds) == [("FOR VALUES FROM ('2026-02-01') TO ('2026-03-01')",)]


def test_a_partition_is_made_while_labels_are_being_read(database: DatabaseUrls) -> None:
    """A long query on the labels does not hold up the first scoring of a new month."""
    reading = psycopg2.connect(database.reader)
    with reading.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM current_labels")  # its transaction stays open, and its locks
        rows(database.writer, "SET lock_timeout = '2s'; SELECT heartwave.ensure_label_partition('2026-02-01')")
    reading.close()


@pytest.mark.parametrize("night", ["NULL", "'1999-12-31'", f"'{datetime.now(UTC).date() + timedelta(days=400)}'"])
def test_nonsense_nights_get_no_partition(database: DatabaseUrls, night: str) -> None:
    """A wrong date cannot fill the schema with partitions."""
    with pytest.raises(psycopg2.DataError, match="no label partition for night"):
        rows(database.writer, f"SELECT heartwave.ensure_label_partition({night})")


def test_one_recordings_labels_are_found_by_index(plant: Planter, database: DatabaseUrls) -> None:
    """The labels of one recording are reached through the key of the night's partition, not by scanning."""
    revision_id, model_version_id = plant.recording("clinic/a", 5_000), plant.model(1, promoted=True)
    plant.score(revision_id, model_version_id, random_labels(5_000))
    for number in range(10):
        plant.score(plant.recording(f"clinic/{number}", 5_000), model_version_id, random_labels(5_000))
    rows(database.owner, "ANALYZE heartwave.labels")

    explained = rows(database.reader, "EXPLAIN SELECT * FROM current_labels WHERE recording_id = 'clinic/a'")

    plan = "\n".join(line for (line,) in explained)
    assert "labels_" in plan
    assert "Seq Scan on labels" not in plan
