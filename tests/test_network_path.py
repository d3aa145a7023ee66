"""Descent paths and slides of parallel networks: the objective never rises, the outputs stay where they should."""

import matplotlib as mpl
import numpy as np
import pytest

from comparators import assert_close, assert_raises_naming
from reference import homogeneous as hn

mpl.use("Agg")

SETTINGS = {
    "relu": {"bias": True},
    "leaky, two outputs": {"unit": "leaky_relu", "outputs": 2},
    "abs, huber": {"unit": "abs", "loss": "huber"},
    "linear": {"unit": "linear", "outputs": 2},
    "squared relu": {"unit": "squared_relu"},
    "quadratic, intercept": {"unit": "quadratic", "intercept": True},
    "logistic": {"loss": "logistic", "bias": True, "intercept": True},
    "hinge": {"loss": "squared_hinge", "bias": True},
    "softmax": {"loss": "softmax", "outputs": 3, "intercept": True},
    "free bias": {"bias": "free", "intercept": True},
    "penalised intercept": {"bias": True, "intercept": "penalized"},
    "product": {"bias": True, "penalty": "product"},
    "subnetworks": {"depth": 3, "hidden": (2, 2)},
}
METHODS = ["lp", "null-vector"]


def network(ls, name, samples=12, seed=0):
    options = dict(SETTINGS[name])
    rng = np.random.default_rng((41, seed, len(name)))
    X, outputs, loss = rng.standard_normal((samples, 2)), options.pop("outputs", 1), options.get("loss", "squared")
    if loss == "softmax":
        Y = np.eye(outputs)[rng.integers(outputs, size=samples)]
    elif loss in ("squared", "huber"):
        Y = rng.standard_normal((samples, outputs))
    else:
        Y = np.where(rng.random((samples, outputs)) < 0.5, -1.0, 1.0)
    return ls.ParallelNetwork(X, Y, 0.3, **options), rng


def point(land, width, rng):
    return tuple(rng.standard_normal(shape) for shape in land.shapes(width))


def assert_never_rises(path, n=301):
    found = path.verify(n)
    assert found.ok, f"{path}: {found}"
    assert found.largest_increase <= found.rounding
    starts = [segment.start_value for segment in path.segments[1:]]
    assert_close([segment.end_value for segment in path.segments[:-1]], starts, 1e-12)


@pytest.mark.parametrize("name", SETTINGS)
def test_path_never_rises(ls, name):
    land, rng = network(ls, name)
    solution = land.solve(1e-6, max_seconds=5.0)
    for width, method, slide in ((30, "blend", "lp"), (6, "meta", "null-vector"), (0, "meta", "lp")):
        p = point(land, width, rng)
        path = land.descent_path(p, solution, method=method, slide=slide, steps=30)
        assert_never_rises(path)
        assert path.segments[-1].end_value <= solution.value * (1.0 + 1e-12)
        assert_close(land.value(path.start), land.value(p), 1e-12)
        assert_close(land.value(path.end), path.segments[-1].end_value, 1e-12)
        assert {segment.kind for segment in path.segments} <= {"rebalance", "descent", "slide", "insertion", "blend"}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", SETTINGS)
def test_slide_keeps_the_outputs(ls, name, method):
    """More units than entries of the output: they depend on each other; those that are left do not."""
    land, rng = network(ls, name, samples=5)
    p = point(land, 40, rng)
    path = land.slide(p, method=method)
    assert_never_rises(path)
    end = path.end
    for t in np.linspace(0.0, len(path), 7):
        assert_close(land.predict(path.point_at(t)), land.predict(p), 1e-9)
    assert land.theta(end) <= land.theta(p) * (1.0 + 1e-12)
    weights = end[:-1] if land.intercept else end
    alive = np.all([np.linalg.norm(block, axis=(1, 2) if land.hidden else 0) > 0.0 for block in weights], axis=0)
    assert alive.sum() <= land.n_samples * land.n_outputs


@pytest.mark.parametrize("method", METHODS)
def test_plateau_of_a_split_unit(ls, method):
    """At a stationary point, units split in parts are a plateau: the objective is constant along the slide."""
    land, _ = network(ls, "relu")
    solution = land.solve(1e-10)
    split = np.sqrt([0.5, 0.3, 0.2])
    p = tuple(np.concatenate([s * block for s in split], axis=1) for block in solution.point)
    path = land.slide(p, method=method)
    _, values = path.values(51)
    assert np.ptp(values) <= 1e-9 * solution.value
    alive = np.linalg.norm(path.end[0], axis=0) > 0.0
    assert alive.sum() <= solution.width


def test_the_reference_slides_alike(ls):
    rng = np.random.default_rng(3)
    X, Y = rng.standard_normal((4, 2)), rng.standard_normal((4, 1))
    problem = hn.Problem(X, Y, 0.3)
    land = ls.ParallelNetwork(X, Y, 0.3)
    p = point(land, 15, rng)
    best = hn.thetas(problem, p) @ hn.slide_lp(problem, p)
    assert_close(land.theta(land.slide(p).end), best, 1e-9)
    assert land.theta(land.slide(p, method="null-vector").end) >= best * (1.0 - 1e-9)


def test_degenerate_points(ls):
    land, rng = network(ls, "relu")
    solution = land.solve(1e-8)
    one = point(land, 1, rng)
    doubled = tuple(np.hstack([block, block, np.zeros_like(block)]) for block in one)
    for p in (point(land, 0, rng), doubled, solution.point, tuple(1e5 * block for block in one)):
        for method in METHODS:
            assert_never_rises(land.slide(p, method=method))
            assert_never_rises(land.descent_path(p, solution, slide=method, steps=20))
    single = ls.ParallelNetwork(np.array([[2.0]]), np.array([[3.0, 4.0]]), 1.0)
    path = single.descent_path((np.ones((2, 3)), -np.ones((1, 3))))
    assert_never_rises(path)
    assert_close(path.segments[-1].end_value, single.solve(1e-9).value, 1e-4)


def test_solves_by_itself_and_draws(ls):
    land, rng = network(ls, "relu")
    path = land.descent_path(point(land, 5, rng))
    assert_close(path.segments[-1].end_value, land.solve(1e-8).value, 2e-4)
    assert path.gap <= 1e-3 * path.segments[-1].end_value
    assert "segments" in str(path)
    figure, axes = path.plot(n=11)
    assert axes.get_ylabel() == "objective"
    assert len(axes.lines) == len(path)
    mpl.pyplot.close(figure)


def test_wrong_arguments(ls):
    land, rng = network(ls, "relu")
    p = point(land, 3, rng)
    other = land.with_lam(0.5).solve()
    assert_raises_naming(lambda: land.descent_path(p, other), ValueError, "solution")
    assert_raises_naming(lambda: land.descent_path(p, 3), TypeError, "solution")
    assert_raises_naming(lambda: land.descent_path(p, method="down"), ValueError, "method")
    assert_raises_naming(lambda: land.descent_path(p, steps=-1), ValueError, "steps")
    assert_raises_naming(lambda: land.slide(p, method="x"), ValueError, "method")
    path = land.slide(p)
    assert_raises_naming(lambda: path.point_at(len(path) + 1.0), ValueError, "t must")
