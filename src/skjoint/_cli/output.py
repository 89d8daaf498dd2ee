"""Predictions as a file, or on standard output: written some rows after others."""

from __future__ import annotations

import bz2
import contextlib
import csv
import gzip
import io
import lzma
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd

from skjoint._cli.cells import neutralised
from skjoint._cli.tables import LABEL_GAPS, PARQUET
from skjoint._support.files import whole_file

NUMBER = re.compile(r"[-+]?\d[\d.,]*([eE][-+]?\d+)?")
PACKERS: dict[str, Any] = {
    ".gz": lambda stream: gzip.GzipFile("", "wb", fileobj=stream, mtime=0),
    ".bz2": lambda stream: bz2.BZ2File(stream, "wb"),
    ".xz": lambda stream: lzma.LZMAFile(stream, "wb"),  # noqa: SIM115
}


@contextlib.contextmanager
def open_output(path: Path | None, kept_schema: Any = None) -> Iterator[CsvOutput | ParquetOutput]:
    """Where predictions go; a file is written whole or not at all.

    Parameters
    ----------
    path : Path or None
        None is standard output.
    kept_schema : pyarrow.Schema, default=None
        The types of kept columns, where the file that they come from has some.
    """
    if path is None:
        sys.stdout.flush()
        with _text_of(sys.stdout.buffer) as text:
            yield CsvOutput(text)
        return
    suffix = path.suffix.lower()
    with whole_file(path) as stream:
        if suffix in PARQUET:
            output = ParquetOutput(stream, kept_schema)
            yield output
            output.close()
            return
        with contextlib.ExitStack() as stack:
            packed = stack.enter_context(PACKERS[suffix](stream)) if suffix in PACKERS else stream
            yield CsvOutput(stack.enter_context(_text_of(packed)))


@contextlib.contextmanager
def _text_of(stream: IO[bytes]) -> Iterator[IO[str]]:
    """A text stream over bytes that stay open."""
    text = io.TextIOWrapper(stream, "utf-8", newline="")
    try:
        yield text
        text.flush()
    finally:
        with contextlib.suppress(ValueError, OSError):  # where nobody reads any more
            text.detach()


class CsvOutput:
    """A CSV table in which no spreadsheet runs a cell.

    Parameters
    ----------
    stream : text stream
    """

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._is_begun = False

    def check_labels(self, name: str, labels: Sequence[Any]) -> None:
        """Raise for text that no cell gives back."""
        for label in labels:
            if isinstance(label, str):
                why = "is a gap in a table" if label in LABEL_GAPS else ""
                if "\0" in label or not _is_unicode(label):
                    why = "cannot be written into one"
                if why:
                    _refuse(name, label, why)

    def write(self, kept: pd.DataFrame, predictions: pd.DataFrame) -> None:
        """Write rows; kept cells with numbers are those, whatever they begin with."""
        columns = {name: _cells(kept[name], NUMBER) for name in kept}
        columns |= {name: _cells(predictions[name]) for name in predictions}
        columns = {neutralised(str(name)): column for name, column in columns.items()}
        # Where text has no "\r", nothing but separators, quotes and new lines needs quotes.
        texts = [str(name) for name in columns]
        texts += [t for c in columns.values() if isinstance(c, list) for t in c if type(t) is str]
        quoting = csv.QUOTE_NONNUMERIC if any("\r" in t for t in texts) else csv.QUOTE_MINIMAL
        pd.DataFrame(columns).to_csv(
            self._stream,
            index=False,
            header=not self._is_begun,
            lineterminator="\n",
            quoting=quoting,
        )
        self._is_begun = True


def _cells(column, kept=None):
    """Numbers as they are, text as a spreadsheet does not run it."""
    if column.dtype.kind == "f":
        return column.astype(np.float64).to_numpy()
    if pd.api.types.is_numeric_dtype(column.dtype):
        return column.array
    return [
        neutralised(entry)
        if isinstance(entry, str) and not (kept and kept.fullmatch(entry))
        else entry
        for entry in column.tolist()
    ]


class ParquetOutput:
    """A Parquet file; all chunks have the types of the first.

    Parameters
    ----------
    stream : binary stream
    kept_schema : pyarrow.Schema or None
    """

    def __init__(self, stream: IO[bytes], kept_schema: Any = None) -> None:
        self._stream = stream
        self._kept_schema = kept_schema
        self._writer: Any = None

    def check_labels(self, name: str, labels: Sequence[Any]) -> None:
        """Raise for text that is not Unicode."""
        for label in labels:
            if isinstance(label, str) and not _is_unicode(label):
                _refuse(name, label, "cannot be written into a table")

    def write(self, kept: pd.DataFrame, predictions: pd.DataFrame) -> None:
        """Write rows."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        rows = pd.concat([kept, predictions], axis=1)
        if self._writer is None:
            fields = [self._kept_field(name) for name in kept]
            fields += [pa.field(n, _type_of(column)) for n, column in predictions.items()]
            self._writer = pq.ParquetWriter(self._stream, pa.schema(fields))
        schema = self._writer.schema
        self._writer.write_table(pa.Table.from_pandas(rows, schema, preserve_index=False))

    def _kept_field(self, name):
        import pyarrow as pa

        if self._kept_schema is None:
            return pa.field(name, pa.string())
        return self._kept_schema.field(name).with_nullable(True)

    def close(self) -> None:
        """Write what comes last in such a file."""
        self._writer.close()


def _type_of(column):
    import pyarrow as pa

    if pd.api.types.is_numeric_dtype(column.dtype):
        return pa.from_numpy_dtype(column.dtype)
    return pa.string()


def _is_unicode(text):
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _refuse(name, label, why):
    raise ValueError(f"Label {label!r} of target '{name}' {why}: train with another one.")
