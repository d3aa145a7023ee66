"""``landscape complete`` and ``landscape certify``: fill in a matrix with a proof, and judge anybody's solution.

Each verb builds one report, a tree of plain values, and the text of it; the command line prints or writes them.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _cli_network, _cli_race, _cli_train, _datasets, _network_data, _pictures
from ._cli_text import _entry, _percent, _plural, _small
from ._datasets import DataError
from ._factorization_data import LOSSES
from ._factorization_results import Solution
from ._io import build_info
from ._ratings import Labels, Ratings, blaming, read_ratings
from ._validation import FloatArray
from .factorization import MatrixFactorization
from .results import Certificate, StopReason, Verdict

__all__ = ["Outcome", "add_commands"]

Report = dict[str, Any]
Factors = tuple[FloatArray, FloatArray]

_SCHEMA_VERSION = 1
_DENSE_RESIDUAL = 3000  # rows or columns: all its singular values take seconds
_EXTREME = 60  # singular values shown beyond
_RESIDUAL = "root of the mean squared residual"

_RATINGS = """\
RATINGS is a table of triplets (a row id, a column id and a value in each line, further columns are left out; ids are
whole numbers or text) or a matrix with blanks: .csv .tsv .txt .dat and other text with or without a header line,
.parquet, .npy or .npz of one array with NaN where nothing is observed, .npz of scipy.sparse.save_npz. Three or four
columns without a blank whose first two hold ids are taken for triplets, what else there is for a matrix; the first
line of the output says which, --triplets and --matrix decide.
"""

_COMPLETE = f"""\
Fill in a matrix: over all factors U (n2, r), V (n0, r) of all widths r, the minimum of the loss of U V^T, summed
over the observed entries, plus L/2 (|U|^2 + |V|^2), with a proof of how close the factors found are to it.

{_RATINGS}
It writes the factors (.npz: U, V, row_labels, column_labels; the entry of a row i and a column j is U[i] @ V[j]) and
the certificate (JSON, for landscape_cpp.load and landscape_cpp.verify).
"""

_COMPLETE_EXAMPLES = """\
examples:
  landscape complete ratings.csv --lam 30                     user, item, rating; the rest is unknown
  landscape complete u.data --lam 15 --tol 1e-4 --rank-max 50 --plots pictures
  landscape complete table.csv --lam 2 --columns user,film,stars --out film.npz
  landscape complete measurements.npy --lam 0.5 --loss huber --delta 0.1
  landscape complete answers.parquet --lam 1 --matrix --loss logistic        labels are -1 and 1

exit status: 0 if the gap asked for is proved, 1 if not (--max-seconds, --rank-max; what was found is written all the
same), 2 for an error, 130 after Ctrl-C (likewise).
"""

_CERTIFY = f"""\
How far factors are from the best there are of any width, proved, however they were found.

FACTORS is an .npz of U (n2, r) and V (n0, r), or of the matrix Z = U V^T itself (n2, n0), or a .npy of Z. With
row_labels and column_labels in the archive the rows are matched by their ids; without, row i of U belongs to the i-th
id of RATINGS in ascending order (i-th row of a matrix), and likewise V.

{_RATINGS}
{_cli_network.DESCRIPTION}"""

_CERTIFY_EXAMPLES = f"""\
examples:
  landscape certify factors.npz ratings.csv --lam 30
  landscape certify theirs.npz ratings.csv --lam 30 --tol 1e-3 --certificate certificate.json
{_cli_network.EXAMPLES.strip(chr(10))}

exit status: 0 for the verdict GLOBAL, 1 for NOT_GLOBAL and UNDECIDED, 2 for an error.
"""

_LOSS_WORDS = {
    "squared": "½ (z - y)²",
    "huber": "Huber's loss of z - y",
    "logistic": "log(1 + exp(-y z))",
}


@dataclass(frozen=True)
class Outcome:
    """What a verb has to say.

    Attributes:
        report: For ``--json``.
        text: For the screen.
        status: The exit status.
    """

    report: Report
    text: list[str]
    status: int


def add_commands(commands: Any, run: Callable[[argparse.Namespace], Any], **types: Callable[[str], Any]) -> None:
    """Add both verbs to the parser.

    Args:
        commands: What ``add_subparsers`` returned.
        run: Called with the parsed words; their ``work`` returns an :class:`Outcome`.
        **types: ``positive_int`` and ``positive_float``, which argparse calls.
    """
    complete = commands.add_parser(
        "complete",
        help="fill in a matrix of ratings, with a proof that no factors are better",
        description=_COMPLETE,
        epilog=_COMPLETE_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = complete.add_argument
    add("ratings", metavar="RATINGS", type=Path, help="a file, see above")
    _add_problem(complete, types["positive_float"])
    add("--tol", metavar="T", type=types["positive_float"], default=1e-6, help="relative gap to prove, (value - lower "
        "bound) / value (default: 1e-6)")  # fmt: skip
    add("--rank-max", metavar="N", type=types["positive_int"], help="largest width (default: as wide as it pays)")
    add("--max-seconds", metavar="S", type=types["positive_float"], help="stop after this time, with what is proved "
        "by then")  # fmt: skip
    add("--out", metavar="FILE", type=Path, help="where the factors go (default: RATINGS' name with -factors.npz, "
        "in this folder)")  # fmt: skip
    add("--certificate", metavar="FILE", type=Path, help="where the certificate goes (default: RATINGS' name with "
        "-certificate.json, in this folder)")  # fmt: skip
    add("--plots", metavar="DIR", type=Path, help="write pictures (PNG) into this folder: both bounds against time, "
        "the singular values of the residual, the width")  # fmt: skip
    add("--progress", action="store_true", help="show the rounds (needs tqdm)")
    _add_common(complete, types["positive_int"])
    complete.set_defaults(run=run, work=_complete)

    certify = commands.add_parser(
        "certify",
        help="judge factors of a matrix, or a trained network: how far from the best there is",
        description=_CERTIFY,
        epilog=_CERTIFY_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = certify.add_argument
    add("factors", metavar="FACTORS|MODEL", type=Path, help="an .npz of U and V, or of Z; a .npy of Z; or a network")
    add("ratings", metavar="RATINGS|DATA", type=Path, help="a file, see above")
    _add_problem(certify, types["positive_float"], networks=True)
    add("--tol", metavar="T", type=types["positive_float"], default=1e-6, help="GLOBAL is a proved gap of at most T "
        "times the value at zero (default: 1e-6)")  # fmt: skip
    add("--certificate", metavar="FILE", type=Path, help="write the certificate as JSON")
    _cli_network.add_network_options(certify, **types)
    _add_common(certify, types["positive_int"])
    certify.set_defaults(run=run, work=_certify)
    _cli_train.add_train(commands, **types).set_defaults(run=run, work=_train)
    _cli_race.add_race(commands, **types).set_defaults(run=run, work=_race)


def _add_problem(
    parser: argparse.ArgumentParser, positive_float: Callable[[str], float], *, networks: bool = False
) -> None:
    add = parser.add_argument
    add("--lam", metavar="L", type=positive_float, required=not networks, help="the multiplier of (|U|^2 + |V|^2) / 2; "
        "the loss is a sum, not a mean")  # fmt: skip
    losses = tuple(dict.fromkeys((*LOSSES, *_network_data.LOSSES))) if networks else LOSSES
    add("--loss", choices=losses, default="squared", help="of one entry (default: squared, (z - y)^2 / 2)")
    add("--delta", metavar="D", type=positive_float, help="where the Huber loss becomes linear (default: 1)")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--triplets", dest="form", action="store_const", const="triplets", help="RATINGS are triplets")
    which.add_argument("--matrix", dest="form", action="store_const", const="matrix", help="RATINGS is a matrix")
    add("--columns", metavar="A,B,C", help="row id, column id and value of triplets: names, or positions from 0 "
        "(default: the first three)")  # fmt: skip
    add("--header", action=argparse.BooleanOptionalAction, help="the first line of a text table holds names (default: "
        "found by itself)")  # fmt: skip
    add("--index", action=argparse.BooleanOptionalAction, help="the first column of a matrix holds the ids of the rows "
        "(default: found by itself)")  # fmt: skip


def _add_common(parser: argparse.ArgumentParser, positive_int: Callable[[str], int]) -> None:
    add = parser.add_argument
    add("--threads", metavar="N", type=positive_int, help="threads to use (default: all this process may use)")
    add("--json", metavar="FILE", help="write the report as JSON too; - writes it to standard output instead of the "
        "text")  # fmt: skip


# --- landscape complete -----------------------------------------------------------------------------------------------


def _complete(args: argparse.Namespace) -> Outcome:
    out = args.out or Path(f"{args.ratings.stem}-factors.npz")
    written = args.certificate or Path(f"{args.ratings.stem}-certificate.json")
    for path in (out, written):
        _require_folder(path)
    plots = None
    if args.plots is not None:
        plots = _pictures.plotting()  # refused before any work where matplotlib is missing
        _pictures.make_folder(args.plots)
    ratings = _read(args)
    land = ratings.landscape(args.lam, args.loss, args.delta or 1.0)
    try:
        solution = land.solve(
            args.tol,
            rank_max=args.rank_max,
            max_seconds=args.max_seconds,
            progress=args.progress,
            n_threads=args.threads,
        )
    except ImportError as error:
        raise DataError(str(error)) from error
    _save_factors(out, solution, ratings, args)
    solution.certificate.save(written)
    report = {
        **_head(ratings, land, args),
        "solution": {
            "rank": solution.rank,
            "value": solution.value,
            "value_at_zero": solution.certificate.scale,
            "relative_gap": solution.certificate.relative_gap,
            "stop_reason": solution.stop_reason,
            "seconds": solution.seconds,
            "rounds": len(solution.trace),
            "fit": _fit(land, solution),
        },
        "certificate": _certificate_report(solution.certificate),
        "files": {"factors": str(out), "certificate": str(written)},
        "pictures": None if plots is None else _draw(plots, land, solution, args.plots),
    }
    report["problem"] |= {"rank_max": args.rank_max, "max_seconds": args.max_seconds}
    status = {StopReason.CONVERGED: 0, StopReason.INTERRUPTED: 130}.get(solution.stop_reason, 1)
    return Outcome(report, _complete_text(report), status)


def _require_folder(path: Path) -> None:
    """Refuse before any work what could not be written after it."""
    if path.is_dir():
        raise DataError(f"{path} is a directory")
    if not path.parent.is_dir():
        raise DataError(f"cannot write {path}: no such folder")


def _read(args: argparse.Namespace) -> Ratings:
    if args.delta is not None and args.loss != "huber":
        raise DataError("--delta is for --loss huber")
    return read_ratings(args.ratings, form=args.form, columns=args.columns, header=args.header, index=args.index)


def _save_factors(path: Path, solution: Solution, ratings: Ratings, args: argparse.Namespace) -> None:
    u, v = solution.point
    with path.open("wb") as file:  # by its name, savez would add a suffix
        np.savez(
            file,
            U=u,
            V=v,
            row_labels=ratings.row_labels,
            column_labels=ratings.column_labels,
            lam=args.lam,
            loss=args.loss,
            delta=args.delta or 1.0,
        )


def _head(ratings: Ratings, land: MatrixFactorization, args: argparse.Namespace) -> Report:
    values = ratings.values
    kinds = [_label_kind(labels) for labels in (ratings.row_labels, ratings.column_labels)]
    return {
        "schema_version": _SCHEMA_VERSION,
        "version": build_info()["version"],
        "data": {
            "name": ratings.name,
            "form": ratings.form,
            "note": ratings.note,
            "n_rows": land.n_outputs,
            "n_columns": land.n_inputs,
            "n_observed": land.n_observed,
            "row_ids": kinds[0],
            "column_ids": kinds[1],
            "smallest": float(values.min()),
            "largest": float(values.max()),
        },
        "problem": {
            "loss": land.loss.name,
            "delta": land.loss.delta if land.loss.name == "huber" else None,
            "lam": land.lam,
            "lambda_max": _lambda_max(land, args.threads),
            "tol": args.tol,
        },
    }


def _lambda_max(land: MatrixFactorization, n_threads: int | None) -> float:
    """``land.lambda_max`` to the digits that are printed, which costs large matrices much less."""
    nothing = (np.zeros((land.n_outputs, 0)), np.zeros((land.n_inputs, 0)))
    return land.polar(nothing, n_threads=n_threads).lower


def _label_kind(labels: Labels) -> str:
    if labels.dtype.kind == "U":
        return "text"
    return "positions" if np.array_equal(labels, np.arange(len(labels))) else "integers"


def _fit(land: MatrixFactorization, solution: Solution) -> Report:
    """How the completed matrix agrees with the observed entries, in a number a person knows."""
    predictions, _ = land._problem.prediction(solution.point)
    targets = land._problem.y
    if land.loss.name == "logistic":
        return {"measure": "share of the signs that agree", "number": float(np.mean(predictions * targets > 0.0))}
    scale = float(np.abs(predictions - targets).max(initial=0.0))
    if scale == 0.0:
        return {"measure": _RESIDUAL, "number": 0.0}
    return {"measure": _RESIDUAL, "number": scale * math.sqrt(float(np.mean(((predictions - targets) / scale) ** 2)))}


def _certificate_report(certificate: Certificate) -> Report:
    """The fields of a certificate, without the arrays."""
    skipped = ("witness", "proof")
    return {item.name: getattr(certificate, item.name) for item in fields(certificate) if item.name not in skipped}


def _draw(plots: Any, land: MatrixFactorization, solution: Solution, folder: Path) -> list[Report]:
    k = None if min(land.n_outputs, land.n_inputs) <= _DENSE_RESIDUAL else solution.rank + _EXTREME
    pictures = []

    def draw(name: str, caption: str, plot: Callable[[Any], Any]) -> None:
        figure = _pictures.blank(7.0, 4.8)
        plot(figure.subplots())
        pictures.append(_pictures.save(figure, folder / f"{name}.png", caption))

    draw(
        "gap",
        "The objective above the best lower bound, and the lower bounds below the best objective, against time.",
        lambda ax: plots.plot_gap(solution, ax=ax),
    )
    draw(
        "residual",
        "Singular values of the residual: none above λ at a global minimum, and one at λ for every unit in use.",
        lambda ax: plots.plot_residual_spectrum(land, solution.point, k=k, ax=ax),
    )
    draw("width", "Columns of the factors after every round.", lambda ax: plots.plot_width(solution, ax=ax))
    return [{"file": str(picture.path), "shows": picture.caption} for picture in pictures]


# --- landscape train --------------------------------------------------------------------------------------------------


def _train(args: argparse.Namespace) -> Outcome:
    return Outcome(*_cli_train.train_network(args))


# --- landscape race ---------------------------------------------------------------------------------------------------


def _race(args: argparse.Namespace) -> Outcome:
    return Outcome(*_cli_race.race(args))


# --- landscape certify ------------------------------------------------------------------------------------------------


def _certify(args: argparse.Namespace) -> Outcome:
    if _cli_network.is_network(args):
        return Outcome(*_cli_network.certify_network(args))
    if args.lam is None:
        raise DataError("the following arguments are required: --lam")
    if args.loss not in LOSSES:
        raise DataError(f"--loss {args.loss} is for networks; a network needs --targets")
    if args.certificate is not None:
        _require_folder(args.certificate)
    arrays = _load_factors(args.factors)
    ratings = _matched(_read(args), arrays, args.factors.name)
    land = ratings.landscape(args.lam, args.loss, args.delta or 1.0)
    point = _point(arrays, args.factors.name, land)
    with blaming(args.factors.name):
        certificate = land.certify(point, tol=args.tol, n_threads=args.threads)
    if args.certificate is not None:
        certificate.save(args.certificate)
    report = {
        **_head(ratings, land, args),
        "factors": {"name": args.factors.name, "given": "Z" if "Z" in arrays else "U, V", "width": point[0].shape[1]},
        "certificate": _certificate_report(certificate),
        "files": {"certificate": None if args.certificate is None else str(args.certificate)},
    }
    given = "the matrix Z, of rank" if "Z" in arrays else "U and V of width"
    text = [
        *_problem_text(report),
        *_entry("Factors", f"{args.factors.name}: {given} {point[0].shape[1]}"),
        "",
        *str(certificate).splitlines(),
        *([] if args.certificate is None else ["", *_entry("Certificate", str(args.certificate))]),
    ]
    return Outcome(report, text, 0 if certificate.verdict == Verdict.GLOBAL else 1)


def _load_factors(path: Path) -> dict[str, npt.NDArray[Any]]:
    """U and V or Z, with labels where there are any."""
    if path.suffix.lower() == ".npy":
        _datasets._require_file(path)
        arrays = {"Z": _datasets._load_npy(path)}
    else:
        arrays = _datasets.load_arrays(path)
    if ("Z" in arrays) == ({"U", "V"} <= set(arrays)):
        raise DataError(f"{path.name} must hold U (n2, r) and V (n0, r), or Z (n2, n0); it holds {', '.join(arrays)}")
    for name in ("Z",) if "Z" in arrays else ("U", "V"):
        array = arrays[name]
        if array.dtype.kind not in "buif" or array.ndim != 2:
            raise DataError(f"{path.name}: {name} must be a matrix of real numbers, got {array.dtype} {array.shape}")
        if not np.isfinite(array).all():
            raise DataError(f"{path.name}: {name} contains NaN or infinity")
    return arrays


def _matched(ratings: Ratings, arrays: dict[str, npt.NDArray[Any]], name: str) -> Ratings:
    """The ratings in the order of the factors' own labels."""
    own = [arrays.get(key) for key in ("row_labels", "column_labels")]
    if own[0] is None and own[1] is None:
        return ratings
    labels = []
    sizes = arrays["Z"].shape if "Z" in arrays else (len(arrays["U"]), len(arrays["V"]))
    for key, found, size in zip(("row_labels", "column_labels"), own, sizes, strict=True):
        if found is None or found.shape != (size,) or found.dtype.kind not in "iuU":
            raise DataError(f"{name}: {key} must be {size} whole numbers or texts, one for each row of the factor")
        if len(np.unique(found)) < len(found):
            raise DataError(f"{name}: {key} must be distinct")
        labels.append(found)
    return ratings.arranged(labels[0], labels[1], name)


def _point(arrays: dict[str, npt.NDArray[Any]], name: str, land: MatrixFactorization) -> Factors:
    """(U, V) of the sizes of the ratings; Z is factored by its singular values."""
    shape = (land.n_outputs, land.n_inputs)
    if "Z" in arrays:
        z = np.asarray(arrays["Z"], dtype=np.float64)
        if z.shape != shape:
            raise DataError(f"{name}: Z must have the rows and columns of the ratings, {shape}, got {z.shape}")
        left, singular, right = np.linalg.svd(z, full_matrices=False)
        kept = int(np.sum(singular > max(shape) * np.finfo(float).eps * singular[0])) if singular[0] > 0.0 else 0
        root = np.sqrt(singular[:kept])
        return left[:, :kept] * root, right[:kept].T * root
    u, v = (np.asarray(arrays[key], dtype=np.float64) for key in ("U", "V"))
    if (len(u), len(v)) != shape or u.shape[1] != v.shape[1]:
        raise DataError(
            f"{name}: U and V must be ({shape[0]}, r) and ({shape[1]}, r), got {u.shape} and {v.shape}; rows without "
            "ratings need row_labels and column_labels"
        )
    return u, v


# --- what is printed --------------------------------------------------------------------------------------------------


def _problem_text(report: Report) -> list[str]:
    data, problem = report["data"], report["problem"]
    rows, columns, observed = data["n_rows"], data["n_columns"], data["n_observed"]
    sizes = f"{_plural(rows, 'row')}, {_plural(columns, 'column')}, {observed:,} observed"
    share = _percent(observed, rows * columns)
    relative = problem["lam"] / problem["lambda_max"] if problem["lambda_max"] > 0.0 else math.inf
    beyond = ", from which on zero is the solution" if relative >= 1.0 else ""
    delta = "" if problem["delta"] is None else f" with δ = {problem['delta']:g}"
    return [
        *_entry("Ratings", f"{data['name']}: {sizes} ({share}), {data['smallest']:g} to {data['largest']:g}"),
        *_entry("", data["note"]),
        *_entry(
            "Problem",
            f"minimise over U ({rows}, r) and V ({columns}, r) of every width r the sum over the observed entries of "
            f"{_LOSS_WORDS[problem['loss']]}{delta}, z = U Vᵀ, plus λ/2 (|U|² + |V|²)",
        ),
        *_entry("", f"λ = {problem['lam']:g}, {relative:.3g} of λ_max = {problem['lambda_max']:.6g}{beyond}"),
    ]


def _beside(value: float, gap: float) -> str:
    """The value with the digits that its gap leaves it, six at least."""
    digits = 6 if not 0.0 < gap < abs(value) else math.ceil(math.log10(abs(value) / gap)) + 2
    return f"{value:.{min(max(digits, 6), 15)}g}"


_STOPS = {
    StopReason.CONVERGED: "the gap asked for is proved",
    StopReason.RANK_LIMIT: "the largest width allowed is reached, a wider factorisation is better",
    StopReason.TIME_LIMIT: "the time allowed is over",
    StopReason.INTERRUPTED: "interrupted",
    StopReason.STALLED: "no further decrease in this arithmetic",
}


def _complete_text(report: Report) -> list[str]:
    found, certificate, problem = report["solution"], report["certificate"], report["problem"]
    zero, gap = found["value_at_zero"], certificate["gap"]
    chance = ""
    if certificate["guarantee"] != "deterministic":
        chance = f" (false with probability at most {certificate['failure_probability']:.0e})"
    fit = found["fit"]
    number = f"{100.0 * fit['number']:.4g} %" if "share" in fit["measure"] else f"{fit['number']:.4g}"
    lines = [
        *_problem_text(report),
        *_entry(
            "Solution",
            f"rank {found['rank']}, value {_beside(found['value'], gap)}, {_percent(found['value'], zero)} of the "
            f"value at zero; {fit['measure']} {number}",
        ),
        *_entry("  verdict", f"{certificate['verdict']}: {certificate['reason']}"),
        *_entry(
            "  proved",
            f"no factors of any width go below {_beside(certificate['lower_bound'], gap)}: gap "
            f"{_small(gap)}, {_small(certificate['relative_gap'])} of the value (asked for: "
            f"{problem['tol']:g})",
        ),
        *_entry("  by", f"{certificate['method']}, {certificate['guarantee']}{chance}"),
        *_entry(
            "  stopped",
            f"{_STOPS.get(found['stop_reason'], str(found['stop_reason']))}, after {found['seconds']:.2f} s and "
            f"{_plural(found['rounds'], 'round')}",
        ),
        *_entry("Files", f"{report['files']['factors']}: U, V, row_labels, column_labels"),
        *_entry("", f"{report['files']['certificate']}: the certificate"),
    ]
    for position, row in enumerate(report["pictures"] or ()):
        lines += _entry("" if position else "Pictures", row["file"], row["shows"])
    return lines
