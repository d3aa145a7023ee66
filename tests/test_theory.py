"""THEORY 2.8, every row, and the errata E1-E5 and E9 of THEORY 12, one test each."""

import numpy as np
import pytest

import cases
import comparators as cmp
from reference import classify_dense, risk, shallow

E1, E2 = np.array([[1.0], [0.0]]), np.array([[0.0], [1.0]])
ZERO = np.zeros((2, 1))
ROOT = np.sqrt(2.0)
ROWS = [
    ((ROOT * E1, ROOT * E1), "global_minimum", (0,), 3.0, [0.0, 2.0, 6.0, 8.0]),
    ((E2, E2), "strict_saddle", (1,), 6.0, [-2.0, 0.0, 4.0, 6.0]),
    ((ZERO, ZERO), "strict_saddle", (), 7.0, [-4.0, -2.0, 2.0, 4.0]),
]


@pytest.mark.parametrize(("p", "kind", "indices", "value", "eigenvalues"), ROWS, ids=["global", "saddle", "origin"])
def test_worked_example_row(ls, worked, p, kind, indices, value, eigenvalues):
    result = worked.classify(p)
    cmp.assert_kind_agrees(result, kind)
    assert (result.indices, result.rank) == (indices, len(indices))
    cmp.assert_close([worked.value(p), result.value, result.gap], [value, value, value - 3.0], 1e-15)
    cmp.assert_close(ls.curvature.spectrum(worked, p).values, eigenvalues, 1e-15)
    cmp.assert_close(np.linalg.eigvalsh(worked.hessian(p).todense()), eigenvalues, 1e-15)
    cmp.assert_inertia(result, tuple(int(np.sum(np.sign(eigenvalues) == s)) for s in (-1, 0, 1)))


def test_worked_example_witness_is_minus_6_and_minus_8(worked):
    p = (E2, E2)
    escape = worked.classify(p).escape
    cmp.assert_close([escape.curvature, escape.scaled_curvature], [-6.0, -8.0], 1e-14)
    cmp.assert_close(worked.curvature(p, (E1, 2.0 * E1)), -6.0, 1e-15)
    cmp.assert_close(worked.curvature(p, (ROOT * E1, ROOT * E1)), -8.0, 1e-15)
    cmp.assert_points_close(worked.hvp(p, (E1, 2.0 * E1)), (-6.0 * E1, ZERO), 1e-15)


def test_worked_example_minimum_and_escape(worked):
    cmp.assert_close(worked.minimum_value, 3.0, 1e-15)
    for p in ((E2, E2), (ZERO, ZERO)):
        assert worked.value(worked.escape(p)) < worked.value(p) - 0.9  # 1 and 4 by the formula along the line


def test_e1_second_derivatives_carry_the_factor_two(ls, worked):
    """The chapter's (1.26) is half the second derivative of its own R: -3 where differences of R give -6."""
    p, d = (E2, E2), (E1, 2.0 * E1)
    _, second, noise = cmp.line_derivatives(worked.value, p, d)
    cmp.assert_close([worked.curvature(p, d), second], [-6.0, -6.0], 10 * noise)
    case = cases.problem(20)
    net, lam = case.net(ls), case.whitened.eigenvalues
    q, last = net.critical_point(tuple(range(1, case.n_hidden + 1))), case.n_hidden
    curvature = net.curvature(q, shallow.swap_witness(case.whitened, q, last, 0))
    cmp.assert_close(curvature, 2.0 * (lam[last] - lam[0]), 1e-11)


def test_e2_rank_deficient_u_is_global_in_the_wide_case(ls, rng):
    """Part (iii) of Theorem 1.2 needs n1 <= n2: with n1 > n2 every U is column-rank deficient."""
    case = cases.problem(22)
    assert case.n_hidden > max(case.shape[0], case.shape[2])
    net, known = case.net(ls), case.points[0]
    assert np.linalg.matrix_rank(known.point[0]) < case.n_hidden
    result = net.classify(known.point)
    cmp.assert_kind_agrees(result, "global_minimum")
    assert classify_dense.kind(case.moments, known.point) == "global_minimum"
    assert not theorem(result, "A").holds


def theorem(result, letter):
    found = [h for h in result.hypotheses if h.theorem.startswith(f"Theorem {letter}")]
    assert found, f"no Theorem {letter} in {[h.theorem for h in result.hypotheses]}"
    return found[0]


def test_e3_full_column_rank_leaves_the_rank_constraint(ls):
    """Z = U V^T is unconstrained iff n1 >= min(n0, n2), whatever the rank of U and V."""
    case = cases.problem(0)
    cov, (n0, n1, n2) = case.covariances(ls), case.shape
    U, V = ls.ShallowLinear(cov, n1).global_minimum()
    assert np.linalg.matrix_rank(U) == np.linalg.matrix_rank(V) == n1 < min(n0, n2)
    unconstrained = risk.minimum_risk(case.whitened)
    for k in range(1, min(n0, n2) + 3):
        free = ls.ShallowLinear(cov, k).minimum_value - unconstrained <= 1e-12 * case.scale
        assert free == (k >= min(n0, n2)), f"n1 = {k}"


def test_e4_critical_weights_may_be_rank_deficient(ls):
    """The weights "might be rank deficient" (not "might not be low-rank"); below the top that is a saddle."""
    case = cases.problem(21)
    net = case.net(ls)
    for r in range(case.n_hidden):
        p = net.random_critical_point(r, seed=r)
        assert np.linalg.matrix_rank(p[0] @ p[1].T, tol=1e-9) == r
        cmp.assert_kind_agrees(net.classify(p), "strict_saddle")


@pytest.mark.parametrize("listed", [(0, 2), (2, 0)])
def test_e5_the_witness_swaps_out_the_largest_index(ls, rng, listed):
    """The curvature equals 2 (lam_max J - lam_k), and the vector e selects the column of max J, however J is listed."""
    lam = np.array([4.0, 3.0, 1.0])
    cov = ls.Covariances(xx=np.eye(3), xy=np.diag(np.sqrt(lam)), yy=np.diag(lam))
    net, C, column = ls.ShallowLinear(cov, 2), cases.mixer(2, rng), np.argmax(listed)
    p, q_k = net.critical_point(listed, C), np.eye(3)[1]
    for s, curvature in ((1.0, 2.0 * (1.0 - 3.0)), (3.0**0.25, -4.0 * np.sqrt(3.0) * (np.sqrt(3.0) - 1.0))):
        d = (s * np.outer(q_k, C[column]), np.sqrt(3.0) / s * np.outer(q_k, np.linalg.inv(C)[:, column]))
        cmp.assert_close(net.curvature(p, d), curvature, 1e-13)
        quotient = curvature / np.sum(net.pack(d) ** 2)
        assert net.classify(p).escape.rayleigh_quotient <= quotient * (1.0 - 1e-12)  # equal or better


def test_e9_singular_inputs_restrict_to_their_range(ls, rng):
    """Restricting V to the range of Sxx gives the same landscape with Sxx > 0: same values, kinds and Morse index."""
    for case in (cases.problem(i) for i in (7, 8, 9, 27, 28, 29)):
        white = case.whitened
        basis = np.linalg.qr(white.B)[0]
        small = risk.Moments(basis.T @ case.moments.xx @ basis, basis.T @ case.moments.xy, case.moments.yy)
        net = case.net(ls)
        restricted = ls.ShallowLinear(ls.Covariances(xx=small.xx, xy=small.xy, yy=small.yy), case.n_hidden)
        cmp.assert_close(net.minimum_value, restricted.minimum_value, 1e-12, case.scale)
        for known in case.critical():
            if not known.well_conditioned:
                continue
            U, V = known.point
            a, b = net.classify((U, V)), restricted.classify((U, basis.T @ V))
            assert (a.kind, a.morse_index, a.rank) == (b.kind, b.morse_index, b.rank), f"{case.id} {known.name}"
            free = case.n_hidden * (case.shape[0] - white.rank_x)
            assert (a.nullity, b.nullity) == (None, None) or a.nullity == b.nullity + free
            cmp.assert_close(shallow.gradient(case.moments, (U, V))[0], shallow.gradient(small, (U, basis.T @ V))[0],
                             1e-10, 1.0 + cmp.size(U) * cmp.size(V))  # fmt: skip
