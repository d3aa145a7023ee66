"""Polynomials along lines: the exact line search."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["lowest_point"]


def lowest_point(coefficients: npt.NDArray[np.float64]) -> float:
    """The minimiser over the real line of a polynomial that is bounded below; 0 for a constant.

    Args:
        coefficients: By increasing power.
    """
    derivative = np.polynomial.polynomial.polyder(coefficients)
    trimmed = np.trim_zeros(derivative, "b")
    if len(trimmed) < 2:
        return 0.0
    roots = np.polynomial.polynomial.polyroots(trimmed)
    real = roots.real[np.abs(roots.imag) <= 1e-6 * (1.0 + np.abs(roots.real))]
    if not len(real):
        return 0.0
    values = np.polynomial.polynomial.polyval(real, coefficients)
    return float(real[int(np.argmin(values))])
