"""Sparse X: seconds and memory of one epoch, and errors on texts, beside scikit-learn's pairs.

A table of 20,000 rows and 50,000 columns, 0.1 % of it filled, trained for one epoch in a new
process for each contender:

skjoint
    ``JointRegressorClassifier`` of two layers, (256, 64), at batches of 256;
scikit-learn
    ``MLPRegressor``, then ``MLPClassifier``, of the same layers and batches.

Memory is the highest resident memory during the fit above that just before it, with libraries
loaded. On Linux only.

Then texts of drawn topics as TF-IDF: R2 of a number and accuracy of a label on other texts, of
the estimator with its defaults and of ``RidgeCV`` and ``LogisticRegressionCV``.

    python benchmarks/sparse.py
    python benchmarks/sparse.py --rows 5000
"""

import multiprocessing
import time
import warnings
from concurrent.futures import ProcessPoolExecutor

import numpy as np
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegressionCV, RidgeCV
from sklearn.neural_network import MLPClassifier, MLPRegressor

from _common import count, option_parser, print_table, print_versions, write_json
from fit_memory import forget, highest
from skjoint import JointRegressorClassifier
from soak import resident

LAYERS = (256, 64)
BATCH = 256
FILLED = 0.001
SMALL = 300  # rows to load libraries with


def make_rows(n_rows, n_columns):
    """A table of entries in random places; the number is a sum over them, the label its sign."""
    rng = np.random.default_rng(0)
    per_row = max(1, round(FILLED * n_columns))
    columns = rng.integers(0, n_columns, n_rows * per_row)
    ends = np.arange(0, n_rows * per_row + 1, per_row)
    numbers = rng.random(n_rows * per_row, dtype=np.float32)
    X = sparse.csr_array((numbers, columns, ends), shape=(n_rows, n_columns))
    X.sum_duplicates()
    value = X @ rng.normal(size=n_columns)
    return X, value, (value > 0).astype(int)


def fit_joint(X, value, label):
    est = JointRegressorClassifier(
        hidden_layer_sizes=LAYERS, batch_size=BATCH, epochs=1, random_state=0
    )
    return est.fit(X, np.column_stack([value, label]))


def fit_scikit_learn(X, value, label):
    settings = {"hidden_layer_sizes": LAYERS, "batch_size": BATCH, "max_iter": 1, "random_state": 0}
    pair = zip((MLPRegressor, MLPClassifier), (value, label), strict=True)
    return [mlp(**settings).fit(X, target) for mlp, target in pair]


CONTENDERS = {"skjoint": fit_joint, "scikit-learn": fit_scikit_learn}


def measure(name, n_rows, n_columns):
    """In a process of its own: megabytes at the peak, and seconds."""
    warnings.simplefilter("ignore")
    fit = CONTENDERS[name]
    fit(*make_rows(SMALL, 100))
    rows = make_rows(n_rows, n_columns)
    forget()
    before, start = resident(), time.perf_counter()
    fitted = fit(*rows)  # held while memory is read
    figures = {"seconds": time.perf_counter() - start, "peak": highest() - before}
    del fitted
    return figures


# ----------------------------------------------------------------------- texts
def make_texts(n_texts, n_words=8000, n_topics=12, length=60):
    """Texts of two topics each; number and label depend on how much there is of which."""
    rng = np.random.default_rng(1)
    common = 1 / np.arange(1, n_words + 1)
    topics = rng.dirichlet(0.02 * n_words * common / common.sum() + 0.002, n_topics)
    effect = rng.normal(size=n_topics)
    texts, value = [], np.empty(n_texts)
    for i in range(n_texts):
        pair, share = rng.choice(n_topics, 2, replace=False), rng.random()
        mixed = share * topics[pair[0]] + (1 - share) * topics[pair[1]]
        mixed = 0.5 * mixed + 0.5 * common / common.sum()
        texts.append(" ".join(f"w{word}" for word in rng.choice(n_words, length, p=mixed)))
        value[i] = share * effect[pair[0]] + (1 - share) * effect[pair[1]]
    value += rng.normal(scale=0.2, size=n_texts)
    return texts, value, np.digitize(value, [-0.4, 0.4])


def errors_on_texts(n_texts):
    """R2 and accuracy of each contender on half of the texts."""
    texts, value, label = make_texts(n_texts)
    half = n_texts // 2
    encode = TfidfVectorizer().fit(texts[:half])
    X, X_test = encode.transform(texts[:half]), encode.transform(texts[half:])

    def scores(numbers, labels):
        rest = value[half:] - numbers
        return {
            "R2": 1 - np.mean(rest**2) / np.var(value[half:]),
            "accuracy": np.mean(labels == label[half:]),
        }

    est = JointRegressorClassifier(random_state=0)
    est.fit(X, np.column_stack([value, label])[:half])
    ridge = RidgeCV(np.logspace(-2, 2, 9)).fit(X, value[:half])
    logistic = LogisticRegressionCV(
        scoring="neg_log_loss", l1_ratios=(0,), use_legacy_attributes=False
    )
    logistic.fit(X, label[:half])
    return {
        "skjoint": scores(est.predict_value(X_test), est.predict_class(X_test)),
        "ridge and logistic": scores(ridge.predict(X_test), logistic.predict(X_test)),
    }


def main():
    parser = option_parser("sparse", __doc__)
    parser.add_argument("--rows", type=count, default=20_000, help="default: 20000")
    parser.add_argument("--columns", type=count, default=50_000, help="default: 50000")
    parser.add_argument("--texts", type=count, default=4_000, help="default: 4000")
    args = parser.parse_args()
    print_versions()
    found = {}
    for name in CONTENDERS:
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            found[name] = pool.submit(measure, name, args.rows, args.columns).result()
    pair = found["scikit-learn"]["seconds"]
    print_table(
        f"One epoch of {args.rows:,} rows x {args.columns:,} columns",
        ["", "s", "of the pair's", "peak MB"],
        [
            [name, f"{f['seconds']:.1f}", f"{f['seconds'] / pair:.2f}", f"{f['peak']:.0f}"]
            for name, f in found.items()
        ],
    )
    errors = errors_on_texts(args.texts)
    print_table(
        f"{args.texts:,} texts as TF-IDF, half of them to train on",
        ["", "R2", "accuracy"],
        [[name, f"{e['R2']:.3f}", f"{e['accuracy']:.3f}"] for name, e in errors.items()],
    )
    write_json(args.json, {"rows": args.rows, "contenders": found, "texts": errors})


if __name__ == "__main__":
    main()
