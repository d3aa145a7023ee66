"""Upper bounds of the polar of a parallel network, proved again in NumPy and SciPy only.

    Ω°(Q) = max over |w| = 1 of |Qᵀ act(X w)|₂      X (m, d), Q (m, nL)

Every method ends in a proof for the arithmetic done: a Cholesky factorisation with margin (THEORY 12b.4), or an
enumeration with a bound of its rounding (``_verify_polar_exact.py``). What a certificate brings along, Shor multipliers
or the leaves of a branch and bound, is valid whatever its values are, and only decides how good the bound is.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import scipy.linalg
import scipy.optimize
import scipy.sparse.linalg

from ._network_problem import NetworkProblem
from ._network_reduction import Reduction, reduce_samples
from ._validation import FloatArray
from ._verify_norms import TINY, UNIT, NormBound, cholesky_bound, frobenius, gamma
from ._verify_polar_exact import faces, sweep

__all__ = ["METHODS", "prove_polar"]

METHODS = ("sweep", "faces", "branch-and-bound", "doubly-nonnegative", "shor", "spectral", "cholesky")
_CHUNK = 2048  # rows of a Gram matrix that are summed at once
_UNFOLDED = 40  # dimension up to which products of coordinates are formed
_STEPS = 80  # towards better Shor multipliers, where none are given


def prove_polar(
    problem: NetworkProblem, q: FloatArray, method: str, stated: float, proof: Mapping[str, Any] | None, limit: int
) -> NormBound | None:
    """An upper bound of Ω°(q), at most ``stated`` (1 + 1e-9) where that is an honest one; None if nothing is proved.

    Args:
        problem: The data and the kind of unit.
        q: Q (m, nL).
        method: One of METHODS.
        stated: The bound to confirm.
        proof: What the method needs besides: Shor multipliers, or leaves.
        limit: Order of the largest Cholesky factorisation.
    """
    q = np.asarray(q, dtype=np.float64)
    fits = q.ndim == 2 and len(q) == len(problem.X) and 0.0 <= stated < math.inf
    if method not in METHODS or not fits or not np.all(np.isfinite(q)):
        return None
    with np.errstate(all="ignore"):
        try:
            upper = _upper(problem, q, method, float(stated), {} if proof is None else proof, limit)
        except (ArithmeticError, AttributeError, KeyError, IndexError, TypeError, ValueError, np.linalg.LinAlgError):
            return None
    return NormBound(upper, method) if upper is not None and 0.0 <= upper < math.inf else None


def _upper(
    problem: NetworkProblem, q: FloatArray, method: str, stated: float, proof: Mapping[str, Any], limit: int
) -> float | None:
    if problem.power == 2:
        if method == "sweep":
            return _squared_line(problem.X, q, problem.slope)
        return _squared(problem.X, q, problem.slope, limit) if method == "spectral" else None
    if problem.free_bias:
        return _anchored(problem.X[:, :-1], q, problem.slope, method, stated, proof, limit)
    if problem.slope == 1.0:
        return _linear(problem.X, q, stated, limit) if method == "cholesky" else None
    if problem.hidden and method != "spectral":
        return None
    # The layers of a subnetwork shorten, whatever they are: |Q|₂ |X|₂, as for act = |.|.
    return _units(problem.X, q, -1.0 if problem.hidden else problem.slope, method, stated, proof, limit)


# ------------------------------------------------------------------------------------------------ kinds of units


def _squared_line(X: FloatArray, Q: FloatArray, slope: float) -> float | None:
    """Squared units of one input: two directions."""
    if X.shape[1] != 1:
        return None
    t = X[:, 0]
    sizes = float(np.sum(np.linalg.norm(Q, axis=1) * t * t))
    values = [float(np.linalg.norm((np.maximum(s * t, slope * s * t) ** 2) @ Q)) for s in (1.0, -1.0)]
    return max(values) + gamma(len(t) + Q.shape[1] + 16) * sizes


def _units(
    X: FloatArray, Q: FloatArray, slope: float, method: str, stated: float, proof: Mapping[str, Any], limit: int
) -> float | None:
    X, Q, exponents = _scaled(X, Q)
    if not len(X):
        return 0.0
    small = reduce_samples(X, Q)
    exponent = sum(exponents)
    if not len(small.X):
        return _unscaled(small.error, exponent)
    # What rounding takes from the difference must not refuse an honest bound.
    roomy = math.ldexp(stated, -exponent) * (1.0 + (1e-10 if small.error > 0.0 else -4.0 * UNIT))
    aim = max(0.0, (roomy - small.error) / (1.0 + small.stretch))
    upper: float | None = None
    if method in ("sweep", "faces"):
        upper = _enumerated(small, slope, method, aim)
    elif method in ("branch-and-bound", "doubly-nonnegative"):
        upper = _branched(small, slope, aim, proof, limit)
    elif method == "shor":
        kept = np.any(small.Q != 0.0, axis=1)  # merging may leave a zero
        upper = _shor(small.X[kept], small.Q[kept], slope, _given(proof, small.Q, exponents[1])[kept], aim, limit)
    elif method == "spectral":
        upper = _spectral(small.X, small.Q, slope, limit)
    if upper is None:
        return None
    return _unscaled((upper * (1.0 + small.stretch) + small.error) * (1.0 + 4.0 * UNIT) + len(X) * TINY, exponent)


def _enumerated(small: Reduction, slope: float, method: str, aim: float) -> float | None:
    x, q = _balanced(small.X, small.Q)
    if not len(x):
        return 0.0
    if x.shape[1] <= 2:
        return sweep(x, q, slope)
    return faces(x, q, slope, aim) if method == "faces" and x.shape[1] <= 5 else None


def _given(proof: Mapping[str, Any], Q: FloatArray, exponent: int, origin: int | None = None) -> FloatArray:
    """Shor multipliers for Q, which is 2^-exponent times what those of the proof are 2^(its exponent) smaller than."""
    nu = np.asarray(_array(proof["nu"]), dtype=np.float64)
    nu = nu if origin is None else nu[origin]
    own = int(proof.get("exponent", exponent + math.frexp(float(np.max(np.abs(Q))))[1]))
    return np.asarray(np.ldexp(nu, 2 * (own - exponent)))


def _linear(X: FloatArray, Q: FloatArray, stated: float, limit: int) -> float | None:
    """|Qᵀ X|₂, proved for the product as it was formed."""
    product = Q.T @ X
    error = gamma(len(Q) + 2) * frobenius(Q) * frobenius(X)
    bound = cholesky_bound(product, max(0.0, stated - error), limit)
    return None if bound is None else (bound.upper + error) * (1.0 + 4.0 * UNIT)


def _spectral(X: FloatArray, Q: FloatArray, slope: float, limit: int) -> float | None:
    """act(t) = ½ (1 + a) t + ½ (1 - a) |t|: at most ½ (1 + a) |Qᵀ X|₂ + ½ (1 - a) |Q|₂ |X|₂."""
    norms = [_top(*_gram(M), limit) for M in (Q, X)]
    if norms[0] is None or norms[1] is None:
        return None
    both = math.sqrt(norms[0]) * math.sqrt(norms[1]) * (1.0 + 4.0 * UNIT)
    if slope == -1.0:
        return both
    product, error = _product(Q, X)
    squared = _top(*_gram(product), limit)
    together = both if squared is None else min(both, math.sqrt(squared) * (1.0 + 2.0 * UNIT) + error)
    return (0.5 * (1.0 + slope) * together + 0.5 * (1.0 - slope) * both) * (1.0 + 8.0 * UNIT)


def _squared(X: FloatArray, Q: FloatArray, slope: float, limit: int) -> float | None:
    """Power 2, act(t) = c t² with c = 1 or a²: the largest eigenvalue of Σ |q_i| x_i x_iᵀ.

    For one output that of Σ_+ q_i x_i x_iᵀ - a² Σ_- |q_i| x_i x_iᵀ, or with signs exchanged; for more, with
    act(t) = ½ (1 + a²) t² + ½ (1 - a²) t |t|, also ½ (1 + a²) |Σ q_i vec(x_i x_iᵀ)ᵀ|₂ + ½ (1 - a²) of it.
    """
    X, Q, exponents = _scaled(X, Q)
    if not len(X):
        return 0.0
    weight = np.linalg.norm(Q, axis=1) * (1.0 + gamma(Q.shape[1] + 4))
    rows = np.sqrt(weight)[:, None] * X
    parts = [rows[Q[:, 0] > 0.0], rows[Q[:, 0] < 0.0]]
    if Q.shape[1] > 1 or slope == 0.0 or X.shape[1] > limit:
        wanted = [rows] if Q.shape[1] > 1 else parts
        tops = [_top(*_gram(part), limit) for part in wanted]
    else:
        (first, one), (second, two) = (_gram(part, turn=False) for part in parts)
        square = slope * slope
        error = one + two + 8.0 * UNIT * (frobenius(first) + frobenius(second))
        error += 8.0 * gamma(Q.shape[1] + 8) * (frobenius(first) + frobenius(second))
        tops = [_top(first - square * second, error, limit), _top(second - square * first, error, limit)]
    if any(top is None for top in tops):
        return None
    upper = max(top for top in tops if top is not None) * (1.0 + 16.0 * UNIT)
    if Q.shape[1] > 1 and X.shape[1] <= _UNFOLDED:
        square = slope * slope
        pairs = (X[:, :, None] * X[:, None, :]).reshape(len(X), -1)
        product, error = _product(Q, pairs)
        squared = _top(*_gram(product), limit)
        if squared is not None:
            error += 4.0 * UNIT * frobenius(Q) * frobenius(pairs)
            even = math.sqrt(squared) * (1.0 + 4.0 * UNIT) + error
            upper = min(upper, (0.5 * (1.0 + square) * even + 0.5 * (1.0 - square) * upper) * (1.0 + 8.0 * UNIT))
    return _unscaled(upper, 2 * exponents[0] + exponents[1])


def _anchored(
    X: FloatArray, Q: FloatArray, slope: float, method: str, stated: float, proof: Mapping[str, Any], limit: int
) -> float | None:
    """Units with a free bias: the largest of the polars relative to every sample (THEORY 12b.6).

    A proof may hold Shor multipliers, a row for every sample as the origin; without it they are looked for here.
    """
    if method not in ("sweep", "faces", "shor", "spectral"):
        return None
    centre = np.mean(X, axis=0)
    centred = X - centre
    small = reduce_samples(centred, np.ones((len(X), 1)), merge=False)
    coordinates = centred if small.basis is None else centred @ small.basis
    weight = np.linalg.norm(Q, axis=1) * (1.0 + gamma(Q.shape[1] + 4))
    left = 0.0
    if small.basis is not None:
        rest = np.linalg.norm(centred - coordinates @ small.basis.T, axis=1)
        left = float(np.sum(weight) * 2.0 * np.max(rest))
    sizes = np.linalg.norm(centred, axis=1) + np.linalg.norm(X, axis=1) + float(np.linalg.norm(centre))
    rounding = gamma(2 * X.shape[1] + 16) * float(np.sum(weight * (sizes + np.max(sizes))))
    error = (left + rounding) * (1.0 + gamma(len(X) + 8)) + len(X) * TINY
    if not np.any(coordinates):
        return error
    aim = max(0.0, (stated * (1.0 + 1e-10) - error) / (1.0 + small.stretch))
    upper, whole = 0.0, 0.0
    if method in ("shor", "spectral"):
        norms = [_top(*_gram(M), limit) for M in (Q, coordinates)]
        if norms[0] is None or norms[1] is None:
            return None
        whole, norm = math.sqrt(norms[0]) * (1.0 + 4.0 * UNIT), math.sqrt(norms[1]) * (1.0 + 4.0 * UNIT)
    for origin in range(len(X)):
        if method in ("sweep", "faces"):
            own = _units(coordinates - coordinates[origin], Q, slope, method, aim, {}, limit)
            if own is None:
                return None
        else:
            # |X - 1 x_iᵀ|₂² ≤ |X|₂² + m |x_i|², since the columns of X sum to zero, up to rounding
            away = float(np.linalg.norm(coordinates[origin])) * (1.0 + gamma(coordinates.shape[1] + 4))
            sums = float(np.linalg.norm(np.sum(coordinates, axis=0))) + gamma(len(X) + 8) * frobenius(coordinates)
            squared = norm * norm + len(X) * away * away + 2.0 * away * sums * math.sqrt(X.shape[1])
            own = whole * math.sqrt(squared) * (1.0 + 8.0 * UNIT)
            if method == "shor" and own > aim:
                own = min(own, _shor_from(coordinates - coordinates[origin], Q, slope, aim, proof, origin, limit))
        upper = max(upper, own)
        if upper > stated * (1.0 + 1e-8) + 2.0 * error:
            break  # refused anyway
    else:
        return (upper * (1.0 + small.stretch) + error) * (1.0 + 4.0 * UNIT)
    return None


# ------------------------------------------------------------------------------------------------ Shor


def _shor(X: FloatArray, Q: FloatArray, slope: float, nu: FloatArray, aim: float, limit: int) -> float | None:
    """THEORY 7.5 U1 with N = diag(ν) > 0, proved by one Cholesky factorisation.

        F = [I - α XᵀN X / κ²   -β^½ Y / κ; .   I - QᵀN⁻¹Q]   psd ⇒ f ≤ κ      α, β = (1 ∓ a)² / 4, Y = XᵀQ

    For any r = Qᵀ act(X w): |r|² = 2 r·r - |r|², and 2 |r·Qᵀ|t|| ≤ tᵀN t + rᵀQᵀN⁻¹Q r. With slope 1 no ν is needed.
    """
    d, outputs = X.shape[1], Q.shape[1]
    if d + outputs > limit or nu.shape != (len(X),) or not (np.all(np.isfinite(nu)) and np.all(nu > 0.0)):
        return None
    alpha, beta = 0.25 * (1.0 - slope) ** 2, 0.25 * (1.0 + slope) ** 2
    first, one = _gram(np.sqrt(alpha * nu)[:, None] * X, turn=False)
    second, two = _gram(Q / np.sqrt(nu)[:, None], turn=False) if slope < 1.0 else (np.zeros((outputs, outputs)), 0.0)
    one, two = one + 16.0 * UNIT * float(np.trace(first)), two + 16.0 * UNIT * float(np.trace(second))
    product, three = _product(X, Q)
    root, three = math.sqrt(beta), math.sqrt(beta) * three * (1.0 + 4.0 * UNIT)

    def proved(kappa: float, factor: float) -> bool:
        # N = factor diag(ν)
        F = np.eye(d + outputs)
        F[:d, :d] -= first * (factor / kappa / kappa)
        F[d:, d:] -= second / factor
        F[:d, d:] = product * (-root / kappa)
        F[d:, :d] = F[:d, d:].T
        error = one * factor / kappa / kappa + two / factor + three / kappa
        return _psd(F, error * (1.0 + 16.0 * UNIT) + 8.0 * UNIT * (d + outputs) * float(np.max(np.abs(F))))

    def value(factor: float) -> float:
        inner = np.eye(outputs) - second / factor
        try:
            low = scipy.linalg.cholesky(inner, lower=True)
        except np.linalg.LinAlgError:
            return math.inf
        half = scipy.linalg.solve_triangular(low, product.T, lower=True) if root > 0.0 else np.zeros((outputs, d))
        return math.sqrt(max(0.0, float(np.linalg.eigvalsh(first * factor + beta * half.T @ half)[-1])))

    if aim > 0.0 and proved(aim, 1.0):
        return aim
    least = float(np.linalg.eigvalsh(second)[-1]) * (1.0 + 1e-12) if slope < 1.0 else 1.0
    if not 0.0 < least < math.inf:
        return None
    grid = [1.0, *(least * (1.0 + 4.0**k * 1e-12) for k in range(28))]
    factor = min(grid, key=value)
    for step in (2.0, 1.4, 1.2, 1.1, 1.05, 1.02):  # of the distance to `least`
        factor = min((factor, *(least + (factor - least) * s for s in (step, 1.0 / step))), key=value)
    start = max(value(factor), aim, math.sqrt(TINY))
    for k in range(10):
        kappa = start * (1.0 + 1e-12 * 4.0**k)
        if proved(kappa, factor * (1.0 + 1e-12 * 4.0**k)):
            return kappa
    return None


def _shor_from(
    X: FloatArray, Q: FloatArray, slope: float, aim: float, proof: Mapping[str, Any], origin: int, limit: int
) -> float:
    """U1 with the multipliers given for this origin, or with some found here, good enough for ``aim`` if possible."""
    keep = np.any(X != 0.0, axis=1) & np.any(Q != 0.0, axis=1)
    x, q, exponents = _scaled(X, Q)
    if not len(x):
        return 0.0
    goal, upper = math.ldexp(aim, -sum(exponents)), None
    if "nu" in proof:
        upper = _shor(x, q, slope, _given(proof, Q, exponents[1], origin)[keep], goal, limit)
    if upper is None:
        x, q = _balanced(x, q)
        nu = _multipliers(x, q, slope, (goal * (1.0 - 1e-10)) ** 2) if slope < 1.0 else np.ones(len(x))
        upper = _shor(x, q, slope, nu, goal, limit)
    return math.inf if upper is None else _unscaled(upper * (1.0 + 4.0 * UNIT) + len(x) * TINY, sum(exponents))


class _Enough(Exception):
    """The goal was reached."""


def _multipliers(x: FloatArray, q: FloatArray, slope: float, goal: float) -> FloatArray:
    """ν with a small λ_max(G), G = α XᵀN X + β Y M⁻¹ Yᵀ, M = I - QᵀN⁻¹Q, by L-BFGS on (tr G^p)^(1/p) for growing p.

    With slope -1 the best N has M singular: λ_max(XᵀN X) λ_max(QᵀN⁻¹Q), which does not depend on the scale of N.
    """
    alpha, beta = 0.25 * (1.0 - slope) ** 2, 0.25 * (1.0 + slope) ** 2
    product, eye = x.T @ q, np.eye(q.shape[1])
    gain = np.linalg.norm(q, axis=1) / np.linalg.norm(x, axis=1)
    gain = gain * float(np.linalg.eigvalsh(q.T @ (q / gain[:, None]))[-1])  # N ≥ Q Qᵀ
    best, chosen = math.inf, 2.0 * gain

    def part(rows: FloatArray, power: float) -> tuple[float, float, FloatArray]:
        # λ_max and log (tr C^p)^(1/p) of C = rowsᵀ rows, and the gradient in the logarithms of the rows' squared scales
        values, vectors = np.linalg.eigh(rows.T @ rows)
        share = np.maximum(values / values[-1], 0.0)
        total = float(np.sum(share**power))
        root = vectors * np.sqrt(share ** (power - 1.0) / (total * values[-1]))
        return float(values[-1]), math.log(values[-1]) + math.log(total) / power, np.sum((rows @ root) ** 2, axis=1)

    def product_of_two(log_nu: FloatArray, power: float, _: float) -> tuple[float, FloatArray]:
        nonlocal best, chosen
        root = np.exp(0.5 * np.clip(log_nu, -300.0, 300.0))[:, None]
        (one, first, rise), (two, second, fall) = part(root * x, power), part(q / root, power)
        if one * two < best:
            best, chosen = one * two, root[:, 0] ** 2 * (two * (1.0 + 1e-12))
        if best <= goal:
            raise _Enough
        return first + second, rise - fall

    def smoothed(log_nu: FloatArray, power: float, barrier: float) -> tuple[float, FloatArray]:
        nonlocal best, chosen
        nu = np.exp(log_nu)
        M = eye - q.T @ (q / nu[:, None])
        spectrum = np.linalg.eigvalsh(M)
        if not spectrum[0] > 1e-12:
            return 1e6, np.zeros_like(log_nu)
        inverse = np.linalg.inv(M)
        back = inverse @ product.T
        values, vectors = np.linalg.eigh(alpha * (x.T * nu) @ x + beta * product @ back)
        if values[-1] < best:
            best, chosen = float(values[-1]), nu
        if best <= goal:
            raise _Enough
        share = np.maximum(values / values[-1], 0.0)
        total = float(np.sum(share**power))
        root = vectors * np.sqrt(share ** (power - 1.0) / (total * values[-1]))
        forward = q @ (back @ root)
        value = math.log(values[-1]) + math.log(total) / power - barrier * float(np.sum(np.log(spectrum)))
        slopes = alpha * nu * np.sum((x @ root) ** 2, axis=1) - beta / nu * np.sum(forward * forward, axis=1)
        return value, slopes - barrier / nu * np.einsum("ij,jk,ik->i", q, inverse, q)

    try:
        for power in (4.0, 16.0, 64.0, 256.0, 1024.0, 4096.0):
            start, options = np.log(chosen), {"maxiter": _STEPS, "maxcor": 20}
            args = (power, 1e-3 / power)
            objective = product_of_two if slope == -1.0 else smoothed
            scipy.optimize.minimize(objective, start, args=args, jac=True, method="L-BFGS-B", options=options)
    except _Enough:
        pass
    return np.asarray(chosen)


# ------------------------------------------------------------------------------------------------ branch and bound


def _branched(small: Reduction, slope: float, aim: float, proof: Mapping[str, Any], limit: int) -> float | None:
    """The leaves cover all directions, and each one's multipliers prove ``aim`` on it."""
    signs, sizes = _array(proof["signs"]), _array(proof["sizes"]).ravel()
    multipliers = _array(proof["multipliers"]).ravel()
    outputs = small.Q.shape[1]
    if signs.ndim != 2 or signs.shape != (len(sizes), len(small.X) + outputs) or not np.all(np.abs(signs) <= 1):
        return None
    # Samples with x_i = 0 or q_i = 0 have no say, whatever their signs are.
    kept = np.any(small.X != 0.0, axis=1) & np.any(small.Q != 0.0, axis=1)
    x, q = _balanced(small.X, small.Q)
    signs = signs[:, np.concatenate([kept, np.ones(outputs, dtype=bool)])]
    if np.any(sizes < 0) or int(np.sum(sizes.astype(object) ** 2)) != len(multipliers) or not _covers(signs):
        return None
    scale = math.frexp(float(np.max(np.abs(q), initial=0.0)))[1]
    q = np.ldexp(q, -scale)
    kappa, at = math.ldexp(aim, -scale), 0
    for row, size in zip(signs, sizes, strict=True):
        n = int(size)
        leaf = multipliers[at : at + n * n].astype(np.float64).reshape(n, n)
        at += n * n
        proved = _leaf(x, q, slope, row, leaf, kappa, limit)
        if proved is None:
            return None
        kappa = max(kappa, proved)
    return _unscaled(kappa + len(x) * TINY, scale)


def _covers(signs: np.ndarray) -> bool:
    """Does every vector of signs ±1 agree with some row, 0 agreeing with both?

    The leaves of a tree share a decided coordinate, that of its root, and so do those below either side of it.
    """
    pending = [(np.arange(len(signs)), np.ones(signs.shape[1], dtype=bool))]
    while pending:
        rows, free = pending.pop()
        own = signs[np.ix_(rows, free)] != 0
        if not len(rows):
            return False
        if not own.any(axis=1).all():  # a leaf without further decisions
            continue
        shared = np.flatnonzero(own.all(axis=0))
        if not len(shared):
            return False
        column = np.flatnonzero(free)[shared[0]]
        left = free.copy()
        left[column] = False
        pending += [(rows[signs[rows, column] == side], left) for side in (1, -1)]
    return True


def _leaf(
    x: FloatArray, q: FloatArray, slope: float, signs: np.ndarray, leaf: FloatArray, kappa: float, limit: int
) -> float | None:
    """F = κ² diag(I, 0) - GᵀG - BᵀN B is psd in y = (w, h): then f ≤ κ where σ_i x_i · w ≥ 0 and τ_k r_k ≥ 0.

    r = G y, z = B y = (h, h - t, σ t, τ r) ≥ 0, h_i s_i = 0; N ≥ 0 but for the entries at (h_i, s_i), which are free.
    """
    samples, d = x.shape
    own, tau = signs[:samples], signs[samples:]
    undecided, decided, outputs = np.flatnonzero(own == 0), np.flatnonzero(own), np.flatnonzero(tau)
    u, e = len(undecided), len(decided)
    rows, order = 2 * u + e + len(outputs), d + u
    if leaf.shape != (rows, rows) or order > limit or not np.all(np.isfinite(leaf)):
        return None
    N = 0.5 * (leaf + leaf.T)
    both = (np.arange(u), u + np.arange(u))
    free = N[both]
    N = np.maximum(N, 0.0)
    N[both] = free
    N[both[::-1]] = free
    c = np.where(own > 0, 1.0, slope)[:, None] * x
    G = np.concatenate([q.T @ c, (1.0 - slope) * q[undecided].T], axis=1)
    Gbar = np.concatenate([np.abs(q).T @ np.abs(c), np.abs(G[:, d:])], axis=1)
    B, Bbar = np.zeros((rows, order)), np.zeros((rows, order))
    eye = np.eye(u)
    B[:u, d:], B[u : 2 * u, d:], B[u : 2 * u, :d] = eye, eye, -x[undecided]
    B[2 * u : 2 * u + e, :d] = own[decided, None] * x[decided]
    B[2 * u + e :] = tau[outputs, None] * G[outputs]
    Bbar[: 2 * u + e], Bbar[2 * u + e :] = np.abs(B[: 2 * u + e]), Gbar[outputs]
    M = G.T @ G + B.T @ (N @ B)
    ones = np.ones(order)
    # Every entry of M is off by at most γ times the same sums of moduli; their largest row sum bounds the norm.
    moduli = Gbar.T @ (Gbar @ ones) + Bbar.T @ (np.abs(N) @ (Bbar @ ones))
    error = gamma(2 * (samples + rows) + q.shape[1] + order + 32) * float(np.max(moduli)) * (1.0 + 1e-9) + TINY
    for raised in (1.0, 1.0 + 2e-10):
        F = -0.5 * (M + M.T)
        F[np.arange(d), np.arange(d)] += (kappa * raised) ** 2
        if _psd(F, error + 8.0 * UNIT * (kappa * kappa + float(np.max(np.abs(F), initial=0.0)))):
            return kappa * raised * (1.0 + 4.0 * UNIT)
    return None


def _array(packed: Any) -> np.ndarray:
    """An array, or one packed as text."""
    if not isinstance(packed, Mapping):
        return np.asarray(packed)
    kind = np.dtype(str(packed["type"]))
    if kind.kind not in "iuf":
        raise ValueError(f"arrays of type {kind} are not expected in a proof")
    shape = tuple(int(n) for n in packed["shape"])
    return np.frombuffer(base64.b64decode(packed["data"]), dtype=kind).reshape(shape)


# ------------------------------------------------------------------------------------------------ scales and proofs


def _scaled(X: FloatArray, Q: FloatArray) -> tuple[FloatArray, FloatArray, tuple[int, int]]:
    """X and Q with largest entries in [1/2, 1), without samples that contribute nothing, and their powers of two."""
    keep = np.any(X != 0.0, axis=1) & np.any(Q != 0.0, axis=1)
    X, Q = X[keep], Q[keep]
    exponents = tuple(math.frexp(float(np.max(np.abs(M), initial=0.0)))[1] for M in (X, Q))
    return np.ldexp(X, -exponents[0]), np.ldexp(Q, -exponents[1]), (exponents[0], exponents[1])


def _balanced(X: FloatArray, Q: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Likewise for every sample's x_i, and q_i with the inverse scale: act is homogeneous."""
    keep = np.any(X != 0.0, axis=1) & np.any(Q != 0.0, axis=1)
    X, Q = X[keep], Q[keep]
    exponents = np.frexp(np.max(np.abs(X), axis=1))[1][:, None] if len(X) else np.zeros((0, 1), dtype=int)
    return np.ldexp(X, -exponents), np.ldexp(Q, exponents)


def _unscaled(value: float, exponent: int) -> float:
    """Not below value times 2^exponent."""
    try:
        out = math.ldexp(value, exponent)
    except OverflowError:
        return math.inf
    return out if math.ldexp(out, -exponent) == value else math.nextafter(out, math.inf)


def _gram(M: FloatArray, turn: bool = True) -> tuple[FloatArray, float]:
    """MᵀM (or, if allowed and smaller, M Mᵀ), and a bound of its error in the 2-norm."""
    if turn and M.shape[0] < M.shape[1]:
        M = M.T
    out, _ = _product(M, M)
    depth = min(len(M), _CHUNK) + len(M) // _CHUNK + 16
    return out, gamma(depth) * frobenius(M) ** 2 * (1.0 + 8.0 * UNIT) + sum(M.shape) * TINY


def _product(A: FloatArray, B: FloatArray) -> tuple[FloatArray, float]:
    """AᵀB, summed in chunks, and a bound of its error."""
    out = np.zeros((A.shape[1], B.shape[1]))
    for first in range(0, len(A), _CHUNK):
        out += A[first : first + _CHUNK].T @ B[first : first + _CHUNK]
    depth = min(len(A), _CHUNK) + len(A) // _CHUNK + 16
    return out, gamma(depth) * frobenius(A) * frobenius(B) * (1.0 + 8.0 * UNIT) + sum(A.shape) * TINY


def _top(A: FloatArray, error: float, limit: int) -> float | None:
    """An upper bound, not below 0, of the largest eigenvalue of every symmetric matrix within ``error`` of A."""
    n = len(A)
    if n > limit:
        return None
    A = 0.5 * (A + A.T)
    if n == 0 or not np.any(A):
        return error
    if n > 1500:
        estimate = float(scipy.sparse.linalg.eigsh(A, k=1, which="LA", v0=np.ones(n), return_eigenvectors=False)[0])
    else:
        estimate = float(np.linalg.eigvalsh(A)[-1])
    estimate, size = max(estimate, 0.0), float(np.sum(np.abs(np.diagonal(A))))
    step = 4.0 * gamma(n + 8) * (n * estimate + size) + 1e-14 * frobenius(A)
    for k in range(12):
        kappa = estimate + step * 4.0**k
        F = -A
        F[np.diag_indices(n)] += kappa
        if _psd(F, 8.0 * UNIT * (kappa + size)):
            return (kappa + error) * (1.0 + 4.0 * UNIT)
    return None


def _psd(F: FloatArray, error: float) -> bool:
    """Is every symmetric matrix within ``error`` of F psd? Proved by the Cholesky factorisation of F - c I."""
    n = len(F)
    backward = gamma(n + 2) / (1.0 - gamma(n + 2))
    trace = float(np.sum(np.abs(np.diagonal(F))))
    c = 1.01 * (backward * trace + error + 4.0 * UNIT * trace) + n * TINY
    if not math.isfinite(c):
        return False
    shifted = F.copy()
    shifted[np.diag_indices(n)] -= c
    try:
        scipy.linalg.cholesky(shifted, lower=True, overwrite_a=True, check_finite=True)
    except (np.linalg.LinAlgError, ValueError):
        return False
    return True
