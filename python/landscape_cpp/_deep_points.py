"""Constructors of critical points of deep linear networks, of every kind.

In whitened inputs every critical point is, up to invertible matrices between the layers,

    W_h = blockdiag(I_r, Z_h),  P = Q_S Q_Sᵀ M,  Z_L ... Z_1 = 0,  (Z_L ... Z_{h+1})ᵀ D (Z_{h-1} ... Z_1)ᵀ = 0 for all h

with D = diag(σ_k, k not in S) the rest of M. Closing the chain by Dᵀ makes (Z, Dᵀ) a nilpotent representation of a
cyclic quiver, so Z is a sum of *strands*: levels s, s + 1, ..., e on which each Z_h maps one axis to one axis. Let a_k
be the level up to which a strand carries the input axis k (0 without one) and b_k the level from which one reaches the
output axis k (L without one). The equations say: no strand runs from 0 to L, and a_k + 1 < b_k for every σ_k > 0.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ._validation import FloatArray, Layers
from .risk import SpectralData

__all__ = ["Rest", "attach", "critical_layers", "random_strands", "rest_of"]

Strand = tuple[int, list[int]]  # first level, and one axis per level


@dataclass(frozen=True)
class Rest:
    """What the index set S leaves of M: M = Q_S Q_Sᵀ M + left diag(σ) rightᵀ.

    Attributes:
        columns: Q_S, (nL, r).
        left: Orthonormal complement of Q_S, (nL, nL - r), the singular directions first.
        sigma: Its positive singular values, descending.
        right: Orthonormal complement of Mᵀ Q_S, (rank Sxx, rank Sxx - r), likewise.
    """

    columns: FloatArray
    left: FloatArray
    sigma: FloatArray
    right: FloatArray


def rest_of(spectrum: SpectralData, indices: Sequence[int]) -> Rest:
    """Singular bases of M off the eigenvectors ``indices`` of Σ."""
    chosen, resolved = list(indices), spectrum.rank
    missed = [k for k in range(resolved) if k not in set(chosen)]

    def bases(vectors: FloatArray) -> tuple[FloatArray, FloatArray]:
        known = vectors[:, :resolved]
        idle = np.linalg.qr(known, mode="complete")[0][:, resolved:] if resolved else np.eye(len(vectors))
        return vectors[:, chosen], np.hstack([vectors[:, missed], idle])

    columns, left = bases(spectrum.left)
    _, right = bases(spectrum.right)
    return Rest(columns, left, np.sqrt(spectrum.eigenvalues[missed]), right)


def level_sizes(spectrum: SpectralData, hidden: Sequence[int], outputs: int, rank: int) -> list[int]:
    """Residual axes of the levels 0, ..., L, level 0 counted by rank Sxx."""
    return [n - rank for n in (spectrum.rank_x, *hidden, outputs)]


def random_strands(sizes: Sequence[int], positive: int, rng: np.random.Generator, attempts: int) -> list[Strand]:
    """Strands that keep a point critical.

    Args:
        sizes: Residual axes of every level.
        positive: How many σ_k > 0 are left.
        rng: Draws them.
        attempts: How many strands to try; those that do not fit are dropped.
    """
    last = len(sizes) - 1
    free = [[int(axis) for axis in rng.permutation(size)] for size in sizes]
    strands: list[Strand] = []
    for _ in range(attempts):
        first, end = sorted(int(level) for level in rng.choice(last + 1, 2, replace=False))
        if not all(free[first : end + 1]):
            continue
        strand = (first, [level[-1] for level in free[first : end + 1]])
        if conflict([*strands, strand], last, positive) is None:
            strands.append(strand)
            for level in free[first : end + 1]:
                level.pop()
    return strands


def conflict(strands: Sequence[Strand], last: int, positive: int) -> str | None:
    """Why these strands make the point not critical; None if they do not."""
    reach, origin = dict.fromkeys(range(positive), 0), dict.fromkeys(range(positive), last)
    for first, axes in strands:
        end = first + len(axes) - 1
        if first == 0 and end == last:
            return "a strand from the inputs to the outputs changes the product"
        if first == 0 and axes[0] in reach:
            reach[axes[0]] = end
        if end == last and axes[-1] in origin:
            origin[axes[-1]] = first
    for axis in range(positive):
        if reach[axis] + 1 >= origin[axis]:
            return (
                f"strands that carry the missed direction {axis} up to level {reach[axis]} and down to level "
                f"{origin[axis]} leave a gradient between them"
            )
    return None


def attach(pairs: Sequence[tuple[int, int]], sizes: Sequence[int], positive: int) -> list[Strand]:
    """Strands over the given pairs of levels (s, e), on fresh axes; idle directions first at the inputs and outputs.

    Raises:
        ValueError: If a level has no axis left, or the point would not be critical.
    """
    last = len(sizes) - 1
    ends = {0, last}
    free = [
        [*range(positive, size), *range(min(positive, size))] if level in ends else list(range(size))
        for level, size in enumerate(sizes)
    ]
    strands: list[Strand] = []
    for first, end in pairs:
        axes = []
        for level in range(first, end + 1):
            if not free[level]:
                raise ValueError(f"strands: level {level} has only {sizes[level]} residual axes")
            axes.append(free[level].pop(0))
        strands.append((first, axes))
    reason = conflict(strands, last, positive)
    if reason is not None:
        raise ValueError(f"strands: {reason}")
    return strands


def critical_layers(
    spectrum: SpectralData,
    rest: Rest,
    hidden: Sequence[int],
    strands: Sequence[Strand],
    rng: np.random.Generator | None,
) -> Layers:
    """The critical point with index set S and these strands.

    Args:
        spectrum: Whitened spectral data.
        rest: What S leaves of M.
        hidden: Widths of the hidden layers.
        strands: Residual weights.
        rng: Draws their sizes, base changes of condition 4 between the layers and at both ends, and a part of W1 in the
            kernel of Sxx; None leaves ones, no base changes and no such part.
    """
    rank = rest.columns.shape[1]
    sizes = level_sizes(spectrum, hidden, len(rest.left), rank)
    blocks = [np.zeros((after, before)) for before, after in itertools.pairwise(sizes)]
    for first, axes in strands:
        for step, (before, after) in enumerate(itertools.pairwise(axes)):
            blocks[first + step][after, before] = 1.0 if rng is None else rng.uniform(0.5, 2.0)
    if rng is not None:
        at_output, at_input = _end_changes(rest.sigma, sizes[-1], sizes[0], rng)
        blocks[-1], blocks[0] = at_output @ blocks[-1], blocks[0] @ at_input
    layers = [_block_diagonal(np.eye(rank), block) for block in blocks]
    layers[0] = np.vstack([rest.columns.T @ spectrum.cross, blocks[0] @ rest.right.T]) @ spectrum.whitening.T
    layers[-1] = np.hstack([rest.columns, rest.left @ blocks[-1]])
    if rng is not None:
        if spectrum.rank_x < layers[0].shape[1]:
            extra = rng.standard_normal(layers[0].shape)
            layers[0] = layers[0] + extra - extra @ spectrum.colouring @ spectrum.whitening.T
        for h, width in enumerate(hidden):  # W_h <- C W_h, W_{h+1} <- W_{h+1} C⁻¹
            mixing = _invertible(width, rng)
            layers[h], layers[h + 1] = mixing @ layers[h], np.linalg.solve(mixing.T, layers[h + 1].T).T
    return tuple(np.ascontiguousarray(layer) for layer in layers)


def _block_diagonal(first: FloatArray, second: FloatArray) -> FloatArray:
    result = np.zeros((len(first) + len(second), first.shape[1] + second.shape[1]))
    result[: len(first), : first.shape[1]] = first
    result[len(first) :, first.shape[1] :] = second
    return result


def _orthogonal(n: int, rng: np.random.Generator) -> FloatArray:
    return np.asarray(np.linalg.qr(rng.standard_normal((n, n)))[0])


def _invertible(n: int, rng: np.random.Generator) -> FloatArray:
    """Of condition 4."""
    sizes = np.geomspace(1.0, 0.25, n) if n > 1 else rng.uniform(0.5, 2.0, n)
    return np.asarray((_orthogonal(n, rng) * sizes) @ _orthogonal(n, rng))


def _end_changes(
    sigma: FloatArray, outputs: int, inputs: int, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """A (outputs, outputs) and B (inputs, inputs) with Aᵀ D Bᵀ = D, D = diag(σ) and zeros: they leave D as it is."""
    k = len(sigma)
    left, right = (np.tril(rng.uniform(-1.0, 1.0, (n, n)), -1) for n in (outputs, inputs))
    left[k:, k:], right[k:, k:] = _invertible(outputs - k, rng), _invertible(inputs - k, rng)
    left[:k, :k] = _invertible(k, rng)
    right[:k, :k] = np.linalg.inv(left[:k, :k]).T / sigma[:, None] * sigma
    return left, right.T
