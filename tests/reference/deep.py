"""The deep linear landscape R(W1, ..., WL) = R(P), P = WL ... W1, from its formulas (THEORY section 3), slowly.

A point is p = (W1, ..., WL), Wl (n_l, n_{l-1}) as torch.nn.Linear.weight; parameters are ordered (W1, ..., WL), each
block in C order. Layers are numbered from 1 as in the paper, so W_h is p[h - 1]; ``hidden`` = (n_1, ..., n_{L-1}).

    C_h = W_h ... W_1  (C_0 = I)      F_h = W_L ... W_{h+1}  (F_L = I)      N_ij = W_{i-1} ... W_{j+1}
    Z* = Syx Sxx^+      M = Syx Sxx^{+1/2}      Sigma = M M^T      G = P Sxx - Syx
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from .risk import risk_trace, whiten_moments
from .shallow import orthogonal

# -------------------------------------------------------------------------------------------- products (THEORY 3.1)


def pack(p):
    return np.concatenate([np.ravel(W) for W in p])


def unpack(x, shapes):
    ends = np.cumsum([rows * columns for rows, columns in shapes])
    return tuple(np.reshape(part, shape) for part, shape in zip(np.split(x, ends[:-1]), shapes, strict=True))


def add(p, d, t=1.0):
    """p + t d."""
    return tuple(W + t * D for W, D in zip(p, d, strict=True))


def only(p, blocks):
    """The direction with Delta_h = blocks[h] and zeros in the other layers."""
    return tuple(blocks.get(h, np.zeros_like(W)) for h, W in enumerate(p, start=1))


def segment(p, i, j):
    """N_ij = W_{i-1} ... W_{j+1}      (n_{i-1}, n_j), the identity for i = j + 1."""
    N = np.eye(p[j - 1].shape[0] if j > 0 else p[0].shape[1])
    for W in p[j : i - 1]:
        N = W @ N
    return N


def product(p):
    return segment(p, len(p) + 1, 0)


def prefixes(p):
    """[C_0, ..., C_L]."""
    return [segment(p, h + 1, 0) for h in range(len(p) + 1)]


def suffixes(p):
    """[F_0, ..., F_L]."""
    return [segment(p, len(p) + 1, h) for h in range(len(p) + 1)]


# ----------------------------------------------------------------------------------------- derivatives (THEORY 3.1)


def residual_map(moments, p):
    """G = P Sxx - Syx      (nL, n0)."""
    return product(p) @ moments.xx - moments.xy.T


def value(moments, p):
    return risk_trace(product(p), moments)


def gradient(moments, p):
    """dR/dW_h = 2 F_h^T G C_{h-1}^T."""
    C, F, G = prefixes(p), suffixes(p), residual_map(moments, p)
    return tuple(2.0 * F[h].T @ G @ C[h - 1].T for h in range(1, len(p) + 1))


def first_order(p, d):
    """E = sum_h F_h Delta_h C_{h-1}, the first-order change of P."""
    C, F = prefixes(p), suffixes(p)
    return sum(F[h] @ d[h - 1] @ C[h - 1] for h in range(1, len(p) + 1))


def curvature(moments, p, d):
    """H[Delta, Delta] = 2 ||E Sxx^{1/2}||^2 + 4 sum_{i>j} <F_i Delta_i N_ij Delta_j C_{j-1}, G>."""
    C, F, G, E = prefixes(p), suffixes(p), residual_map(moments, p), first_order(p, d)
    total = 2.0 * np.sum((E @ moments.xx) * E)
    for i in range(2, len(p) + 1):
        for j in range(1, i):
            total += 4.0 * np.sum((F[i] @ d[i - 1] @ segment(p, i, j) @ d[j - 1] @ C[j - 1]) * G)
    return float(total)


def hvp(moments, p, d):
    """The product rule on 2 F_h^T G C_{h-1}^T.

    dC_h = Delta_h C_{h-1} + W_h dC_{h-1},   dF_{h-1} = F_h Delta_h + dF_h W_h,   dG = dC_L Sxx
    """
    L, C, F, G = len(p), prefixes(p), suffixes(p), residual_map(moments, p)
    dC, dF = [np.zeros_like(C[0])], [np.zeros_like(F[L])]
    for h in range(1, L + 1):
        dC.append(d[h - 1] @ C[h - 1] + p[h - 1] @ dC[h - 1])
    for h in range(L, 0, -1):
        dF.insert(0, F[h] @ d[h - 1] + dF[0] @ p[h - 1])
    dG = dC[L] @ moments.xx
    return tuple(
        2.0 * (dF[h].T @ G @ C[h - 1].T + F[h].T @ dG @ C[h - 1].T + F[h].T @ G @ dC[h - 1].T) for h in range(1, L + 1)
    )


def hessian(moments, p):
    """Dense, block by block (not through hvp), for i >= j:

    H_ij[(a,b), (c,d)] = 2 (F_i^T F_j)_ac (C_{i-1} Sxx C_{j-1}^T)_bd + [i > j] 2 (F_i^T G C_{j-1}^T)_ad (N_ij)_bc
    """
    L, C, F, G = len(p), prefixes(p), suffixes(p), residual_map(moments, p)
    blocks = [[None] * L for _ in range(L)]
    for i in range(1, L + 1):
        for j in range(1, i + 1):
            H = 2.0 * np.einsum("ac,bd->abcd", F[i].T @ F[j], C[i - 1] @ moments.xx @ C[j - 1].T)
            if i > j:
                H += 2.0 * np.einsum("ad,bc->abcd", F[i].T @ G @ C[j - 1].T, segment(p, i, j))
            blocks[i - 1][j - 1] = H.reshape(p[i - 1].size, p[j - 1].size)
            blocks[j - 1][i - 1] = blocks[i - 1][j - 1].T
    return np.block(blocks)


def line_polynomial(moments, p, d):
    """Coefficients c of R(p + t d) = sum_k c_k t^k, k = 0..2L, by multiplying out P(t) = (W_L + t D_L) ... ."""
    L = len(p)
    P = [np.eye(p[0].shape[1])]
    for W, D in zip(p, d, strict=True):
        longer = [W @ Z for Z in P] + [0.0]
        for k, Z in enumerate(P):
            longer[k + 1] = longer[k + 1] + D @ Z
        P = longer
    c = np.zeros(2 * L + 1)
    c[0] = np.trace(moments.yy)
    for i in range(L + 1):
        c[i] -= 2.0 * np.sum(moments.xy.T * P[i])
        for j in range(L + 1):
            c[i + j] += np.sum((P[i] @ moments.xx) * P[j])
    return c


def balancedness(p):
    """[W_{l+1}^T W_{l+1} - W_l W_l^T], l = 1..L-1: constant along the gradient flow."""
    return [upper.T @ upper - lower @ lower.T for lower, upper in pairwise(p)]


# ------------------------------------------------------------------------------------ all critical points (our lines)
#
# In whitened inputs every critical point is, for some invertible C_1, ..., C_{L-1} between the layers,
#
#     W_h = blockdiag(I_r, Z_h),   P = Q_S Q_S^T Z* + (residual product 0),   Z_L ... Z_1 = 0,
#     (Z_L ... Z_{h+1})^T D (Z_{h-1} ... Z_1)^T = 0  for every h,
#
# D = diag(sigma_k, k not in S; zeros) the rest of M in its singular bases (the blocks are THEORY 3.5 with E_h).
# Closing the chain by D^T from level L back to level 0 makes (Z, D^T) a nilpotent representation of a cyclic quiver,
# hence a direct sum of uniserial ones, here *strands*: levels s, s+1, ..., e on which each Z_h maps one axis of level
# h-1 to one of level h. With a_k the level up to which a strand carries input axis k (0 without one) and b_k the level
# from which a strand reaches output axis k (L without one), the equations say: no strand runs from 0 to L, and
# a_k + 1 < b_k for every sigma_k > 0. The base changes at the two ends that leave D as it is are A_1^T D A_2^T = D.
# So this family is complete: it holds every critical point.


def random_strands(sizes, positive, rng, attempts):
    """Strands (s, axes of the levels s..e) that keep a point critical.

    sizes: (n_l - r) for the levels 0..L, level 0 counted by rank Sxx. positive: how many sigma_k > 0 are not in S.
    """
    L = len(sizes) - 1
    free = [list(rng.permutation(n)) for n in sizes]
    reach, origin = np.zeros(sizes[0], dtype=int), np.full(sizes[L], L)
    strands = []
    for _ in range(attempts):
        s, e = np.sort(rng.choice(L + 1, 2, replace=False))
        if (s, e) == (0, L) or not all(free[s : e + 1]):
            continue
        axes = [int(level[-1]) for level in free[s : e + 1]]
        if s == 0 and axes[0] < positive and e + 1 >= origin[axes[0]]:
            continue
        if e == L and axes[-1] < positive and reach[axes[-1]] + 1 >= s:
            continue
        if s == 0:
            reach[axes[0]] = e
        if e == L:
            origin[axes[-1]] = s
        for level in free[s : e + 1]:
            level.pop()
        strands.append((int(s), axes))
    return strands


def residual_blocks(sizes, strands, rng):
    """Z_1, ..., Z_L (n_h - r, n_{h-1} - r) of the strands, with positive random entries."""
    Z = [np.zeros((rows, columns)) for columns, rows in pairwise(sizes)]
    for s, axes in strands:
        for h in range(1, len(axes)):
            Z[s + h - 1][axes[h], axes[h - 1]] = rng.uniform(0.5, 2.0)
    return Z


def invertible(n, rng, condition=4.0):
    sizes = np.geomspace(1.0, 1.0 / condition, n) if n > 1 else rng.uniform(0.5, 2.0, n)
    return (orthogonal(n, rng) * sizes) @ orthogonal(n, rng)


def end_changes(sigma, n_out, n_in, rng, condition):
    """A_1 (n_out, n_out), A_2 (n_in, n_in) with A_1^T D A_2^T = D, D (n_out, n_in) = diag(sigma) and zeros.

    A_1 = [A 0; * *],   A_2^T = [sigma^{-1} A^{-T} sigma 0; * *]
    """
    k = len(sigma)
    A1, A2t = (np.tril(rng.uniform(-1.0, 1.0, (n, n)), -1) for n in (n_out, n_in))
    A1[k:, k:], A2t[k:, k:] = invertible(n_out - k, rng, condition), invertible(n_in - k, rng, condition)
    A1[:k, :k] = invertible(k, rng, condition)
    A2t[:k, :k] = np.linalg.inv(A1[:k, :k]).T / sigma[:, None] * sigma
    return A1, A2t.T


def complement(Q):
    """Orthonormal columns that complete the orthonormal columns of Q."""
    return np.linalg.svd(Q, full_matrices=True)[0][:, Q.shape[1] :]


def rest_of(whitened, columns, tol=1e-9):
    """(Q, sigma, V): singular bases (orthonormal, complete) of (I - Q_S Q_S^T) M off S, and its positive sigma."""
    directions = whitened.M.T @ columns
    right = directions / np.linalg.norm(directions, axis=0)
    Qc, Vc = complement(columns), complement(right)
    left, sigma, right_t = np.linalg.svd(Qc.T @ whitened.M @ Vc, full_matrices=True)
    sigma = sigma[sigma > tol * np.sqrt(np.max(whitened.eigenvalues, initial=0.0))]
    return Qc @ left, sigma, Vc @ right_t.T


def level_sizes(whitened, hidden, r):
    """(n_l - r) for the levels 0..L, level 0 counted by rank Sxx."""
    return [n - r for n in (whitened.rank_x, *hidden, whitened.M.shape[0])]


def critical_point(whitened, hidden, columns, rng, strands=(), condition=4.0, kernel=True):
    """A critical point with P Sxx^{1/2} = Q_S Q_S^T M, Q_S = columns (nL, r) orthonormal eigenvectors of Sigma.

    ``strands`` are its residual weights; ``condition`` is that of the random base changes (1: none, the points of the
    hand examples); ``kernel`` adds a random part of W_1 that vanishes on the range of Sxx.
    """
    r, mixed = columns.shape[1], condition > 1.0
    Q, sigma, V = rest_of(whitened, columns)
    Z = residual_blocks(level_sizes(whitened, hidden, r), strands, rng)
    if mixed:
        A1, A2 = end_changes(sigma, Z[-1].shape[0], Z[0].shape[1], rng, condition)
        Z[-1], Z[0] = A1 @ Z[-1], Z[0] @ A2
    W = [_block_diagonal(np.eye(r), block) for block in Z]
    W[0] = np.vstack([columns.T @ whitened.M, Z[0] @ V.T]) @ whitened.T.T
    W[-1] = np.hstack([columns, Q @ Z[-1]])
    if kernel and whitened.rank_x < W[0].shape[1]:
        extra = rng.standard_normal(W[0].shape)
        W[0] = W[0] + extra - extra @ whitened.B @ whitened.T.T
    for h in range(1, len(W)) if mixed else ():  # W_h <- C_h W_h,  W_{h+1} <- W_{h+1} C_h^{-1}
        C = invertible(hidden[h - 1], rng, condition)
        W[h - 1], W[h] = C @ W[h - 1], np.linalg.solve(C.T, W[h].T).T
    return tuple(W)


def _block_diagonal(A, B):
    return np.block([[A, np.zeros((len(A), B.shape[1]))], [np.zeros((len(B), A.shape[1])), B]])


def global_minimum(moments, hidden):
    """Balanced (THEORY 3.9): P* = Q_rho Q_rho^T Z* = A diag(s) B^T into A s^{1/L}, s^{1/L}, ..., s^{1/L} B^T."""
    white = whiten_moments(moments)
    rho, L = min(*hidden, white.rank()), len(hidden) + 1
    Q = white.left[:, :rho]
    A, s, Bt = np.linalg.svd(Q @ Q.T @ white.M @ white.T.T)
    root = np.diag(s[:rho] ** (1.0 / L))
    W = [_pad(root, rows, columns) for columns, rows in pairwise(hidden)]
    first, last = _pad(root @ Bt[:rho], hidden[0], Bt.shape[1]), _pad(A[:, :rho] @ root, len(A), hidden[-1])
    return (first, *W, last)


def _pad(A, rows, columns):
    return np.pad(A, ((0, rows - A.shape[0]), (0, columns - A.shape[1])))


# ---------------------------------------------------------------------------------- Theorem C (THEORY 3.3, 12b item 2)


@dataclass(frozen=True)
class Pivot:
    """(i, j): rank N_ij, block = ||F_i^T G C_{j-1}^T||; loose iff rank > r and block != 0."""

    i: int
    j: int
    rank: int
    block: float
    loose: bool


@dataclass(frozen=True)
class Classification:
    """kind; r = rank(P Sxx^{1/2}); rho; deficit = lam_1 + ... + lam_r - sum_S lam_s; the pivots when r < rho."""

    kind: str
    r: int
    rho: int
    deficit: float
    pivots: tuple = ()

    @property
    def loose(self):
        return [pivot for pivot in self.pivots if pivot.loose]


@dataclass(frozen=True)
class Signal:
    """Eigenvectors of Sigma read off the point: q_s, s in S, span P Sxx^{1/2}; ``rest`` diagonalises Sigma off them."""

    columns: np.ndarray  # (nL, r)
    lam: np.ndarray  # (r,) descending
    rest: np.ndarray  # (nL, nL - r)
    lam_rest: np.ndarray  # (nL - r,) descending


def reduced(whitened, p):
    """W_1 <- W_1 Pi, Pi the projector on the range of Sxx: the same risk, gradient, G and blocks, but P Pi for P."""
    return (p[0] @ whitened.B @ whitened.T.T, *p[1:])


def largest(A):
    return float(np.max(np.linalg.svd(A, compute_uv=False), initial=0.0))


def size(p, layers):
    """prod_h ||W_h||_2 over the layers: products of these W_h below tol * size are rounding of zero."""
    return float(np.prod([largest(p[h - 1]) for h in layers]))


def rank(A, scale, tol=1e-8):
    return int(np.sum(np.linalg.svd(A, compute_uv=False) > tol * scale))


def signal(whitened, p, tol=1e-8):
    left, s, _ = np.linalg.svd(product(p) @ whitened.B, full_matrices=False)
    columns = left[:, s > tol * largest(whitened.M)]
    lam, rest = np.sum((whitened.M.T @ columns) ** 2, axis=0), complement(columns)
    order = np.argsort(-lam)
    lam_rest, turn = np.linalg.eigh(rest.T @ whitened.M @ whitened.M.T @ rest)
    return Signal(columns[:, order], lam[order], rest @ turn[:, ::-1], lam_rest[::-1])


def relative_gradient(moments, p):
    """max_h ||F_h^T G C_{h-1}^T|| / ((||P Sxx|| + ||Syx||) prod_{g != h} ||W_g||), balanced or not.

    Not over ||F_h|| ||C_{h-1}||: at a saddle these can be zero up to rounding, and then that quotient is of order one.
    """
    layers, terms = range(1, len(p) + 1), np.linalg.norm(product(p) @ moments.xx) + np.linalg.norm(moments.xy)
    scales = [2.0 * terms * size(p, set(layers) - {h}) for h in layers]
    norms = [float(np.linalg.norm(g)) for g in gradient(moments, p)]
    return max(0.0 if n == 0.0 else n / s for n, s in zip(norms, scales, strict=True))


def critical_ranks(moments, p, tol=1e-8):
    """(r, rho, {(i, j): rank N_ij})."""
    white, L = whiten_moments(moments), len(p)
    pairs = [(i, j) for i in range(2, L + 1) for j in range(1, i)]
    ranks = {(i, j): rank(segment(p, i, j), size(p, range(j + 1, i)), tol) for i, j in pairs}
    r = signal(white, p, tol).lam.size
    return r, min(*(len(W) for W in p[:-1]), white.rank()), ranks


def classify(moments, p, tol=1e-8):
    """Theorem C."""
    white = whiten_moments(moments)
    r, rho, ranks = critical_ranks(moments, p, tol)
    deficit = float(np.sum(white.eigenvalues[:r]) - np.sum((product(p) @ white.B) ** 2))
    if relative_gradient(moments, p) > tol:
        return Classification("not_critical", r, rho, deficit)
    if deficit > tol * np.max(white.eigenvalues, initial=0.0):
        return Classification("strict_saddle", r, rho, deficit)
    if r == rho:
        return Classification("global_minimum", r, rho, deficit)
    pivots = tuple(_pivot(moments, p, i, j, ranks[i, j], r, tol) for i, j in ranks)
    kind = "strict_saddle" if any(pivot.loose for pivot in pivots) else "non_strict_saddle"
    return Classification(kind, r, rho, deficit, pivots)


def _pivot(moments, p, i, j, rank_N, r, tol):
    scale = np.linalg.norm(moments.xy) * size(p, [*range(1, j), *range(i + 1, len(p) + 1)])
    block = float(np.linalg.norm(pivot_block(moments, p, i, j)))
    return Pivot(i, j, rank_N, block, rank_N > r and block > tol * scale)


def pivot_block(moments, p, i, j):
    """F_i^T G C_{j-1}^T      (n_i, n_{j-1})."""
    return suffixes(p)[i].T @ residual_map(moments, p) @ prefixes(p)[j - 1].T


# ------------------------------------------------------------------------------------------- witnesses (THEORY 3.4)


def swap_pair(whitened, p):
    """(q_J, lam_J, q_k, lam_k): the smallest eigenvalue of S and the largest off it."""
    s = signal(whitened, p)
    return s.columns[:, -1], s.lam[-1], s.rest[:, 0], s.lam_rest[0]


def swap_witness(moments, p, s=1.0):
    """(3.1): Delta_L = s q_k q_J^T W_L,  Delta_1 = W_1 Sxy q_J q_k^T Z* / (s lam_J).

    Its curvature is 2 (s^2 lam_J + lam_k / s^2) - 4 lam_k, so 2 (lam_J - lam_k) at s = 1.
    """
    white = whiten_moments(moments)
    q_J, lam_J, q_k, lam_k = swap_pair(white, p)
    last = s * np.outer(q_k, q_J @ p[-1])
    first = np.outer(p[0] @ moments.xy @ q_J, q_k @ white.M @ white.T.T) / (s * lam_J)
    return only(p, {1: first, len(p): last}), float(2.0 * (s * s * lam_J + lam_k / (s * s)) - 4.0 * lam_k)


def loose_pivot_witness(moments, p, i, j, tol=1e-8):
    """Delta_i = t a u^T, Delta_j = v b^T (or t in the other factor), curvature 2 first + 4 t nu g = -4 nu g.

    (a, g, b) top singular triple of F_i^T G C_{j-1}^T; u^T N v = nu with u^T N W_j C_{j-1} = 0 or F_i W_i N v = 0.
    """
    white = whiten_moments(moments)
    sizes = [size(p, layers) for layers in (range(1, i), range(j + 1, i), range(j + 1, len(p) + 1))]
    p, N = reduced(white, p), segment(p, i, j)
    C, F = prefixes(p)[j - 1], suffixes(p)[i]
    left, sigma, right_t = np.linalg.svd(pivot_block(moments, p, i, j))
    a, g, b = left[:, 0], sigma[0], right_t[0]
    K = null_space((N @ p[j - 1] @ C).T, sizes[0], tol)  # left null space of N W_j C_{j-1}
    moved = largest(K.T @ N) > tol * sizes[1]
    if moved:
        turn, nu, v = _top(K.T @ N)
        u = K @ turn
        first = float(np.sum((F @ p[i - 1] @ N @ np.outer(v, b) @ C @ white.B) ** 2))
    else:
        K = null_space(F @ p[i - 1] @ N, sizes[2], tol)
        u, nu, turn = _top(N @ K)
        v = K @ turn
        first = float(np.sum((F @ np.outer(a, u) @ N @ p[j - 1] @ C @ white.B) ** 2))
    t = -(first / (2.0 * nu * g) + 1.0)
    d = only(p, {i: (t if moved else 1.0) * np.outer(a, u), j: (1.0 if moved else t) * np.outer(v, b)})
    return d, float(-4.0 * nu * g)


def null_space(A, scale, tol=1e-8):
    _, s, right_t = np.linalg.svd(A, full_matrices=True)
    return right_t[int(np.sum(s > tol * scale)) :].T


def _top(A):
    left, s, right_t = np.linalg.svd(A, full_matrices=False)
    return left[:, 0], s[0], right_t[0]


def tight_curvature(moments, p, d):
    """At a top point whose pivots are all tight: H[Delta, Delta] = 2 ||E Sxx^{1/2}||^2 + 4 <E P^+ E, G> >= 0."""
    white = whiten_moments(moments)
    E, P = first_order(p, d) @ white.B, product(p) @ white.B
    inner = E @ pseudo_inverse(P, signal(white, p).lam.size) @ E
    return float(2.0 * np.sum(E * E) + 4.0 * np.sum(inner * (P - white.M)))


# -------------------------------------------------------------------------------------------- paths (THEORY 3.5, 3.6)


def pseudo_inverse(P, r):
    """From exactly r singular triplets."""
    left, s, right_t = np.linalg.svd(P, full_matrices=False)
    return (right_t[:r].T / s[:r]) @ left[:, :r].T


def signal_projectors(whitened, p):
    """[E_0, ..., E_L], E_h = C_h P^+ F_h (n_h, n_h) of rank r, P^+ taken from P Pi; W_{h+1} E_h = E_{h+1} W_{h+1}."""
    p = reduced(whitened, p)
    inverse = pseudo_inverse(product(p), signal(whitened, p).lam.size)
    return [C @ inverse @ F for C, F in zip(prefixes(p), suffixes(p), strict=True)]


@dataclass(frozen=True)
class Path:
    """point(t) and drop(t) = R(start) - R(point(t)) in closed form, t from 0 to ``end``."""

    point: Callable
    drop: Callable
    end: float


def escape_segments(moments, p, rng):
    """From a top critical point with r < rho: a flat segment, then R falls by lam_{r+1} (2 tau^L - tau^{2L}).

    W_h(t) = W_h [E_{h-1} + (1-t) (I - E_{h-1})];   W_h(1) + tau p_h q_{h-1}^T,  p_L = q_{r+1},  q_0^T = q_{r+1}^T Z*
    """
    white, L = whiten_moments(moments), len(p)
    E, s = signal_projectors(white, p), signal(white, p)

    def flat(t):
        return tuple(W @ (E[h] + (1.0 - t) * (np.eye(len(E[h])) - E[h])) for h, W in enumerate(p))

    lam, into, out = s.lam_rest[0], [s.rest[:, 0] @ white.M @ white.T.T], []
    for h in range(1, L):  # p_h in the range of I - E_h, ||p_h|| = 1,  q_h = (I - E_h)^T p_h
        rest = np.eye(len(E[h])) - E[h]
        v = rest @ rng.standard_normal(len(rest))
        out.append(v / np.linalg.norm(v))
        into.append(rest.T @ out[-1])
    d, start = tuple(np.outer(a, b) for a, b in zip([*out, s.rest[:, 0]], into, strict=True)), flat(1.0)
    return (
        Path(flat, lambda t: 0.0, 1.0),
        Path(lambda tau: add(start, d, tau), lambda tau: float(lam * (2.0 * tau**L - tau ** (2 * L))), 1.0),
    )


def swap_path(moments, p):
    """theta in [0, pi/2], d = (cos theta - 1) q_J + sin theta q_k: R falls by sin^2 theta (lam_k - lam_J)."""
    white = whiten_moments(moments)
    q_J, lam_J, q_k, lam_k = swap_pair(white, p)
    Z_star = white.M @ white.T.T

    def point(theta):
        d = (np.cos(theta) - 1.0) * q_J + np.sin(theta) * q_k
        last, first = np.outer(d, q_J @ p[-1]), np.outer(p[0] @ moments.xy @ q_J / lam_J, d @ Z_star)
        return add(p, only(p, {1: first, len(p): last}))

    return Path(point, lambda theta: float(np.sin(theta) ** 2 * (lam_k - lam_J)), np.pi / 2.0)


@dataclass(frozen=True)
class LocalWitness:
    """``point`` has the risk of the saddle; ``step`` along ``direction``, in one layer only, takes ``drop`` off it."""

    point: tuple
    layer: int
    direction: tuple
    step: float
    drop: float


def vanishing_interval(p, Z, first, last, tol=1e-8):
    """The shortest [j, k] inside [first, last] with Z_k ... Z_j = 0."""
    for length in range(1, last - first + 2):
        for j in range(first, last - length + 2):
            k = j + length - 1
            if np.linalg.norm(segment(Z, k + 1, j - 1)) <= tol * size(p, range(j, k + 1)):
                return j, k
    return None


def outside_interval(E, p, j, k, eps, rng):
    """p + eps (I - E_h) D_h (I - E_{h-1}) in the layers off [j, k], D_h random: the risk of p when Z_k ... Z_j = 0."""
    rest, moved = [np.eye(len(e)) - e for e in E], {}
    for h in set(range(1, len(p) + 1)) - set(range(j, k + 1)):
        D = rest[h] @ rng.standard_normal(p[h - 1].shape) @ rest[h - 1]
        moved[h] = eps * D / (np.linalg.norm(D) or 1.0)
    return add(p, only(p, moved))


def local_witness(moments, p, eps, rng):
    """A lower value within about eps of a non-strict saddle (THEORY 3.6), by the exact quadratic along one layer.

    The interval is taken inside [2, L-1], where one exists because the pivot (L, 1) is tight: Z_{L-1} ... Z_2 = 0. One
    that begins at 1 or ends at L will not do, its layer k can have gradient zero whatever the D_h
    (test_local_witness_needs_an_interval_inside).
    """
    white, L = whiten_moments(moments), len(p)
    E = signal_projectors(white, p)
    Z = [(np.eye(len(E[h])) - E[h]) @ p[h - 1] @ (np.eye(len(E[h - 1])) - E[h - 1]) for h in range(1, L + 1)]
    j, k = vanishing_interval(p, Z, 2, L - 1)
    point = outside_interval(E, p, j, k, eps, rng)
    g = gradient(moments, point)[k - 1]
    slope = float(np.linalg.norm(g))
    d = only(p, {k: -g / slope})
    bend = curvature(moments, point, d)  # R(point + t d) = R - slope t + bend t^2 / 2
    step = min(eps, slope / bend)
    return LocalWitness(point, k, d, step, slope * step - 0.5 * bend * step * step)
