"""What a stationary point of a factorisation is, at its width and over all widths (THEORY 4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from . import curvature
from ._factorization_results import StationaryPoint
from ._validation import FloatArray
from ._verify_norms import UNIT, frobenius
from .results import Eigenpair, EscapeDirection, Kind, Verdict

if TYPE_CHECKING:
    from .factorization import MatrixFactorization

__all__ = ["classify"]

Factors = tuple[FloatArray, FloatArray]

_LARGEST_DENSE = 1500  # parameters: all eigenvalues of the Hessian take about a second


def classify(land: MatrixFactorization, p: Factors, tol: float, n_threads: int | None) -> StationaryPoint:
    """The verdict on one point."""
    certificate = land.certify(p, tol=tol, n_threads=n_threads)
    polar = land.polar(p, n_threads=n_threads)
    singular = np.linalg.svd(_core(p), compute_uv=False)
    rank = int(np.sum(singular > 1e-8 * singular[0])) if singular.size and singular[0] > 0.0 else 0
    stationarity = certificate.stationarity

    def verdict(kind: Kind, reason: str, escape: EscapeDirection | None = None) -> StationaryPoint:
        return StationaryPoint(
            kind=kind,
            value=certificate.value,
            gap=certificate.gap,
            stationarity=stationarity,
            polar_lower=polar.lower,
            polar_upper=polar.upper,
            lam=land.lam,
            rank=rank,
            escape=escape,
            reason=reason,
            tol=tol,
        )

    if stationarity > 10.0 * tol:
        return verdict(Kind.NOT_CRITICAL, f"the relative gradient {stationarity:.3g} is above the tolerance")
    if certificate.verdict == Verdict.GLOBAL and stationarity <= tol:
        return verdict(Kind.GLOBAL_MINIMUM, "stationary, and the proved gap over all widths is within the tolerance")
    if stationarity > tol:
        return verdict(Kind.UNDETERMINED, f"the relative gradient {stationarity:.3g} is near the tolerance")
    if polar.lower <= land.lam:
        return verdict(Kind.UNDETERMINED, "no unit that lowers the objective was found, but the gap is not proved")
    if not p[0].shape[1]:
        return verdict(Kind.LOCAL_MINIMUM, "the only point of width zero: widen it")
    margin = _margin(land, p, polar.upper)
    pair = None if polar.witness is None else (polar.witness[0], polar.witness[1])
    escape = _escape(land, p, pair, margin, n_threads)
    if escape is not None:
        return verdict(Kind.STRICT_SADDLE, "stationary, with a direction of negative curvature at this width", escape)
    return _at_this_width(land, p, rank, margin, verdict, n_threads)


def _core(p: Factors) -> FloatArray:
    """A small matrix with the singular values of U Vᵀ."""
    if not p[0].shape[1]:
        return np.zeros((0, 0))
    left, right = (np.asarray(np.linalg.qr(block, mode="r")) for block in p)
    return np.asarray(left @ right.T)


def _margin(land: MatrixFactorization, p: Factors, polar_upper: float) -> float:
    """What a curvature must exceed to mean anything at a point that is stationary only nearly, in this arithmetic."""
    slope = frobenius(land._flat(land.gradient(p)))
    size = frobenius(land._flat(p))
    weight = 1.0 if land.weights is None else float(land.weights.max(initial=0.0))
    reach = 1.0 if land.X is None else frobenius(land.X)
    near = 8.0 * slope / size if size > 0.0 else 0.0
    terms = 2.0 * polar_upper + land.lam + weight * (reach * size) ** 2
    return 1e-9 * land.lam + near + 256.0 * UNIT * terms


def _escape(
    land: MatrixFactorization,
    p: Factors,
    pair: tuple[FloatArray, FloatArray] | None,
    margin: float,
    n_threads: int | None,
) -> EscapeDirection | None:
    """(u aᵀ, v aᵀ) with the missed singular pair and the hidden direction a that is used least.

    Curvature 2 (λ - σ) where a is not used at all, 2 (σ_j - σ) where it carries σ_j - λ (squared loss, all observed).
    """
    if pair is None or not p[0].shape[1]:
        return None
    # a: the right singular vector of [U; V] of its smallest singular value
    _, _, rows = np.linalg.svd(np.vstack(p), full_matrices=True)
    a = rows[-1]
    direction = (np.outer(pair[0], a), np.outer(pair[1], a))
    bend = float(land.curvature(p, direction, n_threads=n_threads))
    if not bend < -margin or not _falls(land, p, direction, n_threads):
        return None
    used = float(np.linalg.norm(np.vstack(p) @ a)) > 1e-8 * max(1e-300, float(np.linalg.norm(np.vstack(p))))
    return EscapeDirection(
        direction=direction,
        curvature=bend,
        scaled_direction=direction,
        scaled_curvature=bend,
        rayleigh_quotient=bend / 2.0,
        kind="swap" if used else "rank",
        source="THEORY 4: a missed singular pair for " + ("the weakest used one" if used else "an unused direction"),
    )


def _falls(land: MatrixFactorization, p: Factors, d: Factors, n_threads: int | None) -> bool:
    """Whether the objective falls along d or -d; the Hessian of the Huber loss speaks for one piece only."""
    if land.loss.name != "huber":
        return True
    here = float(land.value(p, n_threads=n_threads))
    size = frobenius(land._flat(p)) or 1.0
    return any(
        float(land.value((p[0] + t * size * d[0], p[1] + t * size * d[1]), n_threads=n_threads)) < here * (1.0 - 1e-14)
        for t in (1e-2, -1e-2, 1e-3, -1e-3, 1e-4, -1e-4)
    )


def _at_this_width(
    land: MatrixFactorization,
    p: Factors,
    rank: int,
    margin: float,
    verdict: Callable[..., StationaryPoint],
    n_threads: int | None,
) -> StationaryPoint:
    """Without a known witness: the Hessian decides, as far as it is affordable."""
    size = p[0].size + p[1].size
    if size > _LARGEST_DENSE:
        pair = curvature.smallest_eigenpair(land, p, n_threads=n_threads)
        if pair.value < -max(1e-7 * land.lam, margin) and _falls(land, p, pair.vector, n_threads):
            return verdict(Kind.STRICT_SADDLE, "stationary, with a negative eigenvalue", _from_eigenpair(pair))
        return verdict(Kind.UNDETERMINED, "a wider point is better; the Hessian is too large to decide at this width")
    values, vectors = np.linalg.eigh(land.hessian(p, n_threads=n_threads).todense())
    level = max(1e-7 * max(land.lam, float(np.abs(values).max(initial=0.0))), margin)
    d = land.unpack(vectors[:, 0])
    if values[0] < -level and _falls(land, p, d, n_threads):
        escape = EscapeDirection(
            d, float(values[0]), d, float(values[0]), float(values[0]), "hessian", "an eigenvector of the Hessian"
        )
        return verdict(Kind.STRICT_SADDLE, "stationary, with a negative eigenvalue", escape)
    if land.loss.name == "huber":
        problem = land._problem
        distance = np.abs(np.abs(problem.prediction(p)[0] - problem.y) - problem.delta)
        if (distance <= 1e-6 * problem.delta).any():
            return verdict(Kind.UNDETERMINED, "a wider point is better; at this width it lies on a kink of the loss")
    # Rotations of the hidden units change nothing: r (r - 1) / 2 eigenvalues are zero at full rank.
    width = p[0].shape[1]
    flat = int(np.sum(np.abs(values) <= level))
    if rank == width and flat == width * (width - 1) // 2:
        return verdict(
            Kind.LOCAL_MINIMUM, "a minimum of its width (all curvature but that of rotations is positive): widen it"
        )
    return verdict(Kind.UNDETERMINED, "a wider point is better; at this width the Hessian has flat directions")


def _from_eigenpair(pair: Eigenpair) -> EscapeDirection:
    return EscapeDirection(
        pair.vector, pair.value, pair.vector, pair.value, pair.value, "hessian", "an eigenvector of the Hessian"
    )
