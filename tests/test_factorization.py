"""MatrixFactorization: the landscape protocol against the formulas and against differences."""

import copy
import pickle

import numpy as np
import pytest
import scipy.sparse

import comparators as cmp
import factorization_cases as table
from reference import factorization as mf

QUICK = range(len(table.FAMILIES))  # one problem of each family
OBSERVED = [i for i in QUICK if table.problem(i).problem.weights is not None]  # those where not all counts alike
COPIES = [copy.copy, copy.deepcopy, *(lambda x, k=k: pickle.loads(pickle.dumps(x, k)) for k in range(2, 6))]


def problems(indices=QUICK):
    return [pytest.param(i, id=table.problem(i).id) for i in indices]


@pytest.fixture
def case(ls, request):
    """(landscape, reference problem)."""
    problem = table.problem(request.param).problem
    return table.landscape(ls, problem), problem


each_family = pytest.mark.parametrize("case", problems(), indirect=True)


def few_points(problem, rng):
    """Random points of widths 1, 3 and more than full rank, unbalanced ones among them."""
    for width in (1, 3, sum(problem.shape)):
        U, V = table.random_point(problem, width, rng)
        yield U, V
        yield 30.0 * U, V / 30.0


def direction_at(p, rng):
    """Each block as large as that of the point, so that no part of a product drowns in another."""
    return tuple(mf.norm(block) * rng.standard_normal(block.shape) for block in p)


def inner(a, b):
    return sum(float(np.sum(x * y)) for x, y in zip(a, b, strict=True))


# ------------------------------------------------------------------------------------------------- value, derivatives


@each_family
def test_value_and_gradient(case, rng):
    """Block by block, relative to the terms that cancel: |M V| + lam |U|."""
    land, problem = case
    for p in few_points(problem, rng):
        value, gradient = land.value_and_gradient(p)
        cmp.assert_close(value, mf.value(problem, p), 1e-13, what="value")
        cmp.assert_close(value, land.value(p), 1e-14)
        cmp.assert_same_bits(gradient, land.gradient(p))
        slopes = np.abs(mf.slopes(problem, p[0] @ p[1].T)) + problem.c * (np.abs(mf.predict(problem, p[0] @ p[1].T)))
        M = np.abs(slopes) if problem.X is None else slopes.T @ np.abs(problem.X)
        sizes = M @ np.abs(p[1]) + problem.lam * np.abs(p[0]), M.T @ np.abs(p[0]) + problem.lam * np.abs(p[1])
        for actual, expected, size in zip(gradient, mf.gradient(problem, p), sizes, strict=True):
            cmp.assert_close(actual, expected, 1e-12, cmp.size(size), "gradient")


@each_family
def test_hessian(case, rng):
    """hvp, curvature and the operator against the reference's Hessian, which is not made from products."""
    land, problem = case
    for p in few_points(problem, rng):
        d = direction_at(p, rng)
        H, flat = mf.hessian(problem, p), mf.pack(d)
        size = cmp.size(np.abs(H) @ np.abs(flat))
        cmp.assert_close(land.pack(land.hvp(p, d)), H @ flat, 1e-12, size, "hvp")
        cmp.assert_close(land.curvature(p, d), flat @ H @ flat, 1e-12, np.abs(flat) @ np.abs(H) @ np.abs(flat))
        operator = land.hessian(p)
        cmp.assert_same_bits(operator @ flat, land.pack(land.hvp(p, d)))
        dense = operator @ np.eye(len(flat))
        cmp.assert_close(dense, H, 1e-12, what="Hessian")
        cmp.assert_close(dense, dense.T, 1e-13, what="transposed Hessian")


@pytest.mark.parametrize(
    "case", problems(i for i in QUICK if table.problem(i).problem.loss == "squared"), indirect=True
)
def test_differences_of_a_quartic(case, rng):
    """Squared loss: the value along a line is a quartic, for which the stencils are exact."""
    land, problem = case
    for width in (1, 3):
        p = table.random_point(problem, width, rng)
        directions = [tuple(cmp.size(b) * rng.standard_normal(b.shape) for b in p) for _ in range(3)]
        cmp.assert_gradient_matches_fd(land, p, directions)
        cmp.assert_curvature_matches_fd(land, p, directions)


@pytest.mark.parametrize(
    "case", problems(i for i in QUICK if table.problem(i).problem.loss != "squared"), indirect=True
)
def test_differences(case, rng):
    """The other losses: central differences of the value for the gradient, of the gradient for the products."""
    land, problem = case
    for width in (1, 3):
        p = table.random_point(problem, width, rng)
        d, h = tuple(rng.standard_normal(block.shape) for block in p), 1e-6
        up, down = (tuple(a + s * b for a, b in zip(p, d, strict=True)) for s in (h, -h))
        slope = (land.value(up) - land.value(down)) / (2 * h)
        cmp.assert_close(inner(land.gradient(p), d), slope, 1e-7, land.value(p) + abs(slope))
        change = [(a - b) / (2 * h) for a, b in zip(land.gradient(up), land.gradient(down), strict=True)]
        cmp.assert_points_close(land.hvp(p, d), change, 1e-7)


def test_worked_example(ls):
    """Y = diag(3, 1), lam = 1, at U = V = (1, 0): E = diag(2, 1), f = 5/2 + 1."""
    land, p = ls.MatrixFactorization(np.diag([3.0, 1.0]), 1.0), (np.array([[1.0], [0.0]]),) * 2
    assert land.value(p) == 3.5
    cmp.assert_same_bits(land.gradient(p), (np.array([[-1.0], [0.0]]),) * 2)
    # d = (e1, e1): |dZ|^2 = 4, - 2 <E, e1 e1^T> = -4, lam |d|^2 = 2
    assert land.curvature(p, p) == 2.0


@each_family
def test_batches(case, rng):
    """One p with many d, many p with one d, pairwise; values and gradients of a batch are those of its points."""
    land, problem = case
    many = tuple(np.stack(b) for b in zip(*(table.random_point(problem, 2, rng) for _ in range(5)), strict=True))
    moves = tuple(np.stack(b) for b in zip(*(table.random_point(problem, 2, rng) for _ in range(5)), strict=True))
    points, directions = (list(zip(*blocks, strict=True)) for blocks in (many, moves))
    cmp.assert_close(land.value(many), [land.value(p) for p in points], 1e-14)
    for actual, expected in zip(zip(*land.gradient(many), strict=True), map(land.gradient, points), strict=True):
        cmp.assert_points_close(actual, expected, 1e-13)
    for p, d, pairs in (
        (many, directions[0], [(p, directions[0]) for p in points]),
        (points[0], moves, [(points[0], d) for d in directions]),
        (many, moves, list(zip(points, directions, strict=True))),
    ):
        cmp.assert_close(land.curvature(p, d), [land.curvature(*pair) for pair in pairs], 1e-13)
        products = list(zip(*land.hvp(p, d), strict=True))
        for actual, pair in zip(products, pairs, strict=True):
            cmp.assert_points_close(actual, land.hvp(*pair), 1e-13)


@each_family
def test_zero_width(case):
    land, problem = case
    zero, none = problem.zeros(0), problem.zeros(1)
    cmp.assert_close(land.value(zero), problem.scale, 1e-14)
    assert land.value(zero) == land.value(none)
    assert [block.shape for block in land.gradient(zero)] == [block.shape for block in zero]
    assert [block.shape for block in land.hvp(zero, zero)] == [block.shape for block in zero]
    assert (land.curvature(zero, zero), land.hessian(zero).shape) == (0.0, (0, 0))
    assert land.pack(zero).shape == (0,)
    bounds, top = land.polar(zero), mf.lambda_max(problem)
    assert bounds.lower * (1 - 1e-14) <= top <= bounds.upper * (1 + 1e-14)
    if problem.X is None:
        assert np.array_equal(land.predict(zero), np.zeros(problem.shape))


def test_pack_and_unpack(ls, rng):
    land = ls.MatrixFactorization(np.ones((2, 3)), 1.0)
    U, V = np.arange(4.0).reshape(2, 2), 10.0 + np.arange(6.0).reshape(3, 2)
    assert land.pack((U, V)).tolist() == [0, 1, 2, 3, 10, 11, 12, 13, 14, 15]
    batch = rng.standard_normal((4, 2, 3)), rng.standard_normal((4, 3, 3))
    for p in ((U, V), batch, (np.zeros((2, 0)), np.zeros((3, 0)))):
        cmp.assert_same_bits(land.unpack(land.pack(p)), p)
    assert land.pack(batch).shape == (4, 15)
    assert land.shapes(4) == ((2, 4), (3, 4))
    data = ls.MatrixFactorization(np.ones((5, 2)), 1.0, X=np.ones((5, 3)))
    assert (data.shapes(1), data.n_outputs, data.n_inputs, data.n_observed) == (((2, 1), (3, 1)), 2, 3, 10)


def test_unobserved_entries_are_never_read(ls, rng):
    """Whatever stands there, NaN and infinity too, the numbers are the same to the last bit."""
    Y, mask = rng.standard_normal((5, 4)), rng.random((5, 4)) < 0.6
    p = rng.standard_normal((5, 2)), rng.standard_normal((4, 2))
    plain = ls.MatrixFactorization(np.where(mask, Y, 0.0), 0.5, mask=mask)
    for filling in (np.nan, np.inf, 1e300):
        land = ls.MatrixFactorization(np.where(mask, Y, filling), 0.5, mask=mask)
        cmp.assert_same_bits(land.gradient(p), plain.gradient(p))
        assert land.certify(p).digest == plain.certify(p).digest


# ------------------------------------------------------------------------------------------------- threads, instances


def large(ls, kind):
    """Large enough for parallel regions."""
    rng = np.random.default_rng(7)
    Y = rng.standard_normal((260, 8)) @ rng.standard_normal((8, 190)) + rng.standard_normal((260, 190))
    if kind == "data":
        return ls.MatrixFactorization(Y, 30.0, X=rng.standard_normal((260, 40)))
    if kind == "dense":
        return ls.MatrixFactorization(Y, 30.0, weights=rng.uniform(0.5, 1.5, Y.shape), loss="huber")
    observed = scipy.sparse.random_array(Y.shape, density=0.3, rng=rng).tocsr()
    observed.data[:] = np.where(rng.random(observed.nnz) < 0.5, -1.0, 1.0)
    return ls.MatrixFactorization(observed, 3.0, loss="logistic")


@pytest.mark.parametrize("kind", ["dense", "sparse", "data"])
def test_same_bits_for_any_thread_count(ls, kind, rng):
    land = large(ls, kind)
    p, d = (tuple(rng.standard_normal(shape) for shape in land.shapes(9)) for _ in range(2))
    many = tuple(np.stack([block, -block, 2.0 * block]) for block in p)

    def everything(n_threads):
        return [
            land.value(p, n_threads=n_threads),
            land.value(many, n_threads=n_threads),
            *land.gradient(p, n_threads=n_threads),
            *land.gradient(many, n_threads=n_threads),
            *land.hvp(p, d, n_threads=n_threads),
            land.curvature(many, d, n_threads=n_threads),
            land.hessian(p, n_threads=n_threads) @ land.pack(d),
        ]

    alone, bounds = everything(1), land.polar(p, n_threads=1)
    for n_threads in (2, 3):
        cmp.assert_same_bits(everything(n_threads), alone, f"{n_threads} threads")
        other = land.polar(p, n_threads=n_threads)  # its products may go to BLAS: equal to rounding
        cmp.assert_close([other.lower, other.upper], [bounds.lower, bounds.upper], 1e-12)


@pytest.mark.parametrize("duplicate", COPIES)
@pytest.mark.parametrize("i", [0, 1, 3, 5, 33])
def test_pickles_and_copies(ls, i, duplicate, rng):
    problem = table.problem(i).problem
    for form in ("dense", "csr"):
        land = table.landscape(ls, problem, form)
        p = table.random_point(problem, 2, rng)
        before = land.value(p)  # so that what is compiled exists
        again = duplicate(land)
        assert (repr(again), again.value(p)) == (repr(land), before)
        certificate = land.certify(p)
        assert ls.verify(duplicate(certificate), again, p)
        assert duplicate(certificate).digest == again.certify(p).digest


def test_with_lam(ls, rng):
    problem = table.problem(1).problem
    land, p = table.landscape(ls, problem), table.random_point(problem, 2, rng)
    other = land.with_lam(2.0 * land.lam)
    assert (land.lam, other.lam) == (problem.lam, 2.0 * problem.lam)
    cmp.assert_close(other.value(p) - land.value(p), problem.lam * mf.penalty(p), 1e-12, land.value(p))
    assert other.lambda_max == land.lambda_max
    assert other.certify(p).data_fingerprint != land.certify(p).data_fingerprint
    cmp.assert_raises_naming(lambda: land.with_lam(0.0), ValueError, "lam", "positive")


def test_repr_says_what_it_is(ls):
    text = repr(ls.MatrixFactorization(np.ones((4, 3)), 0.5, loss="huber", mask=np.eye(4, 3) > 0))
    assert text == "MatrixFactorization(4 x 3, 3 observed, huber, lam=0.5)"


# ---------------------------------------------------------------------------------------------------- predictions


def test_predictions(ls, rng):
    problem = table.problem(1).problem
    land, p = table.landscape(ls, problem), table.random_point(problem, 3, rng)
    Z = p[0] @ p[1].T
    cmp.assert_close(land.predict(p), Z, 1e-15)
    rows, columns = np.indices(Z.shape)
    cmp.assert_close(land.predict_entries(p, rows, columns), Z, 1e-14)
    cmp.assert_close(land.predict_entries(p, [1, 0], [2, 2]), Z[[1, 0], [2, 2]], 1e-14)
    cmp.assert_raises_naming(lambda: land.predict(p, np.ones((2, 2))), ValueError, "X")
    cmp.assert_raises_naming(lambda: land.predict_entries(p, [0], [9999]), ValueError, "columns", "9999")
    cmp.assert_raises_naming(lambda: land.predict_entries(p, [-1], [0]), ValueError, "rows", "-1")
    cmp.assert_raises_naming(lambda: land.predict_entries(p, [0.5], [0]), TypeError, "rows", "integers")
    cmp.assert_raises_naming(lambda: land.predict_entries(p, [0, 1], [0]), ValueError, "one shape")


def test_predictions_of_new_rows(ls, rng):
    problem = table.problem(3).problem
    land, p = table.landscape(ls, problem), table.random_point(problem, 2, rng)
    X = rng.standard_normal((6, problem.X.shape[1]))
    cmp.assert_close(land.predict(p, X), X @ p[1] @ p[0].T, 1e-14)
    cmp.assert_close(land.predict(p, problem.X), mf.predict(problem, p[0] @ p[1].T), 1e-14)
    cmp.assert_raises_naming(lambda: land.predict_entries(p, [0], [0]), ValueError, "without data")
    cmp.assert_raises_naming(lambda: land.predict(p, X[:, :-1]), ValueError, "X")
