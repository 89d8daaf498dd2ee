"""One batch: forward, backward, one move of the weights. All of it is traced."""

from __future__ import annotations

import numpy as np

from skjoint._engines.entries import rows_at
from skjoint._engines.fused.sums import sums_of


class Step:
    """What a program does with one batch of training rows.

    Parameters
    ----------
    template : Template
    padded : PaddedModel
    head_sums : HeadSums
    sizes : Sizes
    n_columns : int
        Of the table.
    schedule : str
        Of the learning rate.
    """

    def __init__(self, template, padded, head_sums, sizes, n_columns, schedule):
        self.template = template
        self.padded = padded
        self.head_sums = head_sums
        self.batch_size = sizes.batch
        self.n_entries = sizes.batch_entries
        self.n_columns = n_columns
        self.schedule = schedule

    def __call__(self, inputs, order, i):
        """Batch i of an epoch's order: weights move; returns sums."""
        import tensorflow as tf

        balance = self.template.balance
        X, targets, weights, inside = self._batch(inputs, order, i)
        n_rows = tf.cast(self._n_rows(inputs, i), tf.float32)
        variables = self.template.model.trainable_variables
        with tf.GradientTape() as tape:
            outputs = self.padded.in_training(X, inside)
            losses = self.head_sums.losses(targets, outputs, weights)
            factors = inputs["loss_weights"]
            if balance:
                factors = balance.weigh(losses, sums_of(weights))
            total = tf.reduce_sum(factors * losses) / n_rows
            total += penalty(self.template, inputs)
        gradients = tape.gradient(total, [v.value for v in variables])
        self.template.optimizer.apply(gradients, variables)
        if balance and not balance.method.by_epoch:

            def losses_after():
                return self.head_sums.losses(targets, self.padded.in_training(X, inside), weights)

            balance.update(losses, sums_of(weights), losses_after)
        if self.schedule == "cosine":
            self._anneal(inputs)
        metrics = self.head_sums.metrics(inputs["units"], targets, outputs, weights)
        sums = [[total * n_rows], losses, *metrics]
        if balance:
            sums.append(factors * n_rows)
        return tf.concat(sums, axis=0)

    def _n_rows(self, inputs, i):
        """Rows of batch i without the padding."""
        import tensorflow as tf

        return tf.minimum(self.batch_size, inputs["n_samples"] - i * self.batch_size)

    def _batch(self, inputs, order, i):
        """X, targets and weights of a batch, and 1 for its rows, 0 for the padding."""
        import tensorflow as tf

        rows = tf.slice(order, [i * self.batch_size], [self.batch_size])
        by_row = [tf.gather(array, rows) for array in inputs["rows"]]
        X, targets, weights = unpack(inputs["table"], by_row, self.n_columns, self.n_entries)
        inside = tf.cast(tf.range(self.batch_size) < self._n_rows(inputs, i), tf.float32)
        return X, targets, [w * inside for w in weights], inside

    def _anneal(self, inputs):
        """The rate of the next step, on half a cosine wave from the plan's rate to 0."""
        import tensorflow as tf

        optimizer = self.template.optimizer
        done = tf.cast(optimizer.iterations.value, tf.float32) / inputs["decay_steps"]
        rate = inputs["rate"] * 0.5 * (1 + tf.cos(np.pi * tf.minimum(done, 1.0)))
        optimizer.learning_rate.assign(rate)


def unpack(table, by_row, n_columns, n_entries):
    """X, targets and weights, from rows' positions in the table, targets and weights."""
    positions, *rest = by_row
    n_heads = len(rest) // 2
    X = rows_at(table, positions, n_columns, n_entries)
    return X, rest[:n_heads], rest[n_heads:]


def penalty(template, inputs):
    """L2 of our own layers, and what the layers of a trunk add by themselves."""
    import tensorflow as tf

    layers = [template.model.get_layer(name) for name in template.network.keras_names().values()]
    dense = [layer for layer in layers if hasattr(layer, "kernel") and layer.trainable]
    parts = [inputs["alpha"] * _squares(layer.kernel) for layer in dense]
    tables = [layer.table for layer in layers if hasattr(layer, "table")]
    parts += [inputs["embedding_alpha"] * _squares(table) for table in tables]
    return tf.add_n([*parts, *template.model.losses])


def _squares(variable):
    """Their sum; as a product, which costs XLA one call and no kernels."""
    import tensorflow as tf

    numbers = tf.reshape(variable.value, [-1])
    return tf.tensordot(numbers, numbers, 1)
