DROP TABLE heartwave.forgotten_recordings;
DROP VIEW heartwave.source_failures;
DROP TABLE heartwave.source_ingests;

-- Columns can only be taken from a view by making it anew.
DROP VIEW heartwave.current_quarantine;
CREATE VIEW heartwave.current_quarantine AS
SELECT
    recording_id,
    code,
    reason,
    remedy,
    first_seen_at,
    last_seen_at
FROM heartwave.quarantine
WHERE resolved_at IS NULL;
COMMENT ON VIEW heartwave.current_quarantine IS 'Recordings that wait for somebody: what is wrong with them and what to do.';
COMMENT ON COLUMN heartwave.current_quarantine.recording_id IS 'Name the recording arrived under.';
COMMENT ON COLUMN heartwave.current_quarantine.code IS 'Kind of fault as a stable word.';
COMMENT ON COLUMN heartwave.current_quarantine.reason IS 'What is wrong.';
COMMENT ON COLUMN heartwave.current_quarantine.remedy IS 'What to do about it.';
COMMENT ON COLUMN heartwave.current_quarantine.first_seen_at IS 'When it was refused for the first time.';
COMMENT ON COLUMN heartwave.current_quarantine.last_seen_at IS 'When it was refused for the last time.';

ALTER TABLE heartwave.quarantine DROP COLUMN n_attempts, DROP COLUMN kept_prefix, DROP COLUMN resolution;
