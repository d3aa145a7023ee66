"""Non-strict saddles are not local minima: a lower point as near as one likes (THEORY 3.6, corrected).

    Z_h = (I - E_h) W_h (I - E_{h-1}),   E_h = C_h P⁺ F_h,   Z_L ... Z_1 = 0

Take an interval [j, k] inside [2, L - 1] with Z_k ... Z_j = 0: there is one, because the pivot (L, 1) is tight. Adding
ε (I - E_h) D_h (I - E_{h-1}) to every layer outside of it leaves the product as it is, whatever the D_h; for generic
D_h the gradient in layer k is not zero any more, and a step along it, projected like the D_h, goes down.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ._theorem_c import Whitened
from ._validation import FloatArray, Layers

if TYPE_CHECKING:
    from .deep import DeepLinear

__all__ = ["LocalWitness", "local_witness"]

_ATTEMPTS = 20  # draws of the D_h; all but a null set of them do


@dataclass(frozen=True)
class LocalWitness:
    """A point near a non-strict saddle with a lower value, in two steps that can be checked by substitution.

    Attributes:
        flat_point: At a distance of about ``eps`` from the saddle, with exactly its value.
        direction: A direction in one layer.
        step: How far to go along it: the value at flat_point + step · direction is lower by ``drop``.
        point: flat_point + step · direction.
        drop: slope · step - bend · step² / 2, exactly: along one layer the value is a parabola.
        layer: Index of that layer in the point (0-based).
    """

    flat_point: Layers = field(repr=False)
    direction: Layers = field(repr=False)
    step: float
    point: Layers = field(repr=False)
    drop: float
    layer: int


def local_witness(
    land: DeepLinear, point: Layers, rank: int, eps: float, rng: np.random.Generator
) -> LocalWitness | None:
    """A lower value within about ``eps`` of a non-strict saddle; None if every draw failed.

    Args:
        land: The landscape.
        point: A non-strict saddle.
        rank: Rank of its product on the data.
        eps: Size of both steps.
        rng: Draws the D_h.
    """
    spectrum = land._cov.spectrum()
    white = Whitened(spectrum, point)
    left, values, right = np.linalg.svd(white.before[-1], full_matrices=False)
    inverse = (right[:rank].T / values[:rank]) @ left[:, :rank].T
    rest = [np.eye(len(c)) - c @ inverse @ f for c, f in zip(white.before, white.after, strict=True)]
    interval = _vanishing(white, rest)
    if interval is None:
        return None
    first, last = interval
    best = None
    for _ in range(_ATTEMPTS):
        moved = []
        for h, layer in enumerate(point):
            change = np.zeros_like(layer)
            if not first <= h <= last:
                draw = rest[h + 1] @ rng.standard_normal(white.layers[h].shape) @ rest[h]
                draw = draw @ spectrum.whitening.T if h == 0 else draw
                size = float(np.linalg.norm(draw))
                change = eps * draw / size if size > 0.0 else change
            moved.append(layer + change)
        flat = tuple(moved)
        slope_matrix = land.gradient(flat)[last]
        blocks = [np.zeros_like(layer) for layer in point]
        blocks[last] = -rest[last + 1].T @ slope_matrix @ rest[last].T
        length = float(np.linalg.norm(blocks[last]))
        if not length > 0.0:
            continue
        blocks[last] /= length
        direction = tuple(blocks)
        slope = -float(np.vdot(slope_matrix, blocks[last]))
        bend = float(land.curvature(flat, direction))
        step = eps if bend <= 0.0 else min(eps, slope / bend)
        drop = slope * step - 0.5 * bend * step * step
        if drop > 0.0 and (best is None or drop > best.drop):
            end = tuple(layer + step * change for layer, change in zip(flat, direction, strict=True))
            best = LocalWitness(flat, direction, step, end, drop, last)
            break
    return best


def _vanishing(white: Whitened, rest: list[FloatArray]) -> tuple[int, int] | None:
    """The shortest interval of layers (0-based, without the first and the last) whose residual product is zero."""
    residual = [rest[h + 1] @ white.layers[h] @ rest[h] for h in range(white.depth)]
    inner = range(1, white.depth - 1)
    for length in range(1, len(inner) + 1):
        for first in range(1, white.depth - length):
            product = residual[first]
            for h in range(first + 1, first + length):
                product = residual[h] @ product
            layers = list(range(first, first + length))
            if float(np.linalg.norm(product)) <= white.negligible(layers, 1e-8):
                return first, first + length - 1
    return None
