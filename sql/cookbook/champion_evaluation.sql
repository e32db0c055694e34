-- How good the champion is
--
-- Its evaluation by protocol and class. Figures on a random split of beats flatter every model, because beats of one
-- patient are on both sides: believe the protocols whose patients the model has never seen.

SELECT
    e.protocol,
    e.class_name,
    e.n_beats,
    round(100 * e.sensitivity::numeric, 1) AS sensitivity_percent,
    round(100 * e.positive_predictivity::numeric, 1) AS positive_predictivity_percent,
    round(100 * e.f1::numeric, 1) AS f1_percent
FROM model_evaluation_by_class AS e
JOIN champion AS c ON c.model_name = e.model_name AND c.model_version = e.model_version
ORDER BY e.protocol, e.class;
