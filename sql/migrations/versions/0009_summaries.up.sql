-- What whole-estate questions read: per scoring, hour and episode, derived from the labels in the transaction that
-- writes them, and anew in the transaction of every review. Labels are millions of rows a night, these are thousands.
-- Also here: scorings that are held back from publication until somebody has looked at them.

-- Held scorings --------------------------------------------------------------------------------------------------

CREATE TABLE heartwave.held_scorings (
    held_id          integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    revision_id      integer NOT NULL,
    model_version_id integer NOT NULL,
    reasons          text[] NOT NULL CHECK (cardinality(reasons) > 0),
    held_at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    released_at      timestamptz,
    released_by      text CHECK (length(released_by) BETWEEN 1 AND 200),
    UNIQUE (revision_id, model_version_id),
    FOREIGN KEY (revision_id, model_version_id) REFERENCES heartwave.scorings ON DELETE CASCADE,
    CHECK ((released_at IS NULL) = (released_by IS NULL))
);
COMMENT ON TABLE heartwave.held_scorings IS 'Scorings whose labels look implausible: they are written like all others and in the ledger, but current_labels does not show them until somebody releases them.';
COMMENT ON COLUMN heartwave.held_scorings.held_id IS 'Number to name it by: heartwave held release 7.';
COMMENT ON COLUMN heartwave.held_scorings.revision_id IS 'The recording revision.';
COMMENT ON COLUMN heartwave.held_scorings.model_version_id IS 'The model version that labelled it.';
COMMENT ON COLUMN heartwave.held_scorings.reasons IS 'Why it is held: sentences with the figure found and the figure allowed.';
COMMENT ON COLUMN heartwave.held_scorings.held_at IS 'When: in the transaction of its labels.';
COMMENT ON COLUMN heartwave.held_scorings.released_at IS 'When somebody found the labels plausible after all; null while it is held.';
COMMENT ON COLUMN heartwave.held_scorings.released_by IS 'Who released it; null while it is held.';

-- Summaries ------------------------------------------------------------------------------------------------------

CREATE TABLE heartwave.scoring_summaries (
    revision_id          integer NOT NULL,
    model_version_id     integer NOT NULL,
    n_n                  integer NOT NULL,
    n_s                  integer NOT NULL,
    n_v                  integer NOT NULL,
    n_f                  integer NOT NULL,
    n_q                  integer NOT NULL,
    n_reviewed           integer NOT NULL,
    n_unsure             integer NOT NULL,
    n_intervals          integer,
    mean_rr_s            double precision,
    slow_heart_rate_bpm  double precision,
    fast_heart_rate_bpm  double precision,
    longest_rr_s         real,
    n_pauses             integer NOT NULL,
    n_couplets           integer NOT NULL,
    n_runs               integer NOT NULL,
    longest_run_beats    integer NOT NULL,
    PRIMARY KEY (revision_id, model_version_id),
    FOREIGN KEY (revision_id, model_version_id) REFERENCES heartwave.scorings ON DELETE CASCADE
);
COMMENT ON TABLE heartwave.scoring_summaries IS 'One row per scoring: its labels in figures, reviews included. Written with the labels, and anew with every review; outlives the retention of labels.';
COMMENT ON COLUMN heartwave.scoring_summaries.revision_id IS 'The recording revision.';
COMMENT ON COLUMN heartwave.scoring_summaries.model_version_id IS 'The model version that labelled it.';
COMMENT ON COLUMN heartwave.scoring_summaries.n_n IS 'Beats that are N, by review where there is one, else by the model.';
COMMENT ON COLUMN heartwave.scoring_summaries.n_s IS 'Beats that are S.';
COMMENT ON COLUMN heartwave.scoring_summaries.n_v IS 'Beats that are V.';
COMMENT ON COLUMN heartwave.scoring_summaries.n_f IS 'Beats that are F.';
COMMENT ON COLUMN heartwave.scoring_summaries.n_q IS 'Beats that are Q.';
COMMENT ON COLUMN heartwave.scoring_summaries.n_reviewed IS 'Beats that a person has reviewed.';
COMMENT ON COLUMN heartwave.scoring_summaries.n_unsure IS 'Beats of which the model was less than 60 % sure and that nobody has reviewed: its share of the review queue.';
COMMENT ON COLUMN heartwave.scoring_summaries.n_intervals IS 'RR intervals longer than 0 s; null where retention had dropped the labels before there were summaries.';
COMMENT ON COLUMN heartwave.scoring_summaries.mean_rr_s IS 'Their mean in seconds.';
COMMENT ON COLUMN heartwave.scoring_summaries.slow_heart_rate_bpm IS '1st percentile of the instantaneous heart rate, in beats per minute.';
COMMENT ON COLUMN heartwave.scoring_summaries.fast_heart_rate_bpm IS '99th percentile of the instantaneous heart rate, in beats per minute.';
COMMENT ON COLUMN heartwave.scoring_summaries.longest_rr_s IS 'The longest RR interval in seconds.';
COMMENT ON COLUMN heartwave.scoring_summaries.n_pauses IS 'RR intervals of 3 s and longer.';
COMMENT ON COLUMN heartwave.scoring_summaries.n_couplets IS 'Couplets of ventricular beats.';
COMMENT ON COLUMN heartwave.scoring_summaries.n_runs IS 'Runs of three and more ventricular beats.';
COMMENT ON COLUMN heartwave.scoring_summaries.longest_run_beats IS 'Beats of the longest of them; 0 without any.';

CREATE TABLE heartwave.scoring_hours (
    revision_id      integer NOT NULL,
    model_version_id integer NOT NULL,
    hour             integer NOT NULL,
    n_n              integer NOT NULL,
    n_s              integer NOT NULL,
    n_v              integer NOT NULL,
    n_f              integer NOT NULL,
    n_q              integer NOT NULL,
    mean_rr_s        double precision,
    PRIMARY KEY (revision_id, model_version_id, hour),
    FOREIGN KEY (revision_id, model_version_id) REFERENCES heartwave.scorings ON DELETE CASCADE
);
COMMENT ON TABLE heartwave.scoring_hours IS 'One row per scoring and hour of the recording: beats of each class, reviews included, and the mean RR interval.';
COMMENT ON COLUMN heartwave.scoring_hours.revision_id IS 'The recording revision.';
COMMENT ON COLUMN heartwave.scoring_hours.model_version_id IS 'The model version that labelled it.';
COMMENT ON COLUMN heartwave.scoring_hours.hour IS 'Hour of the recording, counted from 0.';
COMMENT ON COLUMN heartwave.scoring_hours.n_n IS 'Beats that are N.';
COMMENT ON COLUMN heartwave.scoring_hours.n_s IS 'Beats that are S.';
COMMENT ON COLUMN heartwave.scoring_hours.n_v IS 'Beats that are V.';
COMMENT ON COLUMN heartwave.scoring_hours.n_f IS 'Beats that are F.';
COMMENT ON COLUMN heartwave.scoring_hours.n_q IS 'Beats that are Q.';
COMMENT ON COLUMN heartwave.scoring_hours.mean_rr_s IS 'Mean RR interval in seconds; null without any.';

CREATE TABLE heartwave.scoring_episodes (
    revision_id      integer NOT NULL,
    model_version_id integer NOT NULL,
    kind             text NOT NULL CHECK (kind IN ('couplet', 'run', 'bigeminy', 'pause')),
    first_sample     integer NOT NULL,
    last_sample      integer NOT NULL,
    start_s          double precision NOT NULL,
    end_s            double precision NOT NULL,
    n_beats          integer NOT NULL CHECK (n_beats >= 1),
    n_ventricular    integer NOT NULL,
    last_class       heartwave.beat_class NOT NULL,
    PRIMARY KEY (revision_id, model_version_id, kind, first_sample),
    FOREIGN KEY (revision_id, model_version_id) REFERENCES heartwave.scorings ON DELETE CASCADE
);
COMMENT ON TABLE heartwave.scoring_episodes IS 'One row per couplet, run, stretch of bigeminy and pause in a scoring''s labels, reviews included.';
COMMENT ON COLUMN heartwave.scoring_episodes.revision_id IS 'The recording revision.';
COMMENT ON COLUMN heartwave.scoring_episodes.model_version_id IS 'The model version that labelled it.';
COMMENT ON COLUMN heartwave.scoring_episodes.kind IS 'couplet: two ventricular beats in a row; run: three and more; bigeminy: at least three pairs in which ventricular and other beats take turns; pause: an RR interval of 2 s and longer.';
COMMENT ON COLUMN heartwave.scoring_episodes.first_sample IS 'R peak of its first beat, at the recording''s own rate; of a pause, the beat that ends it.';
COMMENT ON COLUMN heartwave.scoring_episodes.last_sample IS 'R peak of its last beat.';
COMMENT ON COLUMN heartwave.scoring_episodes.start_s IS 'Where it starts, in seconds from the start of the recording.';
COMMENT ON COLUMN heartwave.scoring_episodes.end_s IS 'Where it ends.';
COMMENT ON COLUMN heartwave.scoring_episodes.n_beats IS 'Beats from start to end, the first and the last included; of a pause 1, the beat that ends it.';
COMMENT ON COLUMN heartwave.scoring_episodes.n_ventricular IS 'Of those, ventricular ones.';
COMMENT ON COLUMN heartwave.scoring_episodes.last_class IS 'Class of the last beat.';
-- The longest first, of any number of recordings.
CREATE INDEX scoring_episodes_beats_idx ON heartwave.scoring_episodes (kind, n_beats DESC) WHERE kind <> 'pause';
CREATE INDEX scoring_episodes_pause_idx ON heartwave.scoring_episodes ((end_s - start_s) DESC) WHERE kind = 'pause';

CREATE TABLE heartwave.scoring_references (
    revision_id      integer NOT NULL,
    model_version_id integer NOT NULL,
    reference        heartwave.beat_class NOT NULL,
    class            heartwave.beat_class NOT NULL,
    n_beats          integer NOT NULL CHECK (n_beats > 0),
    PRIMARY KEY (revision_id, model_version_id, reference, class),
    FOREIGN KEY (revision_id, model_version_id) REFERENCES heartwave.scorings ON DELETE CASCADE
);
COMMENT ON TABLE heartwave.scoring_references IS 'The confusion matrix of every scoring of an annotated recording. It judges the model: reviews do not count here.';
COMMENT ON COLUMN heartwave.scoring_references.revision_id IS 'The recording revision.';
COMMENT ON COLUMN heartwave.scoring_references.model_version_id IS 'The model version that labelled it.';
COMMENT ON COLUMN heartwave.scoring_references.reference IS 'The reference class.';
COMMENT ON COLUMN heartwave.scoring_references.class IS 'The model''s label.';
COMMENT ON COLUMN heartwave.scoring_references.n_beats IS 'Beats.';

CREATE TABLE heartwave.scoring_agreements (
    revision_id        integer NOT NULL,
    model_version_id_a integer NOT NULL,
    model_version_id_b integer NOT NULL,
    n_beats            integer NOT NULL,
    n_agreeing         integer NOT NULL,
    n_only_a_right     integer NOT NULL,
    n_only_b_right     integer NOT NULL,
    PRIMARY KEY (revision_id, model_version_id_a, model_version_id_b),
    FOREIGN KEY (revision_id, model_version_id_a) REFERENCES heartwave.scorings ON DELETE CASCADE,
    FOREIGN KEY (revision_id, model_version_id_b) REFERENCES heartwave.scorings ON DELETE CASCADE,
    CHECK (model_version_id_a < model_version_id_b)
);
COMMENT ON TABLE heartwave.scoring_agreements IS 'How far two model versions agree on a recording revision, beat by beat. It compares the models: reviews do not count here.';
COMMENT ON COLUMN heartwave.scoring_agreements.revision_id IS 'The recording revision both labelled.';
COMMENT ON COLUMN heartwave.scoring_agreements.model_version_id_a IS 'The version registered first.';
COMMENT ON COLUMN heartwave.scoring_agreements.model_version_id_b IS 'The version registered later.';
COMMENT ON COLUMN heartwave.scoring_agreements.n_beats IS 'Beats both labelled.';
COMMENT ON COLUMN heartwave.scoring_agreements.n_agreeing IS 'Of those, given the same class.';
COMMENT ON COLUMN heartwave.scoring_agreements.n_only_a_right IS 'Of those, where only the first agrees with the reference.';
COMMENT ON COLUMN heartwave.scoring_agreements.n_only_b_right IS 'Of those, where only the second agrees with the reference.';
CREATE INDEX scoring_agreements_b_idx ON heartwave.scoring_agreements (revision_id, model_version_id_b);

-- jit: compiling costs more than a recording's labels take. nestloop: labels that were written a moment ago have no
-- statistics yet, and a recording may have 300 000. work_mem: so that those stay in memory.
CREATE FUNCTION heartwave.summarise_scoring(revision integer, model_version integer) RETURNS void
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
COMMENT ON FUNCTION heartwave.summarise_scoring(integer, integer) IS
    'Derives a scoring''s summary, hours and episodes from its labels and the reviews that count, in place of earlier ones. Doing it again changes nothing.';

CREATE FUNCTION heartwave.finish_scoring(revision integer, model_version integer) RETURNS void
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
COMMENT ON FUNCTION heartwave.finish_scoring(integer, integer) IS
    'Derives all that is derived from a scoring''s labels: its summary, its confusion matrix where there is a reference, and its agreement with the three versions that labelled the revision before. The writer calls it in the transaction of the labels.';

REVOKE ALL ON FUNCTION heartwave.summarise_scoring(integer, integer), heartwave.finish_scoring(integer, integer) FROM PUBLIC;

CREATE OR REPLACE FUNCTION heartwave.review_beat(recording text, sample integer, said heartwave.beat_class, person text) RETURNS bigint
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
    -- Two people at one recording: the second waits, and then replaces what the first said of the same beat.
    PERFORM pg_advisory_xact_lock(beat.revision_id);
    UPDATE beat_reviews SET withdrawn_at = clock_timestamp(), withdrawn_by = person
    WHERE revision_id = beat.revision_id AND r_peak_sample = sample AND withdrawn_at IS NULL;
    IF said IS NOT NULL THEN
        INSERT INTO beat_reviews (revision_id, r_peak_sample, class, model_version_id, model_class, model_confidence, reviewed_by)
        VALUES (beat.revision_id, sample, said, beat.model_version_id, beat.class, beat.confidence, person)
        RETURNING review_id INTO made;
    END IF;
    -- A review counts for every version's labels of the beat.
    PERFORM summarise_scoring(s.revision_id, s.model_version_id) FROM scorings AS s WHERE s.revision_id = beat.revision_id;
    RETURN made;
END
$$;

-- Views ----------------------------------------------------------------------------------------------------------

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
COMMENT ON VIEW heartwave.current_scorings IS 'Which scoring speaks for each recording: its current revision, labelled by the model that was promoted last among the champions that have labelled it and are not held.';

CREATE OR REPLACE VIEW heartwave.recording_burden AS
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
COMMENT ON VIEW heartwave.recording_burden IS 'One row per labelled recording: how many beats of each class, reviews included, and its rhythm in figures. Read from summaries, so it is instant at any size and outlives the retention of labels.';
COMMENT ON COLUMN heartwave.recording_burden.n_normal IS 'Beats that are N: by review where there is one, else by the model.';
COMMENT ON COLUMN heartwave.recording_burden.n_supraventricular IS 'Beats that are S.';
COMMENT ON COLUMN heartwave.recording_burden.n_ventricular IS 'Beats that are V.';
COMMENT ON COLUMN heartwave.recording_burden.n_fusion IS 'Beats that are F.';
COMMENT ON COLUMN heartwave.recording_burden.n_unknown_or_paced IS 'Beats that are Q.';
COMMENT ON COLUMN heartwave.recording_burden.supraventricular_percent IS 'Supraventricular burden: S in percent of all beats.';
COMMENT ON COLUMN heartwave.recording_burden.ventricular_percent IS 'Ventricular burden: V in percent of all beats.';
COMMENT ON COLUMN heartwave.recording_burden.n_reviewed IS 'Beats that a person has reviewed.';
COMMENT ON COLUMN heartwave.recording_burden.n_unsure IS 'Beats of which the model was less than 60 % sure and that nobody has reviewed.';
COMMENT ON COLUMN heartwave.recording_burden.heart_rate_bpm IS 'Mean heart rate: 60 / mean RR interval, in beats per minute.';
COMMENT ON COLUMN heartwave.recording_burden.slow_heart_rate_bpm IS '1st percentile of the instantaneous heart rate, so that one missed R peak does not make it.';
COMMENT ON COLUMN heartwave.recording_burden.fast_heart_rate_bpm IS '99th percentile of the instantaneous heart rate, so that one doubled R peak does not make it.';
COMMENT ON COLUMN heartwave.recording_burden.longest_rr_s IS 'The longest RR interval in seconds.';
COMMENT ON COLUMN heartwave.recording_burden.n_pauses IS 'RR intervals of 3 s and longer.';
COMMENT ON COLUMN heartwave.recording_burden.n_couplets IS 'Couplets of ventricular beats.';
COMMENT ON COLUMN heartwave.recording_burden.n_runs IS 'Runs of three and more ventricular beats.';
COMMENT ON COLUMN heartwave.recording_burden.longest_run_beats IS 'Beats of the longest of them; 0 without any.';
COMMENT ON COLUMN heartwave.recording_burden.n_intervals IS 'RR intervals the heart rates are taken from.';

DROP VIEW heartwave.recording_hourly_burden;
CREATE VIEW heartwave.recording_hourly_burden AS
SELECT
    c.recording_id,
    c.source,
    h.hour,
    h.n_n + h.n_s + h.n_v + h.n_f + h.n_q AS n_beats,
    h.n_n AS n_normal,
    h.n_s AS n_supraventricular,
    h.n_v AS n_ventricular,
    h.n_f AS n_fusion,
    h.n_q AS n_unknown_or_paced,
    100.0::double precision * h.n_s / nullif(h.n_n + h.n_s + h.n_v + h.n_f + h.n_q, 0) AS supraventricular_percent,
    100.0::double precision * h.n_v / nullif(h.n_n + h.n_s + h.n_v + h.n_f + h.n_q, 0) AS ventricular_percent,
    60 / nullif(h.mean_rr_s, 0) AS heart_rate_bpm
FROM heartwave.current_scorings AS c
JOIN heartwave.scoring_hours AS h ON h.revision_id = c.revision_id AND h.model_version_id = c.model_version_id;
COMMENT ON VIEW heartwave.recording_hourly_burden IS 'One row per recording and hour of the recording: how many beats of each class, reviews included, and the heart rate. Read from summaries.';
COMMENT ON COLUMN heartwave.recording_hourly_burden.recording_id IS 'The recording.';
COMMENT ON COLUMN heartwave.recording_hourly_burden.source IS 'Where the recording comes from.';
COMMENT ON COLUMN heartwave.recording_hourly_burden.hour IS 'Hour of the recording, counted from 0.';
COMMENT ON COLUMN heartwave.recording_hourly_burden.n_beats IS 'Labelled beats.';
COMMENT ON COLUMN heartwave.recording_hourly_burden.n_normal IS 'Beats that are N.';
COMMENT ON COLUMN heartwave.recording_hourly_burden.n_supraventricular IS 'Beats that are S.';
COMMENT ON COLUMN heartwave.recording_hourly_burden.n_ventricular IS 'Beats that are V.';
COMMENT ON COLUMN heartwave.recording_hourly_burden.n_fusion IS 'Beats that are F.';
COMMENT ON COLUMN heartwave.recording_hourly_burden.n_unknown_or_paced IS 'Beats that are Q.';
COMMENT ON COLUMN heartwave.recording_hourly_burden.supraventricular_percent IS 'Supraventricular burden: S in percent of all beats.';
COMMENT ON COLUMN heartwave.recording_hourly_burden.ventricular_percent IS 'Ventricular burden: V in percent of all beats.';
COMMENT ON COLUMN heartwave.recording_hourly_burden.heart_rate_bpm IS 'Mean heart rate: 60 / mean RR interval, in beats per minute.';

CREATE VIEW heartwave.recording_episodes AS
SELECT
    c.recording_id,
    c.source,
    e.kind,
    e.start_s,
    e.end_s,
    e.end_s - e.start_s AS length_s,
    e.n_beats,
    e.n_ventricular,
    CASE WHEN e.kind <> 'pause' THEN 60 * (e.n_beats - 1) / nullif(e.end_s - e.start_s, 0) END AS rate_bpm,
    e.last_class,
    e.first_sample,
    e.last_sample,
    c.revision_id
FROM heartwave.current_scorings AS c
JOIN heartwave.scoring_episodes AS e ON e.revision_id = c.revision_id AND e.model_version_id = c.model_version_id;
COMMENT ON VIEW heartwave.recording_episodes IS 'One row per couplet, run of ventricular beats, stretch of bigeminy and pause in current_labels.';
COMMENT ON COLUMN heartwave.recording_episodes.recording_id IS 'The recording.';
COMMENT ON COLUMN heartwave.recording_episodes.source IS 'Where the recording comes from.';
COMMENT ON COLUMN heartwave.recording_episodes.kind IS 'couplet: two ventricular beats in a row; run: three and more; bigeminy: at least three pairs in which ventricular and other beats take turns; pause: an RR interval of 2 s and longer.';
COMMENT ON COLUMN heartwave.recording_episodes.start_s IS 'Where it starts, in seconds from the start of the recording.';
COMMENT ON COLUMN heartwave.recording_episodes.end_s IS 'Where it ends.';
COMMENT ON COLUMN heartwave.recording_episodes.length_s IS 'How long it lasts, in seconds: from its first R peak to its last.';
COMMENT ON COLUMN heartwave.recording_episodes.n_beats IS 'Its beats; of a pause 1, the beat that ends it.';
COMMENT ON COLUMN heartwave.recording_episodes.n_ventricular IS 'Of those, ventricular ones.';
COMMENT ON COLUMN heartwave.recording_episodes.rate_bpm IS 'Heart rate within it, in beats per minute; null for a pause. A run at 100 and more is ventricular tachycardia.';
COMMENT ON COLUMN heartwave.recording_episodes.last_class IS 'Class of its last beat; of a pause, the beat that ends it.';
COMMENT ON COLUMN heartwave.recording_episodes.first_sample IS 'R peak of its first beat, at the recording''s own rate; of a pause, the beat that ends it.';
COMMENT ON COLUMN heartwave.recording_episodes.last_sample IS 'R peak of its last beat.';
COMMENT ON COLUMN heartwave.recording_episodes.revision_id IS 'The recording revision.';

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

CREATE VIEW heartwave.reference_agreement AS
SELECT
    v.recording_id,
    r.source,
    m.model_name,
    m.version AS model_version,
    a.reference,
    a.class,
    a.n_beats,
    s.in_training_set,
    c.revision_id IS NOT NULL AS is_current
FROM heartwave.scoring_references AS a
JOIN heartwave.scorings AS s ON s.revision_id = a.revision_id AND s.model_version_id = a.model_version_id
JOIN heartwave.recording_revisions AS v ON v.revision_id = a.revision_id
JOIN heartwave.recordings AS r ON r.recording_id = v.recording_id
JOIN heartwave.model_versions AS m ON m.model_version_id = a.model_version_id
LEFT JOIN heartwave.current_scorings AS c
    ON c.revision_id = a.revision_id AND c.model_version_id = a.model_version_id;
COMMENT ON VIEW heartwave.reference_agreement IS 'One row per annotated recording, model version, reference class and label: how many beats. The model is judged here, so reviews do not count.';
COMMENT ON COLUMN heartwave.reference_agreement.recording_id IS 'The recording.';
COMMENT ON COLUMN heartwave.reference_agreement.source IS 'Where the recording comes from.';
COMMENT ON COLUMN heartwave.reference_agreement.model_name IS 'Name of the model.';
COMMENT ON COLUMN heartwave.reference_agreement.model_version IS 'Version of the model.';
COMMENT ON COLUMN heartwave.reference_agreement.reference IS 'The reference class.';
COMMENT ON COLUMN heartwave.reference_agreement.class IS 'The model''s label.';
COMMENT ON COLUMN heartwave.reference_agreement.n_beats IS 'Beats.';
COMMENT ON COLUMN heartwave.reference_agreement.in_training_set IS 'Whether the model was trained on this recording: agreement is then no test of it.';
COMMENT ON COLUMN heartwave.reference_agreement.is_current IS 'Whether current_labels shows these labels.';

CREATE VIEW heartwave.model_agreement AS
SELECT
    v.recording_id,
    r.source,
    a.model_name AS model_name_a,
    a.version AS model_version_a,
    b.model_name AS model_name_b,
    b.version AS model_version_b,
    g.n_beats,
    g.n_agreeing,
    g.n_only_a_right,
    g.n_only_b_right,
    coalesce(v.revision_id = r.current_revision_id, false) AS is_current_revision,
    g.revision_id
FROM heartwave.scoring_agreements AS g
JOIN heartwave.recording_revisions AS v ON v.revision_id = g.revision_id
JOIN heartwave.recordings AS r ON r.recording_id = v.recording_id
JOIN heartwave.model_versions AS a ON a.model_version_id = g.model_version_id_a
JOIN heartwave.model_versions AS b ON b.model_version_id = g.model_version_id_b;
COMMENT ON VIEW heartwave.model_agreement IS 'One row per recording and pair of model versions that labelled it: on how many beats they agree. Each version is compared with the three that labelled the recording before it; reviews do not count.';
COMMENT ON COLUMN heartwave.model_agreement.recording_id IS 'The recording.';
COMMENT ON COLUMN heartwave.model_agreement.source IS 'Where the recording comes from.';
COMMENT ON COLUMN heartwave.model_agreement.model_name_a IS 'Name of the model registered first.';
COMMENT ON COLUMN heartwave.model_agreement.model_version_a IS 'Its version.';
COMMENT ON COLUMN heartwave.model_agreement.model_name_b IS 'Name of the model registered later.';
COMMENT ON COLUMN heartwave.model_agreement.model_version_b IS 'Its version.';
COMMENT ON COLUMN heartwave.model_agreement.n_beats IS 'Beats both labelled.';
COMMENT ON COLUMN heartwave.model_agreement.n_agreeing IS 'Of those, given the same class.';
COMMENT ON COLUMN heartwave.model_agreement.n_only_a_right IS 'Of those, where only the first agrees with the reference.';
COMMENT ON COLUMN heartwave.model_agreement.n_only_b_right IS 'Of those, where only the second agrees with the reference.';
COMMENT ON COLUMN heartwave.model_agreement.is_current_revision IS 'Whether it is about the recording''s current revision.';
COMMENT ON COLUMN heartwave.model_agreement.revision_id IS 'The recording revision.';

CREATE VIEW heartwave.class_drift AS
SELECT
    n.night,
    m.model_name,
    m.version AS model_version,
    n.class,
    n.n_beats,
    n.n_beats::double precision / nullif(sum(n.n_beats) OVER of_night, 0) AS share,
    n.n_beats::double precision / nullif(sum(n.n_beats) OVER of_night, 0)
        - avg(n.n_beats::double precision / nullif(n.n_night, 0)) OVER before AS change
FROM (
    SELECT s.night, s.model_version_id, k.class, sum(k.n)::bigint AS n_beats, sum(s.n_labels)::bigint AS n_night
    FROM heartwave.scorings AS s
    CROSS JOIN LATERAL (
        VALUES ('N'::heartwave.beat_class, s.n_n), ('S', s.n_s), ('V', s.n_v), ('F', s.n_f), ('Q', s.n_q)
    ) AS k (class, n)
    GROUP BY s.night, s.model_version_id, k.class
) AS n
JOIN heartwave.model_versions AS m ON m.model_version_id = n.model_version_id
WINDOW
    of_night AS (PARTITION BY n.night, n.model_version_id),
    before AS (
        PARTITION BY n.model_version_id, n.class ORDER BY n.night
        RANGE BETWEEN interval '30 days' PRECEDING AND interval '1 day' PRECEDING
    );
COMMENT ON VIEW heartwave.class_drift IS 'One row per night, model version and class: the class''s share of the night''s labels, and how far that is from the 30 days before. Labels as the model gave them, held ones included.';
COMMENT ON COLUMN heartwave.class_drift.night IS 'The night.';
COMMENT ON COLUMN heartwave.class_drift.model_name IS 'Name of the model.';
COMMENT ON COLUMN heartwave.class_drift.model_version IS 'Version of the model.';
COMMENT ON COLUMN heartwave.class_drift.class IS 'The class.';
COMMENT ON COLUMN heartwave.class_drift.n_beats IS 'Beats labelled so.';
COMMENT ON COLUMN heartwave.class_drift.share IS 'Their share of the night''s labels, from 0 to 1.';
COMMENT ON COLUMN heartwave.class_drift.change IS 'The share less the mean share of the nights of the 30 days before, same model version; null where there were none.';

CREATE OR REPLACE VIEW heartwave.scoring_ledger AS
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
    s.revision_id,
    h.held_id IS NOT NULL AS is_held
FROM heartwave.scorings AS s
JOIN heartwave.recording_revisions AS v ON v.revision_id = s.revision_id
JOIN heartwave.recordings AS r ON r.recording_id = v.recording_id
JOIN heartwave.model_versions AS m ON m.model_version_id = s.model_version_id
LEFT JOIN heartwave.current_scorings AS c
    ON c.revision_id = s.revision_id AND c.model_version_id = s.model_version_id
LEFT JOIN heartwave.held_scorings AS h
    ON h.revision_id = s.revision_id AND h.model_version_id = s.model_version_id AND h.released_at IS NULL;
COMMENT ON COLUMN heartwave.scoring_ledger.is_held IS 'Whether the labels wait for somebody to release them: see current_held.';

CREATE VIEW heartwave.current_held AS
SELECT
    h.held_id,
    v.recording_id,
    r.source,
    m.model_name,
    m.version AS model_version,
    h.reasons,
    h.held_at,
    s.night,
    s.n_labels,
    coalesce(v.revision_id = r.current_revision_id, false) AS is_current_revision
FROM heartwave.held_scorings AS h
JOIN heartwave.scorings AS s ON s.revision_id = h.revision_id AND s.model_version_id = h.model_version_id
JOIN heartwave.recording_revisions AS v ON v.revision_id = h.revision_id
JOIN heartwave.recordings AS r ON r.recording_id = v.recording_id
JOIN heartwave.model_versions AS m ON m.model_version_id = h.model_version_id
WHERE h.released_at IS NULL;
COMMENT ON VIEW heartwave.current_held IS 'Labels that look implausible and wait for somebody: what is odd about them. all_labels shows them; current_labels does when they are released.';
COMMENT ON COLUMN heartwave.current_held.held_id IS 'Number to name it by: heartwave held release 7.';
COMMENT ON COLUMN heartwave.current_held.recording_id IS 'The recording.';
COMMENT ON COLUMN heartwave.current_held.source IS 'Where the recording comes from.';
COMMENT ON COLUMN heartwave.current_held.model_name IS 'Name of the model.';
COMMENT ON COLUMN heartwave.current_held.model_version IS 'Version of the model.';
COMMENT ON COLUMN heartwave.current_held.reasons IS 'What is odd: sentences with the figure found and the figure allowed.';
COMMENT ON COLUMN heartwave.current_held.held_at IS 'Since when it is held.';
COMMENT ON COLUMN heartwave.current_held.night IS 'The night of the scoring.';
COMMENT ON COLUMN heartwave.current_held.n_labels IS 'Labels that wait.';
COMMENT ON COLUMN heartwave.current_held.is_current_revision IS 'Whether it is about the recording''s current revision.';

-- What is there already ------------------------------------------------------------------------------------------

-- Labels that retention has dropped leave what the ledger knows.
INSERT INTO heartwave.scoring_summaries (
    revision_id, model_version_id, n_n, n_s, n_v, n_f, n_q, n_reviewed, n_unsure, n_pauses, n_couplets, n_runs,
    longest_run_beats
)
SELECT revision_id, model_version_id, n_n, n_s, n_v, n_f, n_q, 0, 0, 0, 0, 0, 0
FROM heartwave.scorings WHERE labels_dropped_at IS NOT NULL;

DO $$
DECLARE
    made record;
BEGIN
    FOR made IN
        SELECT revision_id, model_version_id FROM heartwave.scorings WHERE labels_dropped_at IS NULL ORDER BY committed_at
    LOOP
        PERFORM heartwave.finish_scoring(made.revision_id, made.model_version_id);
    END LOOP;
END
$$;
