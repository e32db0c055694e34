DROP INDEX heartwave.recording_revisions_beats_key_idx;
ALTER TABLE heartwave.recording_revisions DROP COLUMN beats_sha256, DROP COLUMN strip_sha256;
