"""From ``torch.nn.Sequential`` of Linear layers to the deep linear landscape and back.

    module(x) = WL ... W1 x (+ b),  Wl (n_l, n_{l-1}) = layer.weight        the point is (W1, ..., WL), same shapes

The value of the landscape is the mean over samples of the squared error *summed* over outputs (THEORY 3, scaling A).
``torch.nn.MSELoss()`` averages over the nL outputs as well: value = nL · MSELoss, and gradients and Hessians likewise.

Importing this module does not import torch; calling it does. It needs torch: ``python -m pip install
"landscape-cpp[torch]"``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from . import _validation as check
from ._validation import FloatArray, Layers
from .deep import DeepLinear
from .risk import Covariances

if TYPE_CHECKING:
    import torch

__all__ = ["Interop", "deep_linear", "optimal_bias", "to_module"]


@dataclass(frozen=True)
class Interop:
    """A torch network as a landscape and a point of it; unpacks as ``land, p = deep_linear(...)``.

    Attributes:
        landscape: The landscape of all networks of these widths on the data.
        point: (W1, ..., WL), Wl (n_l, n_{l-1}).
        shared: For every layer whether ``point`` is the memory of the torch parameter: a training step then moves it.
        centred: Whether the moments are centred because the last layer has a bias.
        note: What was converted and what was minimised over, in words; empty if nothing was.
    """

    landscape: DeepLinear
    point: Layers
    shared: tuple[bool, ...]
    centred: bool
    note: str

    def __iter__(self) -> Iterator[Any]:
        """The landscape, then the point."""
        return iter((self.landscape, self.point))

    def __repr__(self) -> str:
        """Widths, and what a person should know about the conversion."""
        return f"Interop({self.landscape!r}, shared={self.shared}, centred={self.centred}, note={self.note!r})"


def deep_linear(
    module: torch.nn.Sequential,
    X: Any,
    Y: Any,
    *,
    sample_weight: Any = None,
    method: str = "auto",
    n_threads: int | None = None,
) -> Interop:
    """The landscape of a Sequential of Linear layers on data, and the point where the module stands.

    Weights that are C-ordered float64 on the CPU are shared, not copied; all others are converted to float64 once, and
    ``note`` names them. Nested Sequentials are flattened; ``Identity`` and ``Flatten(start_dim=1)``, which do nothing
    to 2-D data, are passed over. Hooks are not looked at.

    A bias of the last layer is taken as free and minimised over: for given weights the best one is
    b = mean(y) - P mean(x), and with it the value is that of the centred data (:func:`optimal_bias`). The value here is
    hence the module's own loss less |module.bias - b|², and gradient and Hessian are those of the minimum over b.

    Args:
        module: Sequential of at least two Linear layers, with no bias but in the last.
        X: Inputs, (m, n0); a tensor or an array.
        Y: Targets, (m, nL), or (m,) for one output.
        sample_weight: Non-negative weights, (m,).
        method: As in :meth:`Covariances.from_data`.
        n_threads: As in :meth:`Covariances.from_data`.

    Returns:
        An :class:`Interop`; ``land, p = deep_linear(...)`` takes the landscape and the point.

    Raises:
        ImportError: If torch is not installed.
        TypeError: If ``module`` is no Sequential, holds another kind of layer, or a weight is complex, integer, sparse,
            quantised or computed from other parameters.
        ValueError: For a bias in a hidden layer, a frozen bias beside trainable weights, weights used twice, not yet
            initialised or not on the CPU, fewer than two Linear layers, shapes that do not fit, NaN or infinity.

    Example:
        With torch installed (a strict saddle: everything zero but the first layer of three)::

            net = torch.nn.Sequential(*[torch.nn.Linear(n, m, bias=False) for n, m in [(4, 3), (3, 3), (3, 2)]])
            for layer in net[1:]:
                torch.nn.init.zeros_(layer.weight)
            land, p = deep_linear(net.double(), X, Y)
            print(land.classify(p).kind)

    References:
        THEORY 1 (centring is the free output bias), THEORY 3.
    """
    layers = _linear_layers(module)
    converted: list[str] = []
    weights, shared = [], []
    for label, layer in layers:
        array, is_shared = _weight(label, layer.weight, converted)
        weights.append(array)
        shared.append(is_shared)
    centred = layers[-1][1].bias is not None
    notes = [f"converted to float64 once, later changes of the module are not seen: {', '.join(converted)}"]
    if not converted:
        notes = []
    if centred:
        notes.append(f"the value is the minimum over the bias of {layers[-1][0]}")
    trainable = [label for label, layer in layers if layer.weight.requires_grad]
    if frozen := [label for label, _ in layers if trainable and label not in trainable]:
        notes.append(f"frozen in torch but free in the landscape: {', '.join(frozen)}")
    x = _samples("X", X, "(m, n0)", weights[0].shape[1])
    y = _samples("Y", Y, "(m, nL)", weights[-1].shape[0])
    cov = Covariances.from_data(
        x,
        y,
        center=centred,
        sample_weight=_plain("sample_weight", sample_weight),
        method=method,
        n_threads=n_threads,
    )
    landscape = DeepLinear(cov, [len(weight) for weight in weights[:-1]])
    point = landscape._single(tuple(weights), "module")
    return Interop(landscape, point, tuple(shared), centred, "; ".join(notes))


def optimal_bias(p: Any, X: Any, Y: Any, *, sample_weight: Any = None) -> FloatArray:
    """The bias of the last layer that is best for the weights: b = mean(y) - P mean(x), P = WL ... W1.

    Args:
        p: A module as in :func:`deep_linear` (its own bias is not used), or a point (W1, ..., WL).
        X: Inputs, (m, n0); a tensor or an array.
        Y: Targets, (m, nL), or (m,) for one output.
        sample_weight: Non-negative weights of the means, (m,).

    Returns:
        b, (nL,).

    Raises:
        TypeError: As :func:`deep_linear`.
        ValueError: As :func:`deep_linear`.

    Example:
        >>> import numpy as np
        >>> from landscape_cpp.torch_interop import optimal_bias
        >>> optimal_bias((np.array([[1.0]]), np.array([[2.0]])), X=[[1.0], [3.0]], Y=[[5.0], [7.0]])
        array([2.])
    """
    if isinstance(p, Interop):
        p = p.point
    if isinstance(p, (tuple, list)):
        weights: list[FloatArray] = []
        for index, block in enumerate(p):
            before = len(weights[-1]) if weights else None
            name, symbol = f"p[{index}] (W{index + 1})", f"(n{index + 1}, n{index})"
            weights.append(check.as_array(name, _plain(name, block), symbol, (None, before)))
        if not weights:
            raise ValueError("p must be a tuple (W1, ..., WL) of arrays, got none")
    else:
        weights = [_weight(label, layer.weight, [])[0] for label, layer in _linear_layers(p, name="p")]
    x = _samples("X", X, "(m, n0)", weights[0].shape[1])
    y = _samples("Y", Y, "(m, nL)", weights[-1].shape[0])
    if len(x) != len(y) or not len(x):
        raise ValueError(f"X and Y must have the same positive number of rows, got {len(x)} and {len(y)}")
    for name, array in (("X", x), ("Y", y)):
        check.check_finite(name, array)
    w = np.ones(len(x))
    if sample_weight is not None:
        w = check.as_array("sample_weight", _plain("sample_weight", sample_weight), "(m,)", (len(x),))
        if (w < 0.0).any() or not w.sum() > 0.0:
            raise ValueError("sample_weight must be non-negative and not sum to zero")
    w = w / w.sum()
    image = w @ x
    for weight in weights:
        image = weight @ image
    bias: FloatArray = w @ y - image
    return bias


def to_module(land: DeepLinear, p: Any, *, bias: Any = None, dtype: torch.dtype | None = None) -> torch.nn.Sequential:
    """The network of a point: a Sequential of Linear layers with copies of the weights, ready to train.

    Args:
        land: The landscape.
        p: A single point (W1, ..., WL).
        bias: Bias of the last layer, (nL,). None: on moments of data that were centred the best one,
            mean(y) - P mean(x), so that the module predicts from the data as they are; otherwise no bias.
        dtype: Floating-point type of the parameters; None is ``torch.float64``, which keeps every bit.

    Returns:
        ``torch.nn.Sequential(Linear, ..., Linear)`` on the CPU; its parameters require gradients. Torch's random
        generator is not touched.

    Raises:
        ImportError: If torch is not installed.
        TypeError: If ``land`` is no :class:`DeepLinear` or ``dtype`` no floating-point type of torch.
        ValueError: For wrong shapes, NaN or infinity, and numbers that overflow in ``dtype``.
    """
    torch = _import_torch()
    if not isinstance(land, DeepLinear):
        raise TypeError(f"land must be a DeepLinear, got {type(land).__name__}")
    dtype = torch.float64 if dtype is None else dtype
    if not isinstance(dtype, torch.dtype) or not dtype.is_floating_point:
        raise TypeError(f"dtype must be a floating-point torch.dtype, got {dtype!r}")
    point = land._single(p)
    vector: FloatArray | None = None
    if bias is not None:
        vector = check.as_array("bias", _plain("bias", bias), "(nL,)", (land.n_outputs,))
    elif (mean_x := land._cov.mean_x) is not None and (mean_y := land._cov.mean_y) is not None:
        image = mean_x
        for weight in point:
            image = weight @ image
        vector = mean_y - image

    def parameter(name: str, array: FloatArray) -> Any:
        tensor = torch.tensor(array, dtype=dtype)  # a copy
        if not bool(torch.isfinite(tensor).all()):
            raise ValueError(f"{name} overflows in {dtype}: its largest entry is {check.largest(array):.3g}")
        return torch.nn.Parameter(tensor)

    layers = []
    for index, weight in enumerate(point):
        last = index == len(point) - 1
        rows, columns = weight.shape
        # On the meta device nothing is drawn at random that would be overwritten at once.
        layer = torch.nn.Linear(columns, rows, bias=last and vector is not None, device="meta", dtype=dtype)
        layer.weight = parameter(f"p[{index}] (W{index + 1})", weight)
        if last and vector is not None:
            layer.bias = parameter("bias", vector)
        layers.append(layer)
    return torch.nn.Sequential(*layers)


# ------------------------------------------------------------------------------------------------------ reading torch


def _import_torch() -> Any:
    try:
        import torch
    except ImportError as error:
        raise ImportError(
            'landscape_cpp.torch_interop needs torch: python -m pip install "landscape-cpp[torch]"'
        ) from error
    return torch


def _linear_layers(module: Any, name: str = "module") -> list[tuple[str, Any]]:
    """The Linear layers in order, each with the label that messages use; everything else is refused."""
    torch = _import_torch()
    if not _is_plain(module, torch.nn.Sequential):
        raise TypeError(f"{name} must be a torch.nn.Sequential of Linear layers, got {type(module).__name__}")
    layers: list[tuple[str, Any]] = []
    for label, layer in _flattened(torch, module, ""):
        if not _is_plain(layer, torch.nn.Linear):
            raise TypeError(
                f"{label} of {name} is {layer!r}; only Linear layers, Identity and Flatten(start_dim=1) are linear "
                "networks of this kind"
            )
        if torch.nn.parameter.is_lazy(layer.weight):
            raise ValueError(f"{label} of {name} has no weight yet: call the module once to initialise it")
        # weight_norm, spectral_norm and pruning compute the weight from other parameters: another landscape.
        if layer._parameters.get("weight") is None:
            raise TypeError(f"the weight of {label} of {name} is computed from other parameters, not one itself")
        layers.append((label, layer))
    if len(layers) < 2:
        raise ValueError(f"{name} must have at least two Linear layers, got {len(layers)}; one is linear regression")
    _check_biases(name, layers)
    _check_chain(name, layers)
    return layers


def _is_plain(module: Any, kind: Any) -> bool:
    """Whether the module computes what ``kind`` does: a subclass with a ``forward`` of its own may not."""
    return isinstance(module, kind) and type(module).forward is kind.forward


def _flattened(torch: Any, module: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    # Not named_modules(): it visits a module that occurs twice only once.
    for key, child in module._modules.items():
        if _is_plain(child, torch.nn.Sequential):
            yield from _flattened(torch, child, f"{prefix}{key}.")
        elif not _does_nothing(torch, child):
            yield f"layer {prefix + key!r}", child


def _does_nothing(torch: Any, layer: Any) -> bool:
    """Identity, and Flatten that leaves (m, n) as it is."""
    if _is_plain(layer, torch.nn.Flatten):
        return layer.start_dim in (1, -1) and layer.end_dim in (1, -1)
    return _is_plain(layer, torch.nn.Identity)


def _check_biases(name: str, layers: Sequence[tuple[str, Any]]) -> None:
    for label, layer in layers[:-1]:
        if layer.bias is not None:
            raise ValueError(
                f"{label} of {name} has a bias; only the last layer may have one (a free bias there is the problem on "
                "centred data): build it with bias=False"
            )
    label, last = layers[-1]
    if last.bias is None:
        return
    if not last.bias.requires_grad and any(layer.weight.requires_grad for _, layer in layers):
        raise ValueError(
            f"the bias of {label} of {name} is frozen while weights are trained, and a bias is taken as free: subtract "
            "it from Y and remove it"
        )


def _check_chain(name: str, layers: Sequence[tuple[str, Any]]) -> None:
    seen: dict[int, str] = {}
    width: int | None = None
    for label, layer in layers:
        weight = layer.weight
        # The gradient of a weight used twice is the sum of two: a landscape in fewer variables.
        if id(weight) in seen:
            raise ValueError(f"{label} of {name} has the weight of {seen[id(weight)]}; each layer needs its own")
        seen[id(weight)] = label
        if width is not None and weight.shape[1] != width:
            raise ValueError(f"{label} of {name} takes {weight.shape[1]} inputs, but the layer before gives {width}")
        width = int(weight.shape[0])


def _weight(label: str, parameter: Any, converted: list[str]) -> tuple[FloatArray, bool]:
    """The weight as C-ordered float64, and whether it is the parameter's own memory; ``converted`` gathers copies."""
    torch = _import_torch()
    tensor = _on_cpu(f"the weight of {label}", parameter)
    if not tensor.dtype.is_floating_point:
        raise TypeError(f"the weight of {label} must be floating-point, got {tensor.dtype}")
    if tensor.dtype == torch.float64 and tensor.is_contiguous() and not tensor.is_neg():
        shared: FloatArray = tensor.numpy()
        return shared, True
    kind = str(tensor.dtype).removeprefix("torch.")
    converted.append(f"{label} ({kind if tensor.dtype != torch.float64 else 'not C-ordered'})")
    return check.as_contiguous(tensor.to(torch.float64).resolve_neg().numpy()), False


def _on_cpu(name: str, tensor: Any) -> Any:
    """The detached tensor; refused if NumPy cannot see it."""
    torch = _import_torch()
    if tensor.layout != torch.strided:
        raise TypeError(f"{name} is sparse ({tensor.layout}); pass its .to_dense()")
    if tensor.is_quantized:
        raise TypeError(f"{name} is quantised ({tensor.dtype}); pass its .dequantize()")
    if tensor.dtype.is_complex:
        raise TypeError(f"{name} must be real, got {tensor.dtype}")
    if tensor.device.type == "meta":
        raise ValueError(f"{name} is on the meta device and has no numbers")
    if tensor.device.type != "cpu":
        raise ValueError(f"{name} is on device {str(tensor.device)!r}; move it to the CPU first (.cpu())")
    return tensor.detach()


def _plain(name: str, value: Any) -> Any:
    """A tensor as an array, without a copy where NumPy has its type; anything else as it is."""
    if type(value).__module__.split(".")[0] != "torch":
        return value  # so that arrays need no torch
    torch = _import_torch()
    if not isinstance(value, torch.Tensor):
        return value
    tensor = _on_cpu(name, value).resolve_neg()
    return (tensor.to(torch.float64) if tensor.dtype == torch.bfloat16 else tensor).numpy()


def _samples(name: str, value: Any, symbol: str, width: int) -> npt.NDArray[Any]:
    """Rows of samples, not converted yet; a vector is one column of Y."""
    array = check.as_real(name, _plain(name, value))
    if name == "Y" and array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2 or array.shape[1] != width:
        raise ValueError(f"{name} must be {symbol} = (m, {width}), got {array.shape}")
    return array
