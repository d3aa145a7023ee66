"""Certificates of nuclear-norm problems: the dual point, its proof, the witness (THEORY 6; VERIFY: ``_verify.py``)."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.optimize

from ._factorization_results import PolarBounds
from ._fingerprints import certificate_digest, data_fingerprint, point_fingerprint
from ._validation import FloatArray
from ._verify_norms import UNIT, frobenius
from ._verify_problem import Problem
from .results import Certificate, Verdict

if TYPE_CHECKING:
    from .factorization import MatrixFactorization

__all__ = ["best_insertion", "certify", "radial_scale"]

Factors = tuple[FloatArray, FloatArray]

_ACCURACIES = (None, 1e-8, 1e-10)  # of the bounds of the polar, as far as they are needed


def radial_scale(problem: Problem, p: Factors) -> float:
    """c ≥ 0 that minimises the objective at √c (U, V), a convex problem in one variable (THEORY 6)."""
    z, _ = problem.prediction(p)
    theta = 0.5 * (float(np.sum(p[0] ** 2)) + float(np.sum(p[1] ** 2)))
    return _nonnegative_minimum(problem, np.zeros_like(z), z, problem.lam * theta)


def _nonnegative_minimum(problem: Problem, base: FloatArray, along: FloatArray, price: float) -> float:
    """argmin over t ≥ 0 of L(base + t along) + price t."""
    if not np.any(along):
        return 0.0
    if problem.loss == "squared":
        size = float(np.sum(problem.c * along * along))
        down = -float(np.sum(problem.slopes(base) * along)) - price
        return max(0.0, down / size) if size > 0.0 else 0.0

    def slope(t: float) -> float:
        return float(np.sum(problem.slopes(base + t * along) * along)) + price

    if slope(0.0) >= 0.0:
        return 0.0
    high = 1.0
    while slope(high) < 0.0 and high < 1e300:
        high *= 2.0
    return float(scipy.optimize.brentq(slope, 0.0, high, xtol=1e-300, rtol=8.9e-16)) if high < 1e300 else 0.0


def finite_value(problem: Problem, p: Factors, message: str) -> tuple[float, float]:
    """The objective and its rounding; an objective that is not a number can be neither compared nor certified."""
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            value, margin = problem.value(p)
    except OverflowError:
        value, margin = math.inf, math.inf
    if not (math.isfinite(value) and math.isfinite(margin)):
        raise ValueError(message)
    return value, margin


def best_insertion(problem: Problem, p: Factors, u: FloatArray, v: FloatArray) -> tuple[Factors, float]:
    """The columns √ε (u, v) with the best ε ≥ 0 beside p, and the objective with them."""
    z, _ = problem.prediction(p)
    pair = (u[:, None], v[:, None])
    along, _ = problem.prediction(pair)
    root = math.sqrt(_nonnegative_minimum(problem, z, along, problem.lam))
    columns = (root * pair[0], root * pair[1])
    return columns, problem.value((np.hstack([p[0], columns[0]]), np.hstack([p[1], columns[1]])))[0]


def _best_scale(problem: Problem, g: FloatArray, upper: float) -> float:
    """s ≥ 0 with s upper ≤ λ and s G in the domain of L*, that maximises the concave -L*(s G)."""
    limit = problem.lam / upper * (1.0 - 4.0 * UNIT) if upper > 0.0 else math.inf
    reach = {"squared": math.inf, "huber": problem.delta, "logistic": 1.0}[problem.loss]
    largest = float(np.max(np.abs(g) / problem.c, initial=0.0))
    if largest > 0.0:
        limit = min(limit, reach / largest)
    if largest == 0.0:
        return min(limit, 1.0)
    if problem.loss != "logistic":
        curved = float(np.sum(g * (g / problem.c)))
        best = -float(np.sum(g * problem.y)) / curved if curved > 0.0 else 0.0
        return float(np.clip(best, 0.0, limit))
    nothing = np.zeros_like(g)
    found = scipy.optimize.minimize_scalar(
        lambda s: -problem.dual(s * g, nothing)[0], bounds=(0.0, limit), method="bounded", options={"xatol": 1e-12}
    )
    return float(max((0.0, limit, float(found.x)), key=lambda s: problem.dual(s * g, nothing)[0]))


@dataclasses.dataclass(frozen=True)
class _Dual:
    """A dual point s G at the factors times the root of ``radial``, and the lower bound it gives."""

    radial: float
    polar: PolarBounds
    upper: float
    scale: float
    margin: float
    lower: float


def _dual(
    problem: Problem,
    p: Factors,
    radial: float,
    value: float,
    value_margin: float,
    scale: float,
    enough: float,
    bounds: Callable[[Any, FloatArray, float | None], PolarBounds],
) -> _Dual:
    """The best dual point along the slopes there, with bounds of the polar as tight as a gap of ``enough`` needs."""
    root = math.sqrt(radial)
    z, dz = problem.prediction((root * p[0], root * p[1]))
    g = problem.slopes(z)
    matrix = problem.matrix(g)
    for accuracy in _ACCURACIES:
        polar = bounds(matrix, p[1], accuracy)
        upper = polar.upper + problem.adjoint_error(g)
        s = _best_scale(problem, g, upper)
        dual, rounding, _ = problem.dual(s * g, s * dz)
        margin = 2.0 * rounding + 4.0 * UNIT * scale
        lower = min(value, max(0.0, dual - margin))
        # A tighter bound helps only if the best conceivable one, the lower side, would do.
        best = _best_scale(problem, g, polar.lower)
        at_best = problem.dual(best * g, best * dz)[0] - margin
        closed = value - lower + value_margin <= enough
        if closed or value - at_best > enough or polar.guarantee == "probabilistic":
            break
    return _Dual(radial, polar, upper, s, margin, lower)


def certify(
    land: MatrixFactorization,
    p: Factors,
    tol: float,
    bounds: Callable[[Any, FloatArray, float | None], PolarBounds],
    *,
    wanted: float = 0.0,
) -> Certificate:
    """The certificate of one point.

    Args:
        land: The landscape.
        p: (U, V).
        tol: Of the verdict, relative to the value at zero.
        bounds: Two-sided bounds of the largest singular value of a matrix, from (matrix, start vectors, accuracy).
        wanted: A relative gap worth a tighter bound; 0 asks for none.
    """
    problem = land._problem
    value, value_margin = finite_value(problem, p, "p is too large: the objective overflows there")
    scale, _ = finite_value(problem, (p[0][:, :0], p[1][:, :0]), "Y is too large: the objective overflows at zero")
    here = problem.matrix(problem.slopes(problem.prediction(p)[0]))
    stationarity = problem.stationarity(p, here)

    enough = tol * scale if wanted == 0.0 else min(tol * scale, wanted * value)
    radial = radial_scale(problem, p)
    found = _dual(problem, p, radial, value, value_margin, scale, enough, bounds)
    if radial != 1.0 and value - found.lower + value_margin > enough:
        # Elsewhere than at the rebalanced point the residual may be closer to feasible, above all with data.
        other = _dual(problem, p, 1.0, value, value_margin, scale, enough, bounds)
        found = max(found, other, key=lambda dual: dual.lower)
    polar, upper, s, margin, lower = found.polar, found.upper, found.scale, found.margin, found.lower
    gap = value - lower
    root = math.sqrt(radial)
    scaled = (root * p[0], root * p[1])

    witness, how = None, None
    if gap + value_margin <= tol * scale:
        verdict, reason = Verdict.GLOBAL, "the proved gap is within the tolerance"
    else:
        verdict = Verdict.UNDECIDED
        reason = f"a gap of {gap:.3g} is proved, more than the tolerance; no way down by more than that was found"
        if gap <= tol * scale:
            reason = f"the rounding of the value, up to {value_margin:.3g}, exceeds the tolerance"
        with np.errstate(over="ignore", invalid="ignore"):  # trials may overflow: they are no way down then
            way = _way_down(problem, p, scaled, root, polar, here, value, tol * scale + 4.0 * value_margin)
        if way is not None and value - way[2] - 4.0 * value_margin > tol * scale:
            how, witness, reached, words = way
            verdict = Verdict.NOT_GLOBAL
            reason = f"{words} lowers the objective by {value - reached:.3g}"
    proof = {"radial": found.radial, "dual_point": None, "pair": polar.witness, "witness": how}
    certificate = Certificate(
        value=value,
        lower_bound=lower,
        gap=gap,
        relative_gap=gap / abs(value) if value else 0.0,
        margin=margin,
        method=polar.method,
        guarantee=polar.guarantee,
        stationarity=stationarity,
        witness=witness,
        tol=tol,
        scale=scale,
        verdict=verdict,
        reason=reason,
        polar_lower=polar.lower,
        polar_upper=upper,
        landscape="matrix_factorization",
        data_fingerprint=data_fingerprint(land),
        point_fingerprint=point_fingerprint(p),
        dual_scale=s,
        failure_probability=polar.failure_probability,
        proof=proof,
    )
    return dataclasses.replace(certificate, digest=certificate_digest(certificate))


def _way_down(
    problem: Problem,
    p: Factors,
    scaled: Factors,
    root: float,
    polar: PolarBounds,
    here: Any,
    value: float,
    enough: float,
) -> tuple[str, Factors, float, str] | None:
    """The lower of scaling the point and inserting the polar's unit; if that is not ``enough``, a step downhill."""
    width = p[0].shape[1]
    options: list[tuple[str, Factors, float, str]] = []
    if width:
        factor = np.full((1, width), root)
        options.append(("scale", (factor, factor), problem.value(scaled)[0], "scaling the factors"))
    if polar.witness is not None:
        # The pair belongs to the slopes, so that u v^T with the sign of descent is (-u, v).
        u, v = polar.witness
        columns, reached = best_insertion(problem, p, -u, v)
        options.append(("append", columns, reached, "one more unit"))
    if width and not any(value - option[2] > enough for option in options):
        step = _gradient_step(problem, p, here, value)
        if step is not None:
            options.append(("add", step[0], step[1], "a step against the gradient"))
    return min(options, key=lambda option: option[2], default=None)


def _gradient_step(problem: Problem, p: Factors, here: Any, value: float) -> tuple[Factors, float] | None:
    """A step -t ∇f, t by doubling and halving."""
    g_u = np.asarray(here @ p[1]) + problem.lam * p[0]
    g_v = np.asarray(here.T @ p[0]) + problem.lam * p[1]
    size = math.hypot(frobenius(g_u), frobenius(g_v))
    if not size > 0.0 or not math.isfinite(size):
        return None
    t = 0.1 * (math.hypot(frobenius(p[0]), frobenius(p[1])) or 1.0) / size
    best: tuple[Factors, float] | None = None
    for _ in range(60):
        step = (-t * g_u, -t * g_v)
        try:
            reached = problem.value((p[0] + step[0], p[1] + step[1]))[0]
        except OverflowError:
            reached = math.inf
        if reached < value and (best is None or reached < best[1]):
            best = (step, reached)
        elif best is not None:
            break
        t *= 0.5
    return best
