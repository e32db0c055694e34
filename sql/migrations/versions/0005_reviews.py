"""Reviews: what people say a heartbeat is, beside what the model said, and before it in current_labels."""

from __future__ import annotations

from heartwave_tasks.stores.database import run_sql_file

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Apply the SQL file beside this one."""
    run_sql_file(__file__, "up")


def downgrade() -> None:
    """Take it back."""
    run_sql_file(__file__, "down")
