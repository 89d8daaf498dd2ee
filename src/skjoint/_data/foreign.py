"""Tables and columns of other libraries than pandas: polars, pyarrow and what narwhals reads.

Each column is read alone, and becomes what the same data would be in pandas.
"""

from __future__ import annotations

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from skjoint._data.containers import check_names

WHOLE = 2**53  # up to here every whole number is a float64
PLAIN = (np.ndarray, pd.DataFrame, pd.Series, pd.Index, list, tuple, dict)
# What makes a table of a query, in the libraries that have such.
COLLECT = ("collect", "compute", "toPandas", "df", "to_pandas")


def is_foreign(data):
    """Whether data is a table or a column of another library than pandas.

    >>> import pyarrow as pa
    >>> is_foreign(pa.table({"a": [1]})), is_foreign(pa.array([1])), is_foreign(pd.Series([1]))
    (True, True, False)
    """
    if isinstance(data, PLAIN):
        return False
    return _kind(data) is not None or isinstance(_wrapped(data), (nw.DataFrame, nw.Series))


def is_table(data):
    """Whether foreign data is a table, not a column alone."""
    if _kind(data) is not None:
        return hasattr(data, "columns")
    return isinstance(_wrapped(data), nw.DataFrame)


def check_eager(data, name):
    """Raise for a query that holds no rows yet, such as a LazyFrame, and for unknown tables."""
    if isinstance(data, PLAIN) or is_foreign(data):
        return
    if isinstance(_wrapped(data), nw.LazyFrame) and not hasattr(data, "__array__"):
        way_out = next((method for method in COLLECT if hasattr(data, method)), COLLECT[0])
        raise TypeError(
            f"{name} must be a table that holds its rows. Got a {type(data).__name__} instead, "
            f"which is a query: use {name}.{way_out}()."
        )
    if hasattr(data, "__dataframe__"):
        raise TypeError(
            f"{name} must be an array or a table of a library that narwhals reads, such as pandas, "
            f"polars and pyarrow. Got a {type(data)} instead. Use {name}.to_pandas()."
        )


def names_of(table, name="X"):
    """Names of a table's columns, which must be distinct, as a list."""
    if _kind(table) is not None:
        names = list(table.columns if _kind(table) == "polars" else table.schema.names)
    else:
        names = list(_wrapped(table).columns)
    if len(set(names)) < len(names):
        check_names(pd.Index(names), name)
    return names


def series_of(data, position=0):
    """A column of a table, or a column that stands alone, as a pandas Series.

    >>> import pyarrow as pa
    >>> table = pa.table({"a": [1, None], "b": [2**53 + 1, None]})
    >>> series_of(table, 0).tolist(), series_of(table, 1).tolist()
    ([1.0, nan], [9007199254740993, <NA>])
    """
    if not is_table(data):
        column = data
    elif _kind(data) is not None:  # much faster than by narwhals, which counts for a single row
        column = data.column(position) if _kind(data) == "pyarrow" else data.to_series(position)
    else:
        column = _wrapped(data)[:, position].to_native()
    return pd.Series(_entries(_wrapped_column(column)), name=getattr(column, "name", None) or None)


def as_pandas(data, name):
    """A foreign table as a DataFrame, a foreign column as a Series; all else as it is."""
    check_eager(data, name)
    if not is_foreign(data):
        return data
    if not is_table(data):
        return series_of(data)
    names = names_of(data, name)
    columns = {position: series_of(data, position) for position in range(len(names))}
    return pd.DataFrame(columns).set_axis(names, axis=1)


def _entries(column):
    """Entries of a column of narwhals in the form that pandas has for them."""
    dtype = column.dtype
    if isinstance(dtype, (nw.Int128, nw.UInt128)):
        return _objects(column).infer_objects()
    if dtype.is_integer():
        return _whole_numbers(column)
    if dtype.is_float() or (dtype == nw.Boolean and not column.is_null().any()):
        return column.to_numpy()
    if isinstance(dtype, (nw.Categorical, nw.Enum)):
        return pd.Categorical(column.to_list())
    if isinstance(dtype, nw.Date):
        return pd.Series(column.to_numpy().astype("datetime64[s]"))
    if isinstance(dtype, (nw.Datetime, nw.Duration)):
        moments = pd.Series(column.to_numpy())
        zone = getattr(dtype, "time_zone", None)
        return moments.dt.tz_localize("UTC").dt.tz_convert(zone) if zone else moments
    return pd.Series(column.to_list()) if dtype == nw.String else _objects(column).infer_objects()


def _whole_numbers(column):
    """Whole numbers as they are; with gaps float64, or nullable where that does not hold them."""
    gaps = column.is_null().to_numpy()
    if not gaps.any():
        return column.to_numpy()
    numbers = column.fill_null(0).to_numpy()
    if numbers.min() < -WHOLE or numbers.max() > WHOLE:
        return pd.arrays.IntegerArray(numbers.copy(), gaps.copy())
    return np.where(gaps, np.nan, numbers)


def _objects(column):
    return pd.Series(column.to_list(), dtype=object)


def _kind(data):
    """The library of a table or column, "polars" or "pyarrow"; None for all others."""
    pl, pa = nw.dependencies.get_polars(), nw.dependencies.get_pyarrow()
    if pl is not None and isinstance(data, (pl.DataFrame, pl.Series)):
        return "polars"
    if pa is not None and isinstance(data, (pa.Table, pa.RecordBatch, pa.ChunkedArray, pa.Array)):
        return "pyarrow"
    return None


def _wrapped(data):
    """Data as an object of narwhals; what it does not read as it is."""
    return nw.from_native(data, pass_through=True, allow_series=True)


def _wrapped_column(data):
    """A column that stands alone, a Series of narwhals."""
    pa = nw.dependencies.get_pyarrow()
    if pa is not None and isinstance(data, pa.Array):
        data = pa.chunked_array([data])
    return nw.from_native(data, series_only=True)
