DROP VIEW heartwave.recording_labels;
