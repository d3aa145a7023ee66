"""``landscape train``: a network with one hidden layer grown to its certified optimum over all widths."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from . import _datasets, _pictures
from ._cli_network import _LABELS, _LOSS_WORDS, _plain_certificate, _targets
from ._cli_text import _entry, _plural
from ._datasets import DataError
from ._factorization_results import Solution
from ._io import build_info
from ._network_data import LOSSES, UNITS
from ._network_polar import METHODS
from ._ratings import blaming
from .homogeneous import ParallelNetwork
from .results import StopReason

__all__ = ["add_train", "train_network"]

Report = dict[str, Any]

_SCHEMA_VERSION = 1

_DESCRIPTION = """\
Train a network with one hidden layer to its global optimum over all weights of all widths:

  minimise  sum of the losses  +  lam/2 (|U|^2 + |V|^2)       prediction act([X 1] V) U^T + b

No width, seed or learning rate: units are added until the duality gap is proved. DATA is a table (.csv, .tsv, .npy,
.npz, .parquet) or a bundled data set. With up to two inputs and a bias the proof is exact; with more it may stay open,
and the gap that is proved is printed.
"""

_EXAMPLES = """\
examples:
  landscape train table.csv --targets price --lam 0.5
  landscape train table.csv --targets label --loss logistic --lam 0.1 --weights weights.npz --plots pictures
  landscape certify weights.npz table.csv --targets price --lam 0.5 --bias --intercept

exit status: 0 if the gap is proved, 1 if it is not, 2 for an error.
"""


def add_train(commands: Any, **types: Callable[[str], Any]) -> Any:
    """Add the verb; returns its parser.

    Args:
        commands: The subparsers.
        **types: ``positive_int`` and ``positive_float``, which argparse calls.
    """
    parser = commands.add_parser(
        "train", help="train a one-hidden-layer network to a certified global optimum", description=_DESCRIPTION,
        epilog=_EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    add = parser.add_argument
    add("data", metavar="DATA", help="a file or a bundled data set, see above")
    add("--targets", "--target", metavar="COLUMNS", action="append", default=[], help="the columns to predict")
    add("--inputs", metavar="COLUMNS", action="append", default=[], help="the columns to predict from (default: the "
        "rest)")  # fmt: skip
    add("--lam", metavar="L", type=types["positive_float"], required=True, help="the multiplier of (|U|^2 + |V|^2) / 2 "
        "beside the sum of the losses")  # fmt: skip
    add("--loss", choices=LOSSES, default="squared", help="of one sample (default: squared, |z - y|^2 / 2)")
    add("--delta", metavar="D", type=types["positive_float"], help="where the Huber loss becomes linear (default: 1)")
    add("--unit", choices=UNITS, default="relu", help="the activation (default: relu)")
    add("--slope", metavar="A", type=float, help="of leaky_relu (default: 0.01)")
    add("--bias", action=argparse.BooleanOptionalAction, default=True, help="hidden biases, in the weight decay")
    add("--intercept", action=argparse.BooleanOptionalAction, default=True, help="an output bias, without decay")
    add("--tol", metavar="T", type=types["positive_float"], default=1e-4, help="relative gap to prove (default: 1e-4)")
    add("--width-max", metavar="R", type=types["positive_int"], help="units at most")
    add("--max-iter", metavar="N", type=types["positive_int"], help="rounds at most")
    add("--max-seconds", metavar="S", type=types["positive_float"], help="a budget of time")
    add("--method", choices=METHODS, default="auto", help="how the upper side of the polar is proved")
    add("--max-nodes", metavar="N", type=types["positive_int"], default=200, help="of the branch and bound "
        "(default: 200)")  # fmt: skip
    add("--weights", metavar="FILE", type=Path, help="write U, V and b as .npz, for landscape certify")
    add("--certificate", metavar="FILE", type=Path, help="write the certificate as JSON")
    add("--plots", metavar="DIR", type=Path, help="write pictures (PNG): the gap against time and, for two inputs, the "
        "prediction")  # fmt: skip
    add("--progress", action="store_true", help="show a progress bar")
    add("--threads", metavar="N", type=types["positive_int"], help="threads to use (default: all this process may use)")
    add("--json", metavar="FILE", help="write the report as JSON too; - writes it to standard output instead of the "
        "text")  # fmt: skip
    return parser


def train_network(args: argparse.Namespace) -> tuple[Report, list[str], int]:
    """The report, the text and the exit status."""
    for path in (args.weights, args.certificate):
        if path is not None and (path.is_dir() or not path.parent.is_dir()):
            raise DataError(f"cannot write {path}: {'it is a directory' if path.is_dir() else 'no such folder'}")
    if args.delta is not None and args.loss != "huber":
        raise DataError("--delta is for --loss huber")
    data = _datasets.load(args.data, inputs=args.inputs, targets=args.targets)
    if data.Y is None:
        raise DataError("--targets must name the columns to predict")
    if args.plots is not None:
        args.plots.mkdir(parents=True, exist_ok=True)
    with blaming(data.name):
        land = ParallelNetwork(
            data.X, _targets(np.asarray(data.Y, dtype=np.float64), args.loss), args.lam, unit=args.unit, loss=args.loss,
            slope=args.slope, delta=args.delta, bias=args.bias, intercept=args.intercept,
        )  # fmt: skip
    solution = land.solve(
        args.tol, width_max=args.width_max, max_iter=args.max_iter, max_seconds=args.max_seconds, method=args.method,
        max_nodes=args.max_nodes, progress=args.progress, n_threads=args.threads,
    )  # fmt: skip
    if args.weights is not None:
        with args.weights.open("wb") as file:  # by its name, savez would add a suffix
            np.savez(file, **dict(zip(land._labels(), solution.point, strict=True)))
    if args.certificate is not None:
        solution.certificate.save(args.certificate)
    pictures = [] if args.plots is None else _draw(land, solution, args.plots)
    proved = solution.stop_reason == StopReason.CONVERGED
    report = {
        "schema_version": _SCHEMA_VERSION,
        "version": build_info()["version"],
        "data": {"name": data.name, "n_samples": land.n_samples, "inputs": list(data.input_names),
                 "targets": list(data.target_names)},
        "problem": {"unit": land.unit.name, "loss": land.loss.name, "lam": land.lam, "bias": land.bias,
                    "intercept": land.intercept, "tol": args.tol},
        "solution": {"width": solution.width, "value": solution.value, "seconds": solution.seconds,
                     "stop_reason": str(solution.stop_reason), "accuracy": _accuracy(land, solution)},
        "certificate": _plain_certificate(solution.certificate),
        "files": {"weights": None if args.weights is None else str(args.weights),
                  "certificate": None if args.certificate is None else str(args.certificate),
                  "pictures": [{"file": str(picture.path), "shows": picture.caption} for picture in pictures]},
    }  # fmt: skip
    return report, _text(report, land, solution), 0 if proved else 1


def _accuracy(land: ParallelNetwork, solution: Solution) -> float | None:
    """The share of samples whose label the network gives, or None without labels."""
    if land.loss.name not in _LABELS:
        return None
    z, y = land.predict(solution.point), land.targets
    right = np.argmax(z, axis=1) == np.argmax(y, axis=1) if land.loss.name == "softmax" else np.all(z * y > 0.0, axis=1)
    return float(np.mean(right))


def _draw(land: ParallelNetwork, solution: Solution, folder: Path) -> list[Any]:
    from . import plotting

    figure = _pictures.blank(7.0, 4.2)
    plotting.plot_solution(solution, ax=figure.subplots())
    pictures = [_pictures.save(figure, folder / "gap.png", "The objective and the proved bound against time.")]
    if land.n_inputs - int(bool(land.bias)) == 2:
        figure = _pictures.blank(6.0, 5.0)
        plotting.plot_decision(land, solution.point, ax=figure.subplots())
        caption = "The prediction over both inputs, and the line on which each unit switches."
        pictures.append(_pictures.save(figure, folder / "prediction.png", caption))
    return pictures


def _text(report: Report, land: ParallelNetwork, solution: Solution) -> list[str]:
    problem, files, accuracy = report["problem"], report["files"], report["solution"]["accuracy"]
    inputs = land.n_inputs - int(bool(land.bias))
    lines = [
        *_entry(
            "Data",
            f"{report['data']['name']}: {_plural(land.n_samples, 'sample')}, {_plural(inputs, 'input')}, "
            f"{_plural(land.n_outputs, 'output')}",
        ),
        *_entry(
            "Problem",
            f"minimise over all weights of all widths the sum over the samples of {_LOSS_WORDS[problem['loss']]} plus "
            f"λ/2 (|U|² + |V|²), λ = {problem['lam']:g}, {land.unit.name}",
        ),
        *_entry(
            "Network",
            f"{_plural(solution.width, 'unit')}, after {solution.seconds:.2f} s ({solution.stop_reason})"
            + ("" if accuracy is None else f", {100.0 * accuracy:.4g} % of the samples right"),
        ),
        "",
        *str(solution.certificate).splitlines(),
        "",
    ]
    gap = solution.certificate.relative_gap
    if solution.stop_reason == StopReason.CONVERGED:
        lines.append(f"No network of any width is better by more than {100.0 * gap:.2g} % of the objective: proved.")
    else:
        lines.append(f"A better one is not excluded: what is proved is a gap of {100.0 * gap:.3g} % of the objective.")
    for name in ("weights", "certificate"):
        if files[name] is not None:
            lines += _entry(name.capitalize(), files[name])
    for picture in files["pictures"]:
        lines += _entry("Picture", picture["file"])
    return lines
