"""What data and moments must be before :class:`~landscape_cpp.Covariances` takes them (THEORY 1)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _validation as check
from ._validation import FloatArray

_TINY = 1e-280  # smallest sum of squares whose products still keep all their digits


def as_rows(name: str, value: Any, *, vector_ok: bool) -> npt.NDArray[Any]:
    """A 2-D real array (m, n); a vector is one column where that is unambiguous. Not converted yet."""
    array = check.as_real(name, value)
    symbol = "(m, n0)" if name == "X" else "(m, n2)"
    if array.ndim == 1 and vector_ok:
        array = array[:, None]
    if array.ndim != 2:
        raise ValueError(f"{name} must be 2-D {symbol}, got {array.ndim}-D of shape {array.shape}")
    if array.shape[1] == 0:
        raise ValueError(f"{name} has no columns: shape {array.shape}")
    if array.shape[0] == 0:
        raise ValueError(f"{name} has no rows: shape {array.shape}")
    return array


def as_weights(value: Any, m: int) -> FloatArray:
    if value is None:
        return np.empty(0)
    weights = check.as_array("sample_weight", value, "(m,)", (m,))
    if (weights < 0.0).any():
        where = int(np.argmax(weights < 0.0))
        raise ValueError(f"sample_weight must be non-negative, got {weights[where]} at [{where}]")
    if 0.0 < weights.sum() < _TINY:
        raise ValueError("sample_weight is too small: products with it underflow; rescale it")
    if not weights.sum() < np.inf:
        raise ValueError("sample_weight is too large: its sum overflows")
    return weights


def check_block_finite(name: str, block: npt.NDArray[Any], first: int) -> None:
    finite = np.isfinite(block) if block.dtype.kind == "f" else np.ones(1, dtype=bool)
    if not finite.all():
        row, column = np.unravel_index(int(np.argmin(finite)), block.shape)
        raise ValueError(f"{name} contains NaN or infinity at [{first + int(row)}, {int(column)}]")


def check_data(X: Any, Y: Any, sample_weight: Any) -> tuple[npt.NDArray[Any], npt.NDArray[Any] | None, FloatArray]:
    x = as_rows("X", X, vector_ok=False)
    y = None if Y is None else as_rows("Y", Y, vector_ok=True)
    if y is not None and y.shape[0] != x.shape[0]:
        raise ValueError(f"Y must have as many rows as X, {x.shape[0]}, got shape {y.shape}")
    return x, y, as_weights(sample_weight, x.shape[0])


def split_chunks(chunks: Iterable[Any]) -> Iterator[tuple[Any, Any, Any]]:
    try:
        iterator = iter(chunks)
    except TypeError:
        raise TypeError(f"chunks must be an iterable of (X, Y), got {type(chunks).__name__}") from None
    for chunk in iterator:
        if isinstance(chunk, tuple):
            if not 2 <= len(chunk) <= 3:
                raise ValueError(f"each chunk must be X, (X, Y) or (X, Y, sample_weight), got {len(chunk)} entries")
            yield chunk[0], chunk[1], chunk[2] if len(chunk) == 3 else None
        else:
            yield chunk, None, None


def check_moments(xx: FloatArray, xy: FloatArray, yy: FloatArray, tol: float) -> None:
    """Refuse moments that no data can produce (THEORY 1), after scaling every variable to unit second moment."""
    n0 = xx.shape[0]
    for name, block in (("xx", xx), ("yy", yy)):
        if (block.diagonal() < 0.0).any():
            where = int(np.argmin(block.diagonal()))
            raise ValueError(f"{name} has a negative second moment, {block[where, where]:.6g} at [{where}, {where}]")
        asymmetry = float(np.abs(block - block.T).max())
        if asymmetry > tol * float(np.abs(block).max()):
            raise ValueError(f"{name} must be symmetric, largest difference {asymmetry:.3g}")
    joint = np.block([[xx, xy], [xy.T, yy]])
    moments = joint.diagonal()
    with np.errstate(divide="ignore"):
        scale = np.where(moments > 0.0, 1.0 / np.sqrt(moments), 0.0)
    unexplained = (np.abs(joint) > 0.0) & ((moments == 0.0)[:, None] | (moments == 0.0)[None, :])
    tiny = (moments > 0.0) & (moments < _TINY)
    if tiny.any():
        where = int(np.argmax(tiny))
        variable = f"x[{where}]" if where < n0 else f"y[{where - n0}]"
        raise ValueError(f"{variable} has the second moment {moments[where]:.3g}, which is too small; rescale it")
    if unexplained.any():
        row, column = (int(i) for i in np.argwhere(unexplained)[0])
        zero = row if moments[row] == 0.0 else column
        variable = f"x[{zero}]" if zero < n0 else f"y[{zero - n0}]"
        raise ValueError(
            f"no data has these moments: {variable} has second moment 0 but covaries "
            f"({joint[row, column]:.3g}); range(xy) must lie in range(xx)"
        )
    if not moments.max() < 1e290:
        raise ValueError(f"second moments up to {moments.max():.1e} are too large; rescale the data")
    scaled = scale[:, None] * joint * scale[None, :]
    smallest = float(np.linalg.eigvalsh((scaled + scaled.T) / 2)[0])
    if smallest < -tol * len(joint):
        raise ValueError(
            "no data has these moments: [[xx, xy], [yx, yy]], scaled to unit diagonal, has the negative eigenvalue "
            f"{smallest:.3g}; it must be positive semidefinite, so that range(xy) lies in range(xx)"
        )
    # The smallest joint eigenvalue sees a violation of range(xy) in range(xx) only squared. Look at the inputs' own
    # eigenvectors: a direction of second moment d covaries with a unit y by at most √d.
    values, vectors = np.linalg.eigh(scaled[:n0, :n0])
    crossing = np.linalg.norm(vectors.T @ scaled[:n0, n0:], axis=1) / np.sqrt(max(1, len(joint) - n0))
    excess = crossing**2 - 4.0 * (np.maximum(values, 0.0) + 8.0 * 2.0**-53 * np.sqrt(len(joint)))
    if (excess > 0.0).any():
        where = int(np.argmax(excess))
        raise ValueError(
            f"no data has these moments: a direction of x with second moment {values[where]:.3g} covaries with y by "
            f"{crossing[where]:.3g} (scaled to unit diagonal); range(xy) must lie in range(xx)"
        )


def refuse_underflow(arrays: list[npt.NDArray[Any]], moments: FloatArray) -> None:
    """Refuse columns that are not zero but whose squares are (nearly) lost: their moments would say nothing."""
    columns = [(name, array, j) for name, array in zip("XY", arrays, strict=False) for j in range(array.shape[1])]
    for (name, array, j), moment in zip(columns, moments, strict=True):
        if moment < _TINY and 0.0 < float(np.abs(array[:, j]).max()) < 1e-140:
            raise ValueError(f"{name}[:, {j}] is too small: second moments underflow; rescale the data")
