"""What the build delivers: the choice of the compiled module, its description, and the contents of the package."""

import importlib
import importlib.metadata
import json
import os
import platform
import subprocess
import sys

import pytest

import landscape_cpp
from landscape_cpp import _dispatch

DISTRIBUTION = importlib.metadata.distribution("landscape-cpp")


def run_python(code, **environment):
    """Run ``code`` in a fresh interpreter, without LANDSCAPE_CPP_ISA unless it is given."""
    inherited = {name: value for name, value in os.environ.items() if name != "LANDSCAPE_CPP_ISA"}
    return subprocess.run(
        [sys.executable, "-c", code],
        env=inherited | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def output_of(code, **environment):
    done = run_python(code, **environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


# --- dispatch ---------------------------------------------------------------------------------------------------------


def test_active_isa_is_the_compiled_one():
    assert _dispatch.ACTIVE_ISA in _dispatch.AVAILABLE_ISAS
    assert _dispatch.core.build_info()["isa"] == _dispatch.ACTIVE_ISA


def test_forced_isa_is_honoured_in_this_run():
    assert os.environ.get("LANDSCAPE_CPP_ISA", _dispatch.ACTIVE_ISA) in ("", _dispatch.ACTIVE_ISA)


def test_core_has_one_public_name():
    assert sys.modules["landscape_cpp._core"] is _dispatch.core
    assert importlib.import_module("landscape_cpp._core") is _dispatch.core
    assert landscape_cpp._core is _dispatch.core
    assert _dispatch.core.build_info.__module__ == "landscape_cpp._core"


def test_submodule_import_reaches_the_dispatched_module():
    code = "import landscape_cpp._core as c; print(c.build_info()['isa'])"
    assert output_of(code) == _dispatch.AVAILABLE_ISAS[0]


@pytest.mark.skipif(platform.machine().lower() not in ("x86_64", "amd64"), reason="one generic module elsewhere")
def test_x86_carries_every_instruction_set():
    assert set(_dispatch._BUILT) == {"baseline", "avx2", "avx512"}
    assert "baseline" in _dispatch.AVAILABLE_ISAS


@pytest.mark.parametrize("isa", _dispatch.AVAILABLE_ISAS)
def test_every_available_isa_can_be_forced(isa):
    code = "from landscape_cpp import _dispatch as d; print(d.ACTIVE_ISA, d.core.build_info()['isa'])"
    assert output_of(code, LANDSCAPE_CPP_ISA=isa) == f"{isa} {isa}"


def test_fastest_is_the_default():
    code = "from landscape_cpp import _dispatch as d; print(d.ACTIVE_ISA)"
    assert output_of(code) == output_of(code, LANDSCAPE_CPP_ISA="") == _dispatch.AVAILABLE_ISAS[0]


@pytest.mark.parametrize("isa", ["sse9", "AVX2", " ", "avx2,baseline"])
def test_unknown_isa_names_the_choices(isa):
    done = run_python("import landscape_cpp", LANDSCAPE_CPP_ISA=isa)
    assert done.returncode != 0
    message = done.stderr.strip().splitlines()[-1]
    assert message == (
        f"ImportError: LANDSCAPE_CPP_ISA={isa!r} is not an instruction set landscape_cpp knows; "
        f"choices here: {', '.join(_dispatch.AVAILABLE_ISAS)}"
    )


X86 = ("baseline", "avx2")
WIDE = (*X86, "avx512")


@pytest.mark.parametrize(
    ("forced", "supported", "built", "chosen"),
    [
        (None, X86, X86, "avx2"),
        ("", X86, X86, "avx2"),
        (None, WIDE, WIDE, "avx512"),
        (None, X86, WIDE, "avx2"),
        ("avx2", WIDE, WIDE, "avx2"),
        (None, ("baseline",), X86, "baseline"),
        (None, X86, ("baseline",), "baseline"),
        ("baseline", X86, X86, "baseline"),
        (None, ("generic",), ("generic",), "generic"),
    ],
)
def test_selection(forced, supported, built, chosen):
    assert _dispatch._select(forced, supported, built) == chosen


@pytest.mark.parametrize(
    ("forced", "supported", "built", "message"),
    [
        ("avx2", ("baseline",), X86, "'avx2' is not supported by this processor; choices here: baseline"),
        ("avx2", X86, ("baseline",), "'avx2' is not built in this installation; choices here: baseline"),
        ("generic", X86, X86, "'generic' is not built in this installation; choices here: avx2, baseline"),
        ("avx512", X86, WIDE, "'avx512' is not supported by this processor; choices here: avx2, baseline"),
        ("avx1024", X86, X86, "'avx1024' is not an instruction set landscape_cpp knows; choices here: avx2, baseline"),
        (None, (), X86, "no compiled module for this processor: built for baseline, avx2"),
        ("baseline", (), X86, "'baseline' is not supported by this processor; choices here: none"),
    ],
)
def test_impossible_selection(forced, supported, built, message):
    with pytest.raises(ImportError) as caught:
        _dispatch._select(forced, supported, built)
    assert message in str(caught.value)


# --- what importing does not do ---------------------------------------------------------------------------------------


def test_import_changes_no_environment_variable():
    code = """
import os
before = dict(os.environ)
import landscape_cpp
assert dict(os.environ) == before
"""
    output_of(code)


def test_import_changes_no_thread_setting():
    code = """
import numpy, scipy.linalg, threadpoolctl
def settings():
    return {pool["filepath"]: pool["num_threads"] for pool in threadpoolctl.threadpool_info()}
before = settings()
import landscape_cpp
after = settings()
assert {path: after[path] for path in before} == before, (before, after)
"""
    output_of(code)


def test_import_needs_no_extra():
    code = """
import sys
import landscape_cpp
print(*sorted({"torch", "sklearn", "matplotlib", "pandas", "tqdm"} & set(sys.modules)))
"""
    assert output_of(code) == ""


# --- what was built ---------------------------------------------------------------------------------------------------


def test_build_info_of_the_core():
    info = _dispatch.core.build_info()
    assert set(info) == {"version", "isa", "compiler", "eigen_version", "openmp", "openmp_version", "cpp_standard"}
    assert info["version"] == DISTRIBUTION.version
    assert info["cpp_standard"] >= 201703
    assert tuple(map(int, info["eigen_version"].split("."))) >= (3, 4)
    assert info["compiler"].split()[0] in ("gcc", "clang", "msvc")
    assert (info["openmp_version"] is None) == (not info["openmp"])


def test_max_threads_without_openmp_is_one():
    threads = _dispatch.core.max_threads()
    assert threads >= 1
    assert _dispatch.core.build_info()["openmp"] or threads == 1


def test_wheel_content():
    if json.loads(DISTRIBUTION.read_text("direct_url.json") or "{}").get("dir_info", {}).get("editable"):
        pytest.skip("an editable installation lists no files")
    files = [path for path in DISTRIBUTION.files if path.parts[0] not in ("..", "__pycache__")]
    top = {path.parts[0] for path in files}
    libraries = {"landscape_cpp.libs"}  # where auditwheel puts libgomp
    assert top - libraries == {"landscape_cpp", f"landscape_cpp-{DISTRIBUTION.version}.dist-info"}
    names = {path.name for path in files if path.parts[0] == "landscape_cpp"}
    assert {"py.typed", "_core.pyi", "_dispatch.py"} <= names
    compiled = {name.split(".")[0] for name in names if name.endswith((".so", ".pyd"))}
    assert compiled == {f"_core_{isa}" for isa in _dispatch._BUILT} | {"_cpu_features"}
    assert not {name for name in names if name.endswith((".hpp", ".cpp", ".a", ".cmake"))}
