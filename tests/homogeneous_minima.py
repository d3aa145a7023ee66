"""Minima over all widths of small parallel networks, and points around them, for the campaigns of certificates."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import minimize

import homogeneous_cases as table
from reference import convex_networks as convex
from reference import homogeneous as hn

LOSSES = tuple(loss for loss in hn.LOSSES if loss != "softmax")
UNITS = tuple(name for name, act in hn.ACTIVATIONS.items() if act.power == 1 and name != "linear")


@dataclass(frozen=True)
class Minimum:
    """``value`` is attained at ``point``, ``lower`` a bound; ``exact`` if the package's polar is exact there too."""

    value: float
    lower: float
    point: tuple
    exact: bool = True


def words(formula):
    problem = formula.problem
    return f"{problem.loss}, {problem.activation}, bias {formula.bias}, intercept {formula.intercept}, {formula.hidden}"


def formula(i):
    """Problem ``i`` of the campaign: kinds, losses, units, dimensions and forms in turn, one output."""
    rng = np.random.default_rng((table.SEED, 77, i))
    kind = table.KINDS[i % len(table.KINDS)]
    loss, unit = LOSSES[int(rng.integers(len(LOSSES)))], UNITS[int(rng.integers(len(UNITS)))]
    n_inputs, m = (1, int(rng.integers(2, 7))) if rng.random() < 0.5 else (2, int(rng.integers(2, 6)))
    fraction = float(np.exp(rng.uniform(np.log(0.05), np.log(0.9))))
    problem = table.family(kind, n_inputs, 1, m, loss, hn.ACTIVATIONS[unit], fraction, seed=i)
    choices = (
        [table.PLAIN, (False, True), (True, False), (True, True)] if n_inputs == 1 else [table.PLAIN, (False, True)]
    )
    choices += [(False, "penalized"), ("free", True)] if n_inputs == 1 else []
    return table.Formula(problem, *choices[int(rng.integers(len(choices)))])


def unit_formula(unit, i):
    """Problem ``i`` of the campaign of one kind of unit, on a line and in the plane, with every intercept."""
    rng = np.random.default_rng((table.SEED, 88, i))
    n_inputs, loss = int(rng.integers(1, 3)), LOSSES[i % len(LOSSES)]
    fraction = float(np.exp(rng.uniform(np.log(0.05), np.log(0.9))))
    kind, m = table.KINDS[i % len(table.KINDS)], int(rng.integers(2, 7))
    problem = table.family(kind, n_inputs, 1, m, loss, hn.ACTIVATIONS[unit], fraction, seed=i)
    return table.Formula(problem, False, (False, True, "penalized")[int(rng.integers(3))])


def near_minimum(formula):
    """All units on a line; in the plane the lasso over many directions and a descent of all weights from there."""
    found = minimum_of(formula) if formula.problem.X.shape[1] == 1 else over_directions(formula)
    point = min(found.point, trained(formula, found.point), key=formula.value)
    return replace(found, value=formula.value(point), point=point)


def trained(formula, start, max_iterations=300):
    """What L-BFGS of all weights ends at."""
    shapes = [block.shape for block in start]
    cuts = np.cumsum([block.size for block in start])[:-1]
    scale = max(formula.problem.scale, 1e-300)

    def blocks(x):
        return tuple(part.reshape(shape) for part, shape in zip(np.split(x, cuts), shapes, strict=True))

    def f(x):
        p = blocks(x)
        return formula.value(p) / scale, np.concatenate([np.ravel(block) for block in formula.gradient(p)]) / scale

    x = np.concatenate([np.ravel(block) for block in start])
    return blocks(minimize(f, x, jac=True, method="L-BFGS-B", options={"maxiter": max_iterations}).x)


def is_solved(case):
    """Is there a way here to its minimum?"""
    return case.problem.targets.shape[1] == 1 or case.problem.X.shape[1] == 1


def minimum_of(formula, tol=1e-11, max_iterations=5000):
    """By the lasso over all units where there are finitely many, else by the convex program over cells."""
    problem, act = formula.problem, formula.problem.activation
    line = problem.X.shape[1] == 1
    plain = act.power == 1 and problem.targets.shape[1] == 1 and formula.intercept != "penalized"
    if line and formula.bias is not True and not (plain and not formula.bias):
        found = on_a_line(formula)
    elif formula.intercept == "penalized":
        found = over_directions(formula)
    else:
        own = replace(formula.formula, intercept=bool(formula.intercept))
        best = convex.minimise(own, tol, max_iterations)
        found = Minimum(best.value, best.lower, best.point)
    value = formula.value(found.point)
    assert value <= found.value + 1e-9 * problem.scale
    return replace(found, value=value, exact=found.exact and (act.power == 1 or line))


def on_a_line(formula):
    """v = +-1, with a free bias c = -x_i v: a lasso over their features."""
    x = formula.problem.X[:, 0]
    sides = np.array([[1.0, -1.0]])
    W = np.hstack([np.vstack([s * np.ones(len(x)), -s * x]) for s in (1.0, -1.0)]) if formula.bias == "free" else sides
    problem = replace(formula.problem, X=formula.inputs, intercept=bool(formula.intercept))
    if formula.intercept == "penalized":
        return lasso(problem, W, "penalized")
    value, point = convex.group_lasso(problem, W, tol=1e-12, max_iterations=5000)
    return Minimum(value, convex.group_lasso_bound(problem, W, point), point)


def lasso(problem, W, intercept):
    """min L(H a + b) + lam |a|_1 + lam b^2 / 2 for one output, a = a+ - a-, by L-BFGS-B.

    An intercept True has no penalty; False is b = 0.
    """
    decay = problem.lam if intercept == "penalized" else 0.0
    act, lam, n = problem.activation, problem.lam, W.shape[1]
    H = act(problem.X @ W)
    scale = max(problem.scale, 1e-300)

    def f(x):
        a, b = x[:n] - x[n : 2 * n], x[2 * n]
        Z = (H @ a + b)[:, None]
        g = hn.slopes(problem, Z)[:, 0]
        value = hn.data_term(problem, Z) + lam * float(np.sum(x[: 2 * n])) + 0.5 * decay * b * b
        return value / scale, np.concatenate([H.T @ g + lam, lam - H.T @ g, [np.sum(g) + decay * b]]) / scale

    options = {"ftol": 1e-16, "gtol": 1e-13, "maxiter": 5000}
    bounds = [(0.0, None)] * (2 * n) + [(None, None) if intercept else (0.0, 0.0)]
    found = minimize(f, np.zeros(2 * n + 1), jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    a, b = found.x[:n] - found.x[n : 2 * n], found.x[2 * n :]
    root = np.abs(a) ** (1.0 / (act.power + 1))
    point = ((np.sign(a) * root)[None, :], root * W, *((b,) if intercept else ()))
    return Minimum(found.fun * scale, found.fun * scale - 1e-7 * scale, point)


def over_directions(formula):
    """In the plane the lasso over 90 directions and the kinks is near the minimum, not at it."""
    problem = formula.formula
    angles = np.concatenate([hn.breaks_2d(problem.X), np.linspace(0.0, 2.0 * np.pi, 91)[1:]])
    return replace(lasso(problem, hn.directions(angles), formula.intercept), lower=0.0, exact=False)


def as_chains(point, hidden, formula):
    """Units as subnetworks of single hidden units, the norm of every layer the same."""
    U, V = point[0], point[1]
    blocks = [np.zeros(shape) for shape in formula.shapes(U.shape[1])]
    for k in range(U.shape[1]):
        size = (np.linalg.norm(U[:, k]) * np.linalg.norm(V[:, k])) ** (1.0 / (len(hidden) + 1))
        if not size > 0.0:
            continue
        blocks[0][k, 0] = size * V[:, k] / np.linalg.norm(V[:, k])
        for layer in range(1, len(hidden)):
            blocks[layer][k, 0, 0] = size
        blocks[len(hidden)][k, :, 0] = size * U[:, k] / np.linalg.norm(U[:, k])
    return (*blocks[: len(hidden) + 1], point[-1]) if formula.intercept else tuple(blocks)


def points(formula, best, rng):
    """(name, point): the minimum, near it, wrong by one unit; zero, random ones of all sizes, and trained ones."""
    yield "minimum", best.point
    intercept = best.point[-1:] if formula.intercept else ()
    weights = best.point[:-1] if formula.intercept else best.point
    yield "scaled minimum", (*(1.3 * block for block in weights), *intercept)
    yield "unbalanced minimum", (2.0 * weights[0], 0.5 * weights[1], *weights[2:], *intercept)
    for away in (1e-8, 1e-4, 1e-1):
        yield f"{away:g} off", tuple(block + away * rng.standard_normal(block.shape) for block in best.point)
    axis, size = (0, weights[0].shape[0]) if formula.hidden else (1, weights[0].shape[1])
    for k in range(min(size, 2)):
        kept = [np.delete(block, k, axis=axis) for block in weights]
        yield f"without unit {k}", (*kept, *intercept)
    yield "zero", tuple(np.zeros(shape) for shape in formula.shapes(1))
    for width in (1, 3):
        p = formula.random(width, rng)
        yield f"random {width}", p
        for scale in (1e-3, 1e3):
            yield f"random {width} times {scale:g}", tuple(scale * block for block in p)
        yield f"trained {width}", trained(formula, p)
