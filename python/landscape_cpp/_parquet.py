"""Columns of a Parquet file, read one by one when asked for (pyarrow)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ._validation import FloatArray

__all__ = ["ParquetError", "ParquetTable"]


class ParquetError(ValueError):
    """A file or a column that cannot be used; the message is one line for the user."""


class ParquetTable:
    """A Parquet file whose columns are numbers, or at least those that are used.

    Args:
        path: The file.

    Attributes:
        names: Columns in the order of the file, without the index that pandas stores among them.

    Raises:
        ParquetError: If pyarrow is missing, or the file is not Parquet, is empty, or has two columns of one name.
    """

    def __init__(self, path: Path) -> None:
        """Read the schema."""
        try:
            import pyarrow
            from pyarrow import parquet
        except ImportError:
            raise ParquetError(
                f'{path.name}: Parquet needs pyarrow: python -m pip install "landscape-cpp[cli]"'
            ) from None
        self._label = path.name
        try:
            self._file: Any = parquet.ParquetFile(path)
        except (pyarrow.ArrowInvalid, OSError) as error:
            raise ParquetError(f"{path.name} is not a Parquet file") from error
        stored = self._file.schema_arrow.names
        self.names = tuple(name for name in stored if not re.fullmatch(r"__index_level_\d+__", name))
        twice = sorted({name for name in self.names if self.names.count(name) > 1})
        if twice:
            raise ParquetError(f"{path.name} has several columns {twice[0]!r}")
        if not self.names or self._file.metadata.num_rows == 0:
            raise ParquetError(f"{path.name} has no {'rows' if self.names else 'columns'}")

    def read(self, indices: Sequence[int]) -> FloatArray:
        """The columns at these positions, (m, len(indices)).

        Raises:
            ParquetError: For a column that is not numbers, a missing value, NaN or infinity.
        """
        schema = self._file.schema_arrow
        for i in indices:
            self._require_numbers(self.names[i], schema.field(self.names[i]).type)
        result = np.empty((self._file.metadata.num_rows, len(indices)))
        for position, i in enumerate(indices):
            result[:, position] = self._column(self.names[i])
        return result

    def _require_numbers(self, name: str, dtype: Any) -> None:
        from pyarrow import types

        tests = (types.is_boolean, types.is_integer, types.is_floating, types.is_decimal)
        if not any(test(dtype) for test in tests):
            raise ParquetError(
                f"{self._label}, column {name!r}: not numbers but {dtype} (--inputs can leave columns out)"
            )

    def _column(self, name: str) -> FloatArray:
        import pyarrow
        from pyarrow import compute

        column = self._file.read(columns=[name]).column(name)
        if column.null_count:
            row = compute.index(column.is_null(), True).as_py()
            raise ParquetError(f"{self._label}, row {row} (counted from 0), column {name!r}: missing value")
        if pyarrow.types.is_boolean(column.type):
            column = column.cast(pyarrow.uint8())
        values = np.asarray(column.cast(pyarrow.float64(), safe=False).to_numpy(), dtype=np.float64)
        if not np.isfinite(values).all():
            row = int(np.flatnonzero(~np.isfinite(values))[0])
            raise ParquetError(f"{self._label}, row {row} (counted from 0), column {name!r}: {values[row]}")
        return values
