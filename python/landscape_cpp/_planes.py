"""Planes through critical points of the shallow linear network, for pictures that show what theorems say.

With atoms u_i = λ_i^¼ q_i, v_i = λ_i^{-¼} Sxx⁺ Sxy q_i (balanced in whitened coordinates, so that the better scaled
witness of THEORY 2.3 (ii) lies in the plane of a swap) the planes are

    swap      last column = s (u_i, v_i) + t (u_k, v_k)    minimum (1, 0), swap saddle (0, 1), rank saddle (0, 0)
    columns   two columns scaled by 1 - s and 1 - t        minimum (0, 0), the saddles that miss one of them
    scalars   (a u, b v)                                   minima on the hyperbola a b = 1, the saddle at zero
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ._critical import normal_form
from ._format import index_runs, kind_words
from ._validation import FloatArray, Layers, Point

__all__ = ["plane_through", "saddle_plane_points"]


def saddle_plane_points(land: Any) -> tuple[dict[str, Layers], tuple[float, float]]:
    """The global minimum and two saddles of a linear network, and the range of s and t worth seeing.

    The points come in the order origin, s = 1, t = 1. Where the data correlate in one direction only, there is one
    saddle: two minima of one orbit are shown with it.

    Raises:
        TypeError: For another kind of landscape.
        ValueError: If inputs and targets are uncorrelated: every critical point is then a global minimum.
    """
    if not hasattr(land, "critical_point") or not hasattr(land, "cov"):
        raise TypeError(f"points must be given for a {type(land).__name__}")
    if hasattr(land, "hidden"):
        return _deep_plane_points(land)
    spectrum = land.cov.spectrum()
    rank, n1, lam = spectrum.rank, land.n_hidden, spectrum.eigenvalues
    used = min(n1, rank)
    if used == 0:
        raise ValueError("inputs and targets are uncorrelated: there is no saddle to show")
    lower = [k for k in range(used, rank) if lam[used - 1] - lam[k] > spectrum.tie]
    top = list(range(used))
    if n1 < rank and lower:
        swapped = [*top[:-1], lower[0]]
        return {
            f"strict saddle {_set(top[:-1])}": _balanced(land, top[:-1]),
            f"global minimum {_set(top)}": _balanced(land, top),
            f"strict saddle {_set(swapped)}": _balanced(land, swapped),
        }, (-1.6, 1.6)
    if used >= 2:
        last, before = _balanced(land, top), _balanced(land, top)
        for (u, v), column in ((last, used - 1), (before, used - 2)):
            u[:, column] = 0.0
            v[:, column] = 0.0
        return {
            f"global minimum {_set(top)}": _balanced(land, top),
            f"strict saddle {_set(top[:-1])}": last,
            f"strict saddle {_set([*top[:-2], top[-1]])}": before,
        }, (-0.6, 2.6)
    u, v = land.global_minimum()  # U and V of equal length: the witness at zero lies in the plane
    return {
        "strict saddle at zero": (np.zeros_like(u), np.zeros_like(v)),
        "global minimum, balanced": (u, v),
        "global minimum, unbalanced": (2.0 * u, 0.5 * v),
    }, (-1.6, 1.6)


def _deep_plane_points(land: Any) -> tuple[dict[str, Layers], tuple[float, float]]:
    """The saddle that misses the weakest direction of the minimum, the minimum, and the one with the next in its place.

    Where no other direction is left, the third is the saddle that misses two.
    """
    spectrum = land.cov.spectrum()
    used = min(*land.hidden, spectrum.rank)
    if used == 0:
        raise ValueError("inputs and targets are uncorrelated: there is no saddle to show")
    top = list(range(used))
    lower = [
        k for k in range(used, spectrum.rank) if spectrum.eigenvalues[used - 1] - spectrum.eigenvalues[k] > spectrum.tie
    ]
    sets = [top[:-1], top, [*top[:-1], lower[0]] if lower else top[:-2]]
    if used == 1 and not lower:  # nothing else: the minimum with layers of other sizes
        point = land.critical_point(top)
        other = (2.0 * point[0], *point[1:-1], 0.5 * point[-1])
        return {
            "saddle at zero": land.critical_point([]),
            "global minimum {0}": point,
            "global minimum, unbalanced": other,
        }, (-1.6, 1.6)
    points = {}
    for indices in sets:
        point = land.critical_point(indices)
        kind = kind_words(land.classify(point).kind)
        points[f"{kind} {_set(indices)}"] = point
    return points, (-1.6, 1.6)


def _set(indices: list[int]) -> str:
    return "{" + (index_runs(indices) if indices else "") + "}"


def _balanced(land: Any, indices: list[int]) -> Point:
    """The critical point of these eigenvectors, its columns the atoms."""
    spectrum = land.cov.spectrum()
    u, v = normal_form(spectrum, land.n_hidden, indices)
    root = np.ones(land.n_hidden)
    root[: len(indices)] = spectrum.eigenvalues[indices] ** 0.25
    return u * root, v / root


def plane_through(land: Any, corners: list[Layers]) -> tuple[Layers, Layers]:
    """The directions B - A and C - A.

    Raises:
        ValueError: If the three points lie on a line.
    """
    a, b, c = corners
    first, second = (tuple(q - p for p, q in zip(a, other, strict=True)) for other in (b, c))
    flat: FloatArray = np.stack([land.pack(first), land.pack(second)])
    lengths = np.linalg.norm(flat, axis=1)
    if not lengths.all() or abs(float(flat[0] @ flat[1])) >= (1.0 - 1e-12) * float(lengths.prod()):
        raise ValueError("the three points lie on a line")
    return first, second
