"""The way in: a program for a plan, out of the cache or a new one, that trains it."""

from __future__ import annotations

from scipy import sparse

from skjoint._engines.fused.cache import training_programs
from skjoint._engines.fused.program import Program
from skjoint._engines.fused.sizes import batch_size, sizes_of
from skjoint._engines.optimizers import optimizer_key
from skjoint._network.losses import loss_key
from skjoint._support.keras_import import no_retracing_advice


def train(plan, on_epoch, callbacks=()):
    """Carry out a plan; see :func:`skjoint._engines.keras_fit.train` for the arguments."""

    def fits(program):
        return program.sizes.suit(plan)

    def build(other):
        return Program(plan, sizes_of(plan)) if other is None else other.another(plan)

    borrowed = training_programs.borrow(program_key(plan), fits, build)
    with borrowed as program, no_retracing_advice():
        return program.train(plan, on_epoch, callbacks)


def program_key(plan):
    """What a program is compiled for, but for its sizes."""
    network = plan.network
    return (
        (network.input_shape, network.trunk, tuple(network.layers()), network.dropout),
        tuple((head.name, head.output) for head in network.heads),  # whose metrics it computes
        tuple(loss_key(loss) for loss in plan.losses),
        optimizer_key(plan.optimizer),
        batch_size(plan),
        sparse.issparse(plan.rows.table),
        plan.validation is not None,
        plan.balancing,
        tuple(units.shape for units in plan.value_units),
    )
