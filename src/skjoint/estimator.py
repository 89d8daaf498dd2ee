"""The estimator: parameters, checks and wiring; ``_train`` reads as the data path."""

from __future__ import annotations

import contextlib
import inspect
from dataclasses import replace
from functools import partial
from numbers import Integral, Real

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import (
    _num_samples,
    check_array,
    check_consistent_length,
    check_is_fitted,
)

from skjoint._data.features import FeatureEncoder, read_features
from skjoint._data.table import check_container, read_table
from skjoint._data.targets import Targets, known_values, normalise
from skjoint._engines import keras_fit
from skjoint._engines.balancing import METHODS
from skjoint._engines.fused import program as fused
from skjoint._engines.plan import Plan, Rows, split_validation
from skjoint._engines.routing import (
    listens_to_batches,
    make_callbacks,
    make_trunk,
    optimizer_spec,
    sets_rate,
)
from skjoint._ensemble.companions.registry import fit_companions
from skjoint._ensemble.companions.ridge import MAX_FOURIER
from skjoint._ensemble.held_out import HeldOut
from skjoint._ensemble.intervals import conformal, learn_residuals
from skjoint._ensemble.optimism import selection_optimism
from skjoint._ensemble.shares import stack
from skjoint._ensemble.temperatures import calibrate
from skjoint._fitting.members import (
    best_epochs,
    ensemble,
    fitted_network,
    mean_by_epoch,
    mean_history,
    seed_of,
    train_member,
    train_side_by_side,
)
from skjoint._network.histogram import N_BINS, given_bins, is_histogram, with_places
from skjoint._network.losses import (
    check_loss,
    class_loss,
    is_batch_mean,
    is_gaussian,
    mixture_loss,
    per_sample,
    value_loss,
)
from skjoint._network.spec import (
    LINKS,
    TRUNK,
    Embedding,
    Head,
    NetworkSpec,
    check_identifier,
    initial_weights,
    is_non_negative,
    with_idle_embedding,
)
from skjoint._prediction.decoding import CLASS_FROM, VALUE_FROM, Answers, choose_blend
from skjoint._prediction.forward import as_codes, as_probabilities, as_rows
from skjoint._prediction.stacked import Stacked
from skjoint._prediction.temper import as_tempered
from skjoint._support.names import nearest_name
from skjoint._support.sklearn_callbacks import CallbackSupportMixin, FitTasks, with_callbacks
from skjoint._support.warn import warn
from skjoint.metrics import agreement_score, class_metrics, value_metrics
from skjoint.views import as_classifier, as_regressor

__all__ = ["JointRegressorClassifier"]

ENGINES = {"fused": fused.train, "keras": keras_fit.train}
ROUTED = ("optimizer", "callbacks", TRUNK)
EMBEDDINGS = ("rank", "periodic")
MAX_UNITS = 2**20
# All measured by benchmarks/quality.py.
AUTO_SIZES = (256, 64)
AUTO_ALPHA = 5e-5  # for each column of encoded X but ranks
MAX_AUTO_ALPHA = 0.01
ACCURATE = {
    "hidden_layer_sizes": (128, 128, 128),
    "dropout": 0.1,
    "numeric_embedding": ("periodic", "rank"),
    "value_loss": "histogram",
    "value_from": "auto",
    "optimizer": "adamw",
    "optimizer__weight_decay": 0.1,
    "learning_rate": 2e-3,
    "learning_rate_schedule": "cosine",
    "epochs": 80,
    "batch_size": 128,
    "n_members": 4,
    "n_trees": 100,
    "n_fourier": 512,
    "early_stopping": "by_head",
    "validation_fraction": 0.2,
    "n_iter_no_change": 15,
    "refit": 2,
    "calibration": "temperature",
}


class JointRegressorClassifier(CallbackSupportMixin, BaseEstimator):
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
        directly on the input. "auto" is (256, 64), on numbers with their ranks
        (``numeric_embedding``), at a falling learning rate
        (``learning_rate_schedule``) and with a penalty (``alpha``). Layers that you
        name make the plain network of textbooks, parameter by parameter, unless
        these three say otherwise.
    value_layer_sizes : int or sequence of int, default=()
        Hidden layers that belong to the value head only.
    class_layer_sizes : int or sequence of int, default=()
        Hidden layers that belong to the class head only.
    activation : str or callable, default="relu"
        Activation of all hidden layers: a Keras name or function.
    value_activation : str or callable, default="linear"
        Activation of the value output. ``"relu"``, ``"softplus"`` and others
        without negative values give numbers that are never negative, in
        original units too.
    kernel_initializer : str or Keras initializer, default="glorot_uniform"
        Draws the kernels of hidden layers, each with a seed from
        ``random_state``. Output layers always start from
        ``"glorot_uniform"``, Keras' default.
    dropout : float in [0, 1), default=0.0
        Share of units silenced after each hidden layer during training.
    alpha : float or "auto", default="auto"
        L2 penalty ``alpha * sum(W**2)`` over all kernels (Keras' convention:
        no division by 2 nor by the number of rows). "auto" is 0.00005 for each
        column of encoded X (ranks not counted), at most 0.01, with
        ``hidden_layer_sizes="auto"``, but for ``loss_weights="famo"``, and 0.0
        with layers or a ``trunk`` of your own. It grows with the columns as if
        weights were the smaller, a priori, the more of them share in an answer
        [18]_; ``network_.alpha`` says what it was.
    head_link : {"class_to_value", "value_to_class", "mixture"} or None, default=None
        How one head sees the other, trained together. "class_to_value": the
        value head reads the class probabilities beside the features of the
        trunk; "value_to_class": the class head reads the number. "mixture":
        the value head has one number per class, each learned from the rows of
        its class, and the number is their mean under the class probabilities,
        E[value] = sum_c p(c) E[value | c] (a mixture of experts [3]_ whose
        gate is the class head); ``predict_value(X, given_class=...)`` answers
        "and if it were class c?". With several members, or ``early_stopping=
        "by_head"``, that mean is taken within each network.
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
        "auto" is "rank" with ``hidden_layer_sizes="auto"`` and None with layers or
        a ``trunk`` of your own. ``("periodic", "rank")`` gives members, and their
        refits after them, one or the other in turn: networks that err differently
        make a better mean [12]_.
        Nothing changes where no column is standardised (``preprocess=None``).
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
        Loss of the number, in scaled units: ``"mse"``, ``"mae"``, ``"huber"``,
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
        nor with vectors of numbers under one head. Give a loss
        with settings as a function, such as
        ``functools.partial(keras.losses.huber, delta=2.0)``: copies of Keras'
        ``Huber`` object forget ``delta`` (Keras 3.15), and ``clone`` copies.
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
    class_weight : dict, "balanced" or None, default=None
        Weight of each label in the loss of the class head. "balanced" is
        ``n_samples / (n_classes * count)``.
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
        need not hold each of them. Their order counts for nothing.
    scale_value : bool, default=True
        Standardise the number for training; predictions come back in original
        units. With a ``value_activation`` that is never negative it is
        divided only, not shifted.
    value_from : {"head", "mean", "median", "blend", "auto"}, default="head"
        What ``predict_value`` answers where the label is cut from the number
        (y of one column, ``class_bins``), so that its probabilities are a
        distribution over the number: the value head's number, the mean or
        median of the distribution, or a blend of head and distribution of
        least ``value_loss`` on validation rows (10 % are held out unless
        ``validation_fraction`` says otherwise). "auto" is "blend" where a label
        is cut from the number and rows are held out anyway, and "head" elsewhere
        and with ``value_loss="gaussian_nll"``. All but "blend" may be changed
        after ``fit``.
    class_from : {"head", "value"}, default="head"
        What ``predict_class`` answers where the label is cut from the number:
        the most probable label, or the label of the predicted number, so that
        number and label never contradict each other.
    calibration : {"temperature"} or None, default=None
        "temperature": probabilities become ``p**(1 / T) / sum``, with the T, one
        per class target, that gives rows held out from training the least log
        loss [11]_, weighted like the loss (10 % are held out unless
        ``validation_fraction`` says otherwise). Few rows leave T near 1: log T
        has a normal prior of mean 0 and variance 1/8. The most probable label
        stays. With several members T is learned from the means over those that
        held a row out. ``fit`` learns T anew each time, with ``warm_start`` from
        rows that earlier training may have seen; ``partial_fit``, which holds
        nothing out, drops it.
    preprocess : "auto" or None, default="auto"
        "auto": numbers are standardised and then imputed by their mean, text
        and categories become one-hot, unknown categories are tolerated. None:
        X holds numbers that enter the network as they are.
    optimizer : str, Keras optimizer class or instance, default="adam"
        Instances are copied, never trained. ``optimizer__momentum=0.9``
        reaches the arguments of a name or class.
    learning_rate : float, default=None
        None leaves the optimizer's own (0.001 for most), or 1.5 times that where
        ``learning_rate_schedule="auto"`` lets it fall. An error beside an optimizer
        instance, which has its own.
    learning_rate_schedule : {"auto", "constant", "cosine"}, default="auto"
        "cosine" anneals the rate to 0 over the epochs of one ``fit`` [2]_. "auto"
        is "cosine" with ``hidden_layer_sizes="auto"`` unless something else has a
        say in the rate: an optimizer with a schedule of its own, Keras'
        ``ReduceLROnPlateau`` or ``LearningRateScheduler``, or training that goes on
        (``warm_start``, ``partial_fit``); else "constant".
    epochs : int, default=30
        Passes over the training rows.
    batch_size : int, default=32
        Rows per step; the last batch of an epoch may be smaller.
    n_members : int, default=1
        Networks to train, from other initial weights and in other batch orders;
        predictions are the means of their numbers and probabilities (a deep
        ensemble [7]_). With validation rows each member draws its own. The
        members train side by side, one per core at a time, and share what is
        compiled; with callbacks, with ``verbose`` and in the Keras engine they train
        one after another, and Keras callbacks are called for each, with epochs from
        0 again.
    n_trees : int, default=0
        Trees beside the networks, for each target so many of a random forest [16]_ and
        as many rounds of gradient boosting [19]_: they find steps, exact values and
        repeated rows that a network learns slowly. Numbers are weighed means of
        networks and trees, with the shares of least squared error [17]_ on rows held out
        from the networks (10 % unless ``validation_fraction`` says otherwise) and from
        the trees (out of the bag of a forest's, out of one of three folds of boosting).
        Probabilities are weighed geometric means that sum to 1 [20]_, with the shares of
        least log loss on these rows. Trees that do not help their target are
        not kept. Numbers have a share of them with ``value_loss="mse"`` and
        ``"histogram"``, whose answer is the mean, and not with ``head_link="mixture"``;
        with a ``value_activation`` but "linear" one of the forest alone, whose answers lie among
        the numbers to train on.
        A tree of a forest is grown on at most 8,192 rows, boosting on at most 131,072,
        and for labels only up to eight. Trees cannot go with rows of more than one
        dimension; ``partial_fit``, which holds nothing out, drops them.
    n_fourier : int, default=0
        Random Fourier features [21]_ of a ridge regression beside the networks, for each
        number: its columns are those of X and so many sines, at most 2,048, of random
        combinations of them. It finds at once what is nearly linear or smooth. Its
        penalty and the width of its kernel are those of least squared error on rows left
        out [22]_, one of all at a time; its share in the answer comes, and is limited, as
        that of boosting. It is fitted on at most 32,768 rows, and not with more than
        1,024 encoded columns.
    early_stopping : bool or "by_head", default=False
        Hold rows out, stop when the joint monitor has not improved for
        ``n_iter_no_change`` epochs and restore the best weights. The monitor
        is the mean over heads of validation loss divided by the loss of the
        best constant prediction (with ``value_loss="gaussian_nll"`` 1 plus the
        difference of the two): 1 means "learned nothing". "by_head" keeps for
        every head the weights of the epoch that was best for this head, and
        stops when none improves: heads that learn at different speeds do not
        wait for each other. A head is judged by its validation loss, with
        ``value_loss="histogram"`` by its ``val_value_mae``. A prediction of both
        then takes two networks.
    validation_fraction : float in (0, 1), default=None
        Share of rows to hold out, shuffled and stratified on the label; a
        label's only row stays in training. Encodings of X and y are learned
        from all rows. None means 0.1 with ``early_stopping``, ``calibration``,
        ``n_trees``, ``n_fourier`` or ``value_from="blend"``, and no validation without.
    n_iter_no_change : int, default=10
        Epochs without improvement before early stopping.
    refit : bool or int, default=False
        After early stopping, train so many networks more from starts of their own,
        True as many as there are members, on all rows, for as many epochs as the
        held-out rows found best on average (for each head with "by_head"), under the
        same schedule [13]_. Predictions are means over the networks stopped early and
        those trained on all rows. The former give calibration, intervals,
        ``history_`` and ``best_epoch_``; from the latter ``partial_fit`` goes on, and
        from the first members where there are fewer. Callbacks hear of both, of the
        latter without ``val_`` logs.
    engine : {"auto", "fused", "keras"}, default="auto"
        What trains the network. "fused" runs whole epochs inside one
        TensorFlow program, compiled by XLA when there are enough steps to pay
        for it, and shares programs between fits of one shape; "keras" is
        ``keras.Model.fit``. Both do the same mathematics on the same batches.
        "auto" is "fused" unless a callback asks for every batch.
    callbacks : Keras callback, class, list or dict of these, default=None
        Called at every epoch with the logs under the names of ``history_``.
        Arguments of classes by scikeras' convention: ``callbacks__patience=3``,
        ``callbacks__0__patience=3`` in a list, by key in a dict.
    warm_start : bool, default=False
        ``fit`` continues from the network and encodings of the last one, with
        ``epochs`` more epochs and, for the same optimizer at a constant rate,
        its state. Early stopping judges the new epochs alone.
    random_state : int, RandomState instance or None, default=None
        Seeds weights, batch order, dropout and the validation split. An int
        gives the same result every time; None draws anew from the operating
        system. Global seeds are neither used nor changed.
    verbose : {0, 1, 2}, default=0
        0 silent, 1 a progress bar, 2 one line per epoch with the loss and
        metric of each head.
    **routed : dict
        ``optimizer__...`` and ``callbacks__...``; they survive ``clone`` and
        work in ``set_params`` and searches.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,), or list of these
        Labels, in the order of ``predict_proba``'s columns: sorted, as everywhere
        in scikit-learn, also those of an ordered categorical. A list with several
        class targets.
    class_bin_edges_ : ndarray of shape (n_classes - 1,), or list of these
        Inner edges of the bands; only with ``class_bins``.
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
    forest_share_, boosting_share_ : ndarray of shape (n_outputs,)
        Share of its forest and of its boosted trees in each output, values first; only
        with ``n_trees``.
    ridge_share_ : ndarray of shape (n_outputs,)
        Share of its ridge regression in each output; only with ``n_fourier``.
    best_epoch_ : int, or ndarray of shape (n_outputs,), (n_members,) or (n_members, n_outputs)
        Index into ``history_`` of the epoch whose weights were kept; only with
        ``early_stopping``. By output, values first, with "by_head", and by
        member with several.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of X's columns, if all are strings.
    network_ : NetworkSpec
        The network as plain data, or the first member's; ``network_.n_parameters``
        counts its parameters.
    model_ : keras.Model
        The network: encoded X in; out a list with the value (scaled units,
        without variance) and the class probabilities (before ``calibration``, and
        without the models beside them). A new copy each time it is asked for.

    Notes
    -----
    When neither ``value_columns`` nor ``class_columns`` is given:

    ====================================  ===================  ================
    y                                     value                class
    ====================================  ===================  ================
    one column of whole numbers           the number           each number
    one column with fractions             the number           by ``class_bins``
    array of two columns                  first                second
    DataFrame, or dict of 1-D arrays      float, int columns   text, category,
                                                               bool columns
    ====================================  ===================  ================

    NaN, None and NA in y mean "not labelled": the row trains the other head
    only, and ``score`` leaves it out for this one. A head's loss counts as
    much when few rows are labelled as when all are.

    A ``fit`` that fails or is interrupted leaves the estimator as it was.

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

    # Reaches `predict(output=...)` through a Pipeline also with metadata routing on.
    __metadata_request__predict = {"output": True}

    _sizes = [Interval(Integral, 1, None, closed="left"), "array-like"]
    _columns = [None, str, Integral, list, tuple, np.ndarray]
    _parameter_constraints = {
        "hidden_layer_sizes": [*_sizes, StrOptions({"auto"})],
        "value_layer_sizes": _sizes,
        "class_layer_sizes": _sizes,
        "activation": [str, callable],
        "value_activation": [str, callable],
        "kernel_initializer": [str, dict, callable],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "alpha": [Interval(Real, 0, None, closed="left"), StrOptions({"auto"})],
        "head_link": [StrOptions(set(LINKS)), None],
        "numeric_embedding": [StrOptions({"auto", *EMBEDDINGS}), list, tuple, None],
        "value_by_class": [dict, None],
        "trunk": [callable, None],
        "value_loss": [str, callable],
        "class_loss": [str, callable],
        "loss_weights": ["array-like", dict, StrOptions(set(METHODS))],
        "class_weight": [StrOptions({"balanced"}), dict, list, None],
        "value_columns": _columns,
        "class_columns": _columns,
        "class_bins": [Interval(Integral, 2, None, closed="left"), "array-like", None],
        "classes": ["array-like", None],
        "scale_value": ["boolean"],
        "value_from": [StrOptions({*VALUE_FROM, "auto"})],
        "class_from": [StrOptions(set(CLASS_FROM))],
        "calibration": [StrOptions({"temperature"}), None],
        "preprocess": [StrOptions({"auto"}), None],
        "learning_rate": [Interval(Real, 0, None, closed="neither"), None],
        "learning_rate_schedule": [StrOptions({"auto", "constant", "cosine"})],
        "epochs": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "n_members": [Interval(Integral, 1, None, closed="left")],
        "n_trees": [Interval(Integral, 0, None, closed="left")],
        "n_fourier": [Interval(Integral, 0, MAX_FOURIER, closed="both")],
        "early_stopping": ["boolean", StrOptions({"by_head"})],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither"), None],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "refit": ["boolean", Interval(Integral, 1, None, closed="left")],
        "engine": [StrOptions({"auto", *ENGINES})],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
        "verbose": [Interval(Integral, 0, 2, closed="both"), "boolean"],
    }

    def __init__(
        self,
        hidden_layer_sizes="auto",
        *,
        value_layer_sizes=(),
        class_layer_sizes=(),
        activation="relu",
        value_activation="linear",
        kernel_initializer="glorot_uniform",
        dropout=0.0,
        alpha="auto",
        head_link=None,
        numeric_embedding="auto",
        value_by_class=None,
        trunk=None,
        value_loss="mse",
        class_loss="crossentropy",
        loss_weights=(1.0, 1.0),
        class_weight=None,
        value_columns=None,
        class_columns=None,
        class_bins=None,
        classes=None,
        scale_value=True,
        value_from="head",
        class_from="head",
        calibration=None,
        preprocess="auto",
        optimizer="adam",
        learning_rate=None,
        learning_rate_schedule="auto",
        epochs=30,
        batch_size=32,
        n_members=1,
        n_trees=0,
        n_fourier=0,
        early_stopping=False,
        validation_fraction=None,
        n_iter_no_change=10,
        refit=False,
        engine="auto",
        callbacks=None,
        warm_start=False,
        random_state=None,
        verbose=0,
        **routed,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.value_layer_sizes = value_layer_sizes
        self.class_layer_sizes = class_layer_sizes
        self.activation = activation
        self.value_activation = value_activation
        self.kernel_initializer = kernel_initializer
        self.dropout = dropout
        self.alpha = alpha
        self.head_link = head_link
        self.numeric_embedding = numeric_embedding
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
        self.value_from = value_from
        self.class_from = class_from
        self.calibration = calibration
        self.preprocess = preprocess
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.learning_rate_schedule = learning_rate_schedule
        self.epochs = epochs
        self.batch_size = batch_size
        self.n_members = n_members
        self.n_trees = n_trees
        self.n_fourier = n_fourier
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.refit = refit
        self.engine = engine
        self.callbacks = callbacks
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose
        for name, value in routed.items():
            if not _is_routed(name):
                raise TypeError(
                    f"JointRegressorClassifier got an unexpected parameter '{name}'."
                    f"{nearest_name(name, _names_like(name, self._get_param_names()))}"
                )
            setattr(self, name, value)

    @classmethod
    def accurate(cls, **params):
        """An estimator with the settings that predict best, for more time to fit.

        Four networks of (128, 128, 128) units, half of them with embedded numbers
        and half with ranks, whose number is the mean of a distribution, a little
        dropout and decoupled weight decay [1]_, each stopped early by head on
        held-out rows of its own, which calibrate the probabilities and choose
        ``value_from``, too; then two more on all rows (``refit``). Beside them, with the
        shares in the answer that held-out rows give them, for each target a forest of 100
        trees and 100 rounds of boosting (``n_trees``), and for each number a ridge
        regression on 512 random features (``n_fourier``). Beside a ``trunk`` give
        ``numeric_embedding=None``, and ``n_trees=0, n_fourier=0`` where rows have a shape;
        with ``head_link="mixture"`` or a ``value_activation`` give ``value_loss="mse"``.
        Nothing but parameters: ``get_params`` shows them, and any of them may be given
        here or changed later. ``n_members=1`` needs little more than half the
        time and is not far behind.

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
        return cls(**{**ACCURATE, **params})

    # ------------------------------------------------------------ parameters
    def get_params(self, deep=True):
        """Parameters by name, the routed ones included.

        Parameters
        ----------
        deep : bool, default=True
            Whether to include parameters of parameters that are estimators.

        Returns
        -------
        params : dict
        """
        return {**super().get_params(deep), **self._routed_params()}

    def set_params(self, **params):
        """Set parameters by name, the routed ones included.

        Parameters
        ----------
        **params : dict
            New values.

        Returns
        -------
        self : JointRegressorClassifier

        Raises
        ------
        ValueError
            If a name is unknown; the message has the nearest known one.
        """
        known = self._get_param_names()
        for name in params:
            if name not in known and not _is_routed(name):
                raise ValueError(
                    f"Invalid parameter {name!r} for estimator {self.__class__.__name__}."
                    f"{nearest_name(name, _names_like(name, known))} Valid parameters are: "
                    f"{known!r}."
                )
        for name, value in params.items():
            setattr(self, name, value)
        return self

    def _routed_params(self, prefix=None):
        """All routed parameters, or those of one prefix with the prefix cut off."""
        routed = {name: value for name, value in vars(self).items() if _is_routed(name)}
        if prefix is None:
            return routed
        start = f"{prefix}__"
        return {n.removeprefix(start): v for n, v in routed.items() if n.startswith(start)}

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.estimator_type = None
        tags.target_tags.required = True
        tags.target_tags.multi_output = True
        encodes = self.preprocess == "auto"
        tags.input_tags.allow_nan = encodes
        tags.input_tags.categorical = encodes
        tags.input_tags.string = encodes
        return tags

    def __sklearn_is_fitted__(self):
        return hasattr(self, "_network")

    def _validate_params(self):
        super()._validate_params()
        for name, rules in self._parameter_constraints.items():
            a_number = any(isinstance(rule, Interval) for rule in rules)
            if a_number and "boolean" not in rules and isinstance(getattr(self, name), bool):
                raise ValueError(
                    f"The '{name}' parameter of {type(self).__name__} must be a number. "
                    f"Got {getattr(self, name)!r} instead."
                )

    # -------------------------------------------------------------- training
    def fit(self, X, y, sample_weight=None):
        """Train on X and y.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Numbers; with ``preprocess="auto"`` also text, categories and
            missing entries.
        y : array-like, DataFrame or dict
            Number and label of each row, in any form of the table in the class
            notes. NaN and None mean "not labelled".
        sample_weight : array-like of shape (n_samples,) or (n_samples, n_targets), default=None
            Weight of each row, or of each row and target in the order of
            ``predict``'s columns. Rows of weight 0 count as absent.

        Returns
        -------
        self : JointRegressorClassifier
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter, X, y or the weights cannot be used, or if the loss
            becomes NaN or infinite.
        """
        with self._all_or_nothing():
            self._validate_params()
            self._fit(X, y, sample_weight)
        return self

    @with_callbacks  # inside what puts attributes back, which the end of the callbacks needs
    def _fit(self, X, y, sample_weight):
        continuing = self.warm_start and self.__sklearn_is_fitted__()
        self._check_refit()
        n_networks = self.n_members + self._n_refits()
        tasks = FitTasks.of(self, self.epochs * n_networks, X, y, sample_weight)
        self._train(X, y, sample_weight, self.classes, self.epochs, continuing, tasks=tasks)
        if tasks is not None:
            tasks.end()

    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Train one epoch on a chunk of rows.

        The first call learns the encodings of X and y; later chunks are
        encoded the same way. Neither early stopping, validation, calibration
        nor a schedule takes part.

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
        with self._all_or_nothing():
            self._validate_params()
            classes = self.classes if classes is None else classes
            continuing = self.__sklearn_is_fitted__()
            if self.value_from == "blend" and not (continuing and self._blends):
                raise ValueError(
                    "value_from='blend' is chosen on validation rows, which partial_fit has none "
                    "of. Use 'mean' or 'median'."
                )
            self._train(X, y, sample_weight, classes, 1, continuing, whole=False)
        return self

    def _train(self, X, y, sample_weight, classes, epochs, continuing, whole=True, tasks=None):
        encode = self._features.enabled if continuing else self.preprocess is not None
        has_trunk = self.trunk is not None
        X = read_features(self, X, encode=encode, reset=not continuing, allow_nd=has_trunk)
        y = read_table(y)
        check_consistent_length(X, y.frame)
        sample_weight = _check_weights(sample_weight, len(y))
        X, y, sample_weight = _drop_unweighted(X, y, sample_weight)
        if not continuing:
            self._learn_encodings(X, y, sample_weight, classes)
        columns = self._targets.read(y)
        self._targets.warn_of_other_values(columns)
        arrays, masks = self._targets.encode(columns)
        self._check_heads()

        def weigh(masks):
            options = (sample_weight, self.class_weight, whole)
            return self._targets.row_weights(arrays, masks, *options)

        weights = judged = counted = weigh(masks)
        if self._targets.known_values:
            counted = weigh([column.mask for column in columns])
        if self.head_link == "mixture":
            # What counts there is the mean, which knows their number: they are judged by it.
            judged = counted
            arrays = self._with_own_class(arrays, masks)
        # A table of this fit's own also where it is the user's array (preprocess=None).
        rows = Rows(self._features.encode(X).view(), arrays, weights)
        splits = [self._split(arrays, masks, whole, member) for member in range(self.n_members)]
        callbacks = make_callbacks(self.callbacks, self._routed_params("callbacks"))
        n_networks = self.n_members + (self._n_refits() if whole else 0)
        settings = epochs, continuing, self._schedule(whole, callbacks), n_networks
        plans = [
            self._plan(rows, judged, split, member, *settings)
            for member, split in enumerate(splits)
        ]
        refits = []
        for member in range(self.n_members, n_networks):
            plan = self._plan(rows, judged, None, member, *settings)
            refits.append(replace(plan, validation=plan.rows.take([])))
        unseen = None
        if splits[0] is not None:
            held_out = [held_out for _, held_out in splits]
            companions = self._fit_companions(rows, plans[0], held_out)
            unseen = (replace(rows, weights=counted), companions)
        self._carry_out(plans, refits, callbacks, unseen, whole, tasks)

    def _learn_encodings(self, X, y, sample_weight, classes):
        """Start anew: encodings of y and X, and the seed of everything random."""
        self._targets = Targets.learn(
            y,
            value_columns=self.value_columns,
            class_columns=self.class_columns,
            class_bins=self.class_bins,
            classes=classes,
            scale_value=self.scale_value,
            non_negative=is_non_negative(self.value_activation, self.scale_value),
            value_by_class=self.value_by_class,
            is_mixture=self.head_link == "mixture",
            sample_weight=sample_weight,
        )
        row_weight = sample_weight
        if sample_weight is not None and sample_weight.ndim == 2:
            # A weight of 0 for one target is a missing label, not half a row.
            row_weight = sample_weight.max(axis=1)
        ranks = self._embeddings() != [None]
        self._features = FeatureEncoder(self.preprocess is not None, ranks).learn(X, row_weight)
        if self.random_state is None:
            self._seed = int(np.random.SeedSequence().generate_state(1)[0])
        else:
            self._seed = int(check_random_state(self.random_state).randint(2**31))
        self.n_iter_ = 0
        self.history_ = {}
        self.loss_weights_ = np.empty((0, len(self._targets.outputs)))
        self._balanced_by = None
        self._blends = None
        Answers(self._targets, False, self._value_source({}), self.class_from).check()
        edges = [target.edges for target in self._targets.classes if target.edges is not None]
        self._set_or_delete("class_bin_edges_", edges)
        self._set_or_delete("classes_", [target.classes for target in self._targets.classes])

    def _set_or_delete(self, name, entries):
        """A fitted attribute with one entry per target; bare when there is one."""
        if entries:
            setattr(self, name, entries[0] if len(entries) == 1 else entries)
        elif hasattr(self, name):
            delattr(self, name)

    def _n_refits(self):
        """Networks to train on all rows after the members."""
        is_count = not isinstance(self.refit, (bool, np.bool_))
        return int(self.refit) if is_count else self.n_members * bool(self.refit)

    def _check_refit(self):
        if self.refit and not self.early_stopping:
            raise ValueError(
                f"refit={self.refit} trains for the epochs that early stopping finds best. Use it "
                "with early_stopping=True or 'by_head', or set refit=False."
            )
        if self.refit and self.warm_start:
            raise ValueError(
                f"refit={self.refit} starts anew on all rows, warm_start=True does not. Set one of "
                "them to False."
            )

    def _check_heads(self):
        targets = self._targets
        if self.head_link is not None and not (targets.values and targets.classes):
            raise ValueError(
                f"head_link={self.head_link!r} needs a value and a class target. "
                f"Got {[target.name for target in targets.outputs]}."
            )
        if self.head_link == "mixture" and len(targets.classes) > 1:
            raise ValueError(
                "head_link='mixture' needs exactly one class target. "
                f"Got {[target.name for target in targets.classes]}."
            )
        if self.head_link == "mixture" and is_gaussian(self.value_loss):
            raise ValueError(
                "value_loss must be a loss without variance, such as 'mse', with "
                f"head_link='mixture'. Got {self.value_loss!r} instead."
            )
        if is_histogram(self.value_loss):
            self._check_histogram()
        if targets.values and is_gaussian(self.value_loss) and isinstance(self.loss_weights, str):
            raise ValueError(
                f"loss_weights={self.loss_weights!r} balances losses of at least 0, and that of "
                f"value_loss={self.value_loss!r} may be negative. Give one number for each head."
            )

    def _check_histogram(self):
        def refuse(what):
            raise ValueError(
                f"value_loss='histogram', whose number is a mean of bins, {what}. Set another "
                "value_loss, such as 'mse'."
            )

        if self.head_link == "mixture":
            refuse("cannot go with head_link='mixture'")
        if self.value_activation != "linear":
            refuse(f"needs value_activation='linear'. Got {self.value_activation!r} instead")
        for target in self._targets.values:
            if target.n_units > 1:
                refuse(
                    f"needs value_columns without vectors. Target '{target.name}' has "
                    f"{target.n_units} numbers"
                )

    def _with_own_class(self, arrays, masks):
        """Values with the code of the row's label behind them, -1 where it has none."""
        n_values = len(self._targets.values)
        codes = np.where(masks[n_values], arrays[n_values], -1)
        return [np.column_stack([a, codes]).astype(np.float32) for a in arrays[:n_values]] + arrays[
            n_values:
        ]

    def _make_trunk(self, n_samples, seed):
        """The user's own trunk as plain data, and its weights to start from."""
        routed = self._routed_params(TRUNK)
        if self.trunk is None:
            if routed:
                raise ValueError(f"trunk__... needs trunk. Got {sorted(routed)} without one.")
            return None, None
        shape = self._features.output_shape_
        classes = [target.classes for target in self._targets.classes]
        meta = {
            "input_shape": shape,
            "n_features_in_": self.n_features_in_,
            "X_shape_": (n_samples, *shape),
            "classes_": classes[0] if len(classes) == 1 else classes,
            "n_classes_": len(classes[0]) if len(classes) == 1 else [len(c) for c in classes],
        }
        return make_trunk(self.trunk, meta, routed, seed)

    def _network_spec(self, trunk, continuing, member):
        """The network that parameters and targets ask for; layers must stay when continuing."""
        sizes = {"value": self.value_layer_sizes, "class": self.class_layer_sizes}
        activations = {"value": self.value_activation, "class": "softmax"}
        n_bins = N_BINS if is_histogram(self.value_loss) else 0
        of_value = {"has_variance": is_gaussian(self.value_loss), "n_bins": n_bins}
        more = {"value": of_value, "class": {}}
        for parameter in ("activation", "kernel_initializer"):
            check_identifier(parameter, getattr(self, parameter))
        spec = NetworkSpec(
            input_shape=self._features.output_shape_,
            hidden=self._hidden_layers(),
            heads=tuple(
                Head(
                    target.name,
                    target.kind,
                    target.n_units,
                    activations[target.kind],
                    _layer_sizes(sizes[target.kind], f"{target.kind}_layer_sizes"),
                    **more[target.kind],
                )
                for target in self._targets.outputs
            ),
            activation=self.activation,
            kernel_initializer=self.kernel_initializer,
            dropout=float(self.dropout),
            alpha=self._penalty(),
            trunk=trunk,
            link=self.head_link,
            embedding=self._embedding(member, continuing),
        )
        if continuing and spec.layers() != self._network.member(member).spec.layers():
            raise ValueError(
                "Layers and activations must stay as they are when training continues. To start "
                "anew with others, call fit with warm_start=False."
            )
        return spec

    def _has_auto_layers(self):
        return isinstance(self.hidden_layer_sizes, str) and self.trunk is None

    def _hidden_layers(self):
        sizes = self.hidden_layer_sizes
        if isinstance(sizes, str):
            return AUTO_SIZES
        return _layer_sizes(sizes, "hidden_layer_sizes")

    def _penalty(self):
        """What ``alpha`` stands for; FAMO's factors sum to 1, so that a penalty may take over."""
        if not isinstance(self.alpha, str):
            return float(self.alpha)
        is_famo = isinstance(self.loss_weights, str) and self.loss_weights == "famo"
        if not self._has_auto_layers() or is_famo:
            return 0.0
        features = self._features
        n_columns = features.output_shape_[0] - features.n_ranks
        return min(AUTO_ALPHA * n_columns, MAX_AUTO_ALPHA)

    def _embeddings(self):
        """What ``numeric_embedding`` stands for, for one member after the other."""
        kinds = self.numeric_embedding
        if kinds == "auto":
            return ["rank" if self._has_auto_layers() else None]
        if kinds is None or isinstance(kinds, str):
            return [kinds]
        if not kinds or not all(isinstance(k, str) and k in EMBEDDINGS for k in kinds):
            raise ValueError(
                f"A sequence for numeric_embedding must hold names out of {EMBEDDINGS}, one or "
                f"more. Got {kinds!r} instead."
            )
        return list(kinds)

    def _schedule(self, whole, callbacks):
        """What ``learning_rate_schedule`` stands for."""
        if not whole:
            return "constant"
        if self.learning_rate_schedule != "auto":
            return self.learning_rate_schedule
        elsewhere = self.warm_start or any(map(sets_rate, callbacks))
        return "auto" if self._has_auto_layers() and not elsewhere else "constant"

    def _embedding(self, member, continuing=False):
        kinds = self._embeddings()
        by_kind = {kind: self._embedding_of_any() if kind == "periodic" else None for kind in kinds}
        if continuing:  # with a refit, perhaps, to whom another kind came in turn
            embedding = self._network.member(member).spec.embedding
            if embedding in by_kind.values():
                return embedding
        return by_kind[kinds[member % len(kinds)]]

    def _embedding_of_any(self):
        """That of the members that embed numbers, or None if there are none."""
        if "periodic" not in self._embeddings():
            return None
        if self.trunk is not None:
            raise ValueError(
                "numeric_embedding must be 'rank' or None beside a trunk, which reads encoded X "
                f"itself. Got {self.numeric_embedding!r} instead."
            )
        n_numbers = self._features.n_numbers
        return Embedding(n_numbers) if n_numbers else None

    def _split(self, arrays, masks, whole, member):
        """Rows to train a member on, and to hold out; None if none are."""
        fraction = self.validation_fraction
        calibrates = self.calibration is not None and self._targets.classes
        has_companions = self.n_trees or self.n_fourier
        needs_rows = (
            self.early_stopping or has_companions or self.value_from == "blend" or calibrates
        )
        if fraction is None and needs_rows:
            fraction = 0.1
        if fraction is None or not whole:
            return None
        return split_validation(arrays, masks, fraction, seed_of(member, self._seed))

    def _plan(self, rows, judged, split, member, epochs, continuing, schedule, n_networks):
        """All that the engine needs, as plain data; ``judged`` are weights for validation."""
        targets, seed = self._targets, seed_of(member, self._seed)
        loss_weights, balancing = _check_loss_weights(self.loss_weights, targets)
        optimizer_state = balancing_state = None
        weights = None
        if continuing:
            self._check_unchanged()
            network = self._network_spec(self._network.spec.trunk, continuing, member)
            weights = self._network.member(member).weights
            optimizer_state, balancing_state = self._member_states[member]
        else:
            self._trunk_made_from = (self.trunk, self._routed_params(TRUNK))
            trunk, trunk_weights = self._make_trunk(len(rows), seed)
            if trunk is not None and trunk.embeds and self.preprocess is not None:
                warn(
                    "trunk has an Embedding layer, which reads whole numbers, but "
                    "preprocess='auto' standardises them. Use preprocess=None."
                )
            network = self._network_spec(trunk, continuing, member)
        if network.trunk is not None:
            network.trunk.check_codes(rows.X)
        validation = None
        if split is not None:
            train, held_out = split
            names = [target.name for target in targets.outputs]
            validation = replace(rows, weights=judged).take(held_out)
            rows = _normalised(rows.take(train), names)
            validation = _normalised(validation, names, strict=False)
            if network.link == "mixture":
                # Predictions do not know the label: the mean is judged.
                for array in validation.targets[: len(targets.values)]:
                    array[:, -1] = -1
        if weights is None:
            given = {TRUNK: trunk_weights, **self._known_numbers(), **given_bins(network, rows)}
            weights = initial_weights(network, [seed, 0], given)
        embedding = self._embedding_of_any()
        if embedding is not None and network.embedding is None:
            network, weights = with_idle_embedding(network, weights, embedding)
        rows = with_places(rows, network, weights)
        if validation is not None:
            validation = with_places(validation, network, weights)
        return Plan(
            network=network,
            rows=rows,
            validation=validation,
            losses=[self._loss_of(head, network) for head in network.heads],
            loss_weights=loss_weights,
            balancing=balancing,
            balancing_state=balancing_state if self._balanced_by == balancing else None,
            value_scales=[target.scale for target in targets.values],
            optimizer=optimizer_spec(
                self.optimizer,
                self.learning_rate,
                schedule,
                self._routed_params("optimizer"),
            ),
            epochs=int(epochs),  # a NumPy integer of a grid would be another type to TensorFlow
            batch_size=int(min(self.batch_size, 2**30)),  # what an int32 holds
            seed=seed,
            n_alike=n_networks,
            first_epoch=self.n_iter_,
            weights=weights,
            optimizer_state=optimizer_state,
        )

    def _fit_companions(self, rows, plan, held_out):
        """Models beside the networks, for the heads that they may have a share in."""
        if not (self.n_trees or self.n_fourier):
            return []
        if rows.X.ndim > 2:
            asked = {n: getattr(self, n) for n in ("n_trees", "n_fourier") if getattr(self, n)}
            raise ValueError(
                f"{' and '.join(asked)} must be 0 where rows of X have a shape, here "
                f"{rows.X.shape[1:]}: models beside the networks read columns. Got "
                f"{', '.join(f'{name}={value}' for name, value in asked.items())} instead."
            )
        names, routed = [], {}
        if self.n_trees:
            names, routed = ["forest", "boosting"], {"n_trees": self.n_trees}
        if self.n_fourier:
            names, routed = [*names, "ridge"], {**routed, "n_features": self.n_fourier}
        columns, where = self._features.distinct_columns, np.unique(np.concatenate(held_out))
        heads, losses = plan.network.heads, plan.losses
        return fit_companions(names, routed, rows, heads, losses, columns, self._seed, where)

    def _check_unchanged(self):
        """What the network was built from must stay when training continues."""
        made_from, routed = self._trunk_made_from
        now, targets = self._routed_params(TRUNK), self._targets
        same = self.trunk is made_from and now.keys() == routed.keys()
        known = known_values(self.value_by_class, targets.values, targets.classes)
        for name, unchanged in {
            "trunk": same and all(np.all(now[name] == routed[name]) for name in now),
            "value_by_class": known == targets.known_values,
            "n_members": self.n_members == len(self._member_states),
        }.items():
            if not unchanged:
                raise ValueError(
                    f"{name} must stay as it is when training continues. To start anew with "
                    "another, call fit with warm_start=False."
                )

    def _loss_of(self, head, network):
        if head.kind == "class":
            loss = class_loss(self.class_loss, head.n_units)
            check_loss(loss, "class_loss", np.zeros(3, np.int32), head.n_units)
            return loss
        loss = value_loss(self.value_loss)
        check_loss(loss, "value_loss", np.zeros((3, head.n_units), np.float32), head.n_units)
        if network.mixture_of(head) is not None:
            return mixture_loss()(loss, head.n_units)
        return loss

    def _known_numbers(self):
        """What the mixtures know from ``value_by_class``, in scaled units, by head."""
        if self.head_link != "mixture":
            return {}
        known = self._targets.known_values
        n_classes = self._targets.classes[0].n_units
        marks = np.isin(np.arange(n_classes), list(known)).astype(np.float32)[:, None]
        numbers = np.array([known.get(code, np.nan) for code in range(n_classes)])[:, None]
        return {t.name: [marks, t.encode(numbers)] for t in self._targets.values}

    def _carry_out(self, plans, refits, callbacks, unseen, whole, tasks):
        """Run the plans, then the refits, and keep what they give.

        ``callbacks`` decide about the engine; each member has its own. ``unseen`` are
        all rows with what the answers to those that members held out are judged by, and
        the models beside the networks.
        """
        stopping = None
        if whole and self.early_stopping:
            kind = "by_head" if self.early_stopping == "by_head" else "joint"
            stopping = (kind, self.n_iter_no_change)
        engine_name = _choose_engine(self.engine, plans[0], callbacks)
        trained = []

        def engine(plan, on_epoch):
            own = make_callbacks(self.callbacks, self._routed_params("callbacks"))
            return ENGINES[engine_name](plan, on_epoch, own)

        def around(plan, on_epoch):
            def fitted_attributes(epoch, get_weights):
                networks = [member.network for member in trained]
                networks.append(fitted_network(plan.network, get_weights()))
                return {**self._fitted(plans, networks, unseen, whole), "n_iter_": epoch + 1}

            return tasks.around(on_epoch, plan.last_epoch, fitted_attributes)

        heard = around if tasks is not None else None
        alone = engine_name == "keras" or callbacks or heard or self.verbose

        def carry_out(plans, stopping, name):
            if len(plans) > 1 and not alone:
                trained.extend(train_side_by_side(plans, engine, stopping))
                return
            for i, plan in enumerate(plans, start=1):
                title = f"{name} {i}/{len(plans)} " if len(plans) > 1 else ""
                trained.append(train_member(plan, engine, stopping, self.verbose, heard, title))

        carry_out(plans, stopping, "Member")
        members = trained[:]
        if refits:
            best = np.mean([member.best_epochs for member in members], axis=0)
            carry_out(refits, np.rint(best).astype(int).tolist(), "Refit")
        networks = [member.network for member in trained]
        vars(self).update(self._fitted(plans, networks, unseen, whole, members if stopping else ()))
        blends = (self._blends or {}).values()
        shares = [{"head": share, summary: round(1 - share, 2)} for summary, share in blends]
        self._set_or_delete("value_blend_", shares)
        self._set_or_delete("temperature_", self._temperatures)
        asked = {"forest": self.n_trees, "boosting": self.n_trees, "ridge": self.n_fourier}
        for kind, is_asked in asked.items():
            shares = [
                _share_of_companions(self._network, head, kind) for head in plans[0].network.heads
            ]
            self._set_or_delete(f"{kind}_share_", [np.array(shares)] if whole and is_asked else [])
        in_order = [*trained[len(plans) :], *members]  # as the networks are, refits first
        self._member_states = [member.state for member in in_order[: len(plans)]]
        self._balanced_by = plans[0].balancing
        loss_weights = mean_by_epoch([member.loss_weights for member in members])
        self.loss_weights_ = np.vstack([self.loss_weights_, loss_weights])
        history = mean_history([member.history for member in members])
        n_epochs = len(history["loss"])
        self.history_ = _joined(self.history_, history, self.n_iter_, n_epochs)
        self.n_iter_ += n_epochs
        self._set_or_delete("best_epoch_", [best_epochs(members)] if stopping else [])

    def _fitted(self, plans, networks, unseen, whole, members=()):
        """Attributes that prediction needs beside the encodings.

        ``networks`` are those of the plans so far and, behind them, of the refits so far,
        from which training would go on. ``members`` have chosen their epochs.
        """
        is_mixture = networks[0].spec.link == "mixture"
        stopped, refitted = networks[: len(plans)], networks[len(plans) :]
        network = ensemble([*refitted, *stopped])
        fitted = {
            "_network": network,
            "_plain_answers": Answers(self._targets, is_mixture),
            "_residuals": None,
            "_temperatures": [],
        }
        if whole:
            fitted["_blends"] = None
            if plans[0].validation is not None:
                rows, companions = unseen
                unseen = HeldOut(stopped, [plan.validation for plan in plans])
                # First of all: what is learned below is about the answers of both.
                tempers = self.calibration is not None
                fitted["_network"] = stack(network, companions, unseen, len(networks), tempers)
                if tempers:
                    fitted["_temperatures"] = calibrate(unseen, self._targets)
                if self.value_from in ("blend", "auto"):
                    fitted["_blends"] = self._choose_blends(unseen)
                # Training that goes on has seen rows of another split before.
                if self._targets.values and plans[0].first_epoch == 0:
                    blends = fitted["_blends"]
                    source = self._value_source(blends)
                    answers = Answers(self._targets, is_mixture, source, "head", blends)
                    growth = self._growth(fitted["_network"], members)
                    fitted["_residuals"] = self._residuals_of(
                        unseen, rows, answers, len(networks), growth
                    )
        return fitted

    def _growth(self, network, members):
        """By value target, how much errors of unseen rows must grow: as far as networks answer."""
        growth = []
        for i, target in enumerate(self._targets.values):
            of_networks = 1 - _share_of_companions(network, target)
            optimism = selection_optimism(members, i, f"val_{target.name}_mae")
            growth.append(1 + of_networks * (optimism - 1))
        return growth

    def _residuals_of(self, unseen, rows, answers, n_networks, growth):
        """What intervals are made of; the errors themselves are found when asked for."""
        where = unseen.positions
        truth = [
            (t.decode(rows.targets[i][where, : t.n_units]), rows.weights[i][where])
            for i, t in enumerate(self._targets.values)
        ]
        return {
            "value_from": answers.value_from,
            "non_negative": is_non_negative(self.value_activation, False),
            "by_column": partial(learn_residuals, unseen, answers, truth, n_networks, growth),
        }

    def _find_residuals(self):
        """Find the errors of unseen rows, for which the rows are kept until then."""
        residuals = getattr(self, "_residuals", None)
        if residuals is not None and callable(residuals["by_column"]):
            self._residuals = {**residuals, "by_column": residuals["by_column"]()}

    def __getstate__(self):
        self._find_residuals()
        return super().__getstate__()

    def _choose_blends(self, unseen):
        """For every number with a label cut from it, the blend of least validation loss."""
        if self.value_from == "auto" and is_gaussian(self.value_loss):
            return None
        answers, outputs = Answers(self._targets), unseen.outputs
        # These two judge more than a number.
        judges_more = is_gaussian(self.value_loss) or is_histogram(self.value_loss)
        loss = "mse" if judges_more else self.value_loss
        loss_of = per_sample(value_loss(loss))
        blends = {}
        for i, target in enumerate(self._targets.values):
            by_class = answers.distribution_of(i)
            if by_class is None:
                continue
            true, weights = unseen.truth(i)
            if not weights.any():
                if self.value_from == "auto":
                    return None
                raise ValueError(
                    f"No validation row is labelled for target '{target.name}': value_from="
                    "'blend' has nothing to choose by. Hold out more with validation_fraction."
                )

            def mean_loss(numbers, target=target, true=true[:, :1], weights=weights):
                scaled = target.encode(numbers[:, None])
                return float(np.average(np.asarray(loss_of(true, scaled)), weights=weights))

            label = self._targets.outputs[by_class]
            head = target.decode(outputs[i])
            blends[i] = choose_blend(head, outputs[by_class], label, mean_loss)
        return blends

    @contextlib.contextmanager
    def _all_or_nothing(self):
        """Put every attribute back when fitting fails or is interrupted."""
        before = dict(vars(self))
        try:
            yield
        except BaseException:
            vars(self).clear()
            vars(self).update(before)
            raise

    # ------------------------------------------------------------ prediction
    def predict(self, X, output=None):
        """Predict number and label.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows with the columns of ``fit``.
        output : {"value", "class"} or None, default=None
            "value" and "class" give what ``predict_value`` and
            ``predict_class`` give; this also reaches through a ``Pipeline``.

        Returns
        -------
        y_pred : ndarray of shape (n_samples, n_targets)
            All targets in the order of y's columns; a column that serves as
            both gives its value first, then its class. float64 if all targets
            are numeric, else object.

        Raises
        ------
        ValueError
            If ``output`` is unknown or X does not fit.
        NotFittedError
            Before ``fit``.
        """
        if output is None:
            answers = self._answer(X)
            return self._targets.join(answers)
        if output == "value":
            return self.predict_value(X)
        if output == "class":
            return self.predict_class(X)
        raise ValueError(f"output must be 'value', 'class' or None. Got {output!r} instead.")

    def predict_value(self, X, given_class=None, return_std=False):
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
            ``value_loss="gaussian_nll"``. With several members it is that of the
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
        if return_std:
            return self._values_and_stds(X, given_class)
        if given_class is None:
            return _side_by_side(self._answer(X, "value"))
        return _side_by_side(self._values_given(X, given_class))

    def _values_and_stds(self, X, given_class):
        check_is_fitted(self)
        if given_class is not None:
            raise ValueError("return_std must be False beside given_class. Got True instead.")
        if self._targets.values and not self._network.spec.variances:
            raise ValueError(
                "return_std needs a network that has learned how far off its numbers are: call "
                "fit with value_loss='gaussian_nll'. Got True instead. Intervals without it: "
                "predict_interval."
            )
        if self._value_source(self._blends) != "head":
            raise ValueError(
                "return_std needs numbers of the value head, whose standard deviation it is: "
                f"set value_from='head'. Got value_from={self.value_from!r} instead."
            )
        outputs = self._answer_outputs(X, "value", with_variances=True)
        answers = self._answers
        return _side_by_side(answers.decode(outputs, "value")), _side_by_side(answers.stds(outputs))

    def predict_interval(self, X, coverage=0.9):
        """Intervals that hold the true number in a given share of cases.

        Split conformal prediction [1]_: the number plus and minus that quantile
        of the absolute errors which the network made on held-out rows. No
        distribution is assumed, but that new rows are like those of ``fit``. All
        intervals have one width; with ``value_loss="gaussian_nll"`` errors count in
        the network's standard deviations, which make intervals wider where it is
        less sure, with the same guarantee. With several members the errors of one
        are made as small as those of the mean of all [2]_. The same rows have chosen
        the epoch where training was stopped early, which makes errors a little
        small; with several members they grow by as much as the mean error of one
        is larger in the epochs that the others chose. Training that goes on
        (``warm_start``, ``partial_fit``) has seen those rows: it drops the errors.
        They are found when first needed, here or to be pickled or saved; until then
        the estimator keeps the rows. Of a Pipeline:
        ``pipe[-1].predict_interval(pipe[:-1].transform(X))``.

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
            (``validation_fraction``, ``early_stopping``), or if these are too few.

        References
        ----------
        .. [1] J. Lei, M. G'Sell, A. Rinaldo, R. Tibshirani and L. Wasserman,
           "Distribution-Free Predictive Inference for Regression", JASA 113 (2018).
        .. [2] A. Krogh and J. Vedelsby, "Neural Network Ensembles, Cross Validation,
           and Active Learning", NIPS 1994.

        Examples
        --------
        >>> from skjoint import JointRegressorClassifier
        >>> from skjoint.datasets import load_diabetes_bands
        >>> X, y = load_diabetes_bands(return_X_y=True)
        >>> est = JointRegressorClassifier(epochs=5, validation_fraction=0.3, random_state=0)
        >>> intervals = est.fit(X[:300], y[:300]).predict_interval(X[300:], coverage=0.8)
        >>> true = y["progression"][300:]
        >>> bool(((true >= intervals[:, 0]) & (true <= intervals[:, 1])).mean() > 0.7)
        True
        """
        check_is_fitted(self)
        if not (isinstance(coverage, Real) and 0 < coverage < 1):
            raise ValueError(f"coverage must be between 0 and 1. Got {coverage!r} instead.")
        outputs = self._answer_outputs(X, "value", with_variances=True)
        values = _side_by_side(self._answers.decode(outputs, "value"))
        if self._residuals is None:
            raise ValueError(
                "predict_interval needs errors on rows held out from all training: call fit with "
                "validation_fraction or early_stopping. Training that goes on (warm_start, "
                "partial_fit) drops them."
            )
        source = self._value_source(self._blends)
        if self._residuals["value_from"] != source:
            raise ValueError(
                f"The errors on held-out rows are those of value_from="
                f"{self._residuals['value_from']!r}: call fit with {source!r}."
            )
        self._find_residuals()
        widths = [conformal(*column, coverage) for column in self._residuals["by_column"]]
        widths = np.array(widths) if values.ndim > 1 else widths[0]
        stds = self._answers.stds(outputs, known=False)
        if stds:
            widths = widths * _side_by_side(stds)
        low, high = values - widths, values + widths
        if self._residuals["non_negative"]:
            low = np.where(low < 0, np.minimum(values, 0), low)
        return np.stack([low, high], axis=-1)

    def predict_class(self, X):
        """Predict the label: the most probable one.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows with the columns of ``fit``.

        Returns
        -------
        labels : ndarray of shape (n_samples,) or (n_samples, n_class_targets)
            Labels in their own dtype.
        """
        return _side_by_side(self._answer(X, "class"))

    def predict_proba(self, X):
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
        outputs = self._outputs(X, "proba", as_probabilities)
        proba = [outputs[i] for i in sorted(outputs)]
        return proba[0] if len(proba) == 1 else proba

    @property
    def network_(self):
        """The network as plain data: layers, units, parameters."""
        check_is_fitted(self)
        return self._network.spec

    @property
    def model_(self):
        """The network as a ``keras.Model``."""
        check_is_fitted(self)
        return self._network.build()

    def _answer(self, X, kind=None):
        """Numbers in original units and labels, by output index."""
        outputs = self._answer_outputs(X, kind)
        return self._answers.decode(outputs, kind)

    def _answer_outputs(self, X, kind=None, with_variances=False):
        if not self.__sklearn_is_fitted__():  # check_is_fitted alone costs as much as one row
            check_is_fitted(self)
        form = as_rows if self._answers.value_from != "head" else as_codes
        return self._outputs(X, kind, form, with_variances=with_variances)

    def _outputs(self, X, kind=None, class_form=as_rows, keep_parts=False, with_variances=False):
        """What the heads give from which answers of a kind are made, by output index.

        Class heads come in the form asked for, probabilities at their temperatures.
        Variances of all numbers come behind the outputs.
        """
        if not self.__sklearn_is_fitted__():  # check_is_fitted alone costs as much as one row
            check_is_fitted(self)
        X = self._encode(X)
        targets = {None: True, "value": self._targets.values}.get(kind, self._targets.classes)
        if not targets:
            missing = "value" if kind == "value" else "class"
            raise AttributeError(f"This estimator was trained without a {missing} target.")
        wanted = self._answers.needs(kind)
        names = [self._targets.outputs[i].name for i in wanted]
        forms = [self._form_of(i, class_form) for i in wanted]
        if with_variances:
            variances = self._network.spec.variances.values()
            names += variances
            forms += [as_rows] * len(variances)
            wanted += [len(self._targets.outputs) + i for i in range(len(variances))]
        outputs = self._network.predict(X, names, forms, keep_parts)
        if not all(np.isfinite(output).all() for output in outputs):
            raise ValueError(
                "The network gives numbers that are infinite or none: X lies too far from the rows "
                "of fit."
            )
        return dict(zip(wanted, outputs, strict=True))

    def _form_of(self, i, class_form):
        """What is made of output i: of a class what is asked for."""
        i -= len(self._targets.values)
        if i < 0:
            return as_rows
        if self._temperatures and class_form is not as_codes:
            return partial(as_tempered, temperature=self._temperatures[i])
        return class_form

    def _encode(self, X):
        network, features = self._network.spec, self._features
        allow_nd = network.trunk is not None
        X = read_features(self, X, encode=features.enabled, reset=False, allow_nd=allow_nd)
        X = features.encode(X)
        if network.trunk is not None:
            network.trunk.check_codes(X)
        return X

    @property
    def _answers(self):
        """How outputs become numbers and labels, by the parameters of the moment."""
        sources = (self._value_source(self._blends), self.class_from)
        if not all(isinstance(source, str) for source in sources):
            raise ValueError(f"value_from and class_from must be names. Got {sources} instead.")
        if sources == ("head", "head"):  # nothing to check: one row is quick
            return self._plain_answers
        if sources[0] == "blend" and self._blends is None:
            raise ValueError(
                "value_from='blend' is chosen on validation rows: call fit with this setting."
            )
        is_mixture = self._network.spec.link == "mixture"
        answers = Answers(self._targets, is_mixture, *sources, self._blends)
        answers.check()
        return answers

    def _value_source(self, blends):
        """What ``value_from`` stands for."""
        if isinstance(self.value_from, str) and self.value_from == "auto":
            return "blend" if blends else "head"
        return self.value_from

    def _values_given(self, X, given_class):
        """Numbers in original units if the rows were of these classes, by output index."""
        check_is_fitted(self)
        spec, targets = self._network.spec, self._targets
        n_free = sum(t.n_units for t in targets.classes) - len(targets.known_values)
        if spec.link != "mixture" and n_free != 1:
            raise ValueError(
                "given_class needs an estimator that knows numbers by class: fit it with "
                "head_link='mixture', or with value_by_class={label: number} for all labels but "
                "one."
            )
        target = targets.classes[0]
        shape, labels = np.shape(given_class), np.atleast_1d(given_class)
        n_samples = _num_samples(X)
        if shape not in ((), (n_samples,)):
            raise ValueError(
                f"given_class must be one label or have shape ({n_samples},). "
                f"Got shape {shape} instead."
            )
        try:
            codes = target.codes(labels)
        except TypeError as error:
            raise ValueError(
                f"given_class must be one label or an array of labels. Got {given_class!r} instead."
            ) from error
        if (codes < 0).any():
            unknown = pd.unique(labels[codes < 0])
            raise ValueError(
                f"given_class must hold labels of target '{target.name}'. Got "
                f"{unknown[:10].tolist()}; known: {target.classes[:20].tolist()}."
            )
        codes = np.broadcast_to(codes, n_samples)
        outputs = self._outputs(X, "value", keep_parts=True)
        if spec.link == "mixture":
            for i, head in enumerate(targets.values):
                by_class = outputs[i][:, head.n_units :].reshape(n_samples, -1, head.n_units)
                outputs[i] = by_class[np.arange(n_samples), codes]
        values = {i: target.decode(outputs[i]) for i, target in enumerate(targets.values)}
        for number in values.values():
            self._plain_answers.put_known(number, codes)
        return values

    # ----------------------------------------------------------------- views
    def as_regressor(self):
        """The number as a scikit-learn regressor: :func:`skjoint.views.as_regressor`.

        Returns
        -------
        view : ValueView
        """
        return as_regressor(self)

    def as_classifier(self):
        """The label as a scikit-learn classifier: :func:`skjoint.views.as_classifier`.

        Returns
        -------
        view : ClassView
        """
        return as_classifier(self)

    # --------------------------------------------------------------- scoring
    def split_targets(self, y):
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
        check_is_fitted(self)
        columns = self._targets.read(y)
        n_values = len(self._targets.values)
        values = {
            i: c.data[:, 0] if c.data.shape[1] == 1 else c.data
            for i, c in enumerate(columns[:n_values])
        }
        labels = {i: c.labels() for i, c in enumerate(columns[n_values:])}
        return _side_by_side(values), _side_by_side(labels)

    def score(self, X, y, sample_weight=None):
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
        return self.evaluate(X, y, sample_weight)["score"]

    def evaluate(self, X, y, sample_weight=None):
        """Usual metrics of every target.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Rows with the columns of ``fit``.
        y : array-like, DataFrame or dict
            True targets. Missing entries are left out; a label that training
            never saw counts as wrong, with probability 0 clipped to 2.2e-16 in
            the log loss.
        sample_weight : array-like of shape (n_samples,) or (n_samples, n_targets), default=None
            As in ``fit``.

        Returns
        -------
        metrics : dict of float
            ``score``, ``value_mae``, ``value_rmse``, ``value_r2``,
            ``class_accuracy``, ``class_log_loss``, and, where the class is cut
            from the number, ``agreement`` (see
            :func:`skjoint.metrics.agreement_score`).
        """
        outputs = self._outputs(X)
        decoded = self._answers.decode(outputs)
        y = read_table(y)
        check_consistent_length(decoded[0], y.frame)
        sample_weight = _check_weights(sample_weight, len(y))
        weights = self._targets.split_weights(sample_weight, len(y))
        metrics, scores = {}, []
        for i, (target, column) in enumerate(
            zip(self._targets.outputs, self._targets.read(y), strict=True)
        ):
            mask = column.mask & (weights[i] > 0)
            if not mask.any():
                continue
            if target.kind == "value":
                found = value_metrics(column.data[mask], decoded[i][mask], weights[i][mask])
            else:
                codes = _codes_of(target, column.data[mask[column.mask]])
                predicted = target.codes(decoded[i][mask])
                found = class_metrics(codes, predicted, outputs[i][mask], weights[i][mask])
            metrics |= {f"{target.name}_{name}": figure for name, figure in found.items()}
            scores.append(found["r2" if target.kind == "value" else "accuracy"])
        if not scores:
            raise ValueError(
                "No target of y has a labelled row of positive weight: there is nothing to score."
            )
        agreements = self._agreements(decoded, weights)
        return {"score": float(np.mean(scores)), **metrics, **agreements}

    def _agreements(self, decoded, weights):
        """How often label and number agree, where the label is cut from the number."""
        agreements = {}
        for i, target in enumerate(self._targets.classes, start=len(self._targets.values)):
            if target.source is not None:
                name = "agreement" if target.name == "class" else f"{target.name}_agreement"
                agreements[name] = agreement_score(
                    decoded[target.source],
                    decoded[i],
                    classes=target.classes,
                    bin_edges=target.edges,
                    sample_weight=weights[i] if weights[i].any() else None,
                )
        return agreements


# scikit-learn takes every name in the signature for a parameter; `routed` is none.
_signature = inspect.signature(JointRegressorClassifier.__init__)
JointRegressorClassifier.__init__.__signature__ = _signature.replace(
    parameters=[p for p in _signature.parameters.values() if p.kind != p.VAR_KEYWORD]
)


def _is_routed(name):
    return "__" in name and name.split("__")[0] in ROUTED


def _names_like(name, known):
    """Known names, and for a routed one those with the known prefixes."""
    return [*known, *(f"{prefix}__{name.partition('__')[2]}" for prefix in ROUTED)]


def _choose_engine(engine, plan, callbacks):
    """The fused engine wherever it can; a warning or an error where it cannot."""
    if engine == "keras":
        return engine
    reasons = [
        f"{type(callback).__name__} asks to be called for every batch"
        for callback in callbacks
        if listens_to_batches(callback)
    ]
    trunk = plan.network.trunk
    if trunk is not None and trunk.adds_losses:
        reasons.append("the trunk adds losses of whole batches, such as an activity regularizer's")
    reasons += [
        f"the loss of head '{head.name}' has reduction={loss.reduction!r}"
        for head, loss in zip(plan.network.heads, plan.losses, strict=True)
        if not is_batch_mean(loss)
    ]
    if not reasons:
        return "fused"
    if engine == "fused":
        raise ValueError(f"engine must be 'keras' here: {'; '.join(reasons)}. Got 'fused' instead.")
    warn(f"Trained by engine='keras', which is many times slower: {'; '.join(reasons)}.")
    return "keras"


def _joined(history, new, n_before, n_new):
    """Histories one after the other; NaN where one of them has no figure."""
    return {
        name: history.get(name, [np.nan] * n_before) + new.get(name, [np.nan] * n_new)
        for name in {**history, **new}
    }


def _side_by_side(outputs):
    """One array from one per target: as it is if there is one, else as columns."""
    arrays = [outputs[i] for i in sorted(outputs)]
    if len(arrays) <= 1:
        return arrays[0] if arrays else None
    if len({a.dtype for a in arrays}) > 1 and any(a.dtype.kind not in "iuf" for a in arrays):
        arrays = [a.astype(object) for a in arrays]
    return np.column_stack(arrays)


def _layer_sizes(sizes, parameter):
    """A tuple of ints from an int or a sequence."""
    sizes = (sizes,) if isinstance(sizes, Integral) else tuple(sizes)
    whole = all(isinstance(n, Integral) and not isinstance(n, bool) for n in sizes)
    if not whole or not all(1 <= n <= MAX_UNITS for n in sizes):
        raise ValueError(
            f"{parameter} must hold whole numbers from 1 to {MAX_UNITS}. Got {sizes} instead."
        )
    return tuple(int(n) for n in sizes)


def _check_loss_weights(loss_weights, targets):
    """One non-negative float per output, and the method that takes their place or None."""
    outputs = targets.outputs
    if isinstance(loss_weights, str):
        if len(outputs) < 2:
            raise ValueError(
                f"loss_weights={loss_weights!r} balances two targets or more. Got "
                f"{[target.name for target in outputs]}."
            )
        return [1.0] * len(outputs), loss_weights
    if isinstance(loss_weights, dict):
        weights = _weights_by_name(loss_weights, targets)
    else:
        weights = list(loss_weights)
    if len(weights) == 2 and len(outputs) != 2:
        by_kind = dict(zip(("value", "class"), weights, strict=True))
        weights = [by_kind[target.kind] for target in outputs]
    numbers = all(isinstance(w, Real) and 0 <= w < np.inf for w in weights)
    if len(weights) != len(outputs) or not numbers or not any(weights):
        raise ValueError(
            "loss_weights must hold a non-negative number for each of "
            f"{[target.name for target in outputs]}, or a pair for values and classes, and not "
            f"only zeros. Got {loss_weights!r} instead."
        )
    return [float(w) for w in weights], None


def _share_of_companions(network, head, kind=None):
    """Of all models beside the networks in a head, or of those of one kind."""
    return network.share(head.name, kind) if isinstance(network, Stacked) else 0.0


def _weights_by_name(loss_weights, targets):
    """Factors of all outputs from a dict by name of target or of column."""
    weights, known = [], set()
    for target in targets.outputs:
        column = "_".join(str(targets.names[p]) for p in target.positions)
        names = [target.name, column, *(targets.names[p] for p in target.positions), target.kind]
        known.update(names)
        weights.append(next((loss_weights[n] for n in names if n in loss_weights), 1.0))
    unknown = [name for name in loss_weights if name not in known]
    if unknown:
        raise ValueError(
            f"loss_weights names no target: {unknown}.{nearest_name(unknown[0], known)} Targets: "
            f"{[target.name for target in targets.outputs]}."
        )
    return weights


def _check_weights(sample_weight, n_samples):
    """float64 weights of shape (n_samples,) or (n_samples, n_targets), or None."""
    if sample_weight is None:
        return None
    if isinstance(sample_weight, Real):
        sample_weight = np.full(n_samples, float(sample_weight))
    elif not sparse.issparse(sample_weight):
        check_container(sample_weight, "sample_weight")
    try:
        weights = check_array(
            sample_weight,
            ensure_2d=False,
            dtype=np.float64,
            ensure_all_finite=True,
            input_name="sample_weight",
        )
    except ValueError as error:
        if "sample_weight" in str(error):
            raise
        raise ValueError(f"sample_weight must hold numbers. {error}") from error
    if weights.ndim > 2 or len(weights) != n_samples:
        raise ValueError(
            f"sample_weight must have shape ({n_samples},) or ({n_samples}, n_targets). "
            f"Got {weights.shape} instead."
        )
    if (weights < 0).any():
        raise ValueError("Negative values in data passed to `sample_weight`.")
    if not weights.any():
        raise ValueError("sample_weight must hold at least one positive weight: all are zero.")
    largest = weights.max(axis=0)
    extreme = (largest > 1e100) | ((largest < 1e-100) & (largest > 0))
    # Only ratios count, and sums of these would be infinite or 0.
    return weights / np.where(extreme, largest, 1.0)


def _drop_unweighted(X, y, sample_weight):
    """Leave out rows of weight 0, so that they equal rows that are not there."""
    if sample_weight is None:
        return X, y, None
    kept = np.flatnonzero(sample_weight if sample_weight.ndim == 1 else sample_weight.any(axis=1))
    if len(kept) == len(y):
        return X, y, sample_weight
    X = X.iloc[kept] if hasattr(X, "iloc") else X[kept]
    return X, y.take(kept), sample_weight[kept]


def _normalised(rows, names, strict=True):
    """Rows with every head's weights scaled to mean 1 again, after a split."""
    weights = [normalise(w, name, strict) for w, name in zip(rows.weights, names, strict=True)]
    return replace(rows, weights=weights)


def _codes_of(target, labels):
    """Codes of true labels; -1, which no prediction equals, for unseen ones, with a warning."""
    codes = target.codes(labels)
    if (codes < 0).any():
        unseen = sorted(set(labels[codes < 0].tolist()))
        warn(
            f"y holds labels of target '{target.name}' that training never saw; they count as "
            f"wrong: {unseen[:10]}{' and more' if len(unseen) > 10 else ''}."
        )
    return codes
