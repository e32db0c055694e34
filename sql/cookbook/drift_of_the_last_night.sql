-- What moved in the last night
--
-- The ten features, or the class shares, farthest from what the champion learnt from, by the population stability
-- index. Of few recordings it is large for no reason: threshold says from where on it is alarming.

SELECT
    night,
    model_version,
    kind,
    name,
    round(psi::numeric, 3) AS psi,
    round(threshold::numeric, 3) AS threshold,
    is_alarming,
    n_recordings
FROM population_drift
WHERE night = (SELECT max(night) FROM population_drift)
ORDER BY population_drift.psi DESC, name
LIMIT 10;
