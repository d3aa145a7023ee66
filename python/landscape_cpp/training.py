"""Training from many starts at once, and an honest report of where each of them stopped.

    result = ls.train(net, 100, init="small", steps=5000)
    print(result.summary())

An optimiser that stops says why it stopped (``stop_reasons``); what it stopped at is another question, which the
landscape answers (``status``): the global minimum, a saddle, or no critical point at all.
"""

from __future__ import annotations

import functools
import itertools
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from . import _validation as check
from ._dispatch import core
from ._linear_network import LinearNetwork
from ._starts import INITS, random_layers
from ._validation import FloatArray
from .results import Kind, StopReason

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Trace", "TrainingResult", "train"]

Landscape = LinearNetwork[Any]
Point = tuple[FloatArray, ...]

_METHODS = ("gd",)
_OBSERVABLES = ("singular_values", "balancedness", "points")
_REASONS = (None, StopReason.CONVERGED, StopReason.MAX_STEPS, StopReason.DIVERGED, StopReason.STALLED)
_RUNNING, _MAX_STEPS, _DIVERGED = 0, 2, 3  # places in _REASONS
_BUFFER = 64_000_000  # bytes of points that are kept at a time on the way to what is recorded of them
_RISE = 1e10  # a value so many times above the start and above the value at zero has diverged
_ROUNDING = 1e-15  # of a value, relative to the value at zero
_SLICE_SECONDS = 0.2  # between two calls of the callback or moves of the progress bar


@dataclass(frozen=True)
class Trace:
    """What happened on the way, at chosen steps. A run that has ended repeats its last row; interrupted ones have NaN.

    Attributes:
        steps: Step numbers, ascending, (T,).
        values: The objective, (B, T).
        gradient_norms: |∇R|, Frobenius norm over all layers, (B, T).
        singular_values: Of the product of the layers, descending, (B, T, k) with k the smallest width; None unless
            observed.
        balancedness: |W_{l+1}ᵀ W_{l+1} - W_l W_lᵀ| of every hidden layer, (B, T, K); None unless observed.
        points: Packed points, (B, T, N); None unless observed.
    """

    steps: npt.NDArray[np.int64]
    values: FloatArray = field(repr=False)
    gradient_norms: FloatArray = field(repr=False)
    singular_values: FloatArray | None = field(repr=False, default=None)
    balancedness: FloatArray | None = field(repr=False, default=None)
    points: FloatArray | None = field(repr=False, default=None)


@dataclass(frozen=True)
class TrainingResult:
    """Where every start went.

    Attributes:
        landscape: What was trained.
        method: The optimiser.
        settings: Its settings.
        points: The final points, a batch.
        values: The objective there, (B,).
        gaps: The objective above the global minimum, (B,).
        gradient_norms: |∇R|, (B,).
        n_steps: Steps taken, (B,).
        n_gradients: Gradients computed, those of rejected steps included, (B,).
        stop_reasons: Why each run ended.
        step_sizes: The step size each run would take next, (B,).
        seconds: Wall time of this call.
        trace: What was recorded on the way.
    """

    landscape: Landscape = field(repr=False)
    method: str
    settings: dict[str, Any]
    points: Point = field(repr=False)
    values: FloatArray = field(repr=False)
    gaps: FloatArray = field(repr=False)
    gradient_norms: FloatArray = field(repr=False)
    n_steps: npt.NDArray[np.int64] = field(repr=False)
    n_gradients: npt.NDArray[np.int64] = field(repr=False)
    stop_reasons: tuple[StopReason, ...] = field(repr=False)
    step_sizes: FloatArray = field(repr=False)
    seconds: float
    trace: Trace = field(repr=False)

    def __len__(self) -> int:
        """Number of starts."""
        return len(self.values)

    def point(self, index: int) -> Point:
        """The final point of one start.

        Args:
            index: 0-based; negative counts from the end.
        """
        return tuple(block[index] for block in self.points)

    @property
    def best(self) -> int:
        """The start that ended lowest."""
        return int(np.argmin(self.values))

    @property
    def best_point(self) -> Point:
        """The lowest point that was reached."""
        return self.point(self.best)

    def classify(self, *, tol: float = 1e-6, n_threads: int | None = None) -> list[Any]:
        """What every final point is: :meth:`DeepLinear.classify` or :meth:`ShallowLinear.classify` of each.

        Args:
            tol: Relative gradient below which a point counts as critical; an optimiser stops earlier than algebra.
            n_threads: Threads; None is all of them.
        """
        return [self.landscape.classify(self.point(i), tol=tol, n_threads=n_threads) for i in range(len(self))]

    @functools.cached_property
    def status(self) -> tuple[Kind, ...]:
        """The kind of every final point, by :meth:`classify` with its default tolerance; computed on first use."""
        return tuple(found.kind for found in self.classify())

    def to_dataframe(self) -> pd.DataFrame:
        """One row per start, as a pandas data frame."""
        import pandas as pd

        return pd.DataFrame(
            {
                "value": self.values,
                "gap": self.gaps,
                "gradient_norm": self.gradient_norms,
                "n_steps": self.n_steps,
                "n_gradients": self.n_gradients,
                "stop_reason": [str(reason) for reason in self.stop_reasons],
                "status": [str(kind) for kind in self.status],
            }
        )

    def summary(self) -> str:
        """Why the runs stopped, what they stopped at, and how far above the global minimum."""
        starts = f"{len(self)} start{'s' if len(self) > 1 else ''}"
        lines = [
            f"{self.method} on {self.landscape!r}: {starts}, {self.seconds:.2f} s",
            f"  steps            {int(self.n_steps.min())} to {int(self.n_steps.max())}",
        ]
        reasons = Counter(str(reason) for reason in self.stop_reasons)
        lines.append("  stop reasons     " + ", ".join(f"{name} {n}" for name, n in reasons.most_common()))
        kinds = Counter(str(kind) for kind in self.status)
        lines.append("  end points       " + ", ".join(f"{name} {n}" for name, n in kinds.most_common()))
        low, middle, high = np.quantile(self.gaps, [0.0, 0.5, 1.0])
        lines.append(f"  gap              {low:.3g} best, {middle:.3g} median, {high:.3g} worst")
        return "\n".join(lines)

    def __str__(self) -> str:
        """The summary."""
        return self.summary()


@dataclass
class _State:
    """The runs between two calls of the kernel; arrays that it changes in place."""

    points: FloatArray  # (B, N)
    step_sizes: FloatArray
    steps: npt.NDArray[np.int64]
    gradients: npt.NDArray[np.int64]
    values: FloatArray
    gradient_norms: FloatArray
    ceilings: FloatArray
    reasons: npt.NDArray[np.int64]

    def running(self) -> bool:
        return bool((self.reasons == _RUNNING).any())


def train(
    land: Landscape,
    starts: int | Any | TrainingResult,
    *,
    method: str = "gd",
    steps: int = 1000,
    learning_rate: float | str | None = None,
    tol: float = 1e-8,
    init: str = "gaussian",
    scale: float = 1.0,
    seed: int | np.random.Generator = 0,
    record: int | Sequence[int] | None = None,
    observe: Sequence[str] = (),
    n_threads: int | None = None,
    progress: bool = False,
    callback: Callable[[int, FloatArray], bool | None] | None = None,
) -> TrainingResult:
    """Train from many starts at once, in C++; every start has its own step size and its own end.

    The same seed gives the same bits for any number of threads, and a start the same bits in any batch. Ctrl-C ends the
    runs and returns what they have reached.

    Args:
        land: A :class:`ShallowLinear` or :class:`DeepLinear`.
        starts: How many random starts; or a point; or a batch of points; or the result of an earlier call, whose runs
            go on exactly where they were (those that stopped at ``steps`` or were interrupted).
        method: ``"gd"``, gradient descent.
        steps: Steps of every run in all, those of a resumed result included.
        learning_rate: A fixed one, positive; or ``"backtracking"``, Armijo's rule with the constant 1e-4 (Nocedal &
            Wright 2006, algorithm 3.1) from a step that moves the point by a tenth of its size. None is
            backtracking, or what a resumed result was run with.
        tol: A run has converged where |∇R| max(1, |W|) <= tol R(0); 0 runs on to the last step.
        init: Of random starts. ``"gaussian"``: N(0, 1/n_{l-1}) (LeCun et al. 1998). ``"kaiming"``: N(0, 2/n_{l-1}) (He
            et al. 2015). ``"orthogonal"`` (Saxe et al. 2014). ``"balanced"``: W_{l+1}ᵀ W_{l+1} = W_l W_lᵀ with unit
            singular values (Arora et al. 2019). ``"small"``: gaussian times 1e-3.
        scale: Factor of every layer of random starts, positive.
        seed: Of random starts.
        record: Every how many steps to record, or at which steps (0 is the start); None records the start and the end.
        observe: What to record besides values and gradient norms: any of ``"singular_values"`` of the product,
            ``"balancedness"``, ``"points"``.
        n_threads: Threads; None is all of them.
        progress: Show a progress bar (needs tqdm).
        callback: Called now and then as ``callback(step, values)``; returning True ends the runs.

    Returns:
        A :class:`TrainingResult`.

    Raises:
        TypeError: For arguments of the wrong type.
        ValueError: For values out of range, points that are not finite or do not fit the landscape.
        ImportError: If ``progress`` is asked for and tqdm is missing.

    Example:
        >>> import numpy as np
        >>> import landscape_cpp as ls
        >>> cov = ls.Covariances(xx=np.eye(2), xy=np.diag([3.0, 1.0]), yy=np.diag([9.0, 1.0]))
        >>> net = ls.DeepLinear(cov, hidden=(2, 2))
        >>> result = ls.train(net, 4, steps=2000, seed=1)
        >>> [str(kind) for kind in result.status]
        ['global_minimum', 'global_minimum', 'global_minimum', 'global_minimum']
    """
    if not isinstance(land, LinearNetwork):
        raise TypeError(f"land must be a ShallowLinear or a DeepLinear, got {type(land).__name__}")
    check.as_choice("method", method, _METHODS)
    total = check.as_int("steps", steps, minimum=0)
    if learning_rate is None:
        resumed = starts.settings["learning_rate"] if isinstance(starts, TrainingResult) else "backtracking"
        learning_rate = cast("float | str", resumed)
    rate = None if learning_rate == "backtracking" else _learning_rate(learning_rate)
    tolerance = check.as_float("tol", tol)
    if tolerance < 0.0:
        raise ValueError(f"tol must not be negative, got {tolerance}")
    wanted = _observables(observe)
    if callback is not None and not callable(callback):
        raise TypeError(f"callback must be callable, got {type(callback).__name__}")
    threads = check.as_threads(n_threads)
    before = time.perf_counter()
    state = _begin(land, starts, init, scale, seed, rate, threads)
    first = int(state.steps.max(initial=0)) if isinstance(starts, TrainingResult) else 0
    recorded = _record_steps(record, first, total)
    bar = _progress_bar(total, first) if check.as_bool("progress", progress) else None

    trace, interrupted = _run(land, state, total, rate, tolerance, recorded, wanted, threads, bar, callback)

    state.reasons[(state.reasons == _RUNNING) & (state.steps >= total)] = _MAX_STEPS
    reasons = tuple(_REASONS[code] or StopReason.INTERRUPTED for code in state.reasons)
    assert interrupted or StopReason.INTERRUPTED not in reasons
    points = cast("Point", land._unpack(state.points))
    return TrainingResult(
        landscape=land,
        method=method,
        settings={"learning_rate": learning_rate, "tol": tolerance, "steps": total},
        points=points,
        values=state.values,
        gaps=np.atleast_1d(land.gap(points, n_threads=threads)),
        gradient_norms=state.gradient_norms,
        n_steps=state.steps,
        n_gradients=state.gradients,
        stop_reasons=reasons,
        step_sizes=state.step_sizes,
        seconds=time.perf_counter() - before,
        trace=trace,
    )


def _learning_rate(value: Any) -> float:
    if isinstance(value, str):
        raise ValueError(f"learning_rate must be a positive number or 'backtracking', got {value!r}")
    return check.as_float("learning_rate", value, positive=True)


def _observables(observe: Any) -> tuple[str, ...]:
    if isinstance(observe, str) or not isinstance(observe, Sequence):
        raise TypeError(f"observe must be a sequence of names, got {observe!r}")
    return tuple(check.as_choice("observe", name, _OBSERVABLES) for name in observe)


def _record_steps(record: Any, first: int, last: int) -> npt.NDArray[np.int64]:
    if record is None:
        return np.unique(np.array([min(first, last), last]))
    if isinstance(record, (Sequence, np.ndarray)) and not isinstance(record, str):
        steps = [check.as_int("record", step, minimum=0) for step in record]
        chosen = np.unique(np.array(steps, dtype=np.int64))
        if len(chosen) and chosen[-1] > last:
            raise ValueError(f"record must not go beyond steps = {last}, got {chosen[-1]}")
        return chosen[chosen >= first]
    every = check.as_int("record", record, minimum=1)
    return np.unique(np.append(np.arange(-(-first // every) * every, last + 1, every), last))


def _begin(
    land: Landscape, starts: Any, init: str, scale: float, seed: Any, rate: float | None, threads: int
) -> _State:
    """The state of fresh runs, or of those of an earlier result."""
    if isinstance(starts, TrainingResult):
        if not _same(starts.landscape, land):
            raise ValueError(f"starts must be a result on this landscape, got one on {starts.landscape!r}")
        reasons = np.array([_REASONS.index(r) if r in _REASONS else _RUNNING for r in starts.stop_reasons])
        reasons[reasons == _MAX_STEPS] = _RUNNING
        sizes = starts.step_sizes.copy() if rate is None else np.full(len(starts), rate)
        state = _fresh(land, starts.points, sizes, threads)
        state.steps, state.gradients = starts.n_steps.copy(), starts.n_gradients.copy()
        state.values, state.gradient_norms = starts.values.copy(), starts.gradient_norms.copy()
        state.reasons = reasons.astype(np.int64)
        return state
    if isinstance(starts, (int, np.integer)) and not isinstance(starts, bool):
        count = check.as_int("starts", starts, minimum=1)
        check.as_choice("init", init, tuple(INITS))
        factor = check.as_float("scale", scale, positive=True)
        key = int(check.as_generator("seed", seed).integers(2**63)) if isinstance(seed, np.random.Generator) else seed
        layers = random_layers(land._layer_shapes(), init, factor, count, check.as_int("seed", key, minimum=0))
        batch = land._point(land._from_layers(layers), "starts")
    else:
        given = land._point(starts, "starts")
        batch = given if given[0].ndim == 3 else tuple(block[None] for block in given)
    return _fresh(land, batch, None if rate is None else np.full(len(batch[0]), rate), threads)


def _same(one: Landscape, other: Landscape) -> bool:
    """Whether two landscapes have the same shapes and data."""
    return one is other or (
        type(one) is type(other)
        and one.shapes == other.shapes
        and one.cov.total == other.cov.total
        and np.array_equal(one.cov.xx, other.cov.xx)
        and np.array_equal(one.cov.xy, other.cov.xy)
    )


def _fresh(land: Landscape, batch: Point, sizes: FloatArray | None, threads: int) -> _State:
    values, slopes = land.value_and_gradient(batch, n_threads=threads)
    points, gradients = land._flat(batch).copy(), land._flat(slopes)
    with np.errstate(invalid="ignore", over="ignore"):
        norms = np.linalg.norm(gradients, axis=1)
        if sizes is None:
            reach = 0.1 * np.maximum(np.linalg.norm(points, axis=1), 1e-3)
            sizes = np.where(norms > 0.0, reach / np.where(norms > 0.0, norms, 1.0), 1.0)
    count = len(points)
    return _State(
        points=points,
        step_sizes=np.ascontiguousarray(sizes),
        steps=np.zeros(count, dtype=np.int64),
        gradients=np.zeros(count, dtype=np.int64),
        values=np.array(values),
        gradient_norms=norms,
        ceilings=_RISE * np.maximum(np.asarray(values), max(land._value_at_zero, 1e-300)),
        reasons=np.zeros(count, dtype=np.int64),
    )


def _progress_bar(total: int, first: int) -> Any:
    try:
        from tqdm.auto import tqdm
    except ImportError:
        raise ImportError("progress=True needs tqdm: pip install tqdm") from None
    return tqdm(total=total, initial=first, unit="step")


def _run(
    land: Landscape,
    state: _State,
    total: int,
    rate: float | None,
    tolerance: float,
    recorded: npt.NDArray[np.int64],
    wanted: tuple[str, ...],
    threads: int,
    bar: Any,
    callback: Callable[[int, FloatArray], bool | None] | None,
) -> tuple[Trace, bool]:
    """Call the kernel slice by slice: as many steps as memory and the callback allow; slices change no bit."""
    count, size = state.points.shape
    columns = len(recorded)
    trace = {
        "values": np.full((count, columns), np.nan),
        "gradient_norms": np.full((count, columns), np.nan),
    }
    ranks, hidden = min(min(shape) for shape in land._layer_shapes()), len(land.shapes) - 1
    extents = {"singular_values": ranks, "balancedness": hidden, "points": size}
    trace |= {name: np.full((count, columns, extents[name]), np.nan) for name in wanted}
    objective = land._objective()
    most_columns = max(1, _BUFFER // max(1, 8 * count * size)) if wanted else max(1, columns)
    slice_steps = 64  # then as many as take a moment: the starts advance together, and can be watched or interrupted
    done, position = 0, int(min(state.steps.max(initial=0), total))
    interrupted = stop = False
    try:
        while True:
            until = min(total, position + max(1, slice_steps))
            if done + most_columns < columns:
                until = min(until, int(recorded[done + most_columns - 1]))
            here = int(np.searchsorted(recorded, until, side="right"))
            shape = (count, here - done)
            values, norms = np.full(shape, np.nan), np.full(shape, np.nan)
            points = np.full((*shape, size), np.nan) if wanted else None
            began = time.perf_counter()
            interrupted = core.gradient_descent(
                objective, state.points, state.step_sizes, state.steps, state.gradients, state.values,
                state.gradient_norms, state.ceilings, state.reasons, rate is None, tolerance * land._value_at_zero,
                _ROUNDING * land._value_at_zero, until,
                [int(step) for step in recorded[done:here]], values, norms, points, threads,
            )  # fmt: skip
            trace["values"][:, done:here], trace["gradient_norms"][:, done:here] = values, norms
            for name in wanted:
                assert points is not None
                trace[name][:, done:here] = _observation(land, name, points)
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
    except KeyboardInterrupt:  # between two calls of the kernel: every run stands at a step it completed
        interrupted = True
    if bar is not None:
        bar.close()
    return Trace(steps=recorded, **trace), interrupted or stop


def _observation(land: Landscape, name: str, points: FloatArray) -> FloatArray:
    """What is recorded of packed points (B, T, N), along the last axis."""
    if name == "points":
        return points
    count, columns, size = points.shape
    flat = points.reshape(-1, size)
    seen = np.asarray(np.isfinite(flat).all(axis=1))
    batch = land._to_layers(land._unpack(np.where(seen[:, None], flat, 0.0)))
    if name == "singular_values":
        observed = _singular_values(batch)
    else:
        observed = np.stack(
            [
                np.linalg.norm(after.swapaxes(1, 2) @ after - before @ before.swapaxes(1, 2), axis=(1, 2))
                for before, after in itertools.pairwise(batch)
            ],
            axis=-1,
        )
    observed[~seen] = np.nan
    return observed.reshape(count, columns, -1)


def _singular_values(layers: Sequence[FloatArray]) -> FloatArray:
    """Of WL ... W1, as many as the smallest width; through QR so that thin products stay thin."""
    rank = min(min(layer.shape[1:]) for layer in layers)
    product = functools.reduce(lambda right, left: left @ right, layers)
    return np.asarray(np.linalg.svd(product, compute_uv=False)[:, :rank])
