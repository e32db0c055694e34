-- Views that find their rows by index, however many labels there are.

-- Joins alone: as a choice of one row for each recording it could only be made for all of them at a time, also where
-- one label asked whether it counts.
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
JOIN heartwave.scorings AS s ON s.revision_id = r.current_revision_id
JOIN (
    SELECT model_version_id, max(promotion_id) AS last_promotion FROM heartwave.promotions GROUP BY model_version_id
) AS p ON p.model_version_id = s.model_version_id
WHERE NOT EXISTS (
    SELECT FROM heartwave.held_scorings AS h
    WHERE h.revision_id = s.revision_id AND h.model_version_id = s.model_version_id AND h.released_at IS NULL
)
AND NOT EXISTS (
    -- Another one, promoted later.
    SELECT FROM heartwave.scorings AS o
    JOIN (
        SELECT model_version_id, max(promotion_id) AS last_promotion FROM heartwave.promotions GROUP BY model_version_id
    ) AS q ON q.model_version_id = o.model_version_id
    WHERE o.revision_id = s.revision_id AND q.last_promotion > p.last_promotion
      AND NOT EXISTS (
          SELECT FROM heartwave.held_scorings AS h
          WHERE h.revision_id = o.revision_id AND h.model_version_id = o.model_version_id AND h.released_at IS NULL
      )
);

CREATE FUNCTION heartwave.least_confident_beats(most integer)
    RETURNS TABLE (revision_id integer, model_version_id integer, night date, r_peak_sample integer)
    LANGUAGE plpgsql STABLE ROWS 1000 SECURITY DEFINER SET search_path = heartwave, pg_temp
AS $$
DECLARE
    n_found integer := 0;
BEGIN
    -- A join has to guess how many of the labels count, and sorts them all when it guesses low. In the order of the
    -- index some thousand rows are enough, of however many.
    FOR revision_id, model_version_id, night, r_peak_sample IN
        SELECT l.revision_id, l.model_version_id, l.night, l.r_peak_sample
        FROM labels AS l WHERE l.confidence < 0.6 ORDER BY l.confidence
    LOOP
        EXIT WHEN n_found >= least(most, 10000);
        CONTINUE WHEN NOT EXISTS (
            SELECT FROM current_scorings AS c
            WHERE c.revision_id = least_confident_beats.revision_id
              AND c.model_version_id = least_confident_beats.model_version_id
        ) OR EXISTS (
            SELECT FROM beat_reviews AS w
            WHERE w.revision_id = least_confident_beats.revision_id
              AND w.r_peak_sample = least_confident_beats.r_peak_sample AND w.withdrawn_at IS NULL
        );
        n_found := n_found + 1;
        RETURN NEXT;
    END LOOP;
END
$$;
COMMENT ON FUNCTION heartwave.least_confident_beats(integer) IS
    'The keys of so many labels in current_labels, at most 10 000, of which the model was less than 60 % sure and that nobody has reviewed, least confident first.';
REVOKE ALL ON FUNCTION heartwave.least_confident_beats(integer) FROM PUBLIC;

DROP VIEW heartwave.review_queue;
CREATE VIEW heartwave.review_queue AS
SELECT
    r.recording_id,
    r.source,
    l.r_peak_sample,
    l.time_s,
    l.class,
    c.name AS class_name,
    l.confidence,
    second.class::heartwave.beat_class AS second_choice,
    second.p AS second_confidence,
    l.p_n,
    l.p_s,
    l.p_v,
    l.p_f,
    l.p_q,
    l.rr_previous_s,
    l.rr_next_s,
    l.night
FROM heartwave.least_confident_beats(1000) AS b
JOIN heartwave.recordings AS r ON r.current_revision_id = b.revision_id
CROSS JOIN LATERAL (
    SELECT l.* FROM heartwave.labels AS l
    WHERE l.revision_id = b.revision_id AND l.model_version_id = b.model_version_id AND l.night = b.night
      AND l.r_peak_sample = b.r_peak_sample
    OFFSET 0  -- by key
) AS l
JOIN heartwave.beat_classes AS c ON c.class = l.class
CROSS JOIN LATERAL (
    SELECT v.class, v.p FROM (VALUES ('N', l.p_n), ('S', l.p_s), ('V', l.p_v), ('F', l.p_f), ('Q', l.p_q)) AS v (class, p)
    WHERE v.class <> l.class::text ORDER BY v.p DESC, v.class LIMIT 1
) AS second;
COMMENT ON VIEW heartwave.review_queue IS 'The thousand least confident beats among those the model was less than 60 % sure of and nobody has reviewed; recording_burden.n_unsure counts them all.';
COMMENT ON COLUMN heartwave.review_queue.recording_id IS 'The recording.';
COMMENT ON COLUMN heartwave.review_queue.source IS 'Where the recording comes from.';
COMMENT ON COLUMN heartwave.review_queue.r_peak_sample IS 'The beat''s R peak: sample number at the recording''s own rate.';
COMMENT ON COLUMN heartwave.review_queue.time_s IS 'The R peak in seconds from the start of the recording.';
COMMENT ON COLUMN heartwave.review_queue.class IS 'The model''s label.';
COMMENT ON COLUMN heartwave.review_queue.class_name IS 'The same in words.';
COMMENT ON COLUMN heartwave.review_queue.confidence IS 'The model''s probability of it.';
COMMENT ON COLUMN heartwave.review_queue.second_choice IS 'The next likely class.';
COMMENT ON COLUMN heartwave.review_queue.second_confidence IS 'The model''s probability of that.';
COMMENT ON COLUMN heartwave.review_queue.p_n IS 'Probability of N (normal).';
COMMENT ON COLUMN heartwave.review_queue.p_s IS 'Probability of S (supraventricular).';
COMMENT ON COLUMN heartwave.review_queue.p_v IS 'Probability of V (ventricular).';
COMMENT ON COLUMN heartwave.review_queue.p_f IS 'Probability of F (fusion).';
COMMENT ON COLUMN heartwave.review_queue.p_q IS 'Probability of Q (unknown or paced).';
COMMENT ON COLUMN heartwave.review_queue.rr_previous_s IS 'Seconds since the previous beat; null for the first beat.';
COMMENT ON COLUMN heartwave.review_queue.rr_next_s IS 'Seconds to the next beat; null for the last beat.';
COMMENT ON COLUMN heartwave.review_queue.night IS 'The night of the scoring.';

CREATE VIEW heartwave.model_disagreements AS
SELECT
    v.recording_id,
    d.r_peak_sample,
    d.time_s,
    ma.model_name AS model_name_a,
    ma.version AS model_version_a,
    d.class_a,
    d.confidence_a,
    mb.model_name AS model_name_b,
    mb.version AS model_version_b,
    d.class_b,
    d.confidence_b,
    d.reference,
    g.revision_id
FROM heartwave.scoring_agreements AS g
JOIN heartwave.recording_revisions AS v ON v.revision_id = g.revision_id
JOIN heartwave.model_versions AS ma ON ma.model_version_id = g.model_version_id_a
JOIN heartwave.model_versions AS mb ON mb.model_version_id = g.model_version_id_b
JOIN heartwave.scorings AS sa ON sa.revision_id = g.revision_id AND sa.model_version_id = g.model_version_id_a
JOIN heartwave.scorings AS sb ON sb.revision_id = g.revision_id AND sb.model_version_id = g.model_version_id_b
CROSS JOIN LATERAL (
    SELECT
        a.r_peak_sample, a.time_s, a.class AS class_a, b.class AS class_b,
        a.confidence AS confidence_a, b.confidence AS confidence_b, a.reference
    FROM heartwave.labels AS a
    JOIN heartwave.labels AS b ON b.r_peak_sample = a.r_peak_sample
    WHERE a.revision_id = g.revision_id AND a.model_version_id = g.model_version_id_a AND a.night = sa.night
      AND b.revision_id = g.revision_id AND b.model_version_id = g.model_version_id_b AND b.night = sb.night
      AND b.class <> a.class
    OFFSET 0  -- pair by pair: never the beats of all recordings at a time
) AS d;
COMMENT ON VIEW heartwave.model_disagreements IS 'One row per beat on which two model versions disagree. Filter on recording_id: it reads all labels of the recordings asked for.';
COMMENT ON COLUMN heartwave.model_disagreements.recording_id IS 'The recording.';
COMMENT ON COLUMN heartwave.model_disagreements.r_peak_sample IS 'The beat''s R peak: sample number at the recording''s own rate.';
COMMENT ON COLUMN heartwave.model_disagreements.time_s IS 'The R peak in seconds from the start of the recording.';
COMMENT ON COLUMN heartwave.model_disagreements.model_name_a IS 'Name of the model registered first.';
COMMENT ON COLUMN heartwave.model_disagreements.model_version_a IS 'Its version.';
COMMENT ON COLUMN heartwave.model_disagreements.class_a IS 'Its label.';
COMMENT ON COLUMN heartwave.model_disagreements.confidence_a IS 'Its probability of that label.';
COMMENT ON COLUMN heartwave.model_disagreements.model_name_b IS 'Name of the model registered later.';
COMMENT ON COLUMN heartwave.model_disagreements.model_version_b IS 'Its version.';
COMMENT ON COLUMN heartwave.model_disagreements.class_b IS 'Its label.';
COMMENT ON COLUMN heartwave.model_disagreements.confidence_b IS 'Its probability of that label.';
COMMENT ON COLUMN heartwave.model_disagreements.reference IS 'The reference class; null where there is none.';
COMMENT ON COLUMN heartwave.model_disagreements.revision_id IS 'The recording revision.';
