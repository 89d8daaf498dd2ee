"""Saving a fitted estimator to one file without pickle, and loading it where files are not trusted.

:func:`to_onnx` writes a file of another kind, for prediction without Python.

The file of :func:`save` is a zip archive: ``skjoint.json`` says everything but numbers in
bulk, which lie beside it as raw little-endian arrays, uncompressed. Nothing in
it is code or names code: loading makes objects of a fixed list of classes from
plain data, after checking every size against the bytes that are there.
"""

from __future__ import annotations

import dataclasses
import json
import math
import zipfile
from importlib.metadata import version
from pathlib import Path

import numpy as np
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils.validation import check_is_fitted

import skjoint
from skjoint._data.encoding import FeatureEncoder
from skjoint._data.features import Schema
from skjoint._data.targets import ClassTarget, Targets, ValueTarget
from skjoint._ensemble.blending import Blend
from skjoint._ensemble.companions.forest import Forest
from skjoint._ensemble.companions.ridge import Ridge
from skjoint._network.spec import TRUNK, Embedding, Head, NetworkSpec, weight_shapes
from skjoint._network.trunk import Trunk
from skjoint._prediction.decoding import Answers
from skjoint._prediction.forward import Ensemble, FittedNetwork
from skjoint._support.composition import best_predictor, joint_estimator
from skjoint._support.files import whole_file
from skjoint._support.keras_import import first_line, import_keras
from skjoint.estimator import JointRegressorClassifier

__all__ = ["load", "register_onnx_converter", "save", "to_onnx"]

FORMAT = 8  # raised when older readers would misread
DOCUMENT = "skjoint.json"
MAX_DOCUMENT = 2**26  # bytes of JSON
PLAIN_DATA = {
    cls.__name__: cls
    for cls in (
        Embedding,
        Head,
        NetworkSpec,
        Trunk,
        Targets,
        ValueTarget,
        ClassTarget,
        Forest,
        Ridge,
        Schema,
    )
}
# What Keras' configurations hold beside objects; "__lambda__" and "__typespec__" name code.
DATA_NAMES = ("__keras_tensor__", "__slice__")
# Layers that read files or run code of their own.
UNSAFE_LAYERS = {
    "Lambda",
    "TFSMLayer",
    "TorchModuleWrapper",
    "JaxLayer",
    "FlaxLayer",
    "StringLookup",
    "IntegerLookup",
    "TextVectorization",
}
FITTED = (
    "_targets",
    "_features",
    "_network",
    "_seed",
    "_member_states",
    "_balanced_by",
    "_blends",
    "_residuals",
    "_temperatures",
    "n_iter_",
    "history_",
    "loss_weights_",
    "classes_",
    "class_bin_edges_",
    "best_epoch_",
    "value_blend_",
    "temperature_",
    "forest_share_",
    "boosting_share_",
    "ridge_share_",
    "n_features_in_",
    "feature_names_in_",
)


def save(estimator, path):
    """Save a fitted estimator to one file, without pickle.

    The file holds parameters, encoders, weights, history, the optimizer's
    state and the versions that made it. It is written under another name and
    put in place at the end: whatever happens, ``path`` is the old file or the
    whole new one.

    Parameters
    ----------
    estimator : JointRegressorClassifier
        Fitted. Of a Pipeline or search save the joint estimator inside; its
        other steps are not ours to write.
    path : str or path-like
        File to write. An existing one is replaced.

    Raises
    ------
    TypeError
        If a parameter cannot be told as plain data: functions, callbacks,
        Lambda layers, objects that are not Keras' own. The message names it.
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
    writer = _Writer()
    params = dict(estimator.get_params(deep=False))
    if estimator.trunk is not None:
        # The layers are in the network; a function that builds them is code.
        params = {n: v for n, v in params.items() if n.split("__")[0] != TRUNK}
    document = {
        "format": FORMAT,
        "versions": {"skjoint": skjoint.__version__}
        | {name: version(name) for name in ("numpy", "scikit-learn", "tensorflow", "keras")},
        "params": {name: writer.encode(value, name) for name, value in params.items()},
        "fitted": {
            name: writer.encode(value, name)
            for name, value in estimator.__getstate__().items()
            if name in FITTED
        },
    }
    document = json.dumps(document)
    if len(document) > MAX_DOCUMENT:
        raise ValueError(
            f"The labels, categories and history of a model must fit into {MAX_DOCUMENT} bytes of "
            f"JSON, which load reads. Got {len(document)} instead."
        )
    with whole_file(path) as stream, zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(DOCUMENT, document)
        for name, data in writer.arrays.items():
            archive.writestr(name, data)


def load(path):
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
        If the file is no whole skjoint model, is of a later format, or holds
        what it must not.
    OSError
        If the file cannot be read.
    """
    document, arrays = _read_whole(Path(path))
    reader = _Reader(arrays)
    try:
        params = {n: reader.decode(v) for n, v in document["params"].items()}
        fitted = {n: reader.decode(v) for n, v in document["fitted"].items()}
        _update(fitted, document["format"])
        unknown = set(fitted) - set(FITTED)
        if unknown:
            raise _refused(f"unknown attributes {sorted(unknown)}")
        estimator = JointRegressorClassifier(**params)
        vars(estimator).update(fitted)
        _restore_trunk(estimator)
        is_mixture = estimator._network.spec.link == "mixture"
        estimator._plain_answers = Answers(estimator._targets, is_mixture)
    except _RefusedError:
        raise
    except Exception as error:  # whatever comes of parts that belong to no model
        raise _refused(f"its content does not fit together ({first_line(error)})") from error
    return estimator


def _restore_trunk(estimator):
    network = estimator._network
    if isinstance(network, Blend):
        network = network.network
    trunk = network.spec.trunk
    if trunk is not None:
        shapes = trunk.declared_shapes()
        for part in network.networks if isinstance(network, Ensemble) else [network]:
            found = [w.shape for w in part.weights[: len(shapes)]]
            if found != shapes or len(part.weights) != len(shapes) + len(weight_shapes(part.spec)):
                raise _refused(
                    f"its trunk has weights of shapes {found[:4]}... and not {shapes[:4]}"
                )
        estimator.trunk = trunk.build()
        estimator.trunk.set_weights(network.member(0).weights[: len(shapes)])
    estimator._trunk_made_from = (estimator.trunk, {})


def to_onnx(estimator, path):
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
    float64, too, so that they are those of the estimator but for rounding.

    The checks that ``predict`` makes of X are not in the graph. In the file's
    metadata ``features``, ``targets`` and ``classes`` tell, in JSON, the columns of
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
        names, a layer of a ``trunk`` that is not dense, normalising, reshaping or
        pooling over all, a step that skl2onnx does not know, a column of X that
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


def register_onnx_converter():
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


class _RefusedError(ValueError):
    pass


def _refused(why):
    return _RefusedError(f"This file is not a model that skjoint can load: {why}.")


# ------------------------------------------------------------------------- file
def _read_whole(path):
    """The document and the arrays' bytes; nothing is unpacked to disk."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            names = [entry.filename for entry in entries]
            if DOCUMENT not in names or len(set(names)) != len(names):
                raise _refused(f"it has no {DOCUMENT}, or entries of one name")
            # Stored as they are, entries cannot grow: the file's size bounds the memory.
            packed = [e.filename for e in entries if e.compress_type != zipfile.ZIP_STORED]
            if packed or sum(e.file_size for e in entries) > path.stat().st_size:
                raise _refused("its entries are compressed or overlap")
            if archive.getinfo(DOCUMENT).file_size > MAX_DOCUMENT:
                raise _refused(f"{DOCUMENT} is too large")
            document = json.loads(archive.read(DOCUMENT))
            arrays = {name: archive.read(name) for name in names if name != DOCUMENT}
    except _RefusedError:
        raise
    except (ValueError, RecursionError) as error:  # numbers of 5,000 digits, too
        raise _refused(f"{DOCUMENT} is not JSON ({error})") from error
    # zipfile's for damage, for methods of packing it does not know, and for encrypted entries
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise _refused(f"it is damaged or of another kind ({error})") from error
    if not isinstance(document, dict) or not isinstance(document.get("format"), int):
        raise _refused("it names no format")
    if document["format"] > FORMAT:
        made_by = document.get("versions", {}).get("skjoint", "a later version")
        raise ValueError(
            f"This file has format {document['format']}, made by skjoint {made_by}; skjoint "
            f"{skjoint.__version__} reads formats up to {FORMAT}. Update skjoint."
        )
    if {type(document.get("params")), type(document.get("fitted"))} != {dict}:
        raise _refused("it has no parameters or no fitted state")
    return document, arrays


def _check_weights(spec, weights):
    expected = weight_shapes(spec)
    found = [w.shape for w in weights][-len(expected) :]
    if found != expected:
        raise _refused(f"it has weights of shapes {found[:4]}... where {expected[:4]}... belong")


def _check_places(networks, places):
    n_heads = len(networks[0].spec.heads)
    like = dataclasses.replace(networks[0].spec, embedding=None)
    same = all(
        isinstance(network, FittedNetwork)
        and dataclasses.replace(network.spec, embedding=None) == like
        for network in networks
    )
    if not (same and places and all(len(place) == n_heads for place in places)):
        raise _refused("its networks do not fit together")
    if not all(isinstance(i, int) and 0 <= i < len(networks) for place in places for i in place):
        raise _refused("it names networks that it does not hold")


def _update(fitted, made_by):
    """The fitted state of an earlier format as that of today."""
    features = fitted["_features"]
    if features.schema is None:  # held by the estimator alone
        names = fitted.get("feature_names_in_")
        features.schema = Schema(fitted["n_features_in_"], names)
    if made_by < 7 and "forest_share_" in fitted:
        fitted["boosting_share_"] = np.zeros_like(fitted["forest_share_"])
    if made_by < 3:
        fitted.setdefault("_temperatures", [])
    if made_by == 1:
        method, balancing_state = fitted.pop("_balancing_state")
        fitted["_balanced_by"] = method
        fitted["_member_states"] = [(fitted.pop("_optimizer_state"), balancing_state)]
        fitted["_residuals"] = None


# ------------------------------------------------------------------ plain data
class _Writer:
    """Values as JSON, with arrays set aside as bytes."""

    def __init__(self):
        self.arrays = {}

    def encode(self, value, where):
        """JSON of a value; ``where`` names it in errors."""
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        if isinstance(value, np.generic):
            return {
                "is": "scalar",
                "dtype": value.dtype.str,
                "value": self.encode(value.item(), where),
            }
        if isinstance(value, np.ndarray):
            return self._array(value, where)
        if isinstance(value, (list, tuple)):
            kind = "tuple" if isinstance(value, tuple) else "list"
            return {"is": kind, "items": [self.encode(v, where) for v in value]}
        if isinstance(value, dict):
            pairs = [[self.encode(k, where), self.encode(v, where)] for k, v in value.items()]
            if "class_name" in value:
                check_keras_config(value, where)
            return {"is": "dict", "items": pairs}
        if type(value).__name__ in PLAIN_DATA and dataclasses.is_dataclass(value):
            if isinstance(value, Trunk):
                check_keras_config(json.loads(value.config), where)
            fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
            return self._object(type(value).__name__, fields, where)
        if isinstance(value, (FittedNetwork, Ensemble, Blend)):
            return self._object(type(value).__name__, value.__getstate__(), where)
        if isinstance(value, FeatureEncoder):
            return self._object("FeatureEncoder", vars(value), where)
        if isinstance(value, StandardScaler):
            names = ("mean_", "var_", "scale_", "n_samples_seen_", "n_features_in_")
            return self._object("StandardScaler", {n: getattr(value, n) for n in names}, where)
        if isinstance(value, OneHotEncoder):
            return self._object("OneHotEncoder", {"categories": value.categories_}, where)
        return self._keras_object(value, where)

    def _object(self, name, fields, where):
        return {
            "is": name,
            "fields": {k: self.encode(v, f"{where}.{k}") for k, v in fields.items()},
        }

    def _array(self, array, where):
        if array.dtype == object or array.dtype.kind in "US":
            items = [self.encode(v, where) for v in array.ravel().tolist()]
            dtype = "O" if array.dtype == object else array.dtype.str
            return {"is": "objects", "dtype": dtype, "shape": array.shape, "items": items}
        if array.dtype.kind not in "biuf":
            raise TypeError(f"{where} holds values of type {array.dtype}, which save cannot write.")
        name = f"arrays/{len(self.arrays)}"
        array = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
        self.arrays[name] = array.tobytes()
        return {"is": "array", "dtype": array.dtype.str, "shape": array.shape, "data": name}

    def _keras_object(self, value, where):
        """Instances and classes of Keras' own, by configuration."""
        if isinstance(value, type) and value.__module__.startswith("keras."):
            config = {"module": "keras.optimizers", "class_name": value.__name__, "config": None}
            if getattr(import_keras().optimizers, value.__name__, None) is value:
                return {"is": "keras class", "config": config}
        elif type(value).__module__.startswith("keras."):
            keras = import_keras()
            bases = (keras.optimizers.Optimizer, keras.losses.Loss, keras.initializers.Initializer)
            if isinstance(value, bases):
                config = keras.saving.serialize_keras_object(value)
                check_keras_config(config, where)
                return {"is": "keras", "config": json.dumps(config)}
        raise TypeError(
            f"save cannot write {where}={value!r}: functions, callbacks and foreign objects are "
            "code. Use a name that Keras knows, or set_params(...) another value before saving; "
            "what prediction does not need, such as callbacks, may be None."
        )


class _Reader:
    """The reverse of :class:`_Writer`, for input of any origin."""

    def __init__(self, arrays):
        self.arrays = arrays

    def decode(self, value):
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        kind = value["is"]
        if kind == "list":
            return [self.decode(v) for v in value["items"]]
        if kind == "tuple":
            return tuple(self.decode(v) for v in value["items"])
        if kind == "dict":
            decoded = {self.decode(k): self.decode(v) for k, v in value["items"]}
            if "class_name" in decoded:
                check_keras_config(decoded, "the file")
            return decoded
        if kind in ("array", "objects", "scalar"):
            return getattr(self, f"_{kind}")(value)
        if kind == "keras":
            config = json.loads(value["config"])
            check_keras_config(config, "the file")
            return import_keras().saving.deserialize_keras_object(config)
        if kind == "keras class":
            return self._keras_class(value["config"]["class_name"])
        fields = {name: self.decode(field) for name, field in value["fields"].items()}
        return self._object(kind, fields)

    def _object(self, kind, fields):
        if kind in PLAIN_DATA:
            made = PLAIN_DATA[kind](**fields)
            if kind == "Trunk":
                check_keras_config(json.loads(made.config), "the file")
            return made
        if kind == "FittedNetwork":
            _check_weights(**fields)
            return FittedNetwork(**fields)
        if kind == "Ensemble":
            _check_places(**fields)
            return Ensemble(**fields)
        if kind == "Blend":
            if "forests" in fields:  # up to format 7: plain means
                fields |= {"models": fields.pop("forests"), "floor": None}
            if isinstance(fields["shares"], dict):  # format 6: those of the networks
                shares = {head: 1 - share for head, share in fields["shares"].items()}
                of_head = [{h: shares[h] for h in f.heads if h in shares} for f in fields["models"]]
                fields["shares"] = of_head
            return Blend(**fields)
        if kind == "FeatureEncoder":
            encoder = FeatureEncoder(fields.pop("enabled"), fields.pop("ranks", False))
            vars(encoder).update(fields)
            return encoder
        if kind == "StandardScaler":
            scaler = StandardScaler()
            for name in ("mean_", "var_", "scale_", "n_samples_seen_", "n_features_in_"):
                setattr(scaler, name, fields[name])
            return scaler
        if kind == "OneHotEncoder":
            return _one_hot(fields["categories"])
        raise _refused(f"it holds an object of kind {kind!r}")

    def _array(self, value):
        dtype, shape = np.dtype(value["dtype"]), tuple(value["shape"])
        data = self.arrays[value["data"]]
        whole = all(isinstance(n, int) and n >= 0 for n in shape)
        if dtype.kind not in "biuf" or not whole or math.prod(shape) * dtype.itemsize != len(data):
            raise _refused(f"{value['data']} is not an array of shape {shape} and type {dtype}")
        array = np.frombuffer(data, dtype).reshape(shape)
        return array.astype(dtype.newbyteorder("="))  # a copy of its own, writable

    def _objects(self, value):
        items = [self.decode(v) for v in value["items"]]
        if value["dtype"] != "O":
            dtype = np.dtype(value["dtype"])
            if dtype.kind not in "US":
                raise _refused(f"it holds texts of type {dtype}")
            if max(map(len, items), default=0) * len(items) > MAX_DOCUMENT:  # all take as much
                raise _refused("it holds texts of very different lengths")
            return np.array(items, dtype=str if dtype.kind == "U" else bytes).reshape(
                value["shape"]
            )
        array = np.empty(len(items), dtype=object)
        array[:] = items
        return array.reshape(value["shape"])

    def _scalar(self, value):
        dtype = np.dtype(value["dtype"])
        if dtype.kind not in "biufU":
            raise _refused(f"it holds a number of type {dtype}")
        return dtype.type(self.decode(value["value"]))

    @staticmethod
    def _keras_class(name):
        keras = import_keras()
        cls = getattr(keras.optimizers, str(name), None)
        if not isinstance(cls, type) or not issubclass(cls, keras.optimizers.Optimizer):
            raise _refused(f"it names the optimizer {name!r}")
        return cls


def _one_hot(categories):
    """An encoder with these categories: all are given, so that one row is enough to fit it."""
    categories = [np.asarray(c, dtype=object) for c in categories]
    encoder = OneHotEncoder(
        categories=categories, handle_unknown="ignore", sparse_output=False, dtype=np.float32
    )
    return encoder.fit(np.array([[c[0] for c in categories]], dtype=object))


def check_keras_config(config, where):
    """Raise unless a Keras configuration names nothing but safe layers of Keras' own."""
    if isinstance(config, dict):
        name = config.get("class_name")
        if name is not None and name not in DATA_NAMES:
            module, registered = config.get("module"), config.get("registered_name")
            ours = registered == "skjoint>HashDropout"
            keras_own = isinstance(module, str) and module.split(".")[0] == "keras"
            known = keras_own and registered in (None, name) and name not in UNSAFE_LAYERS
            special = name == "function" or str(name).startswith("__")
            if special or not (ours or known):
                raise TypeError(
                    f"{where} has {name!r} of {module or registered}: only layers, optimizers, "
                    "losses and initializers of Keras' own that run no code can be saved and "
                    "loaded."
                )
        for value in config.values():
            check_keras_config(value, where)
    elif isinstance(config, (list, tuple)):
        for value in config:
            check_keras_config(value, where)
