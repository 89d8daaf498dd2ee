"""Does learning both targets together help? The joint network against itself, trained alone.

The same network (the estimator's default layers) is trained for both targets and for each
target alone, on the rows that are labelled for it, with the same rule for when to stop:
``early_stopping="by_head"``, so that each head keeps its own best epoch, and at most as many
steps as 200 epochs of all rows. The joint network weighs a target by the share of the rows
that are labelled for it. Two questions:

related, and how much labelled
    ``skjoint.datasets.make_joint``: relatedness from 0, where number and label are
    functions of the same features that share nothing else, to 1, where they come from one
    function; all rows labelled for both targets, or one target known in 30 or 10 % of them;
real tables
    the seven sets of ``quality.py``, all rows labelled.

The error is the number's RMSE or the label's log loss. What is printed is by how many per
cent the joint network's error is lower (above 0: joint helps), mean over seeds or splits
and its standard error; seeds draw functions, rows, hidden entries and networks of the first
table, splits of the second share rows.

    python benchmarks/ablation.py
    python benchmarks/ablation.py --seeds 2    # quick look

Real tables are read from the folder that the environment variable SKJOINT_DATA names and
are skipped if it is not there.
"""

import math
import time
import warnings

import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split

import quality
from _common import (
    PLAIN_LAYERS,
    count,
    in_lists,
    option_parser,
    print_table,
    print_versions,
    warm_up,
    write_json,
)
from skjoint import JointRegressorClassifier
from skjoint.datasets import make_joint

RELATEDNESS = (0.0, 0.5, 0.9, 1.0)
SHARES = (1.0, 0.3, 0.1)
N_MADE = 3000
EPOCHS = 200
KINDS = ("value", "class")
ERRORS = {"value": "value_rmse", "class": "class_log_loss"}


def settings():
    """Scarce target (None: both known everywhere), its share of labelled rows."""
    scarce = [(kind, share) for kind in KINDS for share in SHARES if share < 1]
    return [(None, 1.0), *scarce]


def hide(y, kind, share, seed):
    """y with the entries of one target in that share of the rows only."""
    y = y.reset_index(drop=True)
    if kind is not None:
        hidden = np.random.default_rng(seed).permutation(len(y))[round(share * len(y)) :]
        y.loc[hidden, kind] = None
    return y


def gains(train, test, seed):
    """Per cent by which the joint error is below that of the network alone, by kind of target.

    ``train`` and ``test`` are X and a DataFrame y with the columns value and class.
    """
    X, y = train
    known = {kind: y[kind].notna().to_numpy() for kind in KINDS}

    def fit(kinds, rows):
        network = JointRegressorClassifier.plain(
            PLAIN_LAYERS,
            value_columns=["value"] if "value" in kinds else [],
            class_columns=["class"] if "class" in kinds else [],
            loss_weights=[known[kind].mean() if len(kinds) > 1 else 1.0 for kind in kinds],
            early_stopping="by_head",
            epochs=round(EPOCHS * len(y) / rows.sum()),  # of fewer rows more, for equal steps
            random_state=seed,
        )
        X_known = X[rows] if isinstance(X, pd.DataFrame) else X[np.flatnonzero(rows)]
        return network.fit(X_known, y.loc[rows, list(kinds)])

    joint = fit(KINDS, np.ones(len(y), dtype=bool)).evaluate(*test)
    found = {}
    for kind in KINDS:
        X_test, y_test = test
        alone = fit((kind,), known[kind]).evaluate(X_test, y_test[[kind]])
        found[kind] = 100 * (1 - joint[ERRORS[kind]] / alone[ERRORS[kind]])
    return found


def made(relatedness, kind, share, seed):
    X, y = make_joint(N_MADE, relatedness=relatedness, random_state=seed)
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=1 / 3, random_state=seed)
    return gains((X_train, hide(y_train, kind, share, seed)), (X_test, y_test), seed)


def real(name, seed):
    train, test, _ = quality.split(name, seed)

    def as_y(value, label):
        y = {"value": value.to_numpy(float), "class": label.to_numpy(object)}
        return pd.DataFrame(y)

    X, X_test = (part[0].reset_index(drop=True) for part in (train, test))
    return gains((X, as_y(*train[1:])), (X_test, as_y(*test[1:])), seed)


def standing(values):
    """``mean ± standard error``; no error of a single value."""
    if len(values) == 1:
        return f"{values[0]:+.1f}"
    return f"{np.mean(values):+.1f} ± {np.std(values, ddof=1) / math.sqrt(len(values)):.1f}"


def main():
    parser = option_parser("ablation", __doc__)
    parser.add_argument("--seeds", type=count, default=10, help="runs of each (default: 10)")
    args = parser.parse_args()
    print_versions()
    warm_up()
    warnings.filterwarnings("ignore", message="y holds labels")  # rare ones of abalone
    start = time.perf_counter()
    results = {"made": {}, "real": {}}
    for kind, share in settings():
        rows = []
        for relatedness in RELATEDNESS:
            found = in_lists([made(relatedness, kind, share, s) for s in range(args.seeds)])
            results["made"][f"{kind} {share} {relatedness}"] = found
            rows.append([relatedness, *[standing(found[kind]) for kind in KINDS]])
        scarce = "both known" if kind is None else f"{kind} known in {share:.0%}"
        print_table(
            f"make_joint, {scarce}: per cent less error than alone",
            ("relatedness", "RMSE of the number", "log loss of the label"),
            rows,
        )
    rows = []
    for name in quality.SETS:
        try:
            found = in_lists([real(name, seed) for seed in quality.SEEDS])
        except OSError as error:
            print(f"\n{name}: skipped: {error}")
            continue
        results["real"][name] = found
        rows.append([name, *[standing(found[kind]) for kind in KINDS]])
    print_table(
        "Real tables, all rows labelled: per cent less error than alone",
        ("set", "RMSE of the number", "log loss of the label"),
        rows,
    )
    print(f"{time.perf_counter() - start:.0f} seconds in all")
    write_json(args.json, {"seeds": args.seeds, **results})


if __name__ == "__main__":
    main()
