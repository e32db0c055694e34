#!/usr/bin/env bash
# The init service: brings every store to the state the other services need. Doing it again changes nothing.
set -euo pipefail
cd "$(dirname "$0")/.."

echo "Databases of Airflow and MLflow"
python docker/databases.py
echo "HeartWave's roles, database, schema and buckets"
heartwave init
echo "MLflow's schema"
mlflow db upgrade "$MLFLOW_BACKEND_STORE_URI"
echo "Airflow's schema"
airflow db migrate
echo "Airflow's administrator"
python docker/airflow_admin.py
