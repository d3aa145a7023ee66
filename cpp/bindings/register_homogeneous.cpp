#include <pybind11/functional.h>
#include <pybind11/stl.h>

#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include "common.hpp"
#include "hessian_object.hpp"
#include "landscape/homogeneous/ascent.hpp"
#include "landscape/homogeneous/branch_and_bound.hpp"
#include "landscape/homogeneous/faces.hpp"
#include "landscape/homogeneous/group_lasso.hpp"
#include "landscape/homogeneous/network.hpp"
#include "landscape/homogeneous/objective.hpp"
#include "landscape/homogeneous/solve.hpp"
#include "landscape/homogeneous/spectral_bounds.hpp"
#include "landscape/homogeneous/sweep.hpp"
#include "landscape/parallel.hpp"
#include "objective_object.hpp"

namespace landscape::bindings {

namespace homogeneous_bindings {

namespace homo = landscape::homogeneous;

homo::Loss loss_of(const std::string& name, double delta) {
  homo::Loss loss;
  loss.delta = delta;
  if (name == "huber") loss.kind = homo::LossKind::huber;
  if (name == "logistic") loss.kind = homo::LossKind::logistic;
  if (name == "squared_hinge") loss.kind = homo::LossKind::squared_hinge;
  if (name == "softmax") loss.kind = homo::LossKind::softmax;
  require_shape(name == "squared" || loss.kind != homo::LossKind::squared, "loss",
                "squared, huber, logistic, squared_hinge or softmax");
  return loss;
}

// Data, loss, penalty and kind of unit; a network for each width that is asked for.
struct ParallelNetworkObject {
  ParallelNetworkObject(Array inputs, Array targets, const std::string& loss, double delta, double lam, bool intercept,
                        bool intercept_decay, bool free_bias, double slope, int power, std::vector<Index> hidden,
                        bool product)
      : x(std::move(inputs)),
        y(std::move(targets)),
        problem{matrix(x, "X"), matrix(y, "Y"), loss_of(loss, delta), lam, intercept, intercept_decay, free_bias},
        architecture{{slope, power}, std::move(hidden), 0, product} {}

  std::shared_ptr<const homo::Network> network(Index width) const {
    homo::Architecture own = architecture;
    own.width = width;
    return homo::make_network(problem, own);
  }

  // Of the polynomial that the objective is along a line; 0 where it is none: |W|_F^L is one for even L.
  int degree() const {
    if (problem.loss.kind != homo::LossKind::squared || !architecture.act.linear() || architecture.product) return 0;
    const int depth = architecture.degree();
    return depth % 2 == 0 ? 2 * depth : 0;
  }

  Array x, y;
  homo::Problem problem;
  homo::Architecture architecture;
};

void require_points(const Array& points, const homo::Network& network) {
  require_shape(points.ndim() == 2 && points.shape(1) == network.size(), "points", "packed points (B, N)");
}

// body(network, item, workspace, context) for every row
template <class Body>
void for_each_point(const homo::Network& network, Index count, int n_threads, Body&& body) {
  without_gil(n_threads, [&](const Context& context) {
    const Split split(context, count);
    std::vector<std::shared_ptr<homo::Network::Workspace>> work(
        static_cast<std::size_t>(std::max(1, split.outer.n_threads)));
    for (auto& own : work) own = network.workspace();
    parallel_for(count, split.outer,
                 [&](Index item, int thread) { body(item, *work[static_cast<std::size_t>(thread)], split.inner); });
  });
}

Array value(const ParallelNetworkObject& object, const Array& points, Index width, int n_threads) {
  const auto network = object.network(width);
  require_points(points, *network);
  Array values(points.shape(0));
  double* out = values.mutable_data();
  const double* in = points.data();
  for_each_point(*network, points.shape(0), n_threads,
                 [&](Index i, homo::Network::Workspace& work, const Context& context) {
                   out[i] = network->evaluate(in + i * network->size(), nullptr, work, context);
                 });
  return values;
}

py::tuple gradient(const ParallelNetworkObject& object, const Array& points, Index width, int n_threads) {
  const auto network = object.network(width);
  require_points(points, *network);
  Array values(points.shape(0)), gradients({points.shape(0), points.shape(1)});
  double *out = values.mutable_data(), *g = gradients.mutable_data();
  const double* in = points.data();
  for_each_point(*network, points.shape(0), n_threads,
                 [&](Index i, homo::Network::Workspace& work, const Context& context) {
                   const Index at = i * network->size();
                   out[i] = network->evaluate(in + at, g + at, work, context);
                 });
  return py::make_tuple(values, gradients);
}

Array predict(const ParallelNetworkObject& object, const Array& point, Index width, const Array& inputs) {
  const auto network = object.network(width);
  const ConstMatrixMap x = matrix(inputs, "X");
  require_shape(point.ndim() == 1 && point.shape(0) == network->size(), "point", "a packed point (N,)");
  require_shape(x.cols() == object.problem.x.cols(), "X", "(k, n0)");
  Matrix z(x.rows(), object.problem.y.cols());
  without_gil(1, [&](const Context& context) { network->predict(point.data(), x, z, context); });
  return to_array(z);
}

double kink_margin(const ParallelNetworkObject& object, const Array& point, Index width) {
  const auto network = object.network(width);
  require_shape(point.ndim() == 1 && point.shape(0) == network->size(), "point", "a packed point (N,)");
  return without_gil(1, [&](const Context& context) { return network->kink_margin(point.data(), context); });
}

struct ParallelHessianObject : HessianObject {
  ParallelHessianObject(std::shared_ptr<ParallelNetworkObject> owner, const Array& at, Index width)
      : object(std::move(owner)), network(object->network(width)), work(network->workspace()) {
    require_shape(at.ndim() == 1 && at.shape(0) == network->size(), "point", "a packed point (N,)");
    point = ConstVectorMap(at.data(), at.size());
  }
  Index size() const override { return network->size(); }
  linalg::SymmetricOperator flat(const Context& context) const override {
    return [this, own = network->workspace(), &context](const double* x, double* y) {
      network->hessian_product(point.data(), x, y, *own, context);
    };
  }
  // One after the other: a product is parallel in itself.
  void rows(const double* in, double* out, Index items, const Context& context) const override {
    const std::lock_guard<std::mutex> lock(mutex);
    for (Index i = 0; i < items; ++i)
      network->hessian_product(point.data(), in + i * size(), out + i * size(), *work, context);
  }

  std::shared_ptr<ParallelNetworkObject> object;
  std::shared_ptr<const homo::Network> network;
  std::shared_ptr<homo::Network::Workspace> work;
  Vector point;
  mutable std::mutex mutex;
};

// The output weights of fixed hidden values H (m x k).
py::tuple group_lasso(const Array& h, const Array& y, const std::string& loss, double delta, double lam, bool intercept,
                      const Array& start, double tolerance, Index max_iterations, int n_threads) {
  const ConstMatrixMap hidden = matrix(h, "h"), targets = matrix(y, "y"), begin = matrix(start, "start");
  require_shape(hidden.rows() == targets.rows() && lam > 0.0, "h, y, lam", "of the same samples, and lam positive");
  require_shape(begin.size() == 0 || (begin.rows() == hidden.cols() && begin.cols() == targets.cols()), "start",
                "(k, n) or empty");
  homo::GroupLassoSettings settings;
  settings.tolerance = tolerance;
  settings.max_iterations = max_iterations;
  const homo::GroupLassoResult result = without_gil(n_threads, [&](const Context& context) {
    return homo::group_lasso(hidden, targets, loss_of(loss, delta), lam, intercept, begin, settings, context);
  });
  return py::make_tuple(to_array(result.c), to_array(result.intercept), result.value, result.gap, result.iterations,
                        result.converged);
}

// ------------------------------------------------------------------------------------------------ the polar

template <class Result>
py::tuple with_maximizers(const Result& result, double lower, double upper) {
  return py::make_tuple(lower, upper, to_array(result.direction), to_array(result.maximizers.directions),
                        to_array(result.maximizers.values));
}

py::tuple sweep(const Array& x, const Array& q, double slope, double threshold, double separation, Index count,
                int n_threads) {
  const ConstMatrixMap samples = matrix(x, "X"), weights = matrix(q, "Q");
  const homo::SweepSettings settings{threshold, separation, count};
  const homo::SweepResult result = without_gil(n_threads, [&](const Context& context) {
    return samples.cols() == 1 ? homo::line(samples, weights, slope, settings, context)
                               : homo::sweep(samples, weights, slope, settings, context);
  });
  return with_maximizers(result, result.lower, result.upper) + py::make_tuple(result.arcs, to_array(result.output));
}

py::tuple faces(const Array& x, const Array& q, double slope, double threshold, double separation, Index count,
                double known, double max_seconds, int n_threads) {
  const ConstMatrixMap samples = matrix(x, "X"), weights = matrix(q, "Q");
  homo::FacesSettings settings;
  settings.threshold = threshold;
  settings.separation = separation;
  settings.count = count;
  settings.known = known;
  settings.max_seconds = max_seconds;
  const homo::FacesResult result = without_gil(
      n_threads, [&](const Context& context) { return homo::faces(samples, weights, slope, settings, context); });
  return with_maximizers(result, result.lower, result.upper) +
         py::make_tuple(result.complete, result.reason, result.circles);
}

py::tuple ascent(const Array& x, const Array& q, double slope, int power, const Array& starts, Index random_starts,
                 double threshold, double separation, Index count, std::uint64_t seed, int n_threads) {
  const ConstMatrixMap samples = matrix(x, "X"), weights = matrix(q, "Q"), given = matrix(starts, "starts");
  homo::AscentSettings settings;
  settings.random_starts = random_starts;
  settings.threshold = threshold;
  settings.separation = separation;
  settings.count = count;
  settings.seed = seed;
  const homo::AscentResult result = without_gil(n_threads, [&](const Context& context) {
    return homo::ascend(samples, weights, {slope, power}, given, settings, context);
  });
  return py::make_tuple(result.lower, to_array(result.direction), to_array(result.maximizers.directions),
                        to_array(result.maximizers.values), result.iterations);
}

py::tuple spectral(const Array& x, const Array& q, double slope, int power, bool shor, int n_threads) {
  const ConstMatrixMap samples = matrix(x, "X"), weights = matrix(q, "Q");
  homo::SpectralSettings settings;
  if (!shor) settings.shor_iterations = 0;
  const homo::SpectralBounds found = without_gil(n_threads, [&](const Context& context) {
    return homo::spectral_bounds(samples, weights, {slope, power}, settings, context);
  });
  return py::make_tuple(found.norms, found.shor, std::min(found.definite, found.unfolded), found.failure,
                        to_array(found.nu), found.q_exponent);
}

const char* stop_name(homo::BranchStop stop) {
  switch (stop) {
    case homo::BranchStop::tolerance:
      return "tolerance";
    case homo::BranchStop::enough:
      return "enough";
    case homo::BranchStop::nodes:
      return "nodes";
    case homo::BranchStop::seconds:
      return "seconds";
    case homo::BranchStop::interrupted:
      return "interrupted";
    default:
      return "exhausted";
  }
}

// The leaves as three arrays: signs (leaves x (m + nL)), orders of the multipliers, and the multipliers one after the
// other.
py::tuple branch(const Array& x, const Array& q, double slope, double tolerance, double enough, Index max_nodes,
                 double max_seconds, double lower, const Array& direction, bool keep, int n_threads) {
  const ConstMatrixMap samples = matrix(x, "X"), weights = matrix(q, "Q");
  homo::BranchSettings settings;
  settings.tolerance = tolerance;
  settings.enough = enough;
  settings.max_nodes = max_nodes;
  settings.max_seconds = max_seconds;
  settings.lower = lower;
  settings.direction = vector(direction, "direction");
  settings.keep_leaves = keep;
  const homo::BranchResult result = without_gil(n_threads, [&](const Context& context) {
    return homo::branch_and_bound(samples, weights, slope, settings, context);
  });
  if (result.stop == homo::BranchStop::interrupted) forget_interrupt();
  const auto leaves = static_cast<py::ssize_t>(result.leaves.size());
  py::array_t<std::int8_t> signs({leaves, static_cast<py::ssize_t>(samples.rows() + weights.cols())});
  py::array_t<std::int64_t> orders(leaves);
  py::ssize_t total = 0;
  for (const homo::BranchLeaf& leaf : result.leaves) total += leaf.multipliers.size();
  py::array_t<float> multipliers(total);
  py::ssize_t at = 0;
  for (py::ssize_t i = 0; i < leaves; ++i) {
    const homo::BranchLeaf& leaf = result.leaves[static_cast<std::size_t>(i)];
    std::copy(leaf.signs.data(), leaf.signs.data() + leaf.signs.size(), signs.mutable_data(i, 0));
    orders.mutable_at(i) = leaf.multipliers.rows();
    std::copy(leaf.multipliers.data(), leaf.multipliers.data() + leaf.multipliers.size(),
              multipliers.mutable_data() + at);
    at += leaf.multipliers.size();
  }
  return py::make_tuple(result.lower, result.upper, to_array(result.direction), result.nodes, stop_name(result.stop),
                        signs, orders, multipliers);
}

// ------------------------------------------------------------------------------------------------ the solver

const char* status_name(homo::SolveStatus status) {
  switch (status) {
    case homo::SolveStatus::certified:
      return "certified";
    case homo::SolveStatus::width_limit:
      return "width_limit";
    case homo::SolveStatus::time_limit:
      return "time_limit";
    case homo::SolveStatus::round_limit:
      return "round_limit";
    case homo::SolveStatus::interrupted:
      return "interrupted";
    default:
      return "stagnated";
  }
}

using SolveRow = std::tuple<double, Index, double, double, double, double>;
SolveRow as_row(const homo::SolveRecord& r) {
  return {r.seconds, r.width, r.value, r.lower_bound, r.polar_lower, r.polar_upper};
}

// (lower, upper, directions, values) of (Q, known directions, threshold)
using PolarCallback = std::function<std::tuple<double, double, Array, Array>(Array, Array, double)>;

py::tuple solve_network(const ParallelNetworkObject& object, const Array& u, const Array& v, const Array& b,
                        const Array& directions, double tolerance, Index width_max, double max_seconds,
                        Index max_rounds, Index random_starts, std::uint64_t seed,
                        const std::optional<PolarCallback>& polar,
                        const std::optional<std::function<void(const SolveRow&)>>& on_record, int n_threads) {
  require_shape(object.architecture.hidden.empty(), "network", "single units");
  homo::NetworkSolveSettings settings;
  settings.tolerance = tolerance;
  settings.width_max = width_max;
  settings.max_seconds = max_seconds;
  settings.max_rounds = max_rounds;
  if (on_record)
    settings.on_record = [&](const homo::SolveRecord& record) {
      py::gil_scoped_acquire gil;
      (*on_record)(as_row(record));
    };
  const homo::Activation& act = object.architecture.act;
  homo::PolarOracle oracle = homo::direct_polar(object.problem, act, random_starts, seed);
  if (polar)
    oracle = [&](const Matrix& q, const Matrix& known, double threshold, const Context&) {
      py::gil_scoped_acquire gil;
      const auto [lower, upper, found, values] = (*polar)(to_array(q), to_array(known), threshold);
      return homo::PolarSides{lower, upper, {matrix(found, "directions"), vector(values, "values")}};
    };
  const ConstMatrixMap left = matrix(u, "U"), right = matrix(v, "V"), more = matrix(directions, "directions");
  const Vector intercept = vector(b, "b");
  const homo::NetworkSolveResult result = without_gil(n_threads, [&](const Context& context) {
    return homo::solve(object.problem, act, left, right, intercept, more, oracle, settings, context);
  });
  if (result.status == homo::SolveStatus::interrupted) forget_interrupt();
  std::vector<SolveRow> trace;
  for (const homo::SolveRecord& record : result.trace) trace.push_back(as_row(record));
  return py::make_tuple(to_array(result.u), to_array(result.v), to_array(result.b), status_name(result.status), trace);
}

}  // namespace homogeneous_bindings

void register_homogeneous(py::module_& module) {
  using namespace homogeneous_bindings;
  py::class_<ParallelNetworkObject, std::shared_ptr<ParallelNetworkObject>>(
      module, "ParallelNetwork", "Data, loss, penalty and kind of unit of a parallel network; any width.")
      .def(py::init<Array, Array, const std::string&, double, double, bool, bool, bool, double, int, std::vector<Index>,
                    bool>(),
           py::arg("x").noconvert(), py::arg("y").noconvert(), py::arg("loss"), py::arg("delta"), py::arg("lam"),
           py::arg("intercept"), py::arg("intercept_decay"), py::arg("free_bias"), py::arg("slope"), py::arg("power"),
           py::arg("hidden"), py::arg("product"))
      .def("value", &value, py::arg("points").noconvert(), py::arg("width"), py::arg("n_threads"),
           "Values of packed points (B, N).")
      .def("gradient", &gradient, py::arg("points").noconvert(), py::arg("width"), py::arg("n_threads"),
           "Values and gradients of packed points (B, N).")
      .def("predict", &predict, py::arg("point").noconvert(), py::arg("width"), py::arg("x").noconvert(),
           "Outputs for the rows of x.")
      .def("kink_margin", &kink_margin, py::arg("point").noconvert(), py::arg("width"),
           "The smallest relative distance of a hidden value to a kink.");
  module.def("group_lasso", &group_lasso, py::arg("h").noconvert(), py::arg("y").noconvert(), py::arg("loss"),
             py::arg("delta"), py::arg("lam"), py::arg("intercept"), py::arg("start").noconvert(), py::arg("tolerance"),
             py::arg("max_iterations"), py::arg("n_threads"), "(C, b, value, relative gap, rounds, converged)");
  module.def(
      "network_objective",
      [](std::shared_ptr<ParallelNetworkObject> object, Index width) {
        auto objective = std::make_unique<homo::NetworkObjective>(object->network(width), object->degree());
        return std::make_shared<ObjectiveObject>(ObjectiveObject{std::move(object), std::move(objective)});
      },
      py::arg("network"), py::arg("width"), "Packed points of a width.");
  py::class_<ParallelHessianObject, HessianObject>(module, "ParallelHessian",
                                                   "The Hessian of a parallel network at one packed point.")
      .def(py::init<std::shared_ptr<ParallelNetworkObject>, const Array&, Index>(), py::arg("network"),
           py::arg("point").noconvert(), py::arg("width"));
  module.def("polar_sweep", &sweep, py::arg("x").noconvert(), py::arg("q").noconvert(), py::arg("slope"),
             py::arg("threshold"), py::arg("separation"), py::arg("count"), py::arg("n_threads"),
             "(lower, upper, direction, maximizers, their values, arcs, unit vector of the outputs)");
  module.def("polar_faces", &faces, py::arg("x").noconvert(), py::arg("q").noconvert(), py::arg("slope"),
             py::arg("threshold"), py::arg("separation"), py::arg("count"), py::arg("known"), py::arg("max_seconds"),
             py::arg("n_threads"), "(lower, upper, direction, maximizers, their values, complete, reason, circles)");
  module.def("polar_ascent", &ascent, py::arg("x").noconvert(), py::arg("q").noconvert(), py::arg("slope"),
             py::arg("power"), py::arg("starts").noconvert(), py::arg("random_starts"), py::arg("threshold"),
             py::arg("separation"), py::arg("count"), py::arg("seed"), py::arg("n_threads"),
             "(lower, direction, maximizers, their values, evaluations)");
  module.def("polar_spectral", &spectral, py::arg("x").noconvert(), py::arg("q").noconvert(), py::arg("slope"),
             py::arg("power"), py::arg("shor"), py::arg("n_threads"),
             "(product of norms, diagonal relaxation, bound of power 2, failure probability, multipliers, exponent)");
  module.def("polar_branch", &branch, py::arg("x").noconvert(), py::arg("q").noconvert(), py::arg("slope"),
             py::arg("tolerance"), py::arg("enough"), py::arg("max_nodes"), py::arg("max_seconds"), py::arg("lower"),
             py::arg("direction").noconvert(), py::arg("keep"), py::arg("n_threads"),
             "(lower, upper, direction, nodes, stop reason, signs of the leaves, orders, multipliers)");
  module.def("solve_network", &solve_network, py::arg("network"), py::arg("u").noconvert(), py::arg("v").noconvert(),
             py::arg("b").noconvert(), py::arg("directions").noconvert(), py::arg("tolerance"), py::arg("width_max"),
             py::arg("max_seconds"), py::arg("max_rounds"), py::arg("random_starts"), py::arg("seed"), py::arg("polar"),
             py::arg("on_record"), py::arg("n_threads"), "(U, V, b, status, trace)");
}

}  // namespace landscape::bindings
