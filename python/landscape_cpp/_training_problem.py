"""The landscapes as training sees them: one shape for points, starts, observations and verdicts of all four."""

from __future__ import annotations

import abc
import functools
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from . import _validation as check
from ._dispatch import core
from ._linear_network import LinearNetwork
from ._starts import random_layers
from ._validation import FloatArray, Layers
from .factorization import MatrixFactorization
from .homogeneous import ParallelNetwork
from .risk import Covariances

__all__ = ["OBSERVABLES", "Problem", "problem_of"]

OBSERVABLES = ("singular_values", "balancedness", "ladder_distance", "points")
_RUNGS = 100_000  # critical values that a distance to the ladder looks at


class Problem(abc.ABC):
    """A landscape at one width."""

    observables: tuple[str, ...] = OBSERVABLES

    def __init__(self, land: Any) -> None:
        self.land = land

    @property
    @abc.abstractmethod
    def scale(self) -> float:
        """The objective at zero, its unit."""

    @property
    @abc.abstractmethod
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Of the blocks of a point."""

    @property
    @abc.abstractmethod
    def width(self) -> int | None:
        """r, of landscapes without a fixed width."""

    @abc.abstractmethod
    def objective(self, data: Any) -> core.Objective:
        """For the core; ``data`` is what minibatches are drawn from, where the landscape does not hold it."""

    @abc.abstractmethod
    def random(self, init: str, scale: float, keys: Sequence[int], seed: int) -> Layers:
        """A batch of random starts; each depends on the seed and its key alone."""

    @abc.abstractmethod
    def gaps(self, points: Layers, values: FloatArray, threads: int) -> FloatArray:
        """Above the global minimum where it is known, else NaN."""

    @abc.abstractmethod
    def observe(self, name: str, flat: FloatArray, values: FloatArray) -> FloatArray:
        """What is recorded of packed points (P, N) with their values (P,), (P, k)."""

    @abc.abstractmethod
    def extent(self, name: str) -> int:
        """Numbers per point of an observation."""

    @property
    def size(self) -> int:
        return sum(int(np.prod(shape)) for shape in self.shapes)

    def same(self, other: Any) -> bool:
        """Whether another landscape has the same objective."""
        return self.land is other or (type(self.land) is type(other) and _identity(self.land) == _identity(other))

    def batch(self, starts: Any) -> Layers:
        """A checked point as a batch of one, or the batch."""
        given: Layers = self.land._point(starts, "starts")
        return given if given[0].ndim == len(self.shapes[0]) + 1 else tuple(block[None] for block in given)

    def flat(self, batch: Layers) -> FloatArray:
        return np.concatenate([block.reshape(len(batch[0]), -1) for block in batch], axis=1)

    def blocks(self, flat: FloatArray) -> Layers:
        """The blocks of packed points, with the leading axes of ``flat``."""
        ends = np.cumsum([int(np.prod(shape)) for shape in self.shapes])[:-1]
        parts = zip(np.split(flat, ends, axis=-1), self.shapes, strict=True)
        return tuple(np.ascontiguousarray(part).reshape(*flat.shape[:-1], *shape) for part, shape in parts)

    def classify(self, point: Layers, tol: float, n_threads: int | None) -> Any:
        return self.land.classify(point, tol=tol, n_threads=n_threads)

    def escape(self, point: Layers, tol: float, threads: int) -> Layers | None:
        """A lower point than a critical one by this library's witness; None where there is none."""
        return _along_witness(self.land, point, self.classify(point, tol, threads), threads)


def _identity(land: Any) -> tuple[Any, ...]:
    if isinstance(land, LinearNetwork):
        return (land._fingerprint,)
    from ._fingerprints import data_fingerprint, network_fingerprint

    return (network_fingerprint(land) if isinstance(land, ParallelNetwork) else data_fingerprint(land), land.lam)


def _along_witness(land: Any, point: Layers, found: Any, threads: int) -> Layers | None:
    """The lowest point that doublings and halvings find along the direction of negative curvature."""
    if found.escape is None:
        return None
    direction = found.escape.direction
    here = float(land.value(point, n_threads=threads))
    size = max(1e-3, *(check.largest(block) for block in point))
    size /= max(check.largest(block) for block in direction)
    best, best_value = None, here
    for sign in (1.0, -1.0):
        for power in range(-24, 7):
            t = sign * size * 2.0**power
            moved = tuple(block + t * change for block, change in zip(point, direction, strict=True))
            value = float(land.value(moved, n_threads=threads))
            if value < best_value:
                best, best_value = moved, value
    return best


class _Linear(Problem):
    """Shallow and deep linear networks."""

    land: LinearNetwork[Any]

    @property
    def scale(self) -> float:
        return self.land._value_at_zero

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        return self.land.shapes

    @property
    def width(self) -> None:
        return None

    def objective(self, data: Any) -> core.Objective:
        if data is None:
            return self.land._objective()
        return self.land._objective(*_scaled_rows(self.land._cov, data))

    def random(self, init: str, scale: float, keys: Sequence[int], seed: int) -> Layers:
        layers = random_layers(self.land._layer_shapes(), init, scale, keys, seed)
        return self.batch(self.land._from_layers(layers))

    def gaps(self, points: Layers, values: FloatArray, threads: int) -> FloatArray:
        return np.atleast_1d(self.land.gap(points, n_threads=threads))

    def extent(self, name: str) -> int:
        layers = self.land._layer_shapes()
        sizes = {"singular_values": min(min(shape) for shape in layers), "balancedness": len(layers) - 1}
        return sizes.get(name, 1)

    def observe(self, name: str, flat: FloatArray, values: FloatArray) -> FloatArray:
        if name == "ladder_distance":
            return self._ladder_distance(values)[:, None]
        layers = self.land._to_layers(self.blocks(flat))
        if name == "singular_values":
            return _singular_values(layers)
        return _gram_differences(layers)

    def _ladder_distance(self, values: FloatArray) -> FloatArray:
        """value - the nearest critical value."""
        top = float(np.max(values, initial=0.0))
        while len(self._rungs) < _RUNGS and (not self._rungs or self._rungs[-1] < top):
            following = next(self._ladder, None)
            if following is None:
                break
            self._rungs.append(following.value)
        rungs = np.array(self._rungs)
        above = np.clip(np.searchsorted(rungs, values), 1, max(len(rungs) - 1, 1))
        low, high = rungs[np.minimum(above - 1, len(rungs) - 1)], rungs[np.minimum(above, len(rungs) - 1)]
        return np.asarray(values - np.where(values - low <= high - values, low, high))

    @functools.cached_property
    def _ladder(self) -> Any:
        return self.land.iter_critical_values()

    @functools.cached_property
    def _rungs(self) -> list[float]:
        return []

    def escape(self, point: Layers, tol: float, threads: int) -> Layers | None:
        land: Any = self.land
        try:
            moved: Layers = land.escape(point, tol=tol, n_threads=threads)
        except ValueError:  # not critical, undetermined, or the global minimum
            return None
        return moved if float(land.value(moved)) < float(land.value(point)) else None


def _scaled_rows(cov: Covariances, data: Any) -> tuple[FloatArray, FloatArray]:
    """Rows whose second moments are those of the landscape: what minibatches are drawn from."""
    if not isinstance(data, (tuple, list)) or len(data) not in (2, 3):
        raise TypeError(f"data must be (X, Y) or (X, Y, sample_weight), got {type(data).__name__}")
    X = check.as_array("data[0] (X)", data[0], "m, n0", (None, cov.n_inputs))
    Y = check.as_real("data[1] (Y)", data[1])
    Y = check.as_array("data[1] (Y)", Y[:, None] if Y.ndim == 1 else Y, "m, n2", (len(X), cov.n_outputs))
    weight = np.ones(len(X))
    if len(data) == 3:
        weight = check.as_array("data[2] (sample_weight)", data[2], "m", (len(X),))
        if (weight < 0.0).any() or not weight.sum() > 0.0:
            raise ValueError("data[2] (sample_weight) must be non-negative with a positive sum")
    weight = weight / weight.sum()
    if cov.center:
        X, Y = X - weight @ X, Y - weight @ Y
    root = np.sqrt(weight)[:, None]
    x, y = np.ascontiguousarray(root * X), np.ascontiguousarray(root * Y)
    size = np.sqrt(np.trace(cov.xx) * max(cov.total, 1e-300))
    same = np.abs(x.T @ y - cov.xy).max(initial=0.0) <= 1e-8 * size
    if not (same and abs(float(np.sum(x * x)) - float(np.trace(cov.xx))) <= 1e-8 * float(np.trace(cov.xx))):
        raise ValueError("data must be the samples of this landscape: their second moments are not those of its cov")
    return x, y


def _singular_values(layers: Sequence[FloatArray]) -> FloatArray:
    """Of WL ... W1, as many as the smallest width."""
    rank = min(min(layer.shape[1:]) for layer in layers)
    product = functools.reduce(lambda right, left: left @ right, layers)
    return np.asarray(np.linalg.svd(product, compute_uv=False)[:, :rank])


def _gram_differences(layers: Sequence[FloatArray]) -> FloatArray:
    """|W_{l+1}ᵀ W_{l+1} - W_l W_lᵀ| of every hidden layer."""
    return np.stack(
        [
            np.linalg.norm(after.swapaxes(1, 2) @ after - before @ before.swapaxes(1, 2), axis=(1, 2))
            for before, after in itertools.pairwise(layers)
        ],
        axis=-1,
    )


class _Free(Problem):
    """Landscapes whose width comes with the point; their minimum is known only if somebody has proved it."""

    def __init__(self, land: Any, width: int, minimum: float) -> None:
        super().__init__(land)
        self._width, self._minimum = width, minimum

    @property
    def width(self) -> int:
        return self._width

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        shapes: tuple[tuple[int, ...], ...] = self.land.shapes(self._width)
        return shapes

    @functools.cached_property
    def scale(self) -> float:
        zero = tuple(np.zeros(shape) for shape in self.land.shapes(0))
        return float(self.land.value(zero))

    def gaps(self, points: Layers, values: FloatArray, threads: int) -> FloatArray:
        return np.asarray(values - self._minimum)


class _Factors(_Free):
    """Matrix factorisation."""

    land: MatrixFactorization
    observables = ("singular_values", "balancedness", "points")

    def objective(self, data: Any) -> core.Objective:
        _refuse(data)
        return core.factorization_objective(self.land._core, self._width)

    def random(self, init: str, scale: float, keys: Sequence[int], seed: int) -> Layers:
        (outputs, r), (inputs, _) = self.land.shapes(self._width)
        first, second = random_layers(((r, inputs), (outputs, r)), init, scale, keys, seed)
        return second, np.ascontiguousarray(first.swapaxes(1, 2))

    def extent(self, name: str) -> int:
        (outputs, r), (inputs, _) = self.land.shapes(self._width)
        return min(outputs, r, inputs) if name == "singular_values" else 1

    def observe(self, name: str, flat: FloatArray, values: FloatArray) -> FloatArray:
        u, v = self.blocks(flat)
        layers = [v.swapaxes(1, 2), u]
        if name == "balancedness":
            return _gram_differences(layers)
        left, right = (np.asarray(np.linalg.qr(block, mode="r")) for block in (u, v))  # thin products stay thin
        return np.asarray(np.linalg.svd(left @ right.swapaxes(1, 2), compute_uv=False))[:, : self.extent(name)]


class _Parallel(_Free):
    """Parallel networks."""

    land: ParallelNetwork
    observables = ("balancedness", "points")

    def objective(self, data: Any) -> core.Objective:
        _refuse(data)
        return core.network_objective(self.land._core, self._width)

    def random(self, init: str, scale: float, keys: Sequence[int], seed: int) -> Layers:
        r, shapes = self._width, self.shapes
        if self.land.hidden:
            own = [(rows, columns) for _, rows, columns in shapes[: self.land.depth]]
            drawn = random_layers(own, init, scale, [(key, unit) for key in keys for unit in range(r)], seed)
            blocks = [layer.reshape(len(keys), r, *layer.shape[1:]) for layer in drawn]
        else:
            first, second = random_layers(((r, self.land.n_inputs), (self.land.n_outputs, r)), init, scale, keys, seed)
            blocks = [second, np.ascontiguousarray(first.swapaxes(1, 2))]
        if self.land.intercept:
            blocks.append(np.zeros((len(keys), self.land.n_outputs)))
        return tuple(blocks)

    def extent(self, name: str) -> int:
        return self.land.depth - 1

    def observe(self, name: str, flat: FloatArray, values: FloatArray) -> FloatArray:
        """The largest ||W_{l+1}|² - |W_l|²| over the subnetworks: zero at stationary points of the sum form."""
        blocks = self.blocks(flat)
        if self.land.hidden:
            squares = [np.sum(block**2, axis=(-2, -1)) for block in blocks[: self.land.depth]]
        else:
            squares = [np.sum(block**2, axis=1) for block in (blocks[1], blocks[0])]
        return np.stack([np.abs(b - a).max(axis=1, initial=0.0) for a, b in itertools.pairwise(squares)], axis=-1)


def _refuse(data: Any) -> None:
    if data is not None:
        raise ValueError("data goes with linear networks, whose landscape holds moments only; this one has its data")


def problem_of(land: Any, width: int | None, minimum: float) -> Problem:
    """The landscape at a width.

    Args:
        land: The landscape.
        width: r, of landscapes without a fixed one.
        minimum: Their minimum, or NaN.
    """
    if isinstance(land, LinearNetwork):
        return _Linear(land)
    assert width is not None
    return _Factors(land, width, minimum) if isinstance(land, MatrixFactorization) else _Parallel(land, width, minimum)
