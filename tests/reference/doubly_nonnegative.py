"""The doubly nonnegative bound of the polar from its formula (THEORY 7.5, (7.1) with decided samples), dense and slow.

    f(w) = |r|,  r = sum_i act(x_i . w) q_i,  act(t) = max(t, a t),  |w| = 1        X (m, d), Q (m, nL)
    cell: sigma_i x_i . w >= 0 for decided samples, tau_k r_k >= 0 for decided outputs
    y = (w, h),  h_i = (x_i . w)_+ for undecided samples,  r = G y,
    z = B y = (h, h - t, sigma t, tau r) >= 0  with  h_i (h_i - t_i) = 0

Any symmetric N, nonnegative but at the (h_i, h_i - t_i), gives f <= kappa on the cell when
    F = kappa^2 diag(I, 0) - G^T G - B^T N B  is positive semidefinite;
the smallest such kappa^2 is the largest eigenvalue of the Schur complement of F_hh. Samples with x_i = 0 or q_i = 0
take no part. Multipliers refer to data scaled by powers of two, which `scaled` repeats.
"""

import numpy as np


def scaled(X, Q):
    """(X', Q', samples, exponent): polar(X, Q) = 2^exponent polar(X', Q'), zero samples left out."""
    samples = np.flatnonzero(np.any(X != 0, axis=1) & np.any(Q != 0, axis=1))
    X, Q = X[samples], Q[samples]
    if len(samples) == 0:
        return X, Q, samples, 0
    of_x = np.frexp(np.abs(X).max(axis=1))[1]
    of_q = np.frexp(np.abs(Q).max(axis=1))[1]
    exponent = int((of_x + of_q).max())
    return np.ldexp(X, -of_x[:, None]), np.ldexp(Q, (of_x - exponent)[:, None]), samples, exponent


def matrices(X, Q, slope, signs):
    """(G, B, number of undecided samples) of a cell; signs (m + nL)."""
    m, d = X.shape
    samples, outputs = signs[:m], signs[m:]
    undecided, decided = np.flatnonzero(samples == 0), np.flatnonzero(samples != 0)
    u = len(undecided)
    t = np.hstack([X, np.zeros((m, u))])  # t = t y
    h = np.hstack([np.zeros((u, d)), np.eye(u)])
    act = np.where(samples > 0, 1.0, slope)[:, None] * t
    act[undecided] += (1.0 - slope) * h
    G = Q.T @ act
    chosen = np.flatnonzero(outputs != 0)
    B = np.vstack([h, h - t[undecided], samples[decided, None] * t[decided], outputs[chosen, None] * G[chosen]])
    return G, B, u


def upper(X, Q, slope, signs, N):
    """The bound on the cell of `signs` (m + nL) that the multipliers N prove; inf if they prove none."""
    m = X.shape[0]
    X, Q, samples, exponent = scaled(X, Q)
    if len(samples) == 0:
        return 0.0
    d = X.shape[1]
    if slope == 1.0:
        return float(np.ldexp(np.linalg.norm(Q.T @ X, 2), exponent))
    G, B, u = matrices(X, Q, slope, np.concatenate([signs[samples], signs[m:]]).astype(float))
    N = np.asarray(N, dtype=float)
    if N.shape != (len(B), len(B)) or not np.array_equal(N, N.T):
        raise ValueError(f"N must be symmetric of order {len(B)}, got {N.shape}")
    free = np.zeros(N.shape, dtype=bool)
    i = np.arange(u)
    free[i, u + i] = free[u + i, i] = True
    if np.any(N[~free] < 0.0):
        return np.inf
    M = G.T @ G + B.T @ N @ B
    S = M[:d, :d]
    if u:
        gamma = -M[d:, d:]
        if np.linalg.eigvalsh(gamma)[0] <= 0.0:
            return np.inf
        S = S + M[:d, d:] @ np.linalg.solve(gamma, M[d:, :d])
    return float(np.ldexp(np.sqrt(max(np.linalg.eigvalsh(0.5 * (S + S.T))[-1], 0.0)), exponent))


def covers(signs):
    """Whether the cells (rows of signs, 0 = both) contain every vector of signs."""
    signs = np.asarray(signs)
    if len(signs) == 0:
        return False
    if np.any(np.all(signs == 0, axis=1)):
        return True
    j = int(np.argmax(np.count_nonzero(signs, axis=0)))  # a coordinate that every leaf decides, in a tree
    for side in (1, -1):
        rest = signs[signs[:, j] != -side].copy()
        rest[:, j] = 0
        if not covers(rest):
            return False
    return True
