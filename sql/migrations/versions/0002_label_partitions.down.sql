DROP FUNCTION heartwave.drop_label_partitions_before(date);
DROP FUNCTION heartwave.ensure_label_partition(date);
