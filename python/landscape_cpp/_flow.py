"""Gradient flow of deep linear networks from balanced weights on white inputs: solvable, mode by mode.

With Sxx = c I let z_i be the singular values of Z* = Syx / c. From balanced weights whose product shares their singular
vectors every layer keeps one number w_i per mode, and

    dw/dt = 2 c w^{L-1} (z - w^L),      R(t) = R_min + c Σ_i (z_i - w_i^L)²

(Saxe, McClelland & Ganguli 2014; THEORY 3.7, whose σ is c z, a singular value of Syx). A mode waits at w = ε for
log(1/ε)/(2 c z) with two layers and for about ε^{2-L}/(2 c z (L - 2)) with more: the larger z leaves first, and the
value walks down the ladder of critical values.

Nothing is integrated step by step. With x = w^L / z below the target, z / w^L above it, and ℓ = log(x / (1 - x)),

    dτ/dℓ = x^p,    τ = 2 c L z^{2-2/L} t,    p = 2/L - 1 from below, 2 - 2/L from above,

so τ is the incomplete beta function B(x; p, 0) of x up to a constant: closed forms both ways for p = 0, and otherwise
a monotone, convex or concave function of ℓ, which Newton's method inverts. ℓ keeps all digits of w and of z - w^L.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.polynomial.polynomial import polyval
from scipy.special import digamma, expit

from ._validation import FloatArray
from .risk import SpectralData

__all__ = ["BalancedFlow", "balanced_flow", "plateau_times", "white_scale"]

_TERMS = np.arange(64.0)  # of power series at most at 1/2
_NEGLIGIBLE = 230.0  # log(w^L / z) from which z is zero to all digits, until a time of about 1 / (c z^{2-2/L})


@dataclass(frozen=True)
class BalancedFlow:
    """Gradient flow from balanced weights, in singular-value coordinates.

    Attributes:
        times: (T,).
        weights: w, the number every layer holds of each mode, (T, k).
        singular_values: w^L, singular values of the product, (T, k).
        targets: z, where they go, (k,).
        values: The objective, (T,).
        plateau_times: Predicted time at which each mode leaves its plateau, to leading order, (k,).
        half_times: Exact time from which each mode has at least half of its target, (k,).
    """

    times: FloatArray
    weights: FloatArray = field(repr=False)
    singular_values: FloatArray = field(repr=False)
    targets: FloatArray
    values: FloatArray = field(repr=False)
    plateau_times: FloatArray
    half_times: FloatArray


def white_scale(moments: FloatArray, tol: float = 1e-8) -> float:
    """c with Sxx = c I.

    Raises:
        ValueError: If the inputs are not white.
    """
    scale = float(np.trace(moments)) / len(moments)
    off = float(np.abs(moments - scale * np.eye(len(moments))).max())
    if not scale > 0.0 or off > tol * scale:
        raise ValueError(
            f"the flow decouples for white inputs only, Sxx = c I; here entries differ from that by {off:.3g}: "
            "whiten the inputs first"
        )
    return scale


def plateau_times(targets: FloatArray, scale: float, start: FloatArray, depth: int) -> FloatArray:
    """log(1/ε)/(2 c z) for two layers, ε^{2-L}/(2 c z (L - 2)) for more; infinite for z = 0."""
    rate = 2.0 * scale * targets
    with np.errstate(divide="ignore", over="ignore"):
        wait = np.maximum(-np.log(start), 0.0) if depth == 2 else start ** (2.0 - depth) / (depth - 2)
        return np.where(targets > 0.0, wait / np.where(targets > 0.0, rate, 1.0), np.inf)


def _slope(logit: FloatArray, power: float) -> FloatArray:
    """dτ/dℓ = x^p."""
    return np.asarray(np.exp(-power * np.logaddexp(0.0, -logit)))


def _elapsed(logit: FloatArray, slope: FloatArray, power: float) -> FloatArray:
    """τ(ℓ) = B(x; p, 0) with x = 1/(1 + e^{-ℓ}), for -1 < p < 2, p ≠ 0; from series in x and in d = 1 - x.

    B = x^p Σ_k x^k / (p + k) = -log d - γ - ψ(p) - Σ_{n≥1} (1 - p)_n / n! d^n / n
    """
    near_zero = slope * polyval(expit(np.minimum(logit, 0.0)), 1.0 / (power + _TERMS))
    n = _TERMS[1:]
    series = polyval(expit(-np.maximum(logit, 0.0)), np.append(0.0, np.cumprod((n - power) / n) / n))
    near_one = np.logaddexp(0.0, logit) + _offset(power) - series
    return np.asarray(np.where(logit < 0.0, near_zero, near_one))


def _half(power: float) -> float:
    """τ at x = 1/2."""
    return float(_elapsed(np.zeros(1), np.zeros(1), power)[0])


def _offset(power: float) -> float:
    """Limit of τ(ℓ) - ℓ at the target, -γ - ψ(p)."""
    return -float(np.euler_gamma + digamma(power))


def _logit(elapsed: FloatArray, power: float) -> FloatArray:
    """The inverse of ``_elapsed``, by Newton's method.

    From any start the second iterate is on the side of the root from which Newton's method converges monotonically, as
    τ is concave in ℓ for p < 0 and convex for p > 0. The starts are inverses of bounds of τ, at most log 2 off for x <
    1/2 and at most 2 off above; six steps were the most that was seen.
    """
    half = _half(power)
    early = elapsed < half
    # x^p / p + constant bounds τ from below (p < 0, equal at x = 1/2) and from above (p > 0, equal at x = 0).
    shift = 1.0 - power * half if power < 0.0 else 0.0
    logit = np.where(early, np.log(np.where(early, power * elapsed + shift, 1.0)) / power, elapsed - _offset(power))
    for _ in range(20):
        slope = _slope(logit, power)
        step = (elapsed - _elapsed(logit, slope, power)) / slope
        logit = logit + step
        if (np.abs(step) <= 1e-10 * (1.0 + np.abs(logit))).all():  # the error is now its square
            break
    return logit


@np.errstate(divide="ignore", over="ignore")  # logarithms of zero and times beyond all bounds, on purpose
def _mode(
    target: float, rate: float, start: float, depth: int, times: FloatArray
) -> tuple[FloatArray, FloatArray, float]:
    """One mode: w at the given times, z - w^L there, and the time of half the target; ``rate`` is 2 c."""
    log_z, log_start = np.log(target), np.log(start)
    log_u = depth * log_start - log_z  # u = w^L / z
    if log_u > _NEGLIGIBLE:  # w^{2-2L} grows linearly
        order = 2 * depth - 2
        grown = np.log(order * rate * times) + order * log_start
        weights = np.exp(log_start - np.logaddexp(0.0, grown) / order)
        return weights, target - weights**depth, 0.0
    if log_u == 0.0:
        return np.full_like(times, start), np.zeros_like(times), 0.0
    above = log_u > 0.0
    power = 2.0 - 2.0 / depth if above else 2.0 / depth - 1.0
    speed = rate * depth * np.exp((2.0 - 2.0 / depth) * log_z)
    tau = np.minimum(speed * times, 1e300)
    first = np.array([-abs(log_u) - np.log(-np.expm1(-abs(log_u)))])  # x / (1 - x) = 1 / (e^{|log u|} - 1)
    if power == 0.0:
        logit, half = first + tau, -first
    else:
        # x^p as a power of w: through logarithms the end of a long plateau would lose a digit or two.
        slope = np.power(start / target ** (1.0 / depth), -depth * power if above else depth * power)
        begin = _elapsed(first, slope, power)
        half = _half(power) - begin
        logit = _logit(begin + tau, power) if np.isfinite(begin[0]) else np.full_like(tau, first[0])
    log_x = -np.logaddexp(0.0, -logit)
    weights = np.exp((log_z - log_x if above else log_z + log_x) / depth)
    left = -target * np.exp(-logit) if above else target * expit(-logit)
    return weights, left, 0.0 if above else max(float(half[0] / speed), 0.0)


def balanced_flow(
    spectrum: SpectralData, scale: float, rank: int, depth: int, start: FloatArray, times: FloatArray
) -> BalancedFlow:
    """Solve every mode and evaluate the objective.

    Args:
        spectrum: Whitened spectral data.
        scale: c.
        rank: Number of modes that the network can carry.
        depth: Number L of layers.
        start: w at time zero, (rank,), positive.
        times: Non-negative, ascending, (T,).
    """
    targets = np.sqrt(spectrum.eigenvalues[:rank] / scale)
    weights, left = np.empty((2, len(times), rank))
    half_times = np.empty(rank)
    for i in range(rank):
        weights[:, i], left[:, i], half_times[i] = _mode(float(targets[i]), 2.0 * scale, float(start[i]), depth, times)
    lost = float(spectrum.eigenvalues[rank:].sum())
    values = spectrum.minimum_risk + lost + scale * (left**2).sum(axis=1)
    predicted = plateau_times(targets, scale, start, depth)
    return BalancedFlow(times, weights, weights**depth, targets, values, predicted, half_times)
