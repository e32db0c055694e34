-- Labels without a class cannot go back; such scorings go, and are made anew.
DELETE FROM heartwave.labels AS l USING heartwave.scorings AS s
WHERE s.revision_id = l.revision_id AND s.model_version_id = l.model_version_id
    AND s.n_labels > s.n_n + s.n_s + s.n_v + s.n_f + s.n_q;
DELETE FROM heartwave.scorings WHERE n_labels > n_n + n_s + n_v + n_f + n_q;
DELETE FROM heartwave.beat_reviews WHERE model_class IS NULL;
ALTER TABLE heartwave.scorings
    DROP CONSTRAINT scorings_check, ADD CONSTRAINT scorings_check CHECK (n_labels = n_n + n_s + n_v + n_f + n_q);
ALTER TABLE heartwave.beat_reviews ALTER COLUMN model_class SET NOT NULL;
ALTER TABLE heartwave.labels ALTER COLUMN class SET NOT NULL;

CREATE OR REPLACE FUNCTION heartwave.summarise_scoring(revision integer, model_version integer) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = heartwave, pg_temp
    SET jit = off SET enable_nestloop = off SET work_mem = '64MB'
AS $$
DECLARE
    of_night date;
BEGIN
    SELECT s.night INTO of_night FROM scorings AS s
    WHERE s.revision_id = revision AND s.model_version_id = model_version AND s.labels_dropped_at IS NULL;
    IF NOT FOUND THEN
        RETURN;  -- what was summarised before retention dropped the labels stays
    END IF;
    DELETE FROM scoring_hours AS h WHERE h.revision_id = revision AND h.model_version_id = model_version;
    DELETE FROM scoring_episodes AS e WHERE e.revision_id = revision AND e.model_version_id = model_version;
    DELETE FROM scoring_summaries AS m WHERE m.revision_id = revision AND m.model_version_id = model_version;

    WITH reviewed AS MATERIALIZED (
        SELECT w.r_peak_sample, w.class FROM beat_reviews AS w
        WHERE w.revision_id = revision AND w.withdrawn_at IS NULL
    ),
    said AS (
        SELECT
            l.r_peak_sample, l.time_s, coalesce(w.class, l.class) AS class, l.rr_previous_s,
            w.class IS NOT NULL AS is_reviewed, l.confidence < 0.6 AS is_unsure
        FROM labels AS l
        LEFT JOIN reviewed AS w ON w.r_peak_sample = l.r_peak_sample
        WHERE l.revision_id = revision AND l.model_version_id = model_version AND l.night = of_night
    ),
    beats AS MATERIALIZED (
        SELECT *, class = 'V' AS is_v, lag(class = 'V') OVER in_order AS after_v, lead(class = 'V') OVER in_order AS before_v
        FROM said
        WINDOW in_order AS (ORDER BY r_peak_sample)
    ),
    -- Gaps and islands: an island of beats of one kind begins where the kind changes, a stretch in which kinds take
    -- turns where it does not; both where the interval before a beat is unknown.
    numbered AS MATERIALIZED (
        SELECT
            r_peak_sample, time_s, class, is_v,
            count(*) FILTER (WHERE rr_previous_s IS NULL OR is_v IS DISTINCT FROM after_v) OVER in_order AS island,
            count(*) FILTER (WHERE rr_previous_s IS NULL OR is_v IS NOT DISTINCT FROM after_v) OVER in_order AS stretch
        FROM beats
        WHERE is_v OR after_v OR before_v  -- few are, and neither an island of V nor a stretch of turns holds another
        WINDOW in_order AS (ORDER BY r_peak_sample)
    ),
    episodes AS (
        INSERT INTO scoring_episodes (
            revision_id, model_version_id, kind, first_sample, last_sample, start_s, end_s, n_beats, n_ventricular, last_class
        )
        SELECT
            revision, model_version, CASE WHEN count(*) = 2 THEN 'couplet' ELSE 'run' END,
            min(r_peak_sample), max(r_peak_sample), min(time_s), max(time_s), count(*), count(*), 'V'
        FROM numbered WHERE is_v GROUP BY island HAVING count(*) >= 2
        UNION ALL
        SELECT
            revision, model_version, 'bigeminy',
            min(r_peak_sample), max(r_peak_sample), min(time_s), max(time_s), count(*), count(*) FILTER (WHERE is_v),
            (array_agg(class ORDER BY r_peak_sample DESC))[1]
        FROM numbered GROUP BY stretch HAVING count(*) >= 6
        UNION ALL
        SELECT
            revision, model_version, 'pause', r_peak_sample, r_peak_sample, time_s - rr_previous_s, time_s, 1,
            (class = 'V')::integer, class
        FROM beats WHERE rr_previous_s >= 2
        RETURNING kind, n_beats
    ),
    hours AS (
        INSERT INTO scoring_hours (revision_id, model_version_id, hour, n_n, n_s, n_v, n_f, n_q, mean_rr_s)
        SELECT
            revision, model_version, floor(time_s / 3600)::integer,
            count(*) FILTER (WHERE class = 'N'), count(*) FILTER (WHERE class = 'S'),
            count(*) FILTER (WHERE class = 'V'), count(*) FILTER (WHERE class = 'F'),
            count(*) FILTER (WHERE class = 'Q'), avg(rr_previous_s)
        FROM beats GROUP BY floor(time_s / 3600)
    )
    INSERT INTO scoring_summaries (
        revision_id, model_version_id, n_n, n_s, n_v, n_f, n_q, n_reviewed, n_unsure, n_intervals, mean_rr_s,
        slow_heart_rate_bpm, fast_heart_rate_bpm, longest_rr_s, n_pauses, n_couplets, n_runs, longest_run_beats
    )
    SELECT
        revision, model_version, b.n_n, b.n_s, b.n_v, b.n_f, b.n_q, b.n_reviewed, b.n_unsure, b.n_intervals, b.mean_rr_s,
        b.rates[1], b.rates[2], b.longest_rr_s, b.n_pauses, e.n_couplets, e.n_runs, e.longest_run_beats
    FROM (
        SELECT
            count(*) FILTER (WHERE class = 'N') AS n_n,
            count(*) FILTER (WHERE class = 'S') AS n_s,
            count(*) FILTER (WHERE class = 'V') AS n_v,
            count(*) FILTER (WHERE class = 'F') AS n_f,
            count(*) FILTER (WHERE class = 'Q') AS n_q,
            count(*) FILTER (WHERE is_reviewed) AS n_reviewed,
            count(*) FILTER (WHERE is_unsure AND NOT is_reviewed) AS n_unsure,
            count(*) FILTER (WHERE rr_previous_s > 0) AS n_intervals,
            avg(rr_previous_s) FILTER (WHERE rr_previous_s > 0) AS mean_rr_s,
            percentile_cont(ARRAY[0.01, 0.99]) WITHIN GROUP (ORDER BY 60 / nullif(rr_previous_s, 0)) AS rates,
            max(rr_previous_s) AS longest_rr_s,
            count(*) FILTER (WHERE rr_previous_s >= 3) AS n_pauses
        FROM beats
    ) AS b
    CROSS JOIN (
        SELECT
            count(*) FILTER (WHERE kind = 'couplet') AS n_couplets,
            count(*) FILTER (WHERE kind = 'run') AS n_runs,
            coalesce(max(n_beats) FILTER (WHERE kind = 'run'), 0) AS longest_run_beats
        FROM episodes
    ) AS e;
END
$$;

CREATE OR REPLACE FUNCTION heartwave.finish_scoring(revision integer, model_version integer) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = heartwave, pg_temp
    SET jit = off SET enable_nestloop = off SET work_mem = '64MB'
AS $$
DECLARE
    of_night date;
    other record;
BEGIN
    -- Two versions at work on one revision, or a reviewer: one at a time, so that each sees what the other wrote.
    PERFORM pg_advisory_xact_lock(revision);
    SELECT s.night INTO STRICT of_night FROM scorings AS s
    WHERE s.revision_id = revision AND s.model_version_id = model_version;
    PERFORM summarise_scoring(revision, model_version);

    INSERT INTO scoring_references (revision_id, model_version_id, reference, class, n_beats)
    SELECT revision, model_version, l.reference, l.class, count(*)
    FROM labels AS l
    WHERE l.revision_id = revision AND l.model_version_id = model_version AND l.night = of_night
      AND l.reference IS NOT NULL
    GROUP BY l.reference, l.class
    ON CONFLICT DO NOTHING;

    -- The three before: with every retraining there is one more, and each comparison reads all the beats.
    FOR other IN
        SELECT s.model_version_id, s.night FROM scorings AS s
        WHERE s.revision_id = revision AND s.model_version_id <> model_version AND s.labels_dropped_at IS NULL
        ORDER BY s.committed_at DESC LIMIT 3
    LOOP
        INSERT INTO scoring_agreements (
            revision_id, model_version_id_a, model_version_id_b, n_beats, n_agreeing, n_only_a_right, n_only_b_right
        )
        SELECT
            revision, least(model_version, other.model_version_id), greatest(model_version, other.model_version_id),
            count(*), count(*) FILTER (WHERE a.class = b.class),
            count(*) FILTER (WHERE a.class <> b.class AND a.class = a.reference),
            count(*) FILTER (WHERE a.class <> b.class AND b.class = a.reference)
        FROM labels AS a
        JOIN labels AS b ON b.r_peak_sample = a.r_peak_sample
        WHERE a.revision_id = revision
          AND (a.model_version_id, a.night) = (
              least(model_version, other.model_version_id),
              CASE WHEN model_version < other.model_version_id THEN of_night ELSE other.night END
          )
          AND b.revision_id = revision
          AND (b.model_version_id, b.night) = (
              greatest(model_version, other.model_version_id),
              CASE WHEN model_version < other.model_version_id THEN other.night ELSE of_night END
          )
        ON CONFLICT DO NOTHING;
    END LOOP;
END
$$;

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

CREATE OR REPLACE VIEW heartwave.all_labels AS
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

DROP VIEW heartwave.recording_burden;
CREATE VIEW heartwave.recording_burden AS
SELECT
    c.recording_id,
    c.source,
    v.duration_s,
    s.n_labels AS n_beats,
    m.n_n AS n_normal,
    m.n_s AS n_supraventricular,
    m.n_v AS n_ventricular,
    m.n_f AS n_fusion,
    m.n_q AS n_unknown_or_paced,
    100.0::double precision * m.n_s / nullif(s.n_labels, 0) AS supraventricular_percent,
    100.0::double precision * m.n_v / nullif(s.n_labels, 0) AS ventricular_percent,
    s.in_training_set,
    w.model_name,
    w.version AS model_version,
    s.committed_at AS scored_at,
    s.labels_dropped_at,
    m.n_reviewed,
    m.n_unsure,
    60 / m.mean_rr_s AS heart_rate_bpm,
    m.slow_heart_rate_bpm,
    m.fast_heart_rate_bpm,
    m.longest_rr_s,
    m.n_pauses,
    m.n_couplets,
    m.n_runs,
    m.longest_run_beats,
    m.n_intervals
FROM heartwave.current_scorings AS c
JOIN heartwave.scorings AS s ON s.revision_id = c.revision_id AND s.model_version_id = c.model_version_id
JOIN heartwave.scoring_summaries AS m ON m.revision_id = c.revision_id AND m.model_version_id = c.model_version_id
JOIN heartwave.recording_revisions AS v ON v.revision_id = c.revision_id
JOIN heartwave.model_versions AS w ON w.model_version_id = c.model_version_id;
