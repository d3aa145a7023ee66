#include "common.hpp"
#include "hessian_object.hpp"
#include "landscape/curvature/slice.hpp"
#include "landscape/linalg/lanczos.hpp"
#include "landscape/parallel.hpp"

namespace landscape::bindings {

namespace curvature_bindings {

py::tuple lanczos(const HessianObject& object, Index count, bool largest, double tolerance, Index max_products,
                  std::uint64_t seed, int n_threads) {
  linalg::LanczosSettings settings;
  settings.count = count;
  settings.largest = largest;
  settings.tolerance = tolerance;
  settings.max_products = max_products;
  settings.seed = seed;
  const linalg::LanczosResult result = without_gil(n_threads, [&](const Context& context) {
    return linalg::lanczos(object.flat(context), object.size(), settings, context);
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

}  // namespace curvature_bindings

void HessianObject::rows(const double* in, double* out, Index items, const Context& context) const {
  const Index n = size();
  const Split split(context, items);
  std::vector<linalg::SymmetricOperator> local;
  for (int thread = 0; thread < (items > 1 ? std::max(1, context.n_threads) : 1); ++thread)
    local.push_back(flat(split.inner));
  parallel_for(items, split.outer,
               [&](Index i, int thread) { local[static_cast<std::size_t>(thread)](in + i * n, out + i * n); });
}

Array HessianObject::apply(const Array& x, int n_threads) const {
  const Index n = size();
  require_shape(x.ndim() == 1 || x.ndim() == 2, "x", "1-D or 2-D");
  require_shape(x.shape(x.ndim() - 1) == n, "x", "of " + std::to_string(n) + " parameters");
  Array result(std::vector<py::ssize_t>(x.shape(), x.shape() + x.ndim()));
  const double* in = x.data();
  double* out = result.mutable_data();
  // A Monitor for a product of a millisecond would only cost: products are interrupted between them.
  py::gil_scoped_release release;
  rows(in, out, x.ndim() == 2 ? x.shape(0) : 1, Context{n_threads, nullptr, nullptr});
  return result;
}

void register_curvature(py::module_& module) {
  using namespace curvature_bindings;
  py::class_<HessianObject>(module, "Hessian", "The Hessian of a landscape at one point, over packed parameters.")
      .def("apply", &HessianObject::apply, py::arg("x").noconvert(), py::arg("n_threads"),
           "H x for x (N,), or for every row of x (K, N).");
  module.def("lanczos", &lanczos, py::arg("hessian"), py::arg("count"), py::arg("largest"), py::arg("tolerance"),
             py::arg("max_products"), py::arg("seed"), py::arg("n_threads"),
             "Extreme eigenpairs: values, vectors (rows), residuals, products, converged.");
  module.def("evaluate_slice", &evaluate_slice, py::arg("coefficients").noconvert(), py::arg("s").noconvert(),
             py::arg("t").noconvert(), py::arg("n_threads"), "Values of a polynomial slice on a grid.");
}

}  // namespace landscape::bindings
