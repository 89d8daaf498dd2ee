"""Few rows have the number, all have the label: which model predicts the number best?

The comparison of ``python -m skjoint`` at length: more shares of hidden numbers, more data,
and more rivals. The seed draws the split (70/30), the hidden rows, the network and, of
make_joint, the data. Everything has the default settings but for what is named:

joint, mixture
    ``head_link="mixture"``: one number per label, weighed by the label's probabilities;
joint
    no link between the heads;
separate / separate, stopped
    the number alone, from the rows that have it, 30 epochs / ``early_stopping=True`` and at
    most 100 epochs;
by hand
    a separate network for the label; the number is the sum over labels of its probability
    times the mean number of the label's rows, where known;
ridge
    scikit-learn's ``RidgeCV`` on standardised columns, from the rows that have the number.

    python benchmarks/few_numbers.py
    python benchmarks/few_numbers.py --seeds 2    # quick look

Abalone is read from the folder that the environment variable SKJOINT_DATA names; it is
skipped if it is not there.
"""

import numpy as np
import pandas as pd
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.linear_model import RidgeCV
from sklearn.metrics import mean_absolute_error
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from _common import count, in_lists, option_parser, print_table, print_versions, write_json
from skjoint import JointRegressorClassifier
from skjoint.datasets import fetch_abalone, load_diabetes_bands, make_joint

METHODS = ("joint, mixture", "joint", "separate", "separate, stopped", "by hand", "ridge")
TARGETS = {"value_columns": ["value"], "class_columns": ["class"]}
STOPPED = {"early_stopping": True, "epochs": 100}


def load_diabetes(seed):
    X, y = load_diabetes_bands(return_X_y=True)
    return X, y.set_axis(["value", "class"], axis=1)


def load_abalone(seed):
    X, rings = fetch_abalone(download_if_missing=False, return_X_y=True)
    band = np.array(["young", "middle", "old"])[np.digitize(rings, [9, 11])]
    return X, pd.DataFrame({"value": rings.astype(float), "class": band})


def maker(relatedness):
    def load(seed):
        X, y = make_joint(1500, relatedness=relatedness, random_state=seed)
        return pd.DataFrame(X).add_prefix("x"), y

    return load


SETTINGS = [
    *[("diabetes", load_diabetes, share) for share in (0.95, 0.9, 0.8, 0.5, 0.0)],
    *[("abalone", load_abalone, share) for share in (0.97, 0.9)],
    *[(f"make_joint, relatedness {r}", maker(r), 0.9) for r in (0.0, 0.5, 0.9)],
]


def run(X, y, share, seed):
    """MAE of the number on the test rows, by method."""
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, random_state=seed)
    y_train = y_train.reset_index(drop=True)
    hidden = np.random.default_rng(seed).permutation(len(y_train))[: round(share * len(y_train))]
    y_train.loc[hidden, "value"] = np.nan
    known = y_train["value"].notna().to_numpy()
    X_known, y_known = X_train[known], y_train[known]

    def network(X, y, **params):
        est = JointRegressorClassifier(random_state=seed, **{**TARGETS, **params})
        return est.fit(X, y)

    alone = {"class_columns": []}
    label = network(X_train, y_train, value_columns=[])
    means = y_known.groupby("class")["value"].mean()
    means = means.reindex(label.classes_).fillna(y_known["value"].mean()).to_numpy()
    columns = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), make_column_selector(dtype_exclude="number")),
        remainder=StandardScaler(),
    )
    ridge = make_pipeline(columns, RidgeCV(np.logspace(-2, 4, 13))).fit(X_known, y_known["value"])
    numbers = {
        "joint, mixture": network(X_train, y_train, head_link="mixture").predict_value(X_test),
        "joint": network(X_train, y_train).predict_value(X_test),
        "separate": network(X_known, y_known, **alone).predict_value(X_test),
        "separate, stopped": network(X_known, y_known, **alone, **STOPPED).predict_value(X_test),
        "by hand": label.predict_proba(X_test) @ means,
        "ridge": ridge.predict(X_test),
    }
    return {name: mean_absolute_error(y_test["value"], numbers[name]) for name in METHODS}


def main():
    parser = option_parser("few_numbers", __doc__)
    parser.add_argument("--seeds", type=count, default=10, help="runs of each (default: 10)")
    args = parser.parse_args()
    print_versions()
    results = {}
    for name, load, share in SETTINGS:
        try:
            runs = [run(*load(seed), share, seed) for seed in range(args.seeds)]
        except OSError as error:
            print(f"\n{name}: skipped: {error}")
            continue
        results[f"{name}, {share:.0%} hidden"] = in_lists(runs)
    rows = []
    for name, found in results.items():
        rows.append([name, *[f"{np.mean(found[method]):.3g}" for method in METHODS]])
        lead = np.subtract(found["separate"], found["joint, mixture"])
        error = lead.std(ddof=1) / np.sqrt(len(lead)) if len(lead) > 1 else np.nan
        rows[-1].append(f"{lead.mean():.3g} ± {error:.2g} ({(lead > 0).sum()})")
    print_table(
        "MAE of the number, mean over the seeds; last: separate minus joint, mixture,\n"
        "± standard error (seeds on which the joint model is better)",
        ("data", *METHODS, "gain"),
        rows,
    )
    write_json(args.json, {"seeds": args.seeds, "mae": results})


if __name__ == "__main__":
    main()
