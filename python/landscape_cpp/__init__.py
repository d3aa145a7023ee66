"""landscape-cpp: where a point lies in the optimisation landscape of a network, how far down it is, and the way there.

>>> import numpy as np
>>> import landscape_cpp as ls
>>> cov = ls.Covariances(xx=np.eye(2), xy=np.diag([2.0, 1.0]), yy=np.diag([5.0, 2.0]))
>>> net = ls.ShallowLinear(cov, n_hidden=1)
>>> saddle = (np.array([[0.0], [1.0]]), np.array([[0.0], [1.0]]))
>>> print(net.classify(saddle).kind)
strict_saddle
"""

from typing import TYPE_CHECKING, Any

from . import curvature, errors, experiments
from ._dispatch import ACTIVE_ISA, AVAILABLE_ISAS
from ._factorization_data import Loss
from ._factorization_path import FactorizationPath, FactorizationPathCheck
from ._factorization_results import PolarBounds, Solution, SolutionTrace, StationaryPoint
from ._flow import BalancedFlow
from ._io import build_info, load
from ._local_witness import LocalWitness
from ._network_data import Unit
from ._network_interop import from_sklearn, from_torch
from ._network_omega import OmegaBounds
from ._network_path import NetworkPath, NetworkPathCheck, NetworkSegment
from ._pairs import PairCheck, check_pair
from ._paths import Path, PathCheck, Segment
from ._svt import SVT, SparsePlusLowRank, svt
from ._verify import Verification, verify
from .census import Census, CensusPoint, find_critical_points
from .curvature import slice  # noqa: A004 - the field's word, and always written ls.slice
from .deep import DeepLinear
from .errors import ConvergenceError, ConvergenceWarning
from .factorization import MatrixFactorization
from .homogeneous import ParallelNetwork
from .interop import from_factors
from .linear import ShallowLinear
from .results import (
    Certificate,
    CriticalPoint,
    CriticalPointBatch,
    CriticalValue,
    CriticalValues,
    DeepCriticalPoint,
    Eigenpair,
    EscapeDirection,
    Hypothesis,
    Kind,
    Pivot,
    Slice,
    Spectrum,
    StopReason,
    Verdict,
)
from .risk import Covariances, SpectralData
from .training import Trace, TrainingResult, train

if TYPE_CHECKING:
    from . import estimators as estimators
    from . import plotting as plotting
    from . import torch_interop as torch_interop

__version__: str = build_info()["version"]

_LAZY = ("estimators", "plotting", "torch_interop")  # what they need is not imported with the package


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        import importlib

        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})


__all__ = [
    "ACTIVE_ISA",
    "AVAILABLE_ISAS",
    "SVT",
    "BalancedFlow",
    "Census",
    "CensusPoint",
    "Certificate",
    "ConvergenceError",
    "ConvergenceWarning",
    "Covariances",
    "CriticalPoint",
    "CriticalPointBatch",
    "CriticalValue",
    "CriticalValues",
    "DeepCriticalPoint",
    "DeepLinear",
    "Eigenpair",
    "EscapeDirection",
    "FactorizationPath",
    "FactorizationPathCheck",
    "Hypothesis",
    "Kind",
    "LocalWitness",
    "Loss",
    "MatrixFactorization",
    "NetworkPath",
    "NetworkPathCheck",
    "NetworkSegment",
    "OmegaBounds",
    "PairCheck",
    "ParallelNetwork",
    "Path",
    "PathCheck",
    "Pivot",
    "PolarBounds",
    "Segment",
    "ShallowLinear",
    "Slice",
    "Solution",
    "SolutionTrace",
    "SparsePlusLowRank",
    "SpectralData",
    "Spectrum",
    "StationaryPoint",
    "StopReason",
    "Trace",
    "TrainingResult",
    "Unit",
    "Verdict",
    "Verification",
    "__version__",
    "build_info",
    "check_pair",
    "curvature",
    "errors",
    "experiments",
    "find_critical_points",
    "from_factors",
    "from_sklearn",
    "from_torch",
    "load",
    "slice",
    "svt",
    "train",
    "verify",
]
