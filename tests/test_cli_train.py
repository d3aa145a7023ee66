"""``landscape train``: the optimum as by the API, files that ``landscape certify`` reads, refusals."""

import json

import numpy as np
import pandas
import pytest


@pytest.fixture
def table(run, rng):
    """A table of two inputs, a number and a label, and its arrays."""
    X = rng.standard_normal((40, 2))
    y = np.sin(X[:, 0]) + 0.5 * X[:, 1] ** 2
    path = run.folder / "table.csv"
    frame = pandas.DataFrame({"a": X[:, 0], "b": X[:, 1], "y": y, "label": (y > np.median(y)).astype(float)})
    frame.to_csv(path, index=False)
    return path, pandas.read_csv(path)


def test_trains_to_the_optimum_and_certifies(run, ls, table):
    path, frame = table
    words = ("--targets", "y", "--inputs", "a,b", "--lam", "0.3")
    weights, certificate, pictures = run.folder / "w.npz", run.folder / "c.json", run.folder / "pictures"
    status, out, err = run("train", path, *words, "--tol", "1e-6", "--weights", weights, "--certificate", certificate,
                           "--plots", pictures, "--json", "-")  # fmt: skip
    assert (status, err) == (0, "")
    report = json.loads(out, parse_constant=pytest.fail)
    land = ls.ParallelNetwork(frame[["a", "b"]].to_numpy(), frame["y"].to_numpy(), 0.3, bias=True, intercept=True)
    assert report["solution"]["value"] == pytest.approx(land.solve(1e-7).value, rel=1e-6)
    assert report["certificate"]["relative_gap"] <= 1e-6
    assert {picture.name for picture in pictures.iterdir()} == {"gap.png", "prediction.png"}
    with np.load(weights) as arrays:
        point = tuple(arrays[name] for name in ("U", "V", "b"))
    assert ls.verify(ls.Certificate.from_json(certificate.read_text()), land, point)
    status, out, _ = run("certify", weights, path, *words, "--bias", "--intercept", "--tol", "1e-5")
    assert status == 0
    assert "within" in out


@pytest.mark.parametrize("loss", ["logistic", "softmax", "squared_hinge"])
def test_labels(run, table, loss):
    path, _ = table
    status, out, err = run("train", path, "--target", "label", "--inputs", "a,b", "--lam", "0.05", "--loss", loss)
    assert (status, err) == (0, "")
    assert "% of the samples right" in out
    assert "No network of any width is better" in out


def test_says_when_the_gap_is_not_proved(run, table):
    path, _ = table
    words = ("--targets", "y", "--inputs", "a,b", "--lam", "0.01", "--width-max", "2", "--no-bias", "--no-intercept")
    status, out, err = run("train", path, *words)
    assert (status, err) == (1, "")
    assert "2 units" in out
    assert "width_limit" in out
    assert "A better one is not excluded" in out


@pytest.mark.parametrize(
    ("words", "fragment"),
    [
        (("--targets", "nothing", "--lam", "1"), "nothing"),
        (("--targets", "y"), "--lam"),
        (("--lam", "1"), "--targets"),
        (("--targets", "y", "--lam", "-1"), "--lam"),
        (("--targets", "y", "--lam", "1", "--delta", "2"), "--delta"),
        (("--targets", "y", "--lam", "1", "--loss", "logistic"), "Y must"),
        (("--targets", "y", "--lam", "1", "--weights", "/nowhere/w.npz"), "cannot write"),
    ],
)
def test_refusals(run, table, words, fragment):
    status, _, err = run("train", table[0], *words)
    assert status == 2
    assert fragment in err
