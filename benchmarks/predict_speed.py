"""How long does an answer take: one row, a million rows, the first row of a new process?

The tutorial's network, 7-20-10-{1, 28}, ``preprocess=None``; each figure is the
best of several. "validated" is what a user calls, input checks included.

    python benchmarks/predict_speed.py
"""

import json
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import joblib
import numpy as np
from sklearn.neural_network import MLPRegressor

from _common import option_parser, print_table, print_versions, write_json
from fit_speed import HIDDEN, make_data
from skjoint import JointRegressorClassifier

MILLION = 1_000_000


def best(function, repeats, calls=1):
    """Seconds of one call, the best of several runs."""
    found = []
    for _ in range(repeats):
        start = time.perf_counter()
        for _ in range(calls):
            function()
        found.append((time.perf_counter() - start) / calls)
    return min(found)


def fit_both():
    X, value, label = make_data()
    est = JointRegressorClassifier.plain(HIDDEN, epochs=2, preprocess=None, random_state=0)
    est.fit(X, np.column_stack([value, label]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mlp = MLPRegressor(hidden_layer_sizes=HIDDEN, max_iter=2, random_state=0).fit(X, value)
    return est, mlp, X


def one_row(est, mlp, model, graph, X):
    import tensorflow as tf

    row, tensor = X[:1], tf.constant(X[:1])
    return {
        "predict_value": best(lambda: est.predict_value(row), 5, 1000),
        "predict (both)": best(lambda: est.predict(row), 5, 1000),
        "scikit-learn MLPRegressor.predict": best(lambda: mlp.predict(row), 5, 1000),
        "tf.function": best(lambda: graph(tensor), 5, 300),
        "model(x)": best(lambda: model(tensor), 3, 50),
        "keras.Model.predict": best(lambda: model.predict(row, verbose=0), 3, 5),
    }


def million_rows(est, mlp, model, graph):
    import tensorflow as tf

    X = np.random.default_rng(0).normal(size=(MILLION, 7)).astype(np.float32)
    network = est._model.network
    return {
        "network alone, number": best(lambda: network.predict(X, ["value"]), 5),
        "network alone, both": best(lambda: network.predict(X, ["value", "class"]), 5),
        "predict_value": best(lambda: est.predict_value(X), 3),
        "predict_proba": best(lambda: est.predict_proba(X), 3),
        "predict (both)": best(lambda: est.predict(X), 3),
        "tf.function, whole array": best(
            lambda: [output.numpy() for output in graph(tf.constant(X))], 5
        ),
        "keras.Model.predict, batches of 8192": best(
            lambda: model.predict(X, batch_size=8192, verbose=0), 2
        ),
        "scikit-learn MLPRegressor.predict": best(lambda: mlp.predict(X), 3),
    }


def cold_start(est, mlp):
    """Seconds of a new process, from its start to the answer for one row."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, fitted in {"predict_value": est, "scikit-learn": mlp}.items():
            path = Path(folder) / f"{name}.joblib"
            joblib.dump(fitted, path)
            call = "predict_value" if fitted is est else "predict"
            code = f"import joblib; joblib.load({str(path)!r}).{call}([[0.0] * 7])"
            found[name] = best(lambda code=code: _run(code), 3)
        est.model_.save(Path(folder) / "model.keras")
        code = (
            f"import keras, numpy as np; m = keras.models.load_model("
            f"{str(Path(folder) / 'model.keras')!r}); m(np.zeros((1, 7), 'float32'))"
        )
        found["Keras, load and call"] = best(lambda: _run(code), 1)
    return found


def _run(code):
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def report(title, seconds, unit, scale, references):
    """A table with, for every row, how many times the time of each reference it takes."""
    print_table(
        title,
        ("", unit, *(f"times {name}" for name in references)),
        [
            (name, f"{scale * s:.3f}", *(f"{s / seconds[r]:.2f}" for r in references))
            for name, s in seconds.items()
        ],
    )


def main():
    parser = option_parser("predict_speed", __doc__)
    args = parser.parse_args()
    print_versions()
    import tensorflow as tf

    est, mlp, X = fit_both()
    model = est.model_
    graph = tf.function(
        lambda x: model(x, training=False),
        input_signature=[tf.TensorSpec((None, 7), tf.float32)],
    )
    results = {
        "one row": one_row(est, mlp, model, graph, X),
        "million rows": million_rows(est, mlp, model, graph),
        "cold start": cold_start(est, mlp),
    }
    report(
        "One row, validated: milliseconds",
        results["one row"],
        "ms",
        1e3,
        ["predict_value", "scikit-learn MLPRegressor.predict"],
    )
    report(
        "A million rows: seconds",
        results["million rows"],
        "s",
        1,
        ["tf.function, whole array", "keras.Model.predict, batches of 8192"],
    )
    report("New process, first answer: seconds", results["cold start"], "s", 1, ["predict_value"])
    write_json(args.json, json.loads(json.dumps(results)))


if __name__ == "__main__":
    main()
