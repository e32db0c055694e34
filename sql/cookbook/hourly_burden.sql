-- Burden by hour of the recording
--
-- Ectopic beats come and go with sleep, stress and drugs: a day-long recording by the hour. Add
-- WHERE recording_id = '…' for one of them.

SELECT
    recording_id,
    hour,
    n_beats,
    round(heart_rate_bpm::numeric) AS heart_rate_bpm,
    round(supraventricular_percent::numeric, 2) AS supraventricular_percent,
    round(ventricular_percent::numeric, 2) AS ventricular_percent
FROM recording_hourly_burden
ORDER BY recording_id, hour;
