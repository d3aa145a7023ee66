"""``verify`` confirms honest certificates, refuses altered ones, and refuses false ones whose seals were renewed."""

from dataclasses import fields, replace

import numpy as np
import pytest
import scipy.sparse

import factorization_cases as table
import factorization_certificates as made
from landscape_cpp import _fingerprints as prints
from landscape_cpp import _verify as checking
from landscape_cpp import _verify_norms as norms
from landscape_cpp.results import Certificate, Verdict
from reference import factorization as mf
from reference import factorization_minimum as minima

QUICK = 2 * len(table.FAMILIES)


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def certify(problem, p, land=None, **options):
    return made.certificate_of(Certificate, Verdict, prints, problem, p, land, **options)


def reseal(certificate, **changes):
    return made.sealed(replace(certificate, **changes), prints.certificate_digest)


def problems(count=QUICK):
    return [pytest.param(i, id=table.problem(i).id) for i in range(count)]


# -------------------------------------------------------------------------------------------------------------- honest


@pytest.mark.parametrize("i", problems())
def test_honest_certificates_stand(i, rng):
    case = table.problem(i)
    land = made.land_of(case.problem)
    for named in table.points(case.problem, rng, case.minimum):
        certificate = certify(case.problem, named.point, land)
        outcome = checking.verify(certificate, land, named.point)
        assert outcome, f"{named.name}: {outcome}"
        assert outcome.lower_bound <= case.minimum.value + 1e-12 * case.problem.scale
        assert certificate.lower_bound - outcome.lower_bound <= 1e-9 * case.problem.scale
        if named.name == "optimal" and case.problem.loss == "squared":
            assert certificate.verdict == "GLOBAL"


def soundness(count, start=0):
    """The proved bound is never above the minimum; GLOBAL never where the value is."""
    verdicts = set()
    for case, named, minimum in table.pairs(count, start):
        problem, land = case.problem, made.land_of(case.problem)
        certificate = certify(problem, named.point, land)
        outcome = checking.verify(certificate, land, named.point)
        assert outcome, f"{case.id}, {named.name}: {outcome}"
        assert outcome.lower_bound <= minimum * (1.0 + 1e-14), f"{case.id}, {named.name}"
        if certificate.verdict == "GLOBAL":
            excess = mf.value(problem, named.point) - minimum
            assert excess <= (certificate.tol + 1e-13) * problem.scale, f"{case.id}, {named.name}"
        verdicts.add(str(certificate.verdict))
    assert {"GLOBAL", "NOT_GLOBAL"} <= verdicts


def test_sound_at_random_pairs():
    soundness(400)


@pytest.mark.slow
def test_sound_at_ten_thousand_pairs():
    soundness(10_000)


def test_planted_points_at_the_edge(rng):
    for planted in table.planted_table(rng):
        land = made.land_of(planted.problem)
        certificate = certify(planted.problem, planted.point, land)
        outcome = checking.verify(certificate, land, planted.point)
        assert outcome, str(outcome)
        assert certificate.verdict == ("GLOBAL" if planted.top <= 1.0 + 1e-11 else "NOT_GLOBAL")


def test_worked_example():
    problem, zero = mf.Problem(np.diag([3.0, 1.0]), 1.0), (np.zeros((2, 1)), np.zeros((2, 1)))
    certificate, land = certify(problem, zero), made.land_of(problem)
    outcome = checking.verify(certificate, land, zero)
    assert outcome, str(outcome)
    assert abs(outcome.lower_bound - 25 / 9) <= 1e-13
    assert certificate.verdict == "NOT_GLOBAL"
    assert str(outcome).startswith("valid")


@pytest.mark.parametrize("i", [i for i in range(QUICK) if table.problem(i).problem.weights is not None])
def test_dense_with_mask_is_sparse(i, rng):
    problem = table.problem(i).problem
    p = table.random_point(problem, 2, rng)
    dense, sparse = made.land_of(problem), made.land_of(problem, "sparse")
    assert prints.data_fingerprint(dense) == prints.data_fingerprint(sparse)
    assert checking.verify(certify(problem, p, dense), sparse, p)
    if dense.weights is not None:
        vector = replace(dense, weights=problem.c[problem.c > 0.0])
        assert prints.data_fingerprint(dense) == prints.data_fingerprint(vector)
        assert checking.verify(certify(problem, p, dense), vector, p)


def test_another_dual_point(rng):
    """A solver's best dual point need not be the point that is certified."""
    problem = table.problem(1).problem
    optimum, p = table.problem(1).minimum.point, table.random_point(table.problem(1).problem, 2, rng)
    good, land = certify(problem, optimum), made.land_of(problem)
    own = made.fields_of(problem, p)
    lower = good.lower_bound
    gap = own["value"] - lower
    changes = {**own, "lower_bound": lower, "gap": gap, "relative_gap": gap / own["value"], "margin": good.margin}
    changes |= {"polar_lower": good.polar_lower, "polar_upper": good.polar_upper, "dual_scale": good.dual_scale}
    changes["proof"] = {**good.proof, "dual_point": optimum, "witness": own["proof"]["witness"]}
    changes["verdict"] = Verdict(own["verdict"])
    certificate = reseal(good, **changes, point_fingerprint=prints.point_fingerprint(p))
    outcome = checking.verify(certificate, land, p)
    assert outcome, str(outcome)


def test_round_trip_through_json(rng):
    problem = table.problem(0).problem
    for p in (table.random_point(problem, 2, rng), problem.zeros(0)):
        certificate = certify(problem, p)
        again = Certificate.from_json(certificate.to_json())
        assert prints.certificate_digest(again) == again.digest == certificate.digest
        assert checking.verify(again, made.land_of(problem), p)


# ------------------------------------------------------------------------------------------------------------- altered


@pytest.mark.parametrize("name", [item.name for item in fields(Certificate)])
def test_any_altered_field_fails(name, rng):
    problem = table.problem(1).problem
    p, land = table.random_point(problem, 2, rng), made.land_of(problem)
    certificate = certify(problem, p, land)
    assert certificate.witness is not None
    outcome = checking.verify(made.with_altered(certificate, name), land, p)
    assert not outcome
    assert "INVALID" in str(outcome)


def test_other_data_or_point_fail(rng):
    """One bit of one entry is enough."""
    problem = table.problem(2).problem
    p, land = table.random_point(problem, 2, rng), made.land_of(problem)
    certificate = certify(problem, p, land)
    for change in (
        {"lam": np.nextafter(land.lam, 9.0)},
        {"Y": np.nextafter(land.Y, 9.0)},
        {"weights": land.weights * 2.0},
        {"weights": None},
        {"X": np.eye(len(land.Y))},
        {"loss": made.LossName("huber", 1.0)},
        {"loss": made.LossName("squared", 2.0)},
    ):
        assert "data" in str(checking.verify(certificate, replace(land, **change), p))
    for q in ((np.nextafter(p[0], 9.0), p[1]), (p[0], -p[1]), (p[1], p[0])):
        assert "point" in str(checking.verify(certificate, land, q))


# ------------------------------------------------------------------------------------- false, with a renewed digest


def forged(certificate, **changes):
    return made.forged(certificate, prints.certificate_digest, **changes)


@pytest.fixture(params=[0, 1, 3, 4, 5, 28])
def honest(request, rng):
    """(case, land, point of a too small width or random, certificate, expected to be NOT_GLOBAL)."""
    case = table.problem(request.param)
    p = table.random_point(case.problem, 2, rng)
    land = made.land_of(case.problem)
    certificate = certify(case.problem, p, land)
    assert certificate.verdict == "NOT_GLOBAL"
    return case, land, p, certificate


def test_lies_fail(honest):
    case, land, p, certificate = honest
    assert checking.verify(certificate, land, p)
    for name, changes in made.lies(case.problem, certificate):
        outcome = checking.verify(forged(certificate, **changes), land, p)
        assert not outcome, name


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("schema_version", lambda c: 1),
        ("gap", lambda c: c.gap * (1 - 1e-12)),
        ("gap", lambda c: 0.0),
        ("relative_gap", lambda c: c.relative_gap * (1 - 1e-12)),
        ("margin", lambda c: -c.margin),
        ("margin", lambda c: np.nan),
        ("tol", lambda c: -1.0),
        ("tol", lambda c: np.inf),
        ("polar_lower", lambda c: -1.0),
        ("polar_lower", lambda c: c.polar_upper * (1.0 + 1e-15)),
    ],
)
def test_numbers_that_do_not_follow_fail(honest, name, change):
    _, land, p, certificate = honest
    assert not checking.verify(reseal(certificate, **{name: change(certificate)}), land, p)


def test_dual_points_that_are_not_feasible_fail(honest):
    """A larger s with the dual value that belongs to it: infeasible where s polar_upper > lam."""
    case, land, p, certificate = honest
    problem, s = case.problem, certificate.dual_scale
    G = mf.slopes(problem, certificate.proof["radial"] * (p[0] @ p[1].T))
    larger = min(1.01 * s, mf.scale_limit(replace(problem, lam=np.inf), G, 1.0))
    lower = mf.dual_value(problem, G, larger) - certificate.margin
    if larger * certificate.polar_upper <= problem.lam * 1.0001 or lower <= certificate.lower_bound:
        pytest.skip("the scale is not limited by the polar here")
    outcome = checking.verify(forged(certificate, dual_scale=larger, lower_bound=lower), land, p)
    assert "dual_scale" in str(outcome)


def test_dual_points_outside_the_domain_fail():
    """lam = 10 lambda_max leaves room for s = 2, where |s G| > delta: the conjugate is infinite there, not clipped."""
    problem = table.with_lam(table.problem(4).problem, 10.0)
    zero, land = problem.zeros(1), made.land_of(problem)
    certificate = certify(problem, zero)
    assert checking.verify(certificate, land, zero)
    assert "domain" in str(checking.verify(reseal(certificate, dual_scale=2.0), land, zero))


def test_factors_of_other_shapes_fail(rng):
    problem = table.problem(0).problem
    certificate, land = certify(problem, problem.zeros(1)), made.land_of(problem)
    rows, columns = problem.shape
    for q in ((np.zeros((rows, 1)), np.zeros((columns, 2))), (np.zeros((rows + 1, 1)), np.zeros((columns, 1)))):
        own = reseal(certificate, point_fingerprint=prints.point_fingerprint(q))
        assert "shapes" in str(checking.verify(own, land, q))


def test_weaker_truths_stand(honest):
    """What is true stays valid: a lower lower bound of the polar, another tolerance, other words."""
    _, land, p, certificate = honest
    for changes in ({"polar_lower": 0.9 * certificate.polar_lower}, {"tol": certificate.tol / 2}, {"reason": "so"}):
        outcome = checking.verify(reseal(certificate, **changes), land, p)
        assert outcome, str(outcome)


def test_global_needs_its_tolerance(rng):
    """A point of gap 1e-4 is not GLOBAL at 1e-6, whatever it says."""
    case = table.problem(1)
    U, V = case.minimum.point
    p, land = (1.02 * U, 1.02 * V), made.land_of(case.problem)
    loose = certify(case.problem, p, land, tol=0.1)
    assert loose.verdict == "GLOBAL"
    assert checking.verify(loose, land, p)
    assert not checking.verify(reseal(loose, tol=1e-9), land, p)
    assert not checking.verify(reseal(loose, verdict=Verdict.UNDECIDED), land, p)


# ----------------------------------------------------------------------------------------------------------- the norms


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (6, 4), (4, 6), (60, 40)])
@pytest.mark.parametrize("scale", [1.0, 1e150, 1e-150, -3.0])
def test_cholesky_bound(shape, scale, rng):
    M = scale * rng.standard_normal(shape)
    top = np.linalg.norm(M / abs(scale), 2) * abs(scale)
    for factor in (1.0, 1.0 + 1e-12, 1.5, 100.0):
        bound = norms.cholesky_bound(M, factor * top)
        assert bound is not None
        assert factor * top <= bound.upper <= factor * top * (1.0 + 1e-10)
    for factor in (0.0, 0.5, 1.0 - 1e-9):
        assert norms.cholesky_bound(M, factor * top) is None
    assert norms.cholesky_bound(scipy.sparse.csr_matrix(M), top) is not None


def test_cholesky_bound_of_clusters(rng):
    M = table.spectrum_matrix([1.0] * 20, (30, 20), rng)
    assert norms.cholesky_bound(M, 1.0 + 1e-14).upper < 1.0 + 1e-12
    assert norms.cholesky_bound(M, 1.0 - 1e-11) is None
    assert norms.cholesky_bound(np.zeros((3, 4)), 0.0).upper == 0.0
    assert norms.cholesky_bound(M, np.nan) is None
    assert norms.cholesky_bound(np.full((2, 2), np.nan), 1.0) is None
    assert norms.cholesky_bound(M, 1.0 + 1e-14, limit=10) is None


@pytest.mark.parametrize("deflate", [0, 8])
def test_krylov_bound(deflate, rng):
    """A cluster of eight values at 1, the rest below 0.9."""
    n = 400
    sigma = np.concatenate([np.ones(8), np.linspace(0.9, 0.1, n - 8)])
    left, right = np.linalg.qr(rng.standard_normal((n, n)))[0], np.linalg.qr(rng.standard_normal((n, n)))[0]
    M = (left * sigma) @ right.T
    known = right[:, :deflate]
    for kappa, confirmed in ((1.03, True), (0.999, False), (0.5, False)):
        bound = norms.krylov_bound(M, known, kappa, 1e-9, seed=3)
        assert (bound is not None) == confirmed, kappa
    if deflate:
        assert norms.krylov_bound(M, known, 1.0001, 1e-9, seed=3, max_steps=200) is not None
        assert norms.krylov_bound(M, known + 1e-9 * rng.standard_normal(known.shape), 1.0001, 1e-9, 3) is not None


def test_krylov_bound_never_deceives_at_its_probability(rng):
    """2,000 starts at a failure probability of 0.1: bounds below the norm are confirmed at most that often."""
    sigma = np.concatenate([[1.0], np.full(199, 0.97)])
    M = np.diag(sigma)
    wrong = sum(norms.krylov_bound(M, np.zeros((200, 0)), 0.999, 0.1, seed, 60) is not None for seed in range(2000))
    assert wrong <= 0.1 * 2000


def test_replayed_certificates(rng):
    """A krylov certificate of a sparse problem, its bound 2 % above the norm."""
    shape, r = (300, 200), 3
    mask = (rng.random(shape) < 0.1).astype(float)
    Y = rng.standard_normal((300, r)) @ rng.standard_normal((r, 200)) + 0.1 * rng.standard_normal(shape)
    problem = table.with_lam(mf.Problem(Y, 1.0, mask), 0.4)
    found = minima.minimise(problem, tol=1e-6, max_iterations=400)
    p, land = mf.factors(found.A, 12), made.land_of(problem, "sparse")
    certificate = certify(problem, p, land, method="krylov", looseness=0.02, failure_probability=1e-9)
    outcome = checking.verify(certificate, land, p, cholesky_limit=0)
    assert outcome, str(outcome)
    assert (outcome.method, outcome.failure_probability) == ("krylov", 1e-9)
    assert "replayed" in str(outcome)
    assert checking.verify(certificate, land, p, seed=11, cholesky_limit=0)
    proved = checking.verify(certificate, land, p)
    assert (proved.method, proved.failure_probability) == ("cholesky", 0.0)
    assert proved
    too_low = forged(certificate, polar_upper=0.99 * problem.lam, polar_lower=0.9 * problem.lam)
    for limit in (0, 8192):
        assert not checking.verify(too_low, land, p, cholesky_limit=limit)
    assert "too large" in str(checking.verify(certify(problem, p, land), land, p, cholesky_limit=0))
