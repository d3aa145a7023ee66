"""What must not change: hidden mixing, rotations of X and Y, sample order, units, thread counts, batches."""

import numpy as np
import pytest

import cases
import comparators as cmp
from reference import shallow

VERDICT = ("kind", "rank", "morse_index", "nullity")
THREADS = (1, 2, 3, 7)


def verdict(result):
    return tuple(getattr(result, name) for name in VERDICT)


def good(case):
    return [known for known in case.points if known.well_conditioned]


def test_hidden_mixing(ls, case, rng):
    """(U, V) -> (U C, V C^-T) keeps the value, the kind, the Morse index and the nullity."""
    net, C = case.net(ls), cases.mixer(case.n_hidden, rng)
    for known in good(case):
        U, V = known.point
        q = (U @ C, V @ np.linalg.inv(C).T)
        scale = case.scale + np.linalg.norm(U) ** 2 * np.linalg.norm(V) ** 2 * np.linalg.norm(case.moments.xx)
        cmp.assert_close(net.value(q), net.value((U, V)), 1e-12, scale, "value")
        assert verdict(net.classify(q)) == verdict(net.classify((U, V))), known.name


def test_rotations_of_inputs_and_outputs(ls, case, rng):
    """x -> A x, y -> O y with orthogonal A, O: the point (O U, A V) of the turned data is the same point."""
    (n0, n1, n2), m = case.shape, case.moments
    A, O = shallow.orthogonal(n0, rng), shallow.orthogonal(n2, rng)  # noqa: E741
    cov = ls.Covariances(xx=sym(A @ m.xx @ A.T), xy=A @ m.xy @ O.T, yy=sym(O @ m.yy @ O.T))
    turned, net = ls.ShallowLinear(cov, n1), ls.ShallowLinear(ls.Covariances(xx=m.xx, xy=m.xy, yy=m.yy), n1)
    cmp.assert_close(turned.minimum_value, net.minimum_value, 1e-12, case.scale)
    for known in good(case):
        U, V = known.point
        assert verdict(turned.classify((O @ U, A @ V))) == verdict(net.classify((U, V))), known.name


def sym(a):
    return 0.5 * (a + a.T)


def test_linear_changes_of_the_inputs(ls, data_case, rng):
    """x -> A x with invertible A: Sigma and every verdict stay, V -> A^-T V."""
    A = cases.mixer(data_case.shape[0], rng)
    net = data_case.net(ls)
    other = ls.ShallowLinear(ls.Covariances.from_data(data_case.X @ A.T, data_case.Y), data_case.n_hidden)
    cmp.assert_close(other.minimum_value, net.minimum_value, 1e-12, data_case.scale)
    for known in good(data_case):
        U, V = known.point
        assert verdict(other.classify((U, np.linalg.inv(A).T @ V))) == verdict(net.classify((U, V))), known.name


@pytest.mark.parametrize(("a", "b"), [(1e-6, 1.0), (1e6, 1.0), (1.0, 1e-6), (1.0, 1e6), (1e5, 1e-5)])
def test_units(ls, case, a, b):
    """X -> a X, Y -> b Y multiplies every value by b^2 and changes no verdict."""
    m, net = case.moments, case.net(ls)
    scaled = ls.ShallowLinear(ls.Covariances(xx=a * a * m.xx, xy=a * b * m.xy, yy=b * b * m.yy), case.n_hidden)
    cmp.assert_close(scaled.minimum_value, b * b * case.minimum, 1e-12, b * b * case.scale)
    for known in good(case):
        U, V = known.point
        q = (U * np.sqrt(b / a), V * np.sqrt(b / a))
        assert verdict(scaled.classify(q)) == verdict(net.classify((U, V))), known.name


def test_sample_order(ls, data_case, rng):
    order = rng.permutation(len(data_case.X))
    net = data_case.net(ls)
    shuffled = ls.Covariances.from_data(data_case.X[order], data_case.Y[order])
    cmp.assert_moments_close(shuffled, data_case.moments, 1e-12)
    other = ls.ShallowLinear(shuffled, data_case.n_hidden)
    for known in good(data_case):
        assert verdict(other.classify(known.point)) == verdict(net.classify(known.point)), known.name


@pytest.mark.parametrize("method", ["moments", "factor"])
@pytest.mark.parametrize("shape", [(1000, 6, 3), (257, 20, 5), (5, 30, 2)])
def test_thread_counts_give_the_same_moments(ls, rng, method, shape):
    m, n0, n2 = shape
    X, Y, w = rng.standard_normal((m, n0)), rng.standard_normal((m, n2)), rng.uniform(0.5, 1.0, m)
    for options in ({}, {"center": True}, {"sample_weight": w}):
        one, *more = (ls.Covariances.from_data(X, Y, method=method, n_threads=n, **options) for n in THREADS)
        for cov in more:  # where a BLAS product is involved the issue allows 1e-13, not other bits
            cmp.assert_same_covariances(cov, one, 1e-13)


def test_thread_counts_give_the_same_derivatives(ls, case, rng):
    net = case.net(ls)
    P, D = (tuple(np.stack([b] * 9) * rng.uniform(0.5, 1.5, (9, 1, 1)) for b in case.random_point(rng)) for _ in "PD")
    for name, arguments in (("value", (P,)), ("gradient", (P,)), ("curvature", (P, D)), ("hvp", (P, D))):
        one, *more = (getattr(net, name)(*arguments, n_threads=n) for n in THREADS)
        for other in more:
            cmp.assert_same_bits(other, one, name)


@pytest.mark.parametrize("form", ["moments", "factor"])
def test_thread_counts_give_the_same_derivatives_of_a_larger_problem(ls, rng, form):
    X, Y = rng.standard_normal((150, 120)), rng.standard_normal((150, 40))
    net = ls.ShallowLinear(ls.Covariances.from_data(X, Y, method=form, n_threads=1), 30)
    p, d = (tuple(rng.standard_normal(shape) for shape in net.shapes) for _ in "pd")
    for name, arguments in (("value", (p,)), ("gradient", (p,)), ("curvature", (p, d)), ("hvp", (p, d))):
        one, *more = (getattr(net, name)(*arguments, n_threads=n) for n in THREADS)
        for other in more:  # BLAS may serve the calls with more than one thread: 1e-13, by the issue
            for a, b in zip(as_blocks(other), as_blocks(one), strict=True):
                cmp.assert_close(a, b, 1e-13, what=name)


def as_blocks(result):
    return result if isinstance(result, tuple) else (result,)


def test_thread_counts_give_the_same_verdicts_and_bits(ls, case):
    net = case.net(ls)
    many = tuple(np.stack(b) for b in zip(*[k.point for k in case.points * 5], strict=True))
    one, *more = (net.classify(many, n_threads=n) for n in THREADS)
    for other in more:
        assert [verdict(r) for r in other] == [verdict(r) for r in one]
        for name in ("value", "gap", "gradient_norm"):
            cmp.assert_same_bits(getattr(other, name), getattr(one, name), name)


def test_thread_counts_give_the_same_eigenpair(ls):
    case = cases.problem(12)
    net, p = case.net(ls), case.points[-1].point
    pairs = [ls.curvature.smallest_eigenpair(net, p, method="lanczos", n_threads=n) for n in THREADS]
    for pair in pairs[1:]:
        cmp.assert_same_bits(net.pack(pair.vector), net.pack(pairs[0].vector))


def test_memory_addresses_change_no_bits(ls, case, rng):
    """Results land at addresses of any alignment; which entries a packet loop covers must not change their bits."""
    net, p, d = case.net(ls), case.random_point(rng), case.random_point(rng)
    first, kept = (net.gradient(p), net.hvp(p, d)), []
    for _ in range(20):
        kept.append((net.gradient(p), net.hvp(p, d), np.empty(int(rng.integers(1, 40)))))
        cmp.assert_same_bits(kept[-1][:2], first)
    for shift in (8, 16, 24):
        moved = tuple(shifted(b, shift) for b in p)
        cmp.assert_same_bits((net.gradient(moved), net.hvp(moved, d)), first, f"inputs moved by {shift} bytes")


def shifted(b, shift):
    """A copy of b at an address that is ``shift`` modulo 64."""
    buffer = np.empty(b.nbytes + 128, np.uint8)
    start = -buffer.ctypes.data % 64 + shift
    out = buffer[start : start + b.nbytes].view(float).reshape(b.shape)
    out[...] = b
    return out


def test_running_twice_gives_the_same_bits(ls, data_case, rng):
    p = data_case.random_point(rng)
    a, b = (data_case.net(ls) for _ in range(2))
    cmp.assert_same_bits((a.cov.xx, a.cov.xy, a.cov.yy), (b.cov.xx, b.cov.xy, b.cov.yy))
    cmp.assert_same_bits(a.gradient(p), b.gradient(p))
    cmp.assert_same_bits(a.global_minimum(), b.global_minimum())
