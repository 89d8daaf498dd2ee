"""Tables in files: their columns, known at once, and their rows, whole or in chunks.

pandas and pyarrow are imported where rows are read, so that wrong names of files and columns
are answered before.
"""

from __future__ import annotations

import argparse
import codecs
import contextlib
import csv
import io
import re
import warnings
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from skjoint._cli.csv_form import COMMA, SAMPLE, CsvForm, long_fields, records_of
from skjoint._cli.sources import DAMAGED, blocks_of, encoding_of, local_file, open_bytes
from skjoint._support.nearest_name import nearest_name

if TYPE_CHECKING:
    import pandas as pd

LABEL_GAPS = ["", "?"]
GAPS = [*LABEL_GAPS, "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "null", "NULL", "None"]
# What pandas reads as booleans.
BOOLEANS = {"TRUE": True, "True": True, "true": True}
BOOLEANS |= {"FALSE": False, "False": False, "false": False}
PARQUET = (".parquet", ".pq")
ZERO_LED = re.compile(r"\s*[-+]?0\d")
CHUNK = 2**24  # bytes that are read at once
CELL = 16  # bytes of a number on its way


@contextlib.contextmanager
def open_table(arguments: argparse.Namespace) -> Iterator[Table]:
    """The table that the options of a command name."""
    name = arguments.csv
    with local_file(name, arguments.allow_url) as path:
        if path.suffix.lower() in PARQUET:
            for option in ("sep", "decimal", "encoding"):
                if getattr(arguments, option) is not None:
                    raise ValueError(f"--{option} is for CSV files. {name} is a Parquet file.")
            yield ParquetTable(name, path)
        else:
            yield CsvTable(name, path, arguments.sep, arguments.decimal, arguments.encoding)


class Table(ABC):
    """A table in a file.

    Parameters
    ----------
    name : str
        What messages call it.
    columns : list of str
        Distinct names of its columns.
    header : list of str
        Their names as they are written there, "" where a column has none.
    """

    def __init__(self, name: str, columns: list[str], header: list[str]) -> None:
        self.name = name
        self.columns = columns
        self._written = dict(zip(columns, header, strict=True))
        # Those without a name are empty or number the rows.
        self.named = [c for c, written in zip(columns, header, strict=True) if written]
        self.repeated = {name for name, count in Counter(header).items() if count > 1}

    def check(self, names: Iterable[str]) -> None:
        """Raise unless each is the name of one column, with the nearest name."""
        for name in names:
            if name not in self.columns:
                raise ValueError(
                    f"{self.name} has no column {name!r}.{nearest_name(name, self.columns)} "
                    f"Its columns are: {', '.join(self.columns)}."
                )
            if name in self.repeated:
                raise ValueError(
                    f"{self.name} has several columns {name!r}: give each a name of its own."
                )

    def called(self, names: Iterable[str]) -> list[str]:
        """All columns that have one of these names in the file, or here."""
        wanted = set(names)
        return [c for c in self.columns if wanted & {c, self._written[c]}]

    @abstractmethod
    def read(
        self, labels: Iterable[str] = (), texts: Iterable[str] = (), numbers: Iterable[str] = ()
    ) -> pd.DataFrame:
        """All rows, numbered from 0; what pandas takes for numbers and booleans is that.

        Parameters
        ----------
        labels : iterable of str
            Columns that stay as they are written, with fewer gaps.
        texts : iterable of str
            Further columns that stay as they are written.
        numbers : iterable of str
            Columns in which 01234 is a number. Others that hold such are codes, and stay text.
        """

    @abstractmethod
    def chunks(
        self, features: Sequence[str], texts: Iterable[str], kept: Sequence[str], width: int
    ) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
        """Features and kept columns of some rows after others, numbered on.

        Parameters
        ----------
        features : sequence of str
            Columns.
        texts : iterable of str
            Those of them that stay as they are written.
        kept : sequence of str
            Columns, which may be among the features, as they are, gaps too.
        width : int
            Numbers that are made of a row, which bound the rows that are read at once.
        """

    def place(self, row: int) -> str:
        """Where a row is, for messages."""
        return f"row {row + 1}"

    def at(self, row: int, column: str, problem: str) -> ValueError:
        """The error of an entry."""
        return ValueError(f"{self.name}, {self.place(row)}: column {column!r} {problem}")

    def no_number(self, row: int, column: str, entry: object) -> ValueError:
        """The error of an entry that must be a finite number."""
        hint = ""
        if isinstance(entry, str) and COMMA.fullmatch(entry):
            hint = " --decimal , reads decimal commas."
        must = f"must hold {'finite ' if isinstance(entry, float) else ''}numbers"
        return self.at(row, column, f"{must}. Got {entry!r} instead.{hint}")


# -------------------------------------------------------------------------- CSV
class CsvTable(Table):
    """A CSV file: separator, decimal sign and encoding are given or found in its first lines."""

    def __init__(
        self,
        name: str,
        path: Path,
        sep: str | None = None,
        decimal: str | None = None,
        encoding: str | None = None,
    ) -> None:
        self.name = name
        self._path = path
        self._is_guess = encoding is None
        with self._readable():
            if encoding is None:
                with open_bytes(path) as stream:
                    encoding = encoding_of([stream.read(SAMPLE)], whole=False)
            self._encoding = encoding
            with self._text() as text:
                self._form = CsvForm.of(text.read(SAMPLE), sep, decimal)
        super().__init__(name, self._form.columns, self._form.header)

    def read(self, labels=(), texts=(), numbers=()):
        from skjoint._cli.cells import labels_as_written

        self._settle_encoding()
        as_written = dict.fromkeys([*labels, *texts], object)
        with self._readable(), self._rows(labels, dtype=as_written) as rows:
            table = rows.read()
        read = {*labels, *texts, *numbers}
        columns = table.items()
        codes = self._zero_led([c for c, column in columns if c not in read and _is_whole(column)])
        if codes:
            options = {"usecols": codes, "dtype": object}
            with self._readable(), self._rows(**options) as rows:
                table[codes] = rows.read()
        for label in labels:
            table[label] = labels_as_written(table[label])
        left_out = [c for c in self.columns if c not in self.named]
        if full := [c for c in left_out if table[c].notna().any()]:
            warnings.warn(
                f"{self.name} has columns without a name, which are left out: {', '.join(full)}.",
                stacklevel=2,
            )
        return table.drop(columns=left_out)

    def _zero_led(self, columns):
        """Columns with numbers such as 01234, which are codes."""
        found: set[str] = set()
        if columns:
            options = {"usecols": columns, "dtype": object, "chunksize": 2**16}
            with self._readable(), self._rows(**options) as rows:
                for chunk in rows:
                    for column in set(columns) - found:
                        if any(map(ZERO_LED.match, chunk[column].dropna().unique())):
                            found.add(column)
        return [c for c in columns if c in found]

    def chunks(self, features, texts, kept, width):
        self._settle_encoding()
        n_rows = _rows_at_once(self._form.bytes_per_row, width + len(self.columns))
        as_written = dict.fromkeys([*texts, *kept], object)
        both = {c: c in texts for c in features if c in kept}
        options = {"dtype": as_written, "chunksize": n_rows}
        with self._readable(), self._rows(kept=kept, **options) as rows:
            for chunk in rows:
                parsed = {c: self._parsed(chunk[c], is_text) for c, is_text in both.items()}
                yield chunk[list(features)].assign(**parsed), chunk[list(kept)]

    def _parsed(self, column, is_text):
        """A column that was read as it is written, as pandas would have read it."""
        import pandas as pd

        column = column.where(~column.isin(GAPS))
        if is_text:
            return column
        if column.dropna().isin(list(BOOLEANS)).all():
            return column.map(BOOLEANS)
        numbers = column.str.replace(self._form.decimal, ".", regex=False)
        numbers = pd.to_numeric(numbers, errors="coerce")
        return numbers if (numbers.isna() <= column.isna()).all() else column

    def place(self, row):
        with self._text() as stream, long_fields():
            for i, (line, _) in enumerate(records_of(stream, self._form.sep)):
                if i == row + 1:
                    return f"line {line}"
        return super().place(row)

    @contextlib.contextmanager
    def _rows(self, labels=(), kept=(), **options):
        """What pandas reads the rows from."""
        import pandas as pd

        with self._text() as stream:
            next(records_of(stream, self._form.sep))  # the header
            yield pd.read_csv(
                stream,
                header=None,
                names=self.columns,
                index_col=False,
                sep=self._form.sep,
                decimal=self._form.decimal,
                # "None" or "NA" may well be a label; in other columns it is a gap.
                na_values=dict.fromkeys(self.columns, GAPS)
                | dict.fromkeys(labels, LABEL_GAPS)
                | {column: [] for column in kept},
                keep_default_na=False,
                # In parts, a column of digits and letters would be numbers in some.
                low_memory=False,
                iterator=True,
                **options,
            )

    @contextlib.contextmanager
    def _text(self):
        is_utf8 = codecs.lookup(self._encoding).name == "utf-8"
        encoding = "utf-8-sig" if is_utf8 else self._encoding
        with (
            open_bytes(self._path) as stream,
            io.TextIOWrapper(stream, encoding, newline="") as text,
        ):
            yield text

    def _settle_encoding(self):
        """Find it in the whole file, which takes a second for 500 MB."""
        if not self._is_guess:
            return
        with self._readable():
            self._encoding = encoding_of(blocks_of(self._path))
        self._is_guess = False
        if self._encoding == "cp1252":
            warnings.warn(
                f"{self.name} is not UTF-8 and read as cp1252. --encoding names another.",
                stacklevel=2,
            )

    @contextlib.contextmanager
    def _readable(self):
        """Errors of reading, in one line."""
        try:
            yield
        except UnicodeError as error:
            raise ValueError(
                f"{self.name} is not a readable CSV table: {error}. --encoding names another "
                "encoding."
            ) from error
        # pandas warns where it leaves out what is beyond the last field, an error here
        except (ValueError, Warning, csv.Error, *DAMAGED) as error:
            problem = self._long_row() or f"{self.name} is not a readable CSV table: {error}"
            raise ValueError(problem) from error

    def _long_row(self):
        """The first row with more fields than the header, in words."""
        n_fields = len(getattr(self, "columns", ()))
        if not n_fields:
            return ""
        with contextlib.suppress(csv.Error, *DAMAGED), self._text() as stream, long_fields():
            for line, record in records_of(stream, self._form.sep):
                if len(record) > n_fields:
                    return (
                        f"{self.name}, line {line}: {len(record)} fields, where the header has "
                        f"{n_fields}. --sep names another separator."
                    )
        return ""


def _is_whole(column):
    """Whether a column was read as whole numbers."""
    import numpy as np
    import pandas as pd

    if column.dtype == object:  # beyond 64 bits
        return pd.api.types.infer_dtype(column, skipna=True) == "integer"
    if column.dtype.kind != "f":
        return column.dtype.kind in "iu"
    numbers = column.to_numpy()
    return bool((np.isnan(numbers) | (numbers == np.floor(numbers))).all())


def _rows_at_once(bytes_per_row, width):
    return max(int(CHUNK / max(bytes_per_row, CELL * width)), 1)


# ---------------------------------------------------------------------- Parquet
class ParquetTable(Table):
    """A Parquet file. What was the index of a DataFrame is no feature, but may be kept."""

    def __init__(self, name: str, path: Path) -> None:
        try:
            import pyarrow.parquet as pq
        except ImportError:
            raise ValueError(
                f'{name} is a Parquet file, which needs pyarrow: pip install "skjoint[tables]".'
            ) from None
        try:
            self._file = pq.ParquetFile(path, pre_buffer=False)
        except (ValueError, OSError) as error:
            raise ValueError(f"{name} is not a readable Parquet file: {error}") from error
        self.schema = self._file.schema_arrow
        # The index of a DataFrame is no feature.
        index = (self.schema.pandas_metadata or {}).get("index_columns", [])
        header = ["" if c in index else c for c in self.schema.names]
        super().__init__(name, self.schema.names, header)

    def read(self, labels=(), texts=(), numbers=()):
        table = self._file.read(self.named)
        frame = table.to_pandas(ignore_metadata=True)
        return frame.assign(**{c: _exactly(table[c]) for c in labels})

    def chunks(self, features, texts, kept, width):
        metadata = self._file.metadata
        n_bytes = sum(metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups))
        columns = list(dict.fromkeys([*features, *kept]))
        n_rows = _rows_at_once(n_bytes / max(metadata.num_rows, 1), width + len(columns))
        start = 0
        for batch in self._file.iter_batches(n_rows, columns=columns):
            X = batch.select(list(features)).to_pandas(ignore_metadata=True)
            kept_rows = batch.select(list(kept)).to_pandas(
                ignore_metadata=True, integer_object_nulls=True
            )
            X.index = kept_rows.index = range(start, start + len(X))
            start += len(X)
            yield X, kept_rows


def _exactly(column):
    """Whole numbers beside gaps as such, and not as floats."""
    return column.to_pandas(integer_object_nulls=True)
