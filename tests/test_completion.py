"""MatrixCompleter and NuclearNormRegressor: their contract, the optimum by other routes, degenerate data."""

import pickle

import numpy as np
import pytest
import scipy.sparse
from scipy.optimize import minimize
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_digits, load_linnerud
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, MultiTaskLasso, Ridge
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from estimator_contract import assert_contract
from landscape_cpp import ConvergenceWarning, MatrixFactorization, verify
from landscape_cpp.estimators import MatrixCompleter, NuclearNormRegressor
from reference import factorization as reference
from reference.factorization_minimum import minimise

COMPLETERS = [
    MatrixCompleter(),
    MatrixCompleter(0.1, center="columns"),
    MatrixCompleter("cv", center="mean", cv=2, lams=4),
]
REGRESSORS = [
    NuclearNormRegressor(),
    NuclearNormRegressor(0.1, fit_intercept=False),
    NuclearNormRegressor("cv", cv=2, lams=4),
]
CENTERS = [None, "mean", "columns"]


@pytest.mark.parametrize("estimator", COMPLETERS + REGRESSORS, ids=repr)
def test_check_estimator(estimator):
    assert_contract(estimator)


def table(rng, shape=(30, 20), rank=3, missing=0.3, noise=0.1, level=2.0):
    """Low rank plus noise plus a level, and NaN."""
    X = rng.standard_normal((shape[0], rank)) @ rng.standard_normal((rank, shape[1]))
    X += noise * rng.standard_normal(shape) + level
    X[rng.uniform(size=shape) < missing] = np.nan
    return X


def stored(X, form="csr"):
    rows, columns = np.nonzero(~np.isnan(X))
    return scipy.sparse.coo_array((X[rows, columns], (rows, columns)), shape=X.shape).asformat(form)


def assert_proved(model):
    """The certificate is GLOBAL, belongs to the model and survives the independent check."""
    assert model.certificate_.verdict == "GLOBAL"
    assert verify(model.certificate_, model.landscape_, model.point_)
    assert model.certificate_.value == pytest.approx(model.landscape_.value(model.point_), rel=1e-12)
    assert model.rank_ == model.point_[0].shape[1]


# --- completion: the optimum ------------------------------------------------------------------------------------------


def centre_by_definition(X, center):
    if center is None:
        return np.zeros(X.shape[1])
    if center == "mean":
        return np.full(X.shape[1], np.nanmean(X))
    return np.array([np.nanmean(column) if (~np.isnan(column)).any() else 0.0 for column in X.T])


@pytest.mark.parametrize("center", CENTERS)
def test_it_is_the_optimum_of_the_stated_objective(center, rng):
    X = table(rng)
    X[:, 4] = np.nan
    lam = 2.0
    model = MatrixCompleter(lam, tol=1e-12, center=center).fit(X)
    assert_proved(model)
    b = centre_by_definition(X, center)
    np.testing.assert_allclose(model.center_, b, rtol=1e-14)
    Z = model.U_ @ model.components_
    objective = 0.5 * np.nansum((X - b - Z) ** 2) + lam * np.linalg.svd(Z, compute_uv=False).sum()
    assert objective == pytest.approx(model.certificate_.value, rel=1e-10)
    # the same by accelerated proximal gradient on Z
    seen = ~np.isnan(X)
    peer = minimise(reference.Problem(np.where(seen, X - b, 0.0), lam, seen.astype(float)), tol=1e-12)
    assert model.certificate_.value <= peer.value * (1 + 1e-12)
    assert model.certificate_.lower_bound <= peer.value * (1 + 1e-12)
    np.testing.assert_allclose(Z, peer.A, atol=1e-4)


@pytest.mark.parametrize("center", CENTERS)
def test_it_is_matrix_factorization_of_the_centred_table(center, rng):
    X = table(rng)
    model = MatrixCompleter(1.5, center=center).fit(X)
    land = MatrixFactorization(X - model.center_, 1.5, mask="nan")
    solution = land.solve()
    assert model.certificate_.value == pytest.approx(solution.value, rel=1e-12)
    assert model.rank_ == solution.rank
    assert model.n_observed_ == land.n_observed == np.sum(~np.isnan(X))
    assert (np.diff(model.trace_.value) <= 0).all()
    assert len(model.trace_) == len(solution.trace)


def test_everything_observed_is_thresholding(rng):
    X = rng.standard_normal((12, 9))
    model = MatrixCompleter(2.0).fit(X)
    left, s, right = np.linalg.svd(X, full_matrices=False)
    np.testing.assert_allclose(model.U_ @ model.components_, (left * np.maximum(s - 2.0, 0.0)) @ right, atol=1e-12)
    assert model.rank_ == np.sum(s > 2.0)
    np.testing.assert_array_equal(model.fit_transform(X), X)  # nothing was missing
    np.testing.assert_array_equal(model.transform(X), X)
    grid = MatrixCompleter("cv", lams=5).fit(X)  # the parts have holes, the whole has none
    assert grid.lam_ in grid.cv_lams_
    assert_proved(grid)


def test_one_entry_by_hand():
    # THEORY 9 [E4]
    model = MatrixCompleter(1.0, tol=1e-12).fit([[3.0, np.nan], [np.nan, np.nan]])
    np.testing.assert_allclose(model.U_ @ model.components_, np.diag([2.0, 0.0]), atol=1e-9)
    assert model.certificate_.value == pytest.approx(2.5, rel=1e-12)
    np.testing.assert_allclose(model.transform([[np.nan, 7.0]]), [[0.0, 7.0]], atol=1e-12)


# --- completion: what transform does ----------------------------------------------------------------------------------


@pytest.mark.parametrize("center", CENTERS)
def test_observed_entries_are_kept_and_missing_ones_are_the_optimum(center, rng):
    X = table(rng)
    model = MatrixCompleter(1.0, tol=1e-10, center=center)
    filled = model.fit_transform(X)
    seen = ~np.isnan(X)
    np.testing.assert_array_equal(filled[seen], X[seen])
    rows, columns = np.nonzero(~seen)
    np.testing.assert_allclose(filled[~seen], model.predict_entries(rows, columns), rtol=1e-12)
    Z = model.U_ @ model.components_ + model.center_
    np.testing.assert_allclose(model.predict_entries(*np.nonzero(seen)), Z[seen], rtol=1e-10)  # not the observed values
    assert model.predict_entries([[0], [1]], [[2], [3]]).shape == (2, 1)
    np.testing.assert_allclose(model.transform(X), filled, atol=1e-3)
    assert not np.isnan(filled).any()


def test_new_rows_are_the_exact_ridge_solution(rng):
    X = table(rng, shape=(40, 15))
    model = MatrixCompleter(0.7, center="columns").fit(X[:30])
    V, new = model.components_.T, X[30:].copy()
    new[0] = np.nan
    new[1, 1:] = np.nan  # fewer entries than factors
    new[2] = 3.0
    factors = model.encode(new)
    filled = model.transform(new)
    for row, u, full in zip(new, factors, filled, strict=True):
        seen = ~np.isnan(row)
        target = (row - model.center_)[seen]
        gram = V[seen].T @ V[seen] + 0.7 * np.eye(V.shape[1])
        np.testing.assert_allclose(u, np.linalg.solve(gram, V[seen].T @ target), atol=1e-12)
        np.testing.assert_array_equal(full[seen], row[seen])
        np.testing.assert_allclose(full[~seen], (model.center_ + V @ u)[~seen], rtol=1e-12)

        def objective(a, V=V, seen=seen, target=target):
            return 0.5 * np.sum((target - V[seen] @ a) ** 2) + 0.35 * a @ a

        assert objective(u) <= minimize(objective, np.zeros(len(u))).fun + 1e-12
    np.testing.assert_array_equal(factors[0], 0.0)
    np.testing.assert_array_equal(filled[0], model.center_)


def test_rows_are_transformed_one_by_one(rng):
    X = table(rng)
    model = MatrixCompleter(1.0).fit(X)
    whole = model.transform(X)
    np.testing.assert_allclose(np.vstack([model.transform(row[None]) for row in X]), whole, rtol=1e-13)


def test_completion_recovers_what_it_has_not_seen(rng):
    whole = table(rng, shape=(80, 60), missing=0.0, noise=0.05)
    X = np.where(rng.uniform(size=whole.shape) < 0.4, np.nan, whole)
    hole = np.isnan(X)
    error = np.sqrt(np.mean((MatrixCompleter("cv", center="mean").fit_transform(X) - whole)[hole] ** 2))
    means = np.sqrt(np.mean((SimpleImputer().fit_transform(X) - whole)[hole] ** 2))
    assert error < 0.15 * means


# --- completion: sparse tables ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("center", CENTERS)
@pytest.mark.parametrize("form", ["csr", "csc", "coo", "lil", "dok"])
def test_sparse_is_the_same_table(form, center, rng):
    X = table(rng)
    dense, sparse = (MatrixCompleter(1.5, center=center).fit(part) for part in (X, stored(X, form)))
    assert sparse.certificate_.value == pytest.approx(dense.certificate_.value, rel=1e-12)
    np.testing.assert_allclose(sparse.center_, dense.center_, rtol=1e-14)
    np.testing.assert_allclose(sparse.transform(stored(X, form)), dense.transform(X), atol=1e-9)
    np.testing.assert_allclose(sparse.fit_transform(stored(X, form)), dense.fit_transform(X), atol=1e-9)


def test_stored_zeros_are_observed(rng):
    X = table(rng, level=0.0)
    X[2, :5] = 0.0
    sparse = stored(X)
    assert (sparse.toarray() == 0.0).sum() > sparse.shape[0] * sparse.shape[1] - sparse.nnz
    model = MatrixCompleter(1.0).fit(sparse)
    assert model.n_observed_ == sparse.nnz
    assert model.certificate_.value == pytest.approx(MatrixCompleter(1.0).fit(X).certificate_.value, rel=1e-12)
    np.testing.assert_array_equal(model.transform(sparse)[2, :5], 0.0)


@pytest.mark.parametrize("form", ["csr", "csc", "coo"])
def test_duplicates_and_stored_nan_are_refused(form):
    places = (np.array([0, 1, 1]), np.array([2, 0, 0]))
    twice = scipy.sparse.coo_array((np.ones(3), places), shape=(2, 3))
    if form != "coo":
        index, other = (places[0], places[1]) if form == "csr" else (places[1], places[0])
        order = np.argsort(index, kind="stable")
        pointers = np.concatenate([[0], np.cumsum(np.bincount(index, minlength=2 if form == "csr" else 3))])
        kind = scipy.sparse.csr_array if form == "csr" else scipy.sparse.csc_array
        twice = kind((np.ones(3), other[order], pointers), shape=(2, 3))
        assert twice.nnz == 3
    with pytest.raises(ValueError, match="X has 1 duplicate entries, the first at row 1, column 0"):
        MatrixCompleter().fit(twice)
    blank = scipy.sparse.coo_array((np.array([1.0, np.nan]), ([0, 1], [2, 0])), shape=(2, 3)).asformat(form)
    with pytest.raises(ValueError, match="X stores NaN at row 1, column 0"):
        MatrixCompleter().fit(blank)


# --- completion: λ by held-out entries --------------------------------------------------------------------------------


@pytest.mark.parametrize("center", CENTERS)
def test_held_out_errors_are_those_of_refitting(center, rng):
    X = table(rng, shape=(20, 12))
    lams = np.array([8.0, 3.0, 1.0, 0.3])
    model = MatrixCompleter("cv", lams=lams[::-1], cv=3, center=center, tol=1e-9).fit(X)
    np.testing.assert_array_equal(model.cv_lams_, lams)
    rows, columns = np.nonzero(~np.isnan(X))
    parts = np.random.RandomState(0).permutation(len(rows)) % 3
    for part in range(3):
        held_out = parts == part
        train = X.copy()
        train[rows[held_out], columns[held_out]] = np.nan
        for place, lam in enumerate(lams):
            refit = MatrixCompleter(lam, center=center, tol=1e-9).fit(train)
            predicted = refit.predict_entries(rows[held_out], columns[held_out])
            error = np.mean((X[rows[held_out], columns[held_out]] - predicted) ** 2)
            assert model.cv_errors_[part, place] == pytest.approx(error, rel=1e-3)
    mean = np.average(model.cv_errors_, axis=0, weights=np.bincount(parts))
    assert model.lam_ == lams[np.argmin(mean)]
    refit = MatrixCompleter(model.lam_, center=center, tol=1e-9).fit(X)
    assert model.certificate_.value == pytest.approx(refit.certificate_.value, rel=1e-9)


def test_the_grid_starts_where_zero_is_optimal(rng):
    X = table(rng)
    model = MatrixCompleter("cv", center="mean", lams=5).fit(X)
    assert model.cv_lams_[0] == pytest.approx(model.landscape_.lambda_max, rel=1e-9)
    np.testing.assert_allclose(model.cv_lams_[1:] / model.cv_lams_[:-1], 0.01**0.25)
    assert MatrixCompleter(model.cv_lams_[0] * 1.0001, center="mean").fit(X).rank_ == 0
    assert model.cv_errors_.shape == (5, 5)


def test_the_split_of_the_entries_is_seeded(rng):
    X = table(rng)
    one, same, other = (
        MatrixCompleter("cv", lams=3, cv=2, random_state=seed).fit(X).cv_errors_
        for seed in (0, 0, np.random.RandomState(5))
    )
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


def test_noise_without_structure_leaves_nothing_but_the_centre():
    # Sized so that a spurious direction does not pay on held-out entries.
    X = np.random.default_rng(3).standard_normal((60, 40))
    model = MatrixCompleter("cv", center="mean").fit(X)
    assert model.lam_ >= 0.3 * model.cv_lams_[0]
    assert model.cv_errors_.mean(axis=0)[0] < 0.9 * model.cv_errors_.mean(axis=0)[-1]


def test_refitting_forgets_the_earlier_fit(rng):
    model = MatrixCompleter("cv", lams=2, cv=2).fit(table(rng))
    model.set_params(lam=1.0).fit(table(rng))
    assert not hasattr(model, "cv_errors_")
    assert model.lam_ == 1.0


# --- completion: degenerate tables ------------------------------------------------------------------------------------


def degenerate(kind, rng):
    nan = np.nan
    holes = rng.uniform(size=(6, 5)) < 0.3
    return {
        "nothing observed": np.full((4, 3), nan),
        "a row without entries": np.array([[1.0, 2.0, nan], [nan, nan, nan], [2.0, 4.0, 6.0]]),
        "a column without entries": np.array([[1.0, nan, 2.0], [2.0, nan, 4.0]]),
        "constant": np.full((5, 4), 0.1),
        "constant with holes": np.where(holes, nan, 0.1),
        "one column": np.array([[1.0], [nan], [3.0]]),
        "one row": np.array([[1.0, nan, 3.0]]),
        "1x1": np.array([[5.0]]),
        "zeros": np.zeros((4, 3)),
        "all observed": rng.standard_normal((6, 5)),
        "huge": np.where(holes, nan, 1e150 * rng.standard_normal((6, 5))),
        "tiny": np.where(holes, nan, 1e-150 * rng.standard_normal((6, 5))),
        "integers": rng.integers(1, 6, size=(6, 5)),
    }[kind]


KINDS = [
    "nothing observed", "a row without entries", "a column without entries", "constant", "constant with holes",
    "one column", "one row", "1x1", "zeros", "all observed", "huge", "tiny", "integers",
]  # fmt: skip


@pytest.mark.parametrize("lam", [0.3, "cv"])
@pytest.mark.parametrize("center", CENTERS)
@pytest.mark.parametrize("kind", KINDS)
def test_degenerate_tables(kind, center, lam, rng):
    X = degenerate(kind, rng)
    seen = ~np.isnan(X)
    size = np.abs(X[seen]).max(initial=0.0)
    if lam == "cv" and seen.sum() < 2:
        with pytest.raises(ValueError, match="at least one observed entry per part: cv = 2"):
            MatrixCompleter("cv", cv=2).fit(X)
        return
    lam = lam * size if kind in ("huge", "tiny") and lam != "cv" else lam
    model = MatrixCompleter(lam, center=center, cv=2, lams=3)
    filled = model.fit_transform(X)
    assert_proved(model)
    assert filled.shape == X.shape
    assert np.isfinite(filled).all()
    np.testing.assert_array_equal(filled[seen], X[seen])
    np.testing.assert_allclose(model.transform(X), filled, rtol=0, atol=1e-3 * size)
    empty_rows, empty_columns = ~seen.any(axis=1), ~seen.any(axis=0)
    np.testing.assert_allclose(filled[empty_rows], np.tile(model.center_, (empty_rows.sum(), 1)), atol=1e-12 * size)
    np.testing.assert_allclose(
        filled[:, empty_columns], np.tile(model.center_[empty_columns], (len(X), 1)), atol=1e-12 * size
    )
    if "constant" in kind and center is not None:
        assert model.rank_ == 0
        np.testing.assert_allclose(filled, 0.1, rtol=1e-15)


def test_a_lam_above_every_singular_value_predicts_the_centre(rng):
    X = table(rng)
    model = MatrixCompleter(1e6, center="columns").fit(X)
    assert model.rank_ == 0
    assert model.components_.shape == (0, 20)
    np.testing.assert_array_equal(model.transform(X)[np.isnan(X)], np.broadcast_to(model.center_, X.shape)[np.isnan(X)])
    assert model.predict_entries([3], [4]) == model.center_[4]
    assert model.score(X) == 0.0
    assert_proved(model)


# --- completion: budgets, scores, company -----------------------------------------------------------------------------


def test_a_solver_that_stops_early_says_so(rng):
    X = table(rng)
    with pytest.warns(ConvergenceWarning, match=r"the solver stopped \(rank_limit\) at a proved relative gap of"):
        model = MatrixCompleter(0.5, rank_max=1).fit(X)
    assert model.rank_ == 1
    assert model.certificate_.verdict == "NOT_GLOBAL"
    best = MatrixCompleter(0.5).fit(X).certificate_.value
    assert model.certificate_.lower_bound <= best < model.certificate_.value
    with pytest.warns(ConvergenceWarning, match="time_limit") as caught:
        MatrixCompleter(0.5, tol=1e-15, max_seconds=1e-9).fit(X)
    assert caught[0].filename == __file__


def test_score_is_leave_one_out(rng):
    X = table(rng, shape=(25, 8))
    model = MatrixCompleter(0.5, center="columns").fit(X[:15])
    new = X[15:]
    lost = total = 0.0
    for i, j in np.argwhere(~np.isnan(new)):
        without = new[i : i + 1].copy()
        without[0, j] = np.nan
        lost += (model.transform(without)[0, j] - new[i, j]) ** 2
        total += (new[i, j] - model.center_[j]) ** 2
    assert model.score(new) == pytest.approx(1.0 - lost / total, rel=1e-9)
    assert model.score(np.full((2, 8), np.nan)) == 1.0  # nothing to predict, nothing lost


def test_grid_search_pipeline_and_clone(rng):
    X, y = load_diabetes(return_X_y=True)
    X = np.where(rng.uniform(size=X.shape) < 0.2, np.nan, X)
    pipeline = make_pipeline(StandardScaler(), MatrixCompleter(), Ridge())
    search = GridSearchCV(pipeline, {"matrixcompleter__lam": [1.0, 10.0, 1e4]}, cv=3).fit(X, y)
    assert search.best_score_ > 0.3
    assert search.best_estimator_[1].get_params() == clone(search.best_estimator_[1]).get_params()
    means = cross_val_score(make_pipeline(StandardScaler(), SimpleImputer(), Ridge()), X, y, cv=3).mean()
    assert search.best_score_ > means - 0.02
    alone = GridSearchCV(MatrixCompleter(center="columns"), {"lam": [0.01, 0.1, 1e3]}, cv=3).fit(X)
    assert alone.best_params_["lam"] < 1e3
    assert alone.best_score_ > 0.2


def test_pandas_in_and_out(rng):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(table(rng, shape=(10, 4)), columns=list("abcd"), index=range(5, 15))
    model = MatrixCompleter(1.0).set_output(transform="pandas")
    filled = model.fit_transform(frame)
    assert list(filled.columns) == list(frame.columns) == list(model.get_feature_names_out())
    assert filled.index.equals(frame.index)
    assert not filled.isna().any(axis=None)
    np.testing.assert_allclose(filled, MatrixCompleter(1.0).fit_transform(frame.to_numpy()), rtol=1e-12)
    with pytest.raises(ValueError, match="feature names"):
        model.transform(frame.rename(columns={"a": "z"}))


@pytest.mark.parametrize("estimator", [MatrixCompleter(1.0), MatrixCompleter("cv", lams=2, cv=2)], ids=repr)
def test_pickle(estimator, rng):
    X = table(rng)
    model = estimator.fit(X)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.transform(X), model.transform(X))
    assert verify(again.certificate_, again.landscape_, again.point_)
    assert again.certify().lower_bound == model.certify().lower_bound


def test_threads_and_input_are_left_alone(rng):
    X = table(rng)
    X.setflags(write=False)
    one, two = (MatrixCompleter(1.0, n_threads=n).fit(X).certificate_.value for n in (1, 2))
    assert one == pytest.approx(two, rel=1e-12)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"lam": 0.0}, ValueError, "lam must be a positive finite number"),
        ({"lam": -1.0}, ValueError, "lam must be a positive finite number"),
        ({"lam": np.nan}, ValueError, "lam must be a positive finite number"),
        ({"lam": "best"}, ValueError, "lam must be a positive number or 'cv', got 'best'"),
        ({"lam": None}, TypeError, "lam must be a real number"),
        ({"tol": 0.0}, ValueError, "tol must be a positive finite number"),
        ({"lams": 1}, ValueError, "lams must be at least 2"),
        ({"lams": [1.0, 0.0]}, ValueError, "lams must be positive"),
        ({"lams": []}, ValueError, "lams must be positive, at least one of them"),
        ({"lams": "many"}, TypeError, "lams must be an array of real numbers"),
        ({"rank_max": 0}, ValueError, "rank_max must be at least 1"),
        ({"max_seconds": 0.0}, ValueError, "max_seconds must be a positive"),
        ({"n_threads": 0}, ValueError, "n_threads must be between 1 and 1024"),
    ],
)
@pytest.mark.parametrize("estimator", [MatrixCompleter, NuclearNormRegressor])
def test_settings_out_of_range(estimator, settings, error, message):
    X, Y = load_linnerud(return_X_y=True)
    with pytest.raises(error, match=message):
        estimator(**settings).fit(X, Y)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"center": "rows"}, ValueError, "center must be one of 'mean', 'columns', got 'rows'"),
        ({"center": True}, TypeError, "center must be one of 'mean', 'columns'"),
        ({"cv": 1}, ValueError, "cv must be at least 2"),
        ({"cv": KFold(2)}, TypeError, "cv must be an integer"),
        ({"lam": "cv", "cv": 61}, ValueError, "cv = 61, observed: 60"),
    ],
)
def test_completer_settings_out_of_range(settings, error, message):
    with pytest.raises(error, match=message):
        MatrixCompleter(**settings).fit(load_linnerud(return_X_y=True)[0])


def test_bad_tables_and_indices(rng):
    model = MatrixCompleter().fit(table(rng))
    with pytest.raises(ValueError, match="infinity"):
        MatrixCompleter().fit([[1.0, np.inf]])
    with pytest.raises(ValueError, match="19 features"):
        model.transform(table(rng)[:, 1:])
    with pytest.raises(ValueError, match="rows must lie between 0 and 29"):
        model.predict_entries([30], [0])
    with pytest.raises(ValueError, match="cols must lie between 0 and 19"):
        model.predict_entries([0], [-1])
    with pytest.raises(TypeError, match="cols must hold integers"):
        model.predict_entries([0], [1.0])
    with pytest.raises(ValueError, match="one shape"):
        model.predict_entries([0, 1], [1])


# --- regression with the nuclear norm ---------------------------------------------------------------------------------


def coefficients(problem):
    """Z and the optimum, by accelerated proximal gradient on Z."""
    found = minimise(problem, tol=1e-13)
    return found.A, found.value, found.lower


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("share", [0.5, 0.05])
def test_regression_is_the_optimum_of_the_stated_objective(share, intercept, weighted, rng):
    X, Y = load_linnerud(return_X_y=True)
    w = rng.integers(0, 3, size=20).astype(float) if weighted else np.ones(20)
    mean_x, mean_y = (np.average(part, axis=0, weights=w) if intercept else 0.0 for part in (X, Y))
    root = np.sqrt(w)[:, None]
    centred_x, centred_y = root * (X - mean_x), root * (Y - mean_y)
    lam = share * np.linalg.norm(centred_y.T @ centred_x, 2)
    model = NuclearNormRegressor(lam, tol=1e-10, fit_intercept=intercept).fit(
        X, Y, sample_weight=w if weighted else None
    )
    assert_proved(model)
    Z, b = model.coef_, model.intercept_
    attained = 0.5 * w @ ((Y - b - X @ Z.T) ** 2).sum(axis=1) + lam * np.linalg.svd(Z, compute_uv=False).sum()
    assert attained == pytest.approx(model.certificate_.value, rel=1e-9)
    peer, value, lower = coefficients(reference.Problem(centred_y, lam, np.ones_like(centred_y), X=centred_x))
    assert attained <= value * (1 + 1e-9)
    assert attained >= lower * (1 - 1e-12)
    np.testing.assert_allclose(Z, peer, atol=1e-4 * np.abs(peer).max())
    assert (np.diff(model.trace_.value) <= 1e-12 * attained).all()
    assert model.trace_.value[-1] == pytest.approx(attained, rel=1e-9)
    assert model.trace_.lower_bound[-1] <= attained


def test_no_intercept_and_no_coefficients_are_better(rng):
    X, Y = load_linnerud(return_X_y=True)
    model = NuclearNormRegressor(500.0, tol=1e-12).fit(X, Y)

    def objective(Z, b):
        return 0.5 * np.sum((Y - b - X @ Z.T) ** 2) + 500.0 * np.linalg.svd(Z, compute_uv=False).sum()

    best = objective(model.coef_, model.intercept_)
    for _ in range(200):
        Z = model.coef_ + rng.choice([1e-1, 1e-3, 1e-5]) * rng.standard_normal(model.coef_.shape)
        b = model.intercept_ + rng.choice([1.0, 1e-2, 0.0]) * rng.standard_normal(3)
        assert objective(Z, b) >= best * (1 - 1e-10)


def test_one_target_is_group_lasso_of_one_group_and_small_lam_is_least_squares():
    # |Z|_* of one row is its length; scikit-learn's MultiTaskLasso has that penalty for one feature and many targets:
    # ½ |Y - x zᵀ|² / m + alpha |z|
    X, Y = load_linnerud(return_X_y=True)
    peer = MultiTaskLasso(alpha=1.5, tol=1e-12).fit(X[:, :1], Y)
    ours = NuclearNormRegressor(1.5 * 20, tol=1e-12).fit(X[:, :1], Y)
    np.testing.assert_allclose(ours.coef_, peer.coef_, rtol=1e-6)
    np.testing.assert_allclose(ours.intercept_, peer.intercept_, rtol=1e-6)
    free = NuclearNormRegressor(1e-3, tol=1e-9).fit(X, Y)
    peer = LinearRegression().fit(X, Y)
    np.testing.assert_allclose(free.predict(X), peer.predict(X), rtol=1e-6)
    assert free.score(X, Y) == pytest.approx(peer.score(X, Y), rel=1e-6)


def test_it_finds_the_planted_rank(rng):
    X, planted = rng.standard_normal((300, 12)), rng.standard_normal((8, 2)) @ rng.standard_normal((2, 12))
    Y = X @ planted.T + 0.3 * rng.standard_normal((300, 8))
    assert NuclearNormRegressor(60.0).fit(X, Y).rank_ == 2  # the noise |Xᵀ E|₂ is about 0.3 (√12 + √8) √300 = 33
    few = slice(0, 40)
    ours = NuclearNormRegressor("cv", random_state=0).fit(X[few], Y[few])
    peer = LinearRegression().fit(X[few], Y[few])
    assert np.linalg.norm(ours.coef_ - planted) < 0.9 * np.linalg.norm(peer.coef_ - planted)


def test_wide_and_degenerate_data(rng):
    digits, y = load_digits(return_X_y=True)
    one_hot = NuclearNormRegressor(3e3, tol=1e-4).fit(digits, np.eye(10)[y])  # constant columns, 1797 x 64 x 10
    assert_proved(one_hot)
    assert 1 <= one_hot.rank_ < 10
    wide = NuclearNormRegressor(5.0).fit(rng.standard_normal((10, 50)), rng.standard_normal((10, 4)))
    assert_proved(wide)
    for X, Y in (
        (np.ones((5, 2)), np.ones((5, 3))),
        (np.zeros((5, 2)), rng.standard_normal((5, 3))),
        ([[1.0]], [[2.0]]),
    ):
        model = NuclearNormRegressor(1.0).fit(X, Y)
        assert_proved(model)
        assert model.rank_ == 0
        np.testing.assert_allclose(model.predict(X), np.broadcast_to(np.mean(Y, axis=0), np.shape(Y)), rtol=1e-14)
    collinear = rng.standard_normal((30, 1)) @ np.ones((1, 3))
    model = NuclearNormRegressor(0.5, tol=1e-12).fit(collinear, collinear)
    assert_proved(model)
    np.testing.assert_allclose(model.coef_, model.coef_[0, 0], rtol=1e-6)  # the equal columns share alike


def test_regression_folds_are_those_of_refitting(rng):
    X, Y = load_linnerud(return_X_y=True)
    weights = rng.uniform(0.5, 2.0, size=20)
    lams = np.array([3000.0, 500.0, 50.0])
    cv = KFold(4, shuffle=True, random_state=3)
    model = NuclearNormRegressor("cv", lams=lams, cv=cv, tol=1e-9).fit(X, Y, sample_weight=weights)
    for fold, (train, test) in enumerate(cv.split(X)):
        for place, lam in enumerate(lams):
            refit = NuclearNormRegressor(lam, tol=1e-9).fit(X[train], Y[train], sample_weight=weights[train])
            error = np.average(((Y[test] - refit.predict(X[test])) ** 2).sum(axis=1), weights=weights[test])
            assert model.cv_errors_[fold, place] == pytest.approx(error, rel=1e-2)
    mean = np.average(model.cv_errors_, axis=0, weights=model.cv_weights_)
    assert model.lam_ == lams[np.argmin(mean)]
    assert not hasattr(model.set_params(lam=1.0).fit(X, Y), "cv_errors_")


def test_regression_folds_without_weight_are_left_out():
    X, Y = load_linnerud(return_X_y=True)
    weights = np.ones(20)
    weights[:5] = 0.0
    model = NuclearNormRegressor("cv", cv=4, lams=3).fit(X, Y, sample_weight=weights)
    assert model.cv_errors_.shape == (3, 3)
    weights[:] = 0.0
    weights[0] = 1.0
    with pytest.raises(ValueError, match="no fold has weight on both sides"):
        NuclearNormRegressor("cv", cv=4, lams=3).fit(X, Y, sample_weight=weights)
    with pytest.raises(ValueError, match="cv = 21, n_samples = 20"):
        NuclearNormRegressor("cv", cv=21).fit(X, Y)


def test_regression_shapes_follow_y():
    X, Y = load_linnerud(return_X_y=True)
    flat, column = (NuclearNormRegressor(10.0).fit(X, y) for y in (Y[:, 0], Y[:, :1]))
    assert flat.coef_.shape == (3,)
    assert isinstance(flat.intercept_, float)
    assert flat.predict(X).shape == (20,)
    assert column.coef_.shape == (1, 3)
    assert column.intercept_.shape == (1,)
    np.testing.assert_allclose(flat.predict(X), column.predict(X)[:, 0], rtol=1e-14)


def test_regression_in_company():
    pandas = pytest.importorskip("pandas")
    X, Y = load_linnerud(return_X_y=True, as_frame=True)
    pipeline = make_pipeline(StandardScaler(), NuclearNormRegressor())
    search = GridSearchCV(pipeline, {"nuclearnormregressor__lam": [1.0, 30.0, "cv"]}, cv=3).fit(X, Y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    model = NuclearNormRegressor(10.0).fit(X, Y)
    assert list(model.feature_names_in_) == list(X.columns)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    assert_proved(again)
    assert isinstance(clone(model), NuclearNormRegressor)
    assert model.predict(pandas.DataFrame(X)).shape == (20, 3)


def test_bad_regression_input():
    X, Y = load_linnerud(return_X_y=True)
    with pytest.raises(TypeError, match="fit_intercept must be True or False"):
        NuclearNormRegressor(fit_intercept="no").fit(X, Y)
    for weights, message in ((-np.ones(20), "[Nn]egative"), (np.zeros(20), "zero"), (np.ones(19), "sample_weight")):
        with pytest.raises(ValueError, match=message):
            NuclearNormRegressor().fit(X, Y, sample_weight=weights)
    with pytest.raises(ValueError, match="NaN"):
        NuclearNormRegressor().fit(np.where(X > 100, np.nan, X), Y)
    with pytest.warns(ConvergenceWarning, match="rank_limit"):
        model = NuclearNormRegressor(1.0, rank_max=1).fit(X, Y)
    assert model.certificate_.verdict != "GLOBAL"
