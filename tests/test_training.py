"""ls.train: the steps against NumPy, the same bits however the work is cut, and an honest reason for every end."""

import itertools
import os
import pickle
import signal
import threading

import numpy as np
import pytest

import comparators as cmp
import landscape_cpp

NETWORKS = {
    "deep": ((5, (4, 3), 2), "moments"),
    "deep from data": ((5, (4, 3), 2), "factor"),
    "bottleneck": ((7, (1,), 6), "moments"),
    "four layers": ((3, (4, 2, 5), 6), "factor"),
    "large": ((70, (40, 30), 10), "moments"),  # one network fills the registers on its own
    "shallow": ((5, 3, 4), "moments"),
}


def make(ls, name, seed=5):
    (n0, hidden, n2), method = NETWORKS[name]
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((120, n0))
    Y = X @ rng.standard_normal((n0, n2)) / np.sqrt(n0) + 0.3 * rng.standard_normal((120, n2))
    cov = ls.Covariances.from_data(X, Y, method=method)
    return ls.ShallowLinear(cov, hidden) if isinstance(hidden, int) else ls.DeepLinear(cov, hidden)


@pytest.fixture(params=NETWORKS)
def net(ls, request):
    return make(ls, request.param)


@pytest.fixture
def deep(ls):
    return make(ls, "deep")


def random_points(net, count, seed=0, size=1.0):
    rng = np.random.default_rng(seed)
    return tuple(size * rng.standard_normal((count, *shape)) / np.sqrt(shape[1]) for shape in net.shapes)


# --- the method -------------------------------------------------------------------------------------------------------


def test_fixed_steps_are_the_formula(ls, net):
    p = random_points(net, 6)
    result = ls.train(net, p, steps=30, learning_rate=0.02, tol=0.0, record=1, observe=("points",))
    for i in range(6):
        here = tuple(block[i] for block in p)
        for step in range(31):
            cmp.assert_close(result.trace.points[i, step], net.pack(here), 1e-11)
            assert result.trace.values[i, step] == pytest.approx(net.value(here), rel=1e-10)
            norm = np.linalg.norm(net.pack(net.gradient(here)))
            assert result.trace.gradient_norms[i, step] == pytest.approx(norm, rel=1e-9)
            here = tuple(block - 0.02 * slope for block, slope in zip(here, net.gradient(here), strict=True))
    np.testing.assert_array_equal(result.n_steps, 30)
    np.testing.assert_array_equal(result.n_gradients, 31)
    assert set(result.stop_reasons) == {"max_steps"}
    np.testing.assert_array_equal(net.pack(result.points), result.trace.points[:, -1])
    np.testing.assert_array_equal(result.values, result.trace.values[:, -1])


def test_backtracking_decreases_enough_at_every_step(ls, net):
    result = ls.train(net, random_points(net, 5), steps=60, record=1, tol=0.0, observe=("points",))
    moves = np.linalg.norm(np.diff(result.trace.points, axis=1), axis=2)
    drops, slopes = -np.diff(result.trace.values, axis=1), result.trace.gradient_norms[:, :-1]
    # x moves by t |g|, and the value drops by at least 1e-4 t |g|²
    assert (drops >= 1e-4 * moves * slopes - 1e-14 * net.cov.total).all()
    assert (drops[slopes > 1e-5] > 0.0).all()
    assert (result.n_gradients >= 61).all()


def test_runs_converge_to_the_global_minimum(ls, net):
    result = ls.train(net, 10, steps=20000, seed=3)
    assert set(result.stop_reasons) == {"converged"}
    bound = 1e-8 * net.cov.total
    assert (result.gradient_norms * np.maximum(1.0, np.linalg.norm(net.pack(result.points), axis=1)) <= bound).all()
    assert set(result.status) == {"global_minimum"}
    assert result.gaps.max() < 1e-9 * net.cov.total
    np.testing.assert_allclose(result.gaps, result.values - net.minimum_value, atol=1e-13 * net.cov.total)
    assert result.values[result.best] == result.values.min()
    cmp.assert_same_bits(result.best_point, result.point(result.best))


def test_a_start_at_a_saddle_stays_and_is_named(ls, deep):
    saddle = tuple(np.zeros(shape) for shape in deep.shapes)
    result = ls.train(deep, saddle, steps=100)
    assert result.stop_reasons == ("converged",)
    assert result.status == ("non_strict_saddle",)
    assert result.n_steps[0] == 0
    assert "non_strict_saddle 1" in result.summary()


# --- the same bits ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("learning_rate", ["backtracking", 0.01])
def test_bits_depend_neither_on_threads_nor_on_neighbours(ls, net, learning_rate):
    p = random_points(net, 11)
    settings = {"steps": 25, "record": 5, "learning_rate": learning_rate, "tol": 0.0}
    whole = ls.train(net, p, n_threads=1, **settings)
    parallel = ls.train(net, p, n_threads=3, **settings)
    cmp.assert_same_bits(whole.points, parallel.points)
    cmp.assert_same_bits(whole.trace.values, parallel.trace.values)
    for part in (slice(0, 3), slice(3, 4), slice(4, 11)):
        piece = ls.train(net, tuple(block[part] for block in p), **settings)
        cmp.assert_same_bits(piece.points, tuple(block[part] for block in whole.points))
        cmp.assert_same_bits(piece.trace.gradient_norms, whole.trace.gradient_norms[part])
        np.testing.assert_array_equal(piece.n_gradients, whole.n_gradients[part])


@pytest.mark.parametrize("learning_rate", ["backtracking", 0.01])
def test_what_is_recorded_and_watched_changes_no_bit(ls, deep, learning_rate, monkeypatch):
    settings = {"steps": 300, "learning_rate": learning_rate, "tol": 0.0}
    plain = ls.train(deep, 9, **settings)
    seen = []
    watched = ls.train(
        deep, 9, record=7, observe=("singular_values", "points"), callback=lambda *now: seen.append(now[0]), **settings
    )
    cmp.assert_same_bits(plain.points, watched.points)
    np.testing.assert_array_equal(plain.n_gradients, watched.n_gradients)
    assert seen == sorted(seen)
    assert seen[-1] == 300
    monkeypatch.setattr(landscape_cpp._training_run, "_BUFFER", 1)  # one recorded step at a time
    sliced = ls.train(deep, 9, record=7, observe=("singular_values", "points"), **settings)
    for name in ("values", "gradient_norms", "singular_values", "points"):
        cmp.assert_same_bits(getattr(watched.trace, name), getattr(sliced.trace, name))


@pytest.mark.parametrize("learning_rate", ["backtracking", 0.01])
def test_resuming_is_going_on(ls, net, learning_rate):
    settings = {"learning_rate": learning_rate, "tol": 1e-3}
    whole = ls.train(net, 7, steps=90, record=10, **settings)
    half = pickle.loads(pickle.dumps(ls.train(net, 7, steps=40, record=10, **settings)))
    rest = ls.train(net, half, steps=90, record=10, **settings)
    cmp.assert_same_bits(whole.points, rest.points)
    np.testing.assert_array_equal(whole.n_gradients, rest.n_gradients)
    np.testing.assert_array_equal(whole.n_steps, rest.n_steps)
    assert whole.stop_reasons == rest.stop_reasons
    np.testing.assert_array_equal(rest.trace.steps, [40, 50, 60, 70, 80, 90])
    cmp.assert_same_bits(rest.trace.values, whole.trace.values[:, 4:])


# --- ends -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("learning_rate", ["backtracking", 0.02])
def test_a_diverged_start_spoils_no_neighbour(ls, deep, learning_rate):
    p = random_points(deep, 7)
    wild = tuple(block.copy() for block in p)
    for block in wild:
        block[2] *= 1e4  # the fixed step throws it out; backtracking brings it back
    settings = {"steps": 50, "learning_rate": learning_rate, "tol": 0.0}
    calm, mixed = ls.train(deep, p, **settings), ls.train(deep, wild, **settings)
    others = [0, 1, 3, 4, 5, 6]
    cmp.assert_same_bits(tuple(b[others] for b in calm.points), tuple(b[others] for b in mixed.points))
    if learning_rate == 0.02:
        assert mixed.stop_reasons[2] == "diverged"
        assert np.isfinite(deep.pack(mixed.points)).all()
        assert mixed.status[2] == "not_critical"
    assert mixed.stop_reasons[0] == "max_steps"


def test_the_callback_can_end_the_runs(ls, deep):
    result = ls.train(deep, 5, steps=10**7, tol=0.0, record=10**6, callback=lambda step, values: step > 100)
    assert set(result.stop_reasons) == {"interrupted"}
    assert np.isnan(result.trace.values[:, -1]).all()
    assert np.isfinite(result.trace.values[:, 0]).all()
    done = ls.train(deep, result, steps=int(result.n_steps.max()) + 5, tol=0.0)
    assert set(done.stop_reasons) == {"max_steps"}


@pytest.fixture
def ctrl_c():
    """Python's own handler: in a background job SIGINT is ignored from the start, and the run would never end."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.skipif(os.name == "nt", reason="sends a signal")
@pytest.mark.parametrize("count", [1, 40])
def test_ctrl_c_returns_what_there_is(ls, deep, count, ctrl_c):
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    result = ls.train(deep, count, steps=10**9, learning_rate=1e-3, tol=0.0)
    timer.join()
    assert set(result.stop_reasons) == {"interrupted"}
    assert (result.values < deep.value(deep.unpack(np.zeros(deep.size)))).any()
    np.testing.assert_allclose(result.values, deep.value(result.points), rtol=1e-12)
    # every run stands at a step it completed: the same as asking for just so many
    again = ls.train(deep, count, steps=int(result.n_steps.min()), learning_rate=1e-3, tol=0.0)
    first = int(np.argmin(result.n_steps))
    cmp.assert_same_bits(again.point(first), result.point(first))


# --- what is recorded -------------------------------------------------------------------------------------------------


def test_recorded_steps(ls, deep):
    def steps(record, total=20):
        return ls.train(deep, 2, steps=total, tol=0.0, record=record).trace.steps.tolist()

    assert steps(None) == [0, 20]
    assert steps(8) == [0, 8, 16, 20]
    assert steps([3, 5, 3]) == [3, 5]
    assert steps([]) == []
    assert steps(None, 0) == [0]


def test_observations_are_of_the_recorded_points(ls, net):
    names = ("singular_values", "balancedness", "points")
    trace = ls.train(net, 3, steps=40, record=20, tol=0.0, observe=names).trace
    hidden = [net.n_hidden] if hasattr(net, "n_hidden") else net.hidden
    rank = min(net.n_inputs, net.n_outputs, *hidden)
    for i in range(3):
        for column in range(3):
            p = net.unpack(trace.points[i, column])
            layers = [p[1].T, p[0]] if hasattr(net, "n_hidden") else p
            product = np.linalg.multi_dot(layers[::-1])
            expected = np.linalg.svd(product, compute_uv=False)[:rank]
            np.testing.assert_allclose(trace.singular_values[i, column], expected, atol=1e-12)
            norms = [np.linalg.norm(b.T @ b - a @ a.T) for a, b in itertools.pairwise(layers)]
            np.testing.assert_allclose(trace.balancedness[i, column], norms, atol=1e-12)


# --- starts -----------------------------------------------------------------------------------------------------------


def test_random_starts(ls):
    net = ls.DeepLinear(ls.Covariances(xx=np.eye(40), xy=np.eye(40), yy=np.eye(40)), (30, 40))

    def drawn(init, count=4, **settings):
        return ls.train(net, count, steps=0, init=init, seed=9, **settings).points

    for init, variance in (("gaussian", 1.0), ("kaiming", 2.0), ("small", 1e-6)):
        for block in drawn(init):
            assert block.var() * block.shape[2] == pytest.approx(variance, rel=0.1)
    for block in drawn("orthogonal"):
        gram = block @ block.swapaxes(1, 2) if block.shape[1] <= block.shape[2] else block.swapaxes(1, 2) @ block
        np.testing.assert_allclose(gram, np.broadcast_to(np.eye(gram.shape[1]), gram.shape), atol=1e-12)
    balanced = drawn("balanced", scale=0.5)
    assert net.balancedness(balanced).max() < 1e-13
    np.testing.assert_allclose(np.linalg.svd(net.product(balanced), compute_uv=False)[:, :30], 0.125, rtol=1e-12)
    np.testing.assert_array_equal(drawn("kaiming", scale=2.0)[0], 2.0 * drawn("kaiming")[0])
    np.testing.assert_array_equal(drawn("gaussian", 7)[1][:4], drawn("gaussian")[1])
    assert not np.array_equal(drawn("gaussian")[0][0], drawn("gaussian")[0][1])
    generator = np.random.default_rng(0)
    first, second = (ls.train(net, 2, steps=0, seed=generator).points[0] for _ in range(2))
    assert not np.array_equal(first, second)


def test_results(ls, deep):
    result = ls.train(deep, 6, steps=500)
    frame = result.to_dataframe()
    assert len(frame) == len(result) == 6
    assert list(frame["status"]) == [str(kind) for kind in result.status]
    assert str(result) == result.summary()
    again = pickle.loads(pickle.dumps(result))
    cmp.assert_same_bits(again.points, result.points)
    assert again.status == result.status
    assert again.stop_reasons == result.stop_reasons
    one = ls.train(deep, result.best_point, steps=10)
    assert len(one) == 1
    assert one.values[0] <= result.values.min() + 1e-15 * deep.cov.total


def test_progress(ls, deep, capsys):
    pytest.importorskip("tqdm")
    ls.train(deep, 3, steps=200, tol=0.0, progress=True)
    assert "200/200" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "message", "settings"),
    [
        (TypeError, "land must be", {"land": 3}),
        (ValueError, "method must be one of .gd., .sgd.", {"method": "rmsprop"}),
        (ValueError, "steps must be", {"steps": -1}),
        (TypeError, "steps must be", {"steps": 1.5}),
        (ValueError, "learning_rate must be a positive number, 'backtracking' or 'exact'", {"learning_rate": "adam"}),
        (ValueError, "learning_rate must be a positive", {"learning_rate": 0.0}),
        (ValueError, "tol must not be negative", {"tol": -1.0}),
        (ValueError, "init must be one of", {"init": "zeros"}),
        (ValueError, "scale must be a positive", {"scale": 0.0}),
        (ValueError, "starts must be", {"starts": 0}),
        (TypeError, "starts must be", {"starts": True}),
        (TypeError, "starts must be", {"starts": "many"}),
        (ValueError, "record must not go beyond steps = 10, got 11", {"record": [0, 11]}),
        (ValueError, "record must be", {"record": 0}),
        (TypeError, "observe must be a sequence of names", {"observe": "points"}),
        (ValueError, "observe must be one of", {"observe": ["momentum"]}),
        (TypeError, "callback must be callable", {"callback": 3}),
        (TypeError, "progress must be", {"progress": 1}),
        (ValueError, "seed must be", {"seed": -1}),
    ],
)
def test_bad_input(ls, deep, error, message, settings):
    arguments = {"land": deep, "starts": 2, "steps": 10} | settings
    with pytest.raises(error, match=message):
        ls.train(arguments.pop("land"), arguments.pop("starts"), **arguments)


def test_bad_points(ls, deep):
    p = random_points(deep, 2)
    p[1][1, 0, 0] = np.nan
    with pytest.raises(ValueError, match=r"starts\[1\] \(W2\) contains NaN or infinity at \[1, 0, 0\]"):
        ls.train(deep, p)
    other = ls.train(make(ls, "four layers"), 2, steps=1)
    with pytest.raises(ValueError, match="starts must be a result on this landscape"):
        ls.train(deep, other)
