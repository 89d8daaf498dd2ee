"""Types that the public modules share in their annotations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

# X and y as users give them; rows of numbers and text are a Sequence[Any].
XLike: TypeAlias = ArrayLike | Sequence[Any] | pd.DataFrame
YLike: TypeAlias = ArrayLike | Sequence[Any] | pd.DataFrame | pd.Series | Mapping[str, ArrayLike]

# Names or positions of columns of y; a nested list is a block of columns.
Columns: TypeAlias = Sequence[Any] | None
# All labels of a class target; a list of these where there are several.
Labels: TypeAlias = ArrayLike | Sequence[Any]
ClassBins: TypeAlias = int | Sequence[float] | NDArray[Any] | None

RandomState: TypeAlias = int | np.random.RandomState | None

# Units of hidden layers.
LayerSizes: TypeAlias = int | Sequence[int] | NDArray[np.integer[Any]]
NumericEmbedding: TypeAlias = (
    Literal["auto", "rank", "periodic"] | Sequence[Literal["rank", "periodic"]] | None
)
LossWeights: TypeAlias = (
    Sequence[float] | NDArray[Any] | Mapping[Any, float] | Literal["uncertainty", "dwa", "famo"]
)
Activation: TypeAlias = str | Callable[..., Any]
# Of one class target; a list has one entry for each of several.
OneClassWeight: TypeAlias = Mapping[Any, float] | Literal["balanced"] | None
ClassWeight: TypeAlias = OneClassWeight | Sequence[OneClassWeight]

ValueFrom: TypeAlias = Literal["head", "mean", "median", "blend", "smearing", "auto"]
# The name of one, or a transformer of scikit-learn's kind.
ValueTransform: TypeAlias = Literal["log", "log1p", "yeo-johnson", "quantile"] | Any | None
ClassFrom: TypeAlias = Literal["head", "value"]
OutputKind: TypeAlias = Literal["value", "class", "proba", "interval", "frame"]
HeadLink: TypeAlias = Literal["class_to_value", "value_to_class", "mixture"] | None


class Splitter(Protocol):
    """A splitter of scikit-learn's kind."""

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Iterator[tuple[Any, Any]]: ...


# An array, or a list of arrays where there are several class targets. "| Any" spares callers who
# have one class target a cast.
ArrayOrList: TypeAlias = NDArray[Any] | Any

if TYPE_CHECKING:
    import keras

    Initializer: TypeAlias = (
        str | keras.initializers.Initializer | dict[str, Any] | Callable[..., Any]
    )
    Loss: TypeAlias = str | keras.losses.Loss | Callable[..., Any]
    Trunk: TypeAlias = keras.Model | Callable[..., keras.Model] | None
    Optimizer: TypeAlias = str | keras.optimizers.Optimizer | type[keras.optimizers.Optimizer]
    Callback: TypeAlias = keras.callbacks.Callback | type[keras.callbacks.Callback]
    Callbacks: TypeAlias = Callback | Sequence[Callback] | Mapping[str, Callback] | None
