"""The deep chapter of ``landscape tour``: gradient descent from small weights walks down the ladder, rung by rung."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from . import _pictures
from ._flow import BalancedFlow
from ._format import index_runs, kind_words
from ._stops import Stop, stop
from ._validation import FloatArray
from .deep import DeepLinear
from .risk import Covariances
from .training import TrainingResult, train

__all__ = ["Walk", "the_deep_descent", "walk", "whitened"]

HIDDEN = (16, 16)
START = 0.001  # singular values of every layer at the start
RATE = 0.2
RANDOM_STARTS = 12
_BEYOND = 1.6  # times the last predicted arrival


@dataclass(frozen=True)
class Walk:
    """Small-initialisation gradient descent on the ladder.

    Attributes:
        net: The landscape, on white inputs.
        flow: The exact gradient flow from the aligned start, at the recorded steps.
        aligned: The run from that start, by gradient descent.
        random: Runs from random balanced starts of the same size.
        plateaus: Lowest critical value of rank 0, 1, ..., ρ.
    """

    net: DeepLinear
    flow: BalancedFlow
    aligned: TrainingResult
    random: TrainingResult
    plateaus: FloatArray


def whitened(X: FloatArray) -> FloatArray:
    """Inputs with second moment I: coordinates in the singular vectors, constant directions left out."""
    left, singular, _ = np.linalg.svd(X, full_matrices=False)
    kept = singular > 1e-10 * singular[0]
    return np.asarray(left[:, kept] * np.sqrt(len(X)))


def walk(X: FloatArray, Y: FloatArray, n_threads: int | None = None) -> Walk:
    """Train from small balanced weights until the last mode has arrived.

    Args:
        X: Inputs, (m, n0).
        Y: Targets, (m, nL).
        n_threads: Threads; None is all of them.
    """
    net = DeepLinear(Covariances.from_data(whitened(X), Y, n_threads=n_threads), HIDDEN)
    arrivals = net.balanced_flow(START, [0.0]).half_times
    steps = int(np.ceil(_BEYOND * arrivals.max() / RATE))
    settings: dict[str, Any] = {
        "steps": steps,
        "learning_rate": RATE,
        "tol": 0.0,
        "record": max(1, steps // 1500),
        "observe": ("singular_values",),
        "n_threads": n_threads,
    }
    aligned = train(net, net.balanced_start(START), **settings)
    random = train(net, RANDOM_STARTS, init="balanced", scale=START, seed=0, **settings)
    flow = net.balanced_flow(START, RATE * aligned.trace.steps)
    spectrum = net.cov.spectrum()
    modes = spectrum.eigenvalues[: net.rank_bound]
    plateaus = net.minimum_value + np.append(np.cumsum(modes[::-1])[::-1], 0.0)
    return Walk(net, flow, aligned, random, plateaus)


def the_deep_descent(folder: Path, X: FloatArray, Y: FloatArray, plots: Any, n_threads: int | None) -> Stop:
    """The stop: one picture, and a table of plateaus and times.

    Args:
        folder: Where the picture goes.
        X: Inputs, (m, n0).
        Y: Targets, (m, nL).
        plots: The module ``landscape_cpp.plotting``.
        n_threads: Threads; None is all of them.
    """
    taken = walk(X, Y, n_threads)
    net, trace = taken.net, taken.aligned.trace
    figure = _pictures.blank(7.4, 5.2)
    plots.plot_training(
        taken.random, also={"a start aligned with the data": taken.aligned}, flow=taken.flow, ax=figure.subplots()
    )
    caption = (
        "Value after every step of gradient descent from small weights. Dotted: critical values, one for each rank. "
        "Ticks: times at which the modes of the aligned start arrive, from the closed form."
    )
    picture = _pictures.save(figure, folder / "7-ladder-walk.png", caption)

    rows = [("rank", "critical value", "kind of saddle", "value halfway to the next", "arrives at step", "predicted")]
    singular = trace.singular_values
    assert singular is not None
    predicted = taken.flow.half_times / RATE
    arrived = [
        int(trace.steps[np.argmax(singular[0, :, mode] >= 0.5 * target)])
        for mode, target in enumerate(taken.flow.targets)
    ]
    for rank, value in enumerate(taken.plateaus):
        found = net.classify(net.critical_point(range(rank)))
        before = predicted[rank - 1] if rank else 0.0
        after = predicted[rank] if rank < len(predicted) else trace.steps[-1]
        between = taken.aligned.trace.values[0, np.searchsorted(trace.steps, 0.5 * (before + after))]
        rows.append(
            (
                index_runs(range(rank)) or "none",
                f"{value:.4f}",
                kind_words(found.kind),  # type: ignore[union-attr]
                f"{between:.4f}",
                str(arrived[rank - 1]) if rank else "-",
                f"{before:.0f}" if rank else "-",
            )
        )
    rows[0] = ("eigenvectors in use", *rows[0][1:])
    text = f"""
    Two hidden layers of {HIDDEN[0]} units, the same digits with whitened inputs, and a start with small weights:
    near zero, where the deep landscape has a saddle without any negative curvature. Gradient descent leaves it all the
    same, waits near the saddle of rank 1, then near that of rank 2, and so on down the ladder. From outside each
    plateau looks like convergence.

    From balanced weights aligned with the data the flow is solvable (Saxe, McClelland & Ganguli 2014): the table
    compares the heights of the plateaus with the critical values, and the steps at which the modes arrive with the
    closed form. The {RANDOM_STARTS} random starts of the same size go down the same rungs, later.
    """
    code = """
    ls.train(net, 12, init="balanced", scale=0.001, learning_rate=0.2, tol=0, steps=20_000, record=10)
    """
    return stop("Deeper networks: down the ladder", text, tuple(rows), (picture,), code)
