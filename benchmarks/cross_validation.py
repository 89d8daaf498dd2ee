"""On real data, does training number and label together beat training them apart?

Compares, on the same five shuffled folds and with the same preprocessing:

joint
    ``JointRegressorClassifier`` of (64, 64) units, a plain network, with its defaults;
separate
    the same estimator trained on each target alone: two networks;
scikit-learn
    ``MLPRegressor`` (target standardised) and ``MLPClassifier``, with the same
    layers, initial weights (Glorot's), optimizer, batches and epochs: a referee
    by other authors;
constant
    the median, and the shares of the labels, of the training rows.

    python benchmarks/cross_validation.py
    python benchmarks/cross_validation.py mpg diabetes    # quick look

The data sets, files in the folder that the environment variable SKJOINT_DATA
names; one that is not there is skipped:

==============  ======================  ===========  ======================================
name            file                    number       label
==============  ======================  ===========  ======================================
abalone         abalone.csv             rings        rings, 28 labels
winequality     winequality.csv         quality      colour (UCI's two files, red then
                                                     white, with a column colour added)
penguins        penguins.csv            body_mass_g  species (as seaborn has it)
mpg             mpg.csv                 mpg          origin (as seaborn has it)
heart           heart_cleveland.csv     thalach      num (UCI's processed.cleveland.data)
diabetes        in scikit-learn         progression  band (skjoint.datasets)
==============  ======================  ===========  ======================================

Rows without number or label are dropped for everybody. The networks are trained
from one seed; on sets of a few hundred rows another ``--seed`` moves the means
by some percent, and turns a lead on 3 of 5 folds around.
"""

import os
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.compose import (
    TransformedTargetRegressor,
    make_column_selector,
    make_column_transformer,
)
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.metrics import mean_absolute_error
from sklearn.model_selection import KFold, cross_validate
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from _common import (
    PLAIN_LAYERS,
    count,
    option_parser,
    print_table,
    print_versions,
    spread,
    warm_up,
    write_json,
)
from skjoint import JointRegressorClassifier
from skjoint.datasets import fetch_abalone, load_diabetes_bands

# fmt: off
HEART_COLUMNS = [
    "age", "sex", "cp", "trestbps", "chol", "fbs", "restecg", "thalach", "exang", "oldpeak",
    "slope", "ca", "thal", "num",
]
# fmt: on
METRICS = {  # name in `evaluate`: (name here, +1 if higher is better)
    "value_mae": ("MAE", -1),
    "class_accuracy": ("accuracy", +1),
    "class_log_loss": ("log loss", -1),
}
METHODS = ("joint", "separate", "scikit-learn", "constant")


# ------------------------------------------------------------------------ data
def read(file, na_token="", **options):
    """A file of SKJOINT_DATA; its one gap token and no other word counts as missing."""
    folder = os.environ.get("SKJOINT_DATA")
    if not folder or not (path := Path(folder) / file).is_file():
        raise OSError(f"{file} is not in the folder that SKJOINT_DATA names")
    return pd.read_csv(path, na_values=[na_token], keep_default_na=False, **options)


def load_abalone():
    return fetch_abalone(download_if_missing=False).frame, "rings", "rings"


def load_winequality():
    return read("winequality.csv"), "quality", "colour"


def load_penguins():
    return read("penguins.csv"), "body_mass_g", "species"


def load_mpg():
    # The car's name holds its make and so gives the origin away.
    return read("mpg.csv").drop(columns="name"), "mpg", "origin"


def load_heart():
    frame = read("heart_cleveland.csv", na_token="?", header=None, names=HEART_COLUMNS)
    coded = ["sex", "cp", "fbs", "restecg", "exang", "slope", "thal"]
    return frame.astype(dict.fromkeys(coded, "category")), "thalach", "num"


def load_diabetes():
    return load_diabetes_bands().frame, "progression", "band"


LOADERS = {
    "abalone": load_abalone,
    "winequality": load_winequality,
    "penguins": load_penguins,
    "mpg": load_mpg,
    "heart": load_heart,
    "diabetes": load_diabetes,
}


# --------------------------------------------------------------------- methods
def score_with_evaluate(est, X, y):
    """Scorer of the networks: what ``evaluate`` says of the targets they have."""
    scores = est.evaluate(X, y)
    return {name: scores[name] for name in METRICS if name in scores}


def score_number(est, X, y):
    """The same figure for scikit-learn's regressors."""
    return {"value_mae": mean_absolute_error(y, est.predict(X))}


def score_label(est, X, y):
    """The same figures for scikit-learn's classifiers; unseen labels have probability 0."""
    codes = pd.Index(est.classes_).get_indexer(pd.Index(y))
    proba = est.predict_proba(X)
    p = np.where(codes >= 0, proba[np.arange(len(codes)), codes], 0.0)
    eps = np.finfo(np.float64).eps
    return {
        "class_accuracy": np.mean(est.predict(X) == y),
        "class_log_loss": -np.log(np.clip(p, eps, 1 - eps)).mean(),
    }


def networks(y, value, label, epochs, seed):
    """Joint: one network for both targets. Separate: the same for each alone."""
    joint = JointRegressorClassifier.plain(
        PLAIN_LAYERS,
        value_columns=[value],
        class_columns=[label],
        classes=np.unique(y[label]),  # folds need not hold each of them
        epochs=epochs,
        random_state=seed,
    )
    alone = (
        clone(joint).set_params(class_columns=[], classes=None),
        clone(joint).set_params(value_columns=[]),
    )
    return {
        "joint": [(joint, y, score_with_evaluate)],
        "separate": [(est, y, score_with_evaluate) for est in alone],
    }


def preprocessing():
    """What the estimator does by default: standardise, impute by the mean, one-hot."""
    return make_column_transformer(
        (
            make_pipeline(StandardScaler(), SimpleImputer()),
            make_column_selector(dtype_include="number"),
        ),
        (
            OneHotEncoder(handle_unknown="ignore", sparse_output=False),
            make_column_selector(dtype_exclude="number"),
        ),
    )


def peers(y, value, label, epochs, seed):
    """scikit-learn's networks with the estimator's settings, and the best constants."""
    settings = {
        "hidden_layer_sizes": PLAIN_LAYERS,
        "alpha": 0.0,
        "batch_size": 32,
        "max_iter": epochs,
        "n_iter_no_change": epochs,  # all epochs, as the estimator by default
        "random_state": seed,
    }
    regressor = TransformedTargetRegressor(MLPRegressor(**settings), transformer=StandardScaler())
    classifier = MLPClassifier(**settings)
    number, labels = y[value], y[label].to_numpy()
    return {
        "scikit-learn": [
            (make_pipeline(preprocessing(), regressor), number, score_number),
            (make_pipeline(preprocessing(), classifier), labels, score_label),
        ],
        "constant": [
            (DummyRegressor(strategy="median"), number, score_number),
            (DummyClassifier(strategy="prior"), labels, score_label),
        ],
    }


# ------------------------------------------------------------------ comparison
def validate(parts, X, folds):
    """Scores and fit seconds per fold of one method: its estimators, taken together."""
    scores = {"fit_seconds": np.zeros(folds.n_splits)}
    for est, y, scorer in parts:
        result = cross_validate(est, X, y, cv=folds, scoring=scorer, error_score="raise")
        scores["fit_seconds"] += result["fit_time"]
        for name in METRICS:
            if f"test_{name}" in result:
                scores[name] = result[f"test_{name}"]
    return scores


def compare(frame, value, label, args):
    """Scores per method, metric and fold."""
    frame = frame.dropna(subset=list({value, label})).reset_index(drop=True)
    X = frame.drop(columns=list({value, label}))
    y = frame[list(dict.fromkeys([value, label]))]
    methods = {
        **networks(y, value, label, args.epochs, args.seed),
        **peers(y, value, label, args.epochs, args.seed),
    }
    folds = KFold(args.folds, shuffle=True, random_state=0)
    print(f"{len(X)} rows, {X.shape[1]} features, {y[label].nunique()} labels", flush=True)
    return {name: validate(methods[name], X, folds) for name in METHODS}


def wins(joint, other, sign):
    """On how many folds joint is better, equal and worse."""
    difference = sign * (np.asarray(joint) - np.asarray(other))
    return [int((difference > 0).sum()), int((difference == 0).sum()), int((difference < 0).sum())]


def print_scores(name, value, label, scores):
    rows = []
    for metric, (title, sign) in METRICS.items():
        target = value if metric.startswith("value") else label
        by_method = [scores[method][metric] for method in METHODS]
        # Enough digits for kilograms in grams as well as for shares.
        digits = 3 if np.mean(by_method[-1]) < 100 else 1
        rows.append(
            [
                f"{target}: {title}",
                *(spread(values, digits) for values in by_method),
                "/".join(map(str, wins(by_method[0], by_method[1], sign))),
            ]
        )
    rows.append(["fit seconds", *(spread(scores[m]["fit_seconds"], 2) for m in METHODS), ""])
    print_table(
        f"{name}: mean ± standard deviation over the folds; last column: folds on which joint is "
        "better/equal/worse than separate",
        (name, *METHODS, "joint b/e/w"),
        rows,
    )


# --------------------------------------------------------------------- outcome
def outcome_of(results, metric, rival):
    """Of joint against a rival: ratios of the means, and where it wins and loses."""
    title, sign = METRICS[metric]
    verdict = {"metric": title, "rival": rival, "ratio": {}, "better": [], "equal": [], "worse": []}
    for name, scores in results.items():
        joint, other = scores["joint"][metric], scores[rival][metric]
        verdict["ratio"][name] = np.mean(joint) / np.mean(other)
        lead = sign * (np.mean(joint) - np.mean(other))
        side = "better" if lead > 0 else "worse" if lead < 0 else "equal"
        agreeing = dict(zip(("better", "equal", "worse"), wins(joint, other, sign), strict=True))
        verdict[side].append(f"{name} ({agreeing[side]}/{len(joint)})")
    return verdict


def print_outcome(verdicts):
    print(
        "\nOutcome of joint, by the mean over the folds; in brackets the folds that agree; ratio:\n"
        "joint / rival, geometric mean over the data sets"
    )
    for verdict in verdicts:
        print(f"  {verdict['metric']} against {verdict['rival']}: ratio {_overall(verdict):.3f}")
        for side in ("better", "equal", "worse"):
            if verdict[side]:
                print(f"    {side} on {len(verdict[side])}: {', '.join(verdict[side])}")


def _overall(verdict):
    return np.exp(np.mean(np.log(list(verdict["ratio"].values()))))


def print_time(results):
    for rival in ("separate", "scikit-learn"):
        ratios = [
            np.sum(s["joint"]["fit_seconds"]) / np.sum(s[rival]["fit_seconds"])
            for s in results.values()
        ]
        print(f"  seconds to fit: {np.exp(np.mean(np.log(ratios))):.2f} times those of {rival}")


def main():
    parser = option_parser("cross_validation", __doc__)
    parser.add_argument("datasets", nargs="*", metavar="DATASET", help=f"of {', '.join(LOADERS)}")
    parser.add_argument("--epochs", type=count, default=30, help="default: 30, the estimator's")
    parser.add_argument("--folds", type=int, default=5, help="default: 5")
    parser.add_argument("--seed", type=int, default=0, help="of all networks (default: 0)")
    args = parser.parse_args()
    unknown = sorted(set(args.datasets) - set(LOADERS))
    if unknown:
        parser.error(f"DATASET must be of {', '.join(LOADERS)}. Got {', '.join(unknown)} instead.")
    # Stopping after so many epochs, converged or not, is what is compared.
    warnings.simplefilter("ignore", ConvergenceWarning)
    print_versions()
    warm_up()
    start = time.perf_counter()
    results = {}
    for name in args.datasets or LOADERS:
        print(f"\n=== {name}: ", end="")
        try:
            data = LOADERS[name]()
        except OSError as error:
            print(f"skipped: {error}")
            continue
        results[name] = compare(*data, args)
        print_scores(name, *data[1:], results[name])
    verdicts = [outcome_of(results, m, r) for r in METHODS[1:] for m in METRICS]
    if results:
        print_outcome(verdicts)
        print_time(results)
        print(f"{time.perf_counter() - start:.0f} seconds in all")
    write_json(
        args.json,
        {
            "epochs": args.epochs,
            "folds": args.folds,
            "seed": args.seed,
            "scores": results,
            "outcome": verdicts,
        },
    )


if __name__ == "__main__":
    main()
