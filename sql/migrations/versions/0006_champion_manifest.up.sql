-- Whoever loads the champion checks its files against this, without a right on any table.
CREATE OR REPLACE VIEW heartwave.champion AS
SELECT
    m.model_name,
    m.version AS model_version,
    m.architecture,
    m.label_scheme,
    m.mlflow_run_id,
    m.n_training_beats,
    m.registered_at,
    p.promoted_at,
    p.promoted_by,
    p.reason,
    m.manifest_sha256
FROM heartwave.promotions AS p
JOIN heartwave.model_versions AS m ON m.model_version_id = p.model_version_id
ORDER BY p.promotion_id DESC
LIMIT 1;
COMMENT ON COLUMN heartwave.champion.manifest_sha256 IS 'SHA-256 of the model''s manifest, which holds the SHA-256 of each of its files.';
