"""Where the number is exactly 0 for one label, what do ``value_by_class`` and ``head_link`` gain?

Claims of an insurance, capital gains, rain of a day: for most rows there is none and
the number is 0, for the others it has a distribution of its own. Two kinds of data:

claims
    made here: whether there is a claim depends on some features, its amount on others
    and on one of the same; 30, 60 and 90 % of the rows have none. So the truth is a
    model of two parts, as the classical one below;
adult
    ``capital_gain`` of the census file, 0 in 92 % of the rows, with the label gain:
    yes or no. ``income`` and ``capital_loss`` come from the same tax record as the
    gain and are left out; what remains says little about it. Once with the settings of
    claims and once "stopped": ``early_stopping`` and at most 200 epochs for everybody.

All plain networks of (64, 64) units with the estimator's defaults (30 epochs), the label
being "some" or "none":

joint
    number and label of all rows, the zeros numbers like all others;
by class
    ``value_by_class={"none": 0}``: the value head learns from the rows with an amount,
    the number is 0 where the predicted label is "none";
by class, class to value
    the same with ``head_link="class_to_value"``;
mixture
    ``head_link="mixture"``: one number per label, and their mean;
mixture by class
    both: the number is p(some) times the amount, the network's own two-part model;
mixture by class, own label
    the same fitted models, asked for ``predict_value(X, given_class=predict_class(X))``.

Against them:

separate
    the same estimator for the number alone (zeros included) and the label alone;
two parts
    the classical hurdle of scikit-learn: p(some) of an ``MLPClassifier`` times an
    ``MLPRegressor`` of the rows with an amount, same size, batches and epochs;
two parts, own label
    the regressor of "two parts" where the classifier says "some", else 0;
two parts, linear
    ``LogisticRegression`` times ``Ridge``;
median / mean
    that of the training numbers, and the shares of the labels.

    python benchmarks/zero_inflated.py
    python benchmarks/zero_inflated.py --seeds 2    # quick look

The numbers are judged by MAE and by RMSE because the two ask for different answers: of
a row with a claim in one of four cases the median is 0 and the mean is not. An answer
that follows the label is between both. "contradict" is the share of test rows where one
of number and label is none and the other is not; a mean is never exactly 0, so that a
model of the mean contradicts itself wherever its label is "none". "below 0" is the share
of negative numbers, which no amount is.

The seed draws the split (75/25), the network, and the rows: of claims new ones, of adult
8,000 of the file's. Differences are taken seed by seed; the draws from adult share rows,
so that their standard errors speak of other draws from this census, not of another one.
Adult is read from the folder that the environment variable SKJOINT_DATA names; it is
skipped if it is not there.
"""

import time
import warnings

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import (
    accuracy_score,
    log_loss,
    mean_absolute_error,
    r2_score,
    root_mean_squared_error,
)
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

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
from cross_validation import preprocessing, read
from skjoint import JointRegressorClassifier

SHARES = (0.3, 0.6, 0.9)  # of zeros
N_MADE = 4000
N_ADULT = 8000
EPOCHS = JointRegressorClassifier().epochs
STOPPED_EPOCHS = 200
# fmt: off
ADULT_COLUMNS = [
    "age", "workclass", "fnlwgt", "education", "education_num", "marital_status", "occupation",
    "relationship", "race", "sex", "capital_gain", "capital_loss", "hours_per_week",
    "native_country", "income",
]
# fmt: on
METRICS = {  # name: digits
    "MAE": 1,
    "RMSE": 1,
    "R²": 3,
    "accuracy": 3,
    "log loss": 3,
    "contradict": 3,
    "below 0": 3,
}
COMPARED = {"MAE": 1, "RMSE": 1, "log loss": 1}  # decimals of a difference in percent

BY_CLASS = {"value_by_class": {"none": 0.0}}
MIXTURE_BY_CLASS = "mixture by class"
NETWORKS = {
    "joint": {},
    "by class": BY_CLASS,
    "by class, class to value": {**BY_CLASS, "head_link": "class_to_value"},
    "mixture": {"head_link": "mixture"},
    MIXTURE_BY_CLASS: {**BY_CLASS, "head_link": "mixture"},
}


# ------------------------------------------------------------------------ data
def make_claims(n_samples, share, seed):
    """Features, and amounts that are 0 in that share of the rows."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_samples, 8))
    risk = 1.5 * X[:, 0] - X[:, 1] * X[:, 2] + np.abs(X[:, 3]) + rng.logistic(size=n_samples)
    mean = 100 * np.exp(0.5 * X[:, 3] - 0.5 * X[:, 4] + 0.3 * np.sin(2 * X[:, 5]))
    amount = mean * rng.gamma(4, 1 / 4, size=n_samples)
    frame = pd.DataFrame(X, columns=[f"x{i}" for i in range(8)])
    return frame, np.where(risk > np.quantile(risk, share), amount, 0.0)


def load_adult(seed):
    """Some rows of the census and their capital gains."""
    frame = read(
        "adult.csv", na_token="?", header=None, names=ADULT_COLUMNS, skipinitialspace=True
    ).sample(N_ADULT, random_state=seed)
    X = frame.drop(columns=["fnlwgt", "income", "capital_loss", "capital_gain"])
    return X, frame["capital_gain"].to_numpy(float)


def maker(share):
    """A loader of claims."""
    return lambda seed: make_claims(N_MADE, share, seed)


def settings():
    """Per setting its loader of X and the amounts, and whether training is stopped early."""
    return {
        **{f"claims, {share:.0%} none": (maker(share), False) for share in SHARES},
        "adult": (load_adult, False),
        "adult, stopped": (load_adult, True),
    }


def labels_of(amounts):
    return np.where(amounts > 0, "some", "none").astype(object)


# --------------------------------------------------------------------- methods
def networks(X_train, y_train, X_test, seed, stopped):
    """Numbers and probabilities of "some" on the test rows, by method."""
    joint = JointRegressorClassifier.plain(
        PLAIN_LAYERS,
        value_columns=["value"],
        class_columns=["class"],
        epochs=STOPPED_EPOCHS if stopped else EPOCHS,
        early_stopping=stopped,
        random_state=seed,
    )
    answers = {}
    for name, parameters in NETWORKS.items():
        est = clone(joint).set_params(**parameters).fit(X_train, y_train)
        proba = est.predict_proba(X_test)[:, 1]
        answers[name] = est.predict_value(X_test), proba
        if name == MIXTURE_BY_CLASS:
            own = est.predict_value(X_test, given_class=est.predict_class(X_test))
            answers[f"{name}, own label"] = own, proba
    number = clone(joint).set_params(class_columns=[]).fit(X_train, y_train)
    label = clone(joint).set_params(value_columns=[]).fit(X_train, y_train)
    answers["separate"] = number.predict_value(X_test), label.predict_proba(X_test)[:, 1]
    return answers


def two_parts(X_train, y_train, X_test, seed, stopped):
    """The same of scikit-learn's classifiers times its regressors of the rows with an amount."""
    some = (y_train["class"] == "some").to_numpy()
    like_ours = {
        "hidden_layer_sizes": PLAIN_LAYERS,
        "alpha": 0.0,
        "batch_size": 32,
        "max_iter": STOPPED_EPOCHS if stopped else EPOCHS,
        "n_iter_no_change": 10 if stopped else EPOCHS,  # all epochs, as the estimator by default
        "early_stopping": stopped,
        "random_state": seed,
    }

    def proba(classifier):
        fitted = make_pipeline(preprocessing(), classifier).fit(X_train, some)
        return fitted.predict_proba(X_test)[:, 1]

    def amount(regressor):
        scaled = TransformedTargetRegressor(regressor, transformer=StandardScaler())
        fitted = make_pipeline(preprocessing(), scaled).fit(
            X_train[some], y_train["value"].to_numpy()[some]
        )
        return fitted.predict(X_test)

    p, mean = proba(MLPClassifier(**like_ours)), amount(MLPRegressor(**like_ours))
    p_linear = proba(LogisticRegression(max_iter=1000))
    return {
        "two parts": (p * mean, p),
        "two parts, own label": (np.where(p > 0.5, mean, 0.0), p),
        "two parts, linear": (p_linear * amount(Ridge()), p_linear),
    }


def constants(y_train, n_test):
    p = np.full(n_test, (y_train["class"] == "some").mean())
    return {name: (np.full(n_test, y_train["value"].agg(name)), p) for name in ("median", "mean")}


def run(X, amounts, seed, stopped):
    """Scores on the test rows, by method."""
    y = pd.DataFrame({"value": amounts, "class": labels_of(amounts)})
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.25, random_state=seed)
    answers = {
        **networks(X_train, y_train, X_test, seed, stopped),
        **two_parts(X_train, y_train, X_test, seed, stopped),
        **constants(y_train, len(y_test)),
    }
    return {name: score(y_test["value"].to_numpy(), *found) for name, found in answers.items()}


def score(true, value, proba):
    """The metrics of numbers and probabilities of "some"."""
    some = proba > 0.5
    return {
        "MAE": mean_absolute_error(true, value),
        "RMSE": root_mean_squared_error(true, value),
        "R²": r2_score(true, value),
        "accuracy": accuracy_score(true > 0, some),
        "log loss": log_loss(true > 0, proba),
        "contradict": np.mean(some != (value != 0)),
        "below 0": np.mean(value < 0),
    }


def compare(load, stopped, seeds):
    """Per method and metric a list over the seeds."""
    runs = [run(*load(seed), seed, stopped) for seed in range(seeds)]
    return {
        method: {metric: [scores[method][metric] for scores in runs] for metric in METRICS}
        for method in runs[0]
    }


# --------------------------------------------------------------------- reports
def print_scores(name, scores):
    print_table(
        f"{name}: mean ± standard deviation over the seeds",
        ("model", *METRICS),
        [
            (method, *[spread(found[metric], digits) for metric, digits in METRICS.items()])
            for method, found in scores.items()
        ],
    )


def lead(scores, method, metric):
    """Joint's error minus the method's, in percent of joint's mean."""
    joint = np.array(scores["joint"][metric])
    return 100 * (joint - scores[method][metric]) / joint.mean()


def standing(lead, digits):
    """``mean ± standard error (seeds that are ahead)``; no error of a single value."""
    mean, ahead = f"{np.mean(lead):+.{digits}f}", f"({(lead > 0).sum()})"
    if len(lead) == 1:
        return f"{mean} {ahead}"
    return f"{mean} ± {np.std(lead, ddof=1) / np.sqrt(len(lead)):.{digits}f} {ahead:>4}"


def print_outcome(results, metric, digits):
    methods = [name for name in next(iter(results.values())) if name != "joint"]
    print_table(
        f"{metric}: by how many percent less than joint's (above 0 better than joint),\n"
        "mean ± standard error over the seeds (seeds on which it is better)",
        ("model", *results),
        [
            (method, *[standing(lead(s, method, metric), digits) for s in results.values()])
            for method in methods
        ],
    )


def outcome_of(results):
    """The same differences as figures, by metric, setting and model."""
    return {
        metric: {
            name: {method: lead(scores, method, metric) for method in scores}
            for name, scores in results.items()
        }
        for metric in COMPARED
    }


def main():
    parser = option_parser("zero_inflated", __doc__)
    parser.add_argument("--seeds", type=count, default=10, help="runs of each (default: 10)")
    args = parser.parse_args()
    # Stopping after so many epochs, converged or not, is what is compared.
    warnings.simplefilter("ignore", ConvergenceWarning)
    print_versions()
    warm_up()
    start = time.perf_counter()
    results = {}
    for name, (load, stopped) in settings().items():
        try:
            results[name] = compare(load, stopped, args.seeds)
        except OSError as error:
            print(f"\n{name}: skipped: {error}")
            continue
        print_scores(name, results[name])
    for metric, digits in COMPARED.items():
        print_outcome(results, metric, digits)
    print(f"{time.perf_counter() - start:.0f} seconds in all")
    write_json(args.json, {"seeds": args.seeds, "scores": results, "outcome": outcome_of(results)})


if __name__ == "__main__":
    main()
