"""The completion chapter of ``landscape tour``: two fifths of the pixels of a photograph, restored with a proof."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _pictures
from ._factorization_results import Solution
from ._stops import Stop, stop
from ._validation import FloatArray
from ._verify import Verification, verify
from .factorization import MatrixFactorization
from .results import Verdict

__all__ = ["Completion", "complete_photograph", "the_missing_pixels"]

MISSING = 0.4  # share of the pixels, all three channels of each
LAM = 0.015  # λ as a share of λ_max
TOL = 1e-4  # relative gap to prove
_NAME = "flower.jpg"


@dataclass(frozen=True)
class Completion:
    """A photograph with missing pixels, completed.

    Attributes:
        original: Red, green and blue between 0 and 1, (height, width, 3).
        observed: True where a pixel is known, (height, width).
        completed: As ``original``, the known pixels as they are.
        means: Of the known pixels, (3,); the factorisation is of the deviations from them.
        land: The factorisation problem, the three channels side by side.
        solution: Its minimum.
        check: The certificate, checked again in NumPy.
    """

    original: FloatArray = field(repr=False)
    observed: npt.NDArray[np.bool_] = field(repr=False)
    completed: FloatArray = field(repr=False)
    means: FloatArray
    land: MatrixFactorization
    solution: Solution
    check: Verification

    def error(self, image: FloatArray) -> float:
        """Root of the mean squared error on the missing pixels.

        Args:
            image: As ``original``.
        """
        return float(np.sqrt(np.mean((image - self.original)[~self.observed] ** 2)))

    @property
    def filled_with_means(self) -> FloatArray:
        """The photograph with the mean colour in the place of every missing pixel."""
        return np.where(self.observed[..., None], self.original, self.means)


def _side_by_side(image: FloatArray) -> FloatArray:
    """(height, width, 3) as (height, 3 width), one channel after the other."""
    return np.ascontiguousarray(np.moveaxis(image, 2, 1).reshape(len(image), -1))


def complete_photograph(n_threads: int | None = None) -> Completion:
    """Remove pixels at random, and find the nuclear-norm completion of what is left.

    Args:
        n_threads: Threads; None is all of them.
    """
    from sklearn.datasets import load_sample_image

    original = np.asarray(load_sample_image(_NAME), dtype=np.float64) / 255.0
    observed = np.random.default_rng(0).random(original.shape[:2]) >= MISSING
    means = original[observed].mean(axis=0)
    blanks = _side_by_side(np.where(observed[..., None], original - means, np.nan))
    anyhow = MatrixFactorization(blanks, 1.0, mask="nan")
    land = anyhow.with_lam(LAM * anyhow.lambda_max)
    solution = land.solve(TOL, n_threads=n_threads)
    height, width, _ = original.shape
    found = np.moveaxis(land.predict(solution.point).reshape(height, 3, width), 1, 2) + means
    completed = np.where(observed[..., None], original, np.clip(found, 0.0, 1.0))
    check = verify(solution.certificate, land, solution.point)
    return Completion(original, observed, completed, means, land, solution, check)


def the_missing_pixels(folder: Path, plots: Any, n_threads: int | None, first: int = 10) -> Stop:
    """The stop: original, what is left of it and the completion; both bounds against time; a table.

    Args:
        folder: Where the pictures go.
        plots: The module ``landscape_cpp.plotting``.
        n_threads: Threads; None is all of them.
        first: Number of the first picture.
    """
    done = complete_photograph(n_threads)
    solution, land = done.solution, done.land
    certificate = solution.certificate
    masked = np.where(done.observed[..., None], done.original, 1.0)
    figure = _pictures.blank(10.2, 2.7)
    images = (
        (done.original, "original"),
        (masked, f"{1.0 - done.observed.mean():.0%} of the pixels missing"),
        (done.completed, f"completed, rank {solution.rank}"),
    )
    for ax, (image, title) in zip(figure.subplots(1, 3), images, strict=True):
        ax.imshow(image)
        ax.set_title(title, fontsize="medium")
        ax.set_axis_off()
    caption = "A photograph, what the solver sees of it (white: missing), and the certified completion."
    photograph = _pictures.save(figure, folder / f"{first}-photograph.png", caption)
    figure = _pictures.blank(7.0, 4.8)
    plots.plot_gap(solution, ax=figure.subplots())
    caption = "How far the objective and the lower bound are from each other's best, against time."
    gap = _pictures.save(figure, folder / f"{first + 1}-gap.png", caption)

    rows = [("missing pixels filled with", "error on them (grey values from 0 to 1, root mean square)")]
    for name, image in (("the mean colour", done.filled_with_means), (f"rank {solution.rank}", done.completed)):
        rows.append((name, f"{done.error(image):.4f}"))
    height, width, _ = done.original.shape
    proved = certificate.verdict == Verdict.GLOBAL and done.check.valid
    word = "and landscape_cpp.verify confirms it in plain NumPy." if proved else f"verdict {certificate.verdict}."
    text = f"""
    A photograph of {width} x {height} pixels, the three colours side by side: a matrix of {height} rows and
    {3 * width} columns, of which {1.0 - done.observed.mean():.0%} are lost. Its completion is the minimum of ½ |Z -
    Y|² over the known entries plus λ times the nuclear norm of Z, here as factors U Vᵀ with weight decay: a landscape
    that is not convex, whose minimum over all widths is nevertheless that of a convex problem (Theorem 1.5).

    The solver starts from nothing, adds units as long as the largest singular value of the residual exceeds λ, and
    ends after {solution.seconds:.1f} s at rank {solution.rank}. No factors of any width are better than
    {certificate.lower_bound:.6g}, these reach {certificate.value:.6g}: a proved gap of
    {certificate.relative_gap:.0e} of the value, {word}
    """
    code = f"""
    mf = ls.MatrixFactorization(Y, lam={land.lam:.3g}, mask="nan")   # NaN where a pixel is missing
    solution = mf.solve(tol={TOL:g})
    ls.verify(solution.certificate, mf, solution.point)
    """
    return stop("Missing pixels, and a proof", text, tuple(rows), (photograph, gap), code)
