"""One function for each task of the DAGs, composed of stores, models and the ecg room."""
