-- Couplets and runs of ventricular beats
--
-- Two ventricular beats in a row are a couplet, three or more a run (ventricular tachycardia at 100 bpm and more),
-- the longest first.

SELECT
    recording_id,
    round(start_s::numeric, 2) AS start_s,
    n_beats,
    kind,
    round(rate_bpm::numeric) AS rate_bpm
FROM recording_episodes
WHERE kind IN ('couplet', 'run')
ORDER BY recording_episodes.n_beats DESC, recording_id, recording_episodes.start_s
LIMIT 100;
