-- Optuna's storage. Its own tables would need a role that creates and changes them; a journal only grows.
CREATE TABLE heartwave.tuning_journal (
    study      text NOT NULL,
    place      integer NOT NULL CHECK (place >= 0),
    batch      uuid NOT NULL,
    entry      jsonb NOT NULL,
    written_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (study, place)
);
COMMENT ON TABLE heartwave.tuning_journal IS 'What searches for parameters have done so far, so that one that was killed goes on where it was.';
COMMENT ON COLUMN heartwave.tuning_journal.study IS 'The search: architecture, what it is for, and a hash of beats, folds, seed and bounds.';
COMMENT ON COLUMN heartwave.tuning_journal.place IS 'Order of the entries, from 0.';
COMMENT ON COLUMN heartwave.tuning_journal.batch IS 'Entries written together; a repeated write is known by it.';
COMMENT ON COLUMN heartwave.tuning_journal.entry IS 'One entry of Optuna''s journal.';
COMMENT ON COLUMN heartwave.tuning_journal.written_at IS 'When.';
