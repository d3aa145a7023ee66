# The extension modules: one complete module per instruction set, and the probe that python/landscape_cpp/
# _dispatch.py asks before it imports one of them.

set(PYBIND11_FINDPYTHON NEW)
set(CMAKE_INTERPROCEDURAL_OPTIMIZATION OFF) # pybind11 would switch LTO on: minutes of linking, nothing gained
# A unity build must not join bindings: they overload the same helper names.
set_property(SOURCE ${LANDSCAPE_BINDING_SOURCES} PROPERTY SKIP_UNITY_BUILD_INCLUSION ON)
find_package(Python 3.10 REQUIRED COMPONENTS Interpreter Development.Module)
find_package(pybind11 3 CONFIG QUIET)
if(NOT pybind11_FOUND)
  execute_process(COMMAND "${Python_EXECUTABLE}" -m pybind11 --cmakedir
                  OUTPUT_VARIABLE pybind11_ROOT OUTPUT_STRIP_TRAILING_WHITESPACE)
  find_package(pybind11 3 CONFIG REQUIRED)
endif()

foreach(isa IN LISTS LANDSCAPE_ISAS)
  set(module _core_${isa})
  pybind11_add_module(${module} MODULE ${LANDSCAPE_CORE_SOURCES} ${LANDSCAPE_BINDING_SOURCES})
  landscape_compile(${module})
  landscape_link(${module} PRIVATE)
  target_precompile_headers(${module} PRIVATE <algorithm> <cmath> <functional> <limits> <memory> <string> <vector>
                            <Eigen/Cholesky> <Eigen/Core> <Eigen/Eigenvalues> <Eigen/QR>
                            <pybind11/numpy.h> <pybind11/pybind11.h> <pybind11/stl.h>)
  target_compile_options(${module} PRIVATE ${LANDSCAPE_FLAGS_${isa}})
  if(isa STREQUAL "avx512" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    # Thousands of false alarms from GCC's own intrinsics (its bug 105593).
    target_compile_options(${module} PRIVATE -Wno-maybe-uninitialized -Wno-array-bounds)
  endif()
  if(isa STREQUAL "baseline" AND NOT MSVC) # for processors of before 2013: a sixth of the compile time back
    target_compile_options(${module} PRIVATE $<$<CONFIG:Release>:-O2>)
  endif()
  target_compile_definitions(${module} PRIVATE LANDSCAPE_MODULE_NAME=${module} LANDSCAPE_ISA_NAME="${isa}")
  install(TARGETS ${module} DESTINATION landscape_cpp COMPONENT python)
endforeach()

# No -m flag here: the probe must run on the processor that has nothing.
pybind11_add_module(_cpu_features MODULE "${PROJECT_SOURCE_DIR}/cpp/bindings/cpu_features.cpp")
landscape_compile(_cpu_features)
install(TARGETS _cpu_features DESTINATION landscape_cpp COMPONENT python)
