"""Pictures of training: a batch as a fan, its ends on the ladder, its ways on a plane; spectral densities, races.

Public as ``landscape_cpp.plotting.plot_fan``, ``plot_ends``, ``plot_trajectories``, ``plot_density`` and ``plot_race``,
with the conventions of that module.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _validation as check
from ._linear_network import LinearNetwork
from ._spectral_statistics import SpectralDensity
from ._validation import FloatArray, Layers
from .curvature import slice as slice_of
from .experiments import Race
from .training import TrainingResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_density", "plot_ends", "plot_fan", "plot_race", "plot_trajectories"]

_BANDS = ((0.0, 1.0, 0.15), (0.1, 0.9, 0.22), (0.25, 0.75, 0.3))  # quantiles and opacity


def _result(result: Any) -> TrainingResult:
    if not isinstance(result, TrainingResult):
        raise TypeError(f"result must be a TrainingResult, got {type(result).__name__}")
    return result


def plot_fan(
    results: Any, *, floor: float | None = None, value_label: str | None = None, ax: Axes | None = None
) -> tuple[Figure, Axes]:
    """The values of a whole batch against the steps: the median, and bands that hold half, 80 % and all of the starts.

    Args:
        results: A :class:`~landscape_cpp.TrainingResult`, or up to four named ones (a mapping), recorded on the way.
        floor: What is taken off the values, so that the axis can be logarithmic; None is the global minimum where the
            landscape knows it, else nothing.
        value_label: What the values are; None says it.
        ax: Axes to draw into; None makes a figure.

    Returns:
        The figure and the axes.

    Raises:
        TypeError: For what is no result of training.
    """
    from . import plotting

    named = plotting._named(results, 4) if isinstance(results, Mapping) else {"": results}
    for item in named.values():
        _result(item)
    land: Any = next(iter(named.values())).landscape
    low = floor
    if low is None and isinstance(land, LinearNetwork):
        low = float(land.minimum_value)  # type: ignore[attr-defined]
    figure, ax = plotting._axes(ax, 7.0, 4.4)
    colours = (plotting.BLUE, plotting.VERMILLION, plotting.GREEN, plotting.PURPLE)
    for (name, item), colour in zip(named.items(), colours, strict=False):
        values = item.trace.values - (low or 0.0)
        if low is not None:
            values = np.maximum(values, 1e-16 * max(1.0, float(np.nanmax(np.abs(values)))))
        for below, above, alpha in _BANDS:
            ax.fill_between(item.trace.steps, *np.nanquantile(values, (below, above), axis=0), color=colour,
                            alpha=alpha, linewidth=0)  # fmt: skip
        label = f"{name}: median of {len(item)}" if name else f"median of {len(item)} starts"
        ax.plot(item.trace.steps, np.nanmedian(values, axis=0), color=colour, linewidth=1.8, label=label)
    if low is not None:
        ax.set_yscale("log")
    shown = (
        "value" if low is None else "value above the global minimum" if floor is None else f"value above {floor:.6g}"
    )
    ax.set_ylabel(shown if value_label is None else value_label)
    ax.set_xlabel("steps")
    ax.set_title("Training: half, 80 % and all of the starts")
    plotting._legend_below(ax, columns=2)
    return figure, ax


def plot_ends(result: Any, *, max_count: int = 24, ax: Axes | None = None) -> tuple[Figure, Axes]:
    """Where the starts of a linear network ended, over the ladder of its critical values.

    Every end is a mark at its value, spread sideways by its number; the marks say what the end is.

    Args:
        result: A :class:`~landscape_cpp.TrainingResult` on a linear network.
        max_count: Rungs to draw, from the global minimum upwards.
        ax: Axes to draw into; None makes a figure.

    Returns:
        The figure and the axes.

    Raises:
        TypeError: For what is no result of training on a linear network.
    """
    from . import plotting

    land: Any = _result(result).landscape
    if not isinstance(land, LinearNetwork):
        raise TypeError(f"result must be of a linear network, whose ladder is known, got one of {land!r}")
    count = check.as_int("max_count", max_count, minimum=1)
    figure, ax = plotting._axes(ax, 7.0, 4.6)
    for index, rung in enumerate(itertools.islice(land.iter_critical_values(), count)):
        ax.axhline(rung.value, color=plotting.GREY, linewidth=0.8, linestyle=":",
                   label="critical values" if index == 0 else None, zorder=1)  # fmt: skip
    kinds = np.array([str(kind) for kind in result.status])
    for kind, (marker, name) in plotting._MARKERS.items():
        here = np.flatnonzero(kinds == str(kind))
        if len(here):
            plotting._mark(ax, here, result.values[here], 36, marker, f"{name}: {len(here)}")
    ax.set_xlabel("number of the start")
    ax.set_ylabel(plotting._VALUE)
    ax.set_title(f"Where {len(result)} starts of {result.method} ended")
    plotting._legend_below(ax, columns=3)
    return figure, ax


def plot_trajectories(
    result: Any,
    points: Mapping[str, Any] | None = None,
    *,
    most: int = 12,
    value_label: str | None = None,
    ax: Axes | None = None,
) -> tuple[Figure, Axes]:
    """The ways of several starts, projected on a plane of the landscape.

    The plane is that through the first three named points, or through the two directions in which the ways spread most
    around the best end (principal components). The landscape shown is that of the plane; a way that leaves it is only
    projected, and the title says how much of the spread the plane holds.

    Args:
        result: A :class:`~landscape_cpp.TrainingResult` with ``"points"`` observed.
        points: Three to eight named points, of which the first three do not lie on a line and span the plane; the
            others are projected like the ways. None takes the principal components.
        most: Ways to draw, the first ones.
        value_label: What the values are; None says ``value``.
        ax: Axes to draw into; None makes a figure.

    Returns:
        The figure and the axes.

    Raises:
        TypeError: For what is no result of training.
        ValueError: If ``"points"`` was not observed, for fewer than three points, or if they lie on a line.
    """
    from . import plotting

    trained = _result(result)
    if trained.trace.points is None:
        raise ValueError('result must have points recorded: train with record=... and observe=("points",)')
    land: Any = trained.landscape
    ways = trained.trace.points[: check.as_int("most", most, minimum=1)]
    names: dict[str, FloatArray] = {}
    if points is None:
        origin = land.pack(trained.best_point)
        flat = ways.reshape(-1, ways.shape[-1])
        flat = flat[np.isfinite(flat).all(axis=1)] - origin
        frame = np.linalg.svd(flat, full_matrices=False)[2][:2].T
        if frame.shape[1] < 2:
            raise ValueError("result must have at least two parameters")
    else:
        given = plotting._named(points, 8)
        if len(given) < 3:
            raise ValueError(f"points must be at least three, got {len(given)}")
        packed = {name: land.pack(land._single(point, name)) for name, point in given.items()}
        origin, *others = packed.values()
        spread = np.stack([other - origin for other in others[:2]], axis=1)
        if np.linalg.matrix_rank(spread) < 2:
            raise ValueError("points must not lie on a line")
        frame = np.linalg.qr(spread)[0]
        names = packed
    coordinates = (ways - origin) @ frame
    seen = coordinates[np.isfinite(coordinates).all(axis=2)]
    share = np.sum(seen**2) / max(float(np.nansum((ways - origin) ** 2)), 1e-300)
    corners = np.vstack([seen, *[((x - origin) @ frame)[None] for x in names.values()]])
    low, high = corners.min(axis=0), corners.max(axis=0)
    margin = 0.12 * np.maximum(high - low, 1e-3 * max(float(np.abs(corners).max()), 1e-300))
    s, t = (np.linspace(a - m, b + m, 121) for a, b, m in zip(low, high, margin, strict=True))

    def blocks(x: FloatArray) -> Layers:
        found: Layers = land.unpack(x)
        return found

    surface = slice_of(land, blocks(origin), blocks(np.ascontiguousarray(frame[:, 0])),
                       blocks(np.ascontiguousarray(frame[:, 1])), s=s, t=t)  # fmt: skip
    figure, ax = plotting._axes(ax, 7.0, 5.4)
    values = surface.values - float(np.min(surface.values))
    filled = ax.contourf(s, t, np.sqrt(values.T), levels=24, cmap=plotting._COLOURS)
    bar = figure.colorbar(filled, ax=ax)
    bar.set_label(f"square root of the {'value' if value_label is None else value_label}\nabove the lowest shown")
    for index, way in enumerate(coordinates):
        ax.plot(*way.T, color=plotting.ORANGE, linewidth=1.2, label="ways, projected" if index == 0 else None)
    ax.scatter(
        coordinates[:, 0, 0], coordinates[:, 0, 1], s=16, color="white", edgecolor="black", zorder=3, label="starts"
    )
    ends = np.array([way[np.isfinite(way).all(axis=1)][-1] for way in coordinates])
    ax.scatter(ends[:, 0], ends[:, 1], s=70, marker="*", color="white", edgecolor="black", zorder=4, label="ends")
    for (name, x), marker in zip(names.items(), "sDX^vP<>", strict=False):
        across, up = (x - origin) @ frame
        ax.scatter([across], [up], s=60, marker=marker, color="white", edgecolor="black", zorder=5, label=name)
    ax.set_xlabel("first direction")
    ax.set_ylabel("second direction")
    ax.set_title(f"The plane holds {100.0 * share:.3g} % of the squared length of the ways")
    plotting._legend_below(ax, columns=3, offset=-0.13)
    return figure, ax


def plot_density(
    densities: Any, *, floor: float = 1e-6, value_label: str = "eigenvalue of the Hessian", ax: Axes | None = None
) -> tuple[Figure, Axes]:
    """The spectral density of the Hessian, with its confidence band, on a logarithmic axis.

    Args:
        densities: A :class:`~landscape_cpp.curvature.SpectralDensity`, or up to four named ones (a mapping).
        floor: The lowest density shown, relative to the highest, positive.
        value_label: What the eigenvalues are, with their units.
        ax: Axes to draw into; None makes a figure.

    Returns:
        The figure and the axes.

    Raises:
        TypeError: For what is no spectral density.
    """
    from . import plotting

    named = plotting._named(densities, 4) if isinstance(densities, Mapping) else {"": densities}
    for item in named.values():
        if not isinstance(item, SpectralDensity):
            raise TypeError(f"densities must be SpectralDensity, got {type(item).__name__}")
    level = check.as_float("floor", floor, positive=True)
    figure, ax = plotting._axes(ax, 7.0, 4.2)
    top = max(float(item.density.max()) for item in named.values())
    colours = (plotting.BLUE, plotting.VERMILLION, plotting.GREEN, plotting.PURPLE)
    for (name, item), colour in zip(named.items(), colours, strict=False):
        lowest = level * top
        ax.fill_between(item.grid, np.maximum(item.lower, lowest), np.maximum(item.upper, lowest), color=colour,
                        alpha=0.25, linewidth=0)  # fmt: skip
        label = f"{name}{': ' if name else ''}{100 * item.confidence:.0f} % band, {item.products} products"
        ax.plot(item.grid, np.maximum(item.density, lowest), color=colour, linewidth=1.5, label=label)
    ax.axvline(0.0, color=plotting.GREY, linewidth=0.8)
    ax.set_yscale("log")
    ax.set_ylim(level * top, 2.0 * top)
    ax.set_xlabel(value_label)
    ax.set_ylabel("density")
    ax.set_title("Spectral density")
    plotting._legend_below(ax, columns=2)
    return figure, ax


def plot_race(race: Any, *, ax: Axes | None = None) -> tuple[Figure, Axes]:
    """The share of runs that reach the global minimum, by distance of the start from the saddle.

    Args:
        race: A :class:`~landscape_cpp.experiments.Race`.
        ax: Axes to draw into; None makes a figure.

    Returns:
        The figure and the axes.

    Raises:
        TypeError: For what is no race.
    """
    from . import plotting

    if not isinstance(race, Race):
        raise TypeError(f"race must be a Race, got {type(race).__name__}")
    figure, ax = plotting._axes(ax, 7.4, 4.8)
    methods = list(dict.fromkeys(entry.method for entry in race.entries))
    distances = sorted({entry.distance for entry in race.entries})
    table = np.full((len(methods), len(distances)), np.nan)
    for entry in race.entries:
        table[methods.index(entry.method), distances.index(entry.distance)] = 100.0 * entry.rate
    image = ax.imshow(table, cmap=plotting._COLOURS, vmin=0.0, vmax=100.0, aspect="auto")
    for (row, column), rate in np.ndenumerate(table):
        if np.isfinite(rate):
            ax.text(column, row, f"{rate:.0f}", ha="center", va="center", color="white" if rate < 60.0 else "black",
                    fontsize="small")  # fmt: skip
    ax.set_xticks(range(len(distances)), [f"{d:.0e}" for d in distances])
    ax.set_yticks(range(len(methods)), methods)
    ax.set_xlabel("distance of the start from the saddle")
    ax.set_title(f"Runs that reach the minimum: {race.n_saddles} saddles, {race.n_seeds} starts around each")
    figure.colorbar(image, ax=ax).set_label("%")
    return figure, ax
