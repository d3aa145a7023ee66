"""Choice of the compiled module: one per instruction set, the fastest that runs here.

The wheel carries one complete extension module per instruction set (``_core_baseline`` for x86-64-v2,
``_core_avx2`` for AVX2 with FMA, ``_core_avx512`` for x86-64-v4; ``_core_generic`` on other architectures), all
compiled from the same sources. The choice is made once, when the package is imported. The environment variable
``LANDSCAPE_CPP_ISA`` forces it, so that the tests can run on each. Nothing is written to the environment.
"""

import importlib
import importlib.util
import os
import sys
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from landscape_cpp import _core as core

__all__ = ["ACTIVE_ISA", "AVAILABLE_ISAS", "core"]

_VARIABLE = "LANDSCAPE_CPP_ISA"
_KNOWN_ISAS = ("avx512", "avx2", "baseline", "generic")  # fastest first
_PACKAGE = __name__.rpartition(".")[0]


def _is_built(isa: str) -> bool:
    """Whether this installation carries the module for ``isa``."""
    return importlib.util.find_spec(f"{_PACKAGE}._core_{isa}") is not None


def _select(forced: str | None, supported: tuple[str, ...], built: tuple[str, ...]) -> str:
    """Name the instruction set to use.

    Args:
        forced: the value of ``LANDSCAPE_CPP_ISA``, or None or empty for the fastest that runs here.
        supported: what the processor and the operating system can run.
        built: what this installation carries.

    Returns:
        The name of the instruction set.

    Raises:
        ImportError: if the forced one is unknown, not built or not supported, or if none is left to choose from.
    """
    available = tuple(isa for isa in _KNOWN_ISAS if isa in supported and isa in built)
    choices = ", ".join(available) or "none"
    if not forced:
        if available:
            return available[0]
        raise ImportError(
            f"landscape_cpp has no compiled module for this processor: built for {', '.join(built) or 'none'}, the "
            f"processor supports {', '.join(supported) or 'none of ' + ', '.join(_KNOWN_ISAS)}"
        )
    if forced not in _KNOWN_ISAS:
        reason = "is not an instruction set landscape_cpp knows"
    elif forced not in built:
        reason = "is not built in this installation"
    elif forced not in supported:
        reason = "is not supported by this processor"
    else:
        return forced
    raise ImportError(f"{_VARIABLE}={forced!r} {reason}; choices here: {choices}")


def _load(isa: str) -> ModuleType:
    """Import the module for ``isa`` and give it its public name, ``landscape_cpp._core``."""
    module = importlib.import_module(f"{_PACKAGE}._core_{isa}")
    sys.modules[f"{_PACKAGE}._core"] = module
    setattr(sys.modules[_PACKAGE], "_core", module)  # noqa: B010 (a plain assignment does not type-check)
    return module


_SUPPORTED: tuple[str, ...] = tuple(importlib.import_module(f"{_PACKAGE}._cpu_features").supported())
_BUILT = tuple(isa for isa in _KNOWN_ISAS if _is_built(isa))

AVAILABLE_ISAS: tuple[str, ...] = tuple(isa for isa in _KNOWN_ISAS if isa in _SUPPORTED and isa in _BUILT)
"""Instruction sets that are built and run here, fastest first."""

ACTIVE_ISA: str = _select(os.environ.get(_VARIABLE), _SUPPORTED, _BUILT)
"""The instruction set in use."""

if not TYPE_CHECKING:
    core = _load(ACTIVE_ISA)
