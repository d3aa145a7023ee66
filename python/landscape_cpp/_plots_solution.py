"""Pictures of solved networks: value against bound, what was learnt in the plane, the way down.

Public as ``landscape_cpp.plotting.plot_solution`` and ``plot_decision``, with the conventions of that module.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from . import _validation as check
from ._factorization_results import Solution
from .homogeneous import ParallelNetwork

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_decision", "plot_network_path", "plot_solution"]


def plot_solution(solution: Any, *, ax: Axes | None = None) -> tuple[Figure, Axes]:
    """The objective and the proved lower bound against time, and the width of the network.

    Args:
        solution: A :class:`Solution`.
        ax: Axes to draw into; None makes a figure.

    Returns:
        The figure and the axes.

    Raises:
        TypeError: For what is no solution.
    """
    from . import plotting

    if not isinstance(solution, Solution):
        raise TypeError(f"solution must be a Solution, got {type(solution).__name__}")
    figure, ax = plotting._axes(ax, 7.0, 3.8)
    trace = solution.trace
    milliseconds = 1e3 * trace.seconds
    best = float(trace.lower_bound[-1])
    scale = max(abs(solution.value), 1e-300)
    floor = max(solution.certificate.relative_gap, 1e-16)
    ax.semilogy(milliseconds, np.maximum((trace.value - best) / scale, floor), ".-", color=plotting.BLUE,
                label="objective above the bound proved at the end")  # fmt: skip
    ax.semilogy(milliseconds, np.maximum((solution.value - trace.lower_bound) / scale, floor), ".-",
                color=plotting.VERMILLION, label="bound below the objective reached")  # fmt: skip
    for x, width in zip(milliseconds[:: max(1, len(trace) // 8)], trace.width[:: max(1, len(trace) // 8)], strict=True):
        ax.annotate(str(width), (x, 1.0), xycoords=("data", "axes fraction"), xytext=(0, -10),
                    textcoords="offset points", ha="center", fontsize=8, color=plotting.GREY)  # fmt: skip
    ax.set_xlabel("milliseconds (numbers at the top: units)")
    ax.set_ylabel("relative to the objective")
    ax.set_title(f"Relative gap {solution.certificate.relative_gap:.1e} proved, width {solution.width}")
    ax.legend(frameon=False, fontsize=8)
    return figure, ax


def plot_decision(
    nn: Any, p: Any, *, resolution: int = 200, output: int = 0, ax: Axes | None = None
) -> tuple[Figure, Axes]:
    """The prediction over the plane of two inputs, with the samples and the line x · v = 0 of every unit.

    Args:
        nn: A :class:`ParallelNetwork` with two inputs (besides a bias).
        p: A single point.
        resolution: Grid points along each axis.
        output: Which output, 0-based.
        ax: Axes to draw into; None makes a figure.

    Returns:
        The figure and the axes.

    Raises:
        TypeError: For what is no ParallelNetwork.
        ValueError: For another number of inputs, or an output that is not there.
    """
    from . import plotting

    if not isinstance(nn, ParallelNetwork):
        raise TypeError(f"nn must be a ParallelNetwork, got {type(nn).__name__}")
    if nn.hidden or nn.n_inputs - bool(nn.bias) != 2:
        raise ValueError("nn must have single units and two inputs besides a bias")
    steps = check.as_int("resolution", resolution, minimum=2)
    column = check.as_int("output", output, minimum=0)
    if column >= nn.n_outputs:
        raise ValueError(f"output must be below {nn.n_outputs}, got {column}")
    point = nn._single(p)
    figure, ax = plotting._axes(ax, 5.6, 4.8)
    x = nn.inputs[:, :2]
    low, high = x.min(axis=0), x.max(axis=0)
    margin = 0.12 * np.maximum(high - low, 1e-12)
    low, high = low - margin, high + margin
    axes = [np.linspace(low[k], high[k], steps) for k in (0, 1)]
    grid = np.stack([a.ravel() for a in np.meshgrid(*axes)], axis=1)
    z = nn.predict(point, grid)[:, column].reshape(steps, steps)
    labels = nn.classes is not None and nn.n_outputs == 1
    span = float(np.max(np.abs(z))) or 1.0
    low_colour, high_colour = (-span, span) if labels else (None, None)
    picture = ax.pcolormesh(
        *axes, z, cmap="RdBu_r" if labels else "viridis", shading="auto", alpha=0.75, vmin=low_colour, vmax=high_colour
    )
    if labels and z.min() < 0.0 < z.max():
        ax.contour(*axes, z, levels=[0.0], colors="black", linewidths=1.2)
    figure.colorbar(picture, ax=ax, label="output")
    ends = np.array([-1e3, 1e3]) * float(np.max(high - low))
    for v in point[1].T:
        normal, offset = v[:2], float(v[2]) if nn.bias else 0.0
        size = float(normal @ normal)
        if size == 0.0:
            continue
        foot, along = -offset * normal / size, np.array([-normal[1], normal[0]]) / np.sqrt(size)
        line = foot + ends[:, None] * along
        ax.plot(line[:, 0], line[:, 1], color=plotting.GREY, linewidth=0.8, alpha=0.8)
    target = nn.targets[:, column]
    ax.scatter(
        x[:, 0], x[:, 1], c=target, cmap="RdBu_r" if labels else "viridis", edgecolors="black", linewidths=0.4, s=16
    )
    ax.set_xlim(low[0], high[0])
    ax.set_ylim(low[1], high[1])
    ax.set_xlabel("first input")
    ax.set_ylabel("second input")
    ax.set_title(f"{nn._width(point)} units, lines where each switches")
    return figure, ax


def plot_network_path(path: Any, n: int, ax: Any) -> tuple[Any, Any]:
    """The objective along a :class:`NetworkPath`, coloured by what each segment does."""
    from . import plotting

    colours = {
        "rebalance": plotting.PURPLE,
        "descent": plotting.BLUE,
        "slide": plotting.GREEN,
        "insertion": plotting.ORANGE,
        "blend": plotting.VERMILLION,
    }
    figure, ax = plotting._axes(ax, 7.5, 3.8)
    positions, values = path.values(n)
    rows, columns = values.reshape(len(path), -1), positions.reshape(len(path), -1)
    seen: set[str] = set()
    for segment, t, row in zip(path.segments, columns, rows, strict=True):
        label = None if segment.kind in seen else segment.kind
        seen.add(segment.kind)
        ax.plot(t, row, color=colours[segment.kind], label=label, linewidth=2.0)
    if np.min(values) > 0.0:
        ax.set_yscale("log")
    ax.set_xlabel("segment")
    ax.set_ylabel("objective")
    ax.set_title("A path on which the objective never rises")
    ax.legend(frameon=False)
    return figure, ax
