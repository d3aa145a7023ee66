"""What the landscapes of shallow and deep linear networks share: moments, points, index sets, the exact line search."""

from __future__ import annotations

import abc
import functools
import itertools
from collections.abc import Iterator, Sequence
from typing import Any, Generic, TypeVar, cast

import numpy as np

from . import _validation as check
from ._dispatch import core
from ._fingerprints import moments_fingerprint
from ._polynomials import lowest_point
from ._validation import FloatArray
from .results import Certificate, CriticalValue, CriticalValues
from .risk import Covariances

__all__ = ["LinearNetwork"]

P = TypeVar("P", bound=tuple[FloatArray, ...])  # a point: (U, V), or (W1, ..., WL)


class LinearNetwork(abc.ABC, Generic[P]):
    """Landscape of a linear network on second moments that are fixed when it is made."""

    _cov: Covariances

    def _take(self, cov: Any) -> None:
        """Keep a snapshot of the moments."""
        if not isinstance(cov, Covariances):
            raise TypeError(f"cov must be a Covariances, got {type(cov).__name__}")
        cov._positive_weight()
        self._cov = cov._copy()

    @property
    def cov(self) -> Covariances:
        """A copy of the second moments this landscape was built from."""
        return self._cov._copy()

    @property
    def n_inputs(self) -> int:
        """n_0."""
        return self._cov.n_inputs

    @property
    def n_outputs(self) -> int:
        """Number of outputs."""
        return self._cov.n_outputs

    @property
    @abc.abstractmethod
    def shapes(self) -> tuple[tuple[int, int], ...]:
        """Shapes of the blocks of a point."""

    @property
    def size(self) -> int:
        """Number of parameters N."""
        return sum(rows * cols for rows, cols in self.shapes)

    @functools.cached_property
    def _fingerprint(self) -> str:
        """SHA-256 of what defines the objective."""
        return moments_fingerprint(self._cov, self.shapes)

    # ------------------------------------------------------------------------------------------------ points

    @abc.abstractmethod
    def _point(self, p: Any, name: str = "p") -> P:
        """The checked point or batch."""

    def _single(self, p: Any, name: str = "p") -> P:
        point = self._point(p, name)
        if point[0].ndim != 2:
            raise ValueError(f"{name} must be a single point, got a batch of {len(point[0])}")
        return point

    def _pair(self, p: Any, d: Any) -> tuple[P, P]:
        point, direction = self._point(p), self._point(d, "d")
        if point[0].ndim == direction[0].ndim == 3 and len(point[0]) != len(direction[0]):
            raise ValueError(f"d must have the batch size of p, {len(point[0])}, got {len(direction[0])}")
        return point, direction

    def pack(self, p: Any) -> FloatArray:
        """The flat vector (N,), or (B, N) for a batch: the blocks in turn, each in C order.

        Args:
            p: A point or a batch.
        """
        return self._flat(self._point(p))

    @staticmethod
    def _flat(blocks: P) -> FloatArray:
        return np.concatenate([block.reshape(*block.shape[:-2], -1) for block in blocks], axis=-1)

    def unpack(self, x: Any) -> P:
        """The point of a flat vector (N,), or the batch of (B, N).

        Args:
            x: Packed parameters.
        """
        flat = check.as_real("x", x)
        if flat.ndim not in (1, 2) or flat.shape[-1] != self.size:
            raise ValueError(f"x must be (N,) or (B, N) with N = {self.size}, got {flat.shape}")
        flat = check.as_contiguous(flat)
        check.check_finite("x", flat)
        return self._unpack(flat)

    def _unpack(self, flat: FloatArray) -> P:
        ends = np.cumsum([rows * cols for rows, cols in self.shapes])[:-1]
        parts = zip(np.split(flat, ends, axis=-1), self.shapes, strict=True)
        lead = flat.shape[:-1]
        return cast("P", tuple(np.ascontiguousarray(part).reshape(*lead, *shape) for part, shape in parts))

    # ------------------------------------------------------------------------------------------------ training

    def _layer_shapes(self) -> tuple[tuple[int, int], ...]:
        """(n_l, n_{l-1}) of the layers from the inputs to the outputs."""
        return self.shapes

    def _to_layers(self, point: P) -> list[FloatArray]:
        """A point or a batch as weights W1, ..., WL."""
        return list(point)

    def _from_layers(self, layers: Sequence[FloatArray]) -> P:
        """The point of weights W1, ..., WL."""
        return cast("P", tuple(layers))

    @abc.abstractmethod
    def _objective(self, x: FloatArray | None = None, y: FloatArray | None = None) -> core.Objective:
        """What the core trains; rows of x and y, scaled to the moments, are what minibatches are drawn from."""

    @property
    def _value_at_zero(self) -> float:
        """tr Syy, the scale of the objective."""
        return float(self._cov.total)

    @abc.abstractmethod
    def value_and_gradient(self, p: Any, *, n_threads: int | None = None) -> tuple[float | FloatArray, P]:
        """Both from the same products."""

    @abc.abstractmethod
    def classify(self, p: Any, *, tol: float = 1e-8, n_threads: int | None = None) -> Any:
        """What a point is."""

    # ------------------------------------------------------------------------------------------------ critical points

    def _indices(self, indices: Any, most: int, bound: str) -> list[int]:
        """A checked index set of at most ``most`` eigenvectors of Σ; ``bound`` names the limit in the message."""
        try:
            chosen = [check.as_int("indices", i, minimum=0) for i in indices]
        except TypeError:
            raise TypeError(f"indices must be a sequence of integers, got {indices!r}") from None
        rank = self._cov.spectrum().rank
        if len(set(chosen)) != len(chosen):
            raise ValueError(f"indices must be distinct, got {chosen}")
        if len(chosen) > most:
            raise ValueError(f"indices must be at most {bound} = {most}, got {len(chosen)} of them")
        if chosen and max(chosen) >= rank:
            raise ValueError(f"indices must be below rank(Σ) = {rank}, got {max(chosen)}")
        return chosen

    @abc.abstractmethod
    def iter_critical_values(self) -> Iterator[CriticalValue]:
        """All critical values in ascending order, found lazily."""

    def critical_values(self, max_count: int = 20) -> CriticalValues:
        """The bottom of the ladder of critical values, ascending; ``print`` it for a table.

        Args:
            max_count: How many rungs at most; no more than these are enumerated.
        """
        count = check.as_int("max_count", max_count, minimum=0)
        return CriticalValues(itertools.islice(self.iter_critical_values(), count))

    # ------------------------------------------------------------------------------------------------ the way down

    @abc.abstractmethod
    def gap(self, p: Any, *, n_threads: int | None = None) -> float | FloatArray:
        """value(p) - minimum, exact at any point."""

    @abc.abstractmethod
    def _slice_coefficients(self, p: P, d1: P, d2: P | None, n_threads: int | None = None) -> FloatArray:
        """Coefficients c_ij of s^i t^j of value(p + s d1 + t d2)."""

    def _line_search(self, point: P, candidates: Sequence[P], gap: float, n_threads: int | None) -> P | None:
        """The lowest point of the first of these lines that lies below; None if none does."""
        for direction in candidates:
            # Only the line matters: a direction of the size of the point keeps the polynomial's coefficients in range.
            size = max(check.largest(block) for block in direction)
            reach = max(1.0, *(check.largest(block) for block in point)) / size if size > 0.0 else 1.0
            scaled = cast("P", tuple(reach * block for block in direction))
            step = lowest_point(self._slice_coefficients(point, scaled, None, n_threads)[:, 0])
            moved = cast("P", tuple(block + step * change for block, change in zip(point, scaled, strict=True)))
            if step != 0.0 and float(self.gap(moved, n_threads=n_threads)) < gap:
                return moved
        return None

    @abc.abstractmethod
    def _certify(self, point: P, tol: float, n_threads: int | None) -> Certificate:
        """The certificate of one point."""

    def _certify_all(self, p: Any, tol: float, n_threads: int | None) -> Certificate | list[Certificate]:
        point = self._point(p)
        tol = check.as_float("tol", tol, positive=True)
        if point[0].ndim == 3:
            return [self._certify(cast("P", blocks), tol, n_threads) for blocks in zip(*point, strict=True)]
        return self._certify(point, tol, n_threads)
