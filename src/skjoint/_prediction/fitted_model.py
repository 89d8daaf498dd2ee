"""All that a fit leaves behind, immutable, and what it predicts."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from functools import cached_property, partial

import numpy as np
import pandas as pd

from skjoint._data.encoding import FeatureEncoder
from skjoint._data.targets import Targets
from skjoint._prediction.average import Average
from skjoint._prediction.blocks import as_codes, as_probabilities, as_rows
from skjoint._prediction.decoding import OF_LABELS, Decoding, without_auto
from skjoint._prediction.forward import FittedNetwork
from skjoint._prediction.intervals import IntervalErrors
from skjoint._prediction.stacked import Stacked
from skjoint._prediction.temperatures import as_tempered

ENCODED_AT_ONCE = 2**17  # rows of X; all of them encoded would take more than X


@dataclass(frozen=True)
class Resumption:
    """What training that goes on starts from, beside the network's weights.

    Parameters
    ----------
    states : tuple of (optimizer state, balancing state)
        By member.
    balancing : str or None
        The method that the balancing states belong to.
    trunk : tuple (trunk, dict)
        The parameter ``trunk`` and its routed arguments that the network was built from.
    fixed : dict
        What the first fit has decided by its parameters, as plain data by their names.
    """

    states: tuple
    balancing: str | None = None
    trunk: tuple = (None, {})
    fixed: dict = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class FittedModel:
    """What a fit leaves behind: prediction and all fitted attributes read this and nothing else.

    Parameters
    ----------
    targets : Targets
    features : FeatureEncoder
    network : FittedNetwork, Average or Stacked
        Members, refits and companions together.
    seed : int
        Of everything random in the fit and in those that go on from it.
    history : dict of list
        Logs by epoch.
    loss_weights : ndarray of shape (n_iter, n_outputs)
    resumption : Resumption
    best_epoch : ndarray of shape (n_members, n_outputs) or None
    n_validation : int
        Rows that the first member held out.
    validation_groups : tuple of ndarray
        Groups of the rows that each member held out; none without groups.
    companions : tuple of str
        Names of the companions that were asked for.
    temperatures : tuple of float
        Of each class target, or none at all.
    thresholds : tuple of float or None
        Of each class target, or none at all: the probability of the second of two labels from
        which on it is the answer; None for the most probable label.
    blends : dict
        By index of a value: what the head is blended with, and the share of the head.
    interval_errors : IntervalErrors or None
        Errors on held-out rows.
    residuals : dict
        By index of a value that is transformed: what is left of its transformed numbers, and
        their shares, (2, k, width); for ``value_from="smearing"``.
    """

    targets: Targets
    features: FeatureEncoder
    network: FittedNetwork | Average | Stacked
    seed: int
    history: dict
    loss_weights: np.ndarray
    resumption: Resumption
    best_epoch: np.ndarray | None = None
    n_validation: int = 0
    companions: tuple[str, ...] = ()
    temperatures: tuple[float, ...] = ()
    thresholds: tuple[float | None, ...] = ()
    blends: dict = field(default_factory=dict)
    interval_errors: IntervalErrors | None = None
    residuals: dict = field(default_factory=dict)
    validation_groups: tuple[np.ndarray, ...] = ()

    def __getstate__(self):
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def __setstate__(self, state):
        self.__dict__.update(state)

    @property
    def n_iter(self):
        return len(self.loss_weights)

    @property
    def output_names(self):
        return [target.name for target in self.targets.outputs]

    @property
    def shares(self):
        """Share of the networks and of each companion in every output, a DataFrame."""
        names = self.output_names
        parts = {
            kind: [self.network.share(name, kind) for name in names] for kind in self.companions
        }
        networks = 1.0 - sum(np.array(part) for part in parts.values())
        return pd.DataFrame({"network": networks, **parts}, index=names, dtype=float)

    # ---------------------------------------------------------------- decoding
    def decoding(self, value_from, class_from) -> Decoding:
        """How outputs become answers under these two parameters."""
        if value_from == "head" == class_from:  # kept ready: one row takes microseconds
            return self._plain_decoding
        if not (isinstance(value_from, str) and isinstance(class_from, str)):
            raise ValueError(
                f"value_from and class_from must be names. Got {(value_from, class_from)} instead."
            )
        value_from = self.value_source(value_from)
        if value_from == "blend" and not self.blends:
            raise ValueError(
                "value_from='blend' is chosen on validation rows: call fit with this setting."
            )
        if value_from == "smearing" and self.targets.values and not self.residuals:
            raise ValueError(
                "value_from='smearing' needs the residuals of a number with value_transform, such "
                "as 'log': call fit with both settings."
            )
        outputs = self._plain_decoding.outputs
        decoding = Decoding(
            self.targets,
            outputs,
            value_from,
            class_from,
            self.blends,
            self.thresholds,
            self.residuals,
        )
        decoding.check()
        return decoding

    def value_source(self, value_from):
        """What ``value_from`` stands for."""
        return without_auto(value_from, self.blends)

    @cached_property
    def _plain_decoding(self):
        outputs = tuple(head.output for head in self.network.spec.heads)
        return Decoding(self.targets, outputs, thresholds=self.thresholds)

    # ----------------------------------------------------------------- outputs
    def encode(self, X):
        """Encoded rows of the user's X."""
        return self._encoded(self.features.read(X))

    def _encoded(self, features):
        encoded = self.features.encode(features)
        trunk = self.network.spec.trunk
        if trunk is not None and not self.network.spec.n_codes:
            trunk.check_codes(encoded)
        return encoded

    def outputs(self, X, decoding, kind=None, class_form=as_rows, more=()):
        """Outputs of the heads from which answers of a kind are made, by index.

        Parameters
        ----------
        X : array-like or DataFrame
        decoding : Decoding
        kind : {"value", "class", "proba"} or None
        class_form : callable
            What becomes of class heads; probabilities are at their temperatures.
        more : list of (int, str)
            Further parts of heads, found in the dict at these keys.
        """
        self._check_target(kind)
        features, heads = self.features.read(X), self.network.spec.heads
        wanted = decoding.needs(kind)
        if wanted[0] < len(self.targets.values):
            more = [*more, *decoding.number_parts]
        names = [heads[i].name for i in wanted] + [heads[i].parts[part] for i, part in more]
        forms = [self._form_of(i, class_form) for i in wanted] + [as_rows] * len(more)
        parts = [
            self.network.predict(self._encoded(part), names, forms)
            for part in features.in_parts(ENCODED_AT_ONCE)
        ]
        outputs = parts[0]
        if len(parts) > 1:
            outputs = [np.concatenate(of_output) for of_output in zip(*parts, strict=True)]
        if not all(np.isfinite(output).all() for output in outputs):
            raise ValueError(
                "The network gives numbers that are infinite or none: X lies too far from the rows "
                "of fit."
            )
        return dict(zip([*wanted, *more], outputs, strict=True))

    def _check_target(self, kind):
        """Raise unless there is a target of the kind."""
        missing = "value" if kind == "value" else "class"
        of_kind = self.targets.values if kind == "value" else self.targets.classes
        if kind is not None and not of_kind:
            raise AttributeError(f"This estimator was trained without a {missing} target.")

    def _form_of(self, i, class_form):
        i -= len(self.targets.values)
        if i < 0:
            return as_rows
        if self.temperatures and class_form is not as_codes:
            return partial(as_tempered, temperature=self.temperatures[i])
        return class_form

    # ----------------------------------------------------------------- answers
    def answers(self, X, decoding, kind=None):
        """Numbers in original units and labels, by output index."""
        return decoding.decode(self.outputs(X, decoding, kind, _form(decoding)), kind)

    def answers_and_probabilities(self, X, decoding):
        """All answers, and what :meth:`probabilities` gives, both by output index."""
        form = as_probabilities if _form(decoding) is as_probabilities else as_rows
        outputs = self.outputs(X, decoding, class_form=form)
        answers, start = decoding.decode(outputs), len(self.targets.values)
        proba = {i: outputs[i] for i in range(start, len(self.targets.outputs))}
        if form is as_rows and not self.temperatures:
            # The same sums in the same order, so that equal probabilities stay equal.
            columns = {i: np.ascontiguousarray(rows.T) for i, rows in proba.items()}
            proba = {i: as_probabilities(part, part.shape[1]) for i, part in columns.items()}
        return answers, proba

    def probabilities(self, X):
        """Probabilities of the labels of each class target, a list."""
        outputs = self.outputs(X, self._plain_decoding, "proba", as_probabilities)
        return [outputs[i] for i in sorted(outputs)]

    def values_and_deviations(self, X, decoding):
        """Numbers and their standard deviations in original units, by index.

        Of outputs without deviations the second dict is empty.
        """
        outputs = self._with_deviations(X, decoding)
        return decoding.decode(outputs, "value"), decoding.deviations(outputs)

    def _with_deviations(self, X, decoding):
        return self.outputs(X, decoding, "value", _form(decoding), decoding.deviation_parts)

    def values_given(self, X, codes):
        """Numbers in original units if the rows were of classes of these codes, by index."""
        decoding = self._plain_decoding
        outputs = self.outputs(X, decoding, "value")
        return {
            i: decoding.number_given(i, outputs, codes) for i in range(len(self.targets.values))
        }

    @property
    def answers_by_class(self):
        """Whether there are numbers by class: learned ones, or constants of all classes but one."""
        heads = self.network.spec.heads[: len(self.targets.values)]
        n_labels = sum(target.n_units for target in self.targets.classes)
        learned = any(head.output.class_parts for head in heads)
        return learned or n_labels - len(self.targets.known_values) == 1

    def intervals(self, X, decoding, coverage):
        """Lower and upper ends by index, (n_samples,) or (n_samples, n_units) each."""
        self._check_target("value")
        errors = self.interval_errors
        if errors is None:
            raise ValueError(
                "predict_interval needs errors on rows held out from all training: call fit with "
                "validation or early_stopping. Training that goes on (warm_start, partial_fit) "
                "drops them."
            )
        decoding = decoding.of_intervals()
        if errors.value_from != decoding.value_from:
            raise ValueError(
                f"The errors on held-out rows are those of value_from={errors.value_from!r}: call "
                f"fit with {decoding.value_from!r}."
            )
        outputs = self._with_deviations(X, decoding)
        numbers = decoding.decode(outputs, "value")
        deviations = decoding.transformed_deviations(outputs)
        widths, found, start = errors.widths(coverage), {}, 0
        for i, number in numbers.items():
            end = start + (1 if number.ndim == 1 else number.shape[1])
            width = widths[start] if number.ndim == 1 else np.array(widths[start:end])
            width = width * deviations[i] if i in deviations else width
            low, high = self.targets.values[i].around(number, width)
            if errors.non_negative:
                low = np.where(low < 0, np.minimum(number, 0), low)
            found[i] = low, high
            start = end
        return found


def _form(decoding):
    """What becomes of class heads for numbers and labels."""
    if decoding.class_parts or any(t is not None for t in decoding.thresholds):
        return as_probabilities  # those of predict_proba, to the last bit
    return as_rows if decoding.value_from in OF_LABELS else as_codes
