"""Networks of one hidden layer trained elsewhere as landscape and point: ``land.certify(p)`` judges them.

    P(w) = Σ l(z_i, y_i) + λ/2 (|U|² + |V|²)      Z = act(X V) Uᵀ + 1 bᵀ      their objective = c · P

U (nL, r) is the last weight, V (d, r) the transposed first one with the hidden biases as its last row where they exist,
b (nL,) the output bias. PyTorch and scikit-learn average over the samples, this package sums (THEORY scaling B): the
factor c is between the two, and λ = (their weight decay) / c.

Importing this module imports neither torch nor scikit-learn; calling its functions does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from . import _validation as check
from ._network_data import LOSSES
from ._validation import FloatArray, Layers
from .homogeneous import ParallelNetwork
from .torch_interop import _check_chain, _flattened, _import_torch, _is_plain, _on_cpu, _plain, _samples

if TYPE_CHECKING:
    import torch

__all__ = ["from_sklearn", "from_torch"]

# What to do with a layer that is refused; the text after its name.
_REMEDIES = {
    "Softmax": "leave it out, CrossEntropyLoss contains it",
    "LogSoftmax": "leave it out, CrossEntropyLoss contains it",
    "Sigmoid": "leave it out at the output, BCEWithLogitsLoss contains it; inside it is not positively homogeneous",
    "Flatten": "flatten X to (m, n0), and leave out one that changes outputs (m, nL)",
    "Dropout": "training with it minimises another objective; Identity in its place is the network that predicts",
    "PReLU": "its slope is trained; LeakyReLU has a fixed one",
}


def from_torch(
    module: torch.nn.Module,
    X: Any,
    Y: Any,
    *,
    weight_decay: float,
    loss: Any = "squared",
    reduction: str | None = None,
    delta: float | None = None,
    decay_bias: bool | tuple[bool, bool] = True,
) -> tuple[ParallelNetwork, Layers]:
    """The landscape that a torch network is trained on, and the point where it stands.

    ``Sequential(Linear, ReLU, Linear)``, with ``LeakyReLU(a)`` (-1 <= a <= 1), ``Identity`` or nothing in the place of
    the ReLU. With the weight decay w of ``torch.optim.SGD`` or ``Adam``, which is the gradient of w/2 |parameters|²,

        loss(module(X), Y) + w/2 |parameters|² = c · land.value(p)      λ = w / c

    ==================  ==========================  ===========================  ==========================
    name                torch                       l here                       c (mean; with sum)
    ==================  ==========================  ===========================  ==========================
    ``squared``         ``MSELoss``                 ½ (z - y)²                   2 / (m nL);  2
    ``huber``           ``HuberLoss(δ)``            Huber δ                      1 / (m nL);  1
    -                   ``SmoothL1Loss(β)``         Huber β                      1 / (β m nL);  1/β
    ``logistic``        ``BCEWithLogitsLoss``       log(1 + e^{-yz}), y = ±1     1 / (m nL);  1
    ``softmax``         ``CrossEntropyLoss``        cross-entropy                1 / m;  1
    ``squared_hinge``   -                           ½ max(0, 1 - yz)², y = ±1    1 / (m nL);  1
    ==================  ==========================  ===========================  ==========================

    A name stands for the torch loss beside it: ``MSELoss`` has no ½ and averages over the outputs too.

    ``AdamW`` and other decoupled decays minimise no objective of this kind: with adaptive steps each weight decays
    relative to its own step size, and where they come to rest is stationary for none of these λ. Their networks can be
    judged all the same, for the objective that is named here. Whether parameters require gradients is not looked at:
    all of them are free in the landscape. Hooks are not looked at either.

    More than two Linear layers are refused: with weight decay there is no convex problem behind them (see ``Raises``).

    Args:
        module: The Sequential, on the CPU; nested ones are flattened, ``Flatten(start_dim=1)`` in front passed over.
        X: Inputs, (m, n0); a tensor or an array. All training samples, not one batch.
        Y: Targets (m, nL), or (m,) for one output. For ``BCEWithLogitsLoss`` 0 and 1 (-1 and 1 too if the loss is given
            by name); for ``CrossEntropyLoss`` class indices (m,) or rows of probabilities (m, nL).
        weight_decay: w, positive.
        loss: An instance of a torch loss, or a name of the table.
        reduction: ``"mean"`` or ``"sum"``. None: that of the instance; for a name ``"mean"``, torch's default.
        delta: δ for the name ``"huber"``; 1.
        decay_bias: Whether the decay is on the biases too, as for an optimiser of ``module.parameters()``; or a pair
            for the hidden and the output biases.

    Returns:
        ``(land, p)``, a :class:`ParallelNetwork` and a point of it, copies in float64.

    Raises:
        ImportError: If torch is not installed.
        TypeError: For another module or loss, another kind of layer, complex, integer, sparse or quantised parameters.
        ValueError: For more than one hidden layer: w/2 Σ |W_l|² has degree 2, the network degree L (THEORY 5.2). For
            hidden biases without decay where the output has no bias without decay: they make constants free. For class
            weights, ``reduction="none"``, shapes that do not fit, NaN or infinity.

    Example:
        With torch installed::

            net = torch.nn.Sequential(torch.nn.Linear(4, 50), torch.nn.ReLU(), torch.nn.Linear(50, 2))
            ...  # torch.optim.SGD(net.parameters(), lr=0.1, weight_decay=1e-2), torch.nn.MSELoss()
            land, p = from_torch(net, X, Y, weight_decay=1e-2, loss=torch.nn.MSELoss())
            print(land.certify(p))

    References:
        THEORY 0 (scalings), 5.2, 12b.6 (free biases) and 12b.13.
    """
    decay = check.as_float("weight_decay", weight_decay, positive=True)
    first, unit, slope, last = _hidden_layer(module)
    name, given, scale, threshold = _torch_loss(loss, reduction, delta)
    has = (first.bias is not None, last.bias is not None)
    bias, intercept = _biases(*has, decay_bias)
    W1, W2 = (_array(f"the weight of the {which} Linear", f.weight) for which, f in (("first", first), ("last", last)))
    x = _samples("X", X, "(m, n0)", W1.shape[1])
    y = _torch_targets(Y, name, len(W2), labels_01=given)
    # The mean is over samples for cross-entropy, over all entries otherwise.
    count = (len(x) if name == "softmax" else len(x) * len(W2)) or 1
    factor = scale[0] / (count if scale[1] == "mean" else 1)
    land = ParallelNetwork(x, y, decay / factor, unit, name, 2, bias, intercept, slope=slope, delta=threshold)
    V = np.vstack([W1.T, _array("the bias of the first Linear", first.bias)]) if has[0] else W1.T
    p = (W2, V, _array("the bias of the last Linear", last.bias)) if has[1] else (W2, V)
    return land, land._single(p, "module")


def _hidden_layer(module: Any) -> tuple[Any, str, float | None, Any]:
    """The first Linear, the unit and its slope, the last Linear; everything else is refused."""
    torch = _import_torch()
    if not _is_plain(module, torch.nn.Sequential):
        raise TypeError(
            "module must be a torch.nn.Sequential(Linear, ReLU, Linear), whose objective can be read off, got "
            f"{type(module).__name__}"
        )
    layers: list[tuple[str, Any]] = []
    units: list[tuple[str, float | None] | None] = []
    for label, layer in _flattened(torch, module, ""):
        if _is_plain(layer, torch.nn.Linear):
            _check_linear(torch, label, layer)
            layers.append((label, layer))
            units.append(None)
            continue
        unit = _unit(torch, label, layer)
        if not layers or units[-1] is not None:
            raise ValueError(f"{label} of module, {layer!r}, must follow a Linear layer, one activation after each")
        units[-1] = unit
    if len(layers) > 2:
        raise ValueError(_too_deep("module", len(layers), [len(layer.weight) for _, layer in layers[:-1]]))
    if len(layers) < 2:
        raise ValueError(f"module must have two Linear layers, got {len(layers)}")
    if units[-1] is not None:
        raise ValueError("module must end with a Linear layer: with an activation after it the loss is not convex")
    _check_chain("module", layers)
    name, slope = units[0] or ("linear", None)
    return layers[0][1], name, slope, layers[1][1]


def _check_linear(torch: Any, label: str, layer: Any) -> None:
    if torch.nn.parameter.is_lazy(layer.weight):
        raise ValueError(f"{label} of module has no weight yet: call the module once to initialise it")
    if layer._parameters.get("weight") is None:  # weight_norm and its like: another landscape
        raise TypeError(f"the weight of {label} of module is computed from other parameters, not one itself")


def _unit(torch: Any, label: str, layer: Any) -> tuple[str, float | None]:
    if _is_plain(layer, torch.nn.ReLU):
        return "relu", None
    if _is_plain(layer, torch.nn.LeakyReLU):
        slope = float(layer.negative_slope)
        if not -1.0 <= slope <= 1.0:
            raise ValueError(f"{label} of module must have a negative_slope between -1 and 1, got {slope}")
        return "leaky_relu", slope
    why = _REMEDIES.get(type(layer).__name__, "only Linear, ReLU, LeakyReLU and Identity are networks of this kind")
    raise TypeError(f"{label} of module is {layer!r}: {why}")


def _too_deep(name: str, depth: int, hidden: list[int]) -> str:
    return (
        f"{name} has {depth} layers of weights: weight decay, a sum of |W_l|^2, has degree 2 and the network degree "
        f"{depth}, so no convex problem is behind them. With the penalty (1/{depth}) sum |W_l|_F^{depth} one is: "
        f"ParallelNetwork(X, Y, lam, depth={depth}, hidden={tuple(hidden)})"
    )


def _biases(hidden: bool, output: bool, decay_bias: Any) -> tuple[bool | str, bool | str]:
    """(bias, intercept) of the ParallelNetwork."""
    if isinstance(decay_bias, (tuple, list)):
        if len(decay_bias) != 2:
            raise ValueError(f"decay_bias must be True, False or a pair (hidden, output), got {len(decay_bias)} values")
        first, last = (check.as_bool(f"decay_bias[{i}]", value) for i, value in enumerate(decay_bias))
    else:
        first = last = check.as_bool("decay_bias", decay_bias)
    bias: bool | str = (True if first else "free") if hidden else False
    intercept: bool | str = ("penalized" if last else True) if output else False
    if bias == "free" and intercept is not True:
        state = "a bias with weight decay" if output else "no bias"
        raise ValueError(
            f"module has hidden biases without weight decay and an output with {state}: large hidden biases give every "
            "constant at no cost, and no weights attain the infimum. Give the last Linear a bias without decay, or "
            "decay the hidden biases (decay_bias)"
        )
    return bias, intercept


def _torch_loss(loss: Any, reduction: Any, delta: Any) -> tuple[str, bool, tuple[float, str], float | None]:
    """The name, whether an instance was given, (factor of l, reduction), and δ."""
    if reduction is not None:
        check.as_choice("reduction", reduction, ("mean", "sum"))
    if isinstance(loss, str):
        name = check.as_choice("loss", loss, LOSSES)
        return name, False, (2.0 if name == "squared" else 1.0, reduction or "mean"), delta
    torch, nn = _import_torch(), _import_torch().nn
    kinds = {
        nn.MSELoss: "squared",
        nn.HuberLoss: "huber",
        nn.SmoothL1Loss: "huber",
        nn.BCEWithLogitsLoss: "logistic",
        nn.CrossEntropyLoss: "softmax",
    }
    kind = next((kind for kind in kinds if _is_plain(loss, kind)), None)
    if kind is None:
        known = ", ".join(kind.__name__ for kind in kinds)
        why = "; it is not differentiable" if _is_plain(loss, nn.L1Loss) else ""
        raise TypeError(f"loss must be one of {', '.join(LOSSES)} or an instance of {known}, got {loss!r}{why}")
    own = str(loss.reduction)
    if own not in ("mean", "sum"):
        raise ValueError(f"loss must have the reduction 'mean' or 'sum', got {own!r}")
    if reduction not in (None, own):
        raise ValueError(f"reduction must be left out or that of the loss, {own!r}, got {reduction!r}")
    if delta is not None:
        raise ValueError(f"delta is for the name 'huber', {loss!r} has its own")
    if any(isinstance(getattr(loss, key, None), torch.Tensor) for key in ("weight", "pos_weight")):
        raise ValueError("loss must have no weight and no pos_weight: the losses of all entries count alike here")
    if getattr(loss, "label_smoothing", 0.0):
        raise ValueError("loss must have no label_smoothing: pass the smoothed rows of probabilities as Y")
    if kind is nn.SmoothL1Loss:
        if not loss.beta > 0.0:
            raise ValueError("loss must have beta > 0: with 0 it is the L1 loss, which is not differentiable")
        return "huber", True, (1.0 / loss.beta, own), float(loss.beta)  # Huber / β
    threshold = float(loss.delta) if kind is nn.HuberLoss else None
    return kinds[kind], True, (2.0 if kind is nn.MSELoss else 1.0, own), threshold


def _torch_targets(Y: Any, loss: str, n_outputs: int, *, labels_01: bool) -> npt.NDArray[Any]:
    """Y as the network takes it: (m, nL), labels as ±1 or one-hot rows."""
    raw = check.as_real("Y", _plain("Y", Y))
    if loss == "softmax" and raw.ndim == 1:
        return np.eye(n_outputs)[check.as_indices("Y", raw, n_outputs)]
    y = _samples("Y", raw, "(m, nL)", n_outputs)
    if loss not in ("logistic", "squared_hinge"):
        return y
    if np.all((y == 0.0) | (y == 1.0)):
        return _signs(y)
    if labels_01 or not np.all(np.abs(y) == 1.0):
        wanted = "0 and 1" if labels_01 else "0 and 1, or -1 and 1,"
        raise ValueError(f"Y must hold the labels {wanted} for the {loss} loss, got {y[(y != 0.0) & (y != 1.0)][0]:g}")
    return y


def _signs(labels: npt.NDArray[Any]) -> FloatArray:
    """0 and 1 as -1 and 1."""
    return np.where(labels == 1, 1.0, -1.0)


def _array(name: str, parameter: Any) -> FloatArray:
    """A copy of the parameter, float64."""
    torch = _import_torch()
    tensor = _on_cpu(name, parameter)
    if not tensor.dtype.is_floating_point:
        raise TypeError(f"{name} must be floating-point, got {tensor.dtype}")
    array: FloatArray = tensor.to(torch.float64, copy=True).resolve_neg().numpy()
    return array


# ------------------------------------------------------------------------------------------------------ scikit-learn


def from_sklearn(
    model: Any, X: Any, y: Any, *, lam: float | None = None, sample_weight: Any = None
) -> tuple[ParallelNetwork, Layers]:
    """The landscape that a scikit-learn MLP is trained on, and the point where it stands.

    A fitted ``MLPRegressor`` or ``MLPClassifier`` with one hidden layer and ``activation="relu"`` (or ``"identity"``).
    Its steps are along the gradient, on b samples at a time (all m of them for ``solver="lbfgs"``), of

        (1/b) [Σ l(z_i, y_i) + α/2 (|W1|² + |W2|²)]      α = ``model.alpha``, biases without penalty

    with ½ |z - y|² summed over the outputs for the regressor; log-loss for two classes and for multilabel targets,
    cross-entropy for more classes. For full batches that is land.value(p) / m with λ = α. Batches of b < m samples
    pay the penalty m/b times per pass over the data: their objective is ours with λ = α m / b, which is the default
    here (``"auto"`` is b = 200). Hidden and output biases are free: ``bias="free"``, ``intercept=True``.

    ``model.loss_`` is the same objective but for a regressor with several outputs: there it averages the squared errors
    over the outputs, while its gradient sums them. What is certified is the objective of the gradient; L-BFGS, which
    searches along it with the other loss, may stop early.

    How training ended (early stopping, ``max_iter``) does not matter: the point is judged as it is, on all of X.

    Args:
        model: The fitted estimator. Of a pipeline the last step, with what the steps before make of X.
        X: Training inputs, (m, n0).
        y: Training targets or labels, as passed to ``fit``.
        lam: λ. None: α for full batches, α m / b for batches of b.
        sample_weight: Must be None: a model that was fitted with weights minimises another sum.

    Returns:
        ``(land, p)``, a :class:`ParallelNetwork` and its point (U, V, b). ``land.classes`` is ``model.classes_``, or
        None where y holds not all of them or is multilabel.

    Raises:
        ImportError: If scikit-learn is not installed.
        TypeError: For another estimator; sparse matrices.
        ValueError: For one that is not fitted, several hidden layers (weight decay has degree 2, the network degree L,
            THEORY 5.2), another activation, the Poisson loss, α = 0, sample weights, labels unknown to the model,
            shapes that do not fit, NaN or infinity.

    Example:
        With scikit-learn installed::

            model = MLPRegressor(hidden_layer_sizes=(50,), alpha=1.0, solver="lbfgs").fit(X, y)
            land, p = from_sklearn(model, X, y)
            print(land.certify(p))

    References:
        THEORY 5.2, 12b.6 (free biases) and 12b.13.
    """
    classifier, regressor = _sklearn_kinds()
    if not isinstance(model, (classifier, regressor)):
        hint = "; pass its last step, and what the steps before make of X" if hasattr(model, "steps") else ""
        raise TypeError(f"model must be a fitted MLPRegressor or MLPClassifier, got {type(model).__name__}{hint}")
    if not hasattr(model, "coefs_"):
        raise ValueError(f"model is not fitted: call {type(model).__name__}.fit(X, y) first")
    if sample_weight is not None:
        raise ValueError("sample_weight must be None: the losses of all samples count alike; repeat rows instead")
    hidden = [coefs.shape[1] for coefs in model.coefs_[:-1]]
    if len(hidden) > 1:
        raise ValueError(_too_deep("model", len(hidden) + 1, hidden))
    if not hidden:
        raise ValueError("model must have one hidden layer, got none: it is a linear model")
    units = {"relu": "relu", "identity": "linear"}
    if model.activation not in units:
        raise ValueError(
            f"model must have activation 'relu' or 'identity', got {model.activation!r}, which is not positively "
            "homogeneous"
        )
    W1, W2 = (np.asarray(coefs, dtype=np.float64) for coefs in model.coefs_)
    b1, b = (np.array(intercepts, dtype=np.float64) for intercepts in model.intercepts_)
    x = _samples("X", X, "(m, n0)", len(W1))
    if isinstance(model, regressor):
        if getattr(model, "loss", "squared_error") != "squared_error":
            raise ValueError(f"model must have the loss 'squared_error', got {model.loss!r}")
        loss, targets = "squared", check.as_real("y", y)
        if targets.shape not in ((len(targets), len(b)), (len(targets),) if len(b) == 1 else ()):
            raise ValueError(f"y must be (m, {len(b)}), got {targets.shape}")
    else:
        loss = "softmax" if model.out_activation_ == "softmax" else "logistic"
        targets = _sklearn_labels(model, y, len(b))
    penalty = _sklearn_penalty(model, len(x)) if lam is None else lam
    land = ParallelNetwork(x, targets, penalty, units[model.activation], loss, 2, "free", True)
    p = (np.ascontiguousarray(W2.T), np.vstack([W1, b1]), b)
    return land, land._single(p, "model")


def _sklearn_kinds() -> tuple[Any, Any]:
    try:
        from sklearn.neural_network import MLPClassifier, MLPRegressor
    except ImportError as error:
        raise ImportError('from_sklearn needs scikit-learn: python -m pip install "landscape-cpp[sklearn]"') from error
    return MLPClassifier, MLPRegressor


def _sklearn_penalty(model: Any, samples: int) -> float:
    """α m / b."""
    alpha = check.as_float("model.alpha", model.alpha, positive=True)
    if model.solver == "lbfgs":
        return alpha
    size = 200 if isinstance(model.batch_size, str) else int(model.batch_size)
    return alpha * max(1.0, samples / size)


def _sklearn_labels(model: Any, y: Any, n_outputs: int) -> npt.NDArray[Any]:
    """The labels themselves where they hold every class; else ±1 or one-hot rows in the order of ``classes_``."""
    if model.out_activation_ == "logistic" and n_outputs > 1:
        many = check.as_array("y", y, "(m, nL)", (None, n_outputs))
        if not np.all((many == 0.0) | (many == 1.0)):
            raise ValueError("y must hold 0 and 1 for a multilabel model")
        return _signs(many)
    labels = np.asarray(y)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1:
        raise ValueError(f"y must be labels (m,), got shape {labels.shape}")
    index = {label: i for i, label in enumerate(np.asarray(model.classes_).tolist())}
    places = np.array([index.get(label, -1) for label in labels.tolist()], dtype=np.int64)
    if np.any(places < 0):
        raise ValueError(
            f"y holds {labels.tolist()[int(np.argmin(places))]!r}, which is not among the classes of the model"
        )
    if len(index) > 1 and len(np.unique(places)) == len(index):
        return labels
    return np.eye(n_outputs)[places] if n_outputs > 1 else _signs(places)[:, None]
