"""Ω(Z), the smallest Θ of all networks with outputs Z, of any width (Proposition 1.8, THEORY 5.3).

    Ω(Z) = min { Σ c_k : Σ c_k φ_k = Z, c ≥ 0 }  over units φ = act(X v) uᵀ, |u| = |v| = 1
         = max { ⟨Q, Z⟩ : Ω°(Q) ≤ 1 }

a linear program over all units, solved by column generation: the program over the units at hand (HiGHS) gives Q, the
polar at Q gives the units that are missing, and ⟨Q, Z⟩ / Ω°(Q) is a lower bound whatever Q is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import scipy.optimize

from ._network_polar import PolarSettings, maximizers, network_polar
from ._network_problem import NetworkProblem
from ._validation import FloatArray, Layers
from ._verify_norms import UNIT

__all__ = ["OmegaBounds", "omega"]


@dataclass(frozen=True)
class OmegaBounds:
    """Both sides of Ω(Z).

    Attributes:
        lower: ⟨Q, Z⟩ / Ω°(Q), proved.
        upper: Θ of ``point``; infinite if no network with these outputs was found.
        point: A network with outputs Z up to ``residual``, balanced; None if none was found.
        dual: Q (m, nL) of the lower bound, scaled to Ω°(Q) ≤ 1.
        residual: |Z - outputs|_F of the point, the rounding of the linear program.
        method: How the polar at Q was bounded.
        rounds: Linear programs solved.
        converged: Whether the two sides met to the tolerance.
    """

    lower: float
    upper: float
    point: Layers | None = field(repr=False)
    dual: FloatArray = field(repr=False)
    residual: float
    method: str
    rounds: int
    converged: bool


def omega(
    problem: NetworkProblem, Z: FloatArray, tol: float, max_rounds: int, settings: PolarSettings, n_threads: int
) -> OmegaBounds:
    """Bounds of Ω(Z).

    Args:
        problem: Data and kind of unit; with a free intercept Z counts up to a constant per output.
        Z: Outputs (m, nL).
        tol: Relative distance of the two sides to reach.
        max_rounds: Linear programs at most.
        settings: Of the polar.
        n_threads: Threads.
    """
    samples, outputs = Z.shape
    size = float(np.max(np.abs(Z), initial=0.0))
    if size == 0.0:
        nothing = problem.zero(_nothing(problem, outputs))
        return OmegaBounds(0.0, 0.0, nothing, np.zeros_like(Z), 0.0, "zero", 0, True)
    target = (Z / size).ravel()
    reach = float(np.max(np.linalg.norm(problem.X, axis=1), initial=0.0)) ** problem.power or 1.0
    free = np.kron(np.ones((samples, 1)), np.eye(outputs)) if problem.intercept else np.zeros((target.size, 0))
    no_start = np.zeros((0, problem.X.shape[1]))

    units: list[tuple[FloatArray, FloatArray]] = []
    columns: list[FloatArray] = []

    def add(q: FloatArray, threshold: float) -> int:
        directions, _ = maximizers(problem, q, no_start, threshold, settings, n_threads)
        count = 0
        for v in directions:
            h = problem._act(problem.X @ v)
            u = q.T @ h
            length = float(np.linalg.norm(u))
            if length > 0.0:
                units.append((u / length, v))
                columns.append(np.outer(h, u / length).ravel())
                count += 1
        return count

    best_lower, best_q, method, rounds = 0.0, np.zeros_like(Z), "none", 0
    upper, solution = math.inf, np.zeros(0)
    # Prices of what no unit at hand explains: as dear as needed, no dearer, or the program tells rounding from nothing.
    price = 100.0 / reach
    q = (target / max(float(np.sum(np.abs(target))), 1e-300)).reshape(Z.shape)
    add(q, 0.0)
    for _ in range(max_rounds):
        rounds += 1
        slack = np.eye(target.size)
        matrix = np.hstack([*(c[:, None] for c in columns), free, slack, -slack])
        cost = np.concatenate([np.ones(len(columns)), np.zeros(free.shape[1]), np.full(2 * target.size, price)])
        bounds = [(0, None)] * len(columns) + [(None, None)] * free.shape[1] + [(0, None)] * (2 * target.size)
        done = scipy.optimize.linprog(cost, A_eq=matrix, b_eq=target, bounds=bounds, method="highs")
        if done.status != 0:
            break
        weights = np.asarray(done.x[: len(columns)])
        missing = float(np.sum(done.x[len(columns) + free.shape[1] :]))
        q = np.asarray(done.eqlin.marginals).reshape(Z.shape)
        if problem.intercept:
            q = q - np.mean(q, axis=0)
        if missing <= 1e-9 * float(np.sum(np.abs(target))):
            upper, solution = float(np.sum(weights)), weights
        polar = network_polar(problem, np.ascontiguousarray(q), no_start, settings, n_threads)
        above = polar.upper + problem.polar_change(problem.dual_error(q) if problem.intercept else np.zeros_like(q))
        inner = float(q.ravel() @ target)
        inner -= 4.0 * target.size * UNIT * float(np.abs(q.ravel()) @ np.abs(target))
        if above > 0.0 and inner / above > best_lower:
            best_lower, best_q, method = inner / above, q / above, polar.method
        if upper < math.inf and upper - best_lower <= tol * upper:
            break
        if add(q, 1.0 + 0.01 * tol) == 0:
            if missing <= 1e-9 * float(np.sum(np.abs(target))) or price > 1e9 / reach:
                break
            price *= 100.0
    point: Layers | None = None
    residual = math.inf
    if upper < math.inf:
        point, residual = _network(problem, units, solution, Z / size)
        upper = problem.theta(point)
        scale = size ** (1.0 / problem.degree)
        point = tuple(scale * block for block in problem.weights(point))
        if problem.intercept:
            point = (*point, np.mean(Z - problem.outputs(point)[0], axis=0))
    converged = upper < math.inf and upper - best_lower <= tol * upper
    return OmegaBounds(best_lower * size, upper * size, point, best_q, residual * size, method, rounds, converged)


def _nothing(problem: NetworkProblem, outputs: int) -> Layers:
    blocks: tuple[FloatArray, ...] = (np.zeros((outputs, 0)), np.zeros((problem.X.shape[1], 0)))
    return (*blocks, np.zeros(outputs)) if problem.intercept else blocks


def _network(
    problem: NetworkProblem, units: list[tuple[FloatArray, FloatArray]], weights: FloatArray, Z: FloatArray
) -> tuple[Layers, float]:
    """The balanced network of weighted units, and how far its outputs are from Z."""
    kept = [k for k, weight in enumerate(weights) if weight > 0.0]
    root = weights[kept] ** (1.0 / problem.degree)
    u = np.stack([units[k][0] for k in kept], axis=1) * root if kept else np.zeros((Z.shape[1], 0))
    v = np.stack([units[k][1] for k in kept], axis=1) * root if kept else np.zeros((problem.X.shape[1], 0))
    z, _ = problem.outputs((u, v))
    rest = Z - z
    if problem.intercept:
        b = np.mean(rest, axis=0)
        return (u, v, b), float(np.linalg.norm(rest - b))
    return (u, v), float(np.linalg.norm(rest))
