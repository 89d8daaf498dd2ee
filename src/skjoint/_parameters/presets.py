"""Two sets of parameters with a name: the network of textbooks, and the best predictions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PLAIN: Mapping[str, Any] = {
    "hidden_layer_sizes": (64, 64),
    "numeric_embedding": None,
    "alpha": 0.0,
    "learning_rate": None,
    "learning_rate_schedule": "constant",
    "validation": None,
    "early_stopping": False,
    "calibration": None,
    "n_members": 1,
    "n_refits": 0,
    "companions": (),
}
ACCURATE: Mapping[str, Any] = {  # measured by benchmarks/quality.py
    "hidden_layer_sizes": (128, 128, 128),
    "dropout": 0.1,
    "numeric_embedding": ("periodic", "rank"),
    "alpha": 0.0,
    "value_loss": "histogram",
    "value_from": "auto",
    "optimizer": "adamw",
    "optimizer__weight_decay": 0.1,
    "learning_rate": 2e-3,
    "learning_rate_schedule": "cosine",
    "epochs": 80,
    "batch_size": 128,
    "validation": 0.2,
    "early_stopping": "by_head",
    "n_iter_no_change": 15,
    "calibration": "temperature",
    "n_members": 4,
    "n_refits": 2,
    "companions": ("forest", "boosting", "ridge"),
}
