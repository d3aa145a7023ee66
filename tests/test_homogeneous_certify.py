"""Certificates of parallel networks: never a wrong GLOBAL, bounds that hold, witnesses that work, and ``verify``.

The minimum over all widths comes from the convex program of ``reference/convex_networks.py``, from hand numbers, or,
where a line of samples leaves finitely many units (d = 1), from the lasso over those.
"""

from dataclasses import fields, replace

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

import comparators as cmp
import factorization_certificates as made
import homogeneous_cases as table
import homogeneous_minima as minima
from landscape_cpp import _fingerprints as prints
from landscape_cpp.results import Certificate
from reference import homogeneous as hn

SLOW = pytest.mark.slow


def applied(formula, p, certificate):
    """The better point that a witness claims."""
    how, witness = certificate.proof["witness"], certificate.witness
    if how == "replace":
        return witness
    if how == "add":
        return tuple(own + step for own, step in zip(p, witness, strict=True))
    assert how == "append"
    axis, own = (0, p) if formula.hidden else (1, p)
    pairs = list(zip(own, witness, strict=True))
    blocks = tuple(np.concatenate(pair, axis=axis) for pair in (pairs[:-1] if formula.intercept else pairs))
    return (*blocks, p[-1]) if formula.intercept else blocks


def assert_honest(ls, formula, p, minimum, certificate=None, what="", land=None):
    """All that a certificate says of p, against the formulas; ``minimum`` is an upper bound of min P, near it."""
    land = formula.landscape(ls) if land is None else land
    c, value, scale = land.certify(p) if certificate is None else certificate, formula.value(p), formula.problem.scale
    assert abs(c.value - value) <= 1e-13 * max(value, scale), f"{what}: value {c.value!r}, expected {value!r}"
    assert abs(c.scale - scale) <= 1e-13 * scale, f"{what}: scale {c.scale!r}, expected {scale!r}"
    rounding = 4e-15 * scale  # of the reference's minimum
    assert c.lower_bound <= minimum + rounding, f"{what}: bound {c.lower_bound!r} above the minimum {minimum!r}"
    assert c.gap >= (value - minimum) - 1e-13 * max(value, scale), f"{what}: gap {c.gap!r} below {value - minimum!r}"
    assert c.gap >= 0.0 <= c.lower_bound
    assert (c.guarantee, c.failure_probability) == ("deterministic", 0.0)
    if c.verdict == "GLOBAL":
        assert value - minimum <= c.tol * scale + 1e-13 * value, f"{what}: GLOBAL, {value - minimum:.2e} above"
    if c.verdict == "NOT_GLOBAL":
        below = formula.value(applied(formula, p, c))
        assert below < value - c.tol * scale + 1e-13 * value, f"{what}: the witness reaches {below!r} from {value!r}"
    else:
        assert c.witness is None
    assert 0.0 <= c.polar_lower <= c.polar_upper
    outcome = ls.verify(c, land, p)
    assert outcome, f"{what}: {outcome}"
    assert outcome.lower_bound <= minimum + rounding, what
    return c


def assert_all_honest(ls, formula, best, rng, what=""):
    """At the minimum, near it, without one of its units, and at points of all sizes."""
    land, minimum, scale, verdicts = formula.landscape(ls), best.value, formula.problem.scale, set()
    for name, p in minima.points(formula, best, rng):
        c = assert_honest(ls, formula, p, minimum, what=f"{what}, {name}", land=land)
        verdicts.add(str(c.verdict))
        if name == "minimum" and best.value - best.lower <= 1e-8 * scale and best.exact:
            assert c.verdict == "GLOBAL", f"{what}: {c}"
        if c.value - minimum > 1e-3 * scale and best.exact:
            assert c.verdict == "NOT_GLOBAL", f"{what}, {name}: {c}"
    return verdicts


# ------------------------------------------------------------------------------------------------------- hand numbers


def test_worked_example(ls):
    """P2 at zero: kappa = 3, s = 1/3, dual 10/3 - 5/9 = 25/9; one unit takes the value from 5 to 3, the minimum."""
    land, zero = ls.ParallelNetwork(table.PAIR, [3.0, 1.0], 1.0), (np.zeros((1, 1)),) * 2
    c = land.certify(zero)
    cmp.assert_close([c.value, c.lower_bound, c.gap, c.dual_scale, c.scale], [5.0, 25 / 9, 20 / 9, 1 / 3, 5.0], 1e-12)
    assert c.lower_bound <= 25 / 9
    assert (str(c.verdict), c.method) == ("NOT_GLOBAL", "sweep")
    cmp.assert_close(land.value(applied(table.Formula(hn.Problem(table.PAIR, None, 1.0)), zero, c)), 3.0, 1e-12)
    best = land.certify((np.array([[table.SQRT2]]),) * 2)
    cmp.assert_close([best.value, best.lower_bound], [3.0, 3.0], 1e-12)
    assert (str(best.verdict), best.guarantee) == ("GLOBAL", "deterministic")
    cmp.assert_close(land.lambda_max, 3.0, 1e-12)
    assert land.lambda_max >= 3.0


@pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in table.CASES if minima.is_solved(case)])
def test_hand_problems(ls, case, rng):
    """Sound at every point; nothing is called GLOBAL above the known minimum."""
    formula = table.Formula(case.problem, intercept=case.problem.intercept)
    best = minima.minimum_of(formula)
    if case.minimum is not None:
        cmp.assert_close(best.value, case.minimum, 1e-8, max(case.problem.scale, 1e-300))
        best = replace(best, value=max(case.minimum, best.lower) if best.value < case.minimum else best.value)
    assert_all_honest(ls, formula, best, rng, case.id)


# ------------------------------------------------------------------------------------------------------------ soundness


def campaign(ls, indices):
    verdicts = set()
    for i in indices:
        formula, rng = minima.formula(i), np.random.default_rng((table.SEED, i))
        best = minima.minimum_of(formula, 1e-9, 500)
        verdicts |= assert_all_honest(ls, formula, best, rng, f"problem {i}, {minima.words(formula)}")
    return verdicts


@pytest.mark.parametrize("block", range(3))
def test_sound_at_random_problems(ls, block):
    assert {"GLOBAL", "NOT_GLOBAL"} <= campaign(ls, range(5 * block, 5 * block + 5))


@SLOW
@pytest.mark.parametrize("block", range(40))
def test_sound_at_many_random_problems(ls, block):
    campaign(ls, range(100 + 25 * block, 125 + 25 * block))


def unit_campaign(ls, unit, indices):
    for i in indices:
        formula, rng = minima.unit_formula(unit, i), np.random.default_rng((table.SEED, i))
        assert_all_honest(ls, formula, minima.near_minimum(formula), rng, f"problem {i}, {minima.words(formula)}")


@pytest.mark.parametrize("unit", hn.ACTIVATIONS)
def test_sound_with_every_unit(ls, unit):
    unit_campaign(ls, unit, range(6))


@SLOW
@pytest.mark.parametrize("block", range(10))
@pytest.mark.parametrize("unit", hn.ACTIVATIONS)
def test_sound_with_every_unit_often(ls, unit, block):
    unit_campaign(ls, unit, range(100 + 20 * block, 120 + 20 * block))


@pytest.mark.parametrize("loss", hn.LOSSES)
@pytest.mark.parametrize("unit", hn.ACTIVATIONS)
def test_several_outputs_on_a_line(ls, loss, unit, rng):
    """d = 1: the units are v = +-1, and the group lasso over both is the minimum over all widths."""
    problem = table.family("generic", 1, 2, 5, loss, hn.ACTIVATIONS[unit], intercept=loss in ("squared", "softmax"))
    formula = table.Formula(problem, intercept=problem.intercept)
    verdicts = assert_all_honest(ls, formula, minima.minimum_of(formula), rng, f"{loss}, {unit}")
    assert {"GLOBAL", "NOT_GLOBAL"} <= verdicts


@pytest.mark.parametrize("form", table.FORMS)
@pytest.mark.parametrize("loss", [loss for loss in hn.LOSSES if loss != "softmax"])
def test_every_bias_and_intercept(ls, loss, form, rng):
    """On a line, so that without a bias, or with a free one, finitely many units are all there are."""
    unit = ("relu", "leaky", "abs")[(hn.LOSSES.index(loss) + table.FORMS.index(form)) % 3]
    formula = table.Formula(table.family("generic", 1, 1, 5, loss, hn.ACTIVATIONS[unit], seed=3), *form)
    verdicts = assert_all_honest(ls, formula, minima.minimum_of(formula), rng, minima.words(formula))
    assert "NOT_GLOBAL" in verdicts


@pytest.mark.parametrize("hidden", [(2,), (3, 2)])
@pytest.mark.parametrize("unit", ["relu", "leaky", "abs"])
def test_deeper_subnetworks(ls, hidden, unit, rng):
    """A chain of units is one unit: the minimum of the units is an upper bound; bounds are coarse, but hold."""
    for form in (table.PLAIN, (False, True), (False, "penalized")):
        problem = table.family("generic", 1, 1, 5, "squared", hn.ACTIVATIONS[unit])
        formula, shallow = table.Formula(problem, *form, hidden), table.Formula(problem, *form)
        best = minima.minimum_of(shallow)
        deep = minima.as_chains(best.point, hidden, formula)
        if unit == "relu":  # act(act(t)) = act(t)
            cmp.assert_close(formula.value(deep), best.value, 1e-9)
        best = replace(best, point=deep, value=formula.value(deep), lower=0.0, exact=False)
        verdicts = assert_all_honest(ls, formula, best, rng, minima.words(formula))
        assert "NOT_GLOBAL" in verdicts
        c = formula.landscape(ls).certify(formula.random(2, rng))
        assert "coarse" in c.reason
        assert c.reason in str(c)


def test_deeper_linear_subnetworks(ls, rng):
    """X = I: the penalty of degree L is the nuclear norm, and the minimum soft-thresholds the singular values."""
    Y, lam = rng.standard_normal((4, 3)), 0.5
    left, sigma, right = np.linalg.svd(Y, full_matrices=False)
    kept = np.maximum(sigma - lam, 0.0)
    minimum = float(np.sum(0.5 * np.minimum(sigma, lam) ** 2 + lam * kept))
    problem = hn.Problem(np.eye(4), Y, lam, hn.LINEAR)
    formula = table.Formula(problem, hidden=(2, 2))
    blocks = [np.zeros(shape) for shape in formula.shapes(3)]
    for k, size in enumerate(np.cbrt(kept)):
        blocks[0][k, 0], blocks[1][k, 0, 0], blocks[2][k, :, 0] = size * left[:, k], size, size * right[k]
    c = assert_honest(ls, formula, tuple(blocks), minimum)
    assert (str(c.verdict), c.method) == ("GLOBAL", "cholesky")
    assert_honest(ls, formula, tuple(0.9 * block for block in blocks), minimum)
    dropped = assert_honest(ls, formula, tuple(block[1:] for block in blocks), minimum)
    assert dropped.verdict == "NOT_GLOBAL"


@pytest.mark.parametrize("excess", [1.0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-6, 1e-9, 1e-12, 0.0, -1e-12])
@pytest.mark.parametrize("tol", [1e-3, 1e-6, 1e-9])
def test_wrong_by_one_unit(ls, excess, tol):
    """y = (3, lam (1 + excess)) at x = (1, -1): without the second unit the value is (lam excess)^2 / 2 too high."""
    problem = hn.Problem(table.PAIR, table.column(3.0, 1.0 + excess), 1.0)
    formula, p = table.Formula(problem), (np.array([[table.SQRT2]]),) * 2
    true = 0.5 * max(excess, 0.0) ** 2
    minimum = formula.value(p) - true
    c = assert_honest(ls, formula, p, minimum, formula.landscape(ls).certify(p, tol=tol))
    assert c.gap >= true * (1.0 - 1e-9) - 1e-14 * c.value
    if true > 1.01 * tol * problem.scale:
        assert c.verdict == "NOT_GLOBAL"
    elif excess <= 1e-2 * np.sqrt(tol):
        assert c.verdict == "GLOBAL"


@pytest.mark.parametrize("away", [1e-3, 1e-6, 1e-9, 1e-12])
def test_nearly_equal_maxima(ls, away, rng):
    """Two directions whose pulls differ by ``away``: the worse one's optimum is not the minimum."""
    lam = 1.0
    problem = hn.Problem(np.array([[1.0, 0.0], [0.0, 1.0 + away]]), np.diag([2.0, 2.0]), lam)
    formula = table.Formula(problem)
    # outputs are separate: min over t of (2 - x t)^2 / 2 + lam t for each, x = 1 and 1 + away
    t = [(2.0 - lam / x) / x for x in (1.0, 1.0 + away)]
    minimum = sum(0.5 * (lam / x) ** 2 + lam * s for x, s in zip((1.0, 1.0 + away), t, strict=True))
    roots = np.diag(np.sqrt(t))
    c = assert_honest(ls, formula, (roots, roots), minimum)
    assert c.verdict == "GLOBAL"
    for k in (0, 1):
        assert assert_honest(ls, formula, (roots[:, [k]], roots[:, [k]]), minimum).verdict == "NOT_GLOBAL"


def test_above_and_below_lambda_max(ls, rng):
    """Zero, with the best intercept, is GLOBAL above lambda_max, not below."""
    for i in range(10):
        formula = minima.formula(i)
        land = formula.landscape(ls)
        top = land.lambda_max
        zero = tuple(np.zeros(shape) for shape in formula.shapes(0))
        if formula.intercept:
            zero = (*zero[:-1], hn.best_intercept(formula.problem, np.zeros(formula.problem.targets.shape)))
        if formula.intercept == "penalized" or top < 1e-9 or np.max(np.abs(zero[-1]), initial=0.0) > 30.0:
            continue  # a penalised intercept depends on lam; one class alone sends it to infinity
        for factor, verdict in ((1.0 + 1e-9, "GLOBAL"), (2.0, "GLOBAL"), (1e6, "GLOBAL"), (0.9, "NOT_GLOBAL")):
            own = replace(formula, problem=replace(formula.problem, lam=factor * top))
            c = own.landscape(ls).certify(zero)
            assert c.verdict == verdict, f"problem {i} at {factor} lambda_max: {c}"
            assert ls.verify(c, own.landscape(ls), zero)
            if verdict == "NOT_GLOBAL":
                assert own.value(applied(own, zero, c)) < own.value(zero) - c.tol * c.scale


@pytest.mark.parametrize("lam", [1e-3, 1e-6, 1e-9, 1e-12, 1e-100])
def test_tiny_lam(ls, lam, rng):
    """Interpolation costs lam Omega at most; bounds hold down to nothing."""
    for unit in ("relu", "leaky", "abs"):
        problem = hn.Problem(table.PAIR, table.column(3, -1), lam, hn.ACTIVATIONS[unit])
        formula = table.Formula(problem)
        best = minima.minimum_of(formula)
        if lam < 1e-9:  # rounding of the slopes is no smaller than lam: a GLOBAL is not to be expected
            best = replace(best, lower=0.0)
        assert_all_honest(ls, formula, best, rng, f"{unit}, {lam}")


@pytest.mark.parametrize("size", [1e60, 1e77, 1e100, 1e154, 1e200])
@pytest.mark.parametrize("form", [table.PLAIN, (True, True), ("free", True)])
def test_points_near_overflow(ls, size, form, rng):
    """Ordinary data, a point far out: its value may be no number, but it is never called the minimum."""
    formula = table.Formula(hn.Problem(rng.standard_normal((5, 2)), rng.standard_normal((5, 1)), 0.5), *form)
    land, p = formula.landscape(ls), tuple(size * block for block in formula.random(2, rng))
    try:
        c = land.certify(p)
    except ValueError as error:
        cmp.assert_error(error, ValueError, "p ", "overflow")
    else:
        assert c.verdict == "NOT_GLOBAL"
        assert ls.verify(c, land, p)


@pytest.mark.parametrize("scale", [1e-150, 1e-100, 1e-30, 1e30, 1e100, 1e150])
def test_scales(ls, scale, rng):
    """X and Y times t, lam times t^2: the same problem, and the same verdicts."""
    problem = table.family("generic", 2, 1, 5)
    best = minima.minimum_of(table.Formula(problem))
    root = float(np.sqrt(scale))
    for t_x, t_y in ((1.0, scale), (scale, 1.0), (root, root)):
        own = table.Formula(replace(problem, X=t_x * problem.X, Y=t_y * problem.Y, lam=t_x * t_y * problem.lam))
        land = own.landscape(ls)
        shrink = np.sqrt(t_y / t_x)
        p = tuple(shrink * block for block in best.point)
        c = land.certify(p)
        assert c.verdict == "GLOBAL", f"{t_x}, {t_y}: {c}"
        assert ls.verify(c, land, p), str(ls.verify(c, land, p))
        q = tuple(2.0 * block for block in p)
        other = land.certify(q)
        assert other.verdict == "NOT_GLOBAL"
        assert own.value(applied(own, q, other)) < own.value(q)
        assert ls.verify(other, land, q)


def test_tolerances(ls, rng):
    """One point, 2 % off the minimum: GLOBAL at 0.1, not at 1e-9."""
    formula = table.Formula(table.family("generic", 2, 1, 5))
    land, best = formula.landscape(ls), minima.minimum_of(formula)
    p = tuple(1.02 * block for block in best.point)
    loose, tight = land.certify(p, tol=0.1), land.certify(p, tol=1e-9)
    assert (str(loose.verdict), str(tight.verdict), loose.tol, tight.tol) == ("GLOBAL", "NOT_GLOBAL", 0.1, 1e-9)
    assert ls.verify(loose, land, p)
    assert ls.verify(tight, land, p)


@pytest.mark.parametrize("method", ["auto", "faces", "shor", "doubly-nonnegative", "branch-and-bound", "spectral"])
def test_every_method_is_sound(ls, method, rng):
    """Weaker bounds prove less, never more."""
    formula = table.Formula(table.family("generic", 3, 1, 6, fraction=0.4))
    land, best = formula.landscape(ls), minima.minimum_of(formula)
    for name, p in minima.points(formula, best, rng):
        c = assert_honest(ls, formula, p, best.value, land.certify(p, method=method), f"{method}, {name}", land)
        assert c.method in (method, "faces", "spectral", "shor", "doubly-nonnegative", "branch-and-bound")
        if name == "minimum" and method in ("auto", "faces"):
            assert c.verdict == "GLOBAL"


def test_threads_do_not_change_a_certificate(ls, rng):
    for formula in (
        table.Formula(table.family("generic", 3, 2, 12), True, True),
        table.Formula(hn.Problem(rng.standard_normal((10, 6)), rng.standard_normal((10, 2)), 0.5)),
        table.Formula(table.family("generic", 2, 1, 12), "free", True),
    ):
        land, p = formula.landscape(ls), formula.random(3, rng)
        alone = land.certify(p, n_threads=1, starts=20, max_nodes=20)
        for n_threads in (2, 4):
            assert land.certify(p, n_threads=n_threads, starts=20, max_nodes=20).digest == alone.digest


# ----------------------------------------------------------------------------------------- Omega and Proposition 1.8


def omega_problems(rng):
    for n_inputs, n_outputs, unit in ((1, 1, "relu"), (1, 2, "abs"), (2, 1, "relu"), (2, 2, "leaky")):
        problem = table.family("generic", n_inputs, n_outputs, 4, activation=hn.ACTIVATIONS[unit])
        formula = table.Formula(problem, n_inputs == 1)
        yield formula, [formula.outputs(formula.random(2, rng)) for _ in range(2)]


def test_omega_is_a_gauge(ls, rng):
    """Proposition 1.8: definite, positively homogeneous, subadditive, even, attained by as many units as entries."""
    for formula, (A, B) in omega_problems(rng):
        land, p = formula.landscape(ls), formula.random(3, rng)
        first, second, both = land.omega(A), land.omega(B), land.omega(A + B)
        for found, Z in ((first, A), (second, B), (both, A + B)):
            assert 0.0 < found.lower <= found.upper * (1.0 + 1e-9)
            assert found.converged
            cmp.assert_close(formula.outputs(found.point), Z, 1e-8, what="outputs")
            assert found.point[0].shape[1] <= Z.size
            cmp.assert_close(formula.theta(found.point), found.upper, 1e-12)
            bounds = land.polar(Q=found.dual)
            assert bounds.lower <= 1.0 + 1e-9
            assert float(np.sum(found.dual * Z)) >= found.lower * (1.0 - 1e-9)
        assert both.lower <= (first.upper + second.upper) * (1.0 + 1e-9)
        assert land.omega(0.5 * (A + B)).lower <= 0.5 * (first.upper + second.upper) * (1.0 + 1e-9)
        for t in (-1.0, 3.0, 1e-3):
            cmp.assert_close(land.omega(t * A).upper, abs(t) * first.upper, 1e-5)
        Z = formula.outputs(p)
        assert land.omega(Z).lower <= formula.theta(p) * (1.0 + 1e-12)
        nothing = land.omega(np.zeros(A.shape))
        assert (nothing.lower, nothing.upper, nothing.point[0].shape[1]) == (0.0, 0.0, 0)


def test_omega_against_the_reference(ls, rng):
    for formula, (A, _) in omega_problems(rng):
        if A.shape[1] > 1:
            continue
        upper, lower, _, _ = minima.convex.omega(A, formula.inputs, formula.problem.activation)
        found = formula.landscape(ls).omega(A)
        assert found.lower <= upper * (1.0 + 1e-9)
        assert found.upper >= lower * (1.0 - 1e-7)
        cmp.assert_close(found.upper, upper, 1e-5)


def test_omega_of_what_no_network_has(ls):
    """Opposite samples, units abs: equal outputs only."""
    land = ls.ParallelNetwork(table.PAIR, [1.0, 2.0], 1.0, "abs")
    assert land.omega(np.array([1.0, 1.0])).upper == pytest.approx(1.0, rel=1e-6)
    found = land.omega(np.array([1.0, 2.0]), max_rounds=20)
    assert (found.upper, found.point, found.converged) == (np.inf, None, False)


def test_the_hat_needs_two_units(ls):
    """5.3: one entry is not zero, but one unit is not enough."""
    formula = table.Formula(hn.Problem(table.HAT_X[:, :1], table.HAT, 1.0), True)
    found = formula.landscape(ls).omega(table.HAT)
    assert found.converged
    assert found.point[0].shape[1] in (2, 3)


# -------------------------------------------------------------------------------------------------------------- verify


def some_formulas():
    """One of every kind of certificate."""
    yield table.Formula(table.family("generic", 1, 1, 5))
    yield table.Formula(table.family("generic", 2, 2, 5, "softmax"), True, True)
    yield table.Formula(table.family("generic", 3, 1, 6, "logistic", hn.leaky()))
    yield table.Formula(table.family("generic", 6, 1, 8, "huber"), False, "penalized")
    yield table.Formula(table.family("generic", 2, 1, 5, "squared_hinge", hn.ABS), "free", True)
    yield table.Formula(table.family("generic", 3, 2, 6, activation=hn.LINEAR))
    yield table.Formula(table.family("generic", 2, 1, 6, activation=hn.SQUARED_RELU), False, True)
    yield table.Formula(table.family("generic", 2, 1, 6, activation=hn.QUADRATIC))
    yield table.Formula(table.family("generic", 2, 2, 5), False, False, (2, 2))


FORMULAS = list(some_formulas())


@pytest.fixture(scope="module", params=range(len(FORMULAS)), ids=[minima.words(formula) for formula in FORMULAS])
def honest(ls, request):
    """(landscape, formula, random point, its certificate)."""
    formula = FORMULAS[request.param]
    land, p = formula.landscape(ls), formula.random(2, np.random.default_rng(7))
    certificate = land.certify(p, starts=20, max_nodes=20)
    assert certificate.verdict == "NOT_GLOBAL"
    assert ls.verify(certificate, land, p), str(ls.verify(certificate, land, p))
    return land, formula, p, certificate


def test_round_trips(ls, honest, rng, tmp_path):
    """JSON and files give an equal certificate back, to the last bit."""
    land, formula, p, random = honest
    zero = tuple(np.zeros(shape) for shape in formula.shapes(0))
    for point, certificate in ((p, random), (zero, land.certify(zero, starts=20, max_nodes=20))):
        again = Certificate.from_json(certificate.to_json())
        assert prints.certificate_digest(again) == again.digest == certificate.digest
        assert again.to_json() == certificate.to_json()
        assert ls.verify(again, land, point)
    random.save(tmp_path / "certificate.json")
    loaded = ls.load(tmp_path / "certificate.json")
    assert loaded.digest == random.digest
    assert ls.verify(loaded, land, p)
    assert str(random).startswith("NOT_GLOBAL")


def test_any_altered_field_fails(ls, honest):
    land, _, p, certificate = honest
    for item in fields(Certificate):
        outcome = ls.verify(made.with_altered(certificate, item.name), land, p)
        assert not outcome, item.name
        assert "INVALID" in str(outcome)


def lies(formula, certificate):
    """(name, changes): each one a false claim."""
    scale, proof, verdict = formula.problem.scale, certificate.proof, type(certificate.verdict)
    yield "bound at the value", {"lower_bound": certificate.value, "verdict": verdict.GLOBAL, "witness": None}
    yield "bound higher", {"lower_bound": certificate.lower_bound + 1e-7 * scale}
    yield "value lower", {"value": certificate.value - 1e-8 * scale}
    yield "value higher", {"value": certificate.value * (1.0 + 1e-8)}
    yield "scale higher", {"scale": scale * (1.0 + 1e-9)}
    yield "upper bound zero", {"polar_upper": 0.0, "polar_lower": 0.0}
    below = certificate.polar_lower * (1.0 - 1e-6)
    yield "upper bound below the lower", {"polar_upper": below, "polar_lower": below}
    higher = certificate.polar_lower * (1.0 + 1e-6)
    yield "lower bound higher", {"polar_lower": higher, "polar_upper": max(higher, certificate.polar_upper)}
    yield "dual scale higher", {"dual_scale": certificate.dual_scale * (1.0 + 1e-6) + 1e-6}
    yield "dual scale negative", {"dual_scale": -1.0}
    yield "not a number", {"lower_bound": np.nan}
    yield "infinite", {"margin": np.inf}
    yield "stationarity", {"stationarity": certificate.stationarity * 0.99 + 1e-6}
    yield "no witness", {"witness": None}
    yield "idle witness", {"witness": tuple(0.0 * block for block in certificate.witness)}
    yield "unknown witness", {"proof": {**proof, "witness": "magic"}}
    yield "other method", {"method": "magic"}
    yield "krylov", {"method": "krylov"}
    yield "probability of a proof", {"failure_probability": 1e-9}
    yield "no proof", {"proof": None}
    yield "proof without unit", {"proof": {k: v for k, v in proof.items() if k != "unit"}}
    yield "unit of other shape", {"proof": {**proof, "unit": (np.ones(3), np.ones(99))}}
    yield "no unit", {"proof": {**proof, "unit": None}}
    yield "radial negative", {"proof": {**proof, "radial": -1.0}}
    yield "radial not a number", {"proof": {**proof, "radial": np.nan}}
    yield "other landscape", {"landscape": "matrix_factorization"}
    yield "decided too little", {"verdict": verdict.UNDECIDED}


def test_lies_with_a_new_digest_fail(ls, honest):
    land, formula, p, certificate = honest
    for name, changes in lies(formula, certificate):
        forged = made.forged(certificate, prints.certificate_digest, **changes)
        assert not ls.verify(forged, land, p), name


def test_a_polar_below_the_true_one_fails(ls, honest):
    """Whatever the method is called, what it carries, and however consistently the dual scale follows."""
    land, _, p, certificate = honest
    true = certificate.polar_lower
    for method in ("sweep", "faces", "branch-and-bound", "doubly-nonnegative", "shor", "spectral", "cholesky"):
        for below in (0.999 * true, 0.5 * true):
            changes = {"polar_upper": below, "polar_lower": 0.9 * below, "method": method}
            assert not ls.verify(made.forged(certificate, prints.certificate_digest, **changes), land, p), method


def test_other_problems_and_points_fail(ls, honest):
    land, formula, p, certificate = honest
    assert "data" in str(ls.verify(certificate, land.with_lam(np.nextafter(land.lam, 9.0)), p))
    X = formula.problem.X.copy()
    X[0, 0] = np.nextafter(X[0, 0], 9.0)
    other = replace(formula, problem=replace(formula.problem, X=X)).landscape(ls)
    assert "data" in str(ls.verify(certificate, other, p))
    for q in ((np.nextafter(p[0], 9.0), *p[1:]), (-p[0], *p[1:]), tuple(2.0 * block for block in p)):
        assert "point" in str(ls.verify(certificate, land, q))


def test_altered_multipliers_prove_no_less(ls, rng):
    """Multipliers and leaves are data of the proof: with others the bound is larger, or nothing is proved."""
    formula = table.Formula(table.family("generic", 6, 1, 9))
    land, p = formula.landscape(ls), formula.random(2, rng)
    for method in ("shor", "doubly-nonnegative", "branch-and-bound"):
        certificate = land.certify(p, method=method, starts=20, max_nodes=20)
        assert ls.verify(certificate, land, p), method
        if certificate.method == "shor":
            nu = np.asarray(certificate.proof["bound"]["nu"], dtype=float)
            uneven = nu * np.where(np.arange(nu.size) % 2, 100.0, 0.01)
            for wrong in (uneven, -nu, np.full(nu.shape, np.nan), nu[:-1]):
                proof = {**certificate.proof, "bound": {**certificate.proof["bound"], "nu": wrong}}
                forged = made.forged(certificate, prints.certificate_digest, proof=proof)
                assert not ls.verify(forged, land, p)
        bound = certificate.proof["bound"]
        if bound and "signs" in bound:
            proof = {**certificate.proof, "bound": {**bound, "sizes": bound["sizes"][:-1]}}
            assert not ls.verify(made.forged(certificate, prints.certificate_digest, proof=proof), land, p)


def test_what_points_of_networks_are(ls):
    """Zero networks, a certified optimum on kinks, a smooth local minimum, and the same with an unused unit."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((40, 2)), rng.standard_normal(40)
    relu = ls.ParallelNetwork(X, y, 0.5)
    zero = np.zeros((1, 3)), np.zeros((2, 3))
    found = relu.classify(zero)
    assert found.kind == "strict_saddle"
    assert found.escape.curvature < 0.0
    moved = tuple(1e-3 * block for block in found.escape.direction)
    drop = float(relu.value(zero)) - float(relu.value(moved))
    assert drop == pytest.approx(-0.5e-6 * found.escape.curvature, rel=1e-3)
    squared = ls.ParallelNetwork(X, y, 0.5, unit="squared_relu")
    found = squared.classify(zero)
    assert found.kind == "non_strict_saddle"
    moved = tuple(1e-1 * block for block in found.escape.direction)
    assert float(squared.value(moved)) < float(squared.value(zero))
    assert relu.classify(relu.solve(1e-9).point).kind == "global_minimum"
    assert relu.classify((rng.standard_normal((1, 3)), rng.standard_normal((2, 3)))).kind == "not_critical"
    alone = ls.ParallelNetwork(X, y, 1e6).classify(zero)  # λ above lambda_max: zero is the optimum
    assert alone.kind == "global_minimum"
    census = ls.find_critical_points(squared, 100, width=2, seed=1)
    minima = [point for point in census.points if point.kind == "local_minimum"]
    for point in minima:
        wider = tuple(np.hstack([block, np.zeros((len(block), 1))]) for block in point.point)
        assert squared.classify(wider).kind == "non_strict_saddle"
    assert len(minima) >= 1


def test_one_sample_beside_a_free_bias(ls):
    """No unit adds anything, and nothing balances the slopes: the polar's upper side is infinite, not undefined."""
    nn = ls.ParallelNetwork(
        np.array([[-0.99]]), np.array([-2.66]), 0.2, unit="abs", loss="huber", bias="free", intercept=True
    )
    for b in (-2.66, -2.65999999999):
        c = nn.certify((np.zeros((1, 0)), np.zeros((2, 0)), np.array([b])))
        assert 0.0 <= c.polar_lower <= c.polar_upper
        assert c.lower_bound <= c.value
        assert ls.verify(c, nn, (np.zeros((1, 0)), np.zeros((2, 0)), np.array([b])))


def test_the_smallest_step_along_a_new_unit(ls):
    """Its root is looked for by halving: a thousand times where it is 1e-280."""
    from landscape_cpp._network_certificate import NetworkProblemAt

    nn = ls.ParallelNetwork(np.array([[1.0]]), np.array([1.0]), 1e-300, loss="huber")
    # slope -1 + (the step over 1e-280), clipped: the root is at 1e-280
    step = NetworkProblemAt(nn._problem, np.array([[0.0]])).step(np.array([[1e280]]), 0.0)
    assert step == pytest.approx(1e-280, rel=1e-12)


def test_losses_that_are_straight_far_out(ls):
    """Huber with no curvature at zero: the best intercept, and the units' best scale, are found all the same."""
    X, y = np.array([[1.0], [-1.0], [0.5], [2.0]]), np.array([1000.0, 1200.0, -500.0, 1100.0])
    land = ls.ParallelNetwork(X, y, 0.1, loss="huber", intercept=True)
    best = minimize_scalar(lambda b: hn.loss("huber", b * np.ones((4, 1)), y[:, None], 1.0), bracket=(0.0, 1e3)).x
    slopes = np.clip(best - y, -1.0, 1.0)
    slopes -= np.mean(slopes)
    cmp.assert_close(land.lambda_max, land.polar(Q=-slopes).upper, 1e-6)
    # A unit beside an intercept far from zero, which alone is worse than nothing: no minimum, and that is seen.
    formula, rng = minima.unit_formula("squared_relu", 245), np.random.default_rng((table.SEED, 245))
    stuck = dict(minima.points(formula, minima.near_minimum(formula), rng))["trained 1"]
    assert assert_honest(ls, formula, stuck, 1.0939847098352191).verdict == "NOT_GLOBAL"


@pytest.mark.parametrize("unit", ["relu", "squared_relu"])
def test_labels_that_an_intercept_alone_fits(ls, unit):
    """The minimum, zero, is at an infinite intercept: the way there is a witness that holds with its rounding."""
    land = ls.ParallelNetwork(np.array([[0.2], [0.4]]), [1.0, 1.0], 0.01, unit=unit, loss="logistic", intercept=True)
    p = (np.full((1, 1), 1e-4), np.full((1, 1), 1e-4), np.array([13.0]))
    c = land.certify(p)
    assert c.verdict == "NOT_GLOBAL"
    assert ls.verify(c, land, p)


def test_a_polar_of_zero_is_confirmed(ls):
    """With an intercept that fits the only sample nothing is left: verified, whatever the rounding of the check."""
    land = ls.ParallelNetwork([[0.7]], [1.3], 0.1, unit="linear", intercept=True)
    p = (np.zeros((1, 1)), np.zeros((1, 1)), np.array([1.3]))
    c = land.certify(p)
    assert (c.verdict, c.polar_lower) == ("GLOBAL", 0.0)
    assert ls.verify(c, land, p)
