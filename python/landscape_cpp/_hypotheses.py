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


def deep_hypotheses(spectrum: SpectralData, widths: tuple[int, ...]) -> tuple[Hypothesis, ...]:
    """Check the hypotheses of the theorems on deep linear networks (THEORY 3.2).

    Args:
        spectrum: Whitened spectral data.
        widths: n_0, n_1, ..., n_L.

    Returns:
        Kawaguchi; Lu & Kawaguchi; Laurent & von Brecht; Trager, Kohn & Bruna; Theorem C.
    """
    n0, outputs, hidden = widths[0], widths[-1], widths[1:-1]
    inputs = (
        "Sxx is positive definite",
        spectrum.rank_x == n0,
        f"rank Sxx = {spectrum.rank_x} of {n0}, condition of the scaled inputs {spectrum.condition:.3g}",
    )
    smaller = min(n0, outputs)
    full = ("Sxy has full rank", spectrum.rank == smaller, f"rank {spectrum.rank} of min(n0, nL) = {smaller}")
    lam = spectrum.eigenvalues[: spectrum.rank]
    gaps = -np.diff(lam)
    distinct = (
        "the eigenvalues of Σ are distinct",
        bool(len(lam) > 0 and (len(gaps) == 0 or gaps.min() > spectrum.tie)),
        f"smallest relative gap {float(gaps.min() / lam[0]) if len(gaps) else 1.0:.3g}" if len(lam) else "Σ = 0",
    )
    narrow = ("nL ≤ n0", outputs <= n0, f"nL = {outputs}, n0 = {n0}")
    filling = (
        "every hidden width is at least min(n0, nL)",
        min(hidden) >= smaller,
        f"smallest width {min(hidden)}, min(n0, nL) = {smaller}",
    )
    squared = ("the loss is the squared loss", True, "it is, here")
    moments = ("real second moments", True, "checked when they were made")
    return (
        _hypothesis(
            "Kawaguchi (2016), the chapter's Theorem 1.4",
            (inputs, full, narrow, distinct),
            "local minima are global, other critical points are saddles; one with rank(W_{L-1} ... W_2) equal to the "
            "smallest hidden width is strict (sufficient, not necessary)",
        ),
        _hypothesis("Lu & Kawaguchi (2017)", (inputs, full), "local minima are global, for any widths"),
        _hypothesis(
            "Laurent & von Brecht (2018)",
            (filling,),
            "local minima are global, for every convex differentiable loss: the network reaches every linear map",
        ),
        _hypothesis(
            "Trager, Kohn & Bruna (2020)",
            (squared,),
            "local minima are global for any data and widths; under other losses narrow networks may have bad ones",
        ),
        _hypothesis(
            "Theorem C (any data, any widths)",
            (moments,),
            "a critical point is global, a strict or a non-strict saddle, and index set, rank and pivots say which",
        ),
    )


def _hypothesis(theorem: str, conditions: tuple[tuple[str, bool, str], ...], conclusion: str) -> Hypothesis:
    return Hypothesis(theorem, all(holds for _, holds, _ in conditions), conditions, conclusion)
