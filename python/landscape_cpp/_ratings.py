"""Ratings of the command line: triplets (row id, column id, value), or a matrix with blanks, from a file.

Ids are whole numbers or text; rows and columns stand in their ascending order. Everything wrong with a file is a
``DataError`` of one line.
"""

from __future__ import annotations

import contextlib
import csv
import itertools
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import scipy.sparse

from . import _datasets
from ._datasets import DataError
from ._parquet import ParquetError, ParquetTable
from ._validation import FloatArray
from .factorization import MatrixFactorization

__all__ = ["Labels", "Ratings", "blaming", "read_ratings"]

Labels = npt.NDArray[Any]

_ARRAYS = (".npy", ".npz")
_NUMBERED = "numbered from 0"


@dataclass(frozen=True)
class Ratings:
    """The observed entries of a matrix, and what its rows and columns are called.

    Attributes:
        name: The file.
        Y: Dense with NaN where nothing is observed, or CSR whose stored entries are the observed ones.
        row_labels: One for each row, whole numbers or text.
        column_labels: One for each column.
        form: ``"triplets"`` or ``"matrix"``.
        note: How the file was read.
    """

    name: str
    Y: Any = field(repr=False)
    row_labels: Labels = field(repr=False)
    column_labels: Labels = field(repr=False)
    form: str
    note: str

    @property
    def values(self) -> FloatArray:
        """The observed entries."""
        if scipy.sparse.issparse(self.Y):
            return np.asarray(self.Y.data)
        return np.asarray(self.Y[~np.isnan(self.Y)])

    def landscape(self, lam: float, loss: str = "squared", delta: float = 1.0) -> MatrixFactorization:
        """The factorisation problem of these entries.

        Args:
            lam: λ.
            loss: Of one entry.
            delta: Of the Huber loss.
        """
        mask = None if scipy.sparse.issparse(self.Y) or not np.isnan(self.Y).any() else "nan"
        with blaming(self.name):
            return MatrixFactorization(self.Y, lam, mask=mask, loss=loss, delta=delta)

    def arranged(self, row_labels: Labels, column_labels: Labels, whose: str) -> Ratings:
        """The same entries with rows and columns in another order, among others that have no entry.

        Args:
            row_labels: All rows.
            column_labels: All columns.
            whose: What the labels come from.

        Raises:
            DataError: For an id that is not among them.
        """
        rows = _places(self.row_labels, row_labels, f"{self.name}: row", whose)
        columns = _places(self.column_labels, column_labels, f"{self.name}: column", whose)
        shape = (len(row_labels), len(column_labels))
        if scipy.sparse.issparse(self.Y):
            entries = self.Y.tocoo()
            Y = scipy.sparse.coo_matrix((entries.data, (rows[entries.row], columns[entries.col])), shape=shape)
        else:
            Y = np.full(shape, np.nan)
            Y[np.ix_(rows, columns)] = self.Y
        return Ratings(self.name, Y, row_labels, column_labels, self.form, self.note)


@contextlib.contextmanager
def blaming(what: str) -> Iterator[None]:
    """Turn what the library refuses about the user's data into a line about ``what``."""
    try:
        yield
    except (ValueError, TypeError, OverflowError) as error:
        raise DataError(f"{what}: {error}") from error


def read_ratings(
    path: Path,
    *,
    form: str | None = None,
    columns: str | None = None,
    header: bool | None = None,
    index: bool | None = None,
) -> Ratings:
    """Read a file of ratings.

    Args:
        path: A text table, .parquet, .npy, or .npz (one array, or what ``scipy.sparse.save_npz`` wrote).
        form: ``"triplets"``, ``"matrix"``, or None to decide from the file.
        columns: Those of the triplets, names or positions with commas between; None takes the first three.
        header: Whether the first line of a text table holds names; None decides from the file.
        index: Whether the first column of a matrix holds the ids of the rows; None decides from the file.

    Raises:
        DataError: With one line that says what is wrong.
    """
    _datasets._require_file(path)
    if columns is not None and form == "matrix":
        raise DataError("--columns is for triplets")
    if columns is not None and form is None:
        form = "triplets"
    suffix = path.suffix.lower()
    if suffix in _ARRAYS:
        if header is not None or index is not None:
            raise DataError(f"{path.name}: an array has no header and no index")
        return _from_array(path, form, columns)
    if suffix in _datasets._PARQUET_SUFFIXES:
        if header is not None:
            raise DataError(f"{path.name}: --header is for text tables, a Parquet file always has names")
        table: _Table = _ParquetCells(path)
    else:
        table = _TextCells(path, header)
    if form is None:
        form = "triplets" if _looks_like_triplets(table) else "matrix"
        how = f"detected; --{'matrix' if form == 'triplets' else 'triplets'} says otherwise"
    else:
        how = "as asked"
    if form == "triplets":
        if index is not None:
            raise DataError("--index is for matrices")
        return _triplets(table, columns, how)
    return _matrix(table, index, how)


# --- cells ------------------------------------------------------------------------------------------------------------


class _Table(Protocol):
    """Columns of cells that are numbers, text or missing; ``names`` is empty without a header."""

    label: str
    names: tuple[str, ...]
    width: int
    length: int
    index: int | None  # the column that is known to hold the ids of the rows of a matrix

    def text(self, i: int) -> npt.NDArray[Any]:
        """Column i as ids, integers or text; missing cells are empty text."""

    def numbers(self, i: int) -> FloatArray:
        """Column i with NaN where it is missing."""

    def where(self, row: int) -> str:
        """The row as its reader counts."""


def _called(table: _Table, i: int) -> str:
    return f"column {table.names[i]!r}" if table.names else f"column {i} (counted from 0)"


class _TextCells:
    """A text table, read at once: what a cell is depends on what the other cells are."""

    def __init__(self, path: Path, header: bool | None) -> None:
        self.label = path.name
        with _datasets._open_text(path) as handle:
            lines = (line for line in handle if line.strip())
            sample = list(itertools.islice(lines, _datasets._SNIFFED_LINES))
        if not sample:
            raise DataError(f"{path.name} is empty")
        self.index: int | None = None
        with _datasets._open_text(path) as handle:
            rows = list(_split(handle, sample))
        self.width = len(rows[0][1])
        for line, cells in rows:
            if len(cells) != self.width:
                raise DataError(f"{path.name}, line {line} has {len(cells)} columns, expected {self.width}")
        named = _is_header(rows, self.label) if header is None else header
        first = rows.pop(0)[1] if named else []
        self.names = (first[0].lstrip("# "), *first[1:]) if first else ()
        if not rows:
            raise DataError(f"{path.name} has a header and no rows")
        self.length = len(rows)
        self._lines = [line for line, _ in rows]
        flat = list(itertools.chain.from_iterable(cells for _, cells in rows))
        self._columns = [flat[i :: self.width] for i in range(self.width)]

    def where(self, row: int) -> str:
        return f"{self.label}, line {self._lines[row]}"

    def text(self, i: int) -> npt.NDArray[Any]:
        cells = np.array(["" if _datasets._is_missing(cell) else cell for cell in self._columns[i]])
        return _as_integers(cells)

    def numbers(self, i: int) -> FloatArray:
        cells = self._columns[i]
        try:
            if not any("_" in cell for cell in cells):
                found = np.array(cells).astype(np.float64)
                if not np.isinf(found).any():
                    return found
        except ValueError:
            pass
        found = np.full(len(cells), np.nan)
        for row, cell in enumerate(cells):
            if _datasets._is_missing(cell):
                continue
            if not _datasets._is_number(cell) or not np.isfinite(float(cell)):
                hint = " (write a decimal point, not a comma)" if re.fullmatch(r"[-+]?\d+,\d+", cell) else ""
                raise DataError(f"{self.where(row)}, {_called(self, i)}: not a finite number: {cell!r}{hint}")
            found[row] = float(cell)
        return found


def _split(handle: Any, sample: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """Line numbers and cells; MovieLens separates its cells by two colons."""
    delimiter = _datasets._sniff(list(sample))
    if delimiter is None and all("::" in line for line in sample):
        return ((number, line.strip().split("::")) for number, line in enumerate(handle, 1) if line.strip())
    if delimiter is None and any(_datasets._is_missing(cell) for cell in next(csv.reader([sample[0]]))):
        delimiter = ","  # one column with a blank
    return _datasets._rows(handle, delimiter)


def _is_word(cell: str) -> bool:
    return not _datasets._is_number(cell) and not _datasets._is_missing(cell)


def _is_header(rows: Sequence[tuple[int, list[str]]], label: str) -> bool:
    """Whether the first line holds names; a line that may be ids of columns or values of the matrix is refused."""
    first, later = rows[0][1], [cells[0] for _, cells in rows[1:]]
    rest = first[1:]
    if not rest:
        return _is_word(first[0])
    if all(map(_is_word, rest)) or (len(first) > 4 and any(map(_is_word, rest))):
        return True  # only the ids of triplets are text, and these have three or four columns
    if not all(map(_datasets._is_number, rest)):
        return False
    called = any(map(_is_word, later))  # the rows have names of their own
    corner = _datasets._is_missing(first[0]) and (called or _is_count(later))
    if corner or (_is_word(first[0]) and not (called and len(first) in (3, 4))):
        raise DataError(
            f"{label}, line {rows[0][0]} may hold the ids of the columns or a row of the matrix: "
            "say --header or --no-header"
        )
    return False


def _is_count(cells: Sequence[str]) -> bool:
    """Whole numbers that ascend: ids rather than values."""
    if len(cells) < 3 or not all(re.fullmatch(r"\d{1,18}", cell) for cell in cells):
        return False
    return all(int(a) < int(b) for a, b in itertools.pairwise(cells))


def _as_integers(cells: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Whole numbers where every cell is one as it is written; "007" and "7" are two ids."""
    try:
        numbers = cells.astype(np.int64)
    except (ValueError, OverflowError):
        return cells
    return numbers if (numbers.astype(cells.dtype) == cells).all() else cells


class _ParquetCells:
    """A Parquet file; an index that pandas stored without a name is no column, but it names the rows of a matrix."""

    def __init__(self, path: Path) -> None:
        try:
            self.names = ParquetTable(path).names
        except ParquetError as error:
            raise DataError(str(error)) from error
        from pyarrow import parquet

        self.label = path.name
        self._file: Any = parquet.ParquetFile(path)
        self.width, self.length = len(self.names), int(self._file.metadata.num_rows)
        metadata = (self._file.schema_arrow.metadata or {}).get(b"pandas")
        stored = json.loads(metadata)["index_columns"] if metadata else []
        self._stored, self.index = list(self.names), None
        if len(stored) == 1 and isinstance(stored[0], str):  # a mapping says that the index only counts
            self._stored += [stored[0]] if stored[0] not in self.names else []
            self.index = self._stored.index(stored[0])

    def where(self, row: int) -> str:
        return f"{self.label}, row {row} (counted from 0)"

    def _column(self, i: int) -> Any:
        import pyarrow

        column = self._file.read(columns=[self._stored[i]]).column(self._stored[i])
        return column.cast(column.type.value_type) if pyarrow.types.is_dictionary(column.type) else column

    def text(self, i: int) -> npt.NDArray[Any]:
        import pyarrow

        column, types = self._column(i), pyarrow.types
        if types.is_integer(column.type) and not column.null_count:
            return np.asarray(column.to_numpy(), dtype=np.int64)
        if types.is_floating(column.type):
            values = self.numbers(i)
            if not np.isnan(values).any() and (values == np.floor(values)).all() and np.abs(values).max() < 2**53:
                return values.astype(np.int64)
        cells = ["" if cell is None else str(cell) for cell in column.to_pylist()]
        return np.array(cells)

    def numbers(self, i: int) -> FloatArray:
        import pyarrow

        column, types = self._column(i), pyarrow.types
        tests = (types.is_boolean, types.is_integer, types.is_floating, types.is_decimal, types.is_null)
        if not any(test(column.type) for test in tests):
            raise DataError(f"{self.label}, {_called(self, i)}: not numbers but {column.type}")
        if types.is_boolean(column.type):
            column = column.cast(pyarrow.uint8())
        found = np.array(column.cast(pyarrow.float64(), safe=False).to_numpy(), dtype=np.float64)
        if np.isinf(found).any():
            row = int(np.flatnonzero(np.isinf(found))[0])
            raise DataError(f"{self.where(row)}, {_called(self, i)}: not a finite number: {found[row]}")
        return found


# --- triplets ---------------------------------------------------------------------------------------------------------


def _looks_like_triplets(table: _Table) -> bool:
    """Three or four columns without a blank, ids in the first two and numbers in the third."""
    if table.width not in (3, 4):
        return False
    ids = [table.text(i) for i in (0, 1)]
    if any(_has_blank(column) or (column.dtype.kind == "U" and _holds_fractions(column)) for column in ids):
        return False
    try:
        return not np.isnan(table.numbers(2)).any()
    except DataError:
        return False


def _has_blank(ids: npt.NDArray[Any]) -> bool:
    return ids.dtype.kind == "U" and bool((ids == "").any())


def _holds_fractions(ids: npt.NDArray[Any]) -> bool:
    """Text that a person would read as measured numbers."""
    return any("." in cell and _datasets._is_number(cell) for cell in ids.tolist())


def _triplets(table: _Table, columns: str | None, how: str) -> Ratings:
    names = table.names or tuple(str(i) for i in range(table.width))
    if columns is None:
        if table.width < 3:
            raise DataError(f"{table.label} has {table.width} columns; triplets need a row id, a column id and a value")
        chosen = [0, 1, 2]
    else:
        described = _datasets._Columns(table.label, names, lambda _: np.empty((0, 0)), named=bool(table.names))
        chosen = _datasets._select(described, [columns], "--columns")
        if len(chosen) != 3:
            raise DataError(f"--columns must name three: the row id, the column id and the value; got {len(chosen)}")
    ids = [table.text(i) for i in chosen[:2]]
    values = table.numbers(chosen[2])
    for i, column in zip(chosen, [*ids, values], strict=True):
        missing = np.isnan(column) if column.dtype.kind == "f" else column == ""
        if column.dtype.kind in "fU" and missing.any():
            what = "value" if i == chosen[2] else "id"
            raise DataError(f"{table.where(int(np.argmax(missing)))}, {_called(table, i)}: missing {what}")
    words = ", ".join(names[i] if table.names else f"column {i}" for i in chosen)
    return _assembled(table, ids, values, f"triplets of {words} ({how})")


def _assembled(table: Any, ids: Sequence[npt.NDArray[Any]], values: FloatArray, note: str) -> Ratings:
    (rows, i), (columns, j) = (np.unique(column, return_inverse=True) for column in ids)
    keys = i.astype(np.int64) * len(columns) + j
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    repeats = np.flatnonzero(first[inverse] != np.arange(len(keys)))
    if len(repeats):
        again = int(repeats[0])
        earlier = table.where(int(first[inverse[again]])).removeprefix(f"{table.label}, ")
        raise DataError(
            f"{table.where(again)} repeats row {ids[0][again]!s}, column {ids[1][again]!s} of {earlier} "
            f"({len(repeats)} repeated entries): combine them first"
        )
    Y = scipy.sparse.csr_matrix((values, (i, j)), shape=(len(rows), len(columns)))
    return Ratings(table.label, Y, rows, columns, "triplets", note)


# --- matrices ---------------------------------------------------------------------------------------------------------


def _matrix(table: _Table, index: bool | None, how: str) -> Ratings:
    at = table.index
    if index is False:
        at = None
    elif at is None and (index or _has_index(table)):
        at = 0
    used = [i for i in range(table.width) if i != at]
    if not used:
        raise DataError(f"{table.label} has only the ids of the rows")
    Y = np.column_stack([table.numbers(i) for i in used])
    rows = np.arange(table.length) if at is None else table.text(at)
    if rows.dtype.kind == "U" and (rows == "").any():
        raise DataError(f"{table.where(int(np.argmax(rows == '')))}: missing id of the row")
    names = np.array([table.names[i] for i in used]) if table.names else np.arange(len(used))
    columns = _as_integers(names) if table.names else names
    for labels, what in ((rows, "row"), (columns, "column")):
        unique, counts = np.unique(labels, return_counts=True)
        if len(unique) < len(labels):
            raise DataError(f"{table.label} has several {what}s {str(unique[np.argmax(counts > 1)])!r}")
    named = _NUMBERED if at is None else f"in {_called(table, at)}" if at < table.width else "in the index"
    note = f"matrix ({how}); ids of the rows {named}, of the columns {'in the header' if table.names else _NUMBERED}"
    return Ratings(table.label, _require_entries(Y, table.label), rows, columns, "matrix", note)


def _has_index(table: _Table) -> bool:
    """Whether the first column holds ids: it does if they are text; a column that counts upwards is refused."""
    first = table.text(0)
    if first.dtype.kind == "U" and any(map(_is_word, first.tolist())):
        return True
    if table.width > 1 and first.dtype.kind == "i" and _is_count([str(number) for number in first.tolist()]):
        raise DataError(
            f"{table.label}, {_called(table, 0)} may hold the ids of the rows or values: say --index or --no-index"
        )
    return False


def _require_entries(Y: FloatArray, label: str) -> FloatArray:
    if np.isnan(Y).all():
        raise DataError(f"{label} has no observed entry")
    return Y


# --- arrays -----------------------------------------------------------------------------------------------------------


class _ArrayCells:
    """An array as a table, for messages."""

    def __init__(self, label: str, array: npt.NDArray[Any]) -> None:
        self.label, self._array = label, array
        self.names: tuple[str, ...] = ()
        self.index: int | None = None
        self.length, self.width = array.shape

    def where(self, row: int) -> str:
        return f"{self.label}, row {row} (counted from 0)"

    def text(self, i: int) -> npt.NDArray[Any]:
        column = np.asarray(self._array[:, i], dtype=np.float64)
        wrong = ~(column == np.floor(column)) | ~(np.abs(column) < 2**53)
        if wrong.any():
            row = int(np.argmax(wrong))
            raise DataError(f"{self.where(row)}, {_called(self, i)}: an id must be a whole number, got {column[row]}")
        return column.astype(np.int64)

    def numbers(self, i: int) -> FloatArray:
        column = np.asarray(self._array[:, i], dtype=np.float64)
        if np.isinf(column).any():
            row = int(np.argmax(np.isinf(column)))
            raise DataError(f"{self.where(row)}, {_called(self, i)}: not a finite number: {column[row]}")
        return column


def _from_array(path: Path, form: str | None, columns: str | None) -> Ratings:
    how = "as asked" if form is not None else "an array; --triplets says otherwise"
    if path.suffix.lower() == ".npy":
        array = _datasets._load_npy(path)
    else:
        arrays = _datasets.load_arrays(path)
        if {"format", "shape", "data"} <= set(arrays):
            return _from_sparse(path, form)
        if len(arrays) != 1:
            raise DataError(f"{path.name} must hold a single array; it holds {_datasets._listing(arrays)}")
        array = next(iter(arrays.values()))
    _datasets._require_numbers(array, path.name)
    table = _ArrayCells(path.name, array)
    if form == "triplets":
        return _triplets(table, columns, how)
    Y = np.array(array, dtype=np.float64)
    if np.isinf(Y).any():
        row, column = np.argwhere(np.isinf(Y))[0]
        raise DataError(f"{path.name} contains {Y[row, column]} at row {row}, column {column} (counted from 0)")
    labels = (np.arange(Y.shape[0]), np.arange(Y.shape[1]))
    return Ratings(path.name, _require_entries(Y, path.name), *labels, "matrix", f"matrix ({how}); NaN is not observed")


def _from_sparse(path: Path, form: str | None) -> Ratings:
    if form == "triplets":
        raise DataError(f"{path.name} holds a sparse matrix, not triplets")
    try:
        entries = scipy.sparse.load_npz(path).tocoo()
    except (ValueError, KeyError, OSError) as error:
        raise DataError(f"{path.name} is not a sparse matrix of scipy.sparse.save_npz") from error
    if not entries.nnz:
        raise DataError(f"{path.name} has no observed entry")
    labels = (np.arange(entries.shape[0]), np.arange(entries.shape[1]))
    return Ratings(path.name, entries, *labels, "matrix", "sparse matrix; its stored entries are the observed ones")


def _places(labels: Labels, among: Labels, what: str, whose: str) -> npt.NDArray[np.int64]:
    """Positions of the labels among others."""
    if labels.dtype.kind != among.dtype.kind:
        labels, among = labels.astype(str), among.astype(str)
    order = np.argsort(among, kind="stable")
    found = np.minimum(np.searchsorted(among, labels, sorter=order), len(among) - 1)
    places = order[found]
    wrong = among[places] != labels
    if wrong.any():
        raise DataError(f"{what} {str(labels[np.argmax(wrong)])!r} is not among the labels of {whose}")
    return np.asarray(places, dtype=np.int64)
