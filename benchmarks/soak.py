"""Does a process that trains and predicts for long grow or slow down?

Trains many networks of varying shape, rows and batch size and predicts many
single rows. Prints memory and median times at marks on the way, and ends with
the ratio of the last quarter to the second one (the first warms up).

    python benchmarks/soak.py [--fits 500] [--predictions 100000]
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import logging
import time
import warnings
from pathlib import Path

import numpy as np

from skjoint import JointRegressorClassifier
from skjoint._engines.fused.cache import training_programs
from skjoint.datasets import make_joint

MARKS = 8


def resident():
    """Megabytes of memory that the process occupies without what Python may free, on Linux."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


def fits(n_fits):
    """Seconds of each fit, of 40 shapes and any number of rows, in an order drawn at random."""
    rng = np.random.default_rng(0)
    X, y = make_joint(400, random_state=0)
    for _ in range(n_fits):
        n_rows = rng.integers(60, 400)
        est = JointRegressorClassifier.plain(
            (int(rng.integers(8, 18)), 8),
            epochs=3,
            batch_size=int(rng.choice([16, 32])),
            early_stopping=bool(rng.integers(2)),
        )
        start = time.perf_counter()
        est.fit(X[:n_rows], y[:n_rows])
        yield time.perf_counter() - start


def predictions(n_predictions):
    """Seconds of each prediction of one row."""
    X, y = make_joint(400, random_state=0)
    rows = np.asarray(X, dtype=np.float64)
    est = JointRegressorClassifier(epochs=1, preprocess=None, random_state=0).fit(rows, y)
    for i in range(n_predictions):
        row = rows[i % 400][None]
        start = time.perf_counter()
        est.predict(row)
        yield time.perf_counter() - start


@contextlib.contextmanager
def messages_of_tensorflow():
    """What TensorFlow logs inside, as a list: retracing, for one."""
    messages = []
    handler = logging.Handler()
    handler.emit = lambda record: messages.append(record.getMessage())
    logger = logging.getLogger("tensorflow")
    logger.addHandler(handler)
    try:
        yield messages
    finally:
        logger.removeHandler(handler)


def soak(work, n):
    """Memory and median seconds after each eighth of the work, printed; both as arrays."""
    step = max(1, n // MARKS)
    print(f"{work.__name__:>12} {'MB':>6} {'median s':>10} {'programs':>9}")
    memory, seconds, part = [], [], []
    for i, took in enumerate(work(n), start=1):
        part.append(took)
        if i % step == 0:
            memory.append(resident())
            seconds.append(np.median(part))
            kept = len(training_programs._idle)
            print(f"{i:12,} {memory[-1]:6.0f} {seconds[-1]:10.6f} {kept:9}", flush=True)
            part = []
    return np.array(memory), np.array(seconds)


def late_to_early(seconds):
    """Median of the last quarter over that of the second, in which everything is warm."""
    n = len(seconds) // 4
    return float(np.median(seconds[-n:]) / np.median(seconds[n : 2 * n]))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fits", type=int, default=500)
    parser.add_argument("--predictions", type=int, default=100_000)
    arguments = parser.parse_args()
    with messages_of_tensorflow() as logged, warnings.catch_warnings():
        warnings.filterwarnings("error", "This process has compiled")
        for work, n in ((fits, arguments.fits), (predictions, arguments.predictions)):
            memory, seconds = soak(work, n)
            growth = memory[-1] - memory[len(memory) // 2 - 1]
            print(f"second half: {growth:+.0f} MB; late / early: {late_to_early(seconds):.2f}\n")
    print(f"programs built: {training_programs.n_built}, warnings of TensorFlow: {len(logged)}")


if __name__ == "__main__":
    main()
