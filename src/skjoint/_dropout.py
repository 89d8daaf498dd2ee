"""Dropout whose random bits are cheap inside a compiled program.

TensorFlow's stateless generators are written for other hardware: under XLA on
a CPU they cost more than the rest of a small network. Here each bit pattern is
a hash of (seed, call, position), so that a row's mask does not depend on the
padding behind it and both engines drop the same units.
"""

from __future__ import annotations

import functools

from skjoint._keras_import import import_keras


@functools.cache
def hash_dropout():
    """The layer class; made on first use because Keras is loaded then."""
    keras = import_keras()
    import tensorflow as tf

    def pcg(x):
        """PCG output permutation on uint32 (Jarzynski & Olano 2020, JCGT 9(3))."""

        def constant(value):
            return tf.constant(value, tf.uint32)

        x = x * constant(747796405) + constant(2891336453)
        shift = tf.bitwise.right_shift(x, constant(28)) + constant(4)
        x = tf.bitwise.bitwise_xor(tf.bitwise.right_shift(x, shift), x) * constant(277803737)
        return tf.bitwise.bitwise_xor(tf.bitwise.right_shift(x, constant(22)), x)

    @keras.saving.register_keras_serializable("skjoint")
    class HashDropout(keras.layers.Layer):
        """Inverted dropout: units are zeroed with probability ``rate``, others scaled up."""

        def __init__(self, rate, seed=0, **kwargs):
            super().__init__(**kwargs)
            self.rate = rate
            self.seed = seed

        def build(self, input_shape):
            # (seed, calls so far): a variable, so that one compiled program serves all seeds
            self.state = self.add_weight(
                shape=(2,), dtype="int32", trainable=False, initializer="zeros", name="state"
            )
            self.restart(self.seed)

        def restart(self, seed):
            """Start the sequence of masks of a seed."""
            seed = int(seed) & 0xFFFFFFFF
            self.state.assign([seed - (seed >> 31 << 32), 0])

        def call(self, inputs, training=False):
            if not training or not self.rate:
                return inputs
            state = tf.bitcast(tf.convert_to_tensor(self.state), tf.uint32)
            self.state.assign_add([0, 1])
            stream = pcg(pcg(state[0]) + state[1])
            positions = tf.reshape(tf.range(tf.size(inputs)), tf.shape(inputs))
            bits = pcg(stream + tf.cast(positions, tf.uint32))
            keep = bits >= tf.constant(int(self.rate * 2**32), tf.uint32)
            return tf.where(keep, inputs / (1 - self.rate), tf.zeros_like(inputs))

        def get_config(self):
            return {**super().get_config(), "rate": self.rate, "seed": self.seed}

    return HashDropout
