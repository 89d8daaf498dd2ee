"""Do the networks of two well-known articles come out of the estimator as published?

(a) "Multi-task learning using TensorFlow": 10 inputs, a shared trunk 128-64, a
    number (mse) and 3 classes, 10 epochs on 1000 random rows. The network must
    have 9,924 parameters, and every epoch's line the loss and metric of each
    head. The rows are noise, as in the article: there is nothing to learn.
(b) The lesson "Multitask learning": a shared trunk 64-64, one more layer of 20
    units per head, one-hot labels, for a disease (yes or no) and the length of
    the hospital stay (never negative). The rows are drawn here so that both
    depend on the same hidden severity. It must beat the best constant on
    held-out rows, and must not predict a negative stay.

    python benchmarks/articles.py
    python benchmarks/articles.py --rows 1000 --epochs 10    # quick look at (b)

The script fails (exit status 1) where a "must" does not hold. Needs no data.
"""

import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split

from _common import count, option_parser, print_table, print_versions, require, write_json
from skjoint import JointRegressorClassifier

ARTICLE_PARAMETERS = 9_924
DISEASE = ["healthy", "ill"]  # the one-hot block


# -------------------------------------------------- (a) 128-64 on random rows
def random_rows(n_rows=1000, n_features=10, n_classes=3, seed=0):
    """Features, number and label that know nothing of each other."""
    rng = np.random.default_rng(seed)
    y = np.column_stack([rng.random(n_rows), rng.integers(0, n_classes, n_rows)])
    return rng.random((n_rows, n_features)), y


def run_article():
    print('\n(a) "Multi-task learning using TensorFlow": 10 inputs, 128-64, a number, 3 classes')
    X, y = random_rows()
    est = JointRegressorClassifier.plain(
        (128, 64),
        epochs=10,
        preprocess=None,  # the article scales neither features nor the number
        scale_value=False,
        random_state=0,
        verbose=2,
    ).fit(X, y)
    parameters = est.model_.count_params()
    require(
        parameters == ARTICLE_PARAMETERS,
        f"the network must have {ARTICLE_PARAMETERS} parameters. Got {parameters} instead.",
    )
    print(f"{parameters:,} parameters, as published")
    return {"parameters": parameters, "history": est.history_}


# -------------------------------------- (b) 64-64 and 20 per head, healthcare
def hospital_stays(n_rows, seed=0):
    """Patients whose disease and length of stay hang on the same severity."""
    rng = np.random.default_rng(seed)
    age = rng.uniform(20, 90, n_rows)
    pressure = rng.normal(105 + 0.4 * age, 15)
    marker = rng.lognormal(0, 0.7, n_rows)
    earlier_stays = rng.poisson(age / 60)
    smoker = rng.choice(["no", "yes"], n_rows, p=[0.7, 0.3])
    severity = (
        0.03 * (age - 55) + 0.02 * (pressure - 127) + np.log(marker) + 0.6 * (smoker == "yes")
    )
    ill = rng.random(n_rows) < 1 / (1 + np.exp(-2 * severity))
    mean_stay = np.exp(0.3 + 0.5 * severity + 0.6 * ill + 0.1 * earlier_stays)
    stay = rng.gamma(3, mean_stay / 3).round(1)
    X = pd.DataFrame(
        {
            "age": age,
            "pressure": pressure,
            "marker": marker,
            "earlier_stays": earlier_stays,
            "smoker": smoker,
        }
    )
    y = pd.DataFrame({"healthy": (~ill).astype(int), "ill": ill.astype(int), "stay_days": stay})
    return X, y


def lesson_network(epochs, value_activation="softplus"):
    return JointRegressorClassifier.plain(
        (64, 64),
        value_layer_sizes=20,
        class_layer_sizes=20,
        value_activation=value_activation,
        class_columns=[DISEASE],
        epochs=epochs,
        random_state=0,
    )


def constant_scores(y_train, y_test):
    """What the best constants of the training rows score: one for each metric."""
    stay, truth = y_test["stay_days"], y_test[DISEASE].to_numpy(dtype=bool)
    median, mean = y_train["stay_days"].median(), y_train["stay_days"].mean()
    shares = y_train[DISEASE].mean().to_numpy()
    return {
        "value_mae": np.abs(stay - median).mean(),
        "value_rmse": np.sqrt(((stay - mean) ** 2).mean()),
        "value_r2": 1 - ((stay - mean) ** 2).sum() / ((stay - stay.mean()) ** 2).sum(),
        "class_accuracy": truth[:, shares.argmax()].mean(),
        "class_log_loss": -np.log(np.broadcast_to(shares, truth.shape)[truth]).mean(),
    }


def run_lesson(n_rows, epochs):
    print('\n(b) "Multitask learning": 64-64, 20 units per head; disease and length of stay')
    X_train, X_test, y_train, y_test = train_test_split(
        *hospital_stays(n_rows), test_size=0.25, random_state=0
    )
    est = lesson_network(epochs).fit(X_train, y_train)
    scores, constant = est.evaluate(X_test, y_test), constant_scores(y_train, y_test)
    stays = est.predict_value(X_test)
    linear = lesson_network(epochs, "linear").fit(X_train, y_train).predict_value(X_test)
    print(
        f"{est.model_.count_params():,} parameters, {len(X_train)} rows to train on, {epochs} "
        f"epochs; labels {est.classes_.tolist()} read from a one-hot block"
    )
    print_table(
        f"{len(X_test)} held-out rows",
        ("metric", "joint", "best constant", "ratio"),
        [
            (name, f"{scores[name]:.3f}", f"{best:.3f}", _ratio(scores[name], best, name))
            for name, best in constant.items()
        ],
    )
    print(
        f"\nshortest predicted stay: {stays.min():.3f} days; negative: {(stays < 0).sum()} of "
        f"{len(stays)} (with value_activation='linear': {(linear < 0).sum()})"
    )
    require((stays >= 0).all(), f"a stay must not be negative. Got {stays.min()} instead.")
    worse = [name for name, best in constant.items() if not _better(scores[name], best, name)]
    require(not worse, f"worse than the best constant: {', '.join(worse)}")
    return {
        "parameters": est.model_.count_params(),
        "scores": scores,
        "best_constant": constant,
        "negative_stays": (stays < 0).sum(),
        "negative_stays_linear": (linear < 0).sum(),
    }


def _better(score, best, name):
    return score > best if name in ("value_r2", "class_accuracy") else score < best


def _ratio(score, best, name):
    return "" if name == "value_r2" else f"{score / best:.2f}"


def main():
    parser = option_parser("articles", __doc__)
    parser.add_argument("--rows", type=count, default=4000, help="rows of (b) (default: 4000)")
    parser.add_argument("--epochs", type=count, default=30, help="epochs of (b) (default: 30)")
    args = parser.parse_args()
    print_versions()
    write_json(args.json, {"article": run_article(), "lesson": run_lesson(args.rows, args.epochs)})


if __name__ == "__main__":
    main()
