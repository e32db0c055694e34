-- Labels that are held back
--
-- What looked implausible and is not in current_labels, and why. heartwave held release 7 publishes number 7.

SELECT
    held_id,
    recording_id,
    model_name || ' ' || model_version AS model,
    n_labels,
    array_to_string(reasons, ' ') AS reasons
FROM current_held
ORDER BY held_at DESC, held_id;
