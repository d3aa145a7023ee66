#include <pybind11/stl.h>

#include <memory>

#include "common.hpp"
#include "hessian_object.hpp"
#include "landscape/linear/classify.hpp"
#include "landscape/linear/shallow.hpp"
#include "landscape/parallel.hpp"
#include "spectral_object.hpp"

namespace landscape::bindings {

namespace linear_bindings {

using linear::Classification;
using linear::Hessian;
using linear::Workspace;

// A batch of points or directions with the shapes of the problem.
struct PointBatch {
  MatrixBatch u, v;
  PointBatch(const Array& first, const Array& second, Index outputs, Index inputs) : u(first, "U"), v(second, "V") {
    require_shape(u.rows() == outputs && v.rows() == inputs && u.cols() == v.cols(), "U, V", "(n2, n1) and (n0, n1)");
    require_shape(u.batched() == v.batched() && u.size() == v.size(), "U, V", "of the same batch size");
  }
  bool batched() const { return u.batched(); }
  Index size() const { return u.size(); }
};

Array value(const RiskObject& object, const Array& u, const Array& v, int n_threads) {
  const PointBatch p(u, v, object.risk.outputs(), object.risk.inputs());
  Array result(p.size());
  double* out = result.mutable_data();
  without_gil(n_threads, [&](const Context& context) {
    const Split split(context, p.size());
    std::vector<Workspace> work(std::max(1, n_threads));
    parallel_for(p.size(), split.outer, [&](Index i, int thread) {
      out[i] = linear::value(object.risk, p.u[i], p.v[i], work[thread], split.inner);
    });
  });
  return result;
}

py::tuple gradient(const RiskObject& object, const Array& u, const Array& v, int n_threads) {
  const PointBatch p(u, v, object.risk.outputs(), object.risk.inputs());
  Array g_u = empty_like_batch(p.batched(), p.size(), {p.u.rows(), p.u.cols()});
  Array g_v = empty_like_batch(p.batched(), p.size(), {p.v.rows(), p.v.cols()});
  const MatrixBatch out_u(g_u, "g_u"), out_v(g_v, "g_v");
  Array values(p.size());
  double* out = values.mutable_data();
  without_gil(n_threads, [&](const Context& context) {
    const Split split(context, p.size());
    std::vector<Workspace> work(std::max(1, n_threads));
    parallel_for(p.size(), split.outer, [&](Index i, int thread) {
      out[i] = linear::gradient(object.risk, p.u[i], p.v[i], out_u.writable(i), out_v.writable(i), work[thread],
                                split.inner);
    });
  });
  return py::make_tuple(values, g_u, g_v);
}

// One p with many d, many p with one d, or pairwise.
struct Pairs {
  PointBatch p, d;
  bool batched;
  Index size;
  Pairs(const RiskObject& object, const Array& u, const Array& v, const Array& du, const Array& dv)
      : p(u, v, object.risk.outputs(), object.risk.inputs()), d(du, dv, object.risk.outputs(), object.risk.inputs()) {
    require_shape(p.u.cols() == d.u.cols(), "d", "of the width of p");
    require_shape(!p.batched() || !d.batched() || p.size() == d.size(), "d", "of the batch size of p");
    batched = p.batched() || d.batched();
    size = p.batched() ? p.size() : d.size();
  }

  // body(hessian, i, workspace, context)
  template <class Body>
  void run(const RiskObject& object, const Context& context, Body&& body) const {
    const Split split(context, size);
    std::vector<Workspace> work(std::max(1, context.n_threads));
    std::unique_ptr<Hessian> shared;
    if (!p.batched()) shared = std::make_unique<Hessian>(object.risk, p.u[0], p.v[0], context);
    parallel_for(size, split.outer, [&](Index i, int thread) {
      if (shared) {
        body(*shared, i, work[thread], split.inner);
      } else {
        body(Hessian(object.risk, p.u[i], p.v[i], split.inner), i, work[thread], split.inner);
      }
    });
  }
};

Array curvature(const RiskObject& object, const Array& u, const Array& v, const Array& du, const Array& dv,
                int n_threads) {
  const Pairs pairs(object, u, v, du, dv);
  Array result(pairs.size);
  double* out = result.mutable_data();
  without_gil(n_threads, [&](const Context& context) {
    pairs.run(object, context, [&](const Hessian& hessian, Index i, Workspace& work, const Context& inner) {
      out[i] = hessian.curvature(pairs.d.u[i], pairs.d.v[i], work, inner);
    });
  });
  return result;
}

py::tuple hvp(const RiskObject& object, const Array& u, const Array& v, const Array& du, const Array& dv,
              int n_threads) {
  const Pairs pairs(object, u, v, du, dv);
  Array h_u = empty_like_batch(pairs.batched, pairs.size, {pairs.p.u.rows(), pairs.p.u.cols()});
  Array h_v = empty_like_batch(pairs.batched, pairs.size, {pairs.p.v.rows(), pairs.p.v.cols()});
  const MatrixBatch out_u(h_u, "h_u"), out_v(h_v, "h_v");
  without_gil(n_threads, [&](const Context& context) {
    pairs.run(object, context, [&](const Hessian& hessian, Index i, Workspace& work, const Context& inner) {
      hessian.apply(pairs.d.u[i], pairs.d.v[i], out_u.writable(i), out_v.writable(i), work, inner);
    });
  });
  return py::make_tuple(h_u, h_v);
}

template <class T, class Field>
py::array_t<T> column(const std::vector<Classification>& results, Field field) {
  py::array_t<T> array(static_cast<py::ssize_t>(results.size()));
  T* out = array.mutable_data();
  for (const Classification& result : results) *out++ = static_cast<T>(field(result));
  return array;
}

py::dict columns(const std::vector<Classification>& results) {
  py::dict table;
  const auto real = [&](const char* name, double Classification::* field) {
    table[name] = column<double>(results, [field](const Classification& c) { return c.*field; });
  };
  const auto integer = [&](const char* name, auto field) { table[name] = column<std::int64_t>(results, field); };
  integer("kind", [](const Classification& c) { return static_cast<int>(c.kind); });
  integer("reason", [](const Classification& c) { return static_cast<int>(c.reason); });
  integer("witness", [](const Classification& c) { return static_cast<int>(c.witness); });
  integer("rank", [](const Classification& c) { return c.rank; });
  integer("morse_index", [](const Classification& c) { return c.morse_index; });
  integer("nullity", [](const Classification& c) { return c.nullity; });
  real("value", &Classification::value);
  real("gap", &Classification::gap);
  real("gap_margin", &Classification::gap_margin);
  real("gradient", &Classification::gradient);
  real("gradient_norm", &Classification::gradient_relative);
  real("resolution", &Classification::resolution);
  real("rank_margin", &Classification::rank_margin);
  real("deficit", &Classification::deficit);
  real("curvature", &Classification::curvature);
  real("scaled_curvature", &Classification::scaled_curvature);
  real("rayleigh_quotient", &Classification::rayleigh);
  return table;
}

py::dict classify(const SpectralObject& spectral, const Array& u, const Array& v, double tolerance, int n_threads) {
  const PointBatch p(u, v, spectral.data.left.rows(), spectral.data.whitening.rows());
  std::vector<Classification> results(static_cast<std::size_t>(p.size()));
  linear::Directions directions;
  without_gil(n_threads, [&](const Context& context) {
    const Split split(context, p.size());
    std::vector<linear::Whitened> scratch(static_cast<std::size_t>(std::max(1, n_threads)));
    parallel_for(p.size(), split.outer, [&](Index i, int thread) {
      results[static_cast<std::size_t>(i)] =
          linear::classify(spectral.data, p.u[i], p.v[i], tolerance, p.batched() ? nullptr : &directions,
                           scratch[static_cast<std::size_t>(thread)], split.inner);
    });
  });
  py::dict table = columns(results);
  if (p.batched()) return table;
  table["indices"] = directions.indices_defined
                         ? py::object(py::cast(std::vector<int>(directions.indices.data(),
                                                                directions.indices.data() + directions.indices.size())))
                         : py::none();
  if (directions.du.size() > 0) {
    table["direction"] = py::make_tuple(to_array(directions.du), to_array(directions.dv));
    table["scaled_direction"] = py::make_tuple(to_array(directions.scaled_du), to_array(directions.scaled_dv));
  }
  return table;
}

Array slice_coefficients(const RiskObject& object, const Array& u, const Array& v, const Array& u1, const Array& v1,
                         const py::object& second, int n_threads) {
  const auto point = [&](const Array& a, const Array& b) {
    const PointBatch p(a, b, object.risk.outputs(), object.risk.inputs());
    require_shape(!p.batched(), "U, V", "2-D arrays");
    return std::make_pair(p.u[0], p.v[0]);
  };
  const auto p = point(u, v), d1 = point(u1, v1);
  require_shape(d1.first.cols() == p.first.cols(), "d1", "of the width of p");
  const bool two = !second.is_none();
  Array u2 = u1, v2 = v1;
  if (two) {
    const py::tuple pair = second.cast<py::tuple>();
    u2 = pair[0].cast<Array>();
    v2 = pair[1].cast<Array>();
  }
  const auto d2 = point(u2, v2);
  require_shape(d2.first.cols() == p.first.cols(), "d2", "of the width of p");
  const ConstMatrixView second_u = d2.first, second_v = d2.second;
  return to_array(without_gil(n_threads, [&](const Context& context) {
    return linear::slice_coefficients(object.risk, p.first, p.second, d1.first, d1.second, two ? &second_u : nullptr,
                                      two ? &second_v : nullptr, context);
  }));
}

}  // namespace linear_bindings

RiskObject::RiskObject(Array xx, Array xy, Array fx, Array fy, double total) : arrays{xx, xy, fx, fy} {
  risk.total = total;
  if (fx.size() > 0) {
    new (&risk.fx) ConstMatrixMap(matrix(fx, "fx"));
    new (&risk.fy) ConstMatrixMap(matrix(fy, "fy"));
    require_shape(risk.fx.rows() == risk.fy.rows() && risk.fy.size() > 0, "fx, fy", "(k, n0) and (k, n2)");
    return;
  }
  new (&risk.xx) ConstMatrixMap(matrix(xx, "xx"));
  new (&risk.xy) ConstMatrixMap(matrix(xy, "xy"));
  require_shape(risk.xy.size() > 0 && risk.xx.rows() == risk.xy.rows() && risk.xx.cols() == risk.xy.rows(), "xx, xy",
                "(n0, n0) and (n0, n2)");
}

ShallowHessianObject::ShallowHessianObject(std::shared_ptr<RiskObject> object, const Array& u, const Array& v,
                                           int n_threads)
    : risk(std::move(object)) {
  using namespace linear_bindings;
  const PointBatch p(u, v, risk->risk.outputs(), risk->risk.inputs());
  require_shape(!p.batched(), "U, V", "2-D arrays");
  hessian = without_gil(n_threads, [&](const Context& context) {
    return std::make_unique<Hessian>(risk->risk, p.u[0], p.v[0], context);
  });
}

Index ShallowHessianObject::size() const { return hessian->shape().size(); }

linalg::SymmetricOperator ShallowHessianObject::flat(const Context& context) const {
  using namespace linear_bindings;
  const linear::Shape shape = hessian->shape();
  const Hessian* operation = hessian.get();
  const auto work = std::make_shared<Workspace>();
  return [operation, shape, &context, work](const double* x, double* y) {
    const Index first = shape.outputs * shape.hidden;
    operation->apply(ConstMatrixMap(x, shape.outputs, shape.hidden),
                     ConstMatrixMap(x + first, shape.inputs, shape.hidden), MatrixMap(y, shape.outputs, shape.hidden),
                     MatrixMap(y + first, shape.inputs, shape.hidden), *work, context);
  };
}

void register_linear(py::module_& module) {
  using namespace linear_bindings;
  py::class_<RiskObject, std::shared_ptr<RiskObject>>(module, "Risk", "The quadratic risk over arrays it keeps alive.")
      .def(py::init<Array, Array, Array, Array, double>(), py::arg("xx").noconvert(), py::arg("xy").noconvert(),
           py::arg("fx").noconvert(), py::arg("fy").noconvert(), py::arg("total"));
  py::class_<ShallowHessianObject, HessianObject>(module, "ShallowHessian",
                                                  "The Hessian of the shallow linear risk at one point.")
      .def(py::init<std::shared_ptr<RiskObject>, const Array&, const Array&, int>(), py::arg("risk"),
           py::arg("u").noconvert(), py::arg("v").noconvert(), py::arg("n_threads"));
  module.def("shallow_value", &value, py::arg("risk"), py::arg("u").noconvert(), py::arg("v").noconvert(),
             py::arg("n_threads"), "Values of a point or a batch, always a 1-D array.");
  module.def("shallow_gradient", &gradient, py::arg("risk"), py::arg("u").noconvert(), py::arg("v").noconvert(),
             py::arg("n_threads"), "Values (always 1-D) and gradients of a point or a batch.");
  module.def("shallow_curvature", &curvature, py::arg("risk"), py::arg("u").noconvert(), py::arg("v").noconvert(),
             py::arg("du").noconvert(), py::arg("dv").noconvert(), py::arg("n_threads"),
             "H[d, d], always a 1-D array.");
  module.def("shallow_hvp", &hvp, py::arg("risk"), py::arg("u").noconvert(), py::arg("v").noconvert(),
             py::arg("du").noconvert(), py::arg("dv").noconvert(), py::arg("n_threads"), "Hessian-vector products.");
  module.def("shallow_classify", &classify, py::arg("spectral"), py::arg("u").noconvert(), py::arg("v").noconvert(),
             py::arg("tolerance"), py::arg("n_threads"), "One array per field; directions for a single point.");
  module.def("shallow_slice", &slice_coefficients, py::arg("risk"), py::arg("u").noconvert(), py::arg("v").noconvert(),
             py::arg("u1").noconvert(), py::arg("v1").noconvert(), py::arg("second"), py::arg("n_threads"),
             "Polynomial coefficients of a 1-D or 2-D slice.");
}

}  // namespace landscape::bindings
