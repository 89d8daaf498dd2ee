"""The estimator: its parameters, and the data path of a fit; everything else has a room below."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.callback import CallbackSupportMixin
from sklearn.utils import Tags, check_random_state

from skjoint._data.containers import warn_of_other_order
from skjoint._data.sample_weight import total_weight
from skjoint._fitting.assemble import Assembler, fit_auxiliary_models
from skjoint._fitting.continuing import keep_fixed
from skjoint._fitting.members import train_all
from skjoint._fitting.own_rows import Given
from skjoint._fitting.plans import write_plans
from skjoint._fitting.settings import resolve
from skjoint._fitting.training_data import encode_rows, learn_encoders, read_training_data
from skjoint._parameters import presets
from skjoint._parameters.constraints import CONSTRAINTS, check_numbers
from skjoint._parameters.copies import check_copies
from skjoint._parameters.names import hint, is_routed
from skjoint._prediction.answers import split
from skjoint._prediction.attributes import report_html
from skjoint._prediction.predictions import Predictions
from skjoint._support.fit_context import checks_parameters
from skjoint._support.sklearn_callbacks import FitTasks
from skjoint.metrics import evaluate_answers, score_answers
from skjoint.views import ClassView, ValueView, as_classifier, as_regressor

if TYPE_CHECKING:
    from skjoint._support.typing import (
        Activation,
        Callbacks,
        ClassBins,
        ClassFrom,
        ClassWeight,
        Columns,
        HeadLink,
        Initializer,
        Labels,
        LayerSizes,
        Loss,
        LossWeights,
        NumericEmbedding,
        Optimizer,
        RandomState,
        Splitter,
        Trunk,
        ValueFrom,
        ValueTransform,
        XLike,
        YLike,
    )

__all__ = ["JointRegressorClassifier"]


class JointRegressorClassifier(Predictions, CallbackSupportMixin, BaseEstimator):
    r"""A neural network that predicts a number and a class label from the same row.

    A shared trunk of dense layers carries one head per target: a *value head*
    for the number and a *class head* for the label. All are trained together
    on the weighted sum of their losses [1]_,

    .. math:: L = \sum_h \lambda_h \frac{1}{n} \sum_i w_{hi}\, \ell_h(y_{hi}, f_h(x_i))
                  + \alpha \sum_W \lVert W \rVert^2

    where h runs over the heads, :math:`\lambda_h` are the ``loss_weights`` and
    the weights :math:`w_{hi}`, 0 where a row has no label for head h, are
    scaled to mean 1 for every head.

    Parameters
    ----------
    hidden_layer_sizes : int, sequence of int or "auto", default="auto"
        Units of the shared trunk's hidden layers. ``()`` puts the heads
        directly on the input. "auto" is (256, 64). Layers that you name change the
        layers and nothing else; :meth:`plain` is the network of textbooks.
    value_layer_sizes : int or sequence of int, default=()
        Hidden layers that belong to the value head only.
    class_layer_sizes : int or sequence of int, default=()
        Hidden layers that belong to the class head only.
    activation : str or callable, default="relu"
        Activation of all hidden layers: a Keras name or function.
    value_activation : str or callable, default="linear"
        Activation of the value output. ``"relu"``, ``"softplus"`` and others
        without negative values give numbers that are never negative, in
        original units too; those with two ends, such as ``"sigmoid"``, give
        numbers between these ends in original units.
    kernel_initializer : str or Keras initializer, default="glorot_uniform"
        Draws the kernels of hidden layers, each with a seed from
        ``random_state``. Output layers always start from
        ``"glorot_uniform"``, Keras' default.
    dropout : float in [0, 1), default=0.0
        Share of units silenced after each hidden layer during training.
    alpha : float or "auto", default="auto"
        L2 penalty ``alpha * sum(W**2)`` over all kernels (Keras' convention:
        no division by 2 nor by the number of rows). "auto" is 0.00005 for each
        column of encoded X (ranks not counted), at most 0.01; 0.0 with a ``trunk``,
        which brings its own, and with ``loss_weights="famo"``. It grows with the columns
        as if weights were the smaller, a priori, the more of them share in an answer
        [18]_; ``network_.alpha`` is the number. "auto" also draws the embeddings of
        categories to 0 by ``5 / n_samples * sum(W**2)``, as a prior does that counts
        like five rows of each level, so that a level of few rows stays near what
        an unknown one means; not in ``partial_fit``.
    numeric_embedding : {"auto", "rank", "periodic"}, sequence of these or None, default="auto"
        How columns of numbers that ``preprocess="auto"`` standardises enter the
        network. "rank": twice, as its rank, the share of training rows below it,
        and standardised, then smoothly clipped to 5 standard deviations, ``z /
        sqrt(1 + z**2 / 25)`` [9]_, so that a wild entry moves no prediction far;
        columns of 3 to 10 values have a column of 0 and 1 for each value, too.
        "periodic": so, and each of both beside seven linear maps of eight waves
        ``cos(2 pi f x + p)``, whose frequencies and phases are learned [8]_ [9]_:
        steps and bends of a single feature, which trees find easily, become easy
        for a network, too; it cannot go with ``trunk``. None: standardised only.
        "auto" is "rank", and None with a ``trunk``. ``("periodic", "rank")`` gives members,
        and refits after them, one or the other in turn: networks that err differently
        make a better mean [12]_.
        Nothing changes where no column is standardised (``preprocess=None``).
    head_link : {"class_to_value", "value_to_class", "mixture"} or None, default=None
        How one head sees the other, trained together. "class_to_value": the
        value head reads the class probabilities beside the features of the
        trunk; "value_to_class": the class head reads the number. "mixture":
        the value head has one number per class, each learned from the rows of
        its class, and the number is their mean under the class probabilities,
        E[value] = sum_c p(c) E[value | c] (a mixture of experts [3]_ whose
        gate is the class head); ``predict_value(X, given_class=...)`` answers
        "and if it were class c?". With several members, or ``early_stopping=
        "by_head"``, each factor is the mean over the networks.
    value_by_class : dict of {label: float}, default=None
        The number where the label alone decides it, such as ``{"none": 0.0}``.
        Rows of these labels do not train the value head. ``predict_value``
        follows the predicted class: where it is one of these, the number is
        the constant, so that number and label do not contradict each other.
        With ``head_link="mixture"`` the constants enter the mean instead
        (which ``class_weight`` shifts, as it shifts the probabilities).
    trunk : callable or keras.Model, default=None
        A Keras network from one encoded row to a vector of features, in place
        of ``hidden_layer_sizes``: for images (4-D X), sequences (3-D X),
        layers of your own. A function ``build(meta, **routed)`` returns a new
        ``keras.Model``; ``meta`` is a dict with ``input_shape`` (of one encoded
        row), ``n_features_in_``, ``X_shape_`` (of encoded X) and the
        ``classes_`` and ``n_classes_`` of every class target; other arguments
        come from ``trunk__filters=16``. A model is cloned with its weights and
        never trained itself; layers with ``trainable=False`` stay frozen. The
        trunk brings its own regularizers: ``alpha`` and ``dropout`` apply to
        the layers of the heads.
    value_loss : str, Keras loss or callable, default="mse"
        Loss of the number, in standard deviations where it does not change when true and
        predicted numbers move together: ``"mse"``, ``"mae"``, ``"huber"``,
        scikit-learn's ``"squared_error"`` and ``"absolute_error"``, any other
        Keras loss, or a function ``(y_true, y_pred) -> loss per row``.
        ``"gaussian_nll"`` teaches the network, too, how far off its number may
        be, row by row: further units give the variance v of a normal
        distribution around the number m, trained on ``(log v + (y - m)**2 / v) /
        2`` [10]_, for ``predict_value(X, return_std=True)`` and intervals of
        fitting widths. It may be negative, falls without bound where numbers can
        be learned exactly and may then take over the trunk: give it less of
        ``loss_weights`` if the label suffers. It cannot go with
        ``head_link="mixture"`` nor with losses that are balanced.
        ``"histogram"`` lets the head say how likely each of 80 bins is, 64 of
        them between the smallest and the largest number of the training rows,
        and predicts the mean of the bins [14]_: better where rows are many and
        noise is small, and no number far beyond those of training. The loss is
        the squared error of that mean and half the divergence from a normal
        distribution around the true number, two bins wide [15]_. It needs
        ``value_activation="linear"`` and cannot go with ``head_link="mixture"``
        nor with vectors of numbers under one head. Give Keras'
        ``Huber`` with a ``delta`` as ``functools.partial(keras.losses.huber,
        delta=2.0)``: copies of the object forget it (Keras 3.15), and ``clone``
        copies, so that ``fit`` refuses it.
    class_loss : str, Keras loss or callable, default="crossentropy"
        Loss of the label. ``"log_loss"`` and Keras' names of the
        cross-entropy mean the same. Losses on one-hot labels, such as
        ``keras.losses.CategoricalFocalCrossentropy()``, get one-hot labels.
    loss_weights : sequence of float, dict or str, default=(1.0, 1.0)
        Factor of each head's loss, values first, then classes. With more or
        fewer than two targets a pair stands for all values and all classes. A
        dict names targets, or their columns of y; those it leaves out have 1.
        A method balances the losses while they change: "uncertainty" [4]_
        learns the noise of each head; "dwa" [5]_, dynamic weight average,
        looks at how fast each loss fell over the last two epochs; "famo" [6]_
        evens out the rates at which the losses fall, at the cost of one more
        forward pass per step.
    class_weight : dict, "balanced", list of these or None, default=None
        Weight of each label in the loss of the class head; labels that a dict leaves out
        have 1. Keys are read as by scikit-learn's ``compute_class_weight``: 0 and 1 are
        False and True, too, and a label that y does not hold is an error unless all others
        have a weight. "balanced" is ``n / (n_classes * n_c)`` with the sums n and n_c of
        ``sample_weight``, of all labelled rows and of those of the label: a weight of 2 is a
        row twice. A list has one entry for each class target.
    value_columns, class_columns : list of str or int, default=None
        Columns of y, by name or position, that hold the numbers and the
        labels. One given implies that the rest is the other; a column may be
        named in both; ``[]`` trains without that kind. A nested list in
        ``class_columns`` is a one-hot block (labels are its column names, or
        0, 1, ... for an array), in ``value_columns`` a vector of numbers under
        one head. See the notes for what is assumed when nothing is declared.
    class_bins : int or sequence of float, default=None
        Cut the class from its column's numbers (of a y with one column: from
        the value): that many bands at quantiles of the training numbers (not
        weighted), or bands between the given inner edges. Labels are 0, 1, ...; band j holds
        ``edges[j - 1] <= number < edges[j]``; the outer bands are open. Give
        edges in cross-validation, where quantiles would differ from fold to
        fold.
    classes : array-like, default=None
        All labels that may occur, known beforehand, so that folds and chunks
        need not hold each of them. Their order counts for nothing. A list of these, one
        for each, with several class targets.
    scale_value : bool, default=True
        Standardise the number for training; predictions come back in original
        units. With a ``value_activation`` that is never negative it is
        divided only, not shifted, unless it lies a thousand standard deviations
        from 0. Some losses see other units, see the guide on targets.
    value_transform : {"log", "log1p", "yeo-johnson", "quantile"}, transformer or None, default=None
        Learn each number on another scale, for numbers that are skewed, such as prices.
        "log" takes numbers above 0, "log1p", ``log(1 + y)``, numbers above -1; "yeo-johnson"
        [23]_ is scikit-learn's ``PowerTransformer``, "quantile" its
        ``QuantileTransformer(output_distribution="normal")``, both fitted to the training
        rows of each column. An object of your own has ``fit``, ``transform`` and
        ``inverse_transform`` for a table of one column; pickles hold it, files of
        :mod:`skjoint.persistence` and ONNX take names alone. Predictions, intervals, metrics and
        ``history_`` are in original units. Losses, the shares of companions and the mean over
        several members are those of transformed numbers. A number is then the median, if what is
        transformed is symmetric around its prediction; for the mean see ``value_from``. It
        needs a loss of standardised numbers and ``value_activation="linear"``.
    value_from : {"head", "mean", "median", "blend", "smearing", "auto"}, default="head"
        What ``predict_value`` answers where the label is cut from the number
        (y of one column, ``class_bins``), so that its probabilities are a
        distribution over the number: the value head's number, the mean or
        median of the distribution, or a blend of head and distribution of
        least ``value_loss`` on validation rows (10 % are held out unless
        ``validation`` gives another share). "auto" is "blend" where a label
        is cut from the number and rows are held out anyway, and "head" elsewhere
        and with ``value_loss="gaussian_nll"``. With ``value_transform`` the head's number is a
        median; "smearing" is the mean, over what the head was off by on held-out rows, or on
        training rows where none are held out [24]_. All but "blend" may be changed
        after ``fit``.
    class_from : {"head", "value"}, default="head"
        What ``predict_class`` answers where the label is cut from the number:
        the most probable label, or the label of the predicted number, so that
        number and label never contradict each other.
    threshold : str or None, default=None
        Name of scikit-learn's score of labels, such as "balanced_accuracy" or "f1", that chooses
        for a label of two the probability of ``classes_[1]`` from which on the answer is
        ``classes_[1]``: that of the best score on rows held out from training (10 % unless
        ``validation`` gives another share), of equal ones that nearest to 1/2. It is chosen by the
        probabilities of all networks and companions, after ``calibration``, and counts
        ``sample_weight`` but no ``class_weight``; "f1", "jaccard", "precision" and "recall" are
        of ``classes_[1]``. None: the most probable label. ``predict``, ``predict_class``,
        ``score``, ``evaluate``, files and ONNX follow ``threshold_``, and so does the number that
        ``value_by_class`` gives to a label; ``predict_proba`` and ``history_`` do not. Of several
        class targets each with two labels has its own; a ``fit`` without such a target is refused.
        ``fit`` chooses anew each time; ``partial_fit``, which holds nothing out, drops it.
    preprocess : "auto", dict or None, default="auto"
        "auto": every column of X is a number, a category, text or a date, or left out, by its
        entries; ``feature_report_`` shows which and why. Numbers are standardised and imputed by
        their mean, categories become one-hot units or learned embeddings, and those that ``fit``
        has not met are tolerated. A dict ``{column: kind}`` declares kinds out of "number",
        "category", "text", "date" and "drop", by name or position; the other columns are
        guessed. None: X holds numbers that enter the network as they are.
    optimizer : str, Keras optimizer class or instance, default="adam"
        Instances are copied, never trained. ``optimizer__momentum=0.9``
        reaches the arguments of a name or class.
    learning_rate : float, default=None
        None leaves the optimizer's own (0.001 for most), or 1.5 times that where
        ``learning_rate_schedule="auto"`` lets it fall. An error beside an optimizer
        instance, which has its own.
    learning_rate_schedule : {"auto", "constant", "cosine"}, default="auto"
        "cosine" anneals the rate to 0 over the epochs of one ``fit`` [2]_. "auto"
        is "cosine" unless something else sets the rate, and "constant" then: a
        ``trunk``, an optimizer with a schedule of its own, Keras' ``ReduceLROnPlateau`` or
        ``LearningRateScheduler``, or training that goes on (``warm_start``,
        ``partial_fit``).
    epochs : int, default=30
        Passes over the training rows.
    batch_size : int, default=32
        Rows per step; the last batch of an epoch may be smaller.
    engine : {"auto", "fused", "keras"}, default="auto"
        What trains the network. "fused" runs whole epochs inside one
        TensorFlow program, compiled by XLA when there are enough steps to pay
        for it, and shares programs between fits of one shape; "keras" is
        ``keras.Model.fit``. Both do the same mathematics on the same batches.
        "auto" is "fused" unless a callback asks for every batch, a loss is not the mean
        over the rows of a batch, or a trunk adds losses of whole batches.
    callbacks : Keras callback, class, list or dict of these, default=None
        Called at every epoch with the logs under the names of ``history_``.
        Arguments of classes by scikeras' convention: ``callbacks__patience=3``,
        ``callbacks__0__patience=3`` in a list, by key in a dict.
    warm_start : bool, default=False
        ``fit`` continues from the network and encodings of the last one, with
        ``epochs`` more epochs and, for the same optimizer at a constant rate,
        its state. Early stopping looks at the new epochs alone. What the first fit has
        fixed must stay as it is, else an error names the parameter: layers and their
        initializer, ``trunk``, ``numeric_embedding``, ``preprocess``, ``n_members`` and the
        parameters of targets; losses may change as long as numbers keep their units.
        ``random_state`` has no effect any more.
    random_state : int, RandomState instance or None, default=None
        Seeds weights, batch order, dropout and the validation split. An int
        gives the same result every time; None draws anew from the operating
        system. Global seeds are neither used nor changed.
    verbose : {0, 1, 2}, default=0
        0 silent, 1 a progress bar, 2 one line per epoch with the loss and
        metric of each head.
    validation : float in (0, 1), splitter of scikit-learn or None, default=None
        Share of rows to hold out, shuffled and stratified on the label; a
        label's only row stays in training. Encodings of X and y are learned
        from all rows. None means 0.1 with ``early_stopping``, ``calibration``,
        ``threshold``, ``companions`` or ``value_from="blend"``, and no held-out rows
        without.
        With ``groups`` in ``fit`` it is a share of the groups, each held out as a whole; the
        0.1 of None are ten groups then where there are thirty or more. With ``X_val`` these
        rows take the place of a share.
        A splitter, such as ``TimeSeriesSplit()``, ``GroupShuffleSplit()`` or
        ``PredefinedSplit(fold)``, chooses the rows: a member takes the first split, the next
        one the second, and round again where there are fewer; of ``TimeSeriesSplit``
        from the last split on, which holds out the latest rows. It reads X, y and
        groups as ``fit`` got them, ``StratifiedKFold`` and its like the labels of the first
        class target, and draws by ``random_state`` of the fit where it has none of its own.
        Companions answer held-out rows of groups, of a splitter and of ``X_val`` by fits to
        exactly the rows that a member trains on.
    early_stopping : bool or "by_head", default=False
        Hold rows out, stop when the joint monitor has not improved for
        ``n_iter_no_change`` epochs and restore the best weights. The monitor
        is the mean over heads of validation loss divided by the loss of the
        best constant prediction (with ``value_loss="gaussian_nll"`` 1 plus the
        difference of the two): 1 means "learned nothing". "by_head" keeps for
        every head the weights of the epoch that was best for this head, and
        stops when none improves: heads that learn at different speeds do not
        wait for each other. A head is stopped by its held-out loss, with
        ``value_loss="histogram"`` by its ``val_value_mae``. A prediction of both
        then takes two networks.
    n_iter_no_change : int, default=10
        Epochs without improvement before early stopping.
    calibration : {"temperature"} or None, default=None
        "temperature": probabilities become ``p**(1 / T) / sum``, with the T, one
        per class target, that gives rows held out from training the least log
        loss [11]_, weighted like the loss (10 % are held out unless
        ``validation`` gives another share). Few rows leave T near 1: log T
        has a normal prior of mean 0 and variance 1/8. The most probable label
        stays. With several members T is learned from the means over those that
        held a row out. ``fit`` learns T anew each time, with ``warm_start`` from
        rows that earlier training may have seen; ``partial_fit``, which holds
        nothing out, drops it.
    n_members : int, default=1
        Networks to train, from other initial weights and in other batch orders;
        predictions are the means of their numbers and probabilities (a deep
        ensemble [7]_). With validation rows each member draws its own. The
        members train side by side, one per core at a time, and share what is
        compiled; with callbacks, with ``verbose`` and in the Keras engine they train
        one after another, and Keras callbacks are called for each, with epochs from
        0 again.
    n_refits : int, default=0
        After early stopping, train so many networks more from starts of their own
        on all rows, for as many epochs as the
        held-out rows found best on average (for each head with "by_head"), under the
        same schedule [13]_. Predictions are means over the networks stopped early and
        those trained on all rows. The former give calibration, intervals,
        ``history_`` and ``best_epoch_``; from the latter ``partial_fit`` goes on, and
        from the first members where there are fewer. Callbacks are called for both, for
        the latter without ``val_`` logs.
    companions : str or sequence of {"forest", "boosting", "ridge"}, default=()
        Models beside the networks, with a share in each answer that rows held out from
        both choose: for numbers a weighted mean, with the shares of least squared error
        [17]_; for probabilities a weighted geometric mean that sums to 1 [20]_, with the
        shares of least log loss. A companion that does not help a target has no share in it
        and is not kept; ``shares_`` are the shares. "forest" is a random forest [16]_ for
        each target, "boosting" gradient boosted trees [19]_ for each number and each label
        of at most eight classes: they find steps, exact values and repeated rows that a
        network learns slowly. "ridge" is a ridge regression for each number, on its columns
        and on sines of random combinations of them (random Fourier features [21]_), with the
        penalty and the width of the kernel of least squared error on rows left out, one of
        all at a time [22]_: it finds at once what is nearly linear or smooth.
        ``companions__n_trees=100`` is the number of trees of a forest and of rounds of
        boosting, ``companions__n_features=512`` that of the random features;
        ``companions__forest__n_trees`` reaches one companion alone. Numbers have companions
        with ``value_loss="mse"`` and ``"histogram"``, whose answer is the mean, and not with
        ``head_link="mixture"``; with a ``value_activation`` but "linear" the forest alone,
        whose answers lie among the numbers to train on. A tree of a forest is grown on at
        most 8,192 rows, boosting on at most 131,072, the ridge on at most 32,768 and not with
        more than 1,024 encoded columns. Companions cannot go with rows of more than one
        dimension; ``partial_fit``, which holds nothing out, drops them.
    **routed : dict
        ``optimizer__...``, ``callbacks__...``, ``trunk__...`` and ``companions__...``; they
        survive ``clone`` and work in ``set_params`` and searches. None takes one away
        again: the default of what it would reach holds.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,), or list of these
        Labels, in the order of ``predict_proba``'s columns: sorted, as everywhere
        in scikit-learn, also those of an ordered categorical. A list with several
        class targets.
    class_bin_edges_ : ndarray of shape (n_classes - 1,), or list of these
        Inner edges of the bands; only with ``class_bins``.
    feature_report_ : DataFrame
        A row for each column of X: ``column``, its ``kind`` and ``why``, ``levels`` of a category
        that have a code of their own, ``width`` (numbers that the network reads of it) and the
        share of ``missing`` entries. Not where rows have a shape or with ``preprocess=None``.
    history_ : dict of list
        ``loss`` (weighted sum and penalty), ``value_loss``, ``class_loss``,
        ``value_mae`` (original units), ``class_accuracy``, and with validation
        rows ``val_`` of each and ``val_joint_loss``, one entry per epoch (NaN
        in epochs without validation). All are weighted like the losses,
        ``class_weight`` included; with several members they are the means of those
        that trained in the epoch. With balanced losses also
        ``value_loss_weight`` and ``class_loss_weight``, the means over the
        epoch's steps.
        Training figures are taken while the weights still change, as Keras
        does.
    loss_weights_ : ndarray of shape (n_iter_, n_outputs)
        Factor of each head's loss in every epoch, values first, then classes.
    n_iter_ : int
        Epochs trained, over all continued fits; of the member that trained longest.
    value_blend_ : dict, or list of these
        Shares of the value head and of the mean or median of the label's
        distribution; only with ``value_from="blend"``.
    temperature_ : float, or list of these
        T of the probabilities, above 1 where the network was too sure of itself;
        a list with several class targets. Only with ``calibration``.
    threshold_ : float, or list of these
        Probability of ``classes_[1]`` from which on the label is ``classes_[1]``; a list with
        several class targets, None for those of more labels. Only with ``threshold``.
    shares_ : DataFrame of shape (n_outputs, 1 + n_companions)
        Share of the networks and of each companion in every output; rows sum to 1.
    best_epoch_ : ndarray of shape (n_members, n_outputs)
        Index into ``history_`` of the epoch whose weights were kept, values first; only with
        ``early_stopping``.
    n_validation_ : int
        Rows that the first member held out; 0 without held-out rows.
    validation_groups_ : ndarray, or list of these
        Groups of the rows that were held out; a list, one for each member, of several. Only
        where ``fit`` was given ``groups`` and held rows out.
    value_names_, class_names_ : list of str
        Names of the targets in ``history_``, ``evaluate`` and ``shares_``.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of X's columns, if all are strings.
    network_ : NetworkSpec
        The network as plain data, or the first member's; ``network_.n_parameters``
        counts its parameters.
    model_ : keras.Model
        The network: encoded X in; out a list with the value (scaled units, of transformed numbers
        with ``value_transform``; without variance) and the class probabilities (before
        ``calibration``, and without companions). A new copy each time it is asked for.

    Notes
    -----
    When neither ``value_columns`` nor ``class_columns`` is given:

    ====================================  ===================  ================
    y                                     value                class
    ====================================  ===================  ================
    one column of whole numbers           the number           each number
    one column with fractions             the number           by ``class_bins``
    array of two columns                  first                second
    list of two arrays as long as X       first                second
    DataFrame, or dict of 1-D arrays      float, int columns   text, category,
                                                               bool columns
    ====================================  ===================  ================

    NaN, None and NA in y mean "not labelled": the row trains the other head
    only, and ``score`` leaves it out for this one. A head's loss counts as
    much when few rows are labelled as when all are.

    A ``fit`` that fails or is interrupted leaves the estimator as it was; while it runs, other
    threads go on predicting with the old model.

    References
    ----------
    .. [1] R. Caruana, "Multitask Learning", Machine Learning 28 (1997), 41-75.
    .. [2] I. Loshchilov and F. Hutter, "SGDR: Stochastic Gradient Descent with
       Warm Restarts", ICLR 2017.
    .. [3] R. Jacobs, M. Jordan, S. Nowlan and G. Hinton, "Adaptive Mixtures of
       Local Experts", Neural Computation 3 (1991), 79-87.
    .. [4] A. Kendall, Y. Gal and R. Cipolla, "Multi-Task Learning Using
       Uncertainty to Weigh Losses for Scene Geometry and Semantics", CVPR 2018.
    .. [5] S. Liu, E. Johns and A. Davison, "End-to-End Multi-Task Learning with
       Attention", CVPR 2019.
    .. [6] B. Liu, Y. Feng, P. Stone and Q. Liu, "FAMO: Fast Adaptive Multitask
       Optimization", NeurIPS 2023.
    .. [7] B. Lakshminarayanan, A. Pritzel and C. Blundell, "Simple and Scalable
       Predictive Uncertainty Estimation using Deep Ensembles", NeurIPS 2017.
    .. [8] Y. Gorishniy, I. Rubachev and A. Babenko, "On Embeddings for Numerical
       Features in Tabular Deep Learning", NeurIPS 2022.
    .. [9] D. Holzmüller, L. Grinsztajn and I. Steinwart, "Better by Default:
       Strong Pre-Tuned MLPs and Boosted Trees on Tabular Data", NeurIPS 2024.
    .. [10] D. Nix and A. Weigend, "Estimating the Mean and Variance of the Target
       Probability Distribution", ICNN 1994.
    .. [11] C. Guo, G. Pleiss, Y. Sun and K. Weinberger, "On Calibration of Modern
       Neural Networks", ICML 2017.
    .. [12] F. Wenzel, J. Snoek, D. Tran and R. Jenatton, "Hyperparameter Ensembles
       for Robustness and Uncertainty Quantification", NeurIPS 2020.
    .. [13] I. Goodfellow, Y. Bengio and A. Courville, "Deep Learning", MIT Press
       2016, section 7.8.
    .. [14] E. Imani and M. White, "Improving Regression Performance with
       Distributional Losses", ICML 2018.
    .. [15] J. Farebrother et al., "Stop Regressing: Training Value Functions via
       Classification for Scalable Deep RL", ICML 2024.
    .. [16] L. Breiman, "Random Forests", Machine Learning 45 (2001), 5-32.
    .. [17] J. Bates and C. Granger, "The Combination of Forecasts", Operational
       Research Quarterly 20 (1969), 451-468.
    .. [18] R. Neal, "Bayesian Learning for Neural Networks", Springer 1996,
       section 2.1.
    .. [19] J. Friedman, "Greedy Function Approximation: A Gradient Boosting Machine",
       Annals of Statistics 29 (2001), 1189-1232.
    .. [20] C. Genest and J. Zidek, "Combining Probability Distributions: A Critique and
       an Annotated Bibliography", Statistical Science 1 (1986), 114-135.
    .. [21] A. Rahimi and B. Recht, "Random Features for Large-Scale Kernel Machines",
       NeurIPS 2007.
    .. [22] D. Allen, "The Relationship between Variable Selection and Data Augmentation
       and a Method for Prediction", Technometrics 16 (1974), 125-127.
    .. [23] I.-K. Yeo and R. Johnson, "A New Family of Power Transformations to Improve
       Normality or Symmetry", Biometrika 87 (2000), 954-959.
    .. [24] N. Duan, "Smearing Estimate: A Nonparametric Retransformation Method", Journal of
       the American Statistical Association 78 (1983), 605-610.

    Examples
    --------
    >>> from skjoint import JointRegressorClassifier
    >>> from skjoint.datasets import load_diabetes_bands
    >>> X, y = load_diabetes_bands(return_X_y=True)
    >>> y.head(2)
       progression    band
    0        151.0  middle
    1         75.0     low
    >>> est = JointRegressorClassifier(epochs=20, random_state=0).fit(X, y)
    >>> est.predict_value(X[:2]).shape, est.predict_class(X[:2]).shape
    ((2,), (2,))
    >>> est.classes_
    array(['high', 'low', 'middle'], dtype=object)
    >>> est.score(X, y) > 0.5
    True
    """

    _parameter_constraints: dict[str, Any] = CONSTRAINTS

    def __init__(
        self,
        hidden_layer_sizes: LayerSizes | Literal["auto"] = "auto",
        *,
        value_layer_sizes: LayerSizes = (),
        class_layer_sizes: LayerSizes = (),
        activation: Activation = "relu",
        value_activation: Activation = "linear",
        kernel_initializer: Initializer = "glorot_uniform",
        dropout: float = 0.0,
        alpha: float | Literal["auto"] = "auto",
        numeric_embedding: NumericEmbedding = "auto",
        head_link: HeadLink = None,
        value_by_class: Mapping[Any, float] | None = None,
        trunk: Trunk = None,
        value_loss: Loss = "mse",
        class_loss: Loss = "crossentropy",
        loss_weights: LossWeights = (1.0, 1.0),
        class_weight: ClassWeight = None,
        value_columns: Columns = None,
        class_columns: Columns = None,
        class_bins: ClassBins = None,
        classes: Labels | None = None,
        scale_value: bool = True,
        value_transform: ValueTransform = None,
        value_from: ValueFrom = "head",
        class_from: ClassFrom = "head",
        threshold: str | None = None,
        preprocess: Literal["auto"] | dict[Any, str] | None = "auto",
        optimizer: Optimizer = "adam",
        learning_rate: float | None = None,
        learning_rate_schedule: Literal["auto", "constant", "cosine"] = "auto",
        epochs: int = 30,
        batch_size: int = 32,
        engine: Literal["auto", "fused", "keras"] = "auto",
        callbacks: Callbacks = None,
        warm_start: bool = False,
        random_state: RandomState = None,
        verbose: int = 0,
        validation: float | Splitter | None = None,
        early_stopping: bool | Literal["by_head"] = False,
        n_iter_no_change: int = 10,
        calibration: Literal["temperature"] | None = None,
        n_members: int = 1,
        n_refits: int = 0,
        companions: str | Sequence[str] = (),
        **routed: Any,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.value_layer_sizes = value_layer_sizes
        self.class_layer_sizes = class_layer_sizes
        self.activation = activation
        self.value_activation = value_activation
        self.kernel_initializer = kernel_initializer
        self.dropout = dropout
        self.alpha = alpha
        self.numeric_embedding = numeric_embedding
        self.head_link = head_link
        self.value_by_class = value_by_class
        self.trunk = trunk
        self.value_loss = value_loss
        self.class_loss = class_loss
        self.loss_weights = loss_weights
        self.class_weight = class_weight
        self.value_columns = value_columns
        self.class_columns = class_columns
        self.class_bins = class_bins
        self.classes = classes
        self.scale_value = scale_value
        self.value_transform = value_transform
        self.value_from = value_from
        self.class_from = class_from
        self.threshold = threshold
        self.preprocess = preprocess
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.learning_rate_schedule = learning_rate_schedule
        self.epochs = epochs
        self.batch_size = batch_size
        self.engine = engine
        self.callbacks = callbacks
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose
        self.validation = validation
        self.early_stopping = early_stopping
        self.n_iter_no_change = n_iter_no_change
        self.calibration = calibration
        self.n_members = n_members
        self.n_refits = n_refits
        self.companions = companions
        known = self._get_param_names()
        for name, value in routed.items():
            if not is_routed(name):
                raise TypeError(
                    f"JointRegressorClassifier got an unexpected parameter '{name}'."
                    f"{hint(name, known)}"
                )
            if value is not None:
                setattr(self, name, value)

    # --------------------------------------------------------------- presets
    @classmethod
    def plain(cls, hidden_layer_sizes: LayerSizes = (64, 64), **params: Any) -> Self:
        """An estimator with the network of textbooks: layers, and nothing that tunes itself.

        Numbers are standardised and enter once (``numeric_embedding=None``), there is no
        penalty (``alpha=0.0``), the optimizer has its own rate, which stays
        (``learning_rate_schedule="constant"``), no rows are held out, and there is one
        network alone. Nothing but parameters: ``get_params`` shows them.

        Parameters
        ----------
        hidden_layer_sizes : int or sequence of int, default=(64, 64)
            Units of the shared trunk's hidden layers.
        **params : dict
            Parameters of the constructor, in the place of these settings or
            beside them.

        Returns
        -------
        estimator : JointRegressorClassifier

        Examples
        --------
        >>> from skjoint import JointRegressorClassifier
        >>> from skjoint.datasets import load_diabetes_bands
        >>> X, y = load_diabetes_bands(return_X_y=True)
        >>> est = JointRegressorClassifier.plain((20, 10), epochs=2).fit(X, y)
        >>> est.network_.n_parameters == 10 * 20 + 20 + 20 * 10 + 10 + 10 * 4 + 4
        True
        """
        return cls(**{**presets.PLAIN, "hidden_layer_sizes": hidden_layer_sizes, **params})

    @classmethod
    def accurate(cls, **params: Any) -> Self:
        """An estimator with the settings that predict best, for more time to fit.

        Four networks of (128, 128, 128) units, half of them with embedded numbers
        and half with ranks, whose number is the mean of a distribution, a little
        dropout and decoupled weight decay [1]_, each stopped early by head on
        held-out rows of its own, which calibrate the probabilities and choose
        ``value_from``, too; then two more on all rows (``n_refits``). Beside them, with the
        shares in the answer that held-out rows give them, for each target a forest of 100
        trees and 100 rounds of boosting, and for each number a ridge regression on 512 random
        features (``companions``). Beside a ``trunk`` give ``numeric_embedding=None``, and
        ``companions=()`` where rows have a shape; with ``head_link="mixture"`` or a
        ``value_activation`` give ``value_loss="mse"``. Nothing but parameters: ``get_params``
        shows them, and any of them may be given here or changed later. ``n_members=1`` needs
        little more than half the time and is not far behind.

        Parameters
        ----------
        **params : dict
            Parameters of the constructor, in the place of these settings or
            beside them.

        Returns
        -------
        estimator : JointRegressorClassifier

        References
        ----------
        .. [1] I. Loshchilov and F. Hutter, "Decoupled Weight Decay
           Regularization", ICLR 2019.

        Examples
        --------
        >>> from skjoint import JointRegressorClassifier
        >>> JointRegressorClassifier.accurate(n_members=2, random_state=0).n_members
        2
        """
        return cls(**{**presets.ACCURATE, **params})

    # ------------------------------------------------------------ parameters
    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Parameters by name, the routed ones included.

        Parameters
        ----------
        deep : bool, default=True
            Whether to include parameters of parameters that are estimators.

        Returns
        -------
        params : dict
        """
        own = list(vars(self).items())  # a first fit in another thread adds the model to them
        routed = {name: value for name, value in own if is_routed(name)}
        return {**super().get_params(deep), **routed}

    def set_params(self, **params: Any) -> Self:
        """Set parameters by name, the routed ones included.

        Parameters
        ----------
        **params : dict
            New values. None takes a routed parameter away again.

        Returns
        -------
        self : JointRegressorClassifier

        Raises
        ------
        ValueError
            If a name is unknown; the message has the nearest known one.
        """
        known = self._get_param_names()
        has_own = hasattr(params.get("value_transform", self.value_transform), "set_params")
        inner = {n: v for n, v in params.items() if has_own and n.startswith("value_transform__")}
        params = {n: v for n, v in params.items() if n not in inner}
        for name in params:
            if name not in known and not is_routed(name):
                raise ValueError(
                    f"Invalid parameter {name!r} for estimator {self.__class__.__name__}."
                    f"{hint(name, known)} Valid parameters are: {known!r}."
                )
        for name, value in params.items():
            if value is None and is_routed(name):
                self.__dict__.pop(name, None)
            else:
                setattr(self, name, value)
        super().set_params(**inner)  # of a transformer, as scikit-learn does it
        return self

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.estimator_type = None
        tags.target_tags.required = True
        tags.target_tags.multi_output = True
        encodes = self.preprocess is not None
        tags.input_tags.allow_nan = encodes
        tags.input_tags.categorical = encodes
        tags.input_tags.string = encodes
        tags.input_tags.sparse = True
        return tags

    def _html_repr(self) -> str:
        html: str = super()._html_repr()
        guesses = "_model" in vars(self) and self._model.features.guesses
        return html + report_html(self.feature_report_) if guesses else html

    def __sklearn_is_fitted__(self) -> bool:
        return "_model" in vars(self)

    def _validate_params(self) -> None:
        super()._validate_params()
        params = self.get_params(deep=False)
        check_numbers(params, type(self).__name__)
        check_copies(params)

    def __sklearn_clone__(self) -> Self:
        check_copies(self.get_params(deep=False))
        cloned: Self = super().__sklearn_clone__()
        return cloned

    def __getstate__(self) -> dict[str, Any]:
        check_copies(self.get_params(deep=False))
        state: dict[str, Any] = super().__getstate__()
        return state

    # -------------------------------------------------------------- training
    @checks_parameters
    def fit(
        self,
        X: XLike,
        y: YLike,
        sample_weight: ArrayLike | None = None,
        *,
        X_val: XLike | None = None,
        y_val: YLike | None = None,
        sample_weight_val: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> Self:
        """Train on X and y.

        Parameters
        ----------
        X : array-like, sparse or DataFrame of shape (n_samples, n_features)
            Numbers; but with ``preprocess=None`` also text, categories, dates and missing
            entries. A NumPy array, a sparse matrix of SciPy, or a table of
            pandas, polars or pyarrow.
        y : array-like, DataFrame or dict
            Number and label of each row, in any form of the table in the class
            notes; also a list or tuple of arrays as long as X. NaN and None mean "not
            labelled".
        sample_weight : array-like of shape (n_samples,) or (n_samples, n_targets), default=None
            Weight of each row, or of each row and target: an array in the order of
            ``predict``'s columns, or a DataFrame whose columns have the names of the
            targets or of their columns of y, in any order. Rows of weight 0 count as absent.
        X_val, y_val : default=None
            Validation rows of your own, with the columns of X and y, in the place of a share
            (``validation``). All members hold out these, and whatever is learned from
            held-out rows is learned from them; nothing is trained on them, and all rows of X
            are trained on. Of a ``Pipeline`` with metadata routing:
            ``Pipeline(steps, transform_input=["X_val"])``, as for scikit-learn's
            ``HistGradientBoostingRegressor``.
        sample_weight_val : array-like, default=None
            Weights of these rows, in the forms of ``sample_weight``.
        groups : array-like of shape (n_samples,), default=None
            Group of each row of X, such as its patient. A share of the *groups* is held out
            then, each as a whole, and intervals are for rows of new groups. A splitter in
            ``validation`` is handed the groups.

        Returns
        -------
        self : JointRegressorClassifier
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter, X, y, the weights, the validation rows or the groups cannot be used,
            or if the loss becomes NaN or infinite.
        """
        goes_on = self.warm_start and self.__sklearn_is_fitted__()
        mode: Literal["fit", "continue"] = "continue" if goes_on else "fit"
        given = Given(X_val, y_val, sample_weight_val, groups)
        return self._fit(X, y, sample_weight, self.classes, mode, given)

    @checks_parameters
    def partial_fit(
        self,
        X: XLike,
        y: YLike,
        classes: Labels | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Train one epoch on a chunk of rows.

        The first call learns the encodings of X and y; later chunks are
        encoded the same way. Neither held-out rows, and what needs them (early stopping,
        calibration, a threshold, companions), nor refits, a schedule or ``epochs`` take part.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Chunk of rows.
        y : array-like, DataFrame or dict
            Its targets.
        classes : array-like, default=None
            All labels that may come, needed in the first call when the first
            chunk does not hold each of them. None takes the parameter
            ``classes``.
        sample_weight : array-like of shape (n_samples,) or (n_samples, n_targets), default=None
            As in ``fit``.

        Returns
        -------
        self : JointRegressorClassifier
            The estimator, trained one epoch further.

        Raises
        ------
        ValueError
            As in ``fit``, and if y holds a label that the first chunk and
            ``classes`` did not.
        """
        classes = self.classes if classes is None else classes
        return self._fit(X, y, sample_weight, classes, "chunk")

    def _fit(
        self,
        X: XLike,
        y: YLike,
        sample_weight: ArrayLike | None,
        classes: Labels | None,
        mode: Literal["fit", "continue", "chunk"],
        given: Given | None = None,
    ) -> Self:
        """The way of the data from X and y to the fitted model, which the last step keeps."""
        params = self.get_params(deep=False)
        previous = None if mode == "fit" else vars(self).get("_model")
        data = read_training_data(X, y, sample_weight, params, previous, given)
        if previous is None:
            targets, features = learn_encoders(data, params, classes, mode != "chunk")
            seed = self._draw_seed()
        else:
            targets, features, seed = previous.targets, previous.features, previous.seed
        n_rows = total_weight(len(data.y), data.sample_weight)
        settings = resolve(params, targets, features, mode, seed, n_rows, previous)
        fixed = keep_fixed(params, settings, targets, classes, previous)
        rows = encode_rows(data, targets, features, settings)
        del data  # a second copy of X in memory while the networks train
        members, refits = write_plans(rows, targets, features, settings, previous)
        beside = fit_auxiliary_models(members, rows, features, settings)
        assembler = Assembler(members, rows, targets, features, settings, previous, fixed, beside)
        tasks = None
        if mode != "chunk":
            n_epochs = settings.epochs * settings.n_networks
            tasks = FitTasks.of(self, n_epochs, X, y, sample_weight)
        trained = train_all(members, refits, settings, tasks and tasks.listener(assembler.snapshot))
        self._model = assembler.model(trained)
        if tasks is not None:
            tasks.end()
        return self

    def _draw_seed(self) -> int:
        """The seed of everything random in a fit."""
        if self.random_state is None:
            return int(np.random.SeedSequence().generate_state(1)[0])
        return int(check_random_state(self.random_state).randint(2**31))

    # ----------------------------------------------------------------- views
    def as_regressor(self) -> ValueView:
        """The number as a scikit-learn regressor: :func:`skjoint.views.as_regressor`.

        Returns
        -------
        view : ValueView
        """
        return as_regressor(self)

    def as_classifier(self) -> ClassView:
        """The label as a scikit-learn classifier: :func:`skjoint.views.as_classifier`.

        Returns
        -------
        view : ClassView
        """
        return as_classifier(self)

    # --------------------------------------------------------------- scoring
    def split_targets(self, y: YLike) -> tuple[NDArray[Any] | None, NDArray[Any] | None]:
        """The values and labels inside a y of the form that was fitted.

        Parameters
        ----------
        y : array-like, DataFrame or dict
            As in ``fit``.

        Returns
        -------
        values : ndarray of shape (n_samples,) or (n_samples, n_values), or None
            float64, NaN where missing; comparable with ``predict_value``. None
            if there is no value target.
        labels : ndarray of shape (n_samples,) or (n_samples, n_class_targets), or None
            Comparable with ``predict_class``; NaN or None where missing.
        """
        return split(self._fitted().targets, y)

    def score(self, X: XLike, y: YLike, sample_weight: ArrayLike | None = None) -> float:
        """Mean over targets of R² (value) and accuracy (class); higher is better.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows with the columns of ``fit``.
        y : array-like, DataFrame or dict
            True targets. Missing entries are left out; a label that training
            never saw counts as wrong.
        sample_weight : array-like of shape (n_samples,) or (n_samples, n_targets), default=None
            As in ``fit``.

        Returns
        -------
        score : float
        """
        warn_of_other_order(X=X, y=y, sample_weight=sample_weight)
        model = self._fitted()
        answers = model.answers(X, self._decoding(model))
        return score_answers(model.targets, answers, y, sample_weight)

    def evaluate(
        self, X: XLike, y: YLike, sample_weight: ArrayLike | None = None
    ) -> dict[str, float]:
        """Usual metrics of every target: those of scikit-learn.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows with the columns of ``fit``.
        y : array-like, DataFrame or dict
            True targets. Missing entries are left out; a label that training
            never saw counts as wrong, with probability 0 clipped to 2.2e-16 in
            the log loss, and as none of the known ones in ROC AUC and average
            precision.
        sample_weight : array-like of shape (n_samples,) or (n_samples, n_targets), default=None
            As in ``fit``.

        Returns
        -------
        metrics : dict of float
            ``score``, ``value_mae``, ``value_rmse``, ``value_r2``; ``class_accuracy``,
            ``class_balanced_accuracy`` (mean recall of the labels that y holds),
            ``class_f1`` (mean F1 of the labels of y and of predictions, also of two),
            ``class_log_loss``; where y holds every label of ``classes_``
            ``class_roc_auc`` and ``class_average_precision``, with two labels of
            ``classes_[1]``, with more the mean over labels, each against all others;
            and, where the class is cut from the number, ``agreement`` (see
            :func:`skjoint.metrics.agreement_score`). With several targets of a kind
            their names (``value_names_``, ``class_names_``) stand in place of
            ``value`` and ``class``.
        """
        warn_of_other_order(X=X, y=y, sample_weight=sample_weight)
        model = self._fitted()
        answers, proba = model.answers_and_probabilities(X, self._decoding(model))
        return evaluate_answers(model.targets, answers, proba, y, sample_weight)


# scikit-learn takes every name in the signature for a parameter; `routed` is none.
_signature = inspect.signature(JointRegressorClassifier.__init__)
JointRegressorClassifier.__init__.__signature__ = _signature.replace(  # type: ignore[attr-defined]
    parameters=[p for p in _signature.parameters.values() if p.kind != p.VAR_KEYWORD]
)
