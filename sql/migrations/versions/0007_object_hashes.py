"""The hashes of what ingest writes to the lake, so that it can be checked whenever somebody wants to know."""

from __future__ import annotations

from heartwave_tasks.stores.database import run_sql_file

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Apply the SQL file beside this one."""
    run_sql_file(__file__, "up")


def downgrade() -> None:
    """Take it back."""
    run_sql_file(__file__, "down")
