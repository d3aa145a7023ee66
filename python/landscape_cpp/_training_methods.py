"""The optimisers by name: what each of them can be told, checked before any work, and how the core is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from . import _validation as check
from ._dispatch import core

__all__ = ["METHODS", "Chosen", "choose"]

_DESCENT, _MOMENTUM, _NESTEROV, _ADAGRAD, _ADAM, _LBFGS, _NOISY, _PERTURBED, _NEWTON, _TRUST = range(10)
_FIXED, _BACKTRACKING, _EXACT = range(3)
_SCHEDULES = ("constant", "cosine", "step")


@dataclass(frozen=True)
class _Method:
    """What a method is.

    Attributes:
        code: Its number in the core.
        settings: Its own settings and their defaults.
        rate: Its learning rate where none is given; None: it must be given; ``""``: it has none.
        batches: Whether it takes minibatches.
        radius: Whether its steps begin with a length rather than with a factor of the gradient.
    """

    code: int
    settings: Mapping[str, Any] = field(default_factory=dict)
    rate: float | str | None = None
    batches: bool = False
    radius: bool = False


METHODS: dict[str, _Method] = {
    "gd": _Method(_DESCENT, rate="backtracking"),
    "sgd": _Method(_DESCENT, batches=True),
    "momentum": _Method(_MOMENTUM, {"momentum": 0.9}, batches=True),
    "nesterov": _Method(_NESTEROV, {"momentum": 0.9}, batches=True),
    "adagrad": _Method(_ADAGRAD, {"eps": 1e-10}, rate=1e-2, batches=True),
    "adam": _Method(_ADAM, {"betas": (0.9, 0.999), "eps": 1e-8}, rate=1e-3, batches=True),
    "lbfgs": _Method(_LBFGS, {"memory": 10}, rate=""),
    "noisy_sgd": _Method(_NOISY, {"noise": 1.0}, batches=True),
    "perturbed_gd": _Method(_PERTURBED, {"radius": 1e-3, "threshold": None, "wait": 100, "drop": None}),
    "newton_cg": _Method(_NEWTON, {"krylov": 50, "curvature_tol": 1e-6}, rate=""),
    "trust_region": _Method(_TRUST, {"krylov": 50, "curvature_tol": 1e-6}, rate="", radius=True),
    "escape": _Method(_LBFGS, {"descent": "lbfgs", "memory": 10, "krylov": 50, "curvature_tol": 1e-6}, rate=""),
}


@dataclass(frozen=True)
class Chosen:
    """A method with its settings, all of them checked.

    Attributes:
        name: Of the method.
        rate: The fixed learning rate, or None.
        settings: What it was told, defaults filled in, as :attr:`TrainingResult.settings` shows it.
        core: The same for the core, without seed, tolerance and steps.
        batch: Terms of a minibatch, or None.
        radius: Whether steps begin with a length.
    """

    name: str
    rate: float | None
    settings: dict[str, Any]
    core: core.TrainingSettings
    batch: int | None
    radius: bool


def choose(
    method: Any, learning_rate: Any, schedule: Any, batch_size: Any, steps: int, given: Mapping[str, Any], degree: int
) -> Chosen:
    """The method as asked for.

    Args:
        method: Its name.
        learning_rate: As given.
        schedule: As given.
        batch_size: As given.
        steps: Of every run in all, the horizon of a cosine.
        given: Further settings by name.
        degree: Of the value along lines, 0 where it is no polynomial.
    """
    name = check.as_choice("method", method, tuple(METHODS))
    what, target = METHODS[name], core.TrainingSettings()
    target.method = what.code
    rate, shown = _rate(name, what, learning_rate, degree, target)
    fixed = rate is not None
    allowed = dict(what.settings) | ({"horizon": None, "every": None, "decay": 0.1, "warmup": 0} if fixed else {})
    unknown = sorted(set(given) - set(allowed))
    if unknown:
        names = ", ".join(allowed) or "none"
        raise TypeError(f"method {name!r} takes no setting {unknown[0]!r}; its settings: {names}")
    values = {key: given.get(key, default) for key, default in allowed.items()}
    settings: dict[str, Any] = {"learning_rate": shown}
    settings |= _own(name, values, target)
    check.as_choice("schedule", schedule, _SCHEDULES)
    if schedule != "constant" and not fixed:
        raise ValueError(f"schedule needs a fixed learning rate, which {name!r} does not have here")
    if fixed:
        settings |= _schedule(schedule, values, steps, target)
    batch = None
    if batch_size is not None:
        if not what.batches:
            takers = ", ".join(key for key, item in METHODS.items() if item.batches)
            raise ValueError(f"method {name!r} takes no batch_size; {takers} do")
        batch = check.as_int("batch_size", batch_size, minimum=1)
    elif name == "sgd":
        raise ValueError("method 'sgd' needs a batch_size; without one it is 'gd' with a fixed learning_rate")
    settings["batch_size"], target.batch = batch, batch or 0
    radius = what.radius
    if name == "escape":
        settings["descent"] = check.as_choice("descent", values["descent"], ("lbfgs", "trust_region"))
        radius = values["descent"] == "trust_region"
        target.method = METHODS[values["descent"]].code
    return Chosen(name, rate, settings, target, batch, radius)


def _rate(name: str, what: _Method, given: Any, degree: int, target: Any) -> tuple[float | None, Any]:
    """The fixed rate or None, and what to show for it."""
    if what.rate == "":
        if given is not None:
            raise ValueError(f"method {name!r} takes no learning_rate, got {given!r}")
        return None, None
    if given is None:
        given = what.rate
    if given is None:
        raise ValueError(f"method {name!r} needs a learning_rate, a positive number")
    if isinstance(given, str):
        if name != "gd" or given not in ("backtracking", "exact"):
            choices = "a positive number, 'backtracking' or 'exact'" if name == "gd" else "a positive number"
            raise ValueError(f"learning_rate must be {choices}, got {given!r}")
        if given == "exact" and not degree:
            raise ValueError("learning_rate='exact' needs a value that is a polynomial along lines, which this is not")
        target.rule = _EXACT if given == "exact" else _BACKTRACKING
        return None, given
    rate = check.as_float("learning_rate", given, positive=True)
    target.rule = _FIXED
    return rate, rate


def _own(name: str, values: Mapping[str, Any], target: Any) -> dict[str, Any]:
    """The settings of the method itself."""
    shown: dict[str, Any] = {}
    if "momentum" in values:
        shown["momentum"] = target.momentum = _share("momentum", values["momentum"])
    if "betas" in values:
        betas = values["betas"]
        if isinstance(betas, str) or not hasattr(betas, "__len__") or len(betas) != 2:
            raise ValueError(f"betas must be a pair of numbers, got {betas!r}")
        target.beta1, target.beta2 = (_share("betas", beta) for beta in betas)
        shown["betas"] = (target.beta1, target.beta2)
    if "eps" in values:
        shown["eps"] = target.epsilon = check.as_float("eps", values["eps"], positive=True)
    if "memory" in values:
        shown["memory"] = target.memory = check.as_int("memory", values["memory"], minimum=1)
    if "noise" in values:
        shown["noise"] = target.noise = check.as_float("noise", values["noise"], positive=True)
    if name == "perturbed_gd":
        shown["radius"] = target.radius = check.as_float("radius", values["radius"], positive=True)
        shown["wait"] = target.wait = check.as_int("wait", values["wait"], minimum=1)
        for key in ("threshold", "drop"):  # None follows the tolerance and the rounding of the values
            shown[key] = None if values[key] is None else check.as_float(key, values[key])
            if shown[key] is not None and shown[key] < 0.0:
                raise ValueError(f"{key} must not be negative, got {shown[key]}")
    if "krylov" in values:
        shown["krylov"] = target.krylov = check.as_int("krylov", values["krylov"], minimum=1)
        shown["curvature_tol"] = target.curvature = check.as_float(
            "curvature_tol", values["curvature_tol"], positive=True
        )
    return shown


def _share(name: str, value: Any) -> float:
    number = check.as_float(name, value)
    if not 0.0 <= number < 1.0:
        raise ValueError(f"{name} must be in [0, 1), got {number}")
    return number


def _schedule(schedule: str, values: Mapping[str, Any], steps: int, target: Any) -> dict[str, Any]:
    target.schedule = _SCHEDULES.index(schedule)
    shown: dict[str, Any] = {"schedule": schedule}
    if values["horizon"] is not None and schedule != "cosine":
        raise ValueError("horizon goes with schedule='cosine'")
    if values["every"] is not None and schedule != "step":
        raise ValueError("every goes with schedule='step'")
    if schedule == "cosine":
        horizon = values["horizon"] if values["horizon"] is not None else max(steps, 1)
        shown["horizon"] = target.horizon = check.as_int("horizon", horizon, minimum=1)
    if schedule == "step":
        if values["every"] is None:
            raise ValueError("schedule='step' needs every, the steps between two changes of the rate")
        shown["every"] = target.every = check.as_int("every", values["every"], minimum=1)
        shown["decay"] = target.decay = check.as_float("decay", values["decay"], positive=True)
    shown["warmup"] = target.warmup = check.as_int("warmup", values["warmup"], minimum=0)
    return shown
