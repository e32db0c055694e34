ALTER FUNCTION heartwave.least_confident_beats(integer) RESET enable_sort;
