"""Both sides of the polar of parallel networks: lower <= exact <= upper, a witness that attains the lower one."""

import math

import numpy as np
import pytest

import comparators as cmp
import homogeneous_cases as table
from landscape_cpp._verify_polar_exact import sweep as verified_sweep
from reference import homogeneous as hn

SLOW = pytest.mark.slow
KINDS = ("generic", "duplicates", "opposite", "zero samples", "collinear", "grid", "one sample", "rank one", "nearly")
RELAXED = ("spectral", "shor", "doubly-nonnegative", "branch-and-bound")
QUICKLY = {"starts": 32, "max_nodes": 50}


def network(ls, X, n_outputs, activation, **options):
    """The landscape of these samples; its targets do not matter here."""
    return ls.ParallelNetwork(X, np.ones((len(X), n_outputs)), 1.0, **table.unit(activation), **options)


def samples(kind, m, d, rng):
    X = rng.standard_normal((m, d))
    if kind == "duplicates":
        X[m // 2 :] = X[: m - m // 2]
        X[-1] *= 3.0
    elif kind == "opposite":
        X[m // 2 :] = -X[: m - m // 2]
    elif kind == "zero samples":
        X[: m // 2] = 0.0
    elif kind == "collinear":
        X = rng.standard_normal((m, 1)) * rng.standard_normal(d)
    elif kind == "grid":
        X = rng.integers(-1, 2, (m, d)).astype(float)
    elif kind == "one sample":
        X = X[:1]
    elif kind == "rank one":
        X = X[:1] * rng.choice([-1.0, 0.5, 1.0, 2.0], (m, 1))
    elif kind == "nearly":
        X[m // 2 :] = X[: m - m // 2] * (1.0 + 1e-9 * rng.standard_normal((m - m // 2, d)))
    return X


def duals(m, n_outputs, rng):
    Q = rng.standard_normal((m, n_outputs))
    choice = rng.integers(5)
    if choice == 0:
        Q[rng.random(m) < 0.5] = 0.0
    elif choice == 1:
        Q = np.abs(Q)
    elif choice == 2:
        Q = np.sign(Q)
    elif choice == 3:
        Q[-1] = -Q[0]
    return Q


def assert_bounds(land, bounds, Q, exact, activation, slack=1e-12, tight=None, what=""):
    """lower <= exact <= upper up to the rounding of the reference, and a unit that attains the lower one."""
    size = max(exact, 1e-300)
    assert bounds.lower <= exact + slack * size, f"{what}: lower {bounds.lower!r}, exact {exact!r}"
    assert bounds.upper >= exact - slack * size, f"{what}: upper {bounds.upper!r}, exact {exact!r}"
    assert 0.0 <= bounds.lower <= bounds.upper
    assert (bounds.guarantee, bounds.failure_probability) == ("deterministic", 0.0)
    if tight is not None:
        rounding = 1e-15 * float(np.linalg.norm(Q) * np.linalg.norm(land.inputs) ** activation.power)
        assert bounds.upper - bounds.lower <= tight * size + rounding, f"{what}: {bounds.lower!r} to {bounds.upper!r}"
    assert_attained(land, bounds, Q, activation, what)


def assert_attained(land, bounds, Q, activation, what=""):
    if bounds.witness is None:
        assert bounds.lower == 0.0, what
        return
    u, v = bounds.witness
    cmp.assert_close([np.linalg.norm(u), np.linalg.norm(v)], [1.0, 1.0], 1e-12)
    hidden = activation(land.inputs @ v)
    reached = float(np.sum(Q * (hidden[:, None] * u)))
    # nearly parallel samples cancel: what NumPy's own evaluation may be off by
    rounding = 1e-15 * float(np.abs(Q).sum(axis=1) @ (np.abs(land.inputs) @ np.abs(v)) ** activation.power)
    assert reached >= bounds.lower * (1.0 - 1e-12) - rounding, (
        f"{what}: the unit reaches {reached!r}, lower {bounds.lower!r}"
    )


# ------------------------------------------------------------------------------------------------------- hand numbers


@pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in table.POLARS])
def test_hand_polars(ls, case):
    land = network(ls, case.X, case.Q.shape[1], case.activation)
    bounds = land.polar(Q=case.Q)
    exact = case.activation.power == 1 or case.X.shape[1] == 1
    if max(case.polar, 1e-150) < 1e140:
        assert_bounds(land, bounds, case.Q, case.polar, case.activation, tight=1e-12 if exact else None)
    assert bounds.lower <= case.polar * (1.0 + 1e-12)
    assert bounds.upper >= case.polar * (1.0 - 1e-12)
    if case.activation.power == 1 and case.activation != hn.LINEAR and case.polar > 0.0:
        for method in RELAXED:
            other = land.polar(Q=case.Q, method=method)
            assert other.lower <= case.polar * (1.0 + 1e-12), method
            assert other.upper >= case.polar * (1.0 - 1e-12), method


def test_of_a_point_is_of_its_slopes(ls, rng):
    problem = table.family("generic", 2, 2, 6, "softmax")
    land, p = table.landscape(ls, problem), table.random_point(problem, 2, rng)
    bounds = land.polar(p)
    exact = hn.polar(-hn.slopes(problem, hn.outputs(problem, p)), problem.X)
    cmp.assert_close([bounds.lower, bounds.upper], [exact.value] * 2, 1e-11)
    cmp.assert_raises_naming(lambda: land.polar(), ValueError, "one of p and Q")
    cmp.assert_raises_naming(lambda: land.polar(p, Q=np.ones((6, 2))), ValueError, "one of p and Q")
    cmp.assert_raises_naming(lambda: land.polar(Q=np.ones((5, 2))), ValueError, "Q", "(5, 2)")
    cmp.assert_raises_naming(lambda: land.polar(Q=np.full((6, 2), np.nan)), ValueError, "Q", "NaN")


# ------------------------------------------------------------------------------------------------ many lines in a plane

LAYOUTS = ("everywhere", "clusters", "narrow cone", "one heavy", "cancelling", "grid", "equal angles", "two scales")


def many_lines(layout, m, n_outputs, rng):
    """(X, Q) with m lines: far more than a tile of the sweep has, and in places where its bound is loose or tight."""
    X, Q = rng.standard_normal((m, 2)), rng.standard_normal((m, n_outputs))
    if layout == "clusters":
        angles = rng.choice(rng.uniform(0.0, 2.0 * np.pi, 5), m) + 1e-9 * rng.standard_normal(m)
        X = hn.directions(angles).T * rng.exponential(1.0, (m, 1))
    elif layout == "narrow cone":
        X = np.stack([1.0 + 1e-6 * rng.standard_normal(m), 1e-6 * rng.standard_normal(m)], axis=1)
    elif layout == "one heavy":
        Q[m // 3] *= 1e6
    elif layout == "cancelling":
        X[m // 2 :] = X[: m - m // 2] * (1.0 + 1e-12 * rng.standard_normal((m - m // 2, 2)))
        Q[m // 2 :] = -Q[: m - m // 2]
    elif layout == "grid":
        X, Q = rng.integers(-4, 5, (m, 2)).astype(float), rng.integers(-2, 3, (m, n_outputs)).astype(float)
    elif layout == "equal angles":
        X = hn.directions(np.arange(m) * (np.pi / m)).T
        Q = np.ones((m, n_outputs))
    elif layout == "two scales":
        X[::2] *= 1e8
        Q[::2] *= 1e-8
    return np.ascontiguousarray(X), Q


def assert_sweep(core, X, Q, slope, what):
    sides = {t: core.polar_sweep(X, Q, slope, math.inf, 0.05, 0, t) for t in (1, 2)}
    lower, upper, w, _, _, _, u = sides[1]
    assert (lower, upper) == sides[2][:2]
    cmp.assert_same_bits([w, u], [sides[2][2], sides[2][6]])
    # Below every threshold no arc is left out: it must have been right to leave them out.
    all_lower, all_upper, all_w, points, heights, *_ = core.polar_sweep(X, Q, slope, 0.0, 0.0, 10**6, 1)
    size = float(np.linalg.norm(Q, axis=1) @ np.linalg.norm(X, axis=1))
    assert (lower, tuple(w)) == (all_lower, tuple(all_w)), what
    assert abs(upper - all_upper) <= 1e-9 * upper + 1e-14 * size, f"{what}: {upper!r}, of all arcs {all_upper!r}"
    assert upper >= float(np.max(heights, initial=0.0)) >= lower - 1e-14 * size, what
    # NumPy's upper side comes out of a square root, with half the digits where everything cancels.
    other = verified_sweep(X, Q, slope)
    assert lower <= other * (1.0 + 1e-12), what
    if upper > 1e-6 * size:
        assert abs(upper - other) <= 1e-9 * upper, f"{what}: {upper!r}, in NumPy {other!r}"
    t = X @ w
    outputs = Q.T @ np.maximum(t, slope * t)
    assert np.linalg.norm(outputs - np.linalg.norm(outputs) * u) <= 1e-14 * size, what
    # The local maximisers above a threshold are those of all arcs.
    high = 0.9 * upper
    some = core.polar_sweep(X, Q, slope, high, 0.0, 10**6, 2)
    expected = heights > high * (1.0 + 1e-12)
    assert np.sum(expected) <= len(some[4]) <= np.sum(heights > high * (1.0 - 1e-12)), what
    cmp.assert_same_bits(some[3][: np.sum(expected)], points[: np.sum(expected)])


def sweep_campaign(ls, m, seed):
    from landscape_cpp._network_polar import core

    rng = np.random.default_rng((table.SEED, m, seed))
    for layout in LAYOUTS:
        for slope in (0.0, -1.0, 0.2, -0.4):
            for n_outputs in (1, 3):
                X, Q = many_lines(layout, m, n_outputs, rng)
                assert_sweep(core, X, Q, slope, f"{layout}, {m} lines, slope {slope}, {n_outputs} outputs")


@pytest.mark.parametrize("m", [61, 65, 200, 1500])
def test_arcs_are_left_out_rightly(ls, m):
    sweep_campaign(ls, m, 0)


@SLOW
@pytest.mark.parametrize("seed", range(1, 11))
def test_arcs_are_left_out_rightly_often(ls, seed):
    for m in (90, 700, 20_000):
        sweep_campaign(ls, m, seed)


# ------------------------------------------------------------------------------------------------------------ campaigns


def exact_campaign(ls, count, seed):
    """d = 1, 2, 3 against the exact reference, all kinds of samples, duals and piecewise linear units."""
    rng = np.random.default_rng((table.SEED, seed))
    acts = [hn.RELU, hn.ABS, hn.LINEAR, hn.leaky(0.1), hn.leaky(-0.4)]
    for i in range(count):
        kind, d = KINDS[i % len(KINDS)], int(rng.integers(1, 4))
        X = samples(kind, int(rng.integers(1, 6 if d == 3 else 12)), d, rng)
        act, n_outputs = acts[int(rng.integers(len(acts)))], int(rng.integers(1, 4))
        Q = duals(len(X), n_outputs, rng)
        land, exact = network(ls, X, n_outputs, act), hn.polar(Q, X, act)
        assert exact.exact
        what = f"{i}: {kind}, {X.shape}, {n_outputs}, {act}"
        # the reference's faces are right to the square root of rounding where samples nearly coincide
        slack, size = 1e-12, float(np.linalg.norm(Q) * np.linalg.norm(X))
        tight = None if act == hn.LINEAR else 1e-9 + 1e-12 * size / max(exact.value, 1e-300)
        slack += 1e-14 * size / max(exact.value, 1e-300)
        assert_bounds(land, land.polar(Q=Q), Q, exact.value, act, slack, tight, what)
        if i % 5 == 0 and act != hn.LINEAR:
            for method in RELAXED:
                bounds = land.polar(Q=Q, method=method, **QUICKLY)
                assert_bounds(land, bounds, Q, exact.value, act, slack, what=what)


def test_exact_in_one_to_three_dimensions(ls):
    exact_campaign(ls, 90, 0)


@SLOW
@pytest.mark.parametrize("seed", range(1, 21))
def test_exact_in_one_to_three_dimensions_often(ls, seed):
    exact_campaign(ls, 1000, seed)


def search_campaign(ls, count, seed):
    """Four and more dimensions: no direction that a dense search finds is above the upper side."""
    rng = np.random.default_rng((table.SEED, 99, seed))
    acts = [hn.RELU, hn.ABS, hn.leaky(0.2), hn.SQUARED_RELU, hn.QUADRATIC]
    for i in range(count):
        kind, d = KINDS[i % len(KINDS)], int(rng.integers(4, 8))
        X, act = samples(kind, int(rng.integers(2, 11)), d, rng), acts[i % len(acts)]
        n_outputs = int(rng.integers(1, 4))
        Q = duals(len(X), n_outputs, rng)
        land, found = network(ls, X, n_outputs, act), hn.polar(Q, X, act, starts=300)
        what = f"{i}: {kind}, {X.shape}, {n_outputs}, {act}"
        for method in ("auto", *RELAXED) if act.power == 1 and i % 3 == 0 else ("auto",):
            bounds = land.polar(Q=Q, method=method, **QUICKLY)
            assert bounds.upper >= found.value * (1.0 - 1e-12), f"{what}, {method}: {bounds.upper!r} {found.value!r}"
            assert 0.0 <= bounds.lower <= bounds.upper
            assert_attained(land, bounds, Q, act, what)
            if method == "auto" and act.power == 1:
                # what reducing the dimension costs: gamma(2 (d + e) + 8) |Q| |X|
                rounding = 1e-14 * float(np.linalg.norm(Q) * np.linalg.norm(X))
                least = found.value * (1.0 - 1e-6) - rounding
                assert bounds.lower >= least, f"{what}: {bounds.lower!r} {found.value!r}"


def test_search_in_more_dimensions(ls):
    search_campaign(ls, 15, 0)


@SLOW
@pytest.mark.parametrize("seed", range(1, 11))
def test_search_in_more_dimensions_often(ls, seed):
    search_campaign(ls, 300, seed)


@pytest.mark.parametrize("unit", ["squared_relu", "quadratic"])
def test_squared_units(ls, unit, rng):
    """Exact on a line and, for one output and t^2, everywhere."""
    act = hn.ACTIVATIONS[unit]
    for i in range(30):
        d, n_outputs = int(rng.integers(1, 3)), int(rng.integers(1, 3))
        X = samples(KINDS[i % len(KINDS)], 6, d, rng)
        Q = duals(len(X), n_outputs, rng)
        land, exact = network(ls, X, n_outputs, act), hn.polar(Q, X, act)
        tight = 1e-9 if d == 1 or (unit == "quadratic" and n_outputs == 1) else None
        tight = None if exact.value < 1e-12 else tight
        assert_bounds(land, land.polar(Q=Q), Q, exact.value, act, 1e-10, tight, f"{i}")


@pytest.mark.parametrize("unit", ["relu", "leaky", "abs"])
def test_deeper_subnetworks(ls, unit, rng):
    """Between the best chain of single units and |Q|_2 |X|_2; a search over all subnetworks is not above."""
    act = hn.ACTIVATIONS[unit]
    for hidden in ((2,), (2, 2)):
        X, Q = rng.standard_normal((6, 3)), rng.standard_normal((6, 2))
        problem = hn.Problem(X, Q, 1.0, act)
        land = network(ls, X, 2, act, hidden=hidden, depth=len(hidden) + 1)
        bounds = land.polar(Q=Q)
        found = hn.deep_polar_search(problem, Q, hidden, starts=2)
        assert bounds.lower <= hn.spectral_bound(Q, X) * (1.0 + 1e-12)
        assert found <= bounds.upper * (1.0 + 1e-12)
        assert bounds.upper <= hn.spectral_bound(Q, X) * (1.0 + 1e-9)
        layers = bounds.witness
        cmp.assert_close([np.linalg.norm(layer) for layer in layers], np.ones(len(layers)), 1e-12)
        reached = float(np.sum(Q * hn.deep_outputs(problem, tuple(layer[None] for layer in layers))))
        assert reached >= bounds.lower * (1.0 - 1e-12)


# ------------------------------------------------------------------------------------------------------------ free bias


def free_bias_campaign(ls, count, seed):
    rng = np.random.default_rng((table.SEED, 55, seed))
    acts = [hn.RELU, hn.ABS, hn.leaky(0.1)]
    for i in range(count):
        kind, d, act = KINDS[i % len(KINDS)], int(rng.integers(1, 3)), acts[i % 3]
        X = samples(kind, int(rng.integers(2, 7)), d, rng)
        n_outputs = int(rng.integers(1, 3))
        Q = duals(len(X), n_outputs, rng)
        Q = Q - np.mean(Q, axis=0)
        Q[-1] -= np.sum(Q, axis=0)
        land = network(ls, X, n_outputs, act, bias="free", intercept=True)
        exact, what = hn.hidden_bias_polar(Q, X, act), f"{i}: {kind}, {X.shape}, {n_outputs}, {act}"
        size = float(np.linalg.norm(Q) * (np.linalg.norm(X) + 1.0))
        methods = ("auto", "shor", "spectral") if i % 3 == 0 else ("auto",)
        for method in methods:
            bounds = land.polar(Q=Q, method=method)
            assert bounds.lower <= exact + 1e-12 * size, f"{what}: {bounds}"
            assert bounds.upper >= exact - 1e-12 * size, f"{what}: {bounds}"
            if method == "auto":
                assert bounds.upper - bounds.lower <= 1e-11 * size, f"{what}: {bounds}"
            if bounds.witness is not None:
                u, v = bounds.witness
                cmp.assert_close([np.linalg.norm(u), np.linalg.norm(v[:-1])], [1.0, 1.0], 1e-12)
                reached = float(np.sum(Q * (act(land.inputs @ v)[:, None] * u)))
                assert reached >= bounds.lower - 1e-12 * size, what


def test_free_bias(ls):
    free_bias_campaign(ls, 45, 0)


@SLOW
@pytest.mark.parametrize("seed", range(1, 6))
def test_free_bias_often(ls, seed):
    free_bias_campaign(ls, 1000, seed)


# --------------------------------------------------------------------------------------------------- methods and sizes


def test_forced_methods(ls, rng):
    """Each says what it is, is sound, and no weaker one is tighter; what does not apply is refused by name."""
    X, Q = rng.standard_normal((7, 3)), rng.standard_normal((7, 2))
    land, exact = network(ls, X, 2, hn.RELU), hn.polar(Q, X)
    uppers = {}
    for method in ("faces", *RELAXED):
        bounds = land.polar(Q=Q, method=method)
        assert_bounds(land, bounds, Q, exact.value, hn.RELU, what=method)
        uppers[method] = bounds.upper
    assert uppers["faces"] <= exact.value * (1.0 + 1e-9)
    assert uppers["branch-and-bound"] <= exact.value * (1.0 + 1.1e-3)
    assert uppers["branch-and-bound"] <= uppers["doubly-nonnegative"] * (1.0 + 1e-9)
    assert uppers["shor"] <= uppers["spectral"] * (1.0 + 1e-9)
    cmp.assert_raises_naming(lambda: land.polar(Q=Q, method="sweep"), ValueError, "method", "sweep", "3")
    cmp.assert_raises_naming(lambda: land.polar(Q=Q, method="magic"), ValueError, "method", "magic")
    wide = network(ls, rng.standard_normal((9, 7)), 1, hn.RELU)
    cmp.assert_raises_naming(lambda: wide.polar(Q=np.ones((9, 1)), method="faces"), ValueError, "method", "faces", "7")
    flat = network(ls, X @ np.diag([1.0, 1.0, 0.0]), 2, hn.RELU)
    assert flat.polar(Q=Q, method="sweep").method == "sweep"


@pytest.mark.parametrize("d", [1, 2, 4])
@pytest.mark.parametrize("kind", ["linear", "squared_relu", "quadratic", "subnetworks", "free bias"])
def test_no_method_is_ignored(ls, kind, d, rng):
    """A method that there is not for a kind of unit is refused wherever it can be asked for, before any work."""
    Y, act = rng.standard_normal((6, 1)), hn.ACTIVATIONS.get(kind, hn.RELU)
    options = {"subnetworks": {"hidden": (2, 2)}, "free bias": {"bias": "free", "intercept": True}}.get(kind, {})
    formula = table.Formula(hn.Problem(rng.standard_normal((6, d)), Y, 0.1, act), **options)
    land, Q = formula.landscape(ls), Y - np.mean(Y)
    zero = tuple(np.zeros(shape) for shape in formula.shapes(1))
    taken = {"spectral"} | ({"shor", "faces"} if kind == "free bias" else set())
    for method in ("faces", *RELAXED):
        if method in taken:
            bounds = land.polar(Q=Q, method=method)
            assert bounds.method == method or kind == "linear"  # whose kernel proves |QᵀX|₂ in its own way
            assert bounds.upper >= land.polar(Q=Q).lower
            continue
        for call in (
            lambda m=method: land.polar(Q=Q, method=m),
            lambda m=method: land.certify(zero, method=m),
            *(() if kind in ("subnetworks", "free bias") else (lambda m=method: land.omega(Y, method=m),)),
            lambda m=method: land.solve(method=m),
        ):
            cmp.assert_raises_naming(call, ValueError, "method", method)


def test_faces_of_free_biases_within_a_limit_of_time(ls, rng):
    """Where the time is up a relaxation takes over, or a forced method says that it did not prove anything."""
    X, Q = rng.standard_normal((60, 3)), rng.standard_normal((60, 1))
    Q -= np.mean(Q)
    land = network(ls, X, 1, hn.RELU, bias="free", intercept=True)
    exact, short = land.polar(Q=Q), land.polar(Q=Q, max_seconds=1e-9)
    assert (exact.method, short.method) == ("faces", "shor")
    assert short.lower <= exact.upper
    assert exact.lower <= short.upper
    with pytest.raises(ValueError, match="'faces' did not prove"):
        land.polar(Q=Q, method="faces", max_seconds=1e-9)


@pytest.mark.parametrize("d", [1, 2, 3, 6])
@pytest.mark.parametrize("sizes", [(1e-100, 1.0), (1e100, 1.0), (1e-100, 1e100), (1e100, 1e-100), (1e-150, 1e-150)])
def test_extreme_sizes(ls, sizes, d, rng):
    """Q times s and X times t: the polar times s t, to rounding, and never a wrong side."""
    s, t = sizes
    X, Q = rng.standard_normal((7, d)), rng.standard_normal((7, 2))
    plain = network(ls, X, 2, hn.RELU).polar(Q=Q, **QUICKLY)
    bounds = network(ls, t * X, 2, hn.RELU).polar(Q=s * Q, **QUICKLY)
    rtol = 2e-3 if d == 6 else 1e-11
    cmp.assert_close([bounds.lower / s / t, bounds.upper / s / t], [plain.lower, plain.upper], rtol)
    assert bounds.lower <= bounds.upper


def test_one_sample_and_more_outputs_than_samples(ls, rng):
    """m = 1: |q| |x|, for abs and relu alike; nL > m is nothing special."""
    for d in (1, 2, 3, 5):
        x, q = rng.standard_normal((1, d)), rng.standard_normal((1, 4))
        for act in (hn.RELU, hn.ABS, hn.leaky(0.3)):
            land = network(ls, x, 4, act)
            exact = float(np.linalg.norm(x) * np.linalg.norm(q))
            assert_bounds(land, land.polar(Q=q), q, exact, act, tight=1e-11)
        X, Q = rng.standard_normal((2, min(d, 3))), rng.standard_normal((2, 5))
        land = network(ls, X, 5, hn.RELU)
        assert_bounds(land, land.polar(Q=Q), Q, hn.polar(Q, X).value, hn.RELU, tight=1e-9)


def test_threads_do_not_change_bits(ls, rng):
    for m, d, act, options in (
        (300, 2, hn.RELU, {}),
        (60, 3, hn.RELU, {}),
        (12, 6, hn.leaky(0.1), {}),
        (12, 6, hn.RELU, {"method": "shor"}),
        (40, 6, hn.SQUARED_RELU, {}),
        (300, 4, hn.LINEAR, {}),
    ):
        X, Q = rng.standard_normal((m, d)), rng.standard_normal((m, 2))
        land = network(ls, X, 2, act)
        alone = land.polar(Q=Q, n_threads=1, **QUICKLY, **options)
        for n_threads in (2, 4):
            other = land.polar(Q=Q, n_threads=n_threads, **QUICKLY, **options)
            assert (other.lower, other.upper, other.work) == (alone.lower, alone.upper, alone.work), (m, d, act)
            cmp.assert_same_bits(other.witness, alone.witness)


def test_a_seed_repeats_the_search(ls, rng):
    X, Q = rng.standard_normal((12, 7)), rng.standard_normal((12, 1))
    land = network(ls, X, 1, hn.RELU)
    first, second = (land.polar(Q=Q, method="spectral", seed=3) for _ in range(2))
    assert (first.lower, first.upper) == (second.lower, second.upper)


def test_a_limit_of_work_keeps_the_bound_true(ls, rng):
    """Branch and bound stopped at once, after a node, or done: the bounds nest."""
    X, Q = rng.standard_normal((12, 6)), rng.standard_normal((12, 1))
    land = network(ls, X, 1, hn.RELU)
    done = land.polar(Q=Q, method="branch-and-bound", tol=1e-2)
    for options in ({"max_nodes": 1}, {"max_nodes": 3}, {"max_seconds": 1e-9}):
        stopped = land.polar(Q=Q, method="branch-and-bound", tol=1e-2, **options)
        assert stopped.upper >= done.lower * (1.0 - 1e-12)
        assert stopped.lower <= done.upper * (1.0 + 1e-12)


def test_lambda_max(ls, rng):
    """From above, and the slopes at the best constant."""
    for loss in hn.LOSSES:
        for intercept in (False, True):
            problem = table.family("generic", 2, 2, 6, loss, intercept=intercept)
            top = hn.lambda_max(problem)
            found = table.landscape(ls, problem).lambda_max
            assert top * (1.0 - 1e-8) <= found <= top * (1.0 + 1e-6), (loss, intercept)
