"""The network on batches of one size, whose last rows may be padding."""

from __future__ import annotations

from skjoint._network.build import call_model
from skjoint._support.keras_import import import_keras


class PaddedModel:
    """A model whose batch normalisations leave padding out of their statistics.

    No other layer mixes rows; the losses of padding have weight 0.
    """

    def __init__(self, model, batch_size):
        self.model = model
        self.batch_size = batch_size
        self.inside = None  # while a batch is traced: 1 for its rows, 0 for the padding
        for layer in model._flatten_layers():
            if isinstance(layer, import_keras().layers.BatchNormalization):
                self._leave_padding_out(layer)

    def in_training(self, X, inside):
        """Outputs of a batch; ``inside`` is 1 for its rows, 0 for the padding behind them."""
        self.inside = inside
        outputs = call_model(self.model, X, training=True)
        self.inside = None
        return outputs

    def in_validation(self, X):
        return call_model(self.model, X, training=False)

    def _leave_padding_out(self, layer):
        import tensorflow as tf

        call = layer.call

        def call_with_mask(inputs, training=None, mask=None):
            if training and self.inside is not None:
                rows = self.inside > 0
                if inputs.shape[0] != self.batch_size:  # time was merged into the batch
                    rows = tf.repeat(rows, inputs.shape[0] // self.batch_size)
                rows = tf.reshape(rows, [-1] + [1] * (len(inputs.shape) - 2))
                mask = rows if mask is None else tf.logical_and(mask, rows)
            return call(inputs, training=training, mask=mask)

        layer.call = call_with_mask
