"""Experiments on landscapes whose truth is known: which optimiser leaves which saddle, which width reaches the optimum.

race = ls.experiments.escape_race(net, seeds=20)
print(race)
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import scipy.optimize

from . import _validation as check
from . import curvature
from ._factorization_results import Solution
from ._linear_network import LinearNetwork
from ._training_methods import METHODS
from ._validation import FloatArray, Layers
from .homogeneous import ParallelNetwork
from .results import Certificate
from .training import train

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Race", "RaceEntry", "WidthShare", "escape_race", "saddles_of", "width_share"]

SCIPY_METHODS = ("trust-krylov", "Newton-CG", "L-BFGS-B")
_OURS = tuple(name for name in METHODS if name != "sgd")  # no samples here
DISTANCES = tuple(10.0**k for k in range(-8, 0))
_MOST_SADDLES = 1000
_MOST_RUNGS = 100_000  # of the ladder, looked at for saddles of full rank


@dataclass(frozen=True)
class RaceEntry:
    """One method at one distance, over all saddles and seeds.

    Attributes:
        method: The optimiser; SciPy's begin with ``scipy``.
        distance: From the saddle to the start.
        runs: How many.
        successes: Of them within ``tol`` of the global minimum at the end.
        claims: Of the others those that the optimiser itself reports as converged.
        gradients: Median gradients of a successful run; NaN without one.
        products: Median Hessian products, likewise.
        seconds: Per run, wall time of the batch divided by its size.
    """

    method: str
    distance: float
    runs: int
    successes: int
    claims: int
    gradients: float
    products: float
    seconds: float

    @property
    def rate(self) -> float:
        """The share of successful runs."""
        return self.successes / self.runs


@dataclass(frozen=True)
class Race:
    """How the methods did.

    Attributes:
        landscape: The network.
        n_saddles: Saddles that the runs begin around.
        n_seeds: Starts around each at every distance.
        steps: Of every run at most.
        tol: Success is a gap of at most tol times the value at zero.
        entries: By method, then distance.
        seconds: Wall time of all.
    """

    landscape: Any = field(repr=False)
    n_saddles: int
    n_seeds: int
    steps: int
    tol: float
    entries: tuple[RaceEntry, ...] = field(repr=False)
    seconds: float

    def to_dataframe(self) -> pd.DataFrame:
        """One row per method and distance, as a pandas data frame."""
        import pandas as pd

        names = ("method", "distance", "runs", "successes", "rate", "claims", "gradients", "products", "seconds")
        return pd.DataFrame([{name: getattr(entry, name) for name in names} for entry in self.entries])

    def __str__(self) -> str:
        """Success rates by distance, then the work of a successful run."""
        distances = sorted({entry.distance for entry in self.entries})
        methods = list(dict.fromkeys(entry.method for entry in self.entries))
        width = max(len(name) for name in (*methods, "method"))
        around = "1 saddle" if self.n_saddles == 1 else f"{self.n_saddles} saddles"
        head = "  ".join(f"{distance:>6.0e}" for distance in distances)
        lines = [
            f"{self.landscape!r}: {around}, {self.n_seeds} starts each, {self.steps} steps at most",
            f"Share of runs that end within {self.tol:g} of the value at zero from the global minimum, by distance of",
            "the start; how many of the others the optimiser calls converged; the median work of the successful ones.",
            f"  {'method':<{width}}  {head}  {'stuck, converged':>16}  {'gradients':>9}  {'products':>8}    s per run",
        ]
        for name in methods:
            rows = {entry.distance: entry for entry in self.entries if entry.method == name}
            rates = "  ".join(f"{100 * rows[d].rate:>5.1f}%" if d in rows else " " * 6 for d in distances)
            own = list(rows.values())
            won = [entry for entry in own if entry.successes]
            weights = [entry.successes for entry in won]
            work = []
            for key, size in (("gradients", 9), ("products", 8)):
                mean = np.average([getattr(entry, key) for entry in won], weights=weights) if won else np.nan
                work.append(f"{mean:>{size}.0f}" if won else f"{'-':>{size}}")
            seconds = np.average([entry.seconds for entry in own], weights=[entry.runs for entry in own])
            stuck = sum(entry.claims for entry in own)
            lines.append(f"  {name:<{width}}  {rates}  {stuck:>16}  {work[0]}  {work[1]}  {seconds:>9.1e}")
        return "\n".join(lines)


def saddles_of(net: LinearNetwork[Any], limit: int = _MOST_SADDLES) -> list[Layers]:
    """Critical points of full rank that are no global minimum, one for every index set, the lowest first.

    Args:
        net: A linear network.
        limit: How many at most.
    """
    land: Any = net
    rungs = itertools.islice(net.iter_critical_values(), _MOST_RUNGS)
    resolution = 1e-9 * net.cov.total
    found = (rung.indices for rung in rungs if rung.rank == land.rank_bound and rung.gap > resolution)
    return [land.critical_point(indices) for indices in itertools.islice(found, limit)]


def escape_race(
    net: LinearNetwork[Any],
    saddles: Any = None,
    *,
    methods: Sequence[str] | None = None,
    distances: Sequence[float] = DISTANCES,
    seeds: int = 100,
    steps: int = 20_000,
    tol: float = 1e-6,
    learning_rate: float | None = None,
    seed: int | np.random.Generator = 0,
    n_threads: int | None = None,
) -> Race:
    """Start every optimiser near every saddle, and count how many reach the global minimum, and at what price.

    Args:
        net: A linear network: its minimum and its saddles are known in closed form.
        saddles: A point or a batch; None takes the critical points of full rank, one for every index set (all
            C(10, 8) - 1 of a 20-8-10 network), at most 1,000; where there are none, the origin.
        methods: Names of :func:`train`, and ``"scipy trust-krylov"``, ``"scipy Newton-CG"``, ``"scipy L-BFGS-B"``,
            which run one start at a time in Python; None takes all of ours (``sgd`` has no samples here).
        distances: Of the starts from the saddle, in the norm of all parameters.
        seeds: Starts around every saddle at every distance.
        steps: Of every run at most.
        tol: Success is a gap of at most tol times the value at zero.
        learning_rate: Of the methods that need one; None is 0.5/L with L the largest eigenvalue of the Hessian at the
            global minimum and at these saddles. ``adam`` and ``adagrad`` keep their own, 0.01.
        seed: Of the starts.
        n_threads: Threads; None is all of them.

    Returns:
        A :class:`Race`.

    Raises:
        TypeError: If ``net`` is no linear network.
        ValueError: For unknown methods, and values out of range.

    Example:
        >>> import numpy as np
        >>> import landscape_cpp as ls
        >>> cov = ls.Covariances(xx=np.eye(3), xy=np.diag([3.0, 2.0, 1.0]), yy=np.diag([9.0, 4.0, 1.0]))
        >>> race = ls.experiments.escape_race(ls.ShallowLinear(cov, 2), methods=["trust_region"], seeds=5)
        >>> race.n_saddles, {entry.rate for entry in race.entries}
        (2, {1.0})
    """
    if not isinstance(net, LinearNetwork):
        raise TypeError(f"net must be a linear network, whose minimum is known, got {type(net).__name__}")
    known = (*_OURS, *(f"scipy {name}" for name in SCIPY_METHODS))
    names = _OURS if methods is None else tuple(check.as_choice("methods", name, known) for name in methods)
    spread = tuple(check.as_float("distances", d, positive=True) for d in distances)
    count = check.as_int("seeds", seeds, minimum=1)
    most = check.as_int("steps", steps, minimum=1)
    level = check.as_float("tol", tol, positive=True)
    land: Any = net
    if saddles is None:
        found = saddles_of(net) or [tuple(np.zeros(shape) for shape in net.shapes)]
        batch = tuple(np.stack(blocks) for blocks in zip(*found, strict=True))
    else:
        given = land._point(saddles, "saddles")
        batch = given if given[0].ndim == 3 else tuple(block[None] for block in given)
    if learning_rate is None:
        points = [land.global_minimum(), *itertools.islice(zip(*batch, strict=True), 100)]
        rate = 0.5 / max(max(curvature.largest_eigenpair(net, p).value for p in points), 1e-300)
    else:
        rate = check.as_float("learning_rate", learning_rate, positive=True)
    if isinstance(seed, np.random.Generator):
        seed = int(seed.integers(2**63))
    before = time.perf_counter()
    entries = []
    for name in names:
        for distance in spread:
            starts = train(net, count, around=batch, distance=distance, steps=0, seed=seed, n_threads=n_threads).points
            run = _scipy_runs if name.startswith("scipy ") else _our_runs
            entries.append(run(net, name, distance, starts, most, level, rate, seed, n_threads))
    return Race(net, len(batch[0]), count, most, level, tuple(entries), time.perf_counter() - before)


def _entry(
    name: str,
    distance: float,
    won: npt.NDArray[np.bool_],
    claimed: npt.NDArray[np.bool_],
    gradients: npt.NDArray[Any],
    products: npt.NDArray[Any],
    seconds: float,
) -> RaceEntry:
    return RaceEntry(
        method=name, distance=distance, runs=len(won), successes=int(won.sum()), claims=int((claimed & ~won).sum()),
        gradients=float(np.median(gradients[won])) if won.any() else float("nan"),
        products=float(np.median(products[won])) if won.any() else float("nan"), seconds=seconds / len(won),
    )  # fmt: skip


def _our_runs(
    net: Any, name: str, distance: float, starts: Layers, steps: int, tol: float, rate: float, seed: int, threads: Any
) -> RaceEntry:
    settings: dict[str, Any] = {}
    if METHODS[name].rate is None:
        settings["learning_rate"] = rate
    if name in ("adam", "adagrad"):
        settings["learning_rate"] = 1e-2
    if name == "noisy_sgd":
        settings["noise"] = 1e-3 * float(np.sqrt(net.cov.total))
    result = train(net, starts, method=name, steps=steps, seed=seed, n_threads=threads, **settings)
    won = result.gaps <= tol * net.cov.total
    claimed = np.array([reason == "converged" for reason in result.stop_reasons])
    return _entry(name, distance, won, claimed, result.n_gradients, result.n_products, result.seconds)


def _scipy_runs(
    net: Any, name: str, distance: float, starts: Layers, steps: int, tol: float, rate: float, seed: int, threads: Any
) -> RaceEntry:
    """SciPy's optimisers on our gradients and products, with their default tolerances."""
    method = name.removeprefix("scipy ")
    second = method != "L-BFGS-B"
    won, claimed, gradients, products = [], [], [], []
    before = time.perf_counter()
    for x in net.pack(starts):
        calls = [0]

        def product(at: FloatArray, d: FloatArray, calls: list[int] = calls) -> FloatArray:
            calls[0] += 1
            return np.asarray(net.pack(net.hvp(net.unpack(at), net.unpack(d), n_threads=1)))

        def value(at: FloatArray) -> tuple[float, FloatArray]:
            f, g = net.value_and_gradient(net.unpack(at), n_threads=1)
            return float(f), net.pack(g)

        done = scipy.optimize.minimize(
            value, x, jac=True, hessp=product if second else None, method=method, options={"maxiter": steps}
        )
        won.append(float(net.gap(net.unpack(done.x))) <= tol * net.cov.total)
        claimed.append(bool(done.success))
        gradients.append(float(done.nfev))
        products.append(float(calls[0]))
    return _entry(
        name, distance, np.array(won), np.array(claimed), np.array(gradients), np.array(products),
        time.perf_counter() - before,
    )  # fmt: skip


# --- width ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class WidthShare:
    """How many starts reach the certified optimum, by width.

    Attributes:
        landscape: The network.
        widths: (K,).
        share: Of starts within ``tol``, (K,).
        gaps: (value - lower bound) / |value| of every start, (K, B).
        optimum: The certified solution.
        tol: Relative gap that counts as reached.
    """

    landscape: ParallelNetwork = field(repr=False)
    widths: npt.NDArray[np.int64]
    share: FloatArray
    gaps: FloatArray = field(repr=False)
    optimum: Certificate = field(repr=False)
    tol: float

    def __str__(self) -> str:
        """A table."""
        starts = self.gaps.shape[1]
        lines = [
            f"{self.landscape!r}: {starts} starts at every width, within {self.tol:g} of the proved lower bound",
            f"  {'width':>5}  {'share':>6}  {'best gap':>9}  {'median':>9}",
        ]
        for width, share, gaps in zip(self.widths, self.share, self.gaps, strict=True):
            lines.append(f"  {width:>5}  {100 * share:>5.1f}%  {gaps.min():>9.1e}  {np.median(gaps):>9.1e}")
        return "\n".join(lines)


def width_share(
    nn: ParallelNetwork,
    widths: Sequence[int],
    starts: int = 100,
    *,
    tol: float = 1e-2,
    solution: Solution | None = None,
    method: str = "lbfgs",
    steps: int = 2000,
    seed: int | np.random.Generator = 0,
    n_threads: int | None = None,
    **settings: Any,
) -> WidthShare:
    """The share of random starts of each width that training takes to the optimum over all widths.

    Theorem 1.10 promises a non-increasing path from everywhere once the network is wide enough; this measures how often
    an optimiser takes it.

    Args:
        nn: A parallel network.
        widths: Numbers of units, positive.
        starts: Random starts of every width.
        tol: Reached is (value - lower bound) / |value| <= tol, the lower bound that ``solution`` proves.
        solution: Of ``nn.solve``; None solves.
        method: Of :func:`train`.
        steps: At most.
        seed: Of the starts.
        n_threads: Threads; None is all of them.
        **settings: Further arguments of :func:`train`, such as ``learning_rate``.

    Raises:
        TypeError: If ``nn`` is no parallel network.
        ValueError: For widths that are not positive, as :func:`train`.
    """
    if not isinstance(nn, ParallelNetwork):
        raise TypeError(f"nn must be a ParallelNetwork, got {type(nn).__name__}")
    sizes = [check.as_int("widths", width, minimum=1) for width in widths]
    level = check.as_float("tol", tol, positive=True)
    best = nn.solve(n_threads=n_threads) if solution is None else solution
    if best.certificate.data_fingerprint != nn._fingerprint:
        raise ValueError("solution must be of this problem: its data or its lam differ")
    bound = best.certificate.lower_bound
    gaps = []
    for width in sizes:
        values = train(
            nn, starts, method=method, width=width, steps=steps, seed=seed, n_threads=n_threads, **settings
        ).values
        gaps.append((values - bound) / np.maximum(np.abs(values), 1e-300))
    table = np.array(gaps)
    return WidthShare(
        landscape=nn, widths=np.array(sizes, dtype=np.int64), share=(table <= level).mean(axis=1), gaps=table,
        optimum=best.certificate, tol=level,
    )  # fmt: skip
