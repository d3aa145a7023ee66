# The extension modules: one complete module per instruction set, and the probe that python/landscape_cpp/
# _dispatch.py asks before it imports one of them.

set(PYBIND11_FINDPYTHON NEW)
set(CMAKE_INTERPROCEDURAL_OPTIMIZATION OFF) # pybind11 would switch LTO on: minutes of linking, nothing gained
find_package(Python 3.10 REQUIRED COMPONENTS Interpreter Development.Module)
find_package(pybind11 3 CONFIG QUIET)
if(NOT pybind11_FOUND)
  execute_process(COMMAND "${Python_EXECUTABLE}" -m pybind11 --cmakedir
                  OUTPUT_VARIABLE pybind11_ROOT OUTPUT_STRIP_TRAILING_WHITESPACE)
  find_package(pybind11 3 CONFIG REQUIRED)
endif()

# landscape_isa(<target> <isa>): the instruction set, and how hard the compiler tries.
function(landscape_isa target isa)
  landscape_compile(${target})
  landscape_link(${target} PRIVATE)
  target_compile_options(${target} PRIVATE ${LANDSCAPE_FLAGS_${isa}})
  if(isa STREQUAL "avx512" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    # Thousands of false alarms from GCC's own intrinsics (its bug 105593).
    target_compile_options(${target} PRIVATE -Wno-uninitialized -Wno-maybe-uninitialized -Wno-array-bounds)
  endif()
  if(isa STREQUAL "baseline" AND NOT MSVC) # for processors of before 2013: a sixth of the compile time back
    target_compile_options(${target} PRIVATE $<$<CONFIG:Release>:-O2>)
  endif()
endfunction()

# The kernels of a module are compiled apart from its bindings, each with the headers they need precompiled: pybind11 in
# front of every kernel costs a sixth of the compile time.
set(_headers <algorithm> <cmath> <functional> <limits> <memory> <string> <vector> <Eigen/Core>)
foreach(isa IN LISTS LANDSCAPE_ISAS)
  set(kernels landscape_kernels_${isa})
  add_library(${kernels} OBJECT ${LANDSCAPE_CORE_SOURCES})
  landscape_isa(${kernels} ${isa})
  set_target_properties(${kernels} PROPERTIES POSITION_INDEPENDENT_CODE ON CXX_VISIBILITY_PRESET hidden
                        VISIBILITY_INLINES_HIDDEN ON)
  target_precompile_headers(${kernels} PRIVATE ${_headers} <Eigen/Cholesky> <Eigen/Eigenvalues> <Eigen/QR>)

  set(module _core_${isa})
  pybind11_add_module(${module} MODULE ${LANDSCAPE_BINDING_SOURCES} $<TARGET_OBJECTS:${kernels}>)
  landscape_isa(${module} ${isa})
  set_target_properties(${module} PROPERTIES UNITY_BUILD_BATCH_SIZE 0) # all in one: each alone is mostly pybind11
  target_precompile_headers(${module} PRIVATE ${_headers} <pybind11/numpy.h> <pybind11/pybind11.h> <pybind11/stl.h>)
  target_compile_definitions(${module} PRIVATE LANDSCAPE_MODULE_NAME=${module} LANDSCAPE_ISA_NAME="${isa}")
  install(TARGETS ${module} DESTINATION landscape_cpp COMPONENT python)
endforeach()

# No -m flag here: the probe must run on the processor that has nothing.
pybind11_add_module(_cpu_features MODULE "${PROJECT_SOURCE_DIR}/cpp/bindings/cpu_features.cpp")
landscape_compile(_cpu_features)
install(TARGETS _cpu_features DESTINATION landscape_cpp COMPONENT python)
