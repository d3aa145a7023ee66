"""ParallelNetwork.solve: the certified optimum over all widths, whatever it starts from."""

import _thread
import math
import pickle
import threading

import numpy as np
import pytest

import homogeneous_cases as table
import homogeneous_minima as minima
from comparators import assert_close, assert_raises_naming, assert_same_bits
from reference import homogeneous as hn

SLOW = pytest.mark.slow


def assert_solved(ls, land, solution, tol, what=""):
    """The gap is proved, by the verifier too; the objective never rose."""
    certificate = solution.certificate
    assert solution.stop_reason == "converged", f"{what}: {solution}"
    assert certificate.relative_gap <= tol, f"{what}: {solution}"
    assert_close(land.value(solution.point), solution.value, 1e-12, what=what)
    assert ls.verify(certificate, land, solution.point), what
    assert_monotone(solution, what)


def assert_monotone(solution, what=""):
    values = solution.trace.value
    assert np.all(np.diff(values) <= 1e-12 * np.abs(values[0])), f"{what}: {values}"
    assert np.all(np.diff(solution.trace.lower_bound) >= 0.0), what


def example(lam, samples=60):
    """The problem of the issue; its two minima were found by another program."""
    rng = np.random.default_rng(0)
    Z = rng.standard_normal((samples, 2))
    y = np.sin(2.0 * Z[:, 0]) + Z[:, 1] ** 2 / 2.0 + 0.1 * rng.standard_normal(samples)
    return Z, y - y.mean(), lam


@pytest.mark.parametrize(("lam", "minimum"), [(0.5, 4.9937194683), (0.05, 0.7301450267)])
def test_known_minimum_in_three_dimensions(ls, lam, minimum):
    Z, y, lam = example(lam)
    land = ls.ParallelNetwork(Z, y, lam, bias=True)
    solution = land.solve(1e-9)
    assert_solved(ls, land, solution, 1e-9)
    assert abs(solution.value - minimum) <= 2e-10


@pytest.mark.parametrize("case", [c for c in table.CASES if c.minimum is not None], ids=lambda c: c.id)
def test_minima_known_by_hand(ls, case):
    land = table.landscape(ls, case.problem)
    solution = land.solve(1e-9)
    scale = case.problem.scale
    assert abs(solution.value - case.minimum) <= 1e-9 * max(scale, 1e-300), solution
    assert solution.certificate.lower_bound <= case.minimum + 1e-12 * scale
    assert_monotone(solution)


def campaign(ls, first, count):
    """Against the convex program over all activation patterns: equal or better, never below its lower bound."""
    solved = 0
    for i in range(first, first + count):
        formula = minima.formula(i)
        if not minima.is_solved(formula):
            continue
        best, what, scale = minima.minimum_of(formula), f"{i}: {minima.words(formula)}", formula.problem.scale
        land = formula.landscape(ls)
        solution = land.solve(1e-7)
        assert solution.value <= best.value + 1e-6 * scale, f"{what}: {solution.value!r} {best.value!r}"
        assert solution.value >= best.lower - 1e-9 * scale, f"{what}: {solution.value!r} {best.lower!r}"
        assert solution.certificate.lower_bound <= best.value + 1e-12 * scale, what
        assert ls.verify(solution.certificate, land, solution.point), what
        assert_monotone(solution, what)
        solved += solution.stop_reason == "converged" or solution.certificate.gap <= 1e-9 * scale
    return solved


def test_against_all_activation_patterns(ls):
    assert campaign(ls, 0, 36) >= 36 - 1


@SLOW
@pytest.mark.parametrize("part", range(10))
def test_against_all_activation_patterns_often(ls, part):
    assert campaign(ls, 1000 + 60 * part, 60) >= 60 - 3


@pytest.mark.parametrize("loss", hn.LOSSES)
@pytest.mark.parametrize("unit", ["relu", "leaky_relu", "abs", "linear"])
def test_every_loss_and_unit(ls, unit, loss):
    rng = np.random.default_rng((table.SEED, 3))
    for outputs, inputs, intercept in ((1, 2, True), (2, 1, False), (3, 2, True)):
        if loss == "softmax" and outputs == 1:
            continue
        X = rng.standard_normal((25, inputs))
        Y = table.targets(loss, (25, outputs), rng)
        land = ls.ParallelNetwork(X, Y, 0.4, unit=unit, loss=loss, bias=True, intercept=intercept)
        assert_solved(ls, land, land.solve(1e-6), 1e-6, f"{outputs}, {inputs}")


@pytest.mark.parametrize(
    "options",
    [
        {"bias": "free", "intercept": True},
        {"bias": True, "intercept": "penalized"},
        {"penalty": "product"},
        {"unit": "leaky_relu", "slope": -0.5},
    ],
    ids=str,
)
def test_every_form(ls, options):
    rng = np.random.default_rng(5)
    X = rng.standard_normal((25, 2))
    land = ls.ParallelNetwork(X, np.stack([X[:, 0] ** 2, X[:, 0] * X[:, 1]], axis=1), 0.3, **options)
    assert_solved(ls, land, land.solve(1e-6), 1e-6)


def test_quadratic_units_are_one_matrix(ls):
    """Of one output they are a trace norm problem: solved and proved in any dimension, with at most d units."""
    rng = np.random.default_rng(6)
    X = rng.standard_normal((80, 6))
    y = X[:, 0] ** 2 - X[:, 1] * X[:, 2] + 0.1 * rng.standard_normal(80)
    land = ls.ParallelNetwork(X, y, 1.0, unit="quadratic")
    solution = land.solve(1e-7)
    assert_solved(ls, land, solution, 1e-7)
    assert solution.width <= 6


@pytest.mark.parametrize("unit", ["relu", "squared_relu"])
def test_honest_where_the_polar_is_not_exact(ls, unit):
    """Six inputs: no proof of optimality is expected, a proved gap and a value no worse than local searches are."""
    rng = np.random.default_rng(7)
    X = rng.standard_normal((60, 6))
    y = np.maximum(X[:, 0], 0.0) - X[:, 1] * X[:, 2]
    land = ls.ParallelNetwork(X, y, 2.0, unit=unit)
    solution = land.solve(1e-4, max_nodes=5)
    certificate = solution.certificate
    assert solution.stop_reason in ("stalled", "converged")
    assert certificate.lower_bound <= solution.value
    assert (certificate.verdict == "GLOBAL") == (certificate.gap <= certificate.tol * certificate.scale)
    assert ls.verify(certificate, land, solution.point)
    from scipy.optimize import minimize

    for seed in range(3):
        start = 0.5 * np.random.default_rng(seed).standard_normal(20 * 7)
        found = minimize(
            lambda x: (land.value(land.unpack(x)), land.pack(land.gradient(land.unpack(x)))), start, jac=True,
            method="L-BFGS-B", options={"maxiter": 300},
        )  # fmt: skip
        assert solution.value <= found.fun * (1.0 + 1e-9)


def test_deeper_subnetworks_descend(ls):
    rng = np.random.default_rng(8)
    X = rng.standard_normal((20, 2))
    land = ls.ParallelNetwork(X, X[:, 0] ** 2, 0.3, depth=3, hidden=(2, 2), bias=True)
    solution = land.solve(1e-4, max_seconds=20.0)
    assert solution.value < 0.5 * land.value(land.unpack(np.zeros(0)))
    assert ls.verify(solution.certificate, land, solution.point)
    assert_monotone(solution)
    linear = ls.ParallelNetwork(X, X @ np.array([1.0, 2.0]), 0.3, unit="linear", depth=3, hidden=(2, 2))
    assert linear.solve(1e-5).certificate.verdict == "GLOBAL"


def starts(land, rng):
    yield "none", None
    yield "random", tuple(rng.standard_normal(shape) for shape in land.shapes(5))
    yield "wide", tuple(rng.standard_normal(shape) for shape in land.shapes(400))
    yield "large", tuple(1e6 * rng.standard_normal(shape) for shape in land.shapes(3))
    yield "zero units", tuple(np.zeros(shape) for shape in land.shapes(4))
    yield "the optimum", land.solve(1e-8).point


@pytest.mark.parametrize("loss", ["squared", "logistic"])
def test_same_objective_from_every_start(ls, loss):
    rng = np.random.default_rng(9)
    Z, y, _ = example(0.5, 30)
    land = ls.ParallelNetwork(Z, y if loss == "squared" else np.where(y > 0, 1, -1), 0.5, loss=loss, intercept=True)
    values = []
    for name, start in starts(land, rng):
        solution = land.solve(1e-7, start=start)
        assert_solved(ls, land, solution, 1e-7, name)
        if start is not None:
            assert solution.value <= land.value(start) * (1.0 + 1e-12)
        values.append(solution.value)
    assert np.ptp(values) <= 1e-7 * values[0]


@pytest.mark.parametrize("seed", [1, 2])
def test_the_seed_does_not_matter(ls, seed):
    Z, y, lam = example(0.5, 30)
    land = ls.ParallelNetwork(Z, y, lam, bias=True)
    assert abs(land.solve(1e-8, seed=seed).value - land.solve(1e-8).value) <= 1e-8 * y @ y


def test_same_bits_for_every_number_of_threads(ls):
    Z, y, lam = example(0.2, 40)
    land = ls.ParallelNetwork(Z, np.stack([y, y**2], axis=1), lam, bias=True)
    one, two = land.solve(1e-6, n_threads=1), land.solve(1e-6, n_threads=2)
    for a, b in zip(one.point, two.point, strict=True):
        assert_same_bits(a, b)


def test_lambda_at_the_extremes(ls):
    Z, y, _ = example(1.0, 20)
    land = ls.ParallelNetwork(Z, y, 1.0, bias=True)
    above = land.with_lam(land.lambda_max * (1.0 + 1e-9)).solve()
    assert above.width == 0
    assert above.certificate.verdict == "GLOBAL"
    below = land.with_lam(land.lambda_max * 0.99).solve(1e-9)
    assert below.width >= 1
    assert below.value < above.value
    tiny = land.with_lam(1e-6)
    assert_solved(ls, tiny, tiny.solve(1e-4), 1e-4)


def test_width_limit(ls):
    Z, y, lam = example(0.05)
    land = ls.ParallelNetwork(Z, y, lam, bias=True)
    solution = land.solve(1e-6, width_max=3)
    assert solution.width <= 3
    assert solution.stop_reason == "width_limit"
    assert solution.certificate.lower_bound <= 0.7301450268
    assert land.solve(1e-6, width_max=0).width == 0
    assert land.solve(1e-4, width_max=200).stop_reason == "converged"


def test_round_limit(ls):
    Z, y, lam = example(0.05)
    land = ls.ParallelNetwork(Z, y, lam, bias=True)
    solution = land.solve(1e-6, max_iter=3)
    assert solution.stop_reason == "max_steps"
    assert ls.verify(solution.certificate, land, solution.point)
    assert solution.value > land.solve(1e-6, max_iter=50).value


def test_time_limit(ls):
    Z, y, lam = example(0.01, 300)
    land = ls.ParallelNetwork(Z, y, lam, bias=True)
    solution = land.solve(1e-12, max_seconds=0.05)
    assert solution.stop_reason in ("time_limit", "converged")
    assert ls.verify(solution.certificate, land, solution.point)


@pytest.mark.parametrize("delay", [0.0, 0.02, 0.1])
def test_interrupted_runs_return_a_certified_point(ls, delay):
    Z, y, lam = example(0.02, 250)
    land = ls.ParallelNetwork(Z, y, lam, bias=True)
    timer = threading.Timer(delay, _thread.interrupt_main)
    try:
        timer.start()
        solution = land.solve(1e-12)
        timer.join()
    except KeyboardInterrupt:  # before the first or after the last call of the kernel
        return
    assert solution.stop_reason in ("interrupted", "converged", "stalled")
    assert ls.verify(solution.certificate, land, solution.point)
    assert_monotone(solution)


def test_path_goes_down_in_lambda(ls):
    Z, y, _ = example(1.0, 40)
    land = ls.ParallelNetwork(Z, y, 1.0, bias=True)
    path = land.path(5, tol=1e-6)
    lams = land.lambda_max * np.geomspace(1.0, 0.01, 5)
    for solution, lam in zip(path, lams, strict=True):
        own = land.with_lam(float(lam))
        assert ls.verify(solution.certificate, own, solution.point)
        assert_close(solution.value, own.solve(1e-6).value, 2e-6)
    assert path[0].width == 0
    assert_raises_naming(lambda: land.path([]), ValueError, "lams")
    assert_raises_naming(lambda: land.path([-1.0]), ValueError, "lams")


def test_results_print_and_pickle(ls):
    land = ls.ParallelNetwork(np.array([[1.0], [-1.0]]), np.array([3.0, 1.0]), 1.0)
    solution = land.solve()
    assert str(solution).startswith("width 1, value 3, proved relative gap")
    again = pickle.loads(pickle.dumps(solution))
    assert_same_bits(again.point[0], solution.point[0])
    assert len(solution.trace) >= 1


def test_progress(ls, capsys):
    Z, y, lam = example(0.5)
    ls.ParallelNetwork(Z, y, lam, bias=True).solve(progress=True)
    assert "width" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "fragments"),
    [
        ({"tol": 0.0}, ("tol",)),
        ({"tol": math.nan}, ("tol",)),
        ({"width_max": -1}, ("width_max",)),
        ({"max_iter": 0}, ("max_iter",)),
        ({"max_seconds": 0.0}, ("max_seconds",)),
        ({"method": "best"}, ("method",)),
        ({"start": (np.zeros((1, 2)), np.zeros((3, 2)))}, ("start",)),
        ({"start": (np.ones((1, 2)), np.ones((2, 2))), "width_max": 1}, ("start", "width_max")),
        ({"start": (np.full((1, 1), 1e200), np.full((2, 1), 1e200))}, ("start", "overflow")),
    ],
)
def test_wrong_arguments(ls, options, fragments):
    land = ls.ParallelNetwork(np.eye(2), np.ones(2), 0.1)
    assert_raises_naming(lambda: land.solve(**options), ValueError, *fragments)


@pytest.mark.parametrize("outputs", [1, 3])
def test_the_corrective_step_is_the_lasso_of_scikit_learn(outputs):
    from sklearn.linear_model import MultiTaskLasso

    from landscape_cpp._dispatch import core

    rng = np.random.default_rng(2)
    H = np.maximum(rng.standard_normal((60, 4)) @ rng.standard_normal((4, 25)), 0.0)
    Y = rng.standard_normal((60, outputs))
    lam = 0.1 * float(np.linalg.norm(H.T @ Y, axis=1).max())
    C, b, value, gap, _, converged = core.group_lasso(H, Y, "squared", 1.0, lam, False, np.zeros((0, 0)), 1e-12, 500, 1)
    assert converged
    assert gap <= 1e-12 * value
    assert value == pytest.approx(0.5 * np.sum((H @ C - Y) ** 2) + lam * np.linalg.norm(C, axis=1).sum(), rel=1e-13)
    np.testing.assert_array_equal(b, 0.0)
    theirs = MultiTaskLasso(alpha=lam / 60, fit_intercept=False, tol=1e-12, max_iter=100_000).fit(H, Y).coef_.T
    np.testing.assert_allclose(C, theirs, atol=1e-6 * np.abs(C).max())
