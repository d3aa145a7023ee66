"""Second moments, the squared risk of a linear map, and whitened spectral data (THEORY section 1).

    R(Z) = sum_i w_i ||y_i - Z x_i||^2 / sum_i w_i = tr(Syy - 2 Syx Z^T + Z Sxx Z^T)

Rows of X (m, n0) and Y (m, n2) are samples.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Moments:
    """Second moments and, with ``center``, the means that were taken off first."""

    xx: np.ndarray
    xy: np.ndarray
    yy: np.ndarray
    mean_x: np.ndarray | None = None
    mean_y: np.ndarray | None = None


@dataclass(frozen=True)
class Whitened:
    """Sigma = M M^T with M = Syx T and T^T Sxx T = I on the range of Sxx."""

    eigenvalues: np.ndarray  # (min(n2, rank_x),) descending
    left: np.ndarray  # (n2, k) eigenvectors of Sigma
    T: np.ndarray  # (n0, rank_x) whitening
    B: np.ndarray  # (n0, rank_x) colouring, B = Sxx T, Sxx = B B^T
    M: np.ndarray  # (n2, rank_x)
    total: float  # tr Syy

    @property
    def rank_x(self):
        return self.T.shape[1]

    def rank(self, tol=1e-9):
        if self.eigenvalues.size == 0 or self.eigenvalues[0] == 0.0:
            return 0
        return int(np.sum(self.eigenvalues > tol * self.eigenvalues[0]))


def normalised_weights(m, sample_weight=None):
    w = np.ones(m) if sample_weight is None else np.asarray(sample_weight, dtype=float)
    return w / w.sum()


def centred(X, Y, sample_weight=None, center=False):
    """First pass: the weighted means. Returns (X, Y, weights of sum 1, mean_x, mean_y)."""
    X, Y = np.asarray(X, dtype=float), np.asarray(Y, dtype=float)
    Y = Y[:, None] if Y.ndim == 1 else Y
    w = normalised_weights(len(X), sample_weight)
    if not center:
        return X, Y, w, None, None
    mean_x, mean_y = w @ X, w @ Y
    return X - mean_x, Y - mean_y, w, mean_x, mean_y


def second_moments(X, Y, sample_weight=None, center=False):
    """Second pass: sum_i w_i x_i y_i^T with sum_i w_i = 1."""
    X, Y, w, mean_x, mean_y = centred(X, Y, sample_weight, center)
    xx, xy, yy = np.zeros((X.shape[1],) * 2), np.zeros((X.shape[1], Y.shape[1])), np.zeros((Y.shape[1],) * 2)
    for weight, x, y in zip(w, X, Y, strict=True):
        xx += weight * np.outer(x, x)
        xy += weight * np.outer(x, y)
        yy += weight * np.outer(y, y)
    return Moments(xx, xy, yy, mean_x, mean_y)


def risk_trace(Z, moments):
    """tr(Syy - 2 Syx Z^T + Z Sxx Z^T), Z (n2, n0)."""
    return float(np.trace(moments.yy) - 2.0 * np.sum(moments.xy.T * Z) + np.sum((Z @ moments.xx) * Z))


def risk_data(Z, X, Y, sample_weight=None, center=False):
    """The weighted mean of ||y - Z x||^2, sample by sample."""
    X, Y, w, _, _ = centred(X, Y, sample_weight, center)
    return float(sum(weight * np.sum((y - Z @ x) ** 2) for weight, x, y in zip(w, X, Y, strict=True)))


def whiten_data(X, Y, sample_weight=None, center=False, tol=1e-10):
    """Through SVDs of the data, no covariance is formed: X_w = P S R^T, M = Y_w^T P (rows scaled by sqrt w)."""
    X, Y, w, _, _ = centred(X, Y, sample_weight, center)
    root = np.sqrt(w)[:, None]
    P, s, Rt = np.linalg.svd(root * X, full_matrices=False)
    keep = s > tol * (s[0] if s.size else 0.0)
    P, s, Rt = P[:, keep], s[keep], Rt[keep]
    return _whitened(Rt.T / s, Rt.T * s, (root * Y).T @ P, float(np.sum((root * Y) ** 2)))


def whiten_moments(moments, tol=1e-10):
    """Through the eigendecomposition of Sxx = R diag(a) R^T: T = R a^{-1/2}, B = R a^{1/2}."""
    a, R = np.linalg.eigh(moments.xx)
    keep = a > tol * max(a[-1], 0.0) if a.size else np.zeros(0, dtype=bool)
    a, R = a[keep][::-1], R[:, keep][:, ::-1]
    T = R / np.sqrt(a)
    return _whitened(T, R * np.sqrt(a), moments.xy.T @ T, float(np.trace(moments.yy)))


def _whitened(T, B, M, total):
    left, sigma, _ = np.linalg.svd(M, full_matrices=False)
    return Whitened(sigma**2, left, T, B, M, total)


def minimum_risk(whitened, n_hidden=None):
    """tr Syy - sum of the n_hidden largest eigenvalues of Sigma (all of them when the width is None)."""
    return whitened.total - float(np.sum(whitened.eigenvalues[:n_hidden]))
