"""Optimizers of a run: made from a plan's spec, their state copied out and in."""

from __future__ import annotations

from skjoint._network import import_keras


def make_optimizer(plan):
    """A new optimizer for one run of a plan."""
    keras = import_keras()
    spec = plan.optimizer
    config = dict(spec.config)
    if spec.schedule == "cosine":
        # Loshchilov & Hutter 2017: rate/2 * (1 + cos(pi * step / steps)), one half wave per fit.
        config["learning_rate"] = keras.optimizers.schedules.CosineDecay(
            config["learning_rate"], decay_steps=plan.n_steps * plan.epochs
        )
    return spec.cls.from_config(config)


def optimizer_state(optimizer):
    return [(variable.name, variable.numpy()) for variable in optimizer.variables]


def set_optimizer_state(optimizer, state):
    """Restore moments and counters; an optimizer of another kind starts afresh."""
    variables = optimizer.variables
    if [(v.name, tuple(v.shape)) for v in variables] != [(n, a.shape) for n, a in state]:
        return
    for variable, (name, array) in zip(variables, state, strict=True):
        if name != "learning_rate":  # the parameter of today decides
            variable.assign(array)
