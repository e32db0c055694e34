-- Review queue: the least confident beats
--
-- Where a cardiologist's minute teaches most: the beats the model was least sure of, with its second choice.
-- confidence < 0.6 lets an index find them among any number of labels.

SELECT
    recording_id,
    r_peak_sample,
    round(time_s::numeric, 2) AS time_s,
    class_name,
    round(confidence::numeric, 3) AS confidence,
    (
        SELECT second.class
        FROM (VALUES ('N', p_n), ('S', p_s), ('V', p_v), ('F', p_f), ('Q', p_q)) AS second (class, p)
        WHERE second.class <> current_labels.class::text
        ORDER BY second.p DESC
        LIMIT 1
    ) AS second_choice
FROM current_labels
WHERE confidence < 0.6
ORDER BY current_labels.confidence, recording_id, r_peak_sample
LIMIT 100;
