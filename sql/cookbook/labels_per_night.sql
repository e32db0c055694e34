-- Labels per night
--
-- What each night's scoring wrote, by model version, and the share of every class: a jump in a share is drift, of the
-- patients or of the model.

SELECT
    night,
    model_name,
    model_version,
    count(*) AS n_recordings,
    sum(n_labels) AS n_labels,
    round(100.0 * sum(n_normal) / nullif(sum(n_labels), 0), 1) AS normal_percent,
    round(100.0 * sum(n_supraventricular) / nullif(sum(n_labels), 0), 1) AS supraventricular_percent,
    round(100.0 * sum(n_ventricular) / nullif(sum(n_labels), 0), 1) AS ventricular_percent,
    round(100.0 * sum(n_fusion) / nullif(sum(n_labels), 0), 1) AS fusion_percent,
    round(100.0 * sum(n_unknown_or_paced) / nullif(sum(n_labels), 0), 1) AS unknown_or_paced_percent
FROM scoring_ledger
GROUP BY night, model_name, model_version
ORDER BY night DESC, model_name, model_version;
