"""``landscape certify`` for networks with one hidden layer: how far the weights are from the best of any width."""

from __future__ import annotations

import argparse
import pickle
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _datasets
from ._cli_text import _entry, _plural
from ._datasets import DataError
from ._io import build_info
from ._network_data import UNITS
from ._network_interop import from_sklearn, from_torch
from ._network_polar import METHODS
from ._ratings import blaming
from ._validation import FloatArray, Layers
from .homogeneous import ParallelNetwork
from .results import Certificate, Verdict

__all__ = ["add_network_options", "certify_network", "is_network"]

Report = dict[str, Any]

_SCHEMA_VERSION = 1
_TORCH = (".pt", ".pth")
_PICKLES = (".pkl", ".pickle", ".joblib")
_LABELS = ("logistic", "squared_hinge", "softmax")
_LOSS_WORDS = {
    "squared": "½ |y - z|²",
    "huber": "Huber's loss of z - y",
    "logistic": "log(1 + exp(-y z))",
    "squared_hinge": "½ max(0, 1 - y z)²",
    "softmax": "the cross-entropy of softmax(z)",
}

DESCRIPTION = """\
With --targets, with a named data set, or with a .pt or .pkl file MODEL is a network with one hidden layer instead, and
DATA the table it was trained on (all of it): how far its weights are from the best of all weights of all widths.
  .npz          U (nL, r), V (n0, r) and perhaps b (nL); V has one row more, the last, for hidden biases. Or W1 (r, n0),
                W2 (nL, r) and perhaps b1 (r), b2 (nL), as torch.nn.Linear and the transposes of scikit-learn's coefs_.
  .pt, .pth     a state dict of torch.nn.Sequential(Linear, ReLU, Linear)          needs --trust and --weight-decay
  .pkl .joblib  a fitted MLPRegressor or MLPClassifier of scikit-learn             needs --trust
"""

EXAMPLES = """
  landscape certify weights.npz table.csv --targets price --lam 0.5 --bias --intercept
  landscape certify model.pkl table.csv --targets class --trust
  landscape certify model.pt table.csv --targets price --weight-decay 1e-3 --trust
"""


def add_network_options(parser: argparse.ArgumentParser, **types: Callable[[str], Any]) -> None:
    """Add what only networks need.

    Args:
        parser: Of the verb.
        **types: ``positive_int`` and ``positive_float``, which argparse calls.
    """
    group = parser.add_argument_group("networks")
    add = group.add_argument
    add("--targets", metavar="COLUMNS", action="append", default=[], help="the columns to predict")
    add("--inputs", metavar="COLUMNS", action="append", default=[], help="the columns to predict from (default: the "
        "rest)")  # fmt: skip
    add("--unit", choices=UNITS, default=None, help="the activation (default: relu)")
    add("--slope", metavar="A", type=float, help="of leaky_relu (default: 0.01)")
    hidden = group.add_mutually_exclusive_group()
    hidden.add_argument("--bias", dest="hidden_bias", action="store_const", const=True, help="hidden biases, in the "
        "weight decay")  # fmt: skip
    hidden.add_argument("--free-bias", dest="hidden_bias", action="store_const", const="free", help="hidden biases "
        "without decay")  # fmt: skip
    output = group.add_mutually_exclusive_group()
    output.add_argument("--intercept", dest="intercept", action="store_const", const=True, help="an output bias "
        "without decay")  # fmt: skip
    output.add_argument("--penalized-intercept", dest="intercept", action="store_const", const="penalized",
        help="an output bias in the weight decay")  # fmt: skip
    add("--weight-decay", metavar="W", type=types["positive_float"], help="of a torch optimiser, in place of --lam")
    add("--reduction", choices=("mean", "sum"), default=None, help="of the torch loss (default: mean)")
    add("--no-decay-bias", action="store_true", help="the torch optimiser left the biases out of the decay")
    add(
        "--trust", action="store_true", help="read a .pt or .pkl file, which can execute code: only from whom you trust"
    )
    add("--method", choices=METHODS, default="auto", help="how the upper side of the polar is proved")
    add("--max-nodes", metavar="N", type=types["positive_int"], default=1000, help="of the branch and bound "
        "(default: 1000)")  # fmt: skip
    add("--max-seconds", metavar="S", type=types["positive_float"], help="of the branch and bound")
    add("--witness", metavar="FILE", type=Path, help="write the neuron that lowers the objective, or the better "
        "weights, as .npz")  # fmt: skip


def is_network(args: argparse.Namespace) -> bool:
    """Whether the words of ``landscape certify`` are about a network."""
    suffix = args.factors.suffix.lower()
    return bool(args.targets) or suffix in (*_TORCH, *_PICKLES) or str(args.ratings) in _datasets.BUNDLED


def certify_network(args: argparse.Namespace) -> tuple[Report, list[str], int]:
    """The report, the text and the exit status."""
    model: Path = args.factors
    for path in (args.certificate, args.witness):
        if path is not None and (path.is_dir() or not path.parent.is_dir()):
            raise DataError(f"cannot write {path}: {'it is a directory' if path.is_dir() else 'no such folder'}")
    if args.delta is not None and args.loss != "huber":
        raise DataError("--delta is for --loss huber")
    suffix = model.suffix.lower()
    if suffix in (*_TORCH, *_PICKLES) and not args.trust:
        raise DataError(
            f"{model.name}: reading a {suffix} file can execute code that it contains; --trust says that you trust it"
        )
    _datasets._require_file(model)
    data = _datasets.load(str(args.ratings), inputs=args.inputs, targets=args.targets)
    if data.Y is None:
        raise DataError("--targets must name the columns to predict")
    X, Y = np.asarray(data.X, dtype=np.float64), np.asarray(data.Y, dtype=np.float64)
    with blaming(model.name):
        if suffix in _PICKLES:
            land, point = _sklearn(model, X, Y, args)
        elif suffix in _TORCH:
            land, point = _torch(model, X, Y, args)
        else:
            land, point = _archive(model, X, Y, args)
        certificate = land.certify(
            point,
            tol=args.tol,
            method=args.method,
            max_nodes=args.max_nodes,
            max_seconds=args.max_seconds,
            n_threads=args.threads,
        )
    if args.certificate is not None:
        certificate.save(args.certificate)
    written = None
    if args.witness is not None and certificate.witness is not None:
        _save_witness(args.witness, land, certificate)
        written = str(args.witness)
    width = land._width(point)
    report = {
        "schema_version": _SCHEMA_VERSION,
        "version": build_info()["version"],
        "data": {"name": data.name, "n_samples": land.n_samples, "inputs": list(data.input_names),
                 "targets": list(data.target_names)},
        "problem": {"unit": land.unit.name, "loss": land.loss.name, "lam": land.lam, "bias": land.bias,
                    "intercept": land.intercept, "tol": args.tol},
        "model": {"name": model.name, "width": width},
        "certificate": _plain_certificate(certificate),
        "witness": None if certificate.witness is None else (certificate.proof or {}).get("witness"),
        "files": {"certificate": None if args.certificate is None else str(args.certificate), "witness": written},
    }  # fmt: skip
    return report, _text(report, land, certificate), 0 if certificate.verdict == Verdict.GLOBAL else 1


def _plain_certificate(certificate: Certificate) -> Report:
    return {item.name: getattr(certificate, item.name) for item in fields(certificate) if item.name not in
            ("witness", "proof")}  # fmt: skip


def _save_witness(path: Path, land: ParallelNetwork, certificate: Certificate) -> None:
    names = land._labels()
    assert certificate.witness is not None
    with path.open("wb") as file:  # by its name, savez would add a suffix
        np.savez(file, **dict(zip(names, certificate.witness, strict=True)))  # type: ignore[arg-type]


# ------------------------------------------------------------------------------------------------ models


def _targets(Y: FloatArray, loss: str) -> npt.NDArray[Any]:
    """One column of labels, or the matrix."""
    return Y[:, 0] if loss in _LABELS and Y.shape[1] == 1 else Y


def _refuse(args: argparse.Namespace, what: str, **options: Any) -> None:
    """Options that the file answers itself, or that are not for it."""
    for name, value in options.items():
        if value:
            raise DataError(f"--{name.replace('_', '-')} is not for {what}")


def _archive(path: Path, X: FloatArray, Y: FloatArray, args: argparse.Namespace) -> tuple[ParallelNetwork, Layers]:
    _refuse(args, "an .npz", weight_decay=args.weight_decay, reduction=args.reduction, no_decay_bias=args.no_decay_bias)
    if args.lam is None:
        raise DataError("--lam is needed: the multiplier of (|U|^2 + |V|^2) / 2")
    arrays = _datasets.load_arrays(path)
    names = set(arrays)
    if {"U", "V"} <= names <= {"U", "V", "b"}:
        u, v, b = arrays["U"], arrays["V"], arrays.get("b")
        if v.ndim == 2 and v.shape[0] == X.shape[1] + 1 and not args.hidden_bias:
            raise DataError("V has a row of biases: --bias (in the decay) or --free-bias")
    elif {"W1", "W2"} <= names <= {"W1", "W2", "b1", "b2"}:
        w1, b1, b = arrays["W1"], arrays.get("b1"), arrays.get("b2")
        if (b1 is not None) != bool(args.hidden_bias):
            raise DataError("b1 and --bias (in the decay) or --free-bias go together")
        if w1.ndim != 2 or (b1 is not None and b1.shape != w1.shape[:1]):
            raise DataError("W1 must be (r, n0), and b1 (r,)")
        u, v = arrays["W2"], (w1 if b1 is None else np.column_stack([w1, b1])).T
    else:
        raise DataError(f"it must hold U, V (and b), or W1, W2 (and b1, b2); it holds {', '.join(arrays)}")
    if (b is not None) != bool(args.intercept):
        raise DataError("an output bias and --intercept (without decay) or --penalized-intercept go together")
    land = ParallelNetwork(
        X, _targets(Y, args.loss), args.lam, unit=args.unit or "relu", loss=args.loss, slope=args.slope,
        bias=args.hidden_bias or False, intercept=args.intercept or False, delta=args.delta,
    )  # fmt: skip
    return land, land._single((u, v) if b is None else (u, v, b), "the weights")


def _torch(path: Path, X: FloatArray, Y: FloatArray, args: argparse.Namespace) -> tuple[ParallelNetwork, Layers]:
    _refuse(args, "a torch model", lam=args.lam, hidden_bias=args.hidden_bias, intercept=args.intercept)
    if args.weight_decay is None:
        raise DataError("--weight-decay is needed: that of the optimiser")
    try:
        import torch
    except ImportError as error:
        raise DataError('reading a torch model needs torch: python -m pip install "landscape-cpp[torch]"') from error
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        raise DataError(f"it is not a state dict: {str(error).splitlines()[0]}") from error
    if not isinstance(state, dict):
        raise DataError(f"it must be a state dict, got {type(state).__name__}")
    weights = [(key, value) for key, value in state.items() if key.split(".")[-1] == "weight"]
    if len(weights) != 2 or any(value.ndim != 2 for _, value in weights):
        raise DataError(f"it must hold the weights of two Linear layers; it holds {', '.join(map(str, state))}")
    unit = args.unit or "relu"
    if unit not in ("relu", "leaky_relu", "linear"):
        raise DataError(f"--unit {unit} is not for a torch model")
    layers: list[Any] = []
    for key, weight in weights:
        bias = state.get(f"{key[:-6]}bias")
        layer = torch.nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None, dtype=weight.dtype)
        with torch.no_grad():
            layer.weight.copy_(weight)
            if bias is not None:
                layer.bias.copy_(bias)
        layers.append(layer)
    middle = {"relu": torch.nn.ReLU(), "linear": torch.nn.Identity()}.get(unit)
    if middle is None:
        middle = torch.nn.LeakyReLU(0.01 if args.slope is None else args.slope)
    module = torch.nn.Sequential(layers[0], middle, layers[1])
    labels: Any = _targets(Y, args.loss)
    if args.loss == "softmax" and labels.ndim == 1:
        labels = np.unique(labels, return_inverse=True)[1]
    return from_torch(
        module, X, labels, weight_decay=args.weight_decay, loss=args.loss, reduction=args.reduction, delta=args.delta,
        decay_bias=not args.no_decay_bias,
    )  # fmt: skip


def _sklearn(path: Path, X: FloatArray, Y: FloatArray, args: argparse.Namespace) -> tuple[ParallelNetwork, Layers]:
    _refuse(
        args, "a scikit-learn model, whose alpha, loss and biases are known", lam=args.lam, unit=args.unit,
        hidden_bias=args.hidden_bias, intercept=args.intercept, weight_decay=args.weight_decay,
        reduction=args.reduction, no_decay_bias=args.no_decay_bias,
    )  # fmt: skip
    try:
        if path.suffix.lower() == ".joblib":
            import joblib

            model = joblib.load(path)
        else:
            with path.open("rb") as file:
                model = pickle.load(file)
    except Exception as error:  # whatever the file's own code raises
        raise DataError(f"it cannot be read: {type(error).__name__}: {error}") from error
    return from_sklearn(model, X, Y[:, 0] if Y.shape[1] == 1 else Y)


# ------------------------------------------------------------------------------------------------ words


def _text(report: Report, land: ParallelNetwork, certificate: Certificate) -> list[str]:
    problem, width = report["problem"], report["model"]["width"]
    words = [land.unit.name]
    if land.bias:
        words.append("hidden biases " + ("without decay" if land.bias == "free" else "in the decay"))
    if land.intercept:
        words.append("output bias " + ("in the decay" if land.intercept == "penalized" else "without decay"))
    inputs = land.n_inputs - int(bool(land.bias))
    share = f"{100.0 * certificate.relative_gap:.3g} % of its value"
    within = f"Your network is within {certificate.gap:.6g} of the global optimum over all widths ({share})."
    lines = [
        *_entry(
            "Data",
            f"{report['data']['name']}: {_plural(land.n_samples, 'sample')}, {_plural(inputs, 'input')}, "
            f"{_plural(land.n_outputs, 'output')}",
        ),
        *_entry("Model", f"{report['model']['name']}: {_plural(width, 'unit')}, {', '.join(words)}"),
        *_entry(
            "Problem",
            f"minimise over all weights of all widths the sum over the samples of {_LOSS_WORDS[problem['loss']]} plus "
            f"λ/2 (|U|² + |V|²), λ = {problem['lam']:g}",
        ),
        "",
        *str(certificate).splitlines(),
        "",
        within,
    ]
    if certificate.witness is not None:
        kind = (certificate.proof or {}).get("witness")
        if kind == "append":
            u, v = (np.ravel(block) for block in certificate.witness[:2])
            lines += [
                f"This neuron {certificate.reason.removeprefix('one more unit ')}:",
                f"  in  {_numbers(v)}",
                f"  out {_numbers(u)}",
            ]
        else:
            lines.append(f"{certificate.reason[0].upper()}{certificate.reason[1:]}.")
    for name in ("certificate", "witness"):
        if report["files"][name] is not None:
            lines += _entry(name.capitalize(), report["files"][name])
    return lines


def _numbers(values: FloatArray, most: int = 12) -> str:
    shown = " ".join(f"{value:.4g}" for value in values[:most])
    return shown if len(values) <= most else f"{shown} ... ({len(values)} numbers; --witness writes them all)"
