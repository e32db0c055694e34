"""Every figure of an evaluation by name, with its interval: also S without record 232, and what review queues hold."""

from __future__ import annotations

from heartwave_tasks.stores.database import run_sql_file

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Apply the SQL file beside this one."""
    run_sql_file(__file__, "up")


def downgrade() -> None:
    """Take it back."""
    run_sql_file(__file__, "down")
