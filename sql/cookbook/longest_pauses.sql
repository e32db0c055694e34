-- Pauses of 3 s and longer
--
-- RR intervals of at least 3 s, longest first, with the class of the beat that ended the pause. Check them against
-- the signal; stretches without a readable one have no RR interval.

SELECT
    recording_id,
    round(start_s::numeric, 2) AS from_s,
    round(end_s::numeric, 2) AS to_s,
    round(length_s::numeric, 2) AS pause_s,
    last_class AS ended_by
FROM recording_episodes
WHERE kind = 'pause' AND length_s >= 3
ORDER BY length_s DESC, recording_id, start_s
LIMIT 100;
