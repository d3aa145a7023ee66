"""What ``landscape`` prints: stops of the tour, and a view of the report that ``--json`` writes."""

from __future__ import annotations

import itertools
import math
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ._format import LOSS, index_runs, kind_words
from .results import Kind

if TYPE_CHECKING:
    from ._tour import Stop

Report = dict[str, Any]

_LABEL = 14  # width of the first column of the text
_WIDTH = 100


def words(value: Any) -> str:
    """The value as a person writes it."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Kind):
        return kind_words(value)
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def analysis_text(report: Report) -> list[str]:
    """The lines that ``landscape analyze`` prints."""
    blocks = [_data_text, _values_text, _ladder_text, _theorems_text]
    if report["weights"] is not None:
        blocks.append(_weights_text)
    if report["pictures"] is not None:
        blocks.append(_pictures_text)
    lines: list[str] = []
    for block in blocks:
        lines += [*block(report), ""]
    return lines[:-1]


def stop_text(number: int, stop: Stop) -> list[str]:
    """The lines of one stop of the tour."""
    lines = [f"{number}. {stop.title}"]
    for paragraph in stop.text:
        lines += ["", *textwrap.wrap(paragraph, _WIDTH, initial_indent="   ", subsequent_indent="   ")]
    if stop.code:
        lines += ["", *("     " + line for line in stop.code.splitlines())]
    if stop.table:
        lines += ["", *("   " + line for line in _table(stop.table, left=range(len(stop.table[0]))))]
    return [*lines, "", *(f"   picture: {picture.path}" for picture in stop.pictures)]


def _pictures_text(report: Report) -> list[str]:
    lines: list[str] = []
    for row in report["pictures"]:
        label = "" if lines else "Pictures"
        lines += _entry(label, *([row["file"]] if row["file"] else []), row["shows"])
    return lines


def _entry(label: str, *parts: str, hang: int = 0) -> list[str]:
    """A label and its text, wrapped under itself; ``hang`` more spaces before what is wrapped."""
    indent = " " * _LABEL
    lines: list[str] = []
    for part in parts:
        lines += textwrap.wrap(part, _WIDTH - _LABEL, subsequent_indent=" " * hang, break_long_words=False)
    return [f"{label:<{_LABEL}}{lines[0]}", *(indent + line for line in lines[1:])]


def _names(names: Sequence[str], limit: int = 60) -> str:
    """As many names as fit, and how many there are when not all do; positions in runs."""
    if all(name.isdecimal() for name in names):
        return index_runs([int(name) for name in names])
    shown: list[str] = []
    for name in names:
        if len(", ".join([*shown, name])) > limit:
            return ", ".join([*shown, f"... ({len(names)})"])
        shown.append(name)
    return ", ".join(shown)


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _data_text(report: Report) -> list[str]:
    data = report["data"]
    n0, hidden, n2 = data["n_inputs"], report["problem"]["hidden"], data["n_outputs"]
    sizes = f"{_plural(data['n_samples'], 'sample')}, {_plural(n0, 'input')}, {_plural(n2, 'output')}"
    condition = data["condition_inputs"]
    of_what = "their second moments" if data["form"] == "moments" else "the samples (factor form)"
    return [
        *_entry("Data", f"{data['name']}: {sizes}" + (f"; {data['note']}" if data["note"] else "")),
        *_entry("", "inputs: " + _names(data["inputs"])),
        *([] if data["auto_encoder"] else _entry("", "targets: " + _names(data["targets"]))),
        *_entry(
            "",
            ("centred: the network has an intercept" if data["center"] else "not centred: the network has no intercept")
            + f"; inputs of rank {data['rank_inputs']} of {n0}, condition of {of_what} {condition:.3g}",
        ),
        *_entry("Problem", _problem((n0, *hidden, n2))),
    ]


def _problem(widths: Sequence[int]) -> str:
    if len(widths) == 3:
        n0, n1, n2 = widths
        return f"minimise over U ({n2}, {n1}) and V ({n0}, {n1}) the {LOSS}: |y - U V^T x|^2"
    pairs = enumerate(itertools.pairwise(widths), 1)
    layers = ", ".join(f"W{layer} ({after}, {before})" for layer, (before, after) in pairs)
    return f"minimise over {layers} the {LOSS}: |y - W{len(widths) - 1} ... W1 x|^2"


def _decimals(scale: float) -> int | None:
    """Decimals that show seven digits of ``scale``; None where only the exponential form is readable."""
    if scale == 0.0 or not 1e-4 <= scale < 1e7:
        return None
    return max(0, 6 - math.floor(math.log10(scale) + 1e-9))


def _fixed(value: float, scale: float) -> str:
    decimals = _decimals(scale)
    return f"{value:.6e}" if decimals is None else f"{value:.{decimals}f}"


def _small(value: float) -> str:
    """A norm or a curvature: four digits, zero as 0."""
    return "0" if value == 0.0 else f"{value:.4g}"


def _gap(gap: float, scale: float) -> str:
    """A gap with the decimals of the values beside it, where these leave it three digits."""
    decimals = _decimals(scale)
    return _small(gap) if decimals is None or gap < 10.0 ** (2 - decimals) else f"{gap:.{decimals}f}"


def _percent(part: float, whole: float) -> str:
    return f"{100.0 * part / whole:.4g} %" if whole > 0.0 else "0 %"


def _values_text(report: Report) -> list[str]:
    values, n_hidden = report["values"], report["problem"]["n_hidden"]
    zero, rank = values["at_zero"], values["sufficient_width"]
    deep = len(report["problem"]["hidden"]) > 1
    rows = [("at zero weights" if deep else "at U = V = 0", zero)]
    rows += [(f"minimum, width {width}", value) for width, value in values["by_width"].items()]
    if n_hidden > rank:
        rows.append((f"minimum, width {n_hidden}", values["minimum"]))
    rows.append(("best linear map of any width", values["best_linear_map"]))
    lines = [f"Values{'':<{_LABEL - 6}}{'':<32}{'value':>14}{'of the value at zero':>24}"]
    for label, value in rows:
        mark = "  <" if label == f"minimum, width {n_hidden}" else ""
        lines.append(f"{'':<{_LABEL}}{label:<32}{_fixed(value, zero):>14}{_percent(value, zero):>24}{mark}")
    if n_hidden >= rank:
        lines += _entry("", f"Width {rank} suffices: it reaches the best linear map.")
    return lines


def _ladder_text(report: Report) -> list[str]:
    ladder, zero = report["critical_values"], report["values"]["at_zero"]
    listed, count = ladder["listed"], ladder["count"]
    total = f"{count:,}" if isinstance(count, int) else count
    which = f"all {total}" if len(listed) == count else f"the lowest {len(listed)} of {total}"
    rows = [("#", "value", "gap to minimum", "index set", "kind", "Morse index", "nullity")]
    for row in listed:
        gap = _gap(row["gap"], zero)
        numbers = (_fixed(row["value"], zero), gap, index_runs(row["indices"]), words(row["kind"]))
        rows.append((str(row["position"]), *numbers, words(row["morse_index"]), words(row["nullity"])))
    legend = (
        "Index set: the eigenvectors of Σ = Syx Sxx⁺ Sxy in use, 0 has the largest eigenvalue. Morse index: "
        "independent directions that lead down. Nullity: directions that are flat to second order."
    )
    indent = "  "
    return [
        f"Critical values ({which}): mean squared error summed over outputs",
        *(indent + line for line in _table(rows, left=(3, 4))),
        *textwrap.wrap(legend, _WIDTH, initial_indent=indent, subsequent_indent=indent),
    ]


def _table(rows: Sequence[Sequence[str]], *, left: Sequence[int]) -> list[str]:
    """Aligned columns, to the right but for those in ``left``."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = (f"{cell:{'<' if i in left else '>'}{widths[i]}}" for i, cell in enumerate(row))
        lines.append("  ".join(cells).rstrip())
    return lines


def _theorems_text(report: Report) -> list[str]:
    lines = ["Theorems: which apply to these data at this width, and why"]
    for theorem in report["theorems"]:
        mark = "applies" if theorem["holds"] else "not here"
        lines += _entry(f"  {mark}", f"{theorem['theorem']}: {theorem['conclusion']}")
        for condition in theorem["conditions"]:
            numbers = f" ({condition['numbers']})" if condition["numbers"] else ""
            mark = "yes" if condition["holds"] else "no"
            lines += _entry("", f"{mark:<4} {condition['text']}{numbers}", hang=5)
    return lines


def _weights_text(report: Report) -> list[str]:
    weights, zero = report["weights"], report["values"]["at_zero"]
    certificate, escape, step = weights["certificate"], weights["escape"], weights["step"]
    share = _percent(weights["gap"], zero)
    gap = f"{_gap(weights['gap'], zero)} above the minimum of this width, {share} of the value at zero"
    relative, tol = (_small(weights[key]) for key in ("gradient_norm", "tol"))
    bound, proved = _fixed(certificate["lower_bound"], zero), _gap(certificate["gap"], zero)
    lines = [
        *_entry("Weights", f"{weights['name']}: {words(weights['kind'])}", weights["reason"]),
        *_entry(
            "  value", f"{_fixed(weights['value'], zero)}, {gap} (rounding margin {_small(weights['gap_margin'])})"
        ),
        *_entry("  gradient", f"{relative} relative (critical up to {tol})" + _absolute_gradient(weights)),
        *(_pivots_text(weights) if "pivots" in weights else _inertia_text(weights)),
        *_entry(
            "  certificate", f"{certificate['verdict']}: no weights of this width go below {bound}; proved gap {proved}"
        ),
    ]
    if escape is not None:
        quotient, plain, scaled = (_small(escape[k]) for k in ("rayleigh_quotient", "curvature", "scaled_curvature"))
        text = f"{escape['kind']} direction ({escape['source']}): second derivative {plain}, better scaled {scaled}; "
        lines += _entry("  way down", f"{text}at best {quotient} per squared length")
    if step is not None:
        how = "an exact line search along " + (
            "minus the gradient" if escape is None else "the better scaled direction"
        )
        if weights["kind"] == Kind.NON_STRICT_SADDLE:
            how = "the curve of THEORY 3.5, of the order of the number of layers,"
        reached = f"reaches {_fixed(step['value'], zero)}, lower by {_gap(step['decrease'], zero)}"
        lines += _entry("  one step", f"{how} {reached}")
    return lines


def _absolute_gradient(weights: Report) -> str:
    return f", {_small(weights['gradient'])} absolute" if "gradient" in weights else ""


def _inertia_text(weights: Report) -> list[str]:
    return [
        *_entry("  rank", f"{weights['rank']} on the data, index set {index_runs(weights['indices'])}"),
        *_entry("  curvature", f"Morse index {words(weights['morse_index'])}, nullity {words(weights['nullity'])}"),
    ]


def _pivots_text(weights: Report) -> list[str]:
    lines = _entry("  rank", f"{weights['rank']} on the data, at most {weights['rank_bound']} for these widths")
    if weights["pivots"]:
        verdicts = {True: "loose", False: "tight", None: "too close to call"}
        named = (f"W{row['upper'] + 1}, W{row['lower'] + 1}: {verdicts[row['loose']]}" for row in weights["pivots"])
        lines += _entry("  pivots", "; ".join(named))
    return lines
