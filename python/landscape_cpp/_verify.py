"""An independent re-check of certificates: NumPy and SciPy, nothing of the C++ core.

What is checked: that the certificate is about this problem and this point (fingerprints), that every number in it
follows from them (recomputed), that its polar bounds hold (the lower one by its pair, the upper one proved again), that
its witness does lower the value, and that the verdict follows. ``_verify_factorization.py`` and ``_verify_network.py``
say how; the certificates of linear networks are closed forms (``_verify_linear.py``).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ._fingerprints import certificate_digest, data_fingerprint, network_fingerprint, point_fingerprint
from ._linear_network import LinearNetwork
from ._network_problem import NetworkProblem
from ._verify_check import SCHEMA_VERSION, Verification
from ._verify_factorization import FactorizationCheck
from ._verify_linear import check_linear
from ._verify_network import NetworkCheck
from ._verify_problem import Problem
from .results import Certificate

__all__ = ["Verification", "verify"]


def verify(
    certificate: Certificate,
    land: Any,
    p: Any,
    *,
    seed: int | None = None,
    cholesky_limit: int = 8192,
) -> Verification:
    """Re-check a certificate in NumPy: from the proof data it carries, or for a linear network by its closed form.

    Args:
        certificate: Of the point p of land.
        land: A :class:`MatrixFactorization` or a :class:`ParallelNetwork`, or anything with their data; or a
            :class:`ShallowLinear` or :class:`DeepLinear`.
        p: The point as it was certified.
        seed: Start of the replay of a probabilistic bound. By default it follows from the fingerprints, not from the
            certificate: who makes a certificate cannot choose a lucky one.
        cholesky_limit: Smaller side of the residual up to which its norm is proved by Cholesky (also where the
            certificate has a probabilistic bound); above, only probabilistic bounds can be confirmed, by replay.

    Returns:
        A :class:`Verification`, true in a condition iff everything holds.

    Raises:
        TypeError: For what is no certificate, no factorisation problem or no pair of factors.
    """
    if not isinstance(certificate, Certificate):
        raise TypeError(f"certificate must be a Certificate, got {type(certificate).__name__}")
    if isinstance(land, LinearNetwork):
        return _verify_linear(certificate, land, p)
    if all(hasattr(land, name) for name in ("inputs", "targets", "unit", "hidden", "intercept", "loss", "lam")):
        blocks = tuple(np.ascontiguousarray(block, dtype=np.float64) for block in p)
        return NetworkCheck(certificate, NetworkProblem(land), blocks, cholesky_limit).run(network_fingerprint(land))
    if not all(hasattr(land, name) for name in ("Y", "mask_csr", "weights", "X", "loss", "lam")):
        kinds = "a MatrixFactorization, a ParallelNetwork or a linear network"
        raise TypeError(f"land must be {kinds}, got {type(land).__name__}")
    if len(p) != 2:
        raise TypeError(f"p must be a pair (U, V) of arrays, got {type(p).__name__}")
    point = (np.ascontiguousarray(p[0], dtype=np.float64), np.ascontiguousarray(p[1], dtype=np.float64))
    return FactorizationCheck(certificate, Problem(land), point, seed, cholesky_limit).run(data_fingerprint(land))


def _verify_linear(certificate: Certificate, land: LinearNetwork[Any], p: Any) -> Verification:
    point = land._single(p)
    failures: list[str] = []

    def require(condition: bool, failure: str) -> bool:
        if not condition:
            failures.append(failure)
        return bool(condition)

    same = (
        (certificate.schema_version == SCHEMA_VERSION, f"schema version {certificate.schema_version} is not known"),
        (certificate.landscape == "linear_network", f"it is about a {certificate.landscape!r} landscape"),
        (
            certificate.digest == certificate_digest(certificate),
            "the digest does not match the fields: one was altered",
        ),
        (certificate.data_fingerprint == land._fingerprint, "it is about other data (fingerprint)"),
        (certificate.point_fingerprint == point_fingerprint(point), "it is about another point (fingerprint)"),
    )
    for condition, failure in same:
        require(condition, failure)
    if failures:
        return Verification(False, tuple(failures), math.nan, math.nan, 0.0, math.inf, "nothing proved", 0.0)
    layers = land._to_layers(point)
    width = min(layer.shape[0] for layer in layers[:-1])
    value, margin, lower = check_linear(certificate, land.cov, layers, width, require)
    return Verification(not failures, tuple(failures), value, margin, lower, math.nan, "closed form", 0.0)
