"""scikit-learn's callbacks: what they are told, what they may do, how they propagate."""

import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from conftest import make_data
from skjoint import JointRegressorClassifier
from skjoint.model_selection import joint_scoring

callback = pytest.importorskip("sklearn.callback", reason="scikit-learn 1.9 brings callbacks")


class Recorder:
    """Notes every task that begins and ends, and what comes with it; stops when told to."""

    def __init__(self, stop_after=None):
        self.stop_after = stop_after
        self.setups = self.teardowns = 0
        self.begun, self.ended, self.given, self.fitted = [], [], [], []

    def setup(self, estimator, context):
        self.setups += 1

    def teardown(self, estimator, context):
        self.teardowns += 1

    def on_fit_task_begin(self, estimator, context):
        self.begun.append((context.task_name, context.task_id))

    def on_fit_task_end(
        self, estimator, context, *, X=None, y=None, metadata=None, fitted_estimator=None
    ):
        self.ended.append((context.task_name, context.task_id))
        self.given.append((X, y, metadata))
        self.fitted.append(fitted_estimator)
        return context.task_name == "epoch" and context.task_id == self.stop_after


class Propagated(Recorder):
    max_propagation_depth = None


def small(**params):
    return JointRegressorClassifier.plain(
        (8,), **{"epochs": 4, "learning_rate": 0.01, "random_state": 0, **params}
    )


@pytest.fixture(params=["fused", "keras"])
def engine(request):
    return request.param


def test_epochs_are_the_tasks_of_a_fit(engine):
    X, y = make_data()
    weight = np.linspace(0.5, 2, len(X))
    recorder = Recorder()
    est = small(engine=engine).set_callbacks(recorder).fit(X, y, sample_weight=weight)
    epochs = [("epoch", i) for i in range(4)]
    assert recorder.begun == [("fit", 0), *epochs]
    assert recorder.ended == [*epochs, ("fit", 0)]
    assert recorder.setups == recorder.teardowns == 1
    for given in recorder.given:
        assert given[0] is X
        assert given[1] is y
        assert given[2] == {"sample_weight": weight}
    assert not {"_callback_fit_ctx", "_skl_callbacks_to_teardown"} & set(vars(est))


def test_fitted_estimator_is_the_model_of_its_epoch(engine):
    X, y = make_data()
    recorder = Recorder()
    small(engine=engine).set_callbacks(recorder).fit(X, y)
    for n_epochs, then in enumerate(recorder.fitted[:-1], start=1):
        stopped = small(engine=engine, epochs=n_epochs).fit(X, y)
        assert then.n_iter_ == n_epochs
        np.testing.assert_allclose(then.predict_value(X), stopped.predict_value(X), rtol=1e-6)
        np.testing.assert_allclose(then.predict_proba(X), stopped.predict_proba(X), atol=1e-6)


def test_fitted_estimator_knows_its_blend():
    X, y = make_data()
    params = {"class_bins": 4, "value_from": "blend"}
    recorder = Recorder()
    est = small(**params).set_callbacks(recorder).fit(X, y["value"])
    for then in recorder.fitted:
        assert np.isfinite(then.predict_value(X)).all()
    np.testing.assert_array_equal(recorder.fitted[-1].predict_value(X), est.predict_value(X))


def test_callbacks_change_nothing_but_may_stop(engine):
    X, y = make_data()
    plain = small(engine=engine, epochs=3).fit(X, y)
    heard = small(engine=engine, epochs=3).set_callbacks(Recorder()).fit(X, y)
    np.testing.assert_array_equal(plain.predict_value(X), heard.predict_value(X))
    recorder = Recorder(stop_after=2)
    stopped = small(engine=engine, epochs=50).set_callbacks(recorder).fit(X, y)
    assert stopped.n_iter_ == 3
    assert recorder.begun[-1] == ("epoch", 2)
    np.testing.assert_allclose(stopped.predict_value(X), plain.predict_value(X), rtol=1e-6)


def test_stop_of_early_stopping_and_of_keras_end_every_task(engine):
    import keras

    class StopAtOnce(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = True

    X, y = make_data()
    for params in (
        {"early_stopping": True, "n_iter_no_change": 1, "learning_rate": 10.0},
        {"callbacks": StopAtOnce()},
    ):
        recorder = Recorder()
        est = small(engine=engine, epochs=60, **params).set_callbacks(recorder).fit(X, y)
        assert est.n_iter_ < 60
        assert sorted(recorder.begun) == sorted(recorder.ended)


def test_callbacks_end_when_a_fit_fails():
    X, y = make_data()
    recorder = Recorder()
    est = small(optimizer="sgd", learning_rate=1e30).set_callbacks(recorder)
    with pytest.raises(ValueError, match="diverged"):
        est.fit(X, y)
    assert recorder.setups == recorder.teardowns == 1
    assert set(vars(est)) == {*est.get_params(), "_skl_callbacks"}


def test_they_live_through_clone_and_leave_with_an_empty_call():
    recorder = Recorder()
    est = small().set_callbacks(recorder)
    assert clone(est)._skl_callbacks == [recorder]
    assert "_skl_callbacks" not in vars(est.set_callbacks())
    with pytest.raises(TypeError, match="FitCallback protocol"):
        est.set_callbacks(print)


def test_scoring_monitor_logs_every_score_of_every_epoch():
    X, y = make_data()
    monitor = callback.ScoringMonitor(scoring=joint_scoring())
    est = small().set_callbacks(monitor).fit(X, y, sample_weight=np.ones(len(X)))
    log = monitor.get_logs().data_as_pandas
    epochs = log[log["task_name"] == "epoch"]
    assert len(epochs) == est.n_iter_
    final = joint_scoring()
    for name, scorer in final.items():
        assert epochs[name].iloc[-1] == pytest.approx(scorer(est, X, y))


def test_they_propagate_through_pipelines_searches_and_views():
    X, y = make_data()
    recorder = Propagated()
    pipeline = make_pipeline(StandardScaler(), small(epochs=2))
    search = GridSearchCV(pipeline, {"jointregressorclassifier__alpha": [0.0, 0.1]}, cv=2)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The estimator StandardScaler does not support")
        search.set_callbacks(recorder).fit(X, y)
    epochs = [task for task in recorder.ended if task[0] == "epoch"]
    assert len(epochs) == 2 * (2 * 2 + 1)  # candidates, folds and the refit
    assert recorder.setups == recorder.teardowns == 1
    assert not hasattr(search.best_estimator_[-1], "_skl_callbacks")

    recorder = Propagated()
    small(epochs=2).as_regressor().set_callbacks(recorder).fit(X, y["value"])
    assert [t for t in recorder.ended if t[0] == "epoch"] == [("epoch", 0), ("epoch", 1)]
    assert recorder.ended[-1] == ("fit", 0)


def test_progress_bar_shows_the_epochs(capfd):
    pytest.importorskip("rich")
    X, y = make_data()
    small().set_callbacks(callback.ProgressBar()).fit(X, y)
    assert "JointRegressorClassifier - fit" in capfd.readouterr().out


@pytest.mark.slow
def test_scoring_monitor_hears_workers(tmp_path):
    X, y = make_data()
    monitor = callback.ScoringMonitor(scoring=joint_scoring())
    est = small(epochs=2).set_callbacks(monitor)
    GridSearchCV(est, {"alpha": [0.0, 0.1]}, cv=2, n_jobs=2).fit(X, y)
    log = monitor.get_logs(select="all")
    rows = [row for run in log for row in run.data if row["task_name"] == "epoch"]
    assert len(rows) == 2 * (2 * 2 + 1)


def test_members_are_trained_one_after_another(engine):
    X, y = make_data()
    recorder = Recorder(stop_after=1)
    est = small(engine=engine, n_members=2).set_callbacks(recorder).fit(X, y)
    epochs = [("epoch", i) for i in range(6)]  # two of the first member, all of the second
    assert recorder.begun == [("fit", 0), *epochs]
    assert recorder.ended == [*epochs, ("fit", 0)]
    np.testing.assert_array_equal(recorder.fitted[5].predict_value(X), est.predict_value(X))


def test_refits_are_epochs_too_and_may_be_stopped(engine):
    X, y = make_data()
    params = {"engine": engine, "early_stopping": "by_head", "n_refits": 1}
    recorder = Recorder()
    est = small(**params).set_callbacks(recorder).fit(X, y)
    n_refitted = est.best_epoch_.max() + 1
    assert n_refitted > 1
    assert len(recorder.ended) == est.n_iter_ + n_refitted + 1
    stopped = Recorder(stop_after=est.n_iter_)  # in the first epoch of the refit
    est = small(**params).set_callbacks(stopped).fit(X, y)
    assert len(stopped.ended) == est.n_iter_ + 2
    np.testing.assert_array_equal(stopped.fitted[-2].predict_value(X), est.predict_value(X))
