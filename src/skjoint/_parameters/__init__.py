"""Parameters of the estimator: what each may be, routed and former names, presets."""
