-- Drift of the class shares, night by night
--
-- The share of every class among a night's labels, and how far it is from the 30 days before by the same model
-- version, in percentage points: a jump is drift, of the patients or of the signals.

SELECT
    night,
    model_name || ' ' || model_version AS model,
    class,
    round(100 * share::numeric, 2) AS percent,
    round(100 * change::numeric, 2) AS points_from_usual
FROM class_drift
ORDER BY night DESC, model, class;
