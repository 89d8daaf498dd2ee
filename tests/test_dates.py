"""Dates are the clock on the wall, in one zone, in whatever way they come."""

import re
from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from skjoint._data.dates import PARTS, are_dates, parts_of, seconds_of

DATES = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999999))
NAMED = ("year", "month", "day", "weekday", "hour", "minute")
ZONES = ("UTC", "Europe/Paris", "America/St_Johns", "Asia/Kathmandu")
COLUMN = PARTS.index


def parts(seconds, origin=0.0):
    return dict(zip(PARTS, parts_of(seconds, origin).T, strict=True))


def of_pandas(column, name):
    return getattr(column.dt, "day_of_week" if name == "weekday" else name)


@given(st.lists(DATES, min_size=1, max_size=5), st.sampled_from(["s", "ms", "us"]))
@example([datetime(2024, 2, 29, 23, 59, 59, 999999), datetime(1900, 3, 1)], "us")
@example([datetime(1969, 12, 31, 23, 59, 59, 999999), datetime(1, 1, 1)], "us")
def test_parts_are_those_of_pandas(dates, unit):
    column = pd.Series(np.array(dates, dtype=f"datetime64[{unit}]"))
    found = parts(seconds_of(column)[0])
    for name in NAMED:
        assert_array_equal(found[name], of_pandas(column, name), err_msg=name)
    turn = 2 * np.pi * (column.dt.day_of_year - 1) / 366
    assert_allclose(found["sine of the year"], np.sin(turn), atol=1e-12)
    assert_allclose(
        found["cosine of the week"], np.cos(2 * np.pi * column.dt.day_of_week / 7), atol=1e-12
    )


@given(st.lists(DATES, min_size=1, max_size=5))
def test_text_and_objects_are_the_same_dates(dates):
    expected = seconds_of(np.array(dates, dtype="datetime64[us]"))[0]
    for same in (
        dates,
        [str(d) for d in dates],
        [d.isoformat() for d in dates],
        [d.isoformat().replace(".", ",") for d in dates],
        [np.datetime64(d) for d in dates],
    ):
        assert are_dates(same)
        assert_array_equal(seconds_of(np.array(same, dtype=object))[0], expected)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.datetimes(datetime(1902, 1, 1), datetime(2037, 1, 1)), min_size=1, max_size=5),
    st.sampled_from(ZONES),
    st.sampled_from(ZONES),
)
def test_an_instant_has_the_same_parts_in_every_zone(dates, zone, other):
    utc = pd.Series(np.array(dates, dtype="datetime64[us]")).dt.tz_localize("UTC")
    local, moved = utc.dt.tz_convert(zone), utc.dt.tz_convert(other)
    seconds, found = seconds_of(local)
    assert found == zone
    for name in NAMED:
        assert_array_equal(parts(seconds)[name], of_pandas(local, name))
    texts = [d.isoformat() for d in moved if d.utcoffset().seconds % 60 == 0]
    for same in (moved, moved.astype(object), texts if len(texts) == len(moved) else moved):
        assert_array_equal(seconds_of(same, zone)[0], seconds)


FORMS = {
    "2024-05-31": 0,
    "2024-05-31 18:30": 66_600,
    "2024-05-31T18:30:15": 66_615,
    "2024-05-31 18:30:15.25": 66_615.25,
    "2024-05-31T18:30Z": 66_600,
    "2024-05-31 18:30:15 +02:00": 66_615,
    "2024-05-31T18:30:15.5-0330": 66_615.5,
    "2024-05-31T18:30:15+05": 66_615,
}


@pytest.mark.parametrize("text", FORMS)
def test_forms_of_text(text):
    assert are_dates([text])
    (seconds,), _ = seconds_of([text])
    assert seconds - seconds_of([date(2024, 5, 31)])[0][0] == FORMS[text]


NO_DATES = ["31.05.2024", "2024-02-30", "2024-13-01", "2024-01-01 24:00", "2024-05", "20240531"]
NO_DATES += [
    "2024-05-31T18",
    "2024-05-31 ",
    "２024-05-31",
    "x",
    "",
    "2024-05-31 18:30:15.",
    5,
    None,
]
NO_DATES += ["2024-05-31+02:00", "0000-00-00", "2024-05-31T18:30:15+99:00", "2024-05-31 18:30:15Zx"]


@pytest.mark.parametrize("entry", NO_DATES, ids=repr)
def test_what_is_no_date(entry):
    assert not are_dates([entry])
    assert not are_dates(["2024-05-31"] * 30 + [entry])
    if entry is not None:
        with pytest.raises(ValueError, match="^must hold dates") as caught:
            seconds_of(["2024-05-31", entry])
        assert "99:00" in str(caught.value) or repr(entry) in str(caught.value)


@given(st.text(max_size=30))
def test_any_text_has_an_answer(text):
    are_dates([text, text])


def test_zones_of_text():
    summer, winter = "2024-07-01T10:00+02:00", "2024-01-01T10:00+01:00"
    assert seconds_of([summer])[1] == "UTC+02:00"
    assert seconds_of([summer, winter])[1] == "UTC"
    assert seconds_of(["2024-07-01T10:00Z"])[1] == "UTC"
    assert parts(seconds_of([summer])[0])["hour"] == 10
    assert_array_equal(parts(seconds_of([summer, winter])[0])["hour"], [8, 9])
    assert_array_equal(seconds_of([winter], "UTC+02:00")[0], seconds_of(["2024-01-01 11:00"])[0])


def test_zones_of_objects():
    paris = datetime(2024, 7, 1, 10, tzinfo=ZoneInfo("Europe/Paris"))
    assert seconds_of([paris])[1] == "Europe/Paris"
    assert seconds_of([paris, paris.astimezone(UTC)])[1] == "UTC"
    assert seconds_of([paris], "Asia/Tokyo")[0] == seconds_of(["2024-07-01 17:00"])[0]


AWARE = pd.Series(pd.to_datetime(["2024-07-01"])).dt.tz_localize("Europe/Paris")


@pytest.mark.parametrize("aware", [AWARE, AWARE.astype(object), ["2024-07-01T00:00+02:00"]])
def test_dates_keep_having_a_zone_or_none(aware):
    naive = ["2024-07-01"]
    with pytest.raises(ValueError, match=r"without a time zone, as in fit\. Got .*2024-07-01"):
        seconds_of(aware, "")
    with pytest.raises(ValueError, match=r"as in fit \(UTC\)\. Got '2024-07-01' instead: use"):
        seconds_of(naive, "UTC")
    with pytest.raises(ValueError, match="or without one, throughout"):
        seconds_of([*aware, naive[0] if isinstance(aware, list) else date(2024, 7, 1)])
    gaps = pd.Series(pd.to_datetime([None]))
    assert np.isnan(seconds_of(gaps, "UTC")[0]).all()


def test_a_zone_without_a_name_is_refused():
    tz = pytest.importorskip("dateutil.tz")
    column = pd.Series(pd.to_datetime(["2024-07-01"])).dt.tz_localize(tz.gettz("Europe/Paris"))
    with pytest.raises(ValueError, match=r"a zone that has a name\. Got tzfile"):
        seconds_of(column)


def test_any_year_works():
    far = [date(1, 1, 1), date(9999, 12, 31), np.datetime64(100_000, "Y")]
    assert_array_equal(parts(seconds_of(far)[0])["year"], [1, 9999, 101_970])
    early = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=2)))
    with pytest.raises(ValueError, match="years 1 to 9999"):
        seconds_of([early])


def test_gaps_stay_gaps():
    seconds, _ = seconds_of(pd.Series(pd.to_datetime(["2024-07-01", None])))
    assert_array_equal(np.isnan(seconds), [False, True])
    assert_array_equal(np.isnan(parts_of(seconds)).all(axis=1), [False, True])
    assert_array_equal(np.isnan(seconds_of([None, "2024-07-01", pd.NaT])[0]), [True, False, True])


def test_other_columns_of_pandas():
    expected = seconds_of(["2024-01-01", "2024-02-01"])[0]
    periods = pd.Series(pd.period_range("2024-01", periods=2, freq="M"))
    assert_array_equal(seconds_of(periods)[0], expected)
    pa = pytest.importorskip("pyarrow")
    for kind in (pa.date32(), pa.timestamp("ms"), pa.timestamp("ns", "UTC")):
        column = pd.Series(pd.to_datetime(["2024-01-01", "2024-02-01", None]))
        column = (column.dt.tz_localize("UTC") if "UTC" in str(kind) else column).astype(
            pd.ArrowDtype(kind)
        )
        assert_array_equal(seconds_of(column)[0], [*expected, np.nan])


def test_nanoseconds_never_make_the_next_day():
    column = pd.Series(np.array(["2024-05-31T23:59:59.999999999"], dtype="datetime64[ns]"))
    found = parts(seconds_of(column)[0])
    assert (found["day"], found["hour"], found["minute"]) == (31, 23, 59)


def test_a_row_does_not_depend_on_the_others():
    seconds = np.random.default_rng(0).uniform(-1e10, 1e10, 50)
    together = parts_of(seconds, 1e9)
    alone = np.vstack([parts_of(seconds[i : i + 1], 1e9) for i in range(50)])
    assert_array_equal(together, alone)


def test_the_origin_moves_the_seconds_alone():
    seconds = np.array([0.0, 1e9])
    there, here = parts_of(seconds), parts_of(seconds, 1e9)
    assert_array_equal(here[:, 0], seconds - 1e9)
    assert_array_equal(here[:, 1:], there[:, 1:])
    assert not re.search(r"[A-Z]", "".join(PARTS))
