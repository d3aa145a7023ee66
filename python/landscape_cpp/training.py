"""Training from many starts at once, and an honest report of where each of them stopped.

    result = ls.train(net, 100, init="small", steps=5000)
    print(result.summary())

An optimiser that stops says why it stopped (``stop_reasons``); what it stopped at is another question, which the
landscape answers (``status``): the global minimum, a saddle, or no critical point at all.
"""

from __future__ import annotations

import functools
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from . import _validation as check
from ._factorization_results import Solution
from ._linear_network import LinearNetwork
from ._starts import INITS, directions
from ._training_methods import Chosen, choose
from ._training_problem import Problem, problem_of
from ._training_run import REASONS, RunState, advance, fresh, reopen
from ._validation import FloatArray, Layers
from .factorization import MatrixFactorization
from .homogeneous import ParallelNetwork
from .results import Kind, StopReason

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Trace", "TrainingResult", "train"]

Landscape = LinearNetwork[Any] | MatrixFactorization | ParallelNetwork


@dataclass(frozen=True)
class Trace:
    """What happened on the way, at chosen steps. A run that has ended repeats its last row; interrupted ones have NaN.

    Attributes:
        steps: Step numbers, ascending, (T,).
        values: The objective, (B, T).
        gradient_norms: Of the whole gradient, Frobenius norm over all blocks, (B, T).
        singular_values: Of the product of the layers (of U Vᵀ), descending, (B, T, k) with k the smallest width; None
            unless observed, like the following.
        balancedness: |W_{l+1}ᵀ W_{l+1} - W_l W_lᵀ| of every hidden layer, (B, T, K); of a factorisation
            |Uᵀ U - Vᵀ V|, (B, T, 1); of a parallel network the largest ||W_{l+1}|² - |W_l|²| of a unit, (B, T, K).
        ladder_distance: The value minus the nearest critical value of a linear network, (B, T).
        points: Packed points, (B, T, N).
    """

    steps: npt.NDArray[np.int64]
    values: FloatArray = field(repr=False)
    gradient_norms: FloatArray = field(repr=False)
    singular_values: FloatArray | None = field(repr=False, default=None)
    balancedness: FloatArray | None = field(repr=False, default=None)
    ladder_distance: FloatArray | None = field(repr=False, default=None)
    points: FloatArray | None = field(repr=False, default=None)


@dataclass(frozen=True)
class TrainingResult:
    """Where every start went.

    Attributes:
        landscape: What was trained.
        method: The optimiser.
        settings: All its settings, those left at their defaults included.
        points: The final points, a batch.
        values: The objective there, (B,).
        gaps: The objective above the global minimum, (B,); NaN where that is not known (``minimum`` of :func:`train`).
        gradient_norms: Of the whole gradient, (B,).
        n_steps: Steps taken, (B,).
        n_gradients: Gradients computed by the method, those of rejected steps and of minibatches included, (B,).
        n_products: Products of the Hessian with a vector, (B,).
        n_escapes: Witnesses of this library followed, (B,).
        stop_reasons: Why each run ended.
        step_sizes: The step size (of ``trust_region`` the radius) each run would take next, (B,).
        seconds: Wall time of this call.
        trace: What was recorded on the way.
        state: What resuming needs.
    """

    landscape: Landscape = field(repr=False)
    method: str
    settings: dict[str, Any]
    points: Layers = field(repr=False)
    values: FloatArray = field(repr=False)
    gaps: FloatArray = field(repr=False)
    gradient_norms: FloatArray = field(repr=False)
    n_steps: npt.NDArray[np.int64] = field(repr=False)
    n_gradients: npt.NDArray[np.int64] = field(repr=False)
    n_products: npt.NDArray[np.int64] = field(repr=False)
    n_escapes: npt.NDArray[np.int64] = field(repr=False)
    stop_reasons: tuple[StopReason, ...] = field(repr=False)
    step_sizes: FloatArray = field(repr=False)
    seconds: float
    trace: Trace = field(repr=False)
    state: RunState = field(repr=False)

    def __len__(self) -> int:
        """Number of starts."""
        return len(self.values)

    def point(self, index: int) -> Layers:
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
    def best_point(self) -> Layers:
        """The lowest point that was reached."""
        return self.point(self.best)

    def classify(self, *, tol: float = 1e-6, n_threads: int | None = None) -> list[Any]:
        """What every final point is: the ``classify`` of the landscape for each.

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
                "n_products": self.n_products,
                "n_escapes": self.n_escapes,
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
        known = bool(np.isfinite(self.gaps).any())
        low, middle, high = np.quantile(self.gaps if known else self.values, [0.0, 0.5, 1.0])
        name = "gap  " if known else "value"
        lines.append(f"  {name}            {low:.3g} best, {middle:.3g} median, {high:.3g} worst")
        return "\n".join(lines)

    def __str__(self) -> str:
        """The summary."""
        return self.summary()


def train(
    land: Landscape,
    starts: int | Any | TrainingResult,
    *,
    method: str | None = None,
    steps: int = 1000,
    learning_rate: float | str | None = None,
    schedule: str = "constant",
    batch_size: int | None = None,
    data: Any = None,
    tol: float | None = None,
    init: str = "gaussian",
    scale: float = 1.0,
    width: int | None = None,
    around: Any = None,
    distance: float | None = None,
    seed: int | np.random.Generator | None = None,
    first_start: int = 0,
    minimum: float | Solution | None = None,
    record: int | Sequence[int] | None = None,
    observe: Sequence[str] = (),
    n_threads: int | None = None,
    progress: bool = False,
    callback: Callable[[int, FloatArray], bool | None] | None = None,
    **settings: Any,
) -> TrainingResult:
    """Train from many starts at once, in C++; every start has its own step size, its own state and its own end.

    The same seed gives the same bits for any number of threads, and a start the same bits in any batch. Ctrl-C ends the
    runs and returns what they have reached.

    Args:
        land: Any landscape: :class:`ShallowLinear`, :class:`DeepLinear`, :class:`MatrixFactorization`,
            :class:`ParallelNetwork`.
        starts: How many random starts; or a point; or a batch of points; or the result of an earlier call, whose runs
            go on exactly where they were, with its method and settings unless others are given (those that stopped at
            ``steps`` or were interrupted); another method begins anew at the points they reached.
        method: The optimiser, see below; None is ``"gd"``.
        steps: Steps of every run in all, those of a resumed result included.
        learning_rate: A fixed one, positive. ``"gd"`` also takes ``"backtracking"``, its default: Armijo's rule with
            the constant 1e-4 (Nocedal & Wright 2006, algorithm 3.1) from a step that moves the point by a tenth of its
            size; and ``"exact"``, the lowest point of the line where the value along it is a polynomial (linear
            networks, factorisations with the squared loss).
        schedule: What multiplies a fixed learning rate: ``"constant"``; ``"cosine"``, from 1 to 0 over ``horizon``
            steps (``steps`` unless given; Loshchilov & Hutter 2017); ``"step"``, times ``decay`` after ``every`` steps.
            With ``warmup`` it rises linearly over the first so many steps.
        batch_size: Terms of a minibatch: samples, or observed entries of a factorisation. Every epoch goes through all
            of them once, in an order of its own for every start. Runs end at ``steps``; values and gradient norms are
            those of the whole objective, measured where recorded and at the end, and not counted.
        data: (X, Y) or (X, Y, sample_weight): the samples behind a linear network's moments, for minibatches.
        tol: A run has converged where |∇f| max(1, |w|) <= tol f(0); 0 runs on to the last step. None is 1e-8, or what
            a resumed result was run with. Not for minibatches and ``"noisy_sgd"``, which run on.
        init: Of random starts. ``"gaussian"``: N(0, 1/n_{l-1}) (LeCun et al. 1998). ``"kaiming"``: N(0, 2/n_{l-1}) (He
            et al. 2015). ``"orthogonal"`` (Saxe et al. 2014). ``"balanced"``: W_{l+1}ᵀ W_{l+1} = W_l W_lᵀ with unit
            singular values (Arora et al. 2019). ``"small"``: gaussian times 1e-3. Intercepts begin at zero.
        scale: Factor of every layer of random starts, positive.
        width: r, for random starts of landscapes without a fixed width.
        around: A point or a batch of P points, such as saddles: ``starts`` is then a number, and so many begin around
            each of them, uniform on the sphere of radius ``distance``.
        distance: In the norm of all parameters, positive.
        seed: Of random starts, minibatches and noise; None is 0, or what a resumed result was run with.
        first_start: Number of the first start: a batch cut in parts, each with its own, draws what the whole draws.
        minimum: The global minimum of a landscape that does not know its own, or its :class:`Solution`: for ``gaps``.
        record: Every how many steps to record, or at which steps (0 is the start); None records the start and the end.
        observe: What to record besides values and gradient norms, see :class:`Trace`: any of ``"singular_values"``
            (not of parallel networks), ``"balancedness"``, ``"ladder_distance"`` (linear networks), ``"points"``.
        n_threads: Threads; None is all of them.
        progress: Show a progress bar (needs tqdm).
        callback: Called now and then as ``callback(step, values)``; returning True ends the runs.
        **settings: Of the method and the schedule, see below; others are refused.

    The methods, and their settings with defaults:

    * ``"gd"``: gradient descent.
    * ``"sgd"``: the same on minibatches (Robbins & Monro 1951).
    * ``"momentum"`` (``momentum=0.9``): v ← μ v + g, w ← w - t v (Polyak 1964), as in PyTorch.
    * ``"nesterov"`` (``momentum=0.9``): v ← μ v - t g(w + μ v), w ← w + v (Nesterov 1983; Sutskever et al. 2013).
    * ``"adagrad"`` (``eps=1e-10``): Duchi, Hazan & Singer 2011; learning rate 0.01 unless given.
    * ``"adam"`` (``betas=(0.9, 0.999)``, ``eps=1e-8``): Kingma & Ba 2015, algorithm 1; learning rate 0.001 unless
      given.
    * ``"lbfgs"`` (``memory=10``): Nocedal & Wright 2006, algorithm 7.4, with a line search to the strong Wolfe
      conditions.
    * ``"noisy_sgd"`` (``noise=1.0``): g + noise ξ in the place of g, ξ uniform on the unit sphere (Ge et al. 2015);
      with ``batch_size`` on minibatches.
    * ``"perturbed_gd"`` (``radius=1e-3``, ``threshold=None``, ``wait=100``, ``drop=None``): Jin et al. 2017, algorithm
      2. Where the gradient norm is at most ``threshold`` (None: what ``tol`` allows), a step into a ball, taken back if
      the value has not dropped by ``drop`` (None: more than rounding) after ``wait`` steps; that ends the run.
    * ``"newton_cg"`` (``krylov=50``, ``curvature_tol=1e-6``): at most ``krylov`` conjugate gradients, up to negative
      curvature, which is then followed; where g vanishes, the leftmost eigenvector (Royer, O'Neill & Wright 2020).
    * ``"trust_region"`` (``krylov=50``, ``curvature_tol=1e-6``): the model's minimum in a Krylov space of at most
      ``krylov`` dimensions (Gould et al. 1999); where g vanishes, likewise.
    * ``"escape"`` (``descent="lbfgs"`` or ``"trust_region"``, and their settings): descent, and where it comes to rest
      this library's own witness (``classify``, ``escape``), until that knows no way down.

    ``sgd``, ``momentum``, ``nesterov``, ``noisy_sgd`` and ``perturbed_gd`` need a ``learning_rate``. Eigenvalues above
    minus ``curvature_tol`` times the Hessian's norm do not count as negative.

    Returns:
        A :class:`TrainingResult`.

    Raises:
        TypeError: For arguments of the wrong type, or settings that the method does not have.
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

        At the origin every gradient vanishes, and so does the Hessian: only a witness of higher order leaves it.

        >>> origin = tuple(np.zeros(shape) for shape in net.shapes)
        >>> [str(ls.train(net, origin, method=name).status[0]) for name in ("trust_region", "escape")]
        ['non_strict_saddle', 'global_minimum']
    """
    if not isinstance(land, (LinearNetwork, MatrixFactorization, ParallelNetwork)):
        raise TypeError(f"land must be a landscape, got {type(land).__name__}")
    resumed = starts if isinstance(starts, TrainingResult) else None
    if resumed is not None:
        if around is not None or distance is not None:
            raise ValueError("around and distance are for new starts: a resumed result goes on where it is")
        method, learning_rate, schedule, batch_size, tol, settings = _inherit(
            resumed, method, learning_rate, schedule, batch_size, tol, settings
        )
    total = check.as_int("steps", steps, minimum=0)
    tolerance = 1e-8 if tol is None else check.as_float("tol", tol)
    if tolerance < 0.0:
        raise ValueError(f"tol must not be negative, got {tolerance}")
    if callback is not None and not callable(callback):
        raise TypeError(f"callback must be callable, got {type(callback).__name__}")
    threads = check.as_threads(n_threads)
    key = resumed.settings["seed"] if resumed is not None and seed is None else _seed(0 if seed is None else seed)
    first_key = check.as_int("first_start", first_start, minimum=0)
    problem = _problem(land, starts, around, width, minimum)
    wanted = _observables(observe, problem)
    objective = problem.objective(data)
    chosen = choose(
        "gd" if method is None else method, learning_rate, schedule, batch_size, total, settings, objective.degree
    )
    _check_batch(chosen, objective.terms)
    before = time.perf_counter()
    if resumed is not None:
        if not problem.same(resumed.landscape):
            raise ValueError(f"starts must be a result on this landscape, got one on {resumed.landscape!r}")
        state = reopen(resumed.state, chosen.rate)
        same = chosen.core.state_size(state.points.shape[1]) == state.carried.shape[1]
        if not same or chosen.name != resumed.method:
            keys, points = state.keys, state.points
            state = fresh(problem, points, keys, chosen, threads)
    else:
        points = _starting_points(problem, starts, init, scale, around, distance, key, first_key)
        keys = np.arange(first_key, first_key + len(points), dtype=np.int64)
        state = fresh(problem, points, keys, chosen, threads)
    first = int(state.steps.max(initial=0))
    recorded = _record_steps(record, first, total)
    bar = _progress_bar(total, first) if check.as_bool("progress", progress) else None

    trace, interrupted = advance(
        problem, objective, chosen, state, total, tolerance, key, recorded, wanted, threads, bar, callback
    )

    reasons = tuple(REASONS[code] or StopReason.INTERRUPTED for code in state.reasons)
    assert interrupted or StopReason.INTERRUPTED not in reasons
    blocks = problem.blocks(state.points)
    return TrainingResult(
        landscape=land,
        method=chosen.name,
        settings=chosen.settings | {"tol": tolerance, "steps": total, "seed": key},
        points=blocks,
        values=state.values,
        gaps=problem.gaps(blocks, state.values, threads),
        gradient_norms=state.gradient_norms,
        n_steps=state.steps,
        n_gradients=state.gradients,
        n_products=state.products,
        n_escapes=state.escapes,
        stop_reasons=reasons,
        step_sizes=state.step_sizes,
        seconds=time.perf_counter() - before,
        trace=Trace(steps=recorded, **trace),
        state=state,
    )


def starting_runs(
    land: Landscape,
    starts: Any,
    method: str,
    *,
    init: Any,
    scale: Any,
    width: Any,
    around: Any,
    distance: Any,
    seed: Any,
    threads: int,
) -> tuple[Problem, RunState, Chosen]:
    """Fresh runs of a method that needs no settings, with arguments as :func:`train` takes them."""
    if not isinstance(land, (LinearNetwork, MatrixFactorization, ParallelNetwork)):
        raise TypeError(f"land must be a landscape, got {type(land).__name__}")
    problem = _problem(land, starts, around, width, None)
    chosen = choose(method, None, "constant", None, 0, {}, 0)
    points = _starting_points(problem, starts, init, scale, around, distance, _seed(seed), 0)
    return problem, fresh(problem, points, np.arange(len(points), dtype=np.int64), chosen, threads), chosen


def _inherit(
    resumed: TrainingResult,
    method: str | None,
    learning_rate: Any,
    schedule: str,
    batch_size: int | None,
    tol: float | None,
    settings: dict[str, Any],
) -> tuple[str | None, Any, str, int | None, float | None, dict[str, Any]]:
    """What a resumed result was run with, where nothing else is said; another method begins with its own defaults."""
    if method is not None and method != resumed.method:
        return method, learning_rate, schedule, batch_size, tol, settings
    own = {key: value for key, value in resumed.settings.items() if key not in ("tol", "steps", "seed")}
    rate, kept, batch = own.pop("learning_rate"), own.pop("schedule", "constant"), own.pop("batch_size")
    if learning_rate is not None and isinstance(learning_rate, str) != isinstance(rate, str):
        own = {}
    if schedule != "constant":
        own = {key: value for key, value in own.items() if key not in ("horizon", "every", "decay", "warmup")}
        kept = schedule
    return (
        resumed.method,
        rate if learning_rate is None else learning_rate,
        kept if isinstance(rate if learning_rate is None else learning_rate, float) else "constant",
        batch if batch_size is None else batch_size,
        resumed.settings["tol"] if tol is None else tol,
        own | settings,
    )


def _seed(seed: Any) -> int:
    if isinstance(seed, np.random.Generator):
        return int(seed.integers(2**63))
    return check.as_int("seed", seed, minimum=0, maximum=2**63 - 1)


def _problem(land: Landscape, starts: Any, around: Any, width: Any, minimum: Any) -> Problem:
    """The landscape at the width of the starts."""
    if isinstance(minimum, Solution):
        least = minimum.value
    else:
        least = np.nan if minimum is None else check.as_float("minimum", minimum)
    if isinstance(land, LinearNetwork):
        for name, value in (("width", width), ("minimum", minimum)):
            if value is not None:
                raise ValueError(
                    f"{name} goes with factorisations and parallel networks; a linear network knows its own"
                )
        return problem_of(land, None, least)
    if isinstance(starts, TrainingResult):
        given: Any = starts.points
    else:
        given = around if around is not None else starts
    if isinstance(given, (int, np.integer)) and not isinstance(given, bool):
        if width is None:
            raise ValueError("width must be given for random starts: this landscape has none of its own")
        return problem_of(land, check.as_int("width", width, minimum=1), least)
    if isinstance(starts, TrainingResult) and type(starts.landscape) is not type(land):
        raise ValueError(f"starts must be a result on this landscape, got one on {starts.landscape!r}")
    point = land._point(given, "starts" if around is None else "around")
    found = int(point[0].shape[-1]) if isinstance(land, MatrixFactorization) else land._width(point)
    if width is not None and check.as_int("width", width, minimum=1) != found:
        raise ValueError(f"width must be that of the points, {found}, got {width}")
    if not found:
        raise ValueError("starts must have a positive width: a point of width zero has no parameters to train")
    return problem_of(land, found, least)


def _observables(observe: Any, problem: Problem) -> tuple[str, ...]:
    if isinstance(observe, str) or not isinstance(observe, Sequence):
        raise TypeError(f"observe must be a sequence of names, got {observe!r}")
    return tuple(check.as_choice("observe", name, problem.observables) for name in observe)


def _check_batch(chosen: Chosen, terms: int) -> None:
    if chosen.batch is None:
        return
    if not terms:
        raise ValueError("batch_size needs data=(X, Y): this landscape holds second moments, not the samples")
    if chosen.batch > terms:
        raise ValueError(f"batch_size must be at most the number of terms, {terms}, got {chosen.batch}")


def _starting_points(
    problem: Problem, starts: Any, init: Any, scale: Any, around: Any, distance: Any, seed: int, first: int
) -> FloatArray:
    """Packed points (B, N) to begin at."""
    number = isinstance(starts, (int, np.integer)) and not isinstance(starts, bool)
    if (around is None) != (distance is None):
        raise ValueError("around and distance go together: starts on the sphere of that radius around these points")
    if around is not None:
        if not number:
            raise TypeError("starts must be a number, of starts around each point, where around is given")
        count = check.as_int("starts", starts, minimum=1)
        radius = check.as_float("distance", distance, positive=True)
        land: Any = problem.land
        land._point(around, "around")
        centres = np.repeat(problem.flat(problem.batch(around)), count, axis=0)
        keys = range(first, first + len(centres))
        return np.ascontiguousarray(centres + radius * directions(problem.size, keys, seed))
    if not number:
        return np.array(problem.flat(problem.batch(starts)))
    count = check.as_int("starts", starts, minimum=1)
    check.as_choice("init", init, tuple(INITS))
    factor = check.as_float("scale", scale, positive=True)
    return problem.flat(problem.random(init, factor, range(first, first + count), seed))


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


def _progress_bar(total: int, first: int) -> Any:
    try:
        from tqdm.auto import tqdm
    except ImportError:
        raise ImportError("progress=True needs tqdm: pip install tqdm") from None
    return tqdm(total=total, initial=first, unit="step")
