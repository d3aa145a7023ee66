"""Reading back what ``save`` wrote, and what this installation is."""

from __future__ import annotations

import os
import zipfile
from typing import Any

import numpy as np

from . import _validation as check
from ._dispatch import ACTIVE_ISA, AVAILABLE_ISAS, core
from .results import Certificate
from .risk import Covariances


def load(path: str | os.PathLike[str]) -> Covariances | Certificate:
    """Read a file written by ``Covariances.save`` or ``Certificate.save``; nothing in it is executed.

    Args:
        path: The ``.npz`` or JSON file.

    Returns:
        The object.

    Raises:
        ValueError: If the file holds nothing this version can read.
        FileNotFoundError: If there is no such file.
        TypeError: If ``path`` is not a path.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"path must be a path, got {type(path).__name__}")
    if zipfile.is_zipfile(path):
        with np.load(path, allow_pickle=False) as arrays:
            if "type" not in arrays.files or str(arrays["type"]) != "Covariances":
                raise ValueError(f"{os.fspath(path)} holds no landscape_cpp object")
            if int(arrays["schema_version"]) != 1:
                raise ValueError(
                    f"{os.fspath(path)} has schema version {arrays['schema_version']}, this version reads 1"
                )
            return Covariances._from_arrays(arrays)
    try:
        with open(path, encoding="utf-8") as file:
            return Certificate.from_json(file.read())
    except ValueError as error:
        raise ValueError(f"{os.fspath(path)} holds no landscape_cpp object: {error}") from None


def _blas() -> str:
    """The BLAS behind large products: SciPy's, by the name SciPy was built with, or Eigen."""
    if not core.has_scipy_blas():
        return "Eigen"
    import scipy

    try:
        build: Any = scipy.__config__.CONFIG["Build Dependencies"]["blas"]
        return f"{build['name']} {build['version']} (SciPy {scipy.__version__})"
    except (AttributeError, KeyError, TypeError):
        return f"SciPy {scipy.__version__}"


def build_info() -> dict[str, Any]:
    """What this installation is.

    Returns:
        version, isa (active), available_isas, compiler, cpp_standard, eigen_version, openmp, openmp_version, blas,
        default_threads.
    """
    return {
        **core.build_info(),
        "isa": ACTIVE_ISA,
        "available_isas": tuple(AVAILABLE_ISAS),
        "blas": _blas(),
        "default_threads": check.default_threads(),
    }
