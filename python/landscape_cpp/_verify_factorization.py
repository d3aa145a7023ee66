"""The re-check of nuclear-norm problems.

    f(U, V) = Σ c l(Zhat, y) + λ/2 (|U|² + |V|²)       Zhat = U Vᵀ,  or X V Uᵀ with data X

The dual point is Q = s G, G = the slopes of the losses at the prediction of the dual point's factors. Its lower bound
-L*(Q) needs |adjoint(Q)|_2 ≤ λ, adjoint(Q) = Q or Qᵀ X. Q is whatever the floating-point arithmetic here made of it:
nothing rests on the accuracy of G, only on the norm of the matrix at hand and on the sum of its conjugates.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ._validation import FloatArray
from ._verify_check import LARGEST_SHORTFALL, Check
from ._verify_norms import UNIT, NormBound, cholesky_bound, frobenius, krylov_bound
from ._verify_problem import Factors, Problem
from .results import Certificate

__all__ = ["FactorizationCheck"]


class FactorizationCheck(Check):
    """A certificate of a :class:`MatrixFactorization`."""

    landscape = "matrix_factorization"
    deterministic = ("svd", "cholesky", "ldlt", "frobenius")
    probabilistic = ("krylov",)
    problem: Problem
    point: Factors

    def __init__(
        self, certificate: Certificate, problem: Problem, point: Factors, seed: int | None, cholesky_limit: int
    ) -> None:
        """The limits of a replay besides."""
        super().__init__(certificate, problem, point)
        self.seed, self.cholesky_limit = seed, cholesky_limit

    def check_shapes(self) -> None:
        """Do the blocks of the point fit the problem?"""
        shapes = tuple(block.shape for block in self.point)
        rows, same = tuple(shape[0] for shape in shapes), len({shape[1:] for shape in shapes}) == 1
        expected = self.problem.factor_rows
        self.require(
            rows == expected and same,
            f"the factors have shapes {shapes}, expected ({expected[0]}, r), ({expected[1]}, r)",
        )

    def zero(self) -> Factors:
        """The point of width zero."""
        return self.point[0][:, :0], self.point[1][:, :0]

    def stationarity(self) -> float:
        """The relative gradient at the point."""
        problem = self.problem
        return problem.stationarity(self.point, problem.matrix(problem.slopes(problem.prediction(self.point)[0])))

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

    def moved(self, kind: str, witness: Sequence[FloatArray]) -> Factors | None:
        """The point that a witness leads to."""
        u, v = self.point
        if kind == "append":
            return np.hstack([u, witness[0]]), np.hstack([v, witness[1]])
        if kind == "add":
            return u + witness[0], v + witness[1]
        return (u * witness[0], v * witness[1]) if kind == "scale" else None
