-- What analysts see. Every view runs with its owner's rights, so the reader role needs no table.
-- Views count from the ledger where they can: it has one row per recording where labels has one per heartbeat.

CREATE VIEW heartwave.current_scorings AS
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
COMMENT ON COLUMN heartwave.current_scorings.recording_id IS 'The recording.';
COMMENT ON COLUMN heartwave.current_scorings.source IS 'Where the recording comes from.';
COMMENT ON COLUMN heartwave.current_scorings.revision_id IS 'Its current revision.';
COMMENT ON COLUMN heartwave.current_scorings.model_version_id IS 'The model version whose labels count.';
COMMENT ON COLUMN heartwave.current_scorings.night IS 'The night of the scoring.';
COMMENT ON COLUMN heartwave.current_scorings.in_training_set IS 'Whether the model was trained on this recording.';
COMMENT ON COLUMN heartwave.current_scorings.scored_at IS 'When the labels were committed.';

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

CREATE VIEW heartwave.all_labels AS
SELECT
    v.recording_id,
    r.source,
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
    s.committed_at AS scored_at,
    l.revision_id,
    coalesce(v.revision_id = r.current_revision_id, false) AS is_current_revision
FROM heartwave.scorings AS s
JOIN heartwave.recording_revisions AS v ON v.revision_id = s.revision_id
JOIN heartwave.recordings AS r ON r.recording_id = v.recording_id
JOIN heartwave.labels AS l
    ON l.revision_id = s.revision_id AND l.model_version_id = s.model_version_id AND l.night = s.night
JOIN heartwave.beat_classes AS c ON c.class = l.class
JOIN heartwave.model_versions AS m ON m.model_version_id = s.model_version_id;

COMMENT ON VIEW heartwave.all_labels IS 'One row per heartbeat and model version, superseded labels included: for comparing models and for history.';
COMMENT ON COLUMN heartwave.all_labels.recording_id IS 'Identity of the recording: <source>/<record>, e.g. mitdb/100.';
COMMENT ON COLUMN heartwave.all_labels.source IS 'Where the recording comes from.';
COMMENT ON COLUMN heartwave.all_labels.r_peak_sample IS 'The beat''s R peak: sample number at the recording''s own rate, counted from 0.';
COMMENT ON COLUMN heartwave.all_labels.time_s IS 'The R peak in seconds from the start of the recording.';
COMMENT ON COLUMN heartwave.all_labels.class IS 'The label: N, S, V, F or Q (ANSI/AAMI EC57).';
COMMENT ON COLUMN heartwave.all_labels.class_name IS 'The label in words: normal, supraventricular, ventricular, fusion, unknown or paced.';
COMMENT ON COLUMN heartwave.all_labels.confidence IS 'The model''s probability of the label it gave, from 0 to 1.';
COMMENT ON COLUMN heartwave.all_labels.p_n IS 'Probability of N (normal).';
COMMENT ON COLUMN heartwave.all_labels.p_s IS 'Probability of S (supraventricular).';
COMMENT ON COLUMN heartwave.all_labels.p_v IS 'Probability of V (ventricular).';
COMMENT ON COLUMN heartwave.all_labels.p_f IS 'Probability of F (fusion).';
COMMENT ON COLUMN heartwave.all_labels.p_q IS 'Probability of Q (unknown or paced).';
COMMENT ON COLUMN heartwave.all_labels.rr_previous_s IS 'Seconds since the previous beat; null for the first beat.';
COMMENT ON COLUMN heartwave.all_labels.rr_next_s IS 'Seconds to the next beat; null for the last beat.';
COMMENT ON COLUMN heartwave.all_labels.heart_rate_bpm IS 'Instantaneous heart rate: 60 / rr_previous_s, in beats per minute.';
COMMENT ON COLUMN heartwave.all_labels.reference IS 'The reference class where the recording is annotated, else null.';
COMMENT ON COLUMN heartwave.all_labels.in_training_set IS 'Whether the model was trained on this recording: agreement with the reference is then no test of it.';
COMMENT ON COLUMN heartwave.all_labels.model_name IS 'Name of the model that gave the label.';
COMMENT ON COLUMN heartwave.all_labels.model_version IS 'Version of that model.';
COMMENT ON COLUMN heartwave.all_labels.night IS 'The night of the scoring; filter on it to read few partitions.';
COMMENT ON COLUMN heartwave.all_labels.scored_at IS 'When the label was committed.';
COMMENT ON COLUMN heartwave.all_labels.revision_id IS 'The recording revision the beat is in; r_peak_sample compares between labels of one revision.';
COMMENT ON COLUMN heartwave.all_labels.is_current_revision IS 'Whether the beat is in the recording''s current revision.';

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

CREATE VIEW heartwave.model_leaderboard AS
SELECT
    rank() OVER (PARTITION BY e.protocol ORDER BY e.nsv_mean_f1 DESC NULLS LAST) AS place,
    e.protocol,
    m.model_name,
    m.version AS model_version,
    m.architecture,
    m.label_scheme,
    coalesce(m.model_version_id = (
        SELECT p.model_version_id FROM heartwave.promotions AS p ORDER BY p.promotion_id DESC LIMIT 1
    ), false) AS is_champion,
    e.n_beats,
    e.n_recordings,
    e.accuracy,
    e.macro_f1,
    e.weighted_f1,
    e.nsv_mean_f1,
    e.cohen_kappa,
    e.j_kappa,
    e.ece,
    e.confusion,
    m.n_training_beats,
    m.mlflow_run_id,
    e.evaluated_at
FROM heartwave.model_evaluations AS e
JOIN heartwave.model_versions AS m ON m.model_version_id = e.model_version_id;

COMMENT ON VIEW heartwave.model_leaderboard IS 'One row per model version and evaluation protocol, with its place among all versions under that protocol.';
COMMENT ON COLUMN heartwave.model_leaderboard.place IS 'Place under this protocol by nsv_mean_f1, 1 is best.';
COMMENT ON COLUMN heartwave.model_leaderboard.protocol IS 'How it was tested: figures compare only within one protocol.';
COMMENT ON COLUMN heartwave.model_leaderboard.model_name IS 'Name of the model.';
COMMENT ON COLUMN heartwave.model_leaderboard.model_version IS 'Version of the model.';
COMMENT ON COLUMN heartwave.model_leaderboard.architecture IS 'Which architecture it is.';
COMMENT ON COLUMN heartwave.model_leaderboard.label_scheme IS 'Label scheme it was trained on: aami or heartwave5.';
COMMENT ON COLUMN heartwave.model_leaderboard.is_champion IS 'Whether it is the champion now.';
COMMENT ON COLUMN heartwave.model_leaderboard.n_beats IS 'Test beats.';
COMMENT ON COLUMN heartwave.model_leaderboard.n_recordings IS 'Recordings the test beats come from.';
COMMENT ON COLUMN heartwave.model_leaderboard.accuracy IS 'Share of test beats labelled right, from 0 to 1.';
COMMENT ON COLUMN heartwave.model_leaderboard.macro_f1 IS 'Mean F1 over the classes present.';
COMMENT ON COLUMN heartwave.model_leaderboard.weighted_f1 IS 'Mean F1 over the classes, weighted by their beats.';
COMMENT ON COLUMN heartwave.model_leaderboard.nsv_mean_f1 IS 'Mean F1 of N, S and V: the figure promotions compare.';
COMMENT ON COLUMN heartwave.model_leaderboard.cohen_kappa IS 'Agreement beyond chance.';
COMMENT ON COLUMN heartwave.model_leaderboard.j_kappa IS 'The jk index of Mar et al. 2011.';
COMMENT ON COLUMN heartwave.model_leaderboard.ece IS 'Expected calibration error.';
COMMENT ON COLUMN heartwave.model_leaderboard.confusion IS 'Confusion matrix in beats.';
COMMENT ON COLUMN heartwave.model_leaderboard.n_training_beats IS 'Beats it was trained on.';
COMMENT ON COLUMN heartwave.model_leaderboard.mlflow_run_id IS 'MLflow run that trained it.';
COMMENT ON COLUMN heartwave.model_leaderboard.evaluated_at IS 'When it was evaluated.';

CREATE VIEW heartwave.model_evaluation_by_class AS
SELECT
    m.model_name,
    m.version AS model_version,
    e.protocol,
    e.class,
    c.name AS class_name,
    e.n_beats,
    e.sensitivity,
    e.sensitivity_low,
    e.sensitivity_high,
    e.positive_predictivity,
    e.positive_predictivity_low,
    e.positive_predictivity_high,
    e.f1,
    e.f1_low,
    e.f1_high
FROM heartwave.model_evaluation_classes AS e
JOIN heartwave.model_versions AS m ON m.model_version_id = e.model_version_id
JOIN heartwave.beat_classes AS c ON c.class = e.class;

COMMENT ON VIEW heartwave.model_evaluation_by_class IS 'One row per model version, evaluation protocol and class, with 95 % intervals where they were computed.';
COMMENT ON COLUMN heartwave.model_evaluation_by_class.model_name IS 'Name of the model.';
COMMENT ON COLUMN heartwave.model_evaluation_by_class.model_version IS 'Version of the model.';
COMMENT ON COLUMN heartwave.model_evaluation_by_class.protocol IS 'How it was tested.';
COMMENT ON COLUMN heartwave.model_evaluation_by_class.class IS 'The reference class.';
COMMENT ON COLUMN heartwave.model_evaluation_by_class.class_name IS 'The class in words.';
COMMENT ON COLUMN heartwave.model_evaluation_by_class.n_beats IS 'Test beats of the class.';
COMMENT ON COLUMN heartwave.model_evaluation_by_class.sensitivity IS 'Share of the class''s beats that were found, from 0 to 1.';
COMMENT ON COLUMN heartwave.model_evaluation_by_class.sensitivity_low IS 'Lower end of its 95 % interval.';
COMMENT ON COLUMN heartwave.model_evaluation_by_class.sensitivity_high IS 'Upper end of its 95 % interval.';
COMMENT ON COLUMN heartwave.model_evaluation_by_class.positive_predictivity IS 'Share of the beats called this class that are of it.';
COMMENT ON COLUMN heartwave.model_evaluation_by_class.positive_predictivity_low IS 'Lower end of its 95 % interval.';
COMMENT ON COLUMN heartwave.model_evaluation_by_class.positive_predictivity_high IS 'Upper end of its 95 % interval.';
COMMENT ON COLUMN heartwave.model_evaluation_by_class.f1 IS 'Harmonic mean of the two.';
COMMENT ON COLUMN heartwave.model_evaluation_by_class.f1_low IS 'Lower end of its 95 % interval.';
COMMENT ON COLUMN heartwave.model_evaluation_by_class.f1_high IS 'Upper end of its 95 % interval.';

CREATE VIEW heartwave.model_evaluation_by_recording AS
SELECT
    m.model_name,
    m.version AS model_version,
    e.protocol,
    e.recording_id,
    e.class,
    c.name AS class_name,
    e.n_beats,
    e.n_found,
    e.n_called
FROM heartwave.model_evaluation_recordings AS e
JOIN heartwave.model_versions AS m ON m.model_version_id = e.model_version_id
JOIN heartwave.beat_classes AS c ON c.class = e.class;

COMMENT ON VIEW heartwave.model_evaluation_by_recording IS 'One row per model version, evaluation protocol, test recording and class, in counts: shows which patients a model fails on.';
COMMENT ON COLUMN heartwave.model_evaluation_by_recording.model_name IS 'Name of the model.';
COMMENT ON COLUMN heartwave.model_evaluation_by_recording.model_version IS 'Version of the model.';
COMMENT ON COLUMN heartwave.model_evaluation_by_recording.protocol IS 'How it was tested.';
COMMENT ON COLUMN heartwave.model_evaluation_by_recording.recording_id IS 'The test recording.';
COMMENT ON COLUMN heartwave.model_evaluation_by_recording.class IS 'The class.';
COMMENT ON COLUMN heartwave.model_evaluation_by_recording.class_name IS 'The class in words.';
COMMENT ON COLUMN heartwave.model_evaluation_by_recording.n_beats IS 'Reference beats of the class in the recording.';
COMMENT ON COLUMN heartwave.model_evaluation_by_recording.n_found IS 'Of those, how many were labelled so.';
COMMENT ON COLUMN heartwave.model_evaluation_by_recording.n_called IS 'Beats that were labelled so, rightly or wrongly.';

CREATE VIEW heartwave.champion AS
SELECT
    m.model_name,
    m.version AS model_version,
    m.architecture,
    m.label_scheme,
    m.mlflow_run_id,
    m.n_training_beats,
    m.registered_at,
    p.promoted_at,
    p.promoted_by,
    p.reason
FROM heartwave.promotions AS p
JOIN heartwave.model_versions AS m ON m.model_version_id = p.model_version_id
ORDER BY p.promotion_id DESC
LIMIT 1;

COMMENT ON VIEW heartwave.champion IS 'One row, or none before the first promotion: the model version that labels tonight.';
COMMENT ON COLUMN heartwave.champion.model_name IS 'Name of the model.';
COMMENT ON COLUMN heartwave.champion.model_version IS 'Version of the model.';
COMMENT ON COLUMN heartwave.champion.architecture IS 'Which architecture it is.';
COMMENT ON COLUMN heartwave.champion.label_scheme IS 'Label scheme it was trained on.';
COMMENT ON COLUMN heartwave.champion.mlflow_run_id IS 'MLflow run that trained it.';
COMMENT ON COLUMN heartwave.champion.n_training_beats IS 'Beats it was trained on.';
COMMENT ON COLUMN heartwave.champion.registered_at IS 'When it was registered.';
COMMENT ON COLUMN heartwave.champion.promoted_at IS 'When it became champion.';
COMMENT ON COLUMN heartwave.champion.promoted_by IS 'Who promoted it: a person or a DAG.';
COMMENT ON COLUMN heartwave.champion.reason IS 'Why.';

CREATE VIEW heartwave.current_recordings AS
SELECT
    r.recording_id,
    r.source,
    v.duration_s,
    v.sampling_frequency,
    v.n_samples,
    v.leads,
    v.analysis_lead,
    v.second_lead,
    v.r_peak_source,
    v.annotated,
    v.n_windows,
    v.n_beats,
    v.n_marks,
    EXISTS (
        SELECT FROM heartwave.scorings AS s
        WHERE s.revision_id = v.revision_id
          AND s.model_version_id = (
              SELECT p.model_version_id FROM heartwave.promotions AS p ORDER BY p.promotion_id DESC LIMIT 1
          )
    ) AS labelled_by_champion,
    v.revision_id,
    v.content_sha256,
    v.segmenter_version,
    v.beats_key,
    r.first_seen_at,
    v.ingested_at
FROM heartwave.recordings AS r
JOIN heartwave.recording_revisions AS v ON v.revision_id = r.current_revision_id;

COMMENT ON VIEW heartwave.current_recordings IS 'One row per ingested recording: its current revision.';
COMMENT ON COLUMN heartwave.current_recordings.recording_id IS 'Identity of the recording: <source>/<record>.';
COMMENT ON COLUMN heartwave.current_recordings.source IS 'Where the recording comes from.';
COMMENT ON COLUMN heartwave.current_recordings.duration_s IS 'Length of the recording in seconds.';
COMMENT ON COLUMN heartwave.current_recordings.sampling_frequency IS 'Samples per second, in Hz.';
COMMENT ON COLUMN heartwave.current_recordings.n_samples IS 'Samples per lead.';
COMMENT ON COLUMN heartwave.current_recordings.leads IS 'Names of all leads.';
COMMENT ON COLUMN heartwave.current_recordings.analysis_lead IS 'Name of the lead the beats are cut from.';
COMMENT ON COLUMN heartwave.current_recordings.second_lead IS 'Name of the second lead; null where there is none.';
COMMENT ON COLUMN heartwave.current_recordings.r_peak_source IS 'Where the R peaks come from: ''annotations'' or the detector''s name.';
COMMENT ON COLUMN heartwave.current_recordings.annotated IS 'Whether reference labels came with it.';
COMMENT ON COLUMN heartwave.current_recordings.n_windows IS 'Windows cut from it: beats plus marks.';
COMMENT ON COLUMN heartwave.current_recordings.n_beats IS 'Heartbeats.';
COMMENT ON COLUMN heartwave.current_recordings.n_marks IS 'Signal marks (|, ~, x), which are no heartbeats.';
COMMENT ON COLUMN heartwave.current_recordings.labelled_by_champion IS 'Whether the present champion has labelled it.';
COMMENT ON COLUMN heartwave.current_recordings.revision_id IS 'Its current revision.';
COMMENT ON COLUMN heartwave.current_recordings.content_sha256 IS 'SHA-256 over the bytes of its files.';
COMMENT ON COLUMN heartwave.current_recordings.segmenter_version IS 'Version of the code that cut it into beats.';
COMMENT ON COLUMN heartwave.current_recordings.beats_key IS 'Key of the Parquet file of its beats.';
COMMENT ON COLUMN heartwave.current_recordings.first_seen_at IS 'When the recording was first ingested.';
COMMENT ON COLUMN heartwave.current_recordings.ingested_at IS 'When this revision was first published.';

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

CREATE VIEW heartwave.label_digest AS
SELECT
    count(*) AS n_labels,
    encode(sha256(convert_to(coalesce(sum(hash_record_extended(
        ROW(l.r_peak_sample, l.time_s, l.class::text, l.confidence, l.p_n, l.p_s, l.p_v, l.p_f, l.p_q,
            l.rr_previous_s, l.rr_next_s, l.reference::text),
        coalesce(k.seed, 0)
    )), 0)::text, 'UTF8')), 'hex') AS digest
FROM heartwave.labels AS l
LEFT JOIN (
    SELECT
        s.revision_id,
        s.model_version_id,
        hashtextextended(concat_ws(' ', v.recording_id, v.content_sha256, v.segmenter_version, m.model_name, m.version), 0) AS seed
    FROM heartwave.scorings AS s
    JOIN heartwave.recording_revisions AS v ON v.revision_id = s.revision_id
    JOIN heartwave.model_versions AS m ON m.model_version_id = s.model_version_id
) AS k ON k.revision_id = l.revision_id AND k.model_version_id = l.model_version_id;

COMMENT ON VIEW heartwave.label_digest IS 'One row: how many labels there are, and a hash of them all that does not depend on their order, on dates or on surrogate keys. Reads every label.';
COMMENT ON COLUMN heartwave.label_digest.n_labels IS 'Rows of the labels table.';
COMMENT ON COLUMN heartwave.label_digest.digest IS 'Equal labels give equal digests, on servers of one major version of PostgreSQL; a lost or doubled label changes it.';
