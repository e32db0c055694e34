"""The only rooms that talk to the outside: recordings and beats (S3), registry (MLflow), predictions (Postgres)."""
