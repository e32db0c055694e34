"""Create the databases of Airflow and MLflow, each with a role of its own; doing it again changes nothing.

Names and passwords come from the URLs with which the two connect; HEARTWAVE_ADMIN_DATABASE_URL must name a superuser.
"""

from __future__ import annotations

import os

from heartwave_tasks.stores.database import create_database


def main() -> None:
    """Create what is missing, and set both roles' passwords to the URLs'."""
    for variable in ("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "MLFLOW_BACKEND_STORE_URI"):
        create_database(os.environ["HEARTWAVE_ADMIN_DATABASE_URL"], os.environ[variable])


if __name__ == "__main__":
    main()
