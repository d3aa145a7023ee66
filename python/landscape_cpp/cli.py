"""The command line: ``landscape analyze DATA``, ``landscape tour`` and ``landscape info``.

``analyze`` builds one report, a tree of plain Python values, from the public API; the text on the screen and ``--json``
are two views of it. Whatever is wrong with the command, a file, a column or the weights is one line on standard error
and exit status 2.
"""

import argparse
import contextlib
import dataclasses
import json
import math
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

import landscape_cpp as ls
from landscape_cpp import _cli_complete, _datasets, _pictures
from landscape_cpp._cli_text import analysis_text, stop_text, words
from landscape_cpp._datasets import DataError
from landscape_cpp._format import LOSS
from landscape_cpp._page import page
from landscape_cpp._weights import load_weights, widths_word

__all__ = ["main"]

Report = dict[str, Any]
Point = tuple[npt.NDArray[Any], ...]
Net = ls.ShallowLinear | ls.DeepLinear

_SCHEMA_VERSION = 1
_LARGEST_EXACT = 2**53  # JSON readers keep integers exactly up to here

_ANALYZE_EXAMPLES = f"""\
DATA is a table (.csv .tsv .txt .dat, with or without a header line; .parquet; .npy; .npz of one array), an
.npz archive of X and Y, or a data set that comes with scikit-learn: {", ".join(_datasets.BUNDLED)}.
Rows are samples.

COLUMNS are names from the header, positions counted from 0 (negative: from the end) or ranges such as
10:13, with commas between them. The bundled sets and the archives of X and Y bring their targets:
--targets then picks among those.

examples:
  landscape analyze digits --hidden 8                     ten classes from 8x8 pixels through 8 hidden units
  landscape analyze digits --hidden 32,8,32               a deep network; its saddles may be of higher order
  landscape analyze digits --targets none --hidden 8      linear auto-encoder (add --center: PCA)
  landscape analyze wine.csv --targets quality --hidden 1 --center
  landscape analyze table.npy --targets 10:13 --hidden 2 --json report.json
  landscape analyze table.parquet --targets price,rent --hidden 3 --plots pictures
  landscape analyze data.npz --weights trained.npz        where these weights lie and which way leads down

Pictures need matplotlib and Parquet needs pyarrow; pip install "landscape-cpp[cli]" brings both.

trained.npz holds U (n2, n1) and V (n0, n1), or W1 (n1, n0), W2 (n2, n1), ... as torch.nn.Linear.weight
stores them, one for each layer; with n0 inputs and n1 units in the first hidden layer:
  np.savez("trained.npz", W1=model[0].weight.detach().numpy(), W2=model[1].weight.detach().numpy())
"""

_EXAMPLES = """\
examples:
  landscape tour                                  ten stops on real data, then a page to open in a browser
  landscape analyze digits --hidden 8             the landscape of a 64-8-10 network on images of digits
  landscape analyze table.csv --targets price --hidden 2 --plots pictures
  landscape analyze --help                        files, columns, weights
"""

_TOUR = """\
Ten stops on data that come with scikit-learn, 1,797 images of handwritten digits and a photograph: what a network
of a given width can reach, where an optimiser can stop, an optimiser that stops at a saddle and reports success, the
way out and the certificate at the end, a deep network that walks down the ladder of saddles, the estimators, the
missing pixels of the photograph completed with a proof, and a ReLU network grown to its certified optimum.

It writes index.html (self-contained: open it in a browser), the pictures, the weights at the first and at the
last stop (stuck.npz, found.npz, for landscape analyze --weights) and certificate.json. It takes some seconds.
"""


# --- the command ------------------------------------------------------------------------------------------------------


class _UsageError(Exception):
    """A command line that argparse refuses."""


class _Parser(argparse.ArgumentParser):
    """argparse, with errors that fit on one line."""

    def error(self, message: str) -> NoReturn:
        raise _UsageError(f"{message} (see {self.prog} --help)")


def _positive_int(text: str) -> int:
    with contextlib.suppress(ValueError):
        if (number := int(text)) >= 1:
            return number
    raise argparse.ArgumentTypeError(f"expected an integer of at least 1, got {text!r}")


def _widths(text: str) -> tuple[int, ...]:
    with contextlib.suppress(ValueError):
        return widths_word(text)
    raise argparse.ArgumentTypeError(f"expected widths such as 8 or 16,8,16, got {text!r}")


def _positive_float(text: str) -> float:
    with contextlib.suppress(ValueError):
        if 0.0 < (number := float(text)) < math.inf:
            return number
    raise argparse.ArgumentTypeError(f"expected a positive number, got {text!r}")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="landscape",
        description="Where the minimum and the saddles of a linear network lie for your data, and your weights.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"landscape-cpp {ls.build_info()['version']}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    analyze = commands.add_parser(
        "analyze",
        help="the landscape of a linear network on a table of data",
        description="The landscape of a linear network, value = mean of |y - U V^T x|^2 (or |y - WL ... W1 x|^2) over"
        "\nthe samples: its minimum, its saddles, the theorems that apply, and the verdict on your weights.",
        epilog=_ANALYZE_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = analyze.add_argument
    add("data", metavar="DATA", help="a file or the name of a bundled data set, see below")
    add("--targets", metavar="COLUMNS", action="append", default=[], help="the columns to predict; none: auto-encoder")
    add(
        "--inputs",
        metavar="COLUMNS",
        action="append",
        default=[],
        help="the columns to predict from (default: the rest)",
    )
    add("--hidden", metavar="K[,K...]", type=_widths, help="widths of the hidden layers, such as 8 or 16,8,16 "
        "(default: those of the weights)")  # fmt: skip
    add("--weights", metavar="FILE", type=Path, help="an .npz of weights to judge: U and V, or W1, W2, ...")
    add("--center", action="store_true", help="subtract the means first: the network has an intercept")
    add("--max-count", metavar="N", type=_positive_int, default=12, help="critical values to list (default: 12)")
    add("--tol", metavar="T", type=_positive_float, default=1e-8, help="relative gradient of a critical point, and "
        "gap of a global minimum relative to the value at zero (default: 1e-8)")  # fmt: skip
    add("--threads", metavar="N", type=_positive_int, help="threads to use (default: all this process may use)")
    add(
        "--json",
        metavar="FILE",
        help="write the report as JSON too; - writes it to standard output instead of the text",
    )
    add("--plots", metavar="DIR", type=Path, help="write pictures (PNG) into this folder: the ladder of critical "
        "values, a plane through the minimum and two saddles, the Hessian spectrum")  # fmt: skip
    analyze.set_defaults(run=_analyze)

    _cli_complete.add_commands(commands, _outcome, positive_int=_positive_int, positive_float=_positive_float)

    tour = commands.add_parser(
        "tour",
        help="a guided run on real data that ends with a page to open in a browser",
        description=_TOUR,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    tour.add_argument("folder", metavar="DIR", nargs="?", type=Path, default=Path("landscape-tour"),
        help="where the page and its files go (default: landscape-tour)")  # fmt: skip
    tour.add_argument("--threads", metavar="N", type=_positive_int, help="threads to use (default: all)")
    tour.set_defaults(run=_run_tour)

    info = commands.add_parser("info", help="version, instruction set, compiler and threads of this installation")
    info.add_argument("--json", metavar="FILE", help="write it as JSON too; - writes to standard output instead")
    info.set_defaults(run=_info)
    return parser


def _protect_negative(argv: Sequence[str]) -> list[str]:
    """Join ``--targets -3:`` into one word: argparse takes what begins with a dash for an option."""
    words: list[str] = []
    for word in argv:
        if words and words[-1] in ("--targets", "--inputs") and word[:1] == "-" and word[1:2].isdigit():
            words[-1] += f"={word}"
        else:
            words.append(word)
    return words


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: The words after the program's name; None for those of this process.

    Returns:
        The exit status: 0, 2 for anything wrong with the command or the data, 130 after Ctrl-C, 141 when the reader
        of a pipe went away.
    """
    try:
        args = _parser().parse_args(_protect_negative(sys.argv[1:] if argv is None else argv))
        status: int = args.run(args) or 0
        if sys.stdout is not None:
            sys.stdout.flush()
    except (_UsageError, DataError) as error:
        return _fail(str(error))
    except MemoryError:
        return _fail("not enough memory")
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        _abandon_output()
        return 141
    except OSError as error:
        if error.filename is None:
            _abandon_output()
        return _fail(f"{error.filename or 'standard output'}: {error.strerror}")
    return status


def _abandon_output() -> None:
    """Send what is left in the buffer nowhere: it must not fail again when the interpreter ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail(message: str) -> int:
    print("landscape: error:", " ".join(message.split()), file=sys.stderr)
    return 2


@contextlib.contextmanager
def _blaming(what: str) -> Iterator[None]:
    """Turn what the library refuses about the user's data into a line about ``what``."""
    try:
        yield
    except (ValueError, TypeError, OverflowError) as error:
        raise DataError(f"{what}: {error}") from error


def _publish(report: Report, text: Sequence[str], target: str | None) -> None:
    """Print the text, and write the JSON where it was asked for."""
    if target is not None:
        encoded = json.dumps(_plain(report), indent=2, allow_nan=False) + "\n"
        if target == "-":
            _print(encoded)
            return
        try:
            Path(target).write_text(encoded, encoding="utf-8")
        except OSError as error:
            raise DataError(f"cannot write {target}: {error.strerror}") from error
    _print("\n".join(text) + "\n")


def _print(text: str) -> None:
    """Write to standard output; what its encoding lacks (in names of columns) is written as an escape."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding), end="")


def _plain(value: Any) -> Any:
    """The value with JSON's types only; a number that is not finite becomes None."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [_plain(item) for item in value]
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, np.integer):
        return int(value)
    if isinstance(value, (bool, int)) or value is None:
        return value
    return str(value)


# --- landscape complete, landscape certify ----------------------------------------------------------------------------


def _outcome(args: argparse.Namespace) -> int:
    done: _cli_complete.Outcome = args.work(args)
    _publish(done.report, done.text, args.json)
    return done.status


# --- landscape info ---------------------------------------------------------------------------------------------------


def _info(args: argparse.Namespace) -> None:
    report = ls.build_info()
    width = max(map(len, report)) + 2
    lines = [f"{key.replace('_', ' '):<{width}}{words(value)}" for key, value in report.items()]
    _publish(report, lines, args.json)


# --- landscape tour ---------------------------------------------------------------------------------------------------


def _run_tour(args: argparse.Namespace) -> None:
    from landscape_cpp import _tour  # SciPy's optimisers take a while to import

    _tour.require_scikit_learn()
    _pictures.plotting()
    folder = _pictures.make_folder(args.folder)
    stops = []
    for number, stop in enumerate(_tour.tour(folder, n_threads=args.threads), 1):
        _print("\n".join(stop_text(number, stop)) + "\n\n")
        if sys.stdout is not None:
            sys.stdout.flush()
        stops.append(stop)
    path = folder / "index.html"
    try:
        path.write_text(page(_tour.TITLE, _tour.LEAD, stops, _tour.footer(folder)), encoding="utf-8")
    except OSError as error:
        raise DataError(f"cannot write {path}: {error.strerror}") from error
    _print(f"Open {path} in a browser. The weights of the first stop:\n  {_tour.command(folder)}\n")


# --- landscape analyze: the report ------------------------------------------------------------------------------------


def _analyze(args: argparse.Namespace) -> None:
    if args.hidden is None and args.weights is None:
        raise DataError("give the width of the hidden layer with --hidden K, or weights with --weights FILE")
    data = _datasets.load(args.data, inputs=args.inputs, targets=args.targets)
    with _blaming(data.name):
        cov = ls.Covariances.from_data(data.X, data.Y, center=args.center, n_threads=args.threads)
    point = None
    if args.plots is not None:
        _pictures.plotting()  # refused before any work where matplotlib is missing
        _pictures.make_folder(args.plots)
    if args.weights is not None:
        point, found = load_weights(args.weights, cov.n_inputs, cov.n_outputs)
        if args.hidden not in (None, found):
            given, held = (",".join(map(str, widths)) for widths in (args.hidden, found))
            word = "width is" if len(found) == 1 else "widths are"
            raise DataError(f"--hidden {given} and {args.weights.name} disagree: its {word} {held}")
        args.hidden = found
    with _blaming("--hidden"):
        net: Net = ls.ShallowLinear(cov, args.hidden[0]) if len(args.hidden) == 1 else ls.DeepLinear(cov, args.hidden)
    report = {
        "schema_version": _SCHEMA_VERSION,
        "version": ls.build_info()["version"],
        "data": _data_report(data, cov),
        "problem": {
            "loss": LOSS,
            "hidden": args.hidden,
            "n_hidden": min(args.hidden),  # the narrowest layer bounds the rank
            "n_parameters": net.size,
            "tol": args.tol,
        },
        "values": _values_report(cov, net, min(args.hidden)),
        "critical_values": _ladder_report(cov, net, min(args.hidden), args.max_count),
        "theorems": [_theorem_report(theorem) for theorem in net.hypotheses],
        "weights": None,
    }
    if point is not None:
        with _blaming(args.weights.name):
            report["weights"] = _weights_report(args.weights.name, net, point, args)
    report["pictures"] = None if args.plots is None else _plots_report(net, point, args)
    _publish(report, analysis_text(report), args.json)


def _data_report(data: _datasets.Data, cov: ls.Covariances) -> Report:
    spectral = cov.spectrum()
    return {
        "name": data.name,
        "n_samples": cov.n_samples,
        "n_inputs": cov.n_inputs,
        "n_outputs": cov.n_outputs,
        "inputs": data.input_names,
        "targets": data.target_names,
        "note": data.note,
        "auto_encoder": data.Y is None,
        "center": cov.center,
        "form": cov.form,
        "rank_inputs": spectral.rank_x,
        "condition_inputs": spectral.condition,
        "rank_signal": spectral.rank,
        "eigenvalues": spectral.eigenvalues,
    }


def _values_report(cov: ls.Covariances, net: Net, narrowest: int) -> Report:
    spectral = cov.spectrum()
    near = {narrowest - 1, narrowest, narrowest + 1} & set(range(1, spectral.rank + 1))
    return {
        "at_zero": spectral.total,
        "minimum": net.minimum_value,
        "best_linear_map": spectral.minimum_risk,
        "sufficient_width": spectral.rank,
        "by_width": {  # Theorem B: the eigenvalues that width leaves out are lost
            width: spectral.minimum_risk + float(spectral.eigenvalues[width:].sum()) for width in sorted(near)
        },
    }


def _ladder_report(cov: ls.Covariances, net: Net, narrowest: int, max_count: int) -> Report:
    rank = cov.spectrum().rank
    total = sum(math.comb(rank, size) for size in range(min(narrowest, rank) + 1))
    rows = [
        {
            "position": position,
            "value": row.value,
            "gap": row.gap,
            "indices": row.indices,
            "rank": row.rank,
            "kind": row.kind,
            "morse_index": row.morse_index,
            "nullity": row.nullity,
        }
        for position, row in enumerate(net.critical_values(max_count=max_count))
    ]
    return {"count": total if total <= _LARGEST_EXACT else f"{total:.3e}", "listed": rows}


def _theorem_report(theorem: ls.Hypothesis) -> Report:
    conditions = [dict(zip(("text", "holds", "numbers"), row, strict=True)) for row in theorem.conditions]
    return {**_fields(theorem), "conditions": conditions}


def _fields(result: Any, *skipped: str) -> Report:
    """The fields of a result, without the arrays and the results within."""
    names = (field.name for field in dataclasses.fields(result))
    return {name: getattr(result, name) for name in names if name not in skipped}


def _weights_report(name: str, net: Net, point: Point, args: argparse.Namespace) -> Report:
    place = net.classify(point, tol=args.tol, n_threads=args.threads)
    certificate = net.certify(point, tol=args.tol)
    assert isinstance(place, (ls.CriticalPoint, ls.DeepCriticalPoint))  # a single point, not a batch
    report = {"name": name, **_fields(place, "escape", "hypotheses")}
    if isinstance(place, ls.DeepCriticalPoint):
        report["pivots"] = [_fields(pivot) for pivot in place.pivots]
    report["certificate"] = _fields(certificate, "witness")
    report["escape"] = None
    if place.escape is not None:
        report["escape"] = _fields(place.escape, "direction", "scaled_direction")
    report["step"] = None
    if place.kind != ls.Kind.GLOBAL_MINIMUM:
        after = float(net.value(net.escape(point, tol=args.tol), n_threads=args.threads))
        report["step"] = {"value": after, "decrease": place.value - after}
    return report


def _plots_report(net: Net, point: Point | None, args: argparse.Namespace) -> list[Report]:
    weights = {} if point is None else {args.weights.name: point}
    notes: list[str] = []
    pictures = _pictures.analysis_pictures(net, args.plots, weights, max_count=args.max_count, show=notes.append)
    rows: list[Report] = [{"file": str(picture.path), "shows": picture.caption} for picture in pictures]
    return rows + [{"file": None, "shows": note} for note in notes]


if __name__ == "__main__":
    sys.exit(main())
