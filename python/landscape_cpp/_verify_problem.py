"""The objective and the dual of nuclear-norm problems on the observed entries, with bounds of their rounding.

    f(U, V) = Σ c l(Zhat, y) + λ/2 (|U|² + |V|²)       Zhat = U Vᵀ,  or X V Uᵀ with data X

NumPy and SciPy only: the certificates are re-checked with it, so it shares nothing with the C++ core.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse
from scipy.special import expit, xlog1py, xlogy

from ._fingerprints import FactorizationLike, observed_pattern, on_pattern, pattern_rows
from ._verify_norms import UNIT, frobenius, gamma

__all__ = ["Problem"]

FloatArray = npt.NDArray[np.float64]
Factors = tuple[FloatArray, FloatArray]


class Problem:
    """The observed entries as vectors y, c (c > 0) at (rows, columns), and the formulas on them."""

    def __init__(self, land: FactorizationLike) -> None:
        pattern = observed_pattern(land)
        self.X = None if land.X is None else np.asarray(land.X, dtype=np.float64)
        self.lam, self.loss, self.delta = float(land.lam), str(land.loss.name), float(land.loss.delta)
        if self.loss not in ("squared", "huber", "logistic"):
            raise ValueError(f"loss must be 'squared', 'huber' or 'logistic', got {self.loss!r}")
        self.shape: tuple[int, int] = land.Y.shape if pattern is None else pattern.shape
        y = on_pattern(land.Y, pattern)
        c = np.ones(y.size) if land.weights is None else on_pattern(land.weights, pattern)
        if pattern is None:
            rows, columns = (index.ravel() for index in np.indices(self.shape))
        else:
            rows, columns = pattern_rows(pattern), np.asarray(pattern.indices, dtype=np.int64)
        keep = c > 0.0
        self.whole = bool(np.all(keep)) and pattern is None
        self.y, self.c, self.rows, self.columns = y[keep], c[keep], rows[keep], columns[keep]
        if not (self.lam > 0.0 and math.isfinite(self.lam) and self.delta > 0.0):
            raise ValueError("lam and delta must be positive and finite")
        sound = bool(np.all(np.isfinite(c)) and np.all(c >= 0.0) and np.all(np.isfinite(self.y)))
        if not sound or (self.X is not None and not np.all(np.isfinite(self.X))):
            raise ValueError("weights must be finite and not negative, Y and X finite")
        if self.loss == "logistic" and not np.all(np.abs(self.y) == 1.0):
            raise ValueError("Y must hold the labels -1 and 1 for the logistic loss")
        n0 = self.shape[1] if self.X is None else self.X.shape[1]
        self.factor_rows = (self.shape[0] if self.X is None else self.shape[1], n0)

    def prediction(self, p: Factors) -> tuple[FloatArray, FloatArray]:
        """Zhat at the observed entries, and a bound of its rounding: γ times the product of absolute values."""
        left, right = (p[0], p[1]) if self.X is None else (self.X @ p[1], p[0])
        wide = np.abs(left) if self.X is None else np.abs(self.X) @ np.abs(p[1])
        steps = p[0].shape[1] + 2 + (0 if self.X is None else self.X.shape[1] + 2)
        return self._products(left, right), gamma(2 * steps) * self._products(wide, np.abs(right))

    def _products(self, left: FloatArray, right: FloatArray) -> FloatArray:
        if self.y.size > 0.1 * self.shape[0] * self.shape[1]:
            full = left @ right.T
            return np.asarray(full.ravel() if self.whole else full[self.rows, self.columns], dtype=np.float64)
        out = np.empty(self.y.size)
        chunk = max(1, 2_000_000 // max(1, left.shape[1]))
        for start in range(0, out.size, chunk):
            part = slice(start, start + chunk)
            out[part] = np.einsum("ek,ek->e", left[self.rows[part]], right[self.columns[part]])
        return out

    def losses(self, z: FloatArray) -> FloatArray:
        if self.loss == "logistic":
            return np.asarray(self.c * np.logaddexp(0.0, -self.y * z), dtype=np.float64)
        t = np.abs(z - self.y)
        inside = (
            0.5 * t * t
            if self.loss == "squared"
            else np.where(t <= self.delta, 0.5 * t * t, self.delta * (t - 0.5 * self.delta))
        )
        return np.asarray(self.c * inside, dtype=np.float64)

    def slopes(self, z: FloatArray) -> FloatArray:
        if self.loss == "logistic":
            return np.asarray(-self.c * self.y * expit(-self.y * z), dtype=np.float64)
        t = z - self.y
        bounded = t if self.loss == "squared" else np.clip(t, -self.delta, self.delta)
        return np.asarray(self.c * bounded, dtype=np.float64)

    def value(self, p: Factors) -> tuple[float, float]:
        """The objective and a bound of its rounding."""
        z, dz = self.prediction(p)
        terms = self.losses(z)
        squares = 0.5 * self.lam * np.concatenate([np.ravel(block) ** 2 for block in p])
        total = math.fsum(terms) + math.fsum(squares)
        size = self.c * np.abs(z) if self.loss == "logistic" else terms
        margin = np.sum(np.abs(self.slopes(z)) * dz + 0.5 * self.c * dz * dz)
        margin += 16.0 * UNIT * (np.sum(terms) + np.sum(size) + np.sum(squares))
        return total, float(margin) * 1.01

    def matrix(self, g: FloatArray) -> Any:
        """adjoint(G): G itself (CSR unless it is dense enough), or Gᵀ X; its error is ``adjoint_error``."""
        if self.whole:
            G: Any = g.reshape(self.shape)
        else:
            G = scipy.sparse.csr_matrix((g, (self.rows, self.columns)), shape=self.shape)
            if self.X is None and g.size > 0.1 * self.shape[0] * self.shape[1]:
                G = G.toarray()
        return G if self.X is None else np.asarray(G.T @ self.X, dtype=np.float64)

    def adjoint_error(self, g: FloatArray) -> float:
        """Bound of the spectral norm of what rounding changed: forming Gᵀ X, and s G in place of G."""
        size = frobenius(g)
        if self.X is None:
            return 8.0 * UNIT * size
        return (gamma(self.shape[0] + 2) + 16.0 * UNIT) * size * frobenius(self.X)

    def adjoint_norm(self, g: FloatArray) -> float:
        """An upper bound of |adjoint(G)|_2."""
        return frobenius(g) * (1.0 if self.X is None else frobenius(self.X))

    def in_domain(self, q: FloatArray) -> bool:
        """Whether Q = s G is in the domain of L*, up to the rounding that ``dual`` clips away."""
        limit = {"squared": math.inf, "huber": self.delta, "logistic": 1.0}[self.loss] * (1.0 + 4.0 * UNIT)
        return bool(np.all(np.abs(q) <= limit * self.c))

    def dual(self, q: FloatArray, dz: FloatArray) -> tuple[float, float, float]:
        """-L*(Q), a bound of the rounding of that sum, and how far another rounding of G (by c dz) could move it."""
        if self.loss == "logistic":
            share = np.clip(-self.y * q / self.c, 0.0, 1.0)
            terms = self.c * (xlogy(share, share) + xlog1py(1.0 - share, -share))
            sizes = self.c * (np.abs(xlogy(share, share)) + np.abs(xlog1py(1.0 - share, -share)))
            rate = np.abs(np.log(np.maximum(share, 1e-300)) - np.log1p(-np.minimum(share, 1.0 - UNIT)))
        else:
            bounded = q if self.loss == "squared" else np.clip(q, -self.delta * self.c, self.delta * self.c)
            terms = np.concatenate([0.5 * bounded * (bounded / self.c), bounded * self.y])
            sizes, rate = np.abs(terms), np.abs(bounded / self.c) + np.abs(self.y)
        return -math.fsum(terms), 16.0 * UNIT * float(np.sum(sizes)), float(np.sum(rate * self.c * dz))

    def stationarity(self, p: Factors, M: Any) -> float:
        """max over blocks |∂| / (|M V| + λ |U|), |∂| / (|Mᵀ U| + λ |V|): in [0, 1], 0 / 0 is 0."""
        out = 0.0
        for product, block in ((M @ p[1], p[0]), (M.T @ p[0], p[1])):
            size = frobenius(product) + self.lam * frobenius(block)
            out = max(out, frobenius(product + self.lam * block) / size if size > 0.0 else 0.0)
        return out
