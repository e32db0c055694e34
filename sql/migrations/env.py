"""Alembic's environment: one connection as the schema's owner, one transaction, one migrator at a time.

Normally run through ``heartwave_tasks.stores.database.migrate``, which hands its connection over; the ``alembic``
command (``alembic -c sql/alembic.ini history``) works too and connects to HEARTWAVE_OWNER_DATABASE_URL.
"""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection, text

from heartwave_tasks.settings import get_settings
from heartwave_tasks.stores.database import SCHEMA, owner_connection


def run_migrations(connection: Connection) -> None:
    """Run what the command asks for inside the caller's transaction."""
    # Two `heartwave init` at once: the second waits here and finds nothing left to do.
    connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('heartwave migrations', 0))"))
    connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))
    context.configure(connection=connection, version_table_schema=SCHEMA)
    context.run_migrations()


handed_over: Connection | None = context.config.attributes.get("connection")
if handed_over is not None:
    run_migrations(handed_over)
else:
    owner_url = get_settings().owner_database_url
    if owner_url is None:
        raise SystemExit("Set HEARTWAVE_OWNER_DATABASE_URL to the URL of the role that owns the schema.")
    with owner_connection(owner_url.get_secret_value()) as own:
        run_migrations(own)
