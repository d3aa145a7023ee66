#include <pybind11/stl.h>

#include "common.hpp"
#include "landscape/risk/covariances.hpp"
#include "spectral_object.hpp"

namespace landscape::bindings {

namespace risk_bindings {

using risk::MomentSums;
using risk::Totals;

MomentSums sums_of(Array& sxx, Array& sxy, Array& syy) {
  return {mutable_matrix(sxx, "sxx"), mutable_matrix(sxy, "sxy"), mutable_matrix(syy, "syy")};
}

Totals totals_of(double weight, const Array& mean_x, const Array& mean_y) {
  return {weight, Vector(vector(mean_x, "mean_x")), Vector(vector(mean_y, "mean_y"))};
}

py::tuple to_tuple(const Totals& totals) {
  return py::make_tuple(totals.weight, to_array(totals.mean_x), to_array(totals.mean_y));
}

void check_rows(const ConstMatrixMap& x, const ConstMatrixMap& y, const ConstVectorMap& weights) {
  require_shape(y.rows() == x.rows(), "y", "as long as x");
  require_shape(weights.size() == 0 || weights.size() == x.rows(), "weights", "empty or as long as x");
}

py::tuple accumulate_moments(const Array& x, const Array& y, const Array& weights, bool center, Array sxx, Array sxy,
                             Array syy, double weight, const Array& mean_x, const Array& mean_y, int n_threads) {
  const ConstMatrixMap rows_x = matrix(x, "x"), rows_y = matrix(y, "y");
  const ConstVectorMap row_weights = vector(weights, "weights");
  check_rows(rows_x, rows_y, row_weights);
  const Index n0 = rows_x.cols(), n2 = rows_y.cols();
  MomentSums sums = sums_of(sxx, sxy, syy);
  require_shape(sums.sxx.rows() == n0 && sums.sxx.cols() == n0, "sxx", "(n0, n0)");
  if (n2 > 0) {
    require_shape(sums.sxy.rows() == n0 && sums.sxy.cols() == n2, "sxy", "(n0, n2)");
    require_shape(sums.syy.rows() == n2 && sums.syy.cols() == n2, "syy", "(n2, n2)");
  }
  Totals totals = totals_of(weight, mean_x, mean_y);
  require_shape(totals.mean_x.size() == n0 && totals.mean_y.size() == n2, "means", "(n0,) and (n2,)");
  without_gil(n_threads, [&](const Context& context) {
    risk::accumulate_moments(rows_x, rows_y, row_weights, center, sums, totals, context);
  });
  return to_tuple(totals);
}

py::tuple merge_moments(Array sxx_b, Array sxy_b, Array syy_b, double weight_b, const Array& mean_x_b,
                        const Array& mean_y_b, bool center, Array sxx, Array sxy, Array syy, double weight,
                        const Array& mean_x, const Array& mean_y) {
  Totals totals = totals_of(weight, mean_x, mean_y);
  const MomentSums a = sums_of(sxx, sxy, syy), b = sums_of(sxx_b, sxy_b, syy_b);
  require_shape(a.sxx.rows() == b.sxx.rows() && a.sxx.cols() == b.sxx.cols() && a.sxy.rows() == b.sxy.rows() &&
                    a.sxy.cols() == b.sxy.cols() && a.syy.rows() == b.syy.rows() && a.syy.cols() == b.syy.cols(),
                "other", "of the same shapes");
  risk::merge_moments(b, totals_of(weight_b, mean_x_b, mean_y_b), center, a, totals);
  return to_tuple(totals);
}

py::tuple accumulate_factor(const Array& factor, const Array& x, const Array& y, const Array& weights, bool center,
                            double weight, const Array& mean_x, const Array& mean_y, int n_threads) {
  const ConstMatrixMap old = matrix(factor, "factor"), rows_x = matrix(x, "x"), rows_y = matrix(y, "y");
  const ConstVectorMap row_weights = vector(weights, "weights");
  check_rows(rows_x, rows_y, row_weights);
  require_shape(old.cols() == rows_x.cols() + rows_y.cols(), "factor", "(k, n0 + n2)");
  Totals totals = totals_of(weight, mean_x, mean_y);
  require_shape(totals.mean_x.size() == rows_x.cols() && totals.mean_y.size() == rows_y.cols(), "means",
                "(n0,) and (n2,)");
  const Matrix result = without_gil(n_threads, [&](const Context& context) {
    return risk::accumulate_factor(old, rows_x, rows_y, row_weights, center, totals, context);
  });
  return py::make_tuple(to_array(result), to_tuple(totals));
}

py::tuple merge_factors(const Array& factor_a, const Array& factor_b, bool center, double weight_a,
                        const Array& mean_x_a, const Array& mean_y_a, double weight_b, const Array& mean_x_b,
                        const Array& mean_y_b, int n_threads) {
  const ConstMatrixMap a = matrix(factor_a, "factor_a"), b = matrix(factor_b, "factor_b");
  require_shape(a.cols() == b.cols(), "factor_b", "as wide as factor_a");
  Totals totals = totals_of(weight_a, mean_x_a, mean_y_a);
  const Totals other = totals_of(weight_b, mean_x_b, mean_y_b);
  const Matrix result = without_gil(
      n_threads, [&](const Context& context) { return risk::merge_factors(a, b, center, totals, other, context); });
  return py::make_tuple(to_array(result), to_tuple(totals));
}

SpectralObject spectral_from_moments(const Array& xx, const Array& xy, double trace_yy, double summation,
                                     int n_threads) {
  const ConstMatrixMap view = matrix(xx, "xx"), cross = matrix(xy, "xy");
  require_shape(view.rows() == view.cols() && view.rows() == cross.rows() && view.rows() > 0, "xx, xy",
                "(n0, n0) and (n0, n2)");
  return {without_gil(n_threads, [&](const Context& context) {
    return risk::spectral_from_moments(view, cross, trace_yy, summation, context);
  })};
}

SpectralObject spectral_from_factor(const Array& fx, const Array& fy, double summation, int n_threads) {
  const ConstMatrixMap view = matrix(fx, "fx"), targets = matrix(fy, "fy");
  require_shape(view.rows() == targets.rows(), "fx, fy", "(k, n0) and (k, n2)");
  return {without_gil(n_threads, [&](const Context& context) {
    return risk::spectral_from_factor(view, targets, summation, context);
  })};
}

}  // namespace risk_bindings

void register_risk(py::module_& module) {
  using namespace risk_bindings;
  module.def("accumulate_moments", &accumulate_moments, py::arg("x").noconvert(), py::arg("y").noconvert(),
             py::arg("weights").noconvert(), py::arg("center"), py::arg("sxx").noconvert(), py::arg("sxy").noconvert(),
             py::arg("syy").noconvert(), py::arg("weight"), py::arg("mean_x").noconvert(),
             py::arg("mean_y").noconvert(), py::arg("n_threads"),
             "Add rows to the sums sxx, sxy, syy in place; returns (weight, mean_x, mean_y).");
  module.def("merge_moments", &merge_moments, py::arg("sxx_b").noconvert(), py::arg("sxy_b").noconvert(),
             py::arg("syy_b").noconvert(), py::arg("weight_b"), py::arg("mean_x_b").noconvert(),
             py::arg("mean_y_b").noconvert(), py::arg("center"), py::arg("sxx").noconvert(), py::arg("sxy").noconvert(),
             py::arg("syy").noconvert(), py::arg("weight"), py::arg("mean_x").noconvert(),
             py::arg("mean_y").noconvert(), "Add the sums of b to sxx, sxy, syy in place; returns the merged totals.");
  module.def("accumulate_factor", &accumulate_factor, py::arg("factor").noconvert(), py::arg("x").noconvert(),
             py::arg("y").noconvert(), py::arg("weights").noconvert(), py::arg("center"), py::arg("weight"),
             py::arg("mean_x").noconvert(), py::arg("mean_y").noconvert(), py::arg("n_threads"),
             "The joint factor with rows added, and the new totals.");
  module.def("merge_factors", &merge_factors, py::arg("factor_a").noconvert(), py::arg("factor_b").noconvert(),
             py::arg("center"), py::arg("weight_a"), py::arg("mean_x_a").noconvert(), py::arg("mean_y_a").noconvert(),
             py::arg("weight_b"), py::arg("mean_x_b").noconvert(), py::arg("mean_y_b").noconvert(),
             py::arg("n_threads"), "The joint factor of two sets of rows, and their totals.");
  module.def(
      "equilibrated_rcond",
      [](const Array& a) {
        const ConstMatrixMap view = matrix(a, "a");
        require_shape(view.rows() == view.cols(), "a", "square");
        py::gil_scoped_release release;
        return risk::equilibrated_rcond(view);
      },
      py::arg("a").noconvert(), "Reciprocal condition estimate of the matrix scaled to a unit diagonal.");

  py::class_<SpectralObject>(module, "Spectral", "Whitened spectral data of the linear risk.")
      .def_property_readonly("whitening", [](const SpectralObject& s) { return to_array(s.data.whitening); })
      .def_property_readonly("colouring", [](const SpectralObject& s) { return to_array(s.data.colouring); })
      .def_property_readonly("cross", [](const SpectralObject& s) { return to_array(s.data.cross); })
      .def_property_readonly("left", [](const SpectralObject& s) { return to_array(s.data.left); })
      .def_property_readonly("singular_values",
                             [](const SpectralObject& s) { return to_array(s.data.singular_values); })
      .def_property_readonly("right", [](const SpectralObject& s) { return to_array(s.data.right); })
      .def_property_readonly("rank", [](const SpectralObject& s) { return s.data.rank; })
      .def_property_readonly("unresolved", [](const SpectralObject& s) { return s.data.unresolved; })
      .def_property_readonly("total", [](const SpectralObject& s) { return s.data.total; })
      .def_property_readonly("minimum_risk", [](const SpectralObject& s) { return s.data.minimum_risk; })
      .def_property_readonly("condition", [](const SpectralObject& s) { return s.data.condition; })
      .def_property_readonly("dropped", [](const SpectralObject& s) { return s.data.dropped; })
      .def_property_readonly("rounding", [](const SpectralObject& s) { return s.data.rounding; });
  module.def("spectral_from_moments", &spectral_from_moments, py::arg("xx").noconvert(), py::arg("xy").noconvert(),
             py::arg("trace_yy"), py::arg("summation"), py::arg("n_threads"), "Spectral data from second moments.");
  module.def("spectral_from_factor", &spectral_from_factor, py::arg("fx").noconvert(), py::arg("fy").noconvert(),
             py::arg("summation"), py::arg("n_threads"), "Spectral data from a factor of the second moments.");
}

}  // namespace landscape::bindings
