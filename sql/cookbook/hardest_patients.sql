-- The test recordings the champion fails on
--
-- An average hides single patients: per protocol and recording, the share of beats that are not normal and that the
-- champion found, worst first.

SELECT
    e.protocol,
    e.recording_id,
    sum(e.n_beats) AS n_ectopic_beats,
    sum(e.n_found) AS n_found,
    round(100.0 * sum(e.n_found) / sum(e.n_beats), 1) AS found_percent
FROM model_evaluation_by_recording AS e
JOIN champion AS c ON c.model_name = e.model_name AND c.model_version = e.model_version
WHERE e.class <> 'N'
GROUP BY e.protocol, e.recording_id
HAVING sum(e.n_beats) > 0
ORDER BY e.protocol, found_percent, n_ectopic_beats DESC, e.recording_id;
