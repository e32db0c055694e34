-- Pauses of 3 s and longer
--
-- RR intervals of at least 3 s, longest first, with the class of the beat that ended the pause. Check them against
-- the signal: a lead that fell off looks the same. From 2 s on, an index finds them among any number of labels.

SELECT
    recording_id,
    round((time_s - rr_previous_s)::numeric, 2) AS from_s,
    round(time_s::numeric, 2) AS to_s,
    round(rr_previous_s::numeric, 2) AS pause_s,
    class_name AS ended_by
FROM current_labels
WHERE rr_previous_s >= 3
ORDER BY rr_previous_s DESC, recording_id, time_s
LIMIT 100;
