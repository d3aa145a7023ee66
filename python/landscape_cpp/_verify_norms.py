"""Upper bounds of a matrix norm that hold for the arithmetic done, in NumPy and SciPy only.

    |M|_2² ≤ κ² + 2c   if the Cholesky factorisation of (κ² + c) I - fl(MᵀM) runs to its end,

with c ≥ γ_{n+1} / (1 - γ_{n+1}) tr + γ_k |M|_F²: the backward error of Cholesky and the error of forming the product
(THEORY 12b.4; Higham, Accuracy and Stability of Numerical Algorithms, Theorems 3.5 and 10.3). c is so chosen that the
factorisation cannot fail where |M|_2 ≤ κ: an honest κ is always confirmed, up to the margin.

Where that is too large, a bound that holds with probability at least 1 - η over a uniformly random start of Lanczos:

    λ_max ≤ ξ_k / (1 - ε),   ε = (ln(1.648 √n / η) / (2k - 1))²          (Kuczynski & Wozniakowski 1992, Theorem 4.2)

for any spectrum, gaps or none. It is a theorem on exact arithmetic; the basis is fully reorthogonalised.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import scipy.linalg
import scipy.sparse

__all__ = ["NormBound", "cholesky_bound", "frobenius", "gamma", "krylov_bound"]

FloatArray = npt.NDArray[np.float64]
Matrix = Any  # a dense array or a scipy.sparse matrix

UNIT = 2.0**-53
TINY = float(np.finfo(np.float64).tiny)
CHECKS = 12


@dataclass(frozen=True)
class NormBound:
    """|M|_2 ≤ upper, with probability at least 1 - failure_probability where that is not 0."""

    upper: float
    method: str
    failure_probability: float = 0.0


def gamma(k: int) -> float:
    """γ_k = k u / (1 - k u): the relative error of k roundings."""
    return k * UNIT / (1.0 - k * UNIT)


def _entries(M: Matrix) -> FloatArray:
    return np.asarray(M.data if scipy.sparse.issparse(M) else M, dtype=np.float64).ravel()


def frobenius(M: Matrix) -> float:
    """|M|_F, rounded up; entries whose squares would overflow or vanish are scaled first."""
    values = _entries(M)
    top = float(np.max(np.abs(values), initial=0.0))
    if top == 0.0:
        return 0.0
    power = math.ldexp(1.0, min(1023, -math.frexp(top)[1]))
    return math.sqrt(float(np.sum((values * power) ** 2))) / power * (1.0 + gamma(values.size + 8))


def cholesky_bound(M: Matrix, kappa: float, limit: int = 8192) -> NormBound | None:
    """|M|_2 ≤ κ up to the margin, proved, or None: because it is false, or because the smaller side exceeds limit."""
    if not 0.0 <= kappa < math.inf:
        return None
    kappa, total = float(kappa), frobenius(M)
    if total <= kappa:
        return NormBound(kappa, "frobenius")
    rows, columns = M.shape
    n, inner = min(rows, columns), max(rows, columns)
    if kappa < TINY or n > limit:
        return None
    exponent = math.frexp(kappa)[1]  # scaling by a power of two is exact, but for entries that vanish: n TINY in c
    B = M * math.ldexp(1.0, -exponent)
    k, size = math.ldexp(kappa, -exponent), math.ldexp(total, -exponent)
    backward = gamma(n + 2) / (1.0 - gamma(n + 2))
    c = 1.05 * (backward * n * k * k + gamma(inner + 2) * size * size + 4.0 * inner * TINY) + 8.0 * UNIT * k * k
    gram = B @ B.T if rows <= columns else B.T @ B
    shifted = -np.asarray(gram.toarray() if scipy.sparse.issparse(gram) else gram, dtype=np.float64)
    shifted[np.diag_indices(n)] += k * k + c
    try:
        scipy.linalg.cholesky(shifted, lower=True, overwrite_a=True, check_finite=True)
    except (np.linalg.LinAlgError, ValueError):
        return None
    return NormBound(math.ldexp(math.sqrt(k * k + 2.0 * c) * (1.0 + 4.0 * UNIT), exponent), "cholesky")


def krylov_bound(
    M: Matrix,
    known: FloatArray,
    kappa: float,
    failure_probability: float,
    seed: int,
    max_steps: int | None = None,
) -> NormBound | None:
    """|M|_2 ≤ κ with probability at least 1 - failure_probability, or None where that was not reached.

    With D an orthonormal basis of the known directions, a = |M D|_2², b = |(I - D Dᵀ) Mᵀ M D|_2 and
    c ≥ |M (I - D Dᵀ)|_2²:   |M|_2² ≤ λ_max [a b; b c].   c is bounded by Lanczos in the complement of D.

    Args:
        M: (rows, n).
        known: (n, d), directions that carry the clustered singular values; any matrix is valid.
        kappa: The bound to confirm.
        failure_probability: Shared by at most CHECKS looks at the growing Krylov space.
        seed: Of the start.
        max_steps: Dimension of the Krylov space at which to give up; by default what fits 240 MB, from 800 to 4000.
    """
    n, kappa = M.shape[1], float(kappa)
    if not TINY < kappa < math.inf or not 0.0 < failure_probability < 1.0:
        return None
    exponent = math.frexp(kappa)[1]
    B, k = M * math.ldexp(1.0, -exponent), math.ldexp(kappa, -exponent)
    D = _orthonormal(known)
    image = np.asarray(B @ D)
    a = float(np.linalg.norm(image, 2)) ** 2 if D.shape[1] else 0.0
    back = np.asarray(B.T @ image)
    b = float(np.linalg.norm(back - D @ (D.T @ back), 2)) if D.shape[1] else 0.0
    slack = 64.0 * UNIT * (D.shape[1] + 8) * (frobenius(B) ** 2 if D.shape[1] else 0.0)
    if a >= k * k:
        return None
    coupling = (b + slack) ** 2 / (k * k - a)
    if D.shape[1] and coupling > 1e-4 * k * k:  # far from invariant: leaving them out costs less
        return krylov_bound(M, known[:, :0], kappa, failure_probability, seed, max_steps)
    allowed = k * k - coupling
    left = n - D.shape[1]
    if left == 0:
        return NormBound(kappa, "krylov", failure_probability)
    budget = min(4000, max(800, 30_000_000 // n)) if max_steps is None else max_steps
    for steps, ritz in _lanczos(B, D, seed, min(budget, left)):
        if steps >= left:  # the Krylov space is the whole complement
            epsilon = 0.0
        else:
            root = math.log(1.648 * math.sqrt(left) * CHECKS / failure_probability) / (2 * steps - 1)
            epsilon = root * root
        if epsilon < 1.0 and ritz / (1.0 - epsilon) * (1.0 + 64.0 * UNIT) <= allowed:
            return NormBound(kappa, "krylov", failure_probability)
    return None


def _orthonormal(known: FloatArray) -> FloatArray:
    if known.shape[1] == 0:
        return known
    left, sigma, _ = np.linalg.svd(known, full_matrices=False)
    return cast(FloatArray, left[:, sigma > 1e-10 * sigma[0]] if sigma[0] > 0.0 else left[:, :0])


def _lanczos(B: Matrix, D: FloatArray, seed: int, max_steps: int) -> Any:
    """(k, largest Ritz value of the k-dimensional Krylov space) at a few growing k."""
    n = B.shape[1]
    # Looks at 1.5-fold distances: at most CHECKS of them up to max_steps.
    looks = {max_steps} | {int(max_steps / 1.5**i) for i in range(CHECKS - 1)}
    q = np.random.default_rng(seed).standard_normal(n)
    q -= D @ (D.T @ q)
    basis = np.empty((max_steps, n))
    diagonal, beside = np.zeros(max_steps), np.zeros(max_steps)
    for step in range(max_steps):
        norm = float(np.linalg.norm(q))
        if step:
            beside[step - 1] = norm
        if norm <= 1e-14:  # the space is invariant: its largest Ritz value is the largest eigenvalue, almost surely
            yield max_steps + n, _top(diagonal[:step], beside[: max(step - 1, 0)])
            return
        basis[step] = q / norm
        q = np.asarray(B.T @ (B @ basis[step]))
        diagonal[step] = float(basis[step] @ q)
        for _ in range(2):
            q -= D @ (D.T @ q)
            q -= basis[: step + 1].T @ (basis[: step + 1] @ q)
        if step + 1 in looks:
            yield step + 1, _top(diagonal[: step + 1], beside[:step])


def _top(diagonal: FloatArray, beside: FloatArray) -> float:
    if diagonal.size == 0:
        return 0.0
    return float(scipy.linalg.eigvalsh_tridiagonal(diagonal, beside)[-1]) if diagonal.size > 1 else float(diagonal[0])
