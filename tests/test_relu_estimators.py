"""CertifiedReLURegressor and CertifiedReLUClassifier: scikit-learn's contract, the optimum by the landscape."""

import pickle
import warnings

import numpy as np
import pytest
from sklearn.datasets import load_iris, make_moons
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures

from comparators import assert_close, assert_raises_naming
from estimator_contract import assert_contract
from landscape_cpp import errors
from landscape_cpp.estimators import CertifiedReLUClassifier, CertifiedReLURegressor

QUICK = {"max_iter": 6, "method": "spectral", "tol": 1e-2}


@pytest.mark.parametrize(
    "estimator",
    [
        CertifiedReLURegressor(**QUICK),
        CertifiedReLUClassifier(**QUICK),
        pytest.param(
            CertifiedReLURegressor(0.3, unit="abs", bias=False, standardize=False, **QUICK), marks=pytest.mark.slow
        ),
        pytest.param(CertifiedReLUClassifier(0.5, fit_intercept=False, **QUICK), marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_contract(estimator):
    assert_contract(estimator)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [CertifiedReLURegressor, CertifiedReLUClassifier])
def test_contract_of_cross_validation(kind):
    assert_contract(kind("cv", lams=3, cv=2, **QUICK))


def waves(samples=60, seed=0):
    rng = np.random.default_rng(seed)
    X = 10.0 * rng.standard_normal((samples, 2)) + 5.0
    return X, 100.0 * np.sin(X[:, 0] / 5.0) + X[:, 1] ** 2


def test_regressor_is_the_landscapes_optimum(ls):
    X, y = waves()
    model = CertifiedReLURegressor(0.5, tol=1e-8).fit(X, y)
    Z, t = (X - X.mean(axis=0)) / X.std(axis=0), y / y.std()
    land = ls.ParallelNetwork(Z, t, 0.5, bias=True, intercept=True)
    assert_close(model.objective_, land.solve(1e-9).value, 1e-7)
    assert model.certificate_.verdict == "GLOBAL"
    assert ls.verify(model.certificate_, model.landscape_, model.point_)
    hidden = np.maximum(np.column_stack([Z, np.ones(len(Z))]) @ model.V_, 0.0)
    assert_close(model.predict(X), y.std() * (hidden @ model.U_[0] + model.b_[0]), 1e-10)
    assert model.n_units_ == model.V_.shape[1] == model.solution_.width
    assert model.score(X, y) > 0.9


def test_any_seed_and_any_unit_of_measure_gives_the_same_objective():
    X, y = waves(40)
    models = [CertifiedReLURegressor(0.5, tol=1e-7, random_state=seed).fit(X, y) for seed in (0, 1, 17)]
    models.append(CertifiedReLURegressor(0.5, tol=1e-7).fit(1e3 * X + 7.0, 1e-3 * y))
    values = [model.objective_ for model in models]
    assert np.ptp(values) <= 1e-6 * values[0]


def test_several_targets_and_constant_columns():
    X, y = waves(40)
    Y = np.column_stack([y, -y, np.full(len(y), 3.0)])
    model = CertifiedReLURegressor(0.2).fit(np.column_stack([X, np.ones(len(X))]), Y)
    predicted = model.predict(np.column_stack([X, np.ones(len(X))]))
    assert predicted.shape == Y.shape
    assert_close(predicted[:, 2], np.full(len(y), 3.0), 1e-6)


@pytest.mark.parametrize("classes", [2, 3])
def test_classifier(ls, classes):
    X, y = load_iris(return_X_y=True)
    X, y = X[y < classes, 2:], np.array(["a", "b", "c"])[y[y < classes]]
    model = CertifiedReLUClassifier(0.1, tol=1e-6).fit(X, y)
    assert model.certificate_.verdict == "GLOBAL"
    assert ls.verify(model.certificate_, model.landscape_, model.point_)
    probabilities = model.predict_proba(X)
    assert_close(probabilities.sum(axis=1), np.ones(len(X)), 1e-12)
    assert list(model.classes_[probabilities.argmax(axis=1)]) == list(model.predict(X))
    assert model.score(X, y) > 0.95
    loss = log_loss(y, probabilities, normalize=False)
    penalty = 0.05 * (np.sum(model.U_**2) + np.sum(model.V_**2))
    assert_close(loss + penalty, model.objective_, 1e-9)
    assert model.decision_function(X).shape == ((len(X),) if classes == 2 else (len(X), 3))


def test_cross_validation_chooses_by_held_out_error():
    X, y = make_moons(80, noise=0.25, random_state=0)
    folds = KFold(3, shuffle=True, random_state=0)
    model = CertifiedReLUClassifier("cv", lams=5, cv=folds).fit(X, y)
    assert model.cv_errors_.shape == (3, 5)
    assert np.all(np.diff(model.cv_lams_) < 0.0)
    assert model.lam_ == model.cv_lams_[np.argmin(model.cv_errors_.mean(axis=0))]
    train, test = next(folds.split(X))
    # the fold's network on the whole data's scale
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    own = CertifiedReLUClassifier(model.lam_, standardize=False, tol=1e-6).fit(Z[train], y[train])
    error = log_loss(y[test], own.predict_proba(Z[test]))
    assert abs(error - model.cv_errors_[0, list(model.cv_lams_).index(model.lam_)]) <= 0.05 * error
    chosen = CertifiedReLURegressor("cv", lams=[2.0, 0.02], cv=2, random_state=0).fit(*waves(40))
    assert chosen.lam_ in (2.0, 0.02)


def test_in_a_pipeline_and_a_search():
    X, y = waves(40)
    pipeline = make_pipeline(PolynomialFeatures(1, include_bias=False), CertifiedReLURegressor(tol=1e-3))
    search = GridSearchCV(pipeline, {"certifiedreluregressor__lam": [0.1, 10.0]}, cv=2)
    search.fit(X, y)
    assert search.best_params_ == {"certifiedreluregressor__lam": 0.1}
    again = pickle.loads(pickle.dumps(search.best_estimator_))
    assert_close(again.predict(X), search.predict(X), 1e-12)


def test_warns_without_a_proof():
    rng = np.random.default_rng(1)
    X = rng.standard_normal((50, 8))
    with pytest.warns(errors.ConvergenceWarning, match="proved relative gap"):
        CertifiedReLURegressor(0.1, max_nodes=1).fit(X, np.abs(X[:, 0]) - X[:, 1] * X[:, 2])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        CertifiedReLURegressor(1.0).fit(*waves(20))


@pytest.mark.parametrize("kind", [CertifiedReLURegressor, CertifiedReLUClassifier])
@pytest.mark.parametrize(
    ("settings", "error", "name"),
    [
        ({"lam": -1.0}, ValueError, "lam"),
        ({"lam": "best"}, ValueError, "lam"),
        ({"lams": 1}, ValueError, "lams"),
        ({"unit": "tanh"}, ValueError, "unit"),
        ({"bias": "free"}, TypeError, "bias"),
        ({"tol": 0.0}, ValueError, "tol"),
        ({"width_max": -1}, ValueError, "width_max"),
        ({"max_nodes": 0}, ValueError, "max_nodes"),
        ({"lam": "cv", "cv": 1}, ValueError, "cv"),
    ],
)
def test_settings_out_of_range(kind, settings, error, name):
    X, y = make_moons(20, random_state=0)
    assert_raises_naming(lambda: kind(**settings).fit(X, y), error, name)


def test_one_class_is_refused():
    assert_raises_naming(lambda: CertifiedReLUClassifier().fit(np.eye(3), [1, 1, 1]), ValueError, "class")
