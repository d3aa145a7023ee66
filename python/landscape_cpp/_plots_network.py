"""Pictures of the polar: how far every direction of a new unit would lower the objective.

Public as ``landscape_cpp.plotting.plot_polar``, with the conventions of that module.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from . import _validation as check
from ._network_reduction import reduce_samples
from ._validation import FloatArray
from .homogeneous import ParallelNetwork

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_polar"]

_KINKS = 60  # great circles drawn at most: the heaviest samples


def plot_polar(
    nn: Any, p: Any = None, *, Q: Any = None, resolution: int = 720, ax: Axes | None = None
) -> tuple[Figure, Axes]:
    """|Qᵀ act(X v)|₂ over the directions v of a unit, at Q = -∂L/∂Z of a point: where it exceeds λ, that unit helps.

    In two effective dimensions (n0 = 2, or n0 = 1 with a bias) a curve over the angle of v, with the kinks x_i · v = 0
    as ticks below; in three a map of the sphere (longitude and latitude) with the circles x_i · v = 0, in which λ is a
    contour. Dots are the directions of the units at hand, the star the largest value.

    Args:
        nn: A :class:`ParallelNetwork` of effective dimension 2 or 3 without free biases.
        p: A single point; or give ``Q``.
        Q: (m, nL), or (m,) for one output.
        resolution: Angles of the curve; the map has half as many by a quarter.
        ax: Axes to draw into; None makes a figure.

    Returns:
        The figure and the axes.

    Raises:
        TypeError: For what is no ParallelNetwork.
        ValueError: For another dimension.
    """
    from . import plotting

    if not isinstance(nn, ParallelNetwork):
        raise TypeError(f"nn must be a ParallelNetwork, got {type(nn).__name__}")
    if nn.hidden or nn.bias == "free":
        raise ValueError("nn must have single units, and penalised biases if any")
    steps = check.as_int("resolution", resolution, minimum=16)
    bounds = nn.polar(p, Q=Q)
    problem = nn._problem
    units = np.zeros((0, nn.n_inputs))
    if p is None:
        q = np.asarray(check.as_real("Q", Q), dtype=np.float64).reshape(nn.n_samples, -1)
    else:
        point = nn._single(p)
        q = -problem.slopes(problem.prediction(point)[0])
        alive = np.any(point[0] != 0.0, axis=0) & np.any(point[1] != 0.0, axis=0)
        units = point[1][:, alive].T
    basis = reduce_samples(nn.inputs, np.ones((nn.n_samples, 1)), merge=False).basis
    basis = np.eye(nn.n_inputs) if basis is None else basis
    dimension = basis.shape[1]
    if dimension not in (2, 3):
        raise ValueError(f"nn must have effective dimension 2 or 3, got {dimension}")

    def height(directions: FloatArray) -> FloatArray:
        """At directions (k, e) in the basis."""
        values = [
            np.linalg.norm(problem._act(part @ basis.T @ nn.inputs.T) @ q, axis=1)
            for part in np.array_split(directions, max(1, len(directions) * nn.n_samples // 2_000_000))
        ]
        return np.concatenate(values)

    figure, axes = plotting._axes(ax, 6.4, 4.2)
    samples = nn.inputs @ basis
    weight = np.linalg.norm(samples, axis=1) * np.linalg.norm(q, axis=1)
    heavy = np.argsort(-weight)[:_KINKS]
    heavy = heavy[np.linalg.norm(samples[heavy], axis=1) > 0.0]
    own = units @ basis
    own = own[np.linalg.norm(own, axis=1) > 0.0]
    own = own / np.linalg.norm(own, axis=1, keepdims=True)
    best = None if bounds.witness is None else bounds.witness[1] @ basis
    if dimension == 2:
        _curve(axes, plotting, height, samples[heavy], own, best, nn.lam, steps)
    else:
        _map(axes, plotting, height, samples[heavy], own, best, nn.lam, steps)
    axes.set_title(f"the polar is {bounds.lower:.4g}, λ is {nn.lam:.4g}")
    return figure, axes


def _curve(
    axes: Any, plotting: Any, height: Any, samples: FloatArray, own: FloatArray, best: FloatArray | None, lam: float,
    steps: int,
) -> None:  # fmt: skip
    kinks = np.concatenate([np.arctan2(samples[:, 1], samples[:, 0]) + side for side in (0.5 * np.pi, -0.5 * np.pi)])
    kinks = np.mod(kinks + np.pi, 2.0 * np.pi) - np.pi
    angles = np.sort(np.concatenate([np.linspace(-np.pi, np.pi, steps), kinks]))
    axes.plot(angles, height(np.stack([np.cos(angles), np.sin(angles)], axis=1)), color=plotting.BLUE, lw=1.6)
    axes.axhline(lam, color=plotting.VERMILLION, lw=1.2, ls="--", label="λ")
    axes.plot(kinks, np.zeros_like(kinks), "|", color=plotting.GREY, ms=9, label="kinks: a sample changes sides")
    if len(own):
        axes.plot(np.arctan2(own[:, 1], own[:, 0]), height(own), "o", color=plotting.GREEN, label="units at hand")
    if best is not None:
        axes.plot(
            np.arctan2(best[1], best[0]), height(best[None]), "*", color=plotting.ORANGE, ms=15, label="the largest"
        )
    axes.set_xlim(-np.pi, np.pi)
    axes.set_ylim(bottom=0.0)
    axes.set_xticks([-np.pi, -0.5 * np.pi, 0.0, 0.5 * np.pi, np.pi], ["-π", "-π/2", "0", "π/2", "π"])
    axes.set_xlabel("angle of the unit's input weights v")
    axes.set_ylabel("|Qᵀ act(X v)|")
    axes.legend(loc="best", frameon=False)


def _angles(directions: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Longitude and latitude in degrees."""
    longitude = np.degrees(np.arctan2(directions[:, 1], directions[:, 0]))
    return longitude, np.degrees(np.arcsin(np.clip(directions[:, 2], -1.0, 1.0)))


def _map(
    axes: Any, plotting: Any, height: Any, samples: FloatArray, own: FloatArray, best: FloatArray | None, lam: float,
    steps: int,
) -> None:  # fmt: skip
    longitude = np.linspace(-np.pi, np.pi, steps // 2 + 1)
    latitude = np.linspace(-0.5 * np.pi, 0.5 * np.pi, steps // 4 + 1)
    grid_x, grid_y = np.meshgrid(longitude, latitude)
    directions = np.stack([np.cos(grid_y) * np.cos(grid_x), np.cos(grid_y) * np.sin(grid_x), np.sin(grid_y)], axis=-1)
    values = height(directions.reshape(-1, 3)).reshape(grid_x.shape)
    x, y = np.degrees(longitude), np.degrees(latitude)
    drawn = axes.pcolormesh(x, y, values, shading="gouraud", cmap="viridis")
    axes.figure.colorbar(drawn, ax=axes, label="|Qᵀ act(X v)|")
    turn = np.linspace(0.0, 2.0 * np.pi, 181)
    for sample in samples:
        plane = np.linalg.svd(sample[None])[2][1:]
        around, up = _angles(np.cos(turn)[:, None] * plane[0] + np.sin(turn)[:, None] * plane[1])
        around[1:][np.abs(np.diff(around)) > 180.0] = np.nan  # where the map is cut open
        axes.plot(around, up, color="white", lw=0.5, alpha=0.5)
    if values.min() < lam < values.max():
        axes.contour(x, y, values, levels=[lam], colors=[plotting.VERMILLION], linewidths=1.5)
    if len(own):
        axes.plot(*_angles(own), "o", color=plotting.GREEN, mec="white", label="units at hand")
    if best is not None:
        axes.plot(*_angles(best[None]), "*", color=plotting.ORANGE, mec="black", ms=15, label="the largest")
    axes.set_xlim(-180.0, 180.0)
    axes.set_ylim(-90.0, 90.0)
    axes.set_xticks([-180, -90, 0, 90, 180])
    axes.set_yticks([-90, -45, 0, 45, 90])
    axes.set_xlabel("longitude of v (degrees)")
    axes.set_ylabel("latitude of v (degrees)")
    if len(own) or best is not None:
        axes.legend(loc="lower left", framealpha=0.8)
