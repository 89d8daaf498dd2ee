"""Numbers that come as text: how they are written, and what they are."""

from __future__ import annotations

import contextlib
import math
import re
from datetime import timedelta
from decimal import Decimal
from numbers import Real

import numpy as np

BLANKS = " \u00a0\u202f"  # blank, no-break blank, narrow no-break blank
APOSTROPHES = "'\u2019"
MARKED = 0.5  # share of texts that must show that they are no codes: "1.5", "-1", "1,000", "1e3"
DAY = timedelta(days=1)


def _pattern(decimal, thousands):
    mark = f"[{thousands}{BLANKS}{APOSTROPHES}]"
    groups = rf"(?!0)[0-9]{{1,3}}(?P<mark>{mark})[0-9]{{3}}(?:(?P=mark)[0-9]{{3}})*"
    size = rf"(?:(?:{groups}|[0-9]+)(?:{decimal}[0-9]*)?|{decimal}[0-9]+)"
    return re.compile(rf"[+\-\u2212]?{size}(?:[eE][+\-]?[0-9]{{1,3}})?")


PATTERNS = {".": _pattern(r"\.", ","), ",": _pattern(",", r"\.")}
PLAIN = {  # what float() reads, by decimal mark
    ".": str.maketrans({"\u2212": "-", ",": None, **dict.fromkeys(BLANKS + APOSTROPHES)}),
    ",": str.maketrans({"\u2212": "-", ".": None, ",": ".", **dict.fromkeys(BLANKS + APOSTROPHES)}),
}
CODE = re.compile(r"[+\-\u2212]?0[0-9]|\+[0-9]{7,}$")  # "01.11", "+491701234567"
LONG = re.compile(r"[+\-\u2212]?[0-9]{4}")  # four digits and more without a separator


def convention(texts):
    """The decimal mark of texts that are numbers, None where they are codes or no numbers.

    All must be numbers, and half of them must have a mark, a sign, a separator of thousands or an
    exponent: digits alone are codes, and so are leading zeros and numbers of telephones.

    >>> convention(["1.5", "2"]), convention(["1,5", "2"]), convention(["1.234,5", "-3"])
    ('.', ',', ',')
    >>> convention(["1,234", "12"]), convention(["0,123", "12"]), convention(["1,234", "1200"])
    ('.', ',', ',')
    >>> convention(["10115", "80331"]), convention(["01.11", "10.20"]), convention(["1.5", "a"])
    (None, None, None)
    """
    texts = [text.strip() for text in texts]
    if sum(map(_is_marked, texts)) < max(1, MARKED * len(texts)):
        return None
    if any(map(CODE.match, texts)):
        return None
    return decimal_of(texts)


def decimal_of(texts):
    """The decimal mark under which all texts are numbers, or None.

    Where both would do, "1.234" is a fraction, and "1,234" is above a thousand if all commas
    stand so and no entry has four digits without one.
    """
    texts = [text.strip() for text in texts]
    if not all(map(PATTERNS["."].fullmatch, texts)):
        return "," if all(map(PATTERNS[","].fullmatch, texts)) else None
    with_comma = any("," in text for text in texts)
    if with_comma and any(map(LONG.match, texts)) and all(map(PATTERNS[","].fullmatch, texts)):
        return ","
    return "."


def numbers_of(entries, decimal="."):
    """Entries of a column as float64; text is read with the decimal mark, durations are days.

    Parameters
    ----------
    entries : sequence
        Text, numbers or durations; none is missing.
    decimal : {".", ","}
        That of fit; "." where the column had numbers there.

    Raises
    ------
    ValueError
        With the first entry that is no number, as what a sentence about the column ends with.
    """
    numbers = np.empty(len(entries))
    pattern, plain = PATTERNS[decimal or "."], PLAIN[decimal or "."]
    for i, entry in enumerate(entries):
        if isinstance(entry, str):
            text = entry.strip()
            number = float(text.translate(plain)) if pattern.fullmatch(text) else math.inf
        else:
            number = _number(entry)
        if math.isinf(number):
            raise ValueError(f"must hold numbers{_written(decimal)}. Got {entry!r} instead.")
        numbers[i] = number
    return numbers


def _number(entry):
    if isinstance(entry, np.timedelta64):  # which NumPy counts among whole numbers
        return float(entry / np.timedelta64(1, "D"))
    if isinstance(entry, timedelta):
        return entry / DAY
    if isinstance(entry, (Real, Decimal)):  # NumPy's numbers and truth values are Real
        with contextlib.suppress(OverflowError):
            return float(entry)
    return math.inf


def _written(decimal):
    return " with a decimal comma, as in fit" if decimal == "," else ""


def is_number(entry):
    """Whether an object is a number or a duration; truth values are not."""
    return isinstance(entry, (Real, Decimal, timedelta, np.timedelta64)) and not isinstance(
        entry, (bool, np.bool_)
    )


def _is_marked(text):
    return not (text.isdecimal() or text == "")
