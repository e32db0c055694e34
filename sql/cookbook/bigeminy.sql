-- Bigeminy
--
-- Every second beat is ventricular: stretches of at least three pairs in which ventricular and other beats take
-- turns. A stretch ends where two beats of one kind follow each other.

WITH beats AS (
    SELECT
        recording_id,
        r_peak_sample,
        time_s,
        class = 'V' AS ventricular,
        (class = 'V') IS NOT DISTINCT FROM lag(class = 'V') OVER in_order AS breaks
    FROM current_labels
    WINDOW in_order AS (PARTITION BY recording_id ORDER BY r_peak_sample)
),
stretches AS (
    SELECT
        recording_id,
        time_s,
        ventricular,
        count(*) FILTER (WHERE breaks) OVER (PARTITION BY recording_id ORDER BY r_peak_sample) AS stretch
    FROM beats
)
SELECT
    recording_id,
    round(min(time_s)::numeric, 2) AS start_s,
    round(max(time_s)::numeric, 2) AS end_s,
    count(*) FILTER (WHERE ventricular) AS n_ventricular,
    count(*) AS n_beats
FROM stretches
GROUP BY recording_id, stretch
HAVING count(*) >= 6
ORDER BY n_beats DESC, recording_id, start_s;
