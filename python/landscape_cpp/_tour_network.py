"""The last chapter of ``landscape tour``: a ReLU network grown to its certified optimum, and the path down to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from . import _pictures
from ._stops import Stop, stop
from ._verify import verify
from .homogeneous import ParallelNetwork

__all__ = ["the_certified_network"]

LAM = 0.1
TOL = 1e-6  # relative gap to prove
_SAMPLES, _NOISE, _WIDTH = 200, 0.2, 30


def the_certified_network(folder: Path, plots: Any, n_threads: int | None, first: int = 12) -> Stop:
    """The stop: decision surface with the units' kinks, the gap against time, the non-increasing path.

    Args:
        folder: Where the pictures go.
        plots: The module ``landscape_cpp.plotting``.
        n_threads: Threads; None is all of them.
        first: Number of the first picture.
    """
    from sklearn.datasets import make_moons

    X, y = make_moons(_SAMPLES, noise=_NOISE, random_state=0)
    land = ParallelNetwork(X, y, LAM, loss="logistic", bias=True, intercept=True)
    solution = land.solve(TOL, n_threads=n_threads)
    check = verify(solution.certificate, land, solution.point)
    rng = np.random.default_rng(0)
    start = tuple(rng.standard_normal(shape) for shape in land.shapes(_WIDTH))
    path = land.descent_path(start, solution, n_threads=n_threads)
    found = path.verify(201)

    figure = _pictures.blank(6.0, 5.0)
    plots.plot_decision(land, solution.point, ax=figure.subplots())
    caption = "Two moons: the network's output, the samples, and the line on which each unit switches."
    surface = _pictures.save(figure, folder / f"{first}-moons.png", caption)
    figure = _pictures.blank(7.0, 4.2)
    plots.plot_solution(solution, ax=figure.subplots())
    caption = "Objective and proved lower bound against time; the numbers at the top are the units."
    gap = _pictures.save(figure, folder / f"{first + 1}-network-gap.png", caption)
    figure = _pictures.blank(7.5, 4.0)
    path.plot(ax=figure.subplots())
    caption = f"The objective on the way from {_WIDTH} random units to the certified network."
    way = _pictures.save(figure, folder / f"{first + 2}-path.png", caption)

    certificate = solution.certificate
    proved = "and landscape_cpp.verify confirms it in plain NumPy" if check.valid else "which verify did not confirm"
    right = float(np.mean((land.predict(solution.point)[:, 0] > 0.0) == (y == 1)))
    rows = [
        ("", "value"),
        ("samples", f"{_SAMPLES}"),
        ("units of the certified network", f"{solution.width}"),
        ("objective", f"{solution.value:.6f}"),
        ("proved lower bound over all widths", f"{certificate.lower_bound:.6f}"),
        ("samples on the right side", f"{right:.1%}"),
        ("segments of the path", f"{len(path)}"),
        ("largest increase of the objective on it", f"{max(found.largest_increase, 0.0):.1e}"),
    ]
    text = f"""
    A ReLU network with weight decay is not convex in its weights, but its minimum over all weights of all widths is
    that of a convex problem (Theorem 1.10). The solver starts with no unit at all and adds those that the polar finds
    missing; after {1e3 * solution.seconds:.0f} ms it has {solution.width} units and proves that no network of any width
    is better by more than {certificate.relative_gap:.0e} of the objective, {proved}.

    From any other weights there is a way down to it on which the objective never rises: local descent, slides along
    plateaus that leave the outputs alone, new units, and a last straight blend. Here it starts from {_WIDTH} random
    units.
    """
    code = f"""
    nn = ls.ParallelNetwork(X, y, lam={LAM}, loss="logistic", bias=True, intercept=True)
    solution = nn.solve(tol={TOL:g})
    path = nn.descent_path(start, solution)
    path.verify()
    """
    return stop("A ReLU network, certified", text, tuple(rows), (surface, gap, way), code)
