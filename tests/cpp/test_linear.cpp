// The shallow linear landscape: THEORY 2.8 by hand, derivatives by differences, both forms, threads, slices.
#include "landscape/curvature/slice.hpp"
#include "landscape/linear/classify.hpp"
#include "landscape/linear/shallow.hpp"
#include "landscape/risk/spectral.hpp"
#include "support.hpp"

using namespace landscape;
using support::distance;
using support::random_matrix;
using support::threads;

namespace {

struct Problem {
  Matrix fx, fy, xx, xy;
  Index n0, n1, n2;
  double total;
  Problem(Index inputs, Index hidden, Index outputs, Index rows = 50) : n0(inputs), n1(hidden), n2(outputs) {
    fx = random_matrix(rows, n0, 1) / std::sqrt(static_cast<double>(rows));
    fy = random_matrix(rows, n2, 2) / std::sqrt(static_cast<double>(rows));
    xx = fx.transpose() * fx;
    xy = fx.transpose() * fy;
    total = fy.squaredNorm();
  }
  linear::Risk moments() const {
    return {ConstMatrixMap(xx.data(), n0, n0), ConstMatrixMap(xy.data(), n0, n2), ConstMatrixMap(nullptr, 0, 0),
            ConstMatrixMap(nullptr, 0, 0), total};
  }
  linear::Risk data() const {
    return {ConstMatrixMap(nullptr, 0, 0), ConstMatrixMap(nullptr, 0, 0), ConstMatrixMap(fx.data(), fx.rows(), n0),
            ConstMatrixMap(fy.data(), fy.rows(), n2), total};
  }
  Matrix u(std::uint64_t seed) const { return random_matrix(n2, n1, seed); }
  Matrix v(std::uint64_t seed) const { return random_matrix(n0, n1, seed + 100); }
};

}  // namespace

TEST_CASE("THEORY 2.8: the three critical points") {
  Matrix xx = Matrix::Identity(2, 2), xy(2, 2), e1(2, 1), e2(2, 1);
  xy << 2, 0, 0, 1;
  e1 << 1, 0;
  e2 << 0, 1;
  const auto data = risk::spectral_from_moments(xx, xy, 7.0, 0, threads(1));
  CHECK(data.singular_values(0) * data.singular_values(0) == doctest::Approx(4.0));
  linear::Directions directions;
  const double root = std::sqrt(2.0);
  auto found = linear::classify(data, root * e1, root * e1, 1e-8, &directions, threads(1));
  CHECK(found.kind == linear::Kind::global_minimum);
  CHECK(found.value == doctest::Approx(3.0));
  found = linear::classify(data, e2, e2, 1e-8, &directions, threads(1));
  CHECK(found.kind == linear::Kind::strict_saddle);
  CHECK(found.curvature == doctest::Approx(-6.0));
  CHECK(found.scaled_curvature == doctest::Approx(-8.0));
  CHECK(found.morse_index == 1);
  CHECK(found.nullity == 1);
  REQUIRE(directions.indices_defined);
  CHECK(directions.indices(0) == 1);
  found = linear::classify(data, 0.0 * e1, 0.0 * e1, 1e-8, nullptr, threads(1));
  CHECK(found.kind == linear::Kind::strict_saddle);
  CHECK(found.rayleigh == doctest::Approx(-4.0));
  CHECK(found.morse_index == 2);
  CHECK(linear::classify(data, e1, e2, 1e-8, nullptr, threads(1)).kind == linear::Kind::not_critical);
}

TEST_CASE("gradient, product and curvature agree with differences of the value, in both forms and all width orders") {
  for (const auto& [n0, n1, n2] :
       std::vector<std::array<Index, 3>>{{6, 2, 4}, {6, 7, 4}, {40, 3, 5}, {40, 30, 2}, {1, 1, 1}}) {
    const Problem problem(n0, n1, n2);
    for (const linear::Risk& risk : {problem.moments(), problem.data()}) {
      linear::Workspace work;
      const Matrix u = problem.u(3), v = problem.v(3), du = problem.u(4), dv = problem.v(4);
      const auto along = [&](double t) { return linear::value(risk, u + t * du, v + t * dv, work, threads(1)); };
      Matrix g_u(n2, n1), g_v(n0, n1), h_u(n2, n1), h_v(n0, n1);
      const double value = linear::gradient(risk, u, v, g_u, g_v, work, threads(2));
      CHECK(value == doctest::Approx(along(0.0)).epsilon(1e-13));
      // The value along a line is a quartic: five-point differences are exact up to rounding.
      const double h = 0.05;
      const double slope = (8.0 * (along(h) - along(-h)) - (along(2 * h) - along(-2 * h))) / (12.0 * h);
      const double bend =
          (16.0 * (along(h) + along(-h)) - (along(2 * h) + along(-2 * h)) - 30.0 * along(0.0)) / (12.0 * h * h);
      CHECK(g_u.cwiseProduct(du).sum() + g_v.cwiseProduct(dv).sum() == doctest::Approx(slope).epsilon(1e-9));
      const linear::Hessian hessian(risk, u, v, threads(1));
      CHECK(hessian.curvature(du, dv, work, threads(1)) == doctest::Approx(bend).epsilon(1e-8));
      hessian.apply(du, dv, h_u, h_v, work, threads(2));
      CHECK(h_u.cwiseProduct(du).sum() + h_v.cwiseProduct(dv).sum() == doctest::Approx(bend).epsilon(1e-8));
    }
  }
}

TEST_CASE("moment form and data form agree") {
  const Problem problem(30, 8, 10);
  linear::Workspace work;
  const Matrix u = problem.u(5), v = problem.v(5), du = problem.u(6), dv = problem.v(6);
  Matrix h_u(10, 8), h_v(30, 8), k_u(10, 8), k_v(30, 8);
  linear::Hessian(problem.moments(), u, v, threads(1)).apply(du, dv, h_u, h_v, work, threads(1));
  linear::Hessian(problem.data(), u, v, threads(1)).apply(du, dv, k_u, k_v, work, threads(1));
  CHECK(distance(h_u, k_u) < 1e-11);
  CHECK(distance(h_v, k_v) < 1e-11);
}

TEST_CASE("the same bits for every number of threads") {
  const Problem problem(150, 70, 80, 200);
  for (const linear::Risk& risk : {problem.moments(), problem.data()}) {
    linear::Workspace work;
    const Matrix u = problem.u(7), v = problem.v(7), du = problem.u(8), dv = problem.v(8);
    Matrix first_u(80, 70), first_v(150, 70), h_u(80, 70), h_v(150, 70);
    linear::Hessian(risk, u, v, threads(1)).apply(du, dv, first_u, first_v, work, threads(1));
    for (const int n : {2, 3, 7}) {
      linear::Hessian(risk, u, v, threads(n)).apply(du, dv, h_u, h_v, work, threads(n));
      CHECK(distance(h_u, first_u) == 0.0);
      CHECK(distance(h_v, first_v) == 0.0);
    }
  }
}

TEST_CASE("slices equal values") {
  const Problem problem(7, 3, 4);
  for (const linear::Risk& risk : {problem.moments(), problem.data()}) {
    linear::Workspace work;
    const Matrix u = problem.u(9), v = problem.v(9), u1 = problem.u(10), v1 = problem.v(10), u2 = problem.u(11),
                 v2 = problem.v(11);
    const ConstMatrixView second_u = u2, second_v = v2;
    const Matrix c = linear::slice_coefficients(risk, u, v, u1, v1, &second_u, &second_v, threads(1));
    const Vector s = Vector::LinSpaced(70, -1.0, 1.0), t = Vector::LinSpaced(3, -0.5, 2.0);
    Matrix values(70, 3);
    curvature::evaluate_slice(c, ConstVectorMap(s.data(), 70), ConstVectorMap(t.data(), 3), values, threads(2));
    for (Index a = 0; a < 70; a += 23)
      for (Index b = 0; b < 3; ++b) {
        const double expected =
            linear::value(risk, u + s(a) * u1 + t(b) * u2, v + s(a) * v1 + t(b) * v2, work, threads(1));
        CHECK(values(a, b) == doctest::Approx(expected).epsilon(1e-11));
      }
  }
}
