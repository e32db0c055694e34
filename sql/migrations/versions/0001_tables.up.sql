-- The tables of HeartWave: what arrived, which models exist, and what they said about every heartbeat.
-- The schema itself is created by env.py, because Alembic keeps its version table in it.

COMMENT ON SCHEMA heartwave IS 'HeartWave: recordings, models and one label per heartbeat. Query the views; the tables are for the pipeline.';
COMMENT ON TABLE heartwave.alembic_version IS 'Which migration this schema is at; kept by Alembic.';
COMMENT ON COLUMN heartwave.alembic_version.version_num IS 'Revision id of the newest applied migration.';

-- Beat classes ---------------------------------------------------------------------------------------------------

CREATE TYPE heartwave.beat_class AS ENUM ('N', 'S', 'V', 'F', 'Q');
COMMENT ON TYPE heartwave.beat_class IS 'The five ANSI/AAMI EC57 beat classes.';

CREATE TABLE heartwave.beat_classes (
    class       heartwave.beat_class PRIMARY KEY,
    name        text NOT NULL UNIQUE,
    description text NOT NULL
);
COMMENT ON TABLE heartwave.beat_classes IS 'The words for the five beat classes.';
COMMENT ON COLUMN heartwave.beat_classes.class IS 'ANSI/AAMI EC57 letter.';
COMMENT ON COLUMN heartwave.beat_classes.name IS 'The class in words, as views and pages show it.';
COMMENT ON COLUMN heartwave.beat_classes.description IS 'What belongs to the class.';

INSERT INTO heartwave.beat_classes (class, name, description) VALUES
    ('N', 'normal', 'Normal and bundle branch block beats, atrial and nodal escape beats.'),
    ('S', 'supraventricular', 'Premature or ectopic beats from above the ventricles: atrial, aberrated atrial, junctional.'),
    ('V', 'ventricular', 'Premature ventricular contractions and ventricular escape beats.'),
    ('F', 'fusion', 'Fusion of a ventricular and a normal beat.'),
    ('Q', 'unknown or paced', 'Paced beats, fusion of paced and normal beats, and beats nobody can classify.');

-- Recordings -----------------------------------------------------------------------------------------------------

CREATE TABLE heartwave.recordings (
    recording_id        text PRIMARY KEY,
    source              text NOT NULL,
    current_revision_id integer,
    first_seen_at       timestamptz NOT NULL DEFAULT now(),
    CHECK (source <> '' AND starts_with(recording_id, source || '/'))
);
COMMENT ON TABLE heartwave.recordings IS 'One row per recording; its content lives in revisions.';
COMMENT ON COLUMN heartwave.recordings.recording_id IS 'Identity of the recording: <source>/<record>, e.g. mitdb/100.';
COMMENT ON COLUMN heartwave.recordings.source IS 'Where the recording comes from: the first part of its id, e.g. mitdb.';
COMMENT ON COLUMN heartwave.recordings.current_revision_id IS 'The revision that counts now; null until the first one is published.';
COMMENT ON COLUMN heartwave.recordings.first_seen_at IS 'When the recording was ingested for the first time.';

CREATE TABLE heartwave.recording_revisions (
    revision_id         integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    recording_id        text NOT NULL REFERENCES heartwave.recordings,
    content_sha256      text NOT NULL CHECK (content_sha256 ~ '^[0-9a-f]{64}$'),
    segmenter_version   text NOT NULL,
    listing_fingerprint text NOT NULL,
    sampling_frequency  double precision NOT NULL CHECK (sampling_frequency > 0),
    n_samples           bigint NOT NULL CHECK (n_samples >= 0),
    duration_s          double precision NOT NULL CHECK (duration_s >= 0),
    leads               text[] NOT NULL,
    analysis_lead       text NOT NULL,
    second_lead         text,
    r_peak_source       text NOT NULL,
    annotated           boolean NOT NULL,
    beats_key           text NOT NULL,
    n_windows           integer NOT NULL,
    n_beats             integer NOT NULL CHECK (n_beats >= 0),
    n_marks             integer NOT NULL CHECK (n_marks >= 0),
    ingested_at         timestamptz NOT NULL DEFAULT now(),
    UNIQUE (recording_id, content_sha256, segmenter_version),
    UNIQUE (recording_id, revision_id),
    CHECK (n_windows = n_beats + n_marks)
);
COMMENT ON TABLE heartwave.recording_revisions IS 'One row per content of a recording and version of the segmenter: new content under an old name is a new revision.';
COMMENT ON COLUMN heartwave.recording_revisions.revision_id IS 'Surrogate key, short because every label carries it.';
COMMENT ON COLUMN heartwave.recording_revisions.recording_id IS 'The recording this is a revision of.';
COMMENT ON COLUMN heartwave.recording_revisions.content_sha256 IS 'SHA-256 over the bytes of the recording''s files, in hex.';
COMMENT ON COLUMN heartwave.recording_revisions.segmenter_version IS 'Version of the code that cut the recording into beats.';
COMMENT ON COLUMN heartwave.recording_revisions.listing_fingerprint IS 'Fingerprint of the object listing the content was last seen under; tells changed from known without downloading.';
COMMENT ON COLUMN heartwave.recording_revisions.sampling_frequency IS 'Samples per second of the recording itself, in Hz.';
COMMENT ON COLUMN heartwave.recording_revisions.n_samples IS 'Samples per lead, at the recording''s own rate.';
COMMENT ON COLUMN heartwave.recording_revisions.duration_s IS 'Length of the recording in seconds.';
COMMENT ON COLUMN heartwave.recording_revisions.leads IS 'Names of all leads, in the order of the header.';
COMMENT ON COLUMN heartwave.recording_revisions.analysis_lead IS 'Name of the lead the beats are cut from.';
COMMENT ON COLUMN heartwave.recording_revisions.second_lead IS 'Name of the second lead in the beats; null where there is none.';
COMMENT ON COLUMN heartwave.recording_revisions.r_peak_source IS 'Where the R peaks come from: ''annotations'' or the detector''s name.';
COMMENT ON COLUMN heartwave.recording_revisions.annotated IS 'Whether reference labels came with the recording.';
COMMENT ON COLUMN heartwave.recording_revisions.beats_key IS 'Key of the Parquet file of its beats in the lake bucket.';
COMMENT ON COLUMN heartwave.recording_revisions.n_windows IS 'Rows of that Parquet file: beats plus marks.';
COMMENT ON COLUMN heartwave.recording_revisions.n_beats IS 'Windows around a heartbeat; each gets one label per model version.';
COMMENT ON COLUMN heartwave.recording_revisions.n_marks IS 'Windows around a signal mark (|, ~, x), which is no heartbeat and never labelled.';
COMMENT ON COLUMN heartwave.recording_revisions.ingested_at IS 'When this revision was first published.';

-- A recording can only point at a revision of its own.
ALTER TABLE heartwave.recordings
    ADD CONSTRAINT recordings_current_revision_fkey
    FOREIGN KEY (recording_id, current_revision_id) REFERENCES heartwave.recording_revisions (recording_id, revision_id);
CREATE INDEX recordings_current_revision_idx ON heartwave.recordings (current_revision_id);

CREATE TABLE heartwave.quarantine (
    quarantine_id       integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    recording_id        text NOT NULL,
    listing_fingerprint text NOT NULL,
    code                text NOT NULL,
    reason              text NOT NULL,
    remedy              text NOT NULL,
    first_seen_at       timestamptz NOT NULL DEFAULT now(),
    last_seen_at        timestamptz NOT NULL DEFAULT now(),
    resolved_at         timestamptz,
    UNIQUE (recording_id, listing_fingerprint)
);
COMMENT ON TABLE heartwave.quarantine IS 'Recordings that could not be ingested, with a reason and a remedy a person understands.';
COMMENT ON COLUMN heartwave.quarantine.quarantine_id IS 'Surrogate key.';
COMMENT ON COLUMN heartwave.quarantine.recording_id IS 'Name the recording arrived under; it need not be a valid one.';
COMMENT ON COLUMN heartwave.quarantine.listing_fingerprint IS 'Fingerprint of the object listing that was refused; other content gets another try.';
COMMENT ON COLUMN heartwave.quarantine.code IS 'Kind of fault as a stable word, e.g. checksum_mismatch.';
COMMENT ON COLUMN heartwave.quarantine.reason IS 'What is wrong: what was expected and what was found.';
COMMENT ON COLUMN heartwave.quarantine.remedy IS 'What to do about it.';
COMMENT ON COLUMN heartwave.quarantine.first_seen_at IS 'When this content was refused for the first time.';
COMMENT ON COLUMN heartwave.quarantine.last_seen_at IS 'When it was refused for the last time.';
COMMENT ON COLUMN heartwave.quarantine.resolved_at IS 'When good content replaced it or it was taken away; null while it is still waiting.';

-- Models ---------------------------------------------------------------------------------------------------------

CREATE TABLE heartwave.model_versions (
    model_version_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    model_name       text NOT NULL,
    version          integer NOT NULL CHECK (version > 0),
    mlflow_run_id    text NOT NULL,
    architecture     text NOT NULL,
    label_scheme     text NOT NULL,
    manifest_sha256  text NOT NULL CHECK (manifest_sha256 ~ '^[0-9a-f]{64}$'),
    training_digest  text NOT NULL,
    n_training_beats integer NOT NULL CHECK (n_training_beats >= 0),
    registered_at    timestamptz NOT NULL DEFAULT now(),
    UNIQUE (model_name, version)
);
COMMENT ON TABLE heartwave.model_versions IS 'One row per registered model version; the files are in MLflow.';
COMMENT ON COLUMN heartwave.model_versions.model_version_id IS 'Surrogate key, short because every label carries it.';
COMMENT ON COLUMN heartwave.model_versions.model_name IS 'Name of the registered model in MLflow.';
COMMENT ON COLUMN heartwave.model_versions.version IS 'Version of the registered model in MLflow.';
COMMENT ON COLUMN heartwave.model_versions.mlflow_run_id IS 'MLflow run that trained it.';
COMMENT ON COLUMN heartwave.model_versions.architecture IS 'Which architecture it is, e.g. xgboost.';
COMMENT ON COLUMN heartwave.model_versions.label_scheme IS 'Label scheme it was trained on: aami or heartwave5.';
COMMENT ON COLUMN heartwave.model_versions.manifest_sha256 IS 'SHA-256 of the model''s manifest, which holds the SHA-256 of each of its files.';
COMMENT ON COLUMN heartwave.model_versions.training_digest IS 'Digest of the training data.';
COMMENT ON COLUMN heartwave.model_versions.n_training_beats IS 'Beats it was trained on.';
COMMENT ON COLUMN heartwave.model_versions.registered_at IS 'When it was registered.';

-- No foreign key on the recording: a model may have been trained elsewhere, on recordings never seen here.
CREATE TABLE heartwave.model_training_recordings (
    model_version_id integer NOT NULL REFERENCES heartwave.model_versions,
    recording_id     text NOT NULL,
    content_sha256   text NOT NULL CHECK (content_sha256 ~ '^[0-9a-f]{64}$'),
    PRIMARY KEY (model_version_id, recording_id, content_sha256)
);
COMMENT ON TABLE heartwave.model_training_recordings IS 'What a model version was trained on; its labels of those recordings are flagged in_training_set.';
COMMENT ON COLUMN heartwave.model_training_recordings.model_version_id IS 'The model version.';
COMMENT ON COLUMN heartwave.model_training_recordings.recording_id IS 'A recording it was trained on.';
COMMENT ON COLUMN heartwave.model_training_recordings.content_sha256 IS 'The content of that recording it was trained on.';

CREATE TABLE heartwave.promotions (
    promotion_id     integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    model_version_id integer NOT NULL REFERENCES heartwave.model_versions,
    promoted_at      timestamptz NOT NULL DEFAULT now(),
    promoted_by      text NOT NULL,
    reason           text NOT NULL
);
COMMENT ON TABLE heartwave.promotions IS 'Every change of champion; the newest row is the champion.';
COMMENT ON COLUMN heartwave.promotions.promotion_id IS 'Surrogate key; grows with time.';
COMMENT ON COLUMN heartwave.promotions.model_version_id IS 'The model version that became champion.';
COMMENT ON COLUMN heartwave.promotions.promoted_at IS 'When.';
COMMENT ON COLUMN heartwave.promotions.promoted_by IS 'By whom: a person or a DAG.';
COMMENT ON COLUMN heartwave.promotions.reason IS 'Why.';
CREATE INDEX promotions_model_version_idx ON heartwave.promotions (model_version_id, promotion_id);

CREATE TABLE heartwave.model_evaluations (
    model_version_id integer NOT NULL REFERENCES heartwave.model_versions,
    protocol         text NOT NULL,
    n_beats          integer NOT NULL CHECK (n_beats >= 0),
    n_recordings     integer NOT NULL CHECK (n_recordings >= 0),
    accuracy         double precision CHECK (accuracy BETWEEN 0 AND 1),
    macro_f1         double precision CHECK (macro_f1 BETWEEN 0 AND 1),
    weighted_f1      double precision CHECK (weighted_f1 BETWEEN 0 AND 1),
    nsv_mean_f1      double precision CHECK (nsv_mean_f1 BETWEEN 0 AND 1),
    cohen_kappa      double precision CHECK (cohen_kappa BETWEEN -1 AND 1),
    j_kappa          double precision,
    ece              double precision CHECK (ece BETWEEN 0 AND 1),
    confusion        jsonb NOT NULL,
    evaluated_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (model_version_id, protocol)
);
COMMENT ON TABLE heartwave.model_evaluations IS 'One row per model version and evaluation protocol; shares are fractions of 1, null where undefined.';
COMMENT ON COLUMN heartwave.model_evaluations.model_version_id IS 'The model version.';
COMMENT ON COLUMN heartwave.model_evaluations.protocol IS 'How it was tested, e.g. random_split (beats of one patient on both sides) or ds1_ds2 (patients never seen).';
COMMENT ON COLUMN heartwave.model_evaluations.n_beats IS 'Test beats.';
COMMENT ON COLUMN heartwave.model_evaluations.n_recordings IS 'Recordings the test beats come from.';
COMMENT ON COLUMN heartwave.model_evaluations.accuracy IS 'Share of test beats labelled right.';
COMMENT ON COLUMN heartwave.model_evaluations.macro_f1 IS 'Mean F1 over the classes present, each counting the same.';
COMMENT ON COLUMN heartwave.model_evaluations.weighted_f1 IS 'Mean F1 over the classes, weighted by their beats.';
COMMENT ON COLUMN heartwave.model_evaluations.nsv_mean_f1 IS 'Mean F1 of N, S and V: the figure promotions compare.';
COMMENT ON COLUMN heartwave.model_evaluations.cohen_kappa IS 'Cohen''s kappa: agreement beyond chance.';
COMMENT ON COLUMN heartwave.model_evaluations.j_kappa IS 'The jk index of Mar et al. 2011: kappa and the S and V figures in one number.';
COMMENT ON COLUMN heartwave.model_evaluations.ece IS 'Expected calibration error: how far confidence is from the share of right labels.';
COMMENT ON COLUMN heartwave.model_evaluations.confusion IS 'Confusion matrix in beats: {reference class: {label: beats}} or rows in class order.';
COMMENT ON COLUMN heartwave.model_evaluations.evaluated_at IS 'When.';

CREATE TABLE heartwave.model_evaluation_classes (
    model_version_id           integer NOT NULL,
    protocol                   text NOT NULL,
    class                      heartwave.beat_class NOT NULL,
    n_beats                    integer NOT NULL CHECK (n_beats >= 0),
    sensitivity                double precision CHECK (sensitivity BETWEEN 0 AND 1),
    sensitivity_low            double precision,
    sensitivity_high           double precision,
    positive_predictivity      double precision CHECK (positive_predictivity BETWEEN 0 AND 1),
    positive_predictivity_low  double precision,
    positive_predictivity_high double precision,
    f1                         double precision CHECK (f1 BETWEEN 0 AND 1),
    f1_low                     double precision,
    f1_high                    double precision,
    PRIMARY KEY (model_version_id, protocol, class),
    FOREIGN KEY (model_version_id, protocol) REFERENCES heartwave.model_evaluations ON DELETE CASCADE
);
COMMENT ON TABLE heartwave.model_evaluation_classes IS 'The evaluation of a model version by class; shares are fractions of 1, null where undefined.';
COMMENT ON COLUMN heartwave.model_evaluation_classes.model_version_id IS 'The model version.';
COMMENT ON COLUMN heartwave.model_evaluation_classes.protocol IS 'The evaluation protocol.';
COMMENT ON COLUMN heartwave.model_evaluation_classes.class IS 'The reference class.';
COMMENT ON COLUMN heartwave.model_evaluation_classes.n_beats IS 'Test beats of the class.';
COMMENT ON COLUMN heartwave.model_evaluation_classes.sensitivity IS 'Share of the class''s beats that were found.';
COMMENT ON COLUMN heartwave.model_evaluation_classes.sensitivity_low IS 'Lower end of its 95 % interval; null where none was computed.';
COMMENT ON COLUMN heartwave.model_evaluation_classes.sensitivity_high IS 'Upper end of its 95 % interval; null where none was computed.';
COMMENT ON COLUMN heartwave.model_evaluation_classes.positive_predictivity IS 'Share of the beats called this class that are of it.';
COMMENT ON COLUMN heartwave.model_evaluation_classes.positive_predictivity_low IS 'Lower end of its 95 % interval; null where none was computed.';
COMMENT ON COLUMN heartwave.model_evaluation_classes.positive_predictivity_high IS 'Upper end of its 95 % interval; null where none was computed.';
COMMENT ON COLUMN heartwave.model_evaluation_classes.f1 IS 'Harmonic mean of sensitivity and positive predictivity.';
COMMENT ON COLUMN heartwave.model_evaluation_classes.f1_low IS 'Lower end of its 95 % interval; null where none was computed.';
COMMENT ON COLUMN heartwave.model_evaluation_classes.f1_high IS 'Upper end of its 95 % interval; null where none was computed.';

CREATE TABLE heartwave.model_evaluation_recordings (
    model_version_id integer NOT NULL,
    protocol         text NOT NULL,
    recording_id     text NOT NULL,
    class            heartwave.beat_class NOT NULL,
    n_beats          integer NOT NULL CHECK (n_beats >= 0),
    n_found          integer NOT NULL,
    n_called         integer NOT NULL,
    PRIMARY KEY (model_version_id, protocol, recording_id, class),
    FOREIGN KEY (model_version_id, protocol) REFERENCES heartwave.model_evaluations ON DELETE CASCADE,
    CHECK (n_found BETWEEN 0 AND n_beats AND n_found <= n_called)
);
COMMENT ON TABLE heartwave.model_evaluation_recordings IS 'The evaluation of a model version by test recording and class, in counts, so that any average can be formed.';
COMMENT ON COLUMN heartwave.model_evaluation_recordings.model_version_id IS 'The model version.';
COMMENT ON COLUMN heartwave.model_evaluation_recordings.protocol IS 'The evaluation protocol.';
COMMENT ON COLUMN heartwave.model_evaluation_recordings.recording_id IS 'The test recording.';
COMMENT ON COLUMN heartwave.model_evaluation_recordings.class IS 'The class.';
COMMENT ON COLUMN heartwave.model_evaluation_recordings.n_beats IS 'Reference beats of the class in the recording.';
COMMENT ON COLUMN heartwave.model_evaluation_recordings.n_found IS 'Of those, how many were labelled so (true positives).';
COMMENT ON COLUMN heartwave.model_evaluation_recordings.n_called IS 'Beats of the recording that were labelled so, rightly or wrongly.';

-- Labels ---------------------------------------------------------------------------------------------------------

CREATE TABLE heartwave.scorings (
    revision_id       integer NOT NULL REFERENCES heartwave.recording_revisions,
    model_version_id  integer NOT NULL REFERENCES heartwave.model_versions,
    night             date NOT NULL,
    n_labels          integer NOT NULL,
    n_n               integer NOT NULL CHECK (n_n >= 0),
    n_s               integer NOT NULL CHECK (n_s >= 0),
    n_v               integer NOT NULL CHECK (n_v >= 0),
    n_f               integer NOT NULL CHECK (n_f >= 0),
    n_q               integer NOT NULL CHECK (n_q >= 0),
    labels_sha256     text NOT NULL CHECK (labels_sha256 ~ '^[0-9a-f]{64}$'),
    dag_run_id        text NOT NULL,
    code_version      text NOT NULL,
    in_training_set   boolean NOT NULL,
    started_at        timestamptz NOT NULL,
    committed_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    labels_dropped_at timestamptz,
    PRIMARY KEY (revision_id, model_version_id),
    CHECK (n_labels = n_n + n_s + n_v + n_f + n_q)
);
COMMENT ON TABLE heartwave.scorings IS 'The ledger: one row per recording revision and model version, written in the same transaction as its labels, so a beat is labelled exactly once.';
COMMENT ON COLUMN heartwave.scorings.revision_id IS 'The recording revision that was labelled.';
COMMENT ON COLUMN heartwave.scorings.model_version_id IS 'The model version that labelled it.';
COMMENT ON COLUMN heartwave.scorings.night IS 'The night the labels belong to; says which partition holds them.';
COMMENT ON COLUMN heartwave.scorings.n_labels IS 'How many labels were written.';
COMMENT ON COLUMN heartwave.scorings.n_n IS 'Of those, labelled N (normal).';
COMMENT ON COLUMN heartwave.scorings.n_s IS 'Of those, labelled S (supraventricular).';
COMMENT ON COLUMN heartwave.scorings.n_v IS 'Of those, labelled V (ventricular).';
COMMENT ON COLUMN heartwave.scorings.n_f IS 'Of those, labelled F (fusion).';
COMMENT ON COLUMN heartwave.scorings.n_q IS 'Of those, labelled Q (unknown or paced).';
COMMENT ON COLUMN heartwave.scorings.labels_sha256 IS 'SHA-256 of the labels'' content, free of surrogate keys and dates: equal labels have equal hashes on any installation.';
COMMENT ON COLUMN heartwave.scorings.dag_run_id IS 'The Airflow run that wrote it.';
COMMENT ON COLUMN heartwave.scorings.code_version IS 'Version of HeartWave that wrote it.';
COMMENT ON COLUMN heartwave.scorings.in_training_set IS 'Whether the model version was trained on this very content: its labels here are no test of it.';
COMMENT ON COLUMN heartwave.scorings.started_at IS 'When scoring of the recording started.';
COMMENT ON COLUMN heartwave.scorings.committed_at IS 'When the transaction with the labels was written.';
COMMENT ON COLUMN heartwave.scorings.labels_dropped_at IS 'When retention dropped the labels; the counts stay, and the recording is not labelled again by this version. Null while the labels are there.';
CREATE INDEX scorings_model_version_idx ON heartwave.scorings (model_version_id, revision_id);
CREATE INDEX scorings_night_idx ON heartwave.scorings (night);

-- No foreign key to the ledger: its check would cost every row of a COPY as much as the row itself. The writer
-- cannot update or delete labels, and writes them only together with their ledger row.
CREATE TABLE heartwave.labels (
    night            date NOT NULL,
    revision_id      integer NOT NULL,
    model_version_id integer NOT NULL,
    r_peak_sample    integer NOT NULL CHECK (r_peak_sample >= 0),
    time_s           double precision NOT NULL,
    class            heartwave.beat_class NOT NULL,
    confidence       real NOT NULL CHECK (confidence BETWEEN 0 AND 1),
    p_n              real NOT NULL,
    p_s              real NOT NULL,
    p_v              real NOT NULL,
    p_f              real NOT NULL,
    p_q              real NOT NULL,
    rr_previous_s    real,
    rr_next_s        real,
    reference        heartwave.beat_class,
    PRIMARY KEY (revision_id, model_version_id, r_peak_sample, night)
) PARTITION BY RANGE (night);
COMMENT ON TABLE heartwave.labels IS 'One row per heartbeat and model version, partitioned by month of the night: years stay fast to query and a month is dropped at once.';
COMMENT ON COLUMN heartwave.labels.night IS 'The night of the scoring, as in the ledger.';
COMMENT ON COLUMN heartwave.labels.revision_id IS 'The recording revision the beat is in.';
COMMENT ON COLUMN heartwave.labels.model_version_id IS 'The model version that labelled it.';
COMMENT ON COLUMN heartwave.labels.r_peak_sample IS 'The beat''s R peak: sample number at the recording''s own rate, counted from 0.';
COMMENT ON COLUMN heartwave.labels.time_s IS 'The R peak in seconds from the start of the recording.';
COMMENT ON COLUMN heartwave.labels.class IS 'The label.';
COMMENT ON COLUMN heartwave.labels.confidence IS 'The model''s probability of the label it gave.';
COMMENT ON COLUMN heartwave.labels.p_n IS 'Probability of N (normal).';
COMMENT ON COLUMN heartwave.labels.p_s IS 'Probability of S (supraventricular).';
COMMENT ON COLUMN heartwave.labels.p_v IS 'Probability of V (ventricular).';
COMMENT ON COLUMN heartwave.labels.p_f IS 'Probability of F (fusion).';
COMMENT ON COLUMN heartwave.labels.p_q IS 'Probability of Q (unknown or paced).';
COMMENT ON COLUMN heartwave.labels.rr_previous_s IS 'Seconds since the previous beat''s R peak; null for the first beat.';
COMMENT ON COLUMN heartwave.labels.rr_next_s IS 'Seconds to the next beat''s R peak; null for the last beat.';
COMMENT ON COLUMN heartwave.labels.reference IS 'The reference class of an annotated recording''s beat; null where there is none.';

-- The review queue reads the least confident beats first. Few beats are unsure, so the index costs COPY next to nothing.
CREATE INDEX labels_unsure_idx ON heartwave.labels (confidence) WHERE confidence < 0.6;
-- So are long pauses.
CREATE INDEX labels_pause_idx ON heartwave.labels (rr_previous_s) WHERE rr_previous_s >= 2;
