"""The champion's manifest, so that whoever loads it by the views alone can check its files, too."""

from __future__ import annotations

from heartwave_tasks.stores.database import run_sql_file

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Apply the SQL file beside this one."""
    run_sql_file(__file__, "up")


def downgrade() -> None:
    """Take it back."""
    run_sql_file(__file__, "down")
