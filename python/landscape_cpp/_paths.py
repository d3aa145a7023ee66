"""Explicit paths from critical points of a deep linear network down to a global minimum, along which no value rises.

At any point of value R whose product in whitened inputs is P = Q_S Q_Sᵀ M (critical points are such, THEORY 3.3):

    swap      W_L + d q_Jᵀ W_L,  W_1 + (W_1 Sxy q_J / λ_J) dᵀ Syx Sxx⁺,  d = (cos θ - 1) q_J + sin θ q_k,  θ = t π/2
              R - sin²θ (λ_k - λ_J)                                  the used q_J gives way to the missed q_k
    flat      W_h [E_{h-1} + (1 - t)(I - E_{h-1})],  E_h = C_h P⁺ F_h          R: the product does not change
    descent   W_h + t p_h q_{h-1}ᵀ                                   R - λ_{r+1} (2 t^L - t^{2L})

(THEORY 3.5 [D8, D9], 12b.2). Swaps until the index set is the best of its size, then a flat segment, then one descent
for each missing eigenvector end at a global minimum: the constructive corollary [D17].
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from . import _validation as check
from ._theorem_c import _NEAR, Whitened, _signal
from ._validation import FloatArray, Layers
from .results import Kind, text_block
from .risk import SpectralData

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from .deep import DeepLinear

__all__ = ["Path", "PathCheck", "Segment", "descent_path"]

_ROUNDING = 1e-10  # of the value at zero: increases, differences and jumps up to this are rounding
_GAP = 1e-9  # of the value at zero: the end is a global minimum up to this


@dataclass(frozen=True)
class Segment:
    """One piece of a path, t from 0 to 1: W_h(t) = layers_h + Σ_j f_j(t) directions_jh.

    f = (t) on flat segments and descents, f = (cos θ - 1, sin θ) with θ = t π/2 on swaps.

    Attributes:
        kind: ``"flat"`` (the product stays as it is), ``"descent"`` (a missed eigenvector is used as well) or
            ``"swap"`` (a missed eigenvector for a used one).
        start_value: R, the value at t = 0.
        drop: By how much the value falls from t = 0 to t = 1: 0, λ_{r+1}, or λ_k - λ_J.
        layers: (W1, ..., WL) at t = 0.
        directions: The directions that f multiplies.
    """

    kind: Literal["flat", "descent", "swap"]
    start_value: float
    drop: float
    layers: Layers
    directions: tuple[Layers, ...]

    @property
    def end_value(self) -> float:
        """The value at t = 1."""
        return self.start_value - self.drop

    @property
    def formula(self) -> str:
        """The value as a function of t, in words."""
        order = len(self.layers)
        return {
            "flat": f"{self.start_value:.6g}, the product does not change",
            "descent": f"{self.start_value:.6g} - {self.drop:.6g} (2 t^{order} - t^{2 * order})",
            "swap": f"{self.start_value:.6g} - {self.drop:.6g} sin²(π t / 2)",
        }[self.kind]

    def value_at(self, t: Any) -> float | FloatArray:
        """The value by its closed formula.

        Args:
            t: A position in [0, 1], or positions (m,).

        Returns:
            A float, or (m,).

        Raises:
            ValueError: For a position outside of [0, 1].
        """
        t = _positions("t", t, 1.0)
        if self.kind == "descent":
            power = t ** len(self.layers)
            fallen = power * (2.0 - power)
        elif self.kind == "swap":
            fallen = np.sin(0.5 * math.pi * t) ** 2
        else:
            fallen = 0.0 * t
        values = self.start_value - self.drop * fallen
        return values if t.ndim else float(values)

    def point_at(self, t: Any) -> Layers:
        """The layers.

        Args:
            t: A position in [0, 1], or positions (m,).

        Returns:
            The point (W1, ..., WL), or a batch of m points.

        Raises:
            ValueError: For a position outside of [0, 1].
        """
        t = _positions("t", t, 1.0)[..., None, None]
        # cos θ - 1 = -2 sin²(θ/2), which does not cancel
        factors = (-2.0 * np.sin(0.25 * math.pi * t) ** 2, np.sin(0.5 * math.pi * t)) if self.kind == "swap" else (t,)
        return tuple(
            np.asarray(layer + sum(f * part for f, part in zip(factors, parts, strict=True)))
            for layer, *parts in zip(self.layers, *self.directions, strict=True)
        )

    def __repr__(self) -> str:
        """The kind and the numbers, without the arrays."""
        return f"Segment(kind={self.kind!r}, start_value={self.start_value:.6g}, end_value={self.end_value:.6g})"

    def __str__(self) -> str:
        """A line."""
        return f"{self.kind:<7}  {self.start_value:>12.6g} -> {self.end_value:<12.6g}  value {self.formula}"


@dataclass(frozen=True)
class PathCheck:
    """A path evaluated by the landscape itself, independently of the formulas.

    Attributes:
        increase: Largest increase of the value between consecutive evaluated points, 0 if there is none.
        difference: Largest |formula - value|.
        relative_difference: The same relative to the value at zero.
        jump: Largest distance between the end of a piece and the start of the next, relative to the point's norm.
        end_gap: value - global minimum at the end.
        allowed: Increases and differences up to this are rounding: 1e-10 of the value at zero, plus the rounding of the
            values themselves, plus ``Path.margin``.
        allowed_gap: Gaps of the end up to this are rounding: 1e-9 of the value at zero, plus ``Path.margin``.
    """

    increase: float
    difference: float
    relative_difference: float
    jump: float
    end_gap: float
    allowed: float
    allowed_gap: float

    @property
    def ok(self) -> bool:
        """The path is continuous, never rises, is as its formulas say, and ends at a global minimum."""
        return (
            max(self.increase, self.difference) <= self.allowed
            and self.jump <= _ROUNDING
            and self.end_gap <= self.allowed_gap
        )

    def __str__(self) -> str:
        """A block a person can read."""
        rows: list[tuple[str, object]] = [
            ("largest increase", f"{self.increase:.3g} (rounding up to {self.allowed:.1g})"),
            ("formula - value", f"{self.difference:.3g} ({self.relative_difference:.1g} of the value at zero)"),
            ("largest jump", f"{self.jump:.3g}"),
            ("gap at the end", f"{self.end_gap:.3g} (rounding up to {self.allowed_gap:.1g})"),
        ]
        return text_block("path verified" if self.ok else "path NOT verified", rows)


@dataclass(frozen=True)
class Path:
    """A path on which the value never increases, in segments; ``point_at(s)`` for s from 0 to their number.

    Attributes:
        segments: The pieces, none at a global minimum.
        start: The point it starts from.
        start_value: The value there.
        minimum_value: The global minimum over all weights; None where nobody knows it.
        margin: How far values may be from the formulas because the start is critical only up to its tolerance.
    """

    segments: tuple[Segment, ...]
    start: Layers
    start_value: float
    minimum_value: float | None
    margin: float

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of the segments."""
        return tuple(segment.kind for segment in self.segments)

    @property
    def end(self) -> Layers:
        """The point it leads to."""
        return self.segments[-1].point_at(1.0) if self.segments else self.start

    @property
    def end_value(self) -> float:
        """The value there, by the formulas."""
        return self.segments[-1].end_value if self.segments else self.start_value

    def point_at(self, s: float) -> Layers:
        """The point at a position: s = 2.5 is the middle of the third segment.

        Args:
            s: From 0 to the number of segments.

        Raises:
            ValueError: For a position outside of the path.
        """
        position = float(_positions("s", check.as_float("s", s), float(len(self.segments))))
        if not self.segments:
            return self.start
        number = min(int(position), len(self.segments) - 1)
        return self.segments[number].point_at(position - number)

    def values(self, *, n_per_segment: int = 101) -> tuple[FloatArray, FloatArray]:
        """The values along the path, by the formulas.

        Args:
            n_per_segment: Positions per segment, both ends included; neighbours share theirs.

        Returns:
            Positions s and values, both (1 + (n_per_segment - 1) · number of segments,).
        """
        count = check.as_int("n_per_segment", n_per_segment, minimum=2)
        t = np.linspace(0.0, 1.0, count)
        positions, values = [np.zeros(1)], [np.array([self.start_value])]
        for number, segment in enumerate(self.segments):
            positions.append(number + t[1:])
            values.append(np.asarray(segment.value_at(t[1:])))
        return np.concatenate(positions), np.concatenate(values)

    def verify(self, land: DeepLinear, *, n_per_segment: int = 101, n_threads: int | None = None) -> PathCheck:
        """Evaluate the landscape along the path and compare.

        Args:
            land: The landscape the path belongs to.
            n_per_segment: Evaluated points per segment, both ends included.
            n_threads: Threads; None is all of them.

        Returns:
            A :class:`PathCheck`; ``ok`` says whether all is as claimed. A path cut short by ``max_segments`` is not: it
            ends above the minimum.

        Raises:
            ValueError: If the points of the path do not fit the landscape.
        """
        count = check.as_int("n_per_segment", n_per_segment, minimum=2)
        t, spectrum = np.linspace(0.0, 1.0, count), land._cov.spectrum(n_threads=n_threads)
        stated, evaluated = [np.array([self.start_value])], [np.array([land.value(self.start, n_threads=n_threads)])]
        rounding, jump, here = _value_rounding(spectrum, self.start), 0.0, self.start
        for segment in self.segments:
            jump = max(jump, _distance(here, segment.layers))
            here = segment.point_at(1.0)
            rounding = max(rounding, _value_rounding(spectrum, here))
            stated.append(np.asarray(segment.value_at(t)))
            evaluated.append(np.asarray(land.value(segment.point_at(t), n_threads=n_threads)))
        values = np.concatenate(evaluated)
        difference = float(np.abs(np.concatenate(stated) - values).max())
        return PathCheck(
            increase=float(np.max(np.diff(values), initial=0.0)),
            difference=difference,
            relative_difference=difference / spectrum.total if spectrum.total > 0.0 else 0.0,
            jump=jump,
            end_gap=float(land.gap(here, n_threads=n_threads)),
            allowed=_ROUNDING * spectrum.total + rounding + self.margin,
            allowed_gap=_GAP * spectrum.total + self.margin,
        )

    def plot(self, ax: Axes | None = None, *, value_label: str | None = None) -> tuple[Figure, Axes]:
        """The value along the path: one colour and line style per kind of segment, a mark where segments meet.

        Args:
            ax: Axes to draw into; None makes a figure.
            value_label: What the values are, with their units; None says mean squared error.

        Returns:
            The figure and the axes.

        Raises:
            ImportError: Without matplotlib.
        """
        from . import plotting

        styles = {
            "swap": (plotting.BLUE, ":", "swap: a better eigenvector for a used one"),
            "flat": (plotting.GREEN, "-.", "flat: the product does not change"),
            "descent": (plotting.VERMILLION, "-", f"descent of order {len(self.start)}: one more eigenvector"),
        }
        figure, ax = plotting._axes(ax, 7.0, 4.6)
        t, seen = np.linspace(0.0, 1.0, 201), set()
        for number, segment in enumerate(self.segments):
            colour, line, label = styles[segment.kind]
            shown = None if segment.kind in seen else label
            seen.add(segment.kind)
            ax.plot(number + t, segment.value_at(t), color=colour, linestyle=line, linewidth=2.4, label=shown)
        ends = [self.start_value, *(segment.end_value for segment in self.segments)]
        plotting._mark(ax, np.arange(len(ends)), ends, 40, "o", "ends of segments" if self.segments else "the point")
        if self.minimum_value is not None:
            ax.axhline(self.minimum_value, color=plotting.GREY, linestyle="--", linewidth=1.2, label="global minimum")
        ax.set_xlim(-0.1, max(len(self.segments), 1) + 0.1)
        ax.set_xticks(np.arange(len(ends)))
        ax.margins(y=0.08)
        ax.set_xlabel("position along the path (segments)")
        ax.set_ylabel(plotting._VALUE if value_label is None else value_label)
        ax.set_title("The way down to a global minimum" if self.segments else "At a global minimum: no way down")
        plotting._legend_below(ax, columns=2)
        return figure, ax

    def __repr__(self) -> str:
        """The kinds and the values, without the arrays."""
        return f"Path(kinds={self.kinds}, start_value={self.start_value:.6g}, end_value={self.end_value:.6g})"

    def __str__(self) -> str:
        """A line for the path and one per segment."""
        known = "" if self.minimum_value is None else f" (global minimum {self.minimum_value:.6g})"
        if not self.segments:
            return f"path without segments: {self.start_value:.6g} is the minimum already{known}"
        plural = "" if len(self.segments) == 1 else "s"
        title = f"path of {len(self.segments)} segment{plural}, {self.start_value:.6g} -> {self.end_value:.6g}{known}"
        return "\n".join([title, *(f"  {number}  {segment}" for number, segment in enumerate(self.segments, start=1))])


def descent_path(land: DeepLinear, p: Any, *, tol: float = 1e-8, max_segments: int | None = None) -> Path:
    """An explicit path from a critical point to a global minimum on which the value never increases.

    Args:
        land: The landscape.
        p: A critical point.
        tol: As in ``classify``: the relative gradient norm below which a point counts as critical.
        max_segments: Stop after so many segments; None goes all the way, in at most 2 ρ + 1.

    Returns:
        The path; without segments from a global minimum.

    Raises:
        ValueError: If the point is not critical or too close to call.

    References:
        THEORY 3.5 and its corollary [D17].
    """
    point = tuple(layer.copy() for layer in land._single(p))
    limit = None if max_segments is None else check.as_int("max_segments", max_segments, minimum=1)
    found: Any = land.classify(point, tol=tol)
    if found.kind in (Kind.NOT_CRITICAL, Kind.UNDETERMINED):
        raise ValueError(
            f"p must be a critical point, where the path starts, but it is {found.kind}: {found.reason} "
            f"(relative gradient norm {found.gradient_norm:.3g})"
        )
    spectrum, gap_margin = land._cov.spectrum(), float(found.gap_margin)
    if found.kind == Kind.GLOBAL_MINIMUM:
        return Path((), point, found.value, land.minimum_value, gap_margin)
    white = Whitened(spectrum, point)
    # Eigenvalues closer than this are one eigenvalue: classify's own resolution of gaps.
    close = gap_margin + _NEAR * found.gradient_norm * white.top**2 + spectrum.tie
    segments = _segments(spectrum, point, found.rank, found.rank_bound, found.value, close)
    margin = close + _defect(white, found.rank)
    return Path(tuple(itertools.islice(segments, limit)), point, found.value, land.minimum_value, margin)


def _segments(
    spectrum: SpectralData, point: Layers, rank: int, bound: int, value: float, close: float
) -> Iterator[Segment]:
    """Swaps until S is the best of its size, one flat segment, then descents until the rank is ρ.

    Only the first descent needs a flat segment before it: after a descent W_h = W_h E_{h-1} with the projectors of the
    new product, which are E_h + p_h q_hᵀ.
    """
    for _ in range(rank):  # every swap brings in an eigenvector for good
        swap = _swap(Whitened(spectrum, point), point, rank, value, close)
        if swap is None:
            break
        yield swap
        point, value = swap.point_at(1.0), swap.end_value
    for r in range(rank, bound):
        if r == rank:
            segment = _flat(Whitened(spectrum, point), point, rank, value)
            yield segment
            point = segment.point_at(1.0)
        segment = _descent(Whitened(spectrum, point), point, r, value)
        yield segment
        point, value = segment.point_at(1.0), segment.end_value


def _projectors(white: Whitened, rank: int) -> list[FloatArray]:
    """[E_0, ..., E_L], E_h = C_h P⁺ F_h, with P⁺ from exactly r singular triplets: W_{h+1} E_h = E_{h+1} W_{h+1}."""
    left, values, right = np.linalg.svd(white.before[-1], full_matrices=False)
    inverse = (right[:rank].T / values[:rank]) @ left[:, :rank].T
    return [c @ inverse @ f for c, f in zip(white.before, white.after, strict=True)]


def _flat(white: Whitened, point: Layers, rank: int, value: float) -> Segment:
    """W_h + t (W_h E_{h-1} - W_h). The part of W_1 that no input reaches goes to zero on the way (12b.2)."""
    kept = [layer @ projector for layer, projector in zip(white.layers, _projectors(white, rank)[:-1], strict=True)]
    kept[0] = kept[0] @ white.spectrum.whitening.T
    return Segment("flat", value, 0.0, point, (tuple(k - layer for k, layer in zip(kept, point, strict=True)),))


def _descent(white: Whitened, point: Layers, rank: int, value: float) -> Segment:
    """W_h + t p_h q_{h-1}ᵀ: p_L = q_{r+1}, q_0ᵀ = q_{r+1}ᵀ Syx Sxx⁺, q_h = (I - E_h)ᵀ p_h, q_hᵀ p_h = 1."""
    _, _, rest, missed = _signal(white, rank)
    into = rest[:, 0] @ white.spectrum.cross @ white.spectrum.whitening.T
    parts = []
    for projector in _projectors(white, rank)[1:-1]:
        free = np.eye(len(projector)) - projector
        # Of the unit vectors in the range of I - E_h, the one with the shortest q_h: the last singular value not zero.
        out = np.linalg.svd(free)[0][:, len(free) - rank - 1]
        parts.append(np.outer(out, into))
        into = free.T @ out
    parts.append(np.outer(rest[:, 0], into))
    return Segment("descent", value, float(missed[0]), point, (tuple(parts),))


def _swap(white: Whitened, point: Layers, rank: int, value: float, close: float) -> Segment | None:
    """The weakest eigenvector in use gives way to the strongest that is not; None if that is not stronger.

    With w = W_1 Sxy q_J / λ_J the directions are (q_J q_Jᵀ W_L, w q_Jᵀ Syx Sxx⁺) times cos θ - 1 and
    (q_k q_Jᵀ W_L, w q_kᵀ Syx Sxx⁺) times sin θ.
    """
    columns, used, rest, missed = _signal(white, rank)
    if not len(missed) or missed[0] - used[-1] <= close:
        return None
    q_out, q_in, cross = columns[:, -1], rest[:, 0], white.spectrum.cross
    w = white.layers[0] @ cross.T @ q_out / used[-1]
    directions = []
    for q in (q_out, q_in):
        parts = [np.zeros_like(layer) for layer in point]
        parts[0] = np.outer(w, q @ cross @ white.spectrum.whitening.T)
        parts[-1] = np.outer(q, q_out @ white.layers[-1])
        directions.append(tuple(parts))
    return Segment("swap", value, float(missed[0] - used[-1]), point, tuple(directions))


def _defect(white: Whitened, rank: int) -> float:
    """Bound on the error of the formulas from P ≠ Q_S Q_Sᵀ M, to first order: 0 at exactly critical points.

    A swap multiplies P by factors of at most 2 and 2 σ_1 / σ_J.
    """
    columns, used, rest, _ = _signal(white, rank)
    cross = white.spectrum.cross
    defect = float(np.linalg.norm(white.before[-1] - columns @ (columns.T @ cross)))
    defect += float(np.linalg.norm(rest.T @ cross @ cross.T @ columns)) / white.top if white.top > 0.0 else 0.0
    stretch = 4.0 * white.top / math.sqrt(float(used[-1])) if len(used) else 1.0
    return 2.0 * stretch * defect * (float(np.linalg.norm(white.error)) + white.top)


def _value_rounding(spectrum: SpectralData, point: Layers) -> float:
    """Rounding error of a value: 2 |E| |δP|, with |δP| for layers of these norms, however small their product is."""
    white = Whitened(spectrum, point)
    return float(2.0 * (np.linalg.norm(white.error) + math.sqrt(spectrum.total)) * white.rounding)


def _distance(first: Layers, second: Layers) -> float:
    """|first - second| relative to the larger of the two."""
    apart = math.sqrt(sum(float(np.sum((a - b) ** 2)) for a, b in zip(first, second, strict=True)))
    size = math.sqrt(max(sum(float(np.sum(block**2)) for block in point) for point in (first, second)))
    return apart / size if apart > 0.0 else 0.0


def _positions(name: str, value: Any, end: float) -> FloatArray:
    """A position, or positions (m,), from 0 to an end."""
    positions = np.asarray(check.as_real(name, value), dtype=np.float64)
    if positions.ndim > 1:
        raise ValueError(f"{name} must be a number or (m,), got {positions.shape}")
    if not np.all((positions >= 0.0) & (positions <= end)):
        raise ValueError(f"{name} must be from 0 to {end:g}, got {value!r}")
    return positions
