"""What a fit decides, resolved once from parameters, targets and features: plain frozen data."""

from __future__ import annotations

from dataclasses import dataclass, replace
from numbers import Integral, Real
from types import SimpleNamespace

import numpy as np

from skjoint._data.code_units import is_embedded
from skjoint._data.target_names import keys_by_target
from skjoint._engines.callback_needs import sets_rate
from skjoint._engines.plan import OptimizerSpec
from skjoint._engines.routing import make_callbacks, optimizer_spec
from skjoint._ensemble.companions.registry import arguments_of
from skjoint._fitting.conflicts import Case, check_conflicts
from skjoint._fitting.value_units import value_units
from skjoint._network.graph import Embedding
from skjoint._network.identifiers import check_identifier
from skjoint._network.outputs import Label, value_output
from skjoint._network.spec import EMBEDDINGS, Head
from skjoint._support.keras_import import check_eager

MAX_UNITS = 2**20
# All measured by benchmarks/quality.py.
AUTO_SIZES = (256, 64)
AUTO_ALPHA = 5e-5  # for each column of encoded X but ranks
LEVEL_ROWS = 5.0  # of a prior on the embedding of each level
MAX_AUTO_ALPHA = 0.01
AUTO_HELD_OUT = 0.1  # share of the rows, where something needs some
LEAST_GROUPS = 10  # with that share, up to a third of them: 90 % intervals need nine


@dataclass(frozen=True)
class Stopping:
    """Early stopping: what it looks at, "joint" or "by_head", and its patience in epochs."""

    kind: str
    patience: int


@dataclass(frozen=True)
class Settings:
    """Everything a fit decides; nothing here is "auto" any more.

    ``mode`` is "fit", "continue" (``warm_start``) or "chunk" (``partial_fit``), which holds
    nothing out and has neither refits nor companions.
    """

    mode: str
    seed: int
    # network
    hidden: tuple[int, ...]
    heads: tuple[Head, ...]
    activation: object
    kernel_initializer: object
    dropout: float
    alpha: float
    embedding_alpha: float
    embeddings: tuple[Embedding | None, ...]  # of one member after the other, in turn
    link: str | None
    trunk: object
    trunk_arguments: dict
    # losses
    losses: tuple
    loss_weights: tuple[float, ...]
    balancing: str | None
    value_loss: object  # by which numbers alone are compared
    class_weight: object
    # training
    optimizer: OptimizerSpec
    epochs: int
    batch_size: int
    engine: str
    callbacks: object
    callback_arguments: dict
    verbose: int
    # held-out rows
    validation: object  # a share of the rows, a splitter or None
    least_groups: int  # to hold out, where groups are known
    stopping: Stopping | None
    calibrates: bool
    threshold: str | None  # name of the score that chooses it
    value_from: str
    # ensemble
    n_members: int
    n_refits: int
    companions: dict[str, dict]  # arguments by name
    # answers
    non_negative: bool  # whether numbers in original units never are below 0

    @property
    def n_networks(self):
        return self.n_members + self.n_refits

    @property
    def any_embedding(self):
        """That of the members that embed numbers, or None if there are none."""
        return next((embedding for embedding in self.embeddings if embedding is not None), None)

    def new_callbacks(self):
        """Keras callbacks of one network: given objects, and new ones from classes."""
        return make_callbacks(self.callbacks, self.callback_arguments)


def resolve(params, targets, features, mode, seed, n_rows, previous=None):
    """The settings that parameters ask for.

    Parameters
    ----------
    params : dict
        Of the estimator, the routed ones included.
    targets : Targets
    features : FeatureEncoder
        Learned.
    mode : {"fit", "continue", "chunk"}
    seed : int
    n_rows : float
        That the data stands for, weights counted.
    previous : FittedModel, default=None
        Whose training goes on.

    Returns
    -------
    Settings

    Raises
    ------
    ValueError
        If a parameter is none, or two of them cannot go together.
    RuntimeError
        If TensorFlow builds a graph here, or spreads variables over devices.
    """
    check_eager()
    p = SimpleNamespace(**params)
    chunk = mode == "chunk"
    loss_weights, balancing = resolve_loss_weights(p.loss_weights, targets)
    has_blends = previous is not None and bool(previous.blends)
    check_conflicts(Case(p, targets, features, mode, balancing, has_blends))
    callbacks, callback_arguments = p.callbacks, routed(params, "callbacks")
    rate_set_elsewhere = p.warm_start or any(
        map(sets_rate, make_callbacks(callbacks, callback_arguments))
    )
    for name in ("activation", "kernel_initializer"):
        check_identifier(name, getattr(p, name))
    units = [value_units(params, target.n_units) for target in targets.values]
    _check_balancing(p, balancing, units)
    heads = resolve_heads(p, targets, units)
    return Settings(
        mode=mode,
        seed=seed,
        hidden=() if p.trunk is not None else resolve_hidden(p.hidden_layer_sizes),
        heads=heads,
        activation=p.activation,
        kernel_initializer=p.kernel_initializer,
        dropout=float(p.dropout),
        alpha=resolve_alpha(p, features),
        embedding_alpha=resolve_embedding_alpha(p, features, n_rows, mode),
        embeddings=resolve_embeddings(p, features),
        link=p.head_link,
        trunk=p.trunk,
        trunk_arguments=routed(params, "trunk"),
        losses=tuple(
            head.output.loss(p.value_loss if head.kind == "value" else p.class_loss)
            for head in heads
        ),
        loss_weights=in_loss_units(loss_weights, targets, balancing),
        balancing=balancing,
        value_loss=value_output(p.value_loss, p.head_link).number_loss(p.value_loss),
        class_weight=p.class_weight,
        optimizer=optimizer_spec(
            p.optimizer,
            p.learning_rate,
            resolve_schedule(p, mode, rate_set_elsewhere),
            routed(params, "optimizer"),
        ),
        epochs=1 if chunk else int(p.epochs),  # no NumPy integer: another type to TensorFlow
        batch_size=int(min(p.batch_size, 2**30)),  # what an int32 holds
        engine=p.engine,
        callbacks=callbacks,
        callback_arguments=callback_arguments,
        verbose=p.verbose,
        validation=None if chunk else resolve_validation(p, targets),
        least_groups=LEAST_GROUPS if p.validation is None else 0,
        stopping=None if chunk else resolve_stopping(p),
        calibrates=not chunk and p.calibration is not None,
        threshold=None if chunk else p.threshold,
        value_from=p.value_from,
        n_members=int(p.n_members),
        n_refits=0 if chunk else int(p.n_refits),
        companions={} if chunk else resolve_companions(p.companions, params),
        non_negative=bool(units) and all(unit.range.low >= 0 for unit in units),
    )


def routed(params, prefix):
    """Routed parameters of one prefix, with the prefix cut off."""
    start = f"{prefix}__"
    return {n.removeprefix(start): v for n, v in params.items() if n.startswith(start)}


# ------------------------------------------------------------------- network
def resolve_hidden(sizes):
    return AUTO_SIZES if isinstance(sizes, str) else layer_sizes(sizes, "hidden_layer_sizes")


def layer_sizes(sizes, parameter):
    """A tuple of ints from an int or a sequence."""
    sizes = (sizes,) if isinstance(sizes, Integral) else tuple(sizes)
    whole = all(isinstance(n, Integral) and not isinstance(n, bool) for n in sizes)
    if not whole or not all(1 <= n <= MAX_UNITS for n in sizes):
        raise ValueError(
            f"{parameter} must hold whole numbers from 1 to {MAX_UNITS}. Got {sizes} instead."
        )
    return tuple(int(n) for n in sizes)


def resolve_heads(p, targets, units):
    """The heads with their outputs, values first; ``units`` are the ValueUnits of the values."""
    sizes = {
        kind: layer_sizes(getattr(p, f"{kind}_layer_sizes"), f"{kind}_layer_sizes")
        for kind in ("value", "class")
    }
    kind_of_value = value_output(p.value_loss, p.head_link)
    n_classes = targets.classes[0].n_units if targets.classes else None
    values = []
    for target, unit in zip(targets.values, units, strict=True):
        output = kind_of_value.create(target.n_units, unit.activation, n_classes)
        output = replace(output, is_scaled=unit.is_scaled)
        values.append(Head(target.name, output, sizes["value"]))
    classes = [Head(t.name, Label(t.n_units), sizes["class"]) for t in targets.classes]
    return (*values, *classes)


def resolve_alpha(p, features):
    """The penalty on kernels."""
    if not isinstance(p.alpha, str):
        return float(p.alpha)
    return min(AUTO_ALPHA * features.n_units, MAX_AUTO_ALPHA) if _has_penalty(p) else 0.0


def resolve_embedding_alpha(p, features, n_rows, mode):
    """The penalty on embeddings: as strong as some rows of each level. A chunk is not all rows."""
    is_auto = isinstance(p.alpha, str) and mode != "chunk" and _has_penalty(p)
    return LEVEL_ROWS / n_rows if is_auto and any(map(is_embedded, features.n_codes)) else 0.0


def _has_penalty(p):
    """Beside FAMO's factors, which sum to 1, it might take over; a trunk has its own."""
    return p.trunk is None and not (isinstance(p.loss_weights, str) and p.loss_weights == "famo")


def embedding_kinds(numeric_embedding, trunk):
    """Kinds of ``numeric_embedding``, for one member after the other."""
    kinds = numeric_embedding
    if isinstance(kinds, str) and kinds == "auto":
        return ["rank" if trunk is None else None]
    if kinds is None or isinstance(kinds, str):
        return [kinds]
    if not kinds or not all(isinstance(k, str) and k in EMBEDDINGS for k in kinds):
        raise ValueError(
            f"A sequence for numeric_embedding must hold names out of {EMBEDDINGS}, one or "
            f"more. Got {kinds!r} instead."
        )
    return list(kinds)


def uses_ranks(params):
    """Whether encoded X has the ranks of numbers."""
    return embedding_kinds(params["numeric_embedding"], params["trunk"]) != [None]


def resolve_embeddings(p, features):
    waves = Embedding(features.n_numbers) if features.n_numbers else None
    kinds = embedding_kinds(p.numeric_embedding, p.trunk)
    return tuple(waves if kind == "periodic" else None for kind in kinds)


# -------------------------------------------------------------------- losses
def resolve_loss_weights(loss_weights, targets):
    """One non-negative float per output, and the method that takes their place or None."""
    outputs = targets.outputs
    if isinstance(loss_weights, str):
        if len(outputs) < 2:
            raise ValueError(
                f"loss_weights={loss_weights!r} balances two targets or more. Got "
                f"{[target.name for target in outputs]}."
            )
        return (1.0,) * len(outputs), loss_weights
    if isinstance(loss_weights, dict):
        weights = _weights_by_name(loss_weights, targets)
    else:
        weights = list(loss_weights)
    if len(weights) == 2 and len(outputs) != 2:
        by_kind = dict(zip(("value", "class"), weights, strict=True))
        weights = [by_kind[target.kind] for target in outputs]
    numbers = all(isinstance(w, Real) and 0 <= w < np.inf for w in weights)  # type: ignore[operator]
    if len(weights) != len(outputs) or not numbers or not any(weights):
        raise ValueError(
            "loss_weights must hold a non-negative number for each of "
            f"{[target.name for target in outputs]}, or a pair for values and classes, and not "
            f"only zeros. Got {loss_weights!r} instead."
        )
    return tuple(float(w) for w in weights), None


def in_loss_units(loss_weights, targets, balancing):
    """Factors of the heads' losses, divided by the sizes that these losses have."""
    if balancing is not None:
        return loss_weights
    units = [getattr(target, "loss_unit", 1.0) for target in targets.outputs]
    return tuple(weight / unit for weight, unit in zip(loss_weights, units, strict=True))


def _check_balancing(p, balancing, units):
    if balancing is not None and any(unit.rule.may_be_negative for unit in units):
        raise ValueError(
            f"loss_weights={balancing!r} balances losses of at least 0, and that of value_loss="
            f"{p.value_loss!r} may be negative. Give one number for each head."
        )


def _weights_by_name(loss_weights, targets):
    """Factors of all outputs from a dict by name of target or of column."""
    keys = keys_by_target(targets, list(loss_weights), "loss_weights")
    return [1.0 if key is None else loss_weights[key] for key in keys]


# ------------------------------------------------------------------ training
def resolve_schedule(p, mode, rate_set_elsewhere):
    """Of the learning rate; "auto" is that of the optimizer, if it has one, or "cosine"."""
    if mode == "chunk":
        return "constant"
    if p.learning_rate_schedule != "auto":
        return p.learning_rate_schedule
    return "constant" if rate_set_elsewhere or p.trunk is not None else "auto"


def resolve_validation(p, targets):
    """Share of rows to hold out, the splitter that chooses them, or None."""
    needs_rows = (
        p.early_stopping
        or len(p.companions) > 0
        or p.value_from == "blend"
        or (p.calibration is not None and targets.classes)
        or p.threshold is not None
    )
    return AUTO_HELD_OUT if p.validation is None and needs_rows else p.validation


def resolve_stopping(p):
    if not p.early_stopping:
        return None
    kind = "by_head" if p.early_stopping == "by_head" else "joint"
    return Stopping(kind, int(p.n_iter_no_change))


def resolve_companions(companions, params):
    """Checked arguments of the companions by name."""
    names = (companions,) if isinstance(companions, str) else companions
    return arguments_of(names, routed(params, "companions"))
