"""The straight way from any factors to a global minimum, on which the objective never rises (THEORY 5.5)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _validation as check
from ._validation import FloatArray

if TYPE_CHECKING:
    from .factorization import MatrixFactorization

__all__ = ["FactorizationPath", "FactorizationPathCheck"]

Factors = tuple[FloatArray, FloatArray]


@dataclass(frozen=True)
class FactorizationPathCheck:
    """What evaluating the objective along a path gave.

    Attributes:
        largest_increase: Between neighbouring positions; at most rounding if the path is what it says.
        largest_excess: Above the chord between the ends, which a convex function stays below.
        rounding: What rounding can make of either.
    """

    largest_increase: float
    largest_excess: float
    rounding: float

    @property
    def ok(self) -> bool:
        """Both are rounding."""
        return max(self.largest_increase, self.largest_excess) <= self.rounding


@dataclass(frozen=True)
class FactorizationPath:
    """(√(1-t) U, √t U*), (√(1-t) V, √t V*) for t from 0 to 1, of the widths of both together.

    Attributes:
        landscape: The problem.
        start: (U, V).
        end: (U*, V*).
    """

    landscape: MatrixFactorization = field(repr=False)
    start: Factors = field(repr=False)
    end: Factors = field(repr=False)

    def point_at(self, t: float) -> Factors:
        """The factors at a position.

        Args:
            t: From 0 to 1.
        """
        position = check.as_float("t", t)
        if not 0.0 <= position <= 1.0:
            raise ValueError(f"t must be between 0 and 1, got {position}")
        left, right = math.sqrt(1.0 - position), math.sqrt(position)
        first, second = (np.hstack([left * a, right * b]) for a, b in zip(self.start, self.end, strict=True))
        return first, second

    def values(self, n: int = 101) -> tuple[FloatArray, FloatArray]:
        """Positions and the objective there, evaluated by the landscape.

        Args:
            n: Number of positions, both ends included.
        """
        t = np.linspace(0.0, 1.0, check.as_int("n", n, minimum=2))
        return t, np.array([self.landscape.value(self.point_at(position)) for position in t])

    def verify(self, n: int = 1001) -> FactorizationPathCheck:
        """Evaluate the objective along the path: it neither rises nor leaves the chord upwards.

        Args:
            n: Number of positions.
        """
        t, values = self.values(n)
        chord = (1.0 - t) * values[0] + t * values[-1]
        size = 64.0 * np.finfo(float).eps * float(np.abs(values).max())
        # The end may lie above the minimum by its own proved gap, and the path with it.
        return FactorizationPathCheck(
            float(np.diff(values).max()),
            float((values - chord).max()),
            size * math.sqrt(self.landscape.n_observed + self.start[0].size + self.start[1].size + 1),
        )

    def plot(self, *, n: int = 201, ax: Any = None) -> tuple[Any, Any]:
        """Draw the objective along the path; returns the figure and the axes.

        Args:
            n: Number of positions.
            ax: Axes to draw into; None makes a figure.
        """
        from . import plotting

        figure, ax = plotting._axes(ax, 7.0, 3.8)
        t, values = self.values(n)
        ax.plot(t, values, color=plotting.BLUE, label="objective")
        ax.plot(t[[0, -1]], values[[0, -1]], color=plotting.GREY, linestyle=":", label="chord")
        ax.set_xlabel("position on the path")
        ax.set_ylabel("objective")
        ax.set_title("From the point to the certified minimum")
        ax.legend(frameon=False)
        return figure, ax
