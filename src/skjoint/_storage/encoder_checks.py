"""Whether what a file holds of an encoder of X is one."""

from __future__ import annotations

import numpy as np

from skjoint._data.categories import MOST_CODES
from skjoint._data.dates import PARTS
from skjoint._data.kinds import KINDS
from skjoint._storage.checks import is_array, is_count, is_finite, is_name, is_share, require


def check_schema(schema):
    names, n = schema.feature_names, schema.n_features
    require(is_count(n, 1), "X has columns")
    require(
        names is None
        or (is_array(names, "OU", (n,)) and all(isinstance(name, str) for name in names.tolist())),
        "columns of X have names",
    )


def check_guess(guess):
    require(guess.kind in KINDS, "a column has a kind")
    require(guess.decimal in ("", ".", ","), "numbers have a decimal mark")


# ---------------------------------------------------------------- kinds of columns
def _check_scales(encoder):
    require(is_array(encoder.mean, "f", (None,)) and len(encoder.mean), "numbers have means")
    require(is_array(encoder.scale, "f", encoder.mean.shape), "numbers have scales")


def check_channels(encoder):
    _check_scales(encoder)


def check_sparse(encoder):
    require(is_array(encoder.size, "f", (None,)) and len(encoder.size), "numbers have sizes")


def check_entries(encoder):
    size, missing = encoder.size, encoder.missing
    require(is_array(size, "f", (None,)) and (size >= 0).all(), "entries have sizes")
    require(encoder.width > 0, "columns are encoded")
    require(is_array(missing, "f", size.shape), "entries are missing in a share of the rows")
    require(all(0 <= i < len(size) for i in encoder.declared), "columns have positions")


def check_numbers(encoder):
    _check_scales(encoder)
    levels, bend, n = encoder.levels, encoder.bend, encoder.n_columns
    require(is_array(levels, "f", (3, None)), "levels have bounds")
    require(bend is None or bend > 0, "numbers bend")
    require(len(encoder.knots) in (0, n), "numbers have ranks")
    require(len(encoder.knots) or not levels.shape[1], "levels stand by ranks")
    for knots in encoder.knots:
        require(is_array(knots, "f", (2, None)) and knots.shape[1], "ranks have knots")
        require(is_finite(knots), "ranks are finite")
    columns = levels[0]
    require(((columns >= 0) & (columns < n)).all(), "levels are those of columns")


def check_dates(encoder):
    require(is_finite(encoder.origin), "dates count from a day")
    parts = encoder.parts
    require(parts and all(is_count(i) and i < len(PARTS) for i in parts), "dates have parts")


def check_categories(encoder):
    levels = encoder.levels
    require(is_array(levels, "O", (None,)) and len(levels) < MOST_CODES, "a column has levels")
    require(all(map(is_name, levels.tolist())), "levels are plain")


def check_texts(encoder):
    n_terms = len(encoder.vocabulary)
    require(n_terms, "texts have terms")
    require(is_array(encoder.idf, "f", (n_terms,)), "terms have weights")
    components, center = encoder.components, encoder.center
    require(is_array(components, "f", (n_terms, None)), "texts have components")
    require(is_array(center, "f", components.shape[1:]) and len(center), "texts have a mean")


# ------------------------------------------------------------------- the encoder
def check_encoder(encoder):
    """Raise unless all that an encoder has learned belongs to one table."""
    shape = encoder.row_shape
    require(shape and all(is_count(n, 1) for n in shape), "rows have a shape")
    if len(shape) == 1:
        require(shape == (encoder.schema.n_features,), "a row has all columns of X")
    if not encoder.enabled or len(shape) > 1:
        require(not encoder.guesses and encoder.numbers is None, "rows stay as they are")
        channels = encoder.channels
        require((channels is not None) == encoder.enabled, "channels are scaled")
        require(encoder.entries is None, "rows with a shape have no entries")
        require(channels is None or len(channels.mean) == shape[-1], "scales are by channel")
        return
    require(encoder.channels is None, "columns have no channels")
    if encoder.entries is not None:
        require(not encoder.guesses and encoder.numbers is None, "entries have one encoder")
        require(len(encoder.entries.size) == shape[0], "entries have sizes")
        return
    _check_kinds(encoder)
    n_numbers = len(encoder.dense) + sum(len(date.parts) for date in encoder.dates.values())
    numbers, zeros = encoder.numbers, encoder.zeros
    require((numbers is None) == (n_numbers == 0), "numbers are encoded")
    require(numbers is None or numbers.n_columns == n_numbers, "numbers have scales")
    require((zeros is None) == (not encoder.sparse), "numbers have sizes")
    require(zeros is None or len(zeros.size) == len(encoder.sparse), "numbers have sizes")
    require(encoder.output_shape[0] > 0, "columns are encoded")


def _check_kinds(encoder):
    """Check that every column is encoded as its kind asks for."""
    n = encoder.schema.n_features
    require(len(encoder.guesses) == len(encoder.missing) == n, "all columns have a kind")
    require(all(map(is_share, encoder.missing)), "entries are missing in a share of the rows")
    found = {"number": [*encoder.dense, *encoder.sparse]}
    found |= {
        kind: list(encoders)
        for kind, encoders in (
            ("date", encoder.dates),
            ("text", encoder.texts),
            ("category", encoder.categories),
        )
    }
    kinds = np.array([guess.kind for guess in encoder.guesses])
    for kind, positions in found.items():
        require(
            sorted(positions) == np.flatnonzero(kinds == kind).tolist(),
            f"columns of kind {kind} are encoded",
        )
