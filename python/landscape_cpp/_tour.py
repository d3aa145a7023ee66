"""``landscape tour``: the linear landscapes of real data in ten stops, each with numbers and a picture.

The data are the 1,797 images of handwritten digits that come with scikit-learn. The tour trains a network from a bad
start, shows that the optimiser stops at saddles and reports success, and leaves each along its escape direction until
a certificate says GLOBAL.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.optimize

from . import _datasets, _pictures
from ._datasets import DataError
from ._format import index_runs, kind_words
from ._io import build_info
from ._stops import Stop, stop
from ._tour_completion import the_missing_pixels
from ._tour_deep import the_deep_descent
from ._tour_network import the_certified_network
from ._validation import FloatArray, Point
from .linear import ShallowLinear
from .results import Certificate, CriticalPoint, Verdict
from .risk import Covariances

__all__ = ["Descent", "Stop", "descend", "tour"]

TITLE = "A tour of the landscape of a linear network"
LEAD = (
    "An optimiser stops somewhere and does not say where. For a linear network with one hidden layer every place where "
    "it can stop is known, so each can be named, measured and left."
)
HIDDEN = 8
_TOL = 1e-6  # relative gradient at which the optimiser's stops count as critical
_SHOWN = (1, 4, 8, 16, 32)  # widths of the auto-encoders in the last picture


@dataclass(frozen=True)
class Descent:
    """A run of an optimiser that is helped out of the saddles it stops at.

    Attributes:
        values: The value after every iteration.
        stops: (iteration, point, what it is, certificate, the optimiser's own words) at every stop.
    """

    values: FloatArray
    stops: tuple[tuple[int, Point, CriticalPoint, Certificate, str], ...]


def descend(net: ShallowLinear, start: Point, *, most: int = 20) -> Descent:
    """SciPy's trust-ncg until it reports success, one ``escape`` step, and again, until a certificate says GLOBAL.

    Args:
        net: The landscape.
        start: Where to begin.
        most: Stops after which to give up.
    """
    values: list[float] = [float(net.value(start))]
    stops = []
    point = start

    for _ in range(most):
        done = scipy.optimize.minimize(
            lambda x: float(net.value(net.unpack(x))),
            net.pack(point),
            jac=lambda x: net.pack(net.gradient(net.unpack(x))),
            hessp=lambda x, d: net.pack(net.hvp(net.unpack(x), net.unpack(d))),
            method="trust-ncg",
            callback=lambda x: values.append(float(net.value(net.unpack(x)))),
            options={"gtol": 1e-9, "maxiter": 2000},
        )
        point = net.unpack(done.x)
        found, certificate = net.classify(point, tol=_TOL), net.certify(point)
        assert isinstance(found, CriticalPoint)
        assert isinstance(certificate, Certificate)
        stops.append((len(values) - 1, point, found, certificate, str(done.message)))
        if certificate.verdict == Verdict.GLOBAL:
            break
        point = net.escape(point, tol=_TOL)
        values.append(float(net.value(point)))
    return Descent(np.array(values), tuple(stops))


def tour(folder: Path, *, n_threads: int | None = None) -> Iterator[Stop]:
    """The stops, computed one after the other; pictures and files go to ``folder``.

    Args:
        folder: An existing folder.
        n_threads: Threads; None is all of them.
    """
    plots = _pictures.plotting()
    data = _datasets.load("digits")
    X, Y = np.asarray(data.X), data.Y
    assert Y is not None
    net = ShallowLinear(Covariances.from_data(X, Y, n_threads=n_threads), HIDDEN)
    yield _the_data(folder, X, Y, net)
    yield _the_widths(folder, net)
    yield _the_ladder(folder, net, plots)
    descent = descend(net, _equal_units(net))
    yield _the_descent(folder, net, descent)
    yield _the_view(folder, net, descent, plots)
    yield the_deep_descent(folder, X, Y, plots, n_threads)
    yield _the_rank(folder, X, Y, n_threads)
    yield _the_codes(folder, X, n_threads)
    yield the_missing_pixels(folder, plots, n_threads)
    yield the_certified_network(folder, plots, n_threads)


# --- the stops --------------------------------------------------------------------------------------------------------


def _the_data(folder: Path, X: FloatArray, Y: FloatArray, net: ShallowLinear) -> Stop:
    figure = _pictures.blank(7.0, 2.9)
    for i, ax in enumerate(figure.subplots(2, 8).flat):
        ax.imshow(X[i].reshape(8, 8), cmap="gray_r", vmin=0.0, vmax=16.0)
        ax.set_title(str(int(Y[i].argmax())), fontsize="small")
        ax.set_axis_off()
    picture = _pictures.save(
        figure,
        folder / "1-digits.png",
        "The first sixteen images with their labels; grey values from 0 (white) to 16 (black).",
    )
    text = f"""
    {len(X):,} images of handwritten digits, {X.shape[1]} grey values each (0 to 16), and {Y.shape[1]} targets: 1 for
    the digit shown, 0 for the others.

    The network: y ≈ U Vᵀ x with {net.n_hidden} hidden units, U ({net.n_outputs}, {net.n_hidden}) and V
    ({net.n_inputs}, {net.n_hidden}), {net.size} weights. What is minimised is the mean squared error, summed over the
    ten targets. As a function of Z = U Vᵀ it is a parabola; as a function of the weights it is not convex, and it has
    saddles.
    """
    return stop("The data and the network", text, pictures=(picture,))


def _the_widths(folder: Path, net: ShallowLinear) -> Stop:
    spectrum = net.cov.spectrum()
    widths = np.arange(spectrum.rank + 1)
    best = spectrum.minimum_risk + np.append(np.cumsum(spectrum.eigenvalues[: spectrum.rank][::-1])[::-1], 0.0)
    figure = _pictures.blank(7.0, 3.8)
    ax = figure.subplots()
    ax.plot(widths, best, marker="o", color="#0072B2", label="smallest value of this width")
    ax.axhline(spectrum.minimum_risk, color="#6E6E6E", linestyle="--", label="best linear map of any width")
    ax.set_xlabel("hidden units")
    ax.set_ylabel("mean squared error, summed over targets")
    ax.set_ylim(0.0, None)
    ax.legend(frameon=False)
    caption = "The global minimum of every width, in closed form."
    picture = _pictures.save(figure, folder / "2-widths.png", caption)
    text = f"""
    Without any weight the error is {spectrum.total:.4f}. The best linear map reaches {spectrum.minimum_risk:.4f}. In
    between, every hidden unit buys one eigenvalue of Σ = Syx Sxx⁺ Sxy: {net.n_hidden} units reach
    {net.minimum_value:.4f}, and {spectrum.rank} are as good as any number (Theorem B).

    So the global minimum is known before any training. The question is whether an optimiser gets there.
    """
    return stop("What a width can reach", text, pictures=(picture,))


def _the_ladder(folder: Path, net: ShallowLinear, plots: Any) -> Stop:
    figure = _pictures.blank(7.4, 4.6)
    plots.plot_ladder(net, ax=figure.subplots())
    caption = "The lowest critical values. The star is the global minimum; every cross is a strict saddle."
    picture = _pictures.save(figure, folder / "3-ladder.png", caption)
    rungs = net.critical_values(max_count=6)
    rows = [("value", "above the minimum", "index set", "kind", "directions down")]
    rows += [
        (f"{r.value:.6f}", f"{r.gap:.6f}", index_runs(r.indices), kind_words(r.kind), str(r.morse_index)) for r in rungs
    ]
    text = f"""
    A gradient can vanish at a minimum and at a saddle. Here all places where it does are known: a critical point uses
    some of the eigenvectors of Σ, at most one per hidden unit. The best choice is the global minimum, every other one
    a strict saddle (Theorem A).

    The lowest saddle lies only {rungs[1].gap:.4f} above the minimum. Of its {net.size} directions,
    {rungs[1].morse_index} leads down. That is why an optimiser can sit there and look converged.
    """
    return stop("Where an optimiser can stop", text, tuple(rows), (picture,))


def _equal_units(net: ShallowLinear) -> Point:
    """All hidden units alike, the classical bad start: they receive the same gradients and stay alike."""
    rng = np.random.default_rng(0)
    u = 0.01 * rng.standard_normal((net.n_outputs, 1)) @ np.ones((1, net.n_hidden))
    v = 0.001 * rng.standard_normal((net.n_inputs, 1)) @ np.ones((1, net.n_hidden))
    return u, v


def _the_descent(folder: Path, net: ShallowLinear, descent: Descent) -> Stop:
    figure = _pictures.blank(7.2, 4.4)
    ax = figure.subplots()
    iterations = np.arange(len(descent.values))
    ax.plot(iterations, descent.values, color="#0072B2", label="trust-ncg, with one escape step at every stop")
    ax.axhline(net.minimum_value, color="#6E6E6E", linestyle="--", label="global minimum, from the closed form")
    for kind, marker, label in (
        ("strict_saddle", "X", "stopped at a strict saddle"),
        ("global_minimum", "*", "stopped at the global minimum"),
    ):
        at = [(stop[0], stop[2].value) for stop in descent.stops if stop[2].kind == kind]
        if at:
            x, y = zip(*at, strict=True)
            ax.scatter(x, y, s=110, marker=marker, color="white", edgecolor="black", zorder=3, label=label)
    ax.set_xlabel("iterations")
    ax.set_ylabel("mean squared error, summed over targets")
    ax.set_ylim(0.0, 1.05 * max(descent.values))
    ax.legend(frameon=False, loc="upper right", fontsize="small")
    caption = "The value after every iteration. The plateau is a saddle, its height one of the critical values."
    picture = _pictures.save(figure, folder / "4-descent.png", caption)

    rows = [("stop", "SciPy says", "landscape-cpp says", "index set", "value", "proved gap", "directions down")]
    for number, (_, _, found, certificate, words) in enumerate(descent.stops, 1):
        rows.append(
            (
                str(number),
                words,
                f"{kind_words(found.kind)}, {certificate.verdict}",
                index_runs(found.indices),
                f"{found.value:.6f}",
                f"{certificate.gap:.1e}",
                "-" if found.morse_index is None else str(found.morse_index),
            )
        )
    first, last = descent.stops[0], descent.stops[-1]
    np.savez(folder / "stuck.npz", U=first[1][0], V=first[1][1])
    np.savez(folder / "found.npz", U=last[1][0], V=last[1][1])
    last[3].save(folder / "certificate.json")
    text = f"""
    Start with all hidden units alike, a beginner's mistake. They receive the same gradients and stay alike, so the
    network behaves as if it had one unit. SciPy's trust-ncg knows second derivatives, but from this start it sees no
    downward curvature. It ends {first[3].gap:.4f} above the minimum and reports: {first[4]}

    One step along the escape direction, and the same optimiser goes on: after {len(descent.stops)} stops the verdict is
    {last[3].verdict}, with a proved gap of {last[3].gap:.0e} ({last[3].relative_gap:.0e} of the value).
    """
    code = """
    while net.certify(p).verdict != "GLOBAL":
        p = train(p)         # your optimiser
        p = net.escape(p)    # one exact line search along the escape direction
    """
    return stop("Stuck, and out again", text, tuple(rows), (picture,), code)


def _the_view(folder: Path, net: ShallowLinear, descent: Descent, plots: Any) -> Stop:
    figure = _pictures.blank(6.6, 6.4)
    plots.plot_slice(net, ax=figure.subplots())
    caption = "The plane through the global minimum and two saddles; the arrows are escape directions."
    plane = _pictures.save(figure, folder / "5-slice.png", caption)
    figure = _pictures.blank(7.0, 4.8)
    stuck, found = descent.stops[0], descent.stops[-1]
    plots.plot_spectrum(net, {"first stop": stuck[1], "last stop": found[1]}, ax=figure.subplots())
    caption = "Eigenvalues of the Hessian at the first and the last stop of the descent."
    spectrum = _pictures.save(figure, folder / "6-spectrum.png", caption)
    flat = found[2].nullity
    zeros = (
        ""
        if flat is None
        else f"""
    The {flat} zeros at the minimum are no accident: U C and V C⁻ᵀ give the same network for every invertible C."""
    )
    text = f"""
    The first picture is exact: on a plane the value is a polynomial of degree four in the two coordinates. Both minima
    are the same network (change the sign of a hidden unit in U and in V); between them lie the saddles.

    The second counts: negative eigenvalues of the Hessian are directions that lead down. {zeros}
    """
    return stop("What the saddles look like", text, pictures=(plane, spectrum))


def _the_rank(folder: Path, X: FloatArray, Y: FloatArray, n_threads: int | None) -> Stop:
    from .estimators import ReducedRankRegressor

    model = ReducedRankRegressor(rank="cv", alpha=10.0, random_state=0, n_threads=n_threads).fit(X, Y)
    mean, spread = model.cv_errors_.mean(axis=0), model.cv_errors_.std(axis=0)
    figure = _pictures.blank(7.0, 3.8)
    ax = figure.subplots()
    ranks = np.arange(len(mean))
    objective = model.objectives_ / len(X)
    ax.errorbar(
        ranks, mean, yerr=spread, marker="o", capsize=3, color="#D55E00", label="left-out samples, 5 folds (± std)"
    )
    ax.plot(ranks, objective, marker="s", color="#0072B2", label="training samples, penalty included")
    ax.set_xlabel("rank")
    ax.set_ylabel("mean squared error, summed over targets")
    ax.set_ylim(0.0, None)
    ax.legend(frameon=False)
    picture = _pictures.save(figure, folder / "8-ranks.png", "Error on left-out samples and on the training samples.")
    text = f"""
    The same landscape as a scikit-learn estimator: ReducedRankRegressor is the global minimum, with intercept and
    ridge penalty. One factorisation gives all ranks, so cross-validation over all of them costs as much as over one.

    Here rank {model.rank_} predicts best on left-out samples: error {mean[model.rank_]:.4f} against {mean[0]:.4f} for
    the mean alone.
    """
    code = 'ReducedRankRegressor(rank="cv", alpha=10.0, random_state=0).fit(X, Y)'
    return stop("Choosing the rank", text, pictures=(picture,), code=code)


def _the_codes(folder: Path, X: FloatArray, n_threads: int | None) -> Stop:
    from .estimators import LinearAutoencoder

    models = [LinearAutoencoder(width, n_threads=n_threads).fit(X) for width in _SHOWN]
    figure = _pictures.blank(7.0, 7.2)
    axes = figure.subplots(len(_SHOWN) + 1, 8)
    images = [X[:8], *(model.inverse_transform(model.transform(X[:8])) for model in models)]
    titles = ["original", *(f"{width} unit{'s' if width > 1 else ''}" for width in _SHOWN)]
    for row, (batch, title) in enumerate(zip(images, titles, strict=True)):
        for column, image in enumerate(batch):
            ax = axes[row, column]
            ax.imshow(image.reshape(8, 8), cmap="gray_r", vmin=0.0, vmax=16.0)
            ax.set_xticks([])
            ax.set_yticks([])
        axes[row, 0].set_ylabel(title, fontsize="small")
    caption = "Eight digits and what auto-encoders of growing width keep of them."
    picture = _pictures.save(figure, folder / "9-codes.png", caption)
    rows = [("hidden units", "share of the variance kept", "mean squared error, summed over pixels")]
    rows += [
        (
            str(width),
            f"{100.0 * model.explained_variance_ratio_.sum():.1f} %",
            f"{model.reconstruction_errors_[width]:.1f}",
        )
        for width, model in zip(_SHOWN, models, strict=True)
    ]
    text = """
    With the images themselves as targets the same network is a linear auto-encoder, and its global minimum is principal
    component analysis (Baldi & Hornik 1989). The theory, the verdicts and the certificates are the same.
    """
    return stop("Without labels", text, tuple(rows), (picture,), "LinearAutoencoder(n_components=8).fit(X).certify()")


def command(folder: Path) -> str:
    """The line that analyses the weights of the first stop."""
    return f"landscape analyze digits --weights {shlex.quote(str(folder / 'stuck.npz'))} --tol {_TOL:g}"


def footer(folder: Path) -> str:
    """What else lies in the folder, and what made the page."""
    return (
        f"Beside this page: the pictures, stuck.npz and found.npz (weights U and V at the first and the last stop) and "
        f"certificate.json. Try: {command(folder)}. Made by landscape-cpp {build_info()['version']} on the digits of "
        "scikit-learn (UCI Optical Recognition of Handwritten Digits)."
    )


def require_scikit_learn() -> None:
    """A :class:`DataError` that says what to install, before any work."""
    try:
        import sklearn  # noqa: F401
    except ImportError:
        raise DataError('the tour needs scikit-learn: python -m pip install "landscape-cpp[cli]"') from None
