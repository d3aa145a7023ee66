"""Singular value thresholding and two-sided bounds of the largest singular value."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse

from . import _validation as check
from ._dispatch import core
from ._factorization_results import PolarBounds
from ._validation import FloatArray
from .errors import ConvergenceWarning

__all__ = ["SVT", "SparsePlusLowRank", "polar_bounds", "svt"]

_SERIAL_UP_TO = 256  # order up to which a second thread costs more than it saves


@dataclass(frozen=True)
class SparsePlusLowRank:
    """The matrix S + L Rᵀ, known by its products.

    Attributes:
        sparse: S, scipy.sparse (m, n).
        left: L, (m, k).
        right: R, (n, k).
    """

    sparse: Any = field(repr=False)
    left: FloatArray = field(repr=False)
    right: FloatArray = field(repr=False)


@dataclass(frozen=True)
class SVT:
    """Singular value thresholding D_λ(Y) = Σ (σ_i - λ)_+ u_i v_iᵀ = U diag(s) Vᵀ.

    Attributes:
        U: Left singular vectors, (m, k).
        s: σ_i - λ > 0, descending, (k,).
        V: Right singular vectors, (n, k).
        rank_margin: Smallest |σ_i - λ| seen: how far the rank is from changing. Values below λ are known only as Ritz
            values unless all were computed, so it may be too large.
        error_bound: Bound of |Z - D_λ(Y)|_F, by what the matrix says of the result; infinite where the part of Y
            beyond the result was not bounded.
        complete: No singular value above λ was missed, up to the accuracy: proved by Cholesky, or because the full SVD
            was taken.
        method: ``"partial"``, ``"gram"`` or ``"svd"``: the cheapest for these data.
        products: Columns multiplied by Y or Yᵀ.
    """

    U: FloatArray = field(repr=False)
    s: FloatArray
    V: FloatArray = field(repr=False)
    rank_margin: float
    error_bound: float
    complete: bool
    method: str
    products: int

    @property
    def rank(self) -> int:
        """Singular values above λ."""
        return len(self.s)

    @property
    def Z(self) -> FloatArray:
        """D_λ(Y), dense (m, n)."""
        return np.asarray((self.U * self.s) @ self.V.T)


def svt(
    Y: Any,
    lam: float,
    *,
    start: Any = None,
    method: str = "auto",
    seed: int | np.random.Generator = 0,
    n_threads: int | None = None,
) -> SVT:
    """The minimiser of ½ |Y - Z|_F² + λ |Z|_* (Cai, Candès & Shen 2010), to the accuracy of a full SVD.

    Args:
        Y: Dense, scipy.sparse (m, n), or a :class:`SparsePlusLowRank`.
        lam: λ, positive.
        start: Columns (n, k) near the leading right singular vectors, such as ``V`` of an earlier result; None starts
            from random ones.
        method: ``"auto"`` decides from the data; ``"partial"`` computes the triplets above λ only, ``"gram"`` and
            ``"svd"`` all of them.
        seed: Of random starts.
        n_threads: Threads; None is all of them.

    Returns:
        An :class:`SVT`; with a :class:`ConvergenceWarning` if no way led to the accuracy.

    Raises:
        TypeError: For what is no matrix of real numbers.
        ValueError: For λ that is not positive, NaN or infinity, a start of wrong shape.

    Example:
        >>> import numpy as np
        >>> found = svt(np.diag([3.0, 1.0]), lam=1.0)
        >>> found.rank, found.s.round(9).tolist()
        (1, [2.0])

    References:
        THEORY 4 and 9.
    """
    threshold = check.as_float("lam", lam, positive=True)
    how = check.as_choice("method", method, ("auto", "partial", "gram", "svd"))
    number, threads = check.as_seed("seed", seed), check.as_threads(n_threads)
    operand, shape = _operand("Y", Y)
    begin = np.zeros((shape[1], 0)) if start is None else check.as_array("start", start, "(n, k)", (shape[1], None))
    U, sigma, V, margin, error, complete, converged, taken, products = core.svt(
        operand, threshold, begin, how, number, threads
    )
    if not converged:  # another way, or another start from where this one came
        again = "svd" if operand[0] == "dense" or how == "auto" else how
        U, sigma, V, margin, error, complete, converged, taken, more = core.svt(
            operand, threshold, V, again, number + 1, threads
        )
        products += more
    if not converged:
        warnings.warn(
            f"the thresholding did not converge by {taken!r}; its error is at most {error:.3g}",
            ConvergenceWarning,
            stacklevel=2,
        )
    order = np.argsort(-sigma, kind="stable")  # equal ones may differ in the last bit
    order = order[sigma[order] > threshold]
    return SVT(U[:, order], sigma[order] - threshold, V[:, order], margin, error, complete, taken, products)


def polar_bounds(
    matrix: Any,
    *,
    start: FloatArray,
    tol: float | None = None,
    failure_probability: float = 1e-9,
    seed: int = 0,
    n_threads: int | None = None,
) -> PolarBounds:
    """Two-sided bounds of the largest singular value of a dense or sparse matrix.

    Args:
        matrix: Dense, scipy.sparse, or :class:`SparsePlusLowRank`, (m, n).
        start: Columns (n, k) near the leading right singular vectors; may be empty.
        tol: Relative distance of the bounds to aim for; None is 1e-6, or 1e-3 where only Lanczos is affordable.
        failure_probability: Of a probabilistic bound.
        seed: Of random vectors.
        n_threads: Threads.
    """
    operand, shape = _operand("matrix", matrix)
    threads = check.as_threads(n_threads) if min(shape) > _SERIAL_UP_TO else 1
    accuracy = 0.0 if tol is None else check.as_float("tol", tol, positive=True)
    lower, upper, u, v, by_lanczos, failure, products = core.largest_singular_value(
        operand, np.ascontiguousarray(start), accuracy, failure_probability, seed, threads
    )
    return PolarBounds(
        lower=lower,
        upper=upper,
        witness=(u, v) if lower > 0.0 else None,
        method="krylov" if by_lanczos else "cholesky",
        guarantee="probabilistic" if failure > 0.0 else "deterministic",
        failure_probability=failure,
        work=products,
    )


def _operand(name: str, matrix: Any) -> tuple[tuple[Any, ...], tuple[int, int]]:
    """What the core multiplies by: ("dense", A) or ("sparse", CSR of A, CSR of Aᵀ, L, R)."""
    if isinstance(matrix, SparsePlusLowRank):
        rows, columns = matrix.sparse.shape
        left = check.as_array("left", matrix.left, "(m, k)", (rows, None))
        right = check.as_array("right", matrix.right, "(n, k)", (columns, left.shape[1]))
        return ("sparse", *_compressed(name, matrix.sparse), left, right), (rows, columns)
    if scipy.sparse.issparse(matrix):
        rows, columns = matrix.shape
        nothing = (np.zeros((rows, 0)), np.zeros((columns, 0)))
        return ("sparse", *_compressed(name, matrix), *nothing), (rows, columns)
    dense = check.as_array(name, matrix, "(m, n)", (None, None))
    if not dense.size:
        raise ValueError(f"{name} must have at least one row and one column, got shape {dense.shape}")
    return ("dense", dense), (dense.shape[0], dense.shape[1])


def _compressed(name: str, matrix: Any) -> tuple[Any, ...]:
    if matrix.dtype.kind not in "fiub":
        raise TypeError(f"{name} must hold real numbers, got dtype {matrix.dtype}")
    if min(matrix.shape) < 1:
        raise ValueError(f"{name} must have at least one row and one column, got shape {matrix.shape}")
    csr = scipy.sparse.csr_matrix(matrix, dtype=np.float64, copy=True)
    csr.sum_duplicates()
    check.check_finite(name, csr.data)
    if max(csr.shape) > 2**31 - 1:
        raise ValueError(f"{name} must have fewer than 2^31 rows and columns, got shape {csr.shape}")
    other = csr.T.tocsr()
    return tuple(
        part
        for item in (csr, other)
        for part in (
            np.ascontiguousarray(item.indptr, dtype=np.int64),
            np.ascontiguousarray(item.indices, dtype=np.int32),
            np.ascontiguousarray(item.data, dtype=np.float64),
        )
    )
