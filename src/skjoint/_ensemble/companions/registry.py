"""All companions by name, their arguments, and the fit of those that are asked for."""

from __future__ import annotations

from sklearn.utils._param_validation import validate_parameter_constraints

from skjoint._ensemble.companions.boosting import BOOSTING
from skjoint._ensemble.companions.contract import Task
from skjoint._ensemble.companions.forest import FOREST
from skjoint._ensemble.companions.ridge import RIDGE
from skjoint._support.nearest_name import nearest_name

COMPANIONS = {}


def register(companion):
    """Add a companion, which ``companions=`` then finds by its name.

    Parameters
    ----------
    companion : Companion
    """
    name = companion.name
    if not (isinstance(name, str) and name.isidentifier()) or "__" in name:
        raise ValueError(
            f"The name of a companion must be an identifier without '__'. Got {name!r} instead."
        )
    if name in COMPANIONS:
        raise ValueError(f"A companion named {name!r} is registered already.")
    COMPANIONS[name] = companion


for _companion in (FOREST, BOOSTING, RIDGE):
    register(_companion)


def check_names(names):
    """Raise unless these are names of different companions, in a list or tuple."""
    if not isinstance(names, (list, tuple)) or len(set(map(str, names))) < len(names):
        raise ValueError(
            f"companions must be a tuple of different names out of {tuple(COMPANIONS)}. "
            f"Got {names!r} instead."
        )
    for name in names:
        if name not in list(COMPANIONS):  # a list: names that cannot be hashed are errors, too
            raise ValueError(
                f"companions must hold names out of {tuple(COMPANIONS)}. Got {name!r} instead."
                f"{nearest_name(name, COMPANIONS)}"
            )


def arguments_of(names, routed):
    """Checked arguments of each companion, defaults among them.

    Parameters
    ----------
    names : list or tuple of str
        Of the companions.
    routed : dict
        ``"<argument>"`` is for all companions that have the argument, and
        ``"<name>__<argument>"`` for one of them, which takes precedence. Arguments of registered
        companions that are not among ``names`` are checked and have no effect, so that a
        search over ``names`` can give them.

    Returns
    -------
    dict of {str: dict}
        By name, in the order of ``COMPANIONS``: the order of ``names`` has no effect.
    """
    check_names(names)
    arguments = {name: dict(companion.arguments) for name, companion in COMPANIONS.items()}
    for key in sorted(routed, key=lambda key: "__" in key):  # those of one companion last
        name, _, argument = key.rpartition("__")
        having = [n for n in ([name] if name else COMPANIONS) if argument in arguments.get(n, ())]
        if not having:
            raise ValueError(_unknown(key))
        for one in having:
            arguments[one][argument] = routed[key]
    for name, companion in COMPANIONS.items():
        validate_parameter_constraints(
            companion.constraints, arguments[name], f"companion {name!r}"
        )
    return {name: found for name, found in arguments.items() if name in names}


def _unknown(key):
    alone = [argument for companion in COMPANIONS.values() for argument in companion.arguments]
    known = dict.fromkeys(alone)
    for name, companion in COMPANIONS.items():
        known |= dict.fromkeys(f"{name}__{argument}" for argument in companion.arguments)
    nearest = nearest_name(f"companions__{key}", [f"companions__{one}" for one in known])
    return f"No companion has an argument for companions__{key}.{nearest}"


def fit_companions(arguments, rows, heads, losses, columns, seed, where, n_codes=None, folds=()):
    """Models of companions for the heads that they may have a share in.

    Parameters
    ----------
    arguments : dict of {str: dict}
        Of each companion, see :func:`arguments_of`.
    rows : Rows
        All rows to train on.
    heads, losses : list
        All heads of the network and their Keras losses.
    columns : ndarray of int
        Columns of encoded X to read.
    seed : int
    where : ndarray of int
        Places of the rows that need held-out predictions, ascending.
    n_codes : dict of {int: int}, default=None
        Those of ``columns`` that hold codes of categories, and the number of codes of each.
    folds : sequence of (ndarray, ndarray), default=()
        See :class:`Task`.

    Returns
    -------
    list of AuxiliaryModel
    """
    # A weighted mean of outputs suits means: not medians, numbers with a deviation or mixtures.
    pairs = enumerate(zip(heads, losses, strict=True))
    of_means = {i: head for i, (head, loss) in pairs if head.output.takes_means(loss)}
    task = Task(rows, of_means, columns, where, seed, n_codes or {}, folds)
    return [one for name, own in arguments.items() for one in COMPANIONS[name].fit(task, **own)]
