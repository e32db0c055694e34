DROP VIEW heartwave.model_disagreements;
DROP VIEW heartwave.review_queue;
DROP FUNCTION heartwave.least_confident_beats(integer);

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
      AND NOT EXISTS (
          SELECT FROM heartwave.held_scorings AS h
          WHERE h.revision_id = s.revision_id AND h.model_version_id = s.model_version_id AND h.released_at IS NULL
      )
    ORDER BY p.last_promotion DESC
    LIMIT 1
) AS s;

CREATE VIEW heartwave.review_queue AS
SELECT
    l.recording_id,
    l.source,
    l.r_peak_sample,
    l.time_s,
    l.class,
    l.class_name,
    l.confidence,
    second.class::heartwave.beat_class AS second_choice,
    second.p AS second_confidence,
    l.night
FROM heartwave.current_labels AS l
CROSS JOIN LATERAL (
    SELECT v.class, v.p FROM (VALUES ('N', l.p_n), ('S', l.p_s), ('V', l.p_v), ('F', l.p_f), ('Q', l.p_q)) AS v (class, p)
    WHERE v.class <> l.model_class::text ORDER BY v.p DESC, v.class LIMIT 1
) AS second
WHERE l.confidence < 0.6 AND l.reviewed_by IS NULL;
COMMENT ON VIEW heartwave.review_queue IS 'The beats the model was less than 60 % sure of and nobody has reviewed: order by confidence, and take the first hundred. recording_burden.n_unsure counts them.';
COMMENT ON COLUMN heartwave.review_queue.recording_id IS 'The recording.';
COMMENT ON COLUMN heartwave.review_queue.source IS 'Where the recording comes from.';
COMMENT ON COLUMN heartwave.review_queue.r_peak_sample IS 'The beat''s R peak: sample number at the recording''s own rate.';
COMMENT ON COLUMN heartwave.review_queue.time_s IS 'The R peak in seconds from the start of the recording.';
COMMENT ON COLUMN heartwave.review_queue.class IS 'The model''s label.';
COMMENT ON COLUMN heartwave.review_queue.class_name IS 'The same in words.';
COMMENT ON COLUMN heartwave.review_queue.confidence IS 'The model''s probability of it.';
COMMENT ON COLUMN heartwave.review_queue.second_choice IS 'The next likely class.';
COMMENT ON COLUMN heartwave.review_queue.second_confidence IS 'The model''s probability of that.';
COMMENT ON COLUMN heartwave.review_queue.night IS 'The night of the scoring; filter on it to read few partitions.';
