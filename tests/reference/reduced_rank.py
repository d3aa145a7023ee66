"""Reduced-rank ridge regression with an intercept and weights by singular value decompositions of the data matrix.

    minimise  sum_i w_i |y_i - b - Z x_i|² + alpha |Z|²   over b and rank Z <= r

With A = [√w (X - mean); √alpha I], B = [√w (Y - mean); 0] and the least-squares solution Ẑᵀ = A⁺ B, Pythagoras gives
|B - A Zᵀ|² = |B - A Ẑᵀ|² + |A Ẑᵀ - A Zᵀ|², and Eckart-Young the best A Zᵀ: the leading right singular vectors of A Ẑᵀ.
"""

import numpy as np


def centred(X, Y, weights, intercept):
    if not intercept:
        return X, Y, np.zeros(X.shape[1]), np.zeros(Y.shape[1])
    # About one row first: the mean of a constant column is then exact.
    x0, y0 = X[weights > 0][0], Y[weights > 0][0]
    mean_x = x0 + weights @ (X - x0) / weights.sum()
    mean_y = y0 + weights @ (Y - y0) / weights.sum()
    x = X - x0 - (mean_x - x0)
    # A column that varies by a few units in its last place is a constant that was rounded.
    x[:, np.ptp(X, axis=0) <= 4.0 * np.finfo(float).eps * np.abs(X).max(axis=0)] = 0.0
    return x, Y - y0 - (mean_y - y0), mean_x, mean_y


def solutions(X, Y, *, alpha=0.0, weights=None, intercept=True, rcond=1e-9):
    """[(Z, b, objective)] of the ranks 0 ... min(n0, n2), of smallest norm."""
    w = np.ones(len(X)) if weights is None else weights
    x, y, mean_x, mean_y = centred(X, Y, w, intercept)
    root = np.sqrt(w)[:, None]
    A = np.vstack([root * x, np.sqrt(alpha) * np.eye(X.shape[1])])
    B = np.vstack([root * y, np.zeros((X.shape[1], Y.shape[1]))])
    scale = np.linalg.norm(A, axis=0)
    full_rank = np.linalg.matrix_rank(A[:, scale > 0] / scale[scale > 0], tol=rcond) == A.shape[1]
    if full_rank:  # unique: scaling the columns changes nothing and spares digits
        full = np.linalg.lstsq(A / scale, B, rcond=None)[0] / scale[:, None]
    else:
        full = np.linalg.pinv(A, rcond=rcond) @ B
    rows = np.linalg.svd(A @ full, full_matrices=False)[2]
    found = []
    for r in range(min(X.shape[1], Y.shape[1]) + 1):
        Z = (full @ rows[:r].T @ rows[:r]).T
        b = mean_y - Z @ mean_x
        objective = float(w @ ((y - x @ Z.T) ** 2).sum(axis=1) + alpha * (Z**2).sum())
        found.append((Z, b, objective))
    return found
