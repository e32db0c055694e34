"""Create Airflow's first administrator, or set its password to the one in the environment.

`airflow users create` wants the password among its arguments, where every process of the host can read it.
"""

from __future__ import annotations

import os

from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder
from airflow.utils.providers_configuration_loader import providers_configuration_loaded


@providers_configuration_loaded
def main() -> None:
    """Make HEARTWAVE_AIRFLOW_USERNAME an administrator with the password HEARTWAVE_AIRFLOW_PASSWORD."""
    username, password = os.environ["HEARTWAVE_AIRFLOW_USERNAME"], os.environ["HEARTWAVE_AIRFLOW_PASSWORD"]
    with get_application_builder() as builder:
        security = builder.sm
        user = security.find_user(username)
        if user is None:
            role = security.find_role("Admin")
            user = security.add_user(username, "HeartWave", "Administrator", f"{username}@localhost", role, password)
            if not user:
                raise SystemExit(f"Airflow did not accept the user {username}; its reason is in the lines above.")
            print(f"Created {username}.")  # noqa: T201 - read in the container\'s log
        elif not security.check_password(username, password):
            security.reset_password(user.id, password)
            print(f"Set {username}'s password to the one in .env.")  # noqa: T201 - read in the container\'s log


if __name__ == "__main__":
    main()
