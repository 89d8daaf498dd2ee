"""What a fitted estimator answers: its methods of prediction, with their docstrings."""

from __future__ import annotations

from numbers import Real
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import _num_samples

from skjoint._prediction.answers import as_frame, check_std, side_by_side
from skjoint._prediction.attributes import FittedAttributes, one_or_list
from skjoint._prediction.decoding import Decoding
from skjoint._prediction.fitted_model import FittedModel
from skjoint._prediction.given_class import codes_given

if TYPE_CHECKING:
    from skjoint._support.typing import ArrayOrList, ClassFrom, OutputKind, ValueFrom, XLike


class Predictions(FittedAttributes):
    """Methods that read ``_model``, ``value_from`` and ``class_from``."""

    value_from: ValueFrom
    class_from: ClassFrom

    # Reach `predict` through a Pipeline also with metadata routing on.
    __metadata_request__predict = {"output": True, "coverage": True}

    def _decoding(self, model: FittedModel) -> Decoding:
        """How outputs become answers, by the parameters of the moment."""
        return model.decoding(self.value_from, self.class_from)

    @overload
    def predict(
        self, X: XLike, output: Literal["frame"], *, coverage: None = None
    ) -> pd.DataFrame: ...
    @overload
    def predict(
        self, X: XLike, output: Literal["proba"], *, coverage: None = None
    ) -> ArrayOrList: ...
    @overload
    def predict(
        self,
        X: XLike,
        output: Literal["value", "class", "interval"] | None = None,
        *,
        coverage: float | None = None,
    ) -> NDArray[Any]: ...
    def predict(
        self, X: XLike, output: OutputKind | None = None, *, coverage: float | None = None
    ) -> NDArray[Any] | pd.DataFrame | Any:
        """Predict number and label.

        Every option reaches the estimator through a ``Pipeline``, too, with metadata routing
        on and off: ``pipe.predict(X, output="interval", coverage=0.8)``.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows with the columns of ``fit``.
        output : {"value", "class", "proba", "interval", "frame"} or None, default=None
            "value", "class", "proba" and "interval" give what :meth:`predict_value`,
            :meth:`predict_class`, :meth:`predict_proba` and :meth:`predict_interval` give.
            "frame" gives numbers and labels as a DataFrame, with the names of y's columns
            ("value" and "class" where they have none) and the index of X where X is a
            pandas DataFrame; numbers are float64, labels have their own dtype.
        coverage : float in (0, 1), default=None
            Share of rows whose number shall lie in its interval; with
            ``output="interval"`` only. None stands for 0.9.

        Returns
        -------
        y_pred : ndarray of shape (n_samples, n_targets)
            All targets in the order of y's columns; a column that serves as
            both gives its value first, then its class. float64 if all targets
            are numeric and float64 holds every label as it is, else object.
            In its place what ``output`` names.

        Raises
        ------
        ValueError
            If ``output`` is unknown, ``coverage`` is given beside another output than
            "interval", or X does not fit.
        NotFittedError
            Before ``fit``.

        Examples
        --------
        >>> from skjoint import JointRegressorClassifier
        >>> from skjoint.datasets import load_diabetes_bands
        >>> X, y = load_diabetes_bands(return_X_y=True)
        >>> est = JointRegressorClassifier(epochs=2, random_state=0).fit(X, y)
        >>> list(est.predict(X, output="frame").columns)
        ['progression', 'band']
        """
        if coverage is not None and output != "interval":
            raise ValueError(
                f"coverage must be None where output is not 'interval'. Got {coverage!r} beside "
                f"output={output!r} instead."
            )
        if output is None:
            model = self._fitted()
            return model.targets.join(model.answers(X, self._decoding(model)))
        if output == "value":
            return self.predict_value(X)
        if output == "class":
            return self.predict_class(X)
        if output == "proba":
            return self.predict_proba(X)
        if output == "interval":
            return self.predict_interval(X, **({} if coverage is None else {"coverage": coverage}))
        if output == "frame":
            model = self._fitted()
            index = X.index if isinstance(X, pd.DataFrame) else None
            return as_frame(model.targets, model.answers(X, self._decoding(model)), index)
        raise ValueError(
            "output must be 'value', 'class', 'proba', 'interval', 'frame' or None. "
            f"Got {output!r} instead."
        )

    @overload
    def predict_value(
        self, X: XLike, given_class: ArrayLike | None = None, return_std: Literal[False] = False
    ) -> NDArray[np.float64]: ...
    @overload
    def predict_value(
        self, X: XLike, given_class: None = None, *, return_std: Literal[True]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]: ...
    @overload
    def predict_value(
        self, X: XLike, given_class: ArrayLike | None = None, return_std: bool = False
    ) -> NDArray[np.float64] | tuple[NDArray[np.float64], NDArray[np.float64]]: ...
    def predict_value(
        self, X: XLike, given_class: ArrayLike | None = None, return_std: bool = False
    ) -> NDArray[np.float64] | tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Predict the number.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows with the columns of ``fit``.
        given_class : label or array-like of shape (n_samples,), default=None
            Answer "and if it were of this class?", for all rows or row by
            row, instead of weighing the classes by their probabilities. Needs
            ``head_link="mixture"``, or a ``value_by_class`` that leaves one
            label open. Of a Pipeline:
            ``pipe[-1].predict_value(pipe[:-1].transform(X), given_class=...)``.
        return_std : bool, default=False
            Whether to return, too, how far off each number may be: the standard
            deviation that the network has learned with
            ``value_loss="gaussian_nll"``; with ``value_transform`` that of the number whose
            transform is normal. With several members it is that of the
            mixture of their normal distributions, whose variance is the mean of
            the members' variances and the variance of their numbers [1]_. 0 where
            a label decides the number (``value_by_class``).

        Returns
        -------
        values : ndarray of shape (n_samples,) or (n_samples, n_values), float64
            In original units.
        std : ndarray of the shape of values, float64
            In original units; only with ``return_std``.

        Raises
        ------
        ValueError
            If X does not fit, ``given_class`` is no known label, or the
            network does not know numbers by class. If ``return_std`` is asked of a
            network without variances, beside ``given_class``, or for numbers that
            are not the value head's (``value_from``).

        References
        ----------
        .. [1] B. Lakshminarayanan, A. Pritzel and C. Blundell, "Simple and Scalable
           Predictive Uncertainty Estimation using Deep Ensembles", NeurIPS 2017.

        Examples
        --------
        >>> from skjoint import JointRegressorClassifier
        >>> from skjoint.datasets import load_diabetes_bands
        >>> X, y = load_diabetes_bands(return_X_y=True)
        >>> est = JointRegressorClassifier(value_loss="gaussian_nll", epochs=5, random_state=0)
        >>> value, std = est.fit(X, y).predict_value(X, return_std=True)
        >>> value.shape, std.shape, bool((std > 0).all())
        ((442,), (442,), True)
        """
        model = self._fitted()
        if return_std:
            check_std(model, given_class, self.value_from)
            found = model.values_and_deviations(X, self._decoding(model))
            return side_by_side(found[0]), side_by_side(found[1])
        if given_class is not None:
            codes = codes_given(model, given_class, _num_samples(X))
            return side_by_side(model.values_given(X, codes))
        return side_by_side(model.answers(X, self._decoding(model), "value"))

    def predict_interval(self, X: XLike, coverage: float = 0.9) -> NDArray[np.float64]:
        """Intervals that hold the true number in a given share of cases.

        Split conformal prediction [1]_: the number plus and minus that quantile
        of the absolute errors which the network made on held-out rows. No
        distribution is assumed, but that new rows are like those of ``fit``. All
        intervals have one width; with ``value_loss="gaussian_nll"`` errors count in
        the network's standard deviations, which make intervals wider where it is
        less sure, with the same guarantee. With ``value_transform`` errors are those of
        transformed numbers, and the ends are taken back: intervals are wider above than below, or
        the reverse, and end where numbers do. With several members the errors of one
        are made as small as those of the mean of all [2]_. The same rows have chosen
        the epoch where training was stopped early, which makes errors a little
        small; with several members they grow by as much as the mean error of one
        is larger in the epochs that the others chose. Training that goes on
        (``warm_start``, ``partial_fit``) has seen those rows, unless they are ``X_val``: it drops
        the errors. Where groups are known (``fit(groups=...)``) rows of new groups are
        covered: groups take the place of rows in the guarantee (hierarchical conformal
        prediction [3]_ [4]_). It needs nine of them for a coverage of 0.9.
        They are found when first needed, here or to be pickled or saved; until then
        the estimator keeps the rows. Of a Pipeline:
        ``pipe.predict(X, output="interval", coverage=0.9)``.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows with the columns of ``fit``.
        coverage : float in (0, 1), default=0.9
            Share of rows whose number shall lie in its interval.

        Returns
        -------
        intervals : ndarray of shape (n_samples, 2) or (n_samples, n_values, 2), float64
            Lower and upper end, in original units.

        Raises
        ------
        ValueError
            If ``coverage`` is none, if no rows were held out in ``fit``
            (``validation``, ``early_stopping``), or if these are too few.

        References
        ----------
        .. [1] J. Lei, M. G'Sell, A. Rinaldo, R. Tibshirani and L. Wasserman,
           "Distribution-Free Predictive Inference for Regression", JASA 113 (2018).
        .. [2] A. Krogh and J. Vedelsby, "Neural Network Ensembles, Cross Validation,
           and Active Learning", NIPS 1994.
        .. [3] R. Dunn, L. Wasserman and A. Ramdas, "Distribution-Free Prediction Sets for
           Two-Layer Hierarchical Models", JASA 118 (2023).
        .. [4] Y. Lee, R. Barber and R. Willett, "Distribution-Free Inference with
           Hierarchical Data", arXiv:2306.06342 (2023).

        Examples
        --------
        >>> from skjoint import JointRegressorClassifier
        >>> from skjoint.datasets import load_diabetes_bands
        >>> X, y = load_diabetes_bands(return_X_y=True)
        >>> est = JointRegressorClassifier(epochs=5, validation=0.3, random_state=0)
        >>> intervals = est.fit(X[:300], y[:300]).predict_interval(X[300:], coverage=0.8)
        >>> true = y["progression"][300:]
        >>> bool(((true >= intervals[:, 0]) & (true <= intervals[:, 1])).mean() > 0.7)
        True
        """
        model = self._fitted()
        if not (isinstance(coverage, Real) and 0 < coverage < 1):
            raise ValueError(f"coverage must be between 0 and 1. Got {coverage!r} instead.")
        ends = model.intervals(X, self._decoding(model), coverage)
        low, high = (side_by_side({i: pair[j] for i, pair in ends.items()}) for j in (0, 1))
        return np.stack([low, high], axis=-1)

    def predict_class(self, X: XLike) -> NDArray[Any]:
        """Predict the label: the most probable one, or by ``threshold_`` where there is one.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows with the columns of ``fit``.

        Returns
        -------
        labels : ndarray of shape (n_samples,) or (n_samples, n_class_targets)
            Labels in their own dtype.
        """
        model = self._fitted()
        known = [target.classes for target in model.targets.classes]
        return side_by_side(model.answers(X, self._decoding(model), "class"), known)

    def predict_proba(self, X: XLike) -> ArrayOrList:
        """Probabilities of the labels, at ``temperature_`` where one was learned.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows with the columns of ``fit``.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes), or list of these
            Columns follow ``classes_``; rows sum to 1. A list with several
            class targets.
        """
        return one_or_list(self._fitted().probabilities(X))
