"""Engine: whole epochs inside one compiled TensorFlow program, shared by fits of one shape.

``keras.Model.fit`` comes back to Python after every step, which costs more than the step of a
small network. Here the loops over epochs and steps, the gradients and Keras' own optimizer are
one function, compiled by XLA; Python gets an epoch's logs about once a second, or after each
epoch when a hook needs them.

The mathematics is that of the Keras engine, batch for batch. What changes between fits enters as
tensors: rows (padded to a bucket, with weight 0), the number of steps, batch order, learning
rate, L2, loss weights. So fits of one shape share a program.

From the outside in: ``engine`` finds or builds a program for a plan (``cache``, ``sizes``),
``program`` runs a fit by it, ``template`` has the variables, ``function`` traces and compiles,
``epochs`` and ``step`` are what is traced, with ``sums`` and ``padding`` below them.
"""

from skjoint._engines.fused.engine import train

__all__ = ["train"]
