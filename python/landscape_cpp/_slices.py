"""Slices of landscapes that are no polynomial of C++: factorisations in closed form, all others by evaluation."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._validation import FloatArray, Layers

__all__ = ["evaluated_slice", "factorization_coefficients", "network_kinks", "network_pieces"]

_BYTES = 64_000_000  # of points that are evaluated at a time
_LARGEST_WORK = 1_000_000_000  # multiply-adds that the pieces of a line may take


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


def network_kinks(land: Any, p: Layers, d: Layers, low: float, high: float) -> FloatArray:
    """Positions between low and high where a sample crosses the kink of a unit, ascending: x · (v + s dv) = 0.

    Args:
        land: A parallel network of single units.
        p: The origin.
        d: The direction.
        low: End of the line.
        high: The other end.
    """
    unit = land.unit
    if unit.slope == 1.0 and unit.power == 1:  # a linear unit has no kink
        return np.zeros(0)
    here, change = land.inputs @ p[1], land.inputs @ d[1]
    with np.errstate(divide="ignore", invalid="ignore"):
        crossings = -here / change
    inside = crossings[(change != 0.0) & (crossings > low) & (crossings < high)]
    return np.unique(inside)


def network_pieces(land: Any, p: Layers, d: Layers, kinks: FloatArray, low: float, high: float) -> FloatArray | None:
    """Coefficients (K + 1, 5) of s^j of the value between the kinks; None where it is no polynomial there.

    It is one for the squared loss, units of power one and the sum form of the penalty: between two kinks a sample is on
    one side of every unit, so the outputs are polynomials of degree two.

    Args:
        land: A parallel network of single units.
        p: The origin.
        d: The direction.
        kinks: Between low and high, ascending.
        low: End of the line.
        high: The other end.
    """
    if land.loss.name != "squared" or land.unit.power != 1 or land.penalty != "sum":
        return None
    if (len(kinks) + 1) * land.n_samples * p[1].shape[1] * (3 + land.n_outputs) > _LARGEST_WORK:
        return None
    here, change = land.inputs @ p[1], land.inputs @ d[1]
    u, du = p[0], d[0]
    ends = np.concatenate([[low], kinks, [high]])
    pieces = np.empty((len(kinks) + 1, 5))
    offset, drift = (p[2], d[2]) if land.intercept else (np.zeros(land.n_outputs), np.zeros(land.n_outputs))
    decayed = [0, 1] + ([2] if land.intercept == "penalized" else [])
    penalty = np.zeros(3)
    for index in decayed:
        a, b = p[index], d[index]
        if index == 1 and land.bias == "free":
            a, b = a[:-1], b[:-1]
        penalty += 0.5 * land.lam * np.array([np.sum(a * a), 2.0 * np.sum(a * b), np.sum(b * b)])
    for k, middle in enumerate(0.5 * (ends[:-1] + ends[1:])):
        slope = np.where(here + middle * change > 0.0, 1.0, land.unit.slope)
        rest, rate = slope * here, slope * change
        z = [rest @ u.T + offset - land.targets, rate @ u.T + rest @ du.T + drift, rate @ du.T]
        row = np.zeros(5)
        row[:3] = penalty
        for i in range(3):
            for j in range(3):
                row[i + j] += 0.5 * float(np.sum(z[i] * z[j]))
        pieces[k] = row
    return pieces
