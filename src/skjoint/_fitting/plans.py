"""What each network of a fit is trained on, as plain data; writing plans has no side effects."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from skjoint._data.sample_weight import normalised
from skjoint._engines.plan import Plan
from skjoint._engines.routing import make_trunk
from skjoint._ensemble.thresholds import check_held_out_labels
from skjoint._fitting.held_out_rows import seed_of
from skjoint._fitting.training_data import with_held_out_weights
from skjoint._network.original import original_table
from skjoint._network.spec import TRUNK, NetworkSpec
from skjoint._network.weights import initial_weights, weights_of, with_idle_embedding
from skjoint._support.warn import warn


def write_plans(data, targets, features, settings, previous=None):
    """Plans of the members, and of the refits on all rows after them.

    Parameters
    ----------
    data : EncodedData
    targets : Targets
    features : FeatureEncoder
    settings : Settings
    previous : FittedModel, default=None
        Whose training goes on.

    Returns
    -------
    members, refits : list of Plan
    """
    writer = _PlanWriter(data, targets, features, settings, previous)
    splits = data.held_out.splits or [None] * settings.n_members
    members = [writer.plan(i, split) for i, split in enumerate(splits)]
    if settings.threshold is not None:
        check_held_out_labels(members, data, targets, settings.threshold)
    refits = []
    for i in range(settings.n_members, settings.n_networks):
        plan = writer.plan(i, None)
        # No rows to validate on are as None, but the refit shares the members' program.
        refits.append(replace(plan, validation=plan.rows.take([])))
    return members, refits


class _PlanWriter:
    """The plans of one fit: what they share, and what each has of its own."""

    def __init__(self, data, targets, features, settings, previous):
        self.data = data
        self.targets = targets
        self.features = features
        self.settings = settings
        self.previous = previous

    def plan(self, member, split):
        settings, seed = self.settings, seed_of(member, self.settings.seed)
        network, trunk_weights = self._network(member, seed)
        rows, validation = self._rows(split)
        weights = self._weights(network, member, seed, rows, trunk_weights)
        idle = network.embedding is None and settings.any_embedding is not None
        if idle:
            network, weights = with_idle_embedding(network, weights, settings.any_embedding)
        optimizer_state = balancing_state = None
        if self.previous is not None:
            resumption = self.previous.resumption
            optimizer_state, balancing_state = resumption.states[member]
            if resumption.balancing != settings.balancing:
                balancing_state = None
        return Plan(
            network=network,
            rows=_with_training_targets(rows, rows.codes, network, weights),
            validation=_with_training_targets(validation, None, network, weights),
            losses=list(settings.losses),
            loss_weights=list(settings.loss_weights),
            balancing=settings.balancing,
            balancing_state=balancing_state,
            value_units=self._value_units(rows),
            optimizer=settings.optimizer,
            epochs=settings.epochs,
            batch_size=settings.batch_size,
            seed=seed,
            n_alike=settings.n_networks,
            first_epoch=0 if self.previous is None else self.previous.n_iter,
            weights=weights,
            idle_embedding=idle,
            optimizer_state=optimizer_state,
        )

    # ---------------------------------------------------------------- network
    def _network(self, member, seed):
        """The network of a member, and the weights of a new trunk."""
        previous, settings, trunk_weights = self.previous, self.settings, None
        embedding = settings.embeddings[member % len(settings.embeddings)]
        if previous is None:
            trunk, trunk_weights = self._new_trunk(seed)
            if member == 0 and trunk is not None and trunk.embeds and self.features.enabled:
                warn(
                    "trunk has an Embedding layer, which reads whole numbers, but "
                    "preprocess='auto' standardises them. Use preprocess=None."
                )
        else:
            spec = previous.network.member(member).spec
            trunk = spec.trunk
            if spec.embedding in settings.embeddings:  # of a refit, which had another turn
                embedding = spec.embedding
        network = NetworkSpec(
            input_shape=self.features.output_shape,
            n_codes=self.features.n_codes,
            hidden=settings.hidden,
            heads=settings.heads,
            activation=settings.activation,
            kernel_initializer=settings.kernel_initializer,
            dropout=settings.dropout,
            alpha=settings.alpha,
            embedding_alpha=settings.embedding_alpha,
            trunk=trunk,
            link=settings.link,
            embedding=embedding,
        )
        if trunk is not None and not network.n_codes:
            trunk.check_codes(self.data.rows.table)
        return network, trunk_weights

    def _new_trunk(self, seed):
        """The user's own trunk as plain data, and its weights to start from."""
        settings = self.settings
        if settings.trunk is None:
            return None, None
        shape = self.features.output_shape
        if self.features.n_codes:
            shape = (self.features.n_units,)
        classes = [target.classes for target in self.targets.classes]
        meta = {
            "input_shape": shape,
            "n_features_in_": self.features.schema.n_features,
            "X_shape_": (len(self.data.rows), *shape),
            "classes_": classes[0] if len(classes) == 1 else classes,
            "n_classes_": len(classes[0]) if len(classes) == 1 else [len(c) for c in classes],
        }
        return make_trunk(settings.trunk, meta, settings.trunk_arguments, seed)

    # ------------------------------------------------------------------- rows
    def _rows(self, split):
        """Rows to train on and rows to validate on, or None, weighed to mean 1 each."""
        rows = self.data.rows
        if split is None:
            return rows, None
        train, held_out = split
        names = [target.name for target in self.targets.outputs]
        validation = with_held_out_weights(self.data).take(held_out)
        return normalised(rows.take(train), names), normalised(validation, names, strict=False)

    def _value_units(self, rows):
        """By value target its scale, or a table of what scaled numbers are in original units."""
        units = []
        for target, numbers, weight in zip(
            self.targets.values, rows.targets, rows.weights, strict=False
        ):
            present = numbers[weight > 0]
            is_affine = target.transform is None
            units.append(target.scale if is_affine else original_table(target.decode, present))
        return units

    # ---------------------------------------------------------------- weights
    def _weights(self, network, member, seed, rows, trunk_weights):
        """Weights to start from."""
        if self.previous is not None:
            return self.previous.network.member(member).weights
        given, idle = {TRUNK: trunk_weights}, []
        scales = {target.name: target.scale for target in self.targets.values}
        for head, target, weight in zip(network.heads, rows.targets, rows.weights, strict=True):
            name, numbers, known = head.name, target[weight > 0], self.data.known.get(head.name)
            if head.kind == "value":
                given |= head.output.given_weights(name, numbers, known, scales[name])
                idle += head.output.idle_layers(name, numbers)
        return initial_weights(network, [seed, 0], given, idle)


def _with_training_targets(rows, codes, network, weights):
    """Rows with targets as the losses read them; labels are not used in validation."""
    if rows is None:
        return None
    if codes is None:
        codes = np.full(len(rows), -1)
    targets = [
        head.output.training_targets(
            head.name, target, codes, lambda name: weights_of(network, weights, name)
        )
        for head, target in zip(network.heads, rows.targets, strict=True)
    ]
    return replace(rows, targets=targets)
