// Deep linear networks: THEORY 3.8 by hand, derivatives by differences at every pivot, both forms, one hidden layer.
#include "landscape/linear/deep.hpp"

#include <cmath>

#include "landscape/linear/shallow.hpp"
#include "support.hpp"

using namespace landscape;
using linear::DeepState;
using linear::Layers;
using linear::Widths;
using support::distance;
using support::random_matrix;
using support::threads;

namespace {

struct Problem {
  Widths widths;
  Matrix fx, fy, xx, xy;
  explicit Problem(Widths sizes, Index rows = 40) : widths(std::move(sizes)) {
    fx = random_matrix(rows, widths.front(), 1) / std::sqrt(static_cast<double>(rows));
    fy = random_matrix(rows, widths.back(), 2) / std::sqrt(static_cast<double>(rows));
    xx = fx.transpose() * fx;
    xy = fx.transpose() * fy;
  }
  linear::Risk moments() const {
    return {ConstMatrixMap(xx.data(), xx.rows(), xx.cols()), ConstMatrixMap(xy.data(), xy.rows(), xy.cols()),
            ConstMatrixMap(nullptr, 0, 0), ConstMatrixMap(nullptr, 0, 0), fy.squaredNorm()};
  }
  linear::Risk data() const {
    return {ConstMatrixMap(nullptr, 0, 0), ConstMatrixMap(nullptr, 0, 0),
            ConstMatrixMap(fx.data(), fx.rows(), fx.cols()), ConstMatrixMap(fy.data(), fy.rows(), fy.cols()),
            fy.squaredNorm()};
  }
  Matrix point(std::uint64_t seed) const { return random_matrix(1, linear::parameter_count(widths), seed) * 0.6; }
};

double value(const linear::Risk& risk, const Widths& widths, const Matrix& packed) {
  DeepState state;
  return linear::value(risk, linear::unpack(packed.data(), widths), state, threads(1));
}

Matrix gradient(const linear::Risk& risk, const Widths& widths, const Matrix& packed) {
  DeepState state;
  Matrix g(1, packed.cols());
  linear::gradient(risk, linear::unpack(packed.data(), widths), g.data(), state, threads(1));
  return g;
}

}  // namespace

TEST_CASE("the products are split where they cost least") {
  const auto pivot = [](const Widths& widths) { return linear::pivot_layer(Problem(widths).moments(), widths); };
  CHECK(pivot({90, 20, 20, 3}) == 0);
  CHECK(pivot({3, 20, 20, 90}) == 3);
  CHECK(pivot({60, 50, 2, 50, 60}) == 2);
}

TEST_CASE("derivatives are those of differences, in both forms and at every pivot") {
  for (const Widths& widths : {Widths{9, 6, 5, 2}, Widths{2, 6, 5, 9}, Widths{12, 9, 2, 9, 12}, Widths{12, 1, 12},
                               Widths{3, 4, 3}, Widths{1, 1, 1, 1}, Widths{4, 3, 2, 3, 5, 4, 3}}) {
    const Problem problem(widths);
    const Matrix p = problem.point(3), d = problem.point(4);
    const double h = 1e-5;
    for (const linear::Risk& risk : {problem.moments(), problem.data()}) {
      const Matrix g = gradient(risk, widths, p);
      const double slope = (value(risk, widths, p + h * d) - value(risk, widths, p - h * d)) / (2.0 * h);
      CHECK(g.cwiseProduct(d).sum() == doctest::Approx(slope).epsilon(1e-6));
      Matrix product(1, p.cols());
      DeepState change;
      const linear::DeepHessian hessian(risk, linear::unpack(p.data(), widths), threads(1));
      hessian.apply(d.data(), product.data(), change, threads(1));
      const Matrix differences = (gradient(risk, widths, p + h * d) - gradient(risk, widths, p - h * d)) / (2.0 * h);
      CHECK(distance(product, differences) <= 1e-6 * (1.0 + differences.cwiseAbs().maxCoeff()));
    }
    CHECK(value(problem.moments(), widths, p) == doctest::Approx(value(problem.data(), widths, p)).epsilon(1e-12));
  }
}

TEST_CASE("one hidden layer is the shallow network") {
  const Widths widths{5, 3, 4};
  const Problem problem(widths);
  const Matrix p = problem.point(5);
  const Layers w = linear::unpack(p.data(), widths);
  const Matrix v = w[0].transpose(), u = w[1];
  linear::Workspace work;
  CHECK(value(problem.moments(), widths, p) ==
        doctest::Approx(linear::value(problem.moments(), u, v, work, threads(1))).epsilon(1e-13));
}

TEST_CASE("THEORY 3.8: curvature of the loose pivot") {
  Matrix xx = Matrix::Identity(2, 2), xy(2, 2);
  xy << 3, 0, 0, 1;
  const linear::Risk risk{ConstMatrixMap(xx.data(), 2, 2), ConstMatrixMap(xy.data(), 2, 2),
                          ConstMatrixMap(nullptr, 0, 0), ConstMatrixMap(nullptr, 0, 0), 10.0};
  const double c = std::cbrt(3.0);
  Matrix p(1, 12), d(1, 12), h(1, 12);
  p << c, 0, 0, 0, c, 0, 0, 1, c, 0, 0, 0;
  d << 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1;  // D1 = D3 = e2 e2^T
  const Widths widths{2, 2, 2, 2};
  CHECK(value(risk, widths, p) == doctest::Approx(1.0));
  CHECK(gradient(risk, widths, p).norm() <= 1e-14);
  DeepState change;
  linear::DeepHessian(risk, linear::unpack(p.data(), widths), threads(1)).apply(d.data(), h.data(), change, threads(1));
  CHECK(h.cwiseProduct(d).sum() == doctest::Approx(-4.0));
}
