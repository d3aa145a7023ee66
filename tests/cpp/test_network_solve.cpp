// Networks grown to their optimum: the gap closes for every loss and unit, nothing rises, degenerate data and starts,
// the same bits for every number of threads.
#include <cmath>
#include <vector>

#include "landscape/homogeneous/solve.hpp"
#include "support.hpp"

using namespace landscape;
using namespace landscape::homogeneous;
using support::random_matrix;
using support::threads;

namespace {

struct Data {
  Matrix x, y;
  Problem problem(LossKind loss, double lam, bool intercept) const {
    Problem p;
    new (&p.x) ConstMatrixMap(x.data(), x.rows(), x.cols());
    new (&p.y) ConstMatrixMap(y.data(), y.rows(), y.cols());
    p.loss.kind = loss;
    p.lam = lam;
    p.intercept = intercept;
    return p;
  }
};

Data data(LossKind loss, Index samples, Index inputs, Index outputs) {
  Data d{random_matrix(samples, inputs, 1), random_matrix(samples, outputs, 2)};
  if (loss == LossKind::logistic || loss == LossKind::squared_hinge)
    d.y = d.y.unaryExpr([](double t) { return t > 0.0 ? 1.0 : -1.0; });
  if (loss == LossKind::softmax)
    for (Index i = 0; i < samples; ++i) {
      d.y.row(i).setZero();
      d.y(i, i % outputs) = 1.0;
    }
  return d;
}

NetworkSolveResult solved(const Problem& p, const Activation& act, const Matrix& u, const Matrix& v, int n_threads,
                          const NetworkSolveSettings& settings) {
  return solve(p, act, u, v, Vector::Zero(p.y.cols()), Matrix(0, p.x.cols()), direct_polar(p, act, 32, 0), settings,
               threads(n_threads));
}

NetworkSolveResult from_nothing(const Problem& p, const Activation& act, double tolerance, int n_threads = 2) {
  NetworkSolveSettings settings;
  settings.tolerance = tolerance;
  return solved(p, act, Matrix(p.y.cols(), 0), Matrix(p.x.cols(), 0), n_threads, settings);
}

double value_of(const Problem& p, const Activation& act, const NetworkSolveResult& r) {
  Architecture architecture;
  architecture.act = act;
  architecture.width = r.u.cols();
  const auto network = make_network(p, architecture);
  Vector point(network->size());
  point << Eigen::Map<const Vector>(r.u.data(), r.u.size()), Eigen::Map<const Vector>(r.v.data(), r.v.size()),
      (p.intercept ? r.b : Vector(0));
  const auto work = network->workspace();
  return network->evaluate(point.data(), nullptr, *work, threads(1));
}

void check_trace(const NetworkSolveResult& r) {
  for (std::size_t k = 1; k < r.trace.size(); ++k) {
    CHECK(r.trace[k].value <= r.trace[k - 1].value * (1.0 + 1e-12));
    CHECK(r.trace[k].lower_bound >= r.trace[k - 1].lower_bound);
  }
}

}  // namespace

TEST_CASE("the gap closes for every loss, unit and form") {
  for (const LossKind loss :
       {LossKind::squared, LossKind::huber, LossKind::logistic, LossKind::squared_hinge, LossKind::softmax})
    for (const double slope : {0.0, -1.0, 0.3, 1.0})
      for (const Index outputs : {1, 3})
        for (const bool intercept : {false, true}) {
          if (loss == LossKind::softmax && outputs == 1) continue;
          const Data d = data(loss, 14, outputs == 1 ? 3 : 2, outputs);
          const Problem p = d.problem(loss, 0.3, intercept);
          const Activation act{slope, 1};
          const NetworkSolveResult r = from_nothing(p, act, 1e-6);
          CAPTURE(static_cast<int>(loss));
          CAPTURE(slope);
          CAPTURE(outputs);
          CHECK(r.status == SolveStatus::certified);
          CHECK(r.value - r.lower_bound <= 1e-6 * r.value);
          CHECK(value_of(p, act, r) == doctest::Approx(r.value).epsilon(1e-11));
          check_trace(r);
        }
}

TEST_CASE("squared units descend, quadratic ones of one output are solved") {
  const Data d = data(LossKind::squared, 20, 4, 1);
  const Problem p = d.problem(LossKind::squared, 0.5, true);
  const NetworkSolveResult quadratic = from_nothing(p, {-1.0, 2}, 1e-7);
  CHECK(quadratic.status == SolveStatus::certified);
  CHECK(quadratic.u.cols() <= 4);
  const NetworkSolveResult squared = from_nothing(p, {0.0, 2}, 1e-4);
  CHECK(squared.value < 0.5 * squared.trace.front().value);
  CHECK(value_of(p, {0.0, 2}, squared) == doctest::Approx(squared.value).epsilon(1e-11));
  check_trace(squared);
}

TEST_CASE("many inputs: products without the matrix") {
  const Data d = data(LossKind::squared, 60, 40, 2);
  const Problem p = d.problem(LossKind::squared, 3.0, true);
  NetworkSolveSettings settings;
  settings.max_rounds = 3;
  const NetworkSolveResult r = solved(p, {0.0, 1}, Matrix(2, 0), Matrix(40, 0), 2, settings);
  CHECK(r.value < r.trace.front().value);
  CHECK(value_of(p, {0.0, 1}, r) == doctest::Approx(r.value).epsilon(1e-11));
  check_trace(r);
}

TEST_CASE("degenerate data and any start end at the same value") {
  Data d = data(LossKind::squared, 12, 2, 1);
  d.x.row(3) = d.x.row(2);
  d.x.row(4) = -d.x.row(2);
  d.x.row(5).setZero();
  const Problem p = d.problem(LossKind::squared, 0.1, false);
  const NetworkSolveResult best = from_nothing(p, {0.0, 1}, 1e-9);
  CHECK(best.status == SolveStatus::certified);
  NetworkSolveSettings settings;
  settings.tolerance = 1e-9;
  for (const Index width : {1, 7, 60}) {
    const NetworkSolveResult r =
        solved(p, {0.0, 1}, random_matrix(1, width, 5), random_matrix(2, width, 6), 1, settings);
    CHECK(r.value == doctest::Approx(best.value).epsilon(1e-8));
    check_trace(r);
  }
  settings.width_max = 1;
  CHECK(solved(p, {0.0, 1}, Matrix(1, 0), Matrix(2, 0), 1, settings).u.cols() <= 1);
  Data one{Matrix::Constant(1, 1, 2.0), Matrix::Constant(1, 1, 3.0)};
  CHECK(from_nothing(one.problem(LossKind::squared, 1.0, false), {0.0, 1}, 1e-9).value == doctest::Approx(1.375));
  CHECK(from_nothing(one.problem(LossKind::squared, 1.0, true), {0.0, 1}, 1e-9).value == doctest::Approx(0.0));
  CHECK(from_nothing(one.problem(LossKind::squared, 100.0, false), {0.0, 1}, 1e-9).u.cols() == 0);
}

TEST_CASE("the same bits for every number of threads") {
  const Data d = data(LossKind::huber, 40, 3, 2);
  const Problem p = d.problem(LossKind::huber, 0.2, true);
  const NetworkSolveResult one = from_nothing(p, {0.0, 1}, 1e-6, 1), two = from_nothing(p, {0.0, 1}, 1e-6, 2);
  CHECK(one.u == two.u);
  CHECK(one.v == two.v);
  CHECK(one.b == two.b);
}

TEST_CASE("wrong input is refused") {
  const Data d = data(LossKind::squared, 5, 2, 1);
  const Problem p = d.problem(LossKind::squared, 0.1, false);
  const PolarOracle polar = direct_polar(p, {}, 8, 0);
  const NetworkSolveSettings settings;
  CHECK_THROWS_AS(solve(p, {}, Matrix(1, 2), Matrix(3, 2), Vector(1), Matrix(0, 2), polar, settings, threads(1)),
                  std::invalid_argument);
  const Problem none = d.problem(LossKind::squared, 0.0, false);
  CHECK_THROWS_AS(solve(none, {}, Matrix(1, 0), Matrix(2, 0), Vector(1), Matrix(0, 2), polar, settings, threads(1)),
                  std::invalid_argument);
}
