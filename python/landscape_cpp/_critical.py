"""Constructors of critical points of the shallow linear network, from its spectral data (THEORY 2.3, 2.6)."""

from __future__ import annotations

import numpy as np

from ._validation import FloatArray, Point
from .risk import SpectralData


def normal_form(spectrum: SpectralData, n1: int, chosen: list[int]) -> Point:
    """U = [Q_S 0], V = [Sxx⁺ Sxy Q_S 0], (n2, n1) and (n0, n1): Theorem A with C the identity."""
    left = np.zeros((len(spectrum.left), n1))
    right = np.zeros((len(spectrum.whitening), n1))
    left[:, : len(chosen)] = spectrum.left[:, chosen]
    sigma = np.sqrt(spectrum.eigenvalues[chosen])
    right[:, : len(chosen)] = spectrum.whitening @ (spectrum.right[:, chosen] * sigma)
    return left, right


def balanced_minimum(spectrum: SpectralData, n1: int, rank: int) -> Point:
    """The global minimum with UᵀU = VᵀV: Z = Q_ρ Q_ρᵀ Syx Sxx⁺ = P S Rᵀ, U = P S^½, V = R S^½."""
    left, right = normal_form(spectrum, n1, list(range(rank)))
    basis, upper = np.linalg.qr(right[:, :rank])
    rotation, singular, rows = np.linalg.svd(upper.T)  # Z = Q upperᵀ basisᵀ
    root = np.sqrt(singular)
    left[:, :rank] = left[:, :rank] @ (rotation * root)
    right[:, :rank] = basis @ (rows.T * root)
    return left, right


def random_normal_form(
    spectrum: SpectralData, n1: int, chosen: list[int], extra: bool, rng: np.random.Generator
) -> Point:
    """U = [Q_S N2] D, Vᵀ Sxx^½ = D⁻¹ [Q_Sᵀ M; N1], Mᵀ N2 = 0, M N1ᵀ = 0, N2 N1 = 0, D random (THEORY 2.6)."""
    n2, n0 = len(spectrum.left), len(spectrum.whitening)
    free = n1 - len(chosen)
    n2_block = np.zeros((n2, free))
    n1_block = np.zeros((free, spectrum.rank_x))
    if extra and free:
        idle_outputs = _complement(spectrum.left[:, : spectrum.rank])
        idle_inputs = _complement(spectrum.right[:, : spectrum.rank])
        split = int(rng.integers(0, free + 1))  # N2 uses the first `split` hidden units, N1 the others: N2 N1 = 0
        n2_block[:, :split] = idle_outputs @ rng.standard_normal((idle_outputs.shape[1], split))
        # In the units of the data: rows of W are of the size of the largest singular value of M.
        size = _size(spectrum)
        n1_block[split:] = size * rng.standard_normal((free - split, idle_inputs.shape[1])) @ idle_inputs.T
    mixing = _random_invertible(rng, n1)
    sigma = np.sqrt(spectrum.eigenvalues[chosen])
    u = np.concatenate([spectrum.left[:, chosen], n2_block], axis=1) @ mixing
    whitened = np.concatenate([(spectrum.right[:, chosen] * sigma).T, n1_block], axis=0)
    v = spectrum.whitening @ np.linalg.solve(mixing, whitened).T
    if spectrum.rank_x < n0:
        kernel = _complement(np.linalg.qr(spectrum.colouring)[0])
        length = float(np.linalg.norm(spectrum.colouring))  # √(tr Sxx)
        v += (_size(spectrum) / length if length > 0.0 else 1.0) * kernel @ rng.standard_normal((kernel.shape[1], n1))
    return u, np.ascontiguousarray(v)


def _size(spectrum: SpectralData) -> float:
    """σ_1, or without correlation √total, or without targets 1."""
    top = float(np.sqrt(spectrum.eigenvalues[0])) if spectrum.rank else float(np.sqrt(spectrum.total))
    return top if top > 0.0 else 1.0


def _complement(basis: FloatArray) -> FloatArray:
    """An orthonormal basis of the orthogonal complement of orthonormal columns."""
    rows, columns = basis.shape
    if columns == 0:
        return np.eye(rows)
    full = np.linalg.qr(basis, mode="complete")[0]
    return np.ascontiguousarray(full[:, columns:])


def _random_invertible(rng: np.random.Generator, n: int) -> FloatArray:
    """Orthogonal times diagonal times orthogonal, condition at most 4."""
    left = np.linalg.qr(rng.standard_normal((n, n)))[0]
    right = np.linalg.qr(rng.standard_normal((n, n)))[0]
    return np.asarray((left * rng.uniform(0.5, 2.0, n)) @ right)
