DROP VIEW heartwave.scoring_runs, heartwave.population_drift;
DROP TABLE heartwave.drift_figures, heartwave.scoring_features, heartwave.model_populations;
