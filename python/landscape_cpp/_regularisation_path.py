"""Warm-started solutions for a descending sequence of λ."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import _validation as check
from ._factorization_results import Solution

__all__ = ["regularisation_path"]


def regularisation_path(land: Any, lams: Any, tol: float, settings: dict[str, Any]) -> list[Solution]:
    """Solve a landscape with ``lambda_max``, ``with_lam`` and ``solve`` for every λ, the largest first.

    Args:
        land: The landscape.
        lams: Positive values of λ, or how many between λ_max and λ_max / 100, spaced geometrically.
        tol: Relative gap of each.
        settings: Further arguments of ``solve``.
    """
    if isinstance(lams, (int, np.integer)) and not isinstance(lams, bool):
        count = check.as_int("lams", lams, minimum=1)
        grid = land.lambda_max * np.geomspace(1.0, 0.01, count)
        if not np.all(grid > 0.0):
            raise ValueError("lams must be given where lambda_max is zero: zero is optimal for every λ")
    else:
        grid = np.sort(check.as_array("lams", lams, "(k,)", (None,)))[::-1]
        if not len(grid) or not (grid > 0.0).all():
            raise ValueError("lams must be positive, at least one of them")
    solutions: list[Solution] = []
    for lam in grid:
        start = solutions[-1].point if solutions else None
        solutions.append(land.with_lam(float(lam)).solve(tol, **{"start": start, **settings}))
    return solutions
