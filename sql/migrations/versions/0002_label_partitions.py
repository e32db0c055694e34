"""Functions that create and drop the monthly partitions of the labels."""

from __future__ import annotations

from heartwave_tasks.stores.database import run_sql_file

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Apply the SQL file beside this one."""
    run_sql_file(__file__, "up")


def downgrade() -> None:
    """Take it back."""
    run_sql_file(__file__, "down")
