-- Who may do what, applied again after every migration: first everything is taken away, then exactly this is given.
-- The role names come from the session settings heartwave.writer and heartwave.reader, and, where people review beats,
-- heartwave.reviewer.
-- Run by the schema's owner, inside the migration's transaction.

DO $$
DECLARE
    writer text := current_setting('heartwave.writer');
    reader text := current_setting('heartwave.reader');
    reviewer text := nullif(current_setting('heartwave.reviewer', true), '');
    found record;
BEGIN
    IF reviewer IS NOT NULL THEN
        EXECUTE format('REVOKE ALL ON DATABASE %I FROM %I', current_database(), reviewer);
        EXECUTE format('REVOKE ALL ON SCHEMA heartwave FROM %I', reviewer);
        EXECUTE format('REVOKE ALL ON TYPE heartwave.beat_class FROM %I', reviewer);
        EXECUTE format('REVOKE ALL ON ALL TABLES IN SCHEMA heartwave FROM %I', reviewer);
        EXECUTE format('REVOKE ALL ON ALL FUNCTIONS IN SCHEMA heartwave FROM %I', reviewer);
    END IF;

    -- The database and its public schema are for nobody by default: no connecting, no temporary tables.
    IF pg_has_role((SELECT datdba FROM pg_database WHERE datname = current_database()), 'USAGE') THEN
        EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC, %I, %I', current_database(), writer, reader);
        EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I, %I', current_database(), writer, reader);
        EXECUTE format('ALTER DATABASE %I SET search_path = heartwave', current_database());
        EXECUTE format('REVOKE ALL ON SCHEMA public FROM PUBLIC, %I, %I', writer, reader);
    END IF;

    EXECUTE format('REVOKE ALL ON SCHEMA heartwave FROM PUBLIC, %I, %I', writer, reader);
    EXECUTE format('REVOKE ALL ON ALL TABLES IN SCHEMA heartwave FROM PUBLIC, %I, %I', writer, reader);
    EXECUTE format('REVOKE ALL ON ALL SEQUENCES IN SCHEMA heartwave FROM PUBLIC, %I, %I', writer, reader);
    EXECUTE format('REVOKE ALL ON ALL FUNCTIONS IN SCHEMA heartwave FROM PUBLIC, %I, %I', writer, reader);

    -- What later migrations create starts out closed too. (Tables and sequences do anyway.)
    ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
    ALTER DEFAULT PRIVILEGES REVOKE USAGE ON TYPES FROM PUBLIC;

    EXECUTE format('GRANT USAGE ON SCHEMA heartwave TO %I, %I', writer, reader);
    EXECUTE format('GRANT USAGE ON TYPE heartwave.beat_class TO %I, %I', writer, reader);

    -- The writer: reads all, adds rows, and changes only what the pipeline changes. It can neither change nor
    -- delete a label or a ledger row.
    EXECUTE format('GRANT SELECT ON ALL TABLES IN SCHEMA heartwave TO %I', writer);
    EXECUTE format('GRANT INSERT ON heartwave.recordings, heartwave.recording_revisions, heartwave.quarantine,
                        heartwave.model_versions, heartwave.model_training_recordings, heartwave.promotions,
                        heartwave.scorings, heartwave.labels, heartwave.source_ingests, heartwave.held_scorings
                        TO %I', writer);
    EXECUTE format('GRANT UPDATE (released_at, released_by) ON heartwave.held_scorings TO %I', writer);
    EXECUTE format('GRANT INSERT ON heartwave.scoring_features, heartwave.model_populations TO %I', writer);
    EXECUTE format('GRANT INSERT, DELETE ON heartwave.drift_figures TO %I', writer);
    EXECUTE format('GRANT INSERT ON heartwave.model_comparisons, heartwave.model_comparison_figures,
                        heartwave.model_decisions, heartwave.tuning_journal TO %I', writer);
    EXECUTE format('GRANT UPDATE (current_revision_id) ON heartwave.recordings TO %I', writer);
    EXECUTE format('GRANT UPDATE (listing_fingerprint, beats_sha256, strip_sha256)
                        ON heartwave.recording_revisions TO %I', writer);
    EXECUTE format('GRANT UPDATE (code, reason, remedy, last_seen_at, resolved_at, n_attempts, kept_prefix, resolution)
                        ON heartwave.quarantine TO %I', writer);
    EXECUTE format('GRANT INSERT, DELETE ON heartwave.model_evaluations, heartwave.model_evaluation_classes,
                        heartwave.model_evaluation_recordings, heartwave.model_evaluation_figures TO %I', writer);
    EXECUTE format('GRANT EXECUTE ON FUNCTION heartwave.ensure_label_partition(date), heartwave.finish_scoring(integer, integer)
                        TO %I', writer);

    -- Partitions are reached through the table alone.
    FOR found IN
        SELECT c.relname FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'heartwave.labels'::regclass
    LOOP
        EXECUTE format('REVOKE ALL ON heartwave.%I FROM %I', found.relname, writer);
    END LOOP;

    -- The reader: the views, with the function behind one of them, and nothing else.
    EXECUTE format('GRANT EXECUTE ON FUNCTION heartwave.least_confident_beats(integer) TO %I', reader);
    FOR found IN
        SELECT relname FROM pg_class WHERE relnamespace = 'heartwave'::regnamespace AND relkind = 'v'
    LOOP
        EXECUTE format('GRANT SELECT ON heartwave.%I TO %I', found.relname, reader);
    END LOOP;

    -- The reviewer: what the reader sees, and one function that notes what a person says a beat is.
    IF reviewer IS NOT NULL THEN
        IF pg_has_role((SELECT datdba FROM pg_database WHERE datname = current_database()), 'USAGE') THEN
            EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), reviewer);
        END IF;
        EXECUTE format('GRANT USAGE ON SCHEMA heartwave TO %I', reviewer);
        EXECUTE format('GRANT USAGE ON TYPE heartwave.beat_class TO %I', reviewer);
        FOR found IN
            SELECT relname FROM pg_class WHERE relnamespace = 'heartwave'::regnamespace AND relkind = 'v'
        LOOP
            EXECUTE format('GRANT SELECT ON heartwave.%I TO %I', found.relname, reviewer);
        END LOOP;
        EXECUTE format('GRANT EXECUTE ON FUNCTION heartwave.least_confident_beats(integer) TO %I', reviewer);
        EXECUTE format('GRANT EXECUTE ON FUNCTION
                            heartwave.review_beat(text, integer, heartwave.beat_class, text) TO %I', reviewer);
    END IF;
END
$$;
