-- Columns cannot be taken from a view, so it is made anew, with the one that stands on it.
DROP VIEW heartwave.recording_hourly_burden;
DROP VIEW heartwave.current_labels;
DROP VIEW heartwave.current_reviews;
DROP FUNCTION heartwave.review_beat(text, integer, heartwave.beat_class, text);
DROP TABLE heartwave.beat_reviews;

CREATE VIEW heartwave.current_labels AS
SELECT
    s.recording_id,
    s.source,
    l.r_peak_sample,
    l.time_s,
    l.class,
    c.name AS class_name,
    l.confidence,
    l.p_n,
    l.p_s,
    l.p_v,
    l.p_f,
    l.p_q,
    l.rr_previous_s,
    l.rr_next_s,
    60 / nullif(l.rr_previous_s, 0) AS heart_rate_bpm,
    l.reference,
    s.in_training_set,
    m.model_name,
    m.version AS model_version,
    l.night,
    s.scored_at,
    l.revision_id
FROM heartwave.current_scorings AS s
JOIN heartwave.labels AS l
    ON l.revision_id = s.revision_id AND l.model_version_id = s.model_version_id AND l.night = s.night
JOIN heartwave.beat_classes AS c ON c.class = l.class
JOIN heartwave.model_versions AS m ON m.model_version_id = s.model_version_id;

COMMENT ON VIEW heartwave.current_labels IS 'One row per heartbeat: the labels of every recording''s current revision. The place to start.';
COMMENT ON COLUMN heartwave.current_labels.recording_id IS 'Identity of the recording: <source>/<record>, e.g. mitdb/100.';
COMMENT ON COLUMN heartwave.current_labels.source IS 'Where the recording comes from.';
COMMENT ON COLUMN heartwave.current_labels.r_peak_sample IS 'The beat''s R peak: sample number at the recording''s own rate, counted from 0.';
COMMENT ON COLUMN heartwave.current_labels.time_s IS 'The R peak in seconds from the start of the recording.';
COMMENT ON COLUMN heartwave.current_labels.class IS 'The label: N, S, V, F or Q (ANSI/AAMI EC57).';
COMMENT ON COLUMN heartwave.current_labels.class_name IS 'The label in words: normal, supraventricular, ventricular, fusion, unknown or paced.';
COMMENT ON COLUMN heartwave.current_labels.confidence IS 'The model''s probability of the label it gave, from 0 to 1.';
COMMENT ON COLUMN heartwave.current_labels.p_n IS 'Probability of N (normal).';
COMMENT ON COLUMN heartwave.current_labels.p_s IS 'Probability of S (supraventricular).';
COMMENT ON COLUMN heartwave.current_labels.p_v IS 'Probability of V (ventricular).';
COMMENT ON COLUMN heartwave.current_labels.p_f IS 'Probability of F (fusion).';
COMMENT ON COLUMN heartwave.current_labels.p_q IS 'Probability of Q (unknown or paced).';
COMMENT ON COLUMN heartwave.current_labels.rr_previous_s IS 'Seconds since the previous beat; null for the first beat.';
COMMENT ON COLUMN heartwave.current_labels.rr_next_s IS 'Seconds to the next beat; null for the last beat.';
COMMENT ON COLUMN heartwave.current_labels.heart_rate_bpm IS 'Instantaneous heart rate: 60 / rr_previous_s, in beats per minute.';
COMMENT ON COLUMN heartwave.current_labels.reference IS 'The reference class where the recording is annotated, else null.';
COMMENT ON COLUMN heartwave.current_labels.in_training_set IS 'Whether the model was trained on this recording: agreement with the reference is then no test of it.';
COMMENT ON COLUMN heartwave.current_labels.model_name IS 'Name of the model that gave the label.';
COMMENT ON COLUMN heartwave.current_labels.model_version IS 'Version of that model.';
COMMENT ON COLUMN heartwave.current_labels.night IS 'The night of the scoring; filter on it to read few partitions.';
COMMENT ON COLUMN heartwave.current_labels.scored_at IS 'When the label was committed.';
COMMENT ON COLUMN heartwave.current_labels.revision_id IS 'The recording revision the beat is in; r_peak_sample compares between labels of one revision.';

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
