"""The only rooms that talk to the outside: recordings (S3), beats (Parquet), registry (MLflow), predictions (Postgres)."""
