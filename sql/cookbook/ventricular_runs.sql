-- Couplets and runs of ventricular beats
--
-- Two ventricular beats in a row are a couplet, three or more a run (ventricular tachycardia at 100 bpm and more).
-- Gaps and islands: beats of one kind in a row have the same difference of their two row numbers.

WITH numbered AS (
    SELECT
        recording_id,
        time_s,
        rr_previous_s,
        class,
        row_number() OVER beats - row_number() OVER beats_of_class AS island
    FROM current_labels
    WINDOW
        beats AS (PARTITION BY recording_id ORDER BY r_peak_sample),
        beats_of_class AS (PARTITION BY recording_id, class ORDER BY r_peak_sample)
),
runs AS (
    SELECT
        recording_id,
        min(time_s) AS start_s,
        max(time_s) - min(time_s) AS length_s,
        count(*) AS n_beats
    FROM numbered
    WHERE class = 'V'
    GROUP BY recording_id, island
)
SELECT
    recording_id,
    round(start_s::numeric, 2) AS start_s,
    n_beats,
    CASE WHEN n_beats = 2 THEN 'couplet' ELSE 'run' END AS kind,
    round((60 * (n_beats - 1) / nullif(length_s, 0))::numeric) AS rate_bpm
FROM runs
WHERE n_beats >= 2
ORDER BY n_beats DESC, recording_id, start_s;
