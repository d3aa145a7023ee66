// Products, decompositions and Lanczos against the definitions.
#include <algorithm>
#include <cmath>
#include <vector>

#include "landscape/linalg/decompositions.hpp"
#include "landscape/linalg/lanczos.hpp"
#include "landscape/linalg/magnitude.hpp"
#include "landscape/linalg/products.hpp"
#include "support.hpp"

using namespace landscape;
using support::distance;
using support::random_matrix;
using support::threads;

TEST_CASE("products equal the plain ones at every boundary of tiles, blocks and thin shapes") {
  for (const Index m : {1, 5, 12, 13, 24, 25, 63, 64, 65, 130})
    for (const Index k : {0, 1, 7, 33, 192, 193, 1600})
      for (const Index n : {1, 3, 15, 17, 24, 25, 64, 65, 257}) {
        const Matrix a = random_matrix(m, k, 1), b = random_matrix(k, n, 2), start = random_matrix(m, n, 3);
        const Matrix expected = a * b;
        const double close = 1e-14 * static_cast<double>(k + 10);
        Matrix c(m, n);
        linalg::multiply(a, b, c, threads(2));
        CHECK(distance(c, expected) < close);
        linalg::multiply_transposed(a.transpose().eval(), b, c, threads(2));
        CHECK(distance(c, expected) < close);
        linalg::multiply_by_transposed(a, b.transpose().eval(), c, threads(1));
        CHECK(distance(c, expected) < close);
        c = start;
        linalg::multiply(a, b, c, threads(1), linalg::Into::add);
        CHECK(distance(c, start + expected) < close);
        c = start;
        linalg::multiply_transposed(a.transpose().eval(), b, c, threads(1), linalg::Into::add);
        CHECK(distance(c, start + expected) < close);
        c = start;
        linalg::multiply_by_transposed(a, b.transpose().eval(), c, threads(2), linalg::Into::add);
        CHECK(distance(c, start + expected) < close);
      }
}

TEST_CASE("products of blocks of larger matrices read and write their own entries only, whatever the threads") {
  for (const Index m : {6, 40})
    for (const Index n : {30, 6}) {
      const Index k = 900;
      const Matrix a = random_matrix(m + 2, k + 3, 1), b = random_matrix(k + 2, n + 5, 2),
                   bt = random_matrix(n + 2, k + 4, 3);
      Matrix c = Matrix::Constant(m + 2, n + 4, 7.0), d = c, once = c, once_by = c;
      const auto run = [&](Matrix& out, Matrix& out_by, int n_threads) {
        linalg::multiply(a.block(1, 2, m, k), b.block(1, 3, k, n), out.block(1, 2, m, n), threads(n_threads));
        linalg::multiply_by_transposed(a.block(1, 2, m, k), bt.block(1, 3, n, k), out_by.block(1, 2, m, n),
                                       threads(n_threads));
      };
      run(c, d, 2);
      run(once, once_by, 1);
      CHECK(c == once);
      CHECK(d == once_by);
      CHECK(distance(c.block(1, 2, m, n), a.block(1, 2, m, k) * b.block(1, 3, k, n)) < 1e-11);
      CHECK(distance(d.block(1, 2, m, n), a.block(1, 2, m, k) * bt.block(1, 3, n, k).transpose()) < 1e-11);
      for (Matrix* each : {&c, &d}) {
        each->block(1, 2, m, n).setConstant(7.0);
        CHECK((each->array() == 7.0).all());
      }
    }
}

TEST_CASE("skinny products equal the plain ones for every number of columns") {
  Vector pack;
  for (const Index n : {1, 3, 4, 64, 67, 300})
    for (Index columns = 1; columns <= linalg::kSkinnyColumns + 2; ++columns) {
      const Matrix s = random_matrix(n, n, 4), d = random_matrix(n, columns, 5);
      Matrix c(n, columns);
      linalg::multiply_skinny(s, d, c, pack, threads(2));
      CHECK(distance(c, s * d) < 1e-14 * static_cast<double>(n + 10));
    }
}

TEST_CASE("the largest magnitude, wherever it is, and NaN wherever an entry is not finite") {
  for (const Index n : {0, 1, 3, 4, 7, 8, 31, 32, 33, 64, 100}) {
    const Matrix entries = random_matrix(1, std::max<Index>(n, 1), 9);
    const auto largest = [&](const Vector& x) { return linalg::largest_magnitude(ConstVectorMap(x.data(), x.size())); };
    const Vector x = entries.row(0).head(n).transpose();
    CHECK(largest(x) == (n == 0 ? 0.0 : x.cwiseAbs().maxCoeff()));
    for (Index i = 0; i < n; ++i) {
      Vector y = x;
      y(i) = -1e300;
      CHECK(largest(y) == 1e300);
      for (const double bad : {std::numeric_limits<double>::quiet_NaN(), kInfinity, -kInfinity}) {
        y(i) = bad;
        CHECK(std::isnan(largest(y)));
      }
    }
  }
}

TEST_CASE("accumulated Gram and cross products") {
  const Matrix x = random_matrix(300, 70, 6), y = random_matrix(300, 9, 7);
  Matrix gram = Matrix::Identity(70, 70), cross = Matrix::Ones(70, 9);
  linalg::accumulate_gram(x, gram, threads(2));
  linalg::accumulate_cross(x, y, cross, threads(2));
  const Matrix full = Matrix::Identity(70, 70) + x.transpose() * x;
  CHECK(Matrix((gram - full).triangularView<Eigen::Lower>()).cwiseAbs().maxCoeff() < 1e-11);
  CHECK(distance(cross, Matrix(Matrix::Ones(70, 9) + x.transpose() * y)) < 1e-11);
}

TEST_CASE("decompositions reproduce their matrix, wide, tall, square and empty") {
  for (const auto& [m, n] : std::vector<std::pair<Index, Index>>{{1, 1}, {3, 7}, {40, 12}, {30, 30}, {0, 4}, {4, 0}}) {
    const Matrix a = random_matrix(m, n, 8);
    const linalg::ThinSvd svd = linalg::thin_svd(a, threads(1));
    const Index k = std::min(m, n);
    REQUIRE(svd.left.cols() == k);
    REQUIRE(svd.right.rows() == n);
    if (k == 0) continue;
    CHECK(distance(svd.left * svd.values.asDiagonal() * svd.right.transpose(), a) < 1e-13);
    CHECK(std::is_sorted(svd.values.data(), svd.values.data() + k, std::greater<>()));
    const Matrix r = linalg::qr_factor(a, threads(1));
    CHECK(distance(r.transpose() * r, a.transpose() * a) < 1e-12);
    const linalg::SymmetricEigen eigen = linalg::symmetric_eigen(a * a.transpose(), threads(1));
    CHECK(distance(eigen.vectors * eigen.values.asDiagonal() * eigen.vectors.transpose(), a * a.transpose()) < 1e-12);
  }
}

TEST_CASE("Lanczos finds every copy of a repeated eigenvalue, at both ends") {
  Vector spectrum(60);
  for (Index i = 0; i < 60; ++i) spectrum(i) = static_cast<double>(i);
  spectrum.head(3).setConstant(-2.0);
  spectrum.tail(2).setConstant(100.0);
  const Matrix q = linalg::orthonormal_columns(random_matrix(60, 60, 9));
  const Matrix a = q * spectrum.asDiagonal() * q.transpose();
  const linalg::SymmetricOperator apply = [&](const double* x, double* y) {
    VectorMap(y, 60).noalias() = a * ConstVectorMap(x, 60);
  };
  linalg::LanczosSettings settings;
  settings.count = 4;
  linalg::LanczosResult result = linalg::lanczos(apply, 60, settings, threads(1));
  CHECK(result.converged);
  CHECK(distance(result.values, Vector((Vector(4) << -2, -2, -2, 3).finished())) < 1e-6);
  CHECK(result.residuals.maxCoeff() < 1e-5);
  CHECK(distance(result.vectors * result.vectors.transpose(), Matrix::Identity(4, 4)) < 1e-8);
  settings.largest = true;
  settings.count = 2;
  result = linalg::lanczos(apply, 60, settings, threads(1));
  CHECK(distance(result.values, Vector((Vector(2) << 100, 100).finished())) < 1e-6);
}

TEST_CASE("Lanczos on tiny and zero operators, and out of budget") {
  for (const Index n : {1, 2, 5}) {
    linalg::LanczosSettings settings;
    settings.count = n;
    const linalg::SymmetricOperator zero = [&](const double*, double* y) { VectorMap(y, n).setZero(); };
    const linalg::LanczosResult result = linalg::lanczos(zero, n, settings, threads(1));
    CHECK(result.converged);
    CHECK(result.values.size() == n);
    CHECK(result.values.cwiseAbs().maxCoeff() == 0.0);
  }
  linalg::LanczosSettings settings;
  settings.max_products = 25;
  settings.tolerance = 1e-12;
  const linalg::SymmetricOperator hard = [](const double* x, double* y) {
    for (int i = 0; i < 5000; ++i) y[i] = x[i] / (1.0 + i);
  };
  const linalg::LanczosResult result = linalg::lanczos(hard, 5000, settings, threads(1));
  CHECK_FALSE(result.converged);
  CHECK(result.values.size() == 1);
  settings.count = 0;
  CHECK_THROWS_AS(linalg::lanczos(hard, 5000, settings, threads(1)), std::invalid_argument);
}
