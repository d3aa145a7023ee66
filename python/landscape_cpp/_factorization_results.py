"""What a factorisation answers with: bounds of the polar, what a point is, a solution and its trace."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ._validation import FloatArray
from .results import Certificate, EscapeDirection, Kind, StopReason, text_block

__all__ = ["PolarBounds", "Solution", "SolutionTrace", "StationaryPoint"]


@dataclass(frozen=True)
class PolarBounds:
    """Both sides of the polar Ω°, for the nuclear norm the largest singular value of a residual (THEORY 7).

    Attributes:
        lower: Attained by ``witness``, rounding taken off.
        upper: Proved, rounding included.
        witness: Unit vectors (u, v), the unit that attains ``lower``: for the nuclear norm uᵀ E v ≥ lower, for networks
            ⟨E, act(X v) uᵀ⟩ ≥ lower. None for a zero matrix; weights (W1, ..., WL) for deeper subnetworks.
        method: How the upper bound was proved: ``"cholesky"`` of κ² I - EᵀE, or ``"krylov"``; for networks see
            :meth:`ParallelNetwork.polar`.
        guarantee: ``"deterministic"``, or ``"probabilistic"`` with ``failure_probability``.
        failure_probability: That the upper bound is false.
        work: What it took: columns multiplied by E or Eᵀ, for networks what the method counts (arcs, circles, nodes).
        proof: For networks: the multipliers of the upper bound, if it has any.
    """

    lower: float
    upper: float
    witness: tuple[FloatArray, ...] | None = field(repr=False)
    method: str
    guarantee: str
    failure_probability: float
    work: int
    proof: Mapping[str, Any] | None = field(default=None, repr=False)


@dataclass(frozen=True)
class StationaryPoint:
    """What a point of a factorisation or of a parallel network is.

    Attributes:
        kind: The verdict; ``"local_minimum"`` means of its width, and ``reason`` says whether a wider point is better.
        value: The objective.
        gap: Proved distance to the minimum over all widths.
        stationarity: Relative gradient, see :class:`Certificate`.
        polar_lower: Largest singular value of the residual (of a network its polar), from below.
        polar_upper: From above.
        lam: λ, which it must not exceed at a global minimum.
        rank: Of U Vᵀ; of a network the number of units that are not zero.
        escape: A direction in which the objective falls: of negative curvature at a strict saddle, of curvature zero at
            a non-strict one; else None.
        reason: The verdict in words.
        tol: Tolerance used.
        kink_margin: Of networks, see :meth:`ParallelNetwork.kink_margin`; else infinite.
    """

    kind: Kind
    value: float
    gap: float
    stationarity: float
    polar_lower: float
    polar_upper: float
    lam: float
    rank: int
    escape: EscapeDirection | None = field(repr=False)
    reason: str
    tol: float
    kink_margin: float = math.inf

    def __str__(self) -> str:
        """A block a person can read."""
        network = math.isfinite(self.kink_margin)
        rows: list[tuple[str, object]] = [
            ("because", self.reason),
            ("value", self.value),
            ("gap, all widths", self.gap),
            ("stationarity", f"{self.stationarity:.3g} (stationary below {self.tol:g})"),
            (
                "polar of the residual" if network else "largest singular value of the residual",
                f"{self.polar_lower:.9g} to {self.polar_upper:.9g}, λ {self.lam:g}",
            ),
            ("units" if network else "rank", self.rank),
        ]
        if network:
            rows.append(("kink margin", self.kink_margin))
        if self.escape is not None:
            rows.append(("escape", f"curvature {self.escape.curvature:.6g} ({self.escape.source})"))
        return text_block(str(self.kind), rows)


@dataclass(frozen=True)
class SolutionTrace:
    """What a solver did, one row per round; bounds are those known at that time.

    Attributes:
        seconds: Since the start, (T,).
        width: Columns of U and V, or units, (T,).
        value: The objective, (T,).
        lower_bound: Best lower bound of the minimum over all widths, before the rounding margin that the certificate
            takes off, (T,).
        polar_lower: The polar of the residual (its largest singular value, or see :meth:`ParallelNetwork.polar`) from
            below, (T,).
        polar_upper: The same from above, infinite where it was not computed, (T,).
    """

    seconds: FloatArray = field(repr=False)
    width: npt.NDArray[np.int64] = field(repr=False)
    value: FloatArray = field(repr=False)
    lower_bound: FloatArray = field(repr=False)
    polar_lower: FloatArray = field(repr=False)
    polar_upper: FloatArray = field(repr=False)

    def __len__(self) -> int:
        """Number of rounds recorded."""
        return len(self.seconds)


@dataclass(frozen=True)
class Solution:
    """A solved factorisation, or network.

    Attributes:
        point: (U, V), balanced: of a factorisation Uᵀ U = Vᵀ V diagonal, by descending singular value; of a network
            the factors of every unit of equal norm, with b last where there is an intercept, or (W1, ..., WL).
        value: The objective.
        certificate: Its proof.
        trace: The rounds.
        stop_reason: ``"converged"`` if the relative gap asked for is proved.
        seconds: Wall time, the certificate included.
    """

    point: Any = field(repr=False)
    value: float
    certificate: Certificate = field(repr=False)
    trace: SolutionTrace = field(repr=False)
    stop_reason: StopReason
    seconds: float

    @property
    def rank(self) -> int:
        """Number of columns of U and V."""
        return self.width

    @property
    def width(self) -> int:
        """Number of columns of U and V, of units or subnetworks."""
        return int(self.point[0].shape[0 if self.point[0].ndim == 3 else 1])

    def __str__(self) -> str:
        """A line."""
        name = "width" if self.certificate.landscape == "parallel_network" else "rank"
        return (
            f"{name} {self.width}, value {self.value:.9g}, proved relative gap {self.certificate.relative_gap:.2g} "
            f"({self.stop_reason}, {self.seconds:.2f} s)"
        )
