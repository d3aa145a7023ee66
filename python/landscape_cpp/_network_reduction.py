"""Smaller data with the same polar, up to an error that is added to the bound (THEORY 7.1 and 12b.5).

NumPy only: a verifier repeats it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ._validation import FloatArray
from ._verify_norms import UNIT, frobenius, gamma

__all__ = ["Reduction", "reduce_samples"]

_RANK = 1e-12  # singular values below it, relative to the largest, are taken for rounding and paid for
_SAME = 12  # decimals to which directions of parallel samples agree


@dataclass(frozen=True)
class Reduction:
    """max f over |w| = 1 on the data given ≤ (1 + stretch) max f on these + error.

    Attributes:
        X: (k, e), e the dimension that is left.
        Q: (k, nL).
        basis: (d, e) with orthonormal columns, w = basis w'; None is the identity.
        error: What merging and dropping add to the bound.
        stretch: By how much the basis may lengthen a direction, rounding.
    """

    X: FloatArray
    Q: FloatArray
    basis: FloatArray | None
    error: float
    stretch: float

    def lift(self, w: FloatArray) -> FloatArray:
        """The direction in the space of the data given."""
        return w if self.basis is None else np.asarray(self.basis @ w)


def reduce_samples(X: FloatArray, Q: FloatArray, *, rank: bool = True, merge: bool = True) -> Reduction:
    """Leave out samples that add nothing, coordinates outside the range of X, and merge positively parallel samples.

    Args:
        X: Samples (m, d).
        Q: Their weights (m, nL).
        rank: Whether to leave out directions: act must be of power 1.
        merge: Whether to merge: likewise.
    """
    x, q = X, Q
    if X.shape[1] > 2 or not np.any(Q):  # the sweep of a circle does not mind them
        keep = np.any(X != 0.0, axis=1) & np.any(Q != 0.0, axis=1)
        x, q = X[keep], Q[keep]
    top = max(float(np.max(x, initial=0.0)), -float(np.min(x, initial=0.0)))
    if top == 0.0:
        x, q = x[:0], q[:0]
    basis, error, stretch = None, 0.0, 0.0
    if rank and len(x) and x.shape[1] > 1:
        basis = _range(x, top)
        if basis is not None:
            small = x @ basis
            left = frobenius(x - small @ basis.T) + gamma(2 * sum(basis.shape) + 8) * frobenius(small)
            error += frobenius(q) * left * (1.0 + 8.0 * UNIT)
            stretch += gamma(len(basis) + 4) + frobenius(basis.T @ basis - np.eye(basis.shape[1]))
            x = np.ascontiguousarray(small)
    if merge and len(x) > 1 and x.shape[1] > 2:
        x, q, more = _merged(x, q)
        error += more
    return Reduction(np.ascontiguousarray(x), np.ascontiguousarray(q), basis, error, stretch)


def _range(x: FloatArray, top: float) -> FloatArray | None:
    """An orthonormal basis of the row space of x, or None if it is the whole space; top is the largest entry."""
    if len(x) >= x.shape[1]:
        # A few samples show it nearly always: more of them only add to the Gram matrix, whose trace is at most x.size.
        some = x[: max(4096, 8 * x.shape[1])] / top
        if np.linalg.eigvalsh(some.T @ some)[0] > 1e-9 * x.size:
            return None
    scaled = x / top
    if len(x) >= x.shape[1]:
        values = np.linalg.eigvalsh(scaled.T @ scaled)
        if values[0] > 1e-9 * values[-1]:
            return None
    _, sigma, right = np.linalg.svd(scaled, full_matrices=False)
    kept = int(np.sum(sigma > _RANK * sigma[0]))
    return None if kept == x.shape[1] else np.ascontiguousarray(right[:kept].T)


def _merged(x: FloatArray, q: FloatArray) -> tuple[FloatArray, FloatArray, float]:
    """x_j = c x_i with c > 0: q_i += c q_j (THEORY 7.1 [Q9]); the longest sample stands for the others."""
    top = np.max(np.abs(x), axis=1, keepdims=True)
    length = np.linalg.norm(x / top, axis=1, keepdims=True)
    direction = x / top / length
    _, group = np.unique(np.round(direction, _SAME) + 0.0, axis=0, return_inverse=True)
    group = group.ravel()
    count = int(group.max()) + 1
    if count == len(x):
        return x, q, 0.0
    size = (top * length).ravel()
    order = np.lexsort((-size, group))
    first = order[np.concatenate([[True], group[order][1:] != group[order][:-1]])]
    representative = first[group]
    # c = <x_j, x_i> / |x_i|^2, at most about 1
    along = np.sum(direction * direction[representative], axis=1)
    ratio = along * (size / size[representative])
    away = np.linalg.norm(direction - along[:, None] * direction[representative], axis=1) * size
    away = away * (1.0 + 8.0 * UNIT) + gamma(x.shape[1] + 16) * size
    alone = representative == np.arange(len(x))
    ratio[alone], away[alone] = 1.0, 0.0
    merged = np.zeros((count, q.shape[1]))
    sizes = np.zeros((count, q.shape[1]))
    np.add.at(merged, group, ratio[:, None] * q)
    np.add.at(sizes, group, np.abs(ratio[:, None] * q))
    weight = np.linalg.norm(q, axis=1) * (1.0 + gamma(q.shape[1] + 4))
    counts = int(np.bincount(group).max())
    rounding = gamma(counts + 4) * float(np.sum(np.linalg.norm(sizes, axis=1) * size[first]))
    error = (float(np.sum(weight * away)) + rounding) * (1.0 + gamma(len(x) + 8))
    return np.ascontiguousarray(x[first]), merged, error
