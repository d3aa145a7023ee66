"""Certificates of factorisations: never a wrong GLOBAL, bounds that hold, witnesses that work, and ``verify``."""

from dataclasses import fields

import numpy as np
import pytest
import scipy.sparse

import comparators as cmp
import factorization_cases as table
import factorization_certificates as made
from landscape_cpp import _fingerprints as prints
from landscape_cpp.results import Certificate
from reference import factorization as mf
from reference import factorization_minimum as minima

QUICK = 2 * len(table.FAMILIES)
SLOW = pytest.mark.slow
UNIT = 2.0**-53


def applied(certificate, p):
    """The better point that a witness claims."""
    (U, V), (a, b) = p, certificate.witness
    how = certificate.proof["witness"]
    return {
        "append": lambda: (np.hstack([U, a]), np.hstack([V, b])),
        "add": lambda: (U + a, V + b),
        "scale": lambda: (U * a, V * b),
    }[how]()


def assert_honest(ls, land, problem, p, minimum, certificate=None, what="point"):
    """All that a certificate says of p, against the reference; ``minimum`` is an upper bound of min f, near it."""
    c, value, scale = land.certify(p) if certificate is None else certificate, mf.value(problem, p), problem.scale
    assert abs(c.value - value) <= 1e-13 * value, f"{what}: value {c.value!r}, expected {value!r}"
    assert c.lower_bound <= minimum * (1.0 + 4 * UNIT), f"{what}: bound {c.lower_bound!r} above the minimum {minimum!r}"
    assert c.gap >= (value - minimum) - 1e-13 * value, f"{what}: gap {c.gap!r} below {value - minimum!r}"
    assert c.gap >= 0.0 <= c.lower_bound
    assert abs(c.scale - scale) <= 1e-13 * scale, f"{what}: scale {c.scale!r}"
    if c.verdict == "GLOBAL":
        assert value - minimum <= c.tol * scale + 1e-13 * value, (
            f"{what}: GLOBAL, {(value - minimum) / scale:.2e} above"
        )
    if c.verdict == "NOT_GLOBAL":
        below = mf.value(problem, applied(c, p))
        assert below < value - c.tol * scale + 1e-13 * value, f"{what}: the witness reaches {below!r} from {value!r}"
    else:
        assert c.witness is None
    root = np.sqrt(c.proof["radial"])
    kappa = mf.polar(problem, (root * p[0], root * p[1]))[0]
    slack = 1e-11 * max(kappa, problem.lam)  # of the two radial scales
    assert c.polar_lower <= kappa + slack, f"{what}: polar {kappa!r}, lower {c.polar_lower!r}"
    assert c.polar_upper >= kappa - slack, f"{what}: polar {kappa!r}, upper {c.polar_upper!r}"
    outcome = ls.verify(c, land, p)
    assert outcome, f"{what}: {outcome}"
    assert outcome.lower_bound <= minimum * (1.0 + 4 * UNIT), what
    return c


# ------------------------------------------------------------------------------------------------------- hand numbers


def test_worked_example(ls):
    """F11: at zero kappa = 3, s = 1/3, dual 25/9, gap 20/9; the unit takes the value from 5 to 3, the minimum."""
    land, zero = ls.MatrixFactorization(np.diag([3.0, 1.0]), 1.0), (np.zeros((2, 1)),) * 2
    certificate = land.certify(zero)
    numbers = [certificate.value, certificate.lower_bound, certificate.gap, certificate.dual_scale, certificate.scale]
    cmp.assert_close(numbers, [5.0, 25 / 9, 20 / 9, 1 / 3, 5.0], 1e-6)
    assert certificate.lower_bound <= 25 / 9
    assert (str(certificate.verdict), certificate.proof["witness"]) == ("NOT_GLOBAL", "append")
    cmp.assert_close(land.value(applied(certificate, zero)), 3.0, 1e-12)
    best = land.certify((np.array([[np.sqrt(2.0)], [0.0]]),) * 2)
    cmp.assert_close([best.value, best.lower_bound], [3.0, 3.0], 1e-12)
    assert (str(best.verdict), best.guarantee) == ("GLOBAL", "deterministic")
    assert land.lambda_max == pytest.approx(3.0, rel=1e-7)
    assert land.lambda_max <= 3.0


def test_one_observed_entry(ls):
    """E4: only Y_11 = 3 of a 2 x 2 matrix: at Z = diag(2, 0) objective and dual value, s = 1, are both 5/2."""
    land = ls.MatrixFactorization(np.diag([3.0, 0.0]), 1.0, mask=np.diag([True, False]))
    certificate = land.certify((np.array([[np.sqrt(2.0)], [0.0]]),) * 2)
    cmp.assert_close([certificate.value, certificate.lower_bound, certificate.dual_scale], [2.5, 2.5, 1.0], 1e-12)
    assert certificate.verdict == "GLOBAL"


def test_one_observed_entry_of_logistic_loss(ls):
    """y = 1, lam = 1/4: log(1 + e^-z) + z / 4 is least where 1 / (1 + e^z) = 1/4, at z = log 3."""
    land = ls.MatrixFactorization(np.array([[1.0]]), 0.25, loss="logistic")
    z = np.log(3.0)
    certificate = land.certify((np.sqrt([[z]]), np.sqrt([[z]])))
    cmp.assert_close([certificate.value, certificate.lower_bound], [np.log(4 / 3) + z / 4] * 2, 1e-9)
    assert certificate.verdict == "GLOBAL"


@pytest.mark.parametrize("width", [1, 2, 3, 5])
def test_corollary_both_ways(ls, width, rng):
    """Corollary 1.6 at every stationary point: global over all widths iff the polar is at most lam."""
    for shape in ((4, 3), (3, 5), (2, 2), (1, 4)):
        problem = table.with_lam(mf.Problem(rng.standard_normal(shape), 1.0), 0.4)
        land = table.landscape(ls, problem)
        minimum = minima.svt_minimum(problem.Y, problem.lam)
        kinds = set()
        for found in minima.stationary_points(problem.Y, problem.lam, width, rng):
            bounds, certificate = land.polar(found.point), land.certify(found.point)
            optimal = found.value <= minimum * (1.0 + 1e-12)
            assert (bounds.lower <= problem.lam * (1.0 + 1e-12)) == optimal
            assert (bounds.upper <= problem.lam * (1.0 + 1e-5)) == optimal
            assert (certificate.verdict == "GLOBAL") == optimal
            cmp.assert_close(certificate.value, found.value, 1e-12)
            assert certificate.stationarity <= 1e-12
            kinds.add(optimal)
        assert False in kinds


# ------------------------------------------------------------------------------------------------------------ soundness


def campaign(ls, count, start=0):
    """Random and adversarial points of problems whose minimum is a closed form."""
    verdicts, landscapes = set(), {}
    for case, named, minimum in table.pairs(count, start):
        land = landscapes.setdefault(case.id, table.landscape(ls, case.problem))
        what = f"{case.id}, {named.name}"
        certificate = assert_honest(ls, land, case.problem, named.point, minimum, what=what)
        if named.kind == "global_minimum":
            assert certificate.verdict == "GLOBAL", what
        verdicts.add(str(certificate.verdict))
    assert {"GLOBAL", "NOT_GLOBAL"} <= verdicts


def test_sound_at_random_pairs(ls):
    campaign(ls, 600)


@SLOW
def test_sound_at_ten_thousand_pairs(ls):
    campaign(ls, 10_000, start=100)


def refused(land, point):
    """The words of the refusal to certify a point, if it is refused."""
    try:
        land.certify(point)
    except ValueError as error:
        return str(error)
    return ""


def all_losses(ls, i):
    """Every loss, masks, weights and data; the minimum is bracketed by the reference's own duality gap."""
    case, rng = table.problem(i), np.random.default_rng(i)
    land = table.landscape(ls, case.problem)
    for named in table.points(case.problem, rng, case.minimum):
        refusal = refused(land, named.point)
        if refusal:  # the rounding margin of its value is no number any more
            assert "p is too large: the objective overflows there" in refusal
            assert mf.value(case.problem, named.point) > 1e303
            continue
        certificate = assert_honest(ls, land, case.problem, named.point, case.minimum.value, what=named.name)
        if named.name == "optimal":
            assert certificate.verdict == "GLOBAL"


@pytest.mark.parametrize("i", [pytest.param(i, id=table.problem(i).id) for i in range(QUICK)])
def test_sound_for_every_family(ls, i):
    all_losses(ls, i)


@SLOW
@pytest.mark.parametrize("block", range(10))
def test_sound_for_many_of_every_family(ls, block):
    for i in range(QUICK + 70 * block, QUICK + 70 * (block + 1)):
        all_losses(ls, i)


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=SLOW) for seed in range(1, 30))])
def test_polar_at_the_edge(ls, seed):
    """Stationary points with the polar at lam (1 ± 1e-12), clusters of 1e-12 there, and clearly on either side."""
    for planted in table.planted_table(np.random.default_rng(seed)):
        land, problem = table.landscape(ls, planted.problem), planted.problem
        bound = mf.lower_bound(problem, planted.point[0] @ planted.point[1].T)
        value = mf.value(problem, planted.point)
        optimal = planted.top <= 1.0 + 1e-11
        minimum = value if optimal else min(value, mf.value(problem, mf.insert(problem, planted.point)))
        assert bound <= minimum * (1.0 + 1e-13)
        certificate = assert_honest(ls, land, problem, planted.point, minimum)
        assert certificate.verdict == ("GLOBAL" if optimal else "NOT_GLOBAL")
        assert certificate.stationarity <= 1e-11


@pytest.mark.parametrize("excess", [1.0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-6, 1e-9, 1e-12])
@pytest.mark.parametrize("tol", [1e-3, 1e-6, 1e-9])
def test_a_rank_one_above_the_width(ls, excess, tol, rng):
    """sigma_{r+1} = lam (1 + excess): the best point of width r is (lam excess)^2 / 2 above the minimum, no less."""
    Y = table.spectrum_matrix([4.0, 3.0, 1.0 + excess, 0.5], (6, 5), rng)
    problem = mf.Problem(Y, 1.0)
    land, U, V = table.landscape(ls, problem), *mf.factors(minima.svt_matrix(Y, 1.0), 2)
    true = 0.5 * excess * excess
    certificate = land.certify((U, V), tol=tol)
    assert_honest(ls, land, problem, (U, V), minima.svt_minimum(Y, 1.0), certificate)
    assert certificate.gap >= true * (1.0 - 1e-9) - 1e-14 * certificate.value
    if true > 1.01 * tol * problem.scale:
        assert certificate.verdict == "NOT_GLOBAL"
    elif true < 1e-3 * tol * problem.scale and excess <= 1e-2 * np.sqrt(tol):
        assert certificate.verdict != "NOT_GLOBAL"


@pytest.mark.parametrize("scale", [1e-300, 1e-200, 1e-160, 1e-150, 1e150, 1e154, 1e160, 1e200, 1e300])
def test_scales_near_overflow_and_underflow(ls, scale, rng):
    """Where squares are no numbers any more the problem is refused."""
    Y, lam = rng.standard_normal((4, 3)), 0.3
    point = tuple(np.sqrt(scale) * rng.standard_normal((n, 2)) for n in (4, 3))
    if scale > 1e153:
        with pytest.raises(ValueError, match=r"Y .*overflow"):
            ls.MatrixFactorization(scale * Y, lam * scale).certify(point)
        return
    if scale < 1e-151:
        with pytest.raises(ValueError, match=r"Y .*underflow"):
            ls.MatrixFactorization(scale * Y, lam * scale)
        return
    land = ls.MatrixFactorization(scale * Y, lam * scale)
    assert land.certify(point).verdict == "NOT_GLOBAL"


@pytest.mark.parametrize("size", [1e60, 1e77, 1e100, 1e154, 1e200])
def test_points_near_overflow(ls, size, rng):
    """Ordinary data, a point far out: its value may be no number, but it is never called the minimum."""
    land = ls.MatrixFactorization(rng.standard_normal((4, 3)), 0.5)
    point = tuple(size * rng.standard_normal((n, 2)) for n in (4, 3))
    try:
        certificate = land.certify(point)
    except ValueError as error:
        cmp.assert_error(error, ValueError, "p ", "overflow")
    else:
        assert certificate.verdict == "NOT_GLOBAL"
        assert ls.verify(certificate, land, point)


def test_other_bounds_than_the_points_own(ls, rng):
    """Rescaled factors of one product, (t U, V / t): higher values, and never a bound above the minimum."""
    problem = table.problem(1).problem
    land, (U, V) = table.landscape(ls, problem), table.random_point(problem, 2, rng)
    values = [land.certify((t * U, V / t)) for t in (1.0, 10.0, 1e3, 1e6)]
    assert np.all(np.diff([certificate.value for certificate in values]) > 0.0)
    minimum = table.problem(1).minimum.value
    assert all(certificate.lower_bound <= minimum for certificate in values)


# ------------------------------------------------------------------------------------------------------- classification


@pytest.mark.parametrize("seed", [*range(4), *(pytest.param(seed, marks=SLOW) for seed in range(4, 60))])
def test_classification_of_all_stationary_points(ls, seed):
    """Fully observed, distinct singular values: the kinds of THEORY 4, and dense Hessians that agree."""
    rng = np.random.default_rng(seed)
    shape = tuple(int(n) for n in rng.integers(2, 5, 2))
    problem = table.with_lam(mf.Problem(rng.standard_normal(shape), 1.0), 0.3)
    land = table.landscape(ls, problem)
    for width in (1, 2, 3, 5):
        for found in minima.stationary_points(problem.Y, problem.lam, width, rng):
            result = land.classify(found.point)
            assert str(result.kind) == found.kind == minima.classify(problem, found.point), found.indices
            assert result.rank == len(found.indices)
            cmp.assert_close(result.value, found.value, 1e-12)
            if found.kind != "strict_saddle":
                assert result.escape is None
                continue
            d = result.escape.direction
            bend, size = mf.curvature(problem, found.point, d), mf.norm(d[0]) ** 2 + mf.norm(d[1]) ** 2
            cmp.assert_close(result.escape.curvature, bend, 1e-9, problem.lam)
            assert bend < 0.0
            cmp.assert_close(result.escape.rayleigh_quotient, bend / size, 1e-9, problem.lam)
            cmp.assert_close(bend, found.curvature, 0.0, np.inf) if found.curvature is None else None
            lowest = np.linalg.eigvalsh(mf.hessian(problem, found.point))[0]
            assert lowest <= result.escape.rayleigh_quotient + 1e-12 * problem.lam


@pytest.mark.parametrize("i", [pytest.param(i, id=table.problem(i).id) for i in range(QUICK)])
def test_classification_for_every_family(ls, i):
    """Optimal, random, and stationary points of too small width; UNDETERMINED is allowed, a contradiction is not."""
    case, rng = table.problem(i), np.random.default_rng(i)
    land, problem = table.landscape(ls, case.problem), case.problem
    for named in table.points(problem, rng, case.minimum):
        result, excess = land.classify(named.point), mf.value(problem, named.point) - case.minimum.value
        kind = str(result.kind)
        what = f"{named.name}: {kind}, {result.reason}"
        if kind == "global_minimum":
            assert excess <= 1e-6 * problem.scale * (1.0 + 1e-6), what
        if kind in ("local_minimum", "strict_saddle"):
            assert mf.relative_gradient(problem, named.point) <= 1e-5, what
            assert result.polar_lower > problem.lam, what
        if kind == "strict_saddle":
            assert mf.curvature(problem, named.point, result.escape.direction) < 0.0, what
        if kind == "local_minimum" and named.point[0].size:
            H = mf.hessian(problem, named.point)
            assert np.linalg.eigvalsh(H)[0] >= -1e-6 * max(problem.lam, np.linalg.norm(H, 2)), what
        if named.name in ("random", "large", "opposite"):
            zero = problem.scale == 0.0 or case.minimum.value >= problem.scale * (1 - 1e-12)
            assert kind == "not_critical" or zero, what


def test_zero_is_a_saddle_or_the_minimum(ls):
    """lam above and below lambda_max; width 0 has no direction to leave it: it must widen."""
    Y = np.diag([3.0, 1.0])
    zero, none = (np.zeros((2, 1)),) * 2, (np.zeros((2, 0)),) * 2
    for lam, kinds in ((1.0, ("strict_saddle", "local_minimum")), (3.5, ("global_minimum",) * 2)):
        land = ls.MatrixFactorization(Y, lam)
        assert (str(land.classify(zero).kind), str(land.classify(none).kind)) == kinds
        assert "\n" in str(land.classify(zero))


# ----------------------------------------------------------------------------------------------------------- the polar

SPECTRA = {
    "distinct": lambda k, rng: np.sort(rng.uniform(0.1, 1.0, k)),
    "cluster": lambda k, rng: 1.0 - 1e-12 * rng.random(k),
    "cluster at the top": lambda k, rng: np.concatenate(
        [1.0 - 1e-12 * rng.random(k // 2), 0.5 * rng.random(k - k // 2)]
    ),
    "ties": lambda k, rng: np.repeat([1.0, 0.5], [k - k // 2, k // 2]),
    "orthogonal": lambda k, rng: np.ones(k),
    "rank one": lambda k, rng: np.array([1.0]),
    "graded": lambda k, rng: 10.0 ** -np.arange(float(k)),
}


@pytest.mark.parametrize("scale", [1.0, -1.0, 1e-150, 1e150])
@pytest.mark.parametrize("shape", [(1, 1), (1, 6), (6, 1), (7, 7), (5, 30), (60, 80)])
@pytest.mark.parametrize("name", SPECTRA)
def test_polar_from_both_sides(ls, name, shape, scale, rng):
    """The residual at zero is Y: bounds, witness and width of the bracket against a full SVD."""
    Y = scale * table.spectrum_matrix(SPECTRA[name](min(shape), rng), shape, rng)
    top = np.linalg.svd(Y / abs(scale), compute_uv=False)[0] * abs(scale)
    rounding = 8.0 * UNIT * sum(shape) * top  # of the SVD
    for matrix in (Y, scipy.sparse.csr_matrix(Y)):
        land = ls.MatrixFactorization(matrix, abs(scale))
        for tol in (1e-3, None, 1e-9):
            bounds = land.polar((np.zeros((shape[0], 0)), np.zeros((shape[1], 0))), tol=tol)
            assert (bounds.guarantee, bounds.failure_probability) == ("deterministic", 0.0)
            assert bounds.lower <= top + rounding
            assert bounds.upper >= top - rounding
            assert bounds.upper - bounds.lower <= (1e-6 if tol is None else tol) * top
            u, v = bounds.witness
            cmp.assert_close([np.linalg.norm(u), np.linalg.norm(v)], [1.0, 1.0], 1e-12)
            assert abs(u @ Y @ v) >= bounds.lower - rounding


def test_polar_of_nothing(ls):
    for Y in (np.zeros((3, 4)), scipy.sparse.csr_matrix((3, 4))):
        bounds = ls.MatrixFactorization(Y, 1.0).polar((np.zeros((3, 1)), np.zeros((4, 1))))
        assert (bounds.lower, bounds.upper, bounds.witness) == (0.0, 0.0, None)
        assert ls.MatrixFactorization(Y, 1.0).lambda_max == 0.0


@pytest.mark.parametrize("i", [pytest.param(i, id=table.problem(i).id) for i in range(QUICK)])
def test_polar_for_every_family(ls, i):
    case, rng = table.problem(i), np.random.default_rng(i)
    land, problem = table.landscape(ls, case.problem), case.problem
    for named in table.points(problem, rng, case.minimum):
        kappa, bounds = mf.polar(problem, named.point)[0], land.polar(named.point)
        assert bounds.lower * (1.0 - 1e-13) <= kappa <= bounds.upper * (1.0 + 1e-13), named.name
    top = mf.lambda_max(problem)
    assert top * (1.0 - 1e-7) <= land.lambda_max <= top * (1.0 + 1e-13)


def test_a_residual_too_large_for_a_proof(ls):
    """Probabilistic bounds say so, are within 1e-3, and ``verify`` replays or proves them."""
    rng = np.random.default_rng(3)
    Y = scipy.sparse.random_array((4000, 3200), density=1e-3, rng=rng).tocsr()
    land = ls.MatrixFactorization(Y, 0.9 * 4.0)
    p = tuple(0.01 * rng.standard_normal(shape) for shape in land.shapes(2))
    bounds = land.polar(p)
    top = scipy.sparse.linalg.svds(-land._problem.matrix(land._problem.slopes(land._problem.prediction(p)[0])), 1)[1][0]
    assert bounds.lower <= top * (1.0 + 1e-12)
    assert top <= bounds.upper <= bounds.lower * (1.0 + 1.01e-3)
    if bounds.guarantee == "probabilistic":
        assert (bounds.method, bounds.failure_probability) == ("krylov", 1e-9)
    certificate = land.certify(p, failure_probability=1e-6)
    assert (certificate.guarantee == "probabilistic") == (certificate.failure_probability > 0.0)
    assert certificate.failure_probability <= 1e-6
    outcome = ls.verify(certificate, land, p, cholesky_limit=0)
    if certificate.guarantee == "probabilistic":
        assert outcome, str(outcome)
        assert 0.0 < outcome.failure_probability <= 1e-6


# -------------------------------------------------------------------------------------------------------------- verify


def test_tolerances(ls):
    """One point, 2 % off the minimum: GLOBAL at 0.1, not at 1e-9; ``verify`` knows which tolerance was asked for."""
    case = table.problem(1)
    land, (U, V) = table.landscape(ls, case.problem), case.minimum.point
    p = 1.02 * U, 1.02 * V
    loose, tight = land.certify(p, tol=0.1), land.certify(p, tol=1e-9)
    assert (str(loose.verdict), str(tight.verdict), loose.tol, tight.tol) == ("GLOBAL", "NOT_GLOBAL", 0.1, 1e-9)
    cmp.assert_close(loose.lower_bound, tight.lower_bound, 1e-5)
    assert ls.verify(loose, land, p)
    assert ls.verify(tight, land, p)


def test_round_trips(ls, rng, tmp_path):
    """JSON and files give an equal certificate back, to the last bit, for every way a certificate can end."""
    for i in range(QUICK):
        case = table.problem(i)
        land = table.landscape(ls, case.problem)
        for p in (table.random_point(case.problem, 2, rng), case.problem.zeros(0), case.minimum.point):
            certificate = land.certify(p)
            again = Certificate.from_json(certificate.to_json())
            assert prints.certificate_digest(again) == again.digest == certificate.digest
            assert again.to_json() == certificate.to_json()
            assert ls.verify(again, land, p)
    certificate.save(tmp_path / "certificate.json")
    assert ls.load(tmp_path / "certificate.json").digest == certificate.digest
    assert str(certificate).startswith(str(certificate.verdict))


@pytest.fixture(params=[0, 1, 3, 4, 5, 28])
def honest(ls, request, rng):
    """(landscape, problem, random point, its certificate)."""
    problem = table.problem(request.param).problem
    land, p = table.landscape(ls, problem), table.random_point(problem, 2, rng)
    certificate = land.certify(p)
    assert certificate.verdict == "NOT_GLOBAL"
    return land, problem, p, certificate


@pytest.mark.parametrize("name", [item.name for item in fields(Certificate)])
def test_any_altered_field_fails(ls, honest, name):
    land, _, p, certificate = honest
    outcome = ls.verify(made.with_altered(certificate, name), land, p)
    assert not outcome
    assert "INVALID" in str(outcome)


def test_lies_with_a_new_digest_fail(ls, honest):
    land, problem, p, certificate = honest
    for name, changes in made.lies(problem, certificate):
        assert not ls.verify(made.forged(certificate, prints.certificate_digest, **changes), land, p), name


def test_other_problems_and_points_fail(ls, honest):
    land, problem, (U, V), certificate = honest
    assert "data" in str(ls.verify(certificate, land.with_lam(np.nextafter(land.lam, 9.0)), (U, V)))
    other = table.landscape(ls, table.problem(34).problem)
    assert not ls.verify(certificate, other, (U, V))
    for q in ((np.nextafter(U, 9.0), V), (U, -V), (U[:, ::-1], V[:, ::-1])):
        assert "point" in str(ls.verify(certificate, land, q))
    best = mf.factors(minima.minimise(problem, max_iterations=500).A)
    assert not ls.verify(land.certify(best), land, (U, V))
