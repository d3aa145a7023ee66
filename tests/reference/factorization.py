"""Nuclear-norm factorisation and completion from the formulas (THEORY 4, 6, 7.1, 9), dense and slow.

    f(U, V) = sum_ij c_ij l(Zhat_ij, y_ij) + lam/2 (||U||^2 + ||V||^2)                        (scaling B)
    F(A)    = sum_ij c_ij l(Zhat_ij, y_ij) + lam ||A||_*                      A = U V^T      (n_out, n_in)

    without X:  Zhat = A          Y (n2, n0),  U (n2, r),  V (n0, r)          adjoint(Q) = Q
    with X:     Zhat = X A^T      Y (m, nL),   U (nL, r),  V (n0, r)          adjoint(Q) = Q^T X,   X (m, n0)

A mask is a 0/1 weight matrix; where c_ij = 0 the value of y_ij is ignored. Parameters are ordered (U, V), C order.
The dual of F: max -L*(Q) over ||adjoint(Q)||_2 <= lam, so any such Q gives a lower bound of f over all widths.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, xlogy

from . import shallow

SMOOTHNESS = {"squared": 1.0, "huber": 1.0, "logistic": 0.25}  # sup of l''


@dataclass(frozen=True)
class Problem:
    Y: np.ndarray
    lam: float
    weights: np.ndarray | None = None
    X: np.ndarray | None = None
    loss: str = "squared"
    delta: float = 1.0

    @property
    def c(self):
        return np.ones(self.Y.shape) if self.weights is None else np.asarray(self.weights, dtype=float)

    @property
    def y(self):
        """Y with zeros where nothing was observed."""
        return np.where(self.c > 0.0, self.Y, 0.0)

    @property
    def shape(self):
        """(n_out, n_in) of A."""
        return self.Y.shape if self.X is None else (self.Y.shape[1], self.X.shape[1])

    @property
    def scale(self):
        """The value at zero parameters."""
        return data_term(self, np.zeros(self.shape))

    def zeros(self, width):
        return np.zeros((self.shape[0], width)), np.zeros((self.shape[1], width))


def pack(p):
    return shallow.pack(p)


def unpack(x, shapes):
    return shallow.unpack(x, shapes)


def predict(problem, A):
    return A if problem.X is None else problem.X @ A.T


def adjoint(problem, Q):
    """<Q, predict(A)> = <adjoint(Q), A>."""
    return Q if problem.X is None else Q.T @ problem.X


# ------------------------------------------------------------------------------------------- losses (THEORY 6, table)


def loss(name, z, y, delta=1.0):
    if name == "squared":
        return 0.5 * (z - y) ** 2
    if name == "huber":
        t = np.abs(z - y)
        return np.where(t <= delta, 0.5 * t * t, delta * t - 0.5 * delta * delta)
    if name == "logistic":
        return np.logaddexp(0.0, -y * z)
    raise ValueError(name)


def slope(name, z, y, delta=1.0):
    """dl/dz."""
    if name == "squared":
        return z - y
    if name == "huber":
        return np.clip(z - y, -delta, delta)
    return -y * expit(-y * z)


def bend(name, z, y, delta=1.0):
    """d2l/dz2 (of the smooth piece, for Huber)."""
    if name == "squared":
        return np.ones(np.shape(z))
    if name == "huber":
        return np.where(np.abs(z - y) <= delta, 1.0, 0.0)
    return y * y * expit(y * z) * expit(-y * z)


def conjugate(name, a, y, delta=1.0):
    """l*(a) = sup_z a z - l(z, y), infinite outside its domain."""
    a, y = np.broadcast_arrays(np.asarray(a, dtype=float), np.asarray(y, dtype=float))
    if name == "squared":
        return 0.5 * a * a + a * y
    if name == "huber":
        return np.where(np.abs(a) <= delta, 0.5 * a * a + a * y, np.inf)
    p = -y * a
    inside = (p >= 0.0) & (p <= 1.0)
    q = np.where(inside, p, 0.0)
    return np.where(inside, xlogy(q, q) + xlogy(1.0 - q, 1.0 - q), np.inf)


def weighted_conjugate(name, a, y, c, delta=1.0):
    """(c l)*(a) = c l*(a / c); for c = 0 it is 0 at a = 0 and infinite elsewhere."""
    a, y, c = np.broadcast_arrays(np.asarray(a, dtype=float), np.asarray(y, dtype=float), np.asarray(c, dtype=float))
    positive = c > 0.0
    safe = np.where(positive, c, 1.0)
    return np.where(positive, safe * conjugate(name, a / safe, y, delta), np.where(a == 0.0, 0.0, np.inf))


# ------------------------------------------------------------------------------------- objective and its derivatives


def data_term(problem, A):
    return float(np.sum(problem.c * loss(problem.loss, predict(problem, A), problem.y, problem.delta)))


def slopes(problem, A):
    """G = the gradient of the data term in the prediction, of the shape of Y."""
    return problem.c * slope(problem.loss, predict(problem, A), problem.y, problem.delta)


def bends(problem, A):
    return problem.c * bend(problem.loss, predict(problem, A), problem.y, problem.delta)


def penalty(p):
    """Theta = 1/2 (||U||^2 + ||V||^2)."""
    return 0.5 * float(np.sum(p[0] ** 2) + np.sum(p[1] ** 2))


def value(problem, p):
    return data_term(problem, p[0] @ p[1].T) + problem.lam * penalty(p)


def nuclear_norm(A):
    return float(np.sum(np.linalg.svd(A, compute_uv=False)))


def convex_value(problem, A):
    return data_term(problem, A) + problem.lam * nuclear_norm(A)


def gradient(problem, p):
    """(M V + lam U, M^T U + lam V) with M = adjoint(G)."""
    U, V = p
    M = adjoint(problem, slopes(problem, U @ V.T))
    return M @ V + problem.lam * U, M.T @ U + problem.lam * V


def norm(B):
    """The Frobenius norm, also where the squares of the entries overflow or vanish."""
    top = float(np.max(np.abs(B), initial=0.0))
    return top * float(np.linalg.norm(B / top)) if top > 0.0 else 0.0


def relative_gradient(problem, p):
    """The gradient blocks over the terms that cancel in them; 0 / 0 is 0."""
    U, V = p
    M = np.linalg.norm(adjoint(problem, slopes(problem, U @ V.T)), 2)
    sizes = (M * norm(V) + problem.lam * norm(U), M * norm(U) + problem.lam * norm(V))
    pairs = zip(gradient(problem, p), sizes, strict=True)
    return max(norm(g) / size if size > 0.0 else 0.0 for g, size in pairs)


def curvature(problem, p, d):
    """d2/dt2 f(p + t d) at 0 = sum c l'' dZ^2 + 2 <M, dU dV^T> + lam (||dU||^2 + ||dV||^2)."""
    (U, V), (dU, dV) = p, d
    A = U @ V.T
    dZ = predict(problem, dU @ V.T + U @ dV.T)
    M = adjoint(problem, slopes(problem, A))
    return float(
        np.sum(bends(problem, A) * dZ**2)
        + 2.0 * np.sum(M * (dU @ dV.T))
        + problem.lam * (np.sum(dU**2) + np.sum(dV**2))
    )


def hvp(problem, p, d):
    (U, V), (dU, dV) = p, d
    A = U @ V.T
    M = adjoint(problem, slopes(problem, A))
    dM = adjoint(problem, bends(problem, A) * predict(problem, dU @ V.T + U @ dV.T))
    return dM @ V + M @ dV + problem.lam * dU, dM.T @ U + M.T @ dU + problem.lam * dV


def jacobian(problem, p):
    """d vec(Zhat) / d(U, V), one parameter at a time: moving U_ik by t moves row i of A by t V_:k^T, and so on."""
    U, V = p
    columns = []
    for block, other, transposed in ((U, V, False), (V, U, True)):
        for i in range(block.shape[0]):
            for k in range(block.shape[1]):
                dA = np.zeros(problem.shape)
                if transposed:
                    dA[:, i] = other[:, k]
                else:
                    dA[i, :] = other[:, k]
                columns.append(np.ravel(predict(problem, dA)))
    return np.array(columns).T.reshape(problem.Y.size, len(columns))


def hessian(problem, p):
    """J^T diag(c l'') J + lam I + the bilinear part, whose block (U_ik, V_jk') is M_ij [k = k'] (not through hvp)."""
    U, V = p
    A, J, width = U @ V.T, jacobian(problem, p), U.shape[1]
    H = J.T @ (np.ravel(bends(problem, A))[:, None] * J) + problem.lam * np.eye(J.shape[1])
    M = adjoint(problem, slopes(problem, A))
    cross = np.einsum("ij,kl->ikjl", M, np.eye(width)).reshape(U.size, V.size)
    H[: U.size, U.size :] += cross
    H[U.size :, : U.size] += cross.T
    return H


# ------------------------------------------------------------------------------------- duality (THEORY 6) and polar


def polar(problem, p):
    """Omega^o(-G) = ||adjoint(G)||_2 with its unit pair (u, v), u^T (-M) v = kappa, by a full SVD."""
    return polar_of(-adjoint(problem, slopes(problem, p[0] @ p[1].T)))


def polar_of(M):
    left, sigma, right_t = np.linalg.svd(M)
    return float(sigma[0]), left[:, 0], right_t[0]


def lambda_max(problem):
    """The smallest lam for which zero is optimal: the polar at zero parameters."""
    return polar(problem, problem.zeros(1))[0]


def dual_value(problem, G, s=1.0):
    """-L*(s G); a lower bound of f over all widths where s ||adjoint(G)||_2 <= lam."""
    return -float(np.sum(weighted_conjugate(problem.loss, s * G, problem.y, problem.c, problem.delta)))


def scale_limit(problem, G, kappa):
    """The largest s with s kappa <= lam and s G in the domain of L*."""
    observed = problem.c > 0.0
    q = np.abs(G[observed]) / problem.c[observed]
    domain = {"squared": np.inf, "huber": problem.delta, "logistic": 1.0}[problem.loss]
    limits = [problem.lam / kappa if kappa > 0.0 else np.inf]
    limits.append(domain / np.max(q) if q.size and np.max(q) > 0.0 else np.inf)
    return float(min(limits))


def best_scale(problem, G, kappa):
    """argmax over 0 <= s <= scale_limit of the concave -L*(s G)."""
    limit = scale_limit(problem, G, kappa)
    if not np.any(G):
        return min(limit, 1.0)
    if problem.loss == "logistic":
        return golden_section(lambda s: dual_value(problem, G, s), 0.0, limit)
    curved = np.sum(np.where(problem.c > 0.0, G * G / np.where(problem.c > 0.0, problem.c, 1.0), 0.0))
    return float(np.clip(-np.sum(G * problem.y) / curved, 0.0, limit))


def golden_section(f, low, high, steps=200):
    """The maximiser of a concave f on [low, high]."""
    ratio = (np.sqrt(5.0) - 1.0) / 2.0
    a, b = high - ratio * (high - low), low + ratio * (high - low)
    fa, fb = f(a), f(b)
    for _ in range(steps):
        if fa < fb:
            low, a, fa = a, b, fb
            b = low + ratio * (high - low)
            fb = f(b)
        else:
            high, b, fb = b, a, fa
            a = high - ratio * (high - low)
            fa = f(a)
    return max((low, high, a, b), key=f)


def lower_bound(problem, A):
    """The best dual value along G(A), with the exact polar."""
    G = slopes(problem, A)
    kappa, _, _ = polar_of(adjoint(problem, G))
    return dual_value(problem, G, best_scale(problem, G, kappa))


def gap(problem, p):
    """(6.1) at the point as it is, without rebalancing."""
    return value(problem, p) - lower_bound(problem, p[0] @ p[1].T)


# ----------------------------------------------------------------------------------- moves that never raise the value


def increasing_root(slope_at, steps=2000):
    """The zero on [0, inf) of an increasing function; 0 where it starts positive."""
    if slope_at(0.0) >= 0.0:
        return 0.0
    low, high = 0.0, 1.0
    while slope_at(high) < 0.0:
        low, high = high, 2.0 * high
    for _ in range(steps):
        middle = 0.5 * (low + high)
        if middle in (low, high):
            break
        low, high = (middle, high) if slope_at(middle) < 0.0 else (low, middle)
    return high if slope_at(high) <= -slope_at(low) else low


def radial_scale(problem, p):
    """argmin over c >= 0 of L(c Zhat) + c lam Theta, the objective at sqrt(c) (U, V)."""
    A, theta = p[0] @ p[1].T, penalty(p)
    Z = predict(problem, A)
    if problem.loss == "squared":
        size = np.sum(problem.c * Z * Z)
        return max(0.0, float((np.sum(problem.c * problem.y * Z) - problem.lam * theta) / size)) if size > 0.0 else 0.0
    return increasing_root(lambda c: float(np.sum(slopes(problem, c * A) * Z) + problem.lam * theta))


def rebalance_radially(problem, p):
    root = np.sqrt(radial_scale(problem, p))
    return root * p[0], root * p[1]


def insertion(problem, p):
    """(epsilon, u, v): the best epsilon >= 0 for the columns sqrt(epsilon) (u, v), (u, v) the pair of the polar."""
    A = p[0] @ p[1].T
    _, u, v = polar(problem, p)
    unit = np.outer(u, v)
    along = predict(problem, unit)
    if problem.loss == "squared":
        rise = np.sum(problem.c * along * along)
        downhill = -np.sum(slopes(problem, A) * along) - problem.lam
        return (max(0.0, float(downhill / rise)) if rise > 0.0 else 0.0), u, v
    epsilon = increasing_root(lambda e: float(np.sum(slopes(problem, A + e * unit) * along) + problem.lam))
    return epsilon, u, v


def insert(problem, p):
    epsilon, u, v = insertion(problem, p)
    root = np.sqrt(epsilon)
    return np.column_stack([p[0], root * u]), np.column_stack([p[1], root * v])


def factors(A, width=None, rank_tol=1e-13):
    """Balanced (U, V), U = P S^(1/2), V = Q S^(1/2), zero columns up to ``width``."""
    left, sigma, right_t = np.linalg.svd(A, full_matrices=False)
    rank = int(np.sum(sigma > rank_tol * sigma[0])) if sigma.size and sigma[0] > 0.0 else 0
    width = rank if width is None else width
    k = min(rank, width)
    U, V = np.zeros((A.shape[0], width)), np.zeros((A.shape[1], width))
    U[:, :k] = left[:, :k] * np.sqrt(sigma[:k])
    V[:, :k] = right_t[:k].T * np.sqrt(sigma[:k])
    return U, V
