"""Which theorems apply to a shallow linear problem, with the numbers that decide (THEORY 2.3-2.5, errata E2, E9)."""

from __future__ import annotations

import numpy as np

from .results import Hypothesis
from .risk import SpectralData


def shallow_hypotheses(spectrum: SpectralData, n0: int, n1: int, n2: int) -> tuple[Hypothesis, ...]:
    """Check the hypotheses of the shallow theorems.

    Args:
        spectrum: Whitened spectral data.
        n0: Inputs.
        n1: Hidden units.
        n2: Outputs.

    Returns:
        Theorem A, its wide complement (2.4), the void rank constraint (2.4), Theorem B.
    """
    lam = spectrum.eigenvalues[: spectrum.rank]
    inputs = (
        "Sxx is positive definite",
        spectrum.rank_x == n0,
        f"rank Sxx = {spectrum.rank_x} of {n0}, condition of the scaled inputs {spectrum.condition:.3g}",
    )
    full = ("Σ has full rank n2", spectrum.rank == n2, f"rank Σ = {spectrum.rank} of {n2}")
    gaps = -np.diff(lam)
    smallest = float(gaps.min() / lam[0]) if len(gaps) else 1.0
    distinct = (
        "the eigenvalues of Σ are distinct",
        bool(len(lam) > 0 and (len(gaps) == 0 or gaps.min() > spectrum.tie)),
        f"smallest relative gap {smallest:.3g}" if len(lam) else "Σ = 0",
    )
    narrow = ("n1 ≤ n2", n1 <= n2, f"n1 = {n1}, n2 = {n2}")
    wide = ("n1 ≥ n2", n1 >= n2, f"n1 = {n1}, n2 = {n2}")
    void = ("n1 ≥ min(n0, n2)", n1 >= min(n0, n2), f"n1 = {n1}, min(n0, n2) = {min(n0, n2)}")
    moments = ("real second moments", True, "checked when they were made")
    return (
        _hypothesis(
            "Theorem A (Baldi & Hornik 1989, with its hypotheses completed)",
            (inputs, full, distinct, narrow),
            "critical points with rank U = n1 are the index sets J; J = top is global, every other one a strict saddle",
        ),
        _hypothesis(
            "Wide networks (Theorem A beyond n1 = n2)",
            (inputs, full, distinct, wide),
            "a critical point is global if and only if rank U = n2, otherwise a strict saddle",
        ),
        _hypothesis(
            "No rank constraint",
            (void,),
            "the network reaches every linear map",
        ),
        _hypothesis(
            "Theorem B (any data, any width)",
            (moments,),
            "every critical point is a global minimum or a strict saddle",
        ),
    )


def _hypothesis(theorem: str, conditions: tuple[tuple[str, bool, str], ...], conclusion: str) -> Hypothesis:
    return Hypothesis(theorem, all(holds for _, holds, _ in conditions), conditions, conclusion)
