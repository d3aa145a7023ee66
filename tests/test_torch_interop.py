"""torch.nn.Sequential as landscape and point: against autograd, shared memory, refusals; importing needs no torch."""

import itertools
import pickle
import subprocess
import sys
from collections import OrderedDict

import numpy as np
import pytest

from landscape_cpp import torch_interop
from landscape_cpp.torch_interop import deep_linear, optimal_bias, to_module

WIDTHS = [(5, 4, 3), (3, 4, 2, 5), (4, 6, 5, 5, 2), (4, 3, 1)]
needs_torch = pytest.mark.slow  # the ordinary run of CI has no torch; every such test asks for it as ``torch``


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


@pytest.fixture(params=WIDTHS, ids=str)
def widths(request):
    return request.param


def linear(torch, widths, *, bias=False, dtype=None, seed=3):
    """A Sequential with random weights and, if asked for, a bias in the last layer."""
    generator = torch.Generator().manual_seed(seed)
    dtype = torch.float64 if dtype is None else dtype
    last = len(widths) - 2
    layers = [
        torch.nn.Linear(n, m, bias=bias and h == last, dtype=dtype)
        for h, (n, m) in enumerate(itertools.pairwise(widths))
    ]
    for layer in layers:
        for parameter in layer.parameters():
            parameter.data.normal_(generator=generator)
    return torch.nn.Sequential(*layers)


def samples(rng, widths, m=20):
    X = rng.standard_normal((m, widths[0])) + 0.5
    return X, X @ rng.standard_normal((widths[0], widths[-1])) + 0.3 * rng.standard_normal((m, widths[-1])) - 1.0


def weights_of(net):
    return [layer.weight for layer in net]


def loss_of(torch, X, Y, *, centred, w=None):
    """Weighted mean of squared errors summed over outputs, as a function of the weights; minimal over the bias."""
    X, Y = torch.tensor(X), torch.tensor(Y)
    w = torch.full((len(X),), 1.0 / len(X), dtype=torch.float64) if w is None else torch.tensor(w / w.sum())

    def loss(*weights):
        output = X
        for weight in weights:
            output = output @ weight.T
        residual = output - Y
        if centred:
            residual = residual - w @ residual
        return w @ (residual**2).sum(dim=1)

    return loss


def assert_blocks_close(actual, expected, rtol=1e-11):
    scale = max(float(np.abs(block).max()) for block in expected)
    for a, b in zip(actual, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=0.0, atol=rtol * scale)


# --- without torch ----------------------------------------------------------------------------------------------------


def test_importing_does_not_import_torch():
    program = "import sys, landscape_cpp, landscape_cpp.torch_interop; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("call", ["deep_linear(None, None, None)", "to_module(None, None)"])
def test_without_torch_the_message_says_what_to_install(call):
    program = (
        "import sys; sys.modules['torch'] = None\n"
        "from landscape_cpp.torch_interop import *\n"
        f"try:\n    {call}\nexcept ImportError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert 'needs torch: python -m pip install "landscape-cpp[torch]"' in done.stdout


def test_the_bias_of_arrays_needs_no_torch(rng):
    X, Y = samples(rng, (4, 3, 2))
    p = rng.standard_normal((3, 4)), rng.standard_normal((2, 3))
    w = rng.uniform(0.0, 2.0, len(X))
    P = p[1] @ p[0]
    for weight in (None, w):
        expected = np.average(Y - X @ P.T, axis=0, weights=weight)
        np.testing.assert_allclose(optimal_bias(p, X, Y, sample_weight=weight), expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(
    ("p", "X", "Y", "weight", "message"),
    [
        ((), np.ones((3, 2)), np.ones((3, 1)), None, "p must be a tuple (W1, ..., WL) of arrays, got none"),
        (
            (np.ones((4, 2)), np.ones((1, 3))),
            np.ones((3, 2)),
            np.ones((3, 1)),
            None,
            "p[1] (W2) must be (n2, n1) = (n2, 4), got (1, 3)",
        ),
        ((np.ones((1, 2)),), np.ones((3, 4)), np.ones(3), None, "X must be (m, n0) = (m, 2), got (3, 4)"),
        ((np.ones((1, 2)),), np.ones((3, 2)), np.ones(4), None, "X and Y must have the same positive number of rows"),
        ((np.ones((1, 2)),), np.full((3, 2), np.nan), np.ones(3), None, "X contains NaN or infinity at [0, 0]"),
        ((np.ones((1, 2)),), np.ones((3, 2)), np.ones(3), -np.ones(3), "sample_weight must be non-negative"),
        ((np.ones((1, 2)),), np.ones((3, 2)), np.ones(3), np.zeros(3), "sample_weight must be non-negative"),
    ],
)
def test_the_bias_refuses(p, X, Y, weight, message):
    with pytest.raises(ValueError) as caught:
        optimal_bias(p, X, Y, sample_weight=weight)
    assert message in str(caught.value)


# --- against autograd -------------------------------------------------------------------------------------------------


@needs_torch
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("bias", [False, True], ids=["no bias", "bias"])
def test_value_gradient_and_products_are_autograd(torch, rng, widths, bias, weighted):
    net, (X, Y) = linear(torch, widths, bias=bias), samples(rng, widths)
    w = rng.uniform(0.0, 2.0, len(X)) if weighted else None
    land, p = deep_linear(net, X, Y, sample_weight=w)
    loss, parameters = loss_of(torch, X, Y, centred=bias, w=w), weights_of(net)
    value = loss(*parameters)
    gradient = torch.autograd.grad(value, parameters, create_graph=True)
    d = [rng.standard_normal(shape) for shape in land.shapes]
    products = torch.autograd.grad(gradient, parameters, [torch.tensor(block) for block in d])
    assert land.value(p) == pytest.approx(value.item(), rel=1e-11)
    assert_blocks_close(land.gradient(p), [block.detach().numpy() for block in gradient])
    assert_blocks_close(land.hvp(p, d), [block.numpy() for block in products])


@needs_torch
def test_the_value_is_the_number_of_outputs_times_MSELoss(torch, rng, widths):
    net, (X, Y) = linear(torch, widths), samples(rng, widths)
    land, p = deep_linear(net, X, Y)
    loss = torch.nn.MSELoss()(net(torch.tensor(X)), torch.tensor(Y)).item()
    assert land.value(p) == pytest.approx(widths[-1] * loss, rel=1e-11)


@needs_torch
def test_the_bias_is_the_best_one(torch, rng, widths):
    net, (X, Y) = linear(torch, widths, bias=True), samples(rng, widths)
    tx, ty = torch.tensor(X), torch.tensor(Y)
    result = deep_linear(net, tx, ty)
    best = optimal_bias(net, tx, ty)
    for same in (result, result.point, list(result.point)):
        assert np.array_equal(optimal_bias(same, X, Y), best)
    own = net[-1].bias.detach().numpy()
    risk = ((net(tx) - ty) ** 2).sum(dim=1).mean().item()
    value = result.landscape.value(result.point)
    assert risk == pytest.approx(value + np.sum((own - best) ** 2), rel=1e-11)  # exactly a square away
    with torch.no_grad():
        net[-1].bias.copy_(torch.tensor(best))
    risk = ((net(tx) - ty) ** 2).sum(dim=1).mean()
    assert value == pytest.approx(risk.item(), rel=1e-11)
    gradient = torch.autograd.grad(risk, [*weights_of(net), net[-1].bias])
    assert_blocks_close(result.landscape.gradient(result.point), [block.numpy() for block in gradient[:-1]])
    assert float(gradient[-1].abs().max()) < 1e-12 * risk.item()


@needs_torch
def test_gradient_descent_of_torch_walks_in_the_landscape(torch, rng):
    """The point is the memory of the module: a step of the optimiser is seen without a call."""
    net, (X, Y) = linear(torch, (4, 3, 2)), samples(rng, (4, 3, 2))
    land, p = deep_linear(net, X, Y)
    optimiser = torch.optim.SGD(net.parameters(), lr=1e-3)
    before = land.value(p)
    for _ in range(5):
        optimiser.zero_grad()
        loss = ((net(torch.tensor(X)) - torch.tensor(Y)) ** 2).sum(dim=1).mean()
        assert land.value(p) == pytest.approx(loss.item(), rel=1e-11)
        loss.backward()
        optimiser.step()
    assert land.value(p) < before


# --- memory -----------------------------------------------------------------------------------------------------------


@needs_torch
def test_double_weights_are_shared(torch, rng, widths):
    net, (X, Y) = linear(torch, widths), samples(rng, widths)
    result = deep_linear(net, X, Y)
    assert result.shared == (True,) * (len(widths) - 1)
    assert result.note == ""
    assert not result.centred
    for array, weight in zip(result.point, weights_of(net), strict=True):
        assert np.shares_memory(array, weight.detach().numpy())
    with torch.no_grad():
        net[1].weight[0, 0] = 17.0
    assert result.point[1][0, 0] == 17.0


@needs_torch
@pytest.mark.parametrize("kind", ["float32", "float16", "bfloat16"])
def test_other_types_are_converted_once_and_said(torch, rng, kind):
    net, (X, Y) = linear(torch, (4, 3, 2), dtype=getattr(torch, kind)), samples(rng, (4, 3, 2))
    result = deep_linear(net, X, Y)
    assert result.shared == (False, False)
    text = (
        f"converted to float64 once, later changes of the module are not seen: layer '0' ({kind}), layer '1' ({kind})"
    )
    assert result.note == text
    assert text in repr(result)
    for array, weight in zip(result.point, weights_of(net), strict=True):
        assert array.dtype == np.float64
        assert np.array_equal(array, weight.detach().double().numpy())
    with torch.no_grad():
        net[0].weight.zero_()
    assert np.any(result.point[0])


@needs_torch
def test_strided_weights_are_copied_and_said(torch, rng):
    net, (X, Y) = linear(torch, (4, 3, 2)), samples(rng, (4, 3, 2))
    net[0].weight = torch.nn.Parameter(torch.tensor(rng.standard_normal((4, 3))).T)
    result = deep_linear(net, X, Y)
    assert result.shared == (False, True)
    assert "layer '0' (not C-ordered)" in result.note
    assert result.point[0].flags.c_contiguous
    assert np.array_equal(result.point[0], net[0].weight.detach().numpy())


@needs_torch
@pytest.mark.parametrize("kind", ["float64", "float32", "bfloat16", "int64"])
def test_data_may_be_tensors_of_any_real_type(torch, rng, kind):
    net, (X, Y) = linear(torch, (4, 3, 1)), samples(rng, (4, 3, 1))
    tx, ty = (torch.tensor(4.0 * block).to(getattr(torch, kind)) for block in (X, Y))
    w = torch.arange(len(X), dtype=torch.float32)
    land, p = deep_linear(net, tx, ty, sample_weight=w)
    same, _ = deep_linear(net, tx.double().numpy(), ty.double().numpy()[:, 0], sample_weight=w.numpy())
    assert land.value(p) == same.value(p)
    if kind == "float64":
        assert deep_linear(net, tx.requires_grad_(), ty, sample_weight=w).landscape.value(p) == same.value(p)


@needs_torch
def test_data_methods_are_passed_on(torch, rng):
    net, (X, Y) = linear(torch, (4, 3, 2)), samples(rng, (4, 3, 2))
    assert deep_linear(net, X, Y, method="factor", n_threads=1).landscape.cov.factor is not None
    assert deep_linear(net, X, Y, method="moments", n_threads=1).landscape.cov.factor is None


# --- which modules ----------------------------------------------------------------------------------------------------


@needs_torch
def test_nested_modules_are_flattened(torch, rng):
    nn, (X, Y) = torch.nn, samples(rng, (4, 3, 5, 2))
    plain = linear(torch, (4, 3, 5, 2), bias=True)
    first, second, third = plain
    inner = nn.Sequential(nn.Identity(), nn.Sequential(OrderedDict(hidden=second)))
    nested = nn.Sequential(nn.Flatten(), first, inner, nn.Sequential(), third, nn.Flatten(start_dim=1, end_dim=1))
    result, expected = deep_linear(nested, X, Y), deep_linear(plain, X, Y)
    assert all(map(np.shares_memory, result.point, expected.point))
    assert result.landscape.value(result.point) == expected.landscape.value(expected.point)
    assert result.note == "the value is the minimum over the bias of layer '4'"
    np.testing.assert_allclose(  # what they do nothing to, torch says
        nested(torch.tensor(X)).detach().numpy(), plain(torch.tensor(X)).detach().numpy(), rtol=1e-13
    )


@needs_torch
def test_frozen_layers_are_said_to_be_free(torch, rng):
    net, (X, Y) = linear(torch, (4, 3, 2)), samples(rng, (4, 3, 2))
    net[0].weight.requires_grad_(False)
    assert deep_linear(net, X, Y).note == "frozen in torch but free in the landscape: layer '0'"
    assert deep_linear(linear(torch, (4, 3, 2), bias=True).requires_grad_(False), X, Y).centred  # nothing is trained


def modules(torch):
    """Name -> (module, error, message)."""
    nn, net = torch.nn, lambda *layers: torch.nn.Sequential(*layers)

    def line(n, m, bias=False, **kwargs):
        return nn.Linear(n, m, bias=bias, dtype=kwargs.pop("dtype", torch.float64), **kwargs)

    class Scaled(nn.Linear):
        def forward(self, x):
            return 2.0 * super().forward(x)

    class Skip(nn.Sequential):
        def forward(self, x):
            return x + super().forward(x)

    def with_weight(tensor):
        layer = line(4, 3)
        layer.weight = nn.Parameter(tensor, requires_grad=False)
        return net(layer, line(3, 2))

    frozen_bias = net(line(4, 3), line(3, 2, bias=True))
    frozen_bias[1].bias.requires_grad_(False)
    tied = net(line(4, 4), line(4, 4), line(4, 2))
    tied[1].weight = tied[0].weight
    twice = line(4, 4)
    quantised = torch.quantize_per_tensor(torch.ones(3, 4), 0.1, 0, torch.qint8)
    not_finite = torch.ones(3, 4, dtype=torch.float64)
    not_finite[1, 2] = torch.nan
    return {
        "a layer": (line(4, 2), TypeError, "module must be a torch.nn.Sequential of Linear layers, got Linear"),
        "no module": ("net", TypeError, "module must be a torch.nn.Sequential of Linear layers, got str"),
        "own forward": (Skip(line(4, 4), line(4, 4)), TypeError, "got Skip"),
        "empty": (net(), ValueError, "module must have at least two Linear layers, got 0"),
        "one layer": (net(line(4, 2)), ValueError, "at least two Linear layers, got 1; one is linear regression"),
        "hidden bias": (
            net(line(4, 3), net(line(3, 3, bias=True)), line(3, 2)),
            ValueError,
            "layer '1.0' of module has a bias; only the last layer may have one",
        ),
        "all biases": (net(line(4, 3, bias=True), line(3, 2, bias=True)), ValueError, "layer '0' of module has a bias"),
        "frozen bias": (frozen_bias, ValueError, "the bias of layer '1' of module is frozen"),
        "ReLU": (net(line(4, 3), nn.ReLU(), line(3, 2)), TypeError, "layer '1' of module is ReLU()"),
        "dropout": (net(line(4, 3), net(nn.Dropout(0.1)), line(3, 2)), TypeError, "layer '1.0' of module is Dropout("),
        "flatten all": (net(nn.Flatten(0), line(4, 3), line(3, 2)), TypeError, "layer '0' of module is Flatten("),
        "own linear": (net(line(4, 3), Scaled(3, 2, bias=False)), TypeError, "layer '1' of module is Scaled("),
        "convolution": (net(nn.Conv1d(4, 3, 1), line(3, 2)), TypeError, "layer '0' of module is Conv1d("),
        "own inner forward": (net(Skip(line(4, 4)), line(4, 2)), TypeError, "layer '0' of module is Skip("),
        "lazy": (net(nn.LazyLinear(3, bias=False), line(3, 2)), ValueError, "layer '0' of module has no weight yet"),
        "chain": (net(line(4, 3), line(5, 2)), ValueError, "layer '1' of module takes 5 inputs, but the layer before"),
        "tied": (tied, ValueError, "layer '1' of module has the weight of layer '0'"),
        "twice": (net(twice, twice, line(4, 2)), ValueError, "layer '1' of module has the weight of layer '0'"),
        "parametrised": (
            net(nn.utils.parametrizations.orthogonal(line(4, 4)), line(4, 2)),
            TypeError,
            "the weight of layer '0' of module is computed from other parameters",
        ),
        "meta": (net(line(4, 3, device="meta"), line(3, 2)), ValueError, "layer '0' is on the meta device"),
        "complex": (net(line(4, 3, dtype=torch.complex128), line(3, 2)), TypeError, "real, got torch.complex128"),
        "integers": (with_weight(torch.ones(3, 4, dtype=torch.int64)), TypeError, "floating-point, got torch.int64"),
        "sparse": (with_weight(torch.eye(3, 4).to_sparse()), TypeError, "the weight of layer '0' is sparse"),
        "quantised": (with_weight(quantised), TypeError, "the weight of layer '0' is quantised"),
        "NaN": (with_weight(not_finite), ValueError, "module[0] (W1) contains NaN or infinity at [1, 2]"),
    }


@needs_torch
@pytest.mark.filterwarnings("ignore")  # torch's own, about lazy and quantised layers
def test_refusals_say_which_layer(torch, rng):
    X, Y = samples(rng, (4, 3, 2))
    for name, (module, error, message) in modules(torch).items():
        with pytest.raises(error) as caught:
            deep_linear(module, X, Y)
        assert message in str(caught.value), name


@needs_torch
def test_shapes_and_data_are_checked(torch, rng):
    net, (X, Y) = linear(torch, (5, 4, 3)), samples(rng, (5, 4, 3))
    for x, y, error, message in [
        (X[:, :4], Y, ValueError, "X must be (m, n0) = (m, 5), got (20, 4)"),
        (X, Y[:, :2], ValueError, "Y must be (m, nL) = (m, 3), got (20, 2)"),
        (X, Y[:, 0], ValueError, "Y must be (m, nL) = (m, 3), got (20, 1)"),
        (X[0], Y, ValueError, "X must be (m, n0) = (m, 5), got (5,)"),
        (torch.tensor(X)[None], Y, ValueError, "X must be (m, n0) = (m, 5), got (1, 20, 5)"),
        (X[:-1], Y, ValueError, "Y must have as many rows as X, 19, got shape (20, 3)"),
        (X, None, TypeError, "Y must be an array of real numbers, got None"),
        (torch.tensor(X).to_sparse(), Y, TypeError, "X is sparse"),
        (torch.tensor(X), torch.tensor(Y).to("meta"), ValueError, "Y is on the meta device"),
        (torch.tensor(X) + 1j, Y, TypeError, "X must be real, got torch.complex128"),
        (torch.tensor(X) * torch.nan, Y, ValueError, "X contains NaN or infinity at [0, 0]"),
    ]:
        with pytest.raises(error) as caught:
            deep_linear(net, x, y)
        assert message in str(caught.value)


# --- back to torch ----------------------------------------------------------------------------------------------------


@needs_torch
@pytest.mark.parametrize("bias", [False, True], ids=["no bias", "bias"])
def test_there_and_back_keeps_every_bit(torch, rng, widths, bias):
    net, (X, Y) = linear(torch, widths, bias=bias), samples(rng, widths)
    land, p = deep_linear(net, X, Y)
    own = net[-1].bias if bias else None
    state = torch.get_rng_state()
    back = to_module(land, p, bias=own)
    assert torch.equal(torch.get_rng_state(), state)
    assert [key for key, _ in back.named_parameters()] == [key for key, _ in net.named_parameters()]
    for ours, theirs in zip(back.parameters(), net.parameters(), strict=True):
        assert torch.equal(ours, theirs)
        assert ours.data_ptr() != theirs.data_ptr()
        assert ours.requires_grad
        assert ours.is_leaf
    again = deep_linear(back, X, Y)
    assert all(map(np.array_equal, again.point, p))
    assert again.landscape.value(again.point) == land.value(p)
    assert repr(back) == repr(net)
    assert torch.equal(back(torch.tensor(X)), net(torch.tensor(X)))


@needs_torch
def test_the_module_of_a_centred_landscape_predicts_from_the_data(torch, rng, widths):
    X, Y = samples(rng, widths)
    w = rng.uniform(0.5, 2.0, len(X))
    land, _ = deep_linear(linear(torch, widths, bias=True), X, Y, sample_weight=w)
    best = to_module(land, land.global_minimum())
    residual = best(torch.tensor(X)).detach().numpy() - Y
    assert np.average((residual**2).sum(axis=1), weights=w) == pytest.approx(land.minimum_value, rel=1e-9)
    np.testing.assert_allclose(best[-1].bias.detach().numpy(), optimal_bias(best, X, Y, sample_weight=w), rtol=1e-10)
    uncentred, q = deep_linear(linear(torch, widths), X, Y)
    assert to_module(uncentred, q)[-1].bias is None


@needs_torch
def test_to_module_converts_and_refuses(torch, rng):
    land, p = deep_linear(linear(torch, (4, 3, 2)), *samples(rng, (4, 3, 2)))
    single = to_module(land, p, dtype=torch.float32, bias=[1.0, 2.0])
    assert {parameter.dtype for parameter in single.parameters()} == {torch.float32}
    assert torch.equal(single[0].weight, torch.tensor(p[0]).float())
    assert single[1].bias.tolist() == [1.0, 2.0]
    huge = (1e6 * p[0], p[1])
    batch = tuple(np.stack([block, block]) for block in p)
    for arguments, options, error, message in [
        ((None, p), {}, TypeError, "land must be a DeepLinear, got NoneType"),
        ((land, p), {"dtype": torch.int64}, TypeError, "dtype must be a floating-point torch.dtype, got torch.int64"),
        ((land, p), {"dtype": "float32"}, TypeError, "dtype must be a floating-point torch.dtype, got 'float32'"),
        ((land, p), {"bias": np.ones(3)}, ValueError, "bias must be (nL,) = (2,), got (3,)"),
        ((land, p[:1]), {}, ValueError, "p must be a tuple (W1, ..., W2) of 2 arrays, got 1 of them"),
        ((land, batch), {}, ValueError, "p must be a single point, got a batch of 2"),
        ((land, huge), {"dtype": torch.float16}, ValueError, "p[0] (W1) overflows in torch.float16"),
    ]:
        with pytest.raises(error) as caught:
            to_module(*arguments, **options)
        assert message in str(caught.value)


# --- what the landscape says about torch networks ---------------------------------------------------------------------


@needs_torch
def test_networks_at_saddles_are_recognised(torch, rng):
    X, Y = samples(rng, (5, 4, 4, 3), m=40)
    net = linear(torch, (5, 4, 4, 3), bias=True)
    land, _ = deep_linear(net, X, Y)
    best = to_module(land, land.global_minimum())
    result = deep_linear(best, X, Y)
    assert result.landscape.classify(result.point).kind == "global_minimum"
    assert result.landscape.certify(result.point).verdict == "GLOBAL"

    strict = to_module(land, land.critical_point([0, 1], strands=[(1, 2)]))
    land, p = deep_linear(strict, X, Y)
    found = land.classify(p)
    assert found.kind == "strict_saddle"
    # torch agrees: no gradient, and negative curvature along the witness
    loss, parameters = loss_of(torch, X, Y, centred=True), weights_of(strict)
    gradient = torch.autograd.grad(loss(*parameters), parameters, create_graph=True)
    assert max(float(block.detach().abs().max()) for block in gradient) < 1e-10 * land.cov.total
    d = [torch.tensor(block) for block in found.escape.direction]
    products = torch.autograd.grad(gradient, parameters, d)
    assert sum(float((a * b).sum()) for a, b in zip(products, d, strict=True)) < 0.0
    lower = to_module(land, land.escape(p))
    assert loss(*weights_of(lower)).item() < land.value(p)

    dead = linear(torch, (5, 4, 4, 3), bias=True)
    for parameter in dead.parameters():
        torch.nn.init.zeros_(parameter)
    land, p = deep_linear(dead, X, Y)
    assert land.classify(p).kind == "non_strict_saddle"


@needs_torch
def test_results_pickle_and_unpack(torch, rng):
    result = deep_linear(linear(torch, (4, 3, 2)), *samples(rng, (4, 3, 2)))
    back = pickle.loads(pickle.dumps(result))
    assert all(map(np.array_equal, back.point, result.point))
    assert not np.shares_memory(back.point[0], result.point[0])
    land, p = back
    assert land.value(p) == result.landscape.value(result.point)
    with pytest.raises(AttributeError):
        result.note = "other"


def test_public_names():
    assert torch_interop.__all__ == ["Interop", "deep_linear", "optimal_bias", "to_module"]
