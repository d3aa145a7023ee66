"""The certificate of a closed-form minimum, shared by the landscapes of linear networks (Theorem B, THEORY 3.4)."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np

from ._fingerprints import certificate_digest, point_fingerprint
from ._validation import Layers
from .results import Certificate, Verdict
from .risk import Covariances, SpectralData

__all__ = ["closed_form_certificate", "minimum_margin"]


def minimum_margin(spectrum: SpectralData) -> float:
    """Rounding margin of tr Syy - Σ λ: k values, each with error 2 σ · rounding √total, and tr Syy itself."""
    sigma_sum = float(np.sqrt(spectrum.eigenvalues).sum())
    root = math.sqrt(spectrum.total)
    return 4.0 * spectrum.rounding * root * (sigma_sum + root)


def closed_form_certificate(
    cov: Covariances,
    spectrum: SpectralData,
    *,
    point: Layers,
    fingerprint: str,
    value: float,
    minimum: float,
    value_margin: float,
    stationarity: float,
    tol: float,
    witness: Callable[[], Layers],
) -> Certificate:
    """The certificate of a point whose landscape has a minimum in closed form.

    Args:
        cov: The moments.
        spectrum: Their spectral data.
        point: The point.
        fingerprint: Of the data and the widths.
        value: The objective at the point.
        minimum: The minimum in closed form.
        value_margin: Rounding margin of the value, in addition to that of the minimum.
        stationarity: Relative gradient norm.
        tol: GLOBAL means a proved gap of at most tol times the value at zero.
        witness: Gives a direction that decreases the objective; asked only when NOT_GLOBAL.
    """
    scale = spectrum.total
    margin = minimum_margin(spectrum) + value_margin
    lower = min(value, max(0.0, minimum - margin))
    gap = value - lower
    threshold = tol * scale
    direction = None
    if gap <= threshold:
        verdict, reason = Verdict.GLOBAL, "the proved gap is within the tolerance"
    elif value - minimum - margin > threshold:
        verdict, reason = Verdict.NOT_GLOBAL, "the global minimum is lower by more than the tolerance"
        direction = witness()
    elif margin > threshold:
        advice = ", in moment form: build the moments with method='factor'" if cov.form == "moments" else ""
        verdict = Verdict.UNDECIDED
        reason = f"the rounding margin exceeds the tolerance (condition of the inputs {spectrum.condition:.1e}{advice})"
    else:
        verdict, reason = Verdict.UNDECIDED, "the gap is too close to the tolerance for the rounding margin"
    if spectrum.rank_x < cov.n_inputs:
        reason += f"; {cov.n_inputs - spectrum.rank_x} null directions of the inputs are taken as exactly zero"
    certificate = Certificate(
        value=value,
        lower_bound=lower,
        gap=gap,
        relative_gap=gap / value if value > 0.0 else 0.0,
        margin=margin,
        method="closed-form",
        guarantee="deterministic",
        stationarity=stationarity,
        witness=direction,
        tol=tol,
        scale=scale,
        verdict=verdict,
        reason=reason,
        landscape="linear_network",
        data_fingerprint=fingerprint,
        point_fingerprint=point_fingerprint(point),
    )
    return dataclasses.replace(certificate, digest=certificate_digest(certificate))
