DROP VIEW heartwave.recording_quality;
