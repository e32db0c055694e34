-- The beats two model versions disagree on
--
-- Of one recording, beat by beat: here the one on which two versions agree least. Put a name there to look at another.

SELECT
    recording_id,
    r_peak_sample,
    round(time_s::numeric, 2) AS time_s,
    class_a,
    class_b,
    reference
FROM model_disagreements
WHERE recording_id = (
    SELECT recording_id
    FROM model_agreement
    WHERE is_current_revision AND n_agreeing < n_beats
    ORDER BY n_agreeing::double precision / n_beats, recording_id
    LIMIT 1
)
ORDER BY r_peak_sample;
