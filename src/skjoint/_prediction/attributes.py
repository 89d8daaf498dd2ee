"""Fitted attributes of the estimator."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from skjoint._data.feature_report import feature_report
from skjoint._network.spec import NetworkSpec
from skjoint._prediction.fitted_model import FittedModel
from skjoint._support.keras_import import check_eager
from skjoint._support.typing import ArrayOrList

if TYPE_CHECKING:
    import keras

NOT_THERE = "This {} has no attribute {!r}: {}."


class FittedAttributes:
    """Properties that read ``_model``; before ``fit`` they raise NotFittedError.

    It is an AttributeError, too, so that ``hasattr`` is false.
    """

    _model: FittedModel

    def _fitted(self) -> FittedModel:
        """The model, to be read once in a call: a ``fit`` in another thread may replace it."""
        try:
            return self._model
        except AttributeError:
            check_is_fitted(self)
            return self._model  # of a first fit that has just ended

    def _absent(self, name: str, why: str) -> AttributeError:
        return AttributeError(NOT_THERE.format(type(self).__name__, name, why))

    # ------------------------------------------------------------------- input
    @property
    def n_features_in_(self) -> int:
        """Number of columns of X."""
        return self._fitted().features.schema.n_features

    @property
    def feature_names_in_(self) -> NDArray[Any]:
        """Names of X's columns, if all are strings."""
        names = self._fitted().features.schema.feature_names
        if names is None:
            raise self._absent("feature_names_in_", "X had no column names, or not all of text")
        return names.copy()

    @feature_names_in_.setter
    def feature_names_in_(self, names: ArrayLike | None) -> None:
        # SHAP's KernelExplainer takes the names from a copy, so that arrays raise no warning.
        model = self._fitted()
        names = None if names is None else np.asarray(names, dtype=object)
        schema = replace(model.features.schema, feature_names=names)
        self._model = replace(model, features=replace(model.features, schema=schema))

    @property
    def feature_report_(self) -> pd.DataFrame:
        """What each column of X is and becomes: column, kind, why, levels, width, missing."""
        features = self._fitted().features
        if not features.guesses and features.entries is None:
            raise self._absent("feature_report_", "X was not read column by column")
        return feature_report(features)

    # ----------------------------------------------------------------- targets
    @property
    def classes_(self) -> ArrayOrList:
        """Labels, in the order of ``predict_proba``'s columns; a list with several targets."""
        targets = self._fitted().targets.classes
        if not targets:
            raise self._absent("classes_", "it was trained without a class target")
        return one_or_list([target.classes.copy() for target in targets])

    @property
    def class_bin_edges_(self) -> ArrayOrList:
        """Inner edges of the bands; a list with several class targets."""
        targets = self._fitted().targets.classes
        edges = [target.edges.copy() for target in targets if target.edges is not None]
        if not edges:
            raise self._absent("class_bin_edges_", "class_bins cut no label")
        return one_or_list(edges)

    @property
    def value_names_(self) -> list[str]:
        """Names of the value targets, as in ``history_``."""
        return [target.name for target in self._fitted().targets.values]

    @property
    def class_names_(self) -> list[str]:
        """Names of the class targets, as in ``history_``."""
        return [target.name for target in self._fitted().targets.classes]

    # ---------------------------------------------------------------- training
    @property
    def history_(self) -> dict[str, list[float]]:
        """Logs by epoch."""
        return {name: list(c) for name, c in self._fitted().history.items()}

    @property
    def loss_weights_(self) -> NDArray[np.float64]:
        """Factor of each head's loss in every epoch."""
        return self._fitted().loss_weights.copy()

    @property
    def n_iter_(self) -> int:
        """Epochs trained."""
        return self._fitted().n_iter

    @property
    def best_epoch_(self) -> NDArray[np.int64]:
        """Epochs that were kept, (n_members, n_outputs)."""
        epochs = self._fitted().best_epoch
        if epochs is None:
            raise self._absent("best_epoch_", "it was trained without early_stopping")
        return epochs.copy()

    @property
    def n_validation_(self) -> int:
        """Rows that the first member held out."""
        return self._fitted().n_validation

    @property
    def validation_groups_(self) -> NDArray[Any] | list[NDArray[Any]]:
        """Groups of the rows that were held out; a list of several members'."""
        groups = self._fitted().validation_groups
        if not groups:
            raise self._absent("validation_groups_", "no groups were held out")
        return one_or_list([of_member.copy() for of_member in groups])

    # -------------------------------------------------------------- prediction
    @property
    def temperature_(self) -> float | Any:
        """Temperature of the probabilities; a list with several class targets."""
        temperatures = self._fitted().temperatures
        if not temperatures:
            raise self._absent("temperature_", "it was trained without calibration")
        return one_or_list(list(temperatures))

    @property
    def threshold_(self) -> float | Any:
        """Probability from which on the label is the second of two; a list with several targets."""
        thresholds = self._fitted().thresholds
        if not thresholds:
            raise self._absent("threshold_", "it was trained without threshold")
        return one_or_list(list(thresholds))

    @property
    def value_blend_(self) -> dict[str, float] | Any:
        """Shares of value head and distribution; a list with several of them."""
        blends = self._fitted().blends.values()
        if not blends:
            raise self._absent("value_blend_", "value_from chose no blend")
        shares = [{"head": share, summary: round(1 - share, 2)} for summary, share in blends]
        return one_or_list(shares)

    @property
    def shares_(self) -> pd.DataFrame:
        """Share of the networks and of each companion in every output."""
        return self._fitted().shares

    @property
    def network_(self) -> NetworkSpec:
        """The network as plain data: layers, units, parameters."""
        return self._fitted().network.spec

    @property
    def model_(self) -> keras.Model:
        """The network as a new ``keras.Model``."""
        check_eager()
        return self._fitted().network.build()


def report_html(report: pd.DataFrame) -> str:
    """The feature report to be opened below the diagram of an estimator."""
    table = report.to_html(index=False, max_rows=100, na_rep="", float_format="{:.2g}".format)
    return f"<details><summary>Columns of X</summary>{table}</details>"


def one_or_list(entries: list[Any]) -> Any:
    """The list of one entry for each target, or its only entry."""
    return entries[0] if len(entries) == 1 else entries
