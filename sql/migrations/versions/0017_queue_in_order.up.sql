-- The review queue is read in the order of its index, however many labels there are.

-- A loop is planned as if it were run to its end, so of 100 million labels the planner would rather read all that are
-- unsure, three million, and sort them: 18 s. Without sorting what is left is the order of the index.
ALTER FUNCTION heartwave.least_confident_beats(integer) SET enable_sort = off;
