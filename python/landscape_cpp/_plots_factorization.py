"""Pictures of factorisations: both bounds against time, singular values of the residual against λ, width over rounds.

Public as ``landscape_cpp.plotting.plot_gap`` and so on, with the conventions of that module.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse

from . import _validation as check
from ._factorization_results import Solution
from ._validation import FloatArray
from .factorization import MatrixFactorization

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_completion", "plot_gap", "plot_residual_spectrum", "plot_width"]

_MOST = 4  # curves in one picture, as many as there are colours
_LARGEST_DENSE = 3000  # rows or columns: the limit of all singular values
_STEPS = 12  # of the block method, each a product with E and one with Eᵀ
_ROUNDING = 2.0**-52


def _style() -> tuple[tuple[str, str], ...]:
    """Colour and marker of every curve."""
    from . import plotting

    colours = (plotting.BLUE, plotting.VERMILLION, plotting.GREEN, plotting.PURPLE)
    return tuple(zip(colours, ("o", "x", "s", "+"), strict=True))


def _solutions(solution: Any) -> dict[str, Solution]:
    named = solution if isinstance(solution, Mapping) else {"": solution}
    if not named or not all(isinstance(item, Solution) for item in named.values()):
        wrong = next((item for item in named.values() if not isinstance(item, Solution)), named)
        raise TypeError(f"solution must be a Solution, or map names to Solutions, got {type(wrong).__name__}")
    if len(named) > _MOST:
        raise ValueError(f"solution must be at most {_MOST} solutions, got {len(named)}")
    return {str(name): item for name, item in named.items()}


# --- the gap ----------------------------------------------------------------------------------------------------------


def plot_gap(solution: Any, *, ax: Axes | None = None) -> tuple[Figure, Axes]:
    """Both bounds of the minimum against time, as distances on a logarithmic scale.

    The objective of every round above the best lower bound (solid), and the best lower bound of every round below the
    best objective (dashed); the minimum lies between, so each line bounds how far its side is from it. A star is the
    gap of the certificate. Solvers compute a lower bound only where they expect it to prove something, so the dashed
    line may begin late; before that nothing is known from below.

    Args:
        solution: A :class:`~landscape_cpp.Solution`, or up to four named ones (a mapping). Solutions of the same
            problem share the best bounds of all of them.
        ax: Axes to draw into; None makes a figure.

    Returns:
        The figure and the axes.

    Raises:
        TypeError: For what is no solution.
        ValueError: For more than four solutions.

    References:
        THEORY 6: value - lower bound ≥ value - minimum ≥ 0.
    """
    from . import plotting

    named = _solutions(solution)
    figure, ax = plotting._axes(ax, 7.0, 4.8)
    problems = [item.certificate.data_fingerprint for item in named.values()]
    for (name, item), problem, (colour, marker) in zip(named.items(), problems, _style(), strict=False):
        same = [other for other, theirs in zip(named.values(), problems, strict=True) if theirs == problem]
        histories = [_history(other) for other in same]
        value = min(float(values.min()) for _, values, _ in histories)
        lower = max(float(np.nanmax(bounds)) for _, _, bounds in histories)
        unit = abs(value) or 1.0
        seconds, values, bounds = _history(item)
        prefix = f"{name}: " if name else ""
        above, below = (np.maximum(gap / unit, _ROUNDING) for gap in (values - lower, value - bounds))
        ours: dict[str, Any] = {"marker": marker, "markersize": 4}
        ax.plot(seconds, above, color=colour, label=f"{prefix}objective - best lower bound", **ours)
        other = colour if name else plotting.VERMILLION
        label = f"{prefix}best objective - lower bound"
        ax.plot(seconds, below, color=other, linestyle="--", markerfacecolor="none", label=label, **ours)
        gap = max(item.certificate.gap / unit, _ROUNDING)
        label = f"{prefix}gap of the certificate, {item.certificate.relative_gap:.1e} of the value"
        edge = colour if name else "black"
        ax.scatter(seconds[-1], gap, s=130, marker="*", color="white", edgecolor=edge, zorder=4, label=label)
    ax.set_yscale("log")
    ax.set_xlabel("seconds")
    ax.set_ylabel("distance, relative to the best objective")
    ax.set_title("The minimum from above and from below")
    plotting._legend_below(ax, columns=1)
    return figure, ax


def _history(solution: Solution) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Times, objective and best lower bound (NaN before there is one); the certificate is the last of them."""
    trace, certificate = solution.trace, solution.certificate
    known = np.isfinite(trace.lower_bound) & (np.isfinite(trace.polar_upper) | (trace.lower_bound > 0.0))
    bounds = np.append(np.where(known, trace.lower_bound, np.nan), certificate.lower_bound)
    return (
        np.append(trace.seconds, max(solution.seconds, float(trace.seconds.max(initial=0.0)))),
        np.append(trace.value, certificate.value),
        np.fmax.accumulate(bounds),
    )


# --- the residual -----------------------------------------------------------------------------------------------------


def plot_residual_spectrum(
    land: Any, points: Any, *, k: int | None = None, ax: Axes | None = None
) -> tuple[Figure, Axes]:
    """The singular values of the residual at one or several points, in descending order, and λ.

    The residual is E = -G, minus the slopes of the losses (with data X, Gᵀ X). At a stationary point E V = λ U: every
    unit in use has the singular value λ. At the global minimum no other lies above it; each that does is a unit that
    lowers the objective when it is added (Corollary 1.6).

    Args:
        land: A :class:`~landscape_cpp.MatrixFactorization`.
        points: A single point (U, V), or up to four named points (a mapping).
        k: How many of the largest (a block method, from below); None is all of them, up to 3,000 rows or columns.
        ax: Axes to draw into; None makes a figure.

    Returns:
        The figure and the axes.

    Raises:
        TypeError: For what is no factorisation.
        ValueError: For points of wrong shape, or more than 3,000 rows and columns without ``k``.

    References:
        THEORY 4, stationarity and Corollary 1.6.
    """
    from . import plotting

    if not isinstance(land, MatrixFactorization):
        raise TypeError(f"land must be a MatrixFactorization, got {type(land).__name__}")
    total = min(land.n_outputs, land.n_inputs)
    count = total if k is None else min(total, check.as_int("k", k, minimum=1))
    if k is None and total > _LARGEST_DENSE:
        raise ValueError(f"give k: all {total} singular values are refused above {_LARGEST_DENSE} rows and columns")
    named = plotting._named(points, _MOST) if isinstance(points, Mapping) else {"": points}
    spectra = {}
    for name, point in named.items():
        u, v = land._single(point, name or "p")
        problem = land._problem
        residual = problem.matrix(-problem.slopes(problem.prediction((u, v))[0]))
        spectra[name] = _singular_values(residual, count, v), u.shape[1]
    figure, ax = plotting._axes(ax, 7.0, 4.8)

    lam = land.lam
    for (name, (values, width)), (colour, marker) in zip(spectra.items(), _style(), strict=False):
        above, at = int((values > lam * (1.0 + 1e-3)).sum()), int((np.abs(values - lam) <= 1e-3 * lam).sum())
        label = f"{name + ': ' if name else ''}width {width}; {above} above λ, {at} at λ (to 0.1 %)"
        position = np.arange(1, len(values) + 1)
        ax.plot(position, values, marker, color=colour, markersize=4, markerfacecolor="none", label=label)
    ax.axhline(lam, color=plotting.GREY, linestyle="--", linewidth=1.4, zorder=1, label=f"λ = {lam:g}")
    top = max(float(values[0]) for values, _ in spectra.values())
    if top > 5.0 * lam:
        ax.set_yscale("log")
        lowest = min(float(values[values > 0.0].min(initial=lam)) for values, _ in spectra.values())
        ax.set_ylim(bottom=0.7 * max(lowest, 1e-2 * lam))
    else:
        ax.set_ylim(0.0, 1.12 * max(top, lam))
    which = "all" if count == total else f"the largest {count} of"
    ax.set_xlabel(f"number, descending ({which} {total:,})")
    ax.set_ylabel("singular value of the residual")
    ax.locator_params(axis="x", integer=True)
    ax.set_title("The residual against λ")
    plotting._legend_below(ax, columns=1)
    return figure, ax


def _singular_values(matrix: Any, count: int, start: FloatArray) -> FloatArray:
    """The largest ``count``, descending; all of them where that is affordable."""
    small = min(matrix.shape)
    if small > _LARGEST_DENSE:
        return _leading(matrix, count, start)
    if scipy.sparse.issparse(matrix) and max(matrix.shape) > 4 * _LARGEST_DENSE:
        wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
        squares = np.linalg.eigvalsh(np.asarray((wide @ wide.T).todense()))[::-1]
        return np.asarray(np.sqrt(np.maximum(squares[:count], 0.0)))
    dense = matrix.toarray() if scipy.sparse.issparse(matrix) else np.asarray(matrix)
    return np.asarray(np.linalg.svd(dense, compute_uv=False)[:count])


def _leading(matrix: Any, count: int, start: FloatArray) -> FloatArray:
    """Ritz values of a block iteration from the units in use and random columns: no cluster is too narrow for it."""
    wanted = min(min(matrix.shape), count + 10)
    fresh = np.random.default_rng(0).standard_normal((matrix.shape[1], max(wanted - start.shape[1], 10)))
    basis = np.linalg.qr(np.hstack([start, fresh]))[0]
    for _ in range(_STEPS):
        basis = np.linalg.qr(matrix.T @ (matrix @ basis))[0]
    return np.asarray(np.linalg.svd(matrix @ basis, compute_uv=False)[:count])


# --- the matrix -------------------------------------------------------------------------------------------------------


def plot_completion(land: Any, p: Any, *, value_label: str = "value", ax: Axes | None = None) -> tuple[Figure, Axes]:
    """What is observed of Y beside U Vᵀ, as pictures with one colour scale; white is not observed.

    Args:
        land: A :class:`MatrixFactorization` without data X.
        p: A single point (U, V).
        value_label: What the entries are, with their units.
        ax: Axes to draw into, split in two; None makes a figure.

    Returns:
        The figure and the axes of the left picture; the right one is the next in ``figure.axes``.

    Raises:
        TypeError: For what is no factorisation, or no point of it.
        ValueError: For problems with data X.
    """
    from . import plotting

    if not isinstance(land, MatrixFactorization):
        raise TypeError(f"land must be a MatrixFactorization, got {type(land).__name__}")
    if land.X is not None:
        raise ValueError("land must have no data X: there the matrix is one of coefficients, not of entries")
    completed = land.predict(p)
    data = land._data
    observed = np.full(data.shape, np.nan)
    observed[data.rows, data.columns] = data.targets
    figure, left = plotting._axes(ax, 8.4, 4.6)
    box = left.get_subplotspec()
    if box is None:
        right = left.inset_axes((1.08, 0.0, 1.0, 1.0))
    else:
        grid = box.subgridspec(1, 2, wspace=0.08)
        left.set_subplotspec(grid[0])
        right = figure.add_subplot(grid[1])
    seen = data.targets if len(data.targets) else np.zeros(1)
    low, high = float(min(seen.min(), completed.min())), float(max(seen.max(), completed.max()))
    for axes, picture, title in ((left, observed, f"{land.n_observed:,} observed"), (right, completed, "completed")):
        image = axes.imshow(picture, cmap="cividis", vmin=low, vmax=high, aspect="auto", interpolation="nearest")
        axes.set_title(title)
        axes.set_xlabel("column")
    left.set_ylabel("row")
    right.set_yticks([])
    figure.colorbar(image, ax=[left, right], label=value_label)
    return figure, left


# --- the width --------------------------------------------------------------------------------------------------------


def plot_width(solution: Any, *, ax: Axes | None = None) -> tuple[Figure, Axes]:
    """The width of the factors after every round of the solver: units are inserted and pruned until the rank is found.

    Args:
        solution: A :class:`~landscape_cpp.Solution`, or up to four named ones (a mapping).
        ax: Axes to draw into; None makes a figure.

    Returns:
        The figure and the axes.

    Raises:
        TypeError: For what is no solution.
        ValueError: For more than four solutions.

    References:
        THEORY 4, the meta-algorithm.
    """
    from . import plotting

    named = _solutions(solution)
    figure, ax = plotting._axes(ax, 7.0, 4.2)
    for (name, item), (colour, marker) in zip(named.items(), _style(), strict=False):
        rounds = np.arange(len(item.trace))
        label = f"{name or 'columns of U and V'} (ends at rank {item.rank})"
        ax.step(rounds, item.trace.width, where="post", color=colour, marker=marker, markersize=5, label=label)
        ax.axhline(item.rank, color=colour, linestyle=":", linewidth=1.0, zorder=1)
    ax.set_ylim(bottom=0)
    ax.locator_params(integer=True)
    ax.set_xlabel("round")
    ax.set_ylabel("width")
    ax.set_title("The rank is found on the way")
    plotting._legend_below(ax, columns=1)
    return figure, ax
