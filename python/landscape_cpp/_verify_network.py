"""The re-check of parallel homogeneous networks.

    P(w) = Σ l(z_i, y_i) + λ Θ(w)       Z = act(X V) Uᵀ (+ 1 bᵀ),  or the sum of deeper subnetworks

The dual point is Q = s G, G = the slopes of the losses at the radially scaled prediction, its columns summing to zero
where an intercept is free. Its lower bound -L*(Q) needs Ω°(-Q) ≤ λ. G is whatever the arithmetic here made of it; the
bound of Ω°(-G) is proved again by ``_verify_polar.py``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ._network_problem import NetworkProblem
from ._validation import FloatArray, Layers
from ._verify_check import LARGEST_SHORTFALL, Check
from ._verify_norms import UNIT
from ._verify_polar import METHODS, prove_polar
from .results import Certificate

__all__ = ["NetworkCheck"]

_UNDERFLOW = 1e-290  # below it bounds of a polar do not differ


class NetworkCheck(Check):
    """A certificate of a :class:`ParallelNetwork`."""

    landscape = "parallel_network"
    deterministic = METHODS
    problem: NetworkProblem

    def __init__(self, certificate: Certificate, problem: NetworkProblem, point: Layers, limit: int) -> None:
        """The limit of a Cholesky factorisation besides."""
        super().__init__(certificate, problem, point)
        self.limit = limit

    def check_shapes(self) -> None:
        """Do the blocks of the point fit the problem?"""
        problem, point = self.problem, self.point
        sizes = (problem.X.shape[1], *problem.hidden, problem.Y.shape[1])
        shapes = [block.shape for block in point]
        if problem.hidden:
            width = point[0].shape[:1]
            expected = [(*width, sizes[i + 1], sizes[i]) for i in range(len(sizes) - 1)]
        else:
            width = point[0].shape[-1:]
            expected = [(sizes[1], *width), (sizes[0], *width)]
        if problem.intercept:
            expected.append((sizes[-1],))
        self.require(shapes == expected, f"the weights have shapes {shapes}, expected {expected}")

    def zero(self) -> Layers:
        """The point of width zero."""
        return self.problem.zero(self.point)

    def stationarity(self) -> float:
        """The relative gradient at the point."""
        return self.problem.stationarity(self.point)

    def dual(self) -> None:
        """Is the dual point feasible, and does it give the lower bound?"""
        own, problem, proof = self.certificate, self.problem, self.certificate.proof
        s, upper, lower = own.dual_scale, own.polar_upper, own.polar_lower
        if s is None or upper is None or lower is None or proof is None:
            self.failures.append("the dual scale, a polar bound or the proof is missing")
            return
        radial, intercept = float(proof["radial"]), np.asarray(proof["intercept"], dtype=np.float64)
        self.require(0.0 <= s < math.inf and 0.0 <= radial < math.inf, "the dual or radial scale is not in [0, inf)")
        self.require(problem.intercept or not np.any(intercept), "an intercept in a problem without one")
        g, dz = problem.dual_slopes(self.point, radial, intercept)
        off = problem.uncentred(g) + problem.dual_error(g)
        if s > 0.0:  # at zero any slopes will do: -L*(0) is the least value of the losses alone
            if not self.require(bool(np.all(np.isfinite(off))), "the slopes cannot be balanced against the intercept"):
                return
            # The certificate's G was rounded in another way, by up to dz times the curvature of the loss.
            other = problem.polar_change(2.0 * dz)
            self._polar(g, problem.polar_change(off), other)
            self.require(s * upper <= problem.lam * (1.0 + 4.0 * UNIT), "dual_scale * polar_upper exceeds lam")
            if not self.require(problem.in_domain(s * g), "dual_scale puts the dual point outside the domain"):
                return
        else:
            g = np.zeros_like(g)
        error = s * problem.uncentred(g) + problem.dual_error(s * g)
        dual, rounding, moved = problem.dual(s * g, error)
        elsewhere = problem.dual(s * g, s * dz)[2]
        allowed = 4.0 * (rounding + moved + elsewhere) + 4.0 * UNIT * own.scale
        stated = min(own.value, max(0.0, dual - own.margin))
        self.require(abs(own.lower_bound - stated) <= allowed, f"lower_bound does not follow: {stated!r}")
        # The bound proved here: s small enough for the polar that was proved, and the sum's rounding taken off.
        safe = min(s, problem.lam / self.bound.upper * (1.0 - 8.0 * UNIT)) if self.bound.upper > 0.0 else s
        error = safe * problem.uncentred(g) + problem.dual_error(safe * g)
        proved, rounding, moved = problem.dual(safe * g, error)
        self.lower = max(0.0, proved - rounding - moved)
        allowed = min(allowed + rounding + max(0.0, dual - proved), LARGEST_SHORTFALL * own.scale)
        self.require(own.lower_bound - self.lower <= allowed, f"lower_bound is above the proved {self.lower!r}")

    def _polar(self, g: FloatArray, formed: float, other: float) -> None:
        own, proof, problem = self.certificate, self.certificate.proof or {}, self.problem
        upper, lower = float(own.polar_upper or 0.0), float(own.polar_lower or 0.0)
        self.require(0.0 <= lower <= upper < math.inf, "the polar bounds are not 0 <= lower <= upper < inf")
        attained, unit = 0.0, proof["unit"]
        if unit is not None:
            blocks = tuple(np.asarray(block, dtype=np.float64) for block in unit)
            alone = tuple(block[None] if problem.hidden else block[:, None] for block in blocks)
            size = problem.rebalanced_theta((*alone, np.zeros(g.shape[1])) if problem.intercept else alone)
            z, dz = problem.outputs(alone)
            reached = -float(np.sum(g * z)) + float(np.sum(np.abs(g) * (dz + 16.0 * UNIT * np.abs(z))))
            attained = reached / size * (1.0 + 16.0 * UNIT) if size > 0.0 else 0.0
        slack = formed + other + 1e-12 * upper
        self.require(lower <= attained + slack, f"polar_lower is not attained by its unit ({attained!r})")
        bound = prove_polar(problem, -g, own.method, upper + other, proof["bound"], self.limit)
        wrong = "polar_upper is not an upper bound, or is not proved by what the certificate carries"
        if self.require(bound is not None, wrong) and bound is not None:
            close = bound.upper <= (upper + other) * (1.0 + 1e-9) + formed + _UNDERFLOW
            # A polar far below |Q| |X| comes out of a square root here, with half the digits: no harm far below λ.
            slight = bound.upper - upper <= 1e-7 * problem.polar_change(g)
            free = float(own.dual_scale or 0.0) * (bound.upper + formed) <= 0.5 * problem.lam
            self.require(close or (slight and free), wrong)
            self.bound = type(bound)(bound.upper + formed, bound.method, bound.failure_probability)

    def moved(self, kind: str, witness: Sequence[FloatArray]) -> Layers | None:
        """The point that a witness leads to."""
        blocks = tuple(np.asarray(block, dtype=np.float64) for block in witness)
        if kind == "append":
            return self.problem.joined(self.point, blocks)
        if kind == "add":
            return tuple(own + step for own, step in zip(self.point, blocks, strict=True))
        return blocks if kind == "replace" else None
