"""Where training begins: random weights by the customary recipes, one generator per start."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np

from ._validation import FloatArray

__all__ = ["INITS", "directions", "random_layers"]

Shapes = Sequence[tuple[int, int]]


def _gaussian(rng: np.random.Generator, shapes: Shapes) -> list[FloatArray]:
    """Independent N(0, 1 / n_{l-1}) (LeCun et al. 1998): a layer keeps the size of its inputs on average."""
    return [rng.standard_normal(shape) / np.sqrt(shape[1]) for shape in shapes]


def _kaiming(rng: np.random.Generator, shapes: Shapes) -> list[FloatArray]:
    """Independent N(0, 2 / n_{l-1}) (He et al. 2015), made for ReLU layers."""
    return [rng.standard_normal(shape) * np.sqrt(2.0 / shape[1]) for shape in shapes]


def _rotation(rng: np.random.Generator, rows: int, columns: int) -> FloatArray:
    """Uniform among the matrices with orthonormal columns (or rows, if there are fewer)."""
    q, r = np.linalg.qr(rng.standard_normal((max(rows, columns), min(rows, columns))))
    q = q * np.where(np.diag(r) < 0.0, -1.0, 1.0)
    return np.asarray(q if rows >= columns else q.T)


def _orthogonal(rng: np.random.Generator, shapes: Shapes) -> list[FloatArray]:
    """Rows or columns orthonormal (Saxe et al. 2014)."""
    return [_rotation(rng, *shape) for shape in shapes]


def _balanced(rng: np.random.Generator, shapes: Shapes) -> list[FloatArray]:
    """W_{l+1}ᵀ W_{l+1} = W_l W_lᵀ: a random product with unit singular values, spread evenly (Arora et al. 2019)."""
    rank = min(min(shape) for shape in shapes)
    frames = [_rotation(rng, shapes[0][1], rank)] + [_rotation(rng, shape[0], rank) for shape in shapes]
    return [after @ before.T for before, after in itertools.pairwise(frames)]


def _small(rng: np.random.Generator, shapes: Shapes) -> list[FloatArray]:
    """``gaussian`` a thousand times smaller: near the saddle at zero."""
    return [1e-3 * layer for layer in _gaussian(rng, shapes)]


INITS: dict[str, Callable[[np.random.Generator, Shapes], list[FloatArray]]] = {
    "balanced": _balanced,
    "gaussian": _gaussian,
    "kaiming": _kaiming,
    "orthogonal": _orthogonal,
    "small": _small,
}


def random_layers(
    shapes: Shapes, init: str, scale: float, keys: Sequence[int] | Sequence[tuple[int, ...]], seed: int
) -> list[FloatArray]:
    """A batch of weights (count, n_l, n_{l-1}) of every layer; each depends on the seed and on its key alone.

    Args:
        shapes: (n_l, n_{l-1}) of every layer.
        init: A key of ``INITS``.
        scale: Factor of every layer.
        keys: One per start: a number or a tuple of them, non-negative.
        seed: Non-negative.
    """
    entropy = [[seed, *key] if isinstance(key, tuple) else [seed, key] for key in keys]
    drawn = [INITS[init](np.random.default_rng(numbers), shapes) for numbers in entropy]
    return [scale * np.stack([start[layer] for start in drawn]) for layer in range(len(shapes))]


def directions(size: int, keys: Sequence[int], seed: int) -> FloatArray:
    """Directions (count, size) uniform on the unit sphere, each of its own key.

    Args:
        size: Of a direction, positive.
        keys: One per direction.
        seed: Non-negative.
    """
    drawn = np.stack([np.random.default_rng([seed, key, 1]).standard_normal(size) for key in keys])
    return np.asarray(drawn / np.linalg.norm(drawn, axis=1, keepdims=True))
