"""Is the joint model as good as the best two separate models?

Fits the joint model and *pairs* of separate models, one for the number and one for the
label, on the same rows and scores both targets of the rows held out. Pairs:

constant
    mean and shares of the labels (median, where MAE is what counts);
random forest, HistGradientBoosting, MLP
    of scikit-learn;
LightGBM, CatBoost, RealMLP
    of lightgbm, catboost and pytabkit (``pip install "skjoint[quality]"``).

All come with their own defaults and the preprocessing they expect: categories as codes
(random forest), one-hot (MLP) or as they are (all others); numbers imputed and
standardised (MLP) or imputed (RealMLP), gaps as they are for all others. The defaults of
RealMLP's classifier, smoothed labels and the epoch of best accuracy, are made for
accuracy; "RealMLP, log loss" is that classifier with what its documentation recommends
for the log loss (``use_ls=False, val_metric_name="cross_entropy"``). Names that end with
"MAE" were trained on the absolute error.

    python benchmarks/quality.py
    python benchmarks/quality.py --models joint "random forest" --sets mpg --seeds 0

A run computes what the results file does not hold yet, entry by entry, cheap models
first, and ends with a report on all it holds; ``--again`` computes the chosen entries
anew, ``--report`` nothing. At most 8,000 rows of a set, split 70/30 by three seeds, that
share rows: standard errors speak of other splits of these rows. The *cells* are the RMSE
and the log loss of each set. All probabilities are scored by the same rule: on the
labels of all rows, at least 1e-6 each.

==================  ====================  ============================
set                 number                label
==================  ====================  ============================
abalone             rings                 rings, 28 labels
winequality         quality               colour
penguins            body_mass_g           species
mpg                 mpg                   origin
diamonds            price                 cut
heart_cleveland     thalach               num
adult               hours_per_week        income
==================  ====================  ============================

Files of the folder that the environment variable SKJOINT_DATA names. Seconds are those
of one process with two threads.
"""

import json
import logging
import time
import warnings
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
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
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder, StandardScaler

from _common import option_parser, print_table, versions
from cross_validation import LOADERS, read
from skjoint import JointRegressorClassifier
from skjoint._files import whole_file
from skjoint.metrics import agreement_score
from zero_inflated import ADULT_COLUMNS

MAX_ROWS = 8000
TEST_SIZE = 0.3
SEEDS = (0, 1, 2)
THREADS = 2
EPS = 1e-6
CELLS = {"rmse": "RMSE", "log_loss": "log loss"}
METRICS = {  # name in the file: (title, digits)
    "rmse": ("RMSE", 3),
    "r2": ("R²", 3),
    "mae": ("MAE", 3),
    "log_loss": ("log loss", 3),
    "accuracy": ("accuracy", 3),
    "agreement": ("agreement of number and label", 3),
    "fit_seconds": ("seconds to fit", 2),
    "predict_seconds": ("seconds to predict", 3),
}
PEER_LIBRARIES = ("lightgbm", "catboost", "pytabkit", "torch")


# ------------------------------------------------------------------------ data
def load_diamonds():
    return read("diamonds.csv"), "price", "cut"


def load_adult():
    frame = read("adult.csv", na_token="?", header=None, names=ADULT_COLUMNS, skipinitialspace=True)
    # A survey weight says nothing of the person.
    return frame.drop(columns="fnlwgt"), "hours_per_week", "income"


SETS = {
    **{name: LOADERS[name] for name in ("abalone", "winequality", "penguins", "mpg")},
    "diamonds": load_diamonds,
    "heart_cleveland": LOADERS["heart"],
    "adult": load_adult,
}


def draw(name):
    """Features, numbers, labels of the rows that have both, and of at most so many."""
    frame, value, label = SETS[name]()
    frame = frame.dropna(subset=list({value, label}))
    if len(frame) > MAX_ROWS:
        frame = frame.sample(MAX_ROWS, random_state=0)
    frame = frame.reset_index(drop=True)
    return frame.drop(columns=list({value, label})), frame[value], frame[label]


def split(name, seed):
    """X, numbers and labels to train on; the same to test on; all labels there are."""
    X, value, label = draw(name)
    train, test = train_test_split(np.arange(len(X)), test_size=TEST_SIZE, random_state=seed)
    parts = [tuple(part.iloc[rows] for part in (X, value, label)) for rows in (train, test)]
    return *parts, np.unique(label)


# -------------------------------------------------------------- joint and pairs
class Joint:
    """A joint estimator. Where number and label are one column, that column is its y."""

    def __init__(self, est):
        self.est = est

    def fit(self, X, value, label):
        if value.name == label.name:
            self.est.fit(X, value)
        else:
            self.est.set_params(value_columns=[value.name], class_columns=[label.name])
            self.est.fit(X, pd.concat([value, label], axis=1))
        self.classes_ = self.est.classes_

    def predict_value(self, X):
        return self.est.predict_value(X)

    def predict_class(self, X):
        return self.est.predict_class(X)

    def predict_proba(self, X):
        return self.est.predict_proba(X)


class Pair:
    """Two separate models; None for a target that is not asked for."""

    def __init__(self, value_model, class_model):
        self.value_model, self.class_model = value_model, class_model

    def fit(self, X, value, label):
        if self.value_model is not None:
            self.value_model.fit(X, value.to_numpy(float))
        if self.class_model is not None:
            plain = label.to_numpy(object if label.dtype.kind not in "iu" else None)
            self.class_model.fit(X, plain)
            self.classes_ = self.class_model.classes_

    def predict_value(self, X):
        return None if self.value_model is None else self.value_model.predict(X)

    def predict_class(self, X):
        # CatBoost answers with a column.
        return None if self.class_model is None else np.ravel(self.class_model.predict(X))

    def predict_proba(self, X):
        return None if self.class_model is None else self.class_model.predict_proba(X)


# --------------------------------------------------------------- preprocessing
def by_kind(X, numbers, categories):
    """One transformer for the numbers, one for the categories; a DataFrame comes out."""
    columns = categorical(X)
    return make_column_transformer(
        (numbers, [c for c in X.columns if c not in columns]),
        (categories, columns),
        verbose_feature_names_out=False,
    ).set_output(transform="pandas")


def categorical(X):
    return list(X.select_dtypes(exclude="number").columns)


def as_codes(X):
    codes = OrdinalEncoder(
        handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2
    )
    return by_kind(X, "passthrough", codes)


def as_one_hot(X):
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    return by_kind(X, numbers, OneHotEncoder(handle_unknown="ignore", sparse_output=False))


def as_categories(X):
    return by_kind(X, "passthrough", FunctionTransformer(to_categories))


def as_text(X):
    return by_kind(X, "passthrough", FunctionTransformer(to_text))


def imputed(X):
    return by_kind(X, SimpleImputer(strategy="median"), FunctionTransformer(to_text))


def to_categories(frame):
    return frame.astype("category")


def to_text(frame):
    """Text without gaps: a gap is a category like any other."""
    return frame.astype(object).where(frame.notna(), "missing").astype(str)


# ----------------------------------------------------------------------- peers
# Each: (features to train on, trained on MAE?) -> model of the number, model of the label.
def constant(X, mae):
    strategy = "median" if mae else "mean"
    return DummyRegressor(strategy=strategy), DummyClassifier(strategy="prior")


def random_forest(X, mae):
    settings = {"n_jobs": THREADS, "random_state": 0}
    criterion = "absolute_error" if mae else "squared_error"
    return (
        make_pipeline(as_codes(X), RandomForestRegressor(criterion=criterion, **settings)),
        make_pipeline(as_codes(X), RandomForestClassifier(**settings)),
    )


def hist_gradient_boosting(X, mae):
    loss = "absolute_error" if mae else "squared_error"
    return (
        make_pipeline(as_categories(X), HistGradientBoostingRegressor(loss=loss, random_state=0)),
        make_pipeline(as_categories(X), HistGradientBoostingClassifier(random_state=0)),
    )


def lightgbm(X, mae):
    from lightgbm import LGBMClassifier, LGBMRegressor

    settings = {"n_jobs": THREADS, "random_state": 0, "verbose": -1}
    objective = "regression_l1" if mae else "regression"
    return (
        make_pipeline(as_categories(X), LGBMRegressor(objective=objective, **settings)),
        make_pipeline(as_categories(X), LGBMClassifier(**settings)),
    )


def mlp(X, mae):
    regressor = TransformedTargetRegressor(
        MLPRegressor(random_state=0), transformer=StandardScaler()
    )
    return (
        make_pipeline(as_one_hot(X), regressor),
        make_pipeline(as_one_hot(X), MLPClassifier(random_state=0)),
    )


def catboost(X, mae):
    from catboost import CatBoostClassifier, CatBoostRegressor

    settings = {
        "cat_features": categorical(X),
        "thread_count": THREADS,
        "random_seed": 0,
        "verbose": False,
        "allow_writing_files": False,
    }
    loss = "MAE" if mae else "RMSE"
    return (
        make_pipeline(as_text(X), CatBoostRegressor(loss_function=loss, **settings)),
        make_pipeline(as_text(X), CatBoostClassifier(**settings)),
    )


def realmlp(X, mae, **class_settings):
    from pytabkit import RealMLP_TD_Classifier, RealMLP_TD_Regressor

    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    # More threads slow its small steps down, tenfold where the cores have other work too.
    settings = {"device": "cpu", "n_threads": 1, "random_state": 0}
    metrics = {"train_metric_name": "mae", "val_metric_name": "mae"} if mae else {}
    return (
        make_pipeline(imputed(X), RealMLP_TD_Regressor(**metrics, **settings)),
        make_pipeline(imputed(X), RealMLP_TD_Classifier(**class_settings, **settings)),
    )


def realmlp_log_loss(X, mae):
    _, classifier = realmlp(X, mae, use_ls=False, val_metric_name="cross_entropy")
    return None, classifier


PEERS = {  # from cheap to expensive
    "constant": constant,
    "random forest": random_forest,
    "HistGradientBoosting": hist_gradient_boosting,
    "LightGBM": lightgbm,
    "MLP": mlp,
    "CatBoost": catboost,
    "RealMLP": realmlp,
}
PAIRS = tuple(PEERS)[1:]
MORE_PEERS = {"RealMLP, log loss": realmlp_log_loss}
WITHOUT_MAE = ("MLP",)  # scikit-learn's has no such loss
JOINTS = {
    "joint": lambda: JointRegressorClassifier(random_state=0),
    "joint, MAE": lambda: JointRegressorClassifier(value_loss="mae", random_state=0),
}


def make_models():
    """All there is to compare: name -> (features to train on) -> model."""

    def pair(make):
        return lambda X: Pair(*make(X, mae=False))

    def value_alone(make):
        return lambda X: Pair(make(X, mae=True)[0], None)

    def joint(make):
        return lambda X: Joint(make())

    return {
        **{name: joint(make) for name, make in JOINTS.items()},
        **{name: pair(make) for name, make in PEERS.items()},
        **{name: pair(make) for name, make in MORE_PEERS.items()},
        **{f"{n}, MAE": value_alone(make) for n, make in PEERS.items() if n not in WITHOUT_MAE},
    }


# --------------------------------------------------------------------- scoring
def on_all_labels(proba, classes, labels):
    """Probabilities of all labels, at least EPS each, that sum to 1."""
    full = np.zeros((len(proba), len(labels)))
    full[:, np.searchsorted(labels, np.asarray(classes))] = proba
    full = np.clip(full, EPS, None)
    return full / full.sum(axis=1, keepdims=True)


def value_scores(true, predicted):
    return {
        "rmse": root_mean_squared_error(true, predicted),
        "mae": mean_absolute_error(true, predicted),
        "r2": r2_score(true, predicted),
    }


def class_scores(true, predicted, proba, labels):
    return {
        "log_loss": log_loss(true, proba, labels=labels),
        "accuracy": accuracy_score(true, predicted),
    }


def run(make, name, seed):
    """Scores and seconds of one model on one split."""
    train, (X, value, label), labels = split(name, seed)
    model = make(train[0])
    start = time.perf_counter()
    model.fit(*train)
    fitted = time.perf_counter()
    number, proba = model.predict_value(X), model.predict_proba(X)
    scores = {
        "fit_seconds": fitted - start,
        "predict_seconds": time.perf_counter() - fitted,
    }
    if number is not None:
        scores |= value_scores(value.to_numpy(float), number)
    if proba is not None:
        answer, true = model.predict_class(X), label.to_numpy()
        proba = on_all_labels(proba, model.classes_, labels)
        scores |= class_scores(true, answer, proba, labels)
        if number is not None and value.name == label.name:
            scores["agreement"] = agreement_score(number, answer, classes=labels)
    return {key: float(f"{score:.6g}") for key, score in scores.items()}


def warm_up(make):
    """Load what the first fit would otherwise be charged for."""
    n = np.arange(60)
    X = pd.DataFrame({"a": n / 60, "b": np.where(n % 3, "x", "y")})
    model = make(X)
    model.fit(X, pd.Series(n % 7 / 7.0, name="value"), pd.Series(n % 2, name="class"))
    model.predict_value(X)
    model.predict_proba(X)


# --------------------------------------------------------------------- results
def load_entries(path):
    """Finished entries of a results file by (set, model, seed)."""
    if not path.is_file():
        return {}
    stored = json.loads(path.read_text(encoding="utf-8"))["entries"]
    return {(e.pop("set"), e.pop("model"), e.pop("seed")): e for e in stored}


def save(path, entries, libraries):
    """All entries, one per line, and their summary; the file is whole at any time."""
    listed = [
        {"set": name, "model": model, "seed": seed, **scores}
        for (name, model, seed), scores in entries.items()
    ]
    head = {
        "versions": libraries,
        "max_rows": MAX_ROWS,
        "test_size": TEST_SIZE,
        "threads": THREADS,
        "mean and standard error": summary(entries),
    }
    lines = ",\n".join(f"  {json.dumps(entry, ensure_ascii=False)}" for entry in listed)
    parts = [f" {json.dumps(key)}: {one_per_line(part)}" for key, part in head.items()]
    text = "{\n" + ",\n".join([*parts, f' "entries": [\n{lines}\n ]']) + "\n}\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as stream:
        stream.write(text.encode())


def one_per_line(part, depth=2):
    """JSON with a line per model."""
    if not isinstance(part, dict) or not any(isinstance(v, dict) for v in part.values()):
        return json.dumps(part, ensure_ascii=False)
    pad = " " * depth
    inner = [
        f"{pad}{json.dumps(key, ensure_ascii=False)}: {one_per_line(value, depth + 1)}"
        for key, value in part.items()
    ]
    return "{\n" + ",\n".join(inner) + "\n" + pad[1:] + "}"


def summary(entries):
    """Per set, model and metric the mean over the seeds and its standard error."""
    found = {}
    for (name, model, _), scores in entries.items():
        for metric, score in scores.items():
            found.setdefault(name, {}).setdefault(model, {}).setdefault(metric, []).append(score)
    return {
        name: {
            model: {metric: mean_and_error(scores) for metric, scores in metrics.items()}
            for model, metrics in models.items()
        }
        for name, models in found.items()
    }


def mean_and_error(scores):
    """Mean and standard error; the error of a single score is not known."""
    n = len(scores)
    error = float(f"{np.std(scores, ddof=1) / np.sqrt(n):.4g}") if n > 1 else None
    return float(f"{np.mean(scores):.6g}"), error


def compute(wanted, entries, path, again):
    """The entries that are missing, model by model."""
    libraries = {**versions(), **{name: version(name) for name in PEER_LIBRARIES}}
    makers = make_models()
    for model in dict.fromkeys(model for _, model, _ in wanted):
        missing = [key for key in wanted if key[1] == model and (again or key not in entries)]
        if missing:
            warm_up(makers[model])
        for key in missing:
            name, _, seed = key
            entries[key] = run(makers[model], name, seed)
            save(path, entries, libraries)
            found = ", ".join(f"{metric} {score:.5g}" for metric, score in entries[key].items())
            print(f"{model}, {name}, {seed}: {found}", flush=True)


# ---------------------------------------------------------------------- report
def scores_of(entries, name, model, metric):
    """Score by seed."""
    return {
        seed: scores[metric]
        for (its_name, its_model, seed), scores in entries.items()
        if (its_name, its_model) == (name, model) and metric in scores
    }


def print_metric(found, metric):
    """A table of one metric: models × sets."""
    title, digits = METRICS[metric]
    sets = [name for name in SETS if any(metric in m for m in found.get(name, {}).values())]
    rows = []
    for model in make_models():
        cells = [found[name].get(model, {}).get(metric) for name in sets]
        if any(cells):
            rows.append([model, *(shown(cell, digits) for cell in cells)])
    if rows:
        print_table(f"{title}: mean ± standard error over the splits", (title, *sets), rows)


def shown(cell, digits):
    if cell is None:
        return ""
    mean, error = cell
    digits = digits if abs(mean) < 100 else 1
    return f"{mean:.{digits}f}" + ("" if error is None else f" ± {error:.{digits}f}")


def verdict(entries, joint, name, metric):
    """A joint model's place among the pairs in one cell; None if not all is there."""
    own = scores_of(entries, name, joint, metric)
    rivals = {pair: scores_of(entries, name, pair, metric) for pair in PAIRS}
    if not own or any(set(own) - set(scores) for scores in rivals.values()):
        return None
    means = {pair: np.mean([scores[seed] for seed in own]) for pair, scores in rivals.items()}
    mean = np.mean(list(own.values()))
    best = min(means, key=means.get)
    return {
        "rank": 1 + sum(m < mean for m in means.values()),
        "best": best,
        "to best": mean / means[best],
        "to median": mean / np.median(list(means.values())),
        "to MLP": mean / means["MLP"],
        "log ratios": [np.log(own[seed] / rivals[best][seed]) for seed in own],
    }


def print_verdict(entries, joint):
    verdicts = {
        f"{name}: {title}": verdict(entries, joint, name, metric)
        for name in SETS
        for metric, title in CELLS.items()
    }
    verdicts = {cell: found for cell, found in verdicts.items() if found}
    if not verdicts:
        return
    rows = []
    for cell, found in verdicts.items():
        ratios = [f"{found[f'to {rival}']:.3f}" for rival in ("best", "median", "MLP")]
        error = mean_and_error(found["log ratios"])[1]
        spread = "" if error is None else f"{found['to best'] * error:.3f}"
        rows.append([cell, found["rank"], found["best"], ratios[0], spread, *ratios[1:]])
    print_table(
        f"{joint}: rank among the {len(PAIRS)} pairs (1: better than all), and its error relative "
        "to theirs (below 1: better)",
        (joint, "rank", "best pair", "to best", "± s.e.", "to median", "to MLP"),
        rows,
    )
    n = len(verdicts)
    for what, rival in (
        ("better than the best pair", "best"),
        ("better than the median pair", "median"),
    ):
        print(f"{what}: {sum(v[f'to {rival}'] < 1 for v in verdicts.values())} of {n} cells")
    no_worse = sum(v["to MLP"] <= 1 for v in verdicts.values())
    print(f"no worse than the pair of MLPs: {no_worse} of {n} cells")
    for title in CELLS.values():
        logs = [np.log(v["to best"]) for cell, v in verdicts.items() if cell.endswith(f": {title}")]
        print(f"{title} to the best pair, geometric mean: {np.exp(np.mean(logs)):.3f}")


def print_seconds(found):
    """Of each model, relative to RealMLP's pair: geometric mean over the sets."""
    rows = []
    for model in make_models():
        ratios = [
            [
                s[model][kind][0] / s["RealMLP"][kind][0]
                for kind in ("fit_seconds", "predict_seconds")
            ]
            for s in found.values()
            if model in s and "RealMLP" in s
        ]
        if ratios:
            rows.append([model, *(f"{r:.4f}" for r in np.exp(np.mean(np.log(ratios), axis=0)))])
    if rows:
        print_table(
            "Seconds relative to RealMLP's pair, geometric mean over the sets",
            ("", "fit", "predict"),
            rows,
        )


def report(entries):
    found = summary(entries)
    for metric in METRICS:
        print_metric(found, metric)
    print_seconds(found)
    for joint in JOINTS:
        print_verdict(entries, joint)


# ------------------------------------------------------------------------ plot
FARTHEST = {"rmse": 1.3, "log_loss": 2}  # dots beyond are drawn at the edge, with their place
TICKS = (0.8, 0.9, 1, 1.1, 1.2, 1.3, 1.5, 1.75, 2)


def relative_errors(found, metric):
    """Per model the sets it was scored on and its errors there over the best pair's."""
    ratios = {}
    for name, models in found.items():
        pairs = [models[pair][metric][0] for pair in PAIRS if pair in models]
        for model in (*PAIRS, *JOINTS):
            if model in models and not model.endswith("MAE"):
                ratios.setdefault(model, {})[name] = models[model][metric][0] / min(pairs)
    return ratios


def style(model):
    """Joint models in strong colours, in front; pairs in pale ones."""
    if model in JOINTS:
        look = {"color": f"C{3 - list(JOINTS).index(model)}", "marker": "D", "s": 46, "zorder": 4}
    else:
        i = PAIRS.index(model)
        look = {"color": f"C{(0, 2, 4, 5, 6, 9)[i]}", "marker": "os^vPX"[i], "s": 34, "alpha": 0.65}
    return {"edgecolor": "white", "linewidth": 0.4, "clip_on": False, **look}


def draw_cells(ax, ratios, metric):
    """One row per set, a dot per model; dots of a row side by side in height, too."""
    sets = [name for name in SETS if any(name in of_model for of_model in ratios.values())]
    heights = np.linspace(-0.3, 0.3, len(ratios))
    right = FARTHEST[metric]
    for (model, of_model), height in zip(ratios.items(), heights, strict=True):
        x = np.array(list(of_model.values()))
        y = np.array([sets.index(name) for name in of_model]) + height
        ax.scatter(np.minimum(x, right), y, label=model, **style(model))
        for far, row in zip(x, y, strict=True):
            if far > right:
                place = {"xytext": (6, -2.5), "textcoords": "offset points", "fontsize": 6}
                ax.annotate(f"{far:.1f}", (right, row), annotation_clip=False, **place)
    ax.axvline(1, color="0.5", linewidth=0.8, zorder=1)
    for edge in range(1, len(sets)):
        ax.axhline(edge - 0.5, color="0.9", linewidth=0.8, zorder=0)
    ax.set(xscale="log", title=f"{CELLS[metric]} / that of the best pair")
    left = min(0.97, 0.98 * min(min(of_model.values()) for of_model in ratios.values()))
    ax.set(xlim=(left, right), ylim=(len(sets) - 0.5, -0.5))
    ticks = [tick for tick in TICKS if left <= tick <= right]
    ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.minorticks_off()
    ax.set_yticks(range(len(sets)), sets)
    ax.tick_params(axis="y", length=0)


def draw_plot(entries, path):
    """The cells: errors of the joint models and the pairs relative to the best pair."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    found = summary(entries)
    figure, axes = plt.subplots(1, 2, figsize=(10, 4.8), sharey=True, layout="constrained")
    for ax, metric in zip(axes, CELLS, strict=True):
        draw_cells(ax, relative_errors(found, metric), metric)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), fontsize="small")
    with whole_file(path) as stream:
        figure.savefig(stream, format=path.suffix[1:], dpi=150)
    print(f"\n{path}")


def main():
    parser = option_parser("quality", __doc__)
    own = Path(__file__).with_suffix(".json")
    parser.set_defaults(json=own)
    parser.add_argument("--output", dest="json", type=Path, metavar="PATH", help="same as --json")
    models = list(make_models())
    parser.add_argument("--models", nargs="+", choices=models, default=models, metavar="MODEL")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS), metavar="SET")
    parser.add_argument("--seeds", nargs="+", type=int, default=SEEDS, metavar="SEED")
    parser.add_argument("--again", action="store_true", help="compute the chosen entries anew")
    parser.add_argument("--report", action="store_true", help="only report on the results file")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the cells as .svg or .png")
    args = parser.parse_args()
    # Defaults are what is compared, converged or not.
    warnings.simplefilter("ignore", ConvergenceWarning)
    # PyTorch about pandas' read-only arrays, which pytabkit only reads.
    warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
    entries = load_entries(args.json)
    if not args.report:
        wanted = [(s, m, seed) for m in args.models for s in args.sets for seed in args.seeds]
        compute(wanted, entries, args.json, args.again)
    report(entries)
    if args.plot:
        draw_plot(entries, args.plot)


if __name__ == "__main__":
    main()
