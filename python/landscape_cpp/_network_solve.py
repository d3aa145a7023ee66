"""The global optimum of a parallel network over all widths (THEORY 5.5, the meta-algorithm), with its certificate.

Single units are solved in C++; deeper subnetworks here, by L-BFGS and insertion, because only a coarse bound of their
polar is known. Nothing ever raises the objective.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import scipy.optimize

from . import _network_certificate as proof
from ._dispatch import core
from ._factorization_results import Solution, SolutionTrace
from ._factorization_solve import _progress, _show
from ._network_anchored import anchored_missing
from ._network_polar import PolarSettings
from ._validation import FloatArray, Layers
from .results import Certificate, StopReason

if TYPE_CHECKING:
    from .homogeneous import ParallelNetwork

__all__ = ["solve_network"]

Row = tuple[float, int, float, float, float, float]

_STATUS = {
    "certified": StopReason.CONVERGED,
    "width_limit": StopReason.WIDTH_LIMIT,
    "time_limit": StopReason.TIME_LIMIT,
    "round_limit": StopReason.MAX_STEPS,
    "interrupted": StopReason.INTERRUPTED,
    "stagnated": StopReason.STALLED,
}
_ROUNDS = 30  # certificates whose unit is inserted, where the solver's own search found none
_ROUND_LIMIT = 300
_LAST_PROOF = 1.0  # seconds that the certificate may take beyond the limit
_RANK = 1e-12  # directions of X below it, relative to the largest, carry no weights


class _Clock:
    def __init__(self, limit: float | None) -> None:
        self.began, self.limit = time.perf_counter(), math.inf if limit is None else limit

    def seconds(self) -> float:
        return time.perf_counter() - self.began

    def left(self) -> float:
        return max(self.limit - self.seconds(), 1e-3)

    def over(self) -> bool:
        return self.seconds() > self.limit


def solve_network(
    land: ParallelNetwork,
    *,
    tol: float,
    width_max: int | None,
    max_iter: int | None,
    max_seconds: float | None,
    start: Layers | None,
    settings: PolarSettings,
    progress: bool,
    n_threads: int,
) -> Solution:
    """Solve, certify, and go on from the certificate's unit while there is one."""
    clock = _Clock(max_seconds)
    report = _progress(progress)
    problem = land._problem
    point = start if start is not None else problem.zero(land._zero())
    own = np.array(point[-1]) if land.intercept else np.zeros(land.n_outputs)
    balanced = proof.rebalanced(problem, point, 1.0, own)
    if problem.value(balanced)[0] <= problem.value(point)[0]:
        point = balanced
    rows: list[Row] = []

    def on_record(row: Row) -> None:
        _show(report, (clock.seconds(), *row[1:]), "width")

    advance = _subnetworks if land.hidden else _units
    asked, reason = tol, StopReason.STALLED
    certificate: Certificate | None = None
    directions = np.zeros((0, land.n_inputs))
    done = 0
    try:
        for _ in range(_ROUNDS):
            began = clock.seconds()
            before = certificate.value if certificate is not None else math.inf
            left = _ROUND_LIMIT if max_iter is None else max_iter - done
            point, status, more = advance(
                land, point, directions, asked, width_max, left, clock, settings, on_record, n_threads
            )
            done += max(len(more) - 1, 1)
            rows += [(began + row[0], *row[1:]) for row in more]
            reason = _STATUS[status]
            budget = dataclasses.replace(settings, max_seconds=max(clock.left(), _LAST_PROOF))
            certificate = proof.certify(land, point, tol, budget, n_threads, wanted=tol)
            bounds = (certificate.lower_bound, float(certificate.polar_lower or 0), float(certificate.polar_upper or 0))
            rows.append((clock.seconds(), land._width(point), certificate.value, *bounds))
            on_record(rows[-1])
            if _sharp(land, point, certificate, tol):
                reason = StopReason.CONVERGED
                break
            if reason in (StopReason.INTERRUPTED, StopReason.WIDTH_LIMIT):
                break
            if clock.over():
                reason = StopReason.TIME_LIMIT
                break
            if reason == StopReason.MAX_STEPS or (max_iter is not None and done >= max_iter):
                reason = StopReason.MAX_STEPS
                break
            if reason == StopReason.CONVERGED and asked > 1e-3 * tol:  # the proof takes rounding and centring off
                asked *= 0.1
                directions = np.zeros((0, land.n_inputs))
                continue
            reason = StopReason.STALLED
            unit = _missing(land, certificate, tol)
            if unit is None or certificate.value >= before * (1.0 - 1e-9):
                break
            directions = unit
    except KeyboardInterrupt:
        reason = StopReason.INTERRUPTED
    if certificate is None or reason == StopReason.INTERRUPTED:
        quick = dataclasses.replace(settings, max_nodes=1, starts=min(settings.starts, 32))
        certificate = proof.certify(land, point, tol, quick, n_threads, wanted=tol)
    if report is not None:
        report.close()
    return Solution(
        point=point,
        value=certificate.value,
        certificate=certificate,
        trace=_trace(rows, certificate, clock, land._width(point)),
        stop_reason=reason,
        seconds=clock.seconds(),
    )


def _sharp(land: ParallelNetwork, point: Layers, certificate: Certificate, tol: float) -> bool:
    return certificate.gap + land._problem.value(point)[1] <= tol * abs(certificate.value)


def _missing(land: ParallelNetwork, certificate: Certificate, tol: float) -> FloatArray | None:
    """The input direction of a unit that the certificate shows to be missing: P - P* ≤ (κ / λ - 1) P (THEORY 6)."""
    unit = (certificate.proof or {}).get("unit")
    if unit is None or float(certificate.polar_lower or 0.0) <= land.lam * (1.0 + tol):
        return None
    return np.ascontiguousarray(unit[0][:1] if land.hidden else np.asarray(unit[1])[None])


def _trace(rows: list[Row], certificate: Certificate, clock: _Clock, width: int) -> SolutionTrace:
    if not rows:
        polar = (float(certificate.polar_lower or 0.0), float(certificate.polar_upper or math.inf))
        rows = [(clock.seconds(), width, certificate.value, certificate.lower_bound, *polar)]
    columns = np.array(rows, dtype=np.float64).reshape(-1, 6)
    columns[:, 3] = np.maximum.accumulate(np.maximum(np.nan_to_num(columns[:, 3], neginf=0.0), 0.0))
    return SolutionTrace(
        seconds=columns[:, 0],
        width=columns[:, 1].astype(np.int64),
        value=columns[:, 2],
        lower_bound=columns[:, 3],
        polar_lower=columns[:, 4],
        polar_upper=columns[:, 5],
    )


# ------------------------------------------------------------------------------------------------ single units


def _units(
    land: ParallelNetwork,
    point: Layers,
    directions: FloatArray,
    tol: float,
    width_max: int | None,
    rounds: int,
    clock: _Clock,
    settings: PolarSettings,
    on_record: Callable[[Row], None],
    n_threads: int,
) -> tuple[Layers, str, list[Row]]:
    """One run of the C++ solver, in coordinates of the row space of X and units in which X and Y are about one."""
    scaled = _Coordinates(land)
    unit, loss = land.unit, land.loss
    network = core.ParallelNetwork(
        scaled.inputs, scaled.targets, loss.name, loss.delta / scaled.y, land.lam / scaled.polar, bool(land.intercept),
        land.intercept == "penalized", land.bias == "free", unit.slope, unit.power, [], False,
    )  # fmt: skip
    polar = None
    if land.bias == "free":

        def polar(q: FloatArray, known: FloatArray, threshold: float) -> tuple[float, float, FloatArray, FloatArray]:
            own = scaled.inputs[:, :-1]
            return anchored_missing(own, q, unit.slope, known[:, :-1], threshold, settings.seed, n_threads)

    u, v, b = scaled.inward(point)
    u, v, b, status, rows = core.solve_network(
        network, u, v, b, np.ascontiguousarray(scaled.directions(directions)), tol,
        -1 if width_max is None else width_max, min(clock.left(), 1e9), rounds, settings.starts, settings.seed, polar,
        lambda row: on_record(scaled.row(row)), n_threads,
    )  # fmt: skip
    moved = scaled.outward(u, v, b)
    # The solver's value is that of rounded data: the objective decides.
    better = land._problem.value(moved)[0] <= land._problem.value(point)[0]
    return (moved if better else point), status, [scaled.row(row) for row in rows]


class _Coordinates:
    """X = x X' Bᵀ, Y = y Y' with powers of two x, y and B an orthonormal basis of the rows of X.

    act(X v) = x^p act(X' Bᵀ v), so amplitudes |u| |v|^p are y / x^p times those of the problem with λ / (x^p y), whose
    objective is y² times smaller. A penalised intercept has λ of its own: then x = y = 1.
    """

    def __init__(self, land: ParallelNetwork) -> None:
        self.land, self.power, self.free = land, land.unit.power, land.bias == "free"
        basis = _row_space(land)
        plain = land.intercept == "penalized"
        own = land.inputs[:, :-1] if self.free else land.inputs
        self.x = 1.0 if plain else _power_of_two(own)
        self.y = 1.0 if plain or land.loss.name not in ("squared", "huber") else _power_of_two(land.targets)
        self.polar = self.x**self.power * self.y
        self.amplitude = (self.y / self.x**self.power) ** (1.0 / (self.power + 1))
        self.basis = np.eye(land.n_inputs) if basis is None else basis
        inputs = land.inputs if basis is None else land.inputs @ basis
        sizes = np.full(inputs.shape[1], self.x)
        if self.free:
            sizes[-1] = 1.0
        self.sizes = sizes / self.x  # of a direction: the bias is relative to X
        self.inputs = np.ascontiguousarray(inputs / sizes)
        self.targets = np.ascontiguousarray(land.targets / self.y)

    def inward(self, point: Layers) -> Layers:
        b = point[-1] / self.y if self.land.intercept else np.zeros(self.land.n_outputs)
        v = self.basis.T @ point[1] * self.sizes[:, None]
        return np.ascontiguousarray(point[0] / self.amplitude), np.ascontiguousarray(v / self.amplitude), b

    def outward(self, u: FloatArray, v: FloatArray, b: FloatArray) -> Layers:
        moved = (u * self.amplitude, self.basis @ (v * self.amplitude / self.sizes[:, None]))
        return (*moved, b * self.y) if self.land.intercept else moved

    def directions(self, rows: FloatArray) -> FloatArray:
        return np.asarray(rows @ self.basis * self.sizes)

    def row(self, row: Row) -> Row:
        seconds, width, value, lower, polar_lower, polar_upper = row
        square = self.y * self.y
        return seconds, width, value * square, lower * square, polar_lower * self.polar, polar_upper * self.polar


def _power_of_two(a: FloatArray) -> float:
    top = float(np.max(np.abs(a), initial=0.0))
    return 2.0 ** round(math.log2(top)) if top > 0.0 else 1.0


def _row_space(land: ParallelNetwork) -> FloatArray | None:
    """(d, e), orthonormal columns that span the rows of X; a free bias keeps its own column. None: the identity."""
    x = land.inputs[:, :-1] if land.bias == "free" else land.inputs
    if not np.any(x):
        return None
    _, singular, right = np.linalg.svd(x, full_matrices=False)
    rank = int(np.sum(singular > _RANK * singular[0]))
    if rank == x.shape[1]:
        return None
    basis = right[:rank].T
    if land.bias != "free":
        return np.ascontiguousarray(basis)
    whole = np.zeros((land.n_inputs, rank + 1))
    whole[:-1, :-1], whole[-1, -1] = basis, 1.0
    return whole


# ------------------------------------------------------------------------------------------------ deeper subnetworks


def _subnetworks(
    land: ParallelNetwork,
    point: Layers,
    directions: FloatArray,
    tol: float,
    width_max: int | None,
    rounds: int,
    clock: _Clock,
    settings: PolarSettings,
    on_record: Callable[[Row], None],
    n_threads: int,
) -> tuple[Layers, str, list[Row]]:
    """Insertion of the polar's chain of units, L-BFGS on all weights, rebalancing; until neither helps."""
    problem = land._problem
    value = problem.value(point)[0]
    lower, rows, idle = 0.0, [], 0
    for _ in range(rounds):
        quick = dataclasses.replace(settings, starts=min(settings.starts, 64))
        certificate = proof.certify(land, point, tol, quick, n_threads, wanted=tol)
        lower = max(lower, certificate.lower_bound)
        polar = (float(certificate.polar_lower or 0.0), float(certificate.polar_upper or math.inf))
        rows.append((clock.seconds(), land._width(point), value, lower, *polar))
        on_record(rows[-1])
        if value - lower <= tol * abs(value):
            return point, "certified", rows
        if clock.over():
            return point, "time_limit", rows
        before, full = value, width_max is not None and land._width(point) >= width_max
        unit = (certificate.proof or {}).get("unit")
        if unit is not None and polar[0] > land.lam and not full:
            extra, reached = proof.insertion(problem, point, unit)
            if reached < value:
                point, value = problem.joined(point, extra), reached
        try:
            point, value = _lbfgs(land, point, value, n_threads)
        except KeyboardInterrupt:
            return point, "interrupted", rows
        idle = idle + 1 if value > before * (1.0 - 1e-9) else 0
        if idle >= 3:
            full = full and polar[0] > land.lam * (1.0 + 1e-6)
            return point, "width_limit" if full else "stagnated", rows
    return point, "round_limit", rows


def _lbfgs(land: ParallelNetwork, point: Layers, value: float, n_threads: int) -> tuple[Layers, float]:
    width, problem = land._width(point), land._problem
    if width == 0 and not land.intercept:
        return point, value

    def function(x: FloatArray) -> tuple[float, FloatArray]:
        value, slope = land._core.gradient(x[None], width, n_threads)
        return float(value[0]), slope[0]

    done = scipy.optimize.minimize(
        function, land._flat(point), jac=True, method="L-BFGS-B", options={"maxiter": 300, "ftol": 1e-14, "gtol": 0.0}
    )
    moved = land._split(np.ascontiguousarray(done.x), width)
    own = np.array(moved[-1]) if land.intercept else np.zeros(land.n_outputs)
    for candidate in (_pruned(land, proof.rebalanced(problem, moved, 1.0, own)), moved):
        reached = problem.value(candidate)[0]
        if reached < value:
            return candidate, reached
    return point, value


def _pruned(land: ParallelNetwork, point: Layers) -> Layers:
    """Without the subnetworks whose output has died out."""
    weights = land._problem.weights(point)
    size = np.prod([np.linalg.norm(block, axis=(1, 2)) for block in weights], axis=0)
    alive = size > 1e-12 * np.max(size, initial=0.0)
    kept: Layers = tuple(block[alive] for block in weights)
    return (*kept, point[-1]) if land.intercept else kept
