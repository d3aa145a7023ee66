"""What a certificate is about, as SHA-256 of exact contents: of the data, of the point, of the certificate itself."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import scipy.sparse

from .results import Certificate

__all__ = [
    "FactorizationLike",
    "certificate_digest",
    "data_fingerprint",
    "moments_fingerprint",
    "network_fingerprint",
    "point_fingerprint",
]

FloatArray = npt.NDArray[np.float64]


class LossLike(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def delta(self) -> float: ...


class FactorizationLike(Protocol):
    """What of a landscape is read: Y dense or CSR; mask_csr the observed pattern or None; weights, X or None."""

    @property
    def Y(self) -> Any: ...
    @property
    def mask_csr(self) -> Any: ...
    @property
    def weights(self) -> Any: ...
    @property
    def X(self) -> FloatArray | None: ...
    @property
    def loss(self) -> LossLike: ...
    @property
    def lam(self) -> float: ...


def _hash_array(state: Any, array: npt.ArrayLike, kind: str = "<f8") -> None:
    """Shape and little-endian C-order bytes; float64 or int64."""
    block = np.ascontiguousarray(np.asarray(array), dtype=np.dtype(kind))
    state.update(struct.pack(f"<{block.ndim + 1}q", block.ndim, *block.shape))
    state.update(block.tobytes())


def _hash_value(state: Any, value: Any) -> None:
    """A tag and the exact content, so that no two different values share an encoding."""
    if isinstance(value, np.ndarray):
        state.update(b"a")
        _hash_array(state, value)
    elif value is None or isinstance(value, (bool, np.bool_)):
        state.update({None: b"n", True: b"t", False: b"f"}[None if value is None else bool(value)])
    elif isinstance(value, (int, np.integer)):
        state.update(b"i" + str(int(value)).encode() + b";")
    elif isinstance(value, (float, np.floating)):
        state.update(b"d" + struct.pack("<d", float(value)))
    elif isinstance(value, str):
        encoded = str(value).encode()
        state.update(b"s" + struct.pack("<q", len(encoded)) + encoded)
    elif isinstance(value, Mapping):
        state.update(b"m" + struct.pack("<q", len(value)))
        for key in sorted(value):
            _hash_value(state, str(key))
            _hash_value(state, value[key])
    elif isinstance(value, Sequence):
        state.update(b"l" + struct.pack("<q", len(value)))
        for item in value:
            _hash_value(state, item)
    else:
        raise TypeError(f"a certificate cannot hold a {type(value).__name__}")


def certificate_digest(certificate: Certificate) -> str:
    """SHA-256 of all fields but ``digest``: it catches accidents; a forger can renew it, the other checks remain."""
    state = hashlib.sha256(b"landscape_cpp certificate")
    for item in fields(certificate):
        if item.name != "digest":
            _hash_value(state, item.name)
            _hash_value(state, getattr(certificate, item.name))
    return state.hexdigest()


def point_fingerprint(p: Sequence[npt.ArrayLike]) -> str:
    """SHA-256 of the blocks of a point: shapes and float64 bytes."""
    state = hashlib.sha256(b"landscape_cpp point")
    for block in p:
        _hash_array(state, block)
    return state.hexdigest()


def data_fingerprint(land: FactorizationLike) -> str:
    """SHA-256 of what defines the objective; the observed entries as (shape, indptr, indices, y, c) in CSR order.

    A dense Y without a mask hashes as its matrix; a dense Y with a mask as the same problem given in CSR.
    """
    state = hashlib.sha256(b"landscape_cpp matrix_factorization")
    pattern = observed_pattern(land)
    if pattern is None:
        state.update(b"dense")
        _hash_array(state, land.Y)
    else:
        state.update(b"csr")
        _hash_array(state, np.array(pattern.shape), "<i8")
        _hash_array(state, pattern.indptr, "<i8")
        _hash_array(state, pattern.indices, "<i8")
        _hash_array(state, on_pattern(land.Y, pattern))
    for label, block in ((b"weights", land.weights), (b"X", land.X)):
        state.update(label + (b"0" if block is None else b"1"))
        if block is not None:
            _hash_array(state, on_pattern(block, pattern) if label == b"weights" else block)
    _hash_value(state, [str(land.loss.name), float(land.loss.delta), float(land.lam)])
    return state.hexdigest()


def moments_fingerprint(cov: Any, shapes: Sequence[tuple[int, int]]) -> str:
    """SHA-256 of second moments, in the form in which they are held, and of the shapes of a network's layers."""
    state = hashlib.sha256(b"landscape_cpp linear_network")
    blocks = cov.factor if cov.factor is not None else (cov.xx, cov.xy)
    _hash_value(state, ["factor" if cov.factor is not None else "moments", float(cov.total)])
    for block in blocks:
        _hash_array(state, block)
    _hash_value(state, [list(shape) for shape in shapes])
    return state.hexdigest()


def network_fingerprint(land: Any) -> str:
    """SHA-256 of what defines the objective of a parallel network: data with their column of ones, loss, λ, units."""
    state = hashlib.sha256(b"landscape_cpp parallel_network")
    _hash_array(state, land.inputs)
    _hash_array(state, land.targets)
    unit = [str(land.unit.name), float(land.unit.slope), int(land.unit.power), [int(n) for n in land.hidden]]
    free = [str(land.bias), str(land.intercept), str(land.penalty)]
    _hash_value(state, [str(land.loss.name), float(land.loss.delta), float(land.lam), unit, free])
    return state.hexdigest()


def observed_pattern(land: FactorizationLike) -> Any:
    """The observed pattern as canonical CSR, explicit zeros kept; None where every entry is observed."""
    pattern = land.mask_csr
    if pattern is None and scipy.sparse.issparse(land.Y):
        pattern = land.Y
    if pattern is None:
        return None
    pattern = scipy.sparse.csr_matrix(pattern, copy=True)
    pattern.sort_indices()
    return pattern


def on_pattern(block: Any, pattern: Any) -> FloatArray:
    """The entries of a dense or CSR matrix, or of a vector in CSR order, at the observed positions."""
    if scipy.sparse.issparse(block):
        ordered = scipy.sparse.csr_matrix(block, copy=True)
        ordered.sort_indices()
        return np.asarray(ordered.data, dtype=np.float64)
    values = np.asarray(block, dtype=np.float64)
    if pattern is None:
        return values.ravel()
    return values if values.ndim == 1 else values[pattern_rows(pattern), pattern.indices]


def pattern_rows(pattern: Any) -> npt.NDArray[np.int64]:
    return np.repeat(np.arange(pattern.shape[0]), np.diff(pattern.indptr))
