"""What a point of a parallel network is, at its width and over all widths (THEORY 5, 6).

Away from the kinks of the activation the objective is smooth, and the Hessian of the piece decides. On a kink it does
not: there the objective itself is asked, along the directions that the derivatives suggest.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from . import curvature
from ._factorization_results import StationaryPoint
from ._validation import FloatArray, Layers
from ._verify_norms import frobenius
from .results import EscapeDirection, Kind, Verdict

if TYPE_CHECKING:
    from .homogeneous import ParallelNetwork

__all__ = ["classify"]

_LARGEST_DENSE = 1500  # parameters: all eigenvalues of the Hessian take about a second
_KINK = 1e-9  # margin below which a sample lies on a kink
_STEPS = tuple(10.0**-k for k in range(1, 9))


def classify(land: ParallelNetwork, p: Layers, tol: float, n_threads: int | None) -> StationaryPoint:
    """The verdict on one point.

    Args:
        land: The landscape.
        p: A single point.
        tol: Relative gradient below which it counts as stationary.
        n_threads: Threads.
    """
    certificate = land.certify(p, tol=tol, max_nodes=1, starts=64, n_threads=n_threads)
    polar_lower = certificate.polar_lower if certificate.polar_lower is not None else 0.0
    polar_upper = certificate.polar_upper if certificate.polar_upper is not None else np.inf
    margin = land.kink_margin(p)
    zero = _zero_units(land, p)
    stationarity = certificate.stationarity

    def verdict(kind: Kind, reason: str, escape: EscapeDirection | None = None) -> StationaryPoint:
        return StationaryPoint(
            kind=kind, value=certificate.value, gap=certificate.gap, stationarity=stationarity,
            polar_lower=polar_lower, polar_upper=polar_upper, lam=land.lam, rank=land._width(p) - len(zero),
            escape=escape, reason=reason, tol=tol, kink_margin=margin,
        )  # fmt: skip

    # On a kink the slopes are one-sided: there may be no descent although the gradient is not small.
    held = stationarity > tol and margin <= _KINK and not _descends(land, p)
    if certificate.verdict == Verdict.GLOBAL and (stationarity <= tol or held):
        return verdict(Kind.GLOBAL_MINIMUM, "stationary, and the proved gap over all widths is within the tolerance")
    wider = "a wider point is better" if polar_lower > land.lam * (1.0 + 1e-9) else "whether it is global is not proved"
    if held:
        return verdict(Kind.UNDETERMINED, f"{wider}; samples lie on kinks of the activation")
    if stationarity > 10.0 * tol:
        return verdict(Kind.NOT_CRITICAL, f"the relative gradient {stationarity:.3g} is above the tolerance")
    if stationarity > tol:
        return verdict(Kind.UNDETERMINED, f"the relative gradient {stationarity:.3g} is near the tolerance")
    escape = _into_zero_unit(land, p, zero, n_threads)
    if escape is not None:
        kind = Kind.STRICT_SADDLE if escape.curvature < 0.0 else Kind.NON_STRICT_SADDLE
        return verdict(kind, "stationary, and a unit in the place of one that is zero lowers the objective", escape)
    return _at_this_width(land, p, verdict, margin, bool(zero), wider, n_threads)


def _zero_units(land: ParallelNetwork, p: Layers) -> list[int]:
    """The units all of whose weights are zero."""
    blocks = p[: land.depth] if land.hidden else p[:2]
    used = [np.any(block, axis=tuple(range(1, block.ndim)) if land.hidden else 0) for block in blocks]
    return [int(k) for k in np.flatnonzero(~np.any(used, axis=0))]


def _moved(p: Layers, d: Layers, t: float) -> Layers:
    return tuple(block + t * change for block, change in zip(p, d, strict=True))


def _descends(land: ParallelNetwork, p: Layers) -> bool:
    """Whether the objective falls along the negative gradient as its length promises."""
    here, slope = land.value_and_gradient(p)
    square = frobenius(land._flat(slope)) ** 2
    size = max(frobenius(land._flat(p)), 1.0) / max(np.sqrt(square), 1e-300)
    return any(
        float(land.value(_moved(p, slope, -t * size))) < float(here) - 1e-4 * t * size * square
        for t in (0.1**k for k in range(13))
    )


def _falls(land: ParallelNetwork, p: Layers, d: Layers) -> bool:
    """Whether the objective itself falls along d or -d."""
    here = float(land.value(p))
    size = max(frobenius(land._flat(p)), 1e-3) / max(frobenius(land._flat(d)), 1e-300)
    return any(
        float(land.value(_moved(p, d, sign * t * size))) < here - 1e-14 * abs(here) for t in _STEPS for sign in (1, -1)
    )


def _into_zero_unit(land: ParallelNetwork, p: Layers, zero: list[int], n_threads: int | None) -> EscapeDirection | None:
    """The polar's unit in the place of one that is zero: the objective changes by t^L (λ θ - Ω°), exactly at first."""
    if not zero:
        return None
    polar = land.polar(p, max_nodes=1, starts=64, n_threads=n_threads)
    if polar.witness is None or polar.lower <= land.lam * (1.0 + 1e-9):
        return None
    k = zero[0]
    direction = [np.zeros_like(block) for block in p]
    for block, part in zip(direction, polar.witness, strict=False):
        if land.hidden:
            block[k] = part
        else:
            block[:, k] = part
    d = tuple(direction)
    if not _falls(land, p, d):
        return None
    degree = land.depth if land.hidden else land.unit.power + 1
    bend = 2.0 * (land.lam - polar.lower) if degree == 2 else 0.0  # above, it falls at the order of the degree
    size = frobenius(land._flat(d)) ** 2
    return EscapeDirection(
        direction=d, curvature=bend, scaled_direction=d, scaled_curvature=bend, rayleigh_quotient=bend / size,
        kind="rank", source="THEORY 5.5: the unit that the polar misses, in an unused place",
    )  # fmt: skip


def _at_this_width(
    land: ParallelNetwork,
    p: Layers,
    give: Callable[..., StationaryPoint],
    margin: float,
    unused: bool,
    wider: str,
    n_threads: int | None,
) -> StationaryPoint:
    """The Hessian of the smooth piece decides, as far as it is affordable and the point is off the kinks.

    A unit of weight zero lies on every kink: a minimum is not said there, for the polar did not exclude a way down.
    """
    size = land._flat(p).size
    if size == 0:
        return give(Kind.LOCAL_MINIMUM, f"the only point of width zero; {wider}")
    if size > _LARGEST_DENSE:
        pair = curvature.smallest_eigenpair(land, p, n_threads=n_threads)
        values, d = np.array([pair.value]), tuple(pair.vector)
    else:
        found, vectors = np.linalg.eigh(land.hessian(p, n_threads=n_threads).todense())
        values, d = found, land._split(vectors[:, 0], land._width(p))
    level = _level(land, p, values)
    if values[0] < -level and _falls(land, p, d):
        escape = EscapeDirection(
            d, float(values[0]), d, float(values[0]), float(values[0]), "hessian", "an eigenvector of the Hessian"
        )
        return give(Kind.STRICT_SADDLE, "stationary, with a negative eigenvalue", escape)
    if margin <= _KINK:
        return give(Kind.UNDETERMINED, f"{wider}; samples lie on kinks of the activation")
    if size > _LARGEST_DENSE:
        return give(Kind.UNDETERMINED, f"{wider}; the Hessian is too large to decide at this width")
    if unused:
        return give(Kind.UNDETERMINED, f"{wider}; what a unit of weight zero can become is not excluded")
    if values[0] > level:
        return give(Kind.LOCAL_MINIMUM, f"a minimum of its width, all curvature is positive; {wider}")
    return give(Kind.UNDETERMINED, f"{wider}; at this width the Hessian has flat directions")


def _level(land: ParallelNetwork, p: Layers, values: FloatArray) -> float:
    """What a curvature must exceed to mean anything where the gradient is small and not zero."""
    slope, size = frobenius(land._flat(land.gradient(p))), frobenius(land._flat(p))
    near = 8.0 * slope / size if size > 0.0 else 0.0
    return 1e-7 * max(land.lam, float(np.abs(values).max(initial=0.0))) + near
