"""Keras layers of our own: dropout, embeddings, scaled activations, means over classes."""

from __future__ import annotations

import functools
import math

from skjoint._data.code_units import EMBEDDING_WIDTH
from skjoint._network.graph import Categories as Plan
from skjoint._support.keras_import import import_keras


@functools.cache
def hash_dropout():
    """Dropout whose random bits are cheap inside a compiled program.

    TensorFlow's stateless generators are written for other hardware: under
    XLA on a CPU they cost more than the rest of a small network. Here each bit
    pattern is a hash of (seed, call, position), so that a row's mask does not
    depend on the padding behind it and both engines drop the same units.

    The class is made on first use because Keras is loaded then.
    """
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
            # (seed, calls so far): a variable, so that one compiled program serves all seeds
            self.generator = keras.random.SeedGenerator(seed)
            self.supports_masking = True

        def call(self, inputs, training=False):
            if not training or not self.rate:
                return inputs
            state = tf.cast(self.generator.next(), tf.uint32)
            stream = pcg(pcg(state[0]) + state[1])
            positions = tf.reshape(tf.range(tf.size(inputs)), tf.shape(inputs))
            bits = pcg(stream + tf.cast(positions, tf.uint32))
            keep = bits >= tf.constant(int(self.rate * 2**32), tf.uint32)
            return tf.where(keep, inputs / (1 - self.rate), tf.zeros_like(inputs))

        def compute_output_shape(self, input_shape):
            return input_shape

        def get_config(self):
            return {**super().get_config(), "rate": self.rate, "seed": self.seed}

    return HashDropout


@functools.cache
def periodic():
    """Embeddings of numbers by waves of learned frequency and phase.

    The class is made on first use because Keras is loaded then.
    """
    keras = import_keras()
    import tensorflow as tf

    # Taylor's series of sin(pi r) / r and cos(pi r) in r**2: exact to 1e-7 for |r| <= 1/2.
    n_terms = 6
    sine = [(-1) ** i * math.pi ** (2 * i + 1) / math.factorial(2 * i + 1) for i in range(n_terms)]
    cosine = [(-1) ** i * math.pi ** (2 * i) / math.factorial(2 * i) for i in range(n_terms + 1)]

    @tf.custom_gradient
    def cosine_of_turns(turns):
        """``cos(2 pi turns)``, in a quarter of the time that XLA on a CPU takes for its own.

        That one is computed number by number. With ``r = turns - round(turns)`` it is
        ``1 - 2 sin(pi r)**2``, and its derivative ``-4 pi sin(pi r) cos(pi r)``.
        """
        rest = turns - tf.round(turns)
        square = rest * rest
        sines = rest * tf.math.polyval(sine[::-1], square)

        def gradient(upstream):
            cosines = tf.math.polyval(cosine[::-1], square)
            return upstream * (-4 * math.pi) * sines * cosines

        return 1 - 2 * sines * sines, gradient

    @keras.saving.register_keras_serializable("skjoint")
    class Periodic(keras.layers.Layer):
        r"""``[x, V cos(2 pi f x + p) + c]`` for each of the first columns x, others unchanged."""

        def __init__(self, n_columns, n_frequencies, n_units, **kwargs):
            super().__init__(**kwargs)
            self.n_columns = n_columns
            self.n_frequencies = n_frequencies
            self.n_units = n_units

        def build(self, input_shape):
            n, m, u = self.n_columns, self.n_frequencies, self.n_units
            self.waves = self.add_weight(shape=(2, n, m), initializer="zeros", name="waves")
            self.maps = self.add_weight(shape=(n, m + 1, u), initializer="zeros", name="maps")

        def call(self, inputs):
            numbers, rest = inputs[:, : self.n_columns], inputs[:, self.n_columns :]
            frequencies, phases = tf.unstack(tf.convert_to_tensor(self.waves))
            turns = numbers[:, :, None] * frequencies + phases / (2 * math.pi)
            cosines = cosine_of_turns(turns)
            maps = tf.convert_to_tensor(self.maps)
            units = tf.einsum("bnm,nmu->bnu", cosines, maps[:, :-1]) + maps[:, -1]
            features = tf.concat([numbers[:, :, None], units], axis=2)
            width = self.n_columns * (1 + self.n_units)
            return tf.concat([tf.reshape(features, (-1, width)), rest], axis=1)

        def compute_output_shape(self, input_shape):
            return (input_shape[0], input_shape[1] + self.n_columns * self.n_units)

        def get_config(self):
            settings = ("n_columns", "n_frequencies", "n_units")
            return {**super().get_config(), **{name: getattr(self, name) for name in settings}}

    return Periodic


@functools.cache
def categories():
    """One-hot units and embeddings of the codes in the last columns.

    The class is made on first use because Keras is loaded then.
    """
    keras = import_keras()
    import tensorflow as tf

    @tf.custom_gradient
    def rows_of(table, rows):
        """Rows of a table, with a dense gradient: that of ``tf.gather`` is sparse, which makes
        Keras' optimizers take the slow way."""

        def gradient(upstream):
            flat = tf.reshape(upstream, (-1, table.shape[1]))
            return tf.math.unsorted_segment_sum(flat, tf.reshape(rows, (-1,)), table.shape[0]), None

        return tf.gather(table, rows), gradient

    @keras.saving.register_keras_serializable("skjoint")
    class Categories(keras.layers.Layer):
        """``[x, one-hot units, rows of a table]``, as ``Categories`` of ``graph.py``."""

        def __init__(self, n_codes, embeddings_regularizer=None, **kwargs):
            super().__init__(**kwargs)
            self.n_codes = tuple(int(n) for n in n_codes)
            self.embeddings_regularizer = keras.regularizers.get(embeddings_regularizer)

        def build(self, input_shape):
            self.plan = Plan(self.name, input_shape[1], self.n_codes)
            for shape in self.plan.shapes:
                self.table = self.add_weight(
                    shape=shape,
                    initializer="zeros",
                    regularizer=self.embeddings_regularizer,
                    name="table",
                )

        def call(self, inputs):
            n = self.plan.n_columns
            codes, parts = tf.cast(inputs[:, n:], tf.int32), [inputs[:, :n]]
            columns, levels = self.plan.one_hot
            if len(columns):
                parts.append(tf.cast(tf.gather(codes, columns, axis=1) == levels, tf.float32))
            columns, starts = self.plan.embedded
            if len(columns):
                rows = tf.gather(codes, columns, axis=1) + starts
                found = rows_of(tf.convert_to_tensor(self.table), rows)
                parts.append(tf.reshape(found, (-1, len(columns) * EMBEDDING_WIDTH)))
            return tf.concat(parts, axis=1)

        def compute_output_shape(self, input_shape):
            return (input_shape[0], Plan(self.name, input_shape[1], self.n_codes).n_units)

        def get_config(self):
            regularizer = keras.regularizers.serialize(self.embeddings_regularizer)
            return {
                **super().get_config(),
                "n_codes": self.n_codes,
                "embeddings_regularizer": regularizer,
            }

    return Categories


@functools.cache
def scaled():
    """An activation of a number in other units, and its result in others again.

    The class is made on first use because Keras is loaded then.
    """
    keras = import_keras()

    @keras.saving.register_keras_serializable("skjoint")
    class Scaled(keras.layers.Layer):
        r"""``outer * activation(inner * x + start) + offset``, with constants by unit."""

        def __init__(self, n_units, activation, **kwargs):
            super().__init__(**kwargs)
            self.n_units = n_units
            self.activation = keras.activations.get(activation)

        def build(self, input_shape):
            fixed = {"shape": (2, self.n_units), "initializer": "zeros", "trainable": False}
            self.inside = self.add_weight(name="inside", **fixed)
            self.outside = self.add_weight(name="outside", **fixed)

        def call(self, inputs):
            place = inputs * self.inside[0] + self.inside[1]
            return self.activation(place) * self.outside[0] + self.outside[1]

        def get_config(self):
            activation = keras.activations.serialize(self.activation)
            return {**super().get_config(), "n_units": self.n_units, "activation": activation}

    return Scaled


@functools.cache
def mean_over_classes():
    """The mean of one number per class under the class probabilities.

    The class is made on first use because Keras is loaded then.
    """
    keras = import_keras()

    @keras.saving.register_keras_serializable("skjoint")
    class MeanOverClasses(keras.layers.Layer):
        r"""``E[value] = sum_c p(c) mu_c``, where classes of known number have it for mu.

        Reads ``[by_class, proba]`` of shapes (n, n_classes * n_units) and
        (n, n_classes). ``known`` is 1 for classes whose number is a constant
        and ``constants`` holds these.
        """

        def __init__(self, n_classes, n_units, **kwargs):
            super().__init__(**kwargs)
            self.n_classes = n_classes
            self.n_units = n_units

        def build(self, input_shape):
            fixed = {"initializer": "zeros", "trainable": False}
            self.known = self.add_weight(shape=(self.n_classes, 1), name="known", **fixed)
            self.constants = self.add_weight(
                shape=(self.n_classes, self.n_units), name="constants", **fixed
            )

        def call(self, inputs):
            by_class, proba = inputs
            by_class = keras.ops.reshape(by_class, (-1, self.n_classes, self.n_units))
            by_class = keras.ops.where(self.known > 0, self.constants, by_class)
            return keras.ops.sum(proba[:, :, None] * by_class, axis=1)

        def get_config(self):
            settings = ("n_classes", "n_units")
            return {**super().get_config(), **{name: getattr(self, name) for name in settings}}

    return MeanOverClasses
