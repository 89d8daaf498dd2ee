"""From parsed X to one table of float32 for the network.

Numbers come first: their ranks, the standardised numbers, columns for numbers of few values.
Parts of dates are numbers like any others. Then numbers that are mostly zeros, then texts. The
last columns hold codes of categories, as whole numbers. Sequences and images (3-D and 4-D X) keep
their shape; each channel is standardised.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from scipy import sparse

from skjoint._data.as_kind import as_entries, as_numbers, as_seconds
from skjoint._data.categories import ENOUGH, CategoryEncoder
from skjoint._data.code_units import units_of
from skjoint._data.column_kinds import kinds_of
from skjoint._data.dates import DateEncoder
from skjoint._data.distinct import Distinct
from skjoint._data.features import OWNER, Schema, check_size, read_features
from skjoint._data.few_rows import read_few
from skjoint._data.kinds import Guess, of_column
from skjoint._data.numbers import (
    ChannelEncoder,
    NumberEncoder,
    SparseEncoder,
    are_mostly_zeros,
)
from skjoint._data.sparse_table import EntryEncoder, check_numbers
from skjoint._data.texts import TextEncoder

# float64 on the way takes several times the size of what is kept
ENCODED_AT_ONCE = 2**14  # rows
SEED = 0  # of what is learned of texts, so that it is the same in every fit


@dataclass(frozen=True, eq=False)
class FeatureEncoder:
    """What each column of X becomes; learned by :meth:`learn`.

    Parameters
    ----------
    schema : Schema
    row_shape : tuple of int
        Shape of one row of X.
    enabled : bool
        False passes the numbers on as they are.
    guesses : tuple of Guess
        Kind of every column; empty for rows with a shape and where nothing is encoded.
    channels : ChannelEncoder or None
        Of rows with a shape.
    dense, sparse : tuple of int
        Positions of columns of numbers, and of those that are mostly zeros.
    dates, texts, categories : dict
        Encoders by position.
    numbers : NumberEncoder or None
        Of the dense columns and, behind them, of all parts of dates.
    zeros : SparseEncoder or None
        Of the columns that are mostly zeros.
    missing : tuple of float
        Share of missing entries in each column of fit.
    entries : EntryEncoder or None
        Of a table that was sparse in fit; it takes the place of all others.
    is_sparse : bool
        Whether X was sparse in fit.
    """

    schema: Schema
    row_shape: tuple[int, ...]
    enabled: bool = True
    guesses: tuple[Guess, ...] = ()
    channels: ChannelEncoder | None = None
    dense: tuple[int, ...] = ()
    sparse: tuple[int, ...] = ()
    dates: dict[int, DateEncoder] = field(default_factory=dict)
    texts: dict[int, TextEncoder] = field(default_factory=dict)
    categories: dict[int, CategoryEncoder] = field(default_factory=dict)
    numbers: NumberEncoder | None = None
    zeros: SparseEncoder | None = None
    missing: tuple[float, ...] = ()
    entries: EntryEncoder | None = None
    is_sparse: bool = False

    # -------------------------------------------------------------------- learning
    @classmethod
    def learn(
        cls,
        features,
        sample_weight=None,
        *,
        enabled=True,
        ranks=False,
        preprocess=None,
        may_drop=True,
    ):
        """Learn from :class:`Features`; a row's weight counts it that often.

        Parameters
        ----------
        features : Features
        sample_weight : ndarray of shape (n_samples,), default=None
        enabled : bool, default=True
        ranks : bool, default=False
            Put the rank of every number before the standardised numbers, and a column of 0 and
            1 for each value of those that have few behind them; clip what is standardised.
        preprocess : dict, default=None
            Kinds by name or position, which are not guessed.
        may_drop : bool, default=True
            Whether a column may be left out unasked.
        """
        is_sparse = sparse.issparse(features.numbers)
        like = cls(features.schema, features.row_shape, enabled, is_sparse=is_sparse)
        if not enabled:
            return like
        if features.numbers.ndim > 2:
            return replace(like, channels=ChannelEncoder.learn(features.numbers, sample_weight))
        if is_sparse:
            entries = EntryEncoder.learn(features.numbers, sample_weight, preprocess, may_drop)
            return replace(like, entries=entries)
        guesses = kinds_of(features, preprocess, may_drop)
        like = replace(like, guesses=guesses, missing=_shares_missing(features))
        return like._with_columns(features, sample_weight, ranks)

    def _with_columns(self, features, sample_weight, ranks):
        """The encoders of all columns, whose kinds are known."""
        dates, texts, categories, numbers = {}, {}, {}, []
        for position, guess in enumerate(self.guesses):
            if guess.kind == "number":
                numbers.append(position)
            elif guess.kind == "date":
                seconds, zone = as_seconds(features, position)
                dates[position] = DateEncoder.learn(seconds, zone, sample_weight)
            elif guess.kind == "text":
                column = as_entries(features.column(position))
                with of_column(features.name(position)):
                    texts[position] = TextEncoder.learn(column.values, SEED)
            elif guess.kind == "category":
                column = as_entries(features.column(position))
                categories[position] = CategoryEncoder.learn(column, sample_weight)
        zeros = are_mostly_zeros([self._as_numbers(features, position) for position in numbers])
        found = replace(
            self,
            dense=tuple(p for p, zero in zip(numbers, zeros, strict=True) if not zero),
            sparse=tuple(p for p, zero in zip(numbers, zeros, strict=True) if zero),
            dates=dates,
            texts=texts,
            categories=categories,
        )
        return found._with_numbers(features, sample_weight, ranks)

    def _with_numbers(self, features, sample_weight, ranks):
        """The encoders of columns of numbers, which are told apart."""
        found, whole = self, slice(None)
        if self.sparse:
            columns = self._columns_of(features, self.sparse)(whole)
            found = replace(found, zeros=SparseEncoder.learn(columns, sample_weight))
        if self.dense or self.dates:
            columns = self._numbers_of(features)(whole)
            found = replace(found, numbers=NumberEncoder.learn(columns, sample_weight, ranks))
        return found

    # --------------------------------------------------------------------- columns
    @property
    def output_shape(self):
        """Shape of one encoded row."""
        if not self.enabled or self.channels is not None:
            return self.row_shape
        if self.entries is not None:
            return (self.entries.width,)
        return (self._n_before_codes + len(self.categories),)

    @property
    def _n_before_codes(self):
        parts = [self.numbers, self.zeros, *self.texts.values()]
        return sum(part.width for part in parts if part is not None)

    @property
    def n_codes(self):
        """Numbers of codes of the last columns, the code of what fit has not met included."""
        return tuple(encoder.n_codes for encoder in self.categories.values())

    @property
    def code_columns(self):
        """Numbers of codes by column of encoded X."""
        return dict(enumerate(self.n_codes, start=self.output_shape[0] - len(self.n_codes)))

    @property
    def n_numbers(self):
        """Leading columns of encoded X that are numbers, each rank counted as one."""
        return 0 if self.numbers is None else self.numbers.n_ranks + self.numbers.n_columns

    @property
    def n_ranks(self):
        """Leading columns of encoded X that are ranks."""
        return 0 if self.numbers is None else self.numbers.n_ranks

    @property
    def n_units(self):
        """Numbers in a row as the first hidden layer reads it, but for ranks."""
        n_columns = self.output_shape[0] - self.n_ranks - len(self.categories)
        return n_columns + sum(map(units_of, self.n_codes))

    @property
    def distinct_columns(self):
        """Columns of encoded X without those of ranks and levels, which repeat the numbers."""
        columns = np.arange(self.output_shape[0])
        if self.numbers is None:
            return columns
        n_repeated = self.numbers.width - self.n_ranks
        return np.delete(columns[self.n_ranks :], slice(self.numbers.n_columns, n_repeated))

    def name(self, position):
        """Name of a column, or its position where it has none."""
        names = self.schema.feature_names
        return position if names is None else names[position]

    def text_columns(self):
        """Names of the columns of a table that held text."""
        names = self.schema.feature_names
        return [] if names is None else [names[p] for p in self.text_positions]

    @property
    def text_positions(self):
        """Positions of the columns that held text."""
        of_text = [
            position
            for position, encoder in self.categories.items()
            if any(isinstance(level, str) for level in encoder.levels)
        ]
        return sorted([*of_text, *self.texts])

    # -------------------------------------------------------------------- encoding
    def read(self, X, *, owner=OWNER, allow_nd=False):
        """Read an X of the form of fit; see :func:`read_features`."""
        if self.guesses:
            few = read_few(X, self.schema, [guess.kind for guess in self.guesses])
            if few is not None:
                return few
        if sparse.issparse(X) and self.enabled and not self.is_sparse:
            check_numbers(X)
            X = X.toarray()
        features = read_features(
            X,
            encode=self.enabled,
            allow_nd=allow_nd or len(self.row_shape) > 1,
            schema=self.schema,
            unread={p for p, guess in enumerate(self.guesses) if guess.kind == "drop"},
            owner=owner,
        )
        if len(features) >= ENOUGH:  # fewer are not looked at
            for position, levels in self.categories.items():
                column = as_entries(features.column(position))
                levels.warn_of_none_known(column, features.name(position))
        return features

    def encode(self, features):
        """float32 array of shape (n_samples, *output_shape), CSR where fit was on sparse X."""
        row_shape = features.row_shape
        if row_shape != self.row_shape:
            raise ValueError(
                f"X must have rows of shape {self.row_shape}, as in fit. Got {row_shape} instead."
            )
        if not self.enabled:
            return features.numbers
        if self.entries is not None:
            _check_numbers_only(features)
            sparse_rows = self.entries.encode(features.numbers)
            check_size(sparse_rows.data)
            return sparse_rows
        encoded = np.empty((len(features), *self.output_shape), np.float32)
        with np.errstate(over="ignore", invalid="ignore"):
            if self.channels is not None:
                for rows in _chunks(len(features)):
                    self.channels.encode_into(encoded[rows], features.numbers[rows])
                    check_size(encoded[rows])
            else:
                self._encode_columns(encoded, features)
        return encoded

    def _encode_columns(self, encoded, features):
        # pairs of an encoder and a function from a slice of rows to what it reads
        parts: list[tuple[NumberEncoder | SparseEncoder | TextEncoder, Callable]] = []
        if self.numbers is not None:
            parts.append((self.numbers, self._numbers_of(features)))
        if self.zeros is not None:
            parts.append((self.zeros, self._columns_of(features, self.sparse)))
        for position, text in self.texts.items():
            parts.append((text, as_entries(features.column(position)).take))
        for rows in _chunks(len(features)):
            filled = 0
            for encoder, read in parts:
                end = filled + encoder.width
                encoder.encode_into(encoded[rows, filled:end], read(rows))
                filled = end
            check_size(encoded[rows, :filled])
        first = encoded.shape[1] - len(self.categories)
        for i, (position, levels) in enumerate(self.categories.items(), start=first):
            column = as_entries(features.column(position))
            encoded[:, i] = levels.encode(column)

    def _as_numbers(self, features, position):
        return as_numbers(features, position, self.guesses[position].decimal)

    def _numbers_of(self, features):
        """Function from rows to dense numbers and, behind them, the parts of dates."""
        dense = self._columns_of(features, self.dense)
        if not self.dates:
            return dense
        dates = [(d, as_seconds(features, p, d.zone)[0]) for p, d in self.dates.items()]

        def numbers(rows):
            parts = [dense(rows)] if self.dense else []
            parts += [encoder.encode(seconds[rows]) for encoder, seconds in dates]
            return np.concatenate(parts, axis=1)

        return numbers

    def _columns_of(self, features, positions):
        """Function from rows to columns of numbers, whatever they come as."""
        if features.positions == positions:
            return lambda rows: features.numbers[rows]
        if features.others.keys().isdisjoint(positions):
            places = np.searchsorted(features.positions, positions)
            return lambda rows: features.numbers[rows][:, places]
        columns = [self._as_numbers(features, position) for position in positions]
        return lambda rows: np.stack([column[rows] for column in columns], axis=1)


def _check_numbers_only(features):
    if features.others:
        names = [features.name(position) for position in features.others]
        raise ValueError(
            f"X must hold numbers only, as in fit, where it was sparse. Got text, categories "
            f"or dates in {names[:5]} instead."
        )


def _shares_missing(features):
    shares = []
    for position in range(features.schema.n_features):
        column = features.column(position)
        gaps = column.codes < 0 if isinstance(column, Distinct) else pd.isna(column)
        shares.append(float(np.mean(gaps)))
    return tuple(shares)


def _chunks(n_samples):
    return [slice(start, start + ENCODED_AT_ONCE) for start in range(0, n_samples, ENCODED_AT_ONCE)]
