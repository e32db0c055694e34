-- What people say a heartbeat is. Rows are added by a function alone, which also notes what the model had said;
-- nothing is ever overwritten: a review that is taken back or replaced stays, with when and by whom.

CREATE TABLE heartwave.beat_reviews (
    review_id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    revision_id      integer NOT NULL REFERENCES heartwave.recording_revisions ON DELETE CASCADE,
    r_peak_sample    integer NOT NULL CHECK (r_peak_sample >= 0),
    class            heartwave.beat_class NOT NULL,
    model_version_id integer NOT NULL REFERENCES heartwave.model_versions,
    model_class      heartwave.beat_class NOT NULL,
    model_confidence real NOT NULL,
    reviewed_by      text NOT NULL CHECK (length(reviewed_by) BETWEEN 1 AND 200),
    reviewed_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    withdrawn_by     text,
    withdrawn_at     timestamptz,
    CHECK ((withdrawn_by IS NULL) = (withdrawn_at IS NULL))
);
COMMENT ON TABLE heartwave.beat_reviews IS 'One row per review of a heartbeat by a person; the one that is not withdrawn takes precedence over the model''s label.';
COMMENT ON COLUMN heartwave.beat_reviews.review_id IS 'Surrogate key; grows with time.';
COMMENT ON COLUMN heartwave.beat_reviews.revision_id IS 'The recording revision the beat is in.';
COMMENT ON COLUMN heartwave.beat_reviews.r_peak_sample IS 'The beat''s R peak: sample number at the recording''s own rate, counted from 0.';
COMMENT ON COLUMN heartwave.beat_reviews.class IS 'What the reviewer says it is.';
COMMENT ON COLUMN heartwave.beat_reviews.model_version_id IS 'The model version whose label was under review.';
COMMENT ON COLUMN heartwave.beat_reviews.model_class IS 'What that model had said.';
COMMENT ON COLUMN heartwave.beat_reviews.model_confidence IS 'How sure it had been, from 0 to 1.';
COMMENT ON COLUMN heartwave.beat_reviews.reviewed_by IS 'Who reviewed it: the name they are signed in with.';
COMMENT ON COLUMN heartwave.beat_reviews.reviewed_at IS 'When.';
COMMENT ON COLUMN heartwave.beat_reviews.withdrawn_by IS 'Who took it back or reviewed the beat anew; null while it counts.';
COMMENT ON COLUMN heartwave.beat_reviews.withdrawn_at IS 'When; null while it counts.';
CREATE UNIQUE INDEX beat_reviews_current_idx ON heartwave.beat_reviews (revision_id, r_peak_sample) WHERE withdrawn_at IS NULL;
CREATE INDEX beat_reviews_model_version_idx ON heartwave.beat_reviews (model_version_id);

CREATE FUNCTION heartwave.review_beat(recording text, sample integer, said heartwave.beat_class, person text) RETURNS bigint
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
COMMENT ON FUNCTION heartwave.review_beat IS 'Note what a person says a heartbeat is, or take it back (null); returns the review''s id. The only way to write reviews.';

CREATE VIEW heartwave.current_reviews AS
SELECT
    v.recording_id,
    w.revision_id,
    w.r_peak_sample,
    w.class,
    c.name AS class_name,
    w.model_class,
    w.model_confidence,
    w.class = w.model_class AS agrees,
    m.model_name,
    m.version AS model_version,
    w.reviewed_by,
    w.reviewed_at
FROM heartwave.beat_reviews AS w
JOIN heartwave.recording_revisions AS v ON v.revision_id = w.revision_id
JOIN heartwave.beat_classes AS c ON c.class = w.class
JOIN heartwave.model_versions AS m ON m.model_version_id = w.model_version_id
WHERE w.withdrawn_at IS NULL;
COMMENT ON VIEW heartwave.current_reviews IS 'One row per reviewed heartbeat: what a person says it is, and what the model had said.';
COMMENT ON COLUMN heartwave.current_reviews.recording_id IS 'The recording.';
COMMENT ON COLUMN heartwave.current_reviews.revision_id IS 'The recording revision the beat is in.';
COMMENT ON COLUMN heartwave.current_reviews.r_peak_sample IS 'The beat''s R peak: sample number at the recording''s own rate.';
COMMENT ON COLUMN heartwave.current_reviews.class IS 'What the reviewer says it is.';
COMMENT ON COLUMN heartwave.current_reviews.class_name IS 'That in words.';
COMMENT ON COLUMN heartwave.current_reviews.model_class IS 'What the model had said.';
COMMENT ON COLUMN heartwave.current_reviews.model_confidence IS 'How sure it had been, from 0 to 1.';
COMMENT ON COLUMN heartwave.current_reviews.agrees IS 'Whether the reviewer confirmed the model''s label.';
COMMENT ON COLUMN heartwave.current_reviews.model_name IS 'Name of the model under review.';
COMMENT ON COLUMN heartwave.current_reviews.model_version IS 'Version of that model.';
COMMENT ON COLUMN heartwave.current_reviews.reviewed_by IS 'Who reviewed it.';
COMMENT ON COLUMN heartwave.current_reviews.reviewed_at IS 'When.';

CREATE OR REPLACE VIEW heartwave.current_labels AS
SELECT
    s.recording_id,
    s.source,
    l.r_peak_sample,
    l.time_s,
    coalesce(w.class, l.class) AS class,
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
    l.revision_id,
    l.class AS model_class,
    w.reviewed_by,
    w.reviewed_at
FROM heartwave.current_scorings AS s
JOIN heartwave.labels AS l
    ON l.revision_id = s.revision_id AND l.model_version_id = s.model_version_id AND l.night = s.night
LEFT JOIN heartwave.beat_reviews AS w
    ON w.revision_id = l.revision_id AND w.r_peak_sample = l.r_peak_sample AND w.withdrawn_at IS NULL
JOIN heartwave.beat_classes AS c ON c.class = coalesce(w.class, l.class)
JOIN heartwave.model_versions AS m ON m.model_version_id = s.model_version_id;
COMMENT ON COLUMN heartwave.current_labels.class IS 'The label: N, S, V, F or Q (ANSI/AAMI EC57); a reviewer''s where there is one, else the model''s.';
COMMENT ON COLUMN heartwave.current_labels.confidence IS 'The model''s probability of the label it gave, from 0 to 1; a review does not change it.';
COMMENT ON COLUMN heartwave.current_labels.model_class IS 'The model''s label, whatever a reviewer says.';
COMMENT ON COLUMN heartwave.current_labels.reviewed_by IS 'Who reviewed the beat; null where nobody did.';
COMMENT ON COLUMN heartwave.current_labels.reviewed_at IS 'When; null where nobody did.';
