"""Networks trained elsewhere: our value times the stated factor is their objective, and so are the gradients."""

import inspect
import subprocess
import sys
import warnings

import numpy as np
import pytest

from landscape_cpp._network_interop import from_sklearn, from_torch
from landscape_cpp._network_problem import NetworkProblem
from landscape_cpp.homogeneous import ParallelNetwork

M, INPUTS, WIDTH = 12, 3, 4
DECAY = 0.03


def value(land, p):
    return NetworkProblem(land).value(p)[0]


def gradients(land, p):
    loss, decay = NetworkProblem(land).gradient(p)
    return [first + second for first, second in zip(loss, decay, strict=True)]


@pytest.fixture
def data():
    rng = np.random.default_rng(11)
    return rng.standard_normal((M, INPUTS)) + 0.3, rng.standard_normal((M, 3))


def test_importing_needs_neither():
    code = "import landscape_cpp._network_interop, sys; print(sorted({'torch', 'sklearn'} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


# -------------------------------------------------------------------------------------------------------------- torch


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


def network(torch, outputs, *, activation=None, hidden_bias=True, output_bias=True, dtype=None):
    torch.manual_seed(5)
    dtype = torch.float64 if dtype is None else dtype
    return torch.nn.Sequential(
        torch.nn.Linear(INPUTS, WIDTH, bias=hidden_bias, dtype=dtype),
        torch.nn.ReLU() if activation is None else activation,
        torch.nn.Linear(WIDTH, outputs, bias=output_bias, dtype=dtype),
    )


def objective(torch, net, criterion, x, y, decay_bias=(True, True)):
    """loss + w/2 |decayed parameters|², with the reductions of the loss."""
    biases = [net[0].bias, net[2].bias]
    decayed = [net[0].weight, net[2].weight]
    decayed += [bias for bias, on in zip(biases, decay_bias, strict=True) if on and bias is not None]
    return criterion(net(x), y) + 0.5 * DECAY * sum((parameter**2).sum() for parameter in decayed)


def same_objective(torch, net, X, Y, criterion, factor, *, torch_Y=None, decay_bias=(True, True), **options):
    """Their objective and its gradient are the factor times ours."""
    land, p = from_torch(net, X, Y, weight_decay=DECAY, decay_bias=decay_bias, **options)
    y = torch.tensor(Y if torch_Y is None else torch_Y)
    total = objective(torch, net, criterion, torch.tensor(X), y, decay_bias)
    assert total.item() == pytest.approx(factor * value(land, p), rel=1e-12)
    assert land.lam == pytest.approx(DECAY / factor, rel=1e-15)
    net.zero_grad()
    total.backward()
    V = net[0].weight.grad.numpy().T
    V = V if net[0].bias is None else np.vstack([V, net[0].bias.grad.numpy()])
    theirs = [net[2].weight.grad.numpy(), V]
    theirs += [] if net[2].bias is None else [net[2].bias.grad.numpy()]
    for ours, other in zip(gradients(land, p), theirs, strict=True):
        np.testing.assert_allclose(factor * ours, other, rtol=1e-11, atol=1e-13)
    return land, p


def entries(outputs):
    return M * outputs


# loss, how it is made, factor with the mean, factor with the sum
REGRESSION = {
    "mse": (lambda nn, r: nn.MSELoss(reduction=r), "squared", {}, 2.0 / entries(3), 2.0),
    "huber": (lambda nn, r: nn.HuberLoss(r, 0.4), "huber", {"delta": 0.4}, 1.0 / entries(3), 1.0),
    "smooth l1": (lambda nn, r: nn.SmoothL1Loss(reduction=r, beta=0.25), None, {}, 4.0 / entries(3), 4.0),
}


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("case", REGRESSION.values(), ids=REGRESSION)
def test_regression_losses(torch, data, case, reduction):
    make, name, options, mean, total = case
    factor = mean if reduction == "mean" else total
    criterion = make(torch.nn, reduction)
    net = network(torch, 3)
    land, _ = same_objective(torch, net, *data, criterion, factor, loss=criterion)
    assert land.loss.name == (name or "huber")
    if name is not None:
        same_objective(torch, net, *data, criterion, factor, loss=name, reduction=reduction, **options)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_binary_cross_entropy(torch, data, reduction):
    X, Y = data
    labels = (Y > 0.0).astype(float)
    criterion = torch.nn.BCEWithLogitsLoss(reduction=reduction)
    factor = 1.0 / entries(3) if reduction == "mean" else 1.0
    net = network(torch, 3)
    same_objective(torch, net, X, labels, criterion, factor, loss=criterion)
    same_objective(torch, net, X, labels, criterion, factor, loss="logistic", reduction=reduction)
    signs = 2.0 * labels - 1.0
    same_objective(torch, net, X, signs, criterion, factor, torch_Y=labels, loss="logistic", reduction=reduction)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("rows", [False, True])
def test_cross_entropy(torch, data, reduction, rows):
    X, Y = data
    labels = np.argmax(Y, axis=1) if not rows else np.exp(Y) / np.exp(Y).sum(axis=1, keepdims=True)
    criterion = torch.nn.CrossEntropyLoss(reduction=reduction)
    factor = 1.0 / M if reduction == "mean" else 1.0
    same_objective(torch, network(torch, 3), X, labels, criterion, factor, loss=criterion)


def test_a_class_that_does_not_occur_keeps_its_output(torch, data):
    X, _ = data
    criterion = torch.nn.CrossEntropyLoss()
    labels = np.arange(M) % 2
    land, _ = same_objective(torch, network(torch, 3), X, labels, criterion, 1.0 / M, loss=criterion)
    assert land.n_outputs == 3


BIASES = [
    (h, o, d) for h in (False, True) for o in (False, True) for d in ((True, True), (False, False), (True, False))
]


@pytest.mark.parametrize(("hidden", "output", "decay"), BIASES)
def test_biases(torch, data, hidden, output, decay):
    X, Y = data
    net = network(torch, 3, hidden_bias=hidden, output_bias=output)
    criterion = torch.nn.MSELoss()
    if hidden and not output and not decay[0]:
        with pytest.raises(ValueError, match=r"an output with no bias.*Give the last Linear a bias without decay"):
            from_torch(net, X, Y, weight_decay=DECAY, decay_bias=decay)
        return
    land, p = same_objective(torch, net, X, Y, criterion, 2.0 / entries(3), decay_bias=decay)
    assert land.bias == ((True if decay[0] else "free") if hidden else False)
    assert land.intercept == (("penalized" if decay[1] else True) if output else False)
    assert [block.shape for block in p] == list(land.shapes(WIDTH))


def test_free_hidden_biases_with_a_decayed_output_bias_are_refused(torch, data):
    with pytest.raises(ValueError, match="an output with a bias with weight decay"):
        from_torch(network(torch, 3), *data, weight_decay=DECAY, decay_bias=(False, True))


@pytest.mark.parametrize("unit", ["leaky", "abs", "identity"])
def test_units(torch, data, unit):
    kinds = {"leaky": torch.nn.LeakyReLU(0.2), "abs": torch.nn.LeakyReLU(-1.0), "identity": torch.nn.Identity()}
    net = network(torch, 3, activation=kinds[unit])
    land, _ = same_objective(torch, net, *data, torch.nn.MSELoss(), 2.0 / entries(3))
    assert (land.unit.name, land.unit.slope) == {
        "leaky": ("leaky_relu", 0.2),
        "abs": ("leaky_relu", -1.0),
        "identity": ("linear", 1.0),
    }[unit]


def test_no_activation_is_the_identity(torch, data):
    net = network(torch, 3, activation=torch.nn.Identity())
    short = torch.nn.Sequential(net[0], net[2])
    assert from_torch(short, *data, weight_decay=DECAY)[0].unit.name == "linear"


def test_float32_nested_flatten_and_one_output(torch, data):
    X, Y = data
    inner = network(torch, 1, dtype=torch.float32)
    net = torch.nn.Sequential(torch.nn.Flatten(), inner)
    land, p = from_torch(net, torch.tensor(X), torch.tensor(Y[:, 0]), weight_decay=DECAY)
    assert all(block.dtype == np.float64 for block in p)
    total = objective(torch, inner.double(), torch.nn.MSELoss(), torch.tensor(X), torch.tensor(Y[:, :1])).item()
    assert total == pytest.approx(2.0 / M * value(land, p), rel=1e-12)


def test_the_point_is_a_copy(torch, data):
    net = network(torch, 3)
    _, p = from_torch(net, *data, weight_decay=DECAY)
    before = [block.copy() for block in p]
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.zero_()
    for block, old in zip(p, before, strict=True):
        np.testing.assert_array_equal(block, old)


def test_a_step_of_sgd_with_weight_decay_is_along_our_gradient(torch, data):
    net = network(torch, 3)
    land, p = from_torch(net, *data, weight_decay=DECAY)
    method = torch.optim.SGD(net.parameters(), lr=0.1, weight_decay=DECAY)
    torch.nn.functional.mse_loss(net(torch.tensor(data[0])), torch.tensor(data[1])).backward()
    method.step()
    _, after = from_torch(net, *data, weight_decay=DECAY)
    for old, new, gradient in zip(p, after, gradients(land, p), strict=True):
        np.testing.assert_allclose(new - old, -0.1 * 2.0 / entries(3) * gradient, rtol=1e-9, atol=1e-14)


def silly(nn):
    def net(*layers):
        return nn.Sequential(*layers)

    first, last = nn.Linear(INPUTS, WIDTH), nn.Linear(WIDTH, 3)
    good = net(first, nn.ReLU(), last)
    deep = net(first, nn.ReLU(), nn.Linear(WIDTH, WIDTH), nn.ReLU(), last)
    normed = net(nn.utils.parametrizations.weight_norm(nn.Linear(INPUTS, WIDTH)), nn.ReLU(), last)
    integers = np.arange(M) % 3
    return [
        (first, {}, TypeError, "module must be a torch.nn.Sequential"),
        (deep, {}, ValueError, "has degree 2 and the network degree 3.*depth=3, hidden=\\(4, 4\\)"),
        (net(first), {}, ValueError, "two Linear layers, got 1"),
        (net(first, nn.ReLU(), last, nn.Softmax(dim=1)), {}, TypeError, "CrossEntropyLoss contains it"),
        (net(first, nn.ReLU(), last, nn.LogSoftmax(dim=1)), {}, TypeError, "CrossEntropyLoss contains it"),
        (net(first, nn.ReLU(), last, nn.Flatten(0)), {}, TypeError, "layer '3' of module.*flatten X"),
        (net(first, nn.Sigmoid(), last), {}, TypeError, "not positively homogeneous"),
        (net(first, nn.Tanh(), last), {}, TypeError, "only Linear, ReLU, LeakyReLU and Identity"),
        (net(first, nn.PReLU(), last), {}, TypeError, "its slope is trained"),
        (net(first, nn.ReLU(), nn.Dropout(), last), {}, TypeError, "minimises another objective"),
        (net(first, nn.BatchNorm1d(WIDTH), nn.ReLU(), last), {}, TypeError, "only Linear"),
        (net(first, nn.LeakyReLU(2.0), last), {}, ValueError, "negative_slope between -1 and 1"),
        (net(first, nn.ReLU(), last, nn.ReLU()), {}, ValueError, "must end with a Linear"),
        (net(nn.ReLU(), first, last), {}, ValueError, "must follow a Linear"),
        (net(first, nn.ReLU(), nn.ReLU(), last), {}, ValueError, "one activation after each"),
        (net(first, nn.ReLU(), nn.Linear(5, 3)), {}, ValueError, "takes 5 inputs"),
        (net(nn.LazyLinear(WIDTH), nn.ReLU(), last), {}, ValueError, "call the module once"),
        (normed, {}, TypeError, "computed from other parameters"),
        (
            net(first, nn.ReLU(), nn.Linear(WIDTH, 3, dtype=nn.Linear(1, 1).weight.cfloat().dtype)),
            {},
            TypeError,
            "real",
        ),
        (net(first, nn.ReLU(), nn.Linear(WIDTH, 3, device="meta")), {}, ValueError, "meta device"),
        (good, {"weight_decay": 0.0}, ValueError, "weight_decay must be a positive"),
        (good, {"weight_decay": None}, TypeError, "weight_decay must be a real number"),
        (good, {"loss": nn.L1Loss()}, TypeError, "not differentiable"),
        (good, {"loss": nn.SmoothL1Loss(beta=0.0)}, ValueError, "beta > 0"),
        (good, {"loss": nn.MSELoss}, TypeError, "loss must be one of"),
        (good, {"loss": "mse"}, ValueError, "loss must be one of"),
        (good, {"loss": nn.MSELoss(reduction="none")}, ValueError, "reduction"),
        (good, {"loss": nn.MSELoss(), "reduction": "sum"}, ValueError, "that of the loss, 'mean'"),
        (good, {"reduction": "batch"}, ValueError, "reduction must be one of"),
        (good, {"loss": nn.HuberLoss(), "delta": 2.0}, ValueError, "has its own"),
        (good, {"delta": 2.0}, ValueError, "delta is for the Huber loss"),
        (good, {"loss": nn.CrossEntropyLoss(label_smoothing=0.1), "Y": integers}, ValueError, "label_smoothing"),
        (good, {"loss": nn.CrossEntropyLoss(weight=last.bias.detach()), "Y": integers}, ValueError, "no weight"),
        (good, {"loss": nn.BCEWithLogitsLoss(pos_weight=last.bias.detach())}, ValueError, "no pos_weight"),
        (good, {"loss": nn.BCEWithLogitsLoss()}, ValueError, "Y must hold the labels 0 and 1 for the logistic"),
        (good, {"loss": nn.BCEWithLogitsLoss(), "Y": -np.ones((M, 3))}, ValueError, "labels 0 and 1 for"),
        (good, {"loss": nn.CrossEntropyLoss(), "Y": integers + 1}, ValueError, "between 0 and 2"),
        (good, {"loss": nn.CrossEntropyLoss(), "Y": integers * 1.0}, TypeError, "must hold integers"),
        (good, {"Y": np.ones((M, 2))}, ValueError, "Y must be \\(m, nL\\) = \\(m, 3\\)"),
        (good, {"X": np.ones((M, 2))}, ValueError, "X must be \\(m, n0\\) = \\(m, 3\\)"),
        (good, {"X": np.ones((M + 1, INPUTS))}, ValueError, "Y must be"),
        (good, {"X": np.zeros((0, INPUTS)), "Y": np.zeros((0, 3))}, ValueError, "at least one row"),
        (good, {"decay_bias": None}, TypeError, "decay_bias must be True or False"),
        (good, {"decay_bias": (True,)}, ValueError, "a pair \\(hidden, output\\)"),
    ]


def test_what_is_refused(torch, data):
    X, Y = data
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # lazy modules warn that they may change
        cases = silly(torch.nn)
    for net, options, error, message in cases:
        arguments = {"X": X, "Y": Y, "weight_decay": DECAY, **options}
        with pytest.raises(error, match=message):
            from_torch(net, **arguments)


def test_nan_weights_are_refused(torch, data):
    net = network(torch, 3)
    with torch.no_grad():
        net[0].bias[1] = float("nan")
    with pytest.raises(ValueError, match="module\\[1\\] \\(V\\) contains NaN"):
        from_torch(net, *data, weight_decay=DECAY)


# ------------------------------------------------------------------------------------------------------- scikit-learn


@pytest.fixture
def sk():
    return pytest.importorskip("sklearn.neural_network")


def fitted(model, X, y):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # far from converged, on purpose
        return model.fit(X, y)


def step(model, X, targets):
    """scikit-learn's own loss and gradient at its weights, full batch: (loss, coefs, intercepts)."""
    activations = [X, *(np.empty((len(X), n)) for n in (len(b) for b in model.intercepts_))]
    count = len(model.coefs_)
    empty = [[np.empty(0)] * count for _ in range(3)]
    weights = [None] if "sample_weight" in inspect.signature(model._backprop).parameters else []
    return model._backprop(X, targets, *weights, activations, *empty)


def same_gradient(model, land, p, X, targets, scale=1.0):
    """The step of scikit-learn is along our gradient / m; ``scale`` is our λ over its α, as of its batches."""
    alpha = model.alpha
    model.alpha = scale * alpha
    loss, coefs, intercepts = step(model, X, targets)
    model.alpha = alpha
    theirs = [coefs[1].T, np.vstack([coefs[0], intercepts[0]]), intercepts[1]]
    for ours, other in zip(gradients(land, p), theirs, strict=True):
        np.testing.assert_allclose(ours / len(X), other, rtol=1e-9, atol=1e-12)
    return loss


@pytest.mark.parametrize("activation", ["relu", "identity"])
@pytest.mark.parametrize("outputs", [1, 3])
def test_regressor(sk, data, activation, outputs):
    X, Y = data
    y = Y[:, 0] if outputs == 1 else Y
    model = fitted(
        sk.MLPRegressor(
            hidden_layer_sizes=(WIDTH,), activation=activation, solver="lbfgs", alpha=0.7, max_iter=7, random_state=0
        ),
        X,
        y,
    )
    land, p = from_sklearn(model, X, y)
    assert (land.bias, land.intercept, land.lam) == ("free", True, 0.7)
    loss = same_gradient(model, land, p, X, Y[:, :outputs])
    z = np.maximum(X @ p[1][:-1] + p[1][-1], 0.0 if activation == "relu" else -np.inf) @ p[0].T + p[2]
    np.testing.assert_allclose(z.reshape(y.shape), model.predict(X), rtol=1e-12)
    # Its reported loss averages the outputs; with one output it is ours / m.
    penalty = 0.35 * (np.sum(p[0] ** 2) + np.sum(p[1][:-1] ** 2))
    assert M * loss == pytest.approx((value(land, p) - penalty) / outputs + penalty, rel=1e-12)


LABELS = {
    "two classes": (np.where(np.arange(M) % 3 == 0, "b", "a"), "logistic"),
    "numbers": (np.where(np.arange(M) % 3 == 0, 7, -2), "logistic"),
    "column": (np.where(np.arange(M) % 3 == 0, 7, -2)[:, None], "logistic"),
    "three classes": (np.array(["red", "blue", "green"])[np.arange(M) % 3], "softmax"),
    "objects": (np.array(["red", "blue", "green"], dtype=object)[np.arange(M) % 3], "softmax"),
    "multilabel": (np.array([[i % 2, i % 3 == 0, i < 5] for i in range(M)]).astype(int), "logistic"),
}


@pytest.mark.parametrize(("y", "loss"), LABELS.values(), ids=LABELS)
def test_classifier(sk, data, y, loss):
    X, _ = data
    model = fitted(
        sk.MLPClassifier(hidden_layer_sizes=(WIDTH,), solver="lbfgs", alpha=0.2, max_iter=6, random_state=0), X, y
    )
    land, p = from_sklearn(model, X, y)
    assert land.loss.name == loss
    if y.ndim == 1:
        np.testing.assert_array_equal(land.classes, model.classes_)
    targets = model._label_binarizer.transform(y if y.shape[1:] != (1,) else y[:, 0]).astype(float)
    assert M * same_gradient(model, land, p, X, targets) == pytest.approx(value(land, p), rel=1e-9)


def test_a_class_that_is_not_in_y_keeps_its_output(sk, data):
    X, _ = data
    model = sk.MLPClassifier(hidden_layer_sizes=(WIDTH,), random_state=0)
    y = np.array([0, 2])[np.arange(M) % 2]
    model.partial_fit(X, y, classes=[0, 1, 2])
    land, p = from_sklearn(model, X, y, lam=model.alpha)
    assert (land.n_outputs, land.classes) == (3, None)
    same_gradient(model, land, p, X, np.eye(3)[y])


def test_one_class_of_two(sk, data):
    X, _ = data
    model = sk.MLPClassifier(hidden_layer_sizes=(WIDTH,), random_state=0)
    model.partial_fit(X, np.arange(M) % 2, classes=[0, 1])
    land, p = from_sklearn(model, X, np.ones(M, dtype=int))
    same_gradient(model, land, p, X, np.ones((M, 1)))


@pytest.mark.parametrize("batch", [3, 100, "auto"])
def test_batches_pay_the_penalty_once_each(sk, data, batch):
    X, Y = data
    model = sk.MLPRegressor(
        hidden_layer_sizes=(WIDTH,), alpha=0.5, batch_size=batch, solver="sgd", max_iter=3, random_state=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X, Y[:, 0])
    land, p = from_sklearn(model, X, Y[:, 0])
    assert land.lam == (2.0 if batch == 3 else 0.5)
    same_gradient(model, land, p, X, Y[:, :1], scale=land.lam / model.alpha)
    # Their mean over the batches is ours / m.
    size = min(batch, M) if batch != "auto" else M
    losses = [step(model, X[i : i + size], Y[i : i + size, :1])[0] for i in range(0, M, size)]
    assert M * np.mean(losses) == pytest.approx(value(land, p), rel=1e-12)
    assert from_sklearn(model, X, Y[:, 0], lam=0.25)[0].lam == 0.25


def test_early_stopping_does_not_matter(sk, data):
    X, Y = np.tile(data[0], (3, 1)), np.tile(data[1], (3, 1))[:, 0]
    model = sk.MLPRegressor(hidden_layer_sizes=(WIDTH,), alpha=0.5, early_stopping=True, max_iter=20, random_state=0)
    land, p = from_sklearn(fitted(model, X, Y), X, Y)
    assert land.n_samples == 3 * M
    same_gradient(model, land, p, X, Y[:, None])


def test_a_converged_model_is_stationary(sk, data):
    X, Y = data
    model = sk.MLPRegressor(
        hidden_layer_sizes=(WIDTH,), solver="lbfgs", alpha=1.0, max_iter=5000, tol=1e-10, random_state=1
    )
    land, p = from_sklearn(fitted(model, X, Y[:, 0]), X, Y[:, 0])
    assert NetworkProblem(land).stationarity(p) < 1e-2


def test_what_scikit_learn_models_are_refused(sk, data):
    X, Y = data
    y, labels = Y[:, 0], np.arange(M) % 3
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline

    def regressor(*hidden, **options):
        return fitted(sk.MLPRegressor(hidden_layer_sizes=hidden, solver="lbfgs", max_iter=2, **options), X, y)

    good = regressor(WIDTH)
    classifier = fitted(sk.MLPClassifier(hidden_layer_sizes=(WIDTH,), max_iter=2), X, labels)
    many = fitted(sk.MLPClassifier(hidden_layer_sizes=(WIDTH,), max_iter=2), X, np.eye(3, dtype=int)[labels])
    cases = [
        (Ridge(), {}, TypeError, "must be a fitted MLPRegressor or MLPClassifier, got Ridge"),
        (make_pipeline(good), {}, TypeError, "got Pipeline; pass its last step"),
        (sk.MLPRegressor, {}, TypeError, "must be a fitted"),
        (sk.MLPRegressor(), {}, ValueError, "model is not fitted"),
        (regressor(4, 5), {}, ValueError, "degree 2 and the network degree 3.*hidden=\\(4, 5\\)"),
        (regressor(), {}, ValueError, "one hidden layer, got none"),
        (regressor(WIDTH, activation="tanh"), {}, ValueError, "got 'tanh', which is not positively homogeneous"),
        (regressor(WIDTH, alpha=0.0), {}, ValueError, "model.alpha must be a positive"),
        (good, {"lam": 0.0}, ValueError, "lam must be a positive"),
        (good, {"sample_weight": np.ones(M)}, ValueError, "sample_weight must be None"),
        (good, {"X": X[:, :2]}, ValueError, "X must be"),
        (good, {"y": Y}, ValueError, "y must be \\(m, 1\\)"),
        (good, {"y": y[:-1]}, ValueError, "Y must be"),
        (good, {"y": np.where(labels == 0, np.nan, y)}, ValueError, "NaN"),
        (classifier, {"y": labels + 1}, ValueError, "y holds 3, which is not among the classes"),
        (classifier, {"y": np.eye(3)}, ValueError, "y must be labels"),
        (many, {"y": 2 * np.eye(3)[labels]}, ValueError, "must hold 0 and 1"),
    ]
    for model, options, error, message in cases:
        arguments = {"X": X, "y": y, **options}
        with pytest.raises(error, match=message):
            from_sklearn(model, **arguments)


def test_what_comes_back_is_a_network(sk, data):
    X, Y = data
    land, p = from_sklearn(fitted(sk.MLPRegressor(hidden_layer_sizes=(WIDTH,), solver="lbfgs", max_iter=2), X, Y), X, Y)
    assert isinstance(land, ParallelNetwork)
    assert [block.shape for block in p] == list(land.shapes(WIDTH))
