"""Splitting and scoring rows that have a number and a label."""

from __future__ import annotations

from skjoint.model_selection._cross_val_predict import joint_cross_val_predict
from skjoint.model_selection._scorers import class_scorer, joint_scoring, value_scorer
from skjoint.model_selection._splitters import (
    JointStratifiedGroupKFold,
    JointStratifiedKFold,
    JointStratifiedShuffleSplit,
)

__all__ = [
    "JointStratifiedGroupKFold",
    "JointStratifiedKFold",
    "JointStratifiedShuffleSplit",
    "class_scorer",
    "joint_cross_val_predict",
    "joint_scoring",
    "value_scorer",
]
