"""Types that the public modules share in their annotations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

# X and y as users give them.
XLike: TypeAlias = ArrayLike | pd.DataFrame
YLike: TypeAlias = ArrayLike | pd.DataFrame | pd.Series | Mapping[str, ArrayLike]

# Names or positions of columns of y; a nested list is a block of columns.
Columns: TypeAlias = Sequence[Any] | None
ClassBins: TypeAlias = int | Sequence[float] | NDArray[Any] | None

RandomState: TypeAlias = int | np.random.RandomState | None

# An array, or a list of arrays where there are several class targets. "| Any" spares callers who
# have one class target a cast.
ArrayOrList: TypeAlias = NDArray[Any] | Any
