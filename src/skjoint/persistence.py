"""Saving a fitted estimator to one file without pickle, and loading it where files are not trusted.

:func:`to_onnx` writes a file of another kind, for prediction without Python.

The file of :func:`save` is a zip archive: ``skjoint.json`` holds everything but numbers in
bulk, which lie beside it as raw little-endian arrays, uncompressed. Nothing in
it is code or the name of code: loading makes objects of a fixed list of classes from
plain data, after checking every size against the bytes that are there.
"""

from __future__ import annotations

import os
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sklearn.utils.validation import check_is_fitted

import skjoint
from skjoint._prediction.fitted_model import FittedModel
from skjoint._storage.archive import read_archive, write_archive
from skjoint._storage.checks import check_trunk
from skjoint._storage.parameters import check_parameters, check_transform
from skjoint._storage.reader import Reader
from skjoint._storage.refusal import RefusedError, refused
from skjoint._storage.writer import Writer
from skjoint._support.composition import best_predictor, joint_estimator
from skjoint._support.files import whole_file
from skjoint._support.keras_import import first_line
from skjoint.estimator import JointRegressorClassifier

__all__ = ["load", "register_onnx_converter", "save", "to_onnx"]

PACKAGES = ("numpy", "scikit-learn", "tensorflow", "keras")


def save(estimator: JointRegressorClassifier, path: str | os.PathLike[str]) -> None:
    """Save a fitted estimator to one file, without pickle.

    The file holds parameters, encoders, weights, history, the optimizer's
    state and the versions that made it. It is written under another name and
    put in place at the end: whatever happens, ``path`` is the old file or the
    whole new one.

    Parameters
    ----------
    estimator : JointRegressorClassifier
        Fitted. Of a Pipeline or search save the joint estimator inside, and
        its other steps by other means.
    path : str or path-like
        File to write. An existing one is replaced.

    Raises
    ------
    TypeError
        If a parameter cannot be written as plain data: a function, a callback,
        a Lambda layer, an object that is not Keras' own. The message names it.
    ValueError
        If labels, categories and history are more than 64 MB of text.
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from skjoint import JointRegressorClassifier
    >>> from skjoint.datasets import load_diabetes_bands
    >>> from skjoint.persistence import load, save
    >>> X, y = load_diabetes_bands(return_X_y=True)
    >>> est = JointRegressorClassifier(epochs=5, random_state=0).fit(X, y)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(est, pathlib.Path(folder, "model.skjoint"))
    ...     again = load(pathlib.Path(folder, "model.skjoint"))
    >>> bool((again.predict_value(X) == est.predict_value(X)).all())
    True
    """
    if type(estimator) is not JointRegressorClassifier:
        raise TypeError(
            "save takes a JointRegressorClassifier. Of a Pipeline or search save the one inside, "
            f"such as search.best_estimator_[-1]. Got {type(estimator).__name__} instead."
        )
    check_is_fitted(estimator)
    writer = Writer()
    params = dict(estimator.get_params(deep=False))
    if estimator.trunk is not None:
        # The layers are in the network; a function that builds them is code.
        params = {n: v for n, v in params.items() if n.split("__")[0] != "trunk"}
    check_transform(estimator.value_transform)
    written = {name: writer.encode(value, name) for name, value in params.items()}
    check_parameters(params)
    versions = {name: version(name) for name in PACKAGES}
    document = {
        "versions": {"skjoint": skjoint.__version__, **versions},
        "params": written,
        "model": writer.encode(estimator._model, "model"),
    }
    write_archive(path, document, writer.arrays)


def load(path: str | os.PathLike[str]) -> JointRegressorClassifier:
    """Load an estimator that :func:`save` has written.

    No code from the file runs: it may come from anywhere. Still, what a model
    of unknown origin predicts is as good as its origin.

    Parameters
    ----------
    path : str or path-like
        File to read.

    Returns
    -------
    estimator : JointRegressorClassifier
        Fitted, with the predictions it was saved with. A ``trunk`` that was a
        function comes back as a ``keras.Model`` with the fitted weights.

    Raises
    ------
    ValueError
        If the file is damaged, is no skjoint model, has a later format, or
        holds something that a model does not.
    OSError
        If the file cannot be read.
    """
    document, arrays, bounds = read_archive(Path(path))
    reader = Reader(arrays, bounds)
    try:
        params = {n: reader.decode(v) for n, v in document["params"].items()}
        check_parameters(params)
        estimator = JointRegressorClassifier(**params)
        model = reader.decode(document["model"])
        if not isinstance(model, FittedModel):
            raise refused("its model is of another kind")
        estimator._model = _with_trunk(estimator, model)
    except RefusedError:
        raise
    except Exception as error:  # whatever comes of parts that belong to no model
        raise refused(f"its content does not fit together ({first_line(error)})") from error
    return estimator


def _with_trunk(estimator: JointRegressorClassifier, model: FittedModel) -> FittedModel:
    """The model as one that was built from the estimator's trunk, which is made of its own."""
    spec = model.network.spec
    if spec.trunk is not None:
        shapes = spec.trunk.declared_shapes(spec.trunk_shape)
        check_trunk(model.network, shapes)
        trunk = spec.trunk.build()
        trunk.set_weights(model.network.member(0).weights[: len(shapes)])
        estimator.trunk = trunk
    resumption = replace(model.resumption, trunk=(estimator.trunk, {}))
    return replace(model, resumption=resumption)


def to_onnx(estimator: Any, path: str | os.PathLike[str]) -> None:
    """Write a fitted estimator or pipeline as one ONNX graph, for prediction without TensorFlow.

    The outputs are those of ``predict_value``, ``predict_class`` and
    ``predict_proba``: ``value``, ``class`` and ``proba``, or ``value_<column>``
    and so on where there are several targets, with ``value_from`` and
    ``class_from`` as they are set now; with ``value_loss="gaussian_nll"`` also ``std``
    (``std_<column>``), the standard deviation of a number that is the value
    head's. Preprocessing is part of the graph: it
    takes the rows that ``predict`` takes.

    An all-number X is one input, ``X``, of float64 and the shape it has in
    ``predict``, missing entries NaN. Where some columns are text or
    categories (or a ``ColumnTransformer`` picks columns by name) every column is
    an input of its name and shape (n_samples, 1), or ``x0``, ``x1``, ... where X
    was an array: text as strings, missing ones ``""``, everything else as
    float64. Columns that a Pipeline drops are no inputs. Predictions are made in
    float64, too, so that they are those of the estimator but for rounding. Of a ``trunk``
    convolutions, means of windows and recurrent layers run in float32, as in Keras.

    The checks that ``predict`` makes of X are not in the graph. In the file's
    metadata ``features``, ``targets`` and ``classes`` list, in JSON, the columns of
    X, the columns of y behind each output, and the labels of each column of
    ``proba``.

    Parameters
    ----------
    estimator : JointRegressorClassifier, Pipeline or search
        Fitted. A search is its best estimator. The other steps of a Pipeline
        are converted by skl2onnx, those that cannot count in float64 in float32.
    path : str or path-like
        File to write. An existing one is replaced; whatever happens, ``path``
        is the old file or the whole new one.

    Raises
    ------
    TypeError
        If there is no joint estimator at the end, as in a view.
    NotImplementedError
        If a part cannot be exported: an activation that is not among the usual
        names, a layer of a ``trunk`` that is not one of Keras' usual ones, a companion or a
        ``value_transform`` of your own, a step that skl2onnx cannot convert, a column of X that
        has the name of an output. The message names it.
    ImportError
        If onnx, or skl2onnx for a Pipeline, is not installed.
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> import numpy as np, onnxruntime
    >>> from skjoint import JointRegressorClassifier
    >>> from skjoint.datasets import load_diabetes_bands
    >>> from skjoint.persistence import to_onnx
    >>> X, y = load_diabetes_bands(return_X_y=True)
    >>> est = JointRegressorClassifier(epochs=5, random_state=0).fit(X, y)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "model.onnx")
    ...     to_onnx(est, path)
    ...     session = onnxruntime.InferenceSession(path)
    >>> value, label, proba = session.run(["value", "class", "proba"], {"X": X.to_numpy()})
    >>> np.allclose(value, est.predict_value(X))
    True
    """
    estimator = best_predictor(estimator)
    joint = joint_estimator(estimator)
    # Imported here: load, which processes start with, needs nothing of it.
    if estimator is joint:
        from skjoint._onnx.model import estimator_model

        model = estimator_model(estimator)
    else:
        from skjoint._onnx.pipeline import pipeline_model

        model = pipeline_model(estimator)
    with whole_file(path) as stream:
        stream.write(model.SerializeToString())


def register_onnx_converter() -> None:
    """Teach skl2onnx to convert ``JointRegressorClassifier`` in this process.

    For those who call ``skl2onnx.to_onnx`` or ``convert_sklearn`` themselves, with
    options of their own; :func:`to_onnx` does it by itself. To call it again
    changes nothing.

    Raises
    ------
    ImportError
        If skl2onnx is not installed.
    """
    from skjoint._onnx.pipeline import register

    register(JointRegressorClassifier)
