#include <pybind11/functional.h>
#include <pybind11/stl.h>

#include <memory>
#include <mutex>
#include <optional>

#include "common.hpp"
#include "hessian_object.hpp"
#include "landscape/factorization/landscape.hpp"
#include "landscape/factorization/polar.hpp"
#include "landscape/factorization/solve.hpp"
#include "landscape/factorization/training_objective.hpp"
#include "landscape/linalg/largest_singular_value.hpp"
#include "landscape/linalg/products.hpp"
#include "landscape/linalg/svt.hpp"
#include "landscape/parallel.hpp"
#include "objective_object.hpp"

namespace landscape::bindings {

namespace factorization_bindings {

namespace fact = landscape::factorization;

using Int64s = py::array_t<std::int64_t, py::array::c_style>;
using Int32s = py::array_t<std::int32_t, py::array::c_style>;

fact::Loss loss_of(const std::string& name, double delta) {
  fact::Loss loss;
  loss.delta = delta;
  if (name == "huber") loss.kind = fact::LossKind::huber;
  if (name == "logistic") loss.kind = fact::LossKind::logistic;
  require_shape(name == "squared" || loss.kind != fact::LossKind::squared, "loss", "squared, huber or logistic");
  return loss;
}

// The observed entries, the loss and lam; with the data X and its array, so that the view stays valid.
struct FactorizationObject {
  FactorizationObject(Index rows, Index cols, const Int64s& row, const Int64s& column, const Array& targets,
                      const std::optional<Array>& weights, const std::string& loss_name, double delta, double penalty,
                      std::optional<Array> inputs)
      : data(std::move(inputs)),
        observed(fact::observe(rows, cols, row.data(), column.data(), targets.data(),
                               weights ? weights->data() : nullptr, targets.size())),
        loss(loss_of(loss_name, delta)),
        lam(penalty),
        land(observed, loss, lam, data ? matrix(*data, "X") : ConstMatrixMap(nullptr, 0, 0)) {}
  FactorizationObject(const FactorizationObject&) = delete;
  FactorizationObject& operator=(const FactorizationObject&) = delete;

  std::optional<Array> data;
  fact::Observed observed;
  fact::Loss loss;
  double lam;
  fact::FactorLandscape land;
};

struct FactorBatch {
  MatrixBatch u, v;
  FactorBatch(const FactorizationObject& object, const Array& left, const Array& right) : u(left, "U"), v(right, "V") {
    require_shape(u.rows() == object.land.outputs() && v.rows() == object.land.inputs() && u.cols() == v.cols(), "U, V",
                  "(rows, r) and (columns, r)");
    require_shape(u.batched() == v.batched() && u.size() == v.size(), "U, V", "of the same batch size");
  }
};

Array value(const FactorizationObject& object, const Array& u, const Array& v, int n_threads) {
  const FactorBatch p(object, u, v);
  Array result(p.u.size());
  double* out = result.mutable_data();
  without_gil(n_threads, [&](const Context& context) {
    for (Index i = 0; i < p.u.size(); ++i) out[i] = object.land.value(p.u[i], p.v[i], context);
  });
  return result;
}

py::tuple gradient(const FactorizationObject& object, const Array& u, const Array& v, int n_threads) {
  const FactorBatch p(object, u, v);
  Array values(p.u.size());
  Array left = empty_like_batch(p.u.batched(), p.u.size(), {p.u.rows(), p.u.cols()});
  Array right = empty_like_batch(p.v.batched(), p.v.size(), {p.v.rows(), p.v.cols()});
  MatrixBatch g_u(left, "g_u"), g_v(right, "g_v");
  double* out = values.mutable_data();
  without_gil(n_threads, [&](const Context& context) {
    for (Index i = 0; i < p.u.size(); ++i)
      out[i] = object.land.gradient(p.u[i], p.v[i], g_u.writable(i), g_v.writable(i), context);
  });
  return py::make_tuple(values, left, right);
}

struct FactorizationHessianObject : HessianObject {
  FactorizationHessianObject(std::shared_ptr<FactorizationObject> owner, const Array& left, const Array& right,
                             int n_threads)
      : object(std::move(owner)) {
    const FactorBatch p(*object, left, right);
    require_shape(!p.u.batched(), "U, V", "2-D arrays");
    u = p.u[0];
    v = p.v[0];
    hessian = without_gil(n_threads, [&](const Context& context) {
      return std::make_unique<fact::FactorLandscapeHessian>(object->land, u, v, context);
    });
  }
  Index size() const override { return u.size() + v.size(); }
  linalg::SymmetricOperator flat(const Context& context) const override {
    const auto own = std::make_shared<fact::FactorLandscapeHessian>(object->land, u, v, context);
    return [own, &context](const double* x, double* y) { own->apply(x, y, context); };
  }

  // One after the other: a product is parallel in itself, and its scratch is large.
  void rows(const double* in, double* out, Index items, const Context& context) const override {
    const std::lock_guard<std::mutex> lock(mutex);
    for (Index i = 0; i < items; ++i) hessian->apply(in + i * size(), out + i * size(), context);
  }

  std::shared_ptr<FactorizationObject> object;
  Matrix u, v;
  std::unique_ptr<fact::FactorLandscapeHessian> hessian;
  mutable std::mutex mutex;
};

// A matrix as Python describes it: ("dense", A) or ("sparse", CSR of A, CSR of A^T, L, R) for S + L R^T.
struct Operand {
  std::vector<py::object> keep;
  linalg::MeasuredMap map;
  linalg::CompressedRows rows, cols;

  explicit Operand(const py::tuple& parts) {
    for (const py::handle part : parts) keep.push_back(py::reinterpret_borrow<py::object>(part));
    if (keep[0].cast<std::string>() == "dense") {
      map = linalg::measured(matrix(keep[1].cast<Array>(), "Y"));
      return;
    }
    const ConstMatrixMap left = matrix(keep[7].cast<Array>(), "left"), right = matrix(keep[8].cast<Array>(), "right");
    rows = compressed(1, left.rows(), right.rows());
    cols = compressed(4, right.rows(), left.rows());
    map = linalg::measured(rows, cols);
    if (left.cols() > 0) add_low_rank(left, right);
  }
  Operand(const Operand&) = delete;
  Operand& operator=(const Operand&) = delete;

 private:
  linalg::CompressedRows compressed(std::size_t first, Index n, Index m) const {
    const auto starts = keep[first].cast<Int64s>();
    const auto columns = keep[first + 1].cast<Int32s>();
    const auto values = keep[first + 2].cast<Array>();
    require_shape(starts.size() == n + 1, "indptr", "one longer than the rows");
    return {n, m, starts.data(), columns.data(), values.data()};
  }

  void add_low_rank(const ConstMatrixMap& left, const ConstMatrixMap& right) {
    const linalg::LinearMap sparse = map.map;
    linalg::LinearMap sum = sparse;
    sum.apply = [=](const ConstMatrixView& x, MatrixView out, const Context& context) {
      sparse.apply(x, out, context);
      Matrix thin(right.cols(), x.cols());
      linalg::multiply_transposed(right, x, thin, context);
      linalg::multiply(left, thin, out, context, linalg::Into::add);
    };
    sum.apply_transposed = [=](const ConstMatrixView& x, MatrixView out, const Context& context) {
      sparse.apply_transposed(x, out, context);
      Matrix thin(left.cols(), x.cols());
      linalg::multiply_transposed(left, x, thin, context);
      linalg::multiply(right, thin, out, context, linalg::Into::add);
    };
    const double low_rank = linalg::frobenius_upper(left.data(), left.size()) *
                            linalg::frobenius_upper(right.data(), right.size()) * (1.0 + 8.0 * kUnitRoundoff);
    const Index depth = map.depth + left.rows() + right.rows() + left.cols() + 4;
    map = linalg::measured(std::move(sum), (map.frobenius + low_rank) * (1.0 + 8.0 * kUnitRoundoff), depth);
  }
};

py::tuple largest_singular_value(const py::tuple& parts, const Array& start, double tolerance, double failure,
                                 std::uint64_t seed, int n_threads) {
  const Operand operand(parts);
  const ConstMatrixMap begin = matrix(start, "start");
  linalg::SingularValueBoundSettings settings;
  settings.tolerance = tolerance;
  settings.failure = failure;
  settings.seed = seed;
  const linalg::SingularValueBounds bounds = without_gil(n_threads, [&](const Context& context) {
    return linalg::largest_singular_value(operand.map, settings, begin, context);
  });
  return py::make_tuple(bounds.lower, bounds.upper, to_array(bounds.left), to_array(bounds.right),
                        bounds.proof == linalg::UpperBoundProof::lanczos, bounds.failure, bounds.products);
}

const char* method_name(linalg::SvtMethod method) {
  switch (method) {
    case linalg::SvtMethod::gram:
      return "gram";
    case linalg::SvtMethod::svd:
      return "svd";
    default:
      return "partial";
  }
}

py::tuple svt(const py::tuple& parts, double lam, const Array& start, const std::string& method, std::uint64_t seed,
              int n_threads) {
  const Operand operand(parts);
  const ConstMatrixMap begin = matrix(start, "start");
  linalg::SvtSettings settings;
  settings.seed = seed;
  if (method == "partial") settings.method = linalg::SvtMethod::partial;
  if (method == "gram") settings.method = linalg::SvtMethod::gram;
  if (method == "svd") settings.method = linalg::SvtMethod::svd;
  const linalg::SvtResult result = without_gil(
      n_threads, [&](const Context& context) { return linalg::svt(operand.map, lam, settings, begin, context); });
  return py::make_tuple(to_array(result.left), to_array(result.values), to_array(result.right), result.margin,
                        result.error_bound, result.complete, result.converged, method_name(result.method),
                        result.products);
}

const char* status_name(fact::Status status) {
  switch (status) {
    case fact::Status::certified:
      return "certified";
    case fact::Status::rank_limit:
      return "rank_limit";
    case fact::Status::time_limit:
      return "time_limit";
    case fact::Status::interrupted:
      return "interrupted";
    case fact::Status::not_finite:
      return "not_finite";
    default:
      return "stagnated";
  }
}

using Record = std::tuple<double, Index, double, double, double, double>;

Record as_tuple(const fact::TraceRecord& r) {
  return {r.seconds, r.width, r.value, r.lower_bound, r.polar_lower, r.polar_upper};
}

py::tuple solve(const FactorizationObject& object, const Array& u, const Array& v, double tolerance, Index rank_max,
                double max_seconds, std::uint64_t seed, double failure,
                const std::optional<std::function<void(const Record&)>>& on_record, int n_threads) {
  require_shape(!object.data, "X", "absent");
  const FactorBatch start(object, u, v);
  require_shape(!start.u.batched(), "U, V", "2-D arrays");
  fact::SolveSettings settings;
  settings.tolerance = tolerance;
  settings.rank_max = rank_max;
  settings.max_seconds = max_seconds;
  settings.seed = seed;
  if (on_record)
    settings.on_record = [&](const fact::TraceRecord& record) {
      py::gil_scoped_acquire gil;
      (*on_record)(as_tuple(record));
    };
  const fact::SolveResult result = without_gil(n_threads, [&](const Context& given) {
    Context context = given;
    context.blas = nullptr;
    return fact::solve(object.observed, object.loss, object.lam, start.u[0], start.v[0], fact::residual_polar(failure),
                       settings, context);
  });
  if (result.status == fact::Status::interrupted) forget_interrupt();
  std::vector<Record> trace;
  for (const fact::TraceRecord& record : result.trace) trace.push_back(as_tuple(record));
  return py::make_tuple(to_array(result.u), to_array(result.v), status_name(result.status), trace);
}

}  // namespace factorization_bindings

void register_factorization(py::module_& module) {
  using namespace factorization_bindings;
  py::class_<FactorizationObject, std::shared_ptr<FactorizationObject>>(
      module, "Factorization", "Observed entries of a matrix, a loss and a penalty; optionally data X.")
      .def(py::init<Index, Index, const Int64s&, const Int64s&, const Array&, const std::optional<Array>&,
                    const std::string&, double, double, std::optional<Array>>(),
           py::arg("rows"), py::arg("cols"), py::arg("row").noconvert(), py::arg("column").noconvert(),
           py::arg("targets").noconvert(), py::arg("weights").noconvert(), py::arg("loss"), py::arg("delta"),
           py::arg("lam"), py::arg("data").noconvert())
      .def("value", &value, py::arg("u").noconvert(), py::arg("v").noconvert(), py::arg("n_threads"),
           "Values of a point or a batch, always a 1-D array.")
      .def("gradient", &gradient, py::arg("u").noconvert(), py::arg("v").noconvert(), py::arg("n_threads"),
           "Values, and the gradients with respect to U and V.");
  py::class_<FactorizationHessianObject, HessianObject>(module, "FactorizationHessian",
                                                        "The Hessian of a factorisation at one point.")
      .def(py::init<std::shared_ptr<FactorizationObject>, const Array&, const Array&, int>(), py::arg("factorization"),
           py::arg("u").noconvert(), py::arg("v").noconvert(), py::arg("n_threads"));
  module.def(
      "factorization_objective",
      [](std::shared_ptr<FactorizationObject> object, Index width) {
        auto objective = std::make_unique<fact::FactorObjective>(object->land, width);
        return std::make_shared<ObjectiveObject>(ObjectiveObject{std::move(object), std::move(objective)});
      },
      py::arg("factorization"), py::arg("width"), "Points (U, V) of a width, packed.");
  module.def("largest_singular_value", &largest_singular_value, py::arg("operand"), py::arg("start").noconvert(),
             py::arg("tolerance"), py::arg("failure"), py::arg("seed"), py::arg("n_threads"),
             "(lower, upper, left, right, by Lanczos, failure probability, products)");
  module.def("svt", &svt, py::arg("operand"), py::arg("lam"), py::arg("start").noconvert(), py::arg("method"),
             py::arg("seed"), py::arg("n_threads"),
             "(left, values, right, margin, error bound, complete, converged, method, products)");
  module.def("solve_factorization", &solve, py::arg("factorization"), py::arg("u").noconvert(),
             py::arg("v").noconvert(), py::arg("tolerance"), py::arg("rank_max"), py::arg("max_seconds"),
             py::arg("seed"), py::arg("failure"), py::arg("on_record"), py::arg("n_threads"), "(U, V, status, trace)");
}

}  // namespace landscape::bindings
