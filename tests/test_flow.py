"""Gradient flow from balanced weights: closed forms, quadrature, gradient descent, the times of the plateaus."""

import mpmath
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from landscape_cpp import _flow


def white_net(ls, hidden, values=(3.0, 1.5, 0.5), c=1.0, n_inputs=4):
    """Sxx = c I and singular values of Z* as given."""
    xy = np.zeros((n_inputs, len(values)))
    np.fill_diagonal(xy, c * np.asarray(values))
    yy = np.diag(c * np.asarray(values) ** 2 + 1.0)
    return ls.DeepLinear(ls.Covariances(xx=c * np.eye(n_inputs), xy=xy, yy=yy), hidden)


@pytest.mark.parametrize("c", [1.0, 0.3])
def test_two_layers_are_logistic(ls, c):
    net = white_net(ls, (3,), c=c)
    times = np.linspace(0.0, 4.0, 30)
    flow = net.balanced_flow(0.1, times)
    z, start = flow.targets, 0.1**2
    expected = z / (1.0 + (z / start - 1.0) * np.exp(-4.0 * c * z * times[:, None]))
    np.testing.assert_allclose(flow.singular_values, expected, rtol=1e-8)
    np.testing.assert_allclose(z, [3.0, 1.5, 0.5], rtol=1e-12)


@pytest.mark.parametrize(("hidden", "c"), [((4,), 1.0), ((3, 3), 1.0), ((2, 4, 3), 0.5)])
def test_gradient_descent_with_small_steps_follows_the_flow(ls, hidden, c):
    net = white_net(ls, hidden, c=c)
    p = net.balanced_start(0.5)
    assert np.abs(net.balancedness(p)).max() < 1e-14
    step, every, rows = 1e-4, 1000, 6
    singular, values = [], []
    for _ in range(rows):
        singular.append(np.linalg.svd(net.product(p), compute_uv=False)[: net.rank_bound])
        values.append(net.value(p))
        for _ in range(every):
            p = tuple(block - step * slope for block, slope in zip(p, net.gradient(p), strict=True))
    flow = net.balanced_flow(0.5, step * every * np.arange(rows))
    np.testing.assert_allclose(np.sort(flow.singular_values, axis=1)[:, ::-1], singular, atol=2e-3)
    np.testing.assert_allclose(flow.values, values, atol=1e-2)
    assert flow.values[0] == pytest.approx(values[0], rel=1e-10)


@pytest.mark.parametrize("depth", [2, 3, 4])
def test_plateaus_end_when_predicted(ls, depth):
    net = white_net(ls, (3,) * (depth - 1))
    ratios = []
    for scale in (1e-1, 1e-2, 1e-3):
        predicted = net.balanced_flow(scale, [0.0]).plateau_times
        times = np.linspace(0.0, 1.5 * predicted.max(), 4001)
        flow = net.balanced_flow(scale, times)
        assert (np.diff(flow.values) <= 1e-9).all()
        half = [times[np.argmax(flow.singular_values[:, i] > 0.5 * flow.targets[i])] for i in range(3)]
        np.testing.assert_allclose(flow.half_times, half, atol=1.001 * times[1])
        ratios.append(flow.half_times / predicted)
    assert np.abs(ratios[2] - 1.0).max() < np.abs(ratios[0] - 1.0).max()
    assert np.abs(ratios[2] - 1.0).max() < (0.15 if depth == 2 else 0.02)


def test_the_plateaus_are_critical_values(ls):
    net = white_net(ls, (3, 3))
    predicted = net.balanced_flow(1e-3, [0.0]).plateau_times
    waits = np.sqrt(predicted[:-1] * predicted[1:])  # between one mode and the next
    flow = net.balanced_flow(1e-3, np.append(waits, 3.0 * predicted[-1]))
    values = {rung.indices: rung.value for rung in net.critical_values(max_count=100)}
    np.testing.assert_allclose(flow.values, [values[(0,)], values[(0, 1)], values[(0, 1, 2)]], rtol=1e-4)
    assert flow.values[-1] == pytest.approx(net.minimum_value, rel=1e-8)


def test_narrow_networks_carry_fewer_modes(ls):
    flow = white_net(ls, (3, 1)).balanced_flow(0.1, [0.0, 1e3])
    assert flow.singular_values.shape == (2, 1)
    assert flow.values[-1] == pytest.approx(white_net(ls, (3, 1)).minimum_value, rel=1e-9)


def test_bad_input(ls, rng):
    net = white_net(ls, (2,))
    for times in ([], [-1.0], [1.0, 0.5]):
        with pytest.raises(ValueError, match="times must be non-negative and ascending"):
            net.balanced_flow(0.1, times)
    with pytest.raises(ValueError, match="scale must be a positive"):
        net.balanced_flow(0.0, [1.0])
    X = rng.standard_normal((20, 3))
    coloured = ls.DeepLinear(ls.Covariances.from_data(X, X[:, :2]), (2,))
    with pytest.raises(ValueError, match="white inputs only"):
        coloured.balanced_flow(0.1, [1.0])
    assert _flow.white_scale(2.0 * np.eye(3)) == 2.0


# ------------------------------------------------------------------------------------------------- the solver itself

DEPTHS = (2, 3, 4, 5, 10)


def solve(target, start, depth, times, c=0.7):
    """One mode: w, z - w^L, and the time of half the target."""
    return _flow._mode(target, 2.0 * c, start, depth, np.asarray(times, dtype=float))


def exact_time(target, start, end, depth, c=0.7):
    """t = ∫ dw / (2 c w^{L-1} (z - w^L)) in partial fractions over the L-th roots of unity ω, to 60 digits.

    2 c L z^{2-2/L} t = -L/(L - 2) y^{2-L} - Σ_ω ω^{-2} log(1 - ω y),  y = w z^{-1/L}
    """
    with mpmath.workdps(60):
        z = mpmath.mpf(target)

        def primitive(w):
            y = mpmath.mpf(w) / mpmath.root(z, depth)
            first = 2 * mpmath.log(y) if depth == 2 else -mpmath.mpf(depth) / (depth - 2) * y ** (2 - depth)
            roots = [mpmath.expjpi(mpmath.mpf(2 * j) / depth) for j in range(depth)]
            return first - mpmath.fsum(mpmath.re(mpmath.log(1 - root * y) / root**2) for root in roots)

        speed = 2 * mpmath.mpf(c) * depth * z ** (2 - mpmath.mpf(2) / depth)
        return float((primitive(end) - primitive(start)) / speed)


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("ratio", [1e-4, 0.1, 0.999, 1.001, 2.0, 100.0])
@pytest.mark.parametrize("target", [0.05, 4.0])
def test_modes_solve_the_differential_equation(depth, ratio, target):
    c, start = 0.7, (ratio * target) ** (1.0 / depth)
    wait = -np.log(min(ratio, 1.0)) if depth == 2 else min(ratio, 1.0) ** (2.0 / depth - 1.0) / (1.0 - 2.0 / depth)
    times = np.linspace(0.0, (wait + 4.0) / (2.0 * c * depth * target ** (2.0 - 2.0 / depth)), 20)

    def slope(_, y):  # of log w
        return 2.0 * c * np.exp((depth - 2) * y) * (target - np.exp(depth * y))

    done = solve_ivp(slope, (0.0, times[-1]), [np.log(start)], "DOP853", times, rtol=1e-13, atol=1e-15)
    weights, left, _ = solve(target, start, depth, times)
    np.testing.assert_allclose(weights, np.exp(done.y[0]), rtol=1e-10)
    np.testing.assert_allclose(left, target - weights**depth, rtol=0.0, atol=1e-14 * (start**depth + target))


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("ratio", [1e-12, 1e-2, 0.6, 1.5, 30.0, 1e4])
@pytest.mark.parametrize("target", [0.05, 2.5])
def test_modes_keep_the_exact_time(depth, ratio, target):
    fixed = target ** (1.0 / depth)
    start = ratio * fixed
    ends = fixed * np.array([0.65, 0.9, 0.999] if ratio < 1.0 else [1.4, 1.1, 1.001])
    times = np.array([exact_time(target, start, end, depth) for end in ends])
    weights, left, half = solve(target, start, depth, times)
    # Times are rounded numbers, and so is the power w^{2-L} of the start: w is known no better than that.
    slopes = 1.4 * ends ** (depth - 1) * np.abs(target - ends**depth)
    slack = 1e-15 * depth * times * slopes
    known = slack < 1e-4 * ends
    assert known.all() or ratio == 1e-12 or depth == 10
    assert (np.abs(weights - ends) <= 1e-14 * ends + slack)[known].all()
    assert (np.sign(left) == (1.0 if ratio < 1.0 else -1.0))[known].all()
    reach = fixed * 0.5 ** (1.0 / depth)
    assert half == pytest.approx(exact_time(target, start, reach, depth) if start < reach else 0.0, rel=1e-14 * depth)


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("start", [1e-3, 0.5, 1.2, 3.0])
def test_the_flow_is_a_semigroup(depth, start):
    wait = float(_flow.plateau_times(np.array([1.5]), 0.7, np.array([min(start, 0.9)]), depth)[0])
    first, second = 0.9 * wait, 0.3 * wait
    middle, together = solve(1.5, start, depth, [first, first + second])[0]
    assert solve(1.5, middle, depth, [second])[0][0] == pytest.approx(together, rel=1e-11)


@pytest.mark.parametrize("depth", DEPTHS)
def test_modes_without_target_decay(depth):
    times = np.array([0.0, 1e-3, 1.0, 1e3, 1e12])
    weights, left, half = solve(0.0, 1.3, depth, times)
    order = 2 * depth - 2
    np.testing.assert_allclose(weights**-order, 1.3**-order + 1.4 * order * times, rtol=1e-12)
    np.testing.assert_allclose(left, -(weights**depth), rtol=1e-14)
    assert half == 0.0
    tiny = solve(1e-90, 1.3, depth, times)[0]  # solved as a start above the target
    np.testing.assert_allclose(tiny, weights, rtol=1e-12)
    np.testing.assert_allclose(solve(1e-150, 1.3, depth, times)[0], weights, rtol=1e-12)


@pytest.mark.parametrize("depth", DEPTHS)
def test_extreme_starts_and_times(depth):
    times = np.concatenate([[0.0], np.logspace(-300, 300, 61), [1e308, np.inf]])
    for target in (1e-8, 1.0, 1e8):
        fixed = target ** (1.0 / depth)
        for start in (1e-300, 1e-100, 1e-12, 0.5 * fixed, fixed, np.nextafter(fixed, 9e9), 2.0 * fixed, 1e6 * fixed):
            weights, left, half = solve(target, start, depth, times)
            assert np.isfinite(weights).all()
            assert np.isfinite(left).all()
            assert weights[0] == pytest.approx(start, rel=1e-12)
            rising = 1.0 if start <= fixed else -1.0
            assert (rising * np.diff(weights) >= -1e-13 * weights[1:]).all()
            assert not half < 0.0
            if start >= 1e-12 and start ** (2 - depth) < 1e290:
                assert weights[-1] == pytest.approx(fixed, rel=1e-14)
                assert left[-1] == 0.0
    assert (solve(1.0, 1.0, depth, times)[0] == 1.0).all()


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("start", [0.5, 2.0])
def test_the_approach_is_exponential_to_the_last_digit(depth, start):
    """d log|z - w^L| / dt -> -2 c L z^{2-2/L}, far below the rounding of w."""
    left = solve(1.7, start, depth, [40.0, 80.0])[1]
    rate = 1.4 * depth * 1.7 ** (2.0 - 2.0 / depth)
    if 80.0 * rate < 600.0:
        assert np.log(left[0] / left[1]) == pytest.approx(40.0 * rate, rel=1e-12)
    short = 10.0 / rate + np.array([20.0, 30.0]) / rate + solve(1.7, start, depth, [0.0])[2]
    assert np.abs(np.log(np.divide(*solve(1.7, start, depth, short)[1])) - 10.0) < 1e-9


def test_half_times_are_when_half_is_reached(ls):
    for hidden in ((3,), (3, 3), (4, 3, 5)):
        net = white_net(ls, hidden, c=0.4)
        flow = net.balanced_flow(1e-2, [0.0])
        reached = net.balanced_flow(1e-2, flow.half_times).singular_values
        np.testing.assert_allclose(np.diag(reached), 0.5 * flow.targets, rtol=1e-9)
    above = net.balanced_flow(2.0, [0.0, 1.0])
    assert (above.half_times == 0.0).all()
    assert (np.diff(above.values) < 0.0).all()


def test_small_singular_values_keep_their_digits(ls):
    net = white_net(ls, (3, 3))
    flow = net.balanced_flow(1e-8, [0.0, 1.0])
    np.testing.assert_allclose(flow.singular_values, 1e-24, rtol=1e-6)
    assert flow.values[0] == pytest.approx(net.value(net.balanced_start(1e-8)), rel=1e-14)


def test_plateau_times_of_unusual_modes():
    targets, start = np.array([0.0, 2.0, 2.0]), np.array([0.1, 3.0, 1e-200])
    np.testing.assert_allclose(_flow.plateau_times(targets, 1.0, start, 2), [np.inf, 0.0, np.log(1e200) / 4.0])
    np.testing.assert_allclose(_flow.plateau_times(targets, 1.0, start, 4), [np.inf, 1.0 / 72.0, np.inf])
