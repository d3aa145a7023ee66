"""Experiments: the escape race against runs by hand, the share of starts by width, ``landscape race``, the pictures."""

import itertools
import json
import pickle

import numpy as np
import pytest

matplotlib = pytest.importorskip("matplotlib")


@pytest.fixture
def net(ls):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((100, 6))
    Y = X @ rng.standard_normal((6, 4)) / 2 + 0.3 * rng.standard_normal((100, 4))
    return ls.ShallowLinear(ls.Covariances.from_data(X, Y), 2)


@pytest.fixture
def waves(ls):
    rng = np.random.default_rng(0)
    Z = rng.standard_normal((40, 2))
    return ls.ParallelNetwork(Z, np.sin(2.0 * Z[:, 0]), 0.5, bias=True)


@pytest.fixture
def axes():
    from matplotlib.figure import Figure

    return lambda: Figure().subplots()


def test_the_saddles_are_all_critical_subspaces_but_the_minimum(ls, net):
    saddles = ls.experiments.saddles_of(net)
    assert len(saddles) == 5  # C(4, 2) - 1
    values = [float(net.value(p)) for p in saddles]
    assert values == sorted(values)
    assert {str(net.classify(p).kind) for p in saddles} == {"strict_saddle"}
    assert len(ls.experiments.saddles_of(net, 2)) == 2


def test_race_counts_what_training_does(ls, net):
    race = ls.experiments.escape_race(
        net, methods=["gd", "trust_region"], distances=(1e-9, 1e-2), seeds=3, steps=3000, seed=5
    )
    assert [(entry.method, entry.distance) for entry in race.entries] == list(
        itertools.product(("gd", "trust_region"), (1e-9, 1e-2))
    )
    batch = tuple(np.stack(blocks) for blocks in zip(*ls.experiments.saddles_of(net), strict=True))
    for entry in race.entries:
        starts = ls.train(net, 3, around=batch, distance=entry.distance, steps=0, seed=5).points
        result = ls.train(net, starts, method=entry.method, steps=3000, seed=5)
        won = result.gaps <= 1e-6 * net.cov.total
        assert (entry.runs, entry.successes) == (15, int(won.sum()))
        claims = [reason == "converged" for reason in result.stop_reasons]
        assert entry.claims == int((np.array(claims) & ~won).sum())
        if won.any():
            assert entry.gradients == np.median(result.n_gradients[won])
            assert entry.products == np.median(result.n_products[won])
        assert entry.rate == entry.successes / 15
    near = {entry.method: entry for entry in race.entries if entry.distance == 1e-9}
    assert near["trust_region"].rate == 1.0
    assert near["gd"].rate == 0.0  # the gradient is below the tolerance: it stays and says converged
    assert near["gd"].claims == 15
    assert len(race.to_dataframe()) == 4
    assert "trust_region" in str(race)
    assert str(pickle.loads(pickle.dumps(race))) == str(race)


def test_all_methods_and_scipy(ls, net):
    race = ls.experiments.escape_race(net, distances=(1e-2,), seeds=1, steps=2000)
    rates = {entry.method: entry.rate for entry in race.entries}
    assert len(rates) == 11
    for method in ("gd", "lbfgs", "perturbed_gd", "newton_cg", "trust_region", "escape"):
        assert rates[method] == 1.0
    peers = [f"scipy {name}" for name in ("trust-krylov", "Newton-CG", "L-BFGS-B")]
    race = ls.experiments.escape_race(net, methods=peers, distances=(1e-2,), seeds=1, steps=500)
    assert [entry.method for entry in race.entries] == peers
    assert all(entry.gradients > 0 for entry in race.entries if entry.successes)


def test_the_origin_where_there_are_no_saddles(ls):
    deep = ls.DeepLinear(ls.Covariances(xx=np.eye(2), xy=np.diag([2.0, 1.0]), yy=np.diag([4.0, 1.0])), (2, 2))
    race = ls.experiments.escape_race(deep, methods=["gd", "escape"], distances=(1e-12,), seeds=4)
    assert race.n_saddles == 1
    assert [entry.rate for entry in race.entries] == [0.0, 1.0]


def test_width_share(ls, waves):
    solution = waves.solve(1e-6)
    found = ls.experiments.width_share(waves, [1, 30], 12, tol=1e-2, solution=solution, steps=500)
    assert found.gaps.shape == (2, 12)
    np.testing.assert_allclose(found.share, (found.gaps <= 1e-2).mean(axis=1))
    assert found.share[0] < found.share[1]
    assert (found.gaps >= -1e-12).all()
    values = ls.train(waves, 12, method="lbfgs", width=30, steps=500).values
    np.testing.assert_allclose(found.gaps[1], (values - solution.certificate.lower_bound) / values)
    assert "width" in str(found)


@pytest.mark.parametrize(
    ("error", "message", "settings"),
    [
        (TypeError, "net must be a linear network", {"net": 3}),
        (ValueError, "methods must be one of", {"methods": ["sgd"]}),
        (ValueError, "distances must be a positive", {"distances": [0.0]}),
        (ValueError, "seeds must be", {"seeds": 0}),
        (ValueError, "tol must be a positive", {"tol": -1.0}),
    ],
)
def test_bad_input(ls, net, error, message, settings):
    arguments = {"net": net} | settings
    with pytest.raises(error, match=message):
        ls.experiments.escape_race(arguments.pop("net"), **arguments)
    with pytest.raises(TypeError, match="nn must be a ParallelNetwork"):
        ls.experiments.width_share(net, [2])


# --- the command ------------------------------------------------------------------------------------------------------


def test_landscape_race(run, rng):
    X = rng.standard_normal((80, 5))
    Y = X @ rng.standard_normal((5, 3))
    path = run.folder / "data.npz"
    np.savez(path, X=X, Y=Y)
    words = ("--hidden", "2", "--methods", "gd,trust_region,scipy-L-BFGS-B", "--distances", "1e-6,1e-2", "--seeds", "2")
    status, out, err = run("race", path, *words)
    assert (status, err) == (0, "")
    assert "2 saddles" in out
    assert "scipy L-BFGS-B" in out
    status, out, err = run("race", path, *words, "--json", "-")
    report = json.loads(out, parse_constant=pytest.fail)
    assert len(report["entries"]) == 6
    assert {entry["rate"] for entry in report["entries"] if entry["method"] == "trust_region"} == {1.0}
    status, out, err = run("race", path, "--hidden", "2,2", "--origin", "--methods", "escape", "--seeds", "1")
    assert (status, err) == (0, "")
    assert "1 saddle, " in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--hidden", "2", "--methods", "sgd"), "unknown method 'sgd'"),
        (("--hidden", "9",), "no saddle of full rank"),
        (("--hidden", "2", "--distances", "0"), "expected a positive number"),
        ((), "--hidden"),
    ],
)  # fmt: skip
def test_landscape_race_refuses(run, rng, words, message):
    path = run.folder / "data.npz"
    X = rng.standard_normal((30, 4))
    np.savez(path, X=X, Y=X[:, :2])
    status, out, err = run("race", path, *words)
    assert (status, out) == (2, "")
    assert message in err


# --- pictures ---------------------------------------------------------------------------------------------------------


def test_pictures(ls, net, waves, axes):
    from landscape_cpp import plotting

    result = ls.train(net, 6, steps=30, record=3, observe=("points",))
    _, ax = plotting.plot_fan({"one": result, "two": result}, ax=axes())
    assert ax.get_yscale() == "log"
    line = ax.get_lines()[0].get_ydata()
    np.testing.assert_allclose(line, np.median(result.trace.values - net.minimum_value, axis=0))
    _, ax = plotting.plot_ends(result, max_count=5, ax=axes())
    marks = np.vstack([collection.get_offsets() for collection in ax.collections])
    np.testing.assert_allclose(np.sort(marks[:, 1]), np.sort(result.values))
    _, ax = plotting.plot_trajectories(result, most=4, ax=axes())
    assert len(ax.get_lines()) == 4
    names = {"a": net.global_minimum(), "b": net.critical_point((0, 2)), "c": net.critical_point((1, 2))}
    _, ax = plotting.plot_trajectories(result, names, ax=axes())
    assert "squared length" in ax.get_title()
    _, ax = plotting.plot_trajectories(result, names | {"d": net.critical_point((0, 3))}, ax=axes())
    assert "d" in ax.get_legend_handles_labels()[1]
    with pytest.raises(ValueError, match="at least three"):
        plotting.plot_trajectories(result, {"a": names["a"]})
    with pytest.raises(ValueError, match="must not lie on a line"):
        plotting.plot_trajectories(result, {"a": names["a"], "b": names["b"], "c": names["b"]})
    density = ls.curvature.spectral_density(net, names["b"])
    _, ax = plotting.plot_density({"b": density}, ax=axes())
    np.testing.assert_allclose(ax.get_lines()[0].get_xdata(), density.grid)
    race = ls.experiments.escape_race(net, methods=["gd"], distances=(1e-3, 1e-2), seeds=1, steps=100)
    _, ax = plotting.plot_race(race, ax=axes())
    assert [label.get_text() for label in ax.get_yticklabels()] == ["gd"]
    relu = ls.train(waves, 3, width=2, steps=10, record=2, observe=("points",))
    plotting.plot_fan(relu, ax=axes())
    plotting.plot_trajectories(relu, ax=axes())
    with pytest.raises(TypeError, match="linear network"):
        plotting.plot_ends(relu)
    with pytest.raises(ValueError, match="points recorded"):
        plotting.plot_trajectories(ls.train(net, 2, steps=1))
    for function in (plotting.plot_fan, plotting.plot_ends, plotting.plot_trajectories):
        with pytest.raises(TypeError, match="must be a TrainingResult"):
            function("result")
    with pytest.raises(TypeError, match="SpectralDensity"):
        plotting.plot_density("density")
    with pytest.raises(TypeError, match="must be a Race"):
        plotting.plot_race("race")
