-- Agreement with the reference labels
--
-- The confusion matrix on annotated recordings the champion was not trained on: one row per reference class, one
-- column per label of the model, and the sensitivity.

SELECT
    reference,
    sum(n_beats) AS n_beats,
    coalesce(sum(n_beats) FILTER (WHERE class = 'N'), 0) AS labelled_n,
    coalesce(sum(n_beats) FILTER (WHERE class = 'S'), 0) AS labelled_s,
    coalesce(sum(n_beats) FILTER (WHERE class = 'V'), 0) AS labelled_v,
    coalesce(sum(n_beats) FILTER (WHERE class = 'F'), 0) AS labelled_f,
    coalesce(sum(n_beats) FILTER (WHERE class = 'Q'), 0) AS labelled_q,
    round(100.0 * coalesce(sum(n_beats) FILTER (WHERE class = reference), 0) / sum(n_beats), 1) AS sensitivity_percent
FROM reference_agreement
WHERE is_current AND NOT in_training_set
GROUP BY reference
ORDER BY reference;
