"""The ladder of critical values of the shallow linear network, lazily in ascending order (THEORY 2.3, 2.6)."""

from __future__ import annotations

import heapq
from collections.abc import Iterator

import numpy as np

from ._validation import FloatArray
from .results import CriticalValue, Kind
from .risk import SpectralData


def ladder(spectrum: SpectralData, n0: int, n1: int, n2: int) -> Iterator[CriticalValue]:
    """Critical values tr Syy - Σ_S λ over |S| ≤ min(n1, rank Σ), with Morse index and nullity (THEORY 12b.7, extended).

    Args:
        spectrum: Whitened spectral data.
        n0: Inputs.
        n1: Hidden units.
        n2: Outputs.
    """
    lam = spectrum.eigenvalues[: spectrum.rank]
    tie = spectrum.tie
    best_explained = float(lam[:n1].sum())
    unreachable = float(spectrum.eigenvalues[spectrum.rank :].sum())
    idle = spectrum.rank_x + n2 - 2 * spectrum.rank  # directions of inputs and outputs that Σ does not see
    for explained, chosen in subsets_descending(lam, min(n1, spectrum.rank)):
        difference = np.delete(lam, list(chosen))[:, None] - lam[list(chosen)][None, :]
        above, equal = int((difference > tie).sum()), int((np.abs(difference) <= tie).sum())
        r, missed, extra = len(chosen), spectrum.rank - len(chosen), n1 - len(chosen)
        index = above + extra * missed
        positive = 2 * (difference.size - above - equal) + equal + above + r * r + extra * missed + r * idle
        value = spectrum.minimum_risk + float(lam.sum() - explained) + unreachable
        gap = max(0.0, best_explained - explained)
        best = gap <= tie * max(r, 1)
        kind = Kind.STRICT_SADDLE if index else Kind.GLOBAL_MINIMUM
        if best != (index == 0):  # eigenvalues so close that value and index disagree
            kind = Kind.UNDETERMINED
        if spectrum.unresolved:  # nobody can say how many directions are missed
            kind = Kind.UNDETERMINED if best else kind
            yield CriticalValue(chosen, value, gap, kind, None, None)
        else:
            yield CriticalValue(chosen, value, gap, kind, index, n1 * (n0 + n2) - index - positive)


def deep_ladder(spectrum: SpectralData, width: int, depth: int) -> Iterator[CriticalValue]:
    """Critical values tr Syy - Σ_S λ over |S| ≤ min(width, rank Σ) of a deep network (Theorem C, part 1).

    The kind is that of the point whose residual weights are zero: a strict saddle where S is not the best of its size,
    else (three layers or more) a non-strict one.

    Args:
        spectrum: Whitened spectral data.
        width: The smallest hidden width.
        depth: Number L of layers.
    """
    lam = spectrum.eigenvalues[: spectrum.rank]
    best_explained = float(lam[:width].sum())
    unreachable = float(spectrum.eigenvalues[spectrum.rank :].sum())
    for explained, chosen in subsets_descending(lam, min(width, spectrum.rank)):
        gap = max(0.0, best_explained - explained)
        deficit = float(lam[: len(chosen)].sum()) - explained
        tie = spectrum.tie * max(len(chosen), 1)
        if gap <= tie:
            kind = Kind.UNDETERMINED if spectrum.unresolved else Kind.GLOBAL_MINIMUM
        elif deficit > tie or depth == 2:
            kind = Kind.STRICT_SADDLE
        else:
            kind = Kind.NON_STRICT_SADDLE
        value = spectrum.minimum_risk + float(lam.sum() - explained) + unreachable
        yield CriticalValue(chosen, value, gap, kind, None, None)


def subsets_descending(lam: FloatArray, largest: int) -> Iterator[tuple[float, tuple[int, ...]]]:
    """Index sets of size at most ``largest`` in descending order of Σ λ (λ positive, descending).

    Within one size every set but the first has exactly one parent: move the lowest index that can still move up by one
    position after the set was filled from the top. A heap over all sizes merges them.
    """
    n = len(lam)

    def entry(chosen: tuple[int, ...]) -> tuple[float, int, tuple[int, ...]]:
        return -float(lam[list(chosen)].sum()), -len(chosen), chosen

    heap = [entry(tuple(range(size))) for size in range(largest + 1)]
    heapq.heapify(heap)
    while heap:
        negative, _, chosen = heapq.heappop(heap)
        yield -negative, chosen
        # Children: raise one index i -> i + 1 where every smaller member is still at its starting position.
        for position, index in enumerate(chosen):
            following = chosen[position + 1] if position + 1 < len(chosen) else n
            if index + 1 < following:
                heapq.heappush(heap, entry((*chosen[:position], index + 1, *chosen[position + 1 :])))
            if index != position:
                break
