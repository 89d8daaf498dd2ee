"""How a CSV file is written: separator, decimal sign, header. Found in its first lines."""

from __future__ import annotations

import contextlib
import csv
import io
import re
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import NamedTuple

SEPARATORS = ",;\t|"
SAMPLE = 2**18  # characters
N_RECORDS = 1000
NAMED = re.compile(r"sep=(.)\r?\n?", re.I)  # Excel's first line
COMMA = re.compile(r"\s*[-+]?\d*,(\d+)\s*")
POINT = re.compile(r"\s*[-+]?\d*\.(\d+)\s*")


class CsvForm(NamedTuple):
    """How a CSV file is written.

    ``columns`` are the distinct names that its fields have here, as pandas makes them;
    ``header`` the names as they are written there, "" where a column has none.
    """

    sep: str
    decimal: str
    header: list[str]
    columns: list[str]
    bytes_per_row: float

    @classmethod
    def of(cls, sample: str, sep: str | None = None, decimal: str | None = None) -> CsvForm:
        """The form of a file that begins so; what is given is not looked for."""
        first = NAMED.fullmatch(sample.partition("\n")[0])
        sep = sep or (first[1] if first else _separator(sample))
        records = _records(sample, sep)
        if not records:
            raise ValueError("it is empty")
        header = _full_header(records[0], records[1:])
        rows = records[1:]
        decimal = decimal or _decimal([field for row in rows for field in row], sep)
        size = len(sample) / len(records)
        return cls(sep, decimal, header, distinct_names(header), size)


def records_of(lines: Iterable[str], sep: str) -> Iterator[tuple[int, list[str]]]:
    """Records of a CSV file that are not blank, header first, and the lines they begin in."""
    lines = iter(lines)
    first = next(lines, "")
    skipped = bool(NAMED.fullmatch(first))
    reader = csv.reader(lines if skipped else chain([first], lines), delimiter=sep)
    begin = reader.line_num
    for record in reader:
        if len(record) > 1 or "".join(record).strip():
            yield begin + 1 + skipped, record
        begin = reader.line_num


@contextlib.contextmanager
def long_fields() -> Iterator[None]:
    """Fields of any length, as pandas reads them."""
    limit = csv.field_size_limit(2**31 - 1)
    try:
        yield
    finally:
        csv.field_size_limit(limit)


def _records(sample, sep):
    """The first records; none where this is no separator."""
    records: list[list[str]] = []
    try:
        with long_fields():
            for _, record in records_of(io.StringIO(sample, newline=""), sep):
                records.append(record)
                if len(records) == N_RECORDS:
                    return records
    except csv.Error:
        return []
    # The last one may be cut off.
    return records[:-1] if len(sample) >= SAMPLE and len(records) > 1 else records


def _separator(sample):
    """The separator with which most of the first records have the header's number of fields."""
    best, best_score = ",", (0.5, 1)
    for sep in SEPARATORS:
        header, *rows = _records(sample, sep) or [[]]
        n = len(header)
        fitting = sum(n <= len(row) <= n + 1 for row in rows)
        score = (fitting / len(rows) if rows else 1.0, n)
        if n > 1 and score > best_score:
            best, best_score = sep, score
    return best


def _full_header(header, rows):
    """The header with a name for every field.

    One field more than names in the rows is the name of the row, as R writes it, or comes of a
    separator at the end.
    """
    longer = [row for row in rows if len(row) == len(header) + 1]
    if longer and not any(row[-1].strip() for row in longer):
        return [*header, ""]
    if longer and len(longer) == len(rows):
        return ["", *header]
    return header


def _decimal(fields, sep):
    """ "," where fields are numbers with it and none with a point, and may be nothing else."""
    commas = [match[1] for field in fields if (match := COMMA.fullmatch(field))]
    points = [match[1] for field in fields if (match := POINT.fullmatch(field))]
    # Groups of three digits are thousands, but a semicolon is there for the commas.
    surely = sep == ";" or any(len(digits) != 3 for digits in commas)
    return "," if commas and surely and all(len(digits) == 3 for digits in points) else "."


def distinct_names(header: list[str]) -> list[str]:
    """Names of columns as ``pandas.read_csv`` makes them: "a", "a.1", "Unnamed: 2"."""
    names = [name or f"Unnamed: {i}" for i, name in enumerate(header)]
    given, found = set(names), dict.fromkeys(names[:0])
    for name in names:
        count, new = 0, name
        while new in found or (count and new in given):
            count += 1
            new = f"{name}.{count}"
        found[new] = None
    return list(found)
