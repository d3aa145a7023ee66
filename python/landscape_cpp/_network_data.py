"""What the user passes as a parallel network, checked: inputs, targets or labels, the unit and the loss."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _validation as check
from ._factorization_data import Loss
from ._validation import FloatArray

__all__ = ["LOSSES", "UNITS", "NetworkData", "Unit", "network_data"]

LOSSES = ("squared", "huber", "logistic", "squared_hinge", "softmax")
PENALTIES = ("sum", "product")
UNITS = ("linear", "relu", "leaky_relu", "abs", "squared_relu", "quadratic")
_SHAPES = {"linear": (1.0, 1), "relu": (0.0, 1), "abs": (-1.0, 1), "squared_relu": (0.0, 2), "quadratic": (-1.0, 2)}


@dataclass(frozen=True)
class Unit:
    """The activation act(t) = max(t, a t)^k.

    Attributes:
        name: One of ``"linear"``, ``"relu"``, ``"leaky_relu"``, ``"abs"``, ``"squared_relu"``, ``"quadratic"``.
        slope: a, between -1 and 1.
        power: k, 1 or 2.
    """

    name: str
    slope: float
    power: int

    def __call__(self, t: Any) -> FloatArray:
        """act(t), entry by entry."""
        t = np.asarray(t, dtype=np.float64)
        return np.asarray(np.maximum(t, self.slope * t) ** self.power)


@dataclass(frozen=True)
class NetworkData:
    """Checked data.

    Attributes:
        inputs: X (m, d), the column of ones last where there is one.
        targets: Y (m, nL), labels as ±1 or one-hot rows.
        classes: The labels behind them, or None.
        unit: The unit.
        loss: The loss.
        hidden: Hidden widths of a subnetwork; empty for single units.
        bias: True if the last column of the inputs is the one of ones that was appended; ``"free"`` if its weights have
            no penalty either.
        intercept: True for an unpenalised output intercept, ``"penalized"`` for one in the weight decay.
        penalty: ``"sum"`` or ``"product"``.
    """

    inputs: FloatArray = field(repr=False)
    targets: FloatArray = field(repr=False)
    classes: npt.NDArray[Any] | None = field(repr=False)
    unit: Unit
    loss: Loss
    hidden: tuple[int, ...]
    bias: bool | str
    intercept: bool | str
    penalty: str = "sum"

    def lock(self) -> None:
        """Nobody writes to the data."""
        self.inputs.flags.writeable = False
        self.targets.flags.writeable = False


def network_data(
    X: Any,
    Y: Any,
    unit: Any,
    loss: Any,
    depth: Any,
    hidden: Any,
    bias: Any,
    intercept: Any,
    slope: Any,
    delta: Any,
    penalty: Any,
) -> NetworkData:
    """Everything checked before any work."""
    kind = _unit(unit, slope)
    name = check.as_choice("loss", loss, LOSSES)
    if delta is not None and name != "huber":
        raise ValueError(f"delta is for the Huber loss, not for {name!r}")
    threshold = 1.0 if delta is None else check.as_float("delta", delta, positive=True)
    widths = _hidden(depth, hidden)
    if widths and kind.power != 1:
        raise ValueError(
            f"depth must be 2 without hidden for unit {kind.name!r}: a composition of squares has another degree"
        )
    inputs = np.array(check.as_array("X", X, "(m, n0)", (None, None)), order="C")
    if not inputs.size:
        raise ValueError(f"X must have at least one row and one column, got shape {inputs.shape}")
    with_bias = _flag("bias", bias, "free")
    with_intercept = _flag("intercept", intercept, "penalized")
    if with_bias == "free" and (with_intercept is not True or kind.power != 1 or widths):
        raise ValueError(
            "bias must not be 'free' without intercept=True (free hidden biases make a constant free), and only for "
            "single units of power 1"
        )
    if with_bias:
        inputs = np.hstack([inputs, np.ones((len(inputs), 1))])
    targets, classes = _targets(Y, name, len(inputs))
    result = NetworkData(
        inputs=inputs,
        targets=targets,
        classes=classes,
        unit=kind,
        loss=Loss(name, threshold),
        hidden=widths,
        bias=with_bias,
        intercept=with_intercept,
        penalty=check.as_choice("penalty", penalty, PENALTIES),
    )
    result.lock()
    return result


def _flag(name: str, value: Any, special: str) -> bool | str:
    """True, False, or one special word."""
    if isinstance(value, str):
        if value != special:
            raise ValueError(f"{name} must be True, False or {special!r}, got {value!r}")
        return special
    return check.as_bool(name, value)


def _unit(unit: Any, slope: Any) -> Unit:
    name = check.as_choice("unit", unit, UNITS)
    if name == "leaky_relu":
        value = 0.01 if slope is None else check.as_float("slope", slope)
        if not -1.0 <= value <= 1.0:
            raise ValueError(f"slope must be between -1 and 1, got {value}")
        return Unit(name, value, 1)
    if slope is not None:
        raise ValueError(f"slope is for unit 'leaky_relu', not for {name!r}")
    return Unit(name, *_SHAPES[name])


def _hidden(depth: Any, hidden: Any) -> tuple[int, ...]:
    layers = check.as_int("depth", depth, minimum=2)
    if hidden is None:
        if layers > 2:
            raise ValueError(f"hidden must give the {layers - 1} hidden widths of a subnetwork of depth {layers}")
        return ()
    if isinstance(hidden, (str, bytes)) or not hasattr(hidden, "__iter__"):
        raise TypeError(f"hidden must be a sequence of {layers - 1} widths, got {hidden!r}")
    widths = tuple(check.as_int("hidden", width, minimum=1) for width in hidden)
    if len(widths) != layers - 1:
        raise ValueError(f"hidden must give depth - 1 = {layers - 1} widths, got {len(widths)}")
    return widths


def _targets(Y: Any, loss: str, samples: int) -> tuple[FloatArray, npt.NDArray[Any] | None]:
    """Y as (m, nL), and the classes if it held labels."""
    labels = np.asarray(Y)
    wants_labels = loss in ("logistic", "squared_hinge", "softmax")
    if wants_labels and labels.ndim == 1:
        if len(labels) != samples:
            raise ValueError(f"Y must have the rows of X, ({samples},), got {labels.shape}")
        return _labels(labels, loss)
    array = check.as_real("Y", Y)
    if array.ndim == 1:
        array = array[:, None]
    targets = np.array(check.as_array("Y", array, f"({samples}, nL)", (samples, None)), order="C")
    if not targets.shape[1]:
        raise ValueError("Y must have at least one column")
    if loss in ("logistic", "squared_hinge") and not np.all(np.abs(targets) == 1.0):
        wrong = targets[np.abs(targets) != 1.0].ravel()[0]
        raise ValueError(f"Y must hold the labels -1 and 1 for the {loss} loss, got {wrong:g}")
    if loss == "softmax":
        if targets.shape[1] < 2:
            raise ValueError("Y must be labels, or rows of probabilities of at least two classes, for the softmax loss")
        if np.any(targets < 0.0) or np.any(np.abs(targets.sum(axis=1) - 1.0) > 1e-9):
            raise ValueError("Y must be labels, or rows of probabilities that sum to one, for the softmax loss")
    return targets, None


def _labels(labels: npt.NDArray[Any], loss: str) -> tuple[FloatArray, npt.NDArray[Any]]:
    if labels.dtype.kind == "f" and not np.all(np.isfinite(labels)):
        raise ValueError("Y contains NaN or infinity")
    if labels.dtype.kind not in "biufUSO":
        raise TypeError(f"Y must hold labels, got dtype {labels.dtype}")
    try:
        classes, index = np.unique(labels, return_inverse=True)
    except TypeError:
        raise TypeError("Y must hold labels of one kind") from None
    if len(classes) > 100 and len(classes) > len(labels) // 2 and labels.dtype.kind == "f":
        raise ValueError(f"Y must hold class labels for the {loss} loss, got {len(classes)} distinct numbers")
    if loss == "softmax":
        if len(classes) < 2:
            raise ValueError(f"Y must hold at least two classes for the softmax loss, got {classes[0]!r} only")
        return np.eye(len(classes))[index.ravel()], classes
    if len(classes) > 2:
        raise ValueError(f"Y must hold two classes for the {loss} loss, got {len(classes)}; use loss='softmax'")
    if len(classes) == 1 and not (classes.dtype.kind in "iuf" and abs(float(classes[0])) == 1.0):
        raise ValueError(f"Y must hold two classes for the {loss} loss, got {classes[0]!r} only")
    if len(classes) == 1:
        return np.asarray(labels, dtype=np.float64)[:, None], np.array([-1.0, 1.0])
    return np.where(index.ravel() == 1, 1.0, -1.0)[:, None], classes
