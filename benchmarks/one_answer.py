"""Where the label is cut from the number: which number, which label, do they agree?

The label head is then a distribution over the number. ``value_from`` takes the
number from the value head, from the mean or median of that distribution, or
from a blend with the value head that is chosen on held-out training rows;
``class_from="value"`` makes the label that of the number, so that the two never
contradict each other. One network per fold answers in all ways but the blend,
which trains on nine tenths of the rows.

    python benchmarks/one_answer.py
    python benchmarks/one_answer.py --folds 2    # quick look

Abalone (rings) with each of 28 ring counts as a label, and with three bands
(1-8, 9-10, 11 and more); the number is trained on squared and on absolute
errors. Abalone is read from the folder that the environment variable
SKJOINT_DATA names, else downloaded. Differences are taken fold by fold, against
the value head and the most probable label.
"""

import numpy as np
from sklearn.model_selection import KFold

from _common import (
    PLAIN_LAYERS,
    count,
    option_parser,
    print_table,
    print_versions,
    spread,
    write_json,
)
from skjoint import JointRegressorClassifier
from skjoint.datasets import fetch_abalone

BANDS = [8.5, 10.5]
METRICS = {
    "value_mae": "MAE",
    "value_rmse": "RMSE",
    "class_accuracy": "accuracy",
    "agreement": "agreement",
}
VALUE_FROM = ("head", "mean", "median", "blend")


def answers(X, y, train, test, seed, **parameters):
    """Metrics of every way to answer, by (value_from, class_from)."""
    parameters = {**parameters, "random_state": seed}
    est = JointRegressorClassifier.plain(PLAIN_LAYERS, **parameters).fit(X.iloc[train], y[train])
    blend = JointRegressorClassifier.plain(PLAIN_LAYERS, value_from="blend", **parameters)
    blend.fit(X.iloc[train], y[train])
    found = {}
    for value_from in VALUE_FROM:
        for class_from in ("head", "value"):
            fitted = blend if value_from == "blend" else est
            fitted.set_params(value_from=value_from, class_from=class_from)
            metrics = fitted.evaluate(X.iloc[test], y[test])
            found[value_from, class_from] = [metrics[name] for name in METRICS]
    return found, blend.value_blend_


def main():
    parser = option_parser("one_answer", __doc__)
    parser.add_argument("--folds", type=count, default=5)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print_versions()
    X, y = fetch_abalone(return_X_y=True)
    y = y.to_numpy()
    results = {}
    for labels, parameters in {
        "28 labels": {"classes": np.unique(y)},
        "3 bands": {"class_bins": BANDS},
    }.items():
        for loss in ("mse", "mae"):
            folds, blends = [], []
            for train, test in KFold(options.folds, shuffle=True, random_state=0).split(X):
                found, blend = answers(
                    X, y, train, test, options.seed, value_loss=loss, **parameters
                )
                folds.append(found)
                blends.append(blend)
            rows, saved = [], {}
            for way in folds[0]:
                figures = np.array([fold[way] for fold in folds])
                gains = figures - np.array([fold["head", "head"] for fold in folds])
                error = gains.std(axis=0, ddof=1) / np.sqrt(len(folds))
                change = f"{gains[:, 0].mean():+.3f} ± {error[0]:.3f}"
                rows.append([*way, *(spread(column) for column in figures.T), change])
                saved[" / ".join(way)] = dict(zip(METRICS.values(), figures.T, strict=True))
            title = f"abalone, {labels}, value_loss={loss!r}, {options.folds} folds"
            header = ["value_from", "class_from", *METRICS.values(), "MAE - head's"]
            print_table(title, header, rows)
            print("blends:", "; ".join(str(blend) for blend in blends))
            results[f"{labels}, {loss}"] = {"ways": saved, "blends": blends}
    write_json(options.json, {"folds": options.folds, "seed": options.seed, "results": results})


if __name__ == "__main__":
    main()
