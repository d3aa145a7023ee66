"""Certificates of parallel networks: the dual point, its proof, the witness (THEORY 6)."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np
import scipy.optimize

from ._factorization_results import PolarBounds
from ._fingerprints import certificate_digest, network_fingerprint, point_fingerprint
from ._network_polar import PolarSettings, network_polar
from ._network_problem import NetworkProblem
from ._validation import FloatArray, Layers
from ._verify_norms import UNIT
from .results import Certificate, Verdict

if TYPE_CHECKING:
    from .homogeneous import ParallelNetwork

__all__ = ["best_scale", "certify", "finite_value", "insertion", "radial_fit", "unit_directions"]


def finite_value(problem: NetworkProblem, p: Layers, message: str) -> tuple[float, float]:
    """The objective and its rounding; what is not a number can be neither compared nor certified."""
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            value, margin = problem.value(p)
    except OverflowError:
        value, margin = math.inf, math.inf
    if not (math.isfinite(value) and math.isfinite(margin)):
        raise ValueError(message)
    return value, margin


def radial_fit(problem: NetworkProblem, z: FloatArray, price: float, intercept: FloatArray) -> tuple[float, FloatArray]:
    """(c, b), c ≥ 0, that minimise L(c Z + 1 bᵀ) + c price, b = 0 without an intercept.

    Convex, from the best of (1, ``intercept``), (1, 0) and 0.
    """
    outputs = z.shape[1]
    features = [z] if np.any(z) else []
    if problem.intercept:
        features += [np.broadcast_to(np.eye(outputs)[k], z.shape) for k in range(outputs)]
    if not features:
        return 0.0, np.zeros(outputs)
    basis = np.stack(features, axis=-1)  # (m, nL, k)
    cost = np.zeros(len(features))
    radial = bool(np.any(z))
    cost[0] += price if radial else 0.0
    ridge = np.full(len(features), problem.lam if problem.decay else 0.0)
    if radial:
        ridge[0] = 0.0

    def at(point: FloatArray) -> float:
        with np.errstate(over="ignore", invalid="ignore"):
            return float(np.sum(problem.losses(basis @ point)) + cost @ point + 0.5 * ridge @ (point * point))

    starts = [np.zeros(len(features)) for _ in range(3)]
    starts[0][-outputs:] = intercept if problem.intercept else 0.0
    if radial:
        starts[0][0] = starts[1][0] = 1.0
    x = min(starts, key=at)
    value = at(x)
    lowest = np.full(len(x), -math.inf)
    if radial:
        lowest[0] = 0.0
    largest = np.einsum("mki,mki->i", basis, basis) + ridge  # |L''| is at most one for every loss
    for _ in range(300):
        prediction = basis @ x
        slope = np.tensordot(problem.slopes(prediction), basis, axes=([0, 1], [0, 1])) + cost + ridge * x
        best, reached = x, value
        for second in (problem.curvatures(prediction), problem.majorants(prediction)):
            subscripts = "mki,mkl,mlj->ij" if second.ndim == 3 else "mki,mk,mkj->ij"
            hessian = np.einsum(subscripts, basis, second, basis, optimize=True) + np.diag(ridge)
            # What is flat to rounding has no step: of labels that an intercept alone fits, the minimum is at infinity.
            sizes = np.sqrt(np.diag(hessian))
            free = ((x > lowest) | (slope < 0.0)) & (sizes > 1e-8 * np.sqrt(largest))
            sizes = sizes[free]
            step = np.zeros_like(x)
            block = hessian[np.ix_(free, free)] / np.outer(sizes, sizes)
            step[free] = -np.linalg.lstsq(block, slope[free] / sizes, rcond=1e-13)[0] / sizes
            for k in range(40):
                trial = np.maximum(lowest, x + 0.5**k * step)
                if (lower := at(trial)) < reached:
                    best, reached = trial, lower
                    break
            # A step may be short where the loss is straight: doubled while the value falls as fast as at first.
            t, fall = 2.0, float(slope @ step)
            while best is trial and t < 1e12:
                longer = np.maximum(lowest, x + t * step)
                if not (lower := at(longer)) < min(reached, value + 0.25 * t * fall):
                    break
                best, reached, trial, t = longer, lower, longer, 2.0 * t
        gain, value, x = value - reached, reached, best
        if gain <= 1e-16 * abs(value):
            break
    scale = float(x[0]) if radial else 0.0
    return scale, (x[1:] if radial else x) if problem.intercept else np.zeros(outputs)


def best_scale(problem: NetworkProblem, g: FloatArray, upper: float) -> float:
    """s ≥ 0 with s upper ≤ λ and s G in the domain of L*, that maximises the concave -L*(s G)."""
    limit = problem.lam / upper * (1.0 - 4.0 * UNIT) if upper > 0.0 else math.inf
    limit = min(limit, problem.reach(g))
    if not np.any(g):
        return min(limit, 1.0)
    if problem.loss in ("squared", "huber"):
        best = -float(np.sum(g * problem.Y)) / float(np.sum(g * g))
        return float(np.clip(best, 0.0, limit))
    nothing = np.zeros_like(g)
    limit = min(limit, 1e6)
    found = scipy.optimize.minimize_scalar(
        lambda s: -problem.dual(s * g, nothing)[0], bounds=(0.0, limit), method="bounded", options={"xatol": 1e-12}
    )
    return float(max((0.0, limit, float(found.x)), key=lambda s: problem.dual(s * g, nothing)[0]))


def unit_directions(problem: NetworkProblem, p: Layers) -> FloatArray:
    """The input directions of the units at hand (k, d), unit rows."""
    v = (
        problem.weights(p)[1].T
        if not problem.hidden
        else np.concatenate([np.zeros((0, problem.X.shape[1])), *problem.weights(p)[0]])
    )
    size = np.linalg.norm(v[:, :-1] if problem.free_bias else v, axis=1)
    alive = np.isfinite(size) & (size > 0.0)
    return np.ascontiguousarray(v[alive] / size[alive, None])


@dataclasses.dataclass(frozen=True)
class _Dual:
    """A dual point s G and the lower bound it gives."""

    radial: float
    intercept: FloatArray
    polar: PolarBounds
    upper: float
    scale: float
    margin: float
    lower: float


def _dual(
    problem: NetworkProblem,
    p: Layers,
    radial: float,
    intercept: FloatArray,
    value: float,
    enough: float,
    scale: float,
    settings: PolarSettings,
    n_threads: int,
) -> _Dual:
    g, _ = problem.dual_slopes(p, radial, intercept)
    known = unit_directions(problem, p)
    # With the polar at λ the bound is that of s = 1: no smaller upper bound improves on it by much.
    wanted = dataclasses.replace(settings, enough=max(settings.enough, problem.lam))
    polar = network_polar(problem, -g, known, wanted, n_threads)
    off = problem.uncentred(g) + problem.dual_error(g)
    upper = (polar.upper + problem.polar_change(off)) * (1.0 + 4.0 * UNIT)
    s = best_scale(problem, g, upper)
    with np.errstate(invalid="ignore"):  # 0 times infinity, where the slopes cannot be balanced
        error = s * problem.uncentred(g) + problem.dual_error(s * g)
        dual, rounding, moved = problem.dual(s * g, error)
    margin = 2.0 * rounding + moved + 4.0 * UNIT * scale
    if not math.isfinite(margin):  # the slopes cannot be balanced: the dual point zero, no loss is below zero
        s, margin, dual = 0.0, 0.0, 0.0
    return _Dual(radial, intercept, polar, upper, s, margin, min(value, max(0.0, dual - margin)))


def certify(
    land: ParallelNetwork, p: Layers, tol: float, settings: PolarSettings, n_threads: int, wanted: float = math.inf
) -> Certificate:
    """The certificate of one point.

    Args:
        land: The landscape.
        p: The point.
        tol: Of the verdict, relative to the value at zero.
        settings: How much work the bound of the polar may be.
        n_threads: Threads.
        wanted: A relative gap worth a second bound; infinity asks for none.
    """
    problem = land._problem
    value, value_margin = finite_value(problem, p, "p is too large: the objective overflows there")
    zero = problem.zero(p)
    scale, _ = finite_value(problem, zero, "Y is too large: the objective overflows at zero")
    stationarity = problem.stationarity(p)
    enough = tol * scale

    z, _ = problem.outputs(problem.weights(p))
    own = p[-1] if problem.intercept else np.zeros(z.shape[1])
    radial, intercept = radial_fit(problem, z, problem.lam * problem.rebalanced_theta(p), own)
    found = _dual(problem, p, radial, intercept, value, enough, scale, settings, n_threads)
    passed: _Dual | None = None
    if value - found.lower + value_margin > min(enough, wanted * abs(value)) and not (
        radial == 1.0 and np.array_equal(own, intercept)
    ):
        # At the point as it is the slopes may be closer to feasible than at the rebalanced one.
        other = _dual(problem, p, 1.0, own, value, enough, scale, settings, n_threads)
        found, passed = (found, other) if found.lower >= other.lower else (other, found)
    gap = value - found.lower

    witness, how = None, None
    if gap + value_margin <= enough:
        verdict, reason = Verdict.GLOBAL, "the proved gap is within the tolerance"
    else:
        verdict = Verdict.UNDECIDED
        reason = f"a gap of {gap:.3g} is proved, more than the tolerance; no way down by more than that was found"
        if gap <= enough:
            reason = f"the rounding of the value, up to {value_margin:.3g}, exceeds the tolerance"
        with np.errstate(over="ignore", invalid="ignore"):  # trials may overflow: they are no way down then
            way = _way_down(problem, p, found, value, enough + 4.0 * value_margin)
            if passed is not None and (way is None or value - way[2] - 4.0 * value_margin <= enough):
                way = _way_down(problem, p, passed, value, enough + 4.0 * value_margin)
        if way is not None and value - way[2] - 4.0 * value_margin > enough:
            how, witness, reached, words = way
            verdict = Verdict.NOT_GLOBAL
            reason = f"{words} lowers the objective by {value - reached:.3g}"
        if problem.hidden and problem.slope != 1.0:
            reason += "; the gap rests on |Q|₂ |X|₂, a coarse bound of the polar of subnetworks"
    polar = found.polar
    proof = {
        "radial": found.radial,
        "intercept": found.intercept,
        "unit": polar.witness,
        "bound": polar.proof,
        "witness": how,
    }
    certificate = Certificate(
        value=value,
        lower_bound=found.lower,
        gap=gap,
        relative_gap=gap / abs(value) if value else 0.0,
        margin=found.margin,
        method=polar.method,
        guarantee="deterministic",
        stationarity=stationarity,
        witness=witness,
        tol=tol,
        scale=scale,
        verdict=verdict,
        reason=reason,
        polar_lower=polar.lower,
        polar_upper=found.upper,
        landscape="parallel_network",
        data_fingerprint=network_fingerprint(land),
        point_fingerprint=point_fingerprint(p),
        dual_scale=found.scale,
        proof=proof,
    )
    return dataclasses.replace(certificate, digest=certificate_digest(certificate))


# ------------------------------------------------------------------------------------------------ the way down


def insertion(problem: NetworkProblem, p: Layers, unit: Layers) -> tuple[Layers, float]:
    """The unit, scaled as lowers the objective most beside p, as a point of width one; and the objective with it."""
    blocks = tuple(block[None] for block in unit) if problem.hidden else tuple(block[:, None] for block in unit)
    along, _ = problem.outputs(blocks)
    base, _ = problem.prediction(p)
    shifted = NetworkProblemAt(problem, base)
    size = shifted.step(along, problem.lam)
    root = size ** (1.0 / problem.degree)
    scaled = tuple(root * block for block in blocks)
    if problem.intercept:
        scaled = (*scaled, np.zeros(problem.Y.shape[1]))
    return scaled, problem.value(problem.joined(p, scaled))[0]


class NetworkProblemAt:
    """The loss along a ray from a given prediction."""

    def __init__(self, problem: NetworkProblem, base: FloatArray) -> None:
        self.problem, self.base = problem, base

    def step(self, along: FloatArray, price: float) -> float:
        """argmin over t ≥ 0 of L(base + t along) + price t."""
        problem, base = self.problem, self.base
        if not np.any(along):
            return 0.0
        if problem.loss == "squared":
            down = -float(np.sum(problem.slopes(base) * along)) - price
            return max(0.0, down / float(np.sum(along * along)))

        def slope(t: float) -> float:
            return float(np.sum(problem.slopes(base + t * along) * along)) + price

        if slope(0.0) >= 0.0:
            return 0.0
        high = 1.0
        while slope(high) < 0.0 and high < 1e300:
            high *= 2.0
        if high >= 1e300:
            return 0.0
        # Halving down to the smallest step takes a thousand evaluations.
        return float(scipy.optimize.brentq(slope, 0.0, high, xtol=1e-300, rtol=8.9e-16, maxiter=2500))


def rebalanced(problem: NetworkProblem, p: Layers, radial: float, intercept: FloatArray) -> Layers:
    """The point whose units have the same φ times ``radial`` at the smallest Θ."""
    weights = problem.weights(p)
    if problem.hidden:
        norms = np.stack([np.linalg.norm(block, axis=(1, 2)) for block in weights])
        mean = np.prod(norms, axis=0) ** (1.0 / len(weights))
        factors = [np.divide(mean, norm, out=np.zeros_like(norm), where=norm > 0.0) for norm in norms]
        root = radial ** (1.0 / len(weights))
        blocks = tuple(root * f[:, None, None] * block for f, block in zip(factors, weights, strict=True))
    else:
        u, v = weights
        p_u, p_v = (np.linalg.norm(block, axis=0) for block in problem.penalized(weights))
        if problem.free_bias:  # a unit with no weight but its bias is a constant
            constant = (p_v == 0.0) & (p_u > 0.0)
            intercept = intercept + radial * (u[:, constant] @ problem._act(v[-1, constant]))
        size = (radial * p_u * p_v**problem.power) ** (1.0 / problem.degree)
        alive = (p_u > 0.0) & (p_v > 0.0)
        blocks = (
            u * np.divide(size, p_u, out=np.zeros_like(size), where=alive),
            v * np.divide(size, p_v, out=np.zeros_like(size), where=alive),
        )
    return (*blocks, np.array(intercept)) if problem.intercept else blocks


def _way_down(
    problem: NetworkProblem, p: Layers, found: _Dual, value: float, enough: float
) -> tuple[str, Layers, float, str] | None:
    """The polar's unit beside the point if that is ``enough``, or the lowest of all that helps, a step too.

    With the value there at most, rounding included.
    """
    unit_found = found.polar.witness
    options: list[tuple[str, Layers, float, str]] = []
    if unit_found is not None:
        unit, _ = insertion(problem, p, unit_found)
        reached = _at_most(problem, problem.joined(p, unit))
        options.append(("append", unit, reached, "one more unit"))
        if value - reached > enough:
            return options[0]
    balanced = rebalanced(problem, p, found.radial, found.intercept)
    options.append(("replace", balanced, _at_most(problem, balanced), "rebalancing the units"))
    if unit_found is not None and options[-1][2] < value:
        joined = problem.joined(balanced, insertion(problem, balanced, unit_found)[0])
        options.append(("replace", joined, _at_most(problem, joined), "rebalancing and one more unit"))
    if not any(value - option[2] > enough for option in options):
        step = _gradient_step(problem, p, value)
        if step is not None:
            options.append(("add", step[0], step[1], "a step against the gradient"))
    return min(options, key=lambda option: option[2], default=None)


def _at_most(problem: NetworkProblem, p: Layers) -> float:
    return sum(problem.value(p))


def _gradient_step(problem: NetworkProblem, p: Layers, value: float) -> tuple[Layers, float] | None:
    """A step -t ∇P, t by halving."""
    loss, decay = problem.gradient(p)
    gradient = [a + b for a, b in zip(loss, decay, strict=True)]
    size = math.hypot(*(float(np.linalg.norm(block)) for block in gradient))
    if not size > 0.0 or not math.isfinite(size):
        return None
    t = 0.1 * (math.hypot(*(float(np.linalg.norm(block)) for block in p)) or 1.0) / size
    best: tuple[Layers, float] | None = None
    for _ in range(60):
        step = tuple(-t * block for block in gradient)
        try:
            reached = _at_most(problem, tuple(a + b for a, b in zip(p, step, strict=True)))
        except OverflowError:
            reached = math.inf
        if reached < value and (best is None or reached < best[1]):
            best = (step, reached)
        elif best is not None:
            break
        t *= 0.5
    return best
