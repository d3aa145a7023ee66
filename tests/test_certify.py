"""certify: the lower bound is never above the true minimum (60-digit arithmetic), the verdict never a wrong GLOBAL."""

import json

import numpy as np
import pytest

import cases
import comparators as cmp
from reference import exact, shallow


def assert_sound(net, moments, p, minimum=None, **options):
    """The certificate at p against exact numbers; ``moments`` are mpmath matrices."""
    certificate = net.certify(p, **options)
    minimum = exact.minimum(*moments, net.n_hidden) if minimum is None else minimum
    cmp.assert_certificate_sound(certificate, exact.value(*moments, p), minimum, float(exact.trace(moments[2])))
    return certificate


def exact_moments_of(case):
    if case.X is not None:
        return exact.exact_moments(case.X, case.Y)
    return tuple(exact.to_mp(a) for a in (case.moments.xx, case.moments.xy, case.moments.yy))


def test_bounds_hold_on_the_case_table(ls, case):
    net, moments, minimum = case.net(ls), exact_moments_of(case), None
    if case.whitened.rank_x < min(case.shape[0], np.inf if case.X is None else len(case.X)):
        # Exact arithmetic would use directions that are rounding of X or Sxx: take the minimum the case was built with.
        minimum = case.minimum + 8 * cmp.EPS * case.scale
    for known in case.points:
        certificate = assert_sound(net, moments, known.point, minimum)
        if known.kind == "strict_saddle":
            assert certificate.verdict == "NOT_GLOBAL", known.name


def test_the_global_minimum_is_proved_global(ls, case):
    net = case.net(ls)
    for p in (net.global_minimum(), case.points[0].point):
        certificate = net.certify(p)
        assert certificate.verdict == "GLOBAL", certificate.reason
        assert certificate.margin <= 1e-10 * case.scale


def stretched(rng, power):
    X = rng.standard_normal((12, 3)) * np.geomspace(1.0, 10.0**-power, 3)
    return X @ shallow.orthogonal(3, rng)


def nearly_copied(rng, power):
    X = rng.standard_normal((12, 3))
    X[:, 2] = X[:, 0] + X[:, 1] + 10.0**-power * rng.standard_normal(12)
    return X


@pytest.mark.parametrize("method", ["auto", "moments", "factor"])
@pytest.mark.parametrize("power", [2, 4, 6, 7, 8, 9, 10, 12, 14, 15, 16, 17])
@pytest.mark.parametrize("make", [stretched, nearly_copied])
def test_bounds_hold_on_ill_conditioned_inputs(ls, make, power, method):
    """In exact arithmetic a column that is a rounded sum of others still explains targets: the bound must know."""
    rng = np.random.default_rng(power)
    X, Y = make(rng, power), rng.standard_normal((12, 2))
    moments, cov = exact.exact_moments(X, Y), ls.Covariances.from_data(X, Y, method=method)
    for n1 in (1, 2):
        net = ls.ShallowLinear(cov, n1)
        minimum = None
        if power >= 14 and net.cov.spectrum().rank_x < 3:  # a direction of X at rounding level counts as zero
            assert net.cov.spectrum().dropped <= 1e-14
            minimum = exact.minimum(*moments, n1, zero=1e-27)
        for p in (net.global_minimum(), (rng.standard_normal((2, n1)), rng.standard_normal((3, n1)))):
            assert_sound(net, moments, p, minimum)


@pytest.mark.parametrize("power", [4, 8, 11, 13])
def test_bounds_hold_on_ill_conditioned_population_moments(ls, power):
    rng = np.random.default_rng(power)
    B = shallow.orthogonal(3, rng) * np.geomspace(1.0, 10.0 ** (-power / 2), 3)
    M = rng.standard_normal((2, 3))
    given = {"xx": B @ B.T, "xy": B @ M.T, "yy": M @ M.T + np.eye(2)}
    net = ls.ShallowLinear(ls.Covariances(**given), 2)
    assert_sound(net, tuple(exact.to_mp(given[k]) for k in ("xx", "xy", "yy")), net.global_minimum())


@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("shift", [0.0, 1e3, 1e6])
def test_bounds_hold_with_weights_centering_and_large_means(ls, rng, center, shift):
    X, Y, w = rng.standard_normal((9, 3)) + shift, rng.standard_normal((9, 2)) - shift, rng.uniform(0.1, 3.0, 9)
    net = ls.ShallowLinear(ls.Covariances.from_data(X, Y, sample_weight=w, center=center), 1)
    moments = exact.exact_moments(X, Y, sample_weight=w, center=center)
    for p in (net.global_minimum(), (rng.standard_normal((2, 1)), rng.standard_normal((3, 1)))):
        assert_sound(net, moments, p)


def test_bounds_hold_for_interpolating_data(ls, rng):
    """m < n0: the true minimum is exactly 0 and the lower bound may not pass it."""
    X, Y = rng.standard_normal((4, 9)), rng.standard_normal((4, 3))
    net = ls.ShallowLinear(ls.Covariances.from_data(X, Y), 3)
    certificate = assert_sound(net, exact.exact_moments(X, Y), net.global_minimum())
    assert certificate.verdict == "GLOBAL"


@pytest.mark.parametrize("seed", [*range(15), *(pytest.param(s, marks=pytest.mark.slow) for s in range(15, 300))])
def test_never_a_wrong_global(ls, seed):
    """Points at every distance from a minimum: GLOBAL only where the exact gap is within tol * scale."""
    rng = np.random.default_rng([seed, 5])
    X = rng.standard_normal((10, 3)) * 10.0 ** rng.uniform(-4, 0, 3)
    Y = X @ rng.standard_normal((3, 2)) * 10.0 ** rng.uniform(-3, 3)
    Y += 10.0 ** rng.uniform(-8, 0) * rng.standard_normal((10, 2))
    net, moments = ls.ShallowLinear(ls.Covariances.from_data(X, Y), 1), exact.exact_moments(X, Y)
    best = net.global_minimum()
    for noise in 10.0 ** -np.arange(1.0, 12.0, 2.0):
        p = tuple(b * (1.0 + noise * rng.standard_normal(b.shape)) for b in best)
        for tol in (1e-4, 1e-8, 1e-12):
            assert_sound(net, moments, p, tol=tol)


@pytest.mark.parametrize("tol", [1e-2, 1e-5, 1e-8])
def test_verdict_turns_at_tol_times_the_value_at_zero(ls, worked, tol):
    """U = sqrt(2) e1 (1 + t), V = sqrt(2) e1 has the gap 4 t^2; the scale is tr Syy = 7."""
    e = np.array([[np.sqrt(2.0)], [0.0]])
    for factor, verdict in ((0.5, "GLOBAL"), (2.0, "NOT_GLOBAL")):
        t = np.sqrt(factor * tol * 7.0 / 4.0)
        certificate = worked.certify(((1.0 + t) * e, e), tol=tol)
        assert certificate.verdict == verdict, certificate.reason
        assert 4.0 * t * t - 1e-14 <= certificate.gap <= 4.0 * t * t + 2.0 * certificate.margin
        assert certificate.margin <= 1e-12
        cmp.assert_close(certificate.relative_gap, certificate.gap / certificate.value, 1e-12)
        assert (certificate.tol, certificate.scale) == (tol, 7.0)


def test_a_tolerance_below_rounding_is_undecided(ls, rng):
    """The gap that is proved cannot be smaller than the margin."""
    X, Y = rng.standard_normal((30, 4)), rng.standard_normal((30, 3))
    net = ls.ShallowLinear(ls.Covariances.from_data(X, Y), 2)
    certificate = net.certify(net.global_minimum(), tol=1e-18)
    assert certificate.verdict == "UNDECIDED"
    assert certificate.reason
    assert 0.0 < certificate.margin < 1e-11 * certificate.scale


def test_not_global_carries_a_witness_that_decreases(ls, case):
    net = case.net(ls)
    for known in case.points:
        certificate = net.certify(known.point)
        assert (certificate.witness is None) == (certificate.verdict != "NOT_GLOBAL"), known.name
        if certificate.witness is None:
            continue
        assert any(descends(case, known.point, certificate.witness, 2.0**-k) for k in range(60)), known.name


def descends(case, p, d, t):
    return float(shallow.quartic(case.moments, p, d)[1:] @ t ** np.arange(1, 5)) < 0.0


def test_fields_of_a_closed_form_certificate(worked):
    certificate = worked.certify(worked.global_minimum())
    assert (certificate.method, certificate.guarantee) == ("closed-form", "deterministic")
    assert certificate.polar_lower is None
    assert certificate.polar_upper is None
    assert certificate.stationarity <= 1e-15
    cmp.assert_close([certificate.value, certificate.lower_bound], [3.0, 3.0], 1e-13)
    assert certificate.lower_bound <= 3.0
    assert "GLOBAL" in str(certificate)


@pytest.mark.parametrize("way", ["text", "file"])
def test_round_trips(ls, case, tmp_path, way):
    net = case.net(ls)
    for known in case.points[:1] + case.points[-1:]:
        certificate = net.certify(known.point)
        if way == "text":
            text = certificate.to_json()
            assert json.loads(text)["schema_version"] == certificate.schema_version
            again = type(certificate).from_json(text)
        else:
            certificate.save(tmp_path / "certificate.json")
            again = ls.load(tmp_path / "certificate.json")
        assert_same_certificate(again, certificate)


def assert_same_certificate(a, b):
    for name in ("value", "lower_bound", "gap", "relative_gap", "margin", "method", "guarantee", "stationarity", "tol",
                 "scale", "verdict", "reason", "schema_version"):  # fmt: skip
        assert getattr(a, name) == getattr(b, name), name
    assert (a.witness is None) == (b.witness is None)
    if a.witness is not None:
        cmp.assert_same_bits(a.witness, b.witness, "witness")


def test_a_batch_gives_a_list(ls):
    case = cases.problem(0)
    net = case.net(ls)
    many = tuple(np.stack(b) for b in zip(*(k.point for k in case.points), strict=True))
    batch = net.certify(many)
    assert isinstance(batch, list)
    for known, certificate in zip(case.points, batch, strict=True):
        assert_same_certificate(certificate, net.certify(known.point))


def test_certificates_of_foreign_versions_are_refused(worked):
    certificate = worked.certify(worked.global_minimum())
    data = json.loads(certificate.to_json())
    for wrong in ({**data, "schema_version": 999}, {k: v for k, v in data.items() if k != "value"}, [1, 2]):
        with pytest.raises(ValueError, match=r"schema_version|[Cc]ertificate"):
            type(certificate).from_json(json.dumps(wrong))
