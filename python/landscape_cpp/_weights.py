"""Trained weights of a linear network from an ``.npz`` archive: U and V, or W1, ..., WL as PyTorch stores them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ._datasets import DataError, load_arrays

__all__ = ["load_weights"]

_EXPECTED = "U (n2, n1) and V (n0, n1), or W1 (n1, n0), W2 (n2, n1), ..., one for each layer"


def load_weights(path: Path, n_inputs: int, n_outputs: int) -> tuple[tuple[npt.NDArray[Any], ...], tuple[int, ...]]:
    """A point and the widths of its hidden layers: (U, V) for one of them, (W1, ..., WL) for more.

    Args:
        path: The archive.
        n_inputs: n_0 of the data.
        n_outputs: n_L of the data.

    Raises:
        DataError: With one line that says what is wrong.
    """
    arrays = load_arrays(path)
    if frozenset(arrays) == frozenset("UV"):
        return _shallow(path, arrays, n_inputs, n_outputs)
    count = len(arrays)
    if count < 2 or set(arrays) != {f"W{layer}" for layer in range(1, count + 1)}:
        raise DataError(f"{path.name} must hold {_EXPECTED}; it holds {', '.join(arrays) or 'nothing'}")
    layers = [arrays[f"W{layer}"] for layer in range(1, count + 1)]
    width = n_inputs
    for number, layer in enumerate(layers, 1):
        _require_numbers(path, f"W{number}", layer)
        last = number == count
        fits = layer.ndim == 2 and layer.shape[1] == width and layer.size > 0
        if not fits or (last and layer.shape[0] != n_outputs):
            sizes = f"({n_outputs if last else f'n{number}'}, {width})"
            raise DataError(f"{path.name}: W{number} must be (n{number}, n{number - 1}) = {sizes}, got {layer.shape}")
        width = int(layer.shape[0])
    if count == 2:  # the shallow landscape says more
        return (layers[1], layers[0].T), (layers[0].shape[0],)
    return tuple(layers), tuple(layer.shape[0] for layer in layers[:-1])


def _shallow(
    path: Path, arrays: dict[str, npt.NDArray[Any]], n_inputs: int, n_outputs: int
) -> tuple[tuple[npt.NDArray[Any], ...], tuple[int, ...]]:
    u, v = arrays["U"], arrays["V"]
    for name, array in (("U", u), ("V", v)):
        _require_numbers(path, name, array)
    width = int(u.shape[1]) if u.ndim == 2 else None
    if u.shape != (n_outputs, width) or width == 0:
        raise DataError(f"{path.name}: U must be (n2, n1) = ({n_outputs}, n1), got {u.shape}")
    if width is None or v.shape != (n_inputs, width):
        raise DataError(f"{path.name}: V must be (n0, n1) = ({n_inputs}, {width}), got {v.shape}")
    return (u, v), (width,)


def _require_numbers(path: Path, name: str, array: npt.NDArray[Any]) -> None:
    if array.dtype.kind not in "buif":
        raise DataError(f"{path.name}: {name} must be real numbers, got dtype {array.dtype}")
    if not np.isfinite(array).all():
        raise DataError(f"{path.name}: {name} contains NaN or infinity")


def widths_word(text: str) -> tuple[int, ...]:
    """``8`` or ``16,8,16`` as widths.

    Raises:
        ValueError: For anything else.
    """
    if not re.fullmatch(r"\s*\d{1,9}\s*(,\s*\d{1,9}\s*)*", text):
        raise ValueError
    widths = tuple(int(word) for word in text.split(","))
    if min(widths) < 1:
        raise ValueError
    return widths
