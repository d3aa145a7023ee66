"""Curvature of a landscape, and exact slices through it.

Every function takes any landscape of the protocol: ``land.hessian(p)`` gives the products, ``land.unpack`` turns
eigenvectors back into points.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse.linalg import LinearOperator

from . import _validation as check
from ._dispatch import core
from ._slices import evaluated_slice, network_kinks, network_pieces
from ._spectral_statistics import (
    MorseIndex,
    SpectralDensity,
    TraceEstimate,
    morse_index,
    spectral_density,
    trace,
)
from ._validation import FloatArray
from .errors import ConvergenceError, ConvergenceWarning
from .results import Eigenpair, Slice, Spectrum

__all__ = [
    "HessianOperator",
    "MorseIndex",
    "SpectralDensity",
    "TraceEstimate",
    "largest_eigenpair",
    "morse_index",
    "slice",
    "smallest_eigenpair",
    "spectral_density",
    "spectrum",
    "trace",
]

_DENSE_UP_TO = 600  # parameters; above it Lanczos needs fewer flops for a few pairs (benchmarks/bench_curvature.py)
_DENSE_LIMIT = 5000  # parameters; a dense matrix of this order takes 200 MB


class HessianOperator(LinearOperator):  # type: ignore[misc]
    """The Hessian at one point as a SciPy ``LinearOperator``; what the point determines is computed once.

    Args:
        hessian: The compiled Hessian.
        size: Number of parameters N.
        n_threads: Threads of each product.

    Attributes:
        products: Hessian-vector products computed so far.
    """

    def __init__(self, hessian: core.Hessian, size: int, n_threads: int) -> None:
        """Wrap the compiled Hessian."""
        super().__init__(dtype=np.dtype(np.float64), shape=(size, size))
        self._hessian = hessian
        self._threads = n_threads
        self.products = 0

    def _matvec(self, x: npt.NDArray[Any]) -> FloatArray:
        flat = check.as_contiguous(check.as_real("x", x)).reshape(-1)
        self.products += 1
        product: FloatArray = self._hessian.apply(flat, self._threads)
        return product

    def _matmat(self, X: npt.NDArray[Any]) -> FloatArray:
        rows = check.as_contiguous(check.as_real("X", X).T)
        self.products += len(rows)
        products: FloatArray = self._hessian.apply(rows, self._threads).T
        return products

    def _adjoint(self) -> HessianOperator:
        return self

    _transpose = _adjoint

    def todense(self) -> FloatArray:
        """The symmetric (N, N) matrix, from N products.

        Raises:
            ValueError: Above 5,000 parameters, where it would take more than 200 MB.
        """
        size = int(self.shape[0])
        if size > _DENSE_LIMIT:
            raise ValueError(f"a dense Hessian of {size} parameters is refused above {_DENSE_LIMIT}; use the operator")
        dense = self._matmat(np.eye(size))
        symmetric: FloatArray = (dense + dense.T) / 2
        return symmetric


def _landscape(land: Any, needs: str) -> Any:
    if not hasattr(land, needs):
        raise TypeError(f"land must be a landscape, such as ShallowLinear, got {type(land).__name__}")
    return land


def _extreme(
    land: Any,
    p: Any,
    k: int,
    *,
    which: str,
    tol: float,
    max_products: int | None,
    method: str,
    seed: int | np.random.Generator,
    n_threads: int | None,
    raise_on_failure: bool,
    stacklevel: int = 3,
) -> Spectrum:
    which = check.as_choice("which", which, ("smallest", "largest"))
    method = check.as_choice("method", method, ("auto", "lanczos", "dense"))
    tol = check.as_float("tol", tol, positive=True)
    budget = 0 if max_products is None else check.as_int("max_products", max_products, minimum=1)
    number = check.as_seed("seed", seed)
    operator = _landscape(land, "hessian").hessian(p, n_threads=n_threads)
    threads = check.as_threads(n_threads)
    size = int(operator.shape[0])
    k = check.as_int("k", k, minimum=1, maximum=size)
    if method == "auto":
        method = "dense" if size <= _DENSE_UP_TO or 5 * k > size else "lanczos"
    if method == "dense":
        dense = operator.todense()
        ascending, columns = core.symmetric_eigen(dense, threads)
        order = np.arange(k) if which == "smallest" else np.arange(size - 1, size - 1 - k, -1)
        values, rows, products, converged = ascending[order], columns.T[order], size, True
        residuals = np.linalg.norm(rows @ dense - values[:, None] * rows, axis=1)
    else:
        values, rows, residuals, products, converged = core.lanczos(
            operator._hessian, k, which == "largest", tol, budget, number, threads
        )
    vectors = [land.unpack(row) for row in rows]
    result = Spectrum(values, vectors, residuals, products, method, converged)
    if not converged:
        message = f"Lanczos stopped after {products} products, largest residual {residuals.max():.3g}"
        if raise_on_failure:
            raise ConvergenceError(message, result)
        warnings.warn(message, ConvergenceWarning, stacklevel=stacklevel)
    return result


def smallest_eigenpair(
    land: Any,
    p: Any,
    *,
    tol: float = 1e-8,
    max_products: int | None = None,
    method: str = "auto",
    seed: int | np.random.Generator = 0,
    n_threads: int | None = None,
    raise_on_failure: bool = False,
) -> Eigenpair:
    """The smallest eigenvalue of the Hessian at a point, with its eigenvector and residual.

    Args:
        land: A landscape.
        p: A single point.
        tol: Residual relative to the largest eigenvalue in magnitude at which Lanczos stops.
        max_products: Budget of Hessian-vector products; None is ten per parameter (ARPACK's rule).
        method: ``"dense"`` (all products, LAPACK), ``"lanczos"`` (in C++: the plain recurrence from 20,000
            parameters on, thick restart where that does not suffice), or ``"auto"``: dense up to
            600 parameters.
        seed: Of the starting vector.
        n_threads: Threads; None is all of them.
        raise_on_failure: Raise instead of warning when the budget runs out.

    Returns:
        An :class:`Eigenpair`. Its value is a Rayleigh quotient: negative proves descent, positive proves nothing.

    Raises:
        ConvergenceError: If the budget ran out and ``raise_on_failure`` is set.

    References:
        Wu & Simon (2000), thick-restart Lanczos.
    """
    return _pair(land, p, "smallest", tol, max_products, method, seed, n_threads, raise_on_failure)


def largest_eigenpair(
    land: Any,
    p: Any,
    *,
    tol: float = 1e-8,
    max_products: int | None = None,
    method: str = "auto",
    seed: int | np.random.Generator = 0,
    n_threads: int | None = None,
    raise_on_failure: bool = False,
) -> Eigenpair:
    """The largest eigenvalue of the Hessian at a point, with its eigenvector and residual.

    Args:
        land: A landscape.
        p: A single point.
        tol: As in :func:`smallest_eigenpair`, like the remaining arguments.
        max_products: Budget of Hessian-vector products.
        method: ``"auto"``, ``"dense"`` or ``"lanczos"``.
        seed: Of the starting vector.
        n_threads: Threads; None is all of them.
        raise_on_failure: Raise instead of warning when the budget runs out.

    Returns:
        An :class:`Eigenpair`. Its value is a Rayleigh quotient, at most the largest eigenvalue.
    """
    return _pair(land, p, "largest", tol, max_products, method, seed, n_threads, raise_on_failure)


def _pair(
    land: Any,
    p: Any,
    which: str,
    tol: float,
    max_products: int | None,
    method: str,
    seed: int | np.random.Generator,
    n_threads: int | None,
    raise_on_failure: bool,
) -> Eigenpair:
    found = _extreme(
        land, p, 1, which=which, tol=tol, max_products=max_products, method=method, seed=seed,
        n_threads=n_threads, raise_on_failure=raise_on_failure, stacklevel=4,
    )  # fmt: skip
    return Eigenpair(
        float(found.values[0]),
        found.vectors[0],
        float(found.residuals[0]),
        found.products,
        found.method,
        found.converged,
    )


def spectrum(
    land: Any,
    p: Any,
    k: int | None = None,
    *,
    which: str = "smallest",
    tol: float = 1e-8,
    max_products: int | None = None,
    method: str = "auto",
    seed: int | np.random.Generator = 0,
    n_threads: int | None = None,
    raise_on_failure: bool = False,
) -> Spectrum:
    """Extreme eigenvalues of the Hessian at a point, copies of repeated ones included.

    Args:
        land: A landscape.
        p: A single point.
        k: How many; None is all of them, by the dense method (refused above 5,000 parameters).
        which: ``"smallest"`` (ascending) or ``"largest"`` (descending).
        tol: As in :func:`smallest_eigenpair`, like the remaining arguments.
        max_products: Budget of Hessian-vector products.
        method: ``"auto"``, ``"dense"`` or ``"lanczos"``.
        seed: Of the starting vectors.
        n_threads: Threads; None is all of them.
        raise_on_failure: Raise instead of warning when the budget runs out.

    Returns:
        A :class:`Spectrum`.
    """
    if k is None:
        k, method = _landscape(land, "hessian").size, "dense" if method == "auto" else method
    return _extreme(
        land, p, k, which=which, tol=tol, max_products=max_products, method=method, seed=seed,
        n_threads=n_threads, raise_on_failure=raise_on_failure,
    )  # fmt: skip


def slice(  # noqa: A001 - the field's word, and always written ls.slice
    land: Any, p: Any, d1: Any, d2: Any = None, *, s: Any = None, t: Any = None, n_threads: int | None = None
) -> Slice:
    """The landscape along a line or in a plane: value(p + s d1 + t d2).

    Exact, from its polynomial coefficients, for linear networks and factorisations with the squared loss; by evaluation
    on the grid for all other landscapes. A line through a parallel network of single units also has its kinks, and for
    the squared loss the polynomials between them.

    Args:
        land: A landscape.
        p: A single point, the origin of the slice.
        d1: A direction.
        d2: A second direction for a 2-D slice, or None.
        s: Positions along d1, (S,); None is 201 positions from -1.5 to 1.5.
        t: Positions along d2, likewise; refused for a 1-D slice.
        n_threads: Threads; None is all of them.

    Returns:
        A :class:`Slice` with the values and, where there are any, the coefficients.

    Raises:
        ValueError: For wrong shapes, NaN or infinity, directions of another width, or ``t`` without ``d2``.
    """
    _landscape(land, "hessian")
    point, first = land._single(p), land._single(d1, "d1")
    second = None if d2 is None else land._single(d2, "d2")
    if any(block.shape != own.shape for d in (first, second or point) for block, own in zip(d, point, strict=True)):
        raise ValueError("d1 and d2 must have the shapes of p")
    if second is None and t is not None:
        raise ValueError("t needs a second direction d2")
    grid_s = _grid("s", s)
    grid_t = np.zeros(1) if second is None else _grid("t", t)
    if not hasattr(land, "_slice_coefficients") or land._slice_coefficients is None:
        values = evaluated_slice(land, point, first, second, grid_s, grid_t, n_threads)
        if second is not None:
            return Slice(grid_s, grid_t, values, None)
        if getattr(land, "unit", None) is None or land.hidden:
            return Slice(grid_s, None, values[:, 0], None)
        ends = float(grid_s.min()), float(grid_s.max())
        kinks = network_kinks(land, point, first, *ends)
        return Slice(grid_s, None, values[:, 0], None, kinks, network_pieces(land, point, first, kinks, *ends))
    coefficients = land._slice_coefficients(point, first, second, n_threads)
    values = core.evaluate_slice(coefficients, grid_s, grid_t, check.as_threads(n_threads))
    if second is None:
        return Slice(grid_s, None, values[:, 0], coefficients[:, 0])
    return Slice(grid_s, grid_t, values, coefficients)


def _grid(name: str, positions: Any) -> FloatArray:
    if positions is None:
        return np.linspace(-1.5, 1.5, 201)
    grid = check.as_array(name, positions, "(S,)" if name == "s" else "(T,)", (None,))
    if grid.size == 0:
        raise ValueError(f"{name} is empty")
    return grid
