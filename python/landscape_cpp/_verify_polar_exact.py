"""The polar of one-hidden-layer units in up to five dimensions, proved again by enumeration, in NumPy.

    f(w) = |Σ act(x_i · w) q_i|₂ over |w| = 1      act(t) = max(t, a t), X (m, d), Q (m, nL)

The lines x_i · w = 0 cut the sphere into cells, on each of which f(w) = |A w| is convex. Order is decided by angles in
double precision, not exactly; that this suffices is seen as follows.

Arcs, on the circle and on the planes T^⊥ of d - 2 samples: a sample is taken on the wrong side only where
|x_i · w| ≤ δ |x_i| with δ a few roundings, however close lines are, so every arc's maximum is right to δ Σ |x_i| |q_i|.

Cells and other faces of three and more dimensions: the maximum inside is the top eigenvector of AᵀA, if that lies in
the face. A face with an inscribed radius below r is thin: each of its points has a chord of length at most 3r to the
boundary, and since f is convex there, f ≤ (1 + (3r)² / 8) max over the boundary. So only the others have to be found.
For d = 3 such a face has an edge not shorter than 4r / m; what vanishes at the middle of it up to rounding runs nearly
along with it, and lies on the same side of the face as the edge's own sample. For d > 3 samples that vanish on a plane
take all sides, in the order of every permutation of T; samples that neither vanish on a plane nor stay clear of it are
not decided: nothing is proved then.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ._validation import FloatArray
from ._verify_norms import TINY, UNIT, gamma

__all__ = ["faces", "sweep"]

_DELTA = 64.0 * UNIT  # of angles in a plane, with those of the coordinates in it
_LONG = float(np.finfo(np.longdouble).eps)  # as small as UNIT / 2048, or no smaller than 2 UNIT
_BLOCK = 1024
_RADIUS = 1e-5
_THIN = (3.0 * _RADIUS) ** 2 / 8.0
_VANISHES, _CLEAR = 2e-12, 1e-7  # of |x_i · w| / |x_i|
_ALONG = 1e-3  # samples this close to vanishing on a plane are looked at one by one
_DEGENERATE = 1e-11  # gap of the eigenvalues, relative to the largest


def sweep(X: FloatArray, Q: FloatArray, slope: float) -> float:
    """An upper bound of max f for d ≤ 2, about 1e-15 Σ |x_i| |q_i| above it."""
    size = _size(X, Q)
    if X.shape[1] == 1:
        best = 0.0
        for side in (1.0, -1.0):
            t = side * X
            h = np.maximum(t, slope * t).astype(np.longdouble)
            value = np.asarray([np.sum(h[:, 0] * column) for column in Q.T.astype(np.longdouble)], dtype=np.float64)
            best = max(best, float(np.linalg.norm(value)))
        error = (2.0 * UNIT + _LONG * len(X)) * size * math.sqrt(Q.shape[1])
        return best * (1.0 + gamma(Q.shape[1] + 8)) + error + len(X) * TINY
    arcs = _arcs(X)
    jumps = (1.0 - slope) * np.where(arcs.opens, 1.0, -1.0)
    first = np.where(arcs.on, 1.0, slope)
    M = np.zeros((3, len(arcs.start)))
    for column in Q.T:
        terms = (column[:, None] * X.astype(np.longdouble))[arcs.sample] * jumps[:, None]
        start = _total(first[:, None] * (column[:, None] * X.astype(np.longdouble)))
        A = (start + _prefix(terms)).astype(np.float64)
        M += np.stack([A[:, 0] ** 2, A[:, 0] * A[:, 1], A[:, 1] ** 2])
    squared = float(np.max(_arc_maxima(M, arcs.start, arcs.width, Q.shape[1])))
    depth = 2.0 * (_BLOCK + len(arcs.start) / _BLOCK + 16.0)
    error = (2.0 * depth * _LONG * math.sqrt(Q.shape[1]) + (1.0 - slope) * _DELTA) * size
    return math.sqrt(squared) * (1.0 + 4.0 * UNIT) + error * (1.0 + 1e-9) + len(X) * TINY


def faces(X: FloatArray, Q: FloatArray, slope: float, stated: float) -> float | None:
    """An upper bound of max f, at most ``stated`` (1 + 1e-9) where that is one; None if max f is larger or undecided.

    Args:
        X: (m, d) of rank d, 3 ≤ d ≤ 5, without zero rows.
        Q: (m, nL).
        slope: a.
        stated: What is to be proved; faces below it are not looked into.
    """
    enumeration = _Enumeration(X, Q, slope, stated)
    for chosen in itertools.combinations(range(len(X)), X.shape[1] - 2):
        if not enumeration.plane(chosen):
            return None
    return enumeration.upper()


# ------------------------------------------------------------------------------------------------ the arcs of a circle


@dataclass(frozen=True)
class _Arcs:
    """The circle, cut where y_i · (cos φ, sin φ) = 0; arc k lies behind event k."""

    start: FloatArray
    width: FloatArray
    sample: np.ndarray  # whose sign changes at the start of the arc
    opens: np.ndarray  # to positive
    on: np.ndarray  # (m,) positive before the first event


def _arcs(y: FloatArray) -> _Arcs:
    up = np.mod(np.arctan2(y[:, 1], y[:, 0]) - 0.5 * math.pi, 2.0 * math.pi)
    up[up >= 2.0 * math.pi] = 0.0
    on = up >= math.pi
    angles = np.concatenate([up, np.where(on, up - math.pi, up + math.pi)])
    order = np.argsort(angles, kind="stable")
    start = angles[order]
    width = np.diff(start, append=start[0] + 2.0 * math.pi)
    return _Arcs(start, width, order % len(y), order < len(y), on)


def _arc_maxima(M: FloatArray, start: FloatArray, width: FloatArray, outputs: int) -> FloatArray:
    """Upper bounds of wᵀ M w on the arcs, M given as (M11, M12, M22)."""
    alpha, beta, cross = 0.5 * (M[0] + M[2]), 0.5 * (M[0] - M[2]), M[1]
    ends = [alpha + beta * np.cos(2.0 * phi) + cross * np.sin(2.0 * phi) for phi in (start, start + width)]
    along = np.mod(0.5 * np.arctan2(cross, beta) - start, math.pi)
    inside = (along <= width + _DELTA) | (along >= math.pi - _DELTA)
    value = np.where(inside, alpha + np.hypot(beta, cross), np.maximum(*ends))
    return np.asarray(np.maximum(value, 0.0) + 8.0 * (outputs + 16) * UNIT * alpha)


def _size(X: FloatArray, Q: FloatArray) -> float:
    """Σ |x_i| |q_i|, rounded up."""
    norms = np.linalg.norm(X, axis=1) * np.linalg.norm(Q, axis=1)
    return float(np.sum(norms)) * (1.0 + gamma(sum(Q.shape) + X.shape[1] + 16)) + len(X) * TINY


def _total(terms: np.ndarray) -> np.ndarray:
    return np.asarray(np.sum([np.sum(terms[i : i + _BLOCK], axis=0) for i in range(0, len(terms), _BLOCK)], axis=0))


def _prefix(terms: np.ndarray) -> np.ndarray:
    """Cumulative sums in which no term passes through more than _BLOCK + n / _BLOCK additions."""
    out, before = np.empty_like(terms), np.zeros_like(terms[0])
    for i in range(0, len(terms), _BLOCK):
        own = np.cumsum(terms[i : i + _BLOCK], axis=0)
        out[i : i + _BLOCK] = own + before
        before = before + own[-1]
    return out


# ------------------------------------------------------------------------------------------------ faces


class _Enumeration:
    """Every plane T^⊥ raises ``best`` to the largest value met on faces that touch it."""

    def __init__(self, X: FloatArray, Q: FloatArray, slope: float, stated: float) -> None:
        self.m, self.d = X.shape
        self.outputs, self.slope = Q.shape[1], slope
        length = np.linalg.norm(X, axis=1)
        self.normals = X / length[:, None]
        self.terms = ((Q * length[:, None])[:, :, None] * self.normals[:, None, :]).reshape(self.m, -1)
        self.size: float = _size(X, Q)
        # |dA|_F: normals and terms, sums of them, and coordinates
        self.error = ((32.0 + self.m) * UNIT + 2.0 * (2 * self.m + 16) * _LONG * math.sqrt(self.outputs)) * self.size
        self.best: float = (stated * (1.0 - 2.0 * self.d * _THIN)) ** 2
        self.highest: float = (stated * (1.0 + 1e-9) + self.error) ** 2 + TINY
        self.degenerate = False

    def upper(self) -> float:
        squared = self.best * (1.0 + (self.d - 1) * _DEGENERATE * self.degenerate)
        rounding = 8.0 * (self.outputs + self.d + 8) * UNIT
        value = math.sqrt(squared) * (1.0 + 1.05 * (self.d - 2) * _THIN + rounding)
        return float(value + (1.0 - self.slope) * _DELTA * self.size + self.error + self.m * TINY)

    def plane(self, chosen: tuple[int, ...]) -> bool:
        """Whether everything that touches T^⊥ was decided, and is below ``highest``."""
        flat = list(chosen)
        frame, r = np.linalg.qr(self.normals[flat].T, mode="complete")
        pivots = np.abs(np.diagonal(r))
        if np.any(pivots <= _VANISHES):
            return True  # dependent: other samples span this plane, or a smaller one
        plane = frame[:, self.d - 2 :]
        others = np.setdiff1d(np.arange(self.m), flat)
        y = np.concatenate([self.normals[others] @ plane, [[1.0, 0.0]]])  # one more, of no weight, for the case of none
        length = np.linalg.norm(y, axis=1)
        if self.d > 3 and (np.any(pivots < _CLEAR) or np.any((length > _VANISHES) & (length < _CLEAR))):
            return False
        arcs, along = _arcs(y), np.flatnonzero(length <= _ALONG)
        terms = np.concatenate([self.terms[others], np.zeros((1, self.terms.shape[1]))]).astype(np.longdouble)
        terms[along] = 0.0
        jumps = np.where(arcs.opens, 1.0 - self.slope, self.slope - 1.0)
        first = np.where(arcs.on, 1.0, self.slope)
        A = (np.sum(first[:, None] * terms, axis=0) + np.cumsum(terms[arcs.sample] * jumps[:, None], axis=0)).astype(
            np.float64
        )
        middle = arcs.start + 0.5 * arcs.width
        middle = np.stack([np.cos(middle), np.sin(middle)], axis=1)
        t = middle @ y[along].T  # (arcs, along)
        beside = self.terms[others[along]]
        whole = A + np.where(t > 0.0, 1.0, self.slope) @ beside if len(along) else A
        N = whole.reshape(-1, self.outputs, self.d) @ plane
        M = np.stack([np.einsum("ij,ij->i", N[:, :, i], N[:, :, j]) for i, j in ((0, 0), (0, 1), (1, 1))])
        self.best = max(self.best, float(np.max(_arc_maxima(M, arcs.start, arcs.width, self.outputs + self.d))))

        long = np.flatnonzero(arcs.width > (2e-9 if self.d == 3 else _CLEAR))
        middle, A, t = middle[long], A[long], t[long]
        neighbours = np.stack([arcs.sample[long], np.roll(arcs.sample, -1)[long]], axis=1)
        for order, zeros in self._orders(flat, bool(len(along))):
            frame, r = np.linalg.qr(self.normals[order].T)
            frame = frame * np.sign(np.diagonal(r))
            basis = np.concatenate([frame[:, zeros:], plane], axis=1)
            coordinates = self.normals[np.concatenate([others[along], order]).astype(int)] @ frame
            for sides in itertools.product((1.0, -1.0), repeat=len(order) - zeros):
                signs = _side(coordinates, np.array([0.0] * zeros + list(sides)))
                near = np.where(np.abs(t) > _VANISHES, np.sign(t), signs[: len(along)])
                own = np.where(signs[len(along) :] > 0.0, 1.0, self.slope) @ self.terms[order]
                B = A + own
                if len(along):
                    B = B + np.where(near > 0.0, 1.0, self.slope) @ beside
                self._faces(B, basis, middle, near, signs[len(along) :], order, others, y, along, neighbours)
        return bool(self.best <= self.highest)

    def _orders(self, flat: list[int], several: bool) -> Iterator[tuple[list[int], int]]:
        """(T in some order, how many of its first samples vanish on the face)."""
        for zeros in range(len(flat)):
            if several:
                for order in itertools.permutations(flat):
                    yield list(order), zeros
            else:
                for first in itertools.combinations(flat, zeros):
                    yield [*first, *(i for i in flat if i not in first)], zeros

    def _faces(
        self,
        A: FloatArray,  # (arcs, nL d)
        basis: FloatArray,  # (d, k), of the span of the faces
        middle: FloatArray,
        near: FloatArray,
        own: FloatArray,
        order: list[int],
        others: np.ndarray,
        y: FloatArray,
        along: np.ndarray,
        neighbours: np.ndarray,
    ) -> None:
        """The faces that have these arcs on their boundary and contain their top eigenvector."""
        N = A.reshape(-1, self.outputs, self.d) @ basis
        kept = np.flatnonzero(np.einsum("ijk,ijk->i", N, N) > self.best)
        if not len(kept):
            return
        N = N[kept]
        if self.outputs == 1:
            values = np.einsum("ijk,ijk->i", N, N)
            vectors, gaps = N[:, 0] / np.sqrt(values)[:, None], values
        else:
            M = np.swapaxes(N, 1, 2) @ N
            power = M @ M
            above = np.einsum("ijk,ijk->i", power, power) > self.best**4 * (1.0 - 1e-12)  # λ⁴ ≤ |M²|_F²
            kept, M = kept[above], M[above]
            spectrum, eigenvectors = np.linalg.eigh(M)
            values, vectors, gaps = spectrum[:, -1], eigenvectors[:, :, -1], spectrum[:, -1] - spectrum[:, -2]
        larger = values > self.best
        kept, values, vectors, gaps = kept[larger], values[larger], vectors[larger], gaps[larger]
        if np.any(gaps <= _DEGENERATE * values):  # such a face is at most that much above its boundary
            self.degenerate = True
            clear = gaps > _DEGENERATE * values
            kept, values, vectors, gaps = kept[clear], values[clear], vectors[clear], gaps[clear]
        if not len(kept):
            return
        root = np.sqrt(values)
        doubt = 2.0 * root * self.error + 4.0 * (self.outputs + self.d + 8) * UNIT * values
        tolerance = 2.0 * doubt / gaps + 1e-13
        w = vectors @ basis.T
        kept, values, tolerance = np.tile(kept, 2), np.tile(values, 2), np.tile(tolerance, 2)
        w = np.concatenate([w, -w])
        inside = np.all((w @ self.normals[order].T) * own >= -tolerance[:, None], axis=1)
        weight = np.concatenate([self.normals[others], np.zeros((1, self.d))])
        alone = np.ones(len(y), dtype=bool)
        alone[along] = False
        for side in (0, 1):
            j = neighbours[kept, side]
            sign = np.sign(np.einsum("ij,ij->i", y[j], middle[kept]))
            inside &= ~alone[j] | (sign * np.einsum("ij,ij->i", weight[j], w) >= -tolerance)
        kept, values, tolerance, w = kept[inside], values[inside], tolerance[inside], w[inside]
        for i in range(0, len(kept), 256):
            part = slice(i, i + 256)
            signs = np.sign(middle[kept[part]] @ y.T)
            signs[:, along] = near[kept[part]]
            within = np.all(signs * (w[part] @ weight.T) >= -tolerance[part, None], axis=1)
            if within.any():
                self.best = max(self.best, float(np.max(values[part][within])))


def _side(coordinates: FloatArray, sides: FloatArray) -> FloatArray:
    """On which side samples are at p + Σ ε^(k - j) s_j u_j for small ε: the last coordinate that counts decides."""
    signs = np.zeros(len(coordinates))
    for j in range(len(sides)):
        counts = np.abs(coordinates[:, j]) > 1e-9
        signs = np.where(counts & (sides[j] != 0.0), np.sign(coordinates[:, j]) * sides[j], signs)
    return signs
