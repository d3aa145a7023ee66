"""The scikit-learn estimators: their contract, and the closed form by SVD on every degeneracy."""

import pickle
import subprocess
import sys

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_digits, load_linnerud
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from estimator_contract import assert_contract
from landscape_cpp.estimators import LinearAutoencoder, ReducedRankRegressor
from reference import reduced_rank as reference

REGRESSORS = [
    ReducedRankRegressor(),
    ReducedRankRegressor(rank=None, alpha=1.0),
    ReducedRankRegressor(rank=2, fit_intercept=False),
    ReducedRankRegressor(rank="cv", cv=2),
]
ENCODERS = [LinearAutoencoder(), LinearAutoencoder(1, center=False), LinearAutoencoder(0.9)]


# --- scikit-learn's contract ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("estimator", REGRESSORS + ENCODERS, ids=repr)
def test_check_estimator(estimator):
    assert_contract(estimator)


def sizes(kind, rng):
    return {
        "tall": (rng.standard_normal((60, 5)), 3),
        "one target": (rng.standard_normal((30, 4)), 1),
        "one input": (rng.standard_normal((30, 1)), 3),
        "1x1": (rng.standard_normal((9, 1)), 1),
        "more outputs than inputs": (rng.standard_normal((40, 3)), 7),
        "fewer samples than inputs": (rng.standard_normal((8, 20)), 4),
        "two samples": (rng.standard_normal((2, 3)), 2),
        "one sample": (rng.standard_normal((1, 3)), 2),
        "units of 1e-8 and 1e8": (rng.standard_normal((50, 4)) * [1e-8, 1.0, 1e4, 1e8], 3),
        "constant column": (np.insert(rng.standard_normal((30, 4)), 2, 0.1, axis=1), 3),
        "constant to rounding": (np.insert(rng.standard_normal((30, 4)), 1, 0.3 + 5e-17 * (np.arange(30) % 2), 1), 3),
        "all columns constant": (np.full((20, 3), 0.7), 2),
        "zero column": (np.insert(rng.standard_normal((30, 4)), 0, 0.0, axis=1), 3),
        "duplicated columns": (rng.standard_normal((30, 3))[:, [0, 1, 2, 0, 1]], 3),
        "collinear": (rng.standard_normal((40, 3)) @ rng.standard_normal((3, 6)), 4),
        "one-hot, intercept": (np.eye(4)[rng.integers(4, size=50)], 3),
        "far from zero": (1e6 + rng.standard_normal((40, 3)), 2),
        "collinear, far from zero": (1e4 + (rng.standard_normal((40, 2)) @ rng.standard_normal((2, 4))), 3),
    }[kind]


KINDS = [
    "tall", "one target", "one input", "1x1", "more outputs than inputs", "fewer samples than inputs", "two samples",
    "one sample", "units of 1e-8 and 1e8", "constant column", "constant to rounding", "all columns constant",
    "zero column", "duplicated columns", "collinear", "one-hot, intercept", "far from zero", "collinear, far from zero",
]  # fmt: skip


def targets_of(X, n_targets, rng):
    shares = X / np.maximum(np.abs(X).max(axis=0), 1e-300)
    mixed = shares @ (rng.standard_normal((X.shape[1], n_targets)) * (1.0 + np.arange(n_targets)))
    return mixed + 0.3 * rng.standard_normal(mixed.shape) + 2.0


def weights_of(kind, m, rng):
    if kind == "none":
        return None
    weights = rng.uniform(0.5, 2.0, m)
    if kind == "with zeros" and m > 2:
        weights[rng.permutation(m)[: m // 3]] = 0.0
    return weights


@pytest.mark.parametrize("weighting", ["none", "positive", "with zeros"])
@pytest.mark.parametrize("alpha", [0.0, 2.5])
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_every_rank_equals_the_closed_form(kind, intercept, alpha, weighting, rng):
    X, n_targets = sizes(kind, rng)
    Y = targets_of(X, n_targets, rng)
    weights = weights_of(weighting, len(X), rng)
    # Entries of 1e4 carry errors of 1e-16 · 1e4 relative to deviations of 1: what they say ends there.
    far = "far" in kind
    expected = reference.solutions(X, Y, alpha=alpha, weights=weights, intercept=intercept, rcond=1e-9)
    model = ReducedRankRegressor(rank=None, alpha=alpha, fit_intercept=intercept).fit(X, Y, sample_weight=weights)
    objectives = np.array([row[2] for row in expected])
    assert model.objectives_.shape == objectives.shape
    np.testing.assert_allclose(model.objectives_, objectives, rtol=1e-10, atol=1e-12 * objectives[0] + 1e-28)
    for r, (Z, b, _) in enumerate(expected):
        at_rank = model.at_rank(r)
        assert at_rank.rank_ <= r
        predicted, wanted = at_rank.predict(X), X @ Z.T + b
        spread = np.abs(Y).max()
        np.testing.assert_allclose(predicted, wanted, rtol=0, atol=(1e-7 if far else 1e-10) * spread)
        # Coefficients times the size of their column, since units differ by 16 powers of ten in one case.
        size = np.ptp(X, axis=0) if intercept else np.abs(X).max(axis=0)
        largest = max(spread, np.abs(Z * size).max())
        np.testing.assert_allclose(at_rank.coef_ * size, Z * size, rtol=0, atol=(1e-7 if far else 1e-9) * largest)


def test_collinear_columns_share_their_coefficient(rng):
    x = rng.standard_normal(50)
    model = ReducedRankRegressor(rank=1).fit(np.column_stack([x, x, 3.0 * np.ones(50)]), 4.0 * x + 1.0)
    np.testing.assert_allclose(model.coef_, [2.0, 2.0, 0.0], rtol=1e-12)
    assert model.intercept_ == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_columns_collinear_to_the_rounding_of_their_type(dtype, rng):
    # The third column is the rounded sum of the others: its last digits are not information.
    X = rng.standard_normal((200, 2)).astype(dtype)
    X = np.column_stack([X, X[:, 0] + X[:, 1]])
    y = X[:, :2].sum(axis=1) + 0.1 * rng.standard_normal(200)
    coef = ReducedRankRegressor(rank=1).fit(X, y).coef_
    assert np.abs(coef).max() < 1.0
    np.testing.assert_allclose(coef[0] + coef[1], coef[2], rtol=1e-5)  # orthogonal to the null vector (1, 1, -1)


def test_full_rank_is_linear_regression_and_ridge():
    X, Y = load_linnerud(return_X_y=True)
    for alpha, peer in ((0.0, LinearRegression()), (7.0, Ridge(alpha=7.0))):
        peer.fit(X, Y, sample_weight=np.arange(20))
        ours = ReducedRankRegressor(rank=None, alpha=alpha).fit(X, Y, sample_weight=np.arange(20))
        np.testing.assert_allclose(ours.coef_, peer.coef_, rtol=1e-9)
        np.testing.assert_allclose(ours.intercept_, peer.intercept_, rtol=1e-9)
        assert ours.score(X, Y) == pytest.approx(peer.score(X, Y), rel=1e-9)


def test_objective_is_what_the_model_attains(rng):
    X, Y = load_linnerud(return_X_y=True)
    weights = rng.uniform(size=20)
    for rank in range(4):
        model = ReducedRankRegressor(rank=rank, alpha=30.0).fit(X, Y, sample_weight=weights)
        attained = weights @ ((Y - model.predict(X)) ** 2).sum(axis=1) + 30.0 * (model.coef_**2).sum()
        assert attained == pytest.approx(model.objectives_[rank], rel=1e-12)


def test_no_model_of_the_rank_is_better(rng):
    # Descent from the solution and from random starts, over all models of this rank.
    X, Y = load_linnerud(return_X_y=True)
    model = ReducedRankRegressor(rank=1, alpha=10.0).fit(X, Y)
    net = model.landscape_
    assert model.certify().verdict == "GLOBAL"
    assert net.minimum_value * 20 == pytest.approx(model.objectives_[1], rel=1e-12)
    for _ in range(20):
        p = tuple(part + 1e-3 * rng.standard_normal(part.shape) for part in model.point_)
        assert 20 * net.value(p) >= model.objectives_[1] * (1 - 1e-12)


@pytest.mark.parametrize("alpha", [0.0, 1e-3])
def test_certificate_of_real_data(alpha):
    X, y = load_digits(return_X_y=True)
    model = ReducedRankRegressor(rank=4, alpha=alpha).fit(X, np.eye(10)[y])
    certificate = model.certify()
    assert certificate.verdict == "GLOBAL"
    assert certificate.value * len(X) == pytest.approx(model.objectives_[4], rel=1e-10)


def test_at_rank_equals_refitting():
    X, y = load_digits(return_X_y=True)
    Y = np.eye(10)[y]
    model = ReducedRankRegressor(rank=9, alpha=1.0).fit(X, Y)
    for rank in (0, 1, 5, 12):
        other = ReducedRankRegressor(rank=rank, alpha=1.0).fit(X, Y)
        ours = model.at_rank(rank)
        assert ours.get_params() == other.get_params()
        assert ours.rank_ == other.rank_
        np.testing.assert_array_equal(ours.coef_, other.coef_)
        np.testing.assert_array_equal(ours.intercept_, other.intercept_)
    assert model.rank == 9
    with pytest.raises(TypeError, match="rank must be an integer"):
        model.at_rank("cv")


# --- the rank by cross-validation -------------------------------------------------------------------------------------


@pytest.mark.parametrize("weighting", ["none", "positive"])
@pytest.mark.parametrize("alpha", [0.0, 5.0])
def test_cross_validated_errors_are_those_of_refitting(alpha, weighting, rng):
    X, Y = load_linnerud(return_X_y=True)
    weights = weights_of(weighting, len(X), rng)
    cv = KFold(4, shuffle=True, random_state=3)
    model = ReducedRankRegressor(rank="cv", alpha=alpha, cv=cv).fit(X, Y, sample_weight=weights)
    w = np.ones(len(X)) if weights is None else weights
    for fold, (train, test) in enumerate(cv.split(X)):
        for rank in range(4):
            refit = ReducedRankRegressor(rank=rank, alpha=alpha).fit(X[train], Y[train], sample_weight=w[train])
            error = np.average(((Y[test] - refit.predict(X[test])) ** 2).sum(axis=1), weights=w[test])
            assert model.cv_errors_[fold, rank] == pytest.approx(error, rel=1e-9)
    mean = np.average(model.cv_errors_, axis=0, weights=model.cv_weights_)
    assert model.rank_ == np.argmin(mean)


def test_planted_rank_is_found(rng):
    X = rng.standard_normal((400, 12))
    Y = X @ rng.standard_normal((12, 3)) @ rng.standard_normal((3, 8)) + 0.5 * rng.standard_normal((400, 8))
    model = ReducedRankRegressor(rank="cv").fit(X, Y)
    assert model.cv_errors_.shape == (5, 9)
    mean = model.cv_errors_.mean(axis=0)
    assert 3 <= model.rank_ <= 5  # beyond the planted rank the curve is flat
    assert mean[2] > 1.2 * mean[3]
    assert mean[3] < 1.01 * mean.min()


def test_rank_zero_where_nothing_can_be_predicted():
    rng = np.random.default_rng(5)
    X, Y = rng.standard_normal((40, 6)), rng.standard_normal((40, 3))
    model = ReducedRankRegressor(rank="cv", random_state=0).fit(X, Y)
    assert model.rank_ == 0
    np.testing.assert_allclose(model.predict(X), np.broadcast_to(Y.mean(axis=0), Y.shape))
    assert model.transform(X).shape == (40, 0)
    certificate = model.certify()
    assert (certificate.verdict, certificate.gap) == ("GLOBAL", 0.0)  # the only model of rank 0
    assert certificate.value * 40 == pytest.approx(model.objectives_[0], rel=1e-12)
    assert model.landscape_.certify(model.point_).verdict == "NOT_GLOBAL"  # among the networks of one unit
    assert model.at_rank(1).certify().verdict == "GLOBAL"
    with pytest.raises(ValueError, match="tol"):
        model.certify(tol=0.0)


def test_a_rank_that_the_data_do_not_need_is_certified(rng):
    X = rng.standard_normal((30, 4))
    model = ReducedRankRegressor(rank=2).fit(X, np.ones((30, 3)))
    assert model.rank_ == 0
    assert model.certify().verdict == "GLOBAL"


def test_random_state_shuffles_the_folds():
    X, Y = load_linnerud(return_X_y=True)
    plain = ReducedRankRegressor(rank="cv", cv=4).fit(X, Y)
    np.testing.assert_array_equal(plain.cv_errors_, ReducedRankRegressor(rank="cv", cv=KFold(4)).fit(X, Y).cv_errors_)
    one, same, other = (ReducedRankRegressor(rank="cv", cv=4, random_state=s).fit(X, Y).cv_errors_ for s in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


def test_folds_without_weight_are_left_out(rng):
    X, Y = load_linnerud(return_X_y=True)
    weights = np.ones(20)
    weights[:5] = 0.0
    model = ReducedRankRegressor(rank="cv", cv=4).fit(X, Y, sample_weight=weights)
    assert model.cv_errors_.shape == (3, 4)
    weights[:] = 0.0
    weights[0] = 1.0
    with pytest.raises(ValueError, match="no fold has weight on both sides"):
        ReducedRankRegressor(rank="cv", cv=4).fit(X, Y, sample_weight=weights)


# --- in scikit-learn's company ----------------------------------------------------------------------------------------


def test_grid_search_pipeline_and_clone():
    X, y = load_diabetes(return_X_y=True)
    Y = np.column_stack([y, y**2 / 100.0])
    pipeline = make_pipeline(StandardScaler(), ReducedRankRegressor())
    grid = {"reducedrankregressor__rank": [0, 1, 2, None, "cv"], "reducedrankregressor__alpha": [0.0, 1.0, 30.0]}
    search = GridSearchCV(pipeline, grid, cv=3).fit(X, Y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_score_ > 0.3
    assert (
        clone(search.best_estimator_).get_params()["reducedrankregressor__rank"]
        == (search.best_params_["reducedrankregressor__rank"])
    )
    encoders = GridSearchCV(LinearAutoencoder(), {"n_components": [1, 3, 5]}, cv=3).fit(X)
    assert encoders.best_params_ == {"n_components": 5}
    scores = cross_val_score(make_pipeline(LinearAutoencoder(5), LinearRegression()), X, y, cv=3)
    peers = cross_val_score(make_pipeline(PCA(5), LinearRegression()), X, y, cv=3)
    np.testing.assert_allclose(scores, peers, rtol=1e-8)


def test_pandas_in_and_out():
    pandas = pytest.importorskip("pandas")
    X, Y = load_linnerud(return_X_y=True, as_frame=True)
    model = ReducedRankRegressor(rank=2).set_output(transform="pandas").fit(X, Y)
    assert list(model.feature_names_in_) == list(X.columns)
    scores = model.transform(X)
    assert list(scores.columns) == ["reducedrankregressor0", "reducedrankregressor1"]
    assert scores.index.equals(X.index)
    assert list(LinearAutoencoder(2).fit(X).get_feature_names_out()) == ["linearautoencoder0", "linearautoencoder1"]
    with pytest.raises(ValueError, match="feature names"):
        model.predict(X.rename(columns={"Chins": "chins"}))
    assert model.predict(X).shape == (20, 3)
    single = pandas.DataFrame(X, dtype=np.float32)
    assert ReducedRankRegressor().fit(single, Y["Weight"]).coef_.shape == (3,)


def test_shapes_follow_y():
    X, Y = load_linnerud(return_X_y=True)
    flat, column = (ReducedRankRegressor().fit(X, y) for y in (Y[:, 0], Y[:, :1]))
    assert flat.coef_.shape == (3,)
    assert isinstance(flat.intercept_, float)
    assert flat.predict(X).shape == (20,)
    assert column.coef_.shape == (1, 3)
    assert column.intercept_.shape == (1,)
    assert column.predict(X).shape == (20, 1)
    np.testing.assert_allclose(flat.predict(X), column.predict(X)[:, 0], rtol=1e-14)


def test_transform_gives_the_hidden_units(rng):
    X, Y = load_linnerud(return_X_y=True)
    model = ReducedRankRegressor(rank=2).fit(X, Y)
    np.testing.assert_allclose(model.transform(X) @ model.U_.T + model.y_mean_, model.predict(X), rtol=1e-12)
    np.testing.assert_allclose(model.U_.T @ model.U_, np.eye(2), atol=1e-14)
    assert (model.U_[np.abs(model.U_).argmax(axis=0), [0, 1]] > 0).all()


@pytest.mark.parametrize("estimator", [ReducedRankRegressor(rank="cv"), LinearAutoencoder(2)], ids=repr)
def test_pickle(estimator):
    X, Y = load_linnerud(return_X_y=True)
    model = estimator.fit(X, Y)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.transform(X), model.transform(X))
    assert again.certify().lower_bound == model.certify().lower_bound


def test_refitting_forgets_the_earlier_fit():
    X, Y = load_linnerud(return_X_y=True)
    model = ReducedRankRegressor(rank="cv").fit(X, Y)
    model.set_params(rank=1).fit(X, Y)
    assert not hasattr(model, "cv_errors_")


# --- bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"rank": -1}, ValueError, "rank must be at least 0, got -1"),
        ({"rank": 1.5}, TypeError, "rank must be an integer"),
        ({"rank": True}, TypeError, "rank must be an integer"),
        ({"rank": "best"}, ValueError, "rank must be an integer of at least 0, None or 'cv', got 'best'"),
        ({"alpha": -1.0}, ValueError, "alpha must be at least 0"),
        ({"alpha": np.nan}, ValueError, "alpha must be a finite number"),
        ({"alpha": [1.0, 2.0, 3.0]}, TypeError, "alpha must be a real number"),
        ({"fit_intercept": "no"}, TypeError, "fit_intercept must be True or False"),
        ({"n_threads": 0}, ValueError, "n_threads must be between 1 and 1024"),
        ({"rank": "cv", "cv": 21}, ValueError, "cv = 21, n_samples = 20"),
        ({"rank": "cv", "cv": 1}, ValueError, "k-fold"),
        ({"rank": "cv", "cv": "five"}, ValueError, "cv"),
    ],
)
def test_settings_out_of_range(settings, error, message):
    X, Y = load_linnerud(return_X_y=True)
    with pytest.raises(error, match=message):
        ReducedRankRegressor(**settings).fit(X, Y)


@pytest.mark.parametrize(
    ("n_components", "error", "message"),
    [
        (0, ValueError, "n_components must be at least 1"),
        (4, ValueError, "n_components must be at most n_features = 3, got 4"),
        (1.0, ValueError, "between 0 and 1, got 1.0"),
        (-0.5, ValueError, "between 0 and 1"),
        (True, TypeError, "n_components must be an integer"),
        ("mle", TypeError, "n_components must be an integer"),
    ],
)
def test_components_out_of_range(n_components, error, message):
    with pytest.raises(error, match=message):
        LinearAutoencoder(n_components).fit(load_linnerud(return_X_y=True)[0])


@pytest.mark.parametrize("estimator", [ReducedRankRegressor(), LinearAutoencoder()], ids=repr)
def test_bad_weights(estimator):
    X, Y = load_linnerud(return_X_y=True)
    for weights, message in ((-np.ones(20), "[Nn]egative"), (np.zeros(20), "zero"), (np.ones(19), "sample_weight")):
        with pytest.raises(ValueError, match=message):
            estimator.fit(X, Y, sample_weight=weights)


def test_without_scikit_learn_the_error_says_what_to_install():
    program = (
        "import sys; sys.modules['sklearn'] = None; sys.modules['sklearn.base'] = None\n"
        "import landscape_cpp as ls\n"
        "try:\n    ls.estimators\nexcept ImportError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert 'pip install "landscape-cpp[sklearn]"' in done.stdout


# --- the auto-encoder -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_components", [1, 10, 40])
def test_autoencoder_is_pca(n_components):
    X = load_digits().data
    ours, pca = LinearAutoencoder(n_components).fit(X), PCA(n_components, svd_solver="full").fit(X)
    np.testing.assert_allclose(ours.explained_variance_ratio_, pca.explained_variance_ratio_, rtol=1e-10)
    np.testing.assert_allclose(ours.mean_, pca.mean_, rtol=1e-12)
    np.testing.assert_allclose(np.abs(np.sum(ours.components_ * pca.components_, axis=1)), 1.0, rtol=1e-10)
    reconstructed = ours.inverse_transform(ours.transform(X))
    np.testing.assert_allclose(reconstructed, pca.inverse_transform(pca.transform(X)), atol=1e-9)
    error = ((X - reconstructed) ** 2).sum(axis=1).mean()
    assert error == pytest.approx(ours.reconstruction_errors_[n_components], rel=1e-10)
    assert ours.score(X) == pytest.approx(ours.explained_variance_ratio_.sum(), rel=1e-10)
    assert ours.certify().verdict == "GLOBAL"


@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize("kind", [kind for kind in KINDS if "1e-8" not in kind])
def test_autoencoder_on_degenerate_data(kind, center, rng):
    X, _ = sizes(kind, rng)
    origin = X.mean(axis=0) if center else 0.0
    values = np.linalg.svd(X - origin, compute_uv=False) ** 2 / len(X)
    scale = np.abs(X).max() ** 2
    for n_components in (None, X.shape[1]):
        model = LinearAutoencoder(n_components, center=center).fit(X)
        k = model.n_components_
        np.testing.assert_allclose(model.components_ @ model.components_.T, np.eye(k), atol=1e-12)
        left = X - model.inverse_transform(model.transform(X))
        assert (left**2).sum() <= 1e-15 * scale * X.size
        errors = [values[i:].sum() for i in range(len(values))]
        np.testing.assert_allclose(model.reconstruction_errors_[: len(values)], errors, rtol=1e-9, atol=1e-14 * scale)


def test_wide_data_never_form_the_square_matrix(rng):
    X = rng.standard_normal((20, 9000))  # 9000 x 9000 would take 650 MB
    model = LinearAutoencoder(3).fit(X)
    assert model._data.cov.form == "factor"
    pca = PCA(3, svd_solver="full").fit(X)
    np.testing.assert_allclose(model.explained_variance_ratio_, pca.explained_variance_ratio_, rtol=1e-10)
    ridge = ReducedRankRegressor(rank=None, alpha=3.0).fit(X, X[:, :2])
    np.testing.assert_allclose(ridge.coef_, Ridge(alpha=3.0).fit(X, X[:, :2]).coef_, rtol=0, atol=1e-10)


def test_share_of_the_variance_picks_the_width():
    X = load_digits().data
    for share in (0.01, 0.5, 0.9, 0.999):
        model = LinearAutoencoder(share).fit(X)
        assert model.n_components_ == PCA(share, svd_solver="full").fit(X).n_components_
