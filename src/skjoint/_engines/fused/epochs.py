"""The loops over epochs and steps, and what ends an epoch. All of it is traced."""

from __future__ import annotations

from skjoint._engines.fused.padding import PaddedModel
from skjoint._engines.fused.step import Step, penalty, unpack
from skjoint._engines.fused.sums import HeadSums
from skjoint._engines.plan import log_names


class Epochs:
    """What a program does in one call: some epochs, or some steps of one.

    Parameters
    ----------
    template : Template
    plan : Plan
        Of the program's form: nothing of its numbers is used.
    sizes : Sizes
    """

    def __init__(self, template, plan, sizes):
        self.template = template
        self.sizes = sizes
        self.n_columns = plan.network.n_inputs
        self.heads = plan.network.heads
        self.log_names = log_names(plan, plan.validation is not None)
        self.head_sums = HeadSums(self.heads, plan.losses)
        self.padded = PaddedModel(template.model, sizes.batch)
        schedule = plan.optimizer.schedule
        self.step = Step(template, self.padded, self.head_sums, sizes, self.n_columns, schedule)

    @property
    def n_sums(self):
        """Sums of an epoch: of the heads, and of their factors if they are balanced."""
        return self.head_sums.n_sums + (len(self.heads) if self.template.balance else 0)

    def run(self, inputs, orders, n_epochs, steps, sums):
        """Logs of ``n_epochs`` epochs, (n_orders, n_logs), and the sums of the last one.

        A single epoch may be a range of its ``steps`` that goes on from ``sums``.
        """
        import tensorflow as tf

        def epoch(i, logs, sums):
            start = tf.where(i == 0, sums, 0.0)
            sums = self._steps(inputs, orders[i], steps, start)
            row = tf.cond(
                steps[1] == inputs["n_steps"],
                lambda: self._end_epoch(inputs, sums),
                lambda: tf.zeros(len(self.log_names)),
            )
            return i + 1, tf.tensor_scatter_nd_update(logs, [[i]], [row]), sums

        start = (tf.constant(0), tf.zeros((self.sizes.n_orders, len(self.log_names))), sums)
        return tf.while_loop(lambda i, logs, sums: i < n_epochs, epoch, start)[1:]

    def _steps(self, inputs, order, steps, sums):
        import tensorflow as tf

        def step(i, sums):
            return i + 1, sums + self.step(inputs, order, i)

        return tf.while_loop(lambda i, sums: i < steps[1], step, (steps[0], sums))[1]

    def _end_epoch(self, inputs, sums):
        """Logs of an epoch from its sums, and the validation that follows it."""
        import tensorflow as tf

        n_heads, balance = len(self.heads), self.template.balance
        n_samples = tf.cast(inputs["n_samples"], tf.float32)
        logs = [self.head_sums.logs(sums[: self.head_sums.n_sums], n_samples)]
        if self.sizes.n_validation:
            logs.append(self._validate(inputs))
        if balance:
            logs.append(sums[self.head_sums.n_sums :] / n_samples)
            if balance.method.by_epoch:
                balance.update_by_epoch(logs[0][1 : 1 + n_heads])
        return tf.concat(logs, axis=0)

    def _validate(self, inputs):
        """Logs of the held-out rows."""
        import tensorflow as tf

        size = self.sizes.validation_batch

        def batch(i, sums):
            # XLA takes array[i * size : (i + 1) * size] to have any length, up to the whole.
            by_row = [
                tf.slice(array, [i * size] + [0] * (len(array.shape) - 1), [size, *array.shape[1:]])
                for array in inputs["validation"]
            ]
            return i + 1, sums + self._validation_sums(inputs, by_row)

        n_samples = inputs["n_validation"]
        n_batches = (n_samples + size - 1) // size
        start = (tf.constant(0), tf.zeros(self.head_sums.n_sums))
        sums = tf.while_loop(lambda i, sums: i < n_batches, batch, start)[1]
        logs = self.head_sums.logs(sums, tf.cast(n_samples, tf.float32))
        # The penalty is no sum over rows.
        return logs + tf.one_hot(0, logs.shape[0]) * penalty(self.template, inputs)

    def _validation_sums(self, inputs, by_row):
        import tensorflow as tf

        X, targets, weights = unpack(
            inputs["table"], by_row, self.n_columns, self.sizes.validation_entries
        )
        outputs = self.padded.in_validation(X)
        losses = self.head_sums.losses(targets, outputs, weights)
        balance = self.template.balance
        factors = balance.weights if balance else inputs["loss_weights"]
        total = tf.reduce_sum(factors * losses)
        metrics = self.head_sums.metrics(inputs["units"], targets, outputs, weights)
        return tf.concat([[total], losses, *metrics], axis=0)
