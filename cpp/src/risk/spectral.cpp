#include "landscape/risk/spectral.hpp"

#include <algorithm>
#include <cmath>

#include "landscape/linalg/decompositions.hpp"

namespace landscape::risk {

namespace {

// Column scaling 1/|column| (0 for a zero column, whose input carries nothing).
Vector inverse_scale(const Vector& second_moments) {
  return second_moments.unaryExpr([](double value) { return value > 0.0 ? 1.0 / std::sqrt(value) : 0.0; });
}

// T <- projection of T on range(B): then T = Sxx^{+1/2} up to a rotation and V = T(...) has the smallest norm.
void project_on_range(SpectralData& data) {
  if (data.rank_x() == data.whitening.rows()) return;
  const Matrix basis = linalg::orthonormal_columns(data.colouring);
  data.whitening = basis * (basis.transpose() * data.whitening).eval();
}

// Relative level below which a singular direction of the scaled inputs cannot be told from rounding. Whatever lies
// above is kept, even if its condition then leaves every verdict undecided: dropping a real direction would prove too
// much.
double null_level(Index dimension) { return 8.0 * kUnitRoundoff * std::sqrt(static_cast<double>(dimension)); }

void finish(SpectralData& data, double total, Index dimension, double summation, const Context& context) {
  project_on_range(data);
  const linalg::ThinSvd svd = linalg::thin_svd(data.cross, context);
  data.left = svd.left;
  data.singular_values = svd.values;
  data.right = svd.right;
  data.total = total;
  // Backward error of the decompositions (8 sqrt(n) u covers their modest constants) and of the moments themselves,
  // amplified by the condition of the scaled inputs: a subspace of relative size s turns by about u / s.
  // tests/test_certify.py holds it against multiple precision.
  const double plain = 8.0 * kUnitRoundoff * std::sqrt(static_cast<double>(dimension)) + kUnitRoundoff * summation;
  data.rounding = plain * data.condition;
  data.rank = (data.singular_values.array() > data.noise()).count();
  data.unresolved = (data.singular_values.array() > plain * std::sqrt(total)).count() - data.rank;
  data.minimum_risk = std::max(0.0, total - data.singular_values.squaredNorm());
}

}  // namespace

SpectralData spectral_from_moments(const ConstMatrixView& xx, const ConstMatrixView& xy, double trace_yy,
                                   double summation, const Context& context) {
  SpectralData data;
  const Index n0 = xx.rows();
  const Vector scale = inverse_scale(xx.diagonal());
  const Matrix scaled = scale.asDiagonal() * xx * scale.asDiagonal();
  const linalg::SymmetricEigen eigen = linalg::symmetric_eigen(scaled, context);
  const double largest = std::max(0.0, eigen.values(n0 - 1));
  const double tolerance = null_level(n0 + xy.cols()) * largest;
  Index first = 0;
  while (first < n0 && !(eigen.values(first) > tolerance)) ++first;
  const Index rank = n0 - first;
  if (rank > 0) {
    data.condition = largest / eigen.values(first);
    data.dropped = first > 0 ? std::abs(eigen.values(first - 1)) / largest : 0.0;
  }
  // T = D E d^{-1/2},  B = Sxx T = D^{-1} E d^{1/2}, with D^{-1} = 0 for zero columns
  const Vector root = eigen.values.tail(rank).cwiseSqrt().reverse();
  const Matrix vectors = eigen.vectors.rightCols(rank).rowwise().reverse();
  data.whitening = scale.asDiagonal() * vectors * root.cwiseInverse().asDiagonal();
  data.colouring = xx.diagonal().cwiseMax(0.0).cwiseSqrt().asDiagonal() * vectors * root.asDiagonal();
  data.cross = xy.transpose() * data.whitening;
  // A direction without variance must not covary either. If a dropped one does, beyond rounding, it was not null: the
  // moments are too ill-conditioned to say what it explains, and the margin must say so.
  const double dropped_cross = (eigen.vectors.leftCols(first).transpose() * scale.asDiagonal() * xy).norm();
  if (dropped_cross > null_level(n0 + xy.cols()) * std::sqrt(std::max(0.0, trace_yy)))
    data.condition = 1.0 / kUnitRoundoff;
  finish(data, trace_yy, n0 + xy.cols(), summation, context);
  return data;
}

SpectralData spectral_from_factor(const ConstMatrixView& fx, const ConstMatrixView& fy, double summation,
                                  const Context& context) {
  SpectralData data;
  const Vector scale = inverse_scale(fx.colwise().squaredNorm().transpose());
  const Matrix scaled = fx * scale.asDiagonal();
  const linalg::ThinSvd svd = linalg::thin_svd(scaled, context);
  const double largest = svd.values.size() > 0 ? svd.values(0) : 0.0;
  const double tolerance = null_level(fx.cols() + fy.cols()) * largest;
  const Index rank = (svd.values.array() > tolerance).count();
  if (rank > 0) {
    data.condition = largest / svd.values(rank - 1);
    data.dropped = rank < svd.values.size() ? svd.values(rank) / largest : 0.0;
  }
  // X D = P S R^T:  T = D R S^{-1},  B = Fx^T P,  M = Fy^T P
  const auto p = svd.left.leftCols(rank);
  data.whitening = scale.asDiagonal() * svd.right.leftCols(rank) * svd.values.head(rank).cwiseInverse().asDiagonal();
  data.colouring = fx.transpose() * p;
  data.cross = fy.transpose() * p;
  finish(data, fy.squaredNorm(), fx.cols() + fy.cols(), summation, context);
  return data;
}

}  // namespace landscape::risk
