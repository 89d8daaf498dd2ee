"""How much faster is the fused engine than what people use today, and where does it stop paying?

First the tutorial's joint fit (2,798 rows, 7-20-10-{1, 28}, batches of 32, 150
epochs; random numbers of its shape, so no data are needed) by

fused, keras
    the two engines of ``JointRegressorClassifier``;
keras.Model.fit
    the tutorial's code: the same network, called once on arrays;
scikeras
    ``KerasRegressor`` and ``KerasClassifier``, as scikeras has no joint model;
scikit-learn
    ``MLPRegressor`` and ``MLPClassifier`` with the same layers and epochs.

"First" is the first fit in a new process after its imports, so tracing and
compilation are in it; "warm" is the median of later fits. Then rows, widths and
batch sizes grow: the mean epoch of a warm fused fit, its start included, against
the best warm epoch of ``keras.Model.fit``, of at most 300 steps and scaled. Last,
networks of the user's own as ``trunk``: a warm epoch in both engines.

    python benchmarks/fit_speed.py
    python benchmarks/fit_speed.py --epochs 20 --quick    # a first look
"""

import json
import subprocess
import sys
import time
import warnings

import numpy as np

from _common import count, option_parser, print_table, print_versions, write_json

N_ROWS, N_FEATURES, N_CLASSES, BATCH = 2798, 7, 28, 32
HIDDEN = (20, 10)
CONTENDERS = ("fused", "keras", "keras.Model.fit", "scikeras", "scikit-learn")
PEERS = CONTENDERS[2:]


def make_data(n_rows=N_ROWS, n_features=N_FEATURES, n_classes=N_CLASSES):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_rows, n_features)).astype(np.float32)
    value = (X[:, :3].sum(axis=1) + rng.normal(size=n_rows)).astype(np.float32)
    return X, value, rng.integers(0, n_classes, n_rows)


# ----------------------------------------------------------------- contenders
def by_skjoint(engine, X, value, label, epochs, hidden=HIDDEN, batch_size=BATCH):
    from skjoint import JointRegressorClassifier

    JointRegressorClassifier.plain(
        hidden,
        epochs=epochs,
        batch_size=batch_size,
        engine=engine,
        preprocess=None,
        random_state=0,
    ).fit(X, np.column_stack([value, label]))


def keras_network(hidden, n_features, heads):
    import keras

    inputs = keras.Input((n_features,))
    x = inputs
    for units in hidden:
        x = keras.layers.Dense(units, activation="relu", kernel_initializer="he_normal")(x)
    outputs = {
        "value": keras.layers.Dense(1, name="value"),
        "class": keras.layers.Dense(N_CLASSES, activation="softmax", name="class"),
    }
    return keras.Model(inputs, [outputs[head](x) for head in heads])


def by_keras(X, value, label, epochs, hidden=HIDDEN, batch_size=BATCH, callbacks=None):
    model = keras_network(hidden, X.shape[1], ("value", "class"))
    model.compile("adam", loss=["mse", "sparse_categorical_crossentropy"])
    model.fit(
        X, [value, label], epochs=epochs, batch_size=batch_size, verbose=0, callbacks=callbacks
    )


def keras_epoch(X, value, label, hidden, batch_size, steps=300):
    """Seconds of one warm epoch, measured on so many steps and scaled to all rows."""
    import keras

    rows = min(len(X), steps * batch_size)
    ends = []
    timer = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: ends.append(time.perf_counter())
    )
    by_keras(X[:rows], value[:rows], label[:rows], 4, hidden, batch_size, [timer])
    return min(np.diff(ends)) * len(X) / rows


def by_scikeras(X, value, label, epochs):
    from scikeras.wrappers import KerasClassifier, KerasRegressor

    def network(head):
        model = keras_network(HIDDEN, N_FEATURES, (head,))
        losses = {"value": "mse", "class": "sparse_categorical_crossentropy"}
        model.compile("adam", loss=losses[head])
        return model

    settings = {"epochs": epochs, "batch_size": BATCH, "verbose": 0}
    KerasRegressor(lambda: network("value"), **settings).fit(X, value)
    KerasClassifier(lambda: network("class"), **settings).fit(X, label)


def by_scikit_learn(X, value, label, epochs):
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    settings = {
        "batch_size": BATCH,
        "max_iter": epochs,
        "n_iter_no_change": 10**6,
        "tol": 0,
        "alpha": 0,
        "random_state": 0,
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        MLPRegressor(hidden_layer_sizes=HIDDEN, **settings).fit(X, value)
        MLPClassifier(hidden_layer_sizes=HIDDEN, **settings).fit(X, label)


def run(contender, data, epochs):
    """Seconds of one fit of the tutorial's job."""
    start = time.perf_counter()
    if contender in ("fused", "keras"):
        by_skjoint(contender, *data, epochs)
    else:
        functions = {
            "keras.Model.fit": by_keras,
            "scikeras": by_scikeras,
            "scikit-learn": by_scikit_learn,
        }
        functions[contender](*data, epochs)
    return time.perf_counter() - start


# -------------------------------------------------------------------- the job
def measure(contender, epochs, repeats):
    """Seconds of the first and of later fits, in this process, after imports."""
    import keras  # noqa: F401  imports are not in the figures
    import tensorflow as tf

    tf.constant(0.0) + 1
    data = make_data()
    return [run(contender, data, epochs) for _ in range(1 + repeats)]


def measure_in_new_process(contender, epochs, repeats):
    done = subprocess.run(
        [sys.executable, __file__, "--worker", contender, str(epochs), str(repeats)],
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def tutorial_job(epochs):
    found = {}
    for contender in CONTENDERS:
        repeats = 5 if contender == "fused" else 1
        seconds = measure_in_new_process(contender, epochs, repeats)
        found[contender] = {"first": seconds[0], "warm": float(np.median(seconds[1:]))}
    fused = found["fused"]
    print_table(
        f"The tutorial's joint fit, {epochs} epochs: seconds; how many times faster fused is",
        ("", "first", "warm", "fused, first", "fused, warm"),
        [
            (
                name,
                f"{s['first']:.2f}",
                f"{s['warm']:.2f}",
                f"{s['first'] / fused['first']:.1f}",
                f"{s['warm'] / fused['warm']:.1f}",
            )
            for name, s in found.items()
        ],
    )
    return found


# --------------------------------------------------------------------- growth
def growth(title, settings, epochs_of):
    """Seconds per epoch, warm, of the fused engine and of keras.Model.fit."""
    rows, found = [], {}
    for name, (n_rows, hidden, batch_size) in settings.items():
        data = make_data(n_rows, N_FEATURES)
        epochs = epochs_of(n_rows, batch_size)
        by_skjoint("fused", *data, epochs, hidden, batch_size)
        start = time.perf_counter()
        by_skjoint("fused", *data, epochs, hidden, batch_size)
        fused = (time.perf_counter() - start) / epochs
        keras = keras_epoch(*data, hidden, batch_size)
        found[name] = {"fused": fused, "keras.Model.fit": keras}
        rows.append((name, f"{fused:.4f}", f"{keras:.3f}", f"{keras / fused:.1f}"))
    print_table(title, ("", "fused", "keras.Model.fit", "ratio"), rows)
    return found


def epochs_for(n_rows, batch_size):
    """So many that `engine="auto"` compiles: 5,000 steps or more."""
    return int(np.ceil(5000 / np.ceil(n_rows / batch_size)))


def trunks(epochs=20):
    """Seconds per epoch, start included, of the quickest of three warm fits in both engines."""
    import keras

    from skjoint import JointRegressorClassifier

    layers = keras.layers
    kinds = {
        "dense, normalised, dropout": (
            (2000, 10),
            [
                layers.Dense(64, use_bias=False),
                layers.BatchNormalization(),
                layers.Activation("relu"),
                layers.Dropout(0.1),
                layers.Dense(64, activation="relu"),
            ],
        ),
        "LSTM, 10 steps": ((2000, 10, 1), [layers.LSTM(32)]),
        "convolutions, 28 x 28": (
            (1000, 28, 28, 1),
            [
                layers.Conv2D(16, 3, activation="relu"),
                layers.MaxPooling2D(),
                layers.Conv2D(32, 3, activation="relu"),
                layers.GlobalAveragePooling2D(),
            ],
        ),
    }
    rows, found = [], {}
    for name, (shape, stack) in kinds.items():
        X = np.random.default_rng(0).normal(size=shape).astype(np.float32)
        y = np.column_stack([X.reshape(len(X), -1).mean(axis=1), np.arange(len(X)) % 2])
        trunk = keras.Sequential([keras.Input(shape[1:]), *stack])
        seconds = {}
        for engine in ("fused", "keras"):
            est = JointRegressorClassifier(trunk=trunk, engine=engine, random_state=0)
            est.set_params(epochs=5 * epochs).fit(X, y)  # enough steps to compile
            est.set_params(epochs=epochs)
            took = []
            for _ in range(3):
                start = time.perf_counter()
                est.fit(X, y)
                took.append(time.perf_counter() - start)
            seconds[engine] = min(took) / epochs
        found[name] = seconds
        ratio = f"{seconds['keras'] / seconds['fused']:.1f}"
        rows.append((name, f"{seconds['fused']:.4f}", f"{seconds['keras']:.4f}", ratio))
    print_table("Seconds per epoch of trunks", ("", "fused", 'engine="keras"', "ratio"), rows)
    return found


def draw(results, path):
    """The growing sizes: seconds per epoch of both, one panel each."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    panels = {"rows": "by rows", "widths": "by width", "batches": "by batch size"}
    figure, axes = plt.subplots(1, 3, figsize=(11, 3.4), layout="constrained")
    for ax, (panel, title) in zip(axes, panels.items(), strict=True):
        names = list(results[panel])
        for engine in ("keras.Model.fit", "fused"):
            seconds = [results[panel][name][engine] for name in names]
            ax.plot(range(len(names)), seconds, marker="o", label=engine)
        ax.set_xticks(range(len(names)), names, rotation=20, ha="right", fontsize="small")
        ax.set(yscale="log", title=f"Seconds per epoch {title}")
    axes[0].legend()
    figure.savefig(path)
    print(f"\n{path}")


def main():
    if sys.argv[1:2] == ["--worker"]:
        contender, epochs, repeats = sys.argv[2:]
        print(json.dumps(measure(contender, int(epochs), int(repeats))))
        return
    parser = option_parser("fit_speed", __doc__)
    parser.add_argument("--epochs", type=count, default=150, help="default: 150")
    parser.add_argument("--quick", action="store_true", help="leave the growing sizes out")
    parser.add_argument("--plot", metavar="FILE", help="draw the growing sizes (needs matplotlib)")
    args = parser.parse_args()
    print_versions()
    results = {"epochs": args.epochs, "tutorial": tutorial_job(args.epochs)}
    if not args.quick:
        small, wide = HIDDEN, (256, 128)
        results["rows"] = growth(
            f"Seconds per epoch by rows, {small}, batch 32",
            {f"{n:,} rows": (n, small, 32) for n in (1000, 10_000, 100_000, 1_000_000)},
            epochs_for,
        )
        results["widths"] = growth(
            "Seconds per epoch by width of two hidden layers, 10,000 rows, batch 32",
            {f"({w}, {w})": (10_000, (w, w), 32) for w in (16, 64, 256, 1024)},
            epochs_for,
        )
        results["batches"] = growth(
            f"Seconds per epoch by batch size, 10,000 rows, {wide}",
            {f"batches of {b}": (10_000, wide, b) for b in (8, 32, 128, 512, 2048)},
            epochs_for,
        )
        results["trunks"] = trunks()
        if args.plot:
            draw(results, args.plot)
    write_json(args.json, results)


if __name__ == "__main__":
    main()
