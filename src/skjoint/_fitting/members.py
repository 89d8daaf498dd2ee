"""Carrying out the plans of one fit: a plan, and so a network, per member and refit."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import joblib
import numpy as np

from skjoint._engines.choice import choose_engine
from skjoint._engines.early_stopping import EarlyStopping, GivenEpochs, JointMonitor
from skjoint._engines.hooks import chain, divergence, stop_at_nan
from skjoint._engines.plan import weight_names
from skjoint._engines.progress import ProgressBar, epoch_lines
from skjoint._network.weights import without_idle_embedding
from skjoint._prediction.average import Average
from skjoint._prediction.forward import FittedNetwork


@dataclass
class Member:
    """One trained network, or several of its epochs, and what continued training needs."""

    network: FittedNetwork | Average
    state: tuple  # of the optimizer, of the balancing
    history: dict[str, list[float]]
    loss_weights: np.ndarray  # (n_epochs, n_heads)
    best_epochs: list[int] | None  # of all heads, or of each


@dataclass
class Trained:
    """The networks of a fit: those with held-out rows of their own, and those of all rows."""

    members: list[Member] = field(default_factory=list)
    refits: list[Member] = field(default_factory=list)


def train_all(members, refits, settings, listener=None):
    """Carry out the plans of members, then those of refits.

    Parameters
    ----------
    members, refits : list of Plan
    settings : Settings
    listener : callable, default=None
        ``(plan, on_epoch, trained) -> on_epoch``: what else is called at epochs, given what
        has been trained so far.

    Returns
    -------
    Trained
    """
    callbacks = settings.new_callbacks()
    engine = choose_engine(settings.engine, members[0], callbacks)

    def run(plan, on_epoch):
        return engine(plan, on_epoch, settings.new_callbacks())

    trained = Trained()
    one_by_one = not engine.runs_in_threads or callbacks or listener or settings.verbose

    def carry_out(plans, stopping, name, found):
        if len(plans) > 1 and not one_by_one:
            found.extend(train_side_by_side(plans, run, stopping))
            return
        for i, plan in enumerate(plans, start=1):
            title = f"{name} {i}/{len(plans)} " if len(plans) > 1 else ""
            around = None if listener is None else _with_trained(listener, trained)
            found.append(train_member(plan, run, stopping, settings.verbose, around, title))

    carry_out(members, settings.stopping, "Member", trained.members)
    if refits:
        best_epochs: list = [member.best_epochs for member in trained.members]
        best = np.mean(best_epochs, axis=0)
        carry_out(refits, np.rint(best).astype(int).tolist(), "Refit", trained.refits)
    return trained


def _with_trained(listener, trained):
    return lambda plan, on_epoch: listener(plan, on_epoch, trained)


def train_member(plan, engine, stopping, verbose, around=None, title=""):
    """Carry out a plan with its hooks.

    Parameters
    ----------
    plan : Plan
    engine : callable
        ``(plan, on_epoch) -> Result``.
    stopping : None, Stopping or list of int
        Early stopping, or the epochs to keep, for all heads or for each.
    verbose : {0, 1, 2}
    around : callable, default=None
        ``(plan, on_epoch) -> on_epoch``: what else is called at epochs.
    title : str, default=""
        What lines of progress begin with.

    Returns
    -------
    Member
    """
    monitor = JointMonitor(plan) if plan.validation else None
    early = _keeper(plan, monitor, stopping)
    bar = ProgressBar(plan.first_epoch, plan.last_epoch, title=title) if verbose == 1 else None
    on_epoch = chain(_hooks(plan, monitor, early, verbose, bar, title))
    try:
        result = engine(plan, on_epoch if around is None else around(plan, on_epoch))
    finally:
        if bar is not None:
            bar.close()
    last = plan.first_epoch + len(result.history["loss"])
    epochs = early.best_epochs if early else [last]
    weights = early.weights if early else {last: result.weights}
    if isinstance(stopping, list):  # before whose end a callback may have stopped the training
        epochs = [min(epoch, last - 1) for epoch in epochs]
        weights = {last - 1: result.weights, **weights}
    network = _network_of(plan, weights, epochs)
    check_finite(network, plan.rows.take(slice(1000)).X, last)
    state = (result.optimizer_state, result.balancing_state)
    loss_weights = _loss_weights(plan, result.history)
    return Member(network, state, result.history, loss_weights, early and epochs)


def _keeper(plan, monitor, stopping):
    """The hook that keeps weights of epochs, or None where the last ones count."""
    if isinstance(stopping, list):
        return GivenEpochs(stopping)
    if monitor is None or stopping is None:
        return None
    names = ["val_joint_loss"]
    if stopping.kind == "by_head":
        names = [monitor.monitor_of(head) for head in plan.network.heads]
    return EarlyStopping(stopping.patience, names)


def _hooks(plan, monitor, early, verbose, bar, title):
    """What is called at the end of each epoch, in order."""
    hooks = [stop_at_nan([head.name for head in plan.network.heads])]
    hooks += [hook for hook in (monitor, early) if hook is not None]
    if verbose == 2:
        hooks.append(epoch_lines(plan.last_epoch, title=title))
    return hooks if bar is None else [*hooks, bar]


def _loss_weights(plan, history):
    """Factors of the heads' losses by epoch, (n_epochs, n_heads)."""
    if plan.balancing:
        return np.transpose([history[name] for name in weight_names(plan.network.heads)])
    return np.tile(plan.loss_weights, (len(history["loss"]), 1))


def train_side_by_side(plans, engine, stopping):
    """Carry out plans in as many threads as there are cores, where no callback is to be called.

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

        hook.every_epoch = on_epoch.every_epoch  # type: ignore[attr-defined]
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


def fitted_network(plan, weights):
    """The network that was trained, without an embedding that it had for company only."""
    if plan.idle_embedding:
        return FittedNetwork(*without_idle_embedding(plan.network, weights))
    return FittedNetwork(plan.network, weights)


def _network_of(plan, weights, epochs):
    """A network from weights by epoch, and the epoch to use for each head or for all."""
    order = sorted(weights)
    networks = [fitted_network(plan, weights[epoch]) for epoch in order]
    if len(networks) == 1:
        return networks[0]
    return Average(networks, [tuple(order.index(epoch) for epoch in epochs)])


def check_finite(network, X, n_epochs):
    """The losses were taken before the last updates, which may have been one too many."""
    names = [name for head in network.spec.heads for name in head.parts.values()]
    if network.spec.trunk is None:
        outputs = network.predict(X, names)
    else:  # whose prediction is slow to build
        networks = network.networks if isinstance(network, Average) else [network]
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


def best_epochs(members, n_heads):
    """Epochs that were kept, (n_members, n_heads); None without early stopping."""
    if any(member.best_epochs is None for member in members):
        return None
    return np.array([np.broadcast_to(member.best_epochs, n_heads) for member in members])
