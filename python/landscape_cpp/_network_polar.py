"""Both sides of the polar of a parallel network, Ω°(Q) = max over |v| = 1 of |Qᵀ act(X v)|₂ (THEORY 7).

Which method proves the upper side is a matter of the dimension that is left after :mod:`_network_reduction`: exact in
up to three (four and five with few samples), relaxations and branch and bound beyond.
"""

from __future__ import annotations

import base64
import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ._dispatch import core
from ._factorization_results import PolarBounds
from ._network_anchored import anchored_bounds
from ._network_problem import NetworkProblem
from ._network_reduction import Reduction, reduce_samples
from ._svt import polar_bounds
from ._validation import FloatArray
from ._verify_norms import UNIT, frobenius, gamma

__all__ = ["METHODS", "PolarSettings", "maximizers", "methods_for", "network_polar"]

METHODS = ("auto", "sweep", "faces", "branch-and-bound", "doubly-nonnegative", "shor", "spectral")
_SPECTRAL = ("auto", "spectral")
_FREE_BIAS = ("auto", "sweep", "faces", "shor", "spectral")
_FACES_UP_TO = {1: 10**9, 2: 10**9, 3: 6000, 4: 120, 5: 40}  # samples, by dimension
_BRANCH_UP_TO = 400  # dimension and samples of a relaxation


@dataclass(frozen=True)
class PolarSettings:
    """How much work the bounds of a polar may be.

    Attributes:
        method: One of METHODS.
        tol: Relative distance of the two bounds to aim for.
        enough: An upper bound that needs no improving.
        starts: Random starts of the ascent.
        max_nodes: Cells of the branch and bound.
        max_seconds: Of branch and bound and of faces, each.
        seed: Of the random starts.
        keep: Whether to keep the leaves of the branch and bound as proof.
    """

    method: str = "auto"
    tol: float = 1e-3
    enough: float = 0.0
    starts: int = 256
    max_nodes: int = 1000
    max_seconds: float = math.inf
    seed: int = 0
    keep: bool = True


def methods_for(problem: NetworkProblem) -> tuple[str, ...]:
    """Those of METHODS that there are for this kind of unit, whatever the dimension."""
    if problem.hidden or problem.power == 2:
        return _SPECTRAL
    if problem.free_bias:
        return _FREE_BIAS
    return _SPECTRAL if problem.slope == 1.0 else METHODS


def network_polar(
    problem: NetworkProblem, q: FloatArray, known: FloatArray, settings: PolarSettings, n_threads: int
) -> PolarBounds:
    """Bounds of Ω°(Q).

    Args:
        problem: The data and the kind of unit.
        q: Q (m, nL).
        known: Directions (k, d) worth trying, such as those of the units at hand.
        settings: How much work it may be.
        n_threads: Threads.
    """
    if problem.hidden:
        return _subnetworks(problem, q, known, settings, n_threads)
    if problem.power == 2:
        return _powers(problem, q, known, settings, n_threads)
    if problem.free_bias:
        return _anchored(problem, q, known, settings, n_threads)
    if problem.slope == 1.0:
        return _linear(problem, q, n_threads)
    return _units(problem, q, problem.slope, known, settings, n_threads)


def _witness(
    problem: NetworkProblem, q: FloatArray, v: FloatArray, u: FloatArray | None = None
) -> tuple[FloatArray, ...] | None:
    """The unit (u, v) that attains the polar in direction v, as a subnetwork where those are wanted."""
    size = float(np.linalg.norm(v[:-1] if problem.free_bias else v))
    if not size > 0.0:
        return None
    v = v / size
    if u is None:
        h = problem.X @ v
        for _ in problem.hidden or (1,):
            h = problem._act(h)
        u = q.T @ h
    top = float(np.max(np.abs(u), initial=0.0))
    if not top > 0.0:
        return None
    u = u / top
    u = u / np.linalg.norm(u)
    if not problem.hidden:
        return u, v
    # A chain of single hidden units, each of weight one: act(act(t)) is act again, or leakier.
    sizes = (problem.X.shape[1], *problem.hidden, q.shape[1])
    layers = [np.zeros((rows, columns)) for columns, rows in itertools.pairwise(sizes)]
    layers[0][0] = v
    for layer in layers[1:-1]:
        layer[0, 0] = 1.0
    layers[-1][:, 0] = u
    return tuple(layers)


def _bounds(
    problem: NetworkProblem,
    q: FloatArray,
    lower: float,
    upper: float,
    direction: FloatArray,
    method: str,
    work: int,
    proof: Mapping[str, Any] | None = None,
    output: FloatArray | None = None,
) -> PolarBounds:
    return PolarBounds(
        lower=min(lower, upper),
        upper=upper,
        witness=_witness(problem, q, direction, output),
        method=method,
        guarantee="deterministic",
        failure_probability=0.0,
        work=work,
        proof=proof,
    )


def _anchored(
    problem: NetworkProblem, q: FloatArray, known: FloatArray, settings: PolarSettings, n_threads: int
) -> PolarBounds:
    """Units with a free bias; the last column of X is the ones that carry it."""
    found = anchored_bounds(
        problem.X[:, :-1],
        q,
        problem.slope,
        known[:, :-1],
        method=settings.method,
        starts=min(settings.starts, 64),
        max_seconds=settings.max_seconds,
        seed=settings.seed,
        n_threads=n_threads,
    )
    return _bounds(problem, q, found.lower, found.upper, found.direction, found.method, found.work, found.proof)


def _linear(problem: NetworkProblem, q: FloatArray, n_threads: int) -> PolarBounds:
    """|Qᵀ X|₂ (THEORY 7.1)."""
    product = np.ascontiguousarray(q.T @ problem.X)
    error = gamma(len(q) + 2) * frobenius(q) * frobenius(problem.X)
    found = polar_bounds(product, start=np.zeros((product.shape[1], 0)), n_threads=n_threads)
    direction = np.zeros(product.shape[1]) if found.witness is None else found.witness[1]
    return _bounds(problem, q, max(0.0, found.lower - error), found.upper + error, direction, found.method, found.work)


def _units(
    problem: NetworkProblem, q: FloatArray, slope: float, known: FloatArray, settings: PolarSettings, n_threads: int
) -> PolarBounds:
    small = reduce_samples(problem.X, q)
    if not len(small.X):
        return _bounds(problem, q, 0.0, small.error, np.zeros(problem.X.shape[1]), "sweep", 0)
    method, dimension, samples = settings.method, small.X.shape[1], len(small.X)
    if method == "auto":
        method = "branch-and-bound" if samples + dimension <= _BRANCH_UP_TO else "shor"
        if samples <= _FACES_UP_TO.get(dimension, 0):
            method = "sweep" if dimension <= 2 else "faces"
    if method == "sweep" and dimension > 2:
        raise ValueError(f"method 'sweep' is for data of effective dimension at most 2, this is {dimension}")
    if method == "faces" and dimension > 5:
        raise ValueError(f"method 'faces' is for data of effective dimension at most 5, this is {dimension}")

    def lifted(
        lower: float,
        upper: float,
        direction: FloatArray,
        name: str,
        work: int,
        proof: Any = None,
        output: FloatArray | None = None,
    ) -> PolarBounds:
        # f on the data given at the lifted direction may differ by the error of the reduction.
        w = small.lift(direction)
        return _bounds(
            problem, q, max(0.0, lower * (1.0 - small.stretch) - small.error),
            upper * (1.0 + small.stretch) + small.error, w, name, work, proof, output,
        )  # fmt: skip

    if method == "sweep":
        lower, upper, direction, _, _, arcs, u = core.polar_sweep(small.X, small.Q, slope, math.inf, 0.05, 0, n_threads)
        return lifted(lower, upper, direction, "sweep", arcs, output=u)
    if method == "faces":
        limit = settings.max_seconds
        lower, upper, direction, _, _, complete, reason, circles = core.polar_faces(
            small.X, small.Q, slope, math.inf, 0.05, 0, 0.0, limit, n_threads
        )
        if complete:
            return lifted(lower, upper, direction, "faces", circles)
        if settings.method == "faces":
            raise ValueError(f"method 'faces' did not prove a bound: {reason}")
        method = "branch-and-bound" if samples + dimension <= _BRANCH_UP_TO else "shor"
    lower, direction = _ascend(small, slope, 1, known, settings, n_threads)
    return _relaxed(small, slope, lower, direction, method, settings, n_threads, lifted)


def _ascend(
    small: Reduction, slope: float, power: int, known: FloatArray, settings: PolarSettings, n_threads: int
) -> tuple[float, FloatArray]:
    starts = known if small.basis is None else known @ small.basis
    lower, direction, _, _, _ = core.polar_ascent(
        small.X, small.Q, slope, power, np.ascontiguousarray(starts), settings.starts, math.inf, 0.05, 0,
        settings.seed, n_threads,
    )  # fmt: skip
    return lower, direction


def _relaxed(
    small: Reduction,
    slope: float,
    lower: float,
    direction: FloatArray,
    method: str,
    settings: PolarSettings,
    n_threads: int,
    lifted: Callable[..., PolarBounds],
) -> PolarBounds:
    """The smallest of the relaxations that are wanted, each a proof of its own."""
    norms, shor, _, _, nu, exponent = core.polar_spectral(small.X, small.Q, slope, 1, method != "spectral", 1)
    # On one thread, where no BLAS rounds in another way: the bound has the same bits for any number of threads.
    candidates: list[tuple[float, str, int, Any]] = [
        (norms, "spectral", 1, None),
        (shor, "shor", 1, {"nu": nu, "exponent": exponent}),
    ]
    if method in ("doubly-nonnegative", "branch-and-bound"):
        nodes = 1 if method == "doubly-nonnegative" else settings.max_nodes
        found = core.polar_branch(
            small.X, small.Q, slope, settings.tol, settings.enough, nodes, settings.max_seconds, lower, direction,
            settings.keep, n_threads,
        )  # fmt: skip
        best, upper, better, count, _, signs, sizes, multipliers = found
        if best > lower:  # from the direction of a relaxation on to the maximiser beside it
            lower, direction = best, better
            reached, climbed, *_ = core.polar_ascent(
                small.X, small.Q, slope, 1, better[None], 0, math.inf, 0.05, 0, settings.seed, n_threads
            )
            if reached > lower:
                lower, direction = reached, climbed
        proof = None
        if settings.keep:
            proof = {"signs": _packed(signs), "sizes": [int(n) for n in sizes], "multipliers": _packed(multipliers)}
        candidates.append((upper, method, count, proof))
    upper, name, work, proof = min(candidates, key=lambda entry: entry[0])
    return lifted(lower, upper, direction, name, work, proof)


def _packed(array: Any) -> dict[str, Any]:
    """An array of any type as text."""
    data = np.ascontiguousarray(array)
    return {"type": data.dtype.str, "shape": list(data.shape), "data": base64.b64encode(data.tobytes()).decode()}


def _powers(
    problem: NetworkProblem, q: FloatArray, known: FloatArray, settings: PolarSettings, n_threads: int
) -> PolarBounds:
    """Squared units: ascent below; above, the largest eigenvalue of Σ |q_i| x_i x_iᵀ or of its two signed parts."""
    keep = np.any(problem.X != 0.0, axis=1) & np.any(q != 0.0, axis=1)
    x, weights = np.ascontiguousarray(problem.X[keep]), np.ascontiguousarray(q[keep])
    if not len(x):
        return _bounds(problem, q, 0.0, 0.0, np.zeros(problem.X.shape[1]), "spectral", 0)
    if x.shape[1] == 1 and settings.method == "auto":  # two directions
        size = gamma(len(x) + 8) * float(np.sum(np.linalg.norm(weights, axis=1)[:, None] * x * x))
        values = [float(np.linalg.norm(weights.T @ problem._act(sign * x))) for sign in (1.0, -1.0)]
        top = max(values)
        way = np.array([1.0 if values[0] >= values[1] else -1.0])
        return _bounds(problem, q, max(0.0, top - size), top + size, way, "sweep", 2)
    small = Reduction(x, weights, None, 0.0, 0.0)
    lower, direction = _ascend(small, problem.slope, 2, known, settings, n_threads)
    upper = core.polar_spectral(x, weights, problem.slope, 2, False, 1)[2]
    return _bounds(problem, q, lower, upper, direction, "spectral", 1)


def _subnetworks(
    problem: NetworkProblem, q: FloatArray, known: FloatArray, settings: PolarSettings, n_threads: int
) -> PolarBounds:
    """Depth L with a penalty of degree L: |Q|₂ |X|₂ bounds it, coarsely (THEORY 7.6); linear ones are exact."""
    if problem.slope == 1.0:
        return _linear(problem, q, n_threads)
    # A chain of single units is one unit: act(act(t)) has slope a^2 if a > 0 and a if a <= 0.
    slope = problem.slope ** (len(problem.hidden)) if problem.slope > 0.0 else problem.slope
    small = reduce_samples(problem.X, q)
    if not len(small.X):
        return _bounds(problem, q, 0.0, small.error, np.zeros(problem.X.shape[1]), "spectral", 0)
    lower, direction = _ascend(small, slope, 1, known, settings, n_threads)
    norms = core.polar_spectral(small.X, small.Q, -1.0, 1, False, 1)[0]
    upper = norms * (1.0 + small.stretch) + small.error
    lower = max(0.0, lower * (1.0 - small.stretch) - small.error - 64.0 * UNIT * upper)
    return _bounds(problem, q, lower, upper, small.lift(direction), "spectral", 1)


def maximizers(
    problem: NetworkProblem, q: FloatArray, known: FloatArray, threshold: float, settings: PolarSettings, n_threads: int
) -> tuple[FloatArray, FloatArray]:
    """Directions (k, d) above a threshold, the largest first and apart from each other, and f there: new units."""
    small = reduce_samples(problem.X, q, rank=problem.power == 1, merge=False)
    if not len(small.X):
        return np.zeros((0, problem.X.shape[1])), np.zeros(0)
    dimension, samples = small.X.shape[1], len(small.X)
    exact = problem.power == 1 and not problem.hidden and samples <= _FACES_UP_TO.get(dimension, 0)
    if exact and dimension <= 2:
        found = core.polar_sweep(small.X, small.Q, problem.slope, threshold, 0.05, 20, n_threads)[3:5]
    elif exact:
        found = core.polar_faces(
            small.X, small.Q, problem.slope, threshold, 0.05, 20, 0.0, settings.max_seconds, n_threads
        )[3:5]
    else:
        starts = known if small.basis is None else known @ small.basis
        found = core.polar_ascent(
            small.X, small.Q, problem.slope, problem.power, np.ascontiguousarray(starts), settings.starts, threshold,
            0.05, 20, settings.seed, n_threads,
        )[2:4]  # fmt: skip
    directions, values = found
    return (directions if small.basis is None else directions @ small.basis.T), values
