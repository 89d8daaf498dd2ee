"""Which defaults are good on tables nobody tuned for?

Changes one setting at a time and measures RMSE and log loss on the data sets of
``cross_validation.py`` (at most 3,000 rows each, 70/30 splits), relative to the
defaults. Small figures are better; one setting that is below 1 in both columns
by more than the spread between sets would be the better default. "layers" are other layers
and nothing else, the "plain" ones are those of ``JointRegressorClassifier.plain()``.

    python benchmarks/defaults.py
    python benchmarks/defaults.py mpg diabetes --splits 1    # quick look
"""

import time
import warnings

import numpy as np
from sklearn.model_selection import train_test_split

from _common import count, option_parser, print_table, print_versions, warm_up, write_json
from cross_validation import LOADERS
from skjoint import JointRegressorClassifier

PLAIN = {"numeric_embedding": None, "learning_rate_schedule": "constant", "alpha": 0.0}
CHANGES = {
    "defaults": {},
    "epochs=15": {"epochs": 15},
    "epochs=60": {"epochs": 60},
    "epochs=100": {"epochs": 100},
    "batch_size=16": {"batch_size": 16},
    "batch_size=64": {"batch_size": 64},
    "plain (64, 64)": {"hidden_layer_sizes": (64, 64), **PLAIN},
    "numeric_embedding=None": {"numeric_embedding": None},
    "numeric_embedding='periodic'": {"numeric_embedding": "periodic"},
    "learning_rate_schedule='constant'": {"learning_rate_schedule": "constant"},
    "layers (64, 64)": {"hidden_layer_sizes": (64, 64)},
    "layers (128, 128)": {"hidden_layer_sizes": (128, 128)},
    "layers (256, 256)": {"hidden_layer_sizes": (256, 256)},
    "layers (128, 128, 128)": {"hidden_layer_sizes": (128, 128, 128)},
    "kernel_initializer='he_normal'": {"kernel_initializer": "he_normal"},
    "activation='tanh'": {"activation": "tanh"},
    "activation='silu'": {"activation": "silu"},
    "dropout=0.1": {"dropout": 0.1},
    "alpha=0": {"alpha": 0.0},
    "alpha=0.001": {"alpha": 0.001},
    "learning_rate=0.001": {"learning_rate": 0.001},
    "learning_rate=0.003": {"learning_rate": 0.003},
    "value_loss='huber'": {"value_loss": "huber"},
    "early_stopping=True, epochs=200": {"early_stopping": True, "epochs": 200},
    "scale_value=False": {"scale_value": False},
}


def measure(frame, value, label, change, splits):
    """Mean RMSE and log loss on the test rows, and mean seconds of a fit."""
    frame = frame.dropna(subset=list({value, label}))
    if len(frame) > 3000:
        frame = frame.sample(3000, random_state=0)
    X = frame.drop(columns=list({value, label}))
    y = frame[list(dict.fromkeys([value, label]))]
    found = []
    for seed in range(splits):
        X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, random_state=seed)
        est = JointRegressorClassifier(
            value_columns=[value],
            class_columns=[label],
            classes=np.unique(y[label]),
            random_state=seed,
            **change,
        )
        start = time.perf_counter()
        est.fit(X_train, y_train)
        seconds = time.perf_counter() - start
        scores = est.evaluate(X_test, y_test)
        found.append((scores["value_rmse"], scores["class_log_loss"], seconds))
    return dict(zip(("rmse", "log_loss", "seconds"), np.mean(found, axis=0), strict=True))


def relative(results, figure):
    """Per change the geometric mean over data sets of its figure / the defaults' figure."""
    logs = {
        name: [np.log(r[figure] / results["defaults"][data][figure]) for data, r in sets.items()]
        for name, sets in results.items()
    }
    return {name: np.exp(np.mean(values)) for name, values in logs.items()}


def main():
    parser = option_parser("defaults", __doc__)
    parser.add_argument("datasets", nargs="*", metavar="DATASET", help=f"of {', '.join(LOADERS)}")
    parser.add_argument("--splits", type=count, default=2, help="default: 2")
    args = parser.parse_args()
    warnings.simplefilter("ignore", UserWarning)
    print_versions()
    warm_up()
    data = {}
    for name in args.datasets or LOADERS:
        try:
            data[name] = LOADERS[name]()
        except OSError as error:
            print(f"{name} skipped: {error}")
    results = {
        change: {name: measure(*task, CHANGES[change], args.splits) for name, task in data.items()}
        for change in CHANGES
    }
    columns = {figure: relative(results, figure) for figure in ("rmse", "log_loss", "seconds")}
    print_table(
        f"Relative to the defaults, geometric mean over {', '.join(data)}; {args.splits} split(s)",
        ("change", "RMSE", "log loss", "fit time"),
        [(change, *(f"{columns[f][change]:.3f}" for f in columns)) for change in CHANGES],
    )
    write_json(args.json, {"splits": args.splits, "results": results})


if __name__ == "__main__":
    main()
