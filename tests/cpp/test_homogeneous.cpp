// Homogeneous networks: derivatives by differences, the polar by hand and against a grid, both sides of every bound,
// the corrective step's own gap, the same bits for every number of threads.
#include <cmath>
#include <limits>

#include "landscape/homogeneous/ascent.hpp"
#include "landscape/homogeneous/branch_and_bound.hpp"
#include "landscape/homogeneous/faces.hpp"
#include "landscape/homogeneous/group_lasso.hpp"
#include "landscape/homogeneous/network.hpp"
#include "landscape/homogeneous/pair.hpp"
#include "landscape/homogeneous/spectral_bounds.hpp"
#include "landscape/homogeneous/sweep.hpp"
#include "landscape/random.hpp"
#include "support.hpp"

using namespace landscape;
using namespace landscape::homogeneous;
using support::random_matrix;
using support::threads;

namespace {

double f(const Matrix& x, const Matrix& q, double slope, const Vector& w) {
  const Vector t = x * w;
  const Vector h = t.cwiseMax(slope * t);
  return (q.transpose() * h).norm();
}

// The largest f over directions of a grid of angles.
double on_grid(const Matrix& x, const Matrix& q, double slope, int steps) {
  double best = 0.0;
  for (int i = 0; i < steps; ++i)
    for (int j = 0; j < (x.cols() == 2 ? 1 : steps); ++j) {
      const double phi = 6.283185307179586 * i / steps, theta = 3.141592653589793 * (j + 0.5) / steps;
      Vector w(x.cols());
      if (x.cols() == 2)
        w << std::cos(phi), std::sin(phi);
      else
        w << std::cos(phi) * std::sin(theta), std::sin(phi) * std::sin(theta), std::cos(theta);
      best = std::max(best, f(x, q, slope, w));
    }
  return best;
}

void check_derivatives(const Problem& problem, const Architecture& architecture, double tolerance) {
  const auto network = make_network(problem, architecture);
  const auto work = network->workspace();
  const Context context = threads(2);
  const Index n = network->size();
  const Matrix point = random_matrix(1, n, 3), d = random_matrix(1, n, 4);
  Vector g(n), above(n), below(n), product(n);
  network->evaluate(point.data(), g.data(), *work, context);
  network->hessian_product(point.data(), d.data(), product.data(), *work, context);
  const double h = 1e-6;
  const Matrix up = point + h * d, down = point - h * d;
  const double v_up = network->evaluate(up.data(), above.data(), *work, context);
  const double v_down = network->evaluate(down.data(), below.data(), *work, context);
  const double slope = g.dot(Vector(d.transpose())), size = std::max(1.0, product.norm());
  CHECK(std::abs((v_up - v_down) / (2.0 * h) - slope) <= tolerance * std::max(1.0, std::abs(slope)));
  CHECK(((above - below) / (2.0 * h) - product).norm() <= tolerance * size);
  CHECK(network->evaluate(point.data(), nullptr, *work, threads(1)) ==
        network->evaluate(point.data(), nullptr, *work, context));
}

}  // namespace

TEST_CASE("gradients and products of the Hessian are the differences, for every loss and unit") {
  const Matrix x = random_matrix(7, 3, 1), y = random_matrix(7, 2, 2);
  const Matrix signs = y.unaryExpr([](double t) { return t < 0.0 ? -1.0 : 1.0; });
  Matrix rows = Matrix::Zero(7, 2);
  for (Index i = 0; i < 7; ++i) rows(i, i % 2) = 1.0;
  for (const LossKind kind :
       {LossKind::squared, LossKind::huber, LossKind::logistic, LossKind::squared_hinge, LossKind::softmax}) {
    const Matrix& targets = kind == LossKind::softmax                                       ? rows
                            : kind == LossKind::logistic || kind == LossKind::squared_hinge ? signs
                                                                                            : y;
    Problem problem;
    new (&problem.x) ConstMatrixMap(x.data(), 7, 3);
    new (&problem.y) ConstMatrixMap(targets.data(), 7, 2);
    problem.loss = {kind, 50.0};
    problem.lam = 0.3;
    for (const bool intercept : {false, true}) {
      problem.intercept = problem.intercept_decay = intercept;
      for (const Activation act : {Activation{0.0, 1}, {0.1, 1}, {-1.0, 1}, {1.0, 1}, {0.0, 2}, {-1.0, 2}})
        for (const bool product : {false, true}) check_derivatives(problem, {act, {}, 4, product}, 1e-5);
      for (const bool product : {false, true}) check_derivatives(problem, {{0.0, 1}, {3, 2}, 2, product}, 1e-5);
    }
  }
}

TEST_CASE("the polar of THEORY 7.1 and 7.2") {
  const Context context = threads(1);
  Matrix x(2, 1), q(2, 1);
  x << 1.0, -1.0;
  q << 2.0, 1.0;
  CHECK(line(x, q, 0.0, {}, context).upper == doctest::Approx(2.0));
  CHECK(line(x, q, -1.0, {}, context).upper == doctest::Approx(3.0));
  const Matrix eye = Matrix::Identity(2, 2);
  q << 1.0, 1.0;
  CHECK(sweep(eye, q, 0.0, {}, context).upper == doctest::Approx(std::sqrt(2.0)));
  q << 1.0, -1.0;
  CHECK(sweep(eye, q, 0.0, {}, context).upper == doctest::Approx(1.0));
}

TEST_CASE("exact in two and three dimensions, and every upper bound is one") {
  for (const double slope : {0.0, 0.1, -1.0})
    for (const Index outputs : {Index{1}, Index{2}})
      for (const Index d : {Index{2}, Index{3}}) {
        const Matrix x = random_matrix(9, d, 5), q = random_matrix(9, outputs, 6);
        const double seen = on_grid(x, q, slope, d == 2 ? 4000 : 400);
        double lower = 0.0, upper = 0.0;
        Vector direction;
        if (d == 2) {
          const SweepResult found = sweep(x, q, slope, {}, threads(2));
          CHECK(found.upper == sweep(x, q, slope, {}, threads(1)).upper);
          lower = found.lower, upper = found.upper, direction = found.direction;
        } else {
          const FacesResult found = faces(x, q, slope, {}, threads(2));
          REQUIRE(found.complete);
          CHECK(found.upper == faces(x, q, slope, {}, threads(1)).upper);
          lower = found.lower, upper = found.upper, direction = found.direction;
        }
        CHECK(seen <= upper);
        CHECK(upper <= seen * (1.0 + 1e-3));
        CHECK(lower <= upper);
        CHECK(upper - lower <= 1e-10 * upper);
        CHECK(f(x, q, slope, direction) >= lower);
        const AscentResult climbed = ascend(x, q, {slope, 1}, Matrix(0, d), {}, threads(2));
        CHECK(climbed.lower <= upper);
        CHECK(climbed.lower >= 0.7 * lower);
        const SpectralBounds bounds = spectral_bounds(x, q, {slope, 1}, {}, threads(2));
        CHECK(bounds.norms >= lower);
        CHECK(bounds.shor >= lower);
        BranchSettings settings;
        settings.keep_leaves = true;
        const BranchResult tree = branch_and_bound(x, q, slope, settings, threads(2));
        CHECK(tree.upper >= lower);
        CHECK(tree.upper <= 1.011 * upper);
        CHECK(!tree.leaves.empty());
        CHECK(tree.upper == branch_and_bound(x, q, slope, settings, threads(1)).upper);
      }
}

TEST_CASE("degenerate data: zeros, one sample, duplicates, opposites") {
  const Context context = threads(1);
  const Matrix zero = Matrix::Zero(3, 3), q = random_matrix(3, 1, 7);
  CHECK(faces(zero, q, 0.0, {}, context).upper == 0.0);
  CHECK(branch_and_bound(zero, q, 0.0, {}, context).upper == 0.0);
  Matrix x(4, 3);
  x << 1, 0, 0, 2, 0, 0, -1, 0, 0, 0, 1, 0;
  const Matrix ones = Matrix::Ones(4, 1);
  const FacesResult found = faces(x, ones, 0.0, {}, context);
  REQUIRE(found.complete);
  CHECK(found.upper == doctest::Approx(std::sqrt(10.0)));  // 3 w1 + w2 where both are positive
  CHECK(branch_and_bound(x, ones, 0.0, {}, context).upper >= found.lower);
}

TEST_CASE("the corrective step proves its own gap") {
  const Matrix h = random_matrix(30, 12, 8).cwiseMax(0.0), y = random_matrix(30, 2, 9);
  const GroupLassoResult found = group_lasso(h, y, {}, 1.0, true, Matrix(0, 0), {}, threads(2));
  CHECK(found.converged);
  CHECK(found.gap <= 1e-10 * found.value);
  const Matrix z = (h * found.c).rowwise() + found.intercept.transpose();
  const double value = 0.5 * (z - y).squaredNorm() + found.c.rowwise().norm().sum();
  CHECK(std::abs(value - found.value) <= 1e-12 * value);
  CHECK(group_lasso(h, y, {}, 1e6, true, Matrix(0, 0), {}, threads(1)).c.norm() == 0.0);
}

TEST_CASE("pairs (phi, theta): degrees, Euler's identity, the adjoint against differences") {
  namespace homo = landscape::homogeneous;
  using landscape::ConstMatrixMap;
  using landscape::Index;
  using landscape::Matrix;
  using landscape::Vector;
  const landscape::CounterRandom random(7, 1);
  const Index m = 150, d = 3, outputs = 2;  // more than one chunk of samples
  Matrix x(m, d), q(m, outputs), z(m, outputs), scaled(m, outputs);
  for (Index i = 0; i < x.size(); ++i) x.data()[i] = random.normal(static_cast<std::uint64_t>(i));
  for (Index i = 0; i < q.size(); ++i) q.data()[i] = random.normal(static_cast<std::uint64_t>(10000 + i));
  const ConstMatrixMap view(x.data(), m, d);
  struct Kind {
    double slope;
    int power;
    std::vector<Index> hidden;
    bool product;
  };
  for (const Kind& kind :
       {Kind{1.0, 1, {}, false}, Kind{0.0, 1, {}, false}, Kind{0.1, 1, {}, true}, Kind{-1.0, 1, {}, false},
        Kind{0.0, 2, {}, false}, Kind{1.0, 2, {}, true}, Kind{0.0, 1, {4, 3}, false}, Kind{1.0, 1, {2}, true}}) {
    const homo::Pair pair(view, outputs, {{kind.slope, kind.power}, kind.hidden, 1, kind.product});
    Vector w(pair.size()), g(pair.size());
    for (Index i = 0; i < w.size(); ++i) w[i] = random.normal(static_cast<std::uint64_t>(20000 + i));
    pair.apply(w.data(), z);
    const double theta = pair.theta(w.data()), fit = q.cwiseProduct(z).sum();
    pair.adjoint(w.data(), q, g.data());
    CHECK(g.dot(w) == doctest::Approx(pair.degree() * fit).epsilon(1e-11));
    const Vector twice = 2.0 * w;
    const double factor = std::pow(2.0, pair.degree());
    pair.apply(twice.data(), scaled);
    CHECK((scaled - factor * z).norm() <= 1e-12 * scaled.norm());
    CHECK(pair.theta(twice.data()) == doctest::Approx(factor * theta).epsilon(1e-13));
    for (Index i = 0; i < w.size(); ++i) {
      Vector moved = w;
      moved[i] += 1e-6;
      pair.apply(moved.data(), scaled);
      CHECK((q.cwiseProduct(scaled).sum() - fit) / 1e-6 == doctest::Approx(g[i]).epsilon(1e-3).scale(g.norm()));
    }
  }
}
