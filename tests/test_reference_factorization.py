"""The reference of nuclear-norm factorisation agrees with itself, with hand numbers, suprema, differences and cvxpy."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

import comparators as cmp
import factorization_cases as table
from reference import factorization as mf
from reference import factorization_minimum as minima
from reference import shallow

LOSSES = ("squared", "huber", "logistic")
QUICK = 2 * len(table.FAMILIES)


def problems(count=QUICK):
    return [pytest.param(i, id=table.problem(i).id) for i in range(count)]


def inner(a, b):
    return float(sum(np.sum(x * y) for x, y in zip(a, b, strict=True)))


@pytest.fixture
def rng():
    return np.random.default_rng(3)


# ------------------------------------------------------------------------------------------------------- hand numbers

DIAGONAL = mf.Problem(np.diag([3.0, 1.0]), 1.0)
ONE_ENTRY = mf.Problem(np.diag([3.0, 0.0]), 1.0, np.diag([1.0, 0.0]))


def test_worked_example():
    """F11: Z* = diag(2, 0), F* = 3; at zero kappa = 3, s = 1/3, dual 25/9, gap 20/9; the insertion takes 5 to 3."""
    zero, optimum = DIAGONAL.zeros(1), (np.array([[np.sqrt(2.0)], [0.0]]),) * 2
    cmp.assert_close(minima.svt_matrix(DIAGONAL.Y, 1.0), np.diag([2.0, 0.0]), 1e-15)
    cmp.assert_close(minima.svt_minimum(DIAGONAL.Y, 1.0), 3.0, 1e-15)
    cmp.assert_close(mf.value(DIAGONAL, optimum), 3.0, 1e-15)
    cmp.assert_close(mf.polar(DIAGONAL, optimum)[0], 1.0, 1e-15)
    cmp.assert_close(mf.gap(DIAGONAL, optimum), 0.0, 1e-15, 3.0)
    kappa, u, v = mf.polar(DIAGONAL, zero)
    G = mf.slopes(DIAGONAL, np.zeros((2, 2)))
    s = mf.best_scale(DIAGONAL, G, kappa)
    cmp.assert_close([kappa, abs(u[0] * v[0]), s, mf.dual_value(DIAGONAL, G, s)], [3.0, 1.0, 1 / 3, 25 / 9], 1e-15)
    cmp.assert_close(mf.gap(DIAGONAL, zero), 20 / 9, 1e-15)
    assert mf.lambda_max(DIAGONAL) == 3.0
    cmp.assert_close(mf.insertion(DIAGONAL, zero)[0], 2.0, 1e-15)
    cmp.assert_close(mf.value(DIAGONAL, mf.insert(DIAGONAL, zero)), 3.0, 1e-15)


def test_one_observed_entry():
    """E4: Z* = diag(2, 0), objective and dual value at s = 1 both 5/2."""
    found = minima.minimise(ONE_ENTRY)
    cmp.assert_close(found.A, np.diag([2.0, 0.0]), 1e-12)
    cmp.assert_close([found.value, found.lower], [2.5, 2.5], 1e-12)
    G = mf.slopes(ONE_ENTRY, np.diag([2.0, 0.0]))
    cmp.assert_close([mf.polar_of(G)[0], mf.dual_value(ONE_ENTRY, G, 1.0)], [1.0, 2.5], 1e-15)


def test_scalar_losses_by_hand():
    """1x1, lam = 1/4. Huber, y = 3, delta = 1/2: l' = -1/2 below 5/2, so z = 3 - 1/4. Logistic, y = 1: z = ln 3."""
    huber = mf.Problem(np.array([[3.0]]), 0.25, loss="huber", delta=0.5)
    logistic = mf.Problem(np.array([[1.0]]), 0.25, loss="logistic")
    cmp.assert_close(minima.minimise(huber).A, [[2.75]], 1e-12)
    cmp.assert_close(minima.minimise(logistic).A, [[np.log(3.0)]], 1e-5)
    cmp.assert_close(minima.minimise(logistic).value, np.log(4.0 / 3.0) + 0.25 * np.log(3.0), 1e-12)
    assert [mf.lambda_max(huber), mf.lambda_max(logistic)] == [0.5, 0.5]
    points = [(a := np.array([[np.sqrt(z)]]), a) for z in (2.75, np.log(3.0))]
    for problem, p in zip((huber, logistic), points, strict=True):
        cmp.assert_close(mf.radial_scale(problem, p), 1.0, 1e-12)
        cmp.assert_close(mf.gap(problem, p), 0.0, 1e-14, problem.scale)


# ----------------------------------------------------------------------------------------------------------- the losses


@pytest.mark.parametrize("name", LOSSES)
def test_slope_and_bend_are_derivatives(name, rng):
    z, h = rng.uniform(-3.0, 3.0, 200), 1e-5
    y = np.where(rng.random(200) < 0.5, 1.0, -1.0)
    kink = np.abs(np.abs(z - y) - 0.7) < 1e-3
    first = (mf.loss(name, z + h, y, 0.7) - mf.loss(name, z - h, y, 0.7)) / (2 * h)
    second = (mf.slope(name, z + h, y, 0.7) - mf.slope(name, z - h, y, 0.7)) / (2 * h)
    cmp.assert_close(mf.slope(name, z, y, 0.7)[~kink], first[~kink], 1e-9)
    cmp.assert_close(mf.bend(name, z, y, 0.7)[~kink], second[~kink], 1e-9)
    assert np.all(mf.bend(name, z, y, 0.7) <= mf.SMOOTHNESS[name])


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("c", [1.0, 0.3, 2.5])
def test_conjugates_are_suprema(name, c, rng):
    """sup_z a z - c l(z, y) by a scalar minimiser, inside the domain."""
    for _ in range(20):
        y = float(rng.choice([-1.0, 1.0])) if name == "logistic" else float(rng.normal())
        a = {"squared": float(rng.normal()), "huber": c * float(rng.uniform(-0.69, 0.69)), "logistic": 0.0}[name]
        if name == "logistic":
            a = -y * c * float(rng.uniform(0.01, 0.99))
        found = minimize_scalar(
            lambda z, a=a, y=y: c * mf.loss(name, z, y, 0.7) - a * z, bracket=(-1.0, 1.0), tol=1e-12
        )
        cmp.assert_close(mf.weighted_conjugate(name, a, y, c, 0.7), -found.fun, 1e-10, 1.0 + abs(found.fun))


def test_conjugates_at_and_beyond_the_edge_of_the_domain():
    cmp.assert_close(mf.conjugate("huber", 0.7, 2.0, 0.7), 0.5 * 0.49 + 1.4, 1e-15)
    assert mf.conjugate("huber", 0.7000001, 2.0, 0.7) == np.inf
    for y in (-1.0, 1.0):
        assert [float(mf.conjugate("logistic", -y * p, y)) for p in (0.0, 1.0, -1e-9, 1.0 + 1e-9)] == [
            0,
            0,
            np.inf,
            np.inf,
        ]
        cmp.assert_close(mf.conjugate("logistic", -y * 0.5, y), -np.log(2.0), 1e-15)
    for name in LOSSES:
        assert mf.weighted_conjugate(name, 0.0, 1.0, 0.0) == 0.0
        assert mf.weighted_conjugate(name, 1e-300, 1.0, 0.0) == np.inf


@pytest.mark.parametrize("name", LOSSES)
def test_fenchel_young(name, rng):
    """l(z) + l*(a) >= a z, with equality at a = l'(z)."""
    z, a = rng.uniform(-4.0, 4.0, 500), rng.uniform(-0.7, 0.7, 500)
    y = np.where(rng.random(500) < 0.5, 1.0, -1.0)
    assert np.all(mf.loss(name, z, y, 0.7) + mf.conjugate(name, a, y, 0.7) >= a * z - 1e-15)
    a = mf.slope(name, z, y, 0.7)
    cmp.assert_close(mf.loss(name, z, y, 0.7) + mf.conjugate(name, a, y, 0.7), a * z, 1e-14, 10.0)


# ---------------------------------------------------------------------------------------------------------- derivatives


@pytest.mark.parametrize("i", problems())
def test_derivatives(i, rng):
    """Gradient and products against central differences, dense Hessian against both, scaled to data of unit size."""
    problem = table.problem(i).problem
    if problem.scale > 0.0 and problem.loss == "squared" and not 1e-50 < problem.scale < 1e50:
        size = np.sqrt(problem.scale)
        problem = replace(problem, Y=problem.Y / size, lam=problem.lam / size)
    p, d, e = (table.random_point(problem, 2, rng) for _ in range(3))
    h, x, shapes = 1e-5, mf.pack(d), [b.shape for b in d]
    size = abs(mf.value(problem, p)) + problem.scale + problem.lam
    after, before = (tuple(a + t * b for a, b in zip(p, d, strict=True)) for t in (h, -h))
    slope = (mf.value(problem, after) - mf.value(problem, before)) / (2 * h)
    norm = 1.0 + float(np.max(problem.c)) + np.linalg.norm(x) ** 4
    cmp.assert_close(inner(mf.gradient(problem, p), d), slope, 1e-7, norm * size)
    product = mf.pack(mf.hvp(problem, p, d))
    cmp.assert_close(mf.curvature(problem, p, d), product @ x, 1e-12, np.linalg.norm(product) * np.linalg.norm(x))
    cmp.assert_close(
        inner(mf.hvp(problem, p, d), e),
        inner(mf.hvp(problem, p, e), d),
        1e-12,
        np.linalg.norm(product) * np.linalg.norm(mf.pack(e)),
    )
    H = mf.hessian(problem, p)
    cmp.assert_close(H, H.T, 1e-13)
    cmp.assert_close(product, H @ x, 1e-12, np.linalg.norm(H) * np.linalg.norm(x))
    if problem.loss != "huber":
        change = (mf.pack(mf.gradient(problem, after)) - mf.pack(mf.gradient(problem, before))) / (2 * h)
        cmp.assert_close(product, change, 1e-7, norm * size)
    for a, b in zip(mf.unpack(x, shapes), d, strict=True):
        cmp.assert_same_bits(a, b)


def test_missing_values_are_never_read():
    case = next(c for c in map(table.problem, range(QUICK)) if c.family == "masked_not_a_number")
    filled = replace(case.problem, Y=np.where(case.problem.c > 0.0, case.problem.Y, 7.0))
    p = table.random_point(case.problem, 2, np.random.default_rng(0))
    for f in (mf.value, mf.gap, mf.relative_gradient, mf.radial_scale):
        assert f(case.problem, p) == f(filled, p)


def test_identity_inputs_are_the_transposed_problem(rng):
    """Rows are samples: with X = I the prediction is (U V^T)^T."""
    Y = rng.standard_normal((5, 4))
    plain, general = mf.Problem(Y.T, 0.5), mf.Problem(Y, 0.5, X=np.eye(5))
    p = table.random_point(plain, 3, rng)
    for f in (mf.value, mf.gap, mf.radial_scale):
        cmp.assert_close(f(plain, p), f(general, p), 1e-13)
    cmp.assert_points_close(mf.gradient(plain, p), mf.gradient(general, p))


def test_adjoint(rng):
    problem = mf.Problem(rng.standard_normal((6, 3)), 1.0, X=rng.standard_normal((6, 4)))
    Q, A = rng.standard_normal((6, 3)), rng.standard_normal((3, 4))
    cmp.assert_close(np.sum(Q * mf.predict(problem, A)), np.sum(mf.adjoint(problem, Q) * A), 1e-13)


def test_orthonormal_inputs_have_a_closed_form(rng):
    """F8: X^T X = I gives A* = D_lam(Y^T X)."""
    X = shallow.orthogonal(8, rng)[:, :4]
    problem = mf.Problem(rng.standard_normal((8, 3)), 0.6, X=X)
    cmp.assert_close(minima.minimise(problem).A, minima.svt_matrix(problem.Y.T @ X, 0.6), 1e-11)


# ------------------------------------------------------------------------- fully observed: SVT and stationary points


@pytest.mark.parametrize("seed", range(6))
def test_svt_is_optimal(seed):
    """F1: |Y - Z|_2 <= lam, <Y - Z, Z> = lam |Z|_*, the value is the closed form and no perturbation is better."""
    rng = np.random.default_rng(seed)
    Y, lam = rng.standard_normal((4, 5)), float(rng.uniform(0.2, 2.0))
    Z, problem = minima.svt_matrix(Y, lam), mf.Problem(Y, lam)
    best = mf.convex_value(problem, Z)
    assert np.linalg.norm(Y - Z, 2) <= lam + 1e-14 * np.linalg.norm(Y, 2)
    cmp.assert_close(np.sum((Y - Z) * Z), lam * mf.nuclear_norm(Z), 1e-13, best)
    cmp.assert_close(minima.svt_minimum(Y, lam), best, 1e-14)
    for t in 10.0 ** -rng.uniform(0.0, 5.0, 100):
        assert mf.convex_value(problem, Z + t * rng.standard_normal(Y.shape)) >= best * (1.0 - 1e-15)


@pytest.mark.parametrize("width", [1, 2, 3, 5])
def test_enumerated_points_are_all_stationary_and_judged_right(width, rng):
    """F4, F5, F6: stationarity, balance, value, and the kind against gradient, gap and the dense Hessian."""
    Y, lam = table.spectrum_matrix([4.0, 3.0, 2.0, 0.5], (4, 6), rng), 1.0
    problem, optimum = mf.Problem(Y, lam), minima.svt_minimum(Y, lam)
    found = minima.stationary_points(Y, lam, width, rng)
    assert len(found) == sum(1 for k in range(min(width, 3) + 1) for _ in itertools.combinations(range(3), k))
    for point in found:
        U, V = point.point
        E = Y - U @ V.T
        assert mf.relative_gradient(problem, point.point) < 1e-13
        cmp.assert_close(U.T @ U, V.T @ V, 1e-13, 4.0)
        cmp.assert_close(np.sum(E * (U @ V.T)), lam * mf.penalty(point.point), 1e-13, 10.0)
        cmp.assert_close(mf.value(problem, point.point), point.value, 1e-13)
        assert minima.classify(problem, point.point) == point.kind
        kappa, _, _ = mf.polar(problem, point.point)
        is_global = point.value <= optimum * (1 + 1e-13)
        assert (kappa <= lam * (1 + 1e-12)) == is_global == (point.kind == "global_minimum")
        if point.escape is not None:
            cmp.assert_close(mf.curvature(problem, point.point, point.escape), point.curvature, 1e-12, 10.0)
            assert point.curvature < 0.0


def test_no_stationary_point_is_missed(rng):
    """Descent from random starts ends at a value of the enumeration, always one that is not a saddle."""
    Y = table.spectrum_matrix([4.0, 3.0, 2.0, 0.5], (4, 5), rng)
    problem = mf.Problem(Y, 1.0)
    for width in (1, 2, 4):
        good = [s.value for s in minima.stationary_points(Y, 1.0, width, rng) if s.kind != "strict_saddle"]
        for _ in range(5):
            p = minima.descend(problem, table.random_point(problem, width, rng))
            assert mf.relative_gradient(problem, p) < 1e-10
            assert min(abs(mf.value(problem, p) - v) for v in good) < 1e-9


def test_corollary_both_ways(rng):
    """Cor. 1.6: a stationary point with Ue = Ve = 0 is global iff |E|_2 <= lam; else the pair of the polar escapes."""
    Y, lam = rng.standard_normal((4, 5)) * 2.0, 0.6
    problem, optimum = mf.Problem(Y, lam), minima.svt_minimum(Y, lam)
    for point in minima.stationary_points(Y, lam, 5, rng):
        kappa, u, v = mf.polar(problem, point.point)
        e = np.linalg.svd(point.point[0])[2][-1]
        assert np.linalg.norm(point.point[0] @ e) + np.linalg.norm(point.point[1] @ e) < 1e-7
        bend = mf.curvature(problem, point.point, (np.outer(u, e), np.outer(v, e)))
        cmp.assert_close(bend, 2.0 * (lam - kappa), 1e-6, kappa)
        assert (kappa <= lam + 1e-10) == (mf.value(problem, point.point) <= optimum + 1e-10)


def test_ties_count_by_value(rng):
    """With sigma = (3, 3, 2): either of the equal ones is the minimum of width one."""
    Y = np.diag([3.0, 3.0, 2.0])
    kinds = {s.indices: s.kind for s in minima.stationary_points(Y, 1.0, 1, rng)}
    assert kinds == {(): "strict_saddle", (0,): "local_minimum", (1,): "local_minimum", (2,): "strict_saddle"}


def test_insertions_from_zero_are_svt(rng):
    """F7: k* insertions without any descent, each lowering the value by (kappa - lam)^2 / 2."""
    Y, lam = table.spectrum_matrix([4.0, 3.0, 1.5, 0.5], (5, 4), rng), 1.0
    problem = mf.Problem(Y, lam)
    p = problem.zeros(0)
    for expected in (4.0, 3.0, 1.5):
        kappa, _, _ = mf.polar(problem, p)
        longer = mf.insert(problem, p)
        cmp.assert_close(kappa, expected, 1e-13)
        drop = 0.5 * (kappa - lam) ** 2
        cmp.assert_close(mf.value(problem, p) - mf.value(problem, longer), drop, 1e-12, problem.scale)
        p = longer
    assert mf.polar(problem, p)[0] <= lam * (1 + 1e-14)
    cmp.assert_close(p[0] @ p[1].T, minima.svt_matrix(Y, lam), 1e-13)


# --------------------------------------------------------------------------------------------- duality, for every loss


@pytest.mark.parametrize("i", problems())
def test_minimum_and_gap(i, rng):
    """The convex route closes its own gap; the gap (6.1) is sound at every point, and zero at the optimum."""
    case = table.problem(i)
    problem, found = case.problem, case.minimum
    scale = problem.scale
    assert -1e-13 * scale <= found.value - found.lower <= 1e-12 * scale
    cmp.assert_close(mf.value(problem, found.point), found.value, 1e-12, scale)
    for named in table.points(problem, rng, found):
        value, gap = mf.value(problem, named.point), mf.gap(problem, named.point)
        rounding = 1e-12 * (scale + value)
        assert gap >= value - found.value - rounding, named.name
        assert value >= found.lower - rounding, named.name
        if named.name == "optimal":
            assert abs(gap) <= 1e-5 * scale + rounding
        if named.kind is not None and named.name.startswith("stationary"):
            assert mf.relative_gradient(problem, named.point) < 1e-12


@pytest.mark.parametrize("i", problems())
def test_lambda_max(i):
    """Zero is optimal from lambda_max on, and not just below it."""
    problem = table.problem(i).problem
    top, scale = mf.lambda_max(problem), problem.scale
    for factor in (1.0, 1.5):
        above = replace(problem, lam=max(factor * top, 1e-300))
        assert minima.zero_gap(above) <= 1e-14 * scale
        assert mf.insertion(above, above.zeros(1))[0] <= 1e-12 * np.sqrt(scale + 1.0)
    if top > 0.0:
        below = replace(problem, lam=0.9 * top)
        assert mf.value(below, mf.insert(below, below.zeros(1))) < scale * (1.0 - 1e-6)


@pytest.mark.parametrize("i", problems())
def test_radial_and_insertion_steps_are_line_minima(i, rng):
    problem = table.problem(i).problem
    p = table.random_point(problem, 2, rng)
    A, theta, c = p[0] @ p[1].T, mf.penalty(p), mf.radial_scale(problem, p)

    def radial(t):
        return mf.data_term(problem, t * A) + t * problem.lam * theta

    q = mf.rebalance_radially(problem, p)
    cmp.assert_close(mf.value(problem, q), radial(c), 1e-12, problem.scale + radial(c))
    assert mf.value(problem, q) <= mf.value(problem, p) * (1.0 + 1e-14)
    for t in (0.0, 0.5 * c, 0.99 * c, 1.01 * c, 2.0 * c + 0.1):
        assert radial(t) >= radial(c) * (1.0 - 1e-13)
    before, after = mf.value(problem, q), mf.value(problem, mf.insert(problem, q))
    epsilon, u, v = mf.insertion(problem, q)
    assert after <= before * (1.0 + 1e-14)
    for t in (0.9 * epsilon, 1.1 * epsilon):
        other = np.column_stack([q[0], np.sqrt(t) * u]), np.column_stack([q[1], np.sqrt(t) * v])
        assert mf.value(problem, other) >= after * (1.0 - 1e-13)


@pytest.mark.parametrize("i", problems())
def test_best_scale_is_the_best(i, rng):
    problem = table.problem(i).problem
    for p in (table.random_point(problem, 2, rng), problem.zeros(1)):
        G = mf.slopes(problem, p[0] @ p[1].T)
        kappa, _, _ = mf.polar_of(mf.adjoint(problem, G))
        limit, s = mf.scale_limit(problem, G, kappa), mf.best_scale(problem, G, kappa)
        assert 0.0 <= s <= limit
        best = mf.dual_value(problem, G, s)
        top = limit if np.isfinite(limit) else 3.0
        searched = mf.golden_section(lambda t, G=G: mf.dual_value(problem, G, t), 0.0, top * (1 - 1e-12))
        grid = [mf.dual_value(problem, G, t) for t in (*np.linspace(0.0, top * (1 - 1e-12), 21), searched)]
        assert best >= max(grid) - 1e-11 * (problem.scale + abs(best))


def test_golden_section_finds_interior_and_ends():
    for peak, expected in ((0.3, 0.3), (-1.0, 0.0), (2.0, 1.0)):
        cmp.assert_close(mf.golden_section(lambda t, peak=peak: -((t - peak) ** 2), 0.0, 1.0), expected, 1e-7, 1.0)


def test_planted_points_are_what_they_say(rng):
    """Stationary, of polar lam max(1, top), and optimal iff top <= 1 (to the 1e-24 that 1e-12 above lam can buy)."""
    for planted in table.planted_table(rng):
        problem, p = planted.problem, planted.point
        assert mf.relative_gradient(problem, p) < 1e-12
        kappa, _, _ = mf.polar(problem, p)
        expected = max(1.0 if p[0].shape[1] else 0.0, planted.top) * problem.lam
        cmp.assert_close(kappa, expected, 1e-13)
        gap = mf.gap(problem, p)
        if planted.top <= 1.0 + 1e-11:
            assert abs(gap) <= 1e-10 * problem.scale
        else:
            assert mf.value(problem, mf.insert(problem, p)) < mf.value(problem, p) - 1e-6 * problem.scale
            assert gap > 1e-6 * problem.scale
            found = minima.minimise(problem)
            assert gap >= mf.value(problem, p) - found.value


def test_too_narrow_points_are_stationary_and_not_global(rng):
    seen = 0
    for i in range(QUICK):
        case = table.problem(i)
        for named in table.points(case.problem, rng, case.minimum):
            if named.name == "too narrow":
                assert mf.relative_gradient(case.problem, named.point) < 1e-6
                assert mf.value(case.problem, named.point) > case.minimum.value
                seen += 1
    assert seen >= 10


def test_factors_are_balanced(rng):
    A = table.spectrum_matrix([3.0, 1.0, 0.5], (5, 4), rng)
    for width in (None, 3, 4, 6):
        U, V = mf.factors(A, width)
        assert U.shape[1] == (3 if width is None else width)
        cmp.assert_close(U @ V.T, A, 1e-14)
        cmp.assert_close(U.T @ U, V.T @ V, 1e-14, 3.0)
        cmp.assert_close(mf.penalty((U, V)), 4.5, 1e-14)
    assert mf.factors(np.zeros((2, 3)))[0].shape == (2, 0)


# ------------------------------------------------------------------------------------------------- campaign generators


def test_problems_are_the_same_in_every_run_and_cover_the_families():
    assert {table.problem(i).family for i in range(QUICK)} == {f.__name__ for f in table.FAMILIES}
    table.problem.cache_clear()
    again = table.problem(3).problem
    table.problem.cache_clear()
    cmp.assert_same_bits(again.Y, table.problem(3).problem.Y)


def test_ranks_vary():
    ranks = {table.problem(i).minimum.point[0].shape[1] for i in range(QUICK)}
    assert {0, 1, 2, 3} <= ranks


def soundness(count, start=0):
    for case, named, minimum in table.pairs(count, start):
        value, gap = mf.value(case.problem, named.point), mf.gap(case.problem, named.point)
        assert gap >= value - minimum - 1e-13 * (case.problem.scale + value), f"{case.id}, {named.name}"


def test_gap_is_sound_at_random_pairs():
    soundness(300)


@pytest.mark.slow
def test_gap_is_sound_at_ten_thousand_pairs():
    soundness(10_000)


# ---------------------------------------------------------------------------------------------------------- peer: cvxpy


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "i", [pytest.param(i, id=table.problem(i).id) for i in range(QUICK) if "scale" not in table.problem(i).family]
)
def test_peer_is_not_better(i):
    """Equal or better than an interior-point (Clarabel) or splitting (SCS) solver, our bound never above theirs."""
    cp = pytest.importorskip("cvxpy")
    case = table.problem(i)
    theirs = minima.cvxpy_minimum(cp, case.problem)
    assert case.minimum.value <= theirs + 1e-12 * case.problem.scale
    assert case.minimum.lower <= theirs + 1e-12 * case.problem.scale
    assert theirs <= case.minimum.value + 1e-4 * case.problem.scale
