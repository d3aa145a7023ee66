// Factorisation of observed entries: derivatives by differences, the solver against the closed form, threads,
// interrupts.
#include <chrono>
#include <cmath>
#include <limits>
#include <thread>

#include "landscape/factorization/landscape.hpp"
#include "landscape/factorization/polar.hpp"
#include "landscape/linalg/decompositions.hpp"
#include "support.hpp"

using namespace landscape;
using namespace landscape::factorization;
using support::random_matrix;
using support::threads;

namespace {

// All entries of a matrix, or those with (3 i + 5 j) % 4 != 0.
Observed entries_of(const Matrix& y, bool all, bool weighted) {
  std::vector<std::int64_t> rows, columns;
  std::vector<double> targets, weights;
  for (Index i = 0; i < y.rows(); ++i)
    for (Index j = 0; j < y.cols(); ++j)
      if (all || (3 * i + 5 * j) % 4 != 0) {
        rows.push_back(i);
        columns.push_back(j);
        targets.push_back(y(i, j));
        weights.push_back(0.5 + 0.1 * static_cast<double>((i + j) % 7));
      }
  return observe(y.rows(), y.cols(), rows.data(), columns.data(), targets.data(), weighted ? weights.data() : nullptr,
                 static_cast<Index>(rows.size()));
}

Matrix signs(const Matrix& y) {
  return y.unaryExpr([](double x) { return x < 0.0 ? -1.0 : 1.0; });
}

}  // namespace

TEST_CASE("gradients and products of the Hessian are the differences, for every loss, with data and without") {
  const Context context = threads(2);
  for (const LossKind kind : {LossKind::squared, LossKind::huber, LossKind::logistic})
    for (const bool with_data : {false, true}) {
      Matrix y = random_matrix(9, 7, 1);
      if (kind == LossKind::logistic) y = signs(y);
      const Observed observed = entries_of(y, false, true);
      const Matrix x = random_matrix(9, 4, 2);
      const ConstMatrixMap data(x.data(), with_data ? 9 : 0, with_data ? 4 : 0);
      const FactorLandscape land(observed, {kind, 0.7}, 0.3, data);
      const Index outputs = land.outputs(), inputs = land.inputs(), width = 3;
      CHECK(outputs == (with_data ? 7 : 9));
      CHECK(inputs == (with_data ? 4 : 7));
      const Matrix packed = random_matrix(1, (outputs + inputs) * width, 3), d = random_matrix(1, packed.cols(), 4);
      const auto gradient = [&](const Matrix& at, double* value) {
        Matrix g(1, at.cols());
        const ConstMatrixMap u(at.data(), outputs, width), v(at.data() + u.size(), inputs, width);
        MatrixMap g_u(g.data(), outputs, width), g_v(g.data() + u.size(), inputs, width);
        *value = land.gradient(u, v, g_u, g_v, context);
        CHECK(*value == doctest::Approx(land.value(u, v, context)).epsilon(1e-13));
        return g;
      };
      const double h = 1e-6;
      double value = 0.0, up = 0.0, down = 0.0;
      const Matrix g = gradient(packed, &value);
      const Matrix g_up = gradient(packed + h * d, &up), g_down = gradient(packed - h * d, &down);
      CHECK((up - down) / (2.0 * h) == doctest::Approx(g.row(0).dot(d.row(0))).epsilon(1e-7));
      const ConstMatrixMap u(packed.data(), outputs, width), v(packed.data() + u.size(), inputs, width);
      FactorLandscapeHessian hessian(land, u, v, context);
      Matrix product(1, packed.cols());
      hessian.apply(d.data(), product.data(), context);
      CHECK((product - (g_up - g_down) / (2.0 * h)).norm() <= 1e-6 * (1.0 + product.norm()));
    }
}

TEST_CASE("the solver reproduces singular value thresholding on a matrix that is observed completely") {
  const Matrix y = random_matrix(12, 9, 5);
  const linalg::ThinSvd svd = linalg::thin_svd(y, threads(1));
  const double lam = 0.5 * (svd.values[2] + svd.values[3]);
  const double optimum = 0.5 * y.squaredNorm() - 0.5 * (svd.values.array() - lam).max(0.0).square().sum();
  const Observed observed = entries_of(y, true, false);
  for (const int n : {1, 2}) {
    SolveSettings settings;
    settings.tolerance = 1e-10;
    const SolveResult result =
        solve(observed, {}, lam, Matrix(12, 0), Matrix(9, 0), residual_polar(1e-9), settings, threads(n));
    CHECK(result.status == Status::certified);
    CHECK(result.u.cols() == 3);
    CHECK(result.value == doctest::Approx(optimum).epsilon(1e-10));
    CHECK(result.lower_bound <= optimum);
    double before = std::numeric_limits<double>::infinity();
    for (const TraceRecord& record : result.trace) {
      CHECK(record.value <= before);
      CHECK(record.lower_bound <= optimum * (1.0 + 1e-14));
      before = record.value;
    }
  }
}

TEST_CASE("threads change no bit, and an interrupted solver hands back what it has") {
  const Observed observed = entries_of(random_matrix(40, 30, 6), false, false);
  const auto run = [&](const Context& context) {
    return solve(observed, {}, 2.0, Matrix(40, 0), Matrix(30, 0), residual_polar(1e-9), {}, context);
  };
  const SolveResult one = run(threads(1)), three = run(threads(3));
  CHECK(one.status == Status::certified);
  CHECK(one.u == three.u);
  CHECK(one.v == three.v);
  Monitor monitor([] { return true; });
  const Context context{1, nullptr, &monitor};
  std::this_thread::sleep_for(std::chrono::milliseconds(60));  // the monitor polls every 50 ms
  const SolveResult stopped = run(context);
  CHECK(stopped.status == Status::interrupted);
  CHECK(stopped.u.rows() == 40);
  CHECK(stopped.value >= one.value * (1.0 - 1e-9));
}

TEST_CASE("wrong entries are refused by name") {
  const std::int64_t rows[] = {0, 0}, columns[] = {1, 1}, outside[] = {1, 5};
  const double targets[] = {1.0, 2.0}, negative[] = {1.0, -1.0};
  CHECK_THROWS_AS(observe(2, 2, rows, columns, targets, nullptr, 2), std::invalid_argument);
  CHECK_THROWS_AS(observe(2, 2, rows, outside, targets, nullptr, 2), std::invalid_argument);
  const std::int64_t other[] = {0, 1};
  CHECK_THROWS_AS(observe(2, 2, rows, other, targets, negative, 2), std::invalid_argument);
}
