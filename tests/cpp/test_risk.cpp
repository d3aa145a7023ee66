// Moments, factors and spectral data: one pass equals two, both forms agree, streams equal the whole.
#include "landscape/risk/covariances.hpp"
#include "landscape/risk/spectral.hpp"
#include "support.hpp"

using namespace landscape;
using support::distance;
using support::random_matrix;
using support::threads;

namespace {

const ConstVectorMap kNoWeights(nullptr, 0);

struct Sums {
  Matrix sxx, sxy, syy;
  risk::Totals totals;
  Sums(Index n0, Index n2) : sxx(Matrix::Zero(n0, n0)), sxy(Matrix::Zero(n0, n2)), syy(Matrix::Zero(n2, n2)) {
    totals.mean_x = Vector::Zero(n0);
    totals.mean_y = Vector::Zero(n2);
  }
  risk::MomentSums views() { return {sxx, sxy, syy}; }
};

Matrix lower(const Matrix& a) { return a.triangularView<Eigen::Lower>(); }

}  // namespace

TEST_CASE("centred, weighted sums equal the two-pass definition, and merge") {
  const Index m = 9000;  // more than one block of rows
  Matrix x = random_matrix(m, 5, 1);
  x.array() += 1e6;  // a mean that would cost twelve digits if moments were centred afterwards
  const Matrix y = random_matrix(m, 2, 2);
  const Vector weights = random_matrix(m, 1, 3).cwiseAbs().col(0);
  const ConstVectorMap w(weights.data(), m);
  Sums whole(5, 2), first(5, 2), second(5, 2);
  risk::accumulate_moments(x, y, w, true, whole.views(), whole.totals, threads(2));
  const Vector mean = x.transpose() * weights / weights.sum();
  const Matrix centred = x.rowwise() - mean.transpose();
  const Matrix expected = centred.transpose() * weights.asDiagonal() * centred;
  CHECK(distance(lower(whole.sxx), lower(expected)) < 1e-8 * expected.cwiseAbs().maxCoeff());
  CHECK((whole.totals.mean_x - mean).cwiseAbs().maxCoeff() < 1e-8);

  const Index half = 4000;
  risk::accumulate_moments(x.topRows(half), y.topRows(half), ConstVectorMap(weights.data(), half), true, first.views(),
                           first.totals, threads(1));
  risk::accumulate_moments(x.bottomRows(m - half), y.bottomRows(m - half),
                           ConstVectorMap(weights.data() + half, m - half), true, second.views(), second.totals,
                           threads(1));
  risk::merge_moments(second.views(), second.totals, true, first.views(), first.totals);
  CHECK(distance(lower(first.sxx), lower(whole.sxx)) < 1e-8 * expected.cwiseAbs().maxCoeff());
  CHECK(distance(first.sxy, whole.sxy) < 1e-8 * expected.cwiseAbs().maxCoeff());
}

TEST_CASE("the factor squares to the moments, for few and for many rows") {
  for (const Index m : {1, 3, 7, 50, 3000}) {
    const Matrix x = random_matrix(m, 4, 4), y = random_matrix(m, 3, 5);
    risk::Totals totals;
    totals.mean_x = Vector::Zero(4);
    totals.mean_y = Vector::Zero(3);
    const Matrix factor = risk::accumulate_factor(Matrix(0, 7), x, y, kNoWeights, false, totals, threads(1));
    CHECK(factor.rows() <= std::max<Index>(7, 0));
    CHECK(totals.weight == doctest::Approx(static_cast<double>(m)));
    CHECK(distance(factor.leftCols(4).transpose() * factor.leftCols(4), x.transpose() * x) < 1e-10);
    CHECK(distance(factor.leftCols(4).transpose() * factor.rightCols(3), x.transpose() * y) < 1e-10);
    CHECK(distance(factor.rightCols(3).transpose() * factor.rightCols(3), y.transpose() * y) < 1e-10);
  }
}

TEST_CASE("spectral data of both forms agree, whiten, and reproduce the risk") {
  const Matrix x = random_matrix(60, 6, 6), y = random_matrix(60, 4, 7);
  const Matrix fx = x / std::sqrt(60.0), fy = y / std::sqrt(60.0);
  const Matrix xx = fx.transpose() * fx, xy = fx.transpose() * fy;
  const auto from_factor = risk::spectral_from_factor(fx, fy, 0, threads(1));
  const auto from_moments = risk::spectral_from_moments(xx, xy, fy.squaredNorm(), 0, threads(1));
  CHECK((from_factor.singular_values - from_moments.singular_values).cwiseAbs().maxCoeff() < 1e-12);
  for (const auto& data : {from_factor, from_moments}) {
    CHECK(data.rank == 4);
    CHECK(data.rank_x() == 6);
    CHECK(distance(data.whitening.transpose() * xx * data.whitening, Matrix::Identity(6, 6)) < 1e-11);
    CHECK(distance(data.colouring, xx * data.whitening) < 1e-11);
    const Matrix z = random_matrix(4, 6, 8);
    const double direct = (y - x * z.transpose()).squaredNorm() / 60.0;
    CHECK(data.minimum_risk + (z * data.colouring - data.cross).squaredNorm() ==
          doctest::Approx(direct).epsilon(1e-12));
  }
}

TEST_CASE("degenerate inputs: zero data, zero and duplicated columns, one number") {
  const auto zero = risk::spectral_from_moments(Matrix::Zero(3, 3), Matrix::Zero(3, 2), 0.0, 0, threads(1));
  CHECK(zero.rank == 0);
  CHECK(zero.rank_x() == 0);
  CHECK(zero.minimum_risk == 0.0);
  Matrix x = random_matrix(30, 4, 9);
  x.col(2) = x.col(0);
  x.col(3).setZero();
  const auto data = risk::spectral_from_factor(x, random_matrix(30, 2, 10), 0, threads(1));
  CHECK(data.rank_x() == 2);
  CHECK(data.condition < 10.0);
  CHECK(distance(data.whitening.transpose() * (x.transpose() * x) * data.whitening, Matrix::Identity(2, 2)) < 1e-12);
  const auto scalar =
      risk::spectral_from_moments(Matrix::Constant(1, 1, 4.0), Matrix::Constant(1, 1, 2.0), 3.0, 0, threads(1));
  CHECK(scalar.singular_values(0) == doctest::Approx(1.0));
  CHECK(scalar.minimum_risk == doctest::Approx(2.0));
}

TEST_CASE("the condition estimate ignores units and zero columns") {
  Matrix a(3, 3);
  a << 1e12, 0, 0, 0, 1e-12, 0, 0, 0, 0;
  CHECK(risk::equilibrated_rcond(a) > 0.5);
  a << 1, 0, 0, 1, 1, 0, 0, 0, 1;  // lower triangle of a singular matrix
  CHECK(risk::equilibrated_rcond(a) < 1e-12);
}
