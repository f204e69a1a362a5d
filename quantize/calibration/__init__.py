"""Parts of calibration: running statistics, thresholds, the cache, and where samples come from."""
