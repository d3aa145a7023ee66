"""ShallowLinear: values and derivatives against the reference and differences, batches, closed forms, the ladder."""

import itertools

import numpy as np
import pytest

import cases
import comparators as cmp
from reference import risk, shallow


def points_of(case, rng, count=2):
    return [case.points[-1].point, case.points[0].point] + [case.random_point(rng) for _ in range(count)]


def stack(points):
    return tuple(np.stack(blocks) for blocks in zip(*points, strict=True))


def value_scale(case, p):
    """The size of the terms of R(Z) before they cancel."""
    return case.scale + float(np.linalg.norm(p[0] @ p[1].T) ** 2 * np.linalg.norm(case.moments.xx))


def gradient_scale(case, p):
    terms = np.linalg.norm(p[0] @ p[1].T @ case.moments.xx) + shallow.data_scale(case.moments)
    return 2.0 * terms * max(np.linalg.norm(p[0]), np.linalg.norm(p[1])) + np.finfo(float).tiny


def test_value_is_the_reference(ls, case, rng):
    net = case.net(ls)
    for p in points_of(case, rng):
        cmp.assert_close(net.value(p), shallow.value(case.moments, p), 1e-13, value_scale(case, p), "value")


def test_value_is_the_mean_squared_error_of_the_predictions(ls, data_case, rng):
    net, p = data_case.net(ls), data_case.random_point(rng)
    expected = np.mean(np.sum((data_case.Y - net.predict(p, data_case.X)) ** 2, axis=1))
    cmp.assert_close(net.value(p), expected, 1e-13, value_scale(data_case, p))


def test_gradient_is_the_reference(ls, case, rng):
    net = case.net(ls)
    for p in points_of(case, rng):
        cmp.assert_points_close(net.gradient(p), shallow.gradient(case.moments, p), 1e-13, gradient_scale(case, p))


def test_value_and_gradient_at_once(ls, case, rng):
    net = case.net(ls)
    p = tuple(np.stack(pair) for pair in zip(case.random_point(rng), case.random_point(rng), strict=True))
    value, slope = net.value_and_gradient(p)
    cmp.assert_same_bits(slope, net.gradient(p))
    np.testing.assert_allclose(value, net.value(p), rtol=1e-13)
    assert isinstance(net.value_and_gradient(tuple(block[0] for block in p))[0], float)


def test_derivatives_match_differences(ls, case, rng):
    net, p = case.net(ls), case.points[-1].point
    directions = [case.random_point(rng) for _ in range(2)]
    cmp.assert_gradient_matches_fd(net, p, directions)
    cmp.assert_curvature_matches_fd(net, p, directions)


def test_curvature_hvp_and_hessian_are_the_reference(ls, case, rng):
    net = case.net(ls)
    for p in points_of(case, rng):
        d, H = case.random_point(rng), shallow.hessian(case.moments, p)
        scale = cmp.curvature_scale(case.moments, p, d) + np.finfo(float).tiny
        cmp.assert_close(net.curvature(p, d), shallow.curvature(case.moments, p, d), 1e-13, scale, "curvature")
        size = (np.linalg.norm(H) + 2.0 * shallow.data_scale(case.moments)) * np.linalg.norm(shallow.pack(d))
        size += np.finfo(float).tiny
        cmp.assert_points_close(net.hvp(p, d), shallow.hvp(case.moments, p, d), 1e-13, size, "hvp")
        cmp.assert_close(net.hessian(p).todense(), H, 1e-13, size, "hessian")


def test_hessian_is_a_symmetric_linear_operator(ls, case, rng):
    net, p = case.net(ls), case.random_point(rng)
    H, x = net.hessian(p), rng.standard_normal((net.size, 3))
    dense = np.asarray(H.todense())
    assert H.shape == (net.size, net.size)
    cmp.assert_same_bits(dense, np.ascontiguousarray(dense.T), "H is symmetric")
    scale = np.linalg.norm(dense) * np.linalg.norm(x) + np.finfo(float).tiny
    cmp.assert_close(H @ x[:, 0], dense @ x[:, 0], 1e-13, scale, "matvec")
    cmp.assert_close(H @ x, dense @ x, 1e-13, scale, "matmat")
    cmp.assert_close(H.T @ x[:, 0], dense @ x[:, 0], 1e-13, scale, "adjoint")


def test_pack_is_block_order_c_order(ls, case, rng):
    net, p = case.net(ls), case.random_point(rng)
    n0, n1, n2 = case.shape
    assert (net.shapes, net.size) == (((n2, n1), (n0, n1)), n1 * (n0 + n2))
    cmp.assert_same_bits(net.pack(p), shallow.pack(p))
    cmp.assert_same_bits(net.unpack(net.pack(p)), p)
    many = stack([p, case.random_point(rng)])
    cmp.assert_same_bits(net.pack(many)[0], net.pack(p))
    cmp.assert_same_bits(net.unpack(net.pack(many)), many)


def test_batches_are_the_loop(ls, case, rng):
    net, P = case.net(ls), [case.random_point(rng) for _ in range(5)]
    D, many = [case.random_point(rng) for _ in range(5)], stack(P)
    directions = stack(D)
    cmp.assert_same_bits(net.value(many), np.array([net.value(p) for p in P]), "value")
    cmp.assert_same_bits(net.gradient(many), stack([net.gradient(p) for p in P]), "gradient")
    for name in ("curvature", "hvp"):
        f = getattr(net, name)
        join = np.array if name == "curvature" else stack
        cmp.assert_same_bits(f(many, directions), join([f(p, d) for p, d in zip(P, D, strict=True)]), f"{name} pairs")
        cmp.assert_same_bits(f(P[0], directions), join([f(P[0], d) for d in D]), f"{name} one p")
        cmp.assert_same_bits(f(many, D[0]), join([f(p, D[0]) for p in P]), f"{name} one d")


@pytest.mark.parametrize("layout", ["fortran", "strided", "reversed", "read-only", "list", "float32"])
def test_any_layout_of_a_point_gives_the_same_bits(ls, rng, layout):
    case = cases.problem(0)
    net, p = case.net(ls), tuple(b.astype(np.float32).astype(float) for b in case.random_point(rng))
    converted = tuple(LAYOUTS[layout](b) for b in p)
    cmp.assert_same_bits(net.gradient(converted), net.gradient(p))
    cmp.assert_same_bits(net.hvp(p, converted), net.hvp(p, p))


def frozen(b):
    b = b.copy()
    b.flags.writeable = False
    return b


LAYOUTS = {
    "fortran": np.asfortranarray,
    "strided": lambda b: np.repeat(b, 3, axis=1)[:, ::3],
    "reversed": lambda b: b[::-1, ::-1].copy()[::-1, ::-1],
    "read-only": frozen,
    "list": lambda b: b.tolist(),
    "float32": lambda b: b.astype(np.float32),
}


def test_no_call_writes_to_its_arguments(ls, case):
    net, p = case.net(ls), case.points[0].point
    before = tuple(b.copy() for b in p)
    for f in (net.value, net.gradient, net.hessian, net.classify, net.certify, net.escape):
        f(p)
    net.curvature(p, p), net.hvp(p, p)
    cmp.assert_same_bits(p, before)


def test_a_batch_of_one_keeps_its_axis(ls, rng):
    case = cases.problem(0)
    net, p = case.net(ls), case.random_point(rng)
    one = stack([p])
    assert net.value(one).shape == (1,)
    assert net.gradient(one)[0].shape == (1, *p[0].shape)
    assert isinstance(net.value(p), float)
    assert isinstance(net.curvature(p, p), float)


def test_predict(ls, rng):
    case = cases.problem(3)
    net, p, X = case.net(ls), case.random_point(rng), rng.standard_normal((7, case.shape[0]))
    cmp.assert_close(net.predict(p, X), X @ p[1] @ p[0].T, 1e-14)
    both = stack([p, case.random_point(rng)])
    assert net.predict(both, X).shape == (2, 7, case.shape[2])
    cmp.assert_close(net.predict(both, X)[0], X @ p[1] @ p[0].T, 1e-14)


def test_global_minimum_attains_the_minimum_value(ls, case, rng):
    net = case.net(ls)
    for C in (None, cases.mixer(case.n_hidden, rng)):
        p = net.global_minimum(C) if C is not None else net.global_minimum()
        cmp.assert_close(net.minimum_value, case.minimum, 1e-12, case.scale, "minimum_value")
        cmp.assert_close(shallow.value(case.moments, p), case.minimum, 1e-12, case.scale, "value of the minimum")
        cmp.assert_critical(case.moments, p, 1e-12)


def test_the_default_global_minimum_is_balanced(ls, case):
    U, V = case.net(ls).global_minimum()
    cmp.assert_close(U.T @ U, V.T @ V, 1e-12, cmp.size(U.T @ U) + 1e-30, "U^T U - V^T V")


def test_no_random_point_is_below_the_minimum(ls, case, rng):
    net = case.net(ls)
    P = stack([case.random_point(rng) for _ in range(50)])
    assert np.all(net.value(P) >= net.minimum_value - 1e-12 * case.scale)


def test_critical_points_have_their_values_and_are_critical(ls, case, rng):
    net, lam = case.net(ls), case.covariances(ls).spectrum().eigenvalues
    for r in range(case.rho + 1):
        indices = tuple(int(i) for i in rng.permutation(case.rank)[:r])
        for C in (None, cases.mixer(r if r == case.n_hidden else case.n_hidden, rng)):
            p = net.critical_point(indices, C)
            cmp.assert_critical(case.moments, p, 1e-12)
            expected = case.whitened.total - lam[list(indices)].sum()
            cmp.assert_close(net.value(p), expected, 1e-12, case.scale, f"value at {indices}")


def test_critical_point_is_the_formula_of_theorem_a(ls, rng):
    case = cases.problem(0)
    net, s, J = case.net(ls), case.covariances(ls).spectrum(), tuple(range(1, case.n_hidden + 1))
    C = cases.mixer(case.n_hidden, rng)
    U, V = net.critical_point(J, C)
    Q = s.left[:, list(J)]
    cmp.assert_close(U, Q @ C, 1e-13)
    cmp.assert_close(V, np.linalg.pinv(case.moments.xx) @ case.moments.xy @ Q @ np.linalg.inv(C).T, 1e-11)


@pytest.mark.parametrize("extra", [True, False])
def test_random_critical_points_of_every_rank(ls, case, extra):
    net = case.net(ls)
    for r in range(case.rho + 1):
        p = net.random_critical_point(r, extra=extra, seed=r)
        cmp.assert_critical(case.moments, p, 1e-11)
        fit = case.whitened.B.T @ p[1] @ p[0].T
        assert np.linalg.matrix_rank(fit, tol=1e-8 * (1.0 + cmp.size(case.whitened.M))) == r
        cmp.assert_same_bits(net.random_critical_point(r, extra=extra, seed=r), p, "same seed")


def test_random_critical_point_with_given_indices(ls):
    case = cases.problem(40)
    net, lam = case.net(ls), case.whitened.eigenvalues
    p = net.random_critical_point(indices=(1,), seed=3)
    cmp.assert_close(net.value(p), case.whitened.total - lam[1], 1e-12, case.scale)
    q = net.random_critical_point(indices=(1,), seed=4)
    assert cmp.size(p[0] - q[0]) > 1e-3


def index_sets(case):
    return [s for r in range(case.rho + 1) for s in itertools.combinations(range(case.rank), r)]


def test_the_ladder_is_complete_and_ascending(ls, case):
    net, sets = case.net(ls), index_sets(case)
    expected = [(s, case.whitened.total - float(case.whitened.eigenvalues[list(s)].sum())) for s in sets]
    cmp.assert_ladder(list(net.critical_values(max_count=len(sets) + 5)), expected, case.scale)
    cmp.assert_ladder(list(net.iter_critical_values()), expected, case.scale)


def test_the_short_ladder_is_the_start_of_the_long_one(ls, case):
    net, count = case.net(ls), len(index_sets(case))
    whole = list(net.critical_values(max_count=count))
    for k in (1, 3, count):
        short = net.critical_values(max_count=k)
        assert len(short) == min(k, count)
        assert [(e.indices, e.value) for e in short] == [(e.indices, e.value) for e in whole[:k]]


def test_ladder_kinds_and_indices_are_the_formula(ls, case):
    white = case.whitened
    for entry in case.net(ls).critical_values(max_count=200):
        assert entry.rank == len(entry.indices)
        cmp.assert_kind_agrees(entry, cases.kind_of(white.eigenvalues, entry.indices, case.rho))
        cmp.assert_inertia(
            entry, shallow.inertia(white.eigenvalues, entry.indices, case.rank, case.shape, white.rank_x)
        )


def test_the_ladder_of_a_large_problem_is_lazy(ls):
    lam = np.arange(60.0, 0.0, -1.0)  # 2^60 index sets
    net = ls.ShallowLinear(ls.Covariances(xx=np.diag(lam), xy=np.diag(lam), yy=np.diag(lam)), 60)
    first = list(itertools.islice(net.iter_critical_values(), 5))
    cmp.assert_close([e.value for e in first], [0.0, 1.0, 2.0, 3.0, 3.0], 1e-11, 1830.0)
    assert len(net.critical_values()) == 20


def test_ladder_prints_as_a_table(worked):
    text = str(worked.critical_values())
    assert "global" in text
    assert "saddle" in text
    assert [e.indices for e in worked.critical_values()] == [(0,), (1,), ()]
    cmp.assert_close([e.value for e in worked.critical_values()], [3.0, 6.0, 7.0], 1e-15)


def test_the_factor_form_is_the_moments_form(ls, data_case, rng):
    nets = [
        ls.ShallowLinear(ls.Covariances.from_data(data_case.X, data_case.Y, method=method), data_case.n_hidden)
        for method in ("moments", "factor")
    ]
    p, d = data_case.random_point(rng), data_case.random_point(rng)
    scale = value_scale(data_case, p)
    cmp.assert_close(nets[1].value(p), nets[0].value(p), 1e-13, scale, "value")
    cmp.assert_points_close(nets[1].gradient(p), nets[0].gradient(p), 1e-13, gradient_scale(data_case, p))
    curvature_scale = cmp.curvature_scale(data_case.moments, p, d) + np.finfo(float).tiny
    cmp.assert_close(nets[1].curvature(p, d), nets[0].curvature(p, d), 1e-13, curvature_scale)
    cmp.assert_close(nets[1].minimum_value, nets[0].minimum_value, 1e-12, data_case.scale)


def test_weights_and_centering_reach_the_landscape(ls, rng):
    X, Y, w = rng.standard_normal((20, 3)) + 1.0, rng.standard_normal((20, 2)), rng.uniform(0.1, 2.0, 20)
    net = ls.ShallowLinear(ls.Covariances.from_data(X, Y, center=True, sample_weight=w), 2)
    U, V = rng.standard_normal((2, 2)), rng.standard_normal((3, 2))
    cmp.assert_close(net.value((U, V)), risk.risk_data(U @ V.T, X, Y, w, True), 1e-13)
    cmp.assert_close(net.minimum_value, risk.minimum_risk(risk.whiten_data(X, Y, w, True), 2), 1e-12)
