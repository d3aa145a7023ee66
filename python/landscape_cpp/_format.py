"""Small pieces of text that tables, pictures and pages share."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["LOSS", "index_runs", "kind_words"]

LOSS = "mean over samples of the squared error summed over outputs"


def index_runs(indices: Sequence[int] | None) -> str:
    """Positions in runs: ``0-6, 8``; ``none`` for no position, ``-`` where they are not defined."""
    if indices is None:
        return "-"
    runs: list[list[int]] = []
    for i in indices:
        if runs and i == runs[-1][1] + 1:
            runs[-1][1] = i
        else:
            runs.append([i, i])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in runs) or "none"


def kind_words(kind: str) -> str:
    """``strict saddle`` for ``strict_saddle``, ``non-strict saddle`` for ``non_strict_saddle``."""
    return str(kind).replace("non_strict", "non-strict").replace("_", " ")
