"""What cannot go together: one table of conditions and messages, checked before any training."""

from __future__ import annotations

from types import SimpleNamespace
from typing import NamedTuple

from skjoint._data.encoding import FeatureEncoder
from skjoint._data.targets import Targets
from skjoint._network.outputs import Request, asked_outputs


class Case(NamedTuple):
    """One fit, as far as it is known before anything is built."""

    p: SimpleNamespace  # parameters
    targets: Targets
    features: FeatureEncoder
    mode: str
    balancing: str | None
    has_blends: bool  # from a fit before

    @property
    def names(self):
        return [target.name for target in self.targets.outputs]

    @property
    def labels_of_two(self):
        return [target for target in self.targets.classes if target.n_units == 2]

    @property
    def row_shape(self):
        return self.features.output_shape

    @property
    def trunk_arguments(self):
        return sorted(name for name in vars(self.p) if name.startswith("trunk__"))


# Rows of (condition, message), both functions of the case.
CONFLICTS = [
    (
        lambda c: c.p.n_refits and not c.p.early_stopping and c.mode != "chunk",
        lambda c: (
            f"n_refits={c.p.n_refits} trains for the epochs that early stopping finds best. Use it "
            "with early_stopping=True or 'by_head', or set n_refits=0."
        ),
    ),
    (
        lambda c: c.mode == "chunk" and c.p.value_from == "blend" and not c.has_blends,
        lambda c: (
            "value_from='blend' is chosen on validation rows, which partial_fit has none of. Use "
            "'mean' or 'median'."
        ),
    ),
    (
        lambda c: (
            c.p.value_from == "smearing" and c.p.value_transform is None and bool(c.targets.values)
        ),
        lambda c: (
            "value_from='smearing' is the mean of a number that is transformed for training. Set "
            "value_transform, such as 'log', or value_from='head'."
        ),
    ),
    (
        lambda c: c.p.value_from == "smearing" and c.p.head_link == "mixture",
        lambda c: (
            "value_from must not be 'smearing' with head_link='mixture', whose number is a mean "
            "over the labels. Use 'head'."
        ),
    ),
    (
        lambda c: c.p.n_refits and c.p.warm_start and c.mode != "chunk",
        lambda c: (
            f"n_refits={c.p.n_refits} starts anew on all rows, warm_start=True does not. Set "
            "n_refits=0 or warm_start=False."
        ),
    ),
    (
        lambda c: c.p.head_link is not None and not (c.targets.values and c.targets.classes),
        lambda c: f"head_link={c.p.head_link!r} needs a value and a class target. Got {c.names}.",
    ),
    (
        lambda c: c.p.trunk is None and c.trunk_arguments,
        lambda c: f"trunk__... needs trunk. Got {c.trunk_arguments} without one.",
    ),
    (
        lambda c: c.p.trunk is not None and "periodic" in _as_list(c.p.numeric_embedding),
        lambda c: (
            "numeric_embedding must be 'rank' or None beside a trunk, which reads encoded X "
            f"itself. Got {c.p.numeric_embedding!r} instead."
        ),
    ),
    (
        lambda c: c.p.threshold is not None and not c.labels_of_two and c.mode != "chunk",
        lambda c: (
            f"threshold={c.p.threshold!r} needs a target of two labels. Got numbers of labels "
            f"{ {target.name: target.n_units for target in c.targets.classes} } instead."
        ),
    ),
    (
        lambda c: (
            c.p.threshold is not None
            and c.p.class_from == "value"
            and any(t.source is not None for t in c.labels_of_two)
            and c.mode != "chunk"
        ),
        lambda c: (
            f"threshold={c.p.threshold!r} is one of probabilities, class_from='value' takes the "
            "label of the number. Set threshold=None or class_from='head'."
        ),
    ),
    (
        lambda c: len(c.p.companions) and len(c.row_shape) > 1 and c.mode != "chunk",
        lambda c: (
            f"companions must be () where rows of X have a shape, here {c.row_shape}: companions "
            f"read columns. Got {c.p.companions!r} instead."
        ),
    ),
    (
        lambda c: len(c.p.companions) and c.features.is_sparse and c.mode != "chunk",
        lambda c: (
            "companions must be () where X is sparse: companions read dense columns. Got "
            f"{c.p.companions!r} instead. To have them, put scikit-learn's TruncatedSVD in front."
        ),
    ),
]


def check_conflicts(case):
    """Raise for the first row of the table, or of an output's own, whose condition is true."""
    for is_refused, message in CONFLICTS:
        if is_refused(case):
            raise ValueError(message(case))
    if case.targets.values:
        for kind in asked_outputs(case.p.value_loss, case.p.head_link):
            for is_refused, message in kind.refusals(_request_of(case)):
                if is_refused:
                    raise ValueError(message)


def _request_of(case):
    return Request(
        value_loss=case.p.value_loss,
        value_activation=case.p.value_activation,
        head_link=case.p.head_link,
        balancing=case.balancing,
        widths={target.name: target.n_units for target in case.targets.values},
        class_names=[target.name for target in case.targets.classes],
    )


def _as_list(kinds):
    return [kinds] if kinds is None or isinstance(kinds, str) else list(kinds)
