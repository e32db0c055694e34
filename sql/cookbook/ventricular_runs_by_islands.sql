-- Runs of ventricular beats, from the labels themselves
--
-- Gaps and islands: beats of one kind in a row have the same difference of their two row numbers. recording_episodes
-- has the runs of V ready; change the class here to look for runs of others. Reads every label of the recording.

WITH numbered AS (
    SELECT
        recording_id,
        time_s,
        class,
        row_number() OVER beats - row_number() OVER beats_of_class AS island
    FROM current_labels
    WHERE recording_id = (SELECT max(recording_id) FROM recording_burden WHERE n_runs > 0)
    WINDOW
        beats AS (PARTITION BY recording_id ORDER BY r_peak_sample),
        beats_of_class AS (PARTITION BY recording_id, class ORDER BY r_peak_sample)
)
SELECT
    recording_id,
    round(min(time_s)::numeric, 2) AS start_s,
    count(*) AS n_beats,
    round((60 * (count(*) - 1) / nullif(max(time_s) - min(time_s), 0))::numeric) AS rate_bpm
FROM numbered
WHERE class = 'V'
GROUP BY recording_id, island
HAVING count(*) >= 3
ORDER BY n_beats DESC, start_s;
