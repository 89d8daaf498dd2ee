"""scikit-learn's callbacks: what ``set_callbacks`` needs of a ``fit``."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from sklearn import callback
from sklearn.callback import CallbackSupportMixin

__all__ = ["CallbackSupportMixin", "FitTasks", "sub_estimator_task", "with_callbacks"]

Method = TypeVar("Method", bound=Callable[..., Any])


def with_callbacks(method: Method) -> Method:
    """scikit-learn's decorator of ``fit``; for type checkers the method keeps its signature."""
    return callback.with_callbacks(method)


class FitTasks:
    """One ``fit`` and its epochs as tasks and sub-tasks that callbacks observe.

    Parameters
    ----------
    estimator : estimator that supports callbacks
        Its own callbacks observe it during the fit.
    n_epochs : int
        Epochs at most.
    X, y, sample_weight
        As the user gave them.
    """

    def __init__(self, estimator, n_epochs, X, y, sample_weight):
        self.about = {"estimator": estimator, "X": X, "y": y}
        if sample_weight is not None:
            self.about["metadata"] = {"sample_weight": sample_weight}
        self.fit = estimator._init_callback_context(max_subtasks=n_epochs)
        self.fit.call_on_fit_task_begin(**self.about)
        self.epoch: Any = None  # the task of the epoch that runs

    @classmethod
    def of(cls, estimator, *about):
        """The tasks, or None where no callbacks are set."""
        return cls(estimator, *about) if getattr(estimator, "_skl_callbacks", None) else None

    def listener(self, snapshot):
        """The function ``(plan, on_epoch, trained) -> on_epoch`` that adds the callbacks to a hook.

        ``snapshot(trained, plan, weights, n_epochs)`` is the model as if training ended there.
        """

        def around(plan, on_epoch, trained):
            def fitted_attributes(epoch, get_weights):
                return {"_model": snapshot(trained, plan, get_weights(), epoch + 1)}

            return self.around(on_epoch, plan.last_epoch, fitted_attributes)

        return around

    def around(self, on_epoch, last_epoch, fitted_attributes):
        """A hook that calls ``on_epoch``, then the callbacks; each may stop the training.

        ``fitted_attributes(epoch, get_weights)`` gives the attributes with which a
        copy of the estimator predicts as if training had stopped after this epoch.
        """

        def hook(epoch, logs, get_weights):
            stop = on_epoch(epoch, logs, get_weights)
            stop |= self.epoch.call_on_fit_task_end(
                **self.about,
                reconstruction_attributes=lambda: fitted_attributes(epoch, get_weights),
            )
            self.epoch = None
            if not stop and epoch + 1 < last_epoch:
                self._begin_epoch()
            return stop

        hook.every_epoch = True  # type: ignore[attr-defined]
        self._begin_epoch()
        return hook

    def end(self):
        """End the fit's task; the estimator is fitted as it is."""
        self._end_empty_epoch()
        self.fit.call_on_fit_task_end(**self.about, reconstruction_attributes={})

    def _end_empty_epoch(self):
        if self.epoch is not None:  # begun, and then a callback of Keras stopped the training
            self.epoch.call_on_fit_task_end(estimator=self.about["estimator"])

    def _begin_epoch(self):
        self._end_empty_epoch()
        self.epoch = self.fit.subcontext(task_name="epoch")
        self.epoch.call_on_fit_task_begin(**self.about)


@contextlib.contextmanager
def sub_estimator_task(estimator: Any, sub_estimator: Any, X: Any, y: Any) -> Iterator[None]:
    """The fit of a meta-estimator whose only task is to fit one other."""
    fit = estimator._init_callback_context(max_subtasks=1)
    fit.call_on_fit_task_begin(estimator=estimator, X=X, y=y)
    task = fit.subcontext(task_name="fit-estimator")
    with task.propagate_callback_context(sub_estimator):
        task.call_on_fit_task_begin(estimator=estimator, X=X, y=y)
        yield
        task.call_on_fit_task_end(estimator=estimator, X=X, y=y)
    fit.call_on_fit_task_end(estimator=estimator, X=X, y=y, reconstruction_attributes={})
