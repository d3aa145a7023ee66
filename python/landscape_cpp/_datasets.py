"""Data of the command line: a table on disk, an archive of arrays, or a bundled name, split into inputs and targets.

A *table* (``.csv`` and friends, ``.parquet``, ``.npy``, an ``.npz`` of one array) is read column by column: the user
says which columns are targets. *Pairs* (an ``.npz`` of ``X`` and ``Y``, the bundled sets) bring their own targets.
Everything wrong with a file or a column is a ``DataError`` of one line.
"""

import contextlib
import csv
import io
import itertools
import os
import re
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ._parquet import ParquetError, ParquetTable

__all__ = ["BUNDLED", "Data", "DataError", "load", "load_arrays"]

FloatArray = npt.NDArray[np.float64]

_TEXT_SUFFIXES = (".csv", ".tsv", ".txt", ".dat")
_PARQUET_SUFFIXES = (".parquet", ".pq")
_DELIMITERS = ("\t", ";", ",")  # in this order: a file of decimal commas is delimited by semicolons
_MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "?"})
_SNIFFED_LINES = 20


class DataError(ValueError):
    """A file, a column or a value that cannot be used; the message is one line for the user."""


@dataclass(frozen=True)
class Data:
    """Samples ready for ``landscape_cpp.Covariances.from_data``.

    Attributes:
        name: What the user called the data.
        X: Inputs (m, n0).
        Y: Targets (m, n2); None for an auto-encoder, Y = X.
        input_names: One name per column of X.
        target_names: One name per column of Y (of X, for an auto-encoder).
        note: What a reader must know about the targets; may be empty.
    """

    name: str
    X: npt.NDArray[Any]
    Y: npt.NDArray[Any] | None
    input_names: tuple[str, ...]
    target_names: tuple[str, ...]
    note: str = ""


@dataclass(frozen=True)
class _Columns:
    """Named columns that are read when asked for: ``read(indices)`` gives (m, len(indices))."""

    label: str
    names: tuple[str, ...]
    read: Callable[[Sequence[int]], npt.NDArray[Any]]
    named: bool = True  # False: the names are only the positions


def load(source: str, *, inputs: Sequence[str] = (), targets: Sequence[str] = ()) -> Data:
    """Read ``source`` and split it into inputs and targets.

    Args:
        source: A path (.csv .tsv .txt .dat .parquet .npy .npz) or a name of ``BUNDLED``.
        inputs: Columns to use as inputs: names, 0-based positions, ranges, or several of these with
            commas between; empty for all that are not targets.
        targets: Likewise; ("none",) for an auto-encoder; empty for the targets the data bring along.

    Returns:
        The data.

    Raises:
        DataError: With one line that says what is wrong.
    """
    if source in BUNDLED:
        return _split_pair(*_load_bundled(source), inputs, targets)
    path = Path(source)
    _require_file(path)
    suffix = path.suffix.lower()
    if suffix in _TEXT_SUFFIXES:
        return _split_table(_text_columns(path), inputs, targets)
    if suffix in _PARQUET_SUFFIXES:
        return _split_table(_parquet_columns(path), inputs, targets)
    if suffix == ".npy":
        return _split_table(_array_columns(path.name, _load_npy(path)), inputs, targets)
    if suffix == ".npz":
        arrays = load_arrays(path)
        if "X" in arrays:
            return _pair_from_archive(path, arrays, inputs, targets)
        if len(arrays) == 1:
            return _split_table(_array_columns(path.name, next(iter(arrays.values()))), inputs, targets)
        raise DataError(f"{path.name} must hold X and optionally Y, or a single array; it holds {_listing(arrays)}")
    raise DataError(f"{path.name}: unknown kind of file; expected {' '.join(_TEXT_SUFFIXES)} .parquet .npy or .npz")


# --- files ------------------------------------------------------------------------------------------------------------


def _require_file(path: Path) -> None:
    """Refuse what is not a readable file, in words."""
    if path.is_dir():
        raise DataError(f"{path} is a directory")
    if not path.exists():
        hint = "" if path.suffix else f"; the bundled data sets are {', '.join(BUNDLED)}"
        raise DataError(f"no such file: {path}{hint}")
    if not os.access(path, os.R_OK):
        raise DataError(f"{path}: permission denied")


def _load_npy(path: Path) -> npt.NDArray[Any]:
    """The array of an .npy file, memory-mapped."""
    try:
        return np.lib.format.open_memmap(path, mode="r")
    except (ValueError, OSError) as error:
        raise DataError(f"{path.name} is not a NumPy array file without Python objects") from error


def load_arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    """The arrays of an .npz archive by name.

    Args:
        path: The archive.

    Returns:
        The arrays, in the order of the archive.

    Raises:
        DataError: If it is missing, not an archive, or holds Python objects.
    """
    _require_file(path)
    try:
        with path.open("rb") as handle:
            archive = np.load(handle, allow_pickle=False)
            if isinstance(archive, np.ndarray):
                raise DataError(f"{path.name} is a single array; name it .npy")
            return {key: archive[key] for key in archive.files}
    except DataError:
        raise
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path.name} is not a NumPy archive (.npz) without Python objects") from error


def _listing(arrays: dict[str, npt.NDArray[Any]]) -> str:
    return ", ".join(arrays) if arrays else "nothing"


def _parquet_columns(path: Path) -> _Columns:
    """The columns of a Parquet file by their names."""
    try:
        table = ParquetTable(path)
    except ParquetError as error:
        raise DataError(str(error)) from error

    def read(indices: Sequence[int]) -> FloatArray:
        try:
            return table.read(indices)
        except ParquetError as error:
            raise DataError(str(error)) from error

    return _Columns(path.name, table.names, read)


def _require_numbers(array: npt.NDArray[Any], label: str) -> npt.NDArray[Any]:
    """The array as a 2-D table of finite real numbers, or a ``DataError``."""
    if array.dtype.kind not in "buif":
        raise DataError(f"{label} must be real numbers, got dtype {array.dtype}")
    if array.ndim != 2:
        raise DataError(f"{label} must be 2-D (samples, columns), got {array.ndim}-D {array.shape}")
    if array.size == 0:
        raise DataError(f"{label} is empty: {array.shape}")
    return array


def _require_finite(array: npt.NDArray[Any], label: str) -> None:
    finite = np.isfinite(array)
    if not finite.all():
        row, column = np.argwhere(~finite)[0]
        raise DataError(f"{label} contains {array[row, column]} at row {row}, column {column} (counted from 0)")


def _array_columns(label: str, array: npt.NDArray[Any]) -> _Columns:
    """The columns of an array, called by their positions."""
    _require_numbers(array, label)
    _require_finite(array, label)
    return _Columns(label, _numbered(array.shape[1]), lambda indices: array[:, _as_slice(indices)], named=False)


def _numbered(count: int) -> tuple[str, ...]:
    return tuple(str(i) for i in range(count))


def _as_slice(indices: Sequence[int]) -> slice | list[int]:
    """Neighbouring columns as a slice, which copies nothing."""
    if list(indices) == list(range(indices[0], indices[0] + len(indices))):
        return slice(indices[0], indices[0] + len(indices))
    return list(indices)


# --- text tables ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _TextTable:
    """A text file whose delimiter and header are known; ``skipped`` physical lines precede the numbers."""

    path: Path
    delimiter: str | None  # None: white space
    skipped: int
    width: int
    names: tuple[str, ...]  # empty without a header

    def read(self, indices: Sequence[int]) -> FloatArray:
        """The columns ``indices``; a second, slower pass finds the cell to blame when that fails."""
        whole = list(indices) == list(range(self.width))
        if not whole:  # NumPy compares the lengths of the rows only when it reads every column
            self.blame(())
        try:
            with _open_text(self.path) as handle:
                table = np.loadtxt(
                    handle,
                    delimiter=self.delimiter,
                    skiprows=self.skipped,
                    usecols=None if whole else indices,
                    comments=None,
                    quotechar='"',
                    ndmin=2,
                )
            if np.isfinite(table).all():
                return table
            reason = "not every number is finite"
        except ValueError as error:
            reason = str(error)
        self.blame(indices)
        raise DataError(f"{self.path.name}: {reason}")

    def blame(self, indices: Sequence[int]) -> None:
        """Raise the ``DataError`` of the first row of wrong length or the first cell that is not a finite number."""
        with _open_text(self.path) as handle:
            for line, cells in _rows(handle, self.delimiter):
                if line <= self.skipped:
                    continue
                if len(cells) != self.width:
                    raise DataError(f"{self.path.name}, line {line} has {len(cells)} columns, expected {self.width}")
                for i in indices:
                    self._blame_cell(line, i, cells[i])

    def _blame_cell(self, line: int, i: int, cell: str) -> None:
        if _is_number(cell) and np.isfinite(float(cell)):
            return
        column = f"column {self.names[i]!r}" if self.names else f"column {i} (counted from 0)"
        where = f"{self.path.name}, line {line}, {column}"
        if _is_missing(cell):
            raise DataError(f"{where}: missing value {cell!r}")
        hint = " (--inputs can leave columns out)"
        if re.fullmatch(r"[-+]?\d+,\d+", cell):
            hint = " (write a decimal point, not a comma)"
        raise DataError(f"{where}: not a finite number: {cell!r}{hint}")


def _text_columns(path: Path) -> _Columns:
    """The columns of a text table; the header, if there is one, names them."""
    with _open_text(path) as handle:
        sample = list(itertools.islice((line for line in handle if line.strip()), _SNIFFED_LINES))
    if not sample:
        raise DataError(f"{path.name} is empty")
    delimiter = _sniff(sample)
    with _open_text(path) as handle:
        rows = _rows(handle, delimiter)
        line, cells = next(rows)
        names = _header(cells, f"{path.name}, line {line}")
        if names and next(rows, None) is None:
            raise DataError(f"{path.name} has a header and no rows")
    table = _TextTable(path, delimiter, line if names else 0, len(names or cells), names)
    return _Columns(path.name, names or _numbered(len(cells)), table.read, named=bool(names))


@contextlib.contextmanager
def _open_text(path: Path) -> Iterator[io.TextIOWrapper]:
    """The file as text; what turns out not to be text is a ``DataError``."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as handle:
            yield handle
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path.name} is not a text table in UTF-8") from error


def _sniff(sample: list[str]) -> str | None:
    """The delimiter that cuts every line of the sample into equally many cells; None for white space."""
    for delimiter in _DELIMITERS:
        widths = {len(row) for row in csv.reader(sample, delimiter=delimiter)}
        if len(widths) == 1 and widths != {1}:
            return delimiter
    return next((delimiter for delimiter in _DELIMITERS if delimiter in sample[0].strip()), None)


def _rows(handle: io.TextIOWrapper, delimiter: str | None) -> Iterator[tuple[int, list[str]]]:
    """Line number (of the last line of the row, counted from 1) and cells of each row that is not blank."""
    if delimiter is None:
        yield from ((number, line.split()) for number, line in enumerate(handle, 1) if line.strip())
        return
    reader = csv.reader(handle, delimiter=delimiter)
    for row in reader:
        if row:
            yield reader.line_num, [cell.strip() for cell in row]


def _is_missing(cell: str) -> bool:
    return cell.lower() in _MISSING


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell and not _is_missing(cell)


def _header(cells: list[str], where: str) -> tuple[str, ...]:
    """The names of the columns if the first row holds no number, () if it holds data; NumPy puts "# " before them."""
    cells = cells[1:] if cells[0] == "#" else [cells[0].lstrip("# "), *cells[1:]]
    words = [cell for cell in cells if not _is_number(cell) and not _is_missing(cell)]
    numbers = [cell for cell in cells if _is_number(cell)]
    if words and numbers:
        raise DataError(
            f"{where} mixes names and numbers ({words[0]!r} and {numbers[0]!r}): neither a header nor a row of numbers"
        )
    return tuple(cells) if words else ()


# --- which columns ----------------------------------------------------------------------------------------------------


def _split_table(columns: _Columns, inputs: Sequence[str], targets: Sequence[str]) -> Data:
    """Inputs and targets from one table; the user has to name the targets."""
    if not targets:
        raise DataError("name the target columns with --targets, or --targets none for an auto-encoder")
    chosen = [] if _is_none(targets) else _select(columns, targets, "--targets")
    others = [i for i in range(len(columns.names)) if i not in set(chosen)]
    used = _select(columns, inputs, "--inputs") if inputs else others
    both = sorted(set(used) & set(chosen))
    if both:
        raise DataError(f"column {columns.names[both[0]]!r} is named by both --inputs and --targets")
    if not used:
        raise DataError(f"{columns.label} has no columns left as inputs: --targets names all {len(columns.names)}")
    table = columns.read([*used, *chosen])
    names = columns.names
    X, Y = table[:, : len(used)], table[:, len(used) :]
    return _data(columns.label, X, Y if chosen else None, [names[i] for i in used], [names[i] for i in chosen])


def _split_pair(x: _Columns, y: _Columns, note: str, inputs: Sequence[str], targets: Sequence[str]) -> Data:
    """Inputs and targets of data that bring their targets along: the options pick among them."""
    used = _select(x, inputs, "--inputs") if inputs else list(range(len(x.names)))
    X, names = x.read(used), [x.names[i] for i in used]
    if _is_none(targets):
        return _data(x.label, X, None, names, [])
    chosen = _select(y, targets, "--targets") if targets else list(range(len(y.names)))
    return _data(x.label, X, y.read(chosen), names, [y.names[i] for i in chosen], note)


def _data(
    label: str,
    X: npt.NDArray[Any],
    Y: npt.NDArray[Any] | None,
    input_names: list[str],
    target_names: list[str],
    note: str = "",
) -> Data:
    if Y is None:
        return Data(label, X, None, tuple(input_names), tuple(input_names), "auto-encoder: the targets are the inputs")
    return Data(label, X, Y, tuple(input_names), tuple(target_names), note)


def _is_none(targets: Sequence[str]) -> bool:
    return list(targets) == ["none"]


def _select(columns: _Columns, wanted: Sequence[str], option: str) -> list[int]:
    """Positions of the wanted columns, in the order given."""
    chosen: list[int] = []
    words = [word for text in wanted for word in ([text] if text in columns.names else text.split(","))]
    for word in words:
        for i in _positions(columns, word.strip(), option):
            if i in chosen:
                raise DataError(f"{option} names column {columns.names[i]!r} twice")
            chosen.append(i)
    return chosen


def _positions(columns: _Columns, text: str, option: str) -> list[int]:
    """What one word of an option stands for: a name, a position, or a range such as 10:13."""
    count = len(columns.names)
    if text == "none":
        raise DataError(f"{option} none stands alone" if option == "--targets" else f"{option} none leaves no inputs")
    if columns.named and text in columns.names:
        if columns.names.count(text) > 1:
            raise DataError(f"{columns.label} has {columns.names.count(text)} columns {text!r}: use their positions")
        return [columns.names.index(text)]
    if re.fullmatch(r"[-+]?\d{1,15}", text):
        i = int(text)
        if not -count <= i < count:
            raise DataError(f"{option} {text}: {columns.label} has {count} columns, 0 to {count - 1}")
        return [i % count]
    if re.fullmatch(r"([-+]?\d{1,15})?:([-+]?\d{1,15})?", text):
        first, last = (int(end) if end else None for end in text.split(":"))
        found = list(range(count))[first:last]
        if not found:
            raise DataError(f"{option} {text} is an empty range: {columns.label} has {count} columns, 0 to {count - 1}")
        return found
    raise DataError(f"{option}: no column {text!r} in {columns.label}; {_describe(columns)}")


def _describe(columns: _Columns) -> str:
    """The columns there are, shortened."""
    if not columns.named:
        return f"it has no names, only the positions 0 to {len(columns.names) - 1}"
    shown = ", ".join(repr(name) for name in columns.names[:12])
    return f"the columns are {shown}" + (", ..." if len(columns.names) > 12 else "")


# --- paired data ------------------------------------------------------------------------------------------------------


def _pair_from_archive(
    path: Path, arrays: dict[str, npt.NDArray[Any]], inputs: Sequence[str], targets: Sequence[str]
) -> Data:
    """Data from an archive of X and perhaps Y."""
    X, Y = arrays["X"], arrays.get("Y")
    if len(arrays) > (1 if Y is None else 2):
        raise DataError(f"{path.name} must hold X and optionally Y, or a single array; it holds {_listing(arrays)}")
    if Y is None:
        return _split_table(_array_columns(f"{path.name}: X", X), inputs, targets)
    Y = Y.reshape(-1, 1) if Y.ndim == 1 else Y
    x, y = _array_columns(f"{path.name}: X", X), _array_columns(f"{path.name}: Y", Y)
    if X.shape[0] != Y.shape[0]:
        raise DataError(f"{path.name}: X has {X.shape[0]} rows and Y has {Y.shape[0]}")
    data = _split_pair(x, y, "", inputs, targets)
    return Data(path.name, data.X, data.Y, data.input_names, data.target_names, data.note)


def _digits(datasets: Any) -> tuple[Any, FloatArray, list[str], str]:
    bunch = datasets.load_digits()
    one_hot = np.equal.outer(bunch.target, np.arange(10)).astype(np.float64)
    return bunch, one_hot, [str(digit) for digit in range(10)], "the ten classes, one-hot"


def _diabetes(datasets: Any) -> tuple[Any, FloatArray, list[str], str]:
    bunch = datasets.load_diabetes()
    return bunch, bunch.target[:, None], ["progression"], "disease progression after one year"


def _linnerud(datasets: Any) -> tuple[Any, FloatArray, list[str], str]:
    bunch = datasets.load_linnerud()
    return bunch, bunch.target, list(bunch.target_names), "three body measures from three exercises"


def _breast_cancer(datasets: Any) -> tuple[Any, FloatArray, list[str], str]:
    bunch = datasets.load_breast_cancer()
    return bunch, bunch.target[:, None].astype(np.float64), ["benign"], "1 for benign, 0 for malignant"


_BUNDLED: dict[str, Callable[[Any], tuple[Any, FloatArray, list[str], str]]] = {
    "digits": _digits,
    "diabetes": _diabetes,
    "linnerud": _linnerud,
    "breast_cancer": _breast_cancer,
}

BUNDLED = tuple(_BUNDLED)
"""Names of the data sets that come with scikit-learn."""


def _load_bundled(name: str) -> tuple[_Columns, _Columns, str]:
    """Inputs, targets and the note about the targets of a bundled set."""
    try:
        from sklearn import datasets
    except ImportError:
        raise DataError(
            f'the bundled data set {name} needs scikit-learn: python -m pip install "landscape-cpp[cli]"'
        ) from None
    bunch, Y, target_names, note = _BUNDLED[name](datasets)
    X = np.asarray(bunch.data, dtype=np.float64)
    x = _Columns(name, tuple(map(str, bunch.feature_names)), lambda indices: X[:, _as_slice(indices)])
    y = _Columns(f"the targets of {name}", tuple(target_names), lambda indices: Y[:, _as_slice(indices)])
    return x, y, note
