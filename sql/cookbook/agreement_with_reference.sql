-- Agreement with the reference labels
--
-- The confusion matrix on annotated recordings the champion was not trained on: one row per reference class, one
-- column per label, and the sensitivity.

SELECT
    reference,
    count(*) AS n_beats,
    count(*) FILTER (WHERE class = 'N') AS labelled_n,
    count(*) FILTER (WHERE class = 'S') AS labelled_s,
    count(*) FILTER (WHERE class = 'V') AS labelled_v,
    count(*) FILTER (WHERE class = 'F') AS labelled_f,
    count(*) FILTER (WHERE class = 'Q') AS labelled_q,
    round(100.0 * count(*) FILTER (WHERE class = reference) / count(*), 1) AS sensitivity_percent
FROM current_labels
WHERE reference IS NOT NULL AND NOT in_training_set
GROUP BY reference
ORDER BY reference;
