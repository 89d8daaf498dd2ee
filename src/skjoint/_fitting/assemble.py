"""From trained networks to the model that a fit leaves behind."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from functools import partial

import numpy as np

from skjoint._ensemble.companions.registry import fit_companions
from skjoint._ensemble.held_out import HeldOut
from skjoint._ensemble.intervals import learn_errors
from skjoint._ensemble.optimism import selection_optimism
from skjoint._ensemble.residuals import residuals_held_out, residuals_in_training
from skjoint._ensemble.shares import stack
from skjoint._ensemble.temperatures import calibrate
from skjoint._ensemble.thresholds import learn_thresholds
from skjoint._fitting.members import best_epochs, fitted_network, mean_by_epoch, mean_history
from skjoint._network.losses import per_sample
from skjoint._network.outputs.point import point_loss
from skjoint._prediction.average import average
from skjoint._prediction.decoding import Decoding, choose_blend, without_auto
from skjoint._prediction.fitted_model import FittedModel, Resumption
from skjoint._prediction.intervals import IntervalErrors


def fit_auxiliary_models(plans, data, features, settings):
    """Models of the companions; they learn from all rows and need none of the networks."""
    if not settings.companions:
        return []
    held_out = np.unique(np.concatenate([plan.validation.positions for plan in plans]))
    return fit_companions(
        settings.companions,
        data.rows,
        settings.heads,
        settings.losses,
        features.distinct_columns,
        settings.seed,
        held_out,
        features.code_columns,
        data.held_out.folds,
    )


class Assembler:
    """Puts the model of one fit together, from all of its networks or those trained so far.

    Parameters
    ----------
    plans : list of Plan
        Of the members.
    data : EncodedData
    targets : Targets
    features : FeatureEncoder
    settings : Settings
    previous : FittedModel or None
        Whose training went on.
    fixed : dict
        What the first fit has fixed.
    auxiliary_models : list of AuxiliaryModel
        Of the companions.
    """

    def __init__(self, plans, data, targets, features, settings, previous, fixed, auxiliary_models):
        self.plans = plans
        self.data = data
        self.targets = targets
        self.features = features
        self.settings = settings
        self.previous = previous
        self.fixed = fixed
        self.auxiliary_models = auxiliary_models

    @property
    def _holds_out(self):
        return self.plans[0].validation is not None

    # --------------------------------------------------------------- the model
    def model(self, trained):
        """The model of a whole fit."""
        settings, previous = self.settings, self.previous
        members, refits = trained.members, trained.refits
        history = mean_history([member.history for member in members])
        loss_weights = mean_by_epoch([member.loss_weights for member in members])
        if previous is not None:
            history = _joined(previous.history, history, previous.n_iter, len(loss_weights))
            loss_weights = np.vstack([previous.loss_weights, loss_weights])
        in_order = [*refits, *members][: len(self.plans)]  # as the networks are
        return FittedModel(
            **self._predictor(
                [member.network for member in members],
                [refit.network for refit in refits],
                members if settings.stopping else (),
            ),
            history=history,
            loss_weights=loss_weights,
            resumption=Resumption(
                states=tuple(member.state for member in in_order),
                balancing=settings.balancing,
                trunk=(settings.trunk, deepcopy(settings.trunk_arguments)),
                fixed=self.fixed,
            ),
            best_epoch=best_epochs(members, len(self.targets.outputs)),
        )

    def snapshot(self, trained, plan, weights, n_epochs):
        """The model as if training ended here, with the weights of the moment for a plan."""
        members = [member.network for member in trained.members]
        refits = [refit.network for refit in trained.refits]
        of_member = len(members) < len(self.plans)
        (members if of_member else refits).append(fitted_network(plan, weights))
        return FittedModel(
            **self._predictor(members, refits),
            history={},
            loss_weights=np.tile(plan.loss_weights, (n_epochs, 1)),
            resumption=Resumption(states=()),
        )

    def _predictor(self, members, refits, chosen=()):
        """What predictions are made of, as arguments of a FittedModel.

        ``members`` are networks with held-out rows of their own, ``refits`` those of all rows;
        ``chosen`` are the members whose epochs were chosen by their held-out rows.
        """
        settings, targets = self.settings, self.targets
        n_networks = len(members) + len(refits)
        network = average([*refits, *members])  # training goes on from the first ones
        found = {
            "targets": targets,
            "features": self.features,
            "seed": settings.seed,
            "companions": tuple(settings.companions),
            "n_validation": len(self.plans[0].validation or ()),
            "validation_groups": self.data.held_out.held_out_groups,
        }
        if not self._holds_out:
            goes_on = settings.mode == "chunk" and self.previous is not None
            blends = self.previous.blends if goes_on else {}
            residuals = {**self.previous.residuals} if goes_on else {}
            residuals |= residuals_in_training(network, self.data.rows, targets)
            return {**found, "network": network, "blends": blends, "residuals": residuals}
        held_out = HeldOut(members, [self._held_out_rows(plan) for plan in self.plans])
        # Shares first: what is learned below is about the answers of all together.
        network = stack(network, self.auxiliary_models, held_out, n_networks, settings.calibrates)
        temperatures = calibrate(held_out, targets) if settings.calibrates else ()
        thresholds = ()
        if settings.threshold is not None:
            weights = self.data.label_weights
            thresholds = tuple(learn_thresholds(held_out, targets, weights, settings.threshold))
        blends = self._blends(held_out)
        errors = None
        # Training that goes on has seen rows of another split before, but for the user's own.
        if targets.values and (self.plans[0].first_epoch == 0 or self.data.n_own):
            optimism = self._optimism(network, chosen)
            errors = self._interval_errors(held_out, blends, thresholds, n_networks, optimism)
        return {
            **found,
            "network": network,
            "temperatures": tuple(temperatures),
            "thresholds": thresholds,
            "blends": blends,
            "interval_errors": errors,
            "residuals": residuals_held_out(held_out, targets, settings.heads),
        }

    def _held_out_rows(self, plan):
        """Rows that a member held out, with their targets as they are encoded."""
        where = plan.validation.positions
        return replace(plan.validation, targets=[t[where] for t in self.data.every.targets])

    # ------------------------------------------------------------------ blends
    def _blends(self, held_out):
        """For each number with a label cut from it, the blend of least held-out loss."""
        settings, targets = self.settings, self.targets
        if settings.value_from not in ("blend", "auto"):
            return {}
        outputs = tuple(head.output for head in settings.heads)
        if settings.value_from == "auto" and any(out.deviation_parts for out in outputs):
            return {}  # the deviation is that of the head's own number
        decoding, blends = Decoding(targets, outputs), {}
        for i, target in enumerate(targets.values):
            by_class = decoding.distribution_of(i)
            if by_class is None:
                continue
            true, weights = held_out.truth(i)
            if not weights.any():
                if settings.value_from == "auto":
                    return {}
                raise ValueError(
                    f"No validation row is labelled for target '{target.name}': value_from="
                    "'blend' has nothing to choose by. Hold out more with validation."
                )
            loss = per_sample(point_loss(settings.value_loss, target.n_units))

            def mean_loss(numbers, target=target, true=true, weights=weights, loss=loss):
                scaled = target.encode(numbers[:, None])
                return float(np.average(np.asarray(loss(true, scaled)), weights=weights))

            numbers = decoding.head_number(i, held_out.outputs)
            label = targets.outputs[by_class]
            blends[i] = choose_blend(numbers, held_out.outputs[by_class], label, mean_loss)
        return blends

    # --------------------------------------------------------------- intervals
    def _optimism(self, network, members):
        """By value target the factor by which errors of held-out rows are too small.

        Only the networks have chosen epochs by these rows, the companions have not.
        """
        factors = []
        for i, head in enumerate(self.settings.heads[: len(self.targets.values)]):
            share = 1.0 - network.share(head.name)
            factor = selection_optimism(members, i, f"val_{head.name}_{head.output.metric}")
            factors.append(1 + share * (factor - 1))
        return factors

    def _interval_errors(self, held_out, blends, thresholds, n_networks, optimism):
        """Errors on held-out rows, which are found when asked for."""
        settings, targets = self.settings, self.targets
        where = held_out.positions
        truth = [
            (target.decode(self.data.every.targets[i][where]), self.data.interval_weights[i][where])
            for i, target in enumerate(targets.values)
        ]
        value_from = without_auto(settings.value_from, blends)
        outputs = tuple(head.output for head in settings.heads)
        decoding = Decoding(targets, outputs, value_from, "head", blends, thresholds).of_intervals()
        groups = self.data.held_out.groups
        of_entries = None if groups is None else groups.codes[where]
        return IntervalErrors(
            decoding.value_from,
            settings.non_negative,
            partial(learn_errors, held_out, decoding, truth, n_networks, optimism, of_entries),
            by_group=groups is not None,
        )


def _joined(history, new, n_before, n_new):
    """Histories one after the other; NaN where one of them has no figure."""
    return {
        name: history.get(name, [np.nan] * n_before) + new.get(name, [np.nan] * n_new)
        for name in {**history, **new}
    }
