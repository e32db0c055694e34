"""The embedded stack: real PostgreSQL, S3, MLflow and Airflow as child processes on the loopback, no containers."""
