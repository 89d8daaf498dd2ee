"""Carrying out the plans of one fit: a plan, and so a network, per member of the ensemble."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import joblib
import numpy as np

from skjoint._engines.plan import (
    EarlyStopping,
    GivenEpochs,
    JointMonitor,
    ProgressBar,
    chain,
    divergence,
    epoch_lines,
    stop_at_nan,
    weight_names,
)
from skjoint._network.spec import without_idle_embedding
from skjoint._prediction.forward import Ensemble, FittedNetwork


@dataclass
class Member:
    """One trained network, or several of its epochs, and what continued training needs."""

    network: FittedNetwork | Ensemble
    state: tuple  # of the optimizer, of the balancing
    history: dict[str, list[float]]
    loss_weights: np.ndarray  # (n_epochs, n_heads)
    best_epochs: list[int] | None


def seed_of(member, seed):
    """Seed of a member; the first one has the seed of a fit without others."""
    return seed if member == 0 else int(np.random.SeedSequence([seed, member]).generate_state(1)[0])


def train_member(plan, engine, stopping, verbose, around=None, title=""):
    """Carry out a plan with its hooks.

    Parameters
    ----------
    plan : Plan
    engine : callable
        ``(plan, on_epoch) -> Result``.
    stopping : None, (kind, patience) or list of int
        What early stopping looks at, "joint" or "by_head", and its epochs without
        improvement; or the epochs to keep, for all heads or for each.
    verbose : {0, 1, 2}
    around : callable, default=None
        ``(plan, on_epoch) -> on_epoch``: what else wants to hear of the epochs.
    title : str, default=""
        What lines of progress begin with.

    Returns
    -------
    Member
    """
    heads = plan.network.heads
    hooks = [stop_at_nan([head.name for head in heads])]
    early = bar = None
    if isinstance(stopping, list):
        early = GivenEpochs(stopping)
        hooks.append(early)
    elif plan.validation:
        monitor = JointMonitor(plan)
        hooks.append(monitor)
        if stopping is not None:
            kind, patience = stopping
            names = ["val_joint_loss"]
            if kind == "by_head":
                names = [monitor.monitor_of(head) for head in heads]
            early = EarlyStopping(patience, names)
            hooks.append(early)
    if verbose == 2:
        hooks.append(epoch_lines(plan.last_epoch, title=title))
    elif verbose:
        bar = ProgressBar(plan.first_epoch, plan.last_epoch, title=title)
        hooks.append(bar)
    on_epoch = chain(hooks)
    try:
        result = engine(plan, on_epoch if around is None else around(plan, on_epoch))
    finally:
        if bar is not None:
            bar.close()
    n_epochs = len(result.history["loss"])
    last = plan.first_epoch + n_epochs
    epochs = early.best_epochs if early else [last]
    weights = early.weights if early else {last: result.weights}
    if isinstance(stopping, list):  # before whose end a callback may have stopped the training
        epochs = [min(epoch, last - 1) for epoch in epochs]
        weights = {last - 1: result.weights, **weights}
    network = one_network(plan.network, weights, epochs)
    check_finite(network, plan.rows.take(slice(1000)).X, last)
    if plan.balancing:
        loss_weights = np.transpose([result.history[name] for name in weight_names(heads)])
    else:
        loss_weights = np.tile(plan.loss_weights, (n_epochs, 1))
    state = (result.optimizer_state, result.balancing_state)
    return Member(network, state, result.history, loss_weights, early and epochs)


def train_side_by_side(plans, engine, stopping):
    """Carry out plans in as many threads as there are cores, for nobody who listens.

    They share what is traced and compiled and run it side by side, not stacked along a
    leading axis: XLA on a CPU takes some twenty times as long for batched products as for
    one after the other, and a network this small leaves cores idle.

    Returns
    -------
    list of Member
    """
    given_up = threading.Event()

    def give_up_too(plan, on_epoch):
        def hook(epoch, logs, get_weights):
            return on_epoch(epoch, logs, get_weights) or given_up.is_set()

        hook.every_epoch = on_epoch.every_epoch
        return hook

    def train(plan):
        if given_up.is_set():
            return None
        try:
            return train_member(plan, engine, stopping, 0, give_up_too)
        except BaseException:  # a member that diverged: the others stop, too
            given_up.set()
            raise

    with ThreadPoolExecutor(min(len(plans), joblib.cpu_count())) as pool:
        try:
            return list(pool.map(train, plans))
        except BaseException:  # Ctrl-C
            given_up.set()
            raise


def fitted_network(spec, weights):
    """The network that was trained, without an embedding that it had for company only."""
    return FittedNetwork(*without_idle_embedding(spec, weights))


def one_network(spec, weights, epochs):
    """A network from weights by epoch, and the epoch to use for each head or for all."""
    order = sorted(weights)
    networks = [fitted_network(spec, weights[epoch]) for epoch in order]
    if len(networks) == 1:
        return networks[0]
    return Ensemble(networks, [tuple(order.index(epoch) for epoch in epochs)])


def ensemble(networks):
    """One network that answers with the mean of all."""
    if len(networks) == 1:
        return networks[0]
    parts, places = [], []
    for network in networks:
        n_heads, start = len(network.spec.heads), len(parts)
        inside = network.places if isinstance(network, Ensemble) else [(0,) * n_heads]
        places += [tuple(start + place for place in member) for member in inside]
        parts += network.networks if isinstance(network, Ensemble) else [network]
    return Ensemble(parts, places)


def check_finite(network, X, n_epochs):
    """The losses were taken before the last updates, which may have been one too many."""
    names = [*(head.name for head in network.spec.heads), *network.spec.variances.values()]
    if network.spec.trunk is None:
        outputs = network.predict(X, names)
    else:  # whose prediction is slow to build
        networks = network.networks if isinstance(network, Ensemble) else [network]
        weights = [w.ravel() for part in networks for w in part.weights]
        outputs = [np.concatenate(weights)] * len(names)
    broken = [n for n, out in zip(names, outputs, strict=True) if not np.isfinite(out).all()]
    if broken:
        raise divergence("The predictions became infinite", n_epochs, broken)


def mean_history(histories):
    """Mean over members, of those that still trained in an epoch."""
    if len(histories) == 1:
        return histories[0]
    names = dict.fromkeys(name for history in histories for name in history)
    return {
        name: mean_by_epoch([h[name] for h in histories if name in h]).tolist() for name in names
    }


def mean_by_epoch(curves):
    """Mean of arrays (n_epochs, ...) of unequal length, in every epoch of those that reach it."""
    curves = [np.asarray(curve, dtype=np.float64) for curve in curves]
    n_epochs = max(map(len, curves))
    total = np.zeros((n_epochs, *curves[0].shape[1:]))
    count = np.zeros(n_epochs)
    for curve in curves:
        total[: len(curve)] += curve
        count[: len(curve)] += 1
    return total / count.reshape(-1, *[1] * (total.ndim - 1))


def best_epochs(members):
    """Kept epochs: one, or by member, by head, or by member and head."""
    epochs = np.array([member.best_epochs for member in members])
    epochs = epochs[0] if len(members) == 1 else epochs
    epochs = epochs[..., 0] if epochs.shape[-1] == 1 else epochs
    return int(epochs) if epochs.ndim == 0 else epochs
