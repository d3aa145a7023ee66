"""The optimisers of ls.train on every landscape: their formulas, their ends, and the same bits however it is cut."""

import itertools
import pickle

import numpy as np
import pytest

import comparators as cmp
from reference import optimizers

FIXED = ("gd", "momentum", "nesterov", "adagrad", "adam")  # a rate, and the whole gradient
RATED = {"sgd", "momentum", "nesterov", "noisy_sgd", "perturbed_gd"}  # have no rate of their own
SECOND = ("newton_cg", "trust_region")
LANDSCAPES = (
    "shallow",
    "deep",
    "deep from data",
    "large",
    "factors",
    "completion",
    "factors of data",
    "relu",
    "subnets",
)
RATES = {"factors": 2e-3, "completion": 5e-3, "factors of data": 1e-3, "relu": 1e-3, "subnets": 1e-3, "large": 0.003}


def samples(seed=5):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((60, 4))
    return X, X @ rng.standard_normal((4, 3)) / 2 + 0.3 * rng.standard_normal((60, 3))


def make(ls, name):
    """A landscape, and the keywords that random starts on it need."""
    X, Y = samples()
    rng = np.random.default_rng(1)
    if name == "shallow":
        return ls.ShallowLinear(ls.Covariances.from_data(X, Y), 2), {}
    if name == "deep":
        return ls.DeepLinear(ls.Covariances.from_data(X, Y), (3, 4)), {}
    if name == "deep from data":
        return ls.DeepLinear(ls.Covariances.from_data(X, Y, method="factor"), (3, 2)), {}
    if name == "large":  # one network fills the registers on its own
        Z = rng.standard_normal((90, 70))
        return ls.DeepLinear(ls.Covariances.from_data(Z, Z[:, :10]), (40, 30)), {}
    if name == "factors":
        return ls.MatrixFactorization(Y.T, 1.0), {"width": 2}
    if name == "completion":
        return ls.MatrixFactorization(Y, 0.5, mask=rng.random(Y.shape) < 0.7, loss="huber"), {"width": 3}
    if name == "factors of data":
        return ls.MatrixFactorization(Y, 0.5, X=X), {"width": 2}
    if name == "relu":
        return ls.ParallelNetwork(X, Y[:, :2], 0.3, bias=True, intercept=True), {"width": 5}
    return ls.ParallelNetwork(X, Y[:, :1], 0.3, depth=3, hidden=(3, 2)), {"width": 2}


@pytest.fixture(params=LANDSCAPES)
def problem(ls, request):
    land, extra = make(ls, request.param)
    return land, extra, RATES.get(request.param, 0.02)


@pytest.fixture
def deep(ls):
    return make(ls, "deep")[0]


def asked(method, rate, land, ls):
    """The keywords that a method needs."""
    settings = {"learning_rate": rate} if method in RATED else {}
    if method == "sgd":
        settings["batch_size"] = 7
        if isinstance(land, (ls.ShallowLinear, ls.DeepLinear)):
            settings["data"] = data_of(land)
    return settings


def data_of(land):
    if land.n_inputs == 70:
        Z = np.random.default_rng(1).standard_normal((90, 70))
        return Z, Z[:, :10]
    return samples()


# --- formulas ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("gd", (0.9, 0.81)),
        ("nesterov", (0.9, 0.729)),
        ("adagrad", (0.9, 0.833104)),
        ("adam", (0.9, 0.8004122)),
        ("momentum", (0.9, 0.72)),
    ],
)
def test_check_values(ls, method, expected):
    """THEORY 11: f = w²/2 from w = 1 with the rate 0.1; here U of a 1 x 1 factorisation whose V is zero."""
    land = ls.MatrixFactorization(np.zeros((1, 1)), 1.0)
    start = np.ones((1, 1)), np.zeros((1, 1))
    result = ls.train(land, start, method=method, learning_rate=0.1, steps=2, record=1, observe=("points",))
    np.testing.assert_allclose(result.trace.points[0, 1:, 0], expected, rtol=0.0, atol=5e-7)  # the digits printed there
    np.testing.assert_allclose(result.trace.values[0], 0.5 * result.trace.points[0, :, 0] ** 2, rtol=1e-14)


@pytest.mark.parametrize("method", FIXED)
def test_steps_are_the_formula(ls, problem, method):
    land, extra, rate = problem
    steps = 25
    result = ls.train(
        land, 3, method=method, learning_rate=rate, steps=steps, record=1, tol=0.0, observe=("points",), **extra
    )

    def gradient(x):
        return land.pack(land.gradient(land.unpack(x)))

    for i in range(3):
        path = optimizers.trajectory(method, gradient, result.trace.points[i, 0], [rate] * steps)
        cmp.assert_close(result.trace.points[i], path, 1e-9)
        for column in (0, steps):
            p = land.unpack(result.trace.points[i, column])
            assert result.trace.values[i, column] == pytest.approx(land.value(p), rel=1e-10)
            norm = np.linalg.norm(gradient(result.trace.points[i, column]))
            assert result.trace.gradient_norms[i, column] == pytest.approx(norm, rel=1e-9)
    np.testing.assert_array_equal(result.n_steps, steps)
    np.testing.assert_array_equal(result.n_gradients, steps if method == "nesterov" else steps + 1)
    np.testing.assert_array_equal(result.n_products, 0)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("cosine", {}),
        ("cosine", {"horizon": 7}),
        ("step", {"every": 4}),
        ("step", {"every": 3, "decay": 0.5, "warmup": 5}),
        ("constant", {"warmup": 6}),
    ],
)
@pytest.mark.parametrize("method", ["gd", "adam", "nesterov"])
def test_schedules(ls, deep, method, name, settings):
    steps = 20
    result = ls.train(
        deep, 2, method=method, learning_rate=0.03, steps=steps, schedule=name, record=1, tol=0.0,
        observe=("points",), **settings,
    )  # fmt: skip
    rates = 0.03 * optimizers.schedule(name, steps, **settings)

    def gradient(x):
        return deep.pack(deep.gradient(deep.unpack(x)))

    for i in range(2):
        path = optimizers.trajectory(method, gradient, result.trace.points[i, 0], rates)
        cmp.assert_close(result.trace.points[i], path, 1e-10)


# --- minibatches ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["sgd", "momentum", "nesterov", "adagrad", "adam", "noisy_sgd"])
def test_a_batch_of_everything_is_the_whole_gradient(ls, problem, method):
    land, extra, rate = problem
    settings = {"learning_rate": rate, "steps": 12, "tol": 0.0, "seed": 4} | extra
    data = {"data": data_of(land)} if isinstance(land, (ls.ShallowLinear, ls.DeepLinear)) else {}
    if isinstance(land, ls.MatrixFactorization):
        terms = land.n_observed
    elif isinstance(land, ls.ParallelNetwork):
        terms = land.n_samples
    else:
        terms = len(data["data"][0])
    whole = ls.train(land, 3, method="gd" if method == "sgd" else method, **settings)
    batch = ls.train(land, 3, method=method, batch_size=terms, **settings, **data)
    cmp.assert_close(land.pack(batch.points), land.pack(whole.points), 1e-9)
    np.testing.assert_array_equal(batch.n_gradients, 12)
    np.testing.assert_allclose(batch.values, land.value(batch.points), rtol=1e-12)


def test_every_epoch_takes_every_term_once(ls):
    """With one parameter per sample the steps show which samples were taken."""
    m, rate = 11, 0.125
    land = ls.MatrixFactorization(np.arange(1.0, m + 1)[:, None], 1e-300)
    start = np.zeros((m, 1)), np.ones((1, 1))
    points = ls.train(
        land, start, method="sgd", learning_rate=rate / m, batch_size=1, steps=3 * m, record=1, observe=("points",)
    ).trace.points[0, :, :m]
    moved = [np.flatnonzero(np.abs(after - before) > 0) for before, after in itertools.pairwise(points)]
    assert all(len(which) == 1 for which in moved)
    taken = np.concatenate(moved).reshape(3, m)
    for epoch in taken:
        np.testing.assert_array_equal(np.sort(epoch), np.arange(m))
    assert not np.array_equal(taken[0], taken[1])


def test_estimates_are_unbiased(ls, problem):
    """Over one epoch of batches that divide the terms the mean of the first steps is the whole gradient."""
    land, extra, _ = problem
    if isinstance(land, (ls.ShallowLinear, ls.DeepLinear)):
        data, terms = {"data": data_of(land)}, len(data_of(land)[0])
    else:
        data, terms = {}, land.n_observed if isinstance(land, ls.MatrixFactorization) else land.n_samples
    rate, size = 1e-9, next((k for k in range(2, terms) if terms % k == 0), 1)
    steps = terms // size
    result = ls.train(
        land, 1, method="sgd", learning_rate=rate, batch_size=size, steps=steps, record=[0, steps],
        observe=("points",), **extra, **data,
    )  # fmt: skip
    first, last = result.trace.points[0]
    whole = land.pack(land.gradient(land.unpack(first)))
    cmp.assert_close((first - last) / (rate * steps), whole, 1e-4)


def test_batches_of_the_same_seed_differ_between_starts(ls):
    land, extra = make(ls, "relu")
    p = tuple(np.repeat(block, 2, axis=0) for block in ls.train(land, 1, steps=0, **extra).points)
    result = ls.train(land, p, method="sgd", learning_rate=1e-3, batch_size=5, steps=10)
    assert not np.array_equal(result.points[0][0], result.points[0][1])
    again = ls.train(land, p, method="sgd", learning_rate=1e-3, batch_size=5, steps=10, seed=1)
    assert not np.array_equal(result.points[0][0], again.points[0][0])


# --- the same bits ----------------------------------------------------------------------------------------------------


EVERY = ("gd", "sgd", *FIXED[1:], "lbfgs", "noisy_sgd", "perturbed_gd", *SECOND, "escape")


@pytest.mark.parametrize("method", EVERY)
def test_bits_depend_neither_on_threads_nor_on_neighbours_nor_on_slices(ls, problem, method, monkeypatch):
    land, extra, rate = problem
    settings = {"method": method, "steps": 30, "seed": 3, "record": 6, "observe": ("points",)} | extra
    settings |= asked(method, rate, land, ls)
    whole = ls.train(land, 7, n_threads=1, **settings)
    parallel = ls.train(land, 7, n_threads=2, **settings)
    cmp.assert_same_bits(whole.points, parallel.points)
    cmp.assert_same_bits(whole.trace.values, parallel.trace.values)
    for first, count in ((0, 2), (2, 1), (3, 4)):
        piece = ls.train(land, count, first_start=first, **settings)
        part = slice(first, first + count)
        cmp.assert_same_bits(piece.points, tuple(block[part] for block in whole.points))
        cmp.assert_same_bits(piece.trace.gradient_norms, whole.trace.gradient_norms[part])
        np.testing.assert_array_equal(piece.n_gradients, whole.n_gradients[part])
        np.testing.assert_array_equal(piece.n_products, whole.n_products[part])
        assert piece.stop_reasons == whole.stop_reasons[part]
    import landscape_cpp._training_run as run

    monkeypatch.setattr(run, "_BUFFER", 1)
    monkeypatch.setattr(run, "_SLICE_SECONDS", 1e-9)
    sliced = ls.train(land, 7, **settings)
    cmp.assert_same_bits(whole.points, sliced.points)
    cmp.assert_same_bits(whole.trace.points, sliced.trace.points)
    np.testing.assert_array_equal(whole.n_gradients, sliced.n_gradients)


@pytest.mark.parametrize("method", EVERY)
def test_resuming_is_going_on(ls, problem, method):
    land, extra, rate = problem
    settings = {"method": method, "seed": 3, "tol": 1e-5} | extra | asked(method, rate, land, ls)
    whole = ls.train(land, 4, steps=41, record=10, **settings)
    half = pickle.loads(pickle.dumps(ls.train(land, 4, steps=17, **settings)))
    carried = {key: settings[key] for key in ("data",) if key in settings}
    rest = ls.train(land, half, steps=41, record=10, **carried)
    cmp.assert_same_bits(whole.points, rest.points)
    for name in ("n_steps", "n_gradients", "n_products", "n_escapes"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(rest, name))
    assert whole.stop_reasons == rest.stop_reasons
    later = whole.trace.steps >= 20
    cmp.assert_same_bits(rest.trace.values[:, rest.trace.steps >= 20], whole.trace.values[:, later])
    assert rest.method == method


# --- what the methods promise -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["gd", "lbfgs", *SECOND, "escape"])
def test_descent_methods_never_rise(ls, problem, method):
    land, extra, _ = problem
    result = ls.train(land, 6, method=method, steps=80, record=1, seed=2, **extra)
    scale = float(np.abs(result.trace.values).max())
    assert (np.diff(result.trace.values, axis=1) <= 1e-14 * scale).all()
    assert set(result.stop_reasons) <= {"converged", "max_steps", "stalled"}


@pytest.mark.parametrize("method", ["lbfgs", *SECOND, "escape"])
@pytest.mark.parametrize("name", ["shallow", "deep", "deep from data", "factors", "factors of data"])
def test_smooth_problems_are_solved(ls, method, name):
    land, extra = make(ls, name)
    result = ls.train(land, 20, method=method, steps=2000, seed=11, **extra)
    assert set(result.stop_reasons) <= {"converged", "stalled"}
    best = result.values.min()
    assert np.mean(result.values <= best * (1 + 1e-9)) >= 0.9
    if name in ("shallow", "deep", "deep from data"):
        assert best == pytest.approx(land.minimum_value, rel=1e-9)
        assert set(result.status) <= {"global_minimum", "strict_saddle", "non_strict_saddle"}


@pytest.mark.parametrize("name", ["deep", "shallow", "factors"])
def test_exact_line_search_is_the_lowest_point_of_the_line(ls, name):
    land, extra = make(ls, name)
    result = ls.train(land, 5, learning_rate="exact", steps=12, record=1, tol=0.0, seed=6, observe=("points",), **extra)
    for i, step in itertools.product(range(5), range(12)):
        before = result.trace.points[i, step]
        p = land.unpack(before)
        slope = land.gradient(p)
        minus = tuple(-block for block in slope)
        coefficients = ls.slice(land, p, minus).coefficients
        roots = np.polynomial.polynomial.polyroots(np.polynomial.polynomial.polyder(coefficients))
        real = roots[(np.abs(roots.imag) <= 1e-7 * np.abs(roots.real)) & (roots.real > 0)].real
        lowest = np.polynomial.polynomial.polyval(real, coefficients).min()
        assert result.trace.values[i, step + 1] <= lowest + 1e-11 * abs(coefficients[0])
    assert ls.train(land, 5, learning_rate="exact", steps=3000, seed=6, **extra).stop_reasons.count("max_steps") <= 3


@pytest.mark.parametrize("method", ["perturbed_gd", *SECOND, "escape", "noisy_sgd"])
def test_strict_saddles_are_left(ls, method):
    """A shallow network has strict saddles only: from each of them exactly, down to the minimum."""
    X, Y = samples()
    net = ls.ShallowLinear(ls.Covariances.from_data(X, Y), 2)
    saddles = [net.critical_point(indices) for indices in ((), (0,), (1,), (0, 2), (1, 2))]
    starts = tuple(np.stack(blocks) for blocks in zip(*saddles, strict=True))
    settings = {"learning_rate": 0.05} if method in RATED else {}
    if method == "noisy_sgd":
        settings["noise"] = 1e-3
    result = ls.train(net, starts, method=method, steps=20000, seed=8, **settings)
    assert result.gaps.max() < 1e-4 * net.cov.total
    if method != "noisy_sgd":
        assert set(result.stop_reasons) == {"converged"}
        assert set(result.status) == {"global_minimum"}
    plain = ls.train(net, starts, method="lbfgs", steps=50)
    assert set(plain.status) == {"strict_saddle"}


def test_non_strict_saddles_are_left_by_witnesses_only(ls, deep):
    origin = tuple(np.zeros(shape) for shape in deep.shapes)
    for method in ("lbfgs", *SECOND):
        assert ls.train(deep, origin, method=method).status == ("non_strict_saddle",)
    result = ls.train(deep, origin, method="escape", steps=2000)
    assert result.status == ("global_minimum",)
    assert result.n_escapes[0] >= 1
    assert result.stop_reasons == ("converged",)


def test_planted_critical_points_are_named(ls):
    X, Y = samples()
    net = ls.DeepLinear(ls.Covariances.from_data(X, Y), (3, 3, 2))
    points = [net.critical_point(indices) for indices in ((), (0,), (1,), (2,), (0, 1), (1, 2))]
    starts = tuple(np.stack(blocks) for blocks in zip(*points, strict=True))
    result = ls.train(net, starts, steps=10)
    assert set(result.stop_reasons) == {"converged"}
    np.testing.assert_array_equal(result.n_steps, 0)
    assert list(result.status) == [net.classify(p).kind for p in points]
    assert len(set(result.status)) >= 3


def test_products_are_bounded_by_the_krylov_space(ls):
    """Exact counts are those of tests/cpp/test_training.cpp, whose objective counts its calls."""
    net, _ = make(ls, "deep")
    assert ls.train(net, 1, method="trust_region", steps=0, seed=1).n_products[0] == 0
    assert 1 <= ls.train(net, 1, method="trust_region", steps=1, seed=1).n_products[0] <= net.size
    assert 1 <= ls.train(net, 1, method="newton_cg", steps=1, seed=1, krylov=3).n_products[0] <= 3
    fixed = ls.train(net, 4, learning_rate=1e-3, steps=9, tol=0.0)
    np.testing.assert_array_equal(fixed.n_gradients, 10)


# --- starts, ends and the rest ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LANDSCAPES)
def test_starts_around_points(ls, name):
    land, extra = make(ls, name)
    centres = ls.train(land, 3, steps=0, seed=4, **extra).points
    result = ls.train(land, 5, around=centres, distance=1e-3, steps=0, seed=2)
    flat, middle = land.pack(result.points), np.repeat(land.pack(centres), 5, axis=0)
    np.testing.assert_allclose(np.linalg.norm(flat - middle, axis=1), 1e-3, rtol=1e-9)
    assert len(np.unique(flat, axis=0)) == 15
    one = ls.train(land, 2, around=tuple(block[0] for block in centres), distance=1e-3, steps=0, seed=2)
    cmp.assert_same_bits(land.pack(one.points), flat[:2])


@pytest.mark.parametrize("name", LANDSCAPES)
def test_random_starts_depend_on_seed_and_number_alone(ls, name):
    land, extra = make(ls, name)
    many = land.pack(ls.train(land, 6, steps=0, seed=9, **extra).points)
    for init in ("balanced", "gaussian", "kaiming", "orthogonal", "small"):
        p = ls.train(land, 2, init=init, steps=0, **extra).points
        assert np.isfinite(land.pack(p)).all()
    np.testing.assert_array_equal(
        land.pack(ls.train(land, 2, steps=0, seed=9, first_start=4, **extra).points), many[4:]
    )
    assert len(np.unique(many, axis=0)) == 6


@pytest.mark.parametrize("method", ["gd", "momentum", "nesterov", "adam", "lbfgs", "noisy_sgd", *SECOND])
def test_a_giant_a_tiny_and_a_normal_start(ls, deep, method):
    p = tuple(np.repeat(block, 3, axis=0) for block in ls.train(deep, 1, steps=0).points)
    for block in p:
        block[1] *= 1e12
        block[2] *= 1e-40
    settings = {"learning_rate": 0.02} if method in RATED or method == "gd" else {}
    calm = ls.train(deep, tuple(block[:1] for block in p), method=method, steps=40, **settings)
    mixed = ls.train(deep, p, method=method, steps=40, **settings)
    cmp.assert_same_bits(tuple(block[0] for block in mixed.points), tuple(block[0] for block in calm.points))
    assert np.isfinite(deep.pack(mixed.points)).all()
    if method in ("gd", "momentum", "nesterov", "noisy_sgd"):
        assert mixed.stop_reasons[1] == "diverged"
    assert mixed.stop_reasons[2] in ("converged", "max_steps")


def test_zero_steps_and_a_batch_of_one(ls, problem):
    land, extra, rate = problem
    for method in EVERY:
        result = ls.train(land, 1, method=method, steps=0, **asked(method, rate, land, ls), **extra)
        assert result.stop_reasons in (("max_steps",), ("converged",))
        assert result.values[0] == pytest.approx(float(land.value(result.point(0))), rel=1e-12)
        assert result.trace.values.shape == (1, 1)


@pytest.mark.parametrize("name", ["factors", "factors of data", "relu", "subnets"])
def test_gaps_of_landscapes_that_must_be_told_their_minimum(ls, name):
    land, extra = make(ls, name)
    result = ls.train(land, 4, method="lbfgs", steps=300, **extra)
    assert np.isnan(result.gaps).all()
    assert "value" in result.summary()
    least = float(result.values.min()) - 1.0
    told = ls.train(land, 4, method="lbfgs", steps=300, minimum=least, **extra)
    np.testing.assert_allclose(told.gaps, told.values - least)
    assert "gap" in told.summary()


def test_a_solution_is_a_minimum(ls):
    land = make(ls, "factors")[0]
    solution = land.solve()
    result = ls.train(land, 6, method="trust_region", steps=500, minimum=solution, width=solution.rank + 1)
    assert result.gaps.max() < 1e-6
    assert set(result.status) == {"global_minimum"}


def test_observations_of_factors_and_networks(ls):
    land, extra = make(ls, "factors")
    trace = ls.train(land, 2, steps=6, record=3, observe=("singular_values", "balancedness", "points"), **extra).trace
    for i, column in itertools.product(range(2), range(3)):
        u, v = land.unpack(trace.points[i, column])
        expected = np.linalg.svd(u @ v.T, compute_uv=False)[:2]
        np.testing.assert_allclose(trace.singular_values[i, column], expected, atol=1e-12)
        assert trace.balancedness[i, column, 0] == pytest.approx(np.linalg.norm(u.T @ u - v.T @ v))
    land, extra = make(ls, "relu")
    trace = ls.train(land, 2, steps=6, record=3, observe=("balancedness", "points"), **extra).trace
    u, v, _ = land.unpack(trace.points[1, 2])
    difference = np.abs(np.sum(u**2, axis=0) - np.sum(v**2, axis=0)).max()
    assert trace.balancedness[1, 2, 0] == pytest.approx(difference)


def test_distance_to_the_ladder(ls, deep):
    trace = ls.train(deep, 3, steps=200, record=10, observe=("ladder_distance",)).trace
    rungs = np.array([value.value for value in deep.critical_values(10_000)])
    nearest = rungs[np.abs(trace.values[..., None] - rungs).argmin(axis=-1)]
    np.testing.assert_allclose(trace.ladder_distance, trace.values - nearest, atol=1e-12)


@pytest.mark.parametrize(
    ("error", "message", "settings"),
    [
        (ValueError, "needs a learning_rate", {"method": "momentum"}),
        (ValueError, "takes no learning_rate", {"method": "lbfgs", "learning_rate": 0.1}),
        (
            ValueError,
            "learning_rate must be a positive number, got 'exact'",
            {"method": "adam", "learning_rate": "exact"},
        ),
        (TypeError, "takes no setting 'momentum'; its settings: betas, eps", {"method": "adam", "momentum": 0.9}),
        (TypeError, "takes no setting 'warmup'", {"method": "lbfgs", "warmup": 3}),
        (ValueError, r"momentum must be in \[0, 1\)", {"method": "momentum", "learning_rate": 0.1, "momentum": 1.0}),
        (ValueError, "betas must be a pair", {"method": "adam", "betas": 0.9}),
        (ValueError, "memory must be", {"method": "lbfgs", "memory": 0}),
        (ValueError, "noise must be a positive", {"method": "noisy_sgd", "learning_rate": 0.1, "noise": 0.0}),
        (ValueError, "schedule must be one of", {"learning_rate": 0.1, "schedule": "linear"}),
        (ValueError, "schedule needs a fixed learning rate", {"schedule": "cosine"}),
        (ValueError, "needs every", {"learning_rate": 0.1, "schedule": "step"}),
        (ValueError, "horizon goes with", {"learning_rate": 0.1, "horizon": 3}),
        (ValueError, "takes no batch_size", {"method": "lbfgs", "batch_size": 3}),
        (ValueError, "needs a batch_size", {"method": "sgd", "learning_rate": 0.1}),
        (ValueError, r"batch_size needs data=\(X, Y\)", {"method": "sgd", "learning_rate": 0.1, "batch_size": 3}),
        (ValueError, "around and distance go together", {"distance": 1.0}),
        (ValueError, "a linear network knows its own", {"width": 3}),
        (ValueError, "a linear network knows its own", {"minimum": 3.0}),
        (ValueError, "first_start must be", {"first_start": -1}),
    ],
)
def test_bad_input(ls, deep, error, message, settings):
    with pytest.raises(error, match=message):
        ls.train(deep, 2, steps=5, **settings)


def test_a_resumed_result_takes_no_new_starts(ls, deep):
    result = ls.train(deep, 2, steps=3)
    with pytest.raises(ValueError, match="for new starts"):
        ls.train(deep, result, around=result.best_point, distance=1e-3)


def test_bad_input_of_other_landscapes(ls):
    land, _ = make(ls, "factors")
    relu, extra = make(ls, "relu")
    with pytest.raises(ValueError, match="width must be given"):
        ls.train(land, 2)
    with pytest.raises(ValueError, match="width must be that of the points, 5"):
        ls.train(relu, ls.train(relu, 2, steps=0, **extra).points, width=3)
    with pytest.raises(ValueError, match="observe must be one of"):
        ls.train(relu, 2, observe=("singular_values",), **extra)
    with pytest.raises(ValueError, match="polynomial along lines"):
        ls.train(relu, 2, learning_rate="exact", **extra)
    with pytest.raises(ValueError, match="data goes with linear networks"):
        ls.train(relu, 2, data=samples(), **extra)
    with pytest.raises(ValueError, match="at most the number of terms, 60"):
        ls.train(relu, 2, method="sgd", learning_rate=0.1, batch_size=61, **extra)
    with pytest.raises(ValueError, match="positive width"):
        ls.train(land, (np.zeros((3, 0)), np.zeros((60, 0))))
    deep, _ = make(ls, "deep")
    X, Y = samples(6)
    with pytest.raises(ValueError, match="data must be the samples of this landscape"):
        ls.train(deep, 2, method="sgd", learning_rate=0.1, batch_size=4, data=(X, Y))


def test_weighted_and_centred_data(ls):
    X, Y = samples()
    weight = np.random.default_rng(3).uniform(0.0, 2.0, len(X))
    cov = ls.Covariances.from_data(X + 3.0, Y - 1.0, sample_weight=weight, center=True)
    net = ls.DeepLinear(cov, (3, 2))
    settings = {"learning_rate": 0.02, "steps": 10, "tol": 0.0}
    whole = ls.train(net, 2, **settings)
    batch = ls.train(net, 2, method="sgd", batch_size=len(X), data=(X + 3.0, Y - 1.0, weight), **settings)
    cmp.assert_close(net.pack(batch.points), net.pack(whole.points), 1e-10)
