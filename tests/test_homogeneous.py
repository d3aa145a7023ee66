"""ParallelNetwork: the landscape protocol against the formulas, for every loss, unit, bias and intercept."""

import copy
import pickle
from dataclasses import replace

import numpy as np
import pytest

import comparators as cmp
import homogeneous_cases as table
from reference import homogeneous as hn

COPIES = [copy.copy, copy.deepcopy, *(lambda x, k=k: pickle.loads(pickle.dumps(x, k)) for k in range(2, 6))]
HIDDEN = ((3,), (2, 2))
PIECEWISE_LINEAR = [name for name, act in hn.ACTIVATIONS.items() if act.power == 1]


def outputs_of(loss, n_outputs=2):
    return max(n_outputs, 2) if loss == "softmax" else n_outputs


def problem_of(loss, unit, n_inputs=3, n_outputs=2, m=6, seed=0):
    return table.family(
        "generic", n_inputs, outputs_of(loss, n_outputs), m, loss, hn.ACTIVATIONS[unit], fraction=0.3, seed=seed
    )


def forms(unit):
    return [form for form in table.FORMS if form[0] != "free" or hn.ACTIVATIONS[unit].power == 1]


def formulas(loss, unit):
    """Every bias and intercept of single units, and deeper subnetworks of units of power one."""
    problem = problem_of(loss, unit)
    yield from (table.Formula(problem, *form) for form in forms(unit))
    if unit in PIECEWISE_LINEAR:
        for hidden in HIDDEN:
            for form in (table.PLAIN, (True, True), (False, "penalized")):
                yield table.Formula(problem, *form, hidden)


def some_formulas(loss, unit, count=3):
    """A part of them, another one for every loss and unit."""
    every = list(formulas(loss, unit))
    first = 5 * hn.LOSSES.index(loss) + 2 * list(hn.ACTIVATIONS).index(unit)
    return [every[(first + 3 * k) % len(every)] for k in range(min(count, len(every)))]


def few_points(formula, rng):
    """Widths 1, 3 and more than there are samples, unbalanced ones among them."""
    for width in (1, 3, 9):
        yield formula.random(width, rng)
    first, second, *rest = formula.random(2, rng)
    yield 30.0 * first, second / 30.0, *rest


def inner(a, b):
    return sum(float(np.sum(x * y)) for x, y in zip(a, b, strict=True))


def sizes(blocks):
    return sum(cmp.size(block) for block in blocks)


def moved(p, d, t):
    return tuple(a + t * b for a, b in zip(p, d, strict=True))


def stacked(points):
    return tuple(np.stack(blocks) for blocks in zip(*points, strict=True))


each_loss = pytest.mark.parametrize("loss", hn.LOSSES)
each_unit = pytest.mark.parametrize("unit", hn.ACTIVATIONS)


# ------------------------------------------------------------------------------------------------- value, derivatives


@each_loss
@each_unit
def test_value_and_gradient(ls, loss, unit, rng):
    for formula in formulas(loss, unit):
        land = formula.landscape(ls)
        for p in few_points(formula, rng):
            value, gradient = land.value_and_gradient(p)
            cmp.assert_close(value, formula.value(p), 1e-13, what="value")
            assert value == land.value(p)
            cmp.assert_same_bits(gradient, land.gradient(p))
            for actual, expected in zip(gradient, formula.gradient(p), strict=True):
                cmp.assert_close(actual, expected, 1e-12, sizes(formula.gradient(p)), f"gradient of {formula}")
            cmp.assert_close(land.theta(p), formula.theta(p), 1e-13)
            cmp.assert_close(land.predict(p), formula.outputs(p), 1e-13)


def loss_kink(formula, p, d, h=1e-4):
    """Whether the second derivative of the loss jumps for some output within a step."""
    problem, first, second = formula.problem, formula.outputs(moved(p, d, -h)), formula.outputs(moved(p, d, h))
    if problem.loss == "huber":
        sides = [np.abs(z - problem.targets) <= problem.delta for z in (first, second)]
    elif problem.loss == "squared_hinge":
        sides = [problem.targets * z < 1.0 for z in (first, second)]
    else:
        return False
    return bool(np.any(sides[0] != sides[1]))


@each_loss
@each_unit
def test_hessian(ls, loss, unit, rng):
    """hvp, curvature and the operator against the formula; deeper subnetworks against differences."""
    for formula in some_formulas(loss, unit):
        land, rtol = formula.landscape(ls), 1e-8 if formula.hidden else 1e-12
        for p in few_points(formula, rng):
            d = formula.random(land._width(p), rng)
            if formula.hidden and (land.kink_margin(p) < 1e-2 or loss_kink(formula, p, d)):
                continue  # the differences would cross a kink
            product, expected = land.hvp(p, d), formula.hvp(p, d)
            scale = sizes(expected)
            for actual, wanted in zip(product, expected, strict=True):
                cmp.assert_close(actual, wanted, rtol, scale, f"hvp of {formula}")
            bend = np.abs(land.pack(expected)) @ np.abs(land.pack(d))
            cmp.assert_close(land.curvature(p, d), inner(expected, d), rtol, bend, "curvature")
            operator = land.hessian(p)
            cmp.assert_same_bits(operator @ land.pack(d), land.pack(product))
            dense = operator @ np.eye(operator.shape[1])
            cmp.assert_close(dense, dense.T, 1e-12, what="transposed Hessian")


@each_loss
@each_unit
def test_differences(ls, loss, unit, rng):
    """Not against a formula: central differences of the value, and of the gradient, away from kinks."""
    for formula in some_formulas(loss, unit, 2):
        land, h = formula.landscape(ls), 1e-6
        p = formula.random(2, rng)
        d = tuple(rng.standard_normal(block.shape) for block in p)
        if land.kink_margin(p) < 1e-4:
            continue
        up, down = moved(p, d, h), moved(p, d, -h)
        slope = (land.value(up) - land.value(down)) / (2 * h)
        cmp.assert_close(inner(land.gradient(p), d), slope, 1e-7, land.value(p) + abs(slope))
        change = [(a - b) / (2 * h) for a, b in zip(land.gradient(up), land.gradient(down), strict=True)]
        for actual, expected in zip(land.hvp(p, d), change, strict=True):
            cmp.assert_close(actual, expected, 1e-6, sizes(change))


def test_worked_example(ls):
    """V6: relu, 1 x 1, x = u = v = 1, y = 0: the Hessian times (1, 0) is (1, 2) and lam (1, 0)."""
    one, lam = np.ones((1, 1)), 1e-20
    land = ls.ParallelNetwork(one, np.zeros((1, 1)), lam)
    assert land.value((one, one)) == 0.5
    cmp.assert_same_bits(land.gradient((one, one)), (one, one))
    cmp.assert_same_bits(land.hvp((one, one), (one, 0.0 * one)), (one, 2.0 * one))
    cmp.assert_same_bits(land.with_lam(1.0).hvp((one, one), (one, 0.0 * one)), (2.0 * one, 2.0 * one))
    assert land.curvature((one, one), (one, one)) == 6.0  # d^2/dt^2 of (1 + t)^4 / 2


def test_objective_at_the_minimum_of_p2(ls):
    """P2: x = (1, -1), y = (3, 1), lam = 1: u = v = sqrt 2 has Z = (2, 0), value 1/2 + 1/2 + 2."""
    land, p = ls.ParallelNetwork(table.PAIR, [3.0, 1.0], 1.0), (np.array([[table.SQRT2]]),) * 2
    cmp.assert_close(land.value(p), 3.0, 1e-15)
    cmp.assert_close(land.predict(p), [[2.0], [0.0]], 1e-15)
    cmp.assert_points_close(land.gradient(p), (np.zeros((1, 1)),) * 2, 1e-15, 1.0)
    assert land.theta(p) == pytest.approx(2.0, rel=1e-15)


@each_unit
@each_loss
def test_samples_at_zero_and_one_by_one(ls, loss, unit, rng):
    """On the kink the derivative is that from the left."""
    n_outputs = outputs_of(loss, 1)
    for X in (np.zeros((3, 2)), np.zeros((1, 1)), np.array([[0.0, 0.0], [1.0, -2.0]]), np.array([[-2.0]])):
        Y = table.targets(loss, (len(X), n_outputs), rng)
        problem = hn.Problem(X, Y, 0.5, hn.ACTIVATIONS[unit], loss)
        for form in forms(unit):
            formula = table.Formula(problem, *form)
            land, p = formula.landscape(ls), formula.random(2, rng)
            d = formula.random(2, rng)
            cmp.assert_close(land.value(p), formula.value(p), 1e-14)
            for actual, expected in zip(land.gradient(p), formula.gradient(p), strict=True):
                cmp.assert_close(actual, expected, 1e-13, sizes(formula.gradient(p)))
            for actual, expected in zip(land.hvp(p, d), formula.hvp(p, d), strict=True):
                cmp.assert_close(actual, expected, 1e-13, sizes(formula.hvp(p, d)))


@each_unit
def test_the_slope_on_a_kink_is_that_from_the_left(ls, unit):
    """x v = 0 for the first sample, on one side for the second."""
    act = hn.ACTIVATIONS[unit]
    problem = hn.Problem(np.array([[1.0, 0.0], [1.0, 1.0]]), table.column(2, 1), 0.5, act)
    land, p = table.landscape(ls, problem), (np.array([[1.0]]), np.array([[0.0], [2.0]]))
    cmp.assert_points_close(land.gradient(p), hn.gradient(problem, p), 1e-15)


# ------------------------------------------------------------------------------------------------------------- batches


@each_loss
@each_unit
def test_batches_are_the_loop(ls, loss, unit, rng):
    """Bit for bit: many p, one p with many d, pairwise."""
    for formula in some_formulas(loss, unit):
        land = formula.landscape(ls)
        points, moves = ([formula.random(2, rng) for _ in range(4)] for _ in range(2))
        many, along = stacked(points), stacked(moves)
        cmp.assert_same_bits(land.value(many), np.array([land.value(p) for p in points]))
        cmp.assert_same_bits(land.gradient(many), stacked([land.gradient(p) for p in points]))
        for p, d, pairs in (
            (many, moves[0], [(p, moves[0]) for p in points]),
            (points[0], along, [(points[0], d) for d in moves]),
            (many, along, list(zip(points, moves, strict=True))),
        ):
            cmp.assert_same_bits(land.hvp(p, d), stacked([land.hvp(*pair) for pair in pairs]))
            cmp.assert_close(land.curvature(p, d), [land.curvature(*pair) for pair in pairs], 1e-14)
        flat = land.pack(many)
        assert flat.shape[0] == 4
        cmp.assert_same_bits(land.unpack(flat), many)
        cmp.assert_same_bits(flat, np.stack([land.pack(p) for p in points]))


def large(loss, unit, hidden, rng, m=3001):
    """Samples enough for several chunks and several threads."""
    n_outputs = outputs_of(loss)
    X = rng.standard_normal((m, 5))
    problem = hn.Problem(X, table.targets(loss, (m, n_outputs), rng), 3.0, hn.ACTIVATIONS[unit], loss)
    return table.Formula(problem, True, True, hidden)


@pytest.mark.parametrize(
    ("loss", "unit", "hidden"),
    [
        ("squared", "relu", ()),
        ("huber", "leaky", ()),
        ("logistic", "squared_relu", ()),
        ("softmax", "abs", ()),
        ("squared_hinge", "quadratic", ()),
        ("squared", "relu", (3,)),
        ("softmax", "leaky", (3, 4)),
    ],
)
def test_same_bits_for_any_thread_count(ls, loss, unit, hidden, rng):
    formula = large(loss, unit, hidden, rng)
    land = formula.landscape(ls)
    p, d = formula.random(7, rng), formula.random(7, rng)
    many = stacked([p, d, tuple(2.0 * block for block in p)])

    def everything(n_threads):
        return [
            land.value(p, n_threads=n_threads),
            land.value(many, n_threads=n_threads),
            *land.gradient(p, n_threads=n_threads),
            *land.gradient(many, n_threads=n_threads),
            *land.hvp(p, d, n_threads=n_threads),
            *land.hvp(p, many, n_threads=n_threads),
            land.curvature(many, d, n_threads=n_threads),
            land.hessian(p, n_threads=n_threads) @ land.pack(d),
        ]

    alone = everything(1)
    for n_threads in (2, 4):
        cmp.assert_same_bits(everything(n_threads), alone, f"{n_threads} threads")
    cmp.assert_close(alone[0], formula.value(p), 1e-12)
    gradient = formula.gradient(p)
    for actual, expected in zip(land.gradient(p), gradient, strict=True):
        cmp.assert_close(actual, expected, 1e-11, sizes(gradient))


@each_loss
def test_zero_width(ls, loss):
    """No unit: the objective is that at zero, whatever the form; derivatives are empty but for the intercept's."""
    for unit in ("relu", "squared_relu"):
        for formula in formulas(loss, unit):
            land = formula.landscape(ls)
            zero = tuple(np.zeros(shape) for shape in formula.shapes(0))
            assert land.shapes(0) == formula.shapes(0)
            cmp.assert_close(land.value(zero), formula.problem.scale, 1e-14)
            assert land.value(zero) == land.value(tuple(np.zeros(shape) for shape in formula.shapes(2)))
            assert [block.shape for block in land.gradient(zero)] == list(formula.shapes(0))
            assert [block.shape for block in land.hvp(zero, zero)] == list(formula.shapes(0))
            assert (land.curvature(zero, zero), land.theta(zero), land.kink_margin(zero)) == (0.0, 0.0, np.inf)
            size = formula.shapes(0)[-1][0] if formula.intercept else 0
            assert land.hessian(zero).shape == (size, size)
            assert land.pack(zero).shape == (size,)
            cmp.assert_same_bits(land.predict(zero), np.zeros(formula.problem.targets.shape))
            if formula.intercept:
                slopes = hn.slopes(formula.problem, np.zeros(formula.problem.targets.shape))
                cmp.assert_close(land.gradient(zero)[-1], slopes.sum(axis=0), 1e-13, np.abs(slopes).sum())


# ----------------------------------------------------------------------------------------------------------- invariants


@each_loss
@each_unit
def test_units_are_balanced_along_the_gradient(ls, loss, unit, rng):
    """V5 at lam near zero: <v, dV> = k <u, dU> for every unit; the layers of a subnetwork likewise."""
    for formula in some_formulas(loss, unit):
        if formula.bias == "free":
            formula = replace(formula, bias=True)
        land = formula.landscape(ls).with_lam(1e-30)
        p = formula.random(3, rng)
        g = land.gradient(p)
        if formula.hidden:
            products = [np.sum(w * d, axis=(1, 2)) for w, d in zip(p, g, strict=False) if w.ndim == 3]
        else:
            products = [np.sum(p[1] * g[1], axis=0), hn.ACTIVATIONS[unit].power * np.sum(p[0] * g[0], axis=0)]
        for other in products[1:]:
            cmp.assert_close(other, products[0], 1e-12, sizes(g) * sizes(p))


@each_unit
def test_kink_margin(ls, unit, rng):
    problem = problem_of("squared", unit)
    for form in (table.PLAIN, (True, True)):
        formula = table.Formula(problem, *form)
        land, p = formula.landscape(ls), formula.random(3, rng)
        if unit in ("linear", "quadratic"):
            assert land.kink_margin(p) == np.inf
            continue
        cmp.assert_close(land.kink_margin(p), hn.kink_distance(formula.formula, p), 1e-12)
        x = formula.inputs[2]
        V = p[1].copy()
        V[:, 1] -= (x @ V[:, 1]) / (x @ x) * x
        assert land.kink_margin((p[0], V, *p[2:])) <= 1e-15


def test_kink_margin_of_zero_samples_and_dead_units(ls):
    """A zero sample is on no kink, nor is a unit of zeros: the objective is smooth there; v = 0 with u is on all."""
    land = ls.ParallelNetwork(np.array([[0.0, 0.0], [3.0, 4.0]]), [1.0, 2.0], 1.0)
    V = np.array([[1.0, 0.0], [0.0, 0.0]])
    assert land.kink_margin((np.array([[1.0, 0.0]]), V)) == pytest.approx(0.6, rel=1e-15)
    assert land.kink_margin((np.array([[1.0, 1.0]]), V)) == 0.0


@each_loss
@each_unit
def test_rebalancing_keeps_the_function_and_lowers_the_penalty(ls, loss, unit, rng):
    for formula in some_formulas(loss, unit):
        land = formula.landscape(ls)
        p = formula.random(3, rng)
        p = (30.0 * p[0], *p[1:])
        q = land.rebalance(p)
        before = land.predict(p)
        cmp.assert_close(land.predict(q), before, 1e-12)
        assert land.theta(q) < land.theta(p)
        assert land.value(q) < land.value(p)
        cmp.assert_close(land.theta(land.rebalance(q)), land.theta(q), 1e-13)
        size = [np.sqrt(np.sum(w**2, axis=(1, 2))) for w in q if w.ndim == 3] if formula.hidden else None
        if size is None:
            V = q[1][:-1] if formula.bias == "free" else q[1]
            size = [np.linalg.norm(q[0], axis=0), np.linalg.norm(V, axis=0)]
        for other in size[1:]:
            cmp.assert_close(other, size[0], 1e-13)


@each_unit
def test_rebalancing_gives_a_dead_unit_no_weight(ls, unit):
    land = ls.ParallelNetwork(np.eye(2), np.ones((2, 1)), 1.0, **table.unit(hn.ACTIVATIONS[unit]))
    p = np.array([[1.0, 0.0, 2.0]]), np.array([[0.0, 3.0, 1.0], [0.0, 0.0, 1.0]])
    q = land.rebalance(p)
    cmp.assert_close(land.predict(q), land.predict(p), 1e-14)
    assert not np.any(q[0][:, :2])
    assert not np.any(q[1][:, :2])


def test_rebalancing_a_constant_unit_of_a_free_bias(ls):
    """A unit whose only weight is its bias is a constant, and costs nothing as an intercept."""
    land = ls.ParallelNetwork(table.column(-1, 0, 2), [1.0, 2.0, 0.0], 1.0, bias="free", intercept=True)
    p = np.array([[2.0, 1.0]]), np.array([[0.0, 1.0], [3.0, 0.5]]), np.array([0.25])
    q = land.rebalance(p)
    cmp.assert_close(land.predict(q), land.predict(p), 1e-14)
    cmp.assert_close(land.theta(q), 1.0, 1e-14)


# ------------------------------------------------------------------------------------------- predictions, pack, copies


@each_unit
def test_predictions_of_new_samples(ls, unit, rng):
    """Without the column of ones, whether or not there is one."""
    problem, new = problem_of("squared", unit), rng.standard_normal((4, 3))
    for formula in formulas("squared", unit):
        land, p = formula.landscape(ls), formula.random(3, rng)
        other = replace(formula, problem=replace(problem, X=new, Y=np.zeros((4, 2))))
        cmp.assert_close(land.predict(p, new), other.outputs(p), 1e-13)
        cmp.assert_same_bits(land.predict(p, problem.X), land.predict(p))
        cmp.assert_close(land.predict(p, new[:1]), other.outputs(p)[:1], 1e-13)
        cmp.assert_raises_naming(lambda land=land, p=p: land.predict(p, new[:, :-1]), ValueError, "X", "(k, 3)")


def test_pack_and_unpack(ls, rng):
    land = ls.ParallelNetwork(np.ones((4, 2)), np.ones((4, 3)), 1.0, intercept=True)
    U, V, b = np.arange(6.0).reshape(3, 2), 10.0 + np.arange(4.0).reshape(2, 2), 20.0 + np.arange(3.0)
    assert land.pack((U, V, b)).tolist() == [0, 1, 2, 3, 4, 5, 10, 11, 12, 13, 20, 21, 22]
    assert land.shapes(2) == ((3, 2), (2, 2), (3,))
    assert (land.n_samples, land.n_inputs, land.n_outputs, land.depth, land.hidden) == (4, 2, 3, 2, ())
    deep = ls.ParallelNetwork(np.ones((4, 2)), np.ones((4, 3)), 1.0, depth=3, hidden=(5, 6), bias=True)
    assert deep.shapes(2) == ((2, 5, 3), (2, 6, 5), (2, 3, 6))
    assert (deep.depth, deep.hidden, deep.n_inputs) == (3, (5, 6), 3)
    for own in (land, deep):
        for width in (0, 1, 4):
            p = tuple(rng.standard_normal(shape) for shape in own.shapes(width))
            cmp.assert_same_bits(own.unpack(own.pack(p)), p)


@pytest.mark.parametrize("duplicate", COPIES)
@pytest.mark.parametrize("unit", ["relu", "squared_relu"])
def test_pickles_and_copies(ls, unit, duplicate, rng):
    for formula in formulas("softmax", unit):
        land, p = formula.landscape(ls), formula.random(2, rng)
        before = land.value(p)  # so that what is compiled exists
        again = duplicate(land)
        assert (repr(again), again.value(p)) == (repr(land), before)
        cmp.assert_same_bits(again.gradient(p), land.gradient(p))
        assert again._fingerprint == land._fingerprint
        assert not again.inputs.flags.writeable
        assert not again.targets.flags.writeable


def test_with_lam(ls, rng):
    for formula in formulas("squared", "relu"):
        land, p = formula.landscape(ls), formula.random(2, rng)
        other = land.with_lam(2.0 * land.lam)
        assert (land.lam, other.lam) == (formula.problem.lam, 2.0 * formula.problem.lam)
        extra = formula.theta(p) + (0.5 * p[-1] @ p[-1] if formula.intercept == "penalized" else 0.0)
        cmp.assert_close(other.value(p) - land.value(p), land.lam * extra, 1e-12, land.value(p))
        assert other._fingerprint != land._fingerprint
    cmp.assert_raises_naming(lambda: land.with_lam(0.0), ValueError, "lam", "positive")


def test_different_problems_have_different_fingerprints(ls):
    """Whatever defines the objective is in it."""
    X, Y = np.array([[1.0, 2.0], [0.5, -1.0]]), np.array([1.0, -1.0])
    base = ls.ParallelNetwork(X, Y, 1.0)
    others = [
        ls.ParallelNetwork(2.0 * X, Y, 1.0),
        ls.ParallelNetwork(X, 2.0 * Y, 1.0),
        ls.ParallelNetwork(X, Y, 2.0),
        ls.ParallelNetwork(np.hstack([X, np.ones((2, 1))]), Y, 1.0),
        ls.ParallelNetwork(X, Y, 1.0, intercept=True),
        ls.ParallelNetwork(X, Y, 1.0, intercept="penalized"),
        ls.ParallelNetwork(X, Y, 1.0, bias="free", intercept=True),
        ls.ParallelNetwork(X, Y, 1.0, bias=True, intercept=True),
        ls.ParallelNetwork(X, Y, 1.0, hidden=(1,)),
        ls.ParallelNetwork(X, Y, 1.0, hidden=(2,)),
        *(ls.ParallelNetwork(X, Y, 1.0, unit) for unit in ("leaky_relu", "abs", "linear", "squared_relu", "quadratic")),
        ls.ParallelNetwork(X, Y, 1.0, "leaky_relu", slope=0.02),
        *(ls.ParallelNetwork(X, Y, 1.0, loss=loss) for loss in ("huber", "logistic", "squared_hinge")),
        ls.ParallelNetwork(X, Y, 1.0, loss="huber", delta=2.0),
    ]
    prints = [land._fingerprint for land in (base, *others)]
    assert len(set(prints)) == len(prints)
    assert ls.ParallelNetwork(X.copy(), Y[:, None], 1.0)._fingerprint == base._fingerprint


def test_repr_says_what_it_is(ls):
    land = ls.ParallelNetwork(np.ones((4, 2)), np.ones(4), 0.5, "leaky_relu", "huber", bias=True, intercept="penalized")
    assert repr(land) == (
        "ParallelNetwork(4 samples, 3 -> 1, leaky_relu, huber, bias=True, intercept=penalized, lam=0.5)"
    )
    deep = ls.ParallelNetwork(np.ones((4, 2)), np.ones(4), 0.5, depth=3, hidden=(3, 2))
    assert "hidden=(3, 2)" in repr(deep)
