"""The review queue is read in the order of its index, however many labels there are."""

from __future__ import annotations

from heartwave_tasks.stores.database import run_sql_file

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Apply the SQL file beside this one."""
    run_sql_file(__file__, "up")


def downgrade() -> None:
    """Take it back."""
    run_sql_file(__file__, "down")
