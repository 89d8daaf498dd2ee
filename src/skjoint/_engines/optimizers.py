"""Optimizers of a run: made from a plan's spec, their state copied out and in."""

from __future__ import annotations

from skjoint._support.keras_import import import_keras


def new_optimizer(spec):
    """A new optimizer with the learning rate of the spec, which may be a schedule of its own."""
    return spec.cls.from_config(dict(spec.config))


def make_optimizer(plan):
    """A new optimizer for one run of a plan, with the plan's schedule."""
    keras = import_keras()
    spec = plan.optimizer
    if spec.schedule == "constant":
        return new_optimizer(spec)
    # Loshchilov & Hutter 2017: rate/2 * (1 + cos(pi * step / steps)), one half wave per fit.
    rate = keras.optimizers.schedules.CosineDecay(spec.rate, decay_steps=plan.n_steps * plan.epochs)
    return spec.cls.from_config({**spec.config, "learning_rate": rate})


def optimizer_key(spec):
    """What distinguishes optimizers but for the rate, which enters a program as a number."""
    config = {k: v for k, v in spec.config.items() if k != "name"}
    if spec.rate is not None:
        del config["learning_rate"]
    return spec.cls, spec.schedule, repr(sorted(config.items()))


def optimizer_state(optimizer):
    """Kind of the optimizer and its variables: counters, moments, rate."""
    return type(optimizer).__name__, [variable.numpy() for variable in optimizer.variables]


def resume_optimizer(optimizer, plan):
    """Take the state up that a plan continues from; an annealed rate starts anew."""
    if plan.optimizer_state is not None and plan.optimizer.schedule == "constant":
        set_optimizer_state(optimizer, plan.optimizer_state)


def set_optimizer_state(optimizer, state):
    """Restore counters and moments; an optimizer of another kind starts afresh."""
    kind, arrays = state
    shapes = [tuple(variable.shape) for variable in optimizer.variables]
    if (kind, [array.shape for array in arrays]) != (type(optimizer).__name__, shapes):
        return
    for variable, array in zip(optimizer.variables, arrays, strict=True):
        if variable.name != "learning_rate":  # the parameter of today decides
            variable.assign(array)
