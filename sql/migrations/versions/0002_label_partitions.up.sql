-- Label partitions come and go by themselves: the writer asks for the month it needs, retention drops old months.

CREATE FUNCTION heartwave.ensure_label_partition(night date) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    first_day date := date_trunc('month', night)::date;
    next_month date := (first_day + interval '1 month')::date;
    partition_name text := 'labels_' || to_char(first_day, 'YYYY_MM');
BEGIN
    -- The writer may call this, so it must not be able to fill the schema with nonsense.
    IF night IS NULL OR night < date '2000-01-01' OR night > current_date + 366 THEN
        RAISE EXCEPTION 'no label partition for night %: expected a date from 2000-01-01 to one year from today', night
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF to_regclass(format('heartwave.%I', partition_name)) IS NOT NULL THEN
        RETURN partition_name;
    END IF;
    -- One creator at a time; whoever waited here finds the work done. (An advisory lock would not do: only a lock
    -- on a table makes a session forget that it has just looked the name up in vain.) Readers and writers of labels
    -- go on meanwhile.
    LOCK TABLE heartwave.labels IN SHARE UPDATE EXCLUSIVE MODE;
    IF to_regclass(format('heartwave.%I', partition_name)) IS NOT NULL THEN
        RETURN partition_name;
    END IF;
    -- CREATE ... PARTITION OF would lock out readers and writers of the whole table; ATTACH does not.
    EXECUTE format('CREATE TABLE heartwave.%I (LIKE heartwave.labels INCLUDING ALL)', partition_name);
    EXECUTE format('ALTER TABLE heartwave.labels ATTACH PARTITION heartwave.%I FOR VALUES FROM (%L) TO (%L)',
                   partition_name, first_day, next_month);
    EXECUTE format('COMMENT ON TABLE heartwave.%I IS %L',
                   partition_name, 'Labels of the nights of ' || to_char(first_day, 'YYYY-MM') || '.');
    RETURN partition_name;
END
$$;
COMMENT ON FUNCTION heartwave.ensure_label_partition(date) IS
    'Creates the partition of labels that holds a night, unless it is there; returns its name. Safe to call at once from many sessions.';

-- Not SECURITY DEFINER and never granted: only the schema's owner can throw labels away.
CREATE FUNCTION heartwave.drop_label_partitions_before(month date) RETURNS text[]
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '10s'  -- while a DROP waits for a long query, everybody else waits behind the DROP
AS $$
DECLARE
    limit_day date := date_trunc('month', month)::date;
    partition_name text;
    dropped text[] := '{}';
BEGIN
    IF month IS NULL OR limit_day > date_trunc('month', current_date) THEN
        RAISE EXCEPTION 'labels before % are not old: give a month that is not in the future', month
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    LOCK TABLE heartwave.labels IN SHARE UPDATE EXCLUSIVE MODE;
    FOR partition_name IN
        SELECT c.relname
        FROM pg_inherits AS i
        JOIN pg_class AS c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'heartwave.labels'::regclass
          AND c.relname ~ '^labels_\d{4}_\d{2}$'
          AND to_date(right(c.relname, 7), 'YYYY_MM') < limit_day
        ORDER BY c.relname
    LOOP
        EXECUTE format('DROP TABLE heartwave.%I', partition_name);
        dropped := dropped || partition_name;
    END LOOP;
    -- The ledger keeps its rows and counts: these beats were labelled, and must not be labelled again every night.
    UPDATE heartwave.scorings
    SET labels_dropped_at = clock_timestamp()
    WHERE night < limit_day AND labels_dropped_at IS NULL;
    RETURN dropped;
END
$$;
COMMENT ON FUNCTION heartwave.drop_label_partitions_before(date) IS
    'Drops the labels of all nights before a month and marks them as dropped in the ledger; returns the names of the dropped partitions.';

REVOKE ALL ON FUNCTION heartwave.ensure_label_partition(date), heartwave.drop_label_partitions_before(date) FROM PUBLIC;
