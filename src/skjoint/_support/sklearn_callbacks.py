"""scikit-learn's callbacks (``set_callbacks``), where it has them: from version 1.9 on."""

from __future__ import annotations

import contextlib

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:

    class CallbackSupportMixin:
        """No ``set_callbacks`` before scikit-learn 1.9."""

    def with_callbacks(method):
        return method


class FitTasks:
    """One ``fit`` as a task, and its epochs as tasks below it, of which callbacks are told.

    Parameters
    ----------
    estimator : estimator that supports callbacks
        Callbacks are its own; they see it as it is during the fit.
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
        self.epoch = None

    @classmethod
    def of(cls, estimator, *about):
        """The tasks, or None when no callback listens."""
        return cls(estimator, *about) if getattr(estimator, "_skl_callbacks", None) else None

    def listener(self, snapshot):
        """What makes a training's hook one with the callbacks behind it.

        ``snapshot(trained, plan, weights, n_epochs)`` is the model as if training ended there.
        """

        def around(plan, on_epoch, trained):
            def fitted_attributes(epoch, get_weights):
                return {"_model": snapshot(trained, plan, get_weights(), epoch + 1)}

            return self.around(on_epoch, plan.last_epoch, fitted_attributes)

        return around

    def around(self, on_epoch, last_epoch, fitted_attributes):
        """The hook of a training with the callbacks behind it, which may stop it too.

        ``fitted_attributes(epoch, get_weights)`` gives what makes of a copy of
        the estimator one that predicts as if training had stopped here.
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

        hook.every_epoch = True
        self._begin_epoch()
        return hook

    def end(self):
        """The fit is done: the estimator is fitted as it is."""
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
def sub_estimator_task(estimator, sub_estimator, X, y):
    """The fit of a meta-estimator whose only task is to fit one other."""
    if not hasattr(estimator, "_init_callback_context"):
        yield
        return
    fit = estimator._init_callback_context(max_subtasks=1)
    fit.call_on_fit_task_begin(estimator=estimator, X=X, y=y)
    task = fit.subcontext(task_name="fit-estimator")
    with task.propagate_callback_context(sub_estimator):
        task.call_on_fit_task_begin(estimator=estimator, X=X, y=y)
        yield
        task.call_on_fit_task_end(estimator=estimator, X=X, y=y)
    fit.call_on_fit_task_end(estimator=estimator, X=X, y=y, reconstruction_attributes={})
