"""Write python/landscape_cpp/_core.pyi, the types of the compiled module, from the installed package.

Usage: python tools/generate_stubs.py [--check]

Run it after a change of the bindings, in the environment where the package is installed together with its
``dev`` extra; the generator's version is pinned there, because another one would write other text. With ``--check``
nothing is written: the difference is printed and the exit status is 1 if there is one.
"""

import argparse
import ast
import difflib
import importlib.metadata
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STUB = ROOT / "python" / "landscape_cpp" / "_core.pyi"
MODULE = "landscape_cpp._core"
HEADER = "# Written by tools/generate_stubs.py from the compiled module. Do not edit.\n"

# pybind11 prints containers whose items it does not know without parameters.
_ITEMS = {
    "dict": "dict[typing.Any, typing.Any]",
    "list": "list[typing.Any]",
    "set": "set[typing.Any]",
    "tuple": "tuple[typing.Any, ...]",
}

_RUFF = ("--isolated", "--stdin-filename=_core.pyi")


class _Parametrize(ast.NodeTransformer):
    """``dict`` becomes ``dict[Any, Any]`` and so on, which mypy's strict mode insists on."""

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        node.slice = self.visit(node.slice)
        return node

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return ast.parse(_ITEMS[node.id], mode="eval").body if node.id in _ITEMS else node


def _correct(source: str) -> str:
    """Parametrize every annotation, and drop ``__all__``, which the module does not have."""
    tree = ast.parse(source)
    tree.body = [
        node
        for node in tree.body
        if not (isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id == "__all__")
    ]
    visitor = _Parametrize()
    for node in ast.walk(tree):
        if isinstance(node, (ast.AnnAssign, ast.arg)) and node.annotation is not None:
            node.annotation = visitor.visit(node.annotation)
        elif isinstance(node, ast.FunctionDef) and node.returns is not None:
            node.returns = visitor.visit(node.returns)
    return ast.unparse(ast.fix_missing_locations(tree)) + "\n"


def _run(*command: str, stdin: str | None = None) -> str:
    """Standard output of ``python -m command``; ends the program if it fails."""
    done = subprocess.run([sys.executable, "-m", *command], input=stdin, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def _require_pinned(name: str) -> None:
    """End the program unless ``name`` is installed in the version that pyproject.toml pins."""
    pin = re.search(rf'"{name}==([^"]+)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert pin is not None, f"{name} is not pinned in pyproject.toml"
    try:
        installed = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        installed = "nothing"
    if installed != pin[1]:
        raise SystemExit(f"{name}=={pin[1]} is needed, found {installed}: python -m pip install '{name}=={pin[1]}'")


def generate() -> str:
    """Text of the stub for the installed package."""
    for name in ("pybind11-stubgen", "ruff"):
        _require_pinned(name)
    with tempfile.TemporaryDirectory() as folder:
        # An enum as a default value is written as "..."; everything else must be understood.
        _run(
            "pybind11_stubgen", MODULE, "--output-dir", folder, "--exit-code",
            "--ignore-invalid-expressions", r"<\w+\.\w+: \d+>",
        )  # fmt: skip
        source = Path(folder, *MODULE.split(".")).with_suffix(".pyi").read_text(encoding="utf-8")
    text = HEADER + _correct(source)
    text = _run("ruff", "check", *_RUFF, "--select=I,UP", "--fix", "--quiet", "-", stdin=text)
    return _run("ruff", "format", *_RUFF, "--line-length=120", "-", stdin=text)


def main() -> int:
    """Write or check the stub; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="compare with the file instead of writing it")
    check = parser.parse_args().check

    text = generate()
    if not check:
        STUB.write_text(text, encoding="utf-8")
        return 0
    old = STUB.read_text(encoding="utf-8") if STUB.exists() else ""
    name = STUB.relative_to(ROOT).as_posix()
    sys.stdout.writelines(
        difflib.unified_diff(old.splitlines(True), text.splitlines(True), name, f"{name} (generated)")
    )
    return int(old != text)


if __name__ == "__main__":
    sys.exit(main())
