-- Recordings in quarantine
--
-- What could not be read, why, and what to do about it, newest first.

SELECT
    recording_id,
    code,
    reason,
    remedy,
    first_seen_at
FROM current_quarantine
ORDER BY first_seen_at DESC, recording_id;
