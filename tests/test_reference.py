"""The reference agrees with itself: two independent routes to each number."""

import numpy as np
import pytest

import cases
import comparators as cmp
from reference import classify_dense, exact, risk, shallow
from test_comparators import ReferenceNet


def test_trace_form_is_data_form(data_case):
    Z = data_case.points[-1].point[0] @ data_case.points[-1].point[1].T
    expected = risk.risk_data(Z, data_case.X, data_case.Y)
    cmp.assert_close(risk.risk_trace(Z, data_case.moments), expected, 1e-12, expected + data_case.scale)


@pytest.mark.parametrize("center", [False, True])
def test_risk_is_minimum_plus_distance(center):
    rng = np.random.default_rng(3)
    X, Y, w = rng.standard_normal((9, 3)), rng.standard_normal((9, 2)), rng.uniform(0.0, 2.0, 9)
    white, moments = risk.whiten_data(X, Y, w, center), risk.second_moments(X, Y, w, center)
    Z = rng.standard_normal((2, 3))
    expected = risk.minimum_risk(white) + np.sum((Z @ white.B - white.M) ** 2)
    cmp.assert_close(risk.risk_trace(Z, moments), expected, 1e-13)
    cmp.assert_close(risk.risk_data(Z, X, Y, w, center), expected, 1e-13)


def test_svd_route_and_eigen_route_give_one_spectrum(case):
    routes = [risk.whiten_moments(case.moments)] + ([risk.whiten_data(case.X, case.Y)] if case.X is not None else [])
    for white in routes:
        assert white.rank_x == case.whitened.rank_x
        cmp.assert_close(white.eigenvalues, case.whitened.eigenvalues, 1e-12, case.scale, "eigenvalues")


def test_hessian_blocks_products_and_quartic_agree(case):
    p, d = case.points[-1].point, case.random_point(np.random.default_rng(1))
    H, x = shallow.hessian(case.moments, p), shallow.pack(d)
    cmp.assert_close(shallow.pack(shallow.hvp(case.moments, p, d)), H @ x, 1e-12, size_of(H, x))
    for curvature in (shallow.curvature(case.moments, p, d), 2.0 * shallow.quartic(case.moments, p, d)[2]):
        cmp.assert_close(curvature, x @ H @ x, 1e-12, size_of(H, x) * cmp.size(x))


def size_of(H, x):
    return np.linalg.norm(H) * np.linalg.norm(x) + np.finfo(float).tiny


def test_derivatives_match_differences(case):
    rng = np.random.default_rng(2)
    p, directions = case.points[-1].point, [case.random_point(rng) for _ in range(2)]
    cmp.assert_gradient_matches_fd(ReferenceNet(case.moments), p, directions)
    cmp.assert_curvature_matches_fd(ReferenceNet(case.moments), p, directions)


def test_normal_form_is_critical_with_the_stated_value(case):
    for known in case.critical():
        cmp.assert_critical(case.moments, known.point, 1e-12)
        expected = shallow.critical_value(case.whitened, known.indices)
        cmp.assert_close(shallow.value(case.moments, known.point), expected, 1e-12, case.scale, known.name)


def test_inertia_formula_is_the_dense_hessian(case):
    decided = 0
    for known in case.critical():
        counted = classify_dense.inertia(case.moments, known.point)
        white, shape = case.whitened, case.shape
        formula = shallow.inertia(
            white.eigenvalues, known.indices, case.rank, shape, white.rank_x, known.rho1, known.rho2
        )
        assert counted in (formula, None), f"{known.name}: dense {counted}, formula {formula}"
        decided += counted is not None
    assert decided >= 2


def test_dense_kind_is_the_kind_by_values(case):
    for known in case.critical():
        kind = classify_dense.kind(case.moments, known.point)
        assert kind == known.kind or (kind == "undetermined" and not known.well_conditioned), known.name


def test_swap_witness_has_the_curvature_of_theorem_a():
    case = cases.problem(0)  # narrow: distinct positive eigenvalues
    j, k, lam = case.rank - 1, 0, case.whitened.eigenvalues
    p = shallow.critical_point(case.whitened, case.whitened.left[:, [j]], cases.mixer(case.n_hidden, rng(), 3.0))
    curvature = shallow.curvature(case.moments, p, shallow.swap_witness(case.whitened, p, j, k))
    cmp.assert_close(curvature, 2.0 * (lam[j] - lam[k]), 1e-11)


def rng():
    return np.random.default_rng(0)


def test_rank_witness_has_the_stated_rayleigh_quotient():
    case = cases.problem(2)
    known = next(k for k in case.points if k.name == "deficient")
    a = np.linalg.svd(known.point[0])[2][-1]
    d, stated = shallow.rank_witness(case.moments, known.point, a)
    quotient = shallow.curvature(case.moments, known.point, d) / np.sum(shallow.pack(d) ** 2)
    cmp.assert_close(quotient, stated, 1e-11)


def test_exact_minimum_is_the_float_minimum_on_good_data(case):
    if case.X is None:
        true = exact.minimum_of_moments(case.moments.xx, case.moments.xy, case.moments.yy, case.n_hidden)
    else:
        true = exact.minimum_of_data(case.X, case.Y, case.n_hidden)
    if case.whitened.rank_x == case.shape[0]:  # else rounding of X opens directions that exact arithmetic uses
        cmp.assert_close(float(true), case.minimum, 1e-12, case.scale)
    else:
        assert float(true) <= case.minimum + 1e-12 * case.scale
