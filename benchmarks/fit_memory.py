"""How much memory does a fit take beside the data?

Random numbers of some columns, fitted in a new process for each contender:

network
    ``JointRegressorClassifier`` with two plain layers and early stopping;
members
    the same with four members, that hold out rows of their own, and two refits on all;
keras
    the network above by hand with ``keras.Model.fit``, on rows standardised by scikit-learn
    and split by it, stopped early;
scikit-learn
    a pair of ``StandardScaler`` and MLP, regressor and classifier, one after the other.

Reported is the highest resident memory during the fit above that just before it, in
megabytes and in tables of float32. Before it, each has fitted a few rows, so that
libraries are loaded; compiled code for the table's size is inside. On Linux only.

    python benchmarks/fit_memory.py
    python benchmarks/fit_memory.py --rows 200000 --columns 20
"""

import multiprocessing
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from _common import PLAIN_LAYERS, count, option_parser, print_table, print_versions, write_json
from skjoint import JointRegressorClassifier
from soak import resident

EPOCHS = 2
BATCH = 2048
SMALL = 500  # rows to load libraries with


def make_rows(n_rows, n_columns):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_rows, n_columns)).astype(np.float32)
    value = X[:, 0] + rng.normal(size=n_rows).astype(np.float32)
    return X, value, (X[:, 1] > 0).astype(np.int32)


# ------------------------------------------------------------------ contenders
def fit_joint(X, value, label, **params):
    settings = {"epochs": EPOCHS, "batch_size": BATCH, "early_stopping": True, "random_state": 0}
    est = JointRegressorClassifier.plain(PLAIN_LAYERS, **settings, **params)
    return est.fit(X, np.column_stack([value, label]))


def fit_members(X, value, label):
    return fit_joint(X, value, label, n_members=4, n_refits=2)


def fit_keras(X, value, label):
    import keras

    keras.utils.set_random_seed(0)
    X = StandardScaler().fit_transform(X)
    value = StandardScaler().fit_transform(value[:, None])
    parts = train_test_split(X, value, label, test_size=0.1, random_state=0)
    X, X_test, value, value_test, label, label_test = parts
    inputs = hidden = keras.Input(X.shape[1:])
    for size in PLAIN_LAYERS:
        hidden = keras.layers.Dense(size, activation="relu")(hidden)
    heads = [keras.layers.Dense(1)(hidden), keras.layers.Dense(2, activation="softmax")(hidden)]
    model = keras.Model(inputs, heads)
    model.compile("adam", ["mse", "sparse_categorical_crossentropy"])
    model.fit(
        X,
        [value, label],
        epochs=EPOCHS,
        batch_size=BATCH,
        validation_data=(X_test, [value_test, label_test]),
        callbacks=[keras.callbacks.EarlyStopping(restore_best_weights=True)],
        verbose=0,
    )
    return model


def fit_scikit_learn(X, value, label):
    layers = PLAIN_LAYERS
    settings = {
        "max_iter": EPOCHS,
        "batch_size": BATCH,
        "early_stopping": True,
        "random_state": 0,
    }
    pair = []
    for mlp, target in ((MLPRegressor, value), (MLPClassifier, label)):
        pair.append(
            make_pipeline(StandardScaler(), mlp(hidden_layer_sizes=layers, **settings)).fit(
                X, target
            )
        )
    return pair


CONTENDERS = {
    "network": fit_joint,
    "members": fit_members,
    "keras": fit_keras,
    "scikit-learn": fit_scikit_learn,
}


# ------------------------------------------------------------------- measuring
def highest():
    """Megabytes that it has occupied at most since :func:`forget`."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def forget():
    Path("/proc/self/clear_refs").write_text("5")


def measure(name, n_rows, n_columns):
    """In a process of its own: megabytes at the peak and afterwards, and seconds."""
    warnings.simplefilter("ignore")
    fit = CONTENDERS[name]
    fit(*make_rows(SMALL, n_columns))
    rows = make_rows(n_rows, n_columns)
    forget()
    before, start = resident(), time.perf_counter()
    fitted = fit(*rows)  # held while memory is read
    seconds = time.perf_counter() - start
    figures = {"peak": highest() - before, "after": resident() - before, "seconds": seconds}
    del fitted
    return figures


def main():
    parser = option_parser("fit_memory", __doc__)
    parser.add_argument("--rows", type=count, default=1_000_000, help="default: 1000000")
    parser.add_argument("--columns", type=count, default=60, help="default: 60")
    args = parser.parse_args()
    print_versions()
    table = args.rows * args.columns * 4 / 2**20
    found = {}
    for name in CONTENDERS:
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            found[name] = pool.submit(measure, name, args.rows, args.columns).result()
    print_table(
        f"{args.rows:,} rows, {args.columns} columns: a table of {table:.0f} MB",
        ["", "peak MB", "tables", "after MB", "s"],
        [
            [
                name,
                f"{figures['peak']:.0f}",
                f"{figures['peak'] / table:.1f}",
                f"{figures['after']:.0f}",
                f"{figures['seconds']:.1f}",
            ]
            for name, figures in found.items()
        ],
    )
    write_json(args.json, {"rows": args.rows, "columns": args.columns, "contenders": found})


if __name__ == "__main__":
    main()
