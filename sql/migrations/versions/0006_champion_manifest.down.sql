-- Columns cannot be taken from a view, so it is made anew.
DROP VIEW heartwave.champion;

CREATE VIEW heartwave.champion AS
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
    p.reason
FROM heartwave.promotions AS p
JOIN heartwave.model_versions AS m ON m.model_version_id = p.model_version_id
ORDER BY p.promotion_id DESC
LIMIT 1;

COMMENT ON VIEW heartwave.champion IS 'One row, or none before the first promotion: the model version that labels tonight.';
COMMENT ON COLUMN heartwave.champion.model_name IS 'Name of the model.';
COMMENT ON COLUMN heartwave.champion.model_version IS 'Version of the model.';
COMMENT ON COLUMN heartwave.champion.architecture IS 'Which architecture it is.';
COMMENT ON COLUMN heartwave.champion.label_scheme IS 'Label scheme it was trained on.';
COMMENT ON COLUMN heartwave.champion.mlflow_run_id IS 'MLflow run that trained it.';
COMMENT ON COLUMN heartwave.champion.n_training_beats IS 'Beats it was trained on.';
COMMENT ON COLUMN heartwave.champion.registered_at IS 'When it was registered.';
COMMENT ON COLUMN heartwave.champion.promoted_at IS 'When it became champion.';
COMMENT ON COLUMN heartwave.champion.promoted_by IS 'Who promoted it: a person or a DAG.';
COMMENT ON COLUMN heartwave.champion.reason IS 'Why.';
