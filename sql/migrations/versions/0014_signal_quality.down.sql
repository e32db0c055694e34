DROP VIEW heartwave.recording_minutes;
ALTER TABLE heartwave.recording_revisions
    DROP COLUMN n_unclassifiable, DROP COLUMN minute_quality, DROP COLUMN noisy_minutes;
