"""An independent re-check of certificates: NumPy and SciPy, nothing of the C++ core.

Those of linear networks are closed forms (``_verify_linear.py``); the rest of this page is about nuclear-norm problems.

    f(U, V) = Σ c l(Zhat, y) + λ/2 (|U|² + |V|²)       Zhat = U Vᵀ,  or X V Uᵀ with data X

The dual point is Q = s G, G = the slopes of the losses at the prediction of the dual point's factors. Its lower bound
-L*(Q) needs |adjoint(Q)|_2 ≤ λ, adjoint(Q) = Q or Qᵀ X. Q is whatever the floating-point arithmetic here made of it:
nothing rests on the accuracy of G, only on the norm of the matrix at hand and on the sum of its conjugates.

What is checked: that the certificate is about this problem and this point (fingerprints), that every number in it
follows from them (recomputed), that its polar bounds hold (the lower one by its pair, the upper one by Cholesky or, for
"krylov", replayed with a start of our own), that its witness does lower the value, and that the verdict follows.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ._fingerprints import certificate_digest, data_fingerprint, point_fingerprint
from ._linear_network import LinearNetwork
from ._verify_linear import check_linear
from ._verify_norms import UNIT, NormBound, cholesky_bound, frobenius, krylov_bound
from ._verify_problem import Factors, FloatArray, Problem
from .results import Certificate, Verdict

__all__ = ["Verification", "verify"]

SCHEMA_VERSION = 2
DETERMINISTIC = ("svd", "cholesky", "ldlt", "frobenius")
LARGEST_SHORTFALL = 1e-7  # of the value at zero: what rounding here may take off the stated bound at most


@dataclass(frozen=True)
class Verification:
    """The outcome of a re-check; true in a condition iff the certificate stands.

    Attributes:
        valid: Nothing failed.
        failures: What failed, in words.
        value: The objective at the point, recomputed, correct to ``value_margin``.
        value_margin: Bound of its rounding.
        lower_bound: The bound proved here, on the same dual point: at most the certificate's by rounding margins.
        polar_upper: The upper bound of the polar proved here.
        method: How that was proved.
        failure_probability: 0, or for a replayed bound the probability that the replay here deceived.
    """

    valid: bool
    failures: tuple[str, ...]
    value: float
    value_margin: float
    lower_bound: float
    polar_upper: float
    method: str
    failure_probability: float

    def __bool__(self) -> bool:
        """Whether the certificate stands."""
        return self.valid

    def __str__(self) -> str:
        """A line, and one per failure."""
        kind = f"replayed, deceived with probability {self.failure_probability:.1g}" if self.failure_probability else ""
        head = f"{'valid' if self.valid else 'INVALID'}: value {self.value:.12g}, proved lower bound "
        head += f"{self.lower_bound:.12g} ({self.method}{', ' + kind if kind else ''})"
        return "\n".join([head, *(f"  - {failure}" for failure in self.failures)])


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
        land: A :class:`MatrixFactorization`, or anything with its data; or a :class:`ShallowLinear` or
            :class:`DeepLinear`.
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
    if not all(hasattr(land, name) for name in ("Y", "mask_csr", "weights", "X", "loss", "lam")):
        raise TypeError(f"land must be a MatrixFactorization or a linear network, got {type(land).__name__}")
    if len(p) != 2:
        raise TypeError(f"p must be a pair (U, V) of arrays, got {type(p).__name__}")
    point = (np.ascontiguousarray(p[0], dtype=np.float64), np.ascontiguousarray(p[1], dtype=np.float64))
    check = _Check(certificate, Problem(land), point, seed, cholesky_limit)
    check.identity(data_fingerprint(land))
    if check.failures:
        return check.result()
    try:
        with np.errstate(all="ignore"):
            check.arithmetic()
            check.value_at_point()
            check.dual()
            check.verdict()
    except (ArithmeticError, KeyError, IndexError, TypeError, ValueError) as error:
        check.require(False, f"the proof is malformed ({type(error).__name__}: {error})")
    return check.result()


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


class _Check:
    """The state of one re-check: failures are collected, none is final before the end."""

    def __init__(
        self, certificate: Certificate, problem: Problem, point: Factors, seed: int | None, cholesky_limit: int
    ) -> None:
        self.certificate, self.problem, self.point = certificate, problem, point
        self.seed, self.cholesky_limit = seed, cholesky_limit
        self.failures: list[str] = []
        self.value, self.value_margin, self.lower = math.nan, math.nan, 0.0
        self.bound = NormBound(math.inf, "nothing proved")

    def result(self) -> Verification:
        bound = self.bound
        return Verification(
            not self.failures, tuple(self.failures), self.value, self.value_margin, self.lower, bound.upper,
            bound.method, bound.failure_probability,
        )  # fmt: skip

    def require(self, condition: bool, failure: str) -> bool:
        """A failure for a condition that does not hold (NaN never does)."""
        if not condition:
            self.failures.append(failure)
        return bool(condition)

    def identity(self, fingerprint: str) -> None:
        """Is it a certificate, unaltered, of this problem and this point?"""
        own, shapes = self.certificate, tuple(block.shape for block in self.point)
        self.require(
            own.schema_version == SCHEMA_VERSION, f"schema version {own.schema_version} is not {SCHEMA_VERSION}"
        )
        self.require(own.landscape == "matrix_factorization", f"it is about a {own.landscape!r} landscape")
        self.require(own.digest == certificate_digest(own), "the digest does not match the fields: one was altered")
        self.require(own.data_fingerprint == fingerprint, "it is about other data (fingerprint)")
        self.require(own.point_fingerprint == point_fingerprint(self.point), "it is about another point (fingerprint)")
        rows, same = tuple(shape[0] for shape in shapes), len({shape[1:] for shape in shapes}) == 1
        expected = self.problem.factor_rows
        self.require(
            rows == expected and same,
            f"the factors have shapes {shapes}, expected ({expected[0]}, r), ({expected[1]}, r)",
        )

    def arithmetic(self) -> None:
        """Do its numbers follow from one another?"""
        own = self.certificate
        numbers = ("value", "lower_bound", "gap", "relative_gap", "margin", "stationarity", "tol", "scale")
        for name in numbers:
            self.require(math.isfinite(getattr(own, name)), f"{name} is not finite")
        ulps = 4.0 * UNIT * max(abs(own.value), abs(own.lower_bound))
        self.require(abs(own.gap - (own.value - own.lower_bound)) <= ulps, "gap is not value - lower_bound")
        self.require(own.gap >= 0.0 and own.margin >= 0.0 and own.tol >= 0.0, "a gap, margin or tol is negative")
        relative = own.gap / abs(own.value) if own.value else 0.0
        self.require(abs(own.relative_gap - relative) <= 4.0 * UNIT * relative, "relative_gap is not gap / |value|")
        probability = own.failure_probability
        if own.method == "krylov":
            self.require(
                own.guarantee == "probabilistic" and 0.0 < probability < 0.01, "a krylov bound is probabilistic"
            )
        elif self.require(own.method in DETERMINISTIC, f"method {own.method!r} is not known"):
            self.require(own.guarantee == "deterministic" and probability == 0.0, f"{own.method} is deterministic")

    def value_at_point(self) -> None:
        """Are value, scale and stationarity those of the point?"""
        own, problem = self.certificate, self.problem
        self.value, self.value_margin = problem.value(self.point)
        self.require(abs(own.value - self.value) <= 4.0 * self.value_margin, f"value is {self.value!r}")
        scale, rounding = problem.value(tuple(block[:, :0] for block in self.point))  # type: ignore[arg-type]
        self.require(abs(own.scale - scale) <= 4.0 * rounding, f"scale, the value at zero, is {scale!r}")
        M = problem.matrix(problem.slopes(problem.prediction(self.point)[0]))
        stationarity = problem.stationarity(self.point, M)
        close = abs(own.stationarity - stationarity) <= 1e-6 * stationarity + 1e-11
        self.require(close, f"stationarity is {stationarity:.3e}")

    def dual(self) -> None:
        """Is the dual point feasible, and does it give the lower bound?"""
        own, problem, proof = self.certificate, self.problem, self.certificate.proof
        s, upper, lower = own.dual_scale, own.polar_upper, own.polar_lower
        if s is None or upper is None or lower is None or proof is None:
            self.failures.append("the dual scale, a polar bound or the proof is missing")
            return
        radial = float(proof["radial"])
        factors = proof["dual_point"] or self.point
        self.require(0.0 <= s < math.inf and 0.0 <= radial < math.inf, "the dual or radial scale is not in [0, inf)")
        root = math.sqrt(max(radial, 0.0))
        z, dz = problem.prediction((root * factors[0], root * factors[1]))
        g = problem.slopes(z)
        # The certificate's G was rounded in another way, by up to c dz: its bound is confirmed with that added.
        error = problem.adjoint_error(g) + problem.adjoint_norm(problem.c * dz)
        self._polar(problem.matrix(g), error, problem.adjoint_error(g))
        self.require(s * upper <= problem.lam * (1.0 + 4.0 * UNIT), "dual_scale * polar_upper exceeds lam")
        if not self.require(problem.in_domain(s * g), "dual_scale puts the dual point outside the domain"):
            return
        dual, rounding, other = problem.dual(s * g, s * dz)
        allowed = 4.0 * (rounding + other) + 4.0 * UNIT * own.scale
        stated = min(own.value, max(0.0, dual - own.margin))
        self.require(abs(own.lower_bound - stated) <= allowed, f"lower_bound does not follow: {stated!r}")
        # The bound proved here: s small enough for the norm that was proved, and the sum's rounding taken off.
        safe = min(s, problem.lam / self.bound.upper * (1.0 - 8.0 * UNIT)) if self.bound.upper > 0.0 else s
        proved, rounding, _ = problem.dual(safe * g, safe * dz)
        self.lower = max(0.0, proved - rounding)
        allowed = min(allowed + rounding + max(0.0, dual - proved), LARGEST_SHORTFALL * own.scale)
        self.require(own.lower_bound - self.lower <= allowed, f"lower_bound is above the proved {self.lower!r}")

    def _polar(self, M: Any, error: float, formed: float) -> None:
        own, proof = self.certificate, self.certificate.proof or {}
        upper, lower = float(own.polar_upper or 0.0), float(own.polar_lower or 0.0)
        slack = 16.0 * UNIT * (sum(M.shape) + 8) * frobenius(M) + error
        self.require(0.0 <= lower <= upper < math.inf, "the polar bounds are not 0 <= lower <= upper < inf")
        attained, pair = 0.0, proof["pair"]
        if pair is not None:
            u, v = (np.asarray(side, dtype=np.float64) for side in pair)
            size = frobenius(u) * frobenius(v)
            attained = float(np.abs(u @ (M @ v))) / size if size > 0.0 else 0.0
        self.require(lower <= attained + slack, f"polar_lower is not attained by its pair ({attained!r})")
        bound: NormBound | None
        if own.method == "krylov" and min(M.shape) > self.cholesky_limit:
            tall = M.T if M.shape[1] > M.shape[0] else M
            known = np.asarray((proof["dual_point"] or self.point)[1 if tall is M else 0], dtype=np.float64)
            bound = krylov_bound(tall, known, upper + error, own.failure_probability, self._seed())
            wrong = "polar_upper was not confirmed by the replay"
        else:
            # The stated bound contains the error of forming M already; the error of another G only if it must.
            bound = cholesky_bound(M, max(0.0, upper - formed), self.cholesky_limit)
            if bound is not None:
                error = formed
            else:
                bound = cholesky_bound(M, upper + error, self.cholesky_limit)
            wrong = "polar_upper is not an upper bound: the Cholesky factorisation fails, or the matrix is too large"
        if self.require(bound is not None, wrong) and bound is not None:
            self.bound = NormBound(bound.upper + error, bound.method, bound.failure_probability)

    def _seed(self) -> int:
        text = self.certificate.data_fingerprint + self.certificate.point_fingerprint
        return int(hashlib.sha256(text.encode()).hexdigest()[:16], 16) if self.seed is None else self.seed

    def verdict(self) -> None:
        """Does the verdict follow from the numbers, also from those proved here?"""
        own = self.certificate
        threshold = own.tol * own.scale
        noise = 4.0 * self.value_margin + max(0.0, own.lower_bound - self.lower)
        noise = min(noise, max(threshold, LARGEST_SHORTFALL * own.scale))
        if own.verdict == Verdict.GLOBAL:
            proved = own.gap <= threshold and self.value - self.lower <= threshold + noise
            self.require(proved, "GLOBAL, but the proved gap exceeds tol * scale")
            sharp = self.value_margin <= threshold + 1e-13 * own.scale
            self.require(sharp, "GLOBAL, but the rounding of the value exceeds tol * scale")
        else:
            open_gap = own.gap + 4.0 * self.value_margin > threshold
            self.require(open_gap, f"{own.verdict}, but the gap is within tol * scale")
        if own.verdict == Verdict.NOT_GLOBAL:
            self._witness(threshold)
        else:
            self.require(own.witness is None, "only NOT_GLOBAL has a witness")

    def _witness(self, threshold: float) -> None:
        kinds: dict[str, Callable[[Sequence[FloatArray]], Factors]] = {
            "append": lambda d: (np.hstack([self.point[0], d[0]]), np.hstack([self.point[1], d[1]])),
            "add": lambda d: (self.point[0] + d[0], self.point[1] + d[1]),
            "scale": lambda d: (self.point[0] * d[0], self.point[1] * d[1]),
        }
        own, kind = self.certificate, str((self.certificate.proof or {}).get("witness"))
        if own.witness is None or kind not in kinds:
            self.failures.append("NOT_GLOBAL without a witness")
            return
        lower, margin = self.problem.value(kinds[kind](own.witness))
        decrease = self.value - lower - margin - self.value_margin
        self.require(decrease > threshold, f"the witness lowers the value by {decrease:.3e} only, not by tol * scale")
