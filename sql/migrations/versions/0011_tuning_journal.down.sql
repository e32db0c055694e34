DROP TABLE heartwave.tuning_journal;
