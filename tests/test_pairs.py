"""check_pair against the table of THEORY 5.2: every admissible pair passes, every other is refused with its reason."""

import pickle
import re

import numpy as np
import pytest

from landscape_cpp._pairs import PairCheck, check_pair
from landscape_cpp.homogeneous import ParallelNetwork

RNG = np.random.default_rng(7)
X = RNG.standard_normal((5, 3))
WIDE = RNG.standard_normal((2, 3))  # fewer samples than inputs: |X v| vanishes for some v, and so does φ
ONES = np.column_stack([X[:, :2], np.ones(5)])
SHALLOW = [(2,), (3,)]
DEEP = [(3, 3), (2, 3), (2, 2)]


def norm(*blocks):
    return [np.linalg.norm(block) for block in blocks]


def relu(t):
    return np.maximum(t, 0.0)


def unit(act, data=X):
    return lambda u, v: np.outer(act(data @ v), u)


def half_squares(*blocks):
    return 0.5 * sum(np.sum(block**2) for block in blocks)


def product(*blocks):
    return np.prod(norm(*blocks))


def mean_powers(*blocks):
    return sum(size ** len(blocks) for size in norm(*blocks)) / len(blocks)


def layers(act):
    return lambda A, B, C: act(act(X @ A.T) @ B.T) @ C.T


def maxout(u, v):
    return np.outer(np.max(X @ v.T, axis=1), u)


def sum_of_powers(k):
    return lambda u, v: (norm(u)[0] ** (k + 1) + k * norm(v)[0] ** (k + 1)) / (k + 1)


def data_dependent(data):
    return lambda u, v: 0.5 * (u @ u + np.sum((data @ v) ** 2))


MAXOUT = [(2,), (2, 3)]
ADMISSIBLE = {
    "linear": (unit(lambda t: t), half_squares, SHALLOW, 2),
    "linear, product": (unit(lambda t: t), product, SHALLOW, 2),
    "relu": (unit(relu), half_squares, SHALLOW, 2),
    "relu, product": (unit(relu), product, SHALLOW, 2),
    "relu, data": (unit(relu), data_dependent(X), SHALLOW, 2),
    "relu, wide data": (unit(relu, WIDE), data_dependent(WIDE), SHALLOW, 2),
    "leaky": (unit(lambda t: np.maximum(t, 0.1 * t)), half_squares, SHALLOW, 2),
    "abs": (unit(np.abs), half_squares, SHALLOW, 2),
    "relu with bias": (unit(relu, ONES), half_squares, SHALLOW, 2),
    "maxout": (maxout, half_squares, MAXOUT, 2),
    "maxout, product": (maxout, product, MAXOUT, 2),
    "squared relu": (unit(lambda t: relu(t) ** 2), sum_of_powers(2), SHALLOW, 3),
    "cubed relu": (unit(lambda t: relu(t) ** 3), sum_of_powers(3), SHALLOW, 4),
    "squared relu, product": (unit(lambda t: relu(t) ** 2), lambda u, v: product(u, v, v), SHALLOW, 3),
    "deep relu": (layers(relu), mean_powers, DEEP, 3),
    "deep relu, product": (layers(relu), product, DEEP, 3),
    "deep linear": (layers(lambda t: t), mean_powers, DEEP, 3),
    "deep linear, product": (layers(lambda t: t), product, DEEP, 3),
    "one vector": (lambda w: w, lambda w: np.sum(np.abs(w)), [(4,)], 1),
}


@pytest.mark.parametrize("case", ADMISSIBLE.values(), ids=ADMISSIBLE)
def test_the_table_is_admissible(case):
    phi, theta, shapes, p = case
    result = check_pair(phi, theta, shapes, degree=p)
    assert result.ok, str(result)
    assert result.degree_phi == pytest.approx(p, abs=1e-9)
    assert result.degree_theta == pytest.approx(p, abs=1e-9)
    assert result.reasons == ()
    assert result.counterexample is None


def free_bias(u, v):
    return 0.5 * (u @ u + v[:-1] @ v[:-1])


def along(u, v):
    a = np.array([1.0, 2.0, -1.0])  # sees one direction of v only
    return 0.5 * (u @ u + (v @ a) ** 2)


SIGMOID = unit(lambda t: 1.0 / (1.0 + np.exp(-t)))
REFUSED = {
    "weight decay at depth 3": (layers(relu), half_squares, DEEP, "theta has degree 2, phi degree 3"),
    "weight decay of a square": (
        unit(lambda t: relu(t) ** 2),
        half_squares,
        SHALLOW,
        "theta has degree 2, phi degree 3",
    ),
    "free bias": (unit(relu, ONES), free_bias, SHALLOW, "theta does not see entry \\[2\\] of block 1"),
    "free bias, product": (
        unit(relu, ONES),
        lambda u, v: product(u, v[:-1]),
        SHALLOW,
        "unbounded: scaling entry \\[2\\] of block 1 to infinity",
    ),
    "one direction": (unit(relu), along, SHALLOW, "unbounded"),
    "only the output weights": (unit(relu), lambda u, v: u @ u, SHALLOW, "unbounded: scaling block"),
    "other powers": (
        unit(relu),
        lambda u, v: norm(u)[0] ** 1.5 * norm(v)[0] ** 0.5,
        SHALLOW,
        "unbounded: scaling block",
    ),
    "sigmoid": (SIGMOID, half_squares, SHALLOW, "phi is not positively homogeneous"),
    "softplus": (unit(lambda t: np.logaddexp(0.0, t)), half_squares, SHALLOW, "phi is not positively homogeneous"),
    "mixed polynomial": (unit(lambda t: t + t**2), half_squares, SHALLOW, "phi is not positively homogeneous"),
    "mixed penalty": (unit(relu), lambda u, v: u @ u + norm(v)[0] ** 3, SHALLOW, "theta is not positively homogeneous"),
    "constant": (lambda w: w + 1e3, lambda w: w @ w, [(3,)], "phi is not positively homogeneous"),
    "jump at zero": (lambda w: w if w.any() else w + 5.0, product, [(3,)], "phi\\(0\\) is not 0"),
    "degree zero": (lambda w: w / np.linalg.norm(w), product, [(3,)], "degree 0, which must be positive|not 0|phi"),
    "negative": (unit(relu), lambda u, v: u @ u - v @ v, SHALLOW, "theta is negative"),
    "seldom negative": (unit(relu), lambda u, v: u @ u + v @ v - 2.1 * norm(u)[0] * norm(v)[0], SHALLOW, "negative"),
    "zero": (unit(relu), lambda u, v: 0.0, SHALLOW, "theta is 0 at all samples"),
    "zero where phi is not": (
        lambda w: w,
        lambda w: abs(w[0]) * 1.0 + 0.0 * w[1],
        [(2,)],
        "entry \\[0\\] of block 0 at zero, but phi",
    ),
    "zero on a diagonal": (lambda a, b: a * b, lambda a, b: (a - b) @ (a - b), [(1,), (1,)], "unbounded"),
    "kinked diagonal": (
        lambda w: w**2,
        lambda w: abs(w[0] - w[1]) * np.linalg.norm(w),
        [(2,)],
        "unbounded|phi\\(w\\) is not 0",
    ),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("seed", range(2))
def test_what_is_no_pair_is_refused_with_its_reason(case, seed):
    phi, theta, shapes, message = case
    result = check_pair(phi, theta, shapes, seed=seed)
    assert not result.ok
    assert re.search(message, str(result)), str(result)
    assert [block.shape for block in result.counterexample] == [tuple(shape) for shape in shapes]


def test_the_counterexample_of_a_free_bias_is_one():
    phi, theta, shapes, _ = REFUSED["free bias"]
    w = check_pair(phi, theta, shapes).counterexample
    assert np.linalg.norm(phi(*w)) > 1e4 * theta(*w)


def test_the_degree_asked_for():
    phi, theta, shapes, _ = ADMISSIBLE["relu"]
    assert "phi has degree 2, not 3" in str(check_pair(phi, theta, shapes, degree=3))


def test_a_unit_that_is_zero_is_admissible():
    assert check_pair(lambda w: 0.0 * w, lambda w: w @ w, [(3,)])


@pytest.mark.parametrize("name", ["linear", "relu", "leaky_relu", "abs", "squared_relu", "quadratic"])
def test_units_by_name(name):
    result = check_pair(name)
    assert result, str(result)
    assert result.degree_phi == (3.0 if name in ("squared_relu", "quadratic") else 2.0)


def test_a_unit_with_another_penalty():
    assert "theta has degree 2, phi degree 3" in str(check_pair("squared_relu", half_squares))
    assert check_pair("relu", product)


NETWORKS = {
    "plain": {},
    "bias": {"bias": True},
    "intercept": {"bias": True, "intercept": "penalized"},
    "free bias": {"bias": "free", "intercept": True},
    "free bias, leaky": {"bias": "free", "intercept": True, "unit": "leaky_relu", "slope": 0.3},
    "free bias, linear": {"bias": "free", "intercept": True, "unit": "linear"},
    "squared": {"unit": "squared_relu", "bias": True, "intercept": True},
    "deep": {"depth": 3, "hidden": (3, 2), "bias": True},
    "deeper": {"depth": 4, "hidden": (2, 2, 2), "intercept": True},
}


@pytest.mark.parametrize("options", NETWORKS.values(), ids=NETWORKS)
@pytest.mark.parametrize("scale", [1.0, 1e-100, 1e60])
def test_the_pairs_of_networks(options, scale):
    land = ParallelNetwork(scale * X, X[:, :2], 0.1, **options)
    result = check_pair(land)
    assert result, str(result)


@pytest.mark.parametrize("data", [np.zeros((3, 2)), np.ones((1, 2)), np.ones((4, 2))], ids=["zero", "one", "equal"])
@pytest.mark.parametrize("options", [NETWORKS["plain"], NETWORKS["free bias"]], ids=["plain", "free bias"])
def test_degenerate_data(data, options):
    assert check_pair(ParallelNetwork(data, np.ones(len(data)), 0.1, **options))


def test_the_free_bias_is_admissible_only_up_to_constants():
    land = ParallelNetwork(X, X[:, :2], 0.1, bias="free", intercept=True)
    result = check_pair(lambda u, v: np.outer(relu(land.inputs @ v), u), free_bias, [(2,), (4,)])
    assert "is it a bias without penalty?" in str(result)


def test_a_user_function_that_writes_to_its_blocks():
    def phi(w):
        w *= 2.0
        return w

    assert check_pair(phi, lambda w: np.linalg.norm(w), [(3,)])


def test_same_seed_same_result():
    phi, theta, shapes, _ = REFUSED["free bias"]
    one, two = (check_pair(phi, theta, shapes, seed=3) for _ in range(2))
    assert one.reasons == two.reasons
    for a, b in zip(one.counterexample, two.counterexample, strict=True):
        np.testing.assert_array_equal(a, b)


def test_results_print_and_pickle():
    result = check_pair("relu")
    assert str(result) == "an admissible pair of degree 2"
    again = pickle.loads(pickle.dumps(result))
    assert isinstance(again, PairCheck)
    assert repr(again) == repr(result)


SILLY = [
    (("tanh",), {}, ValueError, "phi must be one of"),
    ((3,), {}, TypeError, "phi must be a function"),
    ((relu,), {}, TypeError, "theta and shapes must be given"),
    ((relu, 1.0, [(2,)]), {}, TypeError, "theta must be a function"),
    ((relu, product, [2]), {}, TypeError, "shapes\\[0\\]"),
    ((relu, product, []), {}, ValueError, "at least one shape"),
    ((relu, product, [(0,)]), {}, ValueError, "shapes\\[0\\] must be at least 1"),
    (("relu", None, [(2,)]), {}, ValueError, "shapes must be left out"),
    ((relu, relu, [(2,)]), {}, TypeError, "theta\\(\\*blocks\\) must be one number"),
    ((lambda w: w * np.nan, product, [(2,)]), {}, ValueError, "NaN or infinity"),
    ((lambda w: "w", product, [(2,)]), {}, TypeError, "phi\\(\\*blocks\\)"),
    ((lambda w: w[w > 0], product, [(2,)]), {"samples": 0}, ValueError, "samples"),
    (("relu",), {"degree": -1}, ValueError, "degree"),
    (("relu",), {"tol": 0.0}, ValueError, "tol"),
]


@pytest.mark.parametrize(("args", "options", "error", "message"), SILLY)
def test_silly_input(args, options, error, message):
    with pytest.raises(error, match=message):
        check_pair(*args, **options)
