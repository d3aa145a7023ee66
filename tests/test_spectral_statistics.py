"""Density, trace and signs of the Hessian's eigenvalues, on every landscape, against dense decompositions."""

import pickle

import numpy as np
import pytest
from scipy.stats import norm, t

from comparators import assert_close, assert_raises_naming, assert_same_bits
from landscape_cpp import curvature


def landscapes(ls):
    """(name, landscape, point) of every kind, with 20 to 120 parameters."""
    rng = np.random.default_rng(4)
    X, Y = rng.standard_normal((40, 5)), rng.standard_normal((40, 3))
    cov = ls.Covariances.from_data(X, Y)
    shallow, deep = ls.ShallowLinear(cov, 4), ls.DeepLinear(cov, hidden=(4, 3))
    mf = ls.MatrixFactorization(Y, 0.3)
    nn = ls.ParallelNetwork(X, Y, 0.3, bias=True, intercept=True)
    yield "shallow", shallow, tuple(rng.standard_normal(shape) for shape in shallow.shapes)
    yield "deep", deep, tuple(rng.standard_normal(shape) for shape in deep.shapes)
    yield "factorization", mf, (rng.standard_normal((40, 2)), rng.standard_normal((3, 2)))
    yield "network", nn, tuple(rng.standard_normal(shape) for shape in nn.shapes(4))


@pytest.mark.parametrize("index", range(4))
def test_trace_is_the_dense_one(ls, index):
    _, land, p = list(landscapes(ls))[index]
    dense = land.hessian(p).todense()
    exact = curvature.trace(land, p)
    assert (exact.method, exact.standard_error) == ("dense", 0.0)
    assert_close(exact.value, np.trace(dense), 1e-12)
    estimates = [curvature.trace(land, p, method="hutch++", n_probes=30, seed=seed) for seed in range(30)]
    errors = np.array([estimate.value for estimate in estimates]) - np.trace(dense)
    claimed = np.sqrt(np.mean([estimate.standard_error**2 for estimate in estimates]))
    assert abs(errors.mean()) <= 4.0 * claimed / np.sqrt(30) + 1e-9 * np.abs(dense).sum()
    assert 0.5 * claimed <= errors.std() + 1e-9 * np.abs(dense).sum()
    assert errors.std() <= 2.0 * claimed + 1e-9 * np.abs(dense).sum()
    assert estimates[0].products == 30


@pytest.mark.parametrize("index", range(4))
def test_density_is_that_of_all_eigenvalues(ls, index):
    _, land, p = list(landscapes(ls))[index]
    values = np.linalg.eigvalsh(land.hessian(p).todense())
    found = curvature.spectral_density(land, p, n_probes=40, n_steps=200, confidence=0.99, seed=1)
    spacing = found.grid[1] - found.grid[0]
    assert_close(np.sum(found.density) * spacing, 1.0, 1e-4)
    assert_close(np.nansum(found.weights, axis=1), np.ones(40), 1e-12)
    true = norm.pdf(found.grid[:, None], values, found.width).mean(axis=1)
    errors = (found.upper - found.density) / t.ppf(0.995, 39)  # standard errors over the probes
    assert np.max(np.abs(true - found.density)) <= 4.0 * np.max(errors)
    assert np.mean((true >= found.lower) & (true <= found.upper)) > 0.7  # neighbours err together
    # the moments of the probes' quadratures are those of the spectrum
    mean = np.nansum(found.weights * found.nodes, axis=1)
    assert abs(mean.mean() - values.mean()) <= 5.0 * mean.std() / np.sqrt(40) + 1e-9 * np.abs(values).max()
    assert found.nodes.shape == (40, min(200, values.size))
    assert pickle.loads(pickle.dumps(found)).width == found.width


def test_density_of_one_repeated_eigenvalue(ls):
    """At zero the Hessian of a factorisation without data is lam times the identity: Lanczos ends after one step."""
    mf = ls.MatrixFactorization(np.zeros((4, 3)), 0.5)
    p = (np.zeros((4, 2)), np.zeros((3, 2)))
    found = curvature.spectral_density(mf, p, n_probes=3, n_steps=5)
    assert_close(found.nodes[:, 0], np.full(3, 0.5), 1e-12)
    assert np.all(np.isnan(found.nodes[:, 1:]))
    assert_close(np.sum(found.density) * (found.grid[1] - found.grid[0]), 1.0, 1e-4)


def test_the_seed_decides_the_bits(ls):
    _, land, p = next(landscapes(ls))
    one, two, three = (curvature.spectral_density(land, p, n_steps=5, seed=seed) for seed in (1, 1, 2))
    assert_same_bits(one.density, two.density)
    assert not np.array_equal(one.density, three.density)


@pytest.mark.parametrize("index", range(4))
def test_largest_eigenpair(ls, index):
    _, land, p = list(landscapes(ls))[index]
    values = np.linalg.eigvalsh(land.hessian(p).todense())
    for method in ("dense", "lanczos"):
        found = curvature.largest_eigenpair(land, p, method=method)
        assert_close(found.value, values[-1], 1e-7)
        assert_close(land.curvature(p, found.vector), found.value, 1e-7)


def test_signs_at_critical_points(ls):
    """Morse indices of a shallow linear network are known (THEORY 12b.7)."""
    cov = ls.Covariances(xx=np.eye(2), xy=np.diag([3.0, 1.0]), yy=np.diag([9.0, 1.0]))
    net = ls.ShallowLinear(cov, 1)
    for indices in ((), (0,), (1,)):
        p = net.critical_point(indices)
        found, truth = curvature.morse_index(net, p), net.classify(p)
        assert (found.negative, found.zero) == (truth.morse_index, truth.nullity), indices
        assert found.negative + found.zero + found.positive == 4
        assert found.sign == ("negative" if truth.morse_index else "semidefinite")
        if found.direction is not None:
            assert net.curvature(p, found.direction) < 0.0


@pytest.mark.parametrize("index", range(4))
def test_signs_are_never_wrong(ls, index):
    """Random points, scaled: a certified sign is that of the dense Hessian in twice the care, a direction descends."""
    _, land, p = list(landscapes(ls))[index]
    rng = np.random.default_rng(index)
    for size in (0.0, 1e-6, 0.1, 1.0, 30.0):
        for _ in range(4):
            q = tuple(size * rng.standard_normal(block.shape) for block in p)
            found = curvature.morse_index(land, q)
            values = np.linalg.eigvalsh(land.hessian(q).todense())
            assert found.negative <= np.sum(values < 0.0)
            assert found.positive <= np.sum(values > 0.0)
            if found.sign == "negative":
                assert land.curvature(q, found.direction) < 0.0
            if found.sign == "semidefinite":
                assert values[0] >= -2.0 * found.margin


def test_wrong_arguments(ls):
    _, land, p = next(landscapes(ls))
    assert_raises_naming(lambda: curvature.spectral_density(land, p, n_probes=1), ValueError, "n_probes")
    assert_raises_naming(lambda: curvature.spectral_density(land, p, confidence=1.0), ValueError, "confidence")
    assert_raises_naming(lambda: curvature.spectral_density(land, p, width=0.0), ValueError, "width")
    assert_raises_naming(lambda: curvature.trace(land, p, method="guess"), ValueError, "method")
    assert_raises_naming(lambda: curvature.trace(land, p, n_probes=2), ValueError, "n_probes")
    assert_raises_naming(lambda: curvature.morse_index(3, p), TypeError, "land")
