"""The one-hidden-layer linear landscape R(U, V) = R(U V^T) from its formulas (THEORY section 2), one point at a time.

U (n2, n1), V (n0, n1); parameters are ordered (U, V), each block in C order.
"""

import numpy as np

from .risk import risk_trace


def pack(p):
    return np.concatenate([np.ravel(p[0]), np.ravel(p[1])])


def unpack(x, shapes):
    (a, b), (c, d) = shapes
    return np.reshape(x[: a * b], (a, b)), np.reshape(x[a * b :], (c, d))


def residual_map(moments, p):
    """G = U V^T Sxx - Syx      (n2, n0)."""
    U, V = p
    return U @ V.T @ moments.xx - moments.xy.T


def value(moments, p):
    return risk_trace(p[0] @ p[1].T, moments)


def gradient(moments, p):
    U, V = p
    G = residual_map(moments, p)
    return 2.0 * G @ V, 2.0 * G.T @ U


def curvature(moments, p, d):
    """(2.1): 2 ||(U dV^T + dU V^T) Sxx^{1/2}||^2 + 4 <dU dV^T, G>."""
    (U, V), (dU, dV) = p, d
    E = U @ dV.T + dU @ V.T
    return float(2.0 * np.sum((E @ moments.xx) * E) + 4.0 * np.sum((dU @ dV.T) * residual_map(moments, p)))


def hvp(moments, p, d):
    (U, V), (dU, dV) = p, d
    G = residual_map(moments, p)
    dG = (dU @ V.T + U @ dV.T) @ moments.xx
    return 2.0 * (dG @ V + G @ dV), 2.0 * (dG.T @ U + G.T @ dU)


def hessian(moments, p):
    """Dense, block by block (not through hvp).

    UU: 2 d_ij (V^T Sxx V)_ab     VV: 2 (Sxx)_kl (U^T U)_ab     UV: 2 (U_ib (Sxx V)_la + d_ab G_il)
    """
    U, V = p
    (n2, n1), n0 = U.shape, V.shape[0]
    UU = 2.0 * np.kron(np.eye(n2), V.T @ moments.xx @ V)
    VV = 2.0 * np.kron(moments.xx, U.T @ U)
    cross = np.einsum("ib,la->ialb", U, moments.xx @ V)
    cross = cross + np.einsum("ab,il->ialb", np.eye(n1), residual_map(moments, p))
    UV = 2.0 * cross.reshape(n2 * n1, n0 * n1)
    H = np.block([[UU, UV], [UV.T, VV]])
    return 0.5 * (H + H.T)


def quartic(moments, p, d):
    """Coefficients c of R(p + t d) = sum_k c_k t^k from the products, k = 0..4."""
    (U, V), (dU, dV) = p, d
    Z = [U @ V.T, U @ dV.T + dU @ V.T, dU @ dV.T]
    c = np.zeros(5)
    c[0] += np.trace(moments.yy)
    for i in range(3):
        c[i] -= 2.0 * np.sum(moments.xy.T * Z[i])
        for j in range(3):
            c[i + j] += np.sum((Z[i] @ moments.xx) * Z[j])
    return c


def relative_gradient(moments, p):
    """Gradient blocks over the size of the terms that cancel in them (scale free in U, V, X and Y)."""
    U, V = p
    gU, gV = gradient(moments, p)
    terms = np.linalg.norm(U @ V.T @ moments.xx) + data_scale(moments)
    return max(_ratio(gU, 2.0 * terms * np.linalg.norm(V)), _ratio(gV, 2.0 * terms * np.linalg.norm(U)))


def data_scale(moments):
    """sqrt(tr Sxx tr Syy) >= ||Sxy||_F: the size of Sxy that data of this size could have."""
    return float(np.sqrt(np.trace(moments.xx) * np.trace(moments.yy)))


def _ratio(g, scale):
    norm = float(np.linalg.norm(g))
    return norm / scale if scale > 0.0 else (0.0 if norm == 0.0 else np.inf)


def critical_point(whitened, columns, D=None, N1=None, N2=None):
    """THEORY 2.6 with U_S given by its columns (n2, r), r <= n1.

    U = [U_S N2] D,   V^T B = D^{-1} [U_S^T M ; N1],   V = T (V^T B)^T in the range of Sxx.
    """
    n2, r = columns.shape
    q = 0 if D is None else D.shape[0] - r
    D = np.eye(r) if D is None else D
    N2 = np.zeros((n2, q)) if N2 is None else N2
    N1 = np.zeros((q, whitened.rank_x)) if N1 is None else N1
    U = np.hstack([columns, N2]) @ D
    Vt_white = np.linalg.solve(D, np.vstack([columns.T @ whitened.M, N1]))
    return U, whitened.T @ Vt_white.T


def null_blocks(whitened, q, rank, rng, rho1=None, rho2=None):
    """Random N1 (q, rank_x), N2 (n2, q) of ranks rho1, rho2 with M^T N2 = 0, M N1^T = 0, N2 N1 = 0.

    N2 lives on the first rho2 of q hidden directions and N1 on the last rho1, turned by one rotation.
    N1 has the size of M.
    """
    n2, rank_x = whitened.M.shape
    left, sigma, right_t = np.linalg.svd(whitened.M, full_matrices=True)
    size = sigma[0] if rank else 1.0
    left_null, right_null = left[:, rank:], right_t[rank:].T
    top2 = min(left_null.shape[1], q)
    rho2 = int(rng.integers(0, top2 + 1)) if rho2 is None else min(rho2, top2)
    top1 = min(right_null.shape[1], q - rho2)
    rho1 = int(rng.integers(0, top1 + 1)) if rho1 is None else min(rho1, top1)
    turn, sizes = orthogonal(q, rng), rng.uniform(0.5, 2.0, q)
    N2 = (left_null[:, :rho2] * sizes[:rho2]) @ turn[:rho2]
    N1 = turn[q - rho1 :].T @ (right_null[:, :rho1] * size * sizes[q - rho1 :]).T
    return N1.reshape(q, rank_x), N2.reshape(n2, q), rho1, rho2


def orthogonal(n, rng):
    Q, R = np.linalg.qr(rng.standard_normal((n, n)))
    return Q * np.where(np.diag(R) < 0.0, -1.0, 1.0) if n else Q


def global_minimum(whitened, n_hidden, C=None):
    rho = min(n_hidden, whitened.rank())
    D = np.eye(n_hidden) if C is None else C
    return critical_point(whitened, whitened.left[:, :rho], D)


def critical_value(whitened, indices):
    return whitened.total - float(np.sum(whitened.eigenvalues[list(indices)]))


def inertia(lam, indices, rank, shape, rank_x, rho1=0, rho2=0, tie=1e-9):
    """(negative, zero, positive) Hessian eigenvalues at a critical point with eigenvector set S (any data).

    lam: eigenvalues of Sigma; rank = R of Sigma; shape = (n0, n1, n2). With r = |S|, q = n1 - r, l = n2 - R,
    t = rank_x - R and pairs (s, k), s in S, k among the other positive eigenvalues:
        negative = #{lam_k > lam_s} + q (R - r)
        positive = sum over pairs (2 if lam_k < lam_s else 1) + r^2 + r t + r l + q (R - r)
                   + rho2 t + rho1 l - rho1 rho2
    """
    n0, n1, n2 = shape
    S = list(indices)
    r, q, t, left = len(S), n1 - len(S), rank_x - rank, n2 - rank
    rest = [k for k in range(rank) if k not in S]
    scale = tie * (lam[0] if len(lam) else 1.0)
    above = sum(lam[k] - lam[s] > scale for s in S for k in rest)
    below = sum(lam[s] - lam[k] > scale for s in S for k in rest)
    negative = above + q * (rank - r)
    positive = r * len(rest) + below + r * r + r * t + r * left + q * (rank - r) + rho2 * t + rho1 * left - rho1 * rho2
    return negative, n1 * (n0 + n2) - negative - positive, positive


def swap_witness(whitened, p, j, k):
    """C-free witness of THEORY 2.3 at s = 1: dU = q_k q_j^T U, dV = Sxx^+ Sxy q_k (V^T Sxy q_j / lam_j)^T."""
    U, V = p
    q_j, q_k, lam_j = whitened.left[:, j], whitened.left[:, k], whitened.eigenvalues[j]
    dU = np.outer(q_k, q_j @ U)
    dV = np.outer(whitened.T @ (whitened.M.T @ q_k), V.T @ (whitened.B @ (whitened.M.T @ q_j)) / lam_j)
    return dU, dV


def rank_witness(moments, p, a):
    """Witness of THEORY 2.3 (iii) for a in ker U, ||a|| = 1, along the top singular pair (u, g, v) of G."""
    V = p[1]
    u, sigma, vt = np.linalg.svd(residual_map(moments, p))
    g = sigma[0]
    c = float(a @ V.T @ moments.xx @ V @ a)
    alpha = -(c + np.sqrt(c * c + 4.0 * g * g)) / (2.0 * g)
    return (np.outer(u[:, 0], a), alpha * np.outer(vt[0], a)), float(c - np.sqrt(c * c + 4.0 * g * g))
