"""Constructors of deep critical points, the ladder of critical values, and which theorems apply."""

import itertools
from collections import Counter

import numpy as np
import pytest

import cases
from deep_cases import STYLES, make_problem
from reference import deep as reference


def net_of(ls, problem):
    moments = problem.moments
    return ls.DeepLinear(ls.Covariances(xx=moments.xx, xy=moments.xy, yy=moments.yy), problem.hidden)


def draw(style, depth, i=0):
    return make_problem(style, depth, np.random.default_rng([cases.SEED, 5, STYLES.index(style), depth, i]))


@pytest.mark.parametrize("depth", [2, 3, 4])
@pytest.mark.parametrize("style", STYLES)
def test_every_index_set_has_its_critical_point(ls, style, depth):
    problem = draw(style, depth)
    net = net_of(ls, problem)
    lam, total = problem.white.eigenvalues, problem.white.total
    for r in range(problem.rho + 1):
        for indices in itertools.combinations(range(problem.rank), r):
            p = net.critical_point(indices)
            assert [block.shape for block in p] == list(net.shapes)
            assert reference.relative_gradient(problem.moments, p) < 1e-11
            assert net.value(p) == pytest.approx(total - lam[list(indices)].sum(), rel=1e-9)


@pytest.mark.parametrize("style", STYLES)
def test_random_critical_points_are_critical_and_of_every_kind(ls, style):
    kinds = Counter()
    for depth, seed in itertools.product((2, 3, 4, 5), range(12)):
        problem = draw(style, depth, seed)
        net = net_of(ls, problem)
        p = net.random_critical_point(seed=seed)
        assert reference.relative_gradient(problem.moments, p) < 1e-10
        expected = reference.classify(problem.moments, p).kind
        found = net.classify(p)
        kinds[expected] += 1
        assert found.kind in (expected, "undetermined")
    assert len(kinds) == 3, kinds


def test_random_critical_points_with_a_given_rank_and_index_set(ls):
    net = net_of(ls, draw("wide", 3))
    for rank in range(net.rank_bound + 1):
        assert np.linalg.matrix_rank(net.product(net.random_critical_point(rank, seed=1)), tol=1e-8) == rank
    value = net.value(net.critical_point([1]))
    assert net.value(net.random_critical_point(indices=[1], seed=2)) == pytest.approx(value, rel=1e-9)
    one, same, other = (net.random_critical_point(seed=s) for s in (3, 3, 4))
    assert all(np.array_equal(a, b) for a, b in zip(one, same, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
    with pytest.raises(ValueError, match=r"rank must be len\(indices\) = 1, got 2"):
        net.random_critical_point(2, indices=[1])
    with pytest.raises(ValueError, match="rank must be between 0 and"):
        net.random_critical_point(9)


def test_strands_decide_between_strict_and_non_strict(ls):
    cov = ls.Covariances(xx=np.eye(2), xy=np.diag([3.0, 1.0]), yy=np.diag([9.0, 1.0]))
    net = ls.DeepLinear(cov, (2, 2))
    assert net.classify(net.critical_point([0])).kind == "non_strict_saddle"
    loose = net.classify(net.critical_point([0], [(1, 2)]))  # the second point of THEORY 3.8, unbalanced
    assert loose.kind == "strict_saddle"
    assert [(pivot.upper, pivot.lower) for pivot in loose.pivots if pivot.loose] == [(2, 0)]
    assert net.classify(net.critical_point([1], [(1, 2)])).kind == "strict_saddle"
    assert net.classify(net.critical_point([0, 1])).kind == "global_minimum"
    assert net.classify(net.critical_point([])).kind == "non_strict_saddle"


@pytest.mark.parametrize(
    ("strands", "error", "message"),
    [
        ([(0, 3)], ValueError, "from the inputs to the outputs changes the product"),
        ([(0, 2)], ValueError, "leave a gradient between them"),
        ([(1, 2), (1, 2)], ValueError, "level 1 has only 1 residual axes"),
        ([(1, 1)], ValueError, "strands must be between 2 and 3"),
        ([(0, 4)], ValueError, "strands must be between 1 and 3"),
        ([1], TypeError, r"strands must be pairs of levels \(s, e\), got 1"),
        ([(0.5, 1)], TypeError, "strands must be an integer"),
    ],
)
def test_wrong_strands(ls, strands, error, message):
    net = ls.DeepLinear(ls.Covariances(xx=np.eye(2), xy=np.diag([3.0, 1.0]), yy=np.diag([9.0, 1.0])), (2, 2))
    with pytest.raises(error, match=message):
        net.critical_point([0], strands)


@pytest.mark.parametrize(
    ("indices", "error", "message"),
    [
        ([0, 0], ValueError, "distinct"),
        ([2], ValueError, r"below rank\(Σ\) = 2, got 2"),
        ([-1], ValueError, "at least 0"),
        ([0, 1], ValueError, "at most the smallest width = 1, got 2"),
        (1, TypeError, "sequence of integers"),
        ([0.5], TypeError, "sequence of integers"),
    ],
)
def test_wrong_indices(ls, indices, error, message):
    net = ls.DeepLinear(ls.Covariances(xx=np.eye(2), xy=np.diag([3.0, 1.0]), yy=np.diag([9.0, 1.0])), (2, 1))
    with pytest.raises(error, match=message):
        net.critical_point(indices)


@pytest.mark.parametrize("depth", [2, 3])
@pytest.mark.parametrize("style", STYLES)
def test_the_ladder_is_complete_ascending_and_of_the_kind_it_says(ls, style, depth):
    problem = draw(style, depth)
    net = net_of(ls, problem)
    rungs = list(net.iter_critical_values())
    sets = {frozenset(rung.indices) for rung in rungs}
    expected = {frozenset(s) for r in range(problem.rho + 1) for s in itertools.combinations(range(problem.rank), r)}
    assert sets == expected
    values = [rung.value for rung in rungs]
    assert (np.diff(values) >= -1e-12 * problem.scale).all()
    assert values[0] == pytest.approx(net.minimum_value)
    for rung in rungs:
        p = net.critical_point(rung.indices)
        assert net.value(p) == pytest.approx(rung.value, rel=1e-9)
        assert net.classify(p).kind == rung.kind
    assert len(net.critical_values(max_count=2)) == min(2, len(rungs))


def test_which_theorems_apply(ls, rng):
    def holds(cov, hidden):
        return {h.theorem.split(" (")[0]: h.holds for h in ls.DeepLinear(cov, hidden).hypotheses}

    generic = ls.Covariances(xx=np.eye(3), xy=np.diag([3.0, 2.0, 1.0])[:, :2], yy=np.diag([10.0, 5.0]))
    assert holds(generic, (3, 2)) == {
        "Kawaguchi": True, "Lu & Kawaguchi": True, "Laurent & von Brecht": True, "Trager, Kohn & Bruna": True,
        "Theorem C": True,
    }  # fmt: skip
    assert not holds(generic, (3, 1))["Laurent & von Brecht"]
    singular = ls.Covariances(xx=np.diag([1.0, 1, 0]), xy=np.diag([3.0, 2.0, 0])[:, :2], yy=np.diag([10.0, 5.0]))
    assert not holds(singular, (3, 2))["Lu & Kawaguchi"]
    ties = ls.Covariances(xx=np.eye(2), xy=np.eye(2), yy=2 * np.eye(2))
    assert not holds(ties, (3, 2))["Kawaguchi"]
    assert holds(ties, (3, 2))["Lu & Kawaguchi"]
    wide = ls.Covariances(xx=np.eye(2), xy=np.ones((2, 3)), yy=10 * np.eye(3))
    assert not holds(wide, (3, 2))["Kawaguchi"]
    assert "rank" in str(ls.DeepLinear(wide, (3,)).hypotheses[0])
