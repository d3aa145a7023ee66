"""Exact slices: the polynomial of value(p + s d1 + t d2) and its values on a grid, against direct values."""

import time

import numpy as np
import pytest

import cases
import comparators as cmp
from reference import shallow


def moved(p, *steps):
    out = p
    for a, d in steps:
        out = tuple(b + a * e for b, e in zip(out, d, strict=True))
    return out


def setup(case):
    rng = np.random.default_rng(3)
    return case.points[-1].point, case.random_point(rng), case.random_point(rng)


def test_one_dimension_is_the_value_along_the_line(ls, case):
    net, (p, d, _) = case.net(ls), setup(case)
    s = np.linspace(-2.0, 2.0, 9)
    cut = ls.slice(net, p, d, s=s)
    direct = np.array([net.value(moved(p, (a, d))) for a in s])
    cmp.assert_close(cut.values, direct, 1e-12, what="values")
    cmp.assert_same_bits(cut.s, s)
    cmp.assert_close(cut.coefficients, shallow.quartic(case.moments, p, d), 1e-12, what="coefficients")


def test_two_dimensions_are_the_value_on_the_plane(ls, case):
    net, (p, d, e) = case.net(ls), setup(case)
    s, t = np.linspace(-1.0, 2.0, 5), np.linspace(-0.5, 0.5, 4)
    cut = ls.slice(net, p, d, e, s=s, t=t)
    direct = np.array([[net.value(moved(p, (a, d), (b, e))) for b in t] for a in s])
    cmp.assert_close(cut.values, direct, 1e-12, what="values")
    grid = np.polynomial.polynomial.polygrid2d(s, t, cut.coefficients)
    cmp.assert_close(grid, direct, 1e-12, what="polynomial on the grid")


def test_coefficients_hold_value_slope_and_curvature(ls, case):
    net, (p, d, e) = case.net(ls), setup(case)
    c = ls.slice(net, p, d, e).coefficients
    assert c.shape == (5, 5)
    scale = cmp.size(c)
    cmp.assert_close(c[0, 0], net.value(p), 1e-12, scale, "value")
    slopes = [sum(np.sum(g * b) for g, b in zip(net.gradient(p), x, strict=True)) for x in (d, e)]
    cmp.assert_close([c[1, 0], c[0, 1]], slopes, 1e-12, scale, "slopes")
    cmp.assert_close([2 * c[2, 0], 2 * c[0, 2]], [net.curvature(p, d), net.curvature(p, e)], 1e-12, scale, "curvatures")
    mixed = sum(np.sum(h * b) for h, b in zip(net.hvp(p, d), e, strict=True))
    cmp.assert_close(c[1, 1], mixed, 1e-12, scale, "mixed derivative")
    i, j = np.indices(c.shape)
    cmp.assert_same_bits(c[i + j > 4], np.zeros(10), "terms above degree 4")


def test_default_grid(ls):
    case = cases.problem(0)
    net, (p, d, e) = case.net(ls), setup(case)
    line, plane = ls.slice(net, p, d), ls.slice(net, p, d, e)
    cmp.assert_close(line.s, np.linspace(-1.5, 1.5, 201), 1e-15)
    assert line.values.shape == (201,)
    assert line.t is None
    assert plane.values.shape == (201, 201)
    assert line.coefficients.shape == (5,)


def test_worked_example_swap_plane(ls, worked):
    """R(s e1, t e1) = 7 - 4 s t + s^2 t^2: one coefficient each."""
    e, zero = np.array([[1.0], [0.0]]), np.zeros((2, 1))
    c = ls.slice(worked, (zero, zero), (e, zero), (zero, e)).coefficients
    expected = np.zeros((5, 5))
    expected[0, 0], expected[1, 1], expected[2, 2] = 7.0, -4.0, 1.0
    cmp.assert_close(c, expected, 1e-15)


def test_a_million_points_take_well_under_a_second(ls):
    case = cases.problem(0)
    net, (p, d, e) = case.net(ls), setup(case)
    grid = np.linspace(-1.0, 1.0, 1000)
    start = time.perf_counter()
    cut = ls.slice(net, p, d, e, s=grid, t=grid)
    assert time.perf_counter() - start < 0.5
    corner = net.value(moved(p, (1.0, d), (1.0, e)))
    cmp.assert_close(cut.values[-1, -1], corner, 1e-12)


def test_wrong_grids_are_refused(ls):
    case = cases.problem(0)
    net, (p, d, _) = case.net(ls), setup(case)
    cmp.assert_raises_naming(lambda: ls.slice(net, p, d, s=np.array([0.0, np.nan])), ValueError, "s")
    cmp.assert_raises_naming(lambda: ls.slice(net, p, d, s=np.zeros((2, 2))), ValueError, "s")
    cmp.assert_raises_naming(lambda: ls.slice(net, p, d, t=np.zeros(3)), ValueError, "t")
    with pytest.raises(TypeError):
        ls.slice(net, p, d, s="abc")


def plane(land, rng, shapes):
    return tuple(tuple(rng.standard_normal(shape) for shape in shapes) for _ in range(3))


@pytest.mark.parametrize("options", [{}, {"mask": True}, {"weights": True}, {"X": True}, {"loss": "huber"}], ids=str)
def test_factorization_slices_are_the_objective(ls, rng, options):
    Y = rng.standard_normal((7, 4))
    options = dict(options)
    if "mask" in options:
        options["mask"] = rng.random(Y.shape) < 0.6
    if "weights" in options:
        options["weights"] = rng.random(Y.shape)
    if "X" in options:
        options["X"] = rng.standard_normal((7, 3))
    mf = ls.MatrixFactorization(Y, 0.3, **options)
    p, d1, d2 = plane(mf, rng, mf.shapes(2))
    found = ls.slice(mf, p, d1, d2, s=np.linspace(-2, 2, 5), t=np.linspace(-1, 1, 4))
    for i, s in enumerate(found.s):
        for j, t in enumerate(found.t):
            point = tuple(a + s * b + t * c for a, b, c in zip(p, d1, d2, strict=True))
            assert found.values[i, j] == pytest.approx(mf.value(point), rel=1e-12)
    assert (found.coefficients is None) == ("loss" in options)
    line = ls.slice(mf, p, d1, s=[0.5])
    assert line.values[0] == pytest.approx(mf.value(tuple(a + 0.5 * b for a, b in zip(p, d1, strict=True))), rel=1e-12)
    if found.coefficients is not None:
        assert found(0.3, -0.2) == pytest.approx(
            mf.value(tuple(a + 0.3 * b - 0.2 * c for a, b, c in zip(p, d1, d2, strict=True))), rel=1e-12
        )
    else:
        with pytest.raises(ValueError, match="no polynomial"):
            found(0.3, -0.2)


def test_network_slices_are_the_objective(ls, rng):
    nn = ls.ParallelNetwork(rng.standard_normal((9, 2)), rng.standard_normal(9), 0.2, bias=True, intercept=True)
    p, d1, d2 = plane(nn, rng, nn.shapes(3))
    found = ls.slice(nn, p, d1, d2, s=np.linspace(-2, 2, 5), t=[0.0, 0.7])
    for i, s in enumerate(found.s):
        for j, t in enumerate(found.t):
            point = tuple(a + s * b + t * c for a, b, c in zip(p, d1, d2, strict=True))
            assert found.values[i, j] == pytest.approx(nn.value(point), rel=1e-13)
    with pytest.raises(ValueError, match="shapes of p"):
        ls.slice(nn, p, tuple(rng.standard_normal(shape) for shape in nn.shapes(2)))


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"bias": True, "intercept": True},
        {"unit": "abs", "intercept": "penalized"},
        {"unit": "leaky_relu", "bias": "free", "intercept": True},
        {"unit": "linear"},
    ],
)
def test_lines_through_networks_are_polynomials_between_their_kinks(ls, settings):
    rng = np.random.default_rng(3)
    nn = ls.ParallelNetwork(rng.standard_normal((30, 3)), rng.standard_normal((30, 2)), 0.4, **settings)
    p, d = (tuple(rng.standard_normal(shape) for shape in nn.shapes(4)) for _ in range(2))
    found = ls.slice(nn, p, d, s=np.linspace(-2.0, 2.0, 41))
    assert found.pieces.shape == (len(found.kinks) + 1, 5)
    np.testing.assert_allclose(found(found.s), found.values, rtol=1e-11)
    s = rng.uniform(-2.0, 2.0, 200)
    moved = tuple(np.stack([block + t * change for t in s]) for block, change in zip(p, d, strict=True))
    np.testing.assert_allclose(found(s), nn.value(moved), rtol=1e-11)
    if settings.get("unit") == "linear":
        assert len(found.kinks) == 0
    else:
        margins = [nn.kink_margin(tuple(a + t * b for a, b in zip(p, d, strict=True))) for t in found.kinks]
        assert len(found.kinks) > 20
        assert max(margins) < 1e-12
    with pytest.raises(ValueError, match="within the grid"):
        found(2.5)


def test_kinks_without_pieces(ls):
    rng = np.random.default_rng(4)
    nn = ls.ParallelNetwork(rng.standard_normal((12, 2)), np.sign(rng.standard_normal(12)), 0.4, loss="logistic")
    p, d = (tuple(rng.standard_normal(shape) for shape in nn.shapes(3)) for _ in range(2))
    found = ls.slice(nn, p, d)
    assert found.pieces is None
    assert len(found.kinks) > 0
    with pytest.raises(ValueError, match="on its grid only"):
        found(0.1)
