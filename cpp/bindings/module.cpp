// The extension module: one per instruction set, compiled from the same sources with other flags.
// CMake defines LANDSCAPE_MODULE_NAME (_core_avx2, ...) and LANDSCAPE_ISA_NAME ("avx2", ...).

#include <pybind11/typing.h>

#include <Eigen/Core>
#include <string>

#include "common.hpp"
#include "landscape/parallel.hpp"
#include "landscape/version.hpp"

namespace py = pybind11;

namespace {

std::string compiler() {
#if defined(__clang__)
  return std::string("clang ") + __clang_version__;
#elif defined(__GNUC__)
  return std::string("gcc ") + __VERSION__;
#elif defined(_MSC_VER)
  return "msvc " + std::to_string(_MSC_FULL_VER);
#else
  return "unknown";
#endif
}

std::string eigen_version() {
  return std::to_string(EIGEN_WORLD_VERSION) + "." + std::to_string(EIGEN_MAJOR_VERSION) + "." +
         std::to_string(EIGEN_MINOR_VERSION);
}

py::typing::Dict<py::str, py::object> build_info() {
  py::typing::Dict<py::str, py::object> info;
  info["version"] = LANDSCAPE_VERSION_STRING;
  info["isa"] = LANDSCAPE_ISA_NAME;
  info["compiler"] = compiler();
  info["eigen_version"] = eigen_version();
#ifdef _OPENMP
  info["openmp"] = true;
  info["openmp_version"] = _OPENMP;
#else
  info["openmp"] = false;
  info["openmp_version"] = py::none();
#endif
#ifdef _MSVC_LANG
  info["cpp_standard"] = static_cast<long>(_MSVC_LANG);
#else
  info["cpp_standard"] = static_cast<long>(__cplusplus);
#endif
  return info;
}

}  // namespace

PYBIND11_MODULE(LANDSCAPE_MODULE_NAME, m) {
  using namespace landscape::bindings;

  // One public name whatever the instruction set, so that pickles, tracebacks and the stub agree.
  m.attr("__name__") = "landscape_cpp._core";
  m.doc() = "Compiled kernels of landscape_cpp. Use the functions and classes of landscape_cpp instead.";

  m.def("build_info", &build_info, "How this module was compiled.");
  m.def("max_threads", &landscape::max_threads, "Threads a parallel region would use by default; 1 without OpenMP.");

  register_linalg(m);
  register_risk(m);
  register_curvature(m);  // the base of the Hessians
  register_linear(m);
  register_deep(m);
  register_training(m);
  register_factorization(m);
  register_homogeneous(m);
}
