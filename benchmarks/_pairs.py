"""The joint model and the pairs of separate models that `quality.py` compares."""

import logging

import numpy as np
import pandas as pd
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder, StandardScaler

THREADS = 2


# -------------------------------------------------------------- joint and pairs
class Joint:
    """A joint estimator. Where number and label are one column, that column is its y."""

    def __init__(self, est):
        self.est = est

    def fit(self, X, value, label):
        if value.name == label.name:
            self.est.fit(X, value)
        else:
            self.est.set_params(value_columns=[value.name], class_columns=[label.name])
            self.est.fit(X, pd.concat([value, label], axis=1))
        self.classes_ = self.est.classes_

    def predict_value(self, X):
        return self.est.predict_value(X)

    def predict_interval(self, X):
        """At 90 %; None where no rows were held out, or too few."""
        try:
            return self.est.predict_interval(X, coverage=0.9)
        except ValueError:
            return None

    def predict_class(self, X):
        return self.est.predict_class(X)

    def predict_proba(self, X):
        return self.est.predict_proba(X)


class Pair:
    """Two separate models; None for a target that is not asked for."""

    def __init__(self, value_model, class_model):
        self.value_model, self.class_model = value_model, class_model

    def fit(self, X, value, label):
        if self.value_model is not None:
            self.value_model.fit(X, value.to_numpy(float))
        if self.class_model is not None:
            plain = label.to_numpy(object if label.dtype.kind not in "iu" else None)
            self.class_model.fit(X, plain)
            self.classes_ = self.class_model.classes_

    def predict_value(self, X):
        return None if self.value_model is None else self.value_model.predict(X)

    def predict_class(self, X):
        # CatBoost answers with a column.
        return None if self.class_model is None else np.ravel(self.class_model.predict(X))

    def predict_proba(self, X):
        return None if self.class_model is None else self.class_model.predict_proba(X)


# --------------------------------------------------------------- preprocessing
def by_kind(X, numbers, categories):
    """One transformer for the numbers, one for the categories; a DataFrame comes out."""
    columns = categorical(X)
    return make_column_transformer(
        (numbers, [c for c in X.columns if c not in columns]),
        (categories, columns),
        verbose_feature_names_out=False,
    ).set_output(transform="pandas")


def categorical(X):
    return list(X.select_dtypes(exclude="number").columns)


def as_codes(X):
    codes = OrdinalEncoder(
        handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2
    )
    return by_kind(X, "passthrough", codes)


def as_one_hot(X):
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    return by_kind(X, numbers, OneHotEncoder(handle_unknown="ignore", sparse_output=False))


def as_categories(X):
    return by_kind(X, "passthrough", FunctionTransformer(to_categories))


def as_text(X):
    return by_kind(X, "passthrough", FunctionTransformer(to_text))


def imputed(X):
    return by_kind(X, SimpleImputer(strategy="median"), FunctionTransformer(to_text))


def to_categories(frame):
    return frame.astype("category")


def to_text(frame):
    """Text without gaps: a gap is a category like any other."""
    return frame.astype(object).where(frame.notna(), "missing").astype(str)


# ----------------------------------------------------------------------- peers
# Each: (features to train on, trained on MAE?) -> model of the number, model of the label.
def constant(X, mae):
    strategy = "median" if mae else "mean"
    return DummyRegressor(strategy=strategy), DummyClassifier(strategy="prior")


def random_forest(X, mae):
    settings = {"n_jobs": THREADS, "random_state": 0}
    criterion = "absolute_error" if mae else "squared_error"
    return (
        make_pipeline(as_codes(X), RandomForestRegressor(criterion=criterion, **settings)),
        make_pipeline(as_codes(X), RandomForestClassifier(**settings)),
    )


def hist_gradient_boosting(X, mae):
    loss = "absolute_error" if mae else "squared_error"
    return (
        make_pipeline(as_categories(X), HistGradientBoostingRegressor(loss=loss, random_state=0)),
        make_pipeline(as_categories(X), HistGradientBoostingClassifier(random_state=0)),
    )


def lightgbm(X, mae):
    from lightgbm import LGBMClassifier, LGBMRegressor

    settings = {"n_jobs": THREADS, "random_state": 0, "verbose": -1}
    objective = "regression_l1" if mae else "regression"
    return (
        make_pipeline(as_categories(X), LGBMRegressor(objective=objective, **settings)),
        make_pipeline(as_categories(X), LGBMClassifier(**settings)),
    )


def mlp(X, mae):
    regressor = TransformedTargetRegressor(
        MLPRegressor(random_state=0), transformer=StandardScaler()
    )
    return (
        make_pipeline(as_one_hot(X), regressor),
        make_pipeline(as_one_hot(X), MLPClassifier(random_state=0)),
    )


def catboost(X, mae):
    from catboost import CatBoostClassifier, CatBoostRegressor

    settings = {
        "cat_features": categorical(X),
        "thread_count": THREADS,
        "random_seed": 0,
        "verbose": False,
        "allow_writing_files": False,
    }
    loss = "MAE" if mae else "RMSE"
    return (
        make_pipeline(as_text(X), CatBoostRegressor(loss_function=loss, **settings)),
        make_pipeline(as_text(X), CatBoostClassifier(**settings)),
    )


def realmlp(X, mae, **class_settings):
    from pytabkit import RealMLP_TD_Classifier, RealMLP_TD_Regressor

    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    # More threads slow its small steps down, tenfold where the cores have other work too.
    settings = {"device": "cpu", "n_threads": 1, "random_state": 0}
    metrics = {"train_metric_name": "mae", "val_metric_name": "mae"} if mae else {}
    return (
        make_pipeline(imputed(X), RealMLP_TD_Regressor(**metrics, **settings)),
        make_pipeline(imputed(X), RealMLP_TD_Classifier(**class_settings, **settings)),
    )


def realmlp_log_loss(X, mae):
    _, classifier = realmlp(X, mae, use_ls=False, val_metric_name="cross_entropy")
    return None, classifier


PEERS = {  # from cheap to expensive
    "constant": constant,
    "random forest": random_forest,
    "HistGradientBoosting": hist_gradient_boosting,
    "LightGBM": lightgbm,
    "MLP": mlp,
    "CatBoost": catboost,
    "RealMLP": realmlp,
}
PAIRS = tuple(PEERS)[1:]
MORE_PEERS = {  # reported, but none of the pairs
    "RealMLP, log loss": realmlp_log_loss,
}
WITHOUT_MAE = ("MLP",)  # scikit-learn's has no such loss
