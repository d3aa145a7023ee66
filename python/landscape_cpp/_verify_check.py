"""What the re-checks of all regularised landscapes have in common: identity, arithmetic, value and verdict."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ._fingerprints import certificate_digest, point_fingerprint
from ._validation import FloatArray
from ._verify_norms import UNIT, NormBound
from .results import Certificate, Verdict

__all__ = ["LARGEST_SHORTFALL", "SCHEMA_VERSION", "Check", "Verification"]

SCHEMA_VERSION = 2
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


class Check:
    """The state of one re-check: failures are collected, none is final before the end."""

    landscape: ClassVar[str]
    deterministic: ClassVar[tuple[str, ...]]  # methods
    probabilistic: ClassVar[tuple[str, ...]] = ()

    def __init__(self, certificate: Certificate, problem: Any, point: tuple[FloatArray, ...]) -> None:
        """Nothing is checked yet."""
        self.certificate, self.problem, self.point = certificate, problem, point
        self.failures: list[str] = []
        self.value, self.value_margin, self.lower = math.nan, math.nan, 0.0
        self.bound = NormBound(math.inf, "nothing proved")

    def run(self, fingerprint: str) -> Verification:
        """Everything; what is malformed is a failure too."""
        self.identity(fingerprint)
        if self.failures:
            return self.result()
        try:
            with np.errstate(all="ignore"):
                self.arithmetic()
                self.value_at_point()
                self.dual()
                self.verdict()
        except (ArithmeticError, AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
            self.require(False, f"the proof is malformed ({type(error).__name__}: {error})")
        return self.result()

    def zero(self) -> tuple[FloatArray, ...]:
        """The point of width zero."""
        raise NotImplementedError

    def stationarity(self) -> float:
        """The relative gradient at the point."""
        raise NotImplementedError

    def dual(self) -> None:
        """Is the dual point feasible, and does it give the lower bound? Sets ``lower`` and ``bound``."""
        raise NotImplementedError

    def moved(self, kind: str, witness: Sequence[FloatArray]) -> tuple[FloatArray, ...] | None:
        """The point that a witness leads to, or None for an unknown kind of witness."""
        raise NotImplementedError

    def check_shapes(self) -> None:
        """Do the blocks of the point fit the problem?"""
        raise NotImplementedError

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
        own = self.certificate
        self.require(
            own.schema_version == SCHEMA_VERSION, f"schema version {own.schema_version} is not {SCHEMA_VERSION}"
        )
        self.require(own.landscape == self.landscape, f"it is about a {own.landscape!r} landscape")
        self.require(own.digest == certificate_digest(own), "the digest does not match the fields: one was altered")
        self.require(own.data_fingerprint == fingerprint, "it is about other data (fingerprint)")
        self.require(own.point_fingerprint == point_fingerprint(self.point), "it is about another point (fingerprint)")
        self.check_shapes()

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
        if own.method in self.probabilistic:
            self.require(
                own.guarantee == "probabilistic" and 0.0 < probability < 0.01, f"a {own.method} bound is probabilistic"
            )
        elif self.require(own.method in self.deterministic, f"method {own.method!r} is not known"):
            self.require(own.guarantee == "deterministic" and probability == 0.0, f"{own.method} is deterministic")

    def value_at_point(self) -> None:
        """Are value, scale and stationarity those of the point?"""
        own, problem = self.certificate, self.problem
        self.value, self.value_margin = problem.value(self.point)
        self.require(abs(own.value - self.value) <= 4.0 * self.value_margin, f"value is {self.value!r}")
        scale, rounding = problem.value(self.zero())
        self.require(abs(own.scale - scale) <= 4.0 * rounding, f"scale, the value at zero, is {scale!r}")
        stationarity = self.stationarity()
        close = abs(own.stationarity - stationarity) <= 1e-6 * stationarity + 1e-11
        self.require(close, f"stationarity is {stationarity:.3e}")

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
            self.witness(threshold)
        else:
            self.require(own.witness is None, "only NOT_GLOBAL has a witness")

    def witness(self, threshold: float) -> None:
        """Does the witness lower the value by more than the threshold?"""
        own, kind = self.certificate, str((self.certificate.proof or {}).get("witness"))
        reached = None if own.witness is None else self.moved(kind, own.witness)
        if reached is None:
            self.failures.append("NOT_GLOBAL without a witness")
            return
        lower, margin = self.problem.value(reached)
        decrease = self.value - lower - margin - self.value_margin
        self.require(decrease > threshold, f"the witness lowers the value by {decrease:.3e} only, not by tol * scale")
