"""What a point is, by brute force: the gradient, then the signs of all eigenvalues of the dense Hessian.

For linear landscapes a critical point is a global minimum or a strict saddle (THEORY 2.5), so a positive semidefinite
Hessian means global minimum. Where a sign cannot be told from rounding the answer is "undetermined".
"""

import numpy as np

from . import risk, shallow

NEGATIVE, ZERO, POSITIVE, GREY = -1, 0, 1, 2


def signs(eigenvalues, floor=0.0, zero_tol=1e-9, sure_tol=1e-6):
    """Sign of each eigenvalue over scale = max(largest, floor): up to zero_tol is zero, from sure_tol is sure."""
    e = np.asarray(eigenvalues, dtype=float)
    scale = max(np.max(np.abs(e), initial=0.0), floor)
    out = np.full(e.shape, GREY)
    out[np.abs(e) <= zero_tol * scale] = ZERO
    out[e >= sure_tol * scale] = POSITIVE
    out[e <= -sure_tol * scale] = NEGATIVE
    return np.where(scale == 0.0, ZERO, out)


def unit_free(moments, p):
    """tr Sxx = n0, tr Syy = n2, ||U|| = ||V|| (or 1): a congruence of the Hessian, so the same signs."""
    sx, sy = _root_mean(moments.xx), _root_mean(moments.yy)
    scaled = risk.Moments(moments.xx / sx**2, moments.xy / (sx * sy), moments.yy / sy**2)
    U, V = p[0] / sy, p[1] * sx
    norm_u, norm_v = np.linalg.norm(U), np.linalg.norm(V)
    c = np.sqrt((norm_u or 1.0 / (norm_v or 1.0)) / (norm_v or 1.0 / (norm_u or 1.0)))
    return scaled, (U / c, V * c)


def _root_mean(second_moment):
    mean = float(np.trace(second_moment)) / len(second_moment)
    return np.sqrt(mean) if mean > 0.0 else 1.0


def hessian_signs(moments, p, zero_tol=1e-9, sure_tol=1e-6):
    """Signs of the dense Hessian's eigenvalues; entries of Sxy at rounding level count as zero."""
    moments, p = unit_free(moments, p)
    eigenvalues = np.linalg.eigvalsh(shallow.hessian(moments, p))
    return signs(eigenvalues, shallow.data_scale(moments), zero_tol, sure_tol)


def inertia(moments, p, zero_tol=1e-9, sure_tol=1e-6):
    """(negative, zero, positive), or None when one eigenvalue is neither clearly zero nor clearly not."""
    pattern = hessian_signs(moments, p, zero_tol, sure_tol)
    if np.any(pattern == GREY):
        return None
    return tuple(int(np.sum(pattern == s)) for s in (NEGATIVE, ZERO, POSITIVE))


def kind(moments, p, gradient_tol=1e-9, zero_tol=1e-9, sure_tol=1e-6):
    """The expected kind as text."""
    relative = shallow.relative_gradient(moments, p)
    if relative > 1e3 * gradient_tol:
        return "not_critical"
    if relative > gradient_tol:
        return "undetermined"
    pattern = hessian_signs(moments, p, zero_tol, sure_tol)
    if np.any(pattern == NEGATIVE):
        return "strict_saddle"
    return "undetermined" if np.any(pattern == GREY) else "global_minimum"
