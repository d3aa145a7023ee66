"""The polar of units whose bias has no penalty (THEORY 12b.6).

For column sums Qᵀ 1 = 0, and a direction v fixed, c ↦ |Qᵀ act(X v + c)|₂ is convex between the kinks c = -x_i · v and
constant beyond the outermost, so that

    Ω°(Q) = max_i max over |v| = 1 of |Qᵀ act((X - 1 x_iᵀ) v)|₂:

m polars without a bias, one for each sample as the origin. NumPy around the kernels of the core.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from ._dispatch import core
from ._network_reduction import reduce_samples
from ._validation import FloatArray
from ._verify_norms import UNIT, frobenius, gamma

__all__ = ["AnchoredBounds", "anchored_bounds", "anchored_missing"]

_FACES_UP_TO = 300  # samples, in three dimensions
_SHOR_UP_TO = 700  # samples for which a relaxation is solved for every origin
_ORIGINS = 16  # from which the ascent starts
_MISSING = 100  # new units at once


@dataclass(frozen=True)
class AnchoredBounds:
    """Both sides, the direction (v, c) with |v| = 1 that attains the lower one, and how the upper one was proved.

    ``proof`` holds the multipliers of "shor", a row per origin, zero where the product of norms was enough.
    """

    lower: float
    upper: float
    direction: FloatArray
    method: str
    work: int
    proof: dict[str, Any] | None = None


def anchored_bounds(
    X: FloatArray,
    Q: FloatArray,
    slope: float,
    known: FloatArray,
    *,
    method: str = "auto",
    starts: int = 64,
    max_seconds: float = math.inf,
    seed: int = 0,
    n_threads: int = 1,
) -> AnchoredBounds:
    """Bounds of the polar of units with a free bias.

    Args:
        X: Samples (m, d), without the column of ones.
        Q: (m, nL), with column sums zero up to rounding that the caller accounts for.
        slope: a of act(t) = max(t, a t).
        known: Directions (k, d) to try.
        method: ``"auto"``, ``"sweep"``, ``"faces"``, ``"shor"`` or ``"spectral"``.
        starts: Random starts of the ascents.
        max_seconds: Of faces; a relaxation takes over if it is not forced.
        seed: Of the starts.
        n_threads: Threads.
    """
    centre = np.mean(X, axis=0)
    centred = X - centre
    small = reduce_samples(centred, np.ones((len(X), 1)), merge=False)
    # Only the basis is of use: samples at the centre, and with zero weight, are origins like the others.
    coordinates = centred if small.basis is None else centred @ small.basis
    q = np.ascontiguousarray(Q)
    weight = np.linalg.norm(q, axis=1) * (1.0 + gamma(q.shape[1] + 4))
    left = 0.0
    if small.basis is not None:
        rest = np.linalg.norm(centred - coordinates @ small.basis.T, axis=1)
        left = float(np.sum(weight) * 2.0 * np.max(rest))
    sizes = np.linalg.norm(centred, axis=1) + np.linalg.norm(X, axis=1) + float(np.linalg.norm(centre))
    depth = 2 * X.shape[1] + 16
    rounding = gamma(depth) * float(np.sum(weight * (sizes + np.max(sizes))))  # of moving the origin
    error = (left + rounding) * (1.0 + gamma(len(X) + 8))
    if not np.any(coordinates):
        return AnchoredBounds(0.0, error, np.zeros(X.shape[1] + 1), "spectral", 0)

    dimension, samples = coordinates.shape[1], len(X)
    chosen = method
    if method == "auto":
        chosen = "shor" if samples <= _SHOR_UP_TO else "spectral"
        if dimension <= 2 or (dimension == 3 and samples <= _FACES_UP_TO):
            chosen = "sweep" if dimension <= 2 else "faces"
    if chosen == "sweep" and dimension > 2:
        raise ValueError(f"method 'sweep' is for data of effective dimension at most 2, this is {dimension}")
    if chosen == "faces" and dimension > 5:
        raise ValueError(f"method 'faces' is for data of effective dimension at most 5, this is {dimension}")

    lower, upper, best = 0.0, 0.0, np.zeros(X.shape[1] + 1)
    proof: dict[str, Any] | None = None

    def keep(value: float, v: FloatArray, origin: int) -> None:
        nonlocal lower, best
        if value > lower and np.any(v):
            w = v if small.basis is None else small.basis @ v
            lower, best = value, np.append(w, -float(w @ X[origin]))

    if chosen == "sweep":
        for origin in range(samples):
            moved = np.ascontiguousarray(coordinates - coordinates[origin])
            found = core.polar_sweep(moved, q, slope, math.inf, 0.05, 0, n_threads)
            keep(found[0], found[2], origin)
            upper = max(upper, found[1])
    if chosen == "faces":
        end = time.perf_counter() + max_seconds
        for origin in range(samples):
            moved = np.ascontiguousarray(coordinates - coordinates[origin])
            left = max(0.0, end - time.perf_counter())
            found = core.polar_faces(moved, q, slope, math.inf, 0.05, 0, lower, left, n_threads)
            keep(found[0], found[2], origin)
            if not found[5]:
                if method == "faces":
                    raise ValueError(f"method 'faces' did not prove a bound: {found[6]}")
                chosen, upper = "shor", 0.0
                break
            upper = max(upper, found[1])
    if chosen in ("shor", "spectral"):
        for origin in _promising(coordinates, q, slope, known if small.basis is None else known @ small.basis):
            moved = np.ascontiguousarray(coordinates - coordinates[origin])
            own = known if small.basis is None else known @ small.basis
            found = core.polar_ascent(
                moved, q, slope, 1, np.ascontiguousarray(own), starts, math.inf, 0.05, 0, seed, n_threads
            )
            keep(found[0], found[1], origin)
        norm = float(np.linalg.norm(coordinates, 2)) * (1.0 + gamma(len(X) + 8))
        whole = frobenius(q) if q.shape[1] > 8 else float(np.linalg.norm(q, 2)) * (1.0 + gamma(len(X) + 8))
        if chosen == "shor":
            proof = {"nu": np.zeros((samples, samples)), "exponent": 0}
        for origin in range(samples):
            away = float(np.linalg.norm(coordinates[origin])) * (1.0 + gamma(dimension + 4))
            bound = whole * math.hypot(norm, math.sqrt(samples) * away) * (1.0 + 8.0 * UNIT)
            if proof is not None and bound > max(lower, upper):
                moved = np.ascontiguousarray(coordinates - coordinates[origin])
                found = core.polar_spectral(moved, q, slope, 1, True, 1)
                if found[1] < bound:
                    bound, proof["nu"][origin], proof["exponent"] = found[1], found[4], found[5]
            upper = max(upper, bound)
    lower = max(0.0, lower - error)
    return AnchoredBounds(lower, max(upper + error, lower), best, chosen, samples, proof)


def _promising(x: FloatArray, q: FloatArray, slope: float, known: FloatArray) -> list[int]:
    """Origins that are best for some known direction, or else for some coordinate direction."""
    directions = known[:_ORIGINS] if len(known) else np.eye(x.shape[1])[:_ORIGINS]
    best: list[tuple[float, int]] = []
    for v in directions:
        t = x @ v
        values = np.empty(len(x))
        for first in range(0, len(x), 256):
            shifted = t[None, :] - t[first : first + 256, None]
            values[first : first + 256] = np.linalg.norm(np.maximum(shifted, slope * shifted) @ q, axis=1)
        origin = int(np.argmax(values))
        best.append((-float(values[origin]), origin))
    return list(dict.fromkeys(origin for _, origin in sorted(best)))


def anchored_missing(
    X: FloatArray, Q: FloatArray, slope: float, known: FloatArray, threshold: float, seed: int, n_threads: int
) -> tuple[float, float, FloatArray, FloatArray]:
    """Both sides of the polar where it is exact, and the directions (k, d + 1) above a threshold: new units.

    Args:
        X: Samples (m, d), without the column of ones.
        Q: (m, nL), with column sums zero.
        slope: a of act(t) = max(t, a t).
        known: Directions (k, d) to try.
        threshold: Values above it are wanted.
        seed: Of the random starts.
        n_threads: Threads.

    Returns:
        Lower and upper side (infinite where the search proves nothing), directions, values.
    """
    dimension, samples = X.shape[1], len(X)
    sweep = dimension <= 2
    exact = sweep or (dimension == 3 and samples <= _FACES_UP_TO)
    lower, upper = 0.0, 0.0 if exact else math.inf
    found: list[tuple[float, FloatArray]] = []
    for origin in range(samples) if exact else _promising(X, Q, slope, known):
        moved = np.ascontiguousarray(X - X[origin])
        if sweep:
            low, high, _, directions, values, *_ = core.polar_sweep(moved, Q, slope, threshold, 0.05, 5, n_threads)
        elif exact:
            low, high, _, directions, values, complete, _, _ = core.polar_faces(
                moved, Q, slope, threshold, 0.05, 5, lower, math.inf, n_threads
            )
            high = high if complete else math.inf
        else:
            low, _, directions, values, _ = core.polar_ascent(
                moved, Q, slope, 1, np.ascontiguousarray(known), 32, threshold, 0.05, 5, seed, n_threads
            )
            high = math.inf
        lower, upper = max(lower, low), max(upper, high)
        found += [
            (float(value), np.append(w, -float(w @ X[origin]))) for w, value in zip(directions, values, strict=True)
        ]
    found.sort(key=lambda entry: -entry[0])
    found = found[:_MISSING]
    directions = np.array([w for _, w in found]).reshape(-1, dimension + 1)
    return lower, upper, directions, np.array([value for value, _ in found])
