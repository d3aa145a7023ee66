"""A census of critical points: from many starts down the gradient norm, polished, merged modulo symmetry, each named.

    census = ls.find_critical_points(net, 200)
    print(census)

Minima of |∇f|² that are no zeros of it look like critical points to a loose tolerance: they are a verdict of their own.
"""

from __future__ import annotations

import dataclasses
import itertools
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import scipy.optimize
import scipy.sparse.linalg

from . import _validation as check
from ._dispatch import core
from ._linear_network import LinearNetwork
from ._training_problem import Problem
from ._training_run import REASONS, ROUNDING, RunState
from ._validation import FloatArray, Layers
from .factorization import MatrixFactorization
from .homogeneous import ParallelNetwork
from .results import Kind
from .training import Landscape, starting_runs

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Census", "CensusPoint", "find_critical_points"]

_DENSE = 800  # parameters up to which a polishing step solves with the dense Hessian
_POLISH = 30  # steps at most
_DESCENTS = (0, 3, 8, 20, 60, 400)  # steps down the objective before those down the gradient norm, start by start
_ZERO = 1e-8  # weights of a unit, or of all, relative to the point: they are zero if that leaves a critical point


@dataclass(frozen=True)
class CensusPoint:
    """One critical point, or one family of them that the symmetries of the landscape connect.

    Attributes:
        point: A representative.
        value: The objective there.
        gradient_norm: |∇f|.
        kind: What it is.
        found: The verdict of the landscape's ``classify`` in full.
        count: Starts that ended there.
    """

    point: Layers = field(repr=False)
    value: float
    gradient_norm: float
    kind: Kind
    found: Any = field(repr=False)
    count: int


@dataclass(frozen=True)
class Census:
    """The critical points that a search found, by value.

    Attributes:
        landscape: Where.
        points: Of each family one, ascending by value.
        small_gradient: Points (B, ...) at which |∇f|² is stationary and not zero: not critical, though a loose
            tolerance would take them for it.
        small_gradient_norms: |∇f| there, (B,).
        unfinished: Starts that came to neither within the steps.
        starts: Starts in all.
        seconds: Wall time.
    """

    landscape: Landscape = field(repr=False)
    points: tuple[CensusPoint, ...] = field(repr=False)
    small_gradient: Layers = field(repr=False)
    small_gradient_norms: FloatArray = field(repr=False)
    unfinished: int
    starts: int
    seconds: float

    def __len__(self) -> int:
        """Number of families."""
        return len(self.points)

    def __getitem__(self, index: int) -> CensusPoint:
        """A family by its place in the order of the values."""
        return self.points[index]

    def to_dataframe(self) -> pd.DataFrame:
        """One row per family, as a pandas data frame."""
        import pandas as pd

        columns = ("value", "kind", "gradient_norm", "count")
        return pd.DataFrame([{name: getattr(point, name) for name in columns} for point in self.points])

    def __str__(self) -> str:
        """A table, and what became of the other starts."""
        kinds = Counter(str(point.kind) for point in self.points)
        lines = [
            f"{len(self)} critical points of {self.landscape!r} from {self.starts} starts, {self.seconds:.1f} s",
            "  " + ", ".join(f"{name} {n}" for name, n in kinds.most_common()),
            f"  {'#':>3}  {'value':>12}  {'starts':>6}  {'gradient':>9}  kind",
        ]
        for index, point in enumerate(self.points):
            row = f"{point.value:>12.6g}  {point.count:>6}  {point.gradient_norm:>9.1e}  {point.kind}"
            lines.append(f"  {index:>3}  {row}")
        norms = self.small_gradient_norms
        if len(norms):
            low, high = f"{norms.min():.1e}", f"{norms.max():.1e}"
            lines.append(f"  small gradient, not critical: {len(norms)} starts, |gradient| {low} to {high}")
        if self.unfinished:
            lines.append(f"  not finished: {self.unfinished} starts")
        return "\n".join(lines)


def find_critical_points(
    land: Landscape,
    starts: int | Any = 100,
    *,
    steps: int = 2000,
    tol: float = 1e-10,
    merge_tol: float = 1e-6,
    init: str = "gaussian",
    scale: float = 1.0,
    width: int | None = None,
    around: Any = None,
    distance: float | None = None,
    seed: int | np.random.Generator = 0,
    n_threads: int | None = None,
) -> Census:
    """Search for critical points of every index: minimise ½|∇f|², polish, merge what symmetry connects, classify.

    The gradient of ½|∇f|² is one Hessian product; L-BFGS in C++ follows it from all starts at once, from a sixth of
    the random ones right away and from the others after 3 to 400 steps down the objective itself: high saddles lie near
    random weights, low ones on the way down. Given starts, and those around given points, are not moved first. Steps of
    least norm that solve H d = -∇f then polish the ends, quadratically also where a symmetry makes H singular.

    Ends are the same if nothing but a symmetry of the landscape separates them: GL(n_l) between the layers of a linear
    network (the product and the ranks of all partial products agree), rotations of the hidden units of a factorisation,
    order, splitting and scaling of the units of a parallel network.

    Args:
        land: Any landscape.
        starts: As in :func:`train`: a number, a point or a batch.
        steps: Of the minimisation at most.
        tol: A point is critical where |∇f| max(1, |w|) <= tol f(0), positive.
        merge_tol: Relative distance below which ends are the same, positive.
        init: As in :func:`train`.
        scale: As in :func:`train`.
        width: As in :func:`train`.
        around: As in :func:`train`.
        distance: As in :func:`train`.
        seed: Of random starts.
        n_threads: Threads; None is all of them.

    Returns:
        A :class:`Census`. It holds what was found, which need not be everything there is.

    Raises:
        TypeError: As :func:`train`.
        ValueError: As :func:`train`.

    Example:
        >>> import numpy as np
        >>> import landscape_cpp as ls
        >>> cov = ls.Covariances(xx=np.eye(2), xy=np.diag([2.0, 1.0]), yy=np.diag([4.0, 1.0]))
        >>> census = ls.find_critical_points(ls.ShallowLinear(cov, 1), 50)
        >>> [(round(point.value, 6), str(point.kind)) for point in census.points]
        [(1.0, 'global_minimum'), (4.0, 'strict_saddle'), (5.0, 'strict_saddle')]

    References:
        Dauphin et al. (2014), Pennington & Bahri (2017) for the method; Frye et al. (2019) for the points that only
        look critical; THEORY 2.4, 3.3 for the symmetries.
    """
    total = check.as_int("steps", steps, minimum=0)
    level = check.as_float("tol", tol, positive=True)
    near = check.as_float("merge_tol", merge_tol, positive=True)
    threads = check.as_threads(n_threads)
    before = time.perf_counter()
    problem, state, chosen = starting_runs(
        land, starts, "lbfgs", init=init, scale=scale, width=width, around=around, distance=distance, seed=seed,
        threads=threads,
    )  # fmt: skip
    objective = problem.objective(None)
    # Only random starts go down first: given points, and those around them, are where the caller wants to look.
    if isinstance(starts, (int, np.integer)) and around is None:
        for place, first in enumerate(_DESCENTS):
            part = slice(place, None, len(_DESCENTS))
            _descend(problem, objective, state, part, chosen.core, min(first, total), threads)
    _to_saddles(problem, objective, state, chosen.core, total, threads)
    critical, spurious, unfinished = [], [], 0
    for index in range(len(state.points)):
        x = _without_dust(problem, _polish(problem, state.points[index], level, threads), level, threads)
        norm, small = _size(problem, x, level, threads)
        if small:
            critical.append((x, norm))
        elif REASONS[state.reasons[index]] is not None and _stationary(problem, x, threads):
            spurious.append((x, norm))
        else:
            unfinished += 1
    families = _merge(problem, [x for x, _ in critical], near)
    points = []
    for members in families:
        best = min(members, key=lambda member: critical[member][1])
        x, norm = critical[best]
        point = _blocks(problem, x)
        found = problem.classify(point, 1e-6, threads)
        value = float(problem.land.value(point, n_threads=threads))
        points.append(CensusPoint(point, value, norm, found.kind, found, len(members)))
    flat = np.array([x for x, _ in spurious]).reshape(len(spurious), problem.size)
    return Census(
        landscape=land,
        points=tuple(sorted(points, key=lambda point: point.value)),
        small_gradient=problem.blocks(flat),
        small_gradient_norms=np.array([norm for _, norm in spurious]),
        unfinished=unfinished,
        starts=len(state.points),
        seconds=time.perf_counter() - before,
    )


def _blocks(problem: Problem, x: FloatArray) -> Layers:
    return tuple(block[0] for block in problem.blocks(x[None]))


def _descend(
    problem: Problem, objective: core.Objective, state: RunState, part: slice, settings: Any, steps: int, threads: int
) -> None:
    """Some of the runs go down the objective first."""
    if not steps or not len(state.points[part]):
        return
    own = RunState(**{item.name: getattr(state, item.name)[part].copy() for item in dataclasses.fields(state)})
    settings.tolerance, settings.rounding = 1e-12 * problem.scale, ROUNDING * problem.scale
    settings.last_step = steps
    none = np.zeros((len(own.points), 0))
    if core.train(objective, settings, own.runs(), [], none, none.copy(), None, threads):
        raise KeyboardInterrupt
    state.points[part] = own.points


def _to_saddles(
    problem: Problem, objective: core.Objective, state: RunState, settings: Any, steps: int, threads: int
) -> None:
    """Minimise ½|∇f|² in place."""
    slope = problem.flat(problem.land.value_and_gradient(problem.blocks(state.points), n_threads=threads)[1])
    norms = np.linalg.norm(slope, axis=1)
    state.values[:] = 0.5 * norms**2
    state.ceilings[:] = 1e10 * np.maximum(state.values, problem.scale**2)
    reach = 0.1 * np.maximum(np.linalg.norm(state.points, axis=1), 1e-3)
    state.step_sizes[:] = reach / np.maximum(norms * problem.scale, 1e-300)
    settings.tolerance = 1e-14 * problem.scale**2
    settings.rounding = 1e-16 * problem.scale**2
    settings.last_step = steps
    none = np.zeros((len(state.points), 0))
    runs = state.runs()
    if core.train(core.gradient_norm_objective(objective), settings, runs, [], none, none.copy(), None, threads):
        raise KeyboardInterrupt


def _size(problem: Problem, x: FloatArray, tol: float, threads: int) -> tuple[float, bool]:
    """|∇f|, and whether it is that of a critical point."""
    slope = problem.flat(problem.land.value_and_gradient(problem.blocks(x[None]), n_threads=threads)[1])[0]
    norm = float(np.linalg.norm(slope))
    return norm, norm * max(1.0, float(np.linalg.norm(x))) <= tol * problem.scale


def _stationary(problem: Problem, x: FloatArray, threads: int) -> bool:
    """Whether |∇f|² is stationary where ∇f is not zero: H ∇f is small beside |H| |∇f|."""
    point = _blocks(problem, x)
    slope = problem.land.gradient(point, n_threads=threads)
    g = problem.flat(tuple(block[None] for block in slope))[0]
    hessian = problem.land.hessian(point, n_threads=threads)
    image = hessian @ g
    probe = hessian @ (image / max(float(np.linalg.norm(image)), 1e-300))
    size = max(float(np.linalg.norm(probe)), 1e-300)
    return float(np.linalg.norm(image)) <= 1e-3 * size * float(np.linalg.norm(g))


def _polish(problem: Problem, x: FloatArray, tol: float, threads: int) -> FloatArray:
    """Steps of least norm that solve H d = -∇f, as long as they make the gradient smaller."""

    def gradient(at: FloatArray) -> FloatArray:
        slope: Layers = problem.land.gradient(_blocks(problem, at), n_threads=threads)
        return np.asarray(problem.flat(tuple(block[None] for block in slope))[0])

    here = x
    g = gradient(here)
    for _ in range(_POLISH):
        norm = float(np.linalg.norm(g))
        if norm * max(1.0, float(np.linalg.norm(here))) <= 1e-3 * tol * problem.scale:
            break
        operator = problem.land.hessian(_blocks(problem, here), n_threads=threads)
        improved = False
        # Directions that the Hessian leaves flat are noise to a small cutoff and needed at degenerate points.
        for cutoff in (1e-10, 1e-7, 1e-4):
            if problem.size <= _DENSE:
                d = np.linalg.lstsq(operator.todense(), -g, rcond=cutoff)[0]
            else:
                d = scipy.sparse.linalg.lsmr(operator, -g, atol=1e-12, btol=1e-12, conlim=1.0 / cutoff)[0]
            for t in (1.0, 0.5, 0.1):
                moved = here + t * d
                slope = gradient(moved) if np.isfinite(moved).all() else g
                if float(np.linalg.norm(slope)) < 0.9 * norm:
                    here, g, improved = moved, slope, True
                    break
            if improved:
                break
        if not improved:
            break
    return here


def _without_dust(problem: Problem, x: FloatArray, tol: float, threads: int) -> FloatArray:
    """Units that are zero up to rounding made zero, where that leaves the gradient as small as it was."""
    size = _ZERO * max(1.0, float(np.abs(x).max(initial=0.0)))
    dust = np.abs(x) <= size
    land: Any = problem.land
    if not isinstance(land, LinearNetwork):
        unit = _unit_of_entry(land, problem)
        whole = np.array([bool(dust[unit == k].all()) for k in range(int(unit.max(initial=-1)) + 1)])
        dust = np.where(unit >= 0, whole[np.maximum(unit, 0)], False)
    elif not dust.all():
        return x
    cleaned = np.where(dust, 0.0, x)
    return cleaned if _size(problem, cleaned, tol, threads)[1] else x


def _unit_of_entry(land: Any, problem: Problem) -> npt.NDArray[np.int64]:
    """The unit that a parameter belongs to; -1 of an intercept."""
    width = problem.width or 0
    parts = []
    for index, shape in enumerate(problem.shapes):
        if isinstance(land, ParallelNetwork) and land.intercept and index == len(problem.shapes) - 1:
            parts.append(np.full(shape, -1))
        elif isinstance(land, ParallelNetwork) and land.hidden:
            parts.append(np.broadcast_to(np.arange(width)[:, None, None], shape))
        else:
            parts.append(np.broadcast_to(np.arange(width), shape))
    return np.concatenate([part.ravel() for part in parts]).astype(np.int64)


# --- symmetry ---------------------------------------------------------------------------------------------------------


def _merge(problem: Problem, points: Sequence[FloatArray], tol: float) -> list[list[int]]:
    """Indices of the points of every family."""
    families: list[list[int]] = []
    forms: list[Any] = []
    for index, x in enumerate(points):
        form = _form(problem, _blocks(problem, x))
        for place, other in enumerate(forms):
            if _same(form, other, tol):
                families[place].append(index)
                break
        else:
            families.append([index])
            forms.append(form)
    return families


@dataclass(frozen=True)
class _Form:
    """What no symmetry changes.

    Attributes:
        value: Compared as one matrix, or as a set of rows.
        ranks: Of partial products.
        rows: Whether it is a set of rows.
        scale: The size that distances are relative to.
    """

    value: FloatArray
    ranks: tuple[int, ...]
    rows: bool
    scale: float


def _same(one: _Form, other: _Form, tol: float) -> bool:
    if one.ranks != other.ranks or one.value.shape != other.value.shape:
        return False
    scale = tol * max(one.scale, other.scale)
    if not one.rows:
        return bool(np.abs(one.value - other.value).max(initial=0.0) <= scale)
    distance = np.abs(one.value[:, None, :] - other.value[None, :, :]).max(axis=2, initial=0.0)
    left, right = scipy.optimize.linear_sum_assignment(distance)
    return bool(distance[left, right].max(initial=0.0) <= scale)


def _rank(matrix: FloatArray) -> int:
    singular = np.linalg.svd(matrix, compute_uv=False)
    return int(np.sum(singular > 1e-5 * max(1.0, float(singular.max(initial=0.0)))))


def _form(problem: Problem, point: Layers) -> _Form:
    land: Any = problem.land
    if isinstance(land, LinearNetwork):
        layers = land._to_layers(point)
        products = [
            list(itertools.accumulate(layers[i:], lambda right, left: left @ right)) for i in range(len(layers))
        ]
        ranks = tuple(_rank(product) for row in products for product in row)
        # on the inputs as they are: what they do not reach does not count
        seen = products[0][-1] @ _root(land)
        return _Form(seen, ranks, False, np.sqrt(max(problem.scale, 1e-300)))
    if isinstance(land, MatrixFactorization):
        u, v = point
        return _Form(u @ v.T, (_rank(u), _rank(v)), False, max(1e-300, float(np.abs(u @ v.T).max(initial=0.0)), 1e-3))
    assert isinstance(land, ParallelNetwork)
    return _network_form(land, point)


def _root(land: LinearNetwork[Any]) -> npt.NDArray[Any]:
    values, vectors = np.linalg.eigh(land._cov.xx)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))


def _network_form(land: ParallelNetwork, point: Layers) -> _Form:
    """Units as rows: parallel ones added up, zeros left out; the intercept as a row of its own."""
    width = land._width(point)
    if land.hidden:
        rows = np.hstack([block.reshape(width, -1) for block in point[: land.depth]])
        used = rows[np.linalg.norm(rows, axis=1) > 1e-7]
        return _Form(used, (len(used),), True, 1.0)
    u, v = point[0], point[1]
    size = np.linalg.norm(v, axis=0)
    amplitude = u * size**land.unit.power
    units: list[tuple[FloatArray, FloatArray]] = []
    for k in range(width):
        if size[k] == 0.0 or not np.any(np.abs(amplitude[:, k]) > 1e-7):
            continue
        direction = v[:, k] / size[k]
        for place, (other, total) in enumerate(units):
            if np.abs(other - direction).max() <= 1e-5:
                units[place] = (other, total + amplitude[:, k])
                break
        else:
            units.append((direction, amplitude[:, k]))
    rows = np.array([np.concatenate(pair) for pair in units]).reshape(len(units), v.shape[0] + u.shape[0])
    if land.intercept:
        b = np.zeros((1, rows.shape[1]))
        b[0, : len(point[2])] = point[2]
        rows = np.vstack([rows, b])
    return _Form(rows, (len(rows),), True, 1.0)
