"""How long does a search of 60 fits take?

``GridSearchCV`` over 3 learning rates and 4 strengths of L2, 5 folds (the
tutorial's sizes: 2,798 rows, 7-20-10-{1, 28}, batches of 32; random numbers of
its shape), by

fused
    ``JointRegressorClassifier``, one job and two threads: all points of the
    grid share one compiled program per thread;
keras
    the same search over ``engine="keras"``: one point of the twelve is measured
    and scaled to all of them;
scikit-learn
    ``MLPRegressor`` and ``MLPClassifier`` of the same size, each searched over
    the same grid.

Imports are outside the figures; compilation is inside.

    python benchmarks/search_speed.py
    python benchmarks/search_speed.py --epochs 20    # a first look
"""

import time
import warnings

import joblib
import numpy as np
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier, MLPRegressor

from _common import count, option_parser, print_table, print_versions, write_json
from fit_speed import BATCH, HIDDEN, make_data
from skjoint import JointRegressorClassifier
from skjoint._engines.fused.cache import training_programs
from skjoint._support.keras_import import import_keras

RATES = [1e-3, 3e-3, 1e-2]
PENALTIES = [0.0, 1e-4, 1e-3, 1e-2]
FOLDS = 5


def joint(engine, epochs):
    return JointRegressorClassifier.plain(
        HIDDEN,
        batch_size=BATCH,
        epochs=epochs,
        preprocess=None,
        classes=np.arange(28),
        engine=engine,
        random_state=0,
    )


def search(estimator, grid, X, y, threads=1):
    """Seconds of a search without the refit."""
    grid_search = GridSearchCV(
        estimator, grid, cv=FOLDS, refit=False, n_jobs=threads, error_score="raise"
    )
    start = time.perf_counter()
    with warnings.catch_warnings(), joblib.parallel_config("threading"):
        warnings.simplefilter("ignore")
        grid_search.fit(X, y)
    return time.perf_counter() - start


def main():
    parser = option_parser("search_speed", __doc__)
    parser.add_argument("--epochs", type=count, default=150, help="default: 150")
    args = parser.parse_args()
    print_versions()
    import_keras()
    X, value, label = make_data()
    y = np.column_stack([value, label])
    grid = {"learning_rate": RATES, "alpha": PENALTIES}
    one = {"learning_rate": RATES[:1], "alpha": PENALTIES[:1]}
    points = len(RATES) * len(PENALTIES)
    seconds, programs = {}, {}
    for threads in (1, 2):
        training_programs.clear()
        before = training_programs.n_built
        name = f"fused, {threads} thread{'s' if threads > 1 else ''}"
        seconds[name] = search(joint("fused", args.epochs), grid, X, y, threads)
        programs[name] = training_programs.n_built - before
    seconds["keras (one point, scaled)"] = points * search(joint("keras", args.epochs), one, X, y)
    settings = {
        "hidden_layer_sizes": HIDDEN,
        "batch_size": BATCH,
        "max_iter": args.epochs,
        "n_iter_no_change": 10**6,
        "tol": 0,
        "random_state": 0,
    }
    sklearn_grid = {"learning_rate_init": RATES, "alpha": PENALTIES}
    seconds["scikit-learn's pair"] = sum(
        search(mlp(**settings), sklearn_grid, X, target)
        for mlp, target in ((MLPRegressor, value), (MLPClassifier, label))
    )
    fused = seconds["fused, 1 thread"]
    print_table(
        f"{points} points, {FOLDS} folds, {args.epochs} epochs: {points * FOLDS} fits",
        ("", "seconds", "times fused", "programs built"),
        [(n, f"{s:.1f}", f"{s / fused:.1f}", programs.get(n, "")) for n, s in seconds.items()],
    )
    write_json(args.json, {"epochs": args.epochs, "seconds": seconds, "programs_built": programs})


if __name__ == "__main__":
    main()
