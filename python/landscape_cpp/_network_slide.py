"""Fewer units with the same outputs and no larger penalty (Carathéodory; THEORY 5.5, the sliding step).

With the outputs φ_k of the units as columns of F and their penalties θ: any c ≥ 0 with F c = F 1 and θᵀ c ≤ θᵀ 1 is
reached by w_k(t) = ((1 - t) + t c_k)^{1/p} w_k, along which the outputs stay and Θ is linear. NumPy and SciPy only.
"""

from __future__ import annotations

import numpy as np
import scipy.optimize

from ._network_problem import NetworkProblem
from ._validation import FloatArray, Layers

__all__ = ["null_vector_steps", "unit_outputs", "unit_penalties", "vertex"]

_INDEPENDENT = 1e-10  # singular values of unit columns above it (THEORY 5.5)


def unit_outputs(problem: NetworkProblem, p: Layers) -> FloatArray:
    """F (m nL, r), the outputs of each unit.

    Args:
        problem: Data and kind of unit.
        p: The point.
    """
    weights = problem.weights(p)
    if not problem.hidden:
        u, v = weights
        h = problem._act(problem.X @ v)
        return np.asarray((h[:, None, :] * u[None, :, :]).reshape(h.shape[0] * u.shape[0], u.shape[1]))
    columns = [problem.outputs(tuple(block[k : k + 1] for block in weights))[0].ravel() for k in range(len(weights[0]))]
    return np.stack(columns, axis=1) if columns else np.zeros((problem.Y.size, 0))


def unit_penalties(problem: NetworkProblem, p: Layers) -> FloatArray:
    """θ (r,), the penalty of each unit, without λ.

    Args:
        problem: Data and kind of unit.
        p: The point.
    """
    weights = problem.weights(p)
    count = len(weights[0]) if problem.hidden else weights[0].shape[1]
    zero = (np.zeros(problem.Y.shape[1]),) if problem.intercept else ()

    def alone(k: int) -> Layers:
        one = tuple(block[k : k + 1] if problem.hidden else block[:, k : k + 1] for block in weights)
        return (*one, *zero)

    return np.array([problem.theta(alone(k)) for k in range(count)])


def _factor(F: FloatArray) -> FloatArray:
    """R with Rᵀ R = Fᵀ F and at most as many rows as columns."""
    return F if F.shape[0] <= F.shape[1] else np.asarray(np.linalg.qr(F, mode="r"))


def vertex(F: FloatArray, theta: FloatArray) -> FloatArray:
    """A vertex of min {θᵀ c : F c = F 1, c ≥ 0}: at most rank F entries are not zero.

    Args:
        F: Outputs of the units (D, r).
        theta: Their penalties (r,).

    Returns:
        c (r,), which keeps the outputs to rounding.
    """
    size = np.linalg.norm(F, axis=0)
    alive = size > 1e-300
    c = np.zeros(F.shape[1])
    if not alive.any():
        return c
    # Columns of unit length, amounts in units of the column: what HiGHS's absolute tolerances are made for.
    R, amount = _factor(F[:, alive] / size[alive]), size[alive]
    scale = float(np.max(amount))
    done = scipy.optimize.linprog(
        theta[alive] / amount, A_eq=R, b_eq=R @ (amount / scale), bounds=(0, None), method="highs-ds"
    )
    if done.status != 0:
        return null_vector_steps(F, theta)[-1]
    chosen = np.flatnonzero(done.x > 1e-9 * np.max(done.x, initial=0.0))
    exact, *_ = np.linalg.lstsq(R[:, chosen], R @ amount, rcond=None)
    off = float(np.linalg.norm(R[:, chosen] @ exact - R @ amount))
    found = np.zeros(len(amount))
    found[chosen] = exact / amount[chosen]
    own = theta[alive]
    if off > 1e-12 * float(np.linalg.norm(amount)) or np.any(exact < 0.0) or own @ found > own.sum() * (1.0 + 1e-13):
        return null_vector_steps(F, theta)[-1]
    c[alive] = found
    return c


def null_vector_steps(F: FloatArray, theta: FloatArray) -> list[FloatArray]:
    """Amounts c (r,) after each step of the chapter's proof, from all ones until the columns left are independent.

    A step takes β ≠ 0 with F β = 0 and θᵀ β ≤ 0 to where the first unit vanishes.

    Args:
        F: Outputs of the units (D, r).
        theta: Their penalties (r,).
    """
    c = np.ones(F.shape[1])
    size = np.linalg.norm(F, axis=0)
    steps = [c]
    dead = (size <= 1e-300) & (c > 0.0)
    if dead.any():
        c = np.where(dead, 0.0, c)
        steps.append(c)
    R = _factor(F / np.where(size > 1e-300, size, 1.0))
    while (alive := np.flatnonzero(c > 0.0)).size:
        _, sigma, right = np.linalg.svd(R[:, alive], full_matrices=True)
        if int(np.sum(sigma > _INDEPENDENT)) == alive.size:
            break
        amount = size[alive] * c[alive]
        beta = right[-1] / amount  # relative changes of the units alive
        price = theta[alive] * c[alive]
        if beta @ price > 0.0 or not np.any(beta < 0.0):
            beta = -beta
        beta = beta / -np.min(beta)
        c = c.copy()
        c[alive] = np.where(np.arange(alive.size) == np.argmin(beta), 0.0, np.maximum(c[alive] * (1.0 + beta), 0.0))
        steps.append(c)
    return steps
