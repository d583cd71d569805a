"""Random Cut Forest: anomaly scores of rows."""
