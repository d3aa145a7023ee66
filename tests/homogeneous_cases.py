"""Small named problems of homogeneous networks, with what is known of them by hand; the same in every run.

``POLARS`` are dual matrices whose polar is known, ``CASES`` problems (``minimum`` is over all widths, None where not
known by hand), ``family`` seeded ones of a given kind, ``points`` networks at which to certify.
"""

from dataclasses import dataclass, replace

import numpy as np

from reference import homogeneous as hn

SEED = 20240913
SQRT2 = float(np.sqrt(2.0))
LOG2 = float(np.log(2.0))


@dataclass(frozen=True)
class PolarCase:
    id: str
    Q: np.ndarray
    X: np.ndarray
    polar: float
    activation: hn.Activation = hn.RELU


@dataclass(frozen=True)
class Case:
    id: str
    problem: hn.Problem
    minimum: float | None = None


def column(*values):
    return np.array(values, dtype=float)[:, None]


def with_ones(X):
    """The penalised hidden bias: one more input that is 1."""
    return np.column_stack([X, np.ones(len(X))])


# ------------------------------------------------------------------------------------------------- hand polars

PAIR = column(1, -1)
POLARS = (
    PolarCase("7.1 relu", column(2, 1), PAIR, 2.0),
    PolarCase("7.1 linear", column(2, 1), PAIR, 1.0, hn.LINEAR),
    PolarCase("7.1 abs", column(2, 1), PAIR, 3.0, hn.ABS),
    PolarCase("7.1 leaky", column(2, 1), PAIR, 1.9, hn.leaky(0.1)),
    PolarCase("7.1 squared relu", column(2, 1), PAIR, 2.0, hn.SQUARED_RELU),
    PolarCase("7.1 quadratic", column(2, 1), PAIR, 3.0, hn.QUADRATIC),
    PolarCase("7.2 sum", column(1, 1), np.eye(2), SQRT2),
    PolarCase("7.2 difference", column(1, -1), np.eye(2), 1.0),
    PolarCase("7.2 difference, abs", column(1, -1), np.eye(2), 1.0, hn.ABS),
    PolarCase("7.2 difference, linear", column(1, -1), np.eye(2), SQRT2, hn.LINEAR),
    PolarCase("7.2 difference, leaky", column(1, -1), np.eye(2), float(np.hypot(1.0, 0.1)), hn.leaky(0.1)),
    PolarCase("7.2 two outputs", np.eye(2), np.eye(2), 1.0),
    PolarCase("7.2 sum, squared relu", column(1, 1), np.eye(2), 1.0, hn.SQUARED_RELU),
    PolarCase("three axes", column(1, 1, 1), np.eye(3), float(np.sqrt(3.0))),
    PolarCase("three axes, mixed", column(2, -1, 2), np.eye(3), float(np.sqrt(8.0))),
    PolarCase(
        "three axes, both ways", column(1, 1, 1, 1, 1, 1), np.vstack([np.eye(3), -np.eye(3)]), float(np.sqrt(3.0))
    ),
    PolarCase("one sample", column(-3), np.array([[3.0, 4.0]]), 15.0),
    PolarCase("more outputs than samples", np.array([[3.0, 4.0, 0.0]]), np.array([[0.0, 2.0]]), 10.0),
    PolarCase("duplicates", column(1, 2), column(1, 1), 3.0),
    PolarCase("parallel", column(1, 2), column(1, 3), 7.0),
    PolarCase("contradictory", column(1, -1), column(1, 1), 0.0),
    PolarCase("opposite", column(1, -1), np.array([[3.0, 4.0], [-3.0, -4.0]]), 5.0),
    PolarCase("collinear", column(1, 1, 1), np.array([[1.0, 1.0], [2.0, 2.0], [-1.0, -1.0]]), 3.0 * SQRT2),
    PolarCase("zero samples", column(5, 1), np.array([[0.0, 0.0], [0.0, 2.0]]), 2.0),
    PolarCase("all samples zero", column(5, 1), np.zeros((2, 3)), 0.0),
    PolarCase("no dual", np.zeros((2, 2)), np.eye(2), 0.0),
    PolarCase("large", column(2e100, 1e100), 1e100 * PAIR, 2e200),
    PolarCase("small", column(2e-100, 1e-100), 1e-100 * PAIR, 2e-200),
    PolarCase("large and small", column(1e100, 1e100), 1e-100 * np.eye(2), SQRT2),
)

# ----------------------------------------------------------------------------------------------- hand problems

HAT = column(0, 1, 0)  # at x = -1, 0, 1: needs two relu units with bias though one entry is not zero (5.3)
HAT_X = with_ones(column(-1, 0, 1))


def nondifferentiable(Z):
    """F9: convex, not differentiable; at width one U = V = 0 is a strict local minimum of value 1/2, I/4 has 3/8."""
    return abs(Z[0, 0] - Z[1, 1]) + abs(Z[0, 1] + Z[1, 0]) + 0.5 * (Z[0, 0] + Z[1, 1] - 1.0) ** 2


def free_intercept(problem):
    return replace(problem, intercept=True)


ZERO_AND_ONE = hn.Problem(column(0, 1), column(2, 3), 1.0)
CASES = (
    Case("P2", hn.Problem(PAIR, column(3, 1), 1.0), 3.0),
    Case("P2 with intercept", free_intercept(hn.Problem(PAIR, column(3, 1), 0.5)), 0.75),
    Case("P2, two outputs", hn.Problem(PAIR, np.diag([3.0, 1.0]), 1.0), 3.0),
    Case("P2, squared hinge", hn.Problem(PAIR, column(1, -1), 0.5, loss="squared_hinge"), 0.75),
    Case("P2, huber", hn.Problem(PAIR, column(3, 1), 0.5, loss="huber", delta=1.0), 1.75),
    Case("P2, huber, delta below lam", hn.Problem(PAIR, column(3, 1), 0.5, loss="huber", delta=0.25), 0.9375),
    Case("one sample", hn.Problem(column(2), column(3), 1.0), 1.375),
    Case("one negative sample", hn.Problem(np.array([[0.0, -2.0]]), column(-3), 1.0), 1.375),
    Case("more outputs than samples", hn.Problem(column(1), np.array([[3.0, 4.0]]), 1.0), 4.5),
    Case("duplicates", hn.Problem(column(1, 1), column(2, 2), 1.0), 1.75),
    Case("parallel", hn.Problem(column(1, 2), column(1, 2), 1.0), 0.9),
    Case("opposite, abs", hn.Problem(PAIR, column(2, 2), 1.0, hn.ABS), 1.75),
    Case("opposite, linear", hn.Problem(PAIR, column(2, -2), 1.0, hn.LINEAR), 1.75),
    Case("contradictory", hn.Problem(column(1, 1), column(1, -1), 0.1), 1.0),
    Case("contradictory, logistic", hn.Problem(column(1, 1), column(1, -1), 0.1, loss="logistic"), 2.0 * LOG2),
    Case("contradictory, softmax", hn.Problem(column(1, 1), np.array([0, 1]), 0.1, loss="softmax"), 2.0 * LOG2),
    Case("zero sample", ZERO_AND_ONE, 4.5),
    Case("zero sample with intercept", free_intercept(ZERO_AND_ONE), 0.25),
    Case("all samples zero", hn.Problem(np.zeros((2, 3)), column(2, 3), 1.0), 6.5),
    Case("constant targets", free_intercept(hn.Problem(HAT_X, column(2, 2, 2), 0.5)), 0.0),
    Case("one class, logistic", free_intercept(hn.Problem(PAIR, column(1, 1), 0.5, loss="logistic")), 0.0),
    Case("nothing to fit", hn.Problem(HAT_X, column(0, 0, 0), 0.5), 0.0),
    Case("above lambda_max", hn.Problem(np.eye(2), column(1, 1), 1.5), 1.0),
    Case("linear units", hn.Problem(np.eye(2), np.diag([3.0, 1.0]), 1.0, hn.LINEAR), 3.0),
    Case("hat", hn.Problem(HAT_X, HAT, 0.05)),
    Case("hat with intercept", free_intercept(hn.Problem(HAT_X, HAT, 0.05))),
    Case("hat, abs", hn.Problem(HAT_X, HAT, 0.05, hn.ABS)),
    Case(
        "exclusive or", hn.Problem(np.array([[0.0, 0, 1], [0, 1, 1], [1, 0, 1], [1, 1, 1]]), column(-1, 1, 1, -1), 0.1)
    ),
    Case("large", hn.Problem(1e100 * PAIR, column(3e100, 1e100), 1e200), 3e200),
    Case("small", hn.Problem(1e-100 * PAIR, column(3e-100, 1e-100), 1e-200), 3e-200),
)

# ------------------------------------------------------------------------------------------------------ seeded ones

KINDS = (
    "generic",
    "duplicates",
    "opposite",
    "zero samples",
    "collinear",
    "grid",
    "one sample",
    "constant targets",
    "contradictory",
)


def targets(loss, shape, rng):
    m, n_outputs = shape
    if loss in ("logistic", "squared_hinge"):
        return np.where(rng.random(shape) < 0.5, -1.0, 1.0)
    if loss == "softmax":
        return np.eye(n_outputs)[rng.integers(n_outputs, size=m)]
    return 2.0 * rng.standard_normal(shape)


def family(kind, n_inputs, n_outputs=1, m=6, loss="squared", activation=hn.RELU, fraction=0.2, intercept=False, seed=0):
    """A problem of this kind whose lam is a fraction of its lambda_max; n_outputs >= 2 for softmax."""
    keys = (SEED, KINDS.index(kind), n_inputs, n_outputs, m, hn.LOSSES.index(loss), seed)
    rng = np.random.default_rng(keys)
    X = rng.standard_normal((m, n_inputs))
    if kind == "duplicates":
        X[m // 2 :] = X[: m - m // 2]
        X[-1] *= 2.0
    elif kind == "opposite":
        X[m // 2 :] = -X[: m - m // 2]
    elif kind == "zero samples":
        X[:2] = 0.0
    elif kind == "collinear":
        X = X[:, :1] * np.ones((1, n_inputs))
    elif kind == "grid":
        X = rng.integers(-1, 2, (m, n_inputs)).astype(float)
        X[:, -1] = 1.0
    elif kind == "one sample":
        X = X[:1]
    Y = targets(loss, (len(X), n_outputs), rng)
    if kind == "constant targets":
        Y[:] = Y[0]
    elif kind == "contradictory":
        X[m // 2 :] = X[: m - m // 2]
        Y[m // 2 :] = np.roll(Y[: m - m // 2], 1, axis=1) if loss == "softmax" else -Y[: m - m // 2]
    problem = hn.Problem(X, Y, 1.0, activation, loss, 1.0, intercept)
    if activation.power > 1 and n_inputs > 2:
        top = hn.polar(hn.dual_matrix(problem, np.zeros(Y.shape)), X, activation).value
    else:
        top = hn.lambda_max(problem)
    return replace(problem, lam=fraction * top if top > 1e-12 else 0.1)


def random_point(problem, width, rng, hidden_bias=False):
    U, V, *rest = problem.zeros(width)
    p = [rng.standard_normal(B.shape) for B in (U, V, *rest)]
    if hidden_bias:
        p += [np.zeros(U.shape[0])] if len(p) == 2 else []
        p += [rng.standard_normal(width)]
    return tuple(p)


def points(problem, rng):
    """(name, point): zero, random of small and large size, rebalanced and at its best radial scale."""
    yield "zero", problem.zeros(1)
    for width in (1, 3):
        p = random_point(problem, width, rng)
        yield f"random {width}", p
        for size in (1e-3, 1e3):
            yield f"random {width} times {size:g}", tuple(size * B for B in p)
        balanced = hn.rebalance(problem, p)
        yield f"balanced {width}", balanced
        yield f"scaled {width}", hn.scaled(problem, balanced, np.full(width, hn.radial_scale(problem, balanced)))
