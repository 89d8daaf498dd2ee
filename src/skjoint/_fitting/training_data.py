"""From the user's X, y and weights to encoded rows, each parsed once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.utils import check_consistent_length
from sklearn.utils.validation import _num_samples

from skjoint._data.containers import warn_of_other_order
from skjoint._data.encoding import FeatureEncoder
from skjoint._data.features import Features, read_features
from skjoint._data.left_in import warn_of_targets_in
from skjoint._data.read_y import Table, read_table
from skjoint._data.rows import Rows
from skjoint._data.sample_weight import (
    check_weights,
    drop_unweighted,
    label_weights,
    weighted_rows,
)
from skjoint._data.split import label_codes
from skjoint._data.targets import Targets
from skjoint._fitting.dependence import warn_of_dependence
from skjoint._fitting.held_out_rows import Groups, HeldOutRows, hold_rows_out
from skjoint._fitting.own_rows import Given, check_unseen, encode_own_rows, joined, one_behind_other
from skjoint._fitting.settings import uses_ranks
from skjoint._fitting.splitters import AsGiven, is_splitter
from skjoint._fitting.value_units import value_units, with_loss_units
from skjoint._network.outputs import value_output
from skjoint._prediction.decoding import Decoding


@dataclass(frozen=True)
class TrainingData:
    """X, y and weights of a fit, checked; rows of weight 0 are left out.

    ``given`` says which rows are held out, as it came, and ``as_given`` is all that
    a splitter reads, where there is one; ``index`` is that of a table.
    """

    X: Features
    y: Table
    sample_weight: np.ndarray | None
    given: Given
    groups: Groups | None
    as_given: AsGiven | None
    index: pd.Index | None


@dataclass(frozen=True)
class EncodedData:
    """Encoded rows, and the weights that answers to held-out ones are compared by.

    ``rows`` are those of X. In the table, and so in ``every``, validation rows of the user's own
    stand behind them. The weights are those of every row.

    Numbers that their label alone decides have weight 0 in ``rows``. They count in
    ``held_out_weights`` where they are part of what the network predicts, and in
    ``interval_weights`` always. ``label_weights`` are the ``sample_weight`` of class targets by
    output index, without ``class_weight``; 0 where there is no label. ``known`` are these
    numbers by name of the value target: marks of their labels, (n_classes, 1), and scaled
    numbers. ``held_out`` are the rows that members hold out.
    """

    rows: Rows
    every: Rows
    held_out: HeldOutRows
    held_out_weights: list[np.ndarray]
    interval_weights: list[np.ndarray]
    label_weights: dict[int, np.ndarray]
    known: dict[str, tuple[np.ndarray, np.ndarray]]

    @property
    def n_own(self):
        """Number of validation rows of the user's own."""
        return len(self.every) - len(self.rows)


def read_training_data(X, y, sample_weight, params, previous, given=None):
    """What the user gave, checked; with ``previous``, a FittedModel, in its form."""
    given = given or Given()
    given.check(params["validation"])
    warn_of_other_order(X=X, y=y, sample_weight=sample_weight, groups=given.groups)
    if previous is None:
        encode, has_trunk = params["preprocess"] is not None, params["trunk"] is not None
        features = read_features(X, encode=encode, allow_nd=has_trunk)
    else:
        features = previous.features.read(X)
    table = read_table(y, len(features))
    check_consistent_length(features, table)
    sample_weight = check_weights(sample_weight, len(table))
    groups = None if given.groups is None else Groups.read(given.groups, len(table))
    kept, as_given = weighted_rows(sample_weight), None
    if is_splitter(params["validation"]):
        # Neither a dict nor a list of columns has rows that could be counted.
        has_rows = not isinstance(y, Mapping) and _num_samples(y) == len(table)
        y = y if has_rows else table.frame
        as_given = AsGiven(X, y, groups and groups.labels, kept)
    if kept is not None and groups is not None:
        groups = groups.take(kept)
    features, table, sample_weight = drop_unweighted(features, table, sample_weight)
    index = X.index if isinstance(X, pd.DataFrame) else None
    if kept is not None and index is not None:
        index = index[kept]
    data = TrainingData(features, table, sample_weight, given, groups, as_given, index)
    if previous is None:
        warn_of_targets_in(data.X, data.y, params["preprocess"])
    return data


def learn_encoders(data, params, classes, whole=True):
    """Encoders of y and X, learned from all rows, or from the first chunk of them."""
    output = value_output(params["value_loss"], params["head_link"])
    targets = Targets.learn(
        data.y,
        **{name: params[name] for name in ("value_columns", "class_columns", "class_bins")},
        classes=classes,
        number_rule=lambda width: value_units(params, width).numbers,
        value_transform=params["value_transform"],
        whole=whole,
        value_by_class=params["value_by_class"],
        known_in_network=output.uses_known_values,
        sample_weight=data.sample_weight,
    )
    targets = with_loss_units(targets, data.y, params, data.sample_weight)
    value_from = "head" if params["value_from"] == "auto" else params["value_from"]
    Decoding(targets, (), value_from, params["class_from"]).check()
    row_weight = None if data.sample_weight is None else np.asarray(data.sample_weight)
    if row_weight is not None and row_weight.ndim == 2:
        # A weight of 0 for one target is a missing label, not half a row.
        row_weight = row_weight.max(axis=1)
    preprocess = params["preprocess"]
    features = FeatureEncoder.learn(
        data.X,
        row_weight,
        enabled=preprocess is not None,
        ranks=uses_ranks(params),
        preprocess=None if isinstance(preprocess, str) else preprocess,
        # A trunk is built for rows of one width, and a later chunk may differ in any column.
        may_drop=whole and params["trunk"] is None,
    )
    return targets, features


def encode_rows(data, targets, features, settings):
    """Encoded rows of X and y with their weights, and which of them are held out."""
    columns = targets.read(data.y)
    targets.warn_of_other_values(columns)
    arrays, masks = targets.encode(columns)
    strict, weight = settings.mode != "chunk", data.sample_weight
    factors = targets.label_factors(arrays, masks, weight, settings.class_weight)
    # A table of this fit's own also where it is the user's array (preprocess=None).
    rows = every = Rows(
        _own(features.encode(data.X)),
        arrays,
        targets.weights_by(factors, arrays, masks, weight, strict),
        codes=label_codes(arrays, masks, len(targets.values)),
    )
    every_weight, of_labels = rows.weights, label_weights(targets, masks, weight)
    if targets.known_values:
        masks = [column.mask for column in columns]
        every_weight = targets.weights_by(factors, arrays, masks, weight, strict)
    if data.given.has_rows:
        own, own_weight, own_labels = encode_own_rows(data.given, targets, features, factors)
        check_unseen(rows, own)
        every, every_weight = joined(rows, own), one_behind_other(every_weight, own_weight)
        of_labels = {i: np.concatenate([w, own_labels[i]]) for i, w in of_labels.items()}
        rows = every.take(np.arange(len(rows)))
    n_own = len(every) - len(rows)
    held_out = hold_rows_out(rows, n_own, data.groups, data.as_given, settings)
    if held_out.splits and held_out.singly:
        dates = {position: encoder.zone for position, encoder in features.dates.items()}
        warn_of_dependence(data.X, dates, data.index, held_out.splits[0])
    in_network = targets.known_in_network
    return EncodedData(
        rows,
        every,
        held_out,
        every_weight if in_network else every.weights,
        every_weight,
        of_labels,
        _known_numbers(targets) if in_network else {},
    )


def _own(table):
    """The same numbers as an array of another identity."""
    if sparse.issparse(table):
        return sparse.csr_array((table.data.view(), table.indices, table.indptr), table.shape)
    return table.view()


def _known_numbers(targets):
    """Marks and scaled numbers of the labels that decide the number, by value target."""
    known = targets.known_values
    n_classes = targets.classes[0].n_units
    marks = np.isin(np.arange(n_classes), list(known)).astype(np.float32)[:, None]
    numbers = np.array([known.get(code, np.nan) for code in range(n_classes)])[:, None]
    return {target.name: (marks, target.encode(numbers)) for target in targets.values}


def with_held_out_weights(data):
    """The rows with the weights that count where they are held out."""
    return replace(data.every, weights=data.held_out_weights)
