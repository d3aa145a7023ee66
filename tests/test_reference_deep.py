"""The reference of deep linear networks agrees with itself: formulas, lines, dense Hessians and constructions."""

from collections import Counter

import numpy as np
import pytest

import cases
import comparators as cmp
from deep_cases import (
    KINDS,
    STYLES,
    loose_strands,
    make_problem,
    not_top,
    of_kind,
    population,
    top_below_rho,
)
from reference import classify_dense, deep, risk, shallow


def inner(a, b):
    return float(sum(np.sum(x * y) for x, y in zip(a, b, strict=True)))


# ------------------------------------------------------------------------------------------------------- derivatives


@pytest.fixture(params=[f"{style}, L={L}" for style in STYLES for L in (2, 3, 5)])
def drawn(request):
    """(problem, p, d, e): a random point and two directions."""
    style, L = request.param.split(", L=")
    rng = np.random.default_rng([cases.SEED, STYLES.index(style), int(L)])
    problem = make_problem(style, int(L), rng)
    return (problem, *(problem.random_point(rng) for _ in range(3)))


def test_polynomial_is_the_value_on_the_line(drawn):
    problem, p, d, _ = drawn
    c = deep.line_polynomial(problem.moments, p, d)
    assert len(c) == 2 * problem.L + 1
    for t in (-1.0, -0.3, 0.0, 0.5, 1.0):
        terms = c * t ** np.arange(len(c))
        expected = deep.value(problem.moments, deep.add(p, d, t))
        cmp.assert_close(np.sum(terms), expected, 1e-12, np.sum(np.abs(terms)) + problem.scale)


def test_derivatives_are_those_of_the_polynomial(drawn):
    problem, p, d, e = drawn
    c, plus, minus = (deep.line_polynomial(problem.moments, p, x) for x in (d, deep.add(d, e), deep.add(d, e, -1.0)))
    size = np.sum(np.abs(c))
    cmp.assert_close(inner(deep.gradient(problem.moments, p), d), c[1], 1e-12, size)
    cmp.assert_close(deep.curvature(problem.moments, p, d), 2.0 * c[2], 1e-12, size)
    polarised = (plus[2] - minus[2]) / 2.0
    cmp.assert_close(inner(deep.hvp(problem.moments, p, d), e), polarised, 1e-12, abs(plus[2]) + abs(minus[2]) + size)


def test_gradient_and_hvp_match_differences(drawn):
    problem, p, d, _ = drawn
    h, c = 1e-5, deep.line_polynomial(problem.moments, p, d)
    after, before = deep.add(p, d, h), deep.add(p, d, -h)
    slope = (deep.value(problem.moments, after) - deep.value(problem.moments, before)) / (2.0 * h)
    cmp.assert_close(inner(deep.gradient(problem.moments, p), d), slope, 1e-7, np.sum(np.abs(c)))
    change = deep.add(deep.gradient(problem.moments, after), deep.gradient(problem.moments, before), -1.0)
    product = deep.pack(deep.hvp(problem.moments, p, d))
    cmp.assert_close(product, deep.pack(change) / (2.0 * h), 1e-6, np.sum(np.abs(c)) + cmp.size(product))


def test_hessian_blocks_are_the_products(drawn):
    problem, p, d, _ = drawn
    H, x = deep.hessian(problem.moments, p), deep.pack(d)
    cmp.assert_close(H, H.T, 1e-13)
    cmp.assert_close(deep.pack(deep.hvp(problem.moments, p, d)), H @ x, 1e-12, np.linalg.norm(H) * np.linalg.norm(x))
    for a, b in zip(deep.unpack(x, [W.shape for W in p]), d, strict=True):
        cmp.assert_same_bits(a, b)


def test_two_layers_are_the_shallow_reference():
    rng = np.random.default_rng(0)
    problem = make_problem("more inputs", 2, rng)
    (W1, W2), (D1, D2) = problem.random_point(rng), problem.random_point(rng)
    U, V, dU, dV = W2, W1.T, D2, D1.T
    cmp.assert_close(deep.value(problem.moments, (W1, W2)), shallow.value(problem.moments, (U, V)), 1e-13)
    for name, arguments in (("gradient", ()), ("hvp", ((D1, D2), (dU, dV)))):
        one, two = (getattr(module, name) for module in (deep, shallow))
        first, last = one(problem.moments, (W1, W2), *arguments[:1])
        expected_U, expected_V = two(problem.moments, (U, V), *arguments[1:])
        cmp.assert_close(first, expected_V.T, 1e-12)
        cmp.assert_close(last, expected_U, 1e-12)


def test_gradient_blocks_are_tied_by_the_layers_between(drawn):
    """W_{l+1}^T grad_{l+1} = grad_l W_l^T, so the gradient flow keeps the balancedness."""
    problem, p, _, _ = drawn
    g = deep.gradient(problem.moments, p)
    for h in range(problem.L - 1):
        cmp.assert_close(p[h + 1].T @ g[h + 1], g[h] @ p[h].T, 1e-12)
    for b, c, d in zip(*(deep.balancedness(deep.add(p, g, t)) for t in (-1e-3, 1e-3, 0.0)), strict=True):
        cmp.assert_close(b, c, 1e-12, cmp.size(d) + cmp.size(b))  # even in t


def test_products_with_weights_on_both_sides(drawn):
    problem, p, _, _ = drawn
    P, C, F = deep.product(p), deep.prefixes(p), deep.suffixes(p)
    assert [A.shape for A in C] == [(n, problem.widths[0]) for n in problem.widths]
    for h in range(problem.L + 1):
        cmp.assert_close(F[h] @ C[h], P, 1e-12)
    for i in range(2, problem.L + 1):
        for j in range(1, i):
            cmp.assert_close(F[i] @ p[i - 1] @ deep.segment(p, i, j) @ p[j - 1] @ C[j - 1], P, 1e-12)


# ---------------------------------------------------------------------------------------------------- hand examples

D12 = risk.Moments(np.eye(2), np.diag([3.0, 1.0]), np.diag([9.0, 1.0]))
SCALAR = risk.Moments(np.eye(1), np.eye(1), np.eye(1))


def diagonal(*entries):
    return tuple(np.diag(np.asarray(e, dtype=float)) for e in entries)


def test_worked_example_tight():
    c = 3.0 ** (1.0 / 3.0)
    p = diagonal((c, 0), (c, 0), (c, 0))
    result = deep.classify(D12, p)
    assert (result.kind, result.r, result.rho, result.loose) == ("non_strict_saddle", 1, 2, [])
    cmp.assert_close(deep.value(D12, p), 1.0, 1e-14)
    assert np.linalg.eigvalsh(deep.hessian(D12, p))[0] > -1e-13
    _, descent = deep.escape_segments(D12, p, np.random.default_rng(0))
    cmp.assert_close(descent.drop(1.0), 1.0, 1e-14)


def test_worked_example_loose():
    c = 3.0 ** (1.0 / 3.0)
    p = diagonal((c, 0), (c, 1), (c, 0))
    result = deep.classify(D12, p)
    assert result.kind == "strict_saddle"
    assert [(pivot.i, pivot.j, pivot.rank) for pivot in result.loose] == [(3, 1, 2)]
    d = diagonal((0, 1), (0, 0), (0, 1))
    cmp.assert_close(deep.curvature(D12, p, d), -4.0, 1e-14)
    cmp.assert_close(np.linalg.eigvalsh(deep.hessian(D12, p))[0], -2.0, 1e-13)
    witness, stated = deep.loose_pivot_witness(D12, p, 3, 1)
    cmp.assert_close(stated, -4.0, 1e-14)
    cmp.assert_close(deep.curvature(D12, p, witness), stated, 1e-13)


def test_scalar_layers():
    """(1.31): at 0 the Hessian is 0 and R(tau, tau, tau) = (1 - tau^3)^2; at (0, 0, c) it has -2c, 0, 2c."""
    origin, ones = diagonal((0,), (0,), (0,)), diagonal((1,), (1,), (1,))
    assert deep.classify(SCALAR, origin).kind == "non_strict_saddle"
    assert not deep.hessian(SCALAR, origin).any()
    cmp.assert_close(deep.line_polynomial(SCALAR, origin, ones), [1.0, 0.0, 0.0, -2.0, 0.0, 0.0, 1.0], 1e-15)
    strict = diagonal((0,), (0,), (1.5,))
    cmp.assert_close(np.linalg.eigvalsh(deep.hessian(SCALAR, strict)), [-3.0, 0.0, 3.0], 1e-14)
    assert deep.classify(SCALAR, strict).kind == "strict_saddle"
    assert deep.classify(SCALAR, ones).kind == "global_minimum"
    assert deep.classify(SCALAR, diagonal((1,), (1,), (2,))).kind == "not_critical"


def test_separate_ranks_are_not_the_pivot_test():
    """[D5]: W_1 = [0 1], W_2 = W_3 = 0 has Hessian 0 though F_3, N_32 and C_1 all have rank > r = 0."""
    moments = risk.Moments(np.eye(2), np.array([[1.0], [0.0]]), np.eye(1))
    p = (np.array([[0.0, 1.0]]), np.zeros((1, 1)), np.zeros((1, 1)))
    assert not deep.hessian(moments, p).any()
    result = deep.classify(moments, p)
    assert (result.kind, result.r, result.loose) == ("non_strict_saddle", 0, [])
    pivot = next(q for q in result.pivots if (q.i, q.j) == (3, 2))
    assert (pivot.rank, pivot.block, np.linalg.matrix_rank(deep.prefixes(p)[1])) == (1, 0.0, 1)


def test_hand_product():
    """THEORY 2.8, 10: at U = V = e_2 the product with (e_1, 2 e_1) is (-6 e_1, 0)."""
    moments = risk.Moments(np.eye(2), np.diag([2.0, 1.0]), np.diag([5.0, 2.0]))
    first, last = deep.hvp(
        moments, (np.array([[0.0, 1.0]]), np.array([[0.0], [1.0]])), (np.array([[2.0, 0.0]]), np.eye(2)[:, :1])
    )
    cmp.assert_close(last, [[-6.0], [0.0]], 1e-15)
    assert not first.any()


def test_local_witness_needs_an_interval_inside():
    """L = 4, Syx = diag(1, 0), r = 0: Z_2 Z_1 = 0 is minimal, but the gradient of W_2 stays 0; [2, 3] serves.

    W_1 carries input 2 to unit 1, W_2 unit 2 to 1, W_3 unit 2 to 1, W_4 that to output 2.
    """
    moments = risk.Moments(np.eye(2), np.diag([1.0, 0.0]), np.diag([1.0, 1.0]))
    up = np.array([[0.0, 1.0], [0.0, 0.0]])
    p, E = (up, up, up[:1], np.eye(2)[:, 1:]), [np.zeros((n, n)) for n in (2, 2, 2, 1, 2)]
    assert deep.classify(moments, p).kind == "non_strict_saddle"
    assert all(W.any() for W in p)
    assert deep.vanishing_interval(p, p, 1, 4) == (1, 2)
    rng = np.random.default_rng(0)
    for _ in range(20):
        moved = deep.outside_interval(E, p, 1, 2, 0.5, rng)
        cmp.assert_close(deep.value(moments, moved), deep.value(moments, p), 1e-14)
        assert not deep.gradient(moments, moved)[1].any()
    witness = deep.local_witness(moments, p, 0.5, rng)
    assert witness.layer == 3
    assert witness.drop > 1e-4


# ------------------------------------------------------------------------------------------------------ the population


def test_population_holds_every_kind_often():
    kinds, by_style = Counter(k.kind for k in population()), Counter((k.style, k.kind) for k in population())
    assert len(population()) >= 700
    assert all(kinds[kind] >= least for kind, least in KINDS.items()), kinds
    assert all(by_style[style, kind] >= 3 for style in STYLES for kind in KINDS), by_style
    assert all(sum(k.problem.L == L for k in of_kind("non_strict_saddle")) >= 8 for L in (3, 4, 5))
    assert not any(k.problem.L == 2 for k in of_kind("non_strict_saddle"))
    assert {(len(k.indices), k.problem.rho) for k in population()} >= {
        (r, rho) for rho in range(1, 5) for r in range(rho + 1)
    }
    assert len(not_top()) >= 60
    assert len({k.style for k in not_top()}) >= 5


def test_population_separates_the_conditions_of_a_pivot():
    """Tight by rank alone, tight by block alone, loose away from i = j + 1, wrong by separate ranks: all occur."""
    seen = Counter()
    for known in top_below_rho():
        result, F, C = known.classified, deep.suffixes(known.point), deep.prefixes(known.point)
        for q in result.pivots:
            high, seen_block = q.rank > result.r, q.block > 1e-8
            seen["rank"] += seen_block and not high
            seen["block"] += high and not seen_block
            seen["far"] += q.loose and q.i > q.j + 1
            if not q.loose:
                ranks = [np.linalg.matrix_rank(A, tol=1e-9 * np.linalg.norm(A)) for A in (F[q.i], C[q.j - 1])]
                seen["separate"] += high and min(ranks) > result.r
    assert all(seen[name] >= 20 for name in ("rank", "block", "far", "separate")), seen


@pytest.mark.parametrize("style", STYLES)
def test_constructed_points_are_critical_with_their_value(style):
    for known in population():
        if known.style == style:
            moments, white = known.problem.moments, known.problem.white
            assert deep.relative_gradient(moments, known.point) <= 1e-12
            expected = shallow.critical_value(white, known.indices)
            cmp.assert_close(deep.value(moments, known.point), expected, 1e-11, known.problem.scale)


@pytest.mark.parametrize("condition", [1.0, 4.0])
def test_strands_keep_a_point_critical_iff_they_stay_apart(condition):
    """One sigma > 0 in four layers, input strand up to level a, output strand from level b: critical iff a + 1 < b."""
    moments, rng, seen = risk.Moments(np.eye(1), 2.0 * np.eye(1), 5.0 * np.eye(1)), np.random.default_rng(1), Counter()
    white = risk.whiten_moments(moments)
    for a in range(4):
        for b in range(1, 5):
            strands = [(0, [0] * (a + 1)), (b, [1] * (4 - b) + [0])]
            p = deep.critical_point(white, (2, 2, 2), np.zeros((1, 0)), rng, strands, condition)
            critical = deep.relative_gradient(moments, p) < 1e-12
            assert critical == (a + 1 < b)
            assert critical or deep.relative_gradient(moments, p) > 1e-4
            seen[critical] += 1
    assert seen == {True: 6, False: 10}


def test_end_changes_keep_the_rest():
    rng, sigma = np.random.default_rng(2), np.array([3.0, 1.0])
    D = np.zeros((4, 3))
    D[:2, :2] = np.diag(sigma)
    A1, A2 = deep.end_changes(sigma, 4, 3, rng, 4.0)
    cmp.assert_close(A1.T @ D @ A2.T, D, 1e-14)


@pytest.mark.parametrize("style", STYLES)
def test_theorem_c_is_the_construction_and_the_dense_hessian(style):
    for known in population():
        if known.style == style:
            result, moments = known.classified, known.problem.moments
            assert result.kind == known.kind
            assert (result.r, result.rho) == (len(known.indices), known.problem.rho)
            eigenvalues = np.linalg.eigvalsh(deep.hessian(moments, known.point))
            signs = classify_dense.signs(eigenvalues, shallow.data_scale(moments))
            assert signs[0] != classify_dense.GREY
            assert (signs[0] == classify_dense.NEGATIVE) == (result.kind == "strict_saddle"), eigenvalues[0]
            least = risk.minimum_risk(known.problem.white, known.problem.rho)
            above = deep.value(moments, known.point) - least
            assert (above < 1e-9 * known.problem.scale) == (result.kind == "global_minimum")


def test_loose_pivots_are_those_of_the_strands():
    for known in top_below_rho():
        expected = loose_strands(known.problem.L, known.problem.rank - len(known.indices), known.strands)
        assert [(q.i, q.j) for q in known.classified.loose] == expected


def test_second_condition_is_the_rank_of_the_joint_block():
    """F_i^T G C_{j-1}^T != 0 iff rank F_i^T Syx C_{j-1}^T > r."""
    for known in top_below_rho():
        moments, p = known.problem.moments, known.point
        for q in known.classified.pivots:
            joint = deep.suffixes(p)[q.i].T @ moments.xy.T @ deep.prefixes(p)[q.j - 1].T
            scale = np.linalg.norm(moments.xy) * deep.size(p, [*range(1, q.j), *range(q.i + 1, known.problem.L + 1)])
            assert (deep.rank(joint, scale) > len(known.indices)) == (q.block > 1e-8 * scale)


def test_full_middle_product_makes_saddles_strict():
    """Kawaguchi's condition rank(W_{L-1} ... W_2) = min hidden width, which is sufficient and not necessary [D11]."""
    seen = Counter()
    for known in population():
        p, L = known.point, known.problem.L
        full = deep.rank(deep.segment(p, L, 1), deep.size(p, range(2, L))) == min(known.problem.hidden)
        seen[known.kind, full] += 1
    assert seen["non_strict_saddle", True] == 0
    assert seen["strict_saddle", True] >= 30
    assert seen["strict_saddle", False] >= 30


@pytest.mark.parametrize("factor", [1e-4, 1e4])
def test_kinds_know_no_units_and_no_balance(factor):
    """X -> a X with W_1 -> W_1 / a, Y -> b Y with W_L -> b W_L, and sizes moved between the first two layers."""
    for known in population()[::3]:
        m, p = known.problem.moments, known.point
        moments = risk.Moments(m.xx * factor**2, m.xy, m.yy / factor**2)
        moved = (p[0] / factor * 10.0, p[1] / 10.0, *p[2:])
        moved = (*moved[:-1], moved[-1] / factor)
        assert deep.classify(moments, moved).kind == known.kind


def test_random_points_are_not_critical(drawn):
    problem, p, _, _ = drawn
    for scale in (1e-3, 1.0, 1e3):
        assert deep.classify(problem.moments, tuple(scale * W for W in p)).kind == "not_critical"
        assert deep.classify(problem.moments, (scale**2 * p[0], p[1] / scale**2, *p[2:])).kind == "not_critical"


def test_zero_products_of_rounding_size_do_not_hide_a_critical_point():
    """Over ||F_h|| ||C_{h-1}|| (12b item 3) the gradient looks large where these products are zero up to rounding."""
    hidden = 0
    for known in population():
        p, moments = deep.reduced(known.problem.white, known.point), known.problem.moments
        C, F, g = deep.prefixes(p), deep.suffixes(p), deep.gradient(moments, p)
        sizes = [2.0 * np.linalg.norm(F[h]) * np.linalg.norm(C[h - 1]) for h in range(1, len(p) + 1)]
        quotients = [np.linalg.norm(x) / (n or 1.0) / np.linalg.norm(moments.xy) for x, n in zip(g, sizes, strict=True)]
        hidden += max(quotients) > 0.1 and deep.relative_gradient(moments, known.point) < 1e-12
    assert hidden >= 20


# --------------------------------------------------------------------------------------------------- witnesses, paths


def test_swap_witnesses_have_the_stated_curvature():
    for known in not_top():
        lam, S = known.problem.white.eigenvalues, list(known.indices)
        missing = np.delete(lam[: known.problem.rank], S)
        d, stated = deep.swap_witness(known.problem.moments, known.point)
        cmp.assert_close(stated, 2.0 * (np.min(lam[S]) - np.max(missing)), 1e-11, lam[0])
        for s in (1.0, (np.max(missing) / np.min(lam[S])) ** 0.25):
            d, stated = deep.swap_witness(known.problem.moments, known.point, s)
            assert stated < 0.0
            cmp.assert_close(deep.curvature(known.problem.moments, known.point, d), stated, 1e-10, lam[0])


def test_loose_pivot_witnesses_have_the_stated_curvature():
    seen = Counter()
    for known in top_below_rho():
        for q in known.classified.loose:
            moments, p = known.problem.moments, known.point
            d, stated = deep.loose_pivot_witness(moments, p, q.i, q.j)
            assert stated < -1e-6
            terms = np.sum((deep.first_order(p, d) @ moments.xx) * deep.first_order(p, d))
            cmp.assert_close(deep.curvature(moments, p, d), stated, 1e-9, terms + abs(stated))
            assert [h for h, D in enumerate(d, start=1) if D.any()] == [q.j, q.i]
            a = np.linalg.norm(d[q.i - 1])  # the layer that holds t is the longer one, t <= -1
            seen["i" if a > 1.0 + 1e-9 else "j" if np.linalg.norm(d[q.j - 1]) > 1.0 + 1e-9 else "equal"] += 1
    assert seen.total() >= 100
    assert seen["i"] >= 20
    assert seen["j"] >= 5


def test_tight_points_have_the_curvature_of_their_first_order_change():
    rng = np.random.default_rng(4)
    for known in of_kind("non_strict_saddle"):
        for _ in range(3):
            d, moments = known.problem.random_point(rng), known.problem.moments
            expected = deep.tight_curvature(moments, known.point, d)
            scale = cmp.size(deep.hessian(moments, known.point)) * inner(d, d) + known.problem.scale
            cmp.assert_close(deep.curvature(moments, known.point, d), expected, 1e-10, scale)
            assert expected >= -1e-10 * scale


def assert_path(problem, start, path):
    """R along the path is R(start) - drop, and never rises."""
    values = []
    for t in np.linspace(0.0, path.end, 6):
        values.append(deep.value(problem.moments, path.point(t)))
        cmp.assert_close(values[-1], deep.value(problem.moments, start) - path.drop(t), 1e-9, problem.scale)
    assert np.all(np.diff(values) <= 1e-9 * problem.scale)
    return path.point(path.end)


def test_escapes_drop_by_the_next_eigenvalue():
    rng, singular = np.random.default_rng(5), 0
    for known in top_below_rho():
        problem, r = known.problem, len(known.indices)
        flat, descent = deep.escape_segments(problem.moments, known.point, rng)
        end = assert_path(problem, flat.point(1.0), descent)
        assert_path(problem, known.point, flat)
        for W, V in zip(flat.point(0.0), known.point, strict=True):
            cmp.assert_close(W, V, 1e-13)
        cmp.assert_close(descent.drop(1.0), problem.white.eigenvalues[r], 1e-10)
        after = deep.classify(problem.moments, end)
        assert (after.r, after.kind == "global_minimum") == (r + 1, r + 1 == problem.rho)
        singular += known.style == "singular inputs"
    assert len(top_below_rho()) >= 120
    assert singular >= 5


def test_pseudo_inverse_of_the_unreduced_product_would_raise_the_risk():
    """12b item 2: Sxx = diag(1, 1, 0), Syx = diag(2, 1, 0), P = diag(2, 0, 5), whose 5 the risk does not see."""
    moments = risk.Moments(np.diag([1.0, 1.0, 0.0]), np.diag([2.0, 1.0, 0.0]), np.diag([4.0, 1.0, 0.0]))
    p = (np.array([[2.0, 0.0, 0.0], [0.0, 0.0, 5.0]]), np.array([[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]]))
    cmp.assert_close(deep.value(moments, p), 1.0, 1e-15)
    inverse = deep.pseudo_inverse(deep.product(p), 1)
    E = [C @ inverse @ F for C, F in zip(deep.prefixes(p), deep.suffixes(p), strict=True)]
    cmp.assert_close(deep.value(moments, tuple(W @ E[h] for h, W in enumerate(p))), 5.0, 1e-14)
    flat, _ = deep.escape_segments(moments, p, np.random.default_rng(0))
    cmp.assert_close(deep.value(moments, flat.point(1.0)), 1.0, 1e-14)


def test_swap_paths_fall_strictly():
    for known in not_top():
        path = deep.swap_path(known.problem.moments, known.point)
        end = assert_path(known.problem, known.point, path)
        swapped, white = deep.signal(known.problem.white, end), known.problem.white
        assert path.drop(0.1) > 0.0
        assert len(swapped.lam) == len(known.indices)
        expected = swapped.columns @ swapped.columns.T @ white.M
        cmp.assert_close(deep.product(end) @ white.B, expected, 1e-10, cmp.size(white.M))


@pytest.mark.parametrize("style", STYLES)
def test_swaps_and_escapes_lead_to_a_global_minimum(style):
    rng, longest = np.random.default_rng(6), 0
    for known in population():
        if known.style == style:
            p, steps, problem = known.point, 0, known.problem
            while (result := deep.classify(problem.moments, p)).kind != "global_minimum":
                if result.deficit > 1e-8:
                    p = assert_path(problem, p, deep.swap_path(problem.moments, p))
                else:
                    flat, descent = deep.escape_segments(problem.moments, p, rng)
                    p = assert_path(problem, flat.point(1.0), descent)
                steps += 1
                assert steps <= 8
            longest = max(longest, steps)
            least = risk.minimum_risk(problem.white, problem.rho)
            cmp.assert_close(deep.value(problem.moments, p), least, 1e-9, problem.scale)
    assert longest >= (1 if style == "hidden of one" else 2)


@pytest.mark.parametrize("eps", [0.5, 0.05])
def test_local_witnesses_lower_the_value_near_every_non_strict_saddle(eps):
    rng = np.random.default_rng(7)
    for known in of_kind("non_strict_saddle"):
        moments, p, scale = known.problem.moments, known.point, known.problem.scale
        witness = deep.local_witness(moments, p, eps, rng)
        c = deep.line_polynomial(moments, witness.point, witness.direction)
        cmp.assert_close(c[0], deep.value(moments, p), 1e-10, scale)
        assert max(np.linalg.norm(W - V) for W, V in zip(witness.point, p, strict=True)) <= eps * (1.0 + 1e-9)
        assert witness.step <= eps
        assert c[1] < -1e-9 * eps ** (known.problem.L - 1) * scale  # a slope, not rounding
        along = c[1] * witness.step + c[2] * witness.step**2
        cmp.assert_close(along, -witness.drop, 1e-6, abs(c[1]) * witness.step)
        assert witness.drop > 0.0
        cmp.assert_close(c[3:], 0.0 * c[3:], 1e-15, scale)


@pytest.mark.parametrize("style", STYLES)
def test_balanced_minimum(style):
    """THEORY 3.9: the value tr Syy - lam_1 - ... - lam_rho, the product P*, balanced layers; no point is lower."""
    for L in (2, 3, 4, 5):
        rng = np.random.default_rng([cases.SEED, L])
        problem = make_problem(style, L, rng)
        p, Q = deep.global_minimum(problem.moments, problem.hidden), problem.white.left[:, : problem.rho]
        assert tuple(len(W) for W in p[:-1]) == problem.hidden
        expected = Q @ Q.T @ problem.white.M @ problem.white.T.T
        if np.min(np.abs(np.diff(problem.white.eigenvalues)), initial=1.0) > 1e-6:
            cmp.assert_close(deep.product(p), expected, 1e-11)
        least = problem.white.total - np.sum(problem.white.eigenvalues[: problem.rho])
        cmp.assert_close(deep.value(problem.moments, p), least, 1e-12, problem.scale)
        assert all(cmp.size(b) <= 1e-12 * cmp.size(p[0]) ** 2 for b in deep.balancedness(p))
        assert deep.classify(problem.moments, p).kind == "global_minimum"
        for _ in range(5):
            assert deep.value(problem.moments, problem.random_point(rng)) >= least
