"""The case table: deterministic random problems with points of known kind.

A problem is built from whitened parts, Sxx = B B^T, Sxy = B M^T, Syy = M M^T + N N^T, with a chosen spectrum of
M M^T, or is drawn as data. ``problem(i)`` is always the same problem; ``table()`` gives pytest parameters (the first
QUICK always run, the rest carry the ``slow`` marker) for the indirect fixture ``case``.
"""

import functools
from dataclasses import dataclass, field

import numpy as np
import pytest

from reference import risk, shallow

SEED = 20240607
QUICK, FULL = 60, 500


@dataclass(frozen=True)
class KnownPoint:
    """A point and what the theory says about it; ``indices`` is None unless it was built as a critical point."""

    name: str
    point: tuple
    indices: tuple | None = None
    kind: str | None = None
    rho1: int = 0
    rho2: int = 0
    well_conditioned: bool = True


@dataclass(frozen=True)
class Case:
    """A problem, its second moments and whitened data by the reference, and its points."""

    id: str
    family: str
    moments: risk.Moments
    whitened: risk.Whitened
    rank: int
    n_hidden: int
    X: np.ndarray | None = None
    Y: np.ndarray | None = None
    points: list = field(default_factory=list)

    @property
    def shape(self):
        """(n0, n1, n2)."""
        return self.moments.xx.shape[0], self.n_hidden, self.moments.yy.shape[0]

    @property
    def rho(self):
        return min(self.n_hidden, self.rank)

    @property
    def minimum(self):
        return risk.minimum_risk(self.whitened, self.n_hidden)

    @property
    def scale(self):
        """The value at zero parameters."""
        return max(self.whitened.total, np.finfo(float).tiny)

    def covariances(self, ls):
        if self.X is not None:
            return ls.Covariances.from_data(self.X, self.Y)
        return ls.Covariances(xx=self.moments.xx, xy=self.moments.xy, yy=self.moments.yy)

    def net(self, ls):
        return ls.ShallowLinear(self.covariances(ls), self.n_hidden)

    def critical(self):
        return [known for known in self.points if known.indices is not None]

    def random_point(self, rng):
        n0, n1, n2 = self.shape
        return rng.standard_normal((n2, n1)), rng.standard_normal((n0, n1))


# ---------------------------------------------------------------------------------------------- parts of a problem


def distinct(k, rng):
    """k positive values, neighbours apart by at least 0.3."""
    return np.cumsum(rng.uniform(0.3, 1.0, k))[::-1]


def colouring(n0, rank_x, rng):
    """B (n0, rank_x) of full column rank, condition at most 4."""
    return (shallow.orthogonal(n0, rng)[:, :rank_x] * rng.uniform(0.5, 2.0, rank_x)) @ shallow.orthogonal(rank_x, rng)


def cross(n2, rank_x, lam, rng):
    """M (n2, rank_x) with M M^T of positive eigenvalues lam."""
    left, right = shallow.orthogonal(n2, rng), shallow.orthogonal(rank_x, rng)
    return (left[:, : len(lam)] * np.sqrt(lam)) @ right[:, : len(lam)].T


def whitened_from_parts(B, M, noise):
    left, sigma, _ = np.linalg.svd(M, full_matrices=False)
    T = np.linalg.pinv(B).T
    return risk.Whitened(sigma**2, left, T, B, M, float(np.sum(M * M) + np.sum(noise * noise)))


def from_parts(B, M, n1, rng, as_data, noise=0.3):
    """A case from B (n0, rank_x) and M (n2, rank_x): moments, or samples with exactly these moments up to rounding."""
    n2, rank_x = M.shape
    N = noise * rng.standard_normal((n2, n2)) if noise else np.zeros((n2, 0))
    white = whitened_from_parts(B, M, N)
    if not as_data:
        return {"moments": risk.Moments(B @ B.T, B @ M.T, M @ M.T + N @ N.T), "whitened": white, "n_hidden": n1}
    m = rank_x + N.shape[1] + int(rng.integers(0, 4))
    P = shallow.orthogonal(max(m, 1), rng)
    X = np.sqrt(len(P)) * P[:, :rank_x] @ B.T
    Y = np.sqrt(len(P)) * (P[:, :rank_x] @ M.T + P[:, rank_x : rank_x + N.shape[1]] @ N.T)
    for j in range(1, B.shape[0]):  # rows of B that are equal give bitwise equal columns of X
        same = np.flatnonzero((B[:j] == B[j]).all(axis=1))
        if same.size:
            X[:, j] = X[:, same[0]]
    return {"moments": risk.second_moments(X, Y), "whitened": white, "n_hidden": n1, "X": X, "Y": Y}


def from_samples(X, Y, n1):
    white = risk.whiten_data(X, Y)
    return {"moments": risk.second_moments(X, Y), "whitened": white, "n_hidden": n1, "X": X, "Y": Y}


# ------------------------------------------------------------------------------------------------------- families


def _sizes(rng, n0=(2, 6), n1=(1, 5), n2=(2, 6)):
    return tuple(int(rng.integers(low, high)) for low, high in (n0, n1, n2))


def _spectral(rng, n0, n1, n2, lam, rank_x=None, **options):
    rank_x = n0 if rank_x is None else rank_x
    as_data = bool(rng.integers(0, 2))
    return from_parts(colouring(n0, rank_x, rng), cross(n2, rank_x, lam, rng), n1, rng, as_data, **options)


def narrow(rng):
    n0, _, n2 = _sizes(rng, n0=(4, 7), n2=(3, 5))
    return _spectral(rng, n0, int(rng.integers(1, n2)), n2, distinct(n2, rng))


def square(rng):
    n0, _, n2 = _sizes(rng, n0=(4, 6), n2=(2, 5))
    return _spectral(rng, n0, n2, n2, distinct(n2, rng))


def wide(rng):
    n0, _, n2 = _sizes(rng, n0=(2, 5), n2=(1, 4))
    return _spectral(rng, n0, max(n0, n2) + int(rng.integers(1, 3)), n2, distinct(min(n0, n2), rng))


def short_inputs(rng):
    n0, n1, n2 = _sizes(rng, n0=(1, 4), n2=(4, 7))
    return _spectral(rng, n0, n1, n2, distinct(n0, rng))


def ties(rng):
    n0, n1, n2 = _sizes(rng, n0=(3, 6), n2=(3, 6))
    lam = np.sort(rng.choice([1.0, 2.0, 3.0], min(n0, n2)))[::-1]
    return _spectral(rng, n0, n1, n2, lam)


def zero_eigenvalues(rng):
    n0, n1, n2 = _sizes(rng, n0=(2, 6), n2=(2, 6))
    return _spectral(rng, n0, n1, n2, distinct(int(rng.integers(0, min(n0, n2))), rng))


def all_tied(rng):
    n0, n1, n2 = _sizes(rng, n0=(2, 5), n2=(2, 5))
    return _spectral(rng, n0, n1, n2, np.full(int(rng.integers(1, min(n0, n2) + 1)), 2.0))


def duplicate_columns(rng):
    n0, n1, n2 = _sizes(rng, n0=(3, 6))
    B = colouring(n0 - 1, n0 - 1, rng)
    B = np.vstack([B, B[int(rng.integers(0, n0 - 1))]])
    return from_parts(B, cross(n2, n0 - 1, distinct(min(n0 - 1, n2), rng), rng), n1, rng, True)


def zero_columns(rng):
    n0, n1, n2 = _sizes(rng, n0=(3, 6))
    B = np.insert(colouring(n0 - 2, n0 - 2, rng), int(rng.integers(0, n0 - 1)), 0.0, axis=0)
    B = np.vstack([B, np.zeros(n0 - 2)])
    return from_parts(B, cross(n2, n0 - 2, distinct(min(n0 - 2, n2), rng), rng), n1, rng, bool(rng.integers(0, 2)))


def embedded(rng):
    n0, n1, n2 = _sizes(rng, n0=(3, 7))
    rank_x = int(rng.integers(1, n0))
    return _spectral(rng, n0, n1, n2, distinct(int(rng.integers(0, min(rank_x, n2) + 1)), rng), rank_x)


def few_samples(rng):
    n0, n1, n2 = _sizes(rng, n0=(4, 8), n2=(1, 5))
    m = int(rng.integers(1, n0))
    return from_samples(rng.standard_normal((m, n0)), rng.standard_normal((m, n2)), n1)


def gaussian(rng):
    n0, n1, n2 = _sizes(rng, n0=(1, 6), n2=(1, 6))
    X = rng.standard_normal((25, n0))
    return from_samples(X, X @ rng.standard_normal((n0, n2)) + rng.standard_normal((25, n2)), n1)


def autoencoder(rng):
    n0, n1, _ = _sizes(rng, n0=(2, 6))
    B = shallow.orthogonal(n0, rng) * np.sqrt(distinct(n0, rng))
    return from_parts(B, B, n1, rng, bool(rng.integers(0, 2)), noise=0.0)


def zero_targets(rng):
    n0, n1, n2 = _sizes(rng)
    return from_parts(colouring(n0, n0, rng), np.zeros((n2, n0)), n1, rng, bool(rng.integers(0, 2)), noise=0.0)


def uncorrelated(rng):
    n0, n1, n2 = _sizes(rng)
    B = np.eye(n0) * 2.0
    return from_parts(B, np.zeros((n2, n0)), n1, rng, False)


def zero_inputs(rng):
    n0, n1, n2 = _sizes(rng)
    return from_samples(np.zeros((5, n0)), rng.standard_normal((5, n2)) * int(rng.integers(0, 2)), n1)


def scalar(rng):
    lam = np.array([float(rng.uniform(0.5, 3.0))])
    return _spectral(rng, 1, int(rng.integers(1, 4)), 1, lam)


def one_output(rng):
    n0, n1, _ = _sizes(rng)
    return _spectral(rng, n0, n1, 1, distinct(1, rng))


def one_unit(rng):
    n0, _, n2 = _sizes(rng)
    return _spectral(rng, n0, 1, n2, distinct(min(n0, n2), rng))


def units(rng):
    """Inputs and targets in units far from one."""
    n0, n1, n2 = _sizes(rng)
    B, M = 1e3 * colouring(n0, n0, rng), 1e-4 * cross(n2, n0, distinct(min(n0, n2), rng), rng)
    return from_parts(B, M, n1, rng, bool(rng.integers(0, 2)), noise=1e-5)


FAMILIES = (
    narrow, square, wide, short_inputs, ties, zero_eigenvalues, all_tied, duplicate_columns, zero_columns, embedded,
    few_samples, gaussian, autoencoder, zero_targets, uncorrelated, zero_inputs, scalar, one_output, one_unit, units,
)  # fmt: skip


# --------------------------------------------------------------------------------------------------------- points


def mixer(n, rng, condition=4.0):
    """An invertible (n, n) matrix of the given condition number."""
    sizes = np.geomspace(1.0, 1.0 / condition, n) if n > 1 else np.array([rng.uniform(0.5, 2.0)])
    return (shallow.orthogonal(n, rng) * sizes) @ shallow.orthogonal(n, rng)


def kind_of(lam, indices, rho):
    """Global iff the sum of the eigenvalues of S reaches that of the rho largest (ties by value)."""
    lam = np.asarray(lam)
    missing = float(np.sum(lam[:rho]) - np.sum(lam[list(indices)]))
    return "strict_saddle" if missing > 1e-9 * (lam[0] if lam.size else 1.0) else "global_minimum"


def known_point(name, parts, rank, indices, rng, condition=4.0, extra=False):
    """The critical point of THEORY 2.6 with S = indices, plus a random part of V in the kernel of Sxx."""
    white, n1 = parts["whitened"], parts["n_hidden"]
    indices = tuple(int(i) for i in indices)
    q = n1 - len(indices)
    rho1 = None if extra and white.total > 0.0 else 0  # without targets N2 N1 = 0 would hold to rounding of nothing
    N1, N2, rho1, rho2 = shallow.null_blocks(white, q, rank, rng, rho1, None if extra else 0)
    U, V = shallow.critical_point(white, white.left[:, list(indices)], mixer(n1, rng, condition), N1, N2)
    if white.rank_x < len(V):
        free = rng.standard_normal(V.shape)
        V = V + free - white.T @ (white.B.T @ free)
    return KnownPoint(
        name, (U, V), indices, kind_of(white.eigenvalues, indices, min(n1, rank)), rho1, rho2, condition <= 10.0
    )


def known_points(parts, rank, rng):
    n1 = parts["n_hidden"]
    rho = min(n1, rank)
    make = functools.partial(known_point, parts=parts, rank=rank, rng=rng)
    points = [
        make("top", indices=range(rho)),
        make("top-extra", indices=range(rho), extra=True),
        make("any", indices=np.sort(rng.permutation(rank)[:rho])),
        make("ill-conditioned", indices=np.sort(rng.permutation(rank)[:rho]), condition=1e4),
    ]
    if rho > 0:
        points.append(make("deficient", indices=np.sort(rng.permutation(rank)[: int(rng.integers(0, rho))])))
        points.append(
            make("deficient-extra", indices=np.sort(rng.permutation(rank)[: int(rng.integers(0, rho))]), extra=True)
        )
    zeros = (np.zeros_like(points[0].point[0]), np.zeros_like(points[0].point[1]))
    points.append(KnownPoint("origin", zeros, (), kind_of(parts["whitened"].eigenvalues, (), rho)))
    n0, n2 = parts["moments"].xy.shape
    points.append(KnownPoint("random", (rng.standard_normal((n2, n1)), rng.standard_normal((n0, n1)))))
    return points


@functools.cache
def problem(i):
    """Case number i, the same in every run."""
    family = FAMILIES[i % len(FAMILIES)]
    rng = np.random.default_rng([SEED, i])
    parts = family(rng)
    rank = parts["whitened"].rank() if np.any(parts["moments"].xy) else 0
    (n0, n2), n1 = parts["moments"].xy.shape, parts["n_hidden"]
    points = known_points(parts, rank, rng)
    return Case(f"{i:03d}-{family.__name__}-{n0}-{n1}-{n2}", family.__name__, rank=rank, points=points, **parts)


def problems(count=QUICK):
    for i in range(count):
        yield problem(i)


def table(count=FULL, data_only=False):
    """pytest parameters for the fixture ``case``: numbers with stable ids, slow beyond QUICK."""
    for i in range(count):
        if data_only and problem(i).X is None:
            continue
        marks = () if i < QUICK else (pytest.mark.slow,)
        yield pytest.param(i, id=f"{i:03d}-{FAMILIES[i % len(FAMILIES)].__name__}", marks=marks)
