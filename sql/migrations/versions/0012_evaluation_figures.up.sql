CREATE TABLE heartwave.model_evaluation_figures (
    model_version_id integer NOT NULL,
    protocol         text NOT NULL,
    figure           text NOT NULL,
    value            double precision NOT NULL,
    low              double precision,
    high             double precision,
    PRIMARY KEY (model_version_id, protocol, figure),
    FOREIGN KEY (model_version_id, protocol) REFERENCES heartwave.model_evaluations ON DELETE CASCADE
);
COMMENT ON TABLE heartwave.model_evaluation_figures IS 'Every figure of an evaluation by name; those that are undefined are left out.';
COMMENT ON COLUMN heartwave.model_evaluation_figures.model_version_id IS 'The model version.';
COMMENT ON COLUMN heartwave.model_evaluation_figures.protocol IS 'The evaluation protocol.';
COMMENT ON COLUMN heartwave.model_evaluation_figures.figure IS 'Its name, e.g. j_kappa, sensitivity_S_without_232, share_of_errors_in_least_confident_5_percent.';
COMMENT ON COLUMN heartwave.model_evaluation_figures.value IS 'The figure; shares are fractions of 1.';
COMMENT ON COLUMN heartwave.model_evaluation_figures.low IS 'Lower end of its 95 % interval over patients; null where none was computed.';
COMMENT ON COLUMN heartwave.model_evaluation_figures.high IS 'Upper end of it.';

CREATE VIEW heartwave.model_evaluation_by_figure AS
SELECT
    m.model_name,
    m.version AS model_version,
    m.architecture,
    f.protocol,
    f.figure,
    f.value,
    f.low,
    f.high
FROM heartwave.model_evaluation_figures AS f
JOIN heartwave.model_versions AS m ON m.model_version_id = f.model_version_id;

COMMENT ON VIEW heartwave.model_evaluation_by_figure IS 'One row per model version, evaluation protocol and figure, with 95 % intervals over patients where they were computed.';
COMMENT ON COLUMN heartwave.model_evaluation_by_figure.model_name IS 'Name of the model.';
COMMENT ON COLUMN heartwave.model_evaluation_by_figure.model_version IS 'Version of the model.';
COMMENT ON COLUMN heartwave.model_evaluation_by_figure.architecture IS 'Which architecture it is.';
COMMENT ON COLUMN heartwave.model_evaluation_by_figure.protocol IS 'How it was tested.';
COMMENT ON COLUMN heartwave.model_evaluation_by_figure.figure IS 'Name of the figure, e.g. nsv_mean_f1 or sensitivity_S_without_232.';
COMMENT ON COLUMN heartwave.model_evaluation_by_figure.value IS 'The figure; shares are fractions of 1.';
COMMENT ON COLUMN heartwave.model_evaluation_by_figure.low IS 'Lower end of its 95 % interval; null where none was computed.';
COMMENT ON COLUMN heartwave.model_evaluation_by_figure.high IS 'Upper end of it.';
