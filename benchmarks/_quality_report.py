"""Tables and plot of what `quality.py` found.

``entries`` holds the scores of every (set, model, seed), ``found`` their means and
standard errors by set, model and metric, both in the order in which they are shown.
"""

import numpy as np

from _common import print_table
from _pairs import PAIRS
from skjoint._support.files import whole_file

CELLS = {"rmse": "RMSE", "log_loss": "log loss"}
METRICS = {  # name in the file: (title, digits)
    "rmse": ("RMSE", 3),
    "r2": ("R²", 3),
    "mae": ("MAE", 3),
    "log_loss": ("log loss", 3),
    "accuracy": ("accuracy", 3),
    "ece": ("expected calibration error", 4),
    "agreement": ("agreement", 3),
    "coverage": ("share of numbers in their 90 % interval", 3),
    "width": ("mean width of these intervals", 3),
    "fit_seconds": ("seconds to fit", 2),
    "predict_seconds": ("seconds to predict", 3),
}
MAX_WIDTH = 10  # sets side by side in a table
SECONDS = ("fit_seconds", "predict_seconds")


# --------------------------------------------------------------------- summary
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


def models_of(found):
    return list(dict.fromkeys(model for models in found.values() for model in models))


# ---------------------------------------------------------------------- tables
def print_metric(found, metric):
    """Models × sets."""
    title, digits = METRICS[metric]
    sets = [name for name, models in found.items() if any(metric in m for m in models.values())]
    rows = []
    for model in models_of(found):
        cells = [found[name].get(model, {}).get(metric) for name in sets]
        if any(cells):
            rows.append([model, *(shown(cell, digits) for cell in cells)])
    print_table(f"{title}: mean ± standard error over the splits", (title, *sets), rows)


def shown(cell, digits):
    if cell is None:
        return ""
    mean, error = cell
    digits = digits if abs(mean) < 100 else 1
    return f"{mean:.{digits}f}" + ("" if error is None else f" ± {error:.{digits}f}")


def print_seconds(found):
    """Of each model, relative to RealMLP's pair: geometric mean over the sets."""
    rows = []
    for model in models_of(found):
        ratios = [
            [models[model][kind][0] / models["RealMLP"][kind][0] for kind in SECONDS]
            for models in found.values()
            if model in models and "RealMLP" in models
        ]
        if ratios:
            rows.append([model, *(f"{r:.4f}" for r in np.exp(np.mean(np.log(ratios), axis=0)))])
    if rows:
        header = ("", "fit", "predict")
        title = "Seconds / those of RealMLP's pair, geometric mean over the sets"
        print_table(title, header, rows)


def print_coverage(entries):
    """Of each model's intervals over all rows of all sets and splits."""
    of_model = {}
    for (_, model, _), scores in entries.items():
        if "coverage" in scores and "test_rows" in scores:
            of_model.setdefault(model, []).append((scores["coverage"], scores["test_rows"]))
    rows = []
    for model, pairs in of_model.items():
        coverage, n = np.array(pairs).T
        pooled = np.average(coverage, weights=n)
        error = np.sqrt(np.sum((n * (coverage - pooled)) ** 2)) / n.sum()
        rows.append([model, f"{pooled:.4f} ± {error:.4f}", f"{coverage.mean():.4f}"])
    if rows:
        header = ("", "pooled over rows", "mean over sets and splits")
        print_table("Share of numbers in their 90 % interval, all sets and splits", header, rows)


# -------------------------------------------------------------------- verdicts
def verdict(entries, name, joint, metric, pairs):
    """Of a joint model among the pairs in one cell, on the seeds that all have."""
    seeds = [
        seed
        for its_name, model, seed in entries
        if (its_name, model) == (name, joint)
        and all((name, pair, seed) in entries for pair in pairs)
    ]
    if not seeds:
        return None
    own = np.array([entries[name, joint, seed][metric] for seed in seeds])
    scores = {
        pair: np.array([entries[name, pair, seed][metric] for seed in seeds]) for pair in pairs
    }
    means = {pair: of_pair.mean() for pair, of_pair in scores.items()}
    best = min(means, key=means.get)
    return {
        "rank": 1 + sum(mean < own.mean() for mean in means.values()),
        "best": best,
        "to best": own.mean() / means[best],
        "± s.e.": own.mean()
        / means[best]
        * (mean_and_error(np.log(own / scores[best]))[1] or np.nan),
        "to median": own.mean() / np.median(list(means.values())),
        "to MLP": own.mean() / means["MLP"],
    }


def print_verdicts(entries, found, joint, pairs):
    verdicts = {
        (name, metric): verdict(entries, name, joint, metric, pairs)
        for metric in CELLS
        for name in found
    }
    verdicts = {cell: of_cell for cell, of_cell in verdicts.items() if of_cell}
    if not verdicts:
        return
    ratios = ("to best", "± s.e.", "to median", "to MLP")
    print_table(
        f"{joint}: its rank with the {len(pairs)} pairs (1: better than all), its error over "
        "theirs (below 1: better)",
        ("cell", "rank", "best pair", *ratios),
        [
            [f"{name}, {CELLS[m]}", v["rank"], v["best"], *(f"{v[r]:.3f}" for r in ratios)]
            for (name, m), v in verdicts.items()
        ],
    )
    print_counts(verdicts)


def print_counts(verdicts):
    """In how many cells a joint model keeps up, and by how much it does not."""
    cells = list(verdicts.values())
    for rival in ("best", "median"):
        print(f"better than the {rival} pair: {sum(v[f'to {rival}'] < 1 for v in cells)} cells")
    behind = sum(v["to best"] > 1.05 for v in cells)
    print(f"more than 5 % behind the best pair: {behind} cells")
    print(f"no worse than MLP's pair: {sum(v['to MLP'] <= 1 for v in cells)} cells of {len(cells)}")
    for metric, title in CELLS.items():
        logs = [np.log(v["to best"]) for (_, m), v in verdicts.items() if m == metric]
        print(f"{title} / that of the best pair, geometric mean: {np.exp(np.mean(logs)):.3f}")


def report(entries, joints, pairs=PAIRS):
    """Verdicts on the joint models among these pairs; of few sets all figures before."""
    found = summary(entries)
    if len(found) <= MAX_WIDTH:
        for metric in METRICS:
            print_metric(found, metric)
    print_coverage(entries)
    print_seconds(found)
    for joint in joints:
        print_verdicts(entries, found, joint, pairs)
    whole = {name: models for name, models in found.items() if set(pairs) <= set(models)}
    computed = [name for name in joints if all(name in models for models in whole.values())]
    if whole:
        print_overall(whole, [name for name in computed if not name.endswith("MAE")], pairs)


def print_overall(found, joints, pairs):
    """Joint models and pairs over all cells, the best one first."""
    ratios = {metric: relative_errors(found, joints, metric, pairs) for metric in CELLS}
    names = list(ratios["rmse"])
    # (model, cell)
    cells = np.array([[r for m in CELLS for r in ratios[m][name].values()] for name in names])
    median = np.median(
        [row for name, row in zip(names, cells, strict=True) if name in pairs], axis=0
    )
    rows = []
    for name, row in zip(names, cells, strict=True):
        means = [np.exp(np.mean(np.log(list(ratios[m][name].values())))) for m in CELLS]
        seconds = sum(models[name]["fit_seconds"][0] for models in found.values())
        rows.append((np.exp(np.log(row).mean()), name, *means, row, seconds))
    print_table(
        "Error / that of the best pair, geometric mean; cells below the median pair; all fits",
        ("", *CELLS.values(), "better than median", "seconds"),
        [
            [name, f"{rmse:.3f}", f"{log_loss:.3f}", (row < median).sum(), f"{seconds:.1f}"]
            for _, name, rmse, log_loss, row, seconds in sorted(rows, key=lambda r: r[0])
        ],
    )


# ------------------------------------------------------------------------ plot
FARTHEST = {"rmse": 1.3, "log_loss": 2}  # dots beyond are drawn at the edge, with their place
TICKS = (0.8, 0.9, 1, 1.1, 1.2, 1.3, 1.5, 1.75, 2)


def relative_errors(found, joints, metric, pairs=PAIRS):
    """Per model the sets it was scored on and its errors there over the best pair's."""
    ratios = {model: {} for model in (*pairs, *joints)}
    for name, models in found.items():
        errors = {model: models[model][metric][0] for model in ratios if model in models}
        best = min((errors[pair] for pair in pairs if pair in errors), default=np.nan)
        for model, error in errors.items():
            ratios[model][name] = error / best
    return ratios


def styles(joints):
    """Joint models in strong colours, in front; pairs in pale ones."""
    pairs = zip(PAIRS, (0, 2, 4, 5, 6, 9), "os^vPX", strict=True)
    looks = {
        name: {"color": f"C{colour}", "marker": marker, "s": 34, "alpha": 0.65}
        for name, colour, marker in pairs
    }
    for joint, colour in zip(joints, ("C3", "black", "C1", "C8"), strict=False):
        looks[joint] = {"color": colour, "marker": "D", "s": 46, "zorder": 4}
    return looks


def draw_cells(ax, sets, ratios, looks, metric):
    """One row per set, a dot per model; the dots of a row one below the other."""
    right = FARTHEST[metric]
    heights = np.linspace(-0.36, 0.36, len(ratios))
    for (model, of_model), height in zip(ratios.items(), heights, strict=True):
        x = np.array(list(of_model.values()))
        y = np.array([sets.index(name) for name in of_model]) + height
        look = {"edgecolor": "white", "linewidth": 0.4, "clip_on": False, **looks[model]}
        ax.scatter(np.minimum(x, right), y, label=model, **look)
        for far, row in zip(x, y, strict=True):
            if far > right:
                place = {"xytext": (6, -2.5), "textcoords": "offset points", "fontsize": 6}
                ax.annotate(f"{far:.1f}", (right, row), annotation_clip=False, **place)
    nearest = min(min(of_model.values(), default=1) for of_model in ratios.values())
    left = min(0.98, 0.98 * nearest)
    ax.set(xscale="log", xlim=(left, right), title=f"{CELLS[metric]} / that of the best pair")
    ticks = [tick for tick in TICKS if left <= tick <= right]
    ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.minorticks_off()
    ax.axvline(1, color="0.5", linewidth=0.8, zorder=1)


def draw(entries, joints, path):
    """The cells: errors of the joint models and the pairs relative to the best pair."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    found = summary(entries)
    sets, looks = list(found), styles(joints)
    figure, axes = plt.subplots(1, 2, figsize=(10, 6), sharey=True, layout="constrained")
    for ax, metric in zip(axes, CELLS, strict=True):
        draw_cells(ax, sets, relative_errors(found, joints, metric), looks, metric)
        for edge in range(1, len(sets)):
            ax.axhline(edge - 0.5, color="0.9", linewidth=0.8, zorder=0)
    axes[0].set(ylim=(len(sets) - 0.5, -0.5))
    axes[0].set_yticks(range(len(sets)), sets)
    for ax in axes:
        ax.tick_params(axis="y", length=0)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=5, fontsize="small")
    with whole_file(path) as stream:
        figure.savefig(stream, format=path.suffix[1:], dpi=100)
    print(f"\n{path}")
