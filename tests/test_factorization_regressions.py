"""Points at which an earlier version said too much about a factorisation, found by review."""

import numpy as np
import pytest
import scipy.sparse


def test_a_value_that_cancels_certifies_nothing(ls):
    """U Vᵀ = 0 exactly in real arithmetic, where NumPy's sum gives 1 or more: the value's own rounding is 800."""
    a = 2.0**27
    land = ls.MatrixFactorization([[1.0]], 1e-30)
    p = (np.array([[a + 1, a, 1.0]]), np.array([[a + 1, -a - 2, 1.0]]))
    assert land.certify(p).verdict == "UNDECIDED"


def test_the_starts_of_a_probabilistic_bound_are_not_known_beforehand(ls):
    """The largest singular vector orthogonal to what a fixed seed would draw; here only that the seeds differ."""
    sizes = np.full(3200, 0.9)
    sizes[7] = 1.5
    Y = scipy.sparse.diags_array(sizes).tocsr()
    land = ls.MatrixFactorization(Y, 1.01)
    zero = tuple(np.zeros(shape) for shape in land.shapes(0))
    other = ls.MatrixFactorization(1.25 * Y, 1.01)
    assert land._polar_seed(zero[1]) != other._polar_seed(zero[1])
    assert land._polar_seed(zero[1]) != land._polar_seed(np.zeros((3200, 1)))
    bounds = land.polar(zero)
    assert bounds.guarantee == "probabilistic"
    assert bounds.lower <= 1.5 * (1.0 + 1e-12) <= bounds.upper * (1.0 + 2e-12)
    assert land.certify(zero).verdict == "NOT_GLOBAL"


@pytest.mark.parametrize("size", [1e-170, 3e-160, 1e-310])
def test_objectives_that_underflow_are_refused(ls, size):
    with pytest.raises(ValueError, match="Y is too small: the objective underflows at zero"):
        ls.MatrixFactorization([[size]], 0.1 * size)


def test_near_a_minimum_of_its_width_no_curvature_is_invented(ls):
    for scale, values, index in ((0.9 * (1 - 1e-7), (1.0, 1.0, 0.3), 0), (0.5 * (1 + 1.8e-6), (1.0, 1 - 5e-7, 0.2), 1)):
        land = ls.MatrixFactorization(np.diag(values), 0.1 if index == 0 else 0.5)
        u = np.sqrt(scale) * np.eye(3)[:, index : index + 1]
        assert land.classify((u, u)).kind in ("undetermined", "not_critical")


def test_a_huber_point_on_a_kink_is_left_open(ls):
    Y = np.array(
        [[5.0, 1.44279541, 1.55720459], [1.57882021, 1.84945686, 1.49290272], [1.42117979, 1.76495231, 1.89268811]]
    )
    p = (np.array([[-2.0], [-1.0], [-1.0]]),) * 2
    assert ls.MatrixFactorization(Y, 0.5, loss="huber").classify(p).kind != "local_minimum"


def test_nobody_writes_to_the_data_of_a_problem(ls):
    Y = scipy.sparse.random_array((10, 8), density=0.5, rng=0).tocsr()
    land = ls.MatrixFactorization(Y, 0.1)
    with pytest.raises(ValueError, match="read-only"):
        land.Y.data[:] = 0.0
    with pytest.raises(ValueError, match="read-only"):
        ls.MatrixFactorization(np.eye(3), 0.1).Y[:] = 0.0


@pytest.mark.parametrize("size", [40, 60])
def test_zero_factors_of_positive_width_are_a_saddle(ls, rng, size):
    land = ls.MatrixFactorization(rng.standard_normal((size, size)), 1.0)
    zero = tuple(np.zeros(shape) for shape in land.shapes(2))
    assert land.certify(zero).verdict == "NOT_GLOBAL"
    assert land.classify(zero).kind == "strict_saddle"


def test_the_better_of_two_dual_points(ls, rng):
    """With data the residual of the rebalanced point can be far from feasible where that of the point itself is not."""
    from sklearn.datasets import load_linnerud

    X, Y = (part - part.mean(axis=0) for part in load_linnerud(return_X_y=True))
    coefficients = np.linalg.solve(X.T @ X + np.eye(3), X.T @ Y).T
    land, p = ls.from_factors(Y, 5.0, Z=coefficients, X=X)
    certificate = land.certify(p)
    assert certificate.relative_gap < 1e-3
    assert ls.verify(certificate, land, p)


def test_verify_refuses_what_is_no_problem(ls):
    land = ls.MatrixFactorization(np.eye(2), 0.1, weights=np.ones((2, 2)))
    p = land.solve().point
    certificate = land.certify(p)

    class Forged:
        Y, mask_csr, X, loss, lam = land.Y, None, None, land.loss, land.lam
        weights = np.array([1.0, 1.0, 1.0, -5.0])

    with pytest.raises(ValueError, match="weights must be finite and not negative"):
        ls.verify(certificate, Forged(), p)


def test_paths_go_to_solutions_of_the_same_problem(ls):
    land = ls.MatrixFactorization(np.diag([3.0, 1.0]), 1.0)
    solution = land.with_lam(0.5).solve()
    with pytest.raises(ValueError, match="solution must be of this problem"):
        land.descent_path(solution.point, solution)
    with pytest.raises(TypeError, match="solution must be a Solution, got tuple"):
        land.descent_path(solution.point, solution.point)


def test_a_random_start(ls, rng):
    Y = rng.standard_normal((30, 20))
    land = ls.MatrixFactorization(Y, 3.0, mask=rng.random(Y.shape) < 0.7)
    one, two = land.solve(start="random", seed=1), land.solve()
    assert one.value == pytest.approx(two.value, rel=1e-5)
    assert one.trace.width[0] == 10
    with pytest.raises(ValueError, match="start must be one of 'random'"):
        land.solve(start="zero")
