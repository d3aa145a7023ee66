"""``landscape certify`` for networks: archives, scikit-learn and torch models, what is printed, refusals."""

import json
import pickle

import numpy as np
import pandas
import pytest
from sklearn.neural_network import MLPClassifier, MLPRegressor


@pytest.fixture
def table(run, rng):
    """A table of two inputs, a number and a label, and its arrays."""
    X = rng.standard_normal((30, 2))
    y = np.sin(X[:, 0]) + 0.5 * X[:, 1] ** 2
    label = (y > np.median(y)).astype(float)
    path = run.folder / "table.csv"
    pandas.DataFrame({"a": X[:, 0], "b": X[:, 1], "y": y, "label": label}).to_csv(path, index=False)
    back = pandas.read_csv(path)
    return path, back[["a", "b"]].to_numpy(), back["y"].to_numpy(), back["label"].to_numpy()


def certify(run, *argv):
    status, out, err = run("certify", *argv, "--json", "-")
    assert err == ""
    return status, json.loads(out, parse_constant=pytest.fail)


@pytest.mark.parametrize(
    ("flags", "options"),
    [
        ((), {}),
        (("--bias",), {"bias": True}),
        (("--bias", "--intercept"), {"bias": True, "intercept": True}),
        (("--free-bias", "--intercept"), {"bias": "free", "intercept": True}),
        (("--penalized-intercept",), {"intercept": "penalized"}),
    ],
)
def test_an_archive_is_judged_as_by_the_api(run, ls, rng, table, flags, options):
    path, X, y, _ = table
    nn = ls.ParallelNetwork(X, y, 0.5, **options)
    p = tuple(0.3 * rng.standard_normal(shape) for shape in nn.shapes(3))
    expected = nn.certify(p)
    model = run.archive("uv.npz", **dict(zip(("U", "V", "b"), p, strict=False)))
    words = ("--targets", "y", "--inputs", "a,b", "--lam", "0.5", *flags)
    status, report = certify(run, model, path, *words)
    assert status == 1
    assert report["certificate"]["value"] == pytest.approx(expected.value, rel=1e-14)
    assert report["certificate"]["lower_bound"] == pytest.approx(expected.lower_bound, rel=1e-12)
    assert report["certificate"]["verdict"] == str(expected.verdict) == "NOT_GLOBAL"
    # the same weights named as torch names them
    arrays = {"W1": p[1].T if not options.get("bias") else p[1][:-1].T, "W2": p[0]}
    arrays |= {"b1": p[1][-1]} if options.get("bias") else {}
    arrays |= {"b2": p[2]} if options.get("intercept") else {}
    other = certify(run, run.archive("w.npz", **arrays), path, *words)[1]
    assert other["certificate"] == report["certificate"]


def test_zero_is_global_above_lambda_max(run, ls, table):
    path, X, y, _ = table
    lam = 1.01 * ls.ParallelNetwork(X, y, 1.0).lambda_max
    model = run.archive("zero.npz", U=np.zeros((1, 0)), V=np.zeros((2, 0)))
    status, out, err = run("certify", model, path, "--targets", "y", "--inputs", "a,b", "--lam", lam)
    assert (status, err) == (0, "")
    assert "GLOBAL" in out
    assert "Your network is within" in out


def test_the_neuron_is_written_and_lowers_the_objective(run, ls, table):
    path, X, y, _ = table
    model = run.archive("zero.npz", U=np.zeros((1, 0)), V=np.zeros((2, 0)))
    witness, proof = run.folder / "neuron.npz", run.folder / "c.json"
    status, out, _ = run(
        "certify", model, path, "--targets", "y", "--inputs", "a,b", "--lam", "0.5", "--witness", witness,
        "--certificate", proof,
    )  # fmt: skip
    assert status == 1
    assert "This neuron lowers the objective by" in out
    with np.load(witness) as arrays:
        unit = arrays["U"], arrays["V"]
    nn = ls.ParallelNetwork(X, y, 0.5)
    zero = np.zeros((1, 0)), np.zeros((2, 0))
    assert nn.value(unit) < nn.value(zero)
    assert ls.verify(ls.load(proof), nn, zero)


@pytest.mark.parametrize("kind", [MLPRegressor, MLPClassifier])
def test_a_model_of_scikit_learn(run, ls, table, kind):
    path, X, y, label = table
    target, values = ("y", y) if kind is MLPRegressor else ("label", label)
    fitted = kind(hidden_layer_sizes=(4,), alpha=0.3, max_iter=20_000, solver="lbfgs", random_state=0).fit(X, values)
    model = run.file("model.pkl", pickle.dumps(fitted))
    words = (model, path, "--targets", target, "--inputs", "a,b")
    assert "--trust" in run.fails("certify", *words)
    _, report = certify(run, *words, "--trust")
    land, p = ls.from_sklearn(fitted, X, values)
    assert report["certificate"]["value"] == pytest.approx(land.certify(p).value, rel=1e-14)
    assert report["problem"]["bias"] == "free"
    assert "--lam is not for" in run.fails("certify", *words, "--trust", "--lam", "1")


def test_a_torch_state_dict(run, ls, table):
    torch = pytest.importorskip("torch")
    path, X, y, _ = table
    net = torch.nn.Sequential(torch.nn.Linear(2, 5), torch.nn.ReLU(), torch.nn.Linear(5, 1)).double()
    torch.save(net.state_dict(), run.folder / "net.pt")
    words = (run.folder / "net.pt", path, "--targets", "y", "--inputs", "a,b", "--weight-decay", "0.01", "--trust")
    _, report = certify(run, *words)
    land, p = ls.from_torch(net, X, y, weight_decay=0.01)
    assert report["certificate"]["value"] == pytest.approx(land.value(p), rel=1e-13)
    assert "--weight-decay" in run.fails("certify", *words[:-3], "--trust")


@pytest.mark.parametrize(
    ("arrays", "words", "message"),
    [
        ({"U": (1, 3), "V": (2, 3)}, (), "--lam is needed"),
        ({"U": (1, 3), "V": (3, 3)}, ("--lam", "1"), "V has a row of biases"),
        ({"U": (1, 3), "V": (2, 3), "b": (1,)}, ("--lam", "1"), "an output bias and --intercept"),
        ({"U": (1, 3), "V": (2, 2)}, ("--lam", "1"), "V"),
        ({"W1": (3, 2), "W2": (1, 3), "b1": (3,)}, ("--lam", "1"), "b1 and --bias"),
        ({"A": (1, 3)}, ("--lam", "1"), "it must hold U, V"),
        ({"U": (1, 3), "V": (2, 3)}, ("--lam", "1", "--weight-decay", "1"), "--weight-decay is not for an .npz"),
        ({"U": (1, 3), "V": (2, 3)}, ("--lam", "1", "--delta", "1"), "--delta is for --loss huber"),
        ({"U": (1, 3), "V": (2, 3)}, ("--lam", "1", "--loss", "logistic"), "two classes"),
        ({"U": (1, 3), "V": (2, 3)}, ("--lam", "1", "--witness", "nowhere/w.npz"), "no such folder"),
    ],
)
def test_refused(run, table, arrays, words, message):
    model = run.archive("m.npz", **{name: np.ones(shape) for name, shape in arrays.items()})
    assert message in run.fails("certify", model, table[0], "--targets", "y", "--inputs", "a,b", *words)


def test_a_file_that_is_no_model(run, table):
    assert "cannot be read" in run.fails(
        "certify", run.file("m.pkl", b"nonsense"), table[0], "--targets", "y", "--trust"
    )


def test_factors_still_need_lam(run, table):
    model = run.archive("m.npz", U=np.ones((1, 1)), V=np.ones((1, 1)))
    assert "--lam" in run.fails("certify", model, table[0])
    assert "needs --targets" in run.fails("certify", model, table[0], "--lam", "1", "--loss", "softmax")
