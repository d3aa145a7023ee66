"""What the library answers with: frozen dataclasses that print readably, pickle, and say how sure they are."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import Enum
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from ._validation import FloatArray, Layers, Point

__all__ = [
    "Certificate",
    "CriticalPoint",
    "CriticalPointBatch",
    "CriticalValue",
    "CriticalValues",
    "DeepCriticalPoint",
    "Eigenpair",
    "EscapeDirection",
    "Hypothesis",
    "Kind",
    "Pivot",
    "Slice",
    "Spectrum",
    "StopReason",
    "Verdict",
]


class _Text(str, Enum):
    """A string enumeration that prints as its text."""

    def __str__(self) -> str:
        return str(self.value)


class Kind(_Text):
    """What a point is."""

    GLOBAL_MINIMUM = "global_minimum"
    LOCAL_MINIMUM = "local_minimum"
    STRICT_SADDLE = "strict_saddle"
    NON_STRICT_SADDLE = "non_strict_saddle"
    NOT_CRITICAL = "not_critical"
    UNDETERMINED = "undetermined"


class StopReason(_Text):
    """Why a run ended; what it ended at is its :class:`Kind`."""

    CONVERGED = "converged"
    MAX_STEPS = "max_steps"
    DIVERGED = "diverged"
    RANK_LIMIT = "rank_limit"  # stationary at the largest width allowed, and a wider point is better
    WIDTH_LIMIT = "width_limit"  # the same, of networks
    TIME_LIMIT = "time_limit"
    STALLED = "stalled"  # no step along the negative gradient lowers the value in this arithmetic
    INTERRUPTED = "interrupted"


class Verdict(_Text):
    """What a certificate proves."""

    GLOBAL = "GLOBAL"
    NOT_GLOBAL = "NOT_GLOBAL"
    UNDECIDED = "UNDECIDED"


def _format(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, tuple) and all(isinstance(item, int) for item in value):
        return "{" + ", ".join(map(str, value)) + "}"
    return str(value)


def _or_dash(value: int | None) -> str:
    return "-" if value is None else str(value)


def text_block(title: str, rows: Sequence[tuple[str, object]]) -> str:
    width = max(len(name) for name, _ in rows)
    return "\n".join([title, *(f"  {name:<{width}}  {_format(value)}" for name, value in rows)])


@dataclass(frozen=True)
class Hypothesis:
    """Whether a theorem applies to this problem, and the numbers that say so.

    Attributes:
        theorem: Which one, with its source.
        holds: All its conditions hold.
        conditions: (condition, holds, numbers) triples.
        conclusion: What it says where it applies.
    """

    theorem: str
    holds: bool
    conditions: tuple[tuple[str, bool, str], ...]
    conclusion: str

    def __str__(self) -> str:
        """A line for the theorem and one per condition."""
        lines = [f"{'holds' if self.holds else 'fails'}  {self.theorem}: {self.conclusion}"]
        lines += [f"    [{'x' if holds else ' '}] {text} ({numbers})" for text, holds, numbers in self.conditions]
        return "\n".join(lines)


@dataclass(frozen=True)
class EscapeDirection:
    """A direction of negative curvature, to be checked by substitution: ``land.curvature(p, direction)``.

    Attributes:
        direction: The witness of the theorem, (dU, dV).
        curvature: d²/dt² value(p + t direction) at 0, as the formula gives it.
        scaled_direction: The better-scaled one. For a swap: (s dU, dV / s) with the s of smallest curvature. A rank
            witness has the smallest Rayleigh quotient of its plane already, so both are the same.
        scaled_curvature: The curvature along it.
        rayleigh_quotient: The smaller curvature / |d|² of the two, an upper bound on the smallest eigenvalue.
        kind: ``"swap"`` (a missed eigenvector for a used one), ``"rank"`` (an unused hidden direction is used) or
            ``"pivot"`` (two layers of a deep network that feed each other through unused directions).
        source: The theorem.
    """

    direction: Layers
    curvature: float
    scaled_direction: Layers
    scaled_curvature: float
    rayleigh_quotient: float
    kind: str
    source: str

    def __repr__(self) -> str:
        """The numbers without the arrays."""
        return (
            f"EscapeDirection(kind={self.kind!r}, curvature={self.curvature:.6g}, "
            f"scaled_curvature={self.scaled_curvature:.6g}, rayleigh_quotient={self.rayleigh_quotient:.6g})"
        )


@dataclass(frozen=True)
class CriticalPoint:
    """Where a point lies in the landscape.

    Attributes:
        kind: The verdict.
        value: The objective at the point.
        gap: value - minimum over all parameters of this width; exact, at critical points and anywhere else.
        gap_margin: Rounding margin of the gap.
        gradient_norm: Relative gradient norm, the larger of the layers', each relative to the other layer and the data
            (THEORY 12b.3); invariant under scaling of the layers and invertible maps of the inputs.
        gradient: Frobenius norm of the gradient.
        rank: Rank of U Vᵀ Sxx^½.
        rank_margin: Distance of its singular values from the rank threshold, relative to the threshold: 1 is clear,
            0 is a coin toss.
        deficit: Σ_{i≤r} λ_i - tr(Z Sxx Zᵀ): how much less the point explains than the best of its rank.
        indices: Index set of the eigenvectors of Σ in use (0-based); None where repeated eigenvalues leave it open.
        eigen_gap: (λ_n1 - λ_{n1+1}) / λ_1 (1-based): small means that swap saddles are barely strict.
        morse_index: Number of negative Hessian eigenvalues, None unless critical and clear.
        nullity: Number of zero Hessian eigenvalues, likewise.
        escape: A direction of negative curvature, at strict saddles.
        hypotheses: The theorems that were considered, with the numbers that decide them.
        resolution: Gaps below this cannot be told from zero at this point.
        reason: The verdict in words.
        tol: Relative gradient norm below which the point counted as critical.
    """

    kind: Kind
    value: float
    gap: float
    gap_margin: float
    gradient_norm: float
    gradient: float
    rank: int
    rank_margin: float
    deficit: float
    indices: tuple[int, ...] | None
    eigen_gap: float
    morse_index: int | None
    nullity: int | None
    escape: EscapeDirection | None
    hypotheses: tuple[Hypothesis, ...] = field(repr=False)
    resolution: float
    reason: str
    tol: float

    def __str__(self) -> str:
        """A block a person can read."""
        rows: list[tuple[str, object]] = [
            ("because", self.reason),
            ("value", self.value),
            ("gap to the global minimum", f"{self.gap:.6g} (rounding margin {self.gap_margin:.1g})"),
            ("relative gradient norm", f"{self.gradient_norm:.3g} (critical below {self.tol:.1g})"),
            ("rank", f"{self.rank} (margin {self.rank_margin:.2g})"),
            ("index set", "not defined" if self.indices is None else self.indices),
            ("Morse index", "not defined" if self.morse_index is None else self.morse_index),
            ("nullity", "not defined" if self.nullity is None else self.nullity),
        ]
        if self.escape is not None:
            escape = self.escape
            rows.append(
                (
                    "escape",
                    f"curvature {escape.curvature:.6g}, better scaled {escape.scaled_curvature:.6g} ({escape.source})",
                )
            )
        return text_block(str(self.kind), rows)


@dataclass(frozen=True)
class Pivot:
    """A pair of layers of a deep linear network (THEORY 3.3): loose pivots carry directions of negative curvature.

    Attributes:
        upper: Index i of the upper layer in the point (0-based).
        lower: Index j < i of the lower layer.
        rank: Rank of N, the product of the layers strictly between them (the identity where there is none).
        excess: Singular value of N after the first r, relative to the layers' norms: 0 where rank N ≤ r.
        block: |F_iᵀ G C_{j-1}ᵀ| in whitened coordinates, relative to the layers' norms and σ_1.
        loose: Whether rank N > r and the block is not zero; None where that is too close to call.
    """

    upper: int
    lower: int
    rank: int
    excess: float
    block: float
    loose: bool | None


@dataclass(frozen=True)
class DeepCriticalPoint:
    """Where a point lies in the landscape of a deep linear network (Theorem C).

    Attributes:
        kind: The verdict.
        value: The objective at the point.
        gap: value - minimum over all weights of these widths; exact, at critical points and anywhere else.
        gap_margin: Rounding margin of the gap.
        gradient_norm: Relative gradient norm, the largest of the layers', each relative to the product of the other
            layers' norms and the data (THEORY 12b.3).
        rank: r, the rank of P Sxx^½.
        rank_bound: ρ, the smaller of the smallest hidden width and rank Σ.
        rank_margin: Distance of the singular values of P Sxx^½ from the rank threshold, relative to it.
        deficit: Σ_{i≤r} λ_i - tr(P Sxx Pᵀ): how much less the point explains than the best of its rank.
        resolution: g^{1/(L-1)} with g the relative gradient: weights are resolved down to about this (THEORY 3.7).
        pivots: At the best index set of a rank below ρ: every pair of layers.
        escape: A direction of negative curvature, at strict saddles.
        drop: λ_{r+1}, at non-strict saddles: by how much the value falls along a curve of order L (THEORY 3.5).
        reason: The verdict in words.
        tol: Relative gradient norm below which the point counted as critical.
        hypotheses: The theorems that were considered, with the numbers that decide them.
    """

    kind: Kind
    value: float
    gap: float
    gap_margin: float
    gradient_norm: float
    rank: int
    rank_bound: int
    rank_margin: float
    deficit: float
    resolution: float
    pivots: tuple[Pivot, ...]
    escape: EscapeDirection | None
    drop: float | None
    reason: str
    tol: float
    hypotheses: tuple[Hypothesis, ...] = field(default=(), repr=False)

    def __str__(self) -> str:
        """A block a person can read."""
        rows: list[tuple[str, object]] = [
            ("because", self.reason),
            ("value", self.value),
            ("gap to the global minimum", f"{self.gap:.6g} (rounding margin {self.gap_margin:.1g})"),
            ("relative gradient norm", f"{self.gradient_norm:.3g} (critical below {self.tol:.1g})"),
            ("rank", f"{self.rank} of at most {self.rank_bound} (margin {self.rank_margin:.2g})"),
        ]
        for pivot in self.pivots:
            word = {True: "loose", False: "tight", None: "too close to call"}[pivot.loose]
            rows.append((f"pivot W{pivot.upper + 1}, W{pivot.lower + 1}", f"{word} (rank {pivot.rank})"))
        if self.escape is not None:
            escape = self.escape
            rows.append(("escape", f"curvature {escape.scaled_curvature:.6g} ({escape.source})"))
        if self.drop is not None:
            rows.append(("way down", f"a curve along which the value falls by {self.drop:.6g} (THEORY 3.5)"))
        return text_block(str(self.kind), rows)


@dataclass(frozen=True)
class CriticalPointBatch(Sequence[CriticalPoint]):
    """The classification of a batch of points: one array per field; ``batch[i]`` classifies the i-th in full.

    Attributes are those of :class:`CriticalPoint`, as arrays of length B; ``morse_index`` and ``nullity`` are -1 where
    not defined. Index sets and escape directions are computed by ``batch[i]``.
    """

    kind: npt.NDArray[np.object_]
    value: FloatArray
    gap: FloatArray
    gap_margin: FloatArray
    gradient_norm: FloatArray
    gradient: FloatArray
    rank: npt.NDArray[np.int64]
    rank_margin: FloatArray
    deficit: FloatArray
    morse_index: npt.NDArray[np.int64]
    nullity: npt.NDArray[np.int64]
    rayleigh_quotient: FloatArray
    resolution: FloatArray
    tol: float
    _land: Any = field(repr=False)
    _points: Point = field(repr=False)

    def __len__(self) -> int:
        """The batch size."""
        return len(self.kind)

    @overload
    def __getitem__(self, index: int) -> CriticalPoint: ...
    @overload
    def __getitem__(self, index: slice) -> list[CriticalPoint]: ...
    def __getitem__(self, index: int | slice) -> CriticalPoint | list[CriticalPoint]:
        """The full classification of one point, or of several."""
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        u, v = self._points
        point: CriticalPoint = self._land.classify((u[index], v[index]), tol=self.tol)
        return point

    def counts(self) -> dict[str, int]:
        """How many points are of each kind."""
        kinds, numbers = np.unique([str(kind) for kind in self.kind], return_counts=True)
        return {str(kind): int(number) for kind, number in zip(kinds, numbers, strict=True)}

    def __repr__(self) -> str:
        """The counts."""
        inside = ", ".join(f"{kind}: {number}" for kind, number in self.counts().items())
        return f"CriticalPointBatch({len(self)} points; {inside})"


@dataclass(frozen=True)
class CriticalValue:
    """One rung of the ladder of critical values.

    Attributes:
        indices: Index set S of eigenvectors of Σ in use, 0-based.
        value: The objective, tr Syy - Σ_S λ.
        gap: value - minimum.
        kind: Global minimum or strict saddle (undetermined where eigenvalues are too close to tell).
        morse_index: Negative Hessian eigenvalues at the point that uses S, the other hidden units at zero; None
            where ill-conditioned inputs leave rank Σ open.
        nullity: Zero Hessian eigenvalues there, likewise.
    """

    indices: tuple[int, ...]
    value: float
    gap: float
    kind: Kind
    morse_index: int | None
    nullity: int | None

    @property
    def rank(self) -> int:
        """|S|."""
        return len(self.indices)


class CriticalValues(tuple[CriticalValue, ...]):
    """A ladder of critical values, ascending; prints as a table."""

    __slots__ = ()

    def __str__(self) -> str:
        """The table."""
        header = f"{'value':>14}  {'gap':>12}  {'rank':>4}  {'Morse index':>11}  {'nullity':>7}  {'kind':<17} index set"
        lines = [
            f"{rung.value:>14.8g}  {rung.gap:>12.6g}  {rung.rank:>4}  {_or_dash(rung.morse_index):>11}  "
            f"{_or_dash(rung.nullity):>7}  "
            f"{rung.kind!s:<17} {_format(rung.indices)}"
            for rung in self
        ]
        return "\n".join([header, *lines])


def _plain(value: Any) -> Any:
    """Arrays as {"shape", "array"}, tuples as lists, floats that have no JSON as {"float"}; the rest as it is."""
    if isinstance(value, np.ndarray):
        return {"shape": list(value.shape), "array": value.ravel().tolist()}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    return {"float": str(value)} if isinstance(value, float) and not math.isfinite(value) else value


def _restored(value: Any) -> Any:
    """The inverse of :func:`_plain`; lists come back as tuples."""
    if isinstance(value, dict):
        if set(value) == {"shape", "array"}:
            return np.array(value["array"], dtype=np.float64).reshape(value["shape"])
        if set(value) == {"float"}:
            return float(value["float"])
        return {key: _restored(item) for key, item in value.items()}
    return tuple(_restored(item) for item in value) if isinstance(value, list) else value


@dataclass(frozen=True)
class Certificate:
    """How far a point is from the global minimum, proved.

    Attributes:
        value: The objective at the point.
        lower_bound: A proved lower bound on the objective over all parameters, ``margin`` subtracted.
        gap: value - lower_bound, never negative.
        relative_gap: gap / |value| (0 if both are 0).
        margin: Rounding margin within the gap: errors of the value and of the bound.
        polar_lower: Lower bound of the polar, where the landscape has one (regularised landscapes).
        polar_upper: Upper bound of the polar, likewise.
        method: How the bound was proved.
        guarantee: ``"deterministic"`` or ``"probabilistic"``.
        stationarity: Relative gradient norm.
        witness: A direction that decreases the objective, when NOT_GLOBAL.
        tol: GLOBAL means gap ≤ tol · scale.
        scale: The objective at zero parameters.
        verdict: GLOBAL, NOT_GLOBAL (a proved decrease exceeds tol · scale) or UNDECIDED.
        reason: The verdict in words.
        schema_version: Of the JSON form; 2 since certificates carry a proof.
        landscape: Which concept the certificate is about.
        data_fingerprint: SHA-256 of what defines the objective.
        point_fingerprint: SHA-256 of the point's arrays.
        dual_scale: s of the dual point s G, regularised landscapes.
        failure_probability: Of a probabilistic guarantee, else 0.
        proof: What :func:`landscape_cpp.verify` needs beyond the point and the data; the keys depend on ``landscape``.
        digest: SHA-256 of the other fields.
    """

    value: float
    lower_bound: float
    gap: float
    relative_gap: float
    margin: float
    method: str
    guarantee: str
    stationarity: float
    witness: Layers | None = field(repr=False)
    tol: float
    scale: float
    verdict: Verdict
    reason: str
    polar_lower: float | None = None
    polar_upper: float | None = None
    schema_version: int = 2
    landscape: str = ""
    data_fingerprint: str = ""
    point_fingerprint: str = ""
    dual_scale: float | None = None
    failure_probability: float = 0.0
    proof: Mapping[str, Any] | None = field(default=None, repr=False)
    digest: str = field(default="", repr=False)

    def __str__(self) -> str:
        """A block a person can read."""
        rows: list[tuple[str, object]] = [
            ("because", self.reason),
            ("value", self.value),
            ("lower bound", self.lower_bound),
            ("gap", f"{self.gap:.6g} = {self.relative_gap:.3g} of the value (rounding margin {self.margin:.1g})"),
            ("threshold", f"{self.tol:.1g} of the value at zero, {self.scale:.6g}"),
            ("relative gradient norm", self.stationarity),
            ("proved by", f"{self.method}, {self.guarantee}"),
        ]
        return text_block(str(self.verdict), rows)

    def to_json(self) -> str:
        """JSON text; :meth:`from_json` gives an equal certificate back, to the last bit."""
        data = {item.name: getattr(self, item.name) for item in fields(self)}
        data["type"] = "Certificate"
        data["verdict"] = str(self.verdict)
        data["witness"], data["proof"] = _plain(self.witness), _plain(self.proof)
        # Floats in Python's shortest exact form; an infinite number has no JSON, so it is written as text.
        return json.dumps({k: str(v) if isinstance(v, float) and not math.isfinite(v) else v for k, v in data.items()})

    @classmethod
    def from_json(cls, text: str) -> Certificate:
        """Read what :meth:`to_json` wrote.

        Raises:
            ValueError: If the text is not such a certificate or of a newer schema.
        """
        data = json.loads(text)
        names = {item.name for item in fields(cls)}
        if not isinstance(data, dict) or data.pop("type", None) != "Certificate" or set(data) != names:
            raise ValueError("the text is not a landscape_cpp certificate")
        if data["schema_version"] != 2:
            raise ValueError(f"the certificate has schema version {data['schema_version']}, this version reads 2")
        floats = ("value", "lower_bound", "gap", "relative_gap", "margin", "stationarity", "tol", "scale")
        for name in (*floats, "failure_probability", "polar_lower", "polar_upper", "dual_scale"):
            data[name] = None if data[name] is None else float(data[name])
        data["verdict"] = Verdict(data["verdict"])
        data["witness"], data["proof"] = _restored(data["witness"]), _restored(data["proof"])
        return cls(**data)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the JSON form to a file that :func:`landscape_cpp.load` reads back."""
        with open(path, "w", encoding="utf-8") as file:
            file.write(self.to_json())


@dataclass(frozen=True)
class Eigenpair:
    """An extreme eigenpair of the Hessian.

    Attributes:
        value: Rayleigh quotient of ``vector``: an upper bound on the smallest eigenvalue, so a negative one proves a
            direction of descent; a positive one proves nothing about the sign of the others.
        vector: The eigenvector as a point, of unit norm.
        residual: |H x - value x|: some eigenvalue lies within this distance of ``value``.
        products: Hessian-vector products used.
        method: ``"dense"`` or ``"lanczos"``.
        converged: The residual met the tolerance.
    """

    value: float
    vector: Point = field(repr=False)
    residual: float
    products: int
    method: str
    converged: bool


@dataclass(frozen=True)
class Spectrum:
    """Several eigenpairs of the Hessian, most extreme first (ascending for "smallest").

    Attributes:
        values: (k,).
        vectors: k points of unit norm.
        residuals: (k,), |H x - value x|.
        products: Hessian-vector products used.
        method: ``"dense"`` or ``"lanczos"``.
        converged: All residuals met the tolerance.
    """

    values: FloatArray
    vectors: list[Point] = field(repr=False)
    residuals: FloatArray
    products: int
    method: str
    converged: bool

    def __iter__(self) -> Iterator[float]:
        """The eigenvalues."""
        return iter(self.values.tolist())

    def __len__(self) -> int:
        """How many."""
        return len(self.values)


@dataclass(frozen=True)
class Slice:
    """A slice of a landscape, value(p + s d1 + t d2); of a polynomial one Σ_ij coefficients[i, j] s^i t^j.

    Attributes:
        s: Grid positions along d1, (S,).
        t: Grid positions along d2, (T,); None for a 1-D slice.
        values: (S,) or (S, T).
        coefficients: In monomials, by increasing power: (5,) or (5, 5), for L layers 2L + 1 for 5. None where the
            landscape is no polynomial.
        kinks: Of a line through a parallel network of single units: the positions within the grid where a sample
            crosses the kink of a unit, ascending, (K,); None elsewhere.
        pieces: Coefficients (K + 1, 5) between the kinks, where the value is a polynomial there (squared loss, units
            of power one, ``penalty="sum"``) and they are not too many; else None.
    """

    s: FloatArray
    t: FloatArray | None
    values: FloatArray = field(repr=False)
    coefficients: FloatArray | None
    kinks: FloatArray | None = field(repr=False, default=None)
    pieces: FloatArray | None = field(repr=False, default=None)

    def __call__(self, s: npt.ArrayLike, t: npt.ArrayLike = 0.0) -> Any:
        """The value at other positions, broadcast; of a piecewise polynomial within the ends of the grid.

        Raises:
            ValueError: If the landscape is no polynomial, not even piecewise, or for positions beyond the known pieces.
        """
        if self.pieces is not None and self.kinks is not None:
            where = np.asarray(s, dtype=np.float64)
            if where.size and (where.min() < self.s.min() or where.max() > self.s.max()):
                raise ValueError(f"s must be within the grid, {self.s.min():g} to {self.s.max():g}")
            rows = self.pieces[np.searchsorted(self.kinks, where)]
            return np.sum(rows * where[..., None] ** np.arange(5), axis=-1)
        if self.coefficients is None:
            raise ValueError("this slice has values on its grid only: its landscape is no polynomial")
        if self.t is None:
            return np.polynomial.polynomial.polyval(np.asarray(s), self.coefficients)
        first, second = np.broadcast_arrays(np.asarray(s, dtype=np.float64), np.asarray(t, dtype=np.float64))
        return np.polynomial.polynomial.polyval2d(first, second, self.coefficients)
