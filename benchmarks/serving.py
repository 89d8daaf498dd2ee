"""Is it worth serving the ONNX graph instead of the estimator: first answer, latency, throughput?

A plain network (64-64, three labels) on ten columns: all numbers,
a Pipeline of scikit-learn's scaler with it, and a table of seven numbers and three
columns of text. "All" is number, label and probabilities: ``predict`` and
``predict_proba`` of the estimator, one run of the session. Both get what they
take without conversion: arrays, or a DataFrame here and an array per column
there. Each figure is the best of several; both use all cores.

    python benchmarks/serving.py
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnxruntime
import pandas as pd
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from _common import PLAIN_LAYERS, option_parser, print_table, print_versions, require, write_json
from predict_speed import best
from skjoint import JointRegressorClassifier
from skjoint.persistence import save, to_onnx

ROWS = {1: (15, 300), 1_000: (25, 20), 100_000: (15, 1)}  # repeats, and calls in each
COLD_STARTS = 10

BY_LOAD = """
import sys
from skjoint.persistence import load
est = load(sys.argv[1])
X = [[0.5] * 10]
est.predict(X), est.predict_proba(X)
"""
BY_ONNX = """
import sys
import numpy as np
import onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1])
session.run(None, {"X": np.full((1, 10), 0.5)})
"""


def make_data(n_rows):
    """Ten numbers, the same rows with three columns of text, and targets."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_rows, 10))
    value = X[:, :3].sum(axis=1) + 0.3 * rng.normal(size=n_rows)
    label = np.array(["low", "middle", "high"], dtype=object)[np.digitize(X[:, 3], [-0.5, 0.5])]
    table = pd.DataFrame(X[:, :7], columns=[f"number {i}" for i in range(7)])
    for i, n_categories in enumerate((2, 5, 20)):
        names = np.array([f"category {c}" for c in range(n_categories)], dtype=object)
        table[f"text {i}"] = names[rng.integers(0, n_categories, n_rows)]
    return X, table, pd.DataFrame({"value": value, "label": label})


def feed(session, X):
    """What a session takes, ready before the clock starts."""
    if isinstance(X, np.ndarray):
        return {"X": X}
    return {
        entry.name: X[[entry.name]].to_numpy(object if "string" in entry.type else float)
        for entry in session.get_inputs()
    }


def latencies(estimator, session, X, repeats, calls):
    """Seconds of a call by the estimator and by ONNX Runtime, after a look at the answers."""
    fed = feed(session, X)
    value, label, proba = session.run(["value", "class", "proba"], fed)
    require(
        np.allclose(value, estimator.predict(X, output="value"), rtol=1e-5, atol=1e-5)
        and np.mean(label == estimator.predict(X, output="class")) > 0.9999
        and np.allclose(proba, estimator.predict_proba(X), atol=1e-5),
        "the graph answers as the estimator does",
    )
    pairs = {
        "number": (
            lambda: estimator.predict(X, output="value"),
            lambda: session.run(["value"], fed),
        ),
        "all": (
            lambda: (estimator.predict(X), estimator.predict_proba(X)),
            lambda: session.run(None, fed),
        ),
    }
    return {
        f"{len(X):,} row{'s' * (len(X) > 1)}, {what}": [best(f, repeats, calls) for f in pair]
        for what, pair in pairs.items()
    }


def cold_starts(estimator, folder):
    """Seconds of new processes, from their start to the answer for one row."""
    save(estimator, folder / "model.skjoint")
    to_onnx(estimator, folder / "model.onnx")
    codes = {
        "Python alone": ("pass",),
        "skjoint.persistence.load": (BY_LOAD, str(folder / "model.skjoint")),
        "ONNX Runtime": (BY_ONNX, str(folder / "model.onnx")),
    }
    return {
        name: best(
            lambda code=code: subprocess.run([sys.executable, "-c", *code], check=True), COLD_STARTS
        )
        for name, code in codes.items()
    }


def main():
    args = option_parser("serving", __doc__).parse_args()
    print_versions()
    print(f"onnxruntime {onnxruntime.__version__}")
    X, table, y = make_data(max(ROWS))
    numbers, in_pipeline, text = (
        JointRegressorClassifier.plain(PLAIN_LAYERS, epochs=5, random_state=0) for _ in range(3)
    )
    models = {
        "numbers": (numbers, X),
        "Pipeline": (make_pipeline(StandardScaler(), in_pipeline), X),
        "text": (text, table),
    }
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        for name, (estimator, given) in models.items():
            estimator.fit(given[:2000], y[:2000])
            path = folder / f"{name}.onnx"
            start = time.perf_counter()
            to_onnx(estimator, path)
            seconds = time.perf_counter() - start
            print(f"{name}: {path.stat().st_size:,} bytes, exported in {1e3 * seconds:.0f} ms")
            session = onnxruntime.InferenceSession(path)
            results[name] = {}
            for n_rows, (repeats, calls) in ROWS.items():
                results[name] |= latencies(estimator, session, given[:n_rows], repeats, calls)
        results["cold start"] = cold_starts(models["numbers"][0], folder)
    for name in models:
        print_table(
            f"{name}: milliseconds",
            ("", "estimator", "ONNX Runtime", "estimator / ONNX"),
            [
                (what, f"{1e3 * ours:.3f}", f"{1e3 * onnx:.3f}", f"{ours / onnx:.2f}")
                for what, (ours, onnx) in results[name].items()
            ],
        )
    print_table(
        "New process, first answer: seconds",
        ("", "s"),
        [(name, f"{seconds:.2f}") for name, seconds in results["cold start"].items()],
    )
    write_json(args.json, results)


if __name__ == "__main__":
    main()
