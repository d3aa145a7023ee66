// Names and guards shared by the bindings: arrays as views, the GIL, interrupts. No mathematics.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <string>
#include <vector>

#include "landscape/context.hpp"
#include "landscape/typedefs.hpp"

namespace landscape::bindings {

namespace py = pybind11;

// C-ordered float64 only: python/landscape_cpp/_validation.py is the one place that converts.
using Array = py::array_t<double, py::array::c_style>;

void register_linalg(py::module_& module);
void register_risk(py::module_& module);
void register_linear(py::module_& module);
void register_deep(py::module_& module);
void register_curvature(py::module_& module);
void register_training(py::module_& module);
void register_factorization(py::module_& module);
void register_homogeneous(py::module_& module);

// SciPy's BLAS/LAPACK, or null when it is not there or does not behave. Call with the GIL.
const Blas* scipy_blas();

inline void require_shape(bool holds, const char* name, const std::string& expected) {
  if (!holds) throw py::value_error(std::string(name) + " must be " + expected);
}

inline ConstMatrixMap matrix(const Array& array, const char* name) {
  require_shape(array.ndim() == 2, name, "a 2-D array");
  return {array.data(), array.shape(0), array.shape(1)};
}

inline MatrixMap mutable_matrix(Array& array, const char* name) {
  require_shape(array.ndim() == 2, name, "a 2-D array");
  return {array.mutable_data(), array.shape(0), array.shape(1)};
}

inline ConstVectorMap vector(const Array& array, const char* name) {
  require_shape(array.ndim() == 1, name, "a 1-D array");
  return {array.data(), array.shape(0)};
}

template <class Derived>
Array to_array(const Eigen::PlainObjectBase<Derived>& value) {
  std::vector<py::ssize_t> shape{value.rows()};
  if (!Derived::IsVectorAtCompileTime) shape.push_back(value.cols());
  Array result(shape);
  MatrixMap(result.mutable_data(), value.rows(), value.cols()) = value;
  return result;
}

// A batch of matrices (B, rows, cols), or one (rows, cols) that stands for every item.
class MatrixBatch {
 public:
  MatrixBatch(const Array& array, const char* name)
      : data_(const_cast<double*>(array.data())), batched_(array.ndim() == 3) {
    require_shape(array.ndim() == 2 || array.ndim() == 3, name, "a 2-D or 3-D array");
    rows_ = array.shape(array.ndim() - 2);
    cols_ = array.shape(array.ndim() - 1);
    size_ = batched_ ? array.shape(0) : 1;
  }

  ConstMatrixMap operator[](Index i) const { return {at(i), rows_, cols_}; }
  MatrixMap writable(Index i) const { return {at(i), rows_, cols_}; }
  bool batched() const { return batched_; }
  Index size() const { return size_; }
  Index rows() const { return rows_; }
  Index cols() const { return cols_; }

 private:
  double* at(Index i) const { return data_ + (batched_ ? i : 0) * rows_ * cols_; }

  double* data_;
  bool batched_;
  Index rows_ = 0, cols_ = 0, size_ = 1;
};

// An uninitialised result with the batch axis of its operands.
inline Array empty_like_batch(bool batched, Index size, std::vector<py::ssize_t> shape) {
  if (batched) shape.insert(shape.begin(), size);
  return Array(shape);
}

// Ctrl-C: the calling thread takes the GIL now and then and asks Python for pending signals.
inline Monitor signal_monitor() {
  return Monitor([] {
    py::gil_scoped_acquire gil;
    return PyErr_CheckSignals() != 0;
  });
}

// Ctrl-C ends a long run without an error: what there is goes back to the caller.
inline void forget_interrupt() {
  if (PyErr_Occurred() == nullptr) return;
  if (PyErr_ExceptionMatches(PyExc_KeyboardInterrupt) != 0)
    PyErr_Clear();
  else
    throw py::error_already_set();
}

// Threads go to the items of a batch, or into the products of a single item; the bits are the same.
struct Split {
  Context outer, inner;
  Split(const Context& context, Index items) : outer(context), inner(context) {
    if (items > 1) {
      inner.n_threads = 1;
      inner.monitor = nullptr;
    } else {
      outer.n_threads = 1;
    }
  }
};

// Runs `body(context)` without the GIL.
template <class Body>
auto without_gil(int n_threads, Body&& body) {
  const Blas* blas = n_threads > 1 ? scipy_blas() : nullptr;
  Monitor monitor = signal_monitor();
  const Context context{n_threads, blas, &monitor};
  py::gil_scoped_release release;
  return body(context);
}

}  // namespace landscape::bindings
