"""The file of a fitted estimator: an archive of one JSON document and raw arrays."""
