"""Dates as seconds of the clock on the wall, and the parts that a person would name.

Seconds count from 1970-01-01 00:00 of the zone of the column, so that days begin at multiples of
86,400. The zone is that of the dtype; for objects and text that of all entries, and UTC where they
differ: text with "+01:00" in winter and "+02:00" in summer does not say which zone it is. Later
dates are turned into the zone of fit, so that an instant has the same parts wherever it is written.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, timedelta, timezone

import numpy as np
import pandas as pd

LOOKED_AT = 20  # entries that must be dates before all are tried
# What may follow the seconds of ISO text: a fraction and a zone.
END = re.compile(r"(?:[.,](?P<fraction>[0-9]{1,9}))? ?(?P<zone>Z|[+-][0-9]{2}(?::?[0-9]{2})?)?")
DAY = 86_400.0
ERA = 146_097.0  # days of 400 years
SHIFT = 719_468.0  # days from 0000-03-01 to 1970-01-01

PARTS = (
    "seconds",
    "year",
    "month",
    "day",
    "weekday",
    "hour",
    "minute",
    "sine of the year",
    "cosine of the year",
    "sine of the week",
    "cosine of the week",
    "sine of the day",
    "cosine of the day",
)


def are_dates(values):
    """Whether the entries are dates throughout: objects or ISO text.

    >>> are_dates(["2024-05-31", "2024-05-31 12:00"]), are_dates(["2024-05-31T12:00:00.5+02:00"])
    (True, True)
    >>> are_dates([date(2024, 5, 31)]), are_dates(["2024-02-30"]), are_dates(["31.05.2024"])
    (True, False, False)
    """
    if len(values) == 0:
        return False
    if isinstance(values[0], str):
        try:
            _read_text(values[:LOOKED_AT])
            _read_text(values)
        except ValueError:
            return False
        return True
    return all(isinstance(value, (date, np.datetime64)) for value in values)


def seconds_of(values, zone=None):
    """Seconds since 1970 of the clock on the wall.

    Parameters
    ----------
    values : Series, Index, array of dates, or sequence of dates or ISO text
    zone : str, default=None
        That of fit, "" where dates had none there; None in fit.

    Returns
    -------
    seconds : ndarray of shape (n_samples,)
        float64, NaN where missing.
    zone : str

    Raises
    ------
    ValueError
        For entries that are no dates, and for dates with a zone where fit had none or the
        reverse; as what a sentence about the column ends with.
    """
    whole, fraction, found = _read(values)
    if zone is None:
        zone = found
    missing = np.isnat(whole)
    if (zone == "") != (found == "") and not missing.all():
        shown = next(value for value, gap in zip(values, missing, strict=True) if not gap)
        raise ValueError(
            f"must hold dates without a time zone, as in fit. Got {str(shown)!r} instead: use "
            ".dt.tz_localize(None)."
            if zone == ""
            else f"must hold dates with a time zone, as in fit ({zone}). Got {str(shown)!r} "
            f"instead: use .dt.tz_localize({zone!r})."
        )
    if zone not in ("", "UTC"):
        whole = _on_the_wall(whole, zone)
    seconds = whole.view(np.int64).astype(np.float64)
    # rounding never makes the next second, and so the next day, of a fraction
    seconds = np.minimum(seconds + fraction, np.nextafter(seconds + 1, -np.inf))
    seconds[missing] = np.nan
    return seconds, zone


def parts_of(seconds, origin=0.0):
    """What :data:`PARTS` names, for each of the seconds that :func:`seconds_of` returns.

    Parameters
    ----------
    seconds : ndarray of shape (n_samples,)
    origin : float
        Seconds that "seconds" count from.

    Returns
    -------
    parts : ndarray of shape (n_samples, len(PARTS))
        float64; rows of NaN where the date is missing.
    """
    whole = np.floor(seconds)
    days = np.floor(whole / DAY)
    in_day = whole - days * DAY
    year, month, day, day_of_year = _civil(days)
    weekday = np.mod(days + 3, 7)  # 1970-01-01 was a Thursday; Monday is 0
    hour = np.floor(in_day / 3600)
    turns = np.stack([day_of_year / 366, weekday / 7, in_day / DAY], axis=1) * (2 * np.pi)
    parts = np.empty((len(seconds), len(PARTS)))
    parts[:, 0] = seconds - origin
    parts[:, 1] = year
    parts[:, 2] = month
    parts[:, 3] = day
    parts[:, 4] = weekday
    parts[:, 5] = hour
    parts[:, 6] = np.floor(in_day / 60) - 60 * hour
    parts[:, 7::2] = np.sin(turns)
    parts[:, 8::2] = np.cos(turns)
    return parts


@dataclass(frozen=True)
class DateEncoder:
    """A column of dates: what its seconds count from, and the parts that differ in fit.

    Parameters
    ----------
    zone : str
        Of the clock on the wall, "" without one.
    origin : float
        Mean of fit, in seconds since 1970.
    parts : tuple of int
        Places in :data:`PARTS`.
    """

    zone: str
    origin: float
    parts: tuple[int, ...]

    @classmethod
    def learn(cls, seconds, zone, sample_weight=None):
        present = ~np.isnan(seconds)
        weights = None if sample_weight is None else sample_weight[present]
        origin = float(np.average(seconds[present], weights=weights)) if present.any() else 0.0
        parts = parts_of(seconds[present], origin)
        kept = np.flatnonzero(np.ptp(parts, axis=0) > 0) if present.any() else []
        return cls(zone, origin, tuple(int(i) for i in kept) or (0,))

    def encode(self, seconds):
        """Numbers, (n_samples, n_parts)."""
        return parts_of(seconds, self.origin)[:, list(self.parts)]


def _civil(days):
    """Year, month, day, and day of the year from 0, of days since 1970-01-01.

    Years begin in March here, so that the leap day is the last one; Gregorian throughout. The
    quotients are of whole numbers that float64 holds, so their floors are exact.
    """
    days = days + SHIFT
    era = np.floor(days / ERA)
    of_era = days - era * ERA
    # 1460, 36524 and 146096 days are 4, 100 and 400 years without the last leap day
    years = np.floor(
        (of_era - np.floor(of_era / 1460) + np.floor(of_era / 36524) - np.floor(of_era / 146096))
        / 365
    )
    of_year = of_era - (365 * years + np.floor(years / 4) - np.floor(years / 100))
    from_march = np.floor((5 * of_year + 2) / 153)  # 153 days in five months of 31, 30, 31, 30, 31
    day = of_year - np.floor((153 * from_march + 2) / 5) + 1
    is_early = from_march >= 10  # January and February
    month = from_march + np.where(is_early, -9, 3)
    year = years + 400 * era + is_early
    is_leap = (np.mod(year, 4) == 0) & ((np.mod(year, 100) != 0) | (np.mod(year, 400) == 0))
    day_of_year = np.where(is_early, of_year - 306, of_year + 59 + is_leap)
    return year, month, day, day_of_year


def days_of(durations):
    """Durations as days, float64 and NaN where missing: of a column or array of their dtypes.

    >>> days_of(np.array(["36", "NaT"], dtype="timedelta64[h]"))
    array([1.5, nan])
    """
    if not isinstance(durations, np.ndarray):
        column = pd.Series(durations)
        durations = column.to_numpy(
            f"timedelta64[{column.dt.unit}]", na_value=np.timedelta64("NaT")
        )
    days = durations / np.timedelta64(1, "D")
    return np.where(np.isnat(durations), np.nan, days)


# ----------------------------------------------------------------------- reading
def _read(values):
    """Whole seconds as datetime64 (UTC where there is a zone), the fraction, and the zone."""
    dtype = getattr(values, "dtype", np.dtype(object))
    if isinstance(dtype, pd.PeriodDtype):
        values = pd.Series(values).dt.to_timestamp()
    elif isinstance(dtype, pd.ArrowDtype) and dtype.type is date:
        values = pd.Series(values).astype("datetime64[s]")
    elif dtype.kind != "M":
        return _read_objects(np.asarray(values, dtype=object))
    elif isinstance(dtype, np.dtype):  # a zone is a dtype of pandas
        return *_split(np.asarray(values)), ""
    column = pd.Series(values)
    zone = column.dt.tz
    if zone is not None:
        column = column.dt.tz_convert("UTC").dt.tz_localize(None)
    stamps = column.to_numpy(f"datetime64[{column.dt.unit}]", na_value=np.datetime64("NaT"))
    return *_split(stamps), _name(zone)


def _split(stamps):
    """Dates as whole seconds and the fraction."""
    whole = stamps.astype("datetime64[s]")
    fraction = (stamps - whole.astype(stamps.dtype)) / np.timedelta64(1, "s")
    return whole, fraction


def _read_objects(values):
    whole = np.full(len(values), np.datetime64("NaT"), dtype="datetime64[s]")
    fraction = np.zeros(len(values))
    present = ~pd.isna(values)
    entries = list(values[present])
    zone = ""
    if entries:
        read = _read_text if isinstance(entries[0], str) else _read_dates
        whole[present], fraction[present], zone = read(entries)
    return whole, fraction, zone


def _read_text(texts):
    parts = [_up_to_seconds(text) for text in texts]
    whole = _stamps([head for head, _ in parts], texts)
    ends = {}
    for text, (_, end) in zip(texts, parts, strict=True):
        if end not in ends:
            ends[end] = _read_end(end, text)
    fraction = np.array([ends[end][0] for _, end in parts])
    offsets = [ends[end][1] for _, end in parts]
    found = set(offsets)
    if found == {None}:
        return whole, fraction, ""
    if None in found:
        raise _no_zone(texts[offsets.index(None)])
    zone = _common(str(timezone(timedelta(seconds=offset))) for offset in found)
    return whole - np.array(offsets, dtype="timedelta64[s]"), fraction, zone


def _read_end(end, text):
    """The fraction of a second, and the seconds that the zone is ahead of UTC or None."""
    match = END.fullmatch(end)
    if match is None:
        raise _no_date(text)
    return float(f"0.{match['fraction'] or 0}"), _offset(match["zone"])


def _up_to_seconds(text):
    """ISO text in two parts."""
    if not isinstance(text, str):
        raise _no_date(text)
    end = 19 if text[16:17] == ":" else 16
    return text[:end], text[end:]


def _stamps(heads, texts):
    """ISO text of a day, or of a time up to minutes or seconds, as datetime64."""
    try:
        codes = np.array(heads, dtype="S19")
    except UnicodeEncodeError:
        raise _no_date(next(t for t in texts if not t[:19].isascii())) from None
    letters = codes.view(np.uint8).reshape(len(heads), 19)
    is_digit = (letters >= ord("0")) & (letters <= ord("9"))
    fits = is_digit[:, [0, 1, 2, 3, 5, 6, 8, 9]].all(axis=1)
    fits &= (letters[:, [4, 7]] == ord("-")).all(axis=1)
    with_minute = is_digit[:, [11, 12, 14, 15]].all(axis=1) & (letters[:, 13] == ord(":"))
    with_minute &= (letters[:, 10] == ord("T")) | (letters[:, 10] == ord(" "))
    with_second = is_digit[:, 17:].all(axis=1) & (letters[:, 16] == ord(":"))
    ended = letters == 0
    fits &= ended[:, 10:].all(axis=1) | (with_minute & (ended[:, 16:].all(axis=1) | with_second))
    if not fits.all():
        raise _no_date(texts[int(np.argmin(fits))])
    try:
        return codes.astype("datetime64[s]")
    except ValueError:  # a 30th of February
        raise _no_date(next(t for h, t in zip(heads, texts, strict=True) if _is_none(h))) from None


def _is_none(head):
    try:
        np.datetime64(head, "s")
    except ValueError:
        return True
    return False


def _read_dates(entries):
    for entry in entries:
        if not isinstance(entry, (date, np.datetime64)):
            raise _no_date(entry)
    zones = [getattr(entry, "tzinfo", None) for entry in entries]
    if any(zone is not None for zone in zones):
        if any(zone is None for zone in zones):
            raise _no_zone(entries[zones.index(None)])
        try:
            entries = [entry.astimezone(UTC).replace(tzinfo=None) for entry in entries]
        except OverflowError:
            raise ValueError(
                "must hold dates of the years 1 to 9999 where they have a zone."
            ) from None
    whole = np.array(entries, dtype="datetime64[s]")
    micro = np.array(entries, dtype="datetime64[us]").view(np.int64) % 10**6
    return whole, micro / 1e6, _common(map(_name, set(zones)))


def _no_date(entry):
    return ValueError(
        "must hold dates: datetimes, or text such as '2024-05-31' or '2024-05-31 18:30'. Got "
        f"{entry!r} instead: use pandas.to_datetime."
    )


def _no_zone(entry):
    return ValueError(
        f"must hold dates with a time zone, or without one, throughout. Got {str(entry)!r} among "
        "dates with a zone: use pandas.to_datetime(..., utc=True)."
    )


# ------------------------------------------------------------------------- zones
def _name(zone):
    """The name that pandas finds a zone by, "" for none."""
    name = "" if zone is None else str(zone)
    try:
        _on_the_wall(np.zeros(1, dtype="datetime64[s]"), name or "UTC")
    except Exception:  # of pandas, zoneinfo or pytz, for a zone without a name
        raise ValueError(
            f"must hold dates of a zone that has a name. Got {name} instead: use "
            ".dt.tz_convert('Europe/Paris') or the like."
        ) from None
    return name


def _common(names):
    names = set(names)
    return names.pop() if len(names) == 1 else "UTC"


def _offset(end):
    """Seconds that '+02:00' is ahead of UTC, None without a zone."""
    if end is None:
        return None
    if end == "Z":
        return 0
    digits = end[1:].replace(":", "").ljust(4, "0")
    ahead = 3600 * int(digits[:2]) + 60 * int(digits[2:])
    if ahead >= DAY:
        raise ValueError(f"must hold dates of a zone within a day of UTC. Got {end!r} instead.")
    return -ahead if end[0] == "-" else ahead


def _on_the_wall(whole, zone):
    """What the clock shows in a zone, of whole seconds of UTC."""
    index = pd.DatetimeIndex(whole).tz_localize("UTC").tz_convert(zone).tz_localize(None)
    return index.to_numpy().astype("datetime64[s]")
