"""What the user passes as a factorisation problem, checked and brought to one form: the observed entries."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import scipy.sparse

from . import _validation as check
from ._validation import FloatArray

__all__ = ["LOSSES", "FactorizationData", "Loss", "factorization_data"]

LOSSES = ("squared", "huber", "logistic")


@dataclass(frozen=True)
class Loss:
    """The loss of one entry.

    Attributes:
        name: ``"squared"``, ½ (z - y)²; ``"huber"``, ½ t² for t = |z - y| ≤ δ and δ t - ½ δ² beyond; ``"logistic"``,
            log(1 + e^{-yz}) for y = ±1.
        delta: δ of the Huber loss, in units of the targets.
    """

    name: str
    delta: float = 1.0

    @property
    def curvature(self) -> float:
        """The largest second derivative."""
        return 0.25 if self.name == "logistic" else 1.0


@dataclass(frozen=True)
class FactorizationData:
    """The observed entries, and how they were given.

    Attributes:
        Y: Dense (zeros where nothing is observed), or CSR.
        mask_csr: The observed pattern of a dense Y, or None.
        weights: Of the observed entries in CSR order, or None.
        X: Data (m, n0), or None.
        loss: The loss.
        rows, columns: Of the observed entries, in CSR order.
        targets: Their values.
        shape: Of Y.
    """

    Y: Any = field(repr=False)
    mask_csr: Any = field(repr=False)
    weights: FloatArray | None = field(repr=False)
    X: FloatArray | None = field(repr=False)
    loss: Loss
    rows: npt.NDArray[np.int64] = field(repr=False)
    columns: npt.NDArray[np.int64] = field(repr=False)
    targets: FloatArray = field(repr=False)
    shape: tuple[int, int]

    def lock(self) -> None:
        """Nobody can write to the arrays from now on."""
        arrays = [self.weights, self.X, self.rows, self.columns, self.targets]
        for block in (self.Y, self.mask_csr):
            arrays += [block.data, block.indices, block.indptr] if scipy.sparse.issparse(block) else [block]
        for array in arrays:
            if array is not None:
                array.flags.writeable = False

    @property
    def complete(self) -> bool:
        """Every entry is observed."""
        return len(self.targets) == self.shape[0] * self.shape[1]


def factorization_data(Y: Any, mask: Any, weights: Any, X: Any, loss: Any, delta: Any) -> FactorizationData:
    """Check everything before any work."""
    kind = Loss(check.as_choice("loss", loss, LOSSES), check.as_float("delta", delta, positive=True))
    if kind.delta != 1.0 and kind.name != "huber":
        raise ValueError(f"delta is for the Huber loss only, got {kind.delta:g} with loss={kind.name!r}")
    data = None if X is None else _own(check.as_array("X", X, "(m, n0)", (None, None)))
    if scipy.sparse.issparse(Y):
        if mask is not None:
            raise ValueError("mask must be None for a sparse Y: its stored entries are the observed ones")
        dense, pattern, pattern_given = None, _sparse_targets(Y), False
    else:
        dense, seen = _dense_targets(Y, mask)
        pattern = None if seen is None else scipy.sparse.csr_matrix(seen, dtype=np.float64)
        pattern_given = pattern is not None
    if pattern is None:
        assert dense is not None
        shape = dense.shape
        rows, columns = (index.ravel() for index in np.indices(shape))
        targets = dense.ravel()
    else:
        shape = pattern.shape
        rows = np.repeat(np.arange(shape[0]), np.diff(pattern.indptr))
        columns = pattern.indices.astype(np.int64)
        targets = pattern.data if dense is None else dense[rows, columns]
    if min(shape) < 1:
        raise ValueError(f"Y must have at least one row and one column, got shape {shape}")
    if data is not None and len(data) != shape[0]:
        raise ValueError(f"X must have the rows of Y, ({shape[0]}, n0), got {data.shape}")
    if data is not None and data.shape[1] < 1:
        raise ValueError("X must have at least one column")
    if kind.name == "logistic" and not (np.abs(targets) == 1.0).all():
        wrong = targets[np.abs(targets) != 1.0][0]
        raise ValueError(f"Y must hold the labels -1 and 1 for the logistic loss, got {wrong:g}")
    own_weights = None if weights is None else _weights(weights, pattern, shape, _in_order(Y))
    result = FactorizationData(
        Y=dense if dense is not None else pattern,
        mask_csr=pattern if pattern_given else None,
        weights=own_weights,
        X=data,
        loss=kind,
        rows=np.ascontiguousarray(rows, dtype=np.int64),
        columns=np.ascontiguousarray(columns, dtype=np.int64),
        targets=np.ascontiguousarray(targets, dtype=np.float64),
        shape=cast("tuple[int, int]", tuple(int(n) for n in shape)),
    )
    result.lock()
    return result


def _sparse_targets(Y: Any) -> Any:
    """Canonical CSR; explicit zeros stay, duplicates and what is not finite are refused."""
    if Y.dtype.kind not in "fiub":
        raise TypeError(f"Y must hold real numbers, got dtype {Y.dtype}")
    if Y.ndim != 2:
        raise ValueError(f"Y must be two-dimensional, got {Y.ndim} dimensions")
    if Y.format in ("dia", "bsr"):
        raise ValueError(
            f"Y must not be stored as {Y.format.upper()}, which does not tell observed zeros from padding; "
            "convert it to CSR or COO"
        )
    entries = Y.tocoo()
    check.check_finite("Y", np.asarray(entries.data, dtype=np.float64))
    pattern = scipy.sparse.csr_matrix(
        (np.asarray(entries.data, dtype=np.float64), (entries.row, entries.col)), shape=Y.shape, copy=True
    )
    if pattern.nnz != len(entries.data):
        keys = entries.row.astype(np.int64) * Y.shape[1] + entries.col
        unique, first, count = np.unique(keys, return_index=True, return_counts=True)
        place = first[np.argmax(count > 1)]
        raise ValueError(
            f"Y has {len(entries.data) - len(unique)} duplicate entries, the first at row {entries.row[place]}, column "
            f"{entries.col[place]}: combine them first (Y.sum_duplicates() adds them up)"
        )
    pattern.sort_indices()
    return pattern


def _dense_targets(Y: Any, mask: Any) -> tuple[FloatArray, npt.NDArray[np.bool_] | None]:
    """Y with zeros where nothing is observed, and where it is; None where everything is."""
    array = np.asarray(check.as_real("Y", Y), dtype=np.float64)
    if array.ndim != 2:
        raise ValueError(f"Y must be a matrix, got shape {array.shape}")
    array = _own(array)
    if mask is None:
        if np.isnan(array).any():
            place = np.argwhere(np.isnan(array))[0]
            raise ValueError(f"Y contains NaN at [{place[0]}, {place[1]}]; mask='nan' takes NaN as not observed")
        check.check_finite("Y", array)
        return array, None
    if isinstance(mask, str):
        if mask != "nan":
            raise ValueError(f"mask must be boolean (True where observed), 'nan' or None, got {mask!r}")
        seen = ~np.isnan(array)
    else:
        if isinstance(mask, np.ma.MaskedArray):
            raise TypeError("mask must be a plain boolean array, got a masked array")
        seen = np.asarray(mask)
        if seen.dtype != np.bool_:
            raise TypeError(f"mask must be boolean (True where observed) or 'nan', got dtype {seen.dtype}")
        if seen.shape != array.shape:
            raise ValueError(f"mask must have the shape of Y, {array.shape}, got {seen.shape}")
    filled = np.where(seen, array, 0.0)
    check.check_finite("Y", filled)
    return _own(filled), None if seen.all() else seen


def _in_order(Y: Any) -> bool:
    """Whether a vector of weights can be meant in the order of the rows: not for entries stored in another order."""
    return not scipy.sparse.issparse(Y) or (Y.format == "csr" and bool(Y.has_sorted_indices))


def _own(array: FloatArray) -> FloatArray:
    """A copy in C order that nobody can write to."""
    copy = np.array(array, dtype=np.float64, order="C")
    copy.flags.writeable = False
    return copy


def _weights(weights: Any, pattern: Any, shape: Any, ordered: bool) -> FloatArray:
    """Of the observed entries in CSR order."""
    if scipy.sparse.issparse(weights):
        if pattern is None:
            raise ValueError("weights must be a dense array for a dense Y without a mask")
        own = _sparse_targets(weights)
        if (
            own.shape != pattern.shape
            or not np.array_equal(own.indptr, pattern.indptr)
            or not np.array_equal(own.indices, pattern.indices)
        ):
            raise ValueError("weights must have the stored entries of Y")
        values = own.data
    else:
        array = np.asarray(check.as_real("weights", weights), dtype=np.float64)
        if array.shape == tuple(shape):
            if pattern is None:
                values = array.ravel()
            else:
                values = array[np.repeat(np.arange(shape[0]), np.diff(pattern.indptr)), pattern.indices]
        elif ordered and pattern is not None and array.shape == (pattern.nnz,):
            values = array
        else:
            raise ValueError(f"weights must have the shape of Y, {tuple(shape)}, got {array.shape}")
    check.check_finite("weights", values)
    if (values < 0.0).any():
        raise ValueError(f"weights must not be negative, got {float(values.min())}")
    return _own(values)
