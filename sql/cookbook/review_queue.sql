-- Review queue: the least confident beats
--
-- Where a cardiologist's minute teaches most: the beats the model was least sure of and nobody has reviewed, with its
-- second choice.

SELECT
    recording_id,
    r_peak_sample,
    round(time_s::numeric, 2) AS time_s,
    class_name,
    round(confidence::numeric, 3) AS confidence,
    second_choice
FROM review_queue
ORDER BY review_queue.confidence, recording_id, r_peak_sample
LIMIT 100;
