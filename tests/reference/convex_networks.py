"""The convex program over all activation patterns (Pilanci & Ergen 2020; THEORY 8): one output, piecewise linear units.

    min over v_i, w_i in K_i, b  of  L(sum_i D_i X (v_i - w_i) + b) + lam sum_i (|v_i| + |w_i|)
    K_i = {v: S_i X v >= 0},  S_i = the signs of X w inside cell i,  D_i = 1 where S_i > 0, else the slope a

Its value is the minimum of ``homogeneous.value`` over all widths; v_i is the unit (+sqrt |v_i|, v_i / sqrt |v_i|) and
w_i the unit of output weight -sqrt |w_i|. All vectors are in coordinates of the range of X^T. Solved by FISTA with
restarts over a growing set of cells; the polar over all cells (not the one of ``homogeneous``) closes the gap.
"""

import itertools
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import linprog, nnls

from . import homogeneous as hn

TOL = 1e-12  # of unit vectors: a smaller inner product is zero


@dataclass(frozen=True)
class Minimum:
    """``point`` is the network read off, ``lower`` the dual value there, ``kappa`` the polar over the cells."""

    value: float
    lower: float
    point: tuple
    kappa: float
    iterations: int


# ------------------------------------------------------------------------------------------------ cells and cones


def coordinates(X):
    """(C, R) with X = C R^T, R an orthonormal basis (n0, rank) of the range of X^T."""
    _, sigma, right_t = np.linalg.svd(X, full_matrices=False)
    R = right_t[sigma > TOL * max(sigma[0], np.finfo(float).tiny)].T
    return X @ R, R


def cells(X):
    """The signs (n_cells, m) of X w inside every cell of the arrangement, 0 for zero samples.

    A cell of rank r has an extreme ray, where r - 1 independent samples vanish: around it the samples that do not
    vanish keep their signs, and those that do make an arrangement of rank r - 1.
    """
    size = np.linalg.norm(X, axis=1, keepdims=True)
    C, _ = coordinates(np.divide(X, size, out=np.zeros(X.shape), where=size > 0.0))
    return np.array(sorted(signs(C)), dtype=float).reshape(-1, len(X))


def signs(C):
    m, rank = C.shape
    if rank == 0:
        return {(0,) * m}
    found = set()
    for T in itertools.combinations(range(m), rank - 1):
        w = hn.null_space(C[list(T)]) if T else np.eye(rank)
        if w.shape[1] > 1:
            continue
        t = C @ w[:, 0]
        zero = np.abs(t) <= TOL
        around = signs(coordinates(C[zero])[0]) if np.any(zero) else {()}
        for side, local in itertools.product((1, -1), around):
            s = side * np.sign(t).astype(int)
            s[zero] = local
            found.add(tuple(int(x) for x in s))
    return found


class Cone:
    """K = {v: N v >= 0}, pointed, in rank coordinates."""

    def __init__(self, N):
        N = N[np.any(N != 0.0, axis=1)]
        self.N = N / np.linalg.norm(N, axis=1, keepdims=True)
        self.rays = self.extreme_rays() if N.shape[1] <= 3 else None

    def extreme_rays(self):
        rank, rays = self.N.shape[1], []
        for T in itertools.combinations(range(len(self.N)), rank - 1):
            w = hn.null_space(self.N[list(T)]) if T else np.eye(1)
            rays += [w[:, 0], -w[:, 0]] if w.shape[1] == 1 else []
        rays = np.array(rays)
        return rays[np.min(rays @ self.N.T, axis=1) >= -TOL]

    def project(self, z):
        """The point itself, or its projection on a facet or on a ray; from rank 4 on z + N^T mu, mu = argmin over
        mu >= 0 of |z + N^T mu|.
        """
        t = self.N @ z
        if np.min(t) >= 0.0:
            return z
        if self.rays is None:
            return z + self.N.T @ nnls(self.N.T, -z)[0]
        if z.size == 3:
            on_planes = z - t[:, None] * self.N
            inside = (t < 0.0) & (np.min(on_planes @ self.N.T, axis=1) >= -TOL * np.max(np.abs(z)))
            if np.any(inside):
                return on_planes[np.argmax(inside)]
        along = self.rays @ z
        best = int(np.argmax(along))
        return max(0.0, along[best]) * self.rays[best]

    def shrink(self, z, t):
        """prox of t |.| on K = (1 - t / |Pi z|)_+ Pi z."""
        if np.linalg.norm(z) <= t:
            return np.zeros(z.size)
        v = self.project(z)
        size = np.linalg.norm(v)
        return (1.0 - t / size) * v if size > t else np.zeros(z.size)


# ----------------------------------------------------------------------------------------------------- the program


def blocks(problem):
    """[(side D_i C, cone)] over the cells and both signs of the output weight."""
    assert problem.targets.shape[1] == 1, "one output"
    assert problem.activation.power == 1, "piecewise linear units"
    C, R = coordinates(problem.X)
    if R.shape[1] == 0:
        return [], R
    out = []
    for s in cells(problem.X):
        D, cone = problem.activation.pattern(s), Cone(s[:, None] * C)
        out += [(side * D[:, None] * C, cone) for side in (1.0, -1.0)]
    return out, R


def pull(block, q):
    """max of q^T A v over v in K, |v| <= 1."""
    A, cone = block
    return float(np.linalg.norm(cone.project(A.T @ q)))


def polar(problem, Q):
    """max over the cells: exact, by another way than ``homogeneous.polar``."""
    return max((pull(block, Q[:, 0]) for block in blocks(problem)[0]), default=0.0)


def accelerated(gradient, prox, x, step, done, max_iterations):
    """FISTA with the gradient restart of O'Donoghue & Candes; ``done`` is asked every 25 steps."""
    y, t = x, 1.0
    for i in range(1, max_iterations + 1):
        new = prox(y - step * gradient(y), step)
        if np.sum((y - new) * (new - x)) > 0.0:
            y, t = new, 1.0
        else:
            longer = 0.5 * (1.0 + np.sqrt(1.0 + 4.0 * t * t))
            y, t = new + (t - 1.0) / longer * (new - x), longer
        x = new
        if i % 25 == 0 and done(x):
            break
    return x, i


def unit_sizes(problem):
    """(problem with X / s and, for the squared loss and Huber's, Y / t; s; t), powers of two: P is t^2 times its P."""
    s, t = (2.0 ** np.floor(np.log2(np.max(np.abs(B)))) if np.any(B) else 1.0 for B in (problem.X, problem.targets))
    t = t if problem.loss in ("squared", "huber") else 1.0
    X, Y, lam = problem.X / s, problem.targets / t, problem.lam / s / t
    return replace(problem, X=X, Y=Y, lam=lam, delta=problem.delta / t), s, t


def minimise(problem, tol=1e-11, max_iterations=50_000):
    """The gap is at most tol times the value at zero, or max_iterations were made."""
    unit, s, t = unit_sizes(problem)
    found, root = minimise_unit(unit, tol, max_iterations), np.sqrt(t / s)
    point = (root * found.point[0], root * found.point[1], *(t * b for b in found.point[2:]))
    return Minimum(t * t * found.value, t * t * found.lower, point, s * t * found.kappa, found.iterations)


def minimise_unit(problem, tol, max_iterations):
    every, R = blocks(problem)
    m, rank, scale = len(problem.X), R.shape[1], problem.scale
    active, V, iterations = [], np.zeros((0, rank)), 0
    while True:
        Z = sum((every[i][0] @ v for i, v in zip(active, V, strict=True)), np.zeros(m))[:, None]
        b = hn.best_intercept(problem, Z) if problem.intercept else np.zeros(1)
        size = np.linalg.norm(V, axis=1)
        value = hn.data_term(problem, Z + b) + problem.lam * float(np.sum(size))
        G = hn.dual_matrix(problem, Z)
        pulls = np.array([pull(block, -G[:, 0]) for block in every])
        kappa = float(np.max(pulls, initial=0.0))
        lower = hn.dual_value(problem, hn.best_scale(problem, G, kappa) * G)
        if value - lower <= tol * scale or iterations >= max_iterations:
            break
        new = [i for i in np.argsort(-pulls) if pulls[i] > problem.lam and i not in active][: 2 * rank + 2]
        active, V = active + new, np.vstack([V, np.zeros((len(new), rank))])
        goal = max(0.1 * tol * scale, 0.01 * (value - lower))
        V, n = restricted(problem, [every[i] for i in active], V, b[0], goal, max_iterations - iterations)
        iterations += n
        keep = np.any(V != 0.0, axis=1)
        active, V = [i for i, k in zip(active, keep, strict=True) if k], V[keep]
    side = np.array([1.0 if i % 2 == 0 else -1.0 for i in active])
    root = np.sqrt(size)
    point = ((side * root)[None, :], R @ (V / root[:, None]).T)
    return Minimum(value, lower, (*point, b) if problem.intercept else point, kappa, iterations)


def restricted(problem, active, V, b, goal, max_iterations):
    """The program over these cells from (V, b), until their own pulls close the gap to ``goal``."""
    (n, rank), m = V.shape, len(problem.X)
    A = np.hstack([block for block, _ in active])
    # the intercept as one more column, as long as the others together
    unit = np.linalg.norm(A, 2) / np.sqrt(m)
    A = np.column_stack([A, np.full(m, unit if problem.intercept else 0.0)])
    step = 1.0 / (hn.SMOOTHNESS[problem.loss] * np.linalg.norm(A, 2) ** 2)

    def gradient(x):
        return A.T @ hn.slopes(problem, (A @ x)[:, None])[:, 0]

    def prox(x, t):
        v = [cone.shrink(z, t * problem.lam) for (_, cone), z in zip(active, x[:-1].reshape(n, rank), strict=True)]
        return np.append(np.ravel(v), x[-1])

    def done(x):
        Z = (A[:, :-1] @ x[:-1])[:, None]
        free = hn.best_intercept(problem, Z) if problem.intercept else 0.0
        size = float(np.sum(np.linalg.norm(x[:-1].reshape(n, rank), axis=1)))
        value = hn.data_term(problem, Z + free) + problem.lam * size
        G = hn.dual_matrix(problem, Z)
        kappa = max(pull(block, -G[:, 0]) for block in active)
        return value - hn.dual_value(problem, hn.best_scale(problem, G, kappa) * G) <= goal

    start = np.append(np.ravel(V), b / unit)
    x, iterations = accelerated(gradient, prox, start, step, done, max_iterations)
    return x[:-1].reshape(n, rank), iterations


# -------------------------------------------------------------------------- Omega and Proposition 1.8 (THEORY 5.3)


def starts(X):
    """Unit directions (n0, n) that span, cell by cell, every output a network can have: all rays of all cells."""
    C, R = coordinates(X)
    W = [np.eye(R.shape[1])]
    for T in itertools.combinations(range(len(C)), max(R.shape[1] - 1, 0)):
        w = hn.null_space(C[list(T)] / np.maximum(np.linalg.norm(C[list(T)], axis=1, keepdims=True), 1e-300))
        W += [w, -w] if w.shape[1] == 1 else []
    return R @ np.hstack([*W, -W[0]])


def omega(Z, X, activation=hn.RELU, tol=1e-9, max_rounds=100):
    """(upper, lower, W, c) of Omega(Z) = min sum |c_j| over Z = sum_j c_j act(X w_j), |w_j| = 1, for one output.

    A linear program over a growing set of directions: its value is above Omega, and z^T q / polar(q) of its dual q is
    below; the maximiser of the polar is the next direction. (inf, inf) where Z is no output of any network.
    """
    z, W, lower = np.ravel(Z), starts(X), 0.0
    options = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}
    for _ in range(max_rounds):
        H = activation(X @ W)
        cost = np.ones(2 * W.shape[1])
        found = linprog(cost, A_eq=np.hstack([H, -H]), b_eq=z, method="highs-ds", options=options)
        if found.status == 2:
            return np.inf, np.inf, W[:, :0], np.zeros(0)
        q = found.eqlin.marginals
        top = hn.polar(q[:, None], X, activation)
        lower = max(lower, float(z @ q) / top.value if top.exact and top.value > 0.0 else 0.0)
        c = found.x[: W.shape[1]] - found.x[W.shape[1] :]
        used = c != 0.0
        best = float(found.fun), lower, W[:, used], c[used]
        if found.fun - lower <= tol * found.fun:
            break
        W = np.column_stack([W, top.w])
    return best


def group_lasso(problem, W, tol=1e-11, max_iterations=50_000):
    """(value, point) of min L(H A + b) + lam sum_k |a_k|, H = act(X W), |w_k| = 1, a_k (nL,) the rows of A.

    Any number of outputs, fixed directions: above the minimum over all widths, and equal where W = [1, -1], n0 = 1.
    """
    k, H, n_outputs = problem.activation.power, problem.activation(problem.X @ W), problem.targets.shape[1]
    size = np.linalg.norm(H, 2) / np.sqrt(len(H)) or 1.0  # samples may all be zero
    ones = np.ones((len(H), 1)) * (size if problem.intercept else 0.0)
    F = np.hstack([H, ones])
    step = 1.0 / (hn.SMOOTHNESS[problem.loss] * (np.linalg.norm(F, 2) ** 2 or 1.0))

    def prox(A, t):
        size = np.linalg.norm(A[:-1], axis=1, keepdims=True)
        return np.vstack([np.maximum(0.0, 1.0 - t * problem.lam / np.maximum(size, 1e-300)) * A[:-1], A[-1:]])

    def parts(A):
        """(Z without intercept, b)"""
        Z = H @ A[:-1]
        return Z, hn.best_intercept(problem, Z) if problem.intercept else np.zeros(n_outputs)

    def value(A):
        Z, b = parts(A)
        return hn.data_term(problem, Z + b) + problem.lam * float(np.sum(np.linalg.norm(A[:-1], axis=1)))

    def done(A):
        G = hn.dual_matrix(problem, parts(A)[0])
        kappa = float(np.max(np.linalg.norm(H.T @ G, axis=1)))
        return value(A) - hn.dual_value(problem, hn.best_scale(problem, G, kappa) * G) <= tol * problem.scale

    def gradient(A):
        return F.T @ hn.slopes(problem, F @ A)

    start = np.zeros((F.shape[1], n_outputs))
    if problem.intercept:
        start[-1] = hn.best_intercept(problem, np.zeros(problem.targets.shape)) / ones[0, 0]
    A, _ = accelerated(gradient, prox, start, step, done, max_iterations)
    b, size = parts(A)[1], np.linalg.norm(A[:-1], axis=1)
    used = size > 0.0
    # theta(u, v) = |u| |v|^k at |u| = |v| = size^(1/(k+1))
    root = size[used] ** (1.0 / (k + 1))
    point = ((A[:-1][used] * (root / size[used])[:, None]).T, root * W[:, used])
    return value(A), (*point, b) if problem.intercept else point


def group_lasso_bound(problem, W, point):
    """A lower bound of that minimum from the duals at a point of it, close where the point is near the minimiser."""
    H = problem.activation(problem.X @ W)
    G = hn.dual_matrix(problem, problem.activation(problem.X @ point[1]) @ point[0].T)
    kappa = float(np.max(np.linalg.norm(H.T @ G, axis=1), initial=0.0))
    return hn.dual_value(problem, hn.best_scale(problem, G, kappa) * G)


# ------------------------------------------------------------------------------------------------------ peer: cvxpy


def cvxpy_minimum(cp, problem):
    """The value of the same program by a general convex solver; ``cp`` is the imported cvxpy."""
    every, R = blocks(problem)
    y, b = problem.targets[:, 0], cp.Variable() if problem.intercept else 0.0
    V = [cp.Variable(R.shape[1]) for _ in every]
    z = sum(block @ v for (block, _), v in zip(every, V, strict=True)) + b
    fit = {
        "squared": lambda: 0.5 * cp.sum_squares(z - y),
        "huber": lambda: 0.5 * cp.sum(cp.huber(z - y, problem.delta)),
        "logistic": lambda: cp.sum(cp.logistic(cp.multiply(-y, z))),
        "squared_hinge": lambda: 0.5 * cp.sum_squares(cp.pos(1.0 - cp.multiply(y, z))),
    }[problem.loss]()
    cones = [cone.N @ v >= 0.0 for (_, cone), v in zip(every, V, strict=True)]
    program = cp.Problem(cp.Minimize(fit + problem.lam * sum(cp.norm(v) for v in V)), cones)
    return float(program.solve(solver=cp.CLARABEL))
