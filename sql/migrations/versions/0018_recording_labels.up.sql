-- The labels of one recording, for whoever looks at it beat by beat: current_labels asks of every label anew which
-- scoring speaks for its recording, which of the 100 000 beats of a day takes a second.

CREATE VIEW heartwave.recording_labels AS
SELECT
    r.recording_id,
    l.r_peak_sample,
    l.time_s,
    coalesce(w.class, l.class) AS class,
    l.confidence,
    l.p_n,
    l.p_s,
    l.p_v,
    l.p_f,
    l.p_q,
    l.rr_previous_s,
    l.rr_next_s,
    l.reference,
    l.class AS model_class,
    w.reviewed_by,
    w.reviewed_at
FROM heartwave.recordings AS r
CROSS JOIN LATERAL (
    SELECT s.revision_id, s.model_version_id, s.night
    FROM heartwave.scorings AS s
    JOIN heartwave.promotions AS p ON p.model_version_id = s.model_version_id
    WHERE s.revision_id = r.current_revision_id
      AND NOT EXISTS (
          SELECT FROM heartwave.held_scorings AS h
          WHERE h.revision_id = s.revision_id AND h.model_version_id = s.model_version_id AND h.released_at IS NULL
      )
    ORDER BY p.promotion_id DESC LIMIT 1
) AS s
JOIN heartwave.labels AS l
    ON l.revision_id = s.revision_id AND l.model_version_id = s.model_version_id AND l.night = s.night
LEFT JOIN heartwave.beat_reviews AS w
    ON w.revision_id = l.revision_id AND w.r_peak_sample = l.r_peak_sample AND w.withdrawn_at IS NULL;

COMMENT ON VIEW heartwave.recording_labels IS 'One row per heartbeat, as in current_labels, quick where one recording is asked for: always filter on recording_id.';
COMMENT ON COLUMN heartwave.recording_labels.recording_id IS 'The recording.';
COMMENT ON COLUMN heartwave.recording_labels.r_peak_sample IS 'R peak: sample number at the recording''s own rate.';
COMMENT ON COLUMN heartwave.recording_labels.time_s IS 'R peak in seconds from the start of the recording.';
COMMENT ON COLUMN heartwave.recording_labels.class IS 'The label: N, S, V, F or Q (ANSI/AAMI EC57); a reviewer''s where there is one, else the model''s; null where the signal shows nothing that could be classified.';
COMMENT ON COLUMN heartwave.recording_labels.confidence IS 'Probability of the model''s label; where it is null, how far beyond use the signal is.';
COMMENT ON COLUMN heartwave.recording_labels.p_n IS 'Probability of N (normal).';
COMMENT ON COLUMN heartwave.recording_labels.p_s IS 'Probability of S (supraventricular).';
COMMENT ON COLUMN heartwave.recording_labels.p_v IS 'Probability of V (ventricular).';
COMMENT ON COLUMN heartwave.recording_labels.p_f IS 'Probability of F (fusion).';
COMMENT ON COLUMN heartwave.recording_labels.p_q IS 'Probability of Q (unknown or paced).';
COMMENT ON COLUMN heartwave.recording_labels.rr_previous_s IS 'Seconds since the previous beat; null for the first beat, and where in between there was flutter or nothing to be seen.';
COMMENT ON COLUMN heartwave.recording_labels.rr_next_s IS 'Seconds to the next beat; null for the last beat, and where in between there was flutter or nothing to be seen.';
COMMENT ON COLUMN heartwave.recording_labels.reference IS 'The reference class; null where nobody annotated.';
COMMENT ON COLUMN heartwave.recording_labels.model_class IS 'The model''s label, whatever a reviewer says; null where the signal shows nothing that could be classified.';
COMMENT ON COLUMN heartwave.recording_labels.reviewed_by IS 'Who reviewed the beat; null where nobody did.';
COMMENT ON COLUMN heartwave.recording_labels.reviewed_at IS 'When.';
