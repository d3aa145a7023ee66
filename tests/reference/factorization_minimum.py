"""Minima and stationary points of nuclear-norm problems, by routes that share nothing with a factored solver.

``svt`` and ``stationary_points`` are the closed forms of the fully observed squared problem (THEORY 4); ``minimise``
is accelerated proximal gradient on the convex problem over A; ``descend`` finds a stationary point of given width.
"""

import itertools
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize as scipy_minimize

from . import shallow
from .factorization import (
    SMOOTHNESS,
    adjoint,
    convex_value,
    data_term,
    factors,
    gap,
    gradient,
    hessian,
    lower_bound,
    pack,
    polar,
    relative_gradient,
    slopes,
    unpack,
    value,
)


def svt(Y, lam):
    """D_lam(Y) = P (S - lam)_+ Q^T by a full SVD: (U, s, V) with s > 0."""
    left, sigma, right_t = np.linalg.svd(Y, full_matrices=False)
    keep = sigma > lam
    return left[:, keep], sigma[keep] - lam, right_t[keep].T


def svt_matrix(Y, lam):
    U, s, V = svt(Y, lam)
    return (U * s) @ V.T


def svt_minimum(Y, lam):
    """F* = 1/2 ||Y||^2 - 1/2 sum (sigma - lam)_+^2 without cancellation: sigma > lam leaves lam sigma - lam^2 / 2."""
    sigma = np.linalg.svd(Y, compute_uv=False)
    return float(np.sum(np.where(sigma > lam, lam * sigma - 0.5 * lam * lam, 0.5 * sigma * sigma)))


# --------------------------------------------------------------------------- all stationary points, fully observed


@dataclass(frozen=True)
class Stationary:
    """One family of stationary points of width ``width``; ``escape`` has the negative curvature of the proof."""

    indices: tuple
    width: int
    point: tuple
    value: float
    kind: str
    escape: tuple | None
    curvature: float | None


def stationary_points(Y, lam, width, rng, tie=1e-12):
    """Z = sum_S (sigma_i - lam) p_i q_i^T over all S in {sigma_i > lam}, |S| <= width (U and V with one random R)."""
    left, sigma, right_t = np.linalg.svd(Y, full_matrices=False)
    active = [i for i in range(sigma.size) if sigma[i] > lam]
    found = []
    for size in range(min(width, len(active)) + 1):
        for S in itertools.combinations(active, size):
            R = shallow.orthogonal(width, rng)
            roots = np.sqrt(sigma[list(S)] - lam)
            U = (left[:, list(S)] * roots) @ R[:size]
            V = (right_t[list(S)].T * roots) @ R[:size]
            stated = 0.5 * float(np.sum(sigma**2)) - 0.5 * float(np.sum((sigma[list(S)] - lam) ** 2))
            kind, escape, bend = _judge(left, sigma, right_t, lam, S, active, R, width, tie)
            found.append(Stationary(S, width, (U, V), stated, kind, escape, bend))
    return found


def _judge(left, sigma, right_t, lam, S, active, R, width, tie):
    """Kind, direction, curvature: insert a missing k, 2 (lam - sigma_k), or swap j for k, 2 (sigma_j - sigma_k).

    Both are (p_k a^T, q_k a^T) with a unit: a in ker U for the insertion, a = R_j (the row of j) for the swap.
    """
    missing = [k for k in active if k not in S]
    if not missing:
        return "global_minimum", None, None
    k = missing[0]
    if len(S) < width:
        a, bend = R[len(S)], 2.0 * (lam - sigma[k])
    else:
        j = S[-1]
        if sigma[k] - sigma[j] <= tie * sigma[0]:
            return "local_minimum", None, None
        a, bend = R[len(S) - 1], 2.0 * (sigma[j] - sigma[k])
    return "strict_saddle", (np.outer(left[:, k], a), np.outer(right_t[k], a)), float(bend)


# ------------------------------------------------------------------------------------------- the convex route, any loss


@dataclass(frozen=True)
class Minimum:
    """lower <= min f <= value, value = F(A)."""

    A: np.ndarray
    value: float
    lower: float
    iterations: int

    @property
    def point(self):
        return factors(self.A)


def minimise(problem, tol=1e-12, max_iterations=100_000, start=None):
    """A <- D_{lam/l}(B - adjoint(G(B)) / l) with Nesterov's momentum, restarted where it points uphill.

    Stops at value - lower <= tol * F(0), both measured at iterates, or at max_iterations: read the result's bounds.
    """
    spread = 1.0 if problem.X is None else float(np.linalg.norm(problem.X, 2)) ** 2
    step = SMOOTHNESS[problem.loss] * float(np.max(problem.c, initial=0.0)) * spread
    A = np.zeros(problem.shape) if start is None else np.array(start)
    best, lower = (A, convex_value(problem, A)), lower_bound(problem, A)
    if step == 0.0:
        return Minimum(np.zeros(problem.shape), problem.scale, problem.scale, 0)
    B, t = A, 1.0
    for iteration in range(1, max_iterations + 1):
        new = svt_matrix(B - adjoint(problem, slopes(problem, B)) / step, problem.lam / step)
        momentum = (1.0 + np.sqrt(1.0 + 4.0 * t * t)) / 2.0
        if np.sum((B - new) * (new - A)) > 0.0:
            B, t = new, 1.0
        else:
            B, t = new + (t - 1.0) / momentum * (new - A), momentum
        A = new
        if iteration % 10 == 0:
            here = convex_value(problem, A)
            lower = max(lower, lower_bound(problem, A))
            if here < best[1]:
                best = (A, here)
            if best[1] - lower <= tol * problem.scale:
                return Minimum(*best, lower, iteration)
    return Minimum(*best, lower, max_iterations)


# ------------------------------------------------------------------------------- stationary points of a given width


def descend(problem, start, newton_steps=30):
    """A stationary point below ``start``, of its width: L-BFGS, then Newton steps in the range of the dense Hessian.

    The Newton steps follow gradient zeros, not descent; one that raises the value beyond rounding ends them.
    """
    shapes = [block.shape for block in start]
    unit = np.sqrt(max(np.linalg.norm(start[0]), np.linalg.norm(start[1]), 1.0))

    def objective(x):
        p = unpack(x * unit, shapes)
        return value(problem, p), unit * pack(gradient(problem, p))

    options = {"maxiter": 20_000, "maxfun": 50_000, "ftol": 1e-16, "gtol": 1e-10 * max(problem.lam, 1e-300)}
    found = scipy_minimize(objective, pack(start) / unit, jac=True, method="L-BFGS-B", options=options)
    p = unpack(found.x * unit, shapes)
    for _ in range(newton_steps):
        g, H = pack(gradient(problem, p)), hessian(problem, p)
        trial = unpack(pack(p) - np.linalg.lstsq(H, g, rcond=1e-9)[0], shapes)
        better = relative_gradient(problem, trial) < relative_gradient(problem, p)
        if not better or value(problem, trial) > value(problem, p) * (1.0 + 1e-12):
            break
        p = trial
    return p


def classify(problem, p, gradient_tol=1e-9, gap_tol=1e-9, curvature_tol=1e-7):
    """The kind at the point's width by brute force: gradient, gap, then the smallest eigenvalue of the dense Hessian.

    "local_minimum" here means second-order necessary conditions hold and a wider point is better: kappa > lam.
    """
    if relative_gradient(problem, p) > gradient_tol:
        return "not_critical"
    if gap(problem, p) <= gap_tol * problem.scale:
        return "global_minimum"
    lowest = float(np.linalg.eigvalsh(hessian(problem, p))[0]) if p[0].size else np.inf
    kappa, _, _ = polar(problem, p)
    if lowest < -curvature_tol * max(kappa, problem.lam):
        return "strict_saddle"
    return "local_minimum" if kappa > problem.lam else "undetermined"


def zero_gap(problem):
    """min f = F(0) iff lam >= lambda_max."""
    return data_term(problem, np.zeros(problem.shape)) - lower_bound(problem, np.zeros(problem.shape))


# --------------------------------------------------------------------------------------------------- peer: cvxpy


def cvxpy_minimum(cp, problem):
    """The value of the convex problem at the peer's solution; ``cp`` is the module cvxpy."""
    A = cp.Variable(problem.shape)
    Z = A if problem.X is None else problem.X @ A.T
    if problem.loss == "squared":
        data = 0.5 * cp.sum(cp.multiply(problem.c, cp.square(Z - problem.y)))
    elif problem.loss == "huber":
        data = 0.5 * cp.sum(cp.multiply(problem.c, cp.huber(Z - problem.y, problem.delta)))
    else:
        data = cp.sum(cp.multiply(problem.c, cp.logistic(cp.multiply(-problem.y, Z))))
    peer = cp.Problem(cp.Minimize(data + problem.lam * cp.normNuc(A)))
    if problem.loss == "logistic":
        peer.solve(solver="SCS", eps=1e-8, max_iters=20_000)
    else:
        peer.solve(solver="CLARABEL")
    return convex_value(problem, A.value)
