"""The references of homogeneous networks agree with hand numbers, suprema, differences, grids and each other."""

import itertools
from dataclasses import replace
from math import comb

import numpy as np
import pytest
from scipy.optimize import minimize, nnls

import comparators as cmp
import homogeneous_cases as table
from reference import convex_networks as convex
from reference import homogeneous as hn

ONE_OUTPUT = [c for c in table.CASES if c.problem.targets.shape[1] == 1]
ON_A_LINE = [c for c in table.CASES if c.problem.X.shape[1] == 1 and c.id not in ("large", "small")]  # unscaled
PIECEWISE_LINEAR = {name: act for name, act in hn.ACTIVATIONS.items() if act.power == 1}


def by_id(cases):
    return [pytest.param(c, id=c.id) for c in cases]


def inner(a, b):
    return float(sum(np.sum(x * y) for x, y in zip(a, b, strict=True)))


def moved(p, d, t):
    return tuple(a + t * b for a, b in zip(p, d, strict=True))


def slope_along(f, p, d, h=1e-3):
    """Six-point central difference."""
    pairs = ((1, 45.0), (2, -9.0), (3, 1.0))
    return sum(c * (f(moved(p, d, k * h)) - f(moved(p, d, -k * h))) for k, c in pairs) / (60.0 * h)


@pytest.fixture
def rng():
    return np.random.default_rng(11)


# ------------------------------------------------------------------------------------------------------ activations


def test_activations_at_two_points():
    t = np.array([3.0, -2.0])
    expected = {
        "relu": (3, 0),
        "leaky": (3, -0.2),
        "abs": (3, 2),
        "linear": (3, -2),
        "squared_relu": (9, 0),
        "quadratic": (9, 4),
    }
    for name, act in hn.ACTIVATIONS.items():
        cmp.assert_close(act(t), expected[name], 1e-15)
        cmp.assert_close(act(2.0 * t), 2.0**act.power * act(t), 1e-15)
        h = 1e-6
        cmp.assert_close(act.derivative(t), (act(t + h) - act(t - h)) / (2.0 * h), 1e-8, 1.0)
        cmp.assert_close(act.second(t), (act.derivative(t + h) - act.derivative(t - h)) / (2.0 * h), 1e-8, 1.0)


# ----------------------------------------------------------------------------------------------------------- losses


def supremum(name, a, y, delta):
    """sup over z of <a, z> - loss for one sample, by BFGS from zero."""

    def negative(z):
        z = z[None, :]
        return hn.loss(name, z, y, delta) - float(np.sum(a * z)), (hn.loss_gradient(name, z, y, delta) - a)[0]

    return -minimize(negative, np.zeros(a.shape[1]), jac=True, method="BFGS", options={"gtol": 1e-9}).fun


@pytest.mark.parametrize("name", hn.LOSSES)
def test_conjugates_are_suprema(name, rng):
    delta = 0.7
    for _ in range(10):
        y = table.targets(name, (1, 3), rng)
        if name == "softmax":
            y = rng.dirichlet(np.ones(3))[None, :]
        a = 0.8 * hn.loss_gradient(name, 2.0 * rng.standard_normal((1, 3)), y, delta)
        cmp.assert_close(hn.conjugate(name, a, y, delta), supremum(name, a, y, delta), 1e-9, 1.0)


@pytest.mark.parametrize("name", hn.LOSSES)
def test_fenchel_young(name, rng):
    """L(Z) + L*(A) >= <A, Z> for every pair, equal at A = the gradient; differences give gradient and curvature."""
    delta, y = 0.7, table.targets(name, (5, 3), rng)
    points = [2.0 * rng.standard_normal((5, 3)) for _ in range(6)]
    for Z, other in itertools.product(points, points):
        A = hn.loss_gradient(name, other, y, delta)
        slack = hn.loss(name, Z, y, delta) + hn.conjugate(name, A, y, delta) - float(np.sum(A * Z))
        assert slack >= -1e-12
        assert Z is not other or slack <= 1e-12
    d = rng.standard_normal((5, 3))
    for Z in points:
        first = slope_along(lambda p: hn.loss(name, p[0], y, delta), (Z,), (d,))
        tol = 1e-4 if name in ("huber", "squared_hinge") else 1e-10  # whose second derivative jumps
        cmp.assert_close(np.sum(hn.loss_gradient(name, Z, y, delta) * d), first, tol, 10.0)
        h = 1e-6
        change = hn.loss_gradient(name, Z + h * d, y, delta) - hn.loss_gradient(name, Z - h * d, y, delta)
        cmp.assert_close(hn.loss_hvp(name, Z, y, d, delta), change / (2.0 * h), 1e-8, 1.0)
        assert np.linalg.norm(change) <= 2.0 * h * hn.SMOOTHNESS[name] * np.linalg.norm(d) * (1.0 + 1e-6)


def test_conjugates_are_infinite_outside():
    y = np.array([[1.0]])
    for a in (0.1, -1.1):
        assert hn.conjugate("logistic", np.array([[a]]), y) == np.inf
    assert hn.conjugate("squared_hinge", np.array([[0.1]]), y) == np.inf
    assert hn.conjugate("squared_hinge", np.array([[-5.0]]), y) == 7.5
    assert hn.conjugate("huber", np.array([[0.6]]), y, 0.5) == np.inf
    simplex = np.array([[1.0, 0.0]])
    assert hn.conjugate("softmax", np.array([[-1.0, 1.0]]), simplex) == 0.0
    assert hn.conjugate("softmax", np.array([[-1.1, 1.1]]), simplex) == np.inf
    assert hn.conjugate("softmax", np.array([[-0.5, 0.6]]), simplex) == np.inf


@pytest.mark.parametrize("name", hn.LOSSES)
def test_domain_limit_is_the_end_of_the_domain(name, rng):
    problem = hn.Problem(np.eye(4), table.targets(name, (4, 3), rng), 1.0, loss=name, delta=0.7)
    for _ in range(5):
        G = hn.slopes(problem, 2.0 * rng.standard_normal((4, 3)))
        limit = hn.domain_limit(problem, G)
        top = limit if np.isfinite(limit) else 1e3
        assert np.isfinite(hn.dual_value(problem, top * (1.0 - 1e-9) * G))
        assert np.isinf(limit) or hn.dual_value(problem, top * (1.0 + 1e-6) * G) == -np.inf
        assert limit >= 1.0


# --------------------------------------------------------------------------------------- objective and its derivatives


def smooth_points(problem, rng, hidden_bias):
    """Random networks no kink of which is met within the differences below."""
    for _ in range(20):
        p = table.random_point(problem, 3, rng, hidden_bias)
        if hn.kink_distance(problem, p) > 0.02:
            yield p


@pytest.mark.parametrize("name", hn.ACTIVATIONS)
@pytest.mark.parametrize("loss", hn.LOSSES)
def test_gradient_and_hvp_are_differences(name, loss, rng):
    problem = table.family("generic", 2, 2, loss=loss, activation=hn.ACTIVATIONS[name], m=3)
    for biases in (0, 1, 2):
        problem = replace(problem, intercept=biases > 0, delta=100.0)
        p = next(smooth_points(problem, rng, biases == 2))
        for _ in range(2):
            d, e = (tuple(0.1 * rng.standard_normal(B.shape) for B in p) for _ in range(2))
            first = slope_along(lambda q, problem=problem: hn.value(problem, q), p, d)
            tol = 1e-4 if loss == "squared_hinge" else 1e-9
            cmp.assert_close(inner(hn.gradient(problem, p), d), first, tol, 1.0 + abs(first))
            second = slope_along(lambda q, problem=problem, e=e: inner(hn.gradient(problem, q), e), p, d, 1e-5)
            cmp.assert_close(inner(hn.hvp(problem, p, d), e), second, 1e-6, 1.0 + abs(second))
            cmp.assert_close(inner(hn.hvp(problem, p, e), d), inner(hn.hvp(problem, p, d), e), 1e-12, 1.0)


def test_hvp_by_hand():
    """V6: relu 1 x 1, x = u = v = 1, y = 0, lam = 0: the Hessian times (1, 0) is (1, 2)."""
    one = np.ones((1, 1))
    problem = hn.Problem(one, 0.0 * one, 0.0)
    h_u, h_v = hn.hvp(problem, (one, one), (one, 0.0 * one))
    assert (h_u.item(), h_v.item()) == (1.0, 2.0)


def test_units_are_balanced_along_the_data_gradient(rng):
    """V5: <v, g_v> = k <u, g_u> for every unit, of the data term."""
    for act in hn.ACTIVATIONS.values():
        problem = replace(table.family("generic", 2, 2, activation=act), lam=0.0)
        p = table.random_point(problem, 3, rng)
        g_u, g_v = hn.gradient(problem, p)
        cmp.assert_close(np.sum(p[1] * g_v, axis=0), act.power * np.sum(p[0] * g_u, axis=0), 1e-12)


def test_depth_two_of_width_one_is_a_unit(rng):
    problem = table.family("generic", 2, 2, activation=hn.leaky(0.3))
    U, V = table.random_point(problem, 3, rng)
    W = V.T[:, None, :], U.T[:, :, None]
    cmp.assert_close(hn.deep_value(problem, W), hn.value(problem, (U, V)), 1e-13)
    g_v, g_u = hn.deep_gradient(problem, W)
    expected = hn.gradient(problem, (U, V))
    cmp.assert_close(g_u[:, :, 0].T, expected[0], 1e-12)
    cmp.assert_close(g_v[:, 0, :].T, expected[1], 1e-12)
    Q = rng.standard_normal(problem.targets.shape)
    cmp.assert_close(hn.deep_polar_search(problem, Q, (1,)), hn.polar(Q, problem.X, problem.activation).value, 1e-8)


@pytest.mark.parametrize("name", PIECEWISE_LINEAR)
def test_deep_gradient_and_hvp(name, rng):
    problem = table.family("generic", 2, 2, loss="softmax", activation=hn.ACTIVATIONS[name])
    W = tuple(rng.standard_normal(s) for s in ((2, 3, 2), (2, 2, 3), (2, 2, 2)))
    d, e = (tuple(1e-2 * rng.standard_normal(B.shape) for B in W) for _ in range(2))
    first = slope_along(lambda q: hn.deep_value(problem, q), W, d, 1e-3)
    cmp.assert_close(inner(hn.deep_gradient(problem, W), d), first, 1e-8, abs(first))
    cmp.assert_close(inner(hn.deep_hvp(problem, W, d), e), inner(hn.deep_hvp(problem, W, e), d), 1e-6, 1e-4)
    # degree L in the weights, output and penalty alike
    longer = tuple(2.0 * B for B in W)
    cmp.assert_close(hn.deep_outputs(problem, longer), 8.0 * hn.deep_outputs(problem, W), 1e-14)
    cmp.assert_close(hn.deep_thetas(longer), 8.0 * hn.deep_thetas(W), 1e-14)


def test_depth_three_polar_is_below_the_spectral_bound(rng):
    problem = table.family("generic", 3, 2)
    Q = rng.standard_normal(problem.targets.shape)
    found = hn.deep_polar_search(problem, Q, (2, 2), starts=5)
    assert 0.0 < found <= hn.spectral_bound(Q, problem.X)
    linear = replace(problem, activation=hn.LINEAR)
    cmp.assert_close(hn.deep_polar_search(linear, Q, (2, 2)), np.linalg.norm(Q.T @ problem.X, 2), 1e-8)


# ------------------------------------------------------------------------------------------------------------ polar


@pytest.mark.parametrize("case", by_id(table.POLARS))
def test_hand_polars(case):
    found = hn.polar(case.Q, case.X, case.activation)
    assert found.exact
    cmp.assert_close(found.value, case.polar, 1e-14)
    cmp.assert_close(np.linalg.norm(found.w), 1.0, 1e-14)


def sphere(d, count, rng):
    if d == 2:
        return hn.directions(np.linspace(0.0, 2 * np.pi, count))
    W = rng.standard_normal((d, count))
    return W / np.linalg.norm(W, axis=0)


@pytest.mark.parametrize("kind", table.KINDS)
@pytest.mark.parametrize("name", hn.ACTIVATIONS)
def test_polar_is_above_every_direction(kind, name, rng):
    """Arcs and faces against grids: never below a direction, and reached by the grid in 2-D to its second order."""
    act = hn.ACTIVATIONS[name]
    for d, n_outputs in ((1, 2), (2, 1), (2, 3), (3, 2)):
        if d == 3 and act.power > 1:
            continue
        X = table.family(kind, d, m=5).X
        Q = rng.standard_normal((len(X), n_outputs))
        found = hn.polar(Q, X, act)
        assert found.exact
        cmp.assert_close(hn.polar_value(Q, X, found.w, act), found.value, 1e-12)
        best = hn.best_of(Q, X, sphere(d, 5_000, rng), act, False).value
        assert best <= found.value * (1.0 + 1e-14)
        assert best >= found.value * (0.9 if d == 3 else 1.0 - 1e-3)
        assert hn.polar_search(Q, X, act, 200, 5).value <= found.value * (1.0 + 1e-14)
        assert found.value <= hn.spectral_bound(Q, X, act.power) * (1.0 + 1e-14)


def test_faces_agree_with_arcs_and_with_cells(rng):
    for act in (hn.RELU, hn.leaky(), hn.ABS, hn.leaky(-0.5)):
        X, Q = rng.standard_normal((6, 2)), rng.standard_normal((6, 2))
        exact = hn.polar_arcs(Q, X, act).value
        cmp.assert_close(hn.polar_faces(Q, X, act).value, exact, 1e-13)
        rotation = np.linalg.qr(rng.standard_normal((3, 3)))[0][:2]
        cmp.assert_close(hn.polar(Q, X @ rotation, act).value, exact, 1e-12)
        for d in (1, 2, 3, 4):
            X = rng.standard_normal((6, d))
            problem = hn.Problem(X, Q[:, :1], 1.0, act)
            cmp.assert_close(convex.polar(problem, Q[:, :1]), hn.polar(Q[:, :1], X, act).value, 1e-12)


def test_the_search_finds_the_polar_of_generic_data(rng):
    for d, n_outputs in itertools.product((2, 3), (1, 2)):
        X, Q = rng.standard_normal((6, d)), rng.standard_normal((6, n_outputs))
        cmp.assert_close(hn.polar_search(Q, X).value, hn.polar(Q, X).value, 1e-6)


def test_quadratic_units_in_any_dimension(rng):
    X, q = rng.standard_normal((7, 4)), rng.standard_normal((7, 1))
    cmp.assert_close(hn.polar(q, X, hn.QUADRATIC).value, hn.polar_search(q, X, hn.QUADRATIC).value, 1e-10)


@pytest.mark.parametrize("name", hn.ACTIVATIONS)
def test_merging_keeps_the_polar(name, rng):
    act, X, Q = hn.ACTIVATIONS[name], rng.standard_normal((3, 2)), rng.standard_normal((6, 2))
    longer = np.vstack([X, 2.0 * X[:1], np.zeros((1, 2)), X[1:2]])
    merged, rows = hn.merge_parallel(Q, longer, act.power)
    cmp.assert_same_bits(rows, X)
    cmp.assert_close(merged[0], Q[0] + 2.0**act.power * Q[3], 1e-15)
    W = sphere(2, 50, rng)
    cmp.assert_close(merged.T @ act(rows @ W), Q.T @ act(longer @ W), 1e-13)


@pytest.mark.parametrize("name", PIECEWISE_LINEAR)
def test_hidden_bias_polar(name, rng):
    act, X, Q = hn.ACTIVATIONS[name], rng.standard_normal((4, 2)), rng.standard_normal((4, 2))
    assert hn.hidden_bias_polar(Q, X, act) == np.inf
    Q -= np.mean(Q, axis=0)
    found = hn.hidden_bias_polar(Q, X, act)
    scores = [np.linalg.norm(Q.T @ act(X @ sphere(2, 1000, rng) + c), axis=0) for c in np.linspace(-4.0, 4.0, 400)]
    assert found * (1.0 - 1e-2) <= np.max(scores) <= found * (1.0 + 1e-14)


# ----------------------------------------------------------------------------------------------------- certificates


@pytest.mark.parametrize("case", by_id(table.CASES))
def test_gap_is_sound_at_hand_problems(case, rng):
    scale = case.problem.scale
    for name, p in table.points(case.problem, rng):
        if np.max(np.abs(case.problem.X)) in (1e100, 1e-100) and name != "zero":
            continue
        found = hn.certify(case.problem, p)
        assert found.gap >= -1e-13 * (scale + found.value), name
        if case.minimum is not None:
            assert found.lower <= case.minimum + 1e-13 * scale, name
            assert found.value >= case.minimum - 1e-13 * scale, name


def test_worked_gap():
    """P2 at zero: kappa = 3, s = 1/3, dual 10/3 - 5/9 = 25/9."""
    problem = hn.Problem(table.PAIR, table.column(3, 1), 1.0)
    found = hn.certify(problem, problem.zeros(1))
    cmp.assert_close([found.kappa, found.s, found.lower], [3.0, 1.0 / 3.0, 25.0 / 9.0], 1e-14)
    assert hn.lambda_max(problem) == 3.0


def test_no_certificate_without_an_upper_bound(rng):
    problem = hn.Problem(rng.standard_normal((14, 6)), rng.standard_normal((14, 2)), 0.5)
    p = problem.zeros(1)
    with pytest.raises(ValueError, match="no exact polar"):
        hn.certify(problem, p)
    spectral = hn.certify(problem, p, lambda problem, Q: hn.spectral_bound(Q, problem.X))
    assert spectral.gap > 0.0


@pytest.mark.parametrize("loss", hn.LOSSES)
@pytest.mark.parametrize("intercept", [False, True])
def test_best_scale_is_the_best(loss, intercept, rng):
    problem = table.family("generic", 2, 2, loss=loss, intercept=intercept)
    for _ in range(3):
        G = hn.dual_matrix(problem, hn.outputs(problem, table.random_point(problem, 2, rng)))
        kappa = hn.exact_polar(problem, G)
        s = hn.best_scale(problem, G, kappa)
        assert 0.0 <= s * kappa <= problem.lam * (1.0 + 1e-14)
        top = min(problem.lam / kappa, hn.domain_limit(problem, G))
        grid = [hn.dual_value(problem, t * G) for t in np.linspace(0.0, top * (1.0 - 1e-12), 50)]
        assert hn.dual_value(problem, s * G) >= max(grid) - 1e-12 * problem.scale


@pytest.mark.parametrize("loss", hn.LOSSES)
@pytest.mark.parametrize("kind", ["generic", "constant targets"])
def test_dual_matrix_balances_the_intercept(loss, kind, rng):
    problem = table.family(kind, 2, 3, loss=loss, intercept=True)
    for size in (0.0, 1.0, 30.0):
        Z = size * rng.standard_normal(problem.targets.shape)
        A, b = hn.dual_matrix(problem, Z), hn.best_intercept(problem, Z)
        cmp.assert_close(np.sum(A, axis=0), np.zeros(3), 1e-14, 1.0 + np.max(np.abs(A)))
        assert np.isfinite(hn.dual_value(problem, A))
        best = hn.data_term(problem, Z + b)
        for _ in range(5):
            other = hn.data_term(problem, Z + b + 0.1 * rng.standard_normal(3))
            assert best <= other + 1e-12 * problem.scale


def test_lambda_max_is_where_zero_becomes_optimal(rng):
    for loss in hn.LOSSES:
        problem = table.family("generic", 2, 2, loss=loss)
        top = hn.lambda_max(problem)
        at_top = hn.certify(replace(problem, lam=top), problem.zeros(1))
        assert abs(at_top.gap) <= 1e-13 * problem.scale
        below, zero = replace(problem, lam=0.9 * top), problem.zeros(0)
        w = hn.polar(hn.slopes(below, hn.outputs(below, zero)), below.X).w
        assert hn.value(below, hn.insert(below, zero, w)) < problem.scale * (1.0 - 1e-6)


def test_hidden_biases_in_one_dimension(rng):
    """v = +-1 and c = -x_i v are all the units there are: the group lasso over them closes the gap of 12b.6."""
    x = table.column(-1.0, -0.2, 0.4, 1.0, 2.0)
    for loss, n_outputs in (("squared", 1), ("squared", 2)):
        Y = table.targets(loss, (5, n_outputs), rng)
        problem = hn.Problem(x, Y, 0.1, loss=loss, intercept=True)
        wider = replace(problem, X=table.with_ones(x))
        W = np.hstack([np.vstack([side * np.ones(5), -side * x[:, 0]]) for side in (1.0, -1.0)])
        best, (U, V, b) = convex.group_lasso(wider, W)

        def upper(problem, Q):
            return hn.hidden_bias_polar(Q, problem.X, problem.activation)

        point = hn.rebalance(problem, (U, V[:1], b, V[1]))
        found = hn.certify(problem, point, upper)
        cmp.assert_close(found.value, best, 1e-12)
        assert abs(found.gap) <= 1e-9 * problem.scale
        for _ in range(5):
            other = hn.certify(problem, table.random_point(problem, 3, rng, hidden_bias=True), upper)
            assert other.lower <= best * (1.0 + 1e-12) <= other.value * (1.0 + 1e-10)


# ------------------------------------------------------------------------------------------------------------ moves


@pytest.mark.parametrize("name", hn.ACTIVATIONS)
def test_slides_keep_the_output_and_never_raise_the_penalty(name, rng):
    problem = table.family("generic", 2, 2, m=3, activation=hn.ACTIVATIONS[name])
    p = table.random_point(problem, 12, rng)
    rank = np.linalg.matrix_rank(hn.unit_outputs(problem, p), tol=1e-9)
    Z, theta = hn.outputs(problem, p), hn.thetas(problem, p)
    cmp.assert_close(np.sum(hn.unit_outputs(problem, p), axis=1), np.ravel(Z), 1e-13)
    for find in (hn.slide_lp, hn.slide_null):
        c = find(problem, p)
        assert np.min(c) >= 0.0
        assert np.count_nonzero(c) <= rank <= Z.size
        assert theta @ c <= np.sum(theta) * (1.0 + 1e-12)
        for t in (0.0, 0.3, 1.0):
            q = hn.slide(problem, p, c, t)
            cmp.assert_close(hn.outputs(problem, q), Z, 1e-9)
            cmp.assert_close(np.sum(hn.thetas(problem, q)), (1.0 - t) * np.sum(theta) + t * (theta @ c), 1e-12)
    assert theta @ hn.slide_lp(problem, p) <= theta @ hn.slide_null(problem, p) * (1.0 + 1e-9)


@pytest.mark.parametrize("name", hn.ACTIVATIONS)
@pytest.mark.parametrize("loss", hn.LOSSES)
def test_moves_never_raise_the_value(name, loss, rng):
    problem = table.family("generic", 2, 2, loss=loss, activation=hn.ACTIVATIONS[name], intercept=True)
    p = table.random_point(problem, 3, rng)
    q = hn.rebalance(problem, p)
    cmp.assert_close(hn.outputs(problem, q), hn.outputs(problem, p), 1e-13)
    cmp.assert_close(np.linalg.norm(q[0], axis=0), np.linalg.norm(q[1], axis=0), 1e-14)
    k = problem.activation.power
    cmp.assert_close(hn.thetas(problem, q), np.linalg.norm(p[0], axis=0) * np.linalg.norm(p[1], axis=0) ** k, 1e-13)
    c = hn.radial_scale(problem, q)
    radial = hn.scaled(problem, q, np.full(3, c))
    w = hn.polar(hn.slopes(problem, hn.outputs(problem, radial)), problem.X, problem.activation).w
    values = [hn.value(problem, x) for x in (p, q, radial, hn.insert(problem, radial, w))]
    assert all(b <= a * (1.0 + 1e-13) for a, b in itertools.pairwise(values))
    for t in (0.9 * c, 1.1 * c + 1e-3):
        assert hn.value(problem, hn.scaled(problem, q, np.full(3, t))) >= values[2] * (1.0 - 1e-13)
    other = table.random_point(problem, 2, rng)
    for t in (0.0, 0.4, 1.0):
        between = hn.value(problem, hn.blend(problem, p, other, t))
        assert between <= ((1.0 - t) * values[0] + t * hn.value(problem, other)) * (1.0 + 1e-12)


def test_insertion_gains_what_theory_says():
    """(kappa - lam)^2 / (2 |phi|^2) for the squared loss: P2 goes from 5 to 3 by one unit."""
    problem = hn.Problem(table.PAIR, table.column(3, 1), 1.0)
    p = hn.insert(problem, problem.zeros(0), np.array([1.0]))
    cmp.assert_close(hn.value(problem, p), 3.0, 1e-14)
    cmp.assert_close([p[0].item(), p[1].item()], np.sqrt([2.0, 2.0]), 1e-14)


def test_a_nondifferentiable_loss_has_a_bad_local_minimum(rng):
    """F9."""
    quarter = 0.25 * np.eye(2)
    cmp.assert_close(table.nondifferentiable(quarter) + 0.5 * np.trace(quarter), 0.375, 1e-15)
    assert table.nondifferentiable(np.zeros((2, 2))) == 0.5
    for _ in range(200):
        u, v = 0.1 * rng.standard_normal(2), 0.1 * rng.standard_normal(2)
        assert table.nondifferentiable(np.outer(u, v)) + 0.25 * (u @ u + v @ v) > 0.5


# ---------------------------------------------------------------------------------------------- the convex program


def test_generic_cells_are_counted():
    for m, d in ((1, 1), (4, 2), (6, 2), (5, 3), (6, 3), (5, 4)):
        X = table.family("generic", d, m=m).X
        found = convex.cells(X)
        assert len(found) == 2 * sum(comb(m - 1, k) for k in range(min(d, m)))
        assert {tuple(-s) for s in found} == {tuple(s) for s in found}


@pytest.mark.parametrize("kind", table.KINDS)
def test_cells_are_those_that_random_directions_meet(kind, rng):
    for d in (1, 2, 3):
        X = table.family(kind, d).X
        found = np.unique(np.sign(X @ sphere(d, 5_000, rng)), axis=1).T
        met = {tuple(s) for s in found if np.all((s != 0.0) == np.any(X != 0.0, axis=1))}
        expected = {tuple(s) for s in convex.cells(X)}
        assert met <= expected
        assert d == 3 or met == expected


@pytest.mark.parametrize("kind", table.KINDS)
def test_cones_are_projected_on(kind, rng):
    """Against NNLS, and by Moreau: z - Pi z in the polar cone and orthogonal to Pi z; the prox by its optimality."""
    for d in (1, 2, 3):
        X = table.family(kind, d, m=5).X
        C, _ = convex.coordinates(X)
        for s in convex.cells(X):
            cone = convex.Cone(s[:, None] * C)
            z = rng.standard_normal(C.shape[1])
            v = cone.project(z)
            cmp.assert_close(v, z + cone.N.T @ nnls(cone.N.T, -z)[0], 1e-12, 1.0)
            assert np.min(cone.N @ v) >= -1e-12
            assert abs(v @ (z - v)) <= 1e-12
            t = 0.5
            x = cone.shrink(z, t)
            value = 0.5 * np.sum((x - z) ** 2) + t * np.linalg.norm(x)
            for other in (v, 0.9 * x, 1.1 * x, cone.project(x + 0.1 * rng.standard_normal(x.size))):
                assert 0.5 * np.sum((other - z) ** 2) + t * np.linalg.norm(other) >= value - 1e-14


def check_minimum(problem, known=None):
    """Read off, the network has the program's value, and the exact polar closes its gap."""
    found, scale = convex.minimise(problem), max(problem.scale, 1e-300)
    certificate = hn.certify(problem, found.point)
    cmp.assert_close(certificate.value, found.value, 1e-12, scale)
    assert -1e-13 * scale <= found.value - found.lower <= 1e-10 * scale
    assert -1e-13 * scale <= certificate.gap <= 1e-9 * scale
    if known is not None:
        cmp.assert_close(found.value, known, 1e-10, scale)
    return found


@pytest.mark.parametrize("case", by_id(ONE_OUTPUT))
def test_program_solves_hand_problems(case):
    check_minimum(case.problem, case.minimum)


@pytest.mark.parametrize("kind", table.KINDS)
@pytest.mark.parametrize("d", [1, 2])
def test_program_closes_the_gap(kind, d, rng):
    losses = [name for name in hn.LOSSES if name != "softmax"]
    loss, act = losses[(table.KINDS.index(kind) + d) % 4], list(PIECEWISE_LINEAR.values())[table.KINDS.index(kind) % 4]
    problem = table.family(kind, d, m=5, loss=loss, activation=act, intercept=d == 1)
    best = check_minimum(problem).value
    for _, p in table.points(problem, rng):
        found = hn.certify(problem, p)
        assert found.lower <= best + 1e-10 * problem.scale
        assert found.value >= best - 1e-10 * problem.scale


def test_program_in_three_dimensions():
    for kind in ("duplicates", "zero samples", "grid"):
        check_minimum(table.family(kind, 3, m=5, fraction=0.4))


@pytest.mark.slow
@pytest.mark.parametrize("kind", table.KINDS)
@pytest.mark.parametrize("loss", [name for name in hn.LOSSES if name != "softmax"])
@pytest.mark.parametrize("name", PIECEWISE_LINEAR)
def test_program_closes_the_gap_everywhere(kind, loss, name):
    for d, intercept in itertools.product((1, 2, 3), (False, True)):
        problem = table.family(kind, d, 1, 6, loss, hn.ACTIVATIONS[name], 0.15, intercept, seed=1)
        check_minimum(problem)


@pytest.mark.parametrize("seed", [0, 1])
def test_descent_never_goes_below(seed, rng):
    """L-BFGS on all weights from random starts, against the program (P1)."""
    problem = table.family("generic", 2, seed=seed)
    best = convex.minimise(problem).value
    shapes = [B.shape for B in problem.zeros(7)]

    def unpack(x):
        return x[:7].reshape(shapes[0]), x[7:].reshape(shapes[1])

    def objective(x):
        p = unpack(x)
        return hn.value(problem, p), np.concatenate([np.ravel(g) for g in hn.gradient(problem, p)])

    values = [minimize(objective, rng.standard_normal(21), jac=True, method="L-BFGS-B").fun for _ in range(5)]
    assert best - 1e-9 <= min(values) <= 1.2 * best


@pytest.mark.parametrize("loss", hn.LOSSES)
def test_several_outputs_on_a_line(loss):
    """n0 = 1: the units are w = +-1, so the group lasso over both is the minimum over all widths."""
    for kind, intercept in itertools.product(("generic", "zero samples"), (False, True)):
        problem = table.family(kind, 1, 3, loss=loss, intercept=intercept)
        best, point = convex.group_lasso(problem, np.array([[1.0, -1.0]]))
        found = hn.certify(problem, point)
        cmp.assert_close(found.value, best, 1e-12, problem.scale)
        assert -1e-13 * problem.scale <= found.gap <= 1e-9 * problem.scale


@pytest.mark.parametrize("case", by_id(ON_A_LINE))
def test_group_lasso_solves_hand_problems(case):
    cmp.assert_close(convex.group_lasso(case.problem, np.array([[1.0, -1.0]]))[0], case.minimum, 1e-10, 1.0)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", table.KINDS)
@pytest.mark.parametrize("loss", [name for name in hn.LOSSES if name != "softmax"])
def test_peer_is_not_better(kind, loss):
    cp = pytest.importorskip("cvxpy")
    for d, intercept in itertools.product((1, 2, 3), (False, True)):
        problem = table.family(kind, d, loss=loss, intercept=intercept)
        ours, theirs = convex.minimise(problem), convex.cvxpy_minimum(cp, problem)
        assert ours.lower - 1e-6 * problem.scale <= theirs <= ours.value + 1e-6 * problem.scale


# ------------------------------------------------------------------------------- Omega, the five properties (Prop 1.8)


def representable(X, act, rng):
    return act(X @ rng.standard_normal((X.shape[1], 3))) @ rng.standard_normal(3)


@pytest.mark.parametrize("d", [1, pytest.param(2, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", PIECEWISE_LINEAR)
def test_omega_is_a_gauge(name, d, rng):
    """(i) positive definite, (ii) positively homogeneous, (iii) subadditive, (iv) convex, (v) attained, r <= m."""
    act, X = PIECEWISE_LINEAR[name], rng.standard_normal((4, d))
    y, z = representable(X, act, rng), representable(X, act, rng)
    bounds = {}
    for key, Z in {"y": y, "z": z, "-y": -y, "3y": 3.0 * y, "y+z": y + z, "mix": 0.3 * y + 0.7 * z}.items():
        upper, lower, W, c = convex.omega(Z, X, act, tol=1e-7)
        assert 0.0 < lower <= upper * (1.0 + 1e-12)
        assert upper - lower <= 1e-6 * upper
        cmp.assert_close(act(X @ W) @ c, Z, 1e-8)
        assert c.size <= Z.size
        bounds[key] = upper
    assert convex.omega(0.0 * y, X, act)[0] == 0.0
    tol = 1e-6 * (bounds["y"] + bounds["z"])
    cmp.assert_close(bounds["3y"], 3.0 * bounds["y"], 1e-6)
    cmp.assert_close(bounds["-y"], bounds["y"], 1e-6)
    assert bounds["y+z"] <= bounds["y"] + bounds["z"] + tol
    assert bounds["mix"] <= 0.3 * bounds["y"] + 0.7 * bounds["z"] + tol


def test_omega_is_subadditive_in_the_plane(rng):
    X = rng.standard_normal((4, 2))
    y, z = representable(X, hn.RELU, rng), representable(X, hn.RELU, rng)
    (a, _, _, _), (b, _, _, _), (_, c, W, _) = (convex.omega(Z, X, tol=1e-6) for Z in (y, z, y + z))
    assert c <= a + b
    assert W.shape[1] <= 4


def test_omega_by_hand():
    """|z1| + |z2| for P2's data (also for abs, where z1 = z2); infinite where no network has the output."""
    for act, Z, expected in (
        (hn.RELU, (2.0, -1.0), 3.0),
        (hn.ABS, (2.0, 2.0), 2.0),
        (hn.ABS, (2.0, 1.0), np.inf),
        (hn.LINEAR, (2.0, -2.0), 2.0),
        (hn.LINEAR, (1.0, 1.0), np.inf),
    ):
        upper, lower, _, _ = convex.omega(Z, table.PAIR, act)
        assert (upper, lower) == (pytest.approx(expected, rel=1e-9), pytest.approx(expected, rel=1e-9))


def test_the_hat_needs_two_units():
    """Three by the linear program, and no single unit is proportional to it, though one entry alone is not zero."""
    upper, _, W, _ = convex.omega(table.HAT, table.HAT_X)
    assert 2 <= W.shape[1] <= 3
    assert upper == pytest.approx(3.0, rel=1e-9)
    H = hn.RELU(table.HAT_X @ sphere(2, 5001, None))
    angles = (table.HAT[:, 0] @ H) / np.maximum(np.linalg.norm(H, axis=0), 1e-300)
    assert np.max(angles) < 0.9


def test_penalty_of_a_network_is_above_omega_and_equal_at_the_minimum(rng):
    problem = table.family("generic", 2, m=5)
    p = table.random_point(problem, 4, rng)
    assert np.sum(hn.thetas(problem, p)) >= convex.omega(hn.outputs(problem, p), problem.X, tol=1e-7)[1]
    best = convex.minimise(problem).point
    theta, upper = (
        float(np.sum(hn.thetas(problem, best))),
        convex.omega(hn.outputs(problem, best), problem.X, tol=1e-7)[0],
    )
    cmp.assert_close(theta, upper, 1e-6)
