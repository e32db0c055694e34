-- Quarantine that people can work with, failures by source, and receipts of what was forgotten.

ALTER TABLE heartwave.quarantine
    ADD COLUMN n_attempts integer NOT NULL DEFAULT 1 CHECK (n_attempts > 0),
    ADD COLUMN kept_prefix text,
    ADD COLUMN resolution text CHECK (resolution IN ('ingested', 'gone', 'retried', 'discarded'));
COMMENT ON COLUMN heartwave.quarantine.n_attempts IS 'How often this content was tried.';
COMMENT ON COLUMN heartwave.quarantine.kept_prefix IS 'Prefix in the recordings bucket under which the refused bytes are kept, with the reason; null where none were kept.';
COMMENT ON COLUMN heartwave.quarantine.resolution IS 'How the waiting ended: ''ingested'' (good content came), ''gone'' (the content was replaced or taken away), ''retried'' (somebody asked for another try) or ''discarded''; null while it waits, or where it ended before this was recorded.';

CREATE OR REPLACE VIEW heartwave.current_quarantine AS
SELECT
    recording_id,
    code,
    reason,
    remedy,
    first_seen_at,
    last_seen_at,
    quarantine_id,
    regexp_replace(recording_id, '/[^/]*$', '') AS source,
    n_attempts,
    kept_prefix
FROM heartwave.quarantine
WHERE resolved_at IS NULL;
COMMENT ON COLUMN heartwave.current_quarantine.quarantine_id IS 'Number to name it by: heartwave quarantine show 7.';
COMMENT ON COLUMN heartwave.current_quarantine.source IS 'Where the recording comes from.';
COMMENT ON COLUMN heartwave.current_quarantine.n_attempts IS 'How often this content was tried.';
COMMENT ON COLUMN heartwave.current_quarantine.kept_prefix IS 'Where in the recordings bucket the refused bytes are kept.';

CREATE TABLE heartwave.source_ingests (
    source_ingest_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source           text NOT NULL,
    ingested_at      timestamptz NOT NULL DEFAULT now(),
    n_recordings     integer NOT NULL CHECK (n_recordings > 0),
    n_quarantined    integer NOT NULL CHECK (n_quarantined BETWEEN 0 AND n_recordings),
    usual_share      double precision CHECK (usual_share BETWEEN 0 AND 1),
    is_alarming      boolean NOT NULL
);
COMMENT ON TABLE heartwave.source_ingests IS 'One row per run of ingest and source that brought something: how much of it had to be refused.';
COMMENT ON COLUMN heartwave.source_ingests.source_ingest_id IS 'Surrogate key.';
COMMENT ON COLUMN heartwave.source_ingests.source IS 'Where the recordings come from.';
COMMENT ON COLUMN heartwave.source_ingests.ingested_at IS 'When the run ended.';
COMMENT ON COLUMN heartwave.source_ingests.n_recordings IS 'Recordings of the source the run looked at.';
COMMENT ON COLUMN heartwave.source_ingests.n_quarantined IS 'Of those, how many were refused.';
COMMENT ON COLUMN heartwave.source_ingests.usual_share IS 'Share refused over the 30 days before; null where nothing had come.';
COMMENT ON COLUMN heartwave.source_ingests.is_alarming IS 'Whether the share refused had jumped.';
CREATE INDEX source_ingests_source_idx ON heartwave.source_ingests (source, ingested_at);

CREATE VIEW heartwave.source_failures AS
SELECT
    source,
    ingested_at,
    n_recordings,
    n_quarantined,
    n_quarantined::double precision / n_recordings AS share_quarantined,
    usual_share,
    is_alarming
FROM heartwave.source_ingests;
COMMENT ON VIEW heartwave.source_failures IS 'How much of what each source brought had to be refused, run by run, beside what is usual for it.';
COMMENT ON COLUMN heartwave.source_failures.source IS 'Where the recordings come from.';
COMMENT ON COLUMN heartwave.source_failures.ingested_at IS 'When the run ended.';
COMMENT ON COLUMN heartwave.source_failures.n_recordings IS 'Recordings of the source the run looked at.';
COMMENT ON COLUMN heartwave.source_failures.n_quarantined IS 'Of those, how many were refused.';
COMMENT ON COLUMN heartwave.source_failures.share_quarantined IS 'The same as a share.';
COMMENT ON COLUMN heartwave.source_failures.usual_share IS 'Share refused over the 30 days before; null where nothing had come.';
COMMENT ON COLUMN heartwave.source_failures.is_alarming IS 'Whether the share refused had jumped.';

CREATE TABLE heartwave.forgotten_recordings (
    forgotten_id  integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    recording_mac text NOT NULL CHECK (recording_mac ~ '^[0-9a-f]{64}$'),
    forgotten_at  timestamptz NOT NULL DEFAULT now(),
    requested_by  text NOT NULL,
    receipt       jsonb NOT NULL
);
COMMENT ON TABLE heartwave.forgotten_recordings IS 'Receipts of recordings that were deleted on request; they name no recording.';
COMMENT ON COLUMN heartwave.forgotten_recordings.forgotten_id IS 'Surrogate key.';
COMMENT ON COLUMN heartwave.forgotten_recordings.recording_mac IS 'Keyed hash (HMAC-SHA-256) of the recording''s name: who has the key can tell whether a name was forgotten, nobody can read it back.';
COMMENT ON COLUMN heartwave.forgotten_recordings.forgotten_at IS 'When it was deleted.';
COMMENT ON COLUMN heartwave.forgotten_recordings.requested_by IS 'Who asked for it.';
COMMENT ON COLUMN heartwave.forgotten_recordings.receipt IS 'What was deleted where, and which model versions were trained on it.';
