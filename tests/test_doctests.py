"""The examples in the docstrings."""

import doctest
import importlib
import pkgutil

import pytest

import landscape_cpp

MODULES = ["landscape_cpp"] + [
    f"landscape_cpp.{info.name}"
    for info in pkgutil.iter_modules(landscape_cpp.__path__)
    if not info.name.startswith(("_core", "_cpu"))
]
WITH_EXAMPLES = {"landscape_cpp", "landscape_cpp.risk", "landscape_cpp.linear", "landscape_cpp.estimators"}


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples(name):
    result = doctest.testmod(importlib.import_module(name))
    assert result.failed == 0
    assert (result.attempted > 0) or name not in WITH_EXAMPLES
