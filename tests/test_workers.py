"""Searches in worker processes: joblib's own and those of a Dask cluster."""

import os
import time

import joblib
import numpy as np
import pytest
from joblib.externals.loky import get_reusable_executor
from sklearn.model_selection import GridSearchCV

from conftest import make_data
from skjoint import JointRegressorClassifier

pytestmark = pytest.mark.slow
GRID = {"alpha": [0.0, 0.1], "learning_rate": [0.001, 0.01]}


def search(**options):
    """A search whose 13 fits need one program."""
    est = JointRegressorClassifier.plain((8,), epochs=2, random_state=0)
    return GridSearchCV(est, GRID, cv=3, error_score="raise", **options)


@pytest.fixture(scope="module")
def expected():
    return search().fit(*make_data()).cv_results_["mean_test_score"]


def worker_state():
    """Process and programs of the worker that answers, which is held up for the other's turn."""
    from skjoint._engines.fused.cache import training_programs

    time.sleep(0.2)
    return os.getpid(), training_programs.n_built


def test_loky_workers_give_the_same_scores_from_one_program_each(expected):
    X, y = make_data()
    get_reusable_executor().shutdown(wait=True)  # workers that other tests have used
    for _ in range(2):
        scores = search(n_jobs=2).fit(X, y).cv_results_["mean_test_score"]
        np.testing.assert_array_equal(scores, expected)
    states = joblib.Parallel(n_jobs=2)(joblib.delayed(worker_state)() for _ in range(8))
    workers = dict(states)
    assert len(workers) <= 2  # started once, used by both searches
    assert os.getpid() not in workers
    assert max(workers.values()) == 1


def test_dask_cluster_gives_the_same_scores_from_one_program_each(expected):
    distributed = pytest.importorskip("distributed", reason="needs the extra 'dask'")
    X, y = make_data()
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with (
        distributed.LocalCluster(processes=True, **options) as cluster,
        distributed.Client(cluster) as client,
    ):
        for _ in range(2):
            with joblib.parallel_config(backend="dask"):
                scores = search().fit(X, y).cv_results_["mean_test_score"]
            np.testing.assert_array_equal(scores, expected)
        workers = dict(client.run(worker_state).values())
    assert len(workers) == 2
    assert os.getpid() not in workers
    assert set(workers.values()) <= {0, 1}
    assert 1 in workers.values()
