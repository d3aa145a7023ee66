"""Pictures of landscapes: the ladder of critical values, a plane through critical points, the Hessian's spectrum.

Every function takes a landscape, draws into ``ax`` or into a new figure, and returns ``(figure, axes)``. Colours are
those of Okabe & Ito and matplotlib's ``cividis``, which readers with colour-vision deficiency can tell apart; kinds of
points differ by their marker as well.

Needs matplotlib: ``python -m pip install "landscape-cpp[plot]"``.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

try:
    import matplotlib as mpl
    from matplotlib.colors import Normalize
    from matplotlib.patheffects import withStroke
    from matplotlib.ticker import MaxNLocator
except ImportError as error:  # pragma: no cover - tests/test_plotting.py runs it in a process of its own
    raise ImportError('landscape_cpp.plotting needs matplotlib: python -m pip install "landscape-cpp[plot]"') from error

from . import _validation as check
from . import curvature
from ._format import index_runs
from ._planes import plane_through, saddle_plane_points
from ._plots_factorization import plot_completion, plot_gap, plot_residual_spectrum, plot_width
from ._plots_network import plot_polar
from ._plots_solution import plot_decision, plot_solution
from ._plots_training import plot_density, plot_ends, plot_fan, plot_race, plot_trajectories
from ._validation import FloatArray, Layers
from .results import CriticalValue, Kind
from .training import TrainingResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "plot_completion",
    "plot_decision",
    "plot_density",
    "plot_ends",
    "plot_fan",
    "plot_gap",
    "plot_ladder",
    "plot_polar",
    "plot_race",
    "plot_residual_spectrum",
    "plot_slice",
    "plot_solution",
    "plot_spectrum",
    "plot_training",
    "plot_trajectories",
    "plot_width",
]

BLUE, VERMILLION, ORANGE, GREEN, PURPLE, GREY = "#0072B2", "#D55E00", "#E69F00", "#009E73", "#CC79A7", "#6E6E6E"

_MARKERS: dict[str, tuple[str, str]] = {  # kind -> marker, what the legend calls it
    Kind.GLOBAL_MINIMUM: ("*", "global minimum"),
    Kind.LOCAL_MINIMUM: ("P", "local minimum"),
    Kind.STRICT_SADDLE: ("X", "strict saddle"),
    Kind.NON_STRICT_SADDLE: ("D", "non-strict saddle"),
    Kind.NOT_CRITICAL: ("o", "not critical"),
    Kind.UNDETERMINED: ("s", "undetermined"),
}
_VALUE = "value (mean squared error,\nsquared units of the targets)"
_COLOURS = "cividis"
_LARGEST_DENSE = 5000  # parameters: the limit of a dense Hessian


def _axes(ax: Axes | None, width: float, height: float) -> tuple[Figure, Axes]:
    if ax is not None:
        if not hasattr(ax, "contourf"):
            raise TypeError(f"ax must be matplotlib Axes, got {type(ax).__name__}")
        figure: Any = ax.figure
        return figure, ax
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(width, height), layout="constrained")
    return figure, axes


def _legend_below(ax: Axes, *, columns: int, offset: float = -0.17) -> None:
    """A legend under the axes, where it covers no data."""
    ax.legend(
        loc="upper center",
        bbox_to_anchor=(0.5, offset),
        ncols=columns,
        frameon=False,
        fontsize="small",
        markerscale=0.6,
        labelspacing=0.7,
    )


def _mark(ax: Axes, x: Any, y: Any, size: float, marker: str, label: str) -> None:
    ax.scatter(x, y, s=size, marker=marker, color="white", edgecolor="black", linewidth=1.2, zorder=4, label=label)


def _named(points: Any, most: int) -> dict[str, Any]:
    if not isinstance(points, Mapping) or not points:
        raise TypeError(f"points must map names to points, got {type(points).__name__}")
    if len(points) > most:
        raise ValueError(f"points must be at most {most}, got {len(points)}")
    return {str(name): point for name, point in points.items()}


# --- the ladder -------------------------------------------------------------------------------------------------------


def plot_ladder(
    land: Any,
    *,
    max_count: int = 24,
    points: Mapping[str, Any] | None = None,
    value_label: str = _VALUE,
    ax: Axes | None = None,
) -> tuple[Figure, Axes]:
    """The lowest critical values in ascending order: one rung each, coloured by its Morse index.

    The number of directions that lead down from a rung is its Morse index, so the colours say how hard a saddle is to
    get stuck at (where it is not known, as for deep networks, they show the rank of the product). The tick labels are
    the index sets: the eigenvectors of Σ in use, 0 has the largest eigenvalue.

    Args:
        land: A landscape with ``iter_critical_values``, such as :class:`ShallowLinear`.
        max_count: Rungs to draw, from the global minimum upwards.
        points: Named points whose values are drawn as lines across, such as weights after training.
        value_label: What the values are, with their units.
        ax: Axes to draw into; None makes a figure.

    Returns:
        The figure and the axes.

    Raises:
        TypeError: For what is no landscape with a ladder.
        ValueError: For a ``max_count`` below 1, or points of wrong shape.

    References:
        Theorem A, THEORY 2.3 and 12b.7.
    """
    if not hasattr(land, "iter_critical_values"):
        raise TypeError(f"land must be a landscape such as ShallowLinear, got {type(land).__name__}")
    count = check.as_int("max_count", max_count, minimum=1)
    named = {} if points is None else _named(points, 4)
    values = {name: float(land.value(land._single(point, name))) for name, point in named.items()}
    rungs: list[CriticalValue] = list(itertools.islice(land.iter_critical_values(), count))
    figure, ax = _axes(ax, 7.4, 4.4)

    counted = any(rung.morse_index is not None for rung in rungs)
    colour_label = "Morse index (directions down)" if counted else "rank of the product"
    index = np.array([(rung.morse_index if counted else rung.rank) or 0 for rung in rungs])
    scale = Normalize(0, max(1, int(index.max())))
    heights = np.array([rung.value for rung in rungs])
    colours = mpl.colormaps[_COLOURS](scale(index))
    where = np.arange(len(rungs))
    ax.vlines(where, heights[0], heights, color=GREY, linewidth=0.8, alpha=0.6)
    ax.hlines(heights, where - 0.42, where + 0.42, color=colours, linewidth=5.0)
    for kind in (Kind.GLOBAL_MINIMUM, Kind.STRICT_SADDLE, Kind.NON_STRICT_SADDLE, Kind.UNDETERMINED):
        at = [i for i, rung in enumerate(rungs) if rung.kind == kind]
        if at:
            marker, label = _MARKERS[kind]
            _mark(ax, where[at], heights[at], 36, marker, label)
    for (name, value), colour in zip(values.items(), (VERMILLION, PURPLE, ORANGE, GREEN), strict=False):
        ax.axhline(value, color=colour, linestyle="--", linewidth=1.4, label=name)
    mappable = mpl.cm.ScalarMappable(norm=scale, cmap=_COLOURS)
    figure.colorbar(mappable, ax=ax, label=colour_label, ticks=MaxNLocator(integer=True))
    few = len(rungs) <= 30
    ax.set_xticks(where if few else where[:: len(rungs) // 12])
    labels = [index_runs(rung.indices) for rung in rungs]
    longest = max(map(len, labels))
    shown = labels if few else labels[:: len(rungs) // 12]
    ax.set_xticklabels(shown, rotation=0 if longest <= 4 and len(shown) < 16 else 90, fontsize="small")
    ax.set_xlim(-0.8, len(rungs) - 0.2)
    ax.margins(y=0.1)
    ax.set_xlabel("index set: eigenvectors in use")
    ax.set_ylabel(value_label)
    ax.set_title(f"The lowest {len(rungs)} critical values" if len(rungs) == count else "All critical values", pad=40)
    handles, _ = ax.get_legend_handles_labels()
    ax.legend(loc="lower left", bbox_to_anchor=(0.0, 1.08), ncols=min(4, len(handles)), frameon=False, fontsize="small")
    return figure, ax


# --- training ---------------------------------------------------------------------------------------------------------


def plot_training(
    result: Any,
    *,
    also: Mapping[str, Any] | None = None,
    flow: Any = None,
    most: int = 30,
    value_label: str = _VALUE,
    ax: Axes | None = None,
) -> tuple[Figure, Axes]:
    """The value of every start after every recorded step, over the critical values at which a run can wait.

    From small weights a linear network goes from saddle to saddle: the value waits near the lowest critical value of
    rank 0, of rank 1, ... in turn. These values are drawn as dotted lines.

    Args:
        result: A :class:`~landscape_cpp.TrainingResult`, recorded at more than two steps to see anything.
        also: Named further results on the same landscape, at most three, drawn in colours of their own.
        flow: A :class:`~landscape_cpp.BalancedFlow`: ticks at the steps at which its modes have come half way, for runs
            with a fixed learning rate.
        most: Starts of ``result`` to draw, the first ones.
        value_label: What the values are, with their units.
        ax: Axes to draw into; None makes a figure.

    Returns:
        The figure and the axes.

    Raises:
        TypeError: For what is no result of training.
        ValueError: For results on another landscape, or a flow beside a learning rate that is not fixed.

    References:
        THEORY 3.7; Saxe, McClelland & Ganguli (2014).
    """
    count = check.as_int("most", most, minimum=1)
    named = {} if also is None else _named(also, 3)
    for name, item in {"result": result, **named}.items():
        if not isinstance(item, TrainingResult):
            raise TypeError(f"{name} must be a TrainingResult, got {type(item).__name__}")
        if item.landscape.shapes != result.landscape.shapes:
            raise ValueError(f"{name} must be on the landscape of the first result, {result.landscape!r}")
    rate = result.settings["learning_rate"]
    if flow is not None and isinstance(rate, str):
        raise ValueError(f"flow needs runs with a fixed learning rate, got {rate!r}")
    figure, ax = _axes(ax, 7.4, 5.0)

    net = result.landscape
    modes = net.cov.spectrum().eigenvalues[: net.rank_bound]
    plateaus = net.minimum_value + np.append(np.cumsum(modes[::-1])[::-1], 0.0)
    for rank, value in enumerate(plateaus):
        label = "lowest critical value of each rank" if rank == 0 else None
        ax.axhline(value, color=GREY, linestyle=":", linewidth=0.9, zorder=1, label=label)
    shown = min(count, len(result))
    for i in range(shown):
        label = f"{shown} starts" if i == 0 and shown > 1 else ("the run" if i == 0 else None)
        ax.plot(result.trace.steps, result.trace.values[i], color=BLUE, alpha=0.55, linewidth=1.0, label=label)
    for (name, item), colour in zip(named.items(), (VERMILLION, GREEN, PURPLE), strict=False):
        for i in range(len(item)):
            ax.plot(item.trace.steps, item.trace.values[i], color=colour, linewidth=1.8, label=name if i == 0 else None)
    if flow is not None:
        ax.plot(
            flow.half_times / rate,
            plateaus[: len(flow.half_times)] - 0.5 * modes[: len(flow.half_times)],
            linestyle="none",
            marker="|",
            markersize=12,
            markeredgewidth=1.6,
            color="black",
            label="predicted arrival of a mode",
        )
    ax.set_title("Training, and where it can wait")
    ax.set_xlabel("steps")
    ax.set_ylabel(value_label)
    span = plateaus[0] - plateaus[-1]
    ax.set_ylim(plateaus[-1] - 0.06 * span, plateaus[0] + 0.1 * span)
    _legend_below(ax, columns=2)
    return figure, ax


# --- a plane ----------------------------------------------------------------------------------------------------------


def plot_slice(
    land: Any,
    points: Mapping[str, Any] | None = None,
    *,
    s: Any = None,
    t: Any = None,
    value_label: str = _VALUE,
    ax: Axes | None = None,
) -> tuple[Figure, Axes]:
    """The landscape on the plane through three points, exact, with the way down from its saddles.

    value(A + s (B - A) + t (C - A)) for the points A, B, C in the order given. Each is marked with what it is
    (``classify``). From a strict saddle an arrow shows its escape direction; one that leaves the plane is projected
    onto it, and where the projection does not bend down the steepest way down within the plane takes its place: the
    legend says which, with the second derivative along the arrow (per unit of s and t).

    Args:
        land: A landscape whose value is a polynomial, such as :class:`ShallowLinear`.
        points: Three named points that do not lie on a line. None takes the global minimum and two saddles: one that
            misses the weakest direction of the minimum, and one that uses the next best in its place. Where no other
            direction is left, two saddles that miss one direction each; where the data correlate in one direction
            only, the one saddle and two global minima.
        s: Positions along B - A, (S,); None covers the points and their mirror images.
        t: Positions along C - A, (T,), likewise.
        value_label: What the values are, with their units.
        ax: Axes to draw into; None makes a figure.

    Returns:
        The figure and the axes.

    Raises:
        TypeError: For what is no landscape, or points that are not a mapping.
        ValueError: If there are not three points, they lie on a line or have wrong shapes; without ``points``, if the
            landscape has no saddle at all.

    References:
        THEORY 2.3 (the witnesses); the value on a plane is a polynomial of degree 4 (2L for L layers).
    """
    if getattr(land, "_slice_coefficients", None) is None:
        raise TypeError(f"land must be a landscape such as ShallowLinear, got {type(land).__name__}")
    low, high = -0.7, 1.6
    if points is None:
        named, (low, high) = saddle_plane_points(land)
    else:
        named = _named(points, 3)
    if len(named) != 3:
        raise ValueError(f"points must be three, got {len(named)}")
    corners = [land._single(point, name) for name, point in named.items()]
    first, second = plane_through(land, corners)
    grid_s = np.linspace(low, high, 241) if s is None else s
    grid_t = np.linspace(low, high, 241) if t is None else t
    plane = curvature.slice(land, corners[0], first, second, s=grid_s, t=grid_t)
    assert plane.t is not None
    assert plane.coefficients is not None
    positions = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    heights = np.array([float(land.value(corner)) for corner in corners])
    figure, ax = _axes(ax, 6.6, 6.4)

    lowest = min(float(plane.values.min()), heights.min())
    top = float(heights.max())
    top += 0.6 * (top - lowest) if top > lowest else max(1.0, abs(top))
    levels = lowest + (top - lowest) * np.linspace(0.0, 1.0, 26) ** 2
    filled = ax.contourf(plane.s, plane.t, plane.values.T, levels=levels, cmap=_COLOURS, extend="max")
    ax.contour(plane.s, plane.t, plane.values.T, levels=levels[::2], colors="white", linewidths=0.4, alpha=0.6)
    bar = figure.colorbar(filled, ax=ax, label=value_label, shrink=0.85)
    bar.ax.yaxis.set_major_locator(MaxNLocator(6))

    for (name, corner), position, height in zip(named.items(), positions, heights, strict=True):
        found = land.classify(corner)
        marker, kind = _MARKERS[found.kind]
        title = f"{name}: {height:.4g}" if kind in name else f"{name} ({kind}): {height:.4g}"
        size = 260 if marker == "*" else 150
        _mark(ax, position[0], position[1], size, marker, title)
        arrow = _escape_arrow(found, (first, second), plane.coefficients, position, positions[int(np.argmin(heights))])
        if arrow is not None:
            step, label = arrow
            _arrow(ax, position, step)
            ax.plot([], [], color=VERMILLION, linewidth=2.6, label=label)
    names = list(named)
    ax.set_xlabel(f"s: 0 at {names[0]},\n1 at {names[1]}")
    ax.set_ylabel(f"t: 0 at {names[0]},\n1 at {names[2]}")
    ax.set_xlim(plane.s[0], plane.s[-1])
    ax.set_ylim(plane.t[0], plane.t[-1])
    ax.set_title("The landscape on the plane through three points")
    _legend_below(ax, columns=1, offset=-0.2)
    return figure, ax


def _arrow(ax: Axes, start: FloatArray, step: FloatArray) -> None:
    ax.annotate(
        "",
        xy=(start[0] + step[0], start[1] + step[1]),
        xytext=(start[0], start[1]),
        zorder=3,
        arrowprops={
            "arrowstyle": "-|>,head_width=0.35,head_length=0.7",
            "color": VERMILLION,
            "linewidth": 2.6,
            "shrinkA": 0.0,
            "shrinkB": 0.0,
            "path_effects": [withStroke(linewidth=4.5, foreground="black")],
        },
    )


def _escape_arrow(
    found: Any,
    plane: tuple[Layers, Layers],
    coefficients: FloatArray,
    position: FloatArray,
    lowest: FloatArray,
) -> tuple[FloatArray, str] | None:
    """A way down in coordinates (s, t), half a unit long, and what it is; None where the plane holds none.

    The escape direction itself where it lies in the plane, its projection where that bends down, else the direction of
    most negative curvature within the plane.
    """
    if found.escape is None:
        return None
    basis = np.stack([np.concatenate([part.ravel() for part in direction]) for direction in plane], axis=1)
    witness = np.concatenate([part.ravel() for part in found.escape.scaled_direction])
    step = np.linalg.lstsq(basis, witness, rcond=None)[0]
    off = float(np.linalg.norm(witness - basis @ step) / np.linalg.norm(witness))
    hessian = _plane_hessian(coefficients, position)
    name = "escape direction" if off < 1e-6 else "escape direction, projected onto the plane"
    if off > 1.0 - 1e-9 or step @ hessian @ step >= 0.0:
        step = np.linalg.eigh(hessian)[1][:, 0]
        name = "steepest way down within the plane"
    step = step / np.linalg.norm(step)
    bend = float(step @ hessian @ step)
    if bend >= 0.0:
        return None
    length = 0.5 if step @ (lowest - position) >= 0.0 else -0.5
    return length * step, f"its {name}: second derivative {bend:.3g}"


def _plane_hessian(coefficients: FloatArray, position: FloatArray) -> FloatArray:
    """Second derivatives of Σ c_ij s^i t^j at a position."""
    polynomial = np.polynomial.polynomial

    def at(order_s: int, order_t: int) -> float:
        c: npt.NDArray[Any] = polynomial.polyder(polynomial.polyder(coefficients, order_s, axis=0), order_t, axis=1)
        return float(polynomial.polyval2d(position[0], position[1], c))

    mixed = at(1, 1)
    return np.array([[at(2, 0), mixed], [mixed, at(0, 2)]])


# --- the spectrum -----------------------------------------------------------------------------------------------------


def plot_spectrum(
    land: Any,
    points: Any,
    *,
    k: int | None = None,
    seed: int | np.random.Generator = 0,
    value_label: str = "eigenvalue of the Hessian",
    ax: Axes | None = None,
) -> tuple[Figure, Axes]:
    """The eigenvalues of the Hessian at one or several points, ascending, on a symmetric logarithmic axis.

    Negative ones are the directions that lead down (their number is the Morse index), zeros the flat ones (the
    nullity); an eigenvalue counts as zero up to 1e-9 of the largest in magnitude.

    Args:
        land: A landscape.
        points: A single point, or up to four named points (a mapping).
        k: How many of the smallest eigenvalues (Lanczos for large sizes); None is all of them, up to 5,000 parameters.
        seed: Of Lanczos' starting vectors.
        value_label: What the eigenvalues are, with their units.
        ax: Axes to draw into; None makes a figure.

    Returns:
        The figure and the axes.

    Raises:
        TypeError: For what is no landscape.
        ValueError: For points of wrong shape, or more than 5,000 parameters without ``k``.
    """
    if not hasattr(land, "hessian"):
        raise TypeError(f"land must be a landscape such as ShallowLinear, got {type(land).__name__}")
    named = _named(points, 4) if isinstance(points, Mapping) else {"": points}
    spectra = {}
    for name, point in named.items():
        single = land._single(point, name or "p")
        size = sum(block.size for block in single)
        if k is None and size > _LARGEST_DENSE:
            raise ValueError(f"give k: all {size} eigenvalues are refused above {_LARGEST_DENSE} parameters")
        spectra[name] = np.sort(curvature.spectrum(land, single, k, which="smallest", seed=seed).values)
    largest = max(float(np.abs(values).max()) for values in spectra.values())
    zero = 1e-9 * largest
    figure, ax = _axes(ax, 7.0, 4.6)

    sizes = np.abs(np.concatenate(list(spectra.values())))
    threshold = max(0.5 * float(sizes[sizes > zero].min()), 1e-6 * largest) if largest > 0.0 else 1.0
    ax.set_yscale("symlog", linthresh=threshold, linscale=0.6)
    ax.set_yticks(_symlog_ticks(threshold, sizes.max(), any((v < -zero).any() for v in spectra.values())))
    ax.minorticks_off()
    ax.axhspan(-threshold, threshold, color=GREY, alpha=0.12, linewidth=0)
    ax.axhline(0.0, color=GREY, linewidth=0.8)
    styles = zip((BLUE, VERMILLION, GREEN, PURPLE), ("o", "x", "s", "+"), strict=True)
    for (name, values), (colour, marker) in zip(spectra.items(), styles, strict=False):
        negative, null = int((values < -zero).sum()), int((np.abs(values) <= zero).sum())
        counts = f"{negative} negative, {null} zero, {len(values) - negative - null} positive"
        position = np.arange(1, len(values) + 1)
        ax.plot(
            position,
            np.where(np.abs(values) <= zero, 0.0, values),
            linestyle="",
            marker=marker,
            markersize=5,
            color=colour,
            label=f"{name}: {counts}" if name else counts,
            markerfacecolor="none",
        )
    total = land.size
    ax.set_xlabel(f"number, ascending ({'' if k is None else f'the smallest {k} '}of {total:,})")
    ax.set_ylabel(value_label)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_title("Hessian spectrum")
    _legend_below(ax, columns=1)
    return figure, ax


def _symlog_ticks(threshold: float, largest: float, negative: bool) -> list[float]:
    """Zero and at most seven powers of ten on either side, none within the linear part."""
    if not largest > threshold:
        return [0.0]
    first, last = math.ceil(math.log10(threshold)), math.ceil(math.log10(largest))
    powers = [10.0**power for power in range(first, last + 1, 1 + (last - first) // 7)]
    return [*([-power for power in reversed(powers)] if negative else []), 0.0, *powers]
