"""Night monitoring: runs of scoring, and how far a night's beats and labels are from what the champion learnt from."""

from __future__ import annotations

from heartwave_tasks.stores.database import run_sql_file

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Apply the SQL file beside this one."""
    run_sql_file(__file__, "up")


def downgrade() -> None:
    """Take it back."""
    run_sql_file(__file__, "down")
