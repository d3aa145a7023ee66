"""A small Sphinx extension: docstrings stay plain text for people at a prompt, and render as they read.

In them |x| is a norm and ``coef_`` may stand without backticks; reStructuredText would take both for markup. An
indented formula is shown as it stands.
"""

import re

_CODE = re.compile(r"(``.*?``|:\w+:`[^`]*`|`[^`]*`_?)")
_FIELD = re.compile(r":(?:\w+ [^:]*|\w+):\s")


def escape(text):
    """The text with norms and trailing underscores escaped, outside of code."""
    parts = _CODE.split(text)
    for i in range(0, len(parts), 2):
        parts[i] = re.sub(r"(?<=\w)_(?!\w)", r"\\_", parts[i].replace("|", r"\|"))
    return "".join(parts)


def _indent(line):
    return len(line) - len(line.lstrip())


def _starts_formula(lines, i):
    """Whether line i begins an indented block that follows a paragraph at the margin."""
    if i < 2 or lines[i - 1].strip() or _indent(lines[i]) < 4:
        return False
    before = next((line for line in reversed(lines[: i - 1]) if line.strip()), "")
    return bool(before) and _indent(before) == 0 and not before.startswith((":", "..", ">>>")) and before[-2:] != "::"


def process(_app, _what, _name, _obj, _options, lines):
    """Rewrite the lines of one docstring in place, after napoleon."""
    result = []
    literal = False
    for i, line in enumerate(lines):
        if literal and line.strip() and _indent(line) < 4:
            literal = False
        if not literal and line.strip() and _starts_formula(lines, i):
            result += ["::", ""]
            literal = True
        if literal or line.lstrip().startswith((">>>", "...", "..")) or not line.strip():
            result.append(line)
            continue
        field = _FIELD.match(line.lstrip())
        head = _indent(line) + field.end() if field else 0
        result.append(line[:head].replace("_:", r"\_:") + escape(line[head:]))
    lines[:] = result


def setup(app):
    """Connect behind napoleon, whose priority is 500."""
    app.setup_extension("sphinx.ext.autodoc")
    app.connect("autodoc-process-docstring", process, priority=900)
    return {"parallel_read_safe": True}
