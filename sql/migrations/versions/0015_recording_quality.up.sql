-- How good each recording is to read, in one row.

CREATE VIEW heartwave.recording_quality AS
SELECT
    r.recording_id,
    r.source,
    (SELECT avg(q)::double precision FROM unnest(v.minute_quality[a.lead:a.lead][:]) AS q) AS quality_percent,
    cardinality(v.noisy_minutes) AS n_noisy_minutes,
    v.n_unclassifiable,
    v.revision_id
FROM heartwave.recordings AS r
JOIN heartwave.recording_revisions AS v ON v.revision_id = r.current_revision_id
CROSS JOIN LATERAL (SELECT array_position(v.leads, v.analysis_lead) AS lead) AS a;
COMMENT ON VIEW heartwave.recording_quality IS 'One row per recording: how good the lead is that its beats are classified by. recording_minutes has it minute by minute.';
COMMENT ON COLUMN heartwave.recording_quality.recording_id IS 'The recording.';
COMMENT ON COLUMN heartwave.recording_quality.source IS 'Where the recording comes from.';
COMMENT ON COLUMN heartwave.recording_quality.quality_percent IS 'Mean quality of the analysis lead: 100 is flawless, 0 shows no heartbeat at all; null where ingest has not judged it yet.';
COMMENT ON COLUMN heartwave.recording_quality.n_noisy_minutes IS 'Minutes most of which cannot be classified.';
COMMENT ON COLUMN heartwave.recording_quality.n_unclassifiable IS 'Heartbeats where the analysis lead shows nothing that could be classified.';
COMMENT ON COLUMN heartwave.recording_quality.revision_id IS 'The recording revision.';
