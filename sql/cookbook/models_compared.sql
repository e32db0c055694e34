-- Model versions compared beat by beat
--
-- Every pair of model versions that labelled the same recordings: on how many beats they agree, and who is right
-- where they do not and a reference exists.

SELECT
    a.model_name || ' ' || a.model_version AS model_a,
    b.model_name || ' ' || b.model_version AS model_b,
    count(*) AS n_beats,
    round(100.0 * count(*) FILTER (WHERE a.class = b.class) / count(*), 2) AS agreement_percent,
    count(*) FILTER (WHERE a.class <> b.class AND a.class = a.reference) AS only_a_right,
    count(*) FILTER (WHERE a.class <> b.class AND b.class = a.reference) AS only_b_right
FROM all_labels AS a
JOIN all_labels AS b
    ON b.revision_id = a.revision_id
    AND b.r_peak_sample = a.r_peak_sample
    AND (b.model_name, b.model_version) > (a.model_name, a.model_version)
WHERE a.is_current_revision
GROUP BY a.model_name, a.model_version, b.model_name, b.model_version
ORDER BY model_a, model_b;
