"""Sums over rows, by head, of losses and metrics, and the logs that they become.

Sums are vectors: first of the total loss, then of the heads' losses, of their metrics and of
their weights. Those of batches add up to those of an epoch.
"""

from __future__ import annotations

from skjoint._network.losses import per_sample


class HeadSums:
    """What the heads of a network sum up over the rows of a batch."""

    def __init__(self, heads, losses):
        self.heads = heads
        self.row_losses = [per_sample(loss) for loss in losses]
        self.n_sums = 1 + 3 * len(heads)

    def losses(self, targets, outputs, weights):
        """Per head the weighted sum of the rows' losses."""
        import tensorflow as tf

        heads = zip(self.row_losses, targets, outputs, weights, strict=True)
        return tf.stack([tf.reduce_sum(w * loss(y, output)) for loss, y, output, w in heads])

    def metrics(self, units, targets, outputs, weights):
        """Weighted sums of each head's metric, and the sums of the weights."""
        import tensorflow as tf

        units = iter(units)
        found = []
        for head, target, output, w in zip(self.heads, targets, outputs, weights, strict=True):
            own = next(units) if head.kind == "value" else None
            metric = head.output.row_metric(target, output, own)
            found.append(tf.reduce_sum(w * metric))
        return tf.stack(found), sums_of(weights)

    def logs(self, sums, n_samples):
        """Means from sums: of the total over rows, of the heads over their weights."""
        import tensorflow as tf

        total, losses, metrics, weights = tf.split(sums, [1, *[len(self.heads)] * 3])
        parts = [total / n_samples]
        parts += [tf.math.divide_no_nan(part, weights) for part in (losses, metrics)]
        return tf.concat(parts, axis=0)


def sums_of(weights):
    """The sum of each head's weights."""
    import tensorflow as tf

    return tf.stack([tf.reduce_sum(w) for w in weights])
