"""A Keras model whose heads' losses are balanced, for ``keras.Model.fit``."""

from __future__ import annotations

import functools

from skjoint._engines.balancing import METHODS, label_means
from skjoint._engines.plan import weight_names
from skjoint._network.losses import per_sample
from skjoint._support.keras_import import import_keras


@functools.cache
def balanced_model():
    """The class of models whose heads' losses are balanced; made when Keras is loaded."""
    keras = import_keras()
    import tensorflow as tf

    class BalancedModel(keras.Model):
        """``keras.Model`` with a method of balancing in the place of fixed loss weights."""

        def __init__(self, inputs, outputs, plan):
            super().__init__(inputs, outputs)
            heads = plan.network.heads
            self.method = METHODS[plan.balancing]([head.kind for head in heads])
            state = plan.balancing_state
            self.balancing_state = tf.Variable(self.method.init() if state is None else state)
            self.last_weights = tf.Variable(tf.ones(len(heads)))
            self.row_losses = [per_sample(loss) for loss in plan.losses]
            self.trackers = [keras.metrics.Mean(name) for name in weight_names(heads)]
            self.logged_losses = [f"{head.name}_loss" for head in heads]

        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            losses, sums = _head_losses(self.row_losses, y, y_pred, sample_weight)
            n_rows = tf.cast(tf.shape(sample_weight[0])[0], tf.float32)
            if training:
                means, present = label_means(tf.stop_gradient(losses), sums)
                self.batch = means, present, sums
                self.last_weights.assign(self.method.weigh(self.balancing_state, means, present))
                weights = tf.unstack(self.last_weights)
                for tracker, weight in zip(self.trackers, weights, strict=True):
                    tracker.update_state(weight, n_rows)
            total = tf.reduce_sum(self.last_weights * losses) / n_rows
            return tf.add_n([total, *self.losses])

        def train_step(self, data):
            logs = super().train_step(data)
            if not self.method.by_epoch:
                means, present, sums = self.batch
                later = means
                if self.method.looks_ahead:
                    x, y, sample_weight = data
                    outputs = self(x, training=True)
                    losses, _ = _head_losses(self.row_losses, y, outputs, sample_weight)
                    later, _ = label_means(losses, sums)
                state = self.method.update(self.balancing_state, means, later, present)
                self.balancing_state.assign(state)
            return logs

        def end_epoch(self, logs):
            """Update a method of the epoch from the epoch's mean losses."""
            if self.method.by_epoch:
                losses = tf.constant([logs[name] for name in self.logged_losses], tf.float32)
                state = self.method.update(self.balancing_state, losses, losses, None)
                self.balancing_state.assign(state)

    return BalancedModel


def _head_losses(row_losses, y, y_pred, sample_weight):
    """Per head the weighted sum of the rows' losses, and the sum of the weights."""
    import tensorflow as tf

    heads = zip(row_losses, y, y_pred, sample_weight, strict=True)
    losses = [tf.reduce_sum(w * loss(t, p)) for loss, t, p, w in heads]
    return tf.stack(losses), tf.stack([tf.reduce_sum(w) for w in sample_weight])
