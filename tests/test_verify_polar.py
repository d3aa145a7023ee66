"""The independent re-check of upper bounds of the polar against dense search, and against tampered proofs."""

import base64
import itertools
import math
from types import SimpleNamespace

import numpy as np
import pytest

from landscape_cpp._network_problem import NetworkProblem
from landscape_cpp._verify_polar import METHODS, prove_polar

LIMIT = 8192
SLOPES = (0.0, 0.1, -0.4, -1.0)


def problem(X, outputs=1, slope=0.0, power=1, hidden=(), bias=True):
    return NetworkProblem(
        SimpleNamespace(
            inputs=np.asarray(X, dtype=float),
            targets=np.zeros((len(X), outputs)),
            lam=1.0,
            loss=SimpleNamespace(name="squared", delta=1.0),
            unit=SimpleNamespace(slope=slope, power=power),
            hidden=hidden,
            bias=bias,
            intercept=False,
        )
    )


def sphere(d, count=40000):
    """Directions all over the sphere, d ≤ 3."""
    if d == 1:
        return np.array([[1.0, -1.0]])
    phi = np.linspace(0.0, 2.0 * np.pi, 4001 if d == 2 else 401)
    circle = np.stack([np.cos(phi), np.sin(phi)])
    if d == 2:
        return circle
    z = np.linspace(-1.0, 1.0, count // 401)
    r = np.sqrt(1.0 - z * z)
    return np.stack([np.outer(r, circle[0]), np.outer(r, circle[1]), np.outer(z, np.ones(401))]).reshape(3, -1)


def values(X, Q, W, slope=0.0, power=1):
    t = X @ W
    return np.linalg.norm(Q.T @ np.maximum(t, slope * t) ** power, axis=0)


def searched(X, Q, slope=0.0, power=1):
    """max f by dense search, sharpened by power steps: from below, and nearly always the polar."""
    W = sphere(X.shape[1])
    f = values(X, Q, W, slope, power)
    w, best = W[:, np.argsort(f)[-50:]], float(f.max())
    if X.shape[1] > 1 and power == 1:  # maxima on the kinks
        for x in X[np.any(X != 0.0, axis=1)]:
            best = max(best, searched(X @ np.linalg.svd(x[None])[2][1:].T, Q, slope))
    for _ in range(200 if power == 1 and X.shape[1] > 1 else 0):
        t = X @ w
        g = X.T @ (np.where(t > 0.0, 1.0, slope) * (Q @ (Q.T @ np.maximum(t, slope * t))))
        norm = np.linalg.norm(g, axis=0)
        w = np.where(norm > 0.0, g / np.where(norm > 0.0, norm, 1.0), w)
        best = max(best, float(values(X, Q, w, slope).max()))
    return best


def data(kind, d, m=9, outputs=1, seed=0):
    rng = np.random.default_rng([seed, d, m, outputs])
    X, Q = rng.standard_normal((m, d)), rng.standard_normal((m, outputs))
    if kind == "grid":
        X = rng.integers(-1, 2, (m, d)).astype(float)
        X[0] = 1.0
    elif kind == "duplicates":
        X[m // 2 :] = X[: m - m // 2]
    elif kind == "opposite":
        X[m // 2 :] = -2.0 * X[: m - m // 2]
    elif kind == "zeros":
        X[1], Q[2] = 0.0, 0.0
    elif kind == "close":
        X[1] = X[0] + 1e-9 * X[2]
        X[3] = -X[0] + 1e-14 * X[2]
    elif kind == "collinear":
        X = np.outer(X[:, 0], X[0])
    return X, Q


KINDS = ("random", "grid", "duplicates", "opposite", "zeros", "close", "collinear")


def confirmed(p, Q, method, polar, proof=None, room=1e-9):
    """A bound is proved, is one, and is not larger than was stated; what is below the polar is never confirmed."""
    stated = polar * (1.0 + room)
    bound = prove_polar(p, Q, method, stated, proof, LIMIT)
    assert bound is not None
    assert bound.method == method
    assert polar * (1.0 - 1e-12) <= bound.upper <= stated * (1.0 + 1e-9)
    refused(p, Q, method, polar, proof)


def refused(p, Q, method, polar, proof=None):
    for short in (1e-6, 0.1, 1.0):
        bound = prove_polar(p, Q, method, polar * (1.0 - short), proof, LIMIT)
        assert bound is None or bound.upper >= polar * (1.0 - 1e-8)


# ------------------------------------------------------------------------------------------------ exact ones


@pytest.mark.parametrize("slope", SLOPES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("d", [1, 2])
def test_sweep(d, kind, slope):
    for outputs in (1, 2):
        X, Q = data(kind, d, outputs=outputs)
        confirmed(problem(X, outputs, slope), Q, "sweep", searched(X, Q, slope), room=3e-9)


@pytest.mark.parametrize("slope", SLOPES)
@pytest.mark.parametrize("kind", KINDS[:-1])
def test_faces_in_three_dimensions(kind, slope):
    for outputs in (1, 2, 4):
        X, Q = data(kind, 3, m=7, outputs=outputs)
        confirmed(problem(X, outputs, slope), Q, "faces", searched(X, Q, slope), room=3e-9)


def ascended(X, Q, slope, starts=4000):
    rng = np.random.default_rng(0)
    w, best = rng.standard_normal((X.shape[1], starts)), 0.0
    w /= np.linalg.norm(w, axis=0)
    for _ in range(200):
        t = X @ w
        best = max(best, float(np.linalg.norm(Q.T @ np.maximum(t, slope * t), axis=0).max()))
        g = X.T @ (np.where(t > 0.0, 1.0, slope) * (Q @ (Q.T @ np.maximum(t, slope * t))))
        norm = np.linalg.norm(g, axis=0)
        w = np.where(norm > 0.0, g / np.where(norm > 0.0, norm, 1.0), w)
    return best


@pytest.mark.parametrize(("d", "m"), [(4, 6), (5, 6)])
@pytest.mark.parametrize("kind", ["random", "grid", "opposite"])
def test_faces_in_more_dimensions(kind, d, m):
    X, Q = data(kind, d, m=m, seed=3)
    Q = np.abs(Q)  # f is convex: the ascent finds its maximum
    confirmed(problem(X, 1, 0.0), Q, "faces", ascended(X, Q, 0.0), room=1e-7)


def test_faces_never_confirm_less_than_an_ascent_finds():
    for seed, (d, slope) in enumerate(itertools.product((3, 4), (0.0, -0.4))):
        for kind in KINDS[:-1]:
            X, Q = data(kind, d, m=7, outputs=2, seed=seed)
            refused(problem(X, 2, slope), Q, "faces", ascended(X, Q, slope, starts=100))


def test_undecided_data_are_refused_in_four_dimensions():
    X, Q = data("random", 4, m=7)
    X[1] = X[0] + 1e-9 * X[2]
    assert prove_polar(problem(X), Q, "faces", 1e3, None, LIMIT) is None


@pytest.mark.parametrize(("up", "down"), [(1e100, 1e-100), (1e-100, 1e100), (1e100, 1e100), (1e-100, 1e-100)])
def test_scales(up, down):
    for d, method in ((2, "sweep"), (3, "faces"), (3, "spectral")):
        X, Q = data("random", d, m=6)
        polar = searched(X, Q) if method != "spectral" else prove_polar(problem(X), Q, method, 1.0, None, LIMIT).upper
        confirmed(problem(X * up), Q * down, method, polar * up * down, room=3e-9)


def test_small_data():
    for X, Q in ((np.array([[3.0, 4.0]]), np.array([[-3.0]])), (np.array([[0.0, 5.0]]), np.array([[1.0, 2.0, 2.0]]))):
        confirmed(problem(X, Q.shape[1]), Q, "sweep", 15.0)
    X = np.zeros((2, 3))
    for method in ("sweep", "faces", "spectral"):
        assert prove_polar(problem(X), np.ones((2, 1)), method, 0.0, None, LIMIT).upper == 0.0
        assert prove_polar(problem(np.eye(3)), np.zeros((3, 1)), method, 0.0, None, LIMIT).upper == 0.0


def test_sweep_of_many_samples():
    X, Q = data("random", 2, m=50000)
    phi = np.linspace(0.0, 2.0 * np.pi, 400)
    lower = float(values(X, Q, np.stack([np.cos(phi), np.sin(phi)])).max())
    upper = prove_polar(problem(X), Q, "sweep", lower, None, LIMIT).upper
    assert lower <= upper <= lower * 1.01


# ------------------------------------------------------------------------------------------------ relaxations


def smallest(prove, low, high):
    """The smallest confirmed bound, for proofs that come without one."""
    for _ in range(60):
        middle = 0.5 * (low + high)
        bound = prove(middle)
        low, high = (low, middle) if bound is not None and bound.upper <= middle * (1.0 + 1e-9) else (middle, high)
    return high


@pytest.mark.parametrize("slope", SLOPES)
@pytest.mark.parametrize("outputs", [1, 2, 12])
def test_shor(slope, outputs):
    X, Q = data("random", 3, m=8, outputs=outputs)
    p, polar = problem(X, outputs, slope), searched(X, Q, slope)
    nu = np.full(8, 2.0 / (1.0 - slope) * np.linalg.norm(Q, 2) ** 2)
    product = np.linalg.norm(Q, 2) * np.linalg.norm(X, 2)
    for proof in ({"nu": nu, "exponent": 0}, {"nu": nu * 2.0**40, "exponent": -20}, {"nu": packed(nu), "exponent": 0}):
        bound = prove_polar(p, Q, "shor", product, proof, LIMIT)
        assert polar <= bound.upper <= product * (1.0 + 1e-9)  # never worse than the product of norms
        refused(p, Q, "shor", polar, proof)
    rng = np.random.default_rng(0)
    for garbage in (nu * np.exp(3.0 * rng.standard_normal(8)), -nu, np.full(8, math.nan), nu[:5], 0.0 * nu, "nonsense"):
        bound = prove_polar(p, Q, "shor", polar, {"nu": garbage}, LIMIT)
        assert bound is None or bound.upper >= polar * (1.0 - 1e-9)
    assert prove_polar(p, Q, "shor", polar, None, LIMIT) is None


def packed(array):
    data = np.ascontiguousarray(array)
    return {"type": data.dtype.str, "shape": list(data.shape), "data": base64.b64encode(data.tobytes()).decode()}


def leaves(Q, slope, rows):
    """A proof whose leaves have the signs given and the multipliers of a diagonal relaxation."""
    m, sizes, blocks = len(Q), [], []
    for row in rows:
        own, tau = row[:m], row[m:]
        u = int(np.sum(own == 0))
        size = 2 * u + int(np.sum(own != 0)) + int(np.sum(tau != 0))
        N = np.zeros((size, size))
        i = np.arange(u)
        N[i, u + i] = N[u + i, i] = -2.0 * (1.0 - slope) ** 2 * np.linalg.norm(Q, 2) ** 2
        sizes.append(size)
        blocks.append(N.astype(np.float32).ravel())
    return {
        "signs": packed(np.array(rows, dtype=np.int8)),
        "sizes": sizes,
        "multipliers": packed(np.concatenate(blocks)),
    }


def tree(m, outputs, split):
    """All signs of the samples and outputs in ``split``; and the last one undecided where the first is positive."""
    rows = []
    for signs in itertools.product((1, -1), repeat=len(split)):
        row = np.zeros(m + outputs, dtype=int)
        row[list(split)] = signs
        if signs[0] == 1:
            row[split[-1]] = 0
        if not any(np.array_equal(row, other) for other in rows):
            rows.append(row)
    return rows


def unit_rows(kind, outputs, seed):
    """Data whose scaling by powers of two changes nothing."""
    X, Q = data(kind, 3, m=6, outputs=outputs, seed=seed)
    return X * 0.75 / np.max(np.abs(X), axis=1, keepdims=True), Q * 0.75 / np.max(np.abs(Q))


@pytest.mark.parametrize("slope", SLOPES)
@pytest.mark.parametrize("split", [(), (0, 3), (6, 0), (1, 7, 2)])
def test_branches(slope, split):
    X, Q = unit_rows("random", 2, seed=1)
    p, polar = problem(X, 2, slope), searched(X, Q, slope)
    rows = tree(6, 2, split) if split else [np.zeros(8, dtype=int)]
    proof = leaves(Q, slope, rows)
    stated = smallest(lambda s: prove_polar(p, Q, "branch-and-bound", s, proof, LIMIT), 0.0, 1e3)
    assert polar * (1.0 - 1e-12) <= stated < 1e2
    confirmed(p, Q, "branch-and-bound", stated, proof) if not split else refused(p, Q, "branch-and-bound", polar, proof)
    # the same, scaled
    bound = prove_polar(problem(X * 2.0**-300, 2, slope), Q * 2.0**310, "branch-and-bound", stated * 1024, proof, LIMIT)
    assert bound is not None
    assert bound.upper <= stated * 1024 * (1.0 + 1e-9)


def test_all_cells_are_tight():
    X, Q = unit_rows("random", 1, seed=2)
    polar = searched(X, Q)
    proof = leaves(Q, 0.0, [np.array(s) for s in itertools.product((1, -1), repeat=7)])
    # On a decided cell without multipliers the bound is |A|_2, over all sign patterns the largest.
    largest = max(np.linalg.norm((Q.T * np.array(s)) @ X) for s in itertools.product((1.0, 0.0), repeat=6))
    bound = prove_polar(problem(X), Q, "branch-and-bound", largest * (1.0 + 1e-9), proof, LIMIT)
    assert polar <= bound.upper <= largest * (1.0 + 3e-9)
    assert prove_polar(problem(X), Q, "branch-and-bound", largest * (1.0 - 1e-6), proof, LIMIT) is None


def test_tampered_branches():
    X, Q = unit_rows("random", 1, seed=4)
    p, polar = problem(X), searched(X, Q)
    rows = tree(6, 1, (0, 3, 6))
    assert prove_polar(p, Q, "branch-and-bound", 1e3, leaves(Q, 0.0, rows), LIMIT) is not None
    for gone in range(len(rows)):
        proof = leaves(Q, 0.0, rows[:gone] + rows[gone + 1 :])
        assert prove_polar(p, Q, "branch-and-bound", 1e3, proof, LIMIT) is None
    good, rng = leaves(Q, 0.0, rows), np.random.default_rng(0)
    N = np.frombuffer(base64.b64decode(good["multipliers"]["data"]), dtype=np.float32)
    for garbage in (0.0 * N, -N, N * rng.exponential(size=N.shape), rng.standard_normal(N.shape), N[:-1], N * math.nan):
        proof = {**good, "multipliers": packed(garbage.astype(np.float32))}
        refused(p, Q, "doubly-nonnegative", polar, proof)
    for proof in ({}, {**good, "sizes": [-1]}, {**good, "sizes": good["sizes"][:-1]}, {**good, "signs": "abc"}):
        assert prove_polar(p, Q, "branch-and-bound", 1e3, proof, LIMIT) is None
    text = {"type": "O", "shape": [1], "data": ""}
    assert prove_polar(p, Q, "branch-and-bound", 1e3, {**good, "signs": text}, LIMIT) is None


# ------------------------------------------------------------------------------------------------ norms


@pytest.mark.parametrize("slope", SLOPES)
def test_spectral(slope):
    X, Q = data("random", 3, m=7, outputs=2)
    polar, product = searched(X, Q, slope), np.linalg.norm(Q, 2) * np.linalg.norm(X, 2)
    bound = prove_polar(problem(X, 2, slope), Q, "spectral", product, None, LIMIT)
    assert polar <= bound.upper <= product * (1.0 + 1e-12)
    deeper = prove_polar(problem(X, 2, slope, hidden=(2, 2)), Q, "spectral", product, None, LIMIT)
    assert bound.upper <= deeper.upper <= product * (1.0 + 1e-12)


def test_linear():
    X, Q = data("random", 3, m=7, outputs=2)
    for p in (problem(X, 2, 1.0), problem(X, 2, 1.0, hidden=(3,))):
        confirmed(p, Q, "cholesky", float(np.linalg.norm(Q.T @ X, 2)))


@pytest.mark.parametrize("slope", SLOPES)
def test_power_two(slope):
    for outputs in (1, 2):
        X, Q = data("random", 3, m=7, outputs=outputs)
        p, polar = problem(X, outputs, slope, power=2), searched(X, Q, slope, power=2)
        form = float(np.linalg.eigvalsh(X.T @ (np.linalg.norm(Q, axis=1)[:, None] * X))[-1])
        bound = prove_polar(p, Q, "spectral", form, None, LIMIT)
        assert polar <= bound.upper <= form * (1.0 + 1e-12)
        if outputs == 1 and slope == -1.0:  # the polar itself
            exact = float(np.max(np.abs(np.linalg.eigvalsh(X.T @ (Q * X)))))
            confirmed(p, Q, "spectral", exact)
        if outputs == 1 and slope == 0.0:
            parts = [float(np.linalg.eigvalsh(X.T @ (np.maximum(s * Q, 0.0) * X))[-1]) for s in (1.0, -1.0)]
            assert bound.upper <= max(parts) * (1.0 + 1e-12)


# ------------------------------------------------------------------------------------------------ a free bias


@pytest.mark.parametrize("slope", [*SLOPES, 1.0])
@pytest.mark.parametrize(("d", "method"), [(1, "sweep"), (2, "sweep"), (3, "faces")])
def test_free_bias(d, method, slope):
    X, Q = data("random", d, m=6, outputs=2)
    X[1] = X[0]
    Q = Q - Q.mean(axis=0)
    p = problem(np.column_stack([X, np.ones(len(X))]), 2, slope, bias="free")
    polar = max(searched(X - x, Q, slope) for x in X)
    confirmed(p, Q, method, polar, room=3e-9)


@pytest.mark.parametrize("slope", [*SLOPES, 1.0])
def test_relaxed_free_bias(slope):
    X, Q = data("random", 3, m=8, outputs=2)
    Q = Q - Q.mean(axis=0)
    p = problem(np.column_stack([X, np.ones(len(X))]), 2, slope, bias="free")
    polar = max(searched(X - x, Q, slope) for x in X)
    spectral = prove_polar(p, Q, "spectral", 1e6, None, LIMIT).upper
    product = max(np.linalg.norm(Q, 2) * np.linalg.norm(X - x, 2) for x in X)
    nu = np.full((8, 8), 2.0 / (1.0 - slope) * np.linalg.norm(Q, 2) ** 2 if slope < 1.0 else 1.0)
    assert polar <= spectral
    for proof in (None, {"nu": nu, "exponent": 0}):
        bound = prove_polar(p, Q, "shor", product * (1.0 + 1e-9), proof, LIMIT)
        assert polar <= bound.upper <= product * (1.0 + 3e-9)
        refused(p, Q, "shor", polar, proof)


# ------------------------------------------------------------------------------------------------ arguments


def test_what_does_not_fit_is_refused():
    X, Q = data("random", 3, m=7)
    p = problem(X)
    for method in (*METHODS, "krylov"):
        for q, stated in ((Q[:3], 1e3), (Q * math.nan, 1e3), (Q, math.inf), (Q, math.nan), (Q, -1.0), (Q.ravel(), 1e3)):
            assert prove_polar(p, q, method, stated, None, LIMIT) is None
    for method in ("sweep", "cholesky", "branch-and-bound", "shor", "krylov"):
        assert prove_polar(p, Q, method, 1e3, None, LIMIT) is None
    for other in (problem(X, power=2), problem(X, hidden=(2,))):
        assert prove_polar(other, Q, "faces", 1e3, None, LIMIT) is None
