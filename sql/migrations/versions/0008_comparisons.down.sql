DROP VIEW heartwave.model_comparison;
DROP VIEW heartwave.model_promotions;
ALTER TABLE heartwave.promotions DROP COLUMN comparison_id, DROP COLUMN is_rollback;
DROP TABLE heartwave.model_decisions;
DROP TABLE heartwave.model_comparison_figures;
DROP TABLE heartwave.model_comparisons;
