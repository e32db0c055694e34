#!/bin/sh
# Creates MinIO's two users, each with the rights it needs; doing it again sets passwords and rights anew.
# Runs in MinIO's own image, which brings its client `mc`.
set -eu

mc alias set heartwave "$S3_ENDPOINT_URL" "$MINIO_ROOT_USER" "$MINIO_ROOT_PASSWORD" >/dev/null

allow() { # allow USER SECRET POLICY_FILE
  mc admin user add heartwave "$1" "$2" >/dev/null
  mc admin policy create heartwave "$1" "$3"
  mc admin policy attach heartwave "$1" --user "$1"
}

allow heartwave "$S3_HEARTWAVE_SECRET" /policies/heartwave.json
allow mlflow "$S3_MLFLOW_SECRET" /policies/mlflow.json
