"""The runs of one call of ``train``: their state, and the slices in which the core advances them."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ._dispatch import core
from ._training_methods import Chosen
from ._training_problem import Problem
from ._validation import FloatArray
from .results import StopReason

__all__ = ["REASONS", "RunState", "advance", "fresh", "reopen"]

Integers = npt.NDArray[np.int64]

REASONS = (None, StopReason.CONVERGED, StopReason.MAX_STEPS, StopReason.DIVERGED, StopReason.STALLED)
RUNNING, CONVERGED, MAX_STEPS, DIVERGED, STALLED = range(5)  # places in REASONS
_BUFFER = 64_000_000  # bytes of points that are kept at a time on the way to what is recorded of them
_RISE = 1e10  # a value so many times above the start and above the value at zero has diverged
ROUNDING = 1e-15  # of a value, relative to the value at zero
_SLICE_SECONDS = 0.2  # between two calls of the callback or moves of the progress bar
_ESCAPE_TOL = 1e-6  # relative gradient at which the method "escape" asks for a witness
_REACH = 0.1  # first steps move a point by so much of its size


@dataclass
class RunState:
    """The runs between two calls of the core: arrays that it changes in place.

    Attributes:
        points: Packed, (B, N).
        carried: What the method carries from step to step, (B, S).
        step_sizes: (B,).
        steps: Steps taken, (B,).
        gradients: Gradients computed, (B,).
        products: Products of the Hessian with a vector, (B,).
        keys: What is random is drawn from the seed and these, (B,).
        values: The objective, (B,).
        gradient_norms: (B,).
        ceilings: Values above count as diverged, (B,).
        reasons: Places in ``REASONS``, (B,).
        escapes: Witnesses followed, (B,).
        settled: Of the method ``escape``: no witness leads on, (B,).
    """

    points: FloatArray
    carried: FloatArray
    step_sizes: FloatArray
    steps: Integers
    gradients: Integers
    products: Integers
    keys: Integers
    values: FloatArray
    gradient_norms: FloatArray
    ceilings: FloatArray
    reasons: Integers
    escapes: Integers
    settled: npt.NDArray[np.bool_]

    def running(self) -> bool:
        return bool((self.reasons == RUNNING).any())

    def runs(self) -> core.Runs:
        """For the core, on the same memory."""
        return core.Runs(
            self.points, self.carried, self.step_sizes, self.steps, self.gradients, self.products, self.keys,
            self.values, self.gradient_norms, self.ceilings, self.reasons,
        )  # fmt: skip


def _reach(points: FloatArray) -> FloatArray:
    return np.asarray(_REACH * np.maximum(np.linalg.norm(points, axis=1), 1e-3))


def fresh(problem: Problem, points: FloatArray, keys: Integers, chosen: Chosen, threads: int) -> RunState:
    """Runs that begin at packed points.

    Args:
        problem: The landscape.
        points: (B, N), kept.
        keys: Numbers of the starts, (B,).
        chosen: The method.
        threads: Threads.
    """
    count, size = points.shape
    values, slopes = problem.land.value_and_gradient(problem.blocks(points), n_threads=threads)
    with np.errstate(invalid="ignore", over="ignore"):
        norms = np.linalg.norm(problem.flat(slopes), axis=1)
        reach = _reach(points)
        if chosen.rate is not None:
            sizes = np.full(count, chosen.rate)
        elif chosen.radius:
            sizes = reach
        else:
            sizes = np.where(norms > 0.0, reach / np.where(norms > 0.0, norms, 1.0), 1.0)

    def zeros() -> Integers:
        return np.zeros(count, dtype=np.int64)

    values = np.array(values, dtype=np.float64)
    return RunState(
        points=points, carried=np.zeros((count, chosen.core.state_size(size))),
        step_sizes=np.ascontiguousarray(sizes), steps=zeros(), gradients=zeros(), products=zeros(), keys=keys,
        values=values, gradient_norms=norms, ceilings=_RISE * np.maximum(np.abs(values), max(problem.scale, 1e-300)),
        reasons=zeros(), escapes=zeros(), settled=np.zeros(count, dtype=np.bool_),
    )  # fmt: skip


def reopen(state: RunState, rate: float | None) -> RunState:
    """The runs of an earlier call, to go on from where they are; those that ended by themselves stay ended."""
    new = RunState(**{item.name: getattr(state, item.name).copy() for item in dataclasses.fields(state)})
    new.reasons[new.reasons == MAX_STEPS] = RUNNING
    if rate is not None:
        new.step_sizes[:] = rate
    return new


def advance(
    problem: Problem,
    objective: core.Objective,
    chosen: Chosen,
    state: RunState,
    total: int,
    tolerance: float,
    seed: int,
    recorded: Integers,
    wanted: tuple[str, ...],
    threads: int,
    bar: Any,
    callback: Callable[[int, FloatArray], bool | None] | None,
) -> tuple[dict[str, FloatArray], bool]:
    """Call the core slice by slice: as many steps as memory and the callback allow; slices change no bit.

    Returns:
        The trace by name, and whether the runs were interrupted.
    """
    count, size = state.points.shape
    columns = len(recorded)
    trace = {name: np.full((count, columns), np.nan) for name in ("values", "gradient_norms")}
    kept = [name for name in wanted if name != "ladder_distance"]
    trace |= {
        name: np.full((count, columns, size if name == "points" else problem.extent(name)), np.nan) for name in wanted
    }
    settings = chosen.core
    settings.seed = seed
    settings.tolerance, settings.rounding = tolerance * problem.scale, ROUNDING * problem.scale
    if chosen.name == "perturbed_gd":
        threshold, drop = chosen.settings["threshold"], chosen.settings["drop"]
        settings.threshold = settings.tolerance if threshold is None else threshold
        settings.drop = 10.0 * settings.rounding if drop is None else drop
    escaping = chosen.name == "escape"
    settings.alone = escaping  # a run that escapes falls behind its neighbours
    runs = state.runs()
    most_columns = max(1, _BUFFER // max(1, 8 * count * size)) if kept and not escaping else max(1, columns)
    slice_steps = 64  # then as many as take a moment: the starts advance together, and can be watched or interrupted
    done, position = 0, int(min(state.steps.max(initial=0), total))
    interrupted = stop = False
    whole = np.full((count, columns, size), np.nan) if escaping and kept else None
    try:
        while True:
            until = min(total, position + max(1, slice_steps))
            if done + most_columns < columns:
                until = min(until, int(recorded[done + most_columns - 1]))
            here = int(np.searchsorted(recorded, until, side="right"))
            first = 0 if escaping else done
            values = np.ascontiguousarray(trace["values"][:, first:here])
            norms = np.ascontiguousarray(trace["gradient_norms"][:, first:here])
            points = None
            if kept:
                points = np.full((count, here - first, size), np.nan) if whole is None else whole[:, :here].copy()
            began = time.perf_counter()
            settings.last_step = until
            interrupted = core.train(
                objective, settings, runs, [int(step) for step in recorded[first:here]], values, norms, points, threads
            )
            trace["values"][:, first:here], trace["gradient_norms"][:, first:here] = values, norms
            if whole is not None:
                whole[:, :here] = points
            elif points is not None:
                _observe(problem, trace, kept, points, values, slice(first, here))
            if escaping and not interrupted and _follow_witnesses(problem, state, until, chosen.radius, threads):
                continue  # the runs that went on catch up
            if bar is not None:
                bar.update(until - position)
            done, position = here, until
            if callback is not None:
                stop = bool(callback(until, state.values.copy()))
            if interrupted or stop or (position >= total and done == columns):
                break
            elapsed = max(time.perf_counter() - began, 1e-4)
            slice_steps = int(min(max(slice_steps * _SLICE_SECONDS / elapsed, 1), 10 * slice_steps, total + 1))
            if not state.running():
                slice_steps = total
    except KeyboardInterrupt:  # between two calls of the core: every run stands at a step it completed
        interrupted = True
    if bar is not None:
        bar.close()
    if whole is not None:
        _observe(problem, trace, kept, whole, trace["values"], slice(0, columns))
    if "ladder_distance" in wanted:
        flat = trace["values"].ravel()
        seen = np.isfinite(flat)
        distance = np.full(flat.shape, np.nan)
        distance[seen] = problem.observe("ladder_distance", np.zeros((0, size)), flat[seen])[:, 0]
        trace["ladder_distance"] = distance.reshape(count, columns)
    state.reasons[(state.reasons == RUNNING) & (state.steps >= total)] = MAX_STEPS
    return trace, interrupted or stop


def _observe(
    problem: Problem,
    trace: dict[str, FloatArray],
    names: list[str],
    points: FloatArray,
    values: FloatArray,
    where: slice,
) -> None:
    """What is recorded of packed points (B, T, N)."""
    count, columns, size = points.shape
    flat = points.reshape(-1, size)
    seen = np.asarray(np.isfinite(flat).all(axis=1))
    for name in names:
        if name == "points":
            trace[name][:, where] = points
            continue
        observed = np.asarray(problem.observe(name, np.where(seen[:, None], flat, 0.0), values.ravel()))
        observed[~seen] = np.nan
        trace[name][:, where] = observed.reshape(count, columns, -1)


def _follow_witnesses(problem: Problem, state: RunState, until: int, radius: bool, threads: int) -> bool:
    """Runs that came to rest before ``until`` take one step by this library's witness; whether any did."""
    rested = ((state.reasons == CONVERGED) | (state.reasons == STALLED)) & ~state.settled & (state.steps < until)
    lower_points, settled = {}, []
    for index in np.flatnonzero(rested):
        point = tuple(block[0] for block in problem.blocks(state.points[index : index + 1]))
        lower = problem.escape(point, _ESCAPE_TOL, threads)
        if lower is None:
            settled.append(int(index))
        else:
            lower_points[int(index)] = problem.flat(tuple(block[None] for block in lower))[0]
    state.settled[settled] = True
    if not lower_points:
        return False
    moved, points = list(lower_points), np.stack(list(lower_points.values()))
    values, slopes = problem.land.value_and_gradient(problem.blocks(points), n_threads=threads)
    norms = np.linalg.norm(problem.flat(slopes), axis=1)
    # all at once: an interrupt before leaves every run where it was
    state.points[moved], state.values[moved], state.gradient_norms[moved] = points, values, norms
    state.step_sizes[moved] = _reach(points) / (1.0 if radius else np.where(norms > 0.0, norms, 1.0))
    state.carried[moved] = 0.0
    state.steps[moved] += 1
    state.gradients[moved] += 1
    state.escapes[moved] += 1
    state.reasons[moved] = RUNNING
    return True
