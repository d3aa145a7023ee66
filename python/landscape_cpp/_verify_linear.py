"""An independent re-check of the closed-form certificates of linear networks, in NumPy.

The minimum over all weights is |y - Π y|² + Σ_{i>ρ} σ_i², Π the projection on the inputs and σ_i the singular values of
what it leaves of the targets (Eckart & Young; THEORY 2.3, 3.4). It is recomputed here by another decomposition than the
core's, and so is the value at the point. Both carry rounding that grows with the condition of the inputs: where that is
more than a certificate leaves room for, nothing is confirmed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ._validation import FloatArray
from ._verify_norms import UNIT, frobenius, gamma
from .results import Certificate, Verdict

__all__ = ["check_linear"]


def check_linear(
    own: Certificate, cov: Any, layers: Sequence[FloatArray], width: int, require: Callable[[bool, str], bool]
) -> tuple[float, float, float]:
    """Recompute the value and the minimum, and test what the certificate says of them.

    Args:
        own: The certificate.
        cov: The moments, in either form.
        layers: W1, ..., WL.
        width: The smallest hidden width.
        require: Called with a condition and what is wrong if it does not hold.

    Returns:
        The value, a bound of its rounding, and the lower bound that is confirmed.
    """
    total = float(cov.total)
    product = layers[0]
    for layer in layers[1:]:
        product = layer @ product
    sizes = math.prod(frobenius(layer) for layer in layers)
    if cov.factor is not None:
        fx, fy = cov.factor
        value = float(np.sum((fx @ product.T - fy) ** 2))
        reach, inner = frobenius(fx) * sizes + frobenius(fy), fx.shape[0] + fx.shape[1]
        minimum, condition = _minimum_of_factor(fx, fy, width)
    else:
        value = total + float(np.sum((product @ cov.xx) * product) - 2.0 * np.sum(cov.yx * product))
        reach, inner = math.sqrt(frobenius(cov.xx)) * sizes + math.sqrt(total), 2 * cov.n_inputs
        minimum, condition = _minimum_of_moments(cov.xx, cov.xy, total, width)
    steps = inner + cov.n_outputs + sum(layer.shape[1] for layer in layers) + 8
    value_margin = 8.0 * gamma(steps) * reach * reach
    rounding = 64.0 * UNIT * (cov.n_inputs + cov.n_outputs) * condition * total
    require(rounding <= max(own.tol * own.scale, own.margin), "the inputs are too ill-conditioned to confirm it here")
    require(abs(own.scale - total) <= 4.0 * UNIT * total, f"scale, the value at zero, is {total!r}")
    require(abs(own.value - max(value, 0.0)) <= value_margin + own.margin, f"value is {value!r}")
    stated = min(own.value, max(0.0, minimum - own.margin))
    require(own.lower_bound <= stated + rounding, f"lower_bound is above what follows, {stated!r}")
    _check_numbers(own, value, value_margin, minimum, rounding, require)
    return max(value, 0.0), value_margin, max(0.0, min(own.lower_bound, minimum - rounding))


def _check_numbers(
    own: Certificate,
    value: float,
    value_margin: float,
    minimum: float,
    rounding: float,
    require: Callable[[bool, str], bool],
) -> None:
    """Do the gap and the verdict follow?"""
    numbers = (own.value, own.lower_bound, own.gap, own.relative_gap, own.margin, own.stationarity, own.tol, own.scale)
    require(all(math.isfinite(number) for number in numbers), "a number is not finite")
    require(
        abs(own.gap - (own.value - own.lower_bound)) <= 4.0 * UNIT * abs(own.value), "gap is not value - lower_bound"
    )
    require(own.gap >= 0.0 and own.margin >= 0.0 and own.tol >= 0.0, "a gap, margin or tol is negative")
    relative = own.gap / own.value if own.value > 0.0 else 0.0
    require(abs(own.relative_gap - relative) <= 4.0 * UNIT * relative, "relative_gap is not gap / value")
    require(own.method == "closed-form" and own.guarantee == "deterministic", "a closed form is deterministic")
    require(own.failure_probability == 0.0, "a closed form has no failure probability")
    threshold = own.tol * own.scale
    if own.verdict == Verdict.GLOBAL:
        proved = own.gap <= threshold and value - minimum <= threshold + value_margin + rounding
        require(proved, "GLOBAL, but the proved gap exceeds tol * scale")
    else:
        require(own.gap > threshold, f"{own.verdict}, but the gap is within tol * scale")
    if own.verdict == Verdict.NOT_GLOBAL:
        require(
            value - minimum > threshold - value_margin - rounding, "NOT_GLOBAL, but the minimum is not that much lower"
        )


def _kept(values: FloatArray, count: int) -> int:
    """Directions of scaled inputs that are not zero to working precision; values are descending."""
    return int(np.sum(values > 8.0 * UNIT * math.sqrt(count) * values[0])) if values.size and values[0] > 0.0 else 0


def _minimum_of_factor(fx: FloatArray, fy: FloatArray, width: int) -> tuple[float, float]:
    norms = np.sqrt(np.sum(fx * fx, axis=0))
    left, singular, _ = np.linalg.svd(fx / np.where(norms > 0.0, norms, 1.0), full_matrices=False)
    kept = _kept(singular, fx.shape[1])
    seen = left[:, :kept].T @ fy
    rest = fy - left[:, :kept] @ seen
    lost = np.linalg.svd(seen, compute_uv=False)[width:] if seen.size else np.zeros(0)
    condition = float(singular[0] / singular[kept - 1]) if kept else 1.0
    return float(np.sum(rest**2) + np.sum(lost**2)), condition


def _minimum_of_moments(xx: FloatArray, xy: FloatArray, total: float, width: int) -> tuple[float, float]:
    norms = np.sqrt(np.diagonal(xx))
    scale = np.where(norms > 0.0, 1.0 / np.where(norms > 0.0, norms, 1.0), 0.0)
    values, vectors = np.linalg.eigh(scale[:, None] * xx * scale)
    values, vectors = values[::-1], vectors[:, ::-1]
    kept = _kept(values, len(xx))
    whitened = (vectors[:, :kept].T @ (scale[:, None] * xy)) / np.sqrt(values[:kept])[:, None]
    used = np.linalg.svd(whitened, compute_uv=False)[:width] if whitened.size else np.zeros(0)
    condition = float(values[0] / values[kept - 1]) if kept else 1.0
    return max(0.0, total - float(np.sum(used**2))), condition
