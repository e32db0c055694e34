-- Heart rate per recording
--
-- Mean, slowest and fastest heart rate in beats per minute. The extremes are the 1st and 99th percentile, so that one
-- missed or doubled R peak does not make them.

SELECT
    recording_id,
    count(heart_rate_bpm) AS n_intervals,
    round((60 / avg(rr_previous_s))::numeric, 1) AS mean_bpm,
    round(percentile_cont(0.01) WITHIN GROUP (ORDER BY heart_rate_bpm)::numeric, 1) AS slow_bpm,
    round(percentile_cont(0.99) WITHIN GROUP (ORDER BY heart_rate_bpm)::numeric, 1) AS fast_bpm
FROM current_labels
WHERE rr_previous_s > 0
GROUP BY recording_id
ORDER BY recording_id;
