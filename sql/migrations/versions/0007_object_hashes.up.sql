-- What lies in the lake can rot or be overwritten. Scoring and `heartwave verify` hold it against these.
ALTER TABLE heartwave.recording_revisions
    ADD COLUMN beats_sha256 text CHECK (beats_sha256 ~ '^[0-9a-f]{64}$'),
    ADD COLUMN strip_sha256 text CHECK (strip_sha256 ~ '^[0-9a-f]{64}$');
COMMENT ON COLUMN heartwave.recording_revisions.beats_sha256 IS 'SHA-256 of the Parquet file of its beats; null if ingested before hashes were kept.';
COMMENT ON COLUMN heartwave.recording_revisions.strip_sha256 IS 'SHA-256 of its strip, the signals as they are drawn; null if ingested before hashes were kept.';

-- Which of a page of the lake's listing is referred to, without reading all revisions.
CREATE INDEX recording_revisions_beats_key_idx ON heartwave.recording_revisions (beats_key);
