-- Runs of scoring, the newest first
--
-- What each run labelled, how fast, by which model and code. Equal inputs_sha256 and labels_sha256 on two
-- installations mean the same recordings and the same labels.

SELECT
    dag_run_id,
    night,
    model_name || ' ' || model_version AS model,
    code_version,
    n_recordings,
    n_labels,
    n_held,
    round(duration_s::numeric, 1) AS duration_s,
    round((n_labels / nullif(duration_s, 0))::numeric) AS labels_per_s,
    left(inputs_sha256, 12) AS inputs,
    left(labels_sha256, 12) AS labels
FROM scoring_runs
ORDER BY ended_at DESC
LIMIT 100;
