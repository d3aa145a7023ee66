"""``landscape race``: which optimiser leaves the saddles of a linear network on your data."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Callable
from typing import Any

import numpy as np

from . import _datasets, experiments
from ._datasets import DataError
from ._io import build_info
from ._ratings import blaming
from ._training_methods import METHODS
from ._weights import widths_word
from .deep import DeepLinear
from .linear import ShallowLinear
from .risk import Covariances

__all__ = ["add_race", "race"]

Report = dict[str, Any]

_SCHEMA_VERSION = 1
_CHOICES = (*(name for name in METHODS if name != "sgd"), *(f"scipy-{name}" for name in experiments.SCIPY_METHODS))

_DESCRIPTION = """\
Start every optimiser near every saddle of a linear network on your data, and count how many runs reach the global
minimum, which is known. DATA is a table (.csv, .tsv, .npy, .npz, .parquet) or a bundled data set.
"""

_EXAMPLES = f"""\
methods: {", ".join(_CHOICES)}

examples:
  landscape race digits --hidden 8 --seeds 5
  landscape race table.csv --targets price,rent --hidden 3 --methods gd,adam,lbfgs,trust_region,escape
  landscape race linnerud --hidden 2,2 --origin --methods gd,trust_region,scipy-trust-krylov,escape --json race.json
"""


def add_race(commands: Any, **types: Callable[[str], Any]) -> Any:
    """Add the verb; returns its parser.

    Args:
        commands: The subparsers.
        **types: ``positive_int`` and ``positive_float``, which argparse calls.
    """
    parser = commands.add_parser(
        "race", help="which optimiser leaves which saddle", description=_DESCRIPTION, epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    add = parser.add_argument
    add("data", metavar="DATA", help="a file or a bundled data set, see above")
    add("--targets", "--target", metavar="COLUMNS", action="append", default=[], help="the columns to predict; none: "
        "auto-encoder")  # fmt: skip
    add("--inputs", metavar="COLUMNS", action="append", default=[], help="the columns to predict from (default: the "
        "rest)")  # fmt: skip
    add("--hidden", metavar="K[,K...]", type=_widths, required=True, help="widths of the hidden layers")
    add("--center", action="store_true", help="subtract the means first: the network has an intercept")
    add("--methods", metavar="A[,B...]", type=_methods, help="see below (default: all of ours)")
    add("--distances", metavar="D[,D...]", type=_distances(types["positive_float"]), default=(1e-8, 1e-5, 1e-2),
        help="of the starts from the saddle (default: 1e-8,1e-5,1e-2)")  # fmt: skip
    add("--seeds", metavar="N", type=types["positive_int"], default=10, help="starts around every saddle at every "
        "distance (default: 10)")  # fmt: skip
    add("--saddles", metavar="N", type=types["positive_int"], default=20, help="saddles at most, the lowest first "
        "(default: 20)")  # fmt: skip
    add("--origin", action="store_true", help="start around the origin instead")
    add("--steps", metavar="N", type=types["positive_int"], default=5000, help="of every run at most (default: 5000)")
    add("--tol", metavar="T", type=types["positive_float"], default=1e-6, help="success is a gap of at most T times "
        "the value at zero (default: 1e-6)")  # fmt: skip
    add("--threads", metavar="N", type=types["positive_int"], help="threads to use (default: all this process may use)")
    add("--json", metavar="FILE", help="write the report as JSON too; - writes it to standard output instead of the "
        "text")  # fmt: skip
    return parser


def _widths(text: str) -> tuple[int, ...]:
    with contextlib.suppress(ValueError):
        return widths_word(text)
    raise argparse.ArgumentTypeError(f"expected widths such as 8 or 16,8,16, got {text!r}")


def _methods(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    for name in names:
        if name not in _CHOICES:
            raise argparse.ArgumentTypeError(f"unknown method {name!r}; known are {', '.join(_CHOICES)}")
    return tuple(name.replace("scipy-", "scipy ", 1) for name in names)


def _distances(positive_float: Callable[[str], float]) -> Callable[[str], tuple[float, ...]]:
    def distances(text: str) -> tuple[float, ...]:
        return tuple(positive_float(word) for word in text.split(","))

    return distances


def race(args: argparse.Namespace) -> tuple[Report, list[str], int]:
    """The report, the text and the exit status."""
    data = _datasets.load(args.data, inputs=args.inputs, targets=args.targets)
    with blaming(data.name):
        cov = Covariances.from_data(data.X, data.Y, center=args.center, n_threads=args.threads)
    with blaming("--hidden"):
        net = ShallowLinear(cov, args.hidden[0]) if len(args.hidden) == 1 else DeepLinear(cov, args.hidden)
    if args.origin:
        saddles = tuple(np.zeros(shape) for shape in net.shapes)
    else:
        found = experiments.saddles_of(net, args.saddles)
        if not found:
            raise DataError("this network has no saddle of full rank on these data: --origin starts around zero")
        saddles = tuple(np.stack(blocks) for blocks in zip(*found, strict=True))
    done = experiments.escape_race(
        net, saddles, methods=args.methods, distances=args.distances, seeds=args.seeds, steps=args.steps, tol=args.tol,
        n_threads=args.threads,
    )  # fmt: skip
    names = ("method", "distance", "runs", "successes", "rate", "claims", "gradients", "products", "seconds")
    report = {
        "schema_version": _SCHEMA_VERSION,
        "version": build_info()["version"],
        "data": {"name": data.name, "n_samples": cov.n_samples, "inputs": data.input_names,
                 "targets": data.target_names},
        "problem": {"hidden": list(args.hidden), "center": args.center, "saddles": done.n_saddles,
                    "seeds": done.n_seeds, "steps": done.steps, "tol": done.tol, "origin": args.origin},
        "entries": [{name: getattr(entry, name) for name in names} for entry in done.entries],
        "seconds": done.seconds,
    }  # fmt: skip
    return report, [data.name, *str(done).splitlines(), f"  {done.seconds:.1f} s in all"], 0
