#include "common.hpp"
#include "hessian_object.hpp"
#include "landscape/curvature/slice.hpp"
#include "landscape/linalg/lanczos.hpp"

namespace landscape::bindings {

namespace {

py::tuple lanczos(const HessianObject& object, Index count, bool largest, double tolerance, Index max_products,
                  std::uint64_t seed, int n_threads) {
  linalg::LanczosSettings settings;
  settings.count = count;
  settings.largest = largest;
  settings.tolerance = tolerance;
  settings.max_products = max_products;
  settings.seed = seed;
  const linalg::LanczosResult result = without_gil(n_threads, [&](const Context& context) {
    linear::Workspace work;
    return linalg::lanczos(object.flat(context, work), object.hessian->shape().size(), settings, context);
  });
  return py::make_tuple(to_array(result.values), to_array(result.vectors), to_array(result.residuals), result.products,
                        result.converged);
}

Array evaluate_slice(const Array& coefficients, const Array& s, const Array& t, int n_threads) {
  const ConstMatrixMap c = matrix(coefficients, "coefficients");
  const ConstVectorMap grid_s = vector(s, "s"), grid_t = vector(t, "t");
  require_shape(c.size() > 0, "coefficients", "not empty");
  Array values({grid_s.size(), grid_t.size()});
  MatrixMap out = mutable_matrix(values, "values");
  without_gil(n_threads, [&](const Context& context) { curvature::evaluate_slice(c, grid_s, grid_t, out, context); });
  return values;
}

}  // namespace

void register_curvature(py::module_& module) {
  module.def("lanczos", &lanczos, py::arg("hessian"), py::arg("count"), py::arg("largest"), py::arg("tolerance"),
             py::arg("max_products"), py::arg("seed"), py::arg("n_threads"),
             "Extreme eigenpairs: values, vectors (rows), residuals, products, converged.");
  module.def("evaluate_slice", &evaluate_slice, py::arg("coefficients").noconvert(), py::arg("s").noconvert(),
             py::arg("t").noconvert(), py::arg("n_threads"), "Values of a polynomial slice on a grid.");
}

}  // namespace landscape::bindings
