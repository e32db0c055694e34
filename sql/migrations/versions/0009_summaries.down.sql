-- Columns cannot be taken from a view, so those that got some are made anew, with those that stand on them.
DROP VIEW heartwave.current_held, heartwave.class_drift, heartwave.model_agreement, heartwave.reference_agreement,
    heartwave.review_queue, heartwave.recording_episodes, heartwave.recording_hourly_burden, heartwave.recording_burden,
    heartwave.scoring_ledger;

CREATE OR REPLACE FUNCTION heartwave.review_beat(recording text, sample integer, said heartwave.beat_class, person text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = heartwave, pg_temp
AS $$
DECLARE
    beat record;
    made bigint;
BEGIN
    SELECT s.revision_id, l.model_version_id, l.class, l.confidence INTO beat
    FROM current_scorings AS s
    JOIN labels AS l ON l.revision_id = s.revision_id AND l.model_version_id = s.model_version_id AND l.night = s.night
    WHERE s.recording_id = recording AND l.r_peak_sample = sample;
    IF NOT FOUND THEN
        RAISE no_data_found USING MESSAGE = 'There is no labelled beat at that sample of that recording.';
    END IF;
    -- Two people at one beat: the second waits, and then replaces the first.
    PERFORM pg_advisory_xact_lock(beat.revision_id, sample);
    UPDATE beat_reviews SET withdrawn_at = clock_timestamp(), withdrawn_by = person
    WHERE revision_id = beat.revision_id AND r_peak_sample = sample AND withdrawn_at IS NULL;
    IF said IS NOT NULL THEN
        INSERT INTO beat_reviews (revision_id, r_peak_sample, class, model_version_id, model_class, model_confidence, reviewed_by)
        VALUES (beat.revision_id, sample, said, beat.model_version_id, beat.class, beat.confidence, person)
        RETURNING review_id INTO made;
    END IF;
    RETURN made;
END
$$;
CREATE OR REPLACE VIEW heartwave.current_scorings AS
SELECT
    r.recording_id,
    r.source,
    s.revision_id,
    s.model_version_id,
    s.night,
    s.in_training_set,
    s.committed_at AS scored_at
FROM heartwave.recordings AS r
CROSS JOIN LATERAL (
    SELECT s.*
    FROM heartwave.scorings AS s
    JOIN (
        SELECT model_version_id, max(promotion_id) AS last_promotion
        FROM heartwave.promotions
        GROUP BY model_version_id
    ) AS p ON p.model_version_id = s.model_version_id
    WHERE s.revision_id = r.current_revision_id
    ORDER BY p.last_promotion DESC
    LIMIT 1
) AS s;

COMMENT ON VIEW heartwave.current_scorings IS 'Which scoring speaks for each recording: its current revision, labelled by the model that was promoted last among the champions that have labelled it.';

CREATE VIEW heartwave.recording_burden AS
SELECT
    c.recording_id,
    c.source,
    v.duration_s,
    s.n_labels AS n_beats,
    s.n_n AS n_normal,
    s.n_s AS n_supraventricular,
    s.n_v AS n_ventricular,
    s.n_f AS n_fusion,
    s.n_q AS n_unknown_or_paced,
    100.0::double precision * s.n_s / nullif(s.n_labels, 0) AS supraventricular_percent,
    100.0::double precision * s.n_v / nullif(s.n_labels, 0) AS ventricular_percent,
    s.in_training_set,
    m.model_name,
    m.version AS model_version,
    s.committed_at AS scored_at,
    s.labels_dropped_at
FROM heartwave.current_scorings AS c
JOIN heartwave.scorings AS s ON s.revision_id = c.revision_id AND s.model_version_id = c.model_version_id
JOIN heartwave.recording_revisions AS v ON v.revision_id = c.revision_id
JOIN heartwave.model_versions AS m ON m.model_version_id = c.model_version_id;

COMMENT ON VIEW heartwave.recording_burden IS 'One row per labelled recording: how many beats of each class. Read from the ledger, so it is instant at any size and outlives the retention of labels.';
COMMENT ON COLUMN heartwave.recording_burden.recording_id IS 'The recording.';
COMMENT ON COLUMN heartwave.recording_burden.source IS 'Where the recording comes from.';
COMMENT ON COLUMN heartwave.recording_burden.duration_s IS 'Length of the recording in seconds.';
COMMENT ON COLUMN heartwave.recording_burden.n_beats IS 'Labelled beats.';
COMMENT ON COLUMN heartwave.recording_burden.n_normal IS 'Beats labelled N.';
COMMENT ON COLUMN heartwave.recording_burden.n_supraventricular IS 'Beats labelled S.';
COMMENT ON COLUMN heartwave.recording_burden.n_ventricular IS 'Beats labelled V.';
COMMENT ON COLUMN heartwave.recording_burden.n_fusion IS 'Beats labelled F.';
COMMENT ON COLUMN heartwave.recording_burden.n_unknown_or_paced IS 'Beats labelled Q.';
COMMENT ON COLUMN heartwave.recording_burden.supraventricular_percent IS 'Supraventricular burden: beats labelled S in percent of all beats.';
COMMENT ON COLUMN heartwave.recording_burden.ventricular_percent IS 'Ventricular burden: beats labelled V in percent of all beats.';
COMMENT ON COLUMN heartwave.recording_burden.in_training_set IS 'Whether the model was trained on this recording.';
COMMENT ON COLUMN heartwave.recording_burden.model_name IS 'Name of the model that gave the labels.';
COMMENT ON COLUMN heartwave.recording_burden.model_version IS 'Version of that model.';
COMMENT ON COLUMN heartwave.recording_burden.scored_at IS 'When the labels were committed.';
COMMENT ON COLUMN heartwave.recording_burden.labels_dropped_at IS 'When retention dropped the single labels; null while current_labels has them.';

CREATE VIEW heartwave.recording_hourly_burden AS
SELECT
    recording_id,
    source,
    floor(time_s / 3600)::integer AS hour,
    count(*) AS n_beats,
    count(*) FILTER (WHERE class = 'N') AS n_normal,
    count(*) FILTER (WHERE class = 'S') AS n_supraventricular,
    count(*) FILTER (WHERE class = 'V') AS n_ventricular,
    count(*) FILTER (WHERE class = 'F') AS n_fusion,
    count(*) FILTER (WHERE class = 'Q') AS n_unknown_or_paced,
    100.0::double precision * count(*) FILTER (WHERE class = 'S') / count(*) AS supraventricular_percent,
    100.0::double precision * count(*) FILTER (WHERE class = 'V') / count(*) AS ventricular_percent,
    60 / nullif(avg(rr_previous_s), 0) AS heart_rate_bpm
FROM heartwave.current_labels
GROUP BY recording_id, source, floor(time_s / 3600);

COMMENT ON VIEW heartwave.recording_hourly_burden IS 'One row per recording and hour of the recording: how many beats of each class, and the heart rate. Filter on recording_id where there are many.';
COMMENT ON COLUMN heartwave.recording_hourly_burden.recording_id IS 'The recording.';
COMMENT ON COLUMN heartwave.recording_hourly_burden.source IS 'Where the recording comes from.';
COMMENT ON COLUMN heartwave.recording_hourly_burden.hour IS 'Hour of the recording, counted from 0.';
COMMENT ON COLUMN heartwave.recording_hourly_burden.n_beats IS 'Labelled beats.';
COMMENT ON COLUMN heartwave.recording_hourly_burden.n_normal IS 'Beats labelled N.';
COMMENT ON COLUMN heartwave.recording_hourly_burden.n_supraventricular IS 'Beats labelled S.';
COMMENT ON COLUMN heartwave.recording_hourly_burden.n_ventricular IS 'Beats labelled V.';
COMMENT ON COLUMN heartwave.recording_hourly_burden.n_fusion IS 'Beats labelled F.';
COMMENT ON COLUMN heartwave.recording_hourly_burden.n_unknown_or_paced IS 'Beats labelled Q.';
COMMENT ON COLUMN heartwave.recording_hourly_burden.supraventricular_percent IS 'Supraventricular burden: beats labelled S in percent of all beats.';
COMMENT ON COLUMN heartwave.recording_hourly_burden.ventricular_percent IS 'Ventricular burden: beats labelled V in percent of all beats.';
COMMENT ON COLUMN heartwave.recording_hourly_burden.heart_rate_bpm IS 'Mean heart rate: 60 / mean RR interval, in beats per minute.';

CREATE VIEW heartwave.scoring_ledger AS
SELECT
    v.recording_id,
    r.source,
    m.model_name,
    m.version AS model_version,
    s.night,
    s.n_labels,
    s.n_n AS n_normal,
    s.n_s AS n_supraventricular,
    s.n_v AS n_ventricular,
    s.n_f AS n_fusion,
    s.n_q AS n_unknown_or_paced,
    s.labels_sha256,
    s.dag_run_id,
    s.code_version,
    s.in_training_set,
    c.revision_id IS NOT NULL AS is_current,
    s.started_at,
    s.committed_at,
    s.labels_dropped_at,
    s.revision_id
FROM heartwave.scorings AS s
JOIN heartwave.recording_revisions AS v ON v.revision_id = s.revision_id
JOIN heartwave.recordings AS r ON r.recording_id = v.recording_id
JOIN heartwave.model_versions AS m ON m.model_version_id = s.model_version_id
LEFT JOIN heartwave.current_scorings AS c
    ON c.revision_id = s.revision_id AND c.model_version_id = s.model_version_id;

COMMENT ON VIEW heartwave.scoring_ledger IS 'One row per labelled recording revision and model version: which run wrote how many labels of which class, when.';
COMMENT ON COLUMN heartwave.scoring_ledger.recording_id IS 'The recording.';
COMMENT ON COLUMN heartwave.scoring_ledger.source IS 'Where the recording comes from.';
COMMENT ON COLUMN heartwave.scoring_ledger.model_name IS 'Name of the model.';
COMMENT ON COLUMN heartwave.scoring_ledger.model_version IS 'Version of the model.';
COMMENT ON COLUMN heartwave.scoring_ledger.night IS 'The night of the scoring.';
COMMENT ON COLUMN heartwave.scoring_ledger.n_labels IS 'Labels written.';
COMMENT ON COLUMN heartwave.scoring_ledger.n_normal IS 'Beats labelled N.';
COMMENT ON COLUMN heartwave.scoring_ledger.n_supraventricular IS 'Beats labelled S.';
COMMENT ON COLUMN heartwave.scoring_ledger.n_ventricular IS 'Beats labelled V.';
COMMENT ON COLUMN heartwave.scoring_ledger.n_fusion IS 'Beats labelled F.';
COMMENT ON COLUMN heartwave.scoring_ledger.n_unknown_or_paced IS 'Beats labelled Q.';
COMMENT ON COLUMN heartwave.scoring_ledger.labels_sha256 IS 'SHA-256 of the labels'' content.';
COMMENT ON COLUMN heartwave.scoring_ledger.dag_run_id IS 'The Airflow run that wrote them.';
COMMENT ON COLUMN heartwave.scoring_ledger.code_version IS 'Version of HeartWave that wrote them.';
COMMENT ON COLUMN heartwave.scoring_ledger.in_training_set IS 'Whether the model was trained on this content.';
COMMENT ON COLUMN heartwave.scoring_ledger.is_current IS 'Whether current_labels shows these labels.';
COMMENT ON COLUMN heartwave.scoring_ledger.started_at IS 'When scoring of the recording started.';
COMMENT ON COLUMN heartwave.scoring_ledger.committed_at IS 'When the labels were written.';
COMMENT ON COLUMN heartwave.scoring_ledger.labels_dropped_at IS 'When retention dropped the labels; null while they are there.';
COMMENT ON COLUMN heartwave.scoring_ledger.revision_id IS 'The recording revision.';

DROP FUNCTION heartwave.finish_scoring(integer, integer);
DROP FUNCTION heartwave.summarise_scoring(integer, integer);
DROP TABLE heartwave.scoring_agreements, heartwave.scoring_references, heartwave.scoring_episodes,
    heartwave.scoring_hours, heartwave.scoring_summaries, heartwave.held_scorings;
