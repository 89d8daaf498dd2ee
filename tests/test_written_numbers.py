"""Numbers that come as text: what was written is read back, and codes are no numbers."""

from datetime import timedelta
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from skjoint._data.written_numbers import convention, decimal_of, numbers_of

SEPARATORS = {".": ("", ",", " ", "\u00a0", "\u202f", "'", "\u2019")}
SEPARATORS[","] = tuple("." if mark == "," else mark for mark in SEPARATORS["."])
NUMBERS = st.floats(-1e12, 1e12).map(lambda x: round(x, 6))


def written(number, decimal, thousands, places=6):
    """A number with a decimal mark, and separators of thousands."""
    text = f"{number:,.{places}f}".replace(",", "\0").replace(".", decimal)
    return text.replace("\0", thousands)


@st.composite
def conventions(draw):
    decimal = draw(st.sampled_from(".,"))
    return decimal, draw(st.sampled_from(SEPARATORS[decimal]))


@given(st.lists(NUMBERS, min_size=1, max_size=8), conventions())
@example([1234.5], (",", "."))
def test_what_is_written_is_read_back(numbers, how):
    texts = [written(number, *how) for number in numbers]
    assert convention(texts) == how[0]
    assert_array_equal(numbers_of(texts, how[0]), [float(f"{n:.6f}") for n in numbers])


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=8))
def test_what_python_writes_is_read_back(numbers):
    texts = [repr(number) for number in numbers]
    assert convention(texts) == "."
    assert_array_equal(numbers_of(texts, "."), numbers)
    assert_array_equal(numbers_of([text.replace(".", ",") for text in texts], ","), numbers)


@given(st.lists(st.text(alphabet="0123456789", min_size=1, max_size=12), min_size=1))
def test_digits_alone_are_codes(texts):
    assert convention(texts) is None
    assert_array_equal(numbers_of(texts), [float(text) for text in texts])


@given(st.lists(st.text(max_size=8), max_size=8))
def test_any_text_has_an_answer(texts):
    decimal = convention(texts)
    if decimal is not None:
        assert np.isfinite(numbers_of(texts, decimal)).all()


READ = {
    "the mark of all": (["1.5", "2.25"], "."),
    "half of them say it": (["1,5", "2"], ","),
    "thousands where all commas stand so": (["1,234", "12", "2,500,000"], "."),
    "a leading 0 has a fraction": (["0,123", "1,234"], ","),
    "above a thousand without a separator": (["1,234", "1200"], ","),
    "three places are a fraction": (["1.234", "2.500"], "."),
    "two points are thousands": (["1.234.567", "2.500"], ","),
    "signs": (["-3", "+4", "\u22125"], "."),
    "exponents": (["1e5", "2E-3"], "."),
    "blanks around": ([" 1.5", "2.5 "], "."),
    "no 0 before the mark": ([".5", "5."], "."),
}


@pytest.mark.parametrize("name", READ)
def test_how_numbers_are_written(name):
    texts, expected = READ[name]
    assert convention(texts) == expected


CODES = {
    "zips": ["10115", "80331"],
    "fewer than half say it": ["1.5", "2", "3"],
    "one is no number": ["1.5", "2.5", "n/a"],
    "leading zeros": ["01.11", "10.20"],
    "telephones": ["+491701234567", "+491701234568"],
    "versions": ["1.2.3", "1.10.0"],
    "addresses": ["192.168.0.1", "10.0.0.1"],
    "days": ["31.12.2024", "01.01.2024"],
    "two marks": ["52.5,13.4", "48.1,11.6"],
    "two conventions": ["1,5", "1.5"],
    "words of Python": ["nan", "inf"],
    "underscores": ["1_000.5"],
    "separators that change": ["1,234 567.5"],
    "none": [],
    "empty text": ["", ""],
}


@pytest.mark.parametrize("name", CODES)
def test_what_is_no_number(name):
    assert convention(CODES[name]) is None


def test_declared_numbers_need_no_proof():
    assert decimal_of(["1", "2", "3,5"]) == ","
    assert decimal_of(["007"]) == "."
    assert decimal_of(["a"]) is None


def test_objects_are_read_beside_text():
    entries = [1, 2.5, np.float32(0.5), Decimal("0.25"), "1,000", True, timedelta(hours=36)]
    assert_array_equal(numbers_of(entries), [1, 2.5, 0.5, 0.25, 1000, 1, 1.5])
    assert numbers_of([np.timedelta64(12, "h")])[0] == 0.5


@pytest.mark.parametrize("bad", ["x", "nan", "1e999", "", 10**400, None, 1j, "1,5"])
def test_the_first_that_is_no_number_is_named(bad):
    with pytest.raises(ValueError, match=r"^must hold numbers\. Got .* instead\.$") as caught:
        numbers_of(["1", bad, "y"])
    assert repr(bad) in str(caught.value)


def test_the_mark_of_fit_is_named():
    with pytest.raises(ValueError, match=r"with a decimal comma, as in fit\. Got '1\.5'"):
        numbers_of(["1,5", "1.5"], ",")
