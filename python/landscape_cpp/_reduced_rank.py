"""All ranks of a reduced-rank regression from one factorisation; what the estimators share.

    min over rank Z <= r of  sum_i w_i |y_i - b - Z x_i|² + alpha |Z|²  =  W (R_min + sum_{i>r} λ_i),   Z_r = Q_r V_rᵀ

with R_min, λ, Q of the (ridged, centred) moments and V = Sxx⁺ Sxy Q (Theorems A (i) and B, THEORY 2): the solutions are
nested, so the one of largest rank holds them all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.linalg

from ._validation import FloatArray
from .risk import Covariances, SpectralData

__all__ = ["CentredData", "RankPath", "centre", "rank_path"]


@dataclass(frozen=True)
class RankPath:
    """The solutions of every rank: Z_r = left[:, :r] @ right[:, :r].T, r = 0 ... k.

    Attributes:
        left: Q, (n2, k), orthonormal columns, ordered by what they explain.
        right: V, (n0, k).
        risks: Smallest (penalised) mean squared error of every rank, (k + 1,).
    """

    left: FloatArray
    right: FloatArray
    risks: FloatArray


@dataclass(frozen=True)
class CentredData:
    """Moments of data about their means.

    Attributes:
        cov: Moments of the shifted data, centred if there is an intercept.
        mean_x: Weighted mean of the inputs, (n0,); zeros without an intercept.
        mean_y: Of the targets, (n2,).
        noise: Relative rounding level of every input about its mean, (n0,).
    """

    cov: Covariances
    mean_x: FloatArray
    mean_y: FloatArray
    noise: FloatArray


def _shift(array: npt.NDArray[Any], weights: FloatArray | None, unit: float) -> tuple[FloatArray, FloatArray, Any]:
    """The array about one of its rows, that row, and the largest magnitude of each column.

    Constant columns become exact zeros (those that rounding alone varies, too), whatever rounding does to their means.
    """
    rows = array if weights is None else array[weights > 0.0]
    origin = rows[0].astype(np.float64)
    largest = np.maximum(np.abs(rows.max(axis=0)), np.abs(rows.min(axis=0))).astype(np.float64)
    shifted = array.astype(np.float64) - origin
    reach = np.abs(shifted if weights is None else shifted[weights > 0.0]).max(axis=0)
    shifted[:, reach <= 8.0 * unit * largest] = 0.0
    return shifted, origin, largest


def centre(
    X: npt.NDArray[Any],
    Y: npt.NDArray[Any] | None,
    weights: FloatArray | None,
    intercept: bool,
    *,
    unit: float,
    n_threads: int | None,
) -> CentredData:
    """The moments of checked data, about the means if there is an intercept.

    Args:
        X: Inputs, (m, n0).
        Y: Targets, (m, n2); None for Y = X.
        weights: Non-negative weights (m,), with a positive sum; None for ones.
        intercept: Whether the means are free.
        unit: Unit roundoff of the entries of X as they came: that of float32 for float32.
        n_threads: As in :meth:`Covariances.from_data`.
    """
    n0 = X.shape[1]
    if not intercept:
        cov = Covariances.from_data(X, Y, sample_weight=weights, n_threads=n_threads)
        n2 = n0 if Y is None else Y.shape[1]
        return CentredData(cov, np.zeros(n0), np.zeros(n2), np.full(n0, unit))
    x, origin_x, largest = _shift(X, weights, unit)
    y, origin_y = (None, origin_x) if Y is None else _shift(Y, weights, 2.0**-53)[:2]
    cov = Covariances.from_data(x, y, center=True, sample_weight=weights, n_threads=n_threads)
    assert cov.mean_x is not None
    assert cov.mean_y is not None
    deviation = np.sqrt(_second_moments(cov))
    noise = unit * np.maximum(1.0, np.divide(largest, deviation, out=np.ones(n0), where=deviation > 0.0))
    return CentredData(cov, origin_x + cov.mean_x, origin_y + cov.mean_y, noise)


def _second_moments(cov: Covariances) -> FloatArray:
    pair = cov.factor
    return np.einsum("ij,ij->j", pair[0], pair[0]) if pair is not None else cov.xx.diagonal()


def rank_path(data: CentredData, alpha: float, *, n_threads: int | None) -> RankPath:
    """The solutions of every rank.

    Directions of the inputs that rounding of their entries explains are left out (the solution of smallest norm), so
    that collinear columns share their coefficients instead of cancelling each other.

    Args:
        data: Moments about the means.
        alpha: Non-negative multiplier of |Z|² per unit of sample weight.
        n_threads: Threads; None is all of them.
    """
    cov = data.cov
    wide = (pair := cov.factor) is not None and len(pair[0]) < cov.n_inputs
    if alpha > 0.0 and wide:
        return _from_whitened(*_ridge_in_row_space(cov, alpha), cov.total)
    spectrum = (cov if alpha == 0.0 else cov.with_ridge(alpha)).spectrum(n_threads=n_threads)
    if alpha == 0.0 and not (keep := _above_noise(spectrum, _second_moments(cov), data.noise)).all():
        basis = np.linalg.qr(spectrum.colouring[:, keep])[0]
        whitening = basis @ (basis.T @ spectrum.whitening[:, keep])
        return _from_whitened(whitening, spectrum.cross[:, keep], cov.total)
    k = spectrum.rank + spectrum.unresolved
    right = spectrum.whitening @ (spectrum.right[:, :k] * np.sqrt(spectrum.eigenvalues[:k]))
    return _path(spectrum.left[:, :k], right, spectrum.eigenvalues[:k], spectrum.minimum_risk)


def _above_noise(spectrum: SpectralData, second_moments: FloatArray, noise: FloatArray) -> npt.NDArray[np.bool_]:
    """Which singular directions of the scaled inputs exceed the rounding of the entries.

    With D the scaling to unit second moment and X D = P S Rᵀ, B = Xᵀ P gives D B = R S. Independent rounding errors of
    relative size ν_j in column j move the singular value s of direction r by about |ν ∘ r|; eight times its root mean
    square over all directions that share it is the level below which s says nothing.
    """
    scale = np.sqrt(second_moments)
    scaled = np.divide(
        spectrum.colouring, scale[:, None], out=np.zeros_like(spectrum.colouring), where=scale[:, None] > 0.0
    )
    singular = np.linalg.norm(scaled, axis=0)
    level = np.linalg.norm(noise[:, None] * scaled, axis=0) / singular
    above: npt.NDArray[np.bool_] = singular > 8.0 * np.sqrt(len(scale)) * level
    return above


def _ridge_in_row_space(cov: Covariances, alpha: float) -> tuple[FloatArray, FloatArray]:
    """T and M = Syx T of Sxx + alpha I for fewer rows than inputs: X = P S Rᵀ, T = R (S² + alpha)^{-½}.

    What T leaves out is orthogonal to every sample; Sxx is never formed.
    """
    pair = cov.factor
    assert pair is not None
    left, singular, right = scipy.linalg.svd(pair[0], full_matrices=False, check_finite=False)
    root = np.sqrt(singular**2 + alpha)
    return right.T / root, (pair[1].T @ left) * (singular / root)


def _from_whitened(whitening: FloatArray, cross: FloatArray, total: float) -> RankPath:
    left, singular, right = scipy.linalg.svd(cross, full_matrices=False, check_finite=False)
    k = int((singular > 8.0 * np.finfo(float).eps * np.sqrt(max(cross.shape)) * np.sqrt(total)).sum())
    values = singular[:k] ** 2
    return _path(left[:, :k], whitening @ (right[:k].T * singular[:k]), values, max(0.0, total - float(values.sum())))


def _path(left: FloatArray, right: FloatArray, eigenvalues: FloatArray, minimum: float) -> RankPath:
    """The path with the sign of each pair fixed: the largest entry of a column of Q is positive."""
    k = left.shape[1]
    columns = np.arange(k)
    signs = np.sign(left[np.abs(left).argmax(axis=0), columns])
    tails = np.concatenate([np.cumsum(eigenvalues[::-1])[::-1], [0.0]])
    return RankPath(left * signs, right * signs, minimum + tails)
