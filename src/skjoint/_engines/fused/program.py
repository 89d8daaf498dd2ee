"""One fit by a program: data in, calls of about a second, logs to the hooks, weights out."""

from __future__ import annotations

import time

import numpy as np

from skjoint._engines.fused.callbacks import EpochCallbacks
from skjoint._engines.fused.epochs import Epochs
from skjoint._engines.fused.function import Function
from skjoint._engines.fused.template import Template
from skjoint._engines.fused.tensors import as_tensor, shared_table
from skjoint._engines.plan import epoch_order, log_names

FIRST_STEPS = 32  # of a fit, before their speed is known
# A plain graph is traced in a fraction of XLA's compile time and runs each step about ten times
# slower: from so many steps of a fit on, those of all its networks, compiling pays. Both round
# differently, so that the fit alone decides, never what ran before it.
STEPS_WORTH_COMPILING = 750


class Program:
    """The variables of a network and the compiled function that trains it.

    Programs that are built beside one another share the function; each has its own variables.
    """

    def __init__(self, plan, sizes, function=None):
        self.sizes = sizes
        self.template = Template(plan)
        self.epochs = Epochs(self.template, plan, sizes)
        self.function = function or Function(
            self.epochs.run, self.template.handles, plan.network.trunk
        )

    def another(self, plan):
        """A program beside this one, to train a plan of the same form at the same time."""
        return Program(plan, self.sizes, self.function)

    @property
    def is_compiled(self):
        return self.function.is_compiled

    @property
    def n_numbers(self):
        """Numbers in the variables."""
        return self.template.n_numbers

    def train(self, plan, on_epoch, callbacks):
        """Carry out a plan."""
        template = self.template
        template.load(plan)
        inputs = self._inputs(plan)
        by_epoch = EpochCallbacks(callbacks, template.model, template.optimizer, plan)
        every_epoch = bool(callbacks) or getattr(on_epoch, "every_epoch", False)
        history = {}
        try:
            by_epoch.begin()
            for epoch, logs in self._run(plan, inputs, every_epoch, by_epoch.begin_epoch):
                stop = on_epoch(epoch, logs, lambda: template.weights(plan))
                for name, value in logs.items():
                    history.setdefault(name, []).append(float(value))
                if by_epoch.end_epoch(epoch, logs) or stop:
                    break
            template.finish()
            by_epoch.end()
        finally:
            by_epoch.detach()
        return template.result(plan, history)

    def _run(self, plan, inputs, every_epoch, begin_epoch):
        """Epochs and their logs, one after another.

        A call of the function takes about a second: some epochs, if nothing needs each of them,
        or some steps of one.
        """
        wanted = log_names(plan)
        epoch, step = plan.first_epoch, 0  # steps that are done of the epoch
        n_steps = FIRST_STEPS  # that take about a second
        while epoch < plan.last_epoch:
            n_epochs = 1 if every_epoch or step else max(1, n_steps // plan.n_steps)
            n_epochs = min(n_epochs, plan.last_epoch - epoch, self.sizes.n_orders)
            if step == 0:
                sums = np.zeros(self.epochs.n_sums, np.float32)
                begin_epoch(epoch)
            steps = (step, min(plan.n_steps, step + n_steps))
            start = time.perf_counter()
            rows, sums = self._call(plan, inputs, epoch, n_epochs, steps, sums)
            done = (steps[1] - step) * n_epochs
            rate = done / max(time.perf_counter() - start, 1e-6)
            # The first calls, which trace and compile, say little about the rate.
            n_steps = int(min(max(rate, 1), 8 * n_steps))
            step = steps[1] % plan.n_steps
            for row in rows if step == 0 else ():
                logs = dict(zip(self.epochs.log_names, map(float, row), strict=True))
                yield epoch, {name: value for name, value in logs.items() if name in wanted}
                epoch += 1

    def _inputs(self, plan):
        """All tensors of a fit but the batch order, padded to the program's sizes."""
        import tensorflow as tf

        def by_row(rows, size):
            arrays = [rows.positions, *rows.targets, *rows.weights]
            return [as_tensor(array, size) for array in arrays]

        validation, n_validation = plan.validation, self.sizes.n_validation
        return {
            "table": shared_table(plan.rows.table, self.sizes.n_rows, self.sizes.n_entries),
            "rows": by_row(plan.rows, self.sizes.n_rows),
            "n_samples": tf.constant(len(plan.rows)),
            "n_steps": tf.constant(plan.n_steps),
            "validation": [] if validation is None else by_row(validation, n_validation),
            "n_validation": tf.constant(len(validation or ())),
            "loss_weights": tf.constant(plan.loss_weights, tf.float32),
            "units": [tf.constant(units, tf.float32) for units in plan.value_units],
            "alpha": tf.constant(plan.network.alpha, tf.float32),
            "embedding_alpha": tf.constant(plan.network.embedding_alpha, tf.float32),
            "rate": tf.constant(plan.optimizer.rate or 0.0, tf.float32),
            "decay_steps": tf.constant(plan.n_steps * plan.epochs, tf.float32),
        }

    def _call(self, plan, inputs, epoch, n_epochs, steps, sums):
        """Train some epochs, or some steps of one: logs as rows, sums of an unfinished epoch."""
        import tensorflow as tf

        n_samples, sizes = len(plan.rows), self.sizes
        orders = np.zeros((sizes.n_orders, sizes.n_rows + sizes.batch), np.int32)
        for i in range(n_epochs):
            orders[i, :n_samples] = epoch_order(plan.seed, epoch + i, n_samples)
        arguments: tuple = (inputs, tf.constant(orders), tf.constant(n_epochs))
        arguments += (tf.constant(steps), tf.constant(sums))
        worth_it = plan.n_steps * plan.epochs * plan.n_alike > STEPS_WORTH_COMPILING
        logs, sums = self.function(arguments, self.template.handles, worth_it)
        return logs.numpy()[:n_epochs], sums
