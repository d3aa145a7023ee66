"""The shallow linear network: reduced-rank regression, PCA, the linear auto-encoder.

    R(U, V) = (1/W) sum_i w_i |y_i - U Vᵀ x_i|²        U (n2, n1), V (n0, n1); prediction X @ V @ U.T

(THEORY 2, scaling A: mean of squared errors, no ½.) For all data and all widths every critical point is a global
minimum or a strict saddle (Theorem B), so a point can be told apart completely: :meth:`ShallowLinear.classify`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from . import _validation as check
from ._certificates import closed_form_certificate
from ._critical import balanced_minimum, normal_form, random_normal_form
from ._dispatch import core
from ._hypotheses import shallow_hypotheses
from ._ladder import ladder
from ._linear_network import LinearNetwork
from ._validation import FloatArray, Layers, Point
from .curvature import HessianOperator
from .results import (
    Certificate,
    CriticalPoint,
    CriticalPointBatch,
    CriticalValue,
    EscapeDirection,
    Hypothesis,
    Kind,
)
from .risk import Covariances

__all__ = ["ShallowLinear"]

_KINDS = (Kind.NOT_CRITICAL, Kind.GLOBAL_MINIMUM, Kind.STRICT_SADDLE, Kind.UNDETERMINED)  # order of the C++ enum
_REASONS = (
    "the relative gradient exceeds ten times the tolerance",
    "the relative gradient is above the tolerance, but within a factor ten of it",
    "rounding errors of weights this large (or inputs this ill-conditioned) explain the whole gradient",
    "critical, with a gap below the resolution and far below that of every saddle",
    "critical with a gap below the resolution, but some saddle is as close: eigenvalues nearly coincide",
    "critical, with a positive gap and a direction of negative curvature",
    "critical with a positive gap, but no curvature is negative beyond its margin",
    "inputs (or weights) so ill-conditioned that gaps cannot be resolved",
)
_WITNESSES = (None, ("swap", "THEORY 2.3 (ii): swap"), ("rank", "THEORY 2.3 (iii): rank deficiency"))
_SYMBOLS = ("(n2, n1)", "(n0, n1)")
_LARGEST = 1e70  # the coefficients of a line through larger weights, fourth powers of them, overflow


class ShallowLinear(LinearNetwork[Point]):
    """The landscape of a linear network with one hidden layer, on given second moments.

    Args:
        cov: Second moments of the data; a later ``cov.update`` does not change this landscape.
        n_hidden: Width n1, any positive integer; the rank constraint is void from min(n0, n2) on.

    Raises:
        TypeError: If ``cov`` is no :class:`Covariances` or ``n_hidden`` no integer.
        ValueError: If ``n_hidden`` is not positive, or ``cov`` holds no weight yet.

    Example:
        >>> import numpy as np
        >>> cov = Covariances(xx=np.eye(2), xy=np.diag([2.0, 1.0]), yy=np.diag([5.0, 2.0]))
        >>> net = ShallowLinear(cov, n_hidden=1)
        >>> net.minimum_value
        3.0
        >>> net.classify((np.zeros((2, 1)), np.zeros((2, 1)))).kind
        <Kind.STRICT_SADDLE: 'strict_saddle'>

    References:
        Theorems A and B of THEORY 2; Baldi & Hornik (1989).
    """

    def __init__(self, cov: Covariances, n_hidden: int) -> None:
        """Take a snapshot of the moments."""
        self._take(cov)
        self._n1 = check.as_int("n_hidden", n_hidden, minimum=1, maximum=2**31 - 1)

    @property
    def n_hidden(self) -> int:
        """Width n1."""
        return self._n1

    @property
    def shapes(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Shapes of U and V: ((n2, n1), (n0, n1))."""
        return (self.n_outputs, self._n1), (self.n_inputs, self._n1)

    def __repr__(self) -> str:
        """Sizes."""
        return f"ShallowLinear(n_inputs={self.n_inputs}, n_hidden={self._n1}, n_outputs={self.n_outputs})"

    # ------------------------------------------------------------------------------------------------ points

    def _point(self, p: Any, name: str = "p") -> Point:
        (u, v), (largest_u, largest_v) = check.as_point(name, p, self.shapes, _SYMBOLS)
        reach = largest_u * largest_v * self._n1 * self._cov.input_scale
        if not max(largest_u, largest_v, reach) < _LARGEST:
            raise ValueError(
                f"{name} is too large: entries of U up to {largest_u:.1e} and of V up to {largest_v:.1e}, on inputs of "
                f"root mean square length {self._cov.input_scale:.1e}, make products overflow"
            )
        return u, v

    # ------------------------------------------------------------------------------------- value and derivatives

    def value(self, p: Any, *, n_threads: int | None = None) -> float | FloatArray:
        """R(U, V), the mean squared error summed over outputs.

        Args:
            p: A point (U (n2, n1), V (n0, n1)), or a batch.
            n_threads: Threads; None is all of them.

        Returns:
            A float, or (B,) for a batch. From moments its absolute error is about 1e-16 tr Syy; where the residual is
            smaller than that, ``classify(p).gap`` keeps more digits.

        Raises:
            ValueError: For wrong shapes, NaN or infinity.
            TypeError: For input that is not a pair of real arrays.
        """
        point = self._point(p)
        values = core.shallow_value(self._cov._risk(), *point, check.as_threads(n_threads))
        return values if point[0].ndim == 3 else float(values[0])

    def gradient(self, p: Any, *, n_threads: int | None = None) -> Point:
        """(dR/dU, dR/dV) = (2 G V, 2 Gᵀ U) with G = U Vᵀ Sxx - Syx (THEORY 2.1), shaped like ``p``.

        Args:
            p: A point or a batch.
            n_threads: Threads; None is all of them.

        Raises:
            ValueError: As :meth:`value`.
        """
        return self.value_and_gradient(p, n_threads=n_threads)[1]

    def value_and_gradient(self, p: Any, *, n_threads: int | None = None) -> tuple[float | FloatArray, Point]:
        """Both from the same products, for about the price of the gradient.

        Args:
            p: A point or a batch.
            n_threads: Threads; None is all of them.

        Returns:
            (value, gradient), as :meth:`value` and :meth:`gradient` give them.

        Raises:
            ValueError: As :meth:`value`.
        """
        point = self._point(p)
        values, g_u, g_v = core.shallow_gradient(self._cov._risk(), *point, check.as_threads(n_threads))
        return values if point[0].ndim == 3 else float(values[0]), (g_u, g_v)

    def curvature(self, p: Any, d: Any, *, n_threads: int | None = None) -> float | FloatArray:
        """d²/dt² value(p + t d) at t = 0: the true second derivative, twice the chapter's (1.26) (THEORY (2.1)).

        Args:
            p: A point or a batch.
            d: A direction or a batch; one p with many d, many p with one d, or pairwise.
            n_threads: Threads; None is all of them.

        Returns:
            A float, or (B,).

        Raises:
            ValueError: As :meth:`value`, and for batches of different sizes.
        """
        point, direction = self._pair(p, d)
        values = core.shallow_curvature(self._cov._risk(), *point, *direction, check.as_threads(n_threads))
        return values if 3 in (point[0].ndim, direction[0].ndim) else float(values[0])

    def hvp(self, p: Any, d: Any, *, n_threads: int | None = None) -> Point:
        """The Hessian at p times d (THEORY 10), as a point or a batch; broadcasts as :meth:`curvature`.

        For many products at one point :meth:`hessian` keeps what the point alone determines.
        """
        point, direction = self._pair(p, d)
        product: Point = core.shallow_hvp(self._cov._risk(), *point, *direction, check.as_threads(n_threads))
        return product

    def hessian(self, p: Any, *, n_threads: int | None = None) -> HessianOperator:
        """The Hessian at a point as a SciPy ``LinearOperator`` (N, N) over packed parameters.

        Args:
            p: A single point.
            n_threads: Threads of its products; None is all of them.

        Returns:
            The operator; ``.todense()`` gives the matrix for small sizes.
        """
        threads = check.as_threads(n_threads)
        return HessianOperator(core.ShallowHessian(self._cov._risk(), *self._single(p), threads), self.size, threads)

    def predict(self, p: Any, X: Any) -> FloatArray:
        """X V Uᵀ, (m, n2); (B, m, n2) for a batch. With centred moments: of centred inputs, to centred outputs.

        Args:
            p: A point or a batch.
            X: Inputs, (m, n0).
        """
        u, v = self._point(p)
        x = check.as_array("X", X, "(m, n0)", (None, self.n_inputs))
        return np.asarray(x @ v @ np.swapaxes(u, -1, -2))

    # ----------------------------------------------------------------------------------- minimum and critical points

    @property
    def minimum_value(self) -> float:
        """The global minimum, tr Syy - Σ_{i≤ρ} λ_i with ρ = min(n1, rank Σ) (Theorem B)."""
        spectrum = self._cov.spectrum()
        return spectrum.minimum_risk + float(spectrum.eigenvalues[self._n1 :].sum())

    def _mix(self, left: FloatArray, right: FloatArray, C: Any) -> Point:
        """(left C, right C^{-T})."""
        matrix = check.as_array("C", C, "(n1, n1)", (self._n1, self._n1))
        if np.linalg.matrix_rank(matrix) < self._n1:
            raise ValueError("C must be invertible")
        return left @ matrix, np.ascontiguousarray(np.linalg.solve(matrix, right.T).T)

    def global_minimum(self, C: Any = None) -> Point:
        """A global minimum: U = Q C, V = Sxx⁺ Sxy Q C^{-T} with Q the top eigenvectors of Σ (Theorem A (i), (ii)).

        Args:
            C: Invertible (n1, n1) matrix that picks one of the orbit; None picks the balanced one, UᵀU = Vᵀ V.

        Returns:
            (U, V). Hidden units beyond rank Σ are zero.

        Raises:
            ValueError: If C has the wrong shape or is singular.
        """
        spectrum = self._cov.spectrum()
        # Singular values at the rounding level of ill-conditioned inputs count too, as in minimum_value.
        rank = min(self._n1, spectrum.rank + spectrum.unresolved)
        if C is not None:
            return self._mix(*normal_form(spectrum, self._n1, list(range(rank))), C)
        return balanced_minimum(spectrum, self._n1, rank)

    def critical_point(self, indices: Sequence[int], C: Any = None) -> Point:
        """The critical point that uses the eigenvectors ``indices`` of Σ: U = Q_J C, V = Sxx⁺ Sxy Q_J C^{-T}.

        Args:
            indices: Distinct 0-based indices below rank Σ, at most n1. With fewer than n1 the remaining columns of
                (Q_J, 0) are zero before C mixes them: a rank-deficient critical point (THEORY 2.6 with N1 = N2 = 0).
            C: Invertible (n1, n1); None is the identity.

        Returns:
            (U, V).

        Raises:
            ValueError: For repeated, negative, too many or too large indices, or a singular C.
            TypeError: For indices that are not integers.
        """
        chosen = self._indices(indices, self._n1, "n_hidden")
        left, right = normal_form(self._cov.spectrum(), self._n1, chosen)
        return (left, right) if C is None else self._mix(left, right, C)

    def random_critical_point(
        self,
        rank: int | None = None,
        *,
        indices: Sequence[int] | None = None,
        extra: bool = True,
        seed: int | np.random.Generator | None = None,
    ) -> Point:
        """A random critical point in the complete normal form of THEORY 2.6, for tests and experiments.

        U = [Q_S N2] D, Vᵀ Sxx^½ = D⁻¹ [Q_Sᵀ M; N1] with Mᵀ N2 = 0, M N1ᵀ = 0, N2 N1 = 0 and D random; under singular
        Sxx a random component of V in its kernel.

        Args:
            rank: |S|; None draws it.
            indices: S itself, 0-based; None draws it.
            extra: Fill N1 and N2 where the data leave room; otherwise they are zero.
            seed: None, an int or a Generator.

        Returns:
            (U, V).

        Raises:
            ValueError: If the rank exceeds min(n1, rank Σ), or contradicts ``indices``.
        """
        rng = check.as_generator("seed", seed)
        extra = check.as_bool("extra", extra)
        spectrum = self._cov.spectrum()
        most = min(self._n1, spectrum.rank)
        if indices is not None:
            chosen = self._indices(indices, self._n1, "n_hidden")
            if rank is not None and check.as_int("rank", rank) != len(chosen):
                raise ValueError(f"rank must be len(indices) = {len(chosen)}, got {rank}")
        else:
            r = int(rng.integers(0, most + 1)) if rank is None else check.as_int("rank", rank, minimum=0, maximum=most)
            chosen = sorted(int(i) for i in rng.permutation(spectrum.rank)[:r])
        return random_normal_form(spectrum, self._n1, chosen, extra, rng)

    def iter_critical_values(self) -> Iterator[CriticalValue]:
        """All critical values in ascending order, one index set at a time, found lazily (Theorem A, THEORY 2.6).

        There are Σ_{r≤ρ} C(rank Σ, r) index sets; only those asked for are visited. Under repeated eigenvalues each
        index set stands for a whole family of subspaces.
        """
        return ladder(self._cov.spectrum(), self.n_inputs, self._n1, self.n_outputs)

    # ------------------------------------------------------------------------------------------------ verdicts

    @property
    def hypotheses(self) -> tuple[Hypothesis, ...]:
        """The theorems on this landscape: which hypotheses hold for this data and width, with the numbers."""
        return shallow_hypotheses(self._cov.spectrum(), self.n_inputs, self._n1, self.n_outputs)

    @property
    def eigen_gap(self) -> float:
        """(λ_n1 - λ_{n1+1}) / λ_1 (1-based; λ = 0 beyond the last): it bounds how strict swap saddles are."""
        lam = np.append(self._cov.spectrum().eigenvalues, [0.0, 0.0])
        at = min(self._n1, len(lam) - 1)
        return float((lam[at - 1] - lam[at]) / lam[0]) if lam[0] > 0.0 else 0.0

    def _classify(self, p: Point, tol: float, threads: int) -> CriticalPoint | CriticalPointBatch:
        table = core.shallow_classify(self._cov._spectral(), *p, tol, threads)
        if p[0].ndim == 3:
            kinds = np.array(_KINDS, dtype=object)[table["kind"]]
            names = ("value", "gap", "gap_margin", "gradient_norm", "gradient", "rank", "rank_margin", "deficit")
            more = ("morse_index", "nullity", "rayleigh_quotient", "resolution")
            columns = {name: table[name] for name in names + more}
            return CriticalPointBatch(kind=kinds, tol=tol, _land=self, _points=p, **columns)
        row = {name: column[0].item() for name, column in table.items() if isinstance(column, np.ndarray)}
        escape = None
        if "direction" in table:
            kind, source = _WITNESSES[row["witness"]]  # type: ignore[misc]
            escape = EscapeDirection(
                table["direction"],
                row["curvature"],
                table["scaled_direction"],
                row["scaled_curvature"],
                row["rayleigh_quotient"],
                kind,
                source,
            )
        indices = table["indices"]
        return CriticalPoint(
            kind=_KINDS[row["kind"]],
            value=row["value"],
            gap=row["gap"],
            gap_margin=row["gap_margin"],
            gradient_norm=row["gradient_norm"],
            gradient=row["gradient"],
            rank=row["rank"],
            rank_margin=row["rank_margin"],
            deficit=row["deficit"],
            indices=None if indices is None else tuple(indices),
            eigen_gap=self.eigen_gap,
            morse_index=row["morse_index"] if row["morse_index"] >= 0 else None,
            nullity=row["nullity"] if row["nullity"] >= 0 else None,
            escape=escape,
            hypotheses=self.hypotheses,
            resolution=row["resolution"],
            reason=_REASONS[row["reason"]],
            tol=tol,
        )

    def classify(
        self, p: Any, *, tol: float = 1e-8, n_threads: int | None = None
    ) -> CriticalPoint | CriticalPointBatch:
        """What the point is: global minimum, strict saddle, not critical, or too close to call.

        Critical means: relative gradient norm (see :class:`CriticalPoint`) at most ``tol``. A critical point is a
        global minimum if its gap is below the resolution at the point while every saddle's is far above; a strict
        saddle if an explicit direction has negative curvature beyond its margin, evaluated at the point itself;
        otherwise it is undetermined, and ``reason`` says why.

        Args:
            p: A point or a batch.
            tol: Relative gradient norm below which a point counts as critical; up to ten times that is undetermined.
            n_threads: Threads; None is all of them.

        Returns:
            A :class:`CriticalPoint`, or a :class:`CriticalPointBatch` for a batch.

        Raises:
            ValueError: For wrong shapes, NaN or infinity, or a tolerance that is not positive.

        References:
            Theorems A and B, THEORY 2.3-2.7 and 12b.3, 12b.7.
        """
        return self._classify(self._point(p), check.as_float("tol", tol, positive=True), check.as_threads(n_threads))

    @property
    def rank_bound(self) -> int:
        """The smaller of the width and rank Σ: the rank of the product at a global minimum."""
        return min(self.n_hidden, self._cov.spectrum().rank)

    def _layer_shapes(self) -> tuple[tuple[int, int], ...]:
        return (self.n_hidden, self.n_inputs), (self.n_outputs, self.n_hidden)

    def _to_layers(self, point: Point) -> list[FloatArray]:
        return [point[1].swapaxes(-1, -2), point[0]]

    def _from_layers(self, layers: Sequence[FloatArray]) -> Point:
        return layers[1], np.ascontiguousarray(layers[0].swapaxes(-1, -2))

    def _objective(self, x: FloatArray | None = None, y: FloatArray | None = None) -> core.Objective:
        return core.shallow_objective(self._cov._risk(), self.n_hidden, x, y)

    def gap(self, p: Any, *, n_threads: int | None = None) -> float | FloatArray:
        """value(p) - minimum over all parameters of this width, exact at any point, critical or not.

        Evaluated in whitened coordinates as |U (Vᵀ B) - M|² - Σ_{i>n1} λ_i, which keeps the digits that the difference
        of two values would lose (THEORY 1).

        Args:
            p: A point or a batch.
            n_threads: Threads; None is all of them.

        Returns:
            A float, or (B,); never negative.
        """
        point = self._point(p)
        table = core.shallow_classify(self._cov._spectral(n_threads), *point, 1e-8, check.as_threads(n_threads))
        gaps: FloatArray = table["gap"]
        return gaps if point[0].ndim == 3 else float(gaps[0])

    def escape_direction(self, p: Any, *, tol: float = 1e-8, n_threads: int | None = None) -> EscapeDirection:
        """The witness of a strict saddle (THEORY 2.3).

        Raises:
            ValueError: If the point is not a strict saddle: at a global minimum there is none, elsewhere the negative
                gradient leads down (which is what :meth:`escape` follows).
        """
        point = self._classify(self._single(p), check.as_float("tol", tol, positive=True), check.as_threads(n_threads))
        assert isinstance(point, CriticalPoint)
        if point.escape is None or point.kind is not Kind.STRICT_SADDLE:
            raise ValueError(f"no escape direction: the point is {point.kind} ({point.reason})")
        return point.escape

    def escape(self, p: Any, *, tol: float = 1e-8, n_threads: int | None = None) -> Point:
        """One step down: along the better-scaled escape direction at a saddle, else along the negative gradient.

        The value along a line is a quartic; the step goes to its lowest point, so the value never increases.

        Args:
            p: A single point.
            tol: As in :meth:`classify`.
            n_threads: Threads; None is all of them.

        Returns:
            The new point; a copy of ``p`` at a global minimum or where no direction is known.
        """
        point = self._single(p)
        found = self._classify(point, check.as_float("tol", tol, positive=True), check.as_threads(n_threads))
        assert isinstance(found, CriticalPoint)
        here = (point[0].copy(), point[1].copy())
        if found.kind is Kind.GLOBAL_MINIMUM:
            return here
        candidates = [self.gradient(point, n_threads=n_threads)]
        if found.escape is not None:
            candidates = [_two(found.escape.scaled_direction), _two(found.escape.direction)]
        moved = self._line_search(point, candidates, found.gap, n_threads)
        return here if moved is None else moved

    def certify(self, p: Any, *, tol: float = 1e-8, n_threads: int | None = None) -> Certificate | list[Certificate]:
        """How far the point is from the global minimum, proved in closed form; works at any point, critical or not.

        The lower bound is the global minimum (Theorem B) minus a rounding margin: of the spectral decomposition,
        amplified by the condition of the inputs, and of the value itself. Directions of the inputs that are zero to
        working precision are taken as exactly zero; ``reason`` says so where there are any.

        Args:
            p: A point or a batch.
            tol: GLOBAL means a proved gap of at most tol times the value at zero parameters.
            n_threads: Threads; None is all of them.

        Returns:
            A :class:`Certificate`, or a list of them.
        """
        return self._certify_all(p, tol, n_threads)

    def _certify(self, point: Point, tol: float, n_threads: int | None) -> Certificate:
        spectrum = self._cov.spectrum(n_threads=n_threads)
        found = self._classify(point, 1e-8, check.as_threads(n_threads))
        assert isinstance(found, CriticalPoint)

        def witness() -> Point:
            if found.escape is not None:
                return _two(found.escape.scaled_direction)
            slope = self.gradient(point, n_threads=n_threads)
            return -slope[0], -slope[1]

        return closed_form_certificate(
            self._cov,
            spectrum,
            point=point,
            fingerprint=self._fingerprint,
            value=float(self.value(point, n_threads=n_threads)),
            minimum=self.minimum_value,
            value_margin=found.gap_margin + self._value_margin(point),
            stationarity=found.gradient_norm,
            tol=tol,
            witness=witness,
        )

    def _value_margin(self, point: Point) -> float:
        """Rounding margin of ``value``: unit roundoff times the sizes of the terms it sums (THEORY 1)."""
        spectrum = self._cov.spectrum()
        u, v = point
        # |Z Sxx^½| <= |U| |Vᵀ B|; the terms are total, 2 <Syx, Z>, |Z Sxx^½|², over inner products of length n0.
        reach = float(np.linalg.norm(u) * np.linalg.norm(v.T @ spectrum.colouring))
        terms = (math.sqrt(spectrum.total) + reach) ** 2
        return 8.0 * 2.0**-53 * math.sqrt(self.n_inputs + self.n_outputs + self._n1) * terms

    def _slice_coefficients(self, p: Point, d1: Point, d2: Point | None, n_threads: int | None = None) -> FloatArray:
        """Coefficients c_ij of s^i t^j of value(p + s d1 + t d2), (5, 5) or (5, 1)."""
        return np.asarray(core.shallow_slice(self._cov._risk(), *p, *d1, d2, check.as_threads(n_threads)))

    def __getstate__(self) -> dict[str, Any]:
        """The moments and the width."""
        return {"cov": self._cov, "n_hidden": self._n1}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore."""
        self._cov, self._n1 = state["cov"], state["n_hidden"]


def _two(direction: Layers) -> Point:
    u, v = direction
    return u, v
