"""Anyone's solution of a factorisation problem as landscape and point: what certificates are asked of.

    f(U, V) = Σ c_ij l(Ẑ_ij, y_ij) + λ/2 (|U|² + |V|²)        Ẑ = U Vᵀ,  or X V Uᵀ with data X

Sums over the observed entries, the squared loss with its ½ (THEORY scaling B). Nothing but NumPy is needed: the factors
of other packages are arrays.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from . import _validation as check
from ._factorization_solve import balanced
from ._validation import FloatArray
from .factorization import MatrixFactorization

__all__ = ["from_factors"]

Factors = tuple[FloatArray, FloatArray]


def from_factors(
    Y: Any,
    lam: float | tuple[float, float],
    *,
    U: Any = None,
    V: Any = None,
    Z: Any = None,
    components: Any = None,
    balance: bool | None = None,
    mask: Any = None,
    weights: Any = None,
    X: Any = None,
    loss: str = "squared",
    delta: float = 1.0,
) -> tuple[MatrixFactorization, Factors]:
    """The landscape of a problem, and somebody's solution as its point: ``land.certify(p)`` judges it.

    The solution comes in exactly one of three forms, all of the same matrix U Vᵀ (n2, n0), with data X (nL, n0):

    * ``U`` and ``V``: factors of rows and columns. cmfrec: ``U=model.A_, V=model.B_`` (without biases and centring, or
      with Y minus both). PyTorch: the weights of the two embeddings.
    * ``components=(W, H)`` with the product W H, as in scikit-learn: ``W = model.fit_transform(Y)`` and
      ``H = model.components_`` of ``TruncatedSVD``, ``NMF``, ``PCA`` (with Y minus ``mean_``).
    * ``Z``: the matrix itself, as of a convex solver or soft-impute; with data the coefficients, in the shape of
      scikit-learn's ``coef_``.

    What λ is elsewhere. Objectives without the ½ are twice this one, and their λ is the same number: cmfrec's
    Σ (y - a·b)² + λ (|A|² + |B|²), with ``scale_lam=False``. Mean squared errors (PyTorch's ``MSELoss``) are sums
    divided by the number of entries: mean (y - z)² + ½ w (|U|² + |V|²), with weight decay w, is this objective times
    2 / n at λ = n w / 2. Soft-impute's threshold (``shrinkage_value`` of fancyimpute) is λ. Penalties that differ,
    ½ λ_U |U|² + ½ λ_V |V|², are a pair ``lam=(λ_U, λ_V)``: the same problem as ours with λ = √(λ_U λ_V) and the factors
    (λ_U/λ_V)^¼ U and (λ_V/λ_U)^¼ V, which have the same product and the same objective. scikit-learn's ``NMF`` with
    ``l1_ratio=0`` has λ_W = ``alpha_W`` · n_features and λ_H = ``alpha_H`` · n_samples (and no negative entries).

    Args:
        Y: Targets, as for :class:`MatrixFactorization`.
        lam: λ, or the pair (λ_U, λ_V); positive.
        U: Factors of the rows (n2, r), with data (nL, r). Needs ``V``.
        V: Factors of the columns (n0, r). Needs ``U``.
        Z: Their product, factored here by an SVD; singular values at the level of its rounding are left out.
        components: The pair (W (n2, r), H (r, n0)).
        balance: Whether to replace the factors by those of the same product that have the smallest penalty,
            λ |U Vᵀ|_*. None: no for ``U`` and ``V``, whose own objective is judged; yes for ``components``, which are
            balanced for no penalty of ours. A ``Z`` always is.
        mask: As for :class:`MatrixFactorization`.
        weights: As for :class:`MatrixFactorization`.
        X: As for :class:`MatrixFactorization`.
        loss: As for :class:`MatrixFactorization`.
        delta: As for :class:`MatrixFactorization`.

    Returns:
        ``(land, (U, V))``, a :class:`MatrixFactorization` and a point of it.

    Raises:
        TypeError: For what is no matrix of real numbers, or no pair where one is needed.
        ValueError: For none or several of the forms, shapes that do not fit, NaN or infinity.

    Example:
        Corollary 1.6: the best approximation of rank one is not the minimum, its shrunk version is.

        >>> import numpy as np
        >>> Y = np.diag([3.0, 1.0])
        >>> land, p = from_factors(Y, 1.0, Z=np.diag([3.0, 0.0]))
        >>> round(land.value(p), 9), str(land.certify(p).verdict)
        (3.5, 'NOT_GLOBAL')
        >>> land, p = from_factors(Y, 1.0, Z=np.diag([2.0, 0.0]))
        >>> round(land.value(p), 9), str(land.certify(p).verdict)
        (3.0, 'GLOBAL')

    References:
        THEORY 4 (the variational form of the nuclear norm) and 6.
    """
    penalty, ratio = _penalty(lam)
    if balance is not None and not check.as_bool("balance", balance) and Z is not None:
        raise ValueError("balance must not be False for Z: there are no factors to keep")
    land = MatrixFactorization(Y, penalty, mask=mask, weights=weights, X=X, loss=loss, delta=delta)
    p = _factors(land, U, V, Z, components)
    if ratio != 1.0:
        p = (p[0] * ratio, p[1] / ratio)
    if Z is None and (components is not None if balance is None else balance):
        p = balanced(p)
    return land, p


def _penalty(lam: Any) -> tuple[float, float]:
    """λ, and the factor of U that brings unequal penalties to it."""
    if not isinstance(lam, (tuple, list)):
        return check.as_float("lam", lam, positive=True), 1.0
    if len(lam) != 2:
        raise ValueError(f"lam must be a number or a pair (lam_U, lam_V), got {len(lam)} numbers")
    first, second = (check.as_float(f"lam[{i}]", value, positive=True) for i, value in enumerate(lam))
    return math.sqrt(first) * math.sqrt(second), (first / second) ** 0.25


def _factors(land: MatrixFactorization, U: Any, V: Any, Z: Any, components: Any) -> Factors:
    """(U, V) from the one form that is given."""
    forms = {"U and V": U is not None or V is not None, "Z": Z is not None, "components": components is not None}
    if sum(forms.values()) != 1:
        got = " and ".join(name for name, given in forms.items() if given) or "nothing"
        raise ValueError(f"a solution must be given as U and V, as Z or as components, one of them; got {got}")
    left, right = ("n2" if land.X is None else "nL"), "n0"
    rows, columns = land.n_outputs, land.n_inputs
    if Z is not None:
        return _split(check.as_array("Z", Z, f"({left}, {right})", (rows, columns)))
    if components is not None:
        if isinstance(components, np.ndarray) or not isinstance(components, (tuple, list)) or len(components) != 2:
            raise TypeError("components must be a pair (W, H) of arrays: transform's output and components_")
        w = check.as_array("components[0] (W)", components[0], f"({left}, r)", (rows, None))
        h = check.as_array("components[1] (H)", components[1], f"(r, {right})", (w.shape[1], columns))
        return w, np.ascontiguousarray(h.T)
    if U is None or V is None:
        missing = "U" if U is None else "V"
        raise ValueError(f"U and V must be given together, {missing} is missing")
    u = check.as_array("U", U, f"({left}, r)", (rows, None))
    return u, check.as_array("V", V, f"({right}, r)", (columns, u.shape[1]))


def _split(z: FloatArray) -> Factors:
    """P S^{1/2}, Q S^{1/2} of Z = P S Qᵀ: the factors of smallest penalty."""
    left, singular, right = np.linalg.svd(z, full_matrices=False)
    level = max(z.shape) * np.finfo(float).eps * singular[0]
    kept = int(np.sum(singular > level))
    root = np.sqrt(singular[:kept])
    return left[:, :kept] * root, np.ascontiguousarray(right[:kept].T) * root
