"""`heartwave init`: roles, database, schema and buckets, in the embedded servers or one's own."""

from __future__ import annotations

from rich.console import Console

from heartwave_tasks.cli.errors import need
from heartwave_tasks.settings import Settings
from heartwave_tasks.stores.database import initialise_database
from heartwave_tasks.stores.objects import create_buckets


def initialise() -> None:
    """Create roles, database, schema and buckets where they are missing."""
    console, settings = Console(soft_wrap=True), Settings.load()
    owner, writer, reader = need(settings, "owner_database_url", "database_url", "reader_database_url")
    admin = settings.admin_database_url
    reviewer = settings.reviewer_database_url
    initialise_database(
        admin.get_secret_value() if admin else None,
        owner,
        writer,
        reader,
        reviewer.get_secret_value() if reviewer else None,
    )
    console.print("Database, roles and schema are there.")
    created = create_buckets(settings)
    console.print(f"Buckets created: {', '.join(created)}." if created else "Buckets are there.", highlight=False)
