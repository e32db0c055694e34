-- Model versions compared beat by beat
--
-- Every pair of model versions that labelled the same recordings: on how many beats they agree, and who is right
-- where they do not and a reference exists.

SELECT
    model_name_a || ' ' || model_version_a AS model_a,
    model_name_b || ' ' || model_version_b AS model_b,
    sum(n_beats) AS n_beats,
    round(100.0 * sum(n_agreeing) / nullif(sum(n_beats), 0), 2) AS agreement_percent,
    sum(n_only_a_right) AS only_a_right,
    sum(n_only_b_right) AS only_b_right
FROM model_agreement
WHERE is_current_revision
GROUP BY model_name_a, model_version_a, model_name_b, model_version_b
ORDER BY model_a, model_b;
