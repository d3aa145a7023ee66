"""ls.find_critical_points: what it finds is critical, named, and counted once; what only looks critical is not."""

import pickle

import numpy as np
import pytest

import comparators as cmp


def cov(ls, seed=0, sizes=(5, 3)):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((200, sizes[0]))
    return ls.Covariances.from_data(X, X @ rng.standard_normal(sizes) + 0.3 * rng.standard_normal((200, sizes[1])))


def test_the_ladder_of_a_shallow_network(ls):
    net = ls.ShallowLinear(cov(ls), 2)
    census = ls.find_critical_points(net, 300, seed=1)
    known = np.array([value.value for value in net.critical_values()])
    found = np.array([point.value for point in census.points])
    np.testing.assert_allclose(found, known, rtol=1e-9)
    assert [str(point.kind) for point in census.points] == ["global_minimum"] + ["strict_saddle"] * (len(known) - 1)
    assert sum(point.count for point in census.points) + census.unfinished + len(census.small_gradient_norms) == 300
    for point in census.points:
        size = max(1.0, np.linalg.norm(net.pack(point.point)))
        assert np.linalg.norm(net.pack(net.gradient(point.point))) * size <= 1e-10 * net.cov.total
        assert point.gradient_norm == pytest.approx(np.linalg.norm(net.pack(net.gradient(point.point))), abs=1e-15)


@pytest.mark.parametrize("hidden", [(3, 3), (2,), (4, 2, 3), (1, 1)])
def test_deep_networks(ls, hidden):
    net = ls.DeepLinear(cov(ls, 3), hidden)
    census = ls.find_critical_points(net, 120, seed=2)
    known = np.array([value.value for value in net.critical_values(1000)])
    assert census[0].value == pytest.approx(net.minimum_value, rel=1e-9)
    for point in census.points:
        assert np.abs(known - point.value).min() <= 1e-8 * net.cov.total
        assert point.kind == net.classify(point.point, tol=1e-6).kind
        assert point.kind in ("global_minimum", "strict_saddle", "non_strict_saddle")


def test_factorisations_have_the_stationary_points_of_theory_4(ls):
    """Z = Σ_S (σ_i - λ) p_i q_iᵀ for every S of at most r singular values above λ, and nothing else."""
    Y = np.random.default_rng(4).standard_normal((6, 5))
    land, lam = ls.MatrixFactorization(Y, 0.5), 0.5
    census = ls.find_critical_points(land, 300, width=2, seed=3)
    sigma = np.linalg.svd(Y, compute_uv=False)
    above = sigma[sigma > lam]
    drops = [0.0, *((s - lam) ** 2 for s in above)]
    drops += [(a - lam) ** 2 + (b - lam) ** 2 for i, a in enumerate(above) for b in above[i + 1 :]]
    values = np.sort(0.5 * np.sum(Y**2) - 0.5 * np.array(drops))
    found = np.array([point.value for point in census.points])
    for value in found:
        assert np.abs(values - value).min() <= 1e-9 * values.max()
    assert len(found) >= len(values) - 2
    assert len(found) == len(set(np.round(found, 9)))
    assert census[0].value == pytest.approx(values[0], rel=1e-10)


def test_ends_that_symmetry_connects_are_one(ls):
    rng = np.random.default_rng(7)
    net = ls.DeepLinear(cov(ls), (3, 4))
    saddle = net.critical_point((0, 2))
    starts = []
    for _ in range(12):
        a, b = np.eye(3) + 0.3 * rng.standard_normal((3, 3)), np.eye(4) + 0.3 * rng.standard_normal((4, 4))
        w1, w2, w3 = saddle
        starts.append((a @ w1, b @ w2 @ np.linalg.inv(a), w3 @ np.linalg.inv(b)))
    batch = tuple(np.stack(blocks) for blocks in zip(*starts, strict=True))
    census = ls.find_critical_points(net, batch, steps=0)
    assert len(census) == 1
    assert census[0].count == 12
    nn = ls.ParallelNetwork(rng.standard_normal((30, 2)), rng.standard_normal(30), 0.3, unit="quadratic")
    found = ls.find_critical_points(nn, 60, width=2, seed=1)
    u, v = found[0].point
    swapped = tuple(np.stack([block, block[:, ::-1]]) for block in (u, v))
    again = ls.find_critical_points(nn, swapped, steps=0)
    assert len(again) == 1
    assert again[0].count == 2


def test_small_gradients_that_are_not_critical_are_a_verdict_of_their_own(ls):
    land = ls.MatrixFactorization(3.0 * np.random.default_rng(0).standard_normal((4, 4)), 0.2, loss="huber")
    census = ls.find_critical_points(land, 150, width=1, seed=0)
    assert len(census.small_gradient_norms) > 0
    norms = np.linalg.norm(land.pack(land.gradient(census.small_gradient)), axis=1)
    np.testing.assert_allclose(norms, census.small_gradient_norms, rtol=1e-9)
    assert norms.min() > 1e-6
    assert "small gradient, not critical" in str(census)
    for p in zip(*census.small_gradient, strict=True):
        assert str(land.classify(p).kind) == "not_critical"


def test_starts_near_a_saddle_find_it(ls):
    net = ls.DeepLinear(cov(ls), (3, 3))
    saddle = net.critical_point((1, 2))
    for steps in (0, 2000):  # with steps to spare, too: starts around a point do not go down first
        census = ls.find_critical_points(net, 6, around=saddle, distance=1e-6, steps=steps)
        assert len(census) == 1
        assert census[0].count == 6
        assert census[0].value == pytest.approx(net.value(saddle), rel=1e-9)


def test_results(ls):
    net = ls.ShallowLinear(cov(ls), 1)
    census = ls.find_critical_points(net, 40)
    frame = census.to_dataframe()
    assert list(frame["value"]) == [point.value for point in census.points]
    again = pickle.loads(pickle.dumps(census))
    cmp.assert_same_bits(again[0].point, census[0].point)
    assert "global_minimum 1" in str(census)
    other = ls.find_critical_points(net, 40, n_threads=1)
    cmp.assert_same_bits([p.point for p in other.points], [p.point for p in census.points])


@pytest.mark.parametrize(
    ("error", "message", "settings"),
    [
        (TypeError, "land must be a landscape", {"land": 3}),
        (ValueError, "tol must be a positive", {"tol": 0.0}),
        (ValueError, "merge_tol must be a positive", {"merge_tol": -1.0}),
        (ValueError, "steps must be", {"steps": -1}),
        (ValueError, "around and distance go together", {"distance": 1.0}),
    ],
)
def test_bad_input(ls, error, message, settings):
    arguments = {"land": ls.ShallowLinear(cov(ls), 1)} | settings
    with pytest.raises(error, match=message):
        ls.find_critical_points(arguments.pop("land"), 3, **arguments)
