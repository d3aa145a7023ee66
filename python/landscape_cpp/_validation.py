"""The only place where input is converted: anything a user may pass becomes C-ordered float64, or a clear error.

C-ordered float64 arrays (read-only ones too) pass through without a copy; float32, integers, Fortran order and strides
are converted once. Errors name the argument, what was expected and what came.
"""

from __future__ import annotations

import numbers
import os
from typing import Any

import numpy as np
import numpy.typing as npt

from ._dispatch import core

FloatArray = npt.NDArray[np.float64]
Point = tuple[FloatArray, FloatArray]
Layers = tuple[FloatArray, ...]

# A process forked after a parallel region must not enter another: libgomp's threads do not survive the fork.
_parallel_used = False
_forked_after_parallel = False


def _after_fork_in_child() -> None:
    global _forked_after_parallel
    _forked_after_parallel = _forked_after_parallel or _parallel_used


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)


def default_threads() -> int:
    """Threads used when ``n_threads`` is None: OpenMP's default, at most the processors this process may run on."""
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    return max(1, min(core.max_threads(), available))


def as_threads(n_threads: int | None) -> int:
    """``n_threads`` as a positive int; None is the default. One in a process forked after a parallel region."""
    global _parallel_used
    threads = default_threads() if n_threads is None else as_int("n_threads", n_threads, minimum=1, maximum=1024)
    if _forked_after_parallel:
        return 1
    _parallel_used = _parallel_used or threads > 1
    return threads


def is_integer(value: Any) -> bool:
    """Whether the value is an integer (NumPy integers too, booleans not)."""
    return isinstance(value, numbers.Integral) and not isinstance(value, (bool, np.bool_))


def is_real(value: Any) -> bool:
    """Whether the value is a real number (booleans not)."""
    return isinstance(value, (numbers.Real, np.floating)) and not isinstance(value, (bool, np.bool_))


def as_int(name: str, value: Any, *, minimum: int | None = None, maximum: int | None = None) -> int:
    """An integer (NumPy integers too, booleans not) within bounds."""
    if not is_integer(value):
        raise TypeError(f"{name} must be an integer, got {_describe(value)}")
    result = int(value)
    if (minimum is not None and result < minimum) or (maximum is not None and result > maximum):
        bounds = f"at least {minimum}" if maximum is None else f"between {minimum} and {maximum}"
        raise ValueError(f"{name} must be {bounds}, got {result}")
    return result


def as_float(name: str, value: Any, *, positive: bool = False) -> float:
    """A finite real number, positive if asked for."""
    if not is_real(value):
        raise TypeError(f"{name} must be a real number, got {_describe(value)}")
    result = float(value)
    if not np.isfinite(result) or (positive and result <= 0.0):
        raise ValueError(f"{name} must be a {'positive ' if positive else ''}finite number, got {result}")
    return result


def as_indices(name: str, value: Any, count: int) -> npt.NDArray[np.int64]:
    """Indices between 0 and ``count`` - 1, an array of integers."""
    array = np.asarray(value)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name} must hold integers, got dtype {array.dtype}")
    if array.size and (array.min() < 0 or array.max() >= count):
        raise ValueError(f"{name} must lie between 0 and {count - 1}, got {array.min()} to {array.max()}")
    return np.asarray(array, dtype=np.int64)


def as_choice(name: str, value: Any, choices: tuple[str, ...]) -> str:
    """One of a few strings."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be one of {', '.join(map(repr, choices))}, got {_describe(value)}")
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}")
    return str(value)


def as_bool(name: str, value: Any) -> bool:
    """True or False, nothing that merely looks like it."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be True or False, got {_describe(value)}")
    return bool(value)


def as_seed(name: str, value: Any) -> int:
    """A 64-bit seed from a non-negative int or a ``numpy.random.Generator`` (which it advances)."""
    if isinstance(value, np.random.Generator):
        return int(value.integers(0, 2**63))
    return as_int(name, value, minimum=0, maximum=2**64 - 1)


def as_generator(name: str, value: Any) -> np.random.Generator:
    """A ``numpy.random.Generator`` from None (fresh entropy), a non-negative int or a Generator."""
    if value is None:
        return np.random.default_rng()
    if isinstance(value, np.random.Generator):
        return value
    return np.random.default_rng(as_int(name, value, minimum=0))


def _describe(value: Any) -> str:
    text = repr(value)
    return f"{text if len(text) <= 40 else text[:37] + '...'} ({type(value).__name__})"


def as_real(name: str, value: Any) -> npt.NDArray[Any]:
    """A NumPy array of real numbers, not yet converted to float64 (so that blocks of a large one can be)."""
    if type(value).__module__.split(".")[0] == "scipy" and hasattr(value, "toarray"):
        raise TypeError(f"{name} is a scipy.sparse matrix; pass {name}.toarray()")
    if isinstance(value, np.ma.MaskedArray):
        if np.ma.is_masked(value):
            raise ValueError(f"{name} has masked entries; drop or fill them first")
        value = value.data
    if isinstance(value, (str, bytes)) or value is None:
        raise TypeError(f"{name} must be an array of real numbers, got {_describe(value)}")
    if isinstance(value, (dict, set, frozenset)):
        raise TypeError(f"{name} must be an array of real numbers, got a {type(value).__name__}")
    try:
        array = np.asarray(value)
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise TypeError(f"{name} must be an array of real numbers: {error}") from None
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} must be real numbers, got dtype {array.dtype}")
    return array


def as_contiguous(array: npt.NDArray[Any]) -> FloatArray:
    """C-ordered float64, without a copy where it already is."""
    return np.ascontiguousarray(array, dtype=np.float64)


def _shape_text(shape: tuple[int, ...]) -> str:
    return "(" + ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "") + ")"


def check_finite(name: str, array: npt.NDArray[Any]) -> None:
    """Refuse NaN and infinity, naming the first one's place."""
    if array.dtype.kind == "f" and array.size:
        # One pass proves finite entries, by the largest or the sum; only a suspicious one is looked at closely.
        if array.dtype == np.float64 and array.flags.c_contiguous:
            total = core.largest_magnitude(array)
        else:
            with np.errstate(invalid="ignore", over="ignore"):
                total = float(np.sum(array))
        if not np.isfinite(total):
            finite = np.isfinite(array)
            if not finite.all():
                where = np.unravel_index(int(np.argmin(finite)), array.shape)
                raise ValueError(f"{name} contains NaN or infinity at [{', '.join(str(int(i)) for i in where)}]")


def largest(array: FloatArray) -> float:
    """The largest entry in magnitude, without a temporary; 0 if there is none, NaN if one is not finite."""
    return float(core.largest_magnitude(as_contiguous(array)))


def as_array(name: str, value: Any, symbol: str, shape: tuple[int | None, ...]) -> FloatArray:
    """An array of a given shape, finite, as C-ordered float64.

    Args:
        name: The argument's name in the message.
        value: What the user passed.
        symbol: The shape in letters, ``"(n2, n1)"``.
        shape: The sizes; None leaves one free.
    """
    array = as_real(name, value)
    if array.ndim != len(shape) or any(want not in (None, got) for got, want in zip(array.shape, shape, strict=True)):
        letters = symbol.strip("(),").split(", ")
        sizes = [letter if size is None else str(size) for letter, size in zip(letters, shape, strict=True)]
        filled = f"({', '.join(sizes)}{',' if len(sizes) == 1 else ''})"
        known = symbol if filled == symbol else f"{symbol} = {filled}"
        raise ValueError(f"{name} must be {known}, got {_shape_text(array.shape)}")
    array = as_contiguous(array)
    check_finite(name, array)
    return array


def as_point(
    name: str, value: Any, shapes: tuple[tuple[int, int], tuple[int, int]], symbols: tuple[str, str]
) -> tuple[Point, tuple[float, ...]]:
    """A point, or a batch of points, as a pair of C-ordered float64 arrays, and the largest magnitude in each.

    Args:
        name: The argument's name in the message, ``"p"`` or ``"d"``.
        value: A pair of arrays, each with the given shape or all with one more leading axis.
        shapes: The shapes of a single point.
        symbols: The same in letters.
    """
    (u, v), largest = _as_blocks(name, value, shapes, symbols, ("U", "V"), "a pair (U, V) of arrays")
    return (u, v), largest


def as_layers(name: str, value: Any, shapes: tuple[tuple[int, int], ...]) -> tuple[Layers, tuple[float, ...]]:
    """A point (W1, ..., WL), or a batch, as a tuple of C-ordered float64 arrays, and the largest magnitude in each.

    Args:
        name: The argument's name in the message, ``"p"`` or ``"d"``.
        value: A tuple or list of arrays, each with the given shape or all with one more leading axis.
        shapes: The shapes (n_l, n_{l-1}) of a single point.
    """
    depth = len(shapes)
    letters = tuple(f"W{layer}" for layer in range(1, depth + 1))
    symbols = tuple(f"(n{layer}, n{layer - 1})" for layer in range(1, depth + 1))
    what = f"a tuple ({letters[0]}, ..., {letters[-1]}) of {depth} arrays"
    return _as_blocks(name, value, shapes, symbols, letters, what)


def _as_blocks(
    name: str,
    value: Any,
    shapes: tuple[tuple[int, int], ...],
    symbols: tuple[str, ...],
    letters: tuple[str, ...],
    what: str,
) -> tuple[Layers, tuple[float, ...]]:
    if isinstance(value, np.ndarray) or not isinstance(value, (tuple, list)):
        raise TypeError(f"{name} must be {what}, got {_describe_type(value)}")
    if len(value) != len(shapes):
        raise ValueError(f"{name} must be {what}, got {len(value)} of them")
    blocks, magnitudes = [], []
    for index, (block, letter, shape, symbol) in enumerate(zip(value, letters, shapes, symbols, strict=True)):
        label = f"{name}[{index}] ({letter})"
        array = as_real(label, block)
        if array.ndim not in (2, 3) or array.shape[-2:] != shape:
            raise ValueError(
                f"{label} must be {symbol} = {_shape_text(shape)} or a batch (B, ...) of them, "
                f"got {_shape_text(array.shape)}"
            )
        array = as_contiguous(array)
        magnitude = largest(array)
        if not np.isfinite(magnitude):
            check_finite(label, array)
        blocks.append(array)
        magnitudes.append(magnitude)
    first = blocks[0]
    for letter, block in zip(letters, blocks, strict=True):
        if block.ndim != first.ndim or (first.ndim == 3 and len(block) != len(first)):
            raise ValueError(
                f"{name} must have the same batch axis on {letters[0]} and {letter}, got {_shape_text(first.shape)} "
                f"and {_shape_text(block.shape)}"
            )
    if first.ndim == 3 and len(first) == 0:
        raise ValueError(f"{name} is an empty batch")
    return tuple(blocks), tuple(magnitudes)


def _describe_type(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"an array of shape {_shape_text(value.shape)}"
    return _describe(value)
