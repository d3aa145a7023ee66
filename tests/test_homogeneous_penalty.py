"""The product form of Θ (THEORY 5.2): derivatives, no dependence on the balance of a unit, the same lower bound."""

import numpy as np
import pytest

import comparators as cmp

KINDS = (
    {},
    {"unit": "squared_relu"},
    {"unit": "leaky_relu", "intercept": "penalized"},
    {"bias": "free", "intercept": True},
    {"depth": 2, "hidden": (3,)},
    {"depth": 3, "hidden": (2, 3)},
)


@pytest.fixture(params=KINDS, ids=str)
def pair(ls, request, rng):
    """The same problem with both penalties, and a point."""
    X, Y = rng.standard_normal((9, 3)), rng.standard_normal((9, 2))
    product, plain = (ls.ParallelNetwork(X, Y, 0.3, penalty=form, **request.param) for form in ("product", "sum"))
    return product, plain, tuple(rng.standard_normal(shape) for shape in plain.shapes(4))


def test_derivatives(pair, rng):
    land, _, p = pair
    d = tuple(rng.standard_normal(block.shape) for block in p)
    h = 1e-6
    up, down = (tuple(a + sign * h * b for a, b in zip(p, d, strict=True)) for sign in (1.0, -1.0))
    slope = land.pack(land.gradient(p)) @ land.pack(d)
    assert (land.value(up) - land.value(down)) / (2 * h) == pytest.approx(slope, rel=1e-7)
    change = (land.pack(land.gradient(up)) - land.pack(land.gradient(down))) / (2 * h)
    product = land.pack(land.hvp(p, d))
    assert np.linalg.norm(change - product) <= 1e-6 * np.linalg.norm(product)


def test_only_the_balance_is_different(pair):
    land, plain, p = pair
    assert land.value(p) <= plain.value(p) * (1.0 + 1e-14)
    balanced = plain.rebalance(p)
    cmp.assert_close(land.theta(p), plain.theta(balanced), 1e-13)
    cmp.assert_close(land.theta(balanced), plain.theta(balanced), 1e-13)


def test_one_lower_bound_for_both(ls, pair):
    land, plain, p = pair
    certificate = land.certify(p)
    cmp.assert_close(certificate.lower_bound, plain.certify(p).lower_bound, 1e-12)
    assert ls.verify(certificate, land, p)
    assert not ls.verify(certificate, plain, p)


def test_a_block_of_zeros_counts_as_zero(pair):
    land, _, p = pair
    dead = (np.zeros_like(p[0]), *p[1:])
    assert land.theta(dead) == 0.0
    assert np.all(np.isfinite(land.pack(land.gradient(dead))))
    assert np.all(np.isfinite(land.pack(land.hvp(dead, p))))


def test_refused(ls):
    with pytest.raises(ValueError, match="penalty must be one of 'sum', 'product', got 'max'"):
        ls.ParallelNetwork(np.ones((2, 1)), np.ones(2), 1.0, penalty="max")
