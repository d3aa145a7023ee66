"""The command line on deep linear networks: widths, weights, verdicts."""

import numpy as np
import pytest

from landscape_cpp import cli


def deep_net(ls, path, hidden):
    with np.load(path) as arrays:
        return ls.DeepLinear(ls.Covariances.from_data(arrays["X"], arrays["Y"]), hidden)


def weights_file(run, name, point):
    return run.archive(name, **{f"W{layer}": block for layer, block in enumerate(point, 1)})


def test_the_report_is_the_api(run, ls, pair):
    net = deep_net(ls, pair, (4, 2, 4))
    report = run.json("analyze", pair, "--hidden", "4,2,4")
    assert report["problem"]["hidden"] == [4, 2, 4]
    assert report["problem"]["n_parameters"] == net.size
    assert report["values"]["minimum"] == net.minimum_value
    rungs = net.critical_values(max_count=12)
    assert [row["value"] for row in report["critical_values"]["listed"]] == [rung.value for rung in rungs]
    assert {row["kind"] for row in report["critical_values"]["listed"]} == {str(rung.kind) for rung in rungs}
    assert report["critical_values"]["count"] == len(list(net.iter_critical_values()))
    assert [row["theorem"] for row in report["theorems"]] == [h.theorem for h in net.hypotheses]


def test_the_text(run, pair):
    out = run.ok("analyze", pair, "--hidden", "4,2,4")
    assert "minimise over W1 (4, 5), W2 (2, 4), W3 (4, 2), W4 (3, 4) the mean" in out
    assert "non-strict saddle" in out
    assert "Kawaguchi (2016)" in out


@pytest.mark.parametrize(
    ("indices", "strands", "kind", "shown"),
    [
        ([0, 1], [], "global_minimum", "GLOBAL"),
        ([0], [], "non_strict_saddle", "the curve of THEORY 3.5"),
        ([0], [(1, 3)], "strict_saddle", "loose"),
        ([1], [], "strict_saddle", "swap direction"),
    ],
)
def test_weights_at_every_kind_of_point(run, ls, pair, indices, strands, kind, shown):
    net = deep_net(ls, pair, (4, 2, 4))
    p = net.critical_point(indices, strands)
    path = weights_file(run, "w.npz", p)
    report = run.json("analyze", pair, "--weights", path)["weights"]
    assert report["kind"] == kind
    assert report["certificate"]["verdict"] == ("GLOBAL" if kind == "global_minimum" else "NOT_GLOBAL")
    if kind != "global_minimum":
        assert report["step"]["decrease"] > 0.0
        assert report["step"]["value"] == pytest.approx(net.value(net.escape(p)))
    assert shown in run.ok("analyze", pair, "--weights", path)


def test_weights_off_the_critical_points(run, ls, pair, rng):
    net = deep_net(ls, pair, (3, 3))
    path = weights_file(run, "w.npz", tuple(rng.standard_normal(shape) for shape in net.shapes))
    report = run.json("analyze", pair, "--weights", path, "--hidden", "3,3")["weights"]
    assert report["kind"] == "not_critical"
    assert report["step"]["decrease"] > 0.0


def test_pictures(run, pair, tmp_path):
    report = run.json("analyze", pair, "--hidden", "4,2,4", "--plots", tmp_path / "p")
    assert [row["file"].rsplit("/")[-1] for row in report["pictures"]] == ["ladder.png", "slice.png", "spectrum.png"]


@pytest.mark.parametrize("word", ["", "3,", "3,0", "a", "3;4", "3.5", "-3"])
def test_wrong_widths(run, pair, word):
    assert "expected widths such as 8 or 16,8,16" in run.fails("analyze", pair, f"--hidden={word}")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"W1": np.zeros((4, 5)), "W3": np.zeros((3, 4))}, "must hold U (n2, n1) and V (n0, n1), or W1"),
        ({"W1": np.zeros((4, 5)), "W2": np.zeros((2, 4)), "W3": np.zeros((4, 2))}, "W3 must be (n3, n2) = (3, 2)"),
        ({"W1": np.zeros((4, 5)), "W2": np.zeros((2, 3)), "W3": np.zeros((3, 2))}, "W2 must be (n2, n1) = (n2, 4)"),
        ({"W1": np.zeros((4, 6)), "W2": np.zeros((2, 4)), "W3": np.zeros((3, 2))}, "W1 must be (n1, n0) = (n1, 5)"),
        ({"W1": np.zeros((4, 5)), "W2": np.zeros(4), "W3": np.zeros((3, 2))}, "W2 must be (n2, n1)"),
        ({"W1": np.full((4, 5), np.nan), "W2": np.zeros((2, 4)), "W3": np.zeros((3, 2))}, "W1 contains NaN"),
    ],
)
def test_wrong_weights(run, pair, arrays, message):
    assert message in run.fails("analyze", pair, "--weights", run.archive("w.npz", **arrays))


def test_widths_that_disagree(run, ls, pair):
    path = weights_file(run, "w.npz", deep_net(ls, pair, (3, 2)).critical_point([0]))
    message = run.fails("analyze", pair, "--weights", path, "--hidden", "3,3")
    assert message == "--hidden 3,3 and w.npz disagree: its widths are 3,2"


def test_help_names_deep_networks(capsys):
    with pytest.raises(SystemExit):
        cli.main(["analyze", "--help"])
    assert "--hidden 32,8,32" in capsys.readouterr().out
