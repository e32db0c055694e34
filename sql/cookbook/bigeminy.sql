-- Bigeminy
--
-- Every second beat is ventricular: stretches of at least three pairs in which ventricular and other beats take
-- turns, the longest first. A stretch ends where two beats of one kind follow each other.

SELECT
    recording_id,
    round(start_s::numeric, 2) AS start_s,
    round(end_s::numeric, 2) AS end_s,
    n_ventricular,
    n_beats
FROM recording_episodes
WHERE kind = 'bigeminy'
ORDER BY recording_episodes.n_beats DESC, recording_id, recording_episodes.start_s
LIMIT 100;
