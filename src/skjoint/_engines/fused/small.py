"""The small variables of a network as one vector, which an optimizer moves in their place.

XLA compiles kernels of their own for the update of each variable. Most variables are
biases and the like: as one they save a fifth of what a program takes to compile, and the
steps some time, too. Large ones stay apart, since what was moved as a vector is copied to
the layers in every step.
"""

from __future__ import annotations

import math

import numpy as np

from skjoint._support.keras_import import import_keras

MAX_NUMBERS = 2**10  # in a variable that counts as small
# Settings of Adam that look at a variable as a whole, or keep more than two moments.
BY_VARIABLE = (
    "amsgrad",
    "clipnorm",
    "global_clipnorm",
    "use_ema",
    "gradient_accumulation_steps",
    "loss_scale_factor",
)


def small_variables(spec, network, variables):
    """Those of some variables, or None where they have to be moved one by one.

    Adam treats every number alike; in a trunk of the user's a variable may have a
    constraint or no gradient.
    """
    keras = import_keras()
    if (
        spec.cls not in (keras.optimizers.Adam, keras.optimizers.AdamW)
        or any(spec.config.get(name) for name in BY_VARIABLE)
        or network.trunk is not None
    ):
        return None
    found = SmallVariables(variables)
    return found if found.small else None


class SmallVariables:
    """The small ones of some variables, beside one vector of all their numbers.

    Parameters
    ----------
    variables : list of keras.Variable
    """

    def __init__(self, variables):
        self.is_small = [math.prod(v.shape) <= MAX_NUMBERS for v in variables]
        self.small, self.large = self._sorted(variables)
        self.sizes = [math.prod(v.shape) for v in self.small]
        self.vector = import_keras().Variable(np.zeros(sum(self.sizes), np.float32), name="small")

    @property
    def moved(self):
        """What the optimizer moves."""
        return [self.vector, *self.large]

    def gather(self):
        """The variables' numbers into the vector."""
        self.vector.assign(_joined([v.value for v in self.small]))

    def scatter(self):
        """The vector's numbers into the variables."""
        import tensorflow as tf

        parts = tf.split(self.vector.value, self.sizes)
        for variable, part in zip(self.small, parts, strict=True):
            variable.assign(tf.reshape(part, variable.shape))

    def gradients(self, by_variable):
        """Of what is moved."""
        small, large = self._sorted(by_variable)
        return [_joined(small), *large]

    def by_variable(self, arrays):
        """Numbers of the optimizer as they are without the vector: for each variable in turn."""
        n_shared = len(arrays) - 2 * len(self.moved)  # counters and the rate, then pairs of moments
        shared, of_vector, large = arrays[:n_shared], arrays[n_shared:][:2], arrays[n_shared + 2 :]
        places = np.cumsum(self.sizes)[:-1]
        parts = zip(*(np.split(moment, places) for moment in of_vector), strict=True)
        small = (
            [part.reshape(variable.shape) for part in pair]
            for variable, pair in zip(self.small, parts, strict=True)
        )
        large = zip(large[::2], large[1::2], strict=True)
        return shared + [a for s in self.is_small for a in next(small if s else large)]

    def with_vector(self, arrays):
        """The reverse of :meth:`by_variable`."""
        n_shared = len(arrays) - 2 * len(self.is_small)
        pairs = zip(arrays[n_shared::2], arrays[n_shared + 1 :: 2], strict=True)
        small, large = self._sorted(pairs)
        of_vector = [np.concatenate([a.ravel() for a in one]) for one in zip(*small, strict=True)]
        return arrays[:n_shared] + of_vector + [a for pair in large for a in pair]

    def _sorted(self, entries):
        """Those of the small variables, those of the large ones."""
        pairs = list(zip(self.is_small, entries, strict=True))
        return [e for small, e in pairs if small], [e for small, e in pairs if not small]


def _joined(tensors):
    import tensorflow as tf

    return tf.concat([tf.reshape(tensor, [-1]) for tensor in tensors], axis=0)
