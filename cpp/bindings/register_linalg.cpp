#include <pybind11/stl.h>

#include <cstring>

#include "common.hpp"
#include "landscape/linalg/decompositions.hpp"
#include "landscape/linalg/magnitude.hpp"
#include "landscape/parallel.hpp"

namespace landscape::bindings {

namespace linalg_bindings {

// A routine of scipy.linalg.cython_blas / cython_lapack: a capsule whose name is the C signature.
template <class Routine>
bool load(Routine*& routine, const py::dict& capsules, const char* name) {
  if (!capsules.contains(name)) return false;
  const py::object capsule = capsules[name];
  const char* signature = PyCapsule_GetName(capsule.ptr());
  // 64-bit integer builds would spell their integers differently: refuse what was not built for `int`.
  if (signature == nullptr || std::strstr(signature, "int *") == nullptr || std::strstr(signature, "long") != nullptr)
    return false;
  routine = reinterpret_cast<Routine*>(PyCapsule_GetPointer(capsule.ptr(), signature));
  return routine != nullptr;
}

// [1 2; 3 4] [5 6; 7 8], column-major, to see that the entry points mean what we think.
bool behaves(const Blas& blas) {
  char none = 'N';
  int two = 2;
  double one = 1.0, zero = 0.0, a[] = {1, 3, 2, 4}, b[] = {5, 7, 6, 8}, c[4] = {};
  blas.dgemm(&none, &none, &two, &two, &two, &one, a, &two, b, &two, &zero, c, &two);
  return c[0] == 19 && c[1] == 43 && c[2] == 22 && c[3] == 50;
}

const Blas* load_scipy_blas() {
  static Blas table;
  try {
    const py::dict blas = py::module_::import("scipy.linalg.cython_blas").attr("__pyx_capi__");
    const py::dict lapack = py::module_::import("scipy.linalg.cython_lapack").attr("__pyx_capi__");
    const bool complete = load(table.dgemm, blas, "dgemm") && load(table.dsyrk, blas, "dsyrk") &&
                          load(table.dsyevd, lapack, "dsyevd") && load(table.dgesdd, lapack, "dgesdd") &&
                          load(table.dgeqrf, lapack, "dgeqrf") && load(table.dpotrf, lapack, "dpotrf");
    return complete && behaves(table) ? &table : nullptr;
  } catch (py::error_already_set& error) {
    if (!error.matches(PyExc_ImportError) && !error.matches(PyExc_AttributeError)) throw;
    return nullptr;
  }
}

}  // namespace linalg_bindings

const Blas* scipy_blas() {
  static const Blas* const table = linalg_bindings::load_scipy_blas();
  return table;
}

void register_linalg(py::module_& module) {
  using namespace linalg_bindings;
  py::register_exception_translator([](std::exception_ptr pointer) {
    try {
      if (pointer) std::rethrow_exception(pointer);
    } catch (const Interrupted&) {
      if (PyErr_Occurred() == nullptr) PyErr_SetNone(PyExc_KeyboardInterrupt);
    }
  });

  module.def(
      "has_scipy_blas", [] { return scipy_blas() != nullptr; }, "Whether SciPy's BLAS/LAPACK capsules are usable.");

  module.def(
      "largest_magnitude",
      [](const Array& a) {
        const ConstVectorMap entries(a.data(), a.size());
        const py::gil_scoped_release release;
        return linalg::largest_magnitude(entries);
      },
      py::arg("a").noconvert(), "max |a|; NaN if an entry is infinite or NaN, 0 if there is none.");

  module.def(
      "symmetric_eigen",
      [](const Array& a, int n_threads) {
        const ConstMatrixMap view = matrix(a, "a");
        require_shape(view.rows() == view.cols(), "a", "square");
        const linalg::SymmetricEigen result =
            without_gil(n_threads, [&](const Context& context) { return linalg::symmetric_eigen(view, context); });
        return py::make_tuple(to_array(result.values), to_array(result.vectors));
      },
      py::arg("a").noconvert(), py::arg("n_threads"), "Eigenvalues (ascending) and eigenvectors (columns).");
}

}  // namespace landscape::bindings
