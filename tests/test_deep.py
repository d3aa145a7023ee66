"""DeepLinear: the landscape protocol against its formulas and differences, the closed-form minimum, certificates."""

import json
import pickle

import numpy as np
import pytest

import comparators as cmp
from reference import deep as reference
from reference import risk

# n0, hidden, nL; the products are split at the output side, at the input side, and at a bottleneck between them.
NETWORKS = {
    "few outputs": (9, (6, 5), 2),
    "few inputs": (2, (6, 5), 9),
    "bottleneck": (9, (1,), 8),
    "deep bottleneck": (9, (7, 2, 6), 8),
    "bottleneck first": (9, (2, 7, 7), 8),
    "one hidden layer": (4, (3,), 4),
    "six layers": (3, (4, 2, 5, 3, 4), 3),
    "ones": (1, (1, 1), 1),
    "wider than the data": (3, (8, 9), 2),
}
METHODS = ["moments", "factor"]


def samples(rng, n0, n2, m=20):
    X = rng.standard_normal((m, n0)) @ (np.eye(n0) + 0.5 * rng.standard_normal((n0, n0)))
    return X, X @ rng.standard_normal((n0, n2)) + 0.5 * rng.standard_normal((m, n2))


@pytest.fixture(params=NETWORKS)
def widths(request):
    return NETWORKS[request.param]


@pytest.fixture(params=METHODS)
def problem(ls, rng, widths, request):
    """(landscape, reference moments, data)."""
    n0, hidden, n2 = widths
    X, Y = samples(rng, n0, n2)
    net = ls.DeepLinear(ls.Covariances.from_data(X, Y, method=request.param), hidden)
    return net, risk.second_moments(X, Y), (X, Y)


def random_point(net, rng, batch=()):
    return tuple(rng.standard_normal((*batch, *shape)) / np.sqrt(shape[1]) for shape in net.shapes)


def assert_layers_close(actual, expected, rtol=1e-11, scale=None):
    assert len(actual) == len(expected)
    scale = max(cmp.size(block) for block in expected) if scale is None else scale
    for h, (a, b) in enumerate(zip(actual, expected, strict=True), 1):
        cmp.assert_close(a, b, rtol, scale, f"W{h}")


# --- the protocol -----------------------------------------------------------------------------------------------------


def test_sizes(ls, problem, widths):
    net = problem[0]
    n0, hidden, n2 = widths
    assert net.widths == (n0, *hidden, n2)
    assert net.depth == len(hidden) + 1
    assert net.shapes == tuple(zip((*hidden, n2), (n0, *hidden), strict=True))
    assert net.size == sum(a * b for a, b in net.shapes)
    assert repr(net) == f"DeepLinear(n_inputs={n0}, hidden={hidden}, n_outputs={n2})"


def test_value_and_derivatives_are_the_formulas(problem, rng):
    net, moments, (X, Y) = problem
    for _ in range(3):
        p, d = random_point(net, rng), random_point(net, rng)
        value = reference.value(moments, p)
        assert net.value(p) == pytest.approx(value, rel=1e-11, abs=1e-13 * np.trace(moments.yy))
        assert net.value(p) == pytest.approx(((Y - net.predict(p, X)) ** 2).sum(axis=1).mean(), rel=1e-11)
        assert_layers_close(net.gradient(p), reference.gradient(moments, p))
        products = reference.hvp(moments, p, d)
        assert_layers_close(net.hvp(p, d), products)
        scale = sum(np.linalg.norm(a) * np.linalg.norm(b) for a, b in zip(products, d, strict=True))
        assert abs(net.curvature(p, d) - reference.curvature(moments, p, d)) <= 1e-11 * scale
        cmp.assert_close(net.product(p), reference.product(p), 1e-12)


def test_derivatives_are_those_of_the_polynomial_along_a_line(ls, problem, rng):
    net = problem[0]
    p, d = random_point(net, rng), random_point(net, rng)
    c = ls.slice(net, p, d, s=np.linspace(-0.5, 0.5, 11)).coefficients
    assert c.shape == (2 * net.depth + 1,)
    scale = np.abs(c).max()
    slope = sum(float(np.sum(g * b)) for g, b in zip(net.gradient(p), d, strict=True))
    assert abs(slope - c[1]) <= 1e-10 * scale
    assert abs(net.curvature(p, d) - 2.0 * c[2]) <= 1e-10 * scale
    # and the polynomial is the value itself
    for t in (-0.5, 0.3, 1.0):
        moved = tuple(a + t * b for a, b in zip(p, d, strict=True))
        assert np.polynomial.polynomial.polyval(t, c) == pytest.approx(net.value(moved), rel=1e-9)


def test_slices_in_a_plane_are_the_value(ls, problem, rng):
    net = problem[0]
    p, d, e = (random_point(net, rng) for _ in range(3))
    plane = ls.slice(net, p, d, e, s=[-0.4, 0.7], t=[0.0, 0.3, -0.6])
    for i, s in enumerate(plane.s):
        for j, t in enumerate(plane.t):
            moved = tuple(a + s * b + t * c for a, b, c in zip(p, d, e, strict=True))
            assert plane.values[i, j] == pytest.approx(net.value(moved), rel=1e-9)


def test_the_hessian_is_the_dense_one(problem, rng):
    net, moments, _ = problem
    p = random_point(net, rng)
    dense = reference.hessian(moments, p)
    operator = net.hessian(p)
    cmp.assert_close(operator.todense(), dense, 1e-11)
    X = rng.standard_normal((net.size, 5))
    cmp.assert_close(operator @ X, dense @ X, 1e-11)


def test_extreme_eigenpairs(ls, rng):
    X, Y = samples(rng, 6, 4)
    net = ls.DeepLinear(ls.Covariances.from_data(X, Y), (5, 5))
    p = random_point(net, rng)
    values = np.linalg.eigvalsh(reference.hessian(risk.second_moments(X, Y), p))
    for method in ("dense", "lanczos"):
        pair = ls.curvature.smallest_eigenpair(net, p, method=method)
        assert pair.value == pytest.approx(values[0], rel=1e-7, abs=1e-7 * np.abs(values).max())
        assert [block.shape for block in pair.vector] == list(net.shapes)
    np.testing.assert_allclose(ls.curvature.spectrum(net, p).values, values, atol=1e-10 * np.abs(values).max())


def test_batches_are_the_loop(problem, rng):
    net = problem[0]
    p, d = random_point(net, rng, (4,)), random_point(net, rng, (4,))
    one_p, one_d = tuple(b[1] for b in p), tuple(b[2] for b in d)
    for i in range(4):
        here, along = tuple(b[i] for b in p), tuple(b[i] for b in d)
        assert net.value(p)[i] == net.value(here)
        assert net.gap(p)[i] == pytest.approx(net.gap(here), rel=1e-12)
        cmp.assert_same_bits(tuple(b[i] for b in net.gradient(p)), net.gradient(here))
        cmp.assert_same_bits(tuple(b[i] for b in net.hvp(p, d)), net.hvp(here, along))
        cmp.assert_same_bits(tuple(b[i] for b in net.hvp(one_p, d)), net.hvp(one_p, along))
        cmp.assert_same_bits(tuple(b[i] for b in net.hvp(p, one_d)), net.hvp(here, one_d))
        assert net.curvature(p, d)[i] == pytest.approx(net.curvature(here, along), rel=1e-12)
        cmp.assert_close(net.product(p)[i], net.product(here), 1e-13)
    assert net.value(tuple(b[:1] for b in p)).shape == (1,)
    assert [c.verdict for c in net.certify(p)] == [net.certify(tuple(b[i] for b in p)).verdict for i in range(4)]


def test_value_and_gradient_at_once(problem, rng):
    net = problem[0]
    p = random_point(net, rng, (3,))
    value, slope = net.value_and_gradient(p)
    cmp.assert_same_bits(value, net.value(p))
    cmp.assert_same_bits(slope, net.gradient(p))
    one = tuple(block[0] for block in p)
    assert net.value_and_gradient(one)[0] == net.value(one)


def test_bits_do_not_depend_on_threads(problem, rng):
    net = problem[0]
    p, d = random_point(net, rng, (7,)), random_point(net, rng, (7,))
    for call in (net.value, net.gradient, lambda q, n_threads: net.hvp(q, d, n_threads=n_threads)):
        cmp.assert_same_bits(call(p, n_threads=1), call(p, n_threads=3))


def test_pack_is_block_order_c_order(problem, rng):
    net = problem[0]
    p = random_point(net, rng, (3,))
    flat = net.pack(p)
    assert flat.shape == (3, net.size)
    cmp.assert_same_bits(flat[1], np.concatenate([block[1].ravel() for block in p]))
    cmp.assert_same_bits(net.unpack(flat), p)
    cmp.assert_same_bits(net.unpack(flat[0]), tuple(block[0] for block in p))


def test_one_hidden_layer_is_the_shallow_landscape(ls, rng):
    X, Y = samples(rng, 5, 4)
    cov = ls.Covariances.from_data(X, Y, center=True)
    deep, shallow = ls.DeepLinear(cov, (3,)), ls.ShallowLinear(cov, 3)
    u, v = (rng.standard_normal(shape) for shape in shallow.shapes)
    p = (np.ascontiguousarray(v.T), u)
    assert deep.value(p) == pytest.approx(shallow.value((u, v)), rel=1e-13)
    g_u, g_v = shallow.gradient((u, v))
    assert_layers_close(deep.gradient(p), (g_v.T, g_u), 1e-12)
    assert deep.minimum_value == shallow.minimum_value
    assert deep.gap(p) == pytest.approx(shallow.gap((u, v)), rel=1e-11)
    np.testing.assert_allclose(
        np.sort(ls.curvature.spectrum(deep, p).values),
        np.sort(ls.curvature.spectrum(shallow, (u, v)).values),
        atol=1e-10,
    )


@pytest.mark.parametrize(
    "convert", [np.asfortranarray, np.float32, lambda a: np.repeat(a, 2, -1)[..., ::2], np.ndarray.tolist]
)
def test_any_layout_is_converted_once(problem, rng, convert):
    net = problem[0]
    p = tuple(np.round(4 * block) / 4 for block in random_point(net, rng))
    cmp.assert_same_bits(net.gradient(tuple(convert(block) for block in p)), net.gradient(p))


def test_read_only_input_is_enough(problem, rng):
    net = problem[0]
    p = random_point(net, rng)
    for block in p:
        block.setflags(write=False)
    assert net.value(list(p)) == net.value(p)
    assert net.hvp(p, p)[0].flags.writeable


# --- invariances ------------------------------------------------------------------------------------------------------


def test_mixing_of_a_hidden_layer_changes_nothing(problem, rng):
    net = problem[0]
    p = random_point(net, rng)
    for h, n in enumerate(net.hidden):
        C = np.eye(n) + 0.3 * rng.standard_normal((n, n))
        q = list(p)
        q[h], q[h + 1] = C @ p[h], p[h + 1] @ np.linalg.inv(C)
        assert net.value(q) == pytest.approx(net.value(p), rel=1e-9)
        assert net.gap(q) == pytest.approx(net.gap(p), rel=1e-9)


def test_the_flow_keeps_balancedness(problem, rng):
    # W_{l+1}ᵀ ∂_{l+1} = ∂_l W_lᵀ, so the derivative of W_{l+1}ᵀ W_{l+1} - W_l W_lᵀ along the gradient vanishes.
    net = problem[0]
    p = random_point(net, rng)
    g = net.gradient(p)
    for h in range(net.depth - 1):
        left, right = p[h + 1].T @ g[h + 1], g[h] @ p[h].T
        cmp.assert_close(left, right, 1e-10, max(cmp.size(left), cmp.size(right), 1e-300))
    norms = [np.linalg.norm(matrix) for matrix in reference.balancedness(p)]
    np.testing.assert_allclose(net.balancedness(p), norms, rtol=1e-12)


def test_balancing_keeps_the_network(problem, rng):
    net = problem[0]
    p = random_point(net, rng)
    q = net.balance(p)
    cmp.assert_close(net.product(q), net.product(p), 1e-12)
    assert net.value(q) == pytest.approx(net.value(p), rel=1e-11)
    assert cmp.size(net.balancedness(q)) <= 1e-12 * max(1.0, *(cmp.size(block) ** 2 for block in q))
    assert cmp.size(net.balancedness(net.balance(tuple(np.zeros(shape) for shape in net.shapes)))) == 0.0


# --- the global minimum -----------------------------------------------------------------------------------------------


def test_the_global_minimum_attains_the_minimum_and_is_balanced(problem):
    net, moments, _ = problem
    best = net.global_minimum()
    scale = np.trace(moments.yy)
    assert net.value(best) == pytest.approx(net.minimum_value, abs=1e-11 * scale)
    assert net.gap(best) <= 1e-11 * scale
    assert cmp.size(net.balancedness(best)) <= 1e-11 * max(cmp.size(block) ** 2 for block in best)
    assert np.linalg.matrix_rank(net.product(best)) == net.rank_bound
    values = reference_eigenvalues(moments)
    assert net.minimum_value == pytest.approx(scale - values[: min(net.hidden)].sum(), rel=1e-10, abs=1e-12 * scale)


def reference_eigenvalues(moments):
    return np.linalg.eigvalsh(moments.xy.T @ np.linalg.pinv(moments.xx) @ moments.xy)[::-1]


def test_no_point_is_below_the_minimum(problem, rng):
    net = problem[0]
    p = random_point(net, rng, (200,))
    assert (net.value(p) >= net.minimum_value - 1e-12 * net.cov.total).all()
    assert (net.gap(p) >= 0.0).all()
    np.testing.assert_allclose(net.gap(p), net.value(p) - net.minimum_value, atol=1e-10 * net.cov.total)


def test_theory_3_8(ls):
    # D12: L = 3, Sxx = I, Syx = diag(3, 1), Syy = diag(9, 1), c = 3^{1/3}
    cov = ls.Covariances(xx=np.eye(2), xy=np.diag([3.0, 1.0]), yy=np.diag([9.0, 1.0]))
    net = ls.DeepLinear(cov, (2, 2))
    c = 3.0 ** (1 / 3)
    tight = (np.diag([c, 0.0]),) * 3
    loose = (tight[0], np.diag([c, 1.0]), tight[2])
    assert net.minimum_value == 0.0
    for p, smallest in ((tight, 0.0), (loose, -2.0)):
        assert net.value(p) == pytest.approx(1.0, rel=1e-12)
        assert max(cmp.size(block) for block in net.gradient(p)) < 1e-12
        assert ls.curvature.smallest_eigenpair(net, p).value == pytest.approx(smallest, abs=1e-12)
        assert net.certify(p).verdict == "NOT_GLOBAL"
    e2 = np.diag([0.0, 1.0])
    assert net.curvature(loose, (e2, np.zeros((2, 2)), -e2)) == pytest.approx(4.0)
    assert net.curvature(loose, (e2, np.zeros((2, 2)), e2)) == pytest.approx(-4.0)


def test_theory_d2_scalars(ls):
    # R = σyy - 2 σyx w1 w2 w3 + σxx (w1 w2 w3)²: everything of order below 3 vanishes at zero.
    net = ls.DeepLinear(ls.Covariances(xx=[[1.0]], xy=[[1.0]], yy=[[1.0]]), (1, 1))
    zero = (np.zeros((1, 1)),) * 3
    one = (np.ones((1, 1)),) * 3
    line = ls.slice(net, zero, one, s=[0.5])
    np.testing.assert_allclose(line.coefficients, [1.0, 0.0, 0.0, -2.0, 0.0, 0.0, 1.0], atol=1e-15)
    at = (np.zeros((1, 1)), np.zeros((1, 1)), np.full((1, 1), 0.7))
    np.testing.assert_allclose(ls.curvature.spectrum(net, at).values, [-1.4, 0.0, 1.4], atol=1e-14)


# --- certificates -----------------------------------------------------------------------------------------------------


def test_certificates(problem, rng):
    net, moments, _ = problem
    best, p = net.global_minimum(), random_point(net, rng)
    certificate = net.certify(best)
    assert certificate.verdict == "GLOBAL"
    assert certificate.stationarity < 1e-10
    assert certificate.lower_bound <= net.minimum_value
    elsewhere = net.certify(p)
    assert elsewhere.lower_bound <= net.minimum_value
    if net.gap(p) > 1e-3:
        assert elsewhere.verdict == "NOT_GLOBAL"
        assert elsewhere.stationarity > 1e-6
        there = tuple(a + b for a, b in zip(p, elsewhere.witness, strict=True))
        assert net.value(there) == pytest.approx(net.minimum_value, abs=1e-10 * np.trace(moments.yy))


def test_certificates_survive_json(ls, problem, rng, tmp_path):
    net = problem[0]
    certificate = net.certify(random_point(net, rng))
    certificate.save(tmp_path / "c.json")
    again = ls.load(tmp_path / "c.json")
    assert json.loads(again.to_json()) == json.loads(certificate.to_json())
    if certificate.witness is not None:
        cmp.assert_same_bits(again.witness, certificate.witness)


def test_never_a_wrong_global(ls, rng):
    # Perturbations of a minimum of all sizes: GLOBAL only where the exact gap is within tol of the value at zero.
    X, Y = samples(rng, 5, 4)
    net = ls.DeepLinear(ls.Covariances.from_data(X, Y, method="factor"), (4, 3))
    best, scale = net.global_minimum(), net.cov.total
    verdicts = set()
    for size in np.logspace(-12, 1, 40):
        p = tuple(block + size * rng.standard_normal(block.shape) for block in best)
        certificate = net.certify(p, tol=1e-8)
        verdicts.add(str(certificate.verdict))
        assert certificate.gap >= net.gap(p) - 1e-13 * scale
        if certificate.verdict == "GLOBAL":
            assert net.gap(p) <= 1e-8 * scale
    assert verdicts >= {"GLOBAL", "NOT_GLOBAL"}


# --- degenerate data --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", ["zero column", "collinear", "wide", "uncorrelated", "constant targets", "zero"])
def test_degenerate_data(ls, rng, method, kind):
    X, Y = samples(rng, 5, 3, m=12)
    if kind == "zero column":
        X[:, 2] = 0.0
    elif kind == "collinear":
        X[:, 3] = X[:, 0] - X[:, 1]
    elif kind == "wide":
        X, Y = X[:4], Y[:4]
    elif kind == "uncorrelated":
        X, Y = np.repeat([[1.0, 1, 0, 0, 0], [-1, -1, 0, 0, 0]], 6, axis=0), np.ones((12, 3))
    elif kind == "constant targets":
        Y[:] = 2.0
    elif kind == "zero":
        X[:] = 0.0
        Y[:] = 0.0
    net = ls.DeepLinear(ls.Covariances.from_data(X, Y, method=method), (4, 2))
    moments = risk.second_moments(X, Y)
    best, p = net.global_minimum(), random_point(net, rng)
    scale = max(1e-300, np.trace(moments.yy))
    assert net.value(best) == pytest.approx(net.minimum_value, abs=1e-11 * scale)
    assert net.certify(best).verdict == "GLOBAL"
    assert net.gap(p) == pytest.approx(reference.value(moments, p) - net.minimum_value, abs=1e-10 * max(scale, 1.0))
    assert_layers_close(net.gradient(p), reference.gradient(moments, p), scale=max(1.0, np.trace(moments.xx)))


# --- bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hidden", "error", "message"),
    [
        ((), ValueError, "at least one hidden layer"),
        ((3, 0), ValueError, r"hidden\[1\] must be between 1 and"),
        ((3, 2.5), TypeError, r"hidden\[1\] must be an integer"),
        (3, TypeError, "hidden must be a sequence of integers"),
        ("33", TypeError, "hidden must be a sequence of integers"),
    ],
)
def test_wrong_widths(ls, hidden, error, message):
    with pytest.raises(error, match=message):
        ls.DeepLinear(ls.Covariances(xx=np.eye(2), xy=np.eye(2), yy=np.eye(2)), hidden)


def test_wrong_moments(ls):
    with pytest.raises(TypeError, match="cov must be a Covariances, got ndarray"):
        ls.DeepLinear(np.eye(2), (2,))


def test_wrong_points(ls):
    net = ls.DeepLinear(ls.Covariances(xx=np.eye(2), xy=np.eye(2), yy=np.eye(2)), (3, 4))
    good = tuple(np.zeros(shape) for shape in net.shapes)
    nan = (good[0], np.full((4, 3), np.nan), good[2])
    for p, error, message in (
        (good[:2], ValueError, r"p must be a tuple \(W1, ..., W3\) of 3 arrays, got 2 of them"),
        (good[0], TypeError, r"p must be a tuple \(W1, ..., W3\) of 3 arrays, got an array"),
        ((good[0], good[0], good[2]), ValueError, r"p\[1\] \(W2\) must be \(n2, n1\) = \(4, 3\) or a batch"),
        (nan, ValueError, r"p\[1\] \(W2\) contains NaN or infinity at \[0, 0\]"),
        ((good[0], good[1], np.zeros((5, 2, 4))), ValueError, "the same batch axis on W1 and W3"),
        (tuple(np.zeros((0, *shape)) for shape in net.shapes), ValueError, "empty batch"),
        (tuple(np.full(shape, 1e40) for shape in net.shapes), ValueError, "p is too large"),
    ):
        with pytest.raises(error, match=message):
            net.value(p)
    batch = tuple(np.zeros((5, *shape)) for shape in net.shapes)
    with pytest.raises(ValueError, match="d must have the batch size of p, 5, got 4"):
        net.hvp(batch, tuple(block[:4] for block in batch))
    with pytest.raises(ValueError, match="p must be a single point, got a batch of 5"):
        net.hessian(batch)
    with pytest.raises(ValueError, match="N = 26"):
        net.unpack(np.zeros(25))


def test_pickles(problem, rng):
    net = problem[0]
    again = pickle.loads(pickle.dumps(net))
    p = random_point(net, rng)
    assert (again.widths, again.value(p)) == (net.widths, net.value(p))
