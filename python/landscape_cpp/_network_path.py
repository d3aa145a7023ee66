"""Theorem 1.10 as an object: a path from any network to a certified one, on which the objective never rises.

    rebalance   blocks · exp(t s), Σ s = 0 in each unit: outputs stay, Θ falls to its least value
    descent     straight pieces between the iterates of a local descent
    slide       ((1 - t) + t c_k)^{1/p} w_k: outputs stay, Θ falls linearly (Carathéodory)
    insertion   one more unit, (t ε)^{1/p} w̄: the loss plus λ t ε is convex, least at t = 1
    blend       (1 - t)^{1/p} w beside t^{1/p} w*: P ≤ (1 - t) P(w) + t P(w*)

(THEORY 5.5). Units of weight zero are appended and left out between segments, which changes nothing.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.optimize

from . import _network_certificate as proof
from . import _validation as check
from ._network_slide import null_vector_steps, unit_outputs, unit_penalties, vertex
from ._validation import FloatArray, Layers

if TYPE_CHECKING:
    from ._network_polar import PolarSettings
    from .homogeneous import ParallelNetwork

__all__ = ["NetworkPath", "NetworkPathCheck", "NetworkSegment", "descent_path", "slide_path"]

_CHORD = 129  # positions at which a straight piece must not rise, nor be about to at its end
_RESTARTS = 8


@dataclass(frozen=True)
class NetworkSegment:
    """One piece of a path, t from 0 to 1.

    Attributes:
        kind: ``"rebalance"``, ``"descent"``, ``"slide"``, ``"insertion"`` or ``"blend"``.
        start_value: The objective at t = 0.
        end_value: At t = 1.
        blocks: Weights that the scales belong to (a point), or the start of a straight piece.
        end: The end of a straight piece, or the intercept alone that b moves to.
        scales: (2, r): amounts a and c, unit k is (a_k + t (c_k - a_k))^{1/p} times its weights; None without.
        rates: (L, r): block l of unit k is exp(t rate) times its weights; minus infinity is 1 - t. None without.
        degree: p.
        stacked: Whether units are the first axis of the blocks (subnetworks) or the columns.
    """

    kind: str
    start_value: float
    end_value: float
    blocks: Layers = field(repr=False)
    end: Layers = field(repr=False)
    scales: FloatArray | None = field(repr=False)
    rates: FloatArray | None = field(repr=False)
    degree: int
    stacked: bool

    @property
    def width(self) -> int:
        """Units along the segment, those of weight zero included."""
        return int(self.blocks[0].shape[0 if self.stacked else 1])

    def points(self, t: Any) -> Layers:
        """A batch of points, one for each position.

        Args:
            t: Positions (n,) in [0, 1].
        """
        t = np.asarray(t, dtype=np.float64)
        if self.scales is None and self.rates is None:
            return tuple(_along(a, b, t) for a, b in zip(self.blocks, self.end, strict=True))
        weights = self.blocks[: len(self.blocks) - len(self.end)]
        moved = tuple(
            block[None] * (f[:, :, None, None] if self.stacked else f[:, None, :])
            for block, f in zip(weights, self._factors(t, len(weights)), strict=True)
        )
        return (*moved, *(_along(a, b, t) for a, b in zip(self.blocks[len(weights) :], self.end, strict=True)))

    def _factors(self, t: FloatArray, count: int) -> list[FloatArray]:
        if self.scales is not None:
            amounts = np.maximum((1.0 - t)[:, None] * self.scales[0] + t[:, None] * self.scales[1], 0.0)
            return [amounts ** (1.0 / self.degree)] * count
        assert self.rates is not None
        fading = np.isneginf(self.rates)
        growth = np.exp(t[:, None, None] * np.where(fading, 0.0, self.rates))
        return list(np.where(fading, (1.0 - t)[:, None, None], growth).swapaxes(0, 1))


def _along(a: FloatArray, b: FloatArray, t: FloatArray) -> FloatArray:
    t = t.reshape(-1, *[1] * a.ndim)
    return np.asarray((1.0 - t) * a + t * b)


@dataclass(frozen=True)
class NetworkPathCheck:
    """What evaluating the objective along a path gave.

    Attributes:
        largest_increase: Between neighbouring positions, anywhere on the path; at most rounding if it is what it says.
        largest_jump: Of the objective between the end of a segment and the start of the next.
        rounding: What rounding can make of either, and the gap that is not proved at the end.
    """

    largest_increase: float
    largest_jump: float
    rounding: float

    @property
    def ok(self) -> bool:
        """Both are rounding."""
        return max(self.largest_increase, self.largest_jump) <= self.rounding


@dataclass(frozen=True)
class NetworkPath:
    """Segments from a network to another one.

    Attributes:
        landscape: The problem.
        segments: In order; each is as long as the others in ``t`` of the path, from 0 to ``len(segments)``.
        gap: How far the end may be above the minimum over all widths; zero for a slide, which ends anywhere.
    """

    landscape: ParallelNetwork = field(repr=False)
    segments: tuple[NetworkSegment, ...] = field(repr=False)
    gap: float

    def __len__(self) -> int:
        """Number of segments."""
        return len(self.segments)

    @property
    def start(self) -> Layers:
        """Where it begins."""
        return self.point_at(0.0)

    @property
    def end(self) -> Layers:
        """Where it ends."""
        return self.point_at(float(len(self.segments)))

    def point_at(self, t: float) -> Layers:
        """The weights at a position.

        Args:
            t: From 0 to the number of segments; 2.5 is half way on the third.
        """
        position = check.as_float("t", t)
        if not 0.0 <= position <= len(self.segments):
            raise ValueError(f"t must be between 0 and {len(self.segments)}, got {position}")
        index = min(int(position), len(self.segments) - 1)
        batch = self.segments[index].points(np.array([position - index]))
        return tuple(np.ascontiguousarray(block[0]) for block in batch)

    def values(self, n: int = 101) -> tuple[FloatArray, FloatArray]:
        """Positions and the objective there, evaluated by the landscape.

        Args:
            n: Positions on each segment, both ends included.
        """
        t = np.linspace(0.0, 1.0, check.as_int("n", n, minimum=2))
        positions = np.concatenate([index + t for index in range(len(self.segments))])
        return positions, np.concatenate([self._on(segment, t) for segment in self.segments])

    def _on(self, segment: NetworkSegment, t: FloatArray) -> FloatArray:
        batch = tuple(np.ascontiguousarray(block) for block in segment.points(t))
        return np.asarray(self.landscape.value(batch))

    def verify(self, n: int = 1001) -> NetworkPathCheck:
        """Evaluate the objective on a fine grid of every segment.

        Args:
            n: Positions on each segment.
        """
        _, values = self.values(n)
        rows = values.reshape(len(self.segments), -1)
        jumps = np.abs(rows[1:, 0] - rows[:-1, -1])
        margin = max(self.landscape._problem.value(self.point_at(k))[1] for k in range(len(self.segments)))
        return NetworkPathCheck(
            float(np.max(np.diff(rows, axis=1))), float(np.max(jumps, initial=0.0)), 4.0 * margin + self.gap
        )

    def plot(self, *, n: int = 101, ax: Any = None) -> tuple[Any, Any]:
        """Draw the objective along the path, segment by segment; returns the figure and the axes.

        Args:
            n: Positions on each segment.
            ax: Axes to draw into; None makes a figure.
        """
        from ._plots_solution import plot_network_path

        return plot_network_path(self, check.as_int("n", n, minimum=2), ax)

    def __str__(self) -> str:
        """A line."""
        kinds = Counter(segment.kind for segment in self.segments)
        names = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
        first, last = self.segments[0].start_value, self.segments[-1].end_value
        return f"{len(self.segments)} segments ({names}), value {first:.6g} to {last:.9g}"


class _Builder:
    """The segments so far, and the point they end in."""

    def __init__(self, land: ParallelNetwork, p: Layers) -> None:
        self.land, self.problem, self.point = land, land._problem, p
        self.segments: list[NetworkSegment] = []
        self.value = self.problem.value(p)[0]

    def weights(self) -> Layers:
        return self.problem.weights(self.point)

    def add(
        self, kind: str, blocks: Layers, end: Layers, scales: FloatArray | None = None, rates: FloatArray | None = None
    ) -> None:
        segment = NetworkSegment(
            kind, self.value, self.value, blocks, end, scales, rates, self.problem.degree, bool(self.problem.hidden)
        )
        arrived = tuple(np.ascontiguousarray(block[0]) for block in segment.points(np.array([1.0])))
        value = self.problem.value(arrived)[0]
        self.segments.append(dataclasses.replace(segment, end_value=value))
        self.point, self.value = self._without_zeros(arrived), value

    def intercept(self) -> Layers:
        return (self.point[-1],) if self.problem.intercept else ()

    def _without_zeros(self, p: Layers) -> Layers:
        weights = self.problem.weights(p)
        axis: Any = (1, 2) if self.problem.hidden else 0
        alive = np.all([np.linalg.norm(block, axis=axis) > 0.0 for block in weights], axis=0)
        kept = tuple(block[alive] if self.problem.hidden else block[:, alive] for block in weights)
        return (*kept, p[-1]) if self.problem.intercept else kept

    # ------------------------------------------------------------------------------------------------ the kinds

    def rebalance(self) -> None:
        problem, weights = self.problem, self.weights()
        axis: Any = (1, 2) if problem.hidden else 0
        norms = np.stack([np.linalg.norm(block, axis=axis) for block in problem.penalized(weights)])
        powers = np.ones(len(weights)) if problem.hidden else np.array([1.0, problem.power])
        alive = np.all(norms > 0.0, axis=0)
        with np.errstate(divide="ignore"):
            logs = np.log(norms)
        mean = powers @ np.where(alive, logs, 0.0) / powers.sum()
        rates = np.where(alive, mean - np.where(alive, logs, 0.0), -np.inf)
        end = self.intercept()
        if problem.free_bias:  # a unit with no weight but its bias is a constant: its output weights fade into b
            u, v = weights
            constant = ~alive & (norms[0] > 0.0)
            end = (end[0] + u[:, constant] @ problem._act(v[-1, constant]),)
            rates[1, constant] = 0.0
        if np.max(np.abs(np.where(np.isneginf(rates), 1.0, rates)), initial=0.0) > 1e-9:
            self.add("rebalance", self.point, end, rates=rates)

    def slide(self, method: str) -> None:
        F, theta = unit_outputs(self.problem, self.point), unit_penalties(self.problem, self.point)
        ones = np.ones(F.shape[1])
        steps = [ones, vertex(F, theta)] if method == "lp" else null_vector_steps(F, theta)
        for before, after in itertools.pairwise(steps):
            if np.allclose(before, after, rtol=0.0, atol=1e-12):
                continue
            kept = before > 0.0
            relative = after[kept] / before[kept]
            self.add("slide", self.point, self.intercept(), scales=np.stack([np.ones(len(relative)), relative]))

    def insert(self, unit: Layers) -> bool:
        extra, reached = proof.insertion(self.problem, self.point, unit)
        if not reached < self.value:
            return False
        width = self.land._width(self.point)
        joined = self.problem.joined(self.point, extra)
        scales = np.ones((2, width + 1))
        scales[0, -1] = 0.0
        self.add("insertion", joined, self.intercept(), scales=scales)
        return True

    def blend(self, target: Layers) -> None:
        here, there = self.land._width(self.point), self.land._width(target)
        joined = self.problem.joined(self.point, target)
        scales = np.zeros((2, here + there))
        scales[0, :here], scales[1, here:] = 1.0, 1.0
        self.add("blend", joined, (target[-1],) if self.problem.intercept else (), scales=scales)

    def descend(self, steps: int) -> None:
        """L-BFGS, each step cut where the objective would rise along it."""
        for _ in range(_RESTARTS):
            before = self.value
            left = steps - sum(segment.kind == "descent" for segment in self.segments)
            if left <= 0 or (self.land._width(self.point) == 0 and not self.problem.intercept):
                return
            for x in self._iterates(left):
                if not self._chord(x):
                    break
            else:
                return
            if not self.value < before * (1.0 - 1e-9):
                return

    def _iterates(self, steps: int) -> list[FloatArray]:
        width, threads = self.land._width(self.point), check.as_threads(None)

        def function(x: FloatArray) -> tuple[float, FloatArray]:
            value, slope = self.land._core.gradient(x[None], width, threads)
            return float(value[0]), slope[0]

        iterates: list[FloatArray] = []
        scipy.optimize.minimize(
            function, self.land._flat(self.point), jac=True, method="L-BFGS-B",
            callback=lambda x: iterates.append(np.array(x)), options={"maxiter": steps, "ftol": 1e-10},
        )  # fmt: skip
        return iterates

    def _chord(self, x: FloatArray) -> bool:
        """The straight piece to x, or to where the objective first rises on it; whether it goes all the way."""
        end = self.land._split(x, self.land._width(self.point))
        whole = True
        for _ in range(30):
            piece = NetworkSegment("descent", 0.0, 0.0, self.point, end, None, None, self.problem.degree, False)
            batch = tuple(np.ascontiguousarray(block) for block in piece.points(np.linspace(0.0, 1.0, _CHORD)))
            rises = np.flatnonzero(np.diff(np.asarray(self.land.value(batch))) >= 0.0)
            last = int(rises[0]) if rises.size else _CHORD - 1
            if last == _CHORD - 1 and self._slope(end) > 0.0:  # the least value lies inside the last interval
                last -= 1
            if last == _CHORD - 1:
                width = self.land._width(self.point)
                self.add("descent", self.point, end)
                return whole and self.land._width(self.point) == width
            whole = False
            cut = max(last - 1, 0.25) / (_CHORD - 1)
            end = tuple(np.ascontiguousarray(block[0]) for block in piece.points(np.array([cut])))
        return False

    def _slope(self, end: Layers) -> float:
        """Of the objective where a straight piece ends, along it."""
        slopes = self.land.gradient(end)
        return sum(float(np.sum(g * (b - a))) for g, a, b in zip(slopes, self.point, end, strict=True))


def slide_path(land: ParallelNetwork, p: Layers, method: str) -> NetworkPath:
    """Slides alone, to independent units.

    Args:
        land: The problem.
        p: The point.
        method: ``"lp"`` or ``"null-vector"``.
    """
    builder = _Builder(land, p)
    builder.slide(method)
    if not builder.segments:
        width = land._width(p)
        builder.add("slide", p, builder.intercept(), scales=np.ones((2, width)))
    return NetworkPath(land, tuple(builder.segments), 0.0)


def descent_path(
    land: ParallelNetwork,
    p: Layers,
    target: Layers,
    lower: float,
    method: str,
    slide: str,
    steps: int,
    insertions: int,
    settings: PolarSettings,
    n_threads: int,
) -> NetworkPath:
    """Rebalancing, then (``"meta"``) rounds of descent, slide and insertion, then the blend with the target.

    Args:
        land: The problem.
        p: The point.
        target: Where to go.
        lower: A lower bound of the minimum over all widths.
        method: ``"meta"`` or ``"blend"``.
        slide: ``"lp"`` or ``"null-vector"``.
        steps: Straight pieces of the descents at most.
        insertions: Units inserted at most.
        settings: Of the polar.
        n_threads: Threads.
    """
    builder = _Builder(land, p)
    builder.rebalance()
    if method == "meta":
        for round_ in range(insertions + 1):
            builder.descend(steps)
            builder.rebalance()
            builder.slide(slide)
            if round_ == insertions:
                break
            certificate = proof.certify(land, builder.point, 1e-12, settings, n_threads)
            unit = (certificate.proof or {}).get("unit")
            if unit is None or float(certificate.polar_lower or 0.0) <= land.lam or not builder.insert(unit):
                break
    else:
        builder.slide(slide)
    if land._problem.value(target)[0] < builder.value or not builder.segments:
        builder.blend(target)
    return NetworkPath(land, tuple(builder.segments), max(0.0, builder.value - lower))
