"""The pictures that the command line writes, drawn without pyplot: no window, no global state."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._datasets import DataError
from ._format import index_runs, kind_words
from .deep import DeepLinear
from .linear import ShallowLinear
from .results import CriticalPoint, DeepCriticalPoint

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Picture", "analysis_pictures", "blank", "make_folder", "plotting", "save"]

_DENSE_UP_TO = 2000  # parameters: all eigenvalues of the Hessian take a few seconds
_EXTREME = 40  # eigenvalues shown beyond


@dataclass(frozen=True)
class Picture:
    """A file and what it shows.

    Attributes:
        path: The PNG file.
        caption: One sentence.
        width: In CSS pixels, of which it has 1.5 dots each.
        height: Likewise.
    """

    path: Path
    caption: str
    width: int
    height: int


def plotting() -> Any:
    """The module ``landscape_cpp.plotting``, or a :class:`DataError` that says what to install."""
    try:
        from . import plotting as module
    except ImportError:
        raise DataError('pictures need matplotlib: python -m pip install "landscape-cpp[cli]"') from None
    return module


def make_folder(path: Path) -> Path:
    """Make the folder for pictures; refuse what is a file."""
    if path.exists() and not path.is_dir():
        raise DataError(f"{path} is a file, not a folder")
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"cannot make the folder {path}: {error.strerror}") from error
    return path


def blank(width: float, height: float) -> Figure:
    """An empty figure of this size in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def save(figure: Figure, path: Path, caption: str) -> Picture:
    """Write a figure as PNG."""
    try:
        figure.savefig(path, dpi=144)
    except OSError as error:
        raise DataError(f"cannot write {path}: {error.strerror}") from error
    width, height = figure.get_size_inches()
    return Picture(path, caption, round(96 * width), round(96 * height))


def analysis_pictures(
    net: ShallowLinear | DeepLinear,
    folder: Path,
    weights: Mapping[str, Any],
    *,
    max_count: int,
    show: Callable[[str], None] = lambda _: None,
) -> list[Picture]:
    """The ladder, the plane through the minimum and two saddles, and the Hessian spectrum, written into a folder.

    Args:
        net: The landscape.
        folder: An existing folder.
        weights: Named points to show on the ladder and in the spectrum: none or one.
        max_count: Rungs of the ladder.
        show: Called with a line about what is left out.

    Returns:
        The pictures written.
    """
    plots = plotting()
    pictures = []

    def draw(name: str, size: tuple[float, float], caption: str, plot: Callable[[Any], Any]) -> None:
        figure = blank(*size)
        plot(figure.subplots())
        pictures.append(save(figure, folder / f"{name}.png", caption))

    draw(
        "ladder",
        (7.4, 4.4),
        "The lowest critical values: where an optimiser can stop, and how many directions lead down from there.",
        lambda ax: plots.plot_ladder(net, max_count=max_count, points=weights or None, ax=ax),
    )
    if net.cov.spectrum().rank > 0:
        draw(
            "slice",
            (6.6, 6.4),
            "The landscape on the plane through a global minimum and two critical points beside it.",
            lambda ax: plots.plot_slice(net, ax=ax),
        )
    else:
        show("slice: left out, inputs and targets are uncorrelated and there is no saddle")
    points = {"global minimum": net.global_minimum(), **_lowest_saddle(net), **weights}
    k = None if net.size <= _DENSE_UP_TO else _EXTREME
    draw(
        "spectrum",
        (7.0, 4.8),
        "Eigenvalues of the Hessian: negative ones lead down, zeros are flat.",
        lambda ax: plots.plot_spectrum(net, points, k=k, ax=ax),
    )
    return pictures


def _lowest_saddle(net: ShallowLinear | DeepLinear) -> dict[str, Any]:
    """The critical point of the second rung, by name."""
    rungs = net.critical_values(max_count=2)
    if len(rungs) < 2:
        return {}
    point = net.critical_point(rungs[1].indices)
    found = net.classify(point)
    assert isinstance(found, (CriticalPoint, DeepCriticalPoint))
    return {f"{kind_words(found.kind)} {{{index_runs(rungs[1].indices)}}}": point}
