"""Whether what a file holds of an encoder of X is one."""

from __future__ import annotations

import numpy as np

from skjoint._data.features import Schema
from skjoint._storage.checks import is_array, is_count, is_finite, is_name, require


def check_schema(schema):
    names, n = schema.feature_names, schema.n_features
    require(is_count(n, 1), "X has columns")
    require(
        names is None
        or (is_array(names, "OU", (n,)) and all(isinstance(name, str) for name in names.tolist())),
        "columns of X have names",
    )


def check_scaler(scaler):
    n = scaler.n_features_in_
    require(is_count(n, 1), "a scaler has columns")
    require(
        all(is_array(getattr(scaler, name), "f", (n,)) for name in ("mean_", "var_", "scale_")),
        "a scaler has a mean and a scale for each column",
    )


def check_categories(categories):
    """Raise unless these are lists of categories, one for each column."""
    require(isinstance(categories, list) and categories, "there are categories")
    for column in categories:
        require(is_array(column, "biufOUS", (None,)) and len(column), "a column has categories")
        require(
            column.dtype.kind != "O" or all(map(is_name, column.tolist())), "categories are plain"
        )


def check_encoder(encoder):
    """Raise unless all that an encoder has learned belongs to one table."""
    require(isinstance(encoder.schema, Schema), "an encoder has a schema")
    for name in ("enabled", "ranks"):
        require(isinstance(getattr(encoder, name), (bool, np.bool_)), f"{name} is true or false")
    for name in ("row_shape_", "output_shape_"):
        shape = getattr(encoder, name)
        sized = isinstance(shape, tuple) and shape and all(is_count(n, 1) for n in shape)
        require(sized, "rows have a shape")
    if len(encoder.row_shape_) == 1:
        require(encoder.row_shape_ == (encoder.schema.n_features,), "a row has all columns of X")
    if not encoder.enabled or len(encoder.row_shape_) > 1:
        require(encoder.row_shape_ == encoder.output_shape_, "rows stay as they are")
        if encoder.enabled:
            require(
                encoder.scaler_.n_features_in_ == encoder.row_shape_[-1], "scales are by channel"
            )
        return
    n_outputs = _check_numbers(encoder) + _check_positions(encoder)
    require(encoder.output_shape_ == (n_outputs,), "columns are encoded")


def _check_positions(encoder):
    """Check which columns of X are what; the number of columns that categories become."""
    numbers, categories = encoder.numbers_, encoder.categories_
    require(
        is_array(numbers, "iu", (None,)) and is_array(categories, "iu", (None,)),
        "columns are where",
    )
    found = np.sort(np.concatenate([numbers, categories]))
    require(np.array_equal(found, np.arange(encoder.schema.n_features)), "columns are all of X")
    if not len(categories):
        return 0
    require(len(encoder.one_hot_.categories_) == len(categories), "columns have categories")
    return sum(map(len, encoder.one_hot_.categories_))


def _check_numbers(encoder):
    """Check scales and ranks; the number of columns that numbers become."""
    n, levels, bend = len(encoder.numbers_), encoder.levels_, encoder.bend_
    require(is_array(levels, "f", (3, None)), "levels have bounds")
    require(bend is None or (isinstance(bend, float) and bend > 0), "numbers bend")
    if not n:
        return 0
    require(encoder.scaler_.n_features_in_ == n, "numbers have scales")
    if not encoder.ranks:
        require(levels.shape[1] == 0, "levels stand by ranks")
        return n
    require(isinstance(encoder.knots_, list) and len(encoder.knots_) == n, "numbers have ranks")
    for knots in encoder.knots_:
        require(is_array(knots, "f", (2, None)) and knots.shape[1], "ranks have knots")
        require(is_finite(knots), "ranks are finite")
    columns = levels[0]
    require(((columns >= 0) & (columns < n)).all(), "levels are those of columns")
    return 2 * n + levels.shape[1]
