"""The variables of a program: a network, its optimizer, the balancing of its losses.

A fit loads its own numbers into them, trains and reads them out.
"""

from __future__ import annotations

import math

import numpy as np

from skjoint._engines.balancing import METHODS, label_means
from skjoint._engines.optimizers import (
    new_optimizer,
    optimizer_state,
    resume_optimizer,
    set_optimizer_state,
)
from skjoint._engines.plan import Result
from skjoint._network.build import build_model
from skjoint._network.weights import get_weights, restart_model
from skjoint._support.keras_import import untouched_random


class Template:
    """A network with its optimizer and balancing, of a plan's form but with no fit's numbers."""

    def __init__(self, plan):
        # The penalty is part of the traced step, with alpha as a tensor.
        self.network = plan.network.without_penalty()
        self.model = build_model(self.network, all_parts=True)
        trainable = self.model.trainable_variables
        for i, variable in enumerate(trainable):  # distinct, to tell what copies them
            variable.assign(np.full(variable.shape, i + 1, np.float32))
        with untouched_random():
            self.optimizer = new_optimizer(plan.optimizer)
            # There is one device and nothing to sum up between devices; doing it all the same
            # would leave the whole graph in TensorFlow's registry of gradients for good.
            self.optimizer._all_reduce_sum_gradients = list
            self.optimizer.build(trainable)
        self.copies = _copies(self.optimizer, trainable)
        self.fresh_state = optimizer_state(self.optimizer)
        variables = [v.value for v in (*self.model.variables, *self.optimizer.variables)]
        self.n_numbers = sum(math.prod(variable.shape) for variable in variables)
        self.balance = Balance(plan) if plan.balancing else None
        if self.balance:
            variables += [self.balance.state, self.balance.weights]
        self.handles = [variable.handle for variable in variables]

    def load(self, plan):
        """Take over initial weights, seeds and optimizer state of a fit."""
        restart_model(self.model, plan.network, [plan.seed, plan.first_epoch], plan.weights)
        set_optimizer_state(self.optimizer, self.fresh_state)
        for slot, variable in self.copies:
            slot.assign(variable)
        resume_optimizer(self.optimizer, plan)
        if plan.optimizer.rate is not None:
            self.optimizer.learning_rate = plan.optimizer.rate
        if self.balance:
            self.balance.load(plan.balancing_state)

    def finish(self):
        """Put averaged weights in the place of the last ones, if the optimizer averages."""
        with untouched_random():
            self.optimizer.finalize_variable_values(self.model.trainable_variables)

    def weights(self, plan):
        return get_weights(self.model, plan.network)

    def result(self, plan, history):
        """What a fit leaves."""
        balancing_state = self.balance.state.numpy() if self.balance else None
        state = optimizer_state(self.optimizer)
        return Result(self.weights(plan), state, history, balancing_state)


def _copies(optimizer, variables):
    """Variables of an optimizer that start as copies of the network's: pairs of both."""
    pairs = []
    for slot in optimizer.variables:
        found = (v for v in variables if slot.shape == v.shape and np.array_equal(slot, v))
        pairs += [(slot, variable) for variable in found]
    return pairs


class Balance:
    """A method of balancing with its variables: its state and the heads' last factors."""

    def __init__(self, plan):
        import tensorflow as tf

        self.method = METHODS[plan.balancing]([head.kind for head in plan.network.heads])
        self.state = tf.Variable(self.method.init())
        self.weights = tf.Variable(tf.ones(len(plan.network.heads)))

    def load(self, state):
        self.state.assign(self.method.init() if state is None else state)
        self.weights.assign([1.0] * self.weights.shape[0])

    def weigh(self, losses, sums):
        """Factors of the heads' losses in this step, from sums of losses and of weights."""
        import tensorflow as tf

        means, present = label_means(tf.stop_gradient(losses), sums)
        self.weights.assign(self.method.weigh(self.state, means, present))
        return self.weights.value()

    def update(self, losses, sums, losses_after):
        """Update the state after a step; ``losses_after()`` are the batch's losses once more."""
        means, present = label_means(losses, sums)
        later = means
        if self.method.looks_ahead:
            later, _ = label_means(losses_after(), sums)
        self.state.assign(self.method.update(self.state, means, later, present))

    def update_by_epoch(self, losses):
        """Update the state from the mean losses of an epoch."""
        self.state.assign(self.method.update(self.state, losses, losses, None))
