-- Night monitoring: the ledger by run, and how far a night's beats and labels are from what the model learnt from.

CREATE TABLE heartwave.model_populations (
    model_version_id integer PRIMARY KEY REFERENCES heartwave.model_versions,
    population       jsonb NOT NULL
);
COMMENT ON TABLE heartwave.model_populations IS 'How features and classes of a model version''s training beats are distributed: what drift is measured from.';
COMMENT ON COLUMN heartwave.model_populations.model_version_id IS 'The model version.';
COMMENT ON COLUMN heartwave.model_populations.population IS 'Names of the features, edges and shares of their bins, shares of the classes; population.json of the MLflow run.';

CREATE TABLE heartwave.scoring_features (
    revision_id      integer NOT NULL,
    model_version_id integer NOT NULL,
    counts           integer[] NOT NULL,
    PRIMARY KEY (revision_id, model_version_id),
    FOREIGN KEY (revision_id, model_version_id) REFERENCES heartwave.scorings ON DELETE CASCADE
);
COMMENT ON TABLE heartwave.scoring_features IS 'One row per scoring: its beats by feature and bin of the model''s training population. Written with the labels.';
COMMENT ON COLUMN heartwave.scoring_features.revision_id IS 'The recording revision.';
COMMENT ON COLUMN heartwave.scoring_features.model_version_id IS 'The model version that labelled it.';
COMMENT ON COLUMN heartwave.scoring_features.counts IS 'Beats, of at most 500 evenly spaced ones, by feature (first index) and bin (second index).';

CREATE TABLE heartwave.drift_figures (
    night            date NOT NULL,
    model_version_id integer NOT NULL REFERENCES heartwave.model_versions,
    kind             text NOT NULL CHECK (kind IN ('feature', 'labels')),
    name             text NOT NULL,
    psi              double precision NOT NULL CHECK (psi >= 0),
    n_recordings     integer NOT NULL,
    threshold        double precision NOT NULL,
    is_alarming      boolean NOT NULL,
    measured_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (night, model_version_id, kind, name)
);
COMMENT ON TABLE heartwave.drift_figures IS 'One row per night, model version and feature, and one for the shares of labels: the population stability index against the training population.';
COMMENT ON COLUMN heartwave.drift_figures.night IS 'The night.';
COMMENT ON COLUMN heartwave.drift_figures.model_version_id IS 'The model version that labelled.';
COMMENT ON COLUMN heartwave.drift_figures.kind IS 'feature: a feature of the beats; labels: the shares of the five classes.';
COMMENT ON COLUMN heartwave.drift_figures.name IS 'Name of the feature; ''class'' for the labels.';
COMMENT ON COLUMN heartwave.drift_figures.psi IS 'Population stability index; 0 where nothing moved.';
COMMENT ON COLUMN heartwave.drift_figures.n_recordings IS 'Recordings of the night.';
COMMENT ON COLUMN heartwave.drift_figures.threshold IS 'From where on it was alarming when it was measured: of few recordings, higher.';
COMMENT ON COLUMN heartwave.drift_figures.is_alarming IS 'Whether it was: above the threshold.';
COMMENT ON COLUMN heartwave.drift_figures.measured_at IS 'When.';

CREATE VIEW heartwave.population_drift AS
SELECT
    d.night,
    m.model_name,
    m.version AS model_version,
    d.kind,
    d.name,
    d.psi,
    d.threshold,
    d.is_alarming,
    d.n_recordings,
    d.measured_at
FROM heartwave.drift_figures AS d
JOIN heartwave.model_versions AS m ON m.model_version_id = d.model_version_id;
COMMENT ON VIEW heartwave.population_drift IS 'How far each night''s beats and labels are from what the model learnt from: the population stability index (0.1 a small, 0.25 a large shift) by feature, and one of the class shares.';
COMMENT ON COLUMN heartwave.population_drift.night IS 'The night.';
COMMENT ON COLUMN heartwave.population_drift.model_name IS 'Name of the model that labelled.';
COMMENT ON COLUMN heartwave.population_drift.model_version IS 'Version of that model.';
COMMENT ON COLUMN heartwave.population_drift.kind IS 'feature: a feature of the beats; labels: the shares of the five classes.';
COMMENT ON COLUMN heartwave.population_drift.name IS 'Name of the feature; ''class'' for the labels.';
COMMENT ON COLUMN heartwave.population_drift.psi IS 'Population stability index; 0 where nothing moved.';
COMMENT ON COLUMN heartwave.population_drift.threshold IS 'From where on it was alarming when it was measured: of few recordings, higher.';
COMMENT ON COLUMN heartwave.population_drift.is_alarming IS 'Whether it was: above the threshold.';
COMMENT ON COLUMN heartwave.population_drift.n_recordings IS 'Recordings of the night: of few, the index says little.';
COMMENT ON COLUMN heartwave.population_drift.measured_at IS 'When it was measured.';

CREATE VIEW heartwave.scoring_runs AS
SELECT
    s.dag_run_id,
    s.night,
    m.model_name,
    m.version AS model_version,
    string_agg(DISTINCT s.code_version, ', ') AS code_version,
    count(*) AS n_recordings,
    sum(s.n_labels)::bigint AS n_labels,
    count(h.held_id) AS n_held,
    min(s.started_at) AS started_at,
    max(s.committed_at) AS ended_at,
    extract(epoch FROM max(s.committed_at) - min(s.started_at))::double precision AS duration_s,
    encode(sha256(convert_to(string_agg(
        concat_ws(' ', v.recording_id, v.content_sha256, v.segmenter_version), E'\n'
        ORDER BY v.recording_id, v.content_sha256, v.segmenter_version
    ), 'UTF8')), 'hex') AS inputs_sha256,
    encode(sha256(convert_to(string_agg(
        s.labels_sha256, E'\n' ORDER BY v.recording_id, v.content_sha256, v.segmenter_version
    ), 'UTF8')), 'hex') AS labels_sha256
FROM heartwave.scorings AS s
JOIN heartwave.recording_revisions AS v ON v.revision_id = s.revision_id
JOIN heartwave.model_versions AS m ON m.model_version_id = s.model_version_id
LEFT JOIN heartwave.held_scorings AS h ON h.revision_id = s.revision_id AND h.model_version_id = s.model_version_id
GROUP BY s.dag_run_id, s.night, m.model_name, m.version;
COMMENT ON VIEW heartwave.scoring_runs IS 'One row per run that labelled something: how much, how long, by which model and code, from which inputs. Derived from the ledger, so it says exactly what was committed.';
COMMENT ON COLUMN heartwave.scoring_runs.dag_run_id IS 'The Airflow run.';
COMMENT ON COLUMN heartwave.scoring_runs.night IS 'The night.';
COMMENT ON COLUMN heartwave.scoring_runs.model_name IS 'Name of the model that labelled.';
COMMENT ON COLUMN heartwave.scoring_runs.model_version IS 'Version of that model.';
COMMENT ON COLUMN heartwave.scoring_runs.code_version IS 'Version of HeartWave that labelled; several where it was upgraded in between.';
COMMENT ON COLUMN heartwave.scoring_runs.n_recordings IS 'Recordings labelled.';
COMMENT ON COLUMN heartwave.scoring_runs.n_labels IS 'Beats labelled.';
COMMENT ON COLUMN heartwave.scoring_runs.n_held IS 'Recordings that were held back, released ones included.';
COMMENT ON COLUMN heartwave.scoring_runs.started_at IS 'When scoring of the first recording started.';
COMMENT ON COLUMN heartwave.scoring_runs.ended_at IS 'When the labels of the last one were committed.';
COMMENT ON COLUMN heartwave.scoring_runs.duration_s IS 'Seconds between the two.';
COMMENT ON COLUMN heartwave.scoring_runs.inputs_sha256 IS 'SHA-256 over the recordings'' ids, contents and segmenter versions: the same inputs, the same hash.';
COMMENT ON COLUMN heartwave.scoring_runs.labels_sha256 IS 'SHA-256 over the recordings'' label hashes: the same labels, the same hash.';
