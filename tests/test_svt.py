"""``ls.svt``: the full SVD's answer to 1e-10 by every route, for every shape, spectrum and operator; honest bounds."""

import copy
import pickle

import numpy as np
import pytest
import scipy.sparse

import comparators as cmp
import factorization_cases as table
from reference import factorization_minimum as minima

METHODS = ("auto", "partial", "gram", "svd")
SLOW = pytest.mark.slow
ACCURACY = 1e-10  # relative to |Z|_F, as issue 5 promises


def assert_thresholded(found, Y, lam, expected=None, accuracy=ACCURACY):
    """|Z - D_lam(Y)|_F against a full SVD; orthonormal vectors, descending values, an error bound that holds."""
    Z = minima.svt_matrix(Y, lam) if expected is None else expected
    size, rounding = np.linalg.norm(Z), 64 * cmp.EPS * np.sqrt(min(Y.shape)) * np.linalg.norm(Y)
    error = np.linalg.norm(found.Z - Z)
    assert error <= accuracy * size + rounding, f"relative error {error / max(size, 1e-300):.2e}"
    assert found.error_bound >= error - rounding
    assert found.U.shape == (Y.shape[0], found.rank)
    assert found.V.shape == (Y.shape[1], found.rank)
    for block in (found.U, found.V):
        cmp.assert_close(block.T @ block, np.eye(found.rank), 1e-12, 1.0, "orthonormal")
    assert np.all(found.s > 0.0)
    assert np.all(np.diff(found.s) <= 0.0)
    assert found.method in METHODS[1:]


def rank_of(Y, lam):
    return int(np.sum(np.linalg.svd(Y, compute_uv=False) > lam))


SPECTRA = {
    "gaussian": lambda k, rng: np.sort(np.linalg.svd(rng.standard_normal((k, k + 3)), compute_uv=False))[::-1],
    "decaying": lambda k, rng: 3.0 * 0.8 ** np.arange(k),
    "graded": lambda k, rng: 3.0 * 10.0 ** -np.linspace(0.0, 12.0, k),
    "low rank and noise": lambda k, rng: np.concatenate([np.linspace(9.0, 5.0, min(k, 6)), rng.random(max(0, k - 6))]),
    "cluster at lam": lambda k, rng: np.concatenate([[3.0], 1.0 + 1e-9 * rng.standard_normal(k - 1)]),
    "ties": lambda k, rng: np.repeat([4.0, 2.0, 0.5], [k - 2 * (k // 3), k // 3, k // 3]),
    "orthogonal": lambda k, rng: np.full(k, 2.0),
}
SHAPES = [(1, 1), (1, 9), (9, 1), (12, 12), (30, 7), (7, 30), (130, 110), (110, 260)]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", SPECTRA)
def test_every_route_agrees_with_the_full_svd(ls, name, shape, method, rng):
    sigma = SPECTRA[name](min(shape), rng)
    Y = table.spectrum_matrix(sigma, shape, rng)
    for lam in (1.0, 0.5 * sigma[0], 0.99 * sigma[0]):
        if method == "partial" and name == "graded" and lam < 1e-3 * sigma[0]:
            continue
        for n_threads in (1, 2):
            found = ls.svt(Y, lam, method=method, n_threads=n_threads)
            assert_thresholded(found, Y, lam)
        if np.min(np.abs(sigma - lam)) > 1e-8 * sigma[0]:  # nearer to lam the rank is a coin toss, and no proof there
            assert found.rank == rank_of(Y, lam)
            assert found.complete


@pytest.mark.parametrize("lam", [1e-3, 1e-6, 1e-10])
def test_small_thresholds(ls, lam, rng):
    """Singular values below sqrt(eps) sigma_1, which the Gram matrix does not resolve."""
    sigma = 10.0 ** -np.linspace(0.0, 12.0, 120)
    Y = table.spectrum_matrix(sigma, (150, 120), rng)
    found = ls.svt(Y, lam)
    assert_thresholded(found, Y, lam)
    exact = np.linalg.svd(Y, compute_uv=False)
    cmp.assert_close(found.s, (exact - lam)[: found.rank], 1e-13, 1.0)
    assert abs(found.rank - int(np.sum(sigma > lam))) <= 1


@pytest.mark.parametrize("scale", [1e-150, 1e-8, 1.0, -5.0, 1e8, 1e150])
@pytest.mark.parametrize("method", METHODS)
def test_scales(ls, scale, method, rng):
    Y = rng.standard_normal((140, 120))
    lam = 0.6 * np.linalg.norm(Y, 2)
    found, base = ls.svt(scale * Y, abs(scale) * lam, method=method), ls.svt(Y, lam, method=method)
    cmp.assert_close(found.Z / scale, minima.svt_matrix(Y, lam), ACCURACY)
    assert (found.rank, found.complete) == (base.rank, base.complete)
    cmp.assert_close(found.s / abs(scale), base.s, 1e-12)


# ------------------------------------------------------------------------------------------------------ hand numbers


@pytest.mark.parametrize("method", METHODS)
def test_worked_example(ls, method):
    """F11: D_1(diag(3, 1)) = diag(2, 0); the second value ties with lam: margin 0."""
    found = ls.svt(np.diag([3.0, 1.0]), 1.0, method=method)
    cmp.assert_close(found.Z, np.diag([2.0, 0.0]), 1e-14)
    assert (found.rank, found.complete) == (1, True)
    assert found.rank_margin <= 1e-14


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", [(1, 1), (5, 4), (150, 130)])
def test_nothing_above_the_threshold(ls, shape, method, rng):
    """The zero matrix, and any matrix with lam >= sigma_1 (equality too)."""
    Y = rng.standard_normal(shape)
    top = np.linalg.norm(Y, 2)
    for matrix, lam in ((0.0 * Y, 1.0), (Y, 1.5 * top), (Y, top * (1.0 + 1e-9))):
        found = ls.svt(matrix, lam, method=method)
        assert (found.rank, found.complete) == (0, True)
        assert np.array_equal(found.Z, np.zeros(shape))
        assert found.error_bound <= 1e-12 * lam
    orthogonal = ls.svt(np.eye(4), 1.0, method=method)
    assert np.linalg.norm(orthogonal.Z) <= 1e-14


@pytest.mark.parametrize("method", METHODS)
def test_rank_margin(ls, method, rng):
    """The smallest |sigma_i - lam|, from either side."""
    for sigma, margin in (([5.0, 3.0, 1.7, 0.1], 0.7), ([5.0, 3.0, 0.9, 0.1], 0.1), ([5.0, 1.0 + 1e-6, 0.5], 1e-6)):
        Y = table.spectrum_matrix(sigma, (9, 6), rng)
        cmp.assert_close(ls.svt(Y, 1.0, method=method).rank_margin, margin, 1e-7, 1.0)


# --------------------------------------------------------------------------------------------------------- operators


@pytest.mark.parametrize("form", ["csr", "csc", "coo", "lil", "dok", "array"])
def test_sparse(ls, form, rng):
    Y = np.where(rng.random((160, 120)) < 0.1, rng.standard_normal((160, 120)), 0.0)
    Y += 3.0 * np.outer(Y[:, 0] != 0, Y[0] != 0)
    matrix = table.stored(Y, Y != 0.0, form)
    for lam in (0.3, 2.0, 0.7 * np.linalg.norm(Y, 2)):
        assert_thresholded(ls.svt(matrix, lam), Y, lam)


def test_duplicates_of_a_sparse_matrix_add_up(ls):
    """As everywhere in scipy: here an entry is a number of the matrix, not an observation."""
    twice = scipy.sparse.coo_matrix(([1.0, 2.0, 1.0], ([0, 0, 1], [0, 0, 1])), shape=(2, 2))
    cmp.assert_close(ls.svt(twice, 1.0).Z, np.diag([2.0, 0.0]), 1e-14)
    assert twice.nnz == 3


def sparse_plus_low_rank(ls, rng, shape=(400, 300), rank=5):
    S = scipy.sparse.random_array(shape, density=0.02, rng=rng, data_sampler=rng.standard_normal).tocsr()
    L, R = rng.standard_normal((shape[0], rank)), rng.standard_normal((shape[1], rank))
    return ls.SparsePlusLowRank(S, L, R), S.toarray() + L @ R.T


@pytest.mark.parametrize("shape", [(400, 300), (50, 20), (1, 8), (300, 500)])
def test_sparse_plus_low_rank(ls, shape, rng):
    operator, Y = sparse_plus_low_rank(ls, rng, shape, min(5, min(shape)))
    top = np.linalg.norm(Y, 2)
    for lam in (0.3 * top, 0.05 * top):
        assert_thresholded(ls.svt(operator, lam), Y, lam)
    nothing = ls.SparsePlusLowRank(operator.sparse, operator.left[:, :0], operator.right[:, :0])
    assert_thresholded(ls.svt(nothing, 0.5), operator.sparse.toarray(), 0.5)


def test_an_operator_too_large_for_its_gram_matrix(ls):
    """Sparse plus low rank, 5000 x 4000: the leading part is right; ``complete`` says whether that is proved."""
    rng = np.random.default_rng(2)
    S = scipy.sparse.random_array((5000, 4000), density=2e-4, rng=rng).tocsr()
    L, R = rng.standard_normal((5000, 4)), rng.standard_normal((4000, 4))
    found = ls.svt(ls.SparsePlusLowRank(S, L, R), 500.0)
    core = np.linalg.svd(np.linalg.qr(L)[1] @ np.linalg.qr(R)[1].T, compute_uv=False)
    assert found.rank == 4
    cmp.assert_close(found.s, core - 500.0, 20.0 / 500.0)
    E = S @ found.V + L @ (R.T @ found.V) - found.U * (found.s + 500.0)
    assert np.linalg.norm(E) <= 1e-8 * np.linalg.norm(found.s)
    assert found.complete == np.isfinite(found.error_bound)


# ------------------------------------------------------------------------------------------------------- warm starts


def test_warm_start(ls, rng):
    """The subspace of a nearby matrix saves products and changes nothing else; so does a useless one."""
    sigma = np.concatenate([np.linspace(9.0, 5.0, 10), 2.0 * rng.random(390)])
    Y = table.spectrum_matrix(sigma, (500, 400), rng)
    cold = ls.svt(Y, 4.0, method="partial")
    near = Y + 1e-4 * rng.standard_normal(Y.shape)
    warm, again = ls.svt(near, 4.0, start=cold.V, method="partial"), ls.svt(near, 4.0, method="partial")
    assert warm.products <= again.products
    for found in (warm, again):
        assert_thresholded(found, near, 4.0)
    for start in (np.zeros((400, 0)), np.zeros((400, 3)), np.ones((400, 5)), rng.standard_normal((400, 450))):
        assert_thresholded(ls.svt(Y, 4.0, start=start), Y, 4.0)
    hidden = np.linalg.svd(Y)[2][12:20].T  # nothing of what is sought
    assert_thresholded(ls.svt(Y, 4.0, start=hidden, method="partial"), Y, 4.0)


def test_seeds_and_threads(ls, rng):
    """One seed, the same bits; other seeds and thread counts, the same answer."""
    sigma = np.concatenate([np.linspace(9.0, 5.0, 10), 2.0 * rng.random(290)])
    Y = table.spectrum_matrix(sigma, (350, 300), rng)
    first, again = ls.svt(Y, 4.0, seed=3, n_threads=2), ls.svt(Y, 4.0, seed=3, n_threads=2)
    cmp.assert_same_bits((again.U, again.s, again.V), (first.U, first.s, first.V))
    for seed, n_threads in ((3, 1), (4, 2), (np.random.default_rng(1), None)):
        assert_thresholded(ls.svt(Y, 4.0, seed=seed, n_threads=n_threads), Y, 4.0)


@pytest.mark.parametrize("above", [1e-3, 1e-6, 1e-9])
@pytest.mark.parametrize("form", [np.asarray, scipy.sparse.csr_matrix])
def test_a_value_just_above_the_threshold_is_not_missed(ls, form, above, rng):
    """While the Ritz value of the second pair is still below λ, the first one alone looks finished."""
    sigma = 3e-4 * 0.8 ** np.arange(127)
    Y = table.spectrum_matrix(sigma, (127, 206), rng)
    lam = float(sigma[1] * (1.0 - above))
    for seed in range(5):
        found = ls.svt(form(Y), lam, seed=seed)
        assert found.rank == 2
        assert found.complete
        assert_thresholded(found, Y, lam)


# -------------------------------------------------------------------------------------------------------- campaign


def anything(rng):
    """(Y, lam): random shape, spectrum, threshold."""
    shape = tuple(int(n) for n in rng.integers(1, 260, 2))
    name = list(SPECTRA)[int(rng.integers(len(SPECTRA)))]
    sigma = SPECTRA[name](min(shape), rng)
    Y = float(10.0 ** rng.integers(-6, 7)) * table.spectrum_matrix(sigma, shape, rng)
    return Y, float(np.linalg.norm(Y, 2) * rng.uniform(0.02, 1.1))


def campaign(ls, seeds):
    for seed in seeds:
        rng = np.random.default_rng(seed)
        Y, lam = anything(rng)
        matrix = scipy.sparse.csr_matrix(Y) if rng.random() < 0.3 else Y
        found = ls.svt(matrix, lam, seed=seed, n_threads=1 + seed % 2)
        assert_thresholded(found, Y, lam)
        sigma = np.linalg.svd(Y, compute_uv=False)
        assert found.complete or np.min(np.abs(sigma - lam)) <= 1e-8 * sigma[0]


def test_random_matrices(ls):
    campaign(ls, range(60))


@SLOW
def test_many_random_matrices(ls):
    campaign(ls, range(60, 1500))


# ---------------------------------------------------------------------------------------------------------- errors

Y = np.diag([3.0, 1.0])
REFUSED = {
    "lam zero": ((Y, 0.0), {}, ValueError, ["lam", "positive"]),
    "lam negative": ((Y, -1.0), {}, ValueError, ["lam", "positive"]),
    "lam NaN": ((Y, np.nan), {}, ValueError, ["lam", "finite"]),
    "lam text": ((Y, "1"), {}, TypeError, ["lam", "real number"]),
    "NaN": ((np.array([[1.0, np.nan]]), 1.0), {}, ValueError, ["Y", "NaN", "[0, 1]"]),
    "infinity": ((np.array([[np.inf]]), 1.0), {}, ValueError, ["Y", "infinity"]),
    "stored NaN": ((scipy.sparse.csr_matrix([[np.nan]]), 1.0), {}, ValueError, ["Y", "NaN"]),
    "a vector": ((np.ones(3), 1.0), {}, ValueError, ["Y", "(m, n)", "(3,)"]),
    "no rows": ((np.ones((0, 3)), 1.0), {}, ValueError, ["Y", "(0, 3)"]),
    "no rows stored": ((scipy.sparse.csr_matrix((0, 3)), 1.0), {}, ValueError, ["Y", "(0, 3)"]),
    "text": (([["a"]], 1.0), {}, TypeError, ["Y"]),
    "complex": ((1j * Y, 1.0), {}, TypeError, ["Y", "complex"]),
    "sparse complex": ((scipy.sparse.csr_matrix(1j * Y), 1.0), {}, TypeError, ["Y", "complex"]),
    "start": ((Y, 1.0), {"start": np.ones((3, 1))}, ValueError, ["start", "(3, 1)"]),
    "start NaN": ((Y, 1.0), {"start": np.full((2, 1), np.nan)}, ValueError, ["start", "NaN"]),
    "method": ((Y, 1.0), {"method": "arpack"}, ValueError, ["method", "'auto'", "'partial'", "'gram'", "'svd'"]),
    "seed": ((Y, 1.0), {"seed": -1}, ValueError, ["seed", "-1"]),
    "n_threads": ((Y, 1.0), {"n_threads": 0}, ValueError, ["n_threads", "0"]),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_by_name(ls, name):
    arguments, keywords, exception, fragments = REFUSED[name]
    cmp.assert_raises_naming(lambda: ls.svt(*arguments, **keywords), exception, *fragments)


def test_operators_refused_by_name(ls):
    S = scipy.sparse.csr_matrix(Y)
    for left, right, fragments in (
        (np.ones((3, 1)), np.ones((2, 1)), ["left", "(3, 1)"]),
        (np.ones((2, 1)), np.ones((3, 1)), ["right", "(3, 1)"]),
        (np.ones((2, 1)), np.ones((2, 2)), ["right", "(2, 2)"]),
        (np.full((2, 1), np.nan), np.ones((2, 1)), ["left", "NaN"]),
    ):
        operator = ls.SparsePlusLowRank(S, left, right)
        cmp.assert_raises_naming(lambda operator=operator: ls.svt(operator, 1.0), ValueError, *fragments)
    with pytest.raises(TypeError, match="tolerance"):
        ls.svt(Y, 1.0, tolerance=1e-3)


def test_results_pickle_and_print(ls):
    found = ls.svt(Y, 1.0)
    for again in (copy.deepcopy(found), pickle.loads(pickle.dumps(found))):
        cmp.assert_same_bits((again.U, again.s, again.V), (found.U, found.s, found.V))
        assert repr(again) == repr(found)
    assert "rank_margin" in repr(found)
