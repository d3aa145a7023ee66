"""Critical points of deep linear networks of known kind: nine kinds of problem, depths L = 2..5.

``population`` is a table of random critical points of random problems, each with the kind that its construction says.
"""

import functools
from collections import Counter
from dataclasses import dataclass

import numpy as np

import cases
from reference import deep, risk, shallow

STYLES = (
    "more inputs", "as many outputs", "more outputs", "hidden of one", "bottleneck", "wide", "ties", "zero eigenvalues",
    "singular inputs",
)  # fmt: skip
PROBLEMS, POINTS = 20, 4  # per style, per problem
KINDS = {"strict_saddle": 250, "global_minimum": 150, "non_strict_saddle": 60}  # how often each occurs at least


@dataclass(frozen=True)
class Problem:
    moments: risk.Moments
    white: risk.Whitened
    hidden: tuple
    rank: int

    @property
    def widths(self):
        return (self.moments.xx.shape[0], *self.hidden, self.moments.yy.shape[0])

    @property
    def L(self):
        return len(self.hidden) + 1

    @property
    def rho(self):
        return min(*self.hidden, self.rank)

    @property
    def scale(self):
        return self.white.total

    def random_point(self, rng):
        return tuple(rng.standard_normal((m, n)) for n, m in zip(self.widths[:-1], self.widths[1:], strict=True))


@dataclass(frozen=True)
class Known:
    """A critical point of ``problem`` with the index set S, its strands, and the kind these say it has."""

    style: str
    problem: Problem
    point: tuple
    indices: tuple
    strands: list
    kind: str

    @functools.cached_property
    def classified(self):
        return deep.classify(self.problem.moments, self.point)

    @property
    def top(self):
        return is_top(self.problem.white.eigenvalues, self.indices)


def shape(style, L, rng):
    """n0, hidden, nL, rank Sxx."""
    n0, nL = {"more inputs": (4, 2), "as many outputs": (4, 4), "more outputs": (2, 4)}.get(
        style, rng.integers(2, 5, 2)
    )
    hidden = rng.integers(1, 5, L - 1)
    if style == "hidden of one":
        hidden[:] = 1
    if style == "as many outputs":
        hidden[:] = rng.integers(3, 5, L - 1)
    if style == "bottleneck":
        hidden[:] = 4
        hidden[rng.integers(0, L - 1)] = rng.integers(1, 3)
    if style == "wide":
        hidden[:] = 5
    return int(n0), tuple(int(n) for n in hidden), int(nL), int(n0) - (style == "singular inputs")


def make_problem(style, L, rng):
    n0, hidden, nL, rank_x = shape(style, L, rng)
    lam = cases.distinct(min(rank_x, nL) - (style == "zero eigenvalues"), rng)
    if style == "ties":
        lam = np.sort(rng.choice([1.0, 2.0], len(lam)))[::-1]
    B, M, N = cases.colouring(n0, rank_x, rng), cases.cross(nL, rank_x, lam, rng), 0.3 * rng.standard_normal((nL, nL))
    moments = risk.Moments(B @ B.T, B @ M.T, M @ M.T + N @ N.T)
    return Problem(moments, risk.whiten_moments(moments), hidden, len(lam))


def eigenvectors(white, indices, rng):
    """Orthonormal eigenvectors of Sigma with the eigenvalues lam[indices], any ones where eigenvalues are tied."""
    turned = white.left.copy()
    for lam in np.unique(np.round(white.eigenvalues, 6)):
        tied = np.flatnonzero(np.abs(white.eigenvalues - lam) < 1e-5)
        turned[:, tied] = turned[:, tied] @ shallow.orthogonal(len(tied), rng)
    return turned[:, list(indices)]


def critical(style, problem, rng):
    r = int(rng.integers(0, problem.rho + 1))
    indices = np.arange(r) if rng.random() < 0.6 else np.sort(rng.permutation(problem.rank)[:r])
    sizes = deep.level_sizes(problem.white, problem.hidden, r)
    strands = deep.random_strands(sizes, problem.rank - r, rng, int(rng.integers(0, 4 * problem.L)))
    columns = eigenvectors(problem.white, indices, rng)
    point = deep.critical_point(problem.white, problem.hidden, columns, rng, strands)
    return Known(style, problem, point, tuple(indices), strands, kind_of(problem, indices, strands))


def kind_of(problem, indices, strands):
    """Theorem C read off the strands: no product of matrices is formed."""
    r = len(indices)
    if not is_top(problem.white.eigenvalues, indices):
        return "strict_saddle"
    if r == problem.rho:
        return "global_minimum"
    return "strict_saddle" if loose_strands(problem.L, problem.rank - r, strands) else "non_strict_saddle"


def is_top(lam, indices):
    return np.sum(lam[: len(indices)]) - np.sum(lam[list(indices)]) < 1e-9 * lam[0]


def loose_strands(L, positive, strands):
    """rank N_ij > r: a strand covers the levels j..i-1. Block != 0: some sigma_k > 0 is seen at j-1 and at i."""
    reach, origin = Counter(), Counter()
    for s, axes in strands:
        if s == 0:
            reach[axes[0]] = len(axes) - 1
        if s + len(axes) - 1 == L:
            origin[axes[-1]] = L - s
    spans = [(s, s + len(axes) - 1) for s, axes in strands]
    return [
        (i, j)
        for i in range(2, L + 1)
        for j in range(1, i)
        if (i == j + 1 or any(s <= j and e >= i - 1 for s, e in spans))
        and any(L - origin[k] <= i and reach[k] >= j - 1 for k in range(positive))
    ]


@functools.cache
def population():
    known = []
    for number, style in enumerate(STYLES):
        for i in range(PROBLEMS):
            rng = np.random.default_rng([cases.SEED, number, i])
            problem = make_problem(style, 2 + i % 4, rng)
            known += [critical(style, problem, rng) for _ in range(POINTS)]
    return known


def of_kind(kind):
    return [known for known in population() if known.kind == kind]


def top_below_rho():
    return [known for known in population() if known.top and len(known.indices) < known.problem.rho]


def not_top():
    return [known for known in population() if not known.top]
