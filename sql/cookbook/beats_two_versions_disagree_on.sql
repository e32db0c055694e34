-- The beats two model versions disagree on
--
-- Of one recording, beat by beat: here the one on which its two versions agree least. Put a name there to look at another.

WITH least AS (
    SELECT *
    FROM model_agreement
    WHERE is_current_revision AND n_agreeing < n_beats
    ORDER BY n_agreeing::double precision / n_beats, recording_id
    LIMIT 1
)
SELECT
    a.recording_id,
    a.r_peak_sample,
    round(a.time_s::numeric, 2) AS time_s,
    a.class AS class_a,
    b.class AS class_b,
    a.reference
FROM least
JOIN all_labels AS a
    ON a.revision_id = least.revision_id
    AND (a.model_name, a.model_version) = (least.model_name_a, least.model_version_a)
JOIN all_labels AS b
    ON b.revision_id = least.revision_id
    AND (b.model_name, b.model_version) = (least.model_name_b, least.model_version_b)
    AND b.r_peak_sample = a.r_peak_sample
WHERE a.class <> b.class
ORDER BY a.r_peak_sample;
