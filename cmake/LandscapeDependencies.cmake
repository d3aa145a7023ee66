# Finds Eigen (required) and OpenMP (optional).

# Where the Eigen of PyPI's cmeel-eigen lies: in the folder cmeel.prefix beside the installed package
# cmeel. Only the interpreter knows which site-packages that is (in pip's isolated builds: a temporary
# one), so it is asked.
function(landscape_cmeel_prefix result)
  set(${result} "" PARENT_SCOPE)
  if(NOT Python_EXECUTABLE)
    find_package(Python 3.8 COMPONENTS Interpreter QUIET)
  endif()
  if(NOT Python_EXECUTABLE)
    return()
  endif()
  execute_process(
    COMMAND "${Python_EXECUTABLE}" -c [[
import importlib.util, pathlib
spec = importlib.util.find_spec("cmeel")
if spec is not None and spec.origin is not None:
    prefix = pathlib.Path(spec.origin).parent.parent / "cmeel.prefix"
    if prefix.is_dir():
        print(prefix.as_posix(), end="")
]]
    OUTPUT_VARIABLE prefix ERROR_QUIET RESULT_VARIABLE status)
  if(status EQUAL 0)
    set(${result} "${prefix}" PARENT_SCOPE)
  endif()
endfunction()

# Eigen 3.4 and 5 serve. A parent project may already have brought its own target. The package registry
# in the user's home is left out: it points at whatever Eigen was configured there last.
macro(landscape_find_eigen)
  foreach(_eigen_version 3.4 5)
    if(NOT TARGET Eigen3::Eigen)
      find_package(Eigen3 ${_eigen_version} CONFIG QUIET
                   NO_CMAKE_PACKAGE_REGISTRY NO_CMAKE_SYSTEM_PACKAGE_REGISTRY ${ARGN})
    endif()
  endforeach()
endmacro()

landscape_find_eigen()
if(NOT TARGET Eigen3::Eigen)
  landscape_cmeel_prefix(_cmeel_prefix)
  if(_cmeel_prefix)
    landscape_find_eigen(PATHS "${_cmeel_prefix}" NO_DEFAULT_PATH)
  endif()
endif()
if(NOT TARGET Eigen3::Eigen)
  message(FATAL_ERROR
    "Eigen >= 3.4 was not found. Install it (apt-get install libeigen3-dev, brew install eigen, conan, or "
    "python -m pip install cmeel-eigen in the active environment), or set Eigen3_DIR.")
endif()
message(STATUS "landscape: Eigen ${Eigen3_VERSION} (${Eigen3_DIR})")

set(LANDSCAPE_HAS_OPENMP OFF)
if(LANDSCAPE_OPENMP)
  find_package(OpenMP COMPONENTS CXX)
  if(OpenMP_CXX_FOUND)
    set(LANDSCAPE_HAS_OPENMP ON)
  else()
    message(STATUS "landscape: OpenMP not found, every kernel runs on one thread")
  endif()
endif()
