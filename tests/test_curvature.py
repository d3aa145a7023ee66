"""Lanczos on the HVP: against the dense eigendecomposition, residuals, products counted, degenerate spectra."""

import itertools

import numpy as np
import pytest

import cases
import comparators as cmp
from reference import shallow

METHODS = ["lanczos", "dense", "auto"]


def dense(case, p):
    return shallow.hessian(case.moments, p)


def scale_of(case, H):
    """||H||, or the size it would have for correlated data: entries of Sxy at rounding level are not what is tested."""
    return float(np.linalg.norm(H, 2)) + shallow.data_scale(case.moments) + np.finfo(float).tiny


@pytest.mark.parametrize("method", METHODS)
def test_smallest_eigenpair_is_the_dense_one(ls, case, method):
    net = case.net(ls)
    for known in case.points:
        H = dense(case, known.point)
        pair = ls.curvature.smallest_eigenpair(net, known.point, method=method, tol=1e-10)
        assert pair.converged, f"{known.name}: residual {pair.residual:.2e} after {pair.products} products"
        cmp.assert_close(pair.value, np.linalg.eigvalsh(H)[0], 1e-9, scale_of(case, H), known.name)
        cmp.assert_eigenpairs(H, pair.value, net.pack(pair.vector), 1e-8, scale=scale_of(case, H))


def test_residual_is_the_residual(ls, case):
    net = case.net(ls)
    for known in case.points[-3:]:
        H = dense(case, known.point)
        pair = ls.curvature.smallest_eigenpair(net, known.point, method="lanczos")
        v = net.pack(pair.vector)
        cmp.assert_close(np.linalg.norm(v), 1.0, 1e-13, what="norm of the vector")
        cmp.assert_close(pair.residual, np.linalg.norm(H @ v - pair.value * v), 1e-12, scale_of(case, H), known.name)
        cmp.assert_close(pair.value, v @ H @ v, 1e-12, scale_of(case, H), "Rayleigh quotient")


@pytest.mark.parametrize("which", ["smallest", "largest"])
@pytest.mark.parametrize(("k", "method"), [(1, "lanczos"), (3, "lanczos"), (3, "dense"), (None, "auto")])
def test_spectrum_is_the_dense_one(ls, case, k, which, method):
    net, known = case.net(ls), case.points[0]
    H = dense(case, known.point)
    k = k if k is None else min(k, net.size)
    s = ls.curvature.spectrum(net, known.point, k, which=which, method=method, tol=1e-10)
    assert s.converged
    ordered = np.linalg.eigvalsh(H) if which == "smallest" else np.linalg.eigvalsh(H)[::-1]
    assert len(s.values) == len(s.vectors) == len(s.residuals) == (net.size if k is None else k)
    cmp.assert_close(s.values, ordered[: len(s.values)], 1e-8, scale_of(case, H), "values")
    order = "ascending" if which == "smallest" else "descending"
    cmp.assert_eigenpairs(H, s.values, np.array([net.pack(v) for v in s.vectors]), 1e-7, order, scale_of(case, H))


def test_converged_is_said_not_assumed(ls):
    case = cases.problem(12)
    net, p = case.net(ls), case.points[-1].point
    with pytest.warns(ls.errors.ConvergenceWarning):
        few = ls.curvature.smallest_eigenpair(net, p, method="lanczos", max_products=3, tol=1e-14)
    assert not few.converged
    assert few.products <= 3
    assert few.value >= np.linalg.eigvalsh(dense(case, p))[0] - 1e-12 * scale_of(case, dense(case, p))


def test_products_are_counted(ls):
    case = cases.problem(12)
    net, p = case.net(ls), case.points[-1].point
    loose, tight = (ls.curvature.smallest_eigenpair(net, p, method="lanczos", tol=t).products for t in (1e-1, 1e-12))
    assert 1 <= loose <= tight <= 4 * net.size
    assert ls.curvature.smallest_eigenpair(net, p, method="dense").products == net.size
    operator = net.hessian(p)
    operator @ np.ones(net.size), operator @ np.ones((net.size, 3))
    assert operator.products == 4


def test_degenerate_spectra(ls):
    """At the origin every eigenvalue of the Hessian occurs n1 times; at zero data it is the zero matrix."""
    for number in (2, 6, 13, 15, 33, 35, 46):
        case = cases.problem(number)
        net, zero = case.net(ls), next(k.point for k in case.points if k.name == "origin")
        H = dense(case, zero)
        pair = ls.curvature.smallest_eigenpair(net, zero, method="lanczos")
        assert pair.converged
        cmp.assert_close(pair.value, np.linalg.eigvalsh(H)[0], 1e-8, scale_of(case, H), case.id)
        s = ls.curvature.spectrum(net, zero, min(4, net.size), method="lanczos")
        cmp.assert_close(
            s.values, np.linalg.eigvalsh(H)[: len(s.values)], 1e-7, scale_of(case, H), f"{case.id} spectrum"
        )


def test_two_parameters(ls):
    """1x1, one unit: R = 1 - 2 uv + uv uv at u = v = 0 has the Hessian [[0, -2], [-2, 0]]."""
    cov = ls.Covariances(xx=np.ones((1, 1)), xy=np.ones((1, 1)), yy=np.ones((1, 1)))
    net, zero = ls.ShallowLinear(cov, 1), (np.zeros((1, 1)), np.zeros((1, 1)))
    for method in METHODS:
        pair = ls.curvature.smallest_eigenpair(net, zero, method=method)
        cmp.assert_close(pair.value, -2.0, 1e-13, what=method)
    cmp.assert_close(ls.curvature.spectrum(net, zero).values, [-2.0, 2.0], 1e-14)


def test_the_seed_decides_the_bits(ls):
    case = cases.problem(12)
    net, p = case.net(ls), case.points[-1].point
    a, b = (ls.curvature.smallest_eigenpair(net, p, method="lanczos", seed=7) for _ in range(2))
    cmp.assert_same_bits(net.pack(a.vector), net.pack(b.vector))
    other = ls.curvature.smallest_eigenpair(net, p, method="lanczos", seed=8)
    cmp.assert_close(other.value, a.value, 1e-7, scale_of(case, dense(case, p)))


def test_larger_problem_needs_few_products(ls, rng):
    X = rng.standard_normal((200, 30))
    net = ls.ShallowLinear(ls.Covariances.from_data(X, X @ rng.standard_normal((30, 10))), 8)
    p = net.critical_point(tuple(range(1, 9)))
    pair = ls.curvature.smallest_eigenpair(net, p, method="lanczos")
    H = np.asarray(net.hessian(p).todense())
    cmp.assert_eigenpairs(H, pair.value, net.pack(pair.vector), 1e-6)
    cmp.assert_close(pair.value, np.linalg.eigvalsh(H)[0], 1e-7, np.linalg.norm(H, 2))
    assert pair.products <= net.size


def test_all_eigenvalues_of_a_large_problem_are_refused(ls):
    cov = ls.Covariances(xx=np.eye(51), xy=np.zeros((51, 50)), yy=np.eye(50))
    net = ls.ShallowLinear(cov, 50)  # 5050 parameters
    zero = tuple(np.zeros(shape) for shape in net.shapes)
    cmp.assert_raises_naming(lambda: ls.curvature.spectrum(net, zero), ValueError, "5000", "5050")
    cmp.assert_raises_naming(lambda: ls.curvature.spectrum(net, zero, 6000), ValueError, "k", "6000")


@pytest.mark.parametrize("which", ["SA", "LA"])
def test_one_pair_of_a_large_operator(ls, which):
    """From 20,000 parameters on the plain recurrence comes first; the residual is evaluated all the same."""
    from scipy.sparse.linalg import eigsh

    rng = np.random.default_rng(1)
    X = rng.standard_normal((300, 150))
    net = ls.DeepLinear(ls.Covariances.from_data(X, X[:, :10] + 0.1 * rng.standard_normal((300, 10))), (130, 20))
    assert net.size > 20_000
    p = ls.train(net, 1, steps=0, seed=2).point(0)
    find = ls.curvature.smallest_eigenpair if which == "SA" else ls.curvature.largest_eigenpair
    pair = find(net, p, tol=1e-7)
    H = net.hessian(p)
    expected = eigsh(H, k=1, which=which, tol=1e-10, v0=np.ones(net.size), return_eigenvectors=False)[0]
    assert pair.value == pytest.approx(expected, rel=1e-7)
    v = net.pack(pair.vector)
    assert np.linalg.norm(v) == pytest.approx(1.0)
    assert np.linalg.norm(H @ v - pair.value * v) == pytest.approx(pair.residual, rel=1e-3, abs=1e-12)
    assert pair.converged


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")  # on the import of curvlinops
def test_eigenvalues_are_those_of_curvlinops(ls):
    """The Hessian of a torch module on the samples, by curvlinops, at random weights."""
    torch = pytest.importorskip("torch")
    curvlinops = pytest.importorskip("curvlinops")
    from scipy.sparse.linalg import eigsh

    rng = np.random.default_rng(0)
    X, widths = rng.standard_normal((60, 7)), (7, 5, 4, 3)
    Y = X @ rng.standard_normal((7, 3)) + 0.1 * rng.standard_normal((60, 3))
    net = ls.DeepLinear(ls.Covariances.from_data(X, Y), widths[1:-1])
    for seed in range(5):
        p = ls.train(net, 1, steps=0, seed=seed).point(0)
        layers = [torch.nn.Linear(a, b, bias=False, dtype=torch.float64) for a, b in itertools.pairwise(widths)]
        with torch.no_grad():
            for layer, weight in zip(layers, p, strict=True):
                layer.weight.copy_(torch.tensor(weight))
        module = torch.nn.Sequential(*layers)
        data = [(torch.tensor(X), torch.tensor(Y))]
        theirs = curvlinops.HessianLinearOperator(module, torch.nn.MSELoss(), list(module.parameters()), data)
        for which, ours in (("SA", ls.curvature.smallest_eigenpair), ("LA", ls.curvature.largest_eigenpair)):
            expected = 3 * eigsh(theirs.to_scipy(), k=1, which=which, tol=1e-12)[0][0]  # MSELoss averages the outputs
            assert ours(net, p, tol=1e-10).value == pytest.approx(expected, rel=1e-7)
