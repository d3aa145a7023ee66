"""classify: agreement with the dense Hessian on the case table, honesty near ties, witnesses, hypotheses, escapes."""

import numpy as np
import pytest

import cases
import comparators as cmp
from reference import classify_dense, risk, shallow

ALL = pytest.mark.parametrize("case", list(cases.table()), indirect=True)  # 60 quick, 500 with the slow ones


@ALL
def test_critical_points_are_what_theory_and_dense_hessian_say(ls, case):
    net, white = case.net(ls), case.whitened
    for known in case.critical():
        result = net.classify(known.point)
        dense = classify_dense.kind(case.moments, known.point)
        assert dense in (known.kind, "undetermined"), f"the test itself is wrong at {known.name}"
        cmp.assert_kind_agrees(result, known.kind, undetermined_allowed=not known.well_conditioned)
        if result.kind == "undetermined" or (result.nullity is None and not known.well_conditioned):
            continue
        cmp.assert_inertia(
            result,
            shallow.inertia(
                white.eigenvalues, known.indices, case.rank, case.shape, white.rank_x, known.rho1, known.rho2
            ),
        )
        assert result.rank == len(known.indices)
        expected = shallow.critical_value(white, known.indices) - case.minimum
        cmp.assert_close(result.gap, expected, 1e-11, case.scale, "gap")


@ALL
def test_random_points_are_what_the_dense_hessian_says(ls, case):
    net, rng = case.net(ls), np.random.default_rng(len(case.id))
    for p in [case.random_point(rng) for _ in range(3)]:
        result = net.classify(p)
        cmp.assert_kind_agrees(result, classify_dense.kind(case.moments, p))
        gap = shallow.value(case.moments, p) - case.minimum
        cmp.assert_close(result.gap, gap, 1e-12, case.scale + abs(gap), "gap")


@ALL
def test_escape_directions_bend_down(ls, case):
    net = case.net(ls)
    for known in case.critical():
        result = net.classify(known.point)
        assert (result.escape is not None) == (result.kind == "strict_saddle"), f"{known.name}: {result.kind}"
        if result.escape is not None:
            cmp.assert_witness(case.moments, known.point, result.escape)
            if result.escape.kind == "swap":  # the best s of THEORY 2.3
                assert result.escape.scaled_curvature <= result.escape.curvature * (1.0 - 1e-12)


@pytest.mark.parametrize("delta", [10.0**-k for k in range(6, 16)])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("top", [True, False])
def test_near_ties_are_undetermined_not_wrong(ls, delta, seed, top):
    """lam_1 = lam_2 (1 + delta): the top point is never a saddle, the other one never global beyond rounding."""
    moments, white = near_tie(delta, seed)
    net = ls.ShallowLinear(ls.Covariances(xx=moments.xx, xy=moments.xy, yy=moments.yy), 1)
    p = shallow.critical_point(white, white.left[:, [0 if top else 1]], np.array([[1.5]]))
    kind, s = net.classify(p).kind, net.cov.spectrum()
    tie = (
        8.0 * s.rounding * np.sqrt(s.total / s.eigenvalues[0])
    )  # |error of lam| <= 2 sigma |error of sigma|, and twice that
    assert tie <= 1e-11
    allowed = {"global_minimum", "undetermined"} if top else {"strict_saddle", "undetermined"}
    if delta <= tie:
        allowed.add("global_minimum")
    assert kind in allowed, f"delta {delta:.0e}, {'top' if top else 'second'} eigenvector: {kind}"


def near_tie(delta, seed):
    rng = np.random.default_rng([seed, 11])
    lam = 2.0 * np.array([1.0 + delta, 1.0, 0.4])
    B, Q, W = cases.colouring(4, 4, rng), shallow.orthogonal(3, rng), shallow.orthogonal(4, rng)
    M = (Q * np.sqrt(lam)) @ W[:, :3].T
    white = risk.Whitened(lam, Q, np.linalg.inv(B).T, B, M, float(lam.sum()) + 0.3)
    return risk.Moments(B @ B.T, B @ M.T, M @ M.T + 0.1 * np.eye(3)), white


@pytest.mark.parametrize("noise", [10.0**-k for k in range(4, 15)])
@pytest.mark.parametrize("number", [0, 1, 2, 4, 5, 7, 10, 12])
def test_perturbed_critical_points_are_never_wrong(ls, noise, number):
    """Noise may turn the answer into not_critical or undetermined, never into the opposite kind."""
    case, rng = cases.problem(number), np.random.default_rng(number)
    net = case.net(ls)
    for known in case.critical():
        bent = [noise * max(1.0, cmp.size(b)) * rng.standard_normal(b.shape) for b in known.point]
        p = tuple(b + e for b, e in zip(known.point, bent, strict=True))
        result = net.classify(p)
        assert result.kind in (known.kind, "not_critical", "undetermined"), f"{known.name}: {result.kind}"
        if result.kind == "strict_saddle":
            assert np.linalg.eigvalsh(shallow.hessian(case.moments, p))[0] < 0.0
            cmp.assert_witness(case.moments, p, result.escape, 1e-6)
        if result.kind == "global_minimum":
            assert shallow.value(case.moments, p) - case.minimum <= result.tol * case.scale


def test_tiny_noise_changes_no_verdict(ls, case):
    net, rng = case.net(ls), np.random.default_rng(4)
    for known in (k for k in case.critical() if k.well_conditioned):
        p = tuple(b * (1.0 + 1e-14 * rng.standard_normal(b.shape)) for b in known.point)
        cmp.assert_kind_agrees(net.classify(p), known.kind)


def test_gross_noise_is_not_critical(ls, case):
    net, rng = case.net(ls), np.random.default_rng(6)
    p = case.random_point(rng)
    assert (net.classify(p).kind == "not_critical") == (shallow.relative_gradient(case.moments, p) > 1e-6)


def test_unbalanced_weights_do_not_look_critical(ls):
    """A non-critical point stays so under (U, V) -> (c U, V / c) with c up to 1e8 (THEORY 12b.3)."""
    case = cases.problem(0)
    net, (U, V) = case.net(ls), case.points[-1].point
    for c in (1e-8, 1e-4, 1e4, 1e8):
        cmp.assert_kind_agrees(net.classify((c * U, V / c)), "not_critical")


def test_batch_is_the_loop(ls, case):
    net = case.net(ls)
    points = [known.point for known in case.points]
    batch = net.classify(tuple(np.stack(b) for b in zip(*points, strict=True)))
    assert len(batch) == len(points)
    for i, p in enumerate(points):
        one, of_batch = net.classify(p), batch[i]
        for name in ("kind", "rank", "indices", "morse_index", "nullity"):
            assert getattr(one, name) == getattr(of_batch, name), f"{name} of point {i}"
        for name in ("value", "gap", "gradient_norm"):
            cmp.assert_same_bits(getattr(of_batch, name), getattr(one, name), name)
            cmp.assert_same_bits(getattr(batch, name)[i], getattr(one, name), f"batch {name}")


def test_indices_are_the_eigenvectors_of_the_point(ls):
    for case in (cases.problem(i) for i in (0, 1, 3, 20, 21)):
        net = case.net(ls)
        for known in case.critical():
            result = net.classify(known.point)
            if result.kind != "undetermined":
                assert result.indices == tuple(sorted(known.indices)), f"{case.id} {known.name}"


def test_eigen_gap_and_deficit(ls):
    case = cases.problem(0)
    net, lam, n1 = case.net(ls), case.whitened.eigenvalues, case.n_hidden
    result = net.classify(net.critical_point(tuple(range(1, n1 + 1))))
    cmp.assert_close(result.eigen_gap, (lam[n1 - 1] - lam[n1]) / lam[0], 1e-11)
    cmp.assert_close(result.deficit, lam[0] - lam[n1], 1e-11, lam[0])
    cmp.assert_close(net.classify(net.global_minimum()).deficit, 0.0, 1e-11, lam[0])


def test_swap_and_rank_witnesses_name_themselves(ls):
    case = cases.problem(0)
    net, lam, n1 = case.net(ls), case.whitened.eigenvalues, case.n_hidden
    rank = net.classify(net.random_critical_point(0, seed=0)).escape
    assert rank.kind == "rank"
    for C in (np.eye(n1), 0.01 * np.eye(n1), 100.0 * np.eye(n1)):
        p = net.critical_point(tuple(range(1, n1 + 1)), C)
        escape, d = net.classify(p).escape, shallow.swap_witness(case.whitened, p, n1, 0)
        assert escape.rayleigh_quotient <= net.curvature(p, d) / np.sum(net.pack(d) ** 2) * (1.0 - 1e-9)
        if escape.kind == "swap":
            cmp.assert_close(escape.curvature, 2.0 * (lam[n1] - lam[0]), 1e-11)
            best = -4.0 * np.sqrt(lam[0]) * (np.sqrt(lam[0]) - np.sqrt(lam[n1]))
            cmp.assert_close(escape.scaled_curvature, best, 1e-11)


def test_the_origin_has_the_largest_singular_value_as_curvature(ls):
    case = cases.problem(11)
    net = case.net(ls)
    zero = tuple(np.zeros(shape) for shape in net.shapes)
    escape, sigma = net.classify(zero).escape, np.linalg.norm(case.moments.xy, 2)
    cmp.assert_close(escape.rayleigh_quotient, -2.0 * sigma, 1e-12)


def test_wide_networks_are_global_iff_full_rank(ls):
    """THEORY 2.4: n1 >= n2, Sigma of rank n2: a critical point is global iff rank U = n2, else a strict saddle."""
    rng, case = np.random.default_rng(1), cases.problem(22)
    net = case.net(ls)
    for r in range(case.rank + 1):
        p = net.random_critical_point(r, seed=int(rng.integers(99)))
        cmp.assert_kind_agrees(net.classify(p), "global_minimum" if r == case.rank else "strict_saddle")


@pytest.mark.parametrize("number", [7, 8, 10, 27, 29, 49])
def test_free_directions_of_singular_inputs_change_nothing(ls, number):
    """THEORY 2.5: V may move in the kernel of Sxx."""
    case, rng = cases.problem(number), np.random.default_rng(3)
    net, white = case.net(ls), case.whitened
    for known in (k for k in case.critical() if k.well_conditioned):
        W = rng.standard_normal(known.point[1].shape)
        moved = (known.point[0], known.point[1] + W - white.T @ (white.B.T @ W))
        a, b = net.classify(known.point), net.classify(moved)
        assert (a.kind, a.rank, a.morse_index, a.nullity) == (b.kind, b.rank, b.morse_index, b.nullity)


def holds(result, letter):
    return next(h.holds for h in result.hypotheses if h.theorem.startswith(f"Theorem {letter}"))


@pytest.mark.parametrize(
    ("number", "a", "why"),
    [
        (0, True, "n1 < n2 <= n0, distinct positive eigenvalues"),
        (1, True, "n1 = n2"),
        (2, False, "n1 > n2"),
        (3, False, "n2 > n0: Sigma is rank deficient"),
        (4, False, "ties"),
        (7, False, "Sxx is singular"),
        (25, False, "zero eigenvalues"),
    ],
)
def test_hypotheses_hold_or_fail_for_this_data(ls, number, a, why):
    case = cases.problem(number)
    for known in case.points[:2]:
        result = case.net(ls).classify(known.point)
        assert holds(result, "A") is a, why
        assert holds(result, "B") is True


def test_hypotheses_carry_their_numbers(worked):
    for hypothesis in worked.classify(worked.global_minimum()).hypotheses:
        assert hypothesis.conditions
        assert hypothesis.holds == all(holds for _, holds, _ in hypothesis.conditions)
        for text, _, numbers in hypothesis.conditions:
            assert text.strip()
            assert any(c.isdigit() for c in numbers) or text == "real second moments", f"{text}: {numbers!r}"


def test_escape_steps_down_to_the_minimum_of_the_line(ls, case):
    net = case.net(ls)
    for known in case.points:
        p, before = known.point, net.classify(known.point)
        if before.kind == "undetermined":
            continue
        q = net.escape(p)
        if before.kind == "global_minimum":
            cmp.assert_same_bits(q, p, "escape from a global minimum")
            continue
        assert net.value(q) < before.value, f"{known.name}: {net.value(q)!r} is not below {before.value!r}"
        d = tuple(b - a for a, b in zip(p, q, strict=True))
        c = shallow.quartic(case.moments, p, d)
        slope, size = float(np.arange(1, 5) @ c[1:]), float(np.arange(1, 5) @ np.abs(c[1:]))
        assert abs(slope) <= 1e-6 * size, f"{known.name}: the step is not at a minimum of its line"


def test_escapes_from_saddles_end_at_the_global_minimum(ls):
    """Escape, then a few hundred exact line searches, never raises the value (the landscape has no bad minimum)."""
    case = cases.problem(0)
    net, p = case.net(ls), case.points[-2].point
    values = [net.value(p)]
    for _ in range(200):
        p = net.escape(p)
        values.append(net.value(p))
    assert np.all(np.diff(values) <= 1e-13 * case.scale)
    assert values[-1] - net.minimum_value <= 1e-2 * (values[0] - net.minimum_value)


def test_escape_direction_of_a_global_minimum_is_refused(worked):
    with pytest.raises(ValueError, match="global_minimum"):
        worked.escape_direction(worked.global_minimum())


def test_result_is_frozen_and_readable(worked):
    result = worked.classify(worked.global_minimum())
    with pytest.raises(AttributeError):
        result.kind = "strict_saddle"
    assert "global_minimum" in repr(result) or "global minimum" in repr(result)
