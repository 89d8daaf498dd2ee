"""When do balanced losses help, and when do fixed loss weights do as well?

Sets ``loss_weights`` to

(1, 1)
    the default: both losses count as they are;
grid by score, grid by loss
    the best of five pairs by ``score``, or by ``val_joint_loss`` (the mean over the
    heads of loss / loss of the best constant), on a quarter of the training rows held
    out, then a fit on all of them: six fits in place of one;
uncertainty, dwa, famo
    the methods;

on the data sets of ``cross_validation.py`` (at most 3,000 rows) and on
``skjoint.datasets.make_joint`` of three relatednesses, in three cases:

like size
    the number is standardised, as it is by default. Grid: number's weight over
    label's from 0.1 to 10;
loss x 1000
    so it is, but its loss is a thousand times the squared error. Grid: from 0.0001
    to 1, by powers of ten;
number not standardised
    ``scale_value=False``, and the number with mean 0 and standard deviation 32, so
    that its loss is a thousand times as large too. The same grid.

In the last two cases "like size" stands for the remedy: (1, 1) with the number
standardised and its plain squared error. All other settings are the defaults.

    python benchmarks/balancing.py
    python benchmarks/balancing.py --seeds 2 --epochs 10    # quick look

The seed draws the split (70/30), the network and, of make_joint, functions and rows.
Errors are relative to (1, 1), seed by seed. Splits share rows, so that their standard
errors speak of other splits of these rows, not of other rows. Of differences that are
nothing but noise about one in nine lies outside two standard errors of five seeds: a
method that does nothing would be better clearly on one column of 18, and worse on
another. Where labels are nearly always right (penguins, winequality) the log loss is
some hundredths and its ratio large for differences of no consequence.

Cost: warm fits of the tutorial's size (``fit_speed.py``), by turns, the quickest of
each. A set whose file is not in the folder that the environment variable SKJOINT_DATA
names is skipped.
"""

import time
from collections import Counter

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split

from _common import (
    PLAIN_LAYERS,
    count,
    option_parser,
    print_table,
    print_versions,
    warm_up,
    write_json,
)
from cross_validation import LOADERS
from fit_speed import BATCH, HIDDEN, make_data
from skjoint import JointRegressorClassifier
from skjoint.datasets import make_joint

MAX_ROWS = 3000
N_MADE = 2000
RELATEDNESS = (0.0, 0.5, 1.0)
FACTOR = 1000
METHODS = ("uncertainty", "dwa", "famo")
FIXED, BY_SCORE, BY_LOSS, REMEDY = "(1, 1)", "grid by score", "grid by loss", "like size"
GRID = [(1.0, 0.1), (1.0, 0.3), (1.0, 1.0), (0.3, 1.0), (0.1, 1.0)]
WIDE_GRID = [(1.0, 1.0), (0.1, 1.0), (0.01, 1.0), (0.001, 1.0), (0.0001, 1.0)]
METRICS = ("RMSE", "log loss", "accuracy")


def enlarged(y_true, y_pred):
    """The squared error, a thousandfold."""
    return FACTOR * (y_true[:, 0] - y_pred[:, 0]) ** 2


CASES = {
    "like size": ({}, GRID),
    "loss x 1000": ({"value_loss": enlarged}, WIDE_GRID),
    "number not standardised": ({"scale_value": False}, WIDE_GRID),
}
PLAIN = "like size"


# ------------------------------------------------------------------------ data
def reader(name):
    """A loader of a file's rows; the seed has no say in them."""
    frame, value, label = LOADERS[name]()
    frame = frame.dropna(subset=list({value, label}))
    if len(frame) > MAX_ROWS:
        frame = frame.sample(MAX_ROWS, random_state=0)
    X = frame.drop(columns=list({value, label}))
    y = pd.DataFrame({"value": frame[value].astype(float), "class": frame[label]})
    return lambda seed: (X, y)


def maker(relatedness):
    return lambda seed: make_joint(N_MADE, relatedness=relatedness, random_state=seed)


def load_all():
    """Loaders of all sets there are, by name."""
    loaders = {}
    for name in LOADERS:
        try:
            loaders[name] = reader(name)
        except OSError as error:
            print(f"{name} skipped: {error}")
    return {**loaders, **{f"made {r}": maker(r) for r in RELATEDNESS}}


# --------------------------------------------------------------------- methods
def run(X, y, case, epochs, seed):
    """Errors on the test rows by loss weights, and the weights that the grid chose."""
    settings, grid = CASES[case]
    # In standard deviations, so that cases can be compared.
    unit = np.sqrt(FACTOR) if "scale_value" in settings else 1.0
    y = y.assign(value=unit * (y["value"] - y["value"].mean()) / y["value"].std())
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, random_state=seed)
    est = JointRegressorClassifier.plain(
        PLAIN_LAYERS,
        value_columns=["value"],
        class_columns=["class"],
        classes=np.unique(y["class"]),
        epochs=epochs,
        random_state=seed,
        **settings,
    )

    def score(loss_weights):
        found = clone(est).set_params(loss_weights=loss_weights).fit(X_train, y_train)
        found = found.evaluate(X_test, y_test)
        figures = (found["value_rmse"] / unit, found["class_log_loss"], found["class_accuracy"])
        return dict(zip(METRICS, figures, strict=True))

    chosen = choose(est, grid, X_train, y_train, seed)
    by_weights = {weights: score(weights) for weights in {(1.0, 1.0), *chosen.values()}}
    return {
        FIXED: by_weights[1.0, 1.0],
        **{name: by_weights[weights] for name, weights in chosen.items()},
        **{name: score(name) for name in METHODS},
    }, chosen


def choose(est, grid, X, y, seed):
    """The pairs of the grid that are best on rows held out, by either rule."""
    X_train, X_held, y_train, y_held = train_test_split(X, y, test_size=0.25, random_state=seed)
    shares = y_train["class"].value_counts(normalize=True).reindex(est.classes, fill_value=0)
    prior = np.tile(shares, (len(y_held), 1))
    constant = log_loss(y_held["class"], prior, labels=est.classes)
    scores, losses = {}, {}
    for weights in grid:
        found = clone(est).set_params(loss_weights=weights).fit(X_train, y_train)
        found = found.evaluate(X_held, y_held)
        scores[weights] = found["score"]
        losses[weights] = (1 - found["value_r2"] + found["class_log_loss"] / constant) / 2
    return {BY_SCORE: max(scores, key=scores.get), BY_LOSS: min(losses, key=losses.get)}


def compare(load, case, args):
    """Per method and metric the figures of all seeds, and what the grid chose."""
    runs = [run(*load(seed), case, args.epochs, seed) for seed in range(args.seeds)]
    scores = {
        name: {metric: np.array([found[name][metric] for found, _ in runs]) for metric in METRICS}
        for name in runs[0][0]
    }
    return scores, [chosen for _, chosen in runs]


# Their labels are nearly always right: ratios of their tiny log losses would decide every mean.
SOLVED = ("penguins", "winequality")


# --------------------------------------------------------------------- reports
def leads(scores, name, metric):
    """Mean and standard error, over the seeds, of the change from (1, 1).

    Of errors the change of the logarithm, of the accuracy the difference in points.
    """
    new, old = scores[name][metric], scores[FIXED][metric]
    change = 100 * (new - old) if metric == "accuracy" else np.log(new / old)
    n = len(change)
    return change.mean(), change.std(ddof=1) / np.sqrt(n) if n > 1 else np.nan


def overall(results, name, metric):
    """Mean change over the sets, its standard error, and sets clearly better and worse."""
    means, errors = np.transpose([leads(scores, name, metric) for scores in results.values()])
    sign = 1 if metric == "accuracy" else -1
    clear = sign * np.sign(means) * (np.abs(means) > 2 * errors)
    mean, error = means.mean(), np.sqrt((errors**2).sum()) / len(errors)
    if metric != "accuracy":
        mean, error = np.exp(mean), np.exp(mean) * error
    return {
        "mean": mean,
        "standard_error": error,
        "better": int((clear > 0).sum()),
        "worse": int((clear < 0).sum()),
    }


def with_error(found, metric):
    pattern = "{:+.1f} ± {:.1f}" if metric == "accuracy" else "{:.3f} ± {:.3f}"
    return pattern.format(found["mean"], found["standard_error"])


def print_outcome(case, outcome, results):
    unsolved = {name: scores for name, scores in results.items() if name not in SOLVED}
    rows = []
    for name, found in outcome.items():
        if name == FIXED:
            continue
        sides = [f"{found[m]['better']}/{found[m]['worse']}" for m in METRICS[:2]]
        open_sets = with_error(overall(unsolved, name, "log loss"), "log loss")
        rows.append([name, *(with_error(found[m], m) for m in METRICS), *sides, open_sets])
    print_table(
        f"{case}: RMSE and log loss relative to loss_weights=(1, 1), geometric mean over the sets\n"
        "(below 1: better), and points of accuracy; ± standard error over the seeds; sets\n"
        f"that are better/worse by more than two standard errors; log loss without {SOLVED}",
        ("loss_weights", "RMSE", "log loss", "accuracy", "RMSE b/w", "log loss b/w", "without"),
        rows,
    )


def print_sets(case, results, metric):
    """Ratios to (1, 1) per set."""
    rows = [[FIXED, *(f"{scores[FIXED][metric].mean():.3f} " for scores in results.values())]]
    for name in next(iter(results.values())):
        if name != FIXED:
            rows.append([name, *(marked(*leads(s, name, metric)) for s in results.values())])
    print_table(
        f"{case}: {metric} of (1, 1){' in standard deviations' if metric == 'RMSE' else ''}, "
        "and ratios to it; * more than two standard errors from 1",
        (metric, *(f"{name} " for name in results)),
        rows,
    )


def marked(mean, error):
    return f"{np.exp(mean):.3f}{'*' if abs(mean) > 2 * error else ' '}"


def print_chosen(choices):
    for case, found in choices.items():
        for rule in (BY_SCORE, BY_LOSS):
            times = Counter(chosen[rule] for entries in found.values() for chosen in entries)
            listed = ", ".join(f"({v:g}, {c:g}) {n}x" for (v, c), n in times.most_common())
            print(f"{case}, {rule} chose {listed}")


# ------------------------------------------------------------------------ cost
def measure_cost(epochs, rounds):
    """Seconds of the first fits of each, compilation included, and of warm fits by turns."""
    X, value, label = make_data()
    y = np.column_stack([value, label])
    fits = {
        name: JointRegressorClassifier.plain(
            HIDDEN,
            loss_weights=weights,
            epochs=epochs,
            batch_size=BATCH,
            preprocess=None,
            random_state=0,
        )
        for name, weights in {FIXED: (1.0, 1.0), **dict(zip(METHODS, METHODS, strict=True))}.items()
    }
    seconds = {name: [] for name in fits}
    for _ in range(1 + rounds):
        for name, est in fits.items():
            start = time.perf_counter()
            est.fit(X, y)
            seconds[name].append(time.perf_counter() - start)
    steps = epochs * -(-len(X) // BATCH)
    return {
        name: {
            "first": first,
            "warm": warm,
            "per_step": min(warm) / steps,
            "ratio": min(warm) / min(seconds[FIXED][1:]),
        }
        for name, (first, *warm) in seconds.items()
    }


def print_cost(cost, epochs):
    print_table(
        f"Seconds of the tutorial's joint fit, {epochs} epochs: the first, compilation included, "
        "and the\nquickest of warm fits by turns",
        ("loss_weights", "first", "warm", "times (1, 1)", "µs per step"),
        [
            (
                name,
                f"{found['first']:.1f}",
                f"{min(found['warm']):.3f}",
                f"{found['ratio']:.2f}",
                f"{1e6 * found['per_step']:.0f}",
            )
            for name, found in cost.items()
        ],
    )


def main():
    parser = option_parser("balancing", __doc__)
    parser.add_argument("--seeds", type=count, default=5, help="default: 5")
    parser.add_argument("--epochs", type=count, default=30, help="default: 30, the estimator's")
    parser.add_argument("--rounds", type=count, default=20, help="warm fits of each (default: 20)")
    args = parser.parse_args()
    print_versions()
    warm_up()
    start = time.perf_counter()
    results = {case: {} for case in CASES}
    choices = {case: {} for case in CASES}
    for name, load in load_all().items():
        for case in CASES:  # the fits of one shape one after the other: they share programs
            scores, choices[case][name] = compare(load, case, args)
            if case != PLAIN:
                scores[REMEDY] = results[PLAIN][name][FIXED]
            results[case][name] = scores
    outcome = {
        case: {
            name: {metric: overall(found, name, metric) for metric in METRICS}
            for name in next(iter(found.values()))
        }
        for case, found in results.items()
    }
    for case, found in results.items():
        print_outcome(case, outcome[case], found)
        for metric in METRICS[:2]:
            print_sets(case, found, metric)
    print()
    print_chosen(choices)
    cost = measure_cost(5 * args.epochs, args.rounds)
    print_cost(cost, 5 * args.epochs)
    print(f"{time.perf_counter() - start:.0f} seconds in all")
    write_json(
        args.json,
        {
            "seeds": args.seeds,
            "epochs": args.epochs,
            "scores": results,
            "chosen": choices,
            "outcome": outcome,
            "cost": cost,
        },
    )


if __name__ == "__main__":
    main()
