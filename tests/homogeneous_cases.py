"""Small named problems of homogeneous networks, with what is known of them by hand; the same in every run.

``POLARS`` are dual matrices whose polar is known, ``CASES`` problems (``minimum`` is over all widths, None where not
known by hand), ``family`` seeded ones of a given kind, ``points`` networks at which to certify. ``landscape`` makes the
package's landscape of a problem, ``Formula`` the reference's value and derivatives, all biases and intercepts.
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


# --------------------------------------------------------------------------------------------------- as the package's

NAMES = {
    hn.RELU: "relu",
    hn.ABS: "abs",
    hn.LINEAR: "linear",
    hn.SQUARED_RELU: "squared_relu",
    hn.QUADRATIC: "quadratic",
}
PLAIN = (False, False)
FORMS = (PLAIN, (False, True), (False, "penalized"), (True, False), (True, True), (True, "penalized"), ("free", True))


def unit(activation):
    """The package's words for an activation."""
    if activation in NAMES:
        return {"unit": NAMES[activation]}
    return {"unit": "leaky_relu", "slope": activation.slope}


def landscape(ls, problem, *, bias=False, intercept=None, **options):
    """The package's landscape of a problem; its X has no column of ones yet where ``bias`` asks for one."""
    words = {**unit(problem.activation), "loss": problem.loss, **options}
    if problem.loss == "huber":
        words["delta"] = problem.delta
    intercept = problem.intercept if intercept is None else intercept
    return ls.ParallelNetwork(problem.X, problem.targets, problem.lam, bias=bias, intercept=intercept, **words)


@dataclass(frozen=True)
class Formula:
    """Value and derivatives at the package's points, (U, V), (U, V, b) or (W1, ..., WL) and b, from the reference."""

    problem: hn.Problem
    bias: bool | str = False
    intercept: bool | str = False
    hidden: tuple = ()

    def landscape(self, ls):
        deep = {"hidden": self.hidden, "depth": len(self.hidden) + 1} if self.hidden else {}
        return landscape(ls, self.problem, bias=self.bias, intercept=self.intercept, **deep)

    @property
    def formula(self):
        """The problem of the reference: X with the column of ones where its weights are penalised."""
        return replace(self.problem, X=with_ones(self.problem.X)) if self.bias is True else self.problem

    @property
    def inputs(self):
        return with_ones(self.problem.X) if self.bias else self.problem.X

    def shapes(self, r):
        sizes = (self.inputs.shape[1], *self.hidden, self.problem.targets.shape[1])
        if self.hidden:
            blocks = [(r, sizes[i + 1], sizes[i]) for i in range(len(sizes) - 1)]
        else:
            blocks = [(sizes[1], r), (sizes[0], r)]
        return (*blocks, sizes[-1:]) if self.intercept else tuple(blocks)

    def random(self, r, rng):
        return tuple(rng.standard_normal(shape) for shape in self.shapes(r))

    def letters(self, p):
        """The reference's (U, V), (U, V, b) or (U, V, b, c)."""
        return (p[0], p[1][:-1], p[2], p[1][-1]) if self.bias == "free" else p

    def blocks(self, p):
        """The package's blocks."""
        return (p[0], np.vstack([p[1], p[3]]), p[2]) if self.bias == "free" else p

    def outputs(self, p):
        if not self.hidden:
            return hn.outputs(self.formula, self.letters(p))
        weights = p[:-1] if self.intercept else p
        return hn.deep_outputs(self.formula, weights) + (p[-1] if self.intercept else 0.0)

    def theta(self, p):
        if self.hidden:
            return float(np.sum(hn.deep_thetas(p[:-1] if self.intercept else p)))
        return float(np.sum(hn.thetas(self.formula, self.letters(p))))

    def value(self, p):
        own = self.problem.lam * (self.theta(p) + (0.5 * p[-1] @ p[-1] if self.intercept == "penalized" else 0.0))
        return hn.data_term(self.problem, self.outputs(p)) + own

    def gradient(self, p):
        if self.hidden:
            weights = p[:-1] if self.intercept else p
            G = hn.slopes(self.problem, self.outputs(p))
            sizes = [np.sqrt(np.sum(block**2, axis=(1, 2), keepdims=True)) ** (len(weights) - 2) for block in weights]
            data = hn.deep_pullback(self.formula, weights, G)
            out = [g + self.problem.lam * n * w for g, n, w in zip(data, sizes, weights, strict=True)]
            out += [np.sum(G, axis=0)] if self.intercept else []
        else:
            out = list(self.blocks(hn.gradient(self.formula, self.letters(p))))
        if self.intercept == "penalized":
            out[-1] = out[-1] + self.problem.lam * p[-1]
        return tuple(out)

    def hvp(self, p, d):
        """Exact for units; for subnetworks six-point differences, good to about 1e-10 away from kinks."""
        if self.hidden:
            out, h = [np.zeros(block.shape) for block in p], 1e-5
            for t, c in ((1, 45.0), (2, -9.0), (3, 1.0)):
                up, down = (self.gradient(tuple(a + s * t * h * b for a, b in zip(p, d, strict=True))) for s in (1, -1))
                out = [o + c * (a - b) / (60.0 * h) for o, a, b in zip(out, up, down, strict=True)]
            return tuple(out)
        out = list(self.blocks(hn.hvp(self.formula, self.letters(p), self.letters(d))))
        if self.intercept == "penalized":
            out[-1] = out[-1] + self.problem.lam * d[-1]
        return tuple(out)
