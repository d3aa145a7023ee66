"""Ω, the smallest penalty of all networks with given outputs: hand values, Proposition 1.8, both sides."""

import numpy as np
import pytest

HAT_X = np.array([[-1.0, 1.0], [0.0, 1.0], [1.0, 1.0]])


def bounds(ls, X, Z, **options):
    nn = ls.ParallelNetwork(X, np.zeros(np.shape(Z)), 1.0, **options)
    found = nn.omega(Z)
    assert 0.0 <= found.lower <= found.upper
    if found.point is not None:
        scale = max(1e-300, float(np.max(np.abs(Z))))
        np.testing.assert_allclose(nn.predict(found.point), np.reshape(Z, (len(X), -1)), atol=1e-7 * scale, rtol=0.0)
        assert nn.theta(found.point) == pytest.approx(found.upper, rel=1e-9)
    return found


def test_worked_example(ls):
    """P2: on X = (1, -1) the units are the two half lines, Ω(Z) = |z1| + |z2|."""
    X = np.array([[1.0], [-1.0]])
    for Z in ([2.0, 0.0], [2.0, -1.0], [-3.0, 0.5]):
        found = bounds(ls, X, Z)
        assert found.converged
        assert found.upper == pytest.approx(np.sum(np.abs(Z)), rel=1e-9)


def test_the_hat_needs_two_units(ls):
    """THEORY 5.3: one entry is not zero, and one unit is not enough."""
    found = bounds(ls, HAT_X, [0.0, 1.0, 0.0])
    assert found.converged
    assert found.point[0].shape[1] >= 2


def test_zero(ls):
    found = bounds(ls, HAT_X, np.zeros(3))
    assert (found.lower, found.upper, found.converged) == (0.0, 0.0, True)


def test_what_no_network_gives_is_infinite(ls):
    """A sample at zero, and no bias."""
    found = bounds(ls, np.array([[1.0], [0.0]]), [2.0, 1.0])
    assert found.upper == np.inf
    assert found.point is None
    assert found.lower > 1e6


def test_an_intercept_makes_constants_free(ls):
    assert bounds(ls, HAT_X, np.full(3, 2.5), intercept=True).upper == pytest.approx(0.0, abs=1e-9)
    shifted = bounds(ls, HAT_X, [1.0, 3.0, 1.0], intercept=True)
    assert shifted.upper == pytest.approx(bounds(ls, HAT_X, [0.0, 2.0, 0.0], intercept=True).upper, rel=1e-5)


@pytest.mark.parametrize("unit", ["relu", "abs", "leaky_relu"])
@pytest.mark.parametrize("outputs", [1, 2])
def test_properties_of_proposition_1_8(ls, rng, unit, outputs):
    """Positive, positively homogeneous, the triangle inequality, symmetric (flip u), and below Θ of every network."""
    X = np.column_stack([rng.standard_normal((6, 1)), np.ones(6)])
    nn = ls.ParallelNetwork(X, np.zeros((6, outputs)), 1.0, unit=unit)
    networks = [tuple(rng.standard_normal(shape) for shape in nn.shapes(3)) for _ in range(2)]
    first, second = (nn.predict(p) for p in networks)
    a, b, both = (bounds(ls, X, Z, unit=unit) for Z in (first, second, first + second))
    assert all(found.converged for found in (a, b, both))
    assert a.lower > 0.0
    assert both.lower <= (a.upper + b.upper) * (1.0 + 1e-9)
    assert a.lower <= nn.theta(nn.rebalance(networks[0])) * (1.0 + 1e-9)
    for factor in (3.0, -1.0):
        scaled = bounds(ls, X, factor * first, unit=unit)
        assert scaled.upper == pytest.approx(abs(factor) * a.upper, rel=3e-6)


@pytest.mark.parametrize("scale", [1e-100, 1e100])
def test_scales(ls, scale):
    assert bounds(ls, HAT_X, scale * np.array([0.0, 1.0, 0.0])).upper == pytest.approx(
        scale * bounds(ls, HAT_X, [0.0, 1.0, 0.0]).upper, rel=1e-6
    )


def test_refused(ls):
    nn = ls.ParallelNetwork(HAT_X, np.zeros(3), 1.0)
    with pytest.raises(ValueError, match="Z must be"):
        nn.omega(np.zeros(4))
    with pytest.raises(ValueError, match="omega is for single units"):
        ls.ParallelNetwork(HAT_X, np.zeros(3), 1.0, bias="free", intercept=True).omega(np.zeros(3))
