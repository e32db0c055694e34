"""The database itself: roles, migrations and rights. The labels in it are the business of ``predictions``."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg2
from alembic import command, op
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from psycopg2 import errors, sql
from psycopg2.extensions import encrypt_password
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from heartwave_tasks.settings import PROJECT_ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg2.extensions import connection as PsycopgConnection  # noqa: N812  a class in all but case
    from psycopg2.extensions import cursor as Cursor  # noqa: N812
    from sqlalchemy import URL, Connection

SCHEMA = "heartwave"
SQL_DIRECTORY = PROJECT_ROOT / "sql"

# Functions of PostgreSQL that let any role write large objects, whatever its rights on tables.
_LARGE_OBJECT_WRITERS = (
    "lo_creat(integer)",
    "lo_create(oid)",
    "lo_from_bytea(oid, bytea)",
    "lo_put(oid, bigint, bytea)",
    "lowrite(integer, bytea)",
)


class DatabaseSetupError(RuntimeError):
    """The database cannot be set up; the message says what is missing and what to do."""


def initialise_database(
    admin_url: str | None, owner_url: str, writer_url: str, reader_url: str, reviewer_url: str | None = None
) -> None:
    """Bring a PostgreSQL server to the state HeartWave needs; doing it again changes nothing.

    ``admin_url`` connects as a superuser, or as a role that may create roles and databases, to any database of the
    server. From the other URLs come the names and passwords of the roles and the name of the database, which must be
    the same in all of them; there need be no reviewer where nobody reviews beats. Without ``admin_url`` the roles and
    the database must exist already, and only the migrations and the rights are applied, as the owner.

    Raises `DatabaseSetupError` when the URLs contradict each other or something is missing.
    """
    urls = [_parse(url) for url in (owner_url, writer_url, reader_url, reviewer_url) if url is not None]
    owner, writer, reader, *reviewers = urls
    if len({url.database for url in urls}) != 1:
        found = ", ".join(str(url.database) for url in urls)
        raise DatabaseSetupError(f"Owner, writer and reader must use one database, but their URLs name {found}.")
    if len({url.username for url in urls}) != len(urls):
        raise DatabaseSetupError(
            "Owner, writer and reader must be three different roles, the reviewer a fourth: each has its own rights."
        )
    if admin_url is not None:
        create_database(admin_url, owner_url)
        _admit_roles(admin_url, owner, (writer, reader, *reviewers))
    reviewer = str(reviewers[0].username) if reviewers else None
    migrate(owner_url, writer=str(writer.username), reader=str(reader.username), reviewer=reviewer)


def create_database(admin_url: str, owner_url: str) -> None:
    """Create the role and the database that ``owner_url`` names, closed to every other role.

    Both are kept when they exist; the role's password is set to the URL's either way. Serves any component that
    wants a database of its own (HeartWave, Airflow, MLflow).
    """
    owner = _parse(owner_url)
    with _admin_cursor(admin_url) as cursor:
        _ensure_role(cursor, owner)
        cursor.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
        (is_superuser,) = cursor.fetchone() or (False,)
        if not is_superuser:
            # Creating a database for another role, or changing it later, needs membership in that role.
            cursor.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(sql.Identifier(str(owner.username))))
        cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (owner.database,))
        if cursor.fetchone() is None:
            cursor.execute(
                sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE template0 ENCODING 'UTF8'").format(
                    sql.Identifier(str(owner.database)), sql.Identifier(str(owner.username))
                )
            )
        # Only where PUBLIC still has rights: the lock counts in the administrator's database alone, and another `init`
        # that is further on may be changing the new one's rights just now, which PostgreSQL refuses to two at once.
        cursor.execute(
            "SELECT datacl IS NULL OR EXISTS (SELECT FROM aclexplode(datacl) WHERE grantee = 0)"
            " FROM pg_database WHERE datname = %s",
            (owner.database,),
        )
        if cursor.fetchone() == (True,):
            cursor.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(str(owner.database))))


def migrate(
    owner_url: str,
    *,
    writer: str = "heartwave_writer",
    reader: str = "heartwave_reader",
    reviewer: str | None = "heartwave_reviewer",
) -> None:
    """Apply the outstanding migrations and the rights of the roles, all in one transaction."""
    roles = {"writer": writer, "reader": reader, **({"reviewer": reviewer} if reviewer else {})}
    with owner_connection(owner_url) as connection:
        for role in roles.values():
            if connection.execute(text("SELECT to_regrole(quote_ident(:role))"), {"role": role}).scalar() is None:
                raise DatabaseSetupError(
                    f"Role {role} does not exist. Run `heartwave init` with HEARTWAVE_ADMIN_DATABASE_URL set, or ask "
                    "the server's administrator to create it."
                )
        config = alembic_config(connection)
        command.upgrade(config, "head")
        for kind, role in roles.items():
            connection.execute(
                text("SELECT set_config(:name, :role, true)"), {"name": f"heartwave.{kind}", "role": role}
            )
        _execute_script(connection, (SQL_DIRECTORY / "grants.sql").read_text(encoding="utf-8"))


def current_revision(owner_url: str) -> str | None:
    """Return the id of the newest applied migration, None before the first."""
    with owner_connection(owner_url) as connection:
        context = MigrationContext.configure(connection, opts={"version_table_schema": SCHEMA})
        return context.get_current_revision()


def alembic_config(connection: Connection) -> Config:
    """Return an Alembic configuration that works on an open connection of the schema's owner."""
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(SQL_DIRECTORY / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def run_sql_file(migration: str, direction: str) -> None:
    """Execute the ``.up.sql`` or ``.down.sql`` beside a migration module, given as its ``__file__``."""
    script = Path(migration).with_suffix(f".{direction}.sql").read_text(encoding="utf-8")
    _execute_script(op.get_bind(), script)


@contextmanager
def owner_connection(owner_url: str) -> Iterator[Connection]:
    """Open one connection inside one transaction, committed when the block ends well.

    Raises `DatabaseSetupError` when the server cannot be reached or refuses the role.
    """
    # The pool would keep a connection of a role that is seldom needed.
    engine = create_engine(_parse(owner_url), poolclass=NullPool)
    try:
        connection = engine.connect()
    except OperationalError as error:
        raise DatabaseSetupError(_cannot_connect(engine.url, error.orig or error)) from error
    with connection, connection.begin():
        yield connection


def _parse(url: str) -> URL:
    """Read a database URL, settle its driver, and refuse one without role or database."""
    parsed = make_url(url)
    if not parsed.drivername.startswith(("postgresql", "postgres")):
        raise DatabaseSetupError(
            f"HeartWave keeps its labels in PostgreSQL, but the URL starts with {parsed.drivername}://."
        )
    if not parsed.username or not parsed.database:
        raise DatabaseSetupError(
            f"A database URL must name a role and a database, like postgresql://role:password@host:5432/heartwave; "
            f"found {parsed.render_as_string(hide_password=True)}."
        )
    # Plain postgresql:// would be psycopg 3 from SQLAlchemy 2.1 on.
    return parsed.set(drivername="postgresql+psycopg2")


def _libpq_url(url: URL) -> str:
    """Return the URL as libpq reads it, password included."""
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


def _execute_script(connection: Connection, script: str) -> None:
    """Execute many statements at once; percent signs and colons in them are left alone."""
    connection.connection.cursor().execute(script)


@contextmanager
def _admin_cursor(admin_url: str, database: str | None = None) -> Iterator[Cursor]:
    """Open an autocommitting cursor as the administrator, one administrator at a time."""
    url = _parse(admin_url)
    if database is not None:
        url = url.set(database=database)
    try:
        connection: PsycopgConnection = psycopg2.connect(_libpq_url(url), application_name="heartwave init")
    except psycopg2.OperationalError as error:
        raise DatabaseSetupError(_cannot_connect(url, error)) from error
    try:
        connection.autocommit = True  # CREATE DATABASE refuses to run inside a transaction
        with connection.cursor() as cursor:
            # Two `heartwave init` at once: the second waits here. Released when the connection closes.
            cursor.execute("SELECT pg_advisory_lock(hashtextextended('heartwave init', 0))")
            yield cursor
    except errors.InsufficientPrivilege as error:
        raise DatabaseSetupError(
            f"Role {url.username} may not set up the database: {error.diag.message_primary}. "
            "HEARTWAVE_ADMIN_DATABASE_URL must name a superuser, or a role with CREATEROLE and CREATEDB."
        ) from error
    finally:
        connection.close()


def _ensure_role(cursor: Cursor, url: URL) -> None:
    """Create the URL's role unless it exists, and set its password to the URL's."""
    role = sql.Identifier(str(url.username))
    cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (url.username,))
    if cursor.fetchone() is None:
        cursor.execute(sql.SQL("CREATE ROLE {} LOGIN").format(role))
    if url.password:
        # Hashed here: the password itself never travels and appears in no server log.
        verifier = encrypt_password(str(url.password), str(url.username), cursor.connection, "scram-sha-256")
        cursor.execute(sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(role, sql.Literal(verifier)))


def _admit_roles(admin_url: str, owner: URL, roles: tuple[URL, ...]) -> None:
    """Create the roles beside the owner, and take away what every role could do by default."""
    with _admin_cursor(admin_url, owner.database) as cursor:
        for url in roles:
            _ensure_role(cursor, url)
        cursor.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
        (is_superuser,) = cursor.fetchone() or (False,)
        if is_superuser:  # nobody else owns these functions
            cursor.execute(f"REVOKE EXECUTE ON FUNCTION {', '.join(_LARGE_OBJECT_WRITERS)} FROM PUBLIC")


def _cannot_connect(url: URL, error: BaseException) -> str:
    """Say in one sentence which server refused whom, without the password."""
    return f"Cannot connect to {url.render_as_string(hide_password=True)}: {str(error).strip()}"
