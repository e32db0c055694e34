-- Heart rate per recording
--
-- Mean, slowest and fastest heart rate in beats per minute. The extremes are the 1st and 99th percentile, so that one
-- missed or doubled R peak does not make them.

SELECT
    recording_id,
    n_intervals,
    round(heart_rate_bpm::numeric, 1) AS mean_bpm,
    round(slow_heart_rate_bpm::numeric, 1) AS slow_bpm,
    round(fast_heart_rate_bpm::numeric, 1) AS fast_bpm
FROM recording_burden
ORDER BY recording_id;
