-- How good a recording's signals are, minute by minute and lead by lead, as ingest finds it.

ALTER TABLE heartwave.recording_revisions
    ADD COLUMN n_unclassifiable integer NOT NULL DEFAULT 0 CHECK (n_unclassifiable >= 0),
    ADD COLUMN minute_quality smallint[] NOT NULL DEFAULT '{}',
    ADD COLUMN noisy_minutes integer[] NOT NULL DEFAULT '{}';
COMMENT ON COLUMN heartwave.recording_revisions.n_unclassifiable IS 'Heartbeats where the analysis lead shows nothing that could be classified.';
COMMENT ON COLUMN heartwave.recording_revisions.minute_quality IS 'Mean quality of every lead (first index, in the order of leads) in every minute (second index), in percent; empty where ingest did not judge it yet. recording_minutes shows it in rows.';
COMMENT ON COLUMN heartwave.recording_revisions.noisy_minutes IS 'Minutes, counted from 0, in most of whose seconds the analysis lead shows nothing that could be classified.';

CREATE VIEW heartwave.recording_minutes AS
SELECT
    r.recording_id,
    r.source,
    m.minute - 1 AS minute,
    v.leads[m.lead] AS lead,
    v.minute_quality[m.lead][m.minute] AS quality_percent,
    v.leads[m.lead] = v.analysis_lead AS is_analysis_lead,
    (m.minute - 1) = ANY (v.noisy_minutes) AS is_noise,
    v.revision_id
FROM heartwave.recordings AS r
JOIN heartwave.recording_revisions AS v ON v.revision_id = r.current_revision_id
CROSS JOIN LATERAL (
    SELECT lead, minute
    FROM generate_subscripts(v.minute_quality, 1) AS lead
    CROSS JOIN generate_subscripts(v.minute_quality, 2) AS minute
) AS m;
COMMENT ON VIEW heartwave.recording_minutes IS 'One row per recording, minute and lead: how far heartbeats stand out of noise. Filter on recording_id; a day of three leads has 4 320 rows.';
COMMENT ON COLUMN heartwave.recording_minutes.recording_id IS 'The recording.';
COMMENT ON COLUMN heartwave.recording_minutes.source IS 'Where the recording comes from.';
COMMENT ON COLUMN heartwave.recording_minutes.minute IS 'Minute of the recording, counted from 0.';
COMMENT ON COLUMN heartwave.recording_minutes.lead IS 'The lead.';
COMMENT ON COLUMN heartwave.recording_minutes.quality_percent IS 'Mean quality of the minute''s seconds: 100 is flawless, 0 shows no heartbeat at all.';
COMMENT ON COLUMN heartwave.recording_minutes.is_analysis_lead IS 'Whether beats are classified by this lead.';
COMMENT ON COLUMN heartwave.recording_minutes.is_noise IS 'Whether, by the analysis lead, most of the minute cannot be classified.';
COMMENT ON COLUMN heartwave.recording_minutes.revision_id IS 'The recording revision.';
