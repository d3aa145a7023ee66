"""Solvers of nuclear-norm problems: closed form, observed entries in C++, data X by proximal steps and Newton.

Which one runs is decided by the problem alone. All return balanced factors, a trace and a certificate, and never raise
the objective.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.optimize
import scipy.sparse.linalg

from ._dispatch import core
from ._factorization_results import Solution, SolutionTrace
from ._svt import svt
from ._validation import FloatArray
from .results import Certificate, StopReason

if TYPE_CHECKING:
    from .factorization import MatrixFactorization

__all__ = ["balanced", "solve"]

Factors = tuple[FloatArray, FloatArray]
Row = tuple[float, int, float, float, float, float]

_STATUS = {
    "certified": StopReason.CONVERGED,
    "rank_limit": StopReason.RANK_LIMIT,
    "time_limit": StopReason.TIME_LIMIT,
    "interrupted": StopReason.INTERRUPTED,
    "stagnated": StopReason.STALLED,
    "not_finite": StopReason.DIVERGED,
}


def solve(
    land: MatrixFactorization,
    *,
    tol: float,
    rank_max: int | None,
    max_seconds: float | None,
    start: Factors | None,
    seed: int,
    progress: bool,
    failure_probability: float,
    n_threads: int | None,
) -> Solution:
    """Dispatch on the problem, certify, wrap."""
    began = time.perf_counter()
    threads = land._threads(n_threads)
    report = _progress(progress)

    def proved(point: Factors) -> Certificate:
        return land._certify(point, tol, failure_probability, n_threads, wanted=tol)

    certificate: Certificate | None = None
    complete = land._data.complete and land.weights is None and land.X is None
    if complete and land.loss.name == "squared":
        point, rows, reason = _closed_form(land, rank_max, began, seed, n_threads)
    elif land.X is None:
        point, rows, reason = _observed(
            land, tol, rank_max, max_seconds, start, seed, failure_probability, threads, report
        )
        # The proof of the balanced point is another than the solver's own: a little further, if it falls short.
        asked, certificate = tol, proved(point)
        while reason == StopReason.CONVERGED and asked > 1e-3 * tol and certificate.relative_gap > tol:
            asked *= 0.2
            left = None if max_seconds is None else max(1e-3, max_seconds - (time.perf_counter() - began))
            point, more, reason = _observed(
                land, asked, rank_max, left, point, seed, failure_probability, threads, report
            )
            rows += [(rows[-1][0] + row[0], *row[1:]) for row in more]
            certificate = proved(point)
        if reason == StopReason.STALLED:
            point = balanced(_polished(land, point, float(land.value(point, n_threads=n_threads)), n_threads)[0])
            certificate = proved(point)
    else:
        point, rows, reason = _with_data(land, tol, rank_max, max_seconds, start, proved, n_threads, report)
    if certificate is None:
        certificate = proved(point)
    sharp = certificate.gap + land._problem.value(point)[1] <= tol * abs(certificate.value)
    if reason == StopReason.CONVERGED and not sharp:
        reason = StopReason.STALLED
    elif reason == StopReason.STALLED and sharp:
        reason = StopReason.CONVERGED
    if complete and land.loss.name == "squared":
        rows = [(*rows[0][:3], certificate.lower_bound, *rows[0][4:])]
    columns = np.array(rows, dtype=np.float64).reshape(-1, 6)
    columns[:, 3] = np.maximum.accumulate(np.nan_to_num(columns[:, 3]))  # a bound once proved stays
    trace = SolutionTrace(
        seconds=columns[:, 0],
        width=columns[:, 1].astype(np.int64),
        value=columns[:, 2],
        lower_bound=columns[:, 3],
        polar_lower=columns[:, 4],
        polar_upper=columns[:, 5],
    )
    if report is not None:
        report.close()
    return Solution(
        point=point,
        value=certificate.value,
        certificate=certificate,
        trace=trace,
        stop_reason=reason,
        seconds=time.perf_counter() - began,
    )


def _progress(wanted: bool) -> Any:
    if not wanted:
        return None
    try:
        from tqdm.auto import tqdm
    except ImportError:
        raise ImportError("progress=True needs tqdm: pip install tqdm") from None
    return tqdm(unit="round")


def _show(report: Any, row: Row, size: str = "rank") -> None:
    if report is not None:
        gap = (row[2] - max(row[3], 0.0)) / row[2] if row[2] > 0.0 else 0.0
        report.set_postfix_str(f"{size} {row[1]}, value {row[2]:.6g}, gap {gap:.1e}", refresh=False)
        report.update()


# --- all entries observed, squared loss -------------------------------------------------------------------------------


def _closed_form(
    land: MatrixFactorization, rank_max: int | None, began: float, seed: int, n_threads: int | None
) -> tuple[Factors, list[Row], StopReason]:
    """U = P (S - λ)_+^{1/2}, V = Q (S - λ)_+^{1/2} (Corollary 1.6)."""
    found = svt(land.Y, land.lam, seed=seed, n_threads=n_threads)
    kept = found.rank if rank_max is None else min(rank_max, found.rank)
    root = np.sqrt(found.s[:kept])
    point = (found.U[:, :kept] * root, found.V[:, :kept] * root)
    value = float(land.value(point, n_threads=n_threads))
    top = land.lam + (float(found.s[kept]) if kept < found.rank else 0.0)
    lower = value if kept == found.rank else math.nan
    reason = StopReason.CONVERGED if kept == found.rank else StopReason.RANK_LIMIT
    return point, [(time.perf_counter() - began, kept, value, lower, top, top)], reason


# --- observed entries -------------------------------------------------------------------------------------------------


def _observed(
    land: MatrixFactorization,
    tol: float,
    rank_max: int | None,
    max_seconds: float | None,
    start: Factors | None,
    seed: int,
    failure_probability: float,
    threads: int,
    report: Any,
) -> tuple[Factors, list[Row], StopReason]:
    u, v = start if start is not None else (np.zeros((land.n_outputs, 0)), np.zeros((land.n_inputs, 0)))
    on_record: Callable[[Row], None] | None = None if report is None else (lambda row: _show(report, row))
    u, v, status, rows = core.solve_factorization(
        land._core, u, v, tol, -1 if rank_max is None else rank_max,
        math.inf if max_seconds is None else max_seconds, seed, failure_probability, on_record, threads,
    )  # fmt: skip
    return (u, v), rows, _STATUS[status]


# --- data X -----------------------------------------------------------------------------------------------------------

_NEWTON_STEPS = 12
_MAX_ROUNDS = 300


def _with_data(
    land: MatrixFactorization,
    tol: float,
    rank_max: int | None,
    max_seconds: float | None,
    start: Factors | None,
    proved: Callable[[Factors], Certificate],
    n_threads: int | None,
    report: Any,
) -> tuple[Factors, list[Row], StopReason]:
    """Rounds of a proximal step on A = U Vᵀ, which inserts and prunes, and of truncated Newton steps on (U, V).

    A ← D_{λ/ℓ}(A - ∇L(A)/ℓ) with ℓ ≥ the curvature of L never raises L(A) + λ |A|_*, and balanced factors of A have the
    smallest penalty; so neither raises f.
    """
    began = time.perf_counter()
    problem = land._problem
    assert land.X is not None
    weight = 1.0 if land.weights is None else float(land.weights.max(initial=0.0))
    size = float(np.linalg.norm(land.X, 2)) if min(land.X.shape) <= 2000 else float(np.linalg.norm(land.X))
    lipschitz = max(1.01 * land.loss.curvature * weight * size * size, 1e-300)
    limit = min(land.n_outputs, land.n_inputs) if rank_max is None else rank_max
    point = start if start is not None else (np.zeros((land.n_outputs, 0)), np.zeros((land.n_inputs, 0)))
    value = float(land.value(point, n_threads=n_threads))
    rows: list[Row] = []
    best_lower, idle = 0.0, 0
    reason = StopReason.STALLED
    try:
        for _ in range(_MAX_ROUNDS):
            certificate = proved(point)
            best_lower = max(best_lower, certificate.lower_bound)
            polar = (float(certificate.polar_lower or 0.0), float(certificate.polar_upper or 0.0))
            rows.append((time.perf_counter() - began, point[0].shape[1], value, best_lower, *polar))
            _show(report, rows[-1])
            if value - best_lower <= tol * abs(value):
                reason = StopReason.CONVERGED
                break
            if max_seconds is not None and rows[-1][0] > max_seconds:
                reason = StopReason.TIME_LIMIT
                break
            before = value
            moved = _proximal_step(land, problem, point, lipschitz, limit)
            reached = float(land.value(moved, n_threads=n_threads))
            if reached < value:
                point, value = moved, reached
            point, value = _newton(land, point, value, n_threads)
            idle = idle + 1 if not value < before * (1.0 - 1e-15) else 0
            if idle >= 3:
                full = rank_max is not None and point[0].shape[1] >= limit and polar[0] > land.lam * (1.0 + tol)
                reason = StopReason.RANK_LIMIT if full else StopReason.STALLED
                break
    except KeyboardInterrupt:
        reason = StopReason.INTERRUPTED
    return balanced(point), rows, reason


def _proximal_step(land: Any, problem: Any, point: Factors, lipschitz: float, limit: int) -> Factors:
    moved = point[0] @ point[1].T - np.asarray(problem.matrix(problem.slopes(problem.prediction(point)[0]))) / lipschitz
    left, singular, right = np.linalg.svd(moved, full_matrices=False)
    kept = min(int(np.sum(singular > land.lam / lipschitz)), limit)
    root = np.sqrt(singular[:kept] - land.lam / lipschitz)
    return left[:, :kept] * root, right[:kept].T * root


def _newton(land: Any, point: Factors, value: float, n_threads: int | None) -> tuple[Factors, float]:
    """Truncated Newton steps at fixed width (Steihaug's trust region), as far as they lower the objective."""
    if not point[0].shape[1]:
        return point, value
    kept: list[Any] = [None, None]  # a point and its Hessian: the subproblem asks for many products at one point

    def product(x: FloatArray, d: FloatArray) -> FloatArray:
        if kept[0] is not x:
            kept[:] = x, land.hessian(land._unpack(x), n_threads=n_threads)
        return np.asarray(kept[1] @ d)

    done = scipy.optimize.minimize(
        lambda x: float(land.value(land._unpack(x), n_threads=n_threads)),
        land._flat(point),
        jac=lambda x: land._flat(land.gradient(land._unpack(x), n_threads=n_threads)),
        hessp=product,
        method="trust-ncg",
        options={"maxiter": _NEWTON_STEPS, "gtol": 0.0},
    )
    moved = land._unpack(done.x)
    reached = float(land.value(moved, n_threads=n_threads))
    if reached < value:
        point, value = moved, reached
    return _polished(land, point, value, n_threads)


def _polished(land: Any, point: Factors, value: float, n_threads: int | None) -> tuple[Factors, float]:
    """Newton steps judged by the gradient, where differences of the objective are rounding already."""
    slope = land._flat(land.gradient(point, n_threads=n_threads))
    for _ in range(3):
        size = float(np.linalg.norm(slope))
        if not size > 0.0:
            break
        # The Hessian is singular along rotations of the hidden units, the gradient is orthogonal to them.
        step, _ = scipy.sparse.linalg.minres(land.hessian(point, n_threads=n_threads), -slope, rtol=1e-12, maxiter=500)
        moved = land._unpack(land._flat(point) + step)
        reached = float(land.value(moved, n_threads=n_threads))
        after = land._flat(land.gradient(moved, n_threads=n_threads))
        if not (np.linalg.norm(after) < 0.5 * size and reached <= value * (1.0 + 4.0 * np.finfo(float).eps)):
            break
        point, value, slope = moved, min(value, reached), after
    return point, value


def balanced(point: Factors) -> Factors:
    """Factors of the same product with Uᵀ U = Vᵀ V diagonal; what is zero to rounding is dropped."""
    if not point[0].shape[1]:
        return point
    q_u, r_u = np.linalg.qr(point[0])
    q_v, r_v = np.linalg.qr(point[1])
    left, singular, right = np.linalg.svd(r_u @ r_v.T)
    kept = int(np.sum(singular > 1e-14 * singular[0])) if singular.size and singular[0] > 0.0 else 0
    root = np.sqrt(singular[:kept])
    return (q_u @ left[:, :kept]) * root, (q_v @ right[:kept].T) * root
