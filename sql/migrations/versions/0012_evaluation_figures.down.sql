DROP VIEW heartwave.model_evaluation_by_figure;
DROP TABLE heartwave.model_evaluation_figures;
