"""Problems and points of nuclear-norm factorisation for campaigns; ``problem(i)`` is the same in every run.

``FAMILIES`` covers the data (dense, masked, weighted, with X, every loss, ties, extreme scales, degenerate shapes),
``points`` the points, and ``planted`` builds problems whose optimum or small-width stationary point is known exactly.
``pairs`` yields (problem, point, minimum) of the fully observed squared problem, where the minimum is a closed form.
"""

import functools
from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse

from reference import factorization as mf
from reference import factorization_minimum as minima
from reference import shallow

SEED = 20240611
EDGES = (1.0, 1.0 - 1e-12, 1.0 + 1e-12)


@dataclass(frozen=True)
class Case:
    id: str
    family: str
    problem: mf.Problem

    @functools.cached_property
    def minimum(self):
        """The convex route's (A, value, lower); exact by SVT for the fully observed squared problem."""
        if is_closed_form(self.problem):
            A, value = minima.svt_matrix(self.problem.Y, self.problem.lam), svt_minimum(self.problem)
            return minima.Minimum(A, value, value, 0)
        return minima.minimise(self.problem, max_iterations=20_000)


@dataclass(frozen=True)
class NamedPoint:
    """``kind`` is None where the construction does not say what the point is."""

    name: str
    point: tuple
    kind: str | None = None


def is_closed_form(problem):
    return problem.loss == "squared" and problem.X is None and bool(np.all(problem.c == 1.0))


def svt_minimum(problem):
    return minima.svt_minimum(problem.Y, problem.lam)


# --------------------------------------------------------------------------------------------------- as the package's

FORMS = ("dense", "nan", "csr", "csc", "coo", "lil", "dok", "array")  # ways to say which entries are observed


def landscape(ls, problem, form="dense"):
    """The package's landscape of a problem; what is not observed is a mask, NaN or not stored (``form``)."""
    observed, complete = problem.c > 0.0, problem.weights is None
    weights = None if complete or np.all(problem.c[observed] == 1.0) else problem.c
    arguments = {"lam": problem.lam, "X": problem.X, "loss": problem.loss, "delta": problem.delta}
    if form == "dense":
        mask = None if complete else observed
        return ls.MatrixFactorization(problem.y, mask=mask, weights=weights, **arguments)
    if form == "nan":
        Y = np.where(observed, problem.Y, np.nan)
        return ls.MatrixFactorization(Y, mask="nan", weights=weights, **arguments)
    weights = None if weights is None else stored(weights, observed, form)
    return ls.MatrixFactorization(stored(problem.y, observed, form), weights=weights, **arguments)


def stored(values, observed, form="csr"):
    """The observed entries in a scipy.sparse format, explicit zeros among them (where the format has any)."""
    rows, columns = np.nonzero(observed)
    entries = scipy.sparse.coo_array((values[rows, columns], (rows, columns)), shape=values.shape)
    if form == "array":
        return entries.tocsr()
    matrix = scipy.sparse.csr_matrix(entries)
    return matrix.asformat(form)


# ------------------------------------------------------------------------------------------------------ parts of data


def sizes(rng, low=2, high=7):
    return tuple(int(n) for n in rng.integers(low, high, 2))


def spectrum_matrix(sigma, shape, rng):
    """A matrix with the given singular values (exact to rounding)."""
    left, right = shallow.orthogonal(shape[0], rng), shallow.orthogonal(shape[1], rng)
    k = len(sigma)
    return (left[:, :k] * np.asarray(sigma)) @ right[:, :k].T


def low_rank(shape, rng, noise=0.3):
    k = int(rng.integers(1, min(shape) + 1))
    return rng.standard_normal((shape[0], k)) @ rng.standard_normal((k, shape[1])) + noise * rng.standard_normal(shape)


def with_lam(problem, fraction):
    """lam = fraction of lambda_max (1 where the data vanish)."""
    top = mf.lambda_max(replace(problem, lam=1.0))
    return replace(problem, lam=fraction * top if top > 0.0 else 1.0)


def some_lam(problem, rng):
    return with_lam(problem, float(np.exp(rng.uniform(np.log(0.04), np.log(0.7)))))


def random_mask(shape, rng, share=0.6):
    mask = rng.random(shape) < share
    mask.flat[int(rng.integers(0, mask.size))] = True
    return mask.astype(float)


def signs(shape, rng):
    return np.where(low_rank(shape, rng) >= 0.0, 1.0, -1.0)


# ----------------------------------------------------------------------------------------------------------- families


def dense(rng):
    return some_lam(mf.Problem(low_rank(sizes(rng), rng), 1.0), rng)


def tied_values(rng):
    """Repeated singular values, above and at lam."""
    shape = sizes(rng, 3)
    sigma = np.sort(rng.choice([3.0, 2.0, 1.0], min(shape)))[::-1]
    return mf.Problem(spectrum_matrix(sigma, shape, rng), float(rng.choice([1.0, 2.0, 0.5])))


def value_at_lam(rng):
    """sigma_2 = lam: the rank of the minimum is a coin toss, the minimum is not."""
    shape = sizes(rng, 2)
    return mf.Problem(spectrum_matrix([3.0, 1.0][: min(shape)], shape, rng), 1.0)


def diagonal_at_lam(rng):
    """As ``value_at_lam``, to the last bit."""
    Y = np.zeros(sizes(rng, 2))
    Y[0, 0], Y[1, 1] = 3.0, 1.0
    return mf.Problem(Y, 1.0)


def clustered_at_lam(rng):
    shape = sizes(rng, 4)
    sigma = [3.0, *(1.0 + 1e-12 * rng.standard_normal(min(shape) - 1))]
    return mf.Problem(spectrum_matrix(sigma, shape, rng), 1.0)


def zero_is_optimal(rng):
    return with_lam(mf.Problem(low_rank(sizes(rng), rng), 1.0), float(rng.choice([1.0, 1.0 + 1e-12, 1.5, 10.0])))


def zero_matrix(rng):
    return mf.Problem(np.zeros(sizes(rng, 1)), float(rng.uniform(0.5, 2.0)))


def scalar(rng):
    return mf.Problem(rng.standard_normal((1, 1)), float(rng.choice([0.1, 0.5, 2.0])))


def one_row(rng):
    return some_lam(mf.Problem(rng.standard_normal((1, int(rng.integers(2, 7)))), 1.0), rng)


def one_column(rng):
    return some_lam(mf.Problem(rng.standard_normal((int(rng.integers(2, 7)), 1)), 1.0), rng)


def huge_scale(rng):
    return some_lam(mf.Problem(1e150 * low_rank(sizes(rng), rng), 1.0), rng)


def tiny_scale(rng):
    return some_lam(mf.Problem(1e-150 * low_rank(sizes(rng), rng), 1.0), rng)


def negative(rng):
    return some_lam(mf.Problem(-np.abs(low_rank(sizes(rng), rng)), 1.0), rng)


def masked(rng):
    shape = sizes(rng, 3)
    return some_lam(mf.Problem(low_rank(shape, rng), 1.0, random_mask(shape, rng)), rng)


def masked_not_a_number(rng):
    """The unobserved entries hold NaN: nothing may read them."""
    problem = masked(rng)
    return replace(problem, Y=np.where(problem.c > 0.0, problem.Y, np.nan))


def empty_lines(rng):
    """A row and a column without any observation."""
    shape = sizes(rng, 3)
    mask = random_mask(shape, rng, 0.8)
    mask[int(rng.integers(0, shape[0]))] = 0.0
    mask[:, int(rng.integers(0, shape[1]))] = 0.0
    return some_lam(mf.Problem(low_rank(shape, rng), 1.0, mask), rng)


def nothing_observed(rng):
    shape = sizes(rng)
    return mf.Problem(low_rank(shape, rng), 1.0, np.zeros(shape))


def one_observed(rng):
    shape = sizes(rng)
    mask = np.zeros(shape)
    mask.flat[int(rng.integers(0, mask.size))] = 1.0
    return some_lam(mf.Problem(low_rank(shape, rng), 1.0, mask), rng)


def weighted(rng):
    shape = sizes(rng)
    return some_lam(mf.Problem(low_rank(shape, rng), 1.0, rng.uniform(0.2, 2.0, shape)), rng)


def weighted_with_zeros(rng):
    shape = sizes(rng, 3)
    weights = rng.uniform(0.2, 2.0, shape) * random_mask(shape, rng, 0.7)
    return some_lam(mf.Problem(low_rank(shape, rng), 1.0, weights), rng)


def unequal_weights(rng):
    """Weights over four orders of magnitude."""
    shape = sizes(rng, 3)
    return some_lam(mf.Problem(low_rank(shape, rng), 1.0, 10.0 ** rng.uniform(-2.0, 2.0, shape)), rng)


def _regression(rng, m, n0, rank=None, loss="squared"):
    X = rng.standard_normal((m, n0))
    if rank is not None:
        X = rng.standard_normal((m, rank)) @ rng.standard_normal((rank, n0))
    n_out = int(rng.integers(1, 5))
    Y = X @ low_rank((n0, n_out), rng, 0.0) + 0.3 * rng.standard_normal((m, n_out))
    Y = np.where(Y >= 0.0, 1.0, -1.0) if loss == "logistic" else Y
    return some_lam(mf.Problem(Y, 1.0, X=X, loss=loss), rng)


def data_tall(rng):
    return _regression(rng, int(rng.integers(6, 12)), int(rng.integers(1, 5)))


def data_wide(rng):
    """Fewer samples than inputs."""
    return _regression(rng, int(rng.integers(1, 4)), int(rng.integers(4, 7)))


def data_rank_deficient(rng):
    return _regression(rng, int(rng.integers(4, 9)), int(rng.integers(3, 6)), rank=2)


def data_orthonormal(rng):
    """X^T X = I: the minimum is D_lam(Y^T X)."""
    X = shallow.orthogonal(7, rng)[:, : int(rng.integers(1, 5))]
    return some_lam(mf.Problem(rng.standard_normal((7, 3)), 1.0, X=X), rng)


def data_masked(rng):
    problem = data_tall(rng)
    return some_lam(replace(problem, weights=random_mask(problem.Y.shape, rng, 0.8)), rng)


def data_logistic(rng):
    return _regression(rng, 8, 3, loss="logistic")


def data_huber(rng):
    problem = data_tall(rng)
    return some_lam(replace(problem, loss="huber", delta=float(rng.uniform(0.3, 1.0))), rng)


def _huber(problem, rng):
    return some_lam(replace(problem, loss="huber", delta=float(rng.uniform(0.2, 1.5))), rng)


def huber(rng):
    """A few entries far out."""
    Y = low_rank(sizes(rng), rng)
    Y.flat[int(rng.integers(0, Y.size))] += 30.0
    return _huber(mf.Problem(Y, 1.0), rng)


def huber_masked(rng):
    return _huber(masked(rng), rng)


def huber_weighted(rng):
    return _huber(weighted_with_zeros(rng), rng)


def logistic(rng):
    return some_lam(mf.Problem(signs(sizes(rng), rng), 1.0, loss="logistic"), rng)


def logistic_masked(rng):
    shape = sizes(rng, 3)
    return some_lam(mf.Problem(signs(shape, rng), 1.0, random_mask(shape, rng), loss="logistic"), rng)


def logistic_weighted(rng):
    shape = sizes(rng, 3)
    weights = rng.uniform(0.2, 2.0, shape) * random_mask(shape, rng, 0.7)
    return some_lam(mf.Problem(signs(shape, rng), 1.0, weights, loss="logistic"), rng)


def logistic_one_class(rng):
    """All labels equal: without the penalty there would be no minimum."""
    return some_lam(mf.Problem(np.ones(sizes(rng)), 1.0, loss="logistic"), rng)


FAMILIES = (
    dense, masked, weighted, data_tall, huber, logistic, tied_values, value_at_lam, diagonal_at_lam, clustered_at_lam,
    zero_is_optimal, zero_matrix, scalar, one_row, one_column, huge_scale, tiny_scale, negative, masked_not_a_number,
    empty_lines, nothing_observed, one_observed, weighted_with_zeros, unequal_weights, data_wide, data_rank_deficient,
    data_orthonormal, data_masked, data_logistic, data_huber, huber_masked, huber_weighted, logistic_masked,
    logistic_weighted, logistic_one_class,
)  # fmt: skip
CLOSED_FORM = (
    dense, tied_values, value_at_lam, diagonal_at_lam, clustered_at_lam, zero_is_optimal, zero_matrix, scalar, one_row,
    one_column, negative, huge_scale, tiny_scale,
)  # fmt: skip


@functools.lru_cache(maxsize=512)
def problem(i, families=FAMILIES):
    family = families[i % len(families)]
    built = family(np.random.default_rng([SEED, i]))
    return Case(f"{i:04d}-{family.__name__}", family.__name__, built)


# --------------------------------------------------------------------------------------------------- planted problems


@dataclass(frozen=True)
class Planted:
    """``point`` is stationary, -adjoint(G) = lam (P Q^T + P_o diag(top, ...) Q_o^T): the polar is lam max(1, top)."""

    problem: mf.Problem
    point: tuple
    top: float

    @property
    def kind(self):
        return "global_minimum" if self.top <= 1.0 else None


def planted(rng, top=1.0, loss="squared", weights=None, X=None, shape=(6, 5), rank=2, lam=0.7, cluster=0):
    """A problem whose point of width ``rank`` is stationary by construction, top / lam being its next singular value.

    A = P diag(d) Q^T,  M = lam (P Q^T + P_o diag(w) Q_o^T),  w = (top, ..) with ``cluster`` more values within 1e-12.
    Without X: Y = A + slope^-1(M / c). With X of full column rank: G = -X (X^T X)^-1 M^T, so that G^T X = -M.
    """
    left, right = shallow.orthogonal(shape[0], rng), shallow.orthogonal(shape[1], rng)
    d = np.cumsum(rng.uniform(0.4, 1.0, rank))[::-1]
    rest = min(shape) - rank
    w = rng.uniform(0.0, 0.8 * top, rest)
    w[:1] = top
    w[1 : 1 + cluster] = top - 1e-12 * rng.random(len(w[1 : 1 + cluster]))
    M = left[:, :rank] @ right[:, :rank].T
    M = lam * (M + (left[:, rank : rank + rest] * w) @ right[:, rank : rank + rest].T)
    A = (left[:, :rank] * d) @ right[:, :rank].T
    G = -M if X is None else -X @ np.linalg.solve(X.T @ X, M.T)
    c = np.ones(G.shape) if weights is None else weights
    Z = A if X is None else X @ A.T
    delta = 1.5 * float(np.max(np.abs(G / c)))
    built = mf.Problem(Z - G / c, lam, weights, X, loss, delta if loss == "huber" else 1.0)
    U, V = left[:, :rank] * np.sqrt(d), right[:, :rank] * np.sqrt(d)
    R = shallow.orthogonal(rank, rng) if rank else np.zeros((0, 0))
    return Planted(built, (U @ R, V @ R), top)


def planted_table(rng):
    """Every way to plant, at the edge of optimality and away from it."""
    for loss in ("squared", "huber"):
        for top in (*EDGES, 0.5, 1.2):
            for cluster in (0, 3):
                yield planted(rng, top, loss, cluster=cluster)
                yield planted(rng, top, loss, weights=rng.uniform(0.3, 2.0, (6, 5)), cluster=cluster)
                yield planted(rng, top, loss, X=rng.standard_normal((9, 5)), cluster=cluster)
                yield planted(rng, top, loss, rank=0, cluster=cluster)


# ------------------------------------------------------------------------------------------------------------- points


def random_point(problem, width, rng, size=1.0):
    """Gaussian factors whose product is of the size of the data."""
    data = np.sqrt(np.mean(problem.y**2)) or 1.0
    each = size * np.sqrt(data / max(width, 1))
    return each * rng.standard_normal((problem.shape[0], width)), each * rng.standard_normal((problem.shape[1], width))


def points(problem, rng, minimum=None, stationary=True):
    """Named points: zero, random of several sizes and widths, unbalanced, stationary of too small width, optimal."""
    width = int(rng.integers(1, min(problem.shape) + 2))
    U, V = random_point(problem, width, rng)
    yield NamedPoint("zero", problem.zeros(width))
    yield NamedPoint("no columns", problem.zeros(0))
    yield NamedPoint("random", (U, V))
    yield NamedPoint("unbalanced", (1e3 * U, 1e-3 * V))
    yield NamedPoint("large", (30.0 * U, 30.0 * V))
    yield NamedPoint("small", (1e-6 * U, 1e-6 * V))
    yield NamedPoint("opposite", (U, -V))
    yield NamedPoint("wide", random_point(problem, sum(problem.shape) + 3, rng))
    if is_closed_form(problem):
        for found in minima.stationary_points(problem.Y, problem.lam, width, rng):
            yield NamedPoint(f"stationary {found.indices}", found.point, found.kind)
        U, V = mf.factors(minima.svt_matrix(problem.Y, problem.lam))
        yield NamedPoint("optimal", (U, V), "global_minimum")
        for t in (1e-3, 1e-6, 1e-9, 1e-12):
            yield NamedPoint(f"optimal within {t:g}", (U * (1.0 + t), V * (1.0 + t)))
    elif minimum is not None:
        yield NamedPoint("optimal", minimum.point, "global_minimum")
        rank = minimum.point[0].shape[1]
        if stationary and rank > 1:
            yield NamedPoint("too narrow", minima.descend(problem, mf.factors(minimum.A, rank - 1)))


def pairs(count, start=0):
    """``count`` triples (case, named point, minimum in closed form), from problem number ``start`` on."""
    produced, i = 0, start
    while produced < count:
        case = problem(i, CLOSED_FORM)
        for named in points(case.problem, np.random.default_rng([SEED, i, 1])):
            yield case, named, case.minimum.value
            produced += 1
            if produced == count:
                return
        i += 1
