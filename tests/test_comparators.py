"""The comparators fail when they should: every one is fed a right answer and a wrong one."""

from types import SimpleNamespace

import numpy as np
import pytest

import cases
import comparators as cmp
from reference import shallow


def fails(comparator, *args, match=None, **options):
    with pytest.raises(AssertionError, match=match):
        comparator(*args, **options)


class ReferenceNet:
    """The reference behind the package's method names; ``break_`` names a method that answers 1e-6 too much."""

    def __init__(self, moments, break_=None):
        self.moments, self.break_ = moments, break_

    def _bent(self, name, x):
        return x * (1.0 + 1e-6) if self.break_ == name else x

    def value(self, p):
        return shallow.value(self.moments, p)

    def gradient(self, p):
        return tuple(self._bent("gradient", g) for g in shallow.gradient(self.moments, p))

    def curvature(self, p, d):
        return self._bent("curvature", shallow.curvature(self.moments, p, d))

    def hvp(self, p, d):
        return tuple(self._bent("hvp", h) for h in shallow.hvp(self.moments, p, d))


@pytest.fixture
def problem():
    case, rng = cases.problem(0), np.random.default_rng(5)
    return case, case.random_point(rng), [case.random_point(rng) for _ in range(3)]


def test_assert_close_sees_value_and_shape():
    cmp.assert_close([1.0, 2.0], [1.0, 2.0 + 1e-13])
    fails(cmp.assert_close, [1.0, 2.0], [1.0, 2.0 + 1e-9], match="differs by")
    fails(cmp.assert_close, [1.0, 2.0], [[1.0, 2.0]], match="shape")
    fails(cmp.assert_close, [np.nan], [1.0], match="differs")


def test_assert_same_bits_sees_one_ulp_dtype_and_signed_zero():
    cmp.assert_same_bits((np.ones(3), [np.zeros(2)]), (np.ones(3), [np.zeros(2)]))
    fails(cmp.assert_same_bits, np.nextafter(np.ones(3), 2.0), np.ones(3), match="bits differ")
    fails(cmp.assert_same_bits, np.ones(3, np.float32), np.ones(3), match="expected float64")
    fails(cmp.assert_same_bits, -np.zeros(2), np.zeros(2), match="bits differ")
    fails(cmp.assert_same_bits, (np.ones(3),), (np.ones(3), np.ones(3)), match="items")


def test_assert_points_close_names_the_block():
    p = (np.ones((2, 1)), np.ones((3, 1)))
    cmp.assert_points_close(p, p)
    fails(cmp.assert_points_close, (p[0], p[1] * (1 + 1e-9)), p, match="point.V")
    fails(cmp.assert_points_close, p[:1], p, match="blocks")


def test_assert_moments_close_sees_each_moment_and_the_means():
    moments = cases.problem(0).moments
    fields = {"xx": moments.xx, "xy": moments.xy, "yy": moments.yy, "mean_x": None, "mean_y": None}
    cmp.assert_moments_close(SimpleNamespace(**fields), moments)
    for name in ("xx", "xy", "yy"):
        wrong = SimpleNamespace(**{**fields, name: fields[name] * (1.0 + 1e-9)})
        fails(cmp.assert_moments_close, wrong, moments, match=f"moment {name}")
    fails(cmp.assert_moments_close, SimpleNamespace(**{**fields, "mean_x": np.zeros(5)}), moments, match="mean_x")


def test_assert_same_covariances_sees_counts():
    moments = cases.problem(0).moments
    fields = {"xx": moments.xx, "xy": moments.xy, "yy": moments.yy, "mean_x": None, "mean_y": None}
    fields |= {"center": False, "n_samples": 7, "n_inputs": 5, "n_outputs": 4, "weight": 7.0}
    cmp.assert_same_covariances(SimpleNamespace(**fields), SimpleNamespace(**fields))
    for name, wrong in (("n_samples", 8), ("weight", 7.5), ("xx", moments.xx * 1.5)):
        other = SimpleNamespace(**{**fields, name: wrong})
        fails(cmp.assert_same_covariances, other, SimpleNamespace(**fields), match="differs")


def test_line_derivatives_are_exact_for_a_quartic():
    first, second, noise = cmp.line_derivatives(lambda p: 3 + 2 * p[0] - 5 * p[0] ** 2 + p[0] ** 4, (0.0,), (1.0,))
    assert max(abs(first - 2.0), abs(second + 10.0)) <= noise < 1e-11


@pytest.mark.parametrize("broken", ["gradient", "curvature", "hvp"])
def test_finite_differences_see_a_relative_error_of_1e_minus_6(problem, broken):
    case, p, directions = problem
    compare = cmp.assert_gradient_matches_fd if broken == "gradient" else cmp.assert_curvature_matches_fd
    compare(ReferenceNet(case.moments), p, directions)
    fails(compare, ReferenceNet(case.moments, broken), p, directions, match="differences give")


def test_assert_critical(problem):
    case, p, _ = problem
    cmp.assert_critical(case.moments, case.points[0].point)
    fails(cmp.assert_critical, case.moments, p, match="relative gradient")


def test_assert_kind_agrees():
    saddle, unsure = SimpleNamespace(kind="strict_saddle"), SimpleNamespace(kind="undetermined")
    cmp.assert_kind_agrees(saddle, "strict_saddle")
    cmp.assert_kind_agrees(unsure, "strict_saddle", undetermined_allowed=True)
    fails(cmp.assert_kind_agrees, unsure, "strict_saddle", match="expected strict_saddle")
    fails(cmp.assert_kind_agrees, saddle, "global_minimum", undetermined_allowed=True, match="kind is strict_saddle")


def test_assert_inertia():
    cmp.assert_inertia(SimpleNamespace(morse_index=1, nullity=2), (1, 2, 3))
    fails(cmp.assert_inertia, SimpleNamespace(morse_index=0, nullity=2), (1, 2, 3), match="expected")
    fails(cmp.assert_inertia, SimpleNamespace(morse_index=1, nullity=1), (1, 2, 3), match="expected")


def fake_escape(moments, p, d, **wrong):
    curvature = shallow.curvature(moments, p, d)
    fields = {"direction": d, "curvature": curvature, "scaled_direction": d, "scaled_curvature": curvature}
    fields["rayleigh_quotient"] = curvature / sum(float(np.sum(b * b)) for b in d)
    return SimpleNamespace(**{**fields, **wrong})


def test_assert_witness(problem):
    case, _, _ = problem
    p = tuple(np.zeros_like(block) for block in case.points[0].point)
    u, _, vt = np.linalg.svd(case.moments.xy.T)
    down = (np.outer(u[:, 0], np.eye(case.n_hidden)[0]), np.outer(vt[0], np.eye(case.n_hidden)[0]))
    up = (down[0], -down[1])
    cmp.assert_witness(case.moments, p, fake_escape(case.moments, p, down))
    fails(cmp.assert_witness, case.moments, p, fake_escape(case.moments, p, up), match="not negative")
    for name in ("curvature", "scaled_curvature", "rayleigh_quotient"):
        wrong = fake_escape(case.moments, p, down, **{name: -1e-3})
        fails(cmp.assert_witness, case.moments, p, wrong, match="states|belongs")


def test_assert_eigenpairs():
    H = np.diag([-1.0, 2.0, 3.0])
    cmp.assert_eigenpairs(H, [-1.0, 2.0], np.eye(3)[:2], 1e-12)
    fails(cmp.assert_eigenpairs, H, [-1.0, 2.1], np.eye(3)[:2], 1e-12, match="residual")
    fails(cmp.assert_eigenpairs, H, [-1.0, -1.0], np.eye(3)[[0, 0]], 1e-12, match="orthonormal")
    fails(cmp.assert_eigenpairs, H, [2.0, -1.0], np.eye(3)[[1, 0]], 1e-12, match="ascending")


def fake_certificate(**fields):
    right = {"value": 3.0, "lower_bound": 1.0 - 1e-12, "gap": 2.0 + 1e-12, "margin": 1e-12, "tol": 1e-8}
    right["verdict"] = "NOT_GLOBAL"
    return SimpleNamespace(**{**right, **fields})


def test_assert_certificate_sound():
    cmp.assert_certificate_sound(fake_certificate(), 3.0, 1.0, 5.0)
    wrong_bound = fake_certificate(lower_bound=1.0 + 1e-12, gap=2.0 - 1e-12)
    fails(cmp.assert_certificate_sound, wrong_bound, 3.0, 1.0, 5.0, match="above the true minimum")
    fails(cmp.assert_certificate_sound, fake_certificate(gap=1.0), 3.0, 1.0, 5.0, match="gap is")
    fails(cmp.assert_certificate_sound, fake_certificate(), 3.0 + 1e-9, 1.0, 5.0, match="value is off")
    fails(cmp.assert_certificate_sound, fake_certificate(verdict="GLOBAL"), 3.0, 1.0, 5.0, match="GLOBAL with")
    low = fake_certificate(value=1.0, lower_bound=1.0, gap=0.0)
    fails(cmp.assert_certificate_sound, low, 1.0, 1.0, 5.0, match="NOT_GLOBAL with")


def test_assert_ladder():
    right = [SimpleNamespace(indices=(0,), value=1.0), SimpleNamespace(indices=(1,), value=2.0)]
    expected = [((0,), 1.0), ((1,), 2.0)]
    cmp.assert_ladder(right, expected, 5.0)
    fails(cmp.assert_ladder, right[::-1], expected, 5.0, match="not ascending")
    fails(cmp.assert_ladder, right[:1], expected, 5.0, match="lacks")
    fails(cmp.assert_ladder, [*right, SimpleNamespace(indices=(2,), value=3.0)], expected, 5.0, match="has")
    fails(cmp.assert_ladder, right + right[1:], expected, 5.0, match="twice")
    fails(cmp.assert_ladder, right, [((0,), 1.0), ((1,), 2.1)], 5.0, match="value of")


def test_assert_raises_naming():
    cmp.assert_raises_naming(lambda: int("x"), ValueError, "invalid literal", "'x'")
    fails(cmp.assert_raises_naming, lambda: int("x"), TypeError, match="expected TypeError")
    fails(cmp.assert_raises_naming, lambda: int("x"), ValueError, "widths", match="not in the message")
    fails(cmp.assert_raises_naming, lambda: 1, ValueError, match="nothing was raised")
