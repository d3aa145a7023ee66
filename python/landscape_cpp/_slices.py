"""Slices of landscapes that are no polynomial of C++: factorisations in closed form, all others by evaluation."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._validation import FloatArray, Layers

__all__ = ["evaluated_slice", "factorization_coefficients"]

_BYTES = 64_000_000  # of points that are evaluated at a time


def factorization_coefficients(problem: Any, p: Layers, d1: Layers, d2: Layers | None) -> FloatArray:
    """Coefficients c_ij of s^i t^j of ½ Σ c (z - y)² + λ/2 (|U|² + |V|²) at p + s d1 + t d2, (5, 5) or (5, 1).

    The prediction is bilinear, so its residual is a polynomial of degree two whose six coefficients are vectors over
    the observed entries; the loss is their Gram matrix.

    Args:
        problem: The formulas of the factorisation; its loss is the squared one.
        p: The origin.
        d1: A direction.
        d2: Another, or None.
    """

    def product(a: Layers, b: Layers) -> FloatArray:
        """The part of the prediction that is bilinear in U of one and V of the other, both ways round."""
        first, _ = problem.prediction((a[0], b[1]))
        second, _ = problem.prediction((b[0], a[1]))
        return np.asarray(first + second)

    blocks = [p, d1] if d2 is None else [p, d1, d2]
    powers = [(0, 0), (1, 0), (0, 1)][: len(blocks)]
    terms: dict[tuple[int, int], FloatArray] = {}
    for i, a in enumerate(blocks):
        for j in range(i, len(blocks)):
            exponent = (powers[i][0] + powers[j][0], powers[i][1] + powers[j][1])
            share = 0.5 if i == j else 1.0
            terms[exponent] = terms.get(exponent, 0.0) + share * product(a, blocks[j])
    terms[0, 0] = terms[0, 0] - problem.y
    coefficients = np.zeros((5, 5 if d2 is not None else 1))
    for (i, k), left in terms.items():
        for (j, m), right in terms.items():
            coefficients[i + j, k + m] += 0.5 * float(np.sum(problem.c * left * right))
    for i, a in enumerate(blocks):
        for j, b in enumerate(blocks):
            inner = sum(float(np.sum(x * y)) for x, y in zip(a, b, strict=True))
            coefficients[powers[i][0] + powers[j][0], powers[i][1] + powers[j][1]] += 0.5 * problem.lam * inner
    return coefficients


def evaluated_slice(
    land: Any, p: Layers, d1: Layers, d2: Layers | None, s: FloatArray, t: FloatArray, n_threads: int | None
) -> FloatArray:
    """Values (S, T) of any landscape, in batches.

    Args:
        land: The landscape.
        p: The origin.
        d1: A direction.
        d2: Another, or None, and then T = 1.
        s: Positions along d1.
        t: Positions along d2.
        n_threads: Threads.
    """
    first, second = (grid.ravel() for grid in np.meshgrid(s, t, indexing="ij"))
    size = sum(block.size for block in p)
    step = max(1, _BYTES // (8 * max(size, 1)))
    values = np.empty(first.size)
    for start in range(0, first.size, step):
        here = np.s_[start : start + step]
        batch = []
        for index, block in enumerate(p):
            lead = (-1, *[1] * block.ndim)
            points = block + first[here].reshape(lead) * d1[index]
            if d2 is not None:
                points = points + second[here].reshape(lead) * d2[index]
            batch.append(np.ascontiguousarray(points))
        values[here] = land.value(tuple(batch), n_threads=n_threads)
    return values.reshape(s.size, t.size)
