"""When most rows lack the number, does their label help to predict it?

The label of every training row is known, the number of most is hidden, at random.
The joint model trains on all rows, those without the number through the class head
and the trunk only; can a network that learns the number alone, from the rows that
have it, do as well? Two experiments:

abalone
    the number is the rings, the label their band by the edges common for this set
    (1-8, 9-10, 11 and more), so that the label says much about the number; hidden
    in 70, 90 and 97 % of the training rows;
make_joint
    ``skjoint.datasets.make_joint`` with the number hidden in 90 % of the training
    rows and relatedness from 0, where number and label are functions of the same
    features that share nothing else, to 1, where they come from one function.

The joint models, plain networks of (64, 64) units, have the estimator's defaults but for
what is named here:

joint
    all rows, 30 epochs. Each head's loss counts the same, however few rows have its
    target, so that each of a few numbers weighs much;
joint, by share
    ``loss_weights=(share, 1)`` with the share of the rows that have the number, so
    that each number weighs as much as each label;
joint, stopped / joint, by share, stopped
    these with ``early_stopping=True`` and at most 200 epochs.

They are set against models of the number alone. How much training is fair to these
is not obvious, an epoch of the labelled rows having few steps; hence several:

separate
    30 epochs: each row is seen as often as by joint, but in a fraction of the steps;
separate, as many steps
    so many epochs that the steps are joint's: each row is seen up to 33 times as
    often;
separate, best epochs
    the best of 15, 30, 60, ... epochs up to as many steps, by the mean MAE on the
    *test* rows: a hindsight that the joint models do not get;
separate, stopped
    ``early_stopping=True`` and at most as many steps as in 200 epochs of joint.

And three for orientation:

label ignored
    joint with weight 0 for the label's loss: the same rows, batches and steps, and
    nothing from the label;
separate, none hidden
    all rows with their number, 30 epochs: how far hidden numbers set us back;
constant
    the median of the labelled rows.

    python benchmarks/missing_labels.py
    python benchmarks/missing_labels.py --seeds 2    # quick look

The seed draws the split (75/25), the hidden rows, the network and, of make_joint,
functions and rows. Differences are taken seed by seed. The splits of abalone share
rows, so that their standard errors speak of other splits of these shells, not of
other shells. Abalone is read from the folder that the environment variable
SKJOINT_DATA names; it is skipped if it is not there.
"""

import math
import time

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.metrics import mean_absolute_error, r2_score
from sklearn.model_selection import train_test_split

from _common import (
    PLAIN_LAYERS,
    count,
    in_lists,
    option_parser,
    print_table,
    print_versions,
    spread,
    warm_up,
    write_json,
)
from skjoint import JointRegressorClassifier
from skjoint.datasets import fetch_abalone, make_joint

ABALONE_EDGES = [9, 11]  # the three classes of the set's own description
HIDDEN = (0.7, 0.9, 0.97)
RELATEDNESS = (0.0, 0.5, 0.9, 1.0)
HIDDEN_MADE = 0.9
N_MADE = 4000  # about as many as abalone has
STOPPED_EPOCHS = 200
BATCH_SIZE = JointRegressorClassifier().batch_size
EPOCHS = JointRegressorClassifier().epochs

JOINT, BY_SHARE = "joint", "joint, by share"
STOPPED, BY_SHARE_STOPPED = "joint, stopped", "joint, by share, stopped"
ALONE, AS_MANY = "separate", "separate, as many steps"
BEST, ALONE_STOPPED = "separate, best epochs", "separate, stopped"
IGNORED, COMPLETE, CONSTANT = "label ignored", "separate, none hidden", "constant"
JOINTS = (JOINT, BY_SHARE, STOPPED, BY_SHARE_STOPPED)
RIVALS = (ALONE, AS_MANY, BEST, ALONE_STOPPED)
METHODS = (*JOINTS, *RIVALS, IGNORED, COMPLETE, CONSTANT)


# ------------------------------------------------------------------------ data
def load_abalone(seed):
    """The shells; the seed has no say in them."""
    X, rings = fetch_abalone(download_if_missing=False, return_X_y=True)
    band = np.array(["young", "middle", "old"])[np.digitize(rings, ABALONE_EDGES)]
    return X, pd.DataFrame({"value": rings.astype(float), "class": band})


def maker(relatedness):
    """A loader of made data."""
    return lambda seed: make_joint(N_MADE, relatedness=relatedness, random_state=seed)


def settings():
    """Per setting its loader and the share of hidden numbers."""
    return {
        **{f"abalone, {share:.0%} hidden": (load_abalone, share) for share in HIDDEN},
        **{f"make_joint, relatedness {r}": (maker(r), HIDDEN_MADE) for r in RELATEDNESS},
    }


def hide(y, share, seed):
    """y without the number in that share of the rows; more hidden with the same seed adds rows."""
    n_hidden = round(share * len(y))
    rows = np.random.default_rng(seed).permutation(len(y))[:n_hidden]
    y = y.reset_index(drop=True)
    y.loc[rows, "value"] = np.nan
    return y


# --------------------------------------------------------------------- methods
def epochs_of(n_rows, steps):
    """Epochs on that many rows that take about so many steps."""
    return round(steps / math.ceil(n_rows / BATCH_SIZE))


def budgets(n_rows, steps):
    """15, 30, 60, ... epochs and, last, those that take so many steps."""
    last = epochs_of(n_rows, steps)
    doubled = [EPOCHS * 2**i // 2 for i in range(20)]
    return [epochs for epochs in doubled if epochs < last] + [last]


def run(X, y, share, seed):
    """Scores on the test rows of every method, and of the separate model per budget."""
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.25, random_state=seed)
    y_hidden = hide(y_train, share, seed)
    known = y_hidden["value"].notna().to_numpy()
    X_known, y_known = X_train[known], y_hidden[known]
    joint = JointRegressorClassifier.plain(
        PLAIN_LAYERS, value_columns=["value"], class_columns=["class"], random_state=seed
    )
    by_share = clone(joint).set_params(loss_weights=(known.mean(), 1.0))
    alone = clone(joint).set_params(class_columns=[])
    ignored = clone(joint).set_params(loss_weights=(1.0, 0.0))
    steps_per_epoch = math.ceil(len(y_train) / BATCH_SIZE)

    def stopped(est, epochs):
        return clone(est).set_params(early_stopping=True, epochs=epochs)

    def score(est, *rows):
        found = est.fit(*rows).evaluate(X_test, y_test)
        return {"mae": found["value_mae"], "r2": found["value_r2"], "epochs": est.n_iter_}

    by_budget = {
        epochs: score(clone(alone).set_params(epochs=epochs), X_known, y_known)
        for epochs in budgets(known.sum(), EPOCHS * steps_per_epoch)
    }
    most = epochs_of(known.sum(), STOPPED_EPOCHS * steps_per_epoch)
    return {
        JOINT: score(joint, X_train, y_hidden),
        BY_SHARE: score(by_share, X_train, y_hidden),
        STOPPED: score(stopped(joint, STOPPED_EPOCHS), X_train, y_hidden),
        BY_SHARE_STOPPED: score(stopped(by_share, STOPPED_EPOCHS), X_train, y_hidden),
        ALONE: by_budget[EPOCHS],
        AS_MANY: by_budget[max(by_budget)],
        ALONE_STOPPED: score(stopped(alone, most), X_known, y_known),
        IGNORED: score(ignored, X_train, y_hidden),
        COMPLETE: score(alone, X_train, y_train),
        CONSTANT: constant(y_known["value"], y_test["value"]),
    }, by_budget


def constant(known, y_test):
    """What the median of the known numbers scores."""
    guess = np.full(len(y_test), known.median())
    return {"mae": mean_absolute_error(y_test, guess), "r2": r2_score(y_test, guess)}


def compare(load, share, seeds):
    """Per method lists over the seeds; the best budget is known only after all of them."""
    runs, budget_runs = zip(*[run(*load(seed), share, seed) for seed in range(seeds)], strict=True)
    by_budget = {epochs: in_lists(b[epochs] for b in budget_runs) for epochs in budget_runs[0]}
    scores = {name: in_lists(entry[name] for entry in runs) for name in runs[0]}
    scores[BEST] = min(by_budget.values(), key=lambda found: np.mean(found["mae"]))
    return scores, by_budget


# --------------------------------------------------------------------- reports
def lead(scores, method, rival):
    """Rival's MAE minus the method's, seed by seed: above 0 the method is better."""
    return np.subtract(scores[rival]["mae"], scores[method]["mae"])


def standing(lead):
    """``mean ± standard error (seeds that are ahead)``; no error of a single value."""
    mean, ahead = f"{np.mean(lead):+.3f}", f"({(lead > 0).sum()})"
    if len(lead) == 1:
        return f"{mean} {ahead}"
    return f"{mean} ± {np.std(lead, ddof=1) / np.sqrt(len(lead)):.3f} {ahead:>4}"


def print_scores(name, scores):
    rows = []
    for method in METHODS:
        found = scores[method]
        epochs = f"{np.mean(found['epochs']):.0f}" if "epochs" in found else ""
        rows.append([method, epochs, spread(found["mae"]), spread(found["r2"])])
    print_table(
        f"{name}: mean ± standard deviation over the seeds",
        ("model", "epochs", "MAE", "R²"),
        rows,
    )


def print_outcome(results, rival):
    print_table(
        f"MAE of '{rival}' minus MAE of the joint model (above 0 the joint model is better),\n"
        "mean ± standard error over the seeds (seeds on which the joint model is better)",
        ("setting", *JOINTS),
        [
            (name, *[standing(lead(scores, joint, rival)) for joint in JOINTS])
            for name, scores in results.items()
        ],
    )


def outcome_of(results):
    """The same differences as figures, by rival, setting and joint model."""
    return {
        rival: {
            name: {joint: lead(scores, joint, rival) for joint in JOINTS}
            for name, scores in results.items()
        }
        for rival in (*RIVALS, IGNORED)
    }


def main():
    parser = option_parser("missing_labels", __doc__)
    parser.add_argument("--seeds", type=count, default=10, help="runs of each (default: 10)")
    args = parser.parse_args()
    print_versions()
    warm_up()
    start = time.perf_counter()
    results, budget_results = {}, {}
    for name, (load, share) in settings().items():
        try:
            results[name], budget_results[name] = compare(load, share, args.seeds)
        except OSError as error:
            print(f"\n{name}: skipped: {error}")
            continue
        print_scores(name, results[name])
    for rival in (*RIVALS, IGNORED):
        print_outcome(results, rival)
    print(f"{time.perf_counter() - start:.0f} seconds in all")
    write_json(
        args.json,
        {
            "seeds": args.seeds,
            "scores": results,
            "separate_by_epochs": budget_results,
            "outcome": outcome_of(results),
        },
    )


if __name__ == "__main__":
    main()
