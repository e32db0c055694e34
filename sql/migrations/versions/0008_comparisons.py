"""How a challenger compared with the champion, what people decided, and promotions that take an earlier one back."""

from __future__ import annotations

from heartwave_tasks.stores.database import run_sql_file

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Apply the SQL file beside this one."""
    run_sql_file(__file__, "up")


def downgrade() -> None:
    """Take it back."""
    run_sql_file(__file__, "down")
