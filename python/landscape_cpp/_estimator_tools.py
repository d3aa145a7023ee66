"""What the scikit-learn estimators share: settings, grids of λ, weights of samples, the warning without a proof."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.utils.validation import _check_sample_weight

from . import _validation as check
from ._factorization_results import Solution
from ._validation import FloatArray
from .errors import ConvergenceWarning
from .results import StopReason

__all__ = [
    "FOLDS",
    "EstimatorSettings",
    "checked_settings",
    "chosen_lambda",
    "lambda_grid",
    "sample_weights",
    "warn_unless_proved",
]

FOLDS = 5  # scikit-learn's default


@dataclass(frozen=True)
class EstimatorSettings:
    """The arguments that both estimators share, checked."""

    lam: float | str
    tol: float
    lams: int | FloatArray
    rank_max: int | None
    max_seconds: float | None
    n_threads: int | None

    def solver(self) -> dict[str, Any]:
        return {"rank_max": self.rank_max, "max_seconds": self.max_seconds, "n_threads": self.n_threads}


def checked_settings(model: Any) -> EstimatorSettings:
    if isinstance(model.lam, str):
        if model.lam != "cv":
            raise ValueError(f"lam must be a positive number or 'cv', got {model.lam!r}")
        lam: float | str = "cv"
    else:
        lam = check.as_float("lam", model.lam, positive=True)
    if check.is_integer(model.lams):
        lams: int | FloatArray = check.as_int("lams", model.lams, minimum=2)
    else:
        lams = np.unique(check.as_array("lams", model.lams, "(k,)", (None,)))[::-1]
        if not len(lams) or not (lams > 0.0).all():
            raise ValueError("lams must be positive, at least one of them")
    if model.n_threads is not None:
        check.as_int("n_threads", model.n_threads, minimum=1, maximum=1024)
    return EstimatorSettings(
        lam=lam,
        tol=check.as_float("tol", model.tol, positive=True),
        lams=lams,
        rank_max=None if model.rank_max is None else check.as_int("rank_max", model.rank_max, minimum=1),
        max_seconds=(
            None if model.max_seconds is None else check.as_float("max_seconds", model.max_seconds, positive=True)
        ),
        n_threads=model.n_threads,
    )


def lambda_grid(settings: EstimatorSettings, lambda_max: float) -> FloatArray:
    """Descending: the λ that were given, or geometrically from λ_max to λ_max / 100."""
    if isinstance(settings.lams, int):
        # Where zero solves every problem all λ are the same.
        return (lambda_max if lambda_max > 0.0 else 1.0) * np.geomspace(1.0, 0.01, settings.lams)
    return settings.lams


def chosen_lambda(lams: FloatArray, errors: FloatArray, sizes: FloatArray) -> float:
    """λ of the smallest error on all that was held out, the larger one of equals."""
    mean = np.average(errors, axis=0, weights=sizes)
    return float(lams[int(np.argmax(mean <= mean.min() * (1.0 + 1e-12)))])


def warn_unless_proved(solution: Solution, tol: float, *, stacklevel: int) -> None:
    """In place of an exception: the point is the best one found, and its certificate says how good it is."""
    if solution.stop_reason != StopReason.CONVERGED:
        warnings.warn(
            f"the solver stopped ({solution.stop_reason}) at a proved relative gap of "
            f"{solution.certificate.relative_gap:.2g}, above tol = {tol:g}",
            ConvergenceWarning,
            stacklevel=stacklevel,
        )


def sample_weights(sample_weight: Any, X: npt.NDArray[Any]) -> FloatArray | None:
    """Checked weights of samples, not all zero; None stays None."""
    if sample_weight is None:
        return None
    weights: FloatArray = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
    if not weights.sum() > 0.0:
        raise ValueError("sample_weight sums to zero")
    return weights
