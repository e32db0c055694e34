-- Every challenge is kept, also those that failed: figures beside figures, the gate's verdict, what a person decided.
CREATE TABLE heartwave.model_comparisons (
    comparison_id    integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    model_version_id integer NOT NULL REFERENCES heartwave.model_versions,
    champion_id      integer REFERENCES heartwave.model_versions,
    protocol         text NOT NULL,
    dag_run_id       text NOT NULL,
    n_beats          integer NOT NULL CHECK (n_beats >= 0),
    n_patients       integer NOT NULL CHECK (n_patients >= 0),
    passed           boolean NOT NULL,
    reasons          text NOT NULL,
    compared_at      timestamptz NOT NULL DEFAULT now(),
    UNIQUE (model_version_id, dag_run_id)
);
COMMENT ON TABLE heartwave.model_comparisons IS 'One row per challenge: a model version beside the champion of that moment, on the same test rows.';
COMMENT ON COLUMN heartwave.model_comparisons.comparison_id IS 'Surrogate key; grows with time.';
COMMENT ON COLUMN heartwave.model_comparisons.model_version_id IS 'The challenger.';
COMMENT ON COLUMN heartwave.model_comparisons.champion_id IS 'The champion it was compared with; null when there was none.';
COMMENT ON COLUMN heartwave.model_comparisons.protocol IS 'How both were tested.';
COMMENT ON COLUMN heartwave.model_comparisons.dag_run_id IS 'The Airflow run, or the command, that compared them.';
COMMENT ON COLUMN heartwave.model_comparisons.n_beats IS 'Test beats both were tested on; 0 when there was nothing to compare with.';
COMMENT ON COLUMN heartwave.model_comparisons.n_patients IS 'Patients those beats are of.';
COMMENT ON COLUMN heartwave.model_comparisons.passed IS 'Whether the gate would promote the challenger.';
COMMENT ON COLUMN heartwave.model_comparisons.reasons IS 'The gate''s reasons, in sentences.';
COMMENT ON COLUMN heartwave.model_comparisons.compared_at IS 'When.';

CREATE TABLE heartwave.model_comparison_figures (
    comparison_id   integer NOT NULL REFERENCES heartwave.model_comparisons,
    place           smallint NOT NULL,
    figure          text NOT NULL,
    decides         boolean NOT NULL,
    challenger      double precision,
    champion        double precision,
    difference_low  double precision,
    difference_high double precision,
    PRIMARY KEY (comparison_id, figure)
);
COMMENT ON TABLE heartwave.model_comparison_figures IS 'The figures of a comparison, as fractions of 1; null where undefined.';
COMMENT ON COLUMN heartwave.model_comparison_figures.comparison_id IS 'The comparison.';
COMMENT ON COLUMN heartwave.model_comparison_figures.place IS 'Order in which people read them, from 1.';
COMMENT ON COLUMN heartwave.model_comparison_figures.figure IS 'Name of the figure, e.g. V sensitivity.';
COMMENT ON COLUMN heartwave.model_comparison_figures.decides IS 'Whether the gate''s verdict hangs on it.';
COMMENT ON COLUMN heartwave.model_comparison_figures.challenger IS 'The challenger''s.';
COMMENT ON COLUMN heartwave.model_comparison_figures.champion IS 'The champion''s.';
COMMENT ON COLUMN heartwave.model_comparison_figures.difference_low IS 'Lower end of the 95 % interval of challenger minus champion, the same patients resampled for both.';
COMMENT ON COLUMN heartwave.model_comparison_figures.difference_high IS 'Upper end of it.';

CREATE TABLE heartwave.model_decisions (
    comparison_id integer PRIMARY KEY REFERENCES heartwave.model_comparisons,
    approved      boolean NOT NULL,
    decided_by    text NOT NULL,
    note          text NOT NULL,
    decided_at    timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE heartwave.model_decisions IS 'What a person decided about a challenger, where one was asked.';
COMMENT ON COLUMN heartwave.model_decisions.comparison_id IS 'The comparison they had before them.';
COMMENT ON COLUMN heartwave.model_decisions.approved IS 'Whether they approved the promotion.';
COMMENT ON COLUMN heartwave.model_decisions.decided_by IS 'Who, as Airflow knows them.';
COMMENT ON COLUMN heartwave.model_decisions.note IS 'Why, in their words; may be empty.';
COMMENT ON COLUMN heartwave.model_decisions.decided_at IS 'When.';

ALTER TABLE heartwave.promotions
    ADD COLUMN is_rollback boolean NOT NULL DEFAULT false,
    ADD COLUMN comparison_id integer REFERENCES heartwave.model_comparisons;
COMMENT ON COLUMN heartwave.promotions.is_rollback IS 'Whether it brought back an earlier champion because the one before it was no good.';
COMMENT ON COLUMN heartwave.promotions.comparison_id IS 'The comparison it rests on; null where nobody compared.';

CREATE VIEW heartwave.model_promotions AS
SELECT
    p.promotion_id,
    m.model_name,
    m.version AS model_version,
    m.architecture,
    p.promoted_at,
    p.promoted_by,
    p.reason,
    p.is_rollback,
    p.comparison_id
FROM heartwave.promotions AS p
JOIN heartwave.model_versions AS m ON m.model_version_id = p.model_version_id;

COMMENT ON VIEW heartwave.model_promotions IS 'Every change of champion, who made it and why; the row with the highest promotion_id is the champion.';
COMMENT ON COLUMN heartwave.model_promotions.promotion_id IS 'Grows with time.';
COMMENT ON COLUMN heartwave.model_promotions.model_name IS 'Name of the model.';
COMMENT ON COLUMN heartwave.model_promotions.model_version IS 'Version that became champion.';
COMMENT ON COLUMN heartwave.model_promotions.architecture IS 'Which architecture it is.';
COMMENT ON COLUMN heartwave.model_promotions.promoted_at IS 'When.';
COMMENT ON COLUMN heartwave.model_promotions.promoted_by IS 'Who: a person or a DAG.';
COMMENT ON COLUMN heartwave.model_promotions.reason IS 'Why.';
COMMENT ON COLUMN heartwave.model_promotions.is_rollback IS 'Whether it brought back an earlier champion.';
COMMENT ON COLUMN heartwave.model_promotions.comparison_id IS 'The row of model_comparison it rests on; null where nobody compared.';

CREATE VIEW heartwave.model_comparison AS
SELECT
    c.comparison_id,
    m.model_name,
    m.version AS challenger_version,
    m.architecture AS challenger_architecture,
    o.version AS champion_version,
    o.architecture AS champion_architecture,
    c.protocol,
    c.n_beats,
    c.n_patients,
    f.place,
    f.figure,
    f.decides,
    f.challenger,
    f.champion,
    f.difference_low,
    f.difference_high,
    c.passed,
    c.reasons,
    d.approved,
    d.decided_by,
    d.note,
    c.compared_at,
    d.decided_at,
    c.dag_run_id
FROM heartwave.model_comparisons AS c
JOIN heartwave.model_versions AS m ON m.model_version_id = c.model_version_id
LEFT JOIN heartwave.model_versions AS o ON o.model_version_id = c.champion_id
LEFT JOIN heartwave.model_comparison_figures AS f ON f.comparison_id = c.comparison_id
LEFT JOIN heartwave.model_decisions AS d ON d.comparison_id = c.comparison_id;

COMMENT ON VIEW heartwave.model_comparison IS 'One row per challenge and figure: challenger and champion on the same test rows, the gate''s verdict, and what a person decided.';
COMMENT ON COLUMN heartwave.model_comparison.comparison_id IS 'Which challenge; grows with time.';
COMMENT ON COLUMN heartwave.model_comparison.model_name IS 'Name of the model.';
COMMENT ON COLUMN heartwave.model_comparison.challenger_version IS 'Version that wanted to become champion.';
COMMENT ON COLUMN heartwave.model_comparison.challenger_architecture IS 'Its architecture.';
COMMENT ON COLUMN heartwave.model_comparison.champion_version IS 'Champion of that moment; null when there was none.';
COMMENT ON COLUMN heartwave.model_comparison.champion_architecture IS 'Its architecture.';
COMMENT ON COLUMN heartwave.model_comparison.protocol IS 'How both were tested.';
COMMENT ON COLUMN heartwave.model_comparison.n_beats IS 'Test beats of both.';
COMMENT ON COLUMN heartwave.model_comparison.n_patients IS 'Patients those beats are of.';
COMMENT ON COLUMN heartwave.model_comparison.place IS 'Order of the figures, from 1; null when there was nothing to compare with.';
COMMENT ON COLUMN heartwave.model_comparison.figure IS 'Name of the figure.';
COMMENT ON COLUMN heartwave.model_comparison.decides IS 'Whether the verdict hangs on it.';
COMMENT ON COLUMN heartwave.model_comparison.challenger IS 'The challenger''s figure, as a fraction of 1.';
COMMENT ON COLUMN heartwave.model_comparison.champion IS 'The champion''s.';
COMMENT ON COLUMN heartwave.model_comparison.difference_low IS 'Lower end of the 95 % interval of the difference.';
COMMENT ON COLUMN heartwave.model_comparison.difference_high IS 'Upper end of it.';
COMMENT ON COLUMN heartwave.model_comparison.passed IS 'Whether the gate would promote the challenger.';
COMMENT ON COLUMN heartwave.model_comparison.reasons IS 'The gate''s reasons, in sentences.';
COMMENT ON COLUMN heartwave.model_comparison.approved IS 'Whether a person approved; null where nobody was asked, or has not answered yet.';
COMMENT ON COLUMN heartwave.model_comparison.decided_by IS 'Who decided.';
COMMENT ON COLUMN heartwave.model_comparison.note IS 'Why, in their words.';
COMMENT ON COLUMN heartwave.model_comparison.compared_at IS 'When they were compared.';
COMMENT ON COLUMN heartwave.model_comparison.decided_at IS 'When it was decided.';
COMMENT ON COLUMN heartwave.model_comparison.dag_run_id IS 'The Airflow run, or the command, that compared them.';
