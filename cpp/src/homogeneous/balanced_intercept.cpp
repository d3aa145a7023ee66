#include "balanced_intercept.hpp"

#include <Eigen/Cholesky>
#include <cmath>
#include <limits>

#include "landscape/rounding.hpp"

namespace landscape::homogeneous {

namespace {

double evaluate(const Loss& loss, const ConstMatrixView& y, const Matrix& z, Matrix& e) {
  return with_loss(loss, [&](const auto& kind) {
    double sum = 0.0;
    for (Index i = 0; i < z.rows(); ++i) sum += kind.gradient(&z(i, 0), y.row(i).data(), z.cols(), &e(i, 0));
    return sum;
  });
}

Matrix curvature_sum(const Loss& loss, const ConstMatrixView& y, const Matrix& z) {
  const Index n = z.cols();
  const bool coupled = loss.kind == LossKind::softmax;
  Matrix sum = Matrix::Zero(n, n);
  Vector row(n);
  for (Index o = 0; o < (coupled ? n : 1); ++o) {
    const Vector d = coupled ? Vector(Vector::Unit(n, o)) : Vector(Vector::Ones(n));
    Vector total = Vector::Zero(n);
    with_loss(loss, [&](const auto& kind) {
      for (Index i = 0; i < z.rows(); ++i) {
        kind.curvature(&z(i, 0), y.row(i).data(), n, d.data(), row.data());
        total += row;
      }
    });
    if (coupled)
      sum.row(o) = total.transpose();
    else
      sum.diagonal() = total;
  }
  // softmax is flat along equal shifts, and all but flat for a class that no sample has
  sum.diagonal() *= 1.0 + 1e-12;
  sum.diagonal().array() += (coupled ? 1e-20 : 1e-12) * static_cast<double>(z.rows());
  return sum;
}

}  // namespace

bool balance_intercept(const Loss& loss, const ConstMatrixView& y, Matrix& z, Matrix& e, Vector& b) {
  e.resize(z.rows(), z.cols());
  if (loss.kind == LossKind::squared) {
    const Eigen::RowVectorXd shift = (y - z).colwise().mean();
    z.rowwise() += shift;
    b += shift.transpose();
    e = z - y;
    return true;
  }
  Matrix trial(z.rows(), z.cols());
  double value = evaluate(loss, y, z, e), last = std::numeric_limits<double>::infinity();
  for (Index iteration = 0; iteration < 50; ++iteration) {
    const Vector sum = e.colwise().sum().transpose();
    const double imbalance = sum.cwiseAbs().sum(), total = e.cwiseAbs().sum();
    const bool balanced = imbalance <= 1e-13 * total;
    if (imbalance <= 1e-15 * total || (balanced && imbalance > 0.25 * last)) return true;
    last = imbalance;
    const Vector d = -curvature_sum(loss, y, z).llt().solve(sum);
    double t = 1.0, next = value;
    for (; t > 1e-12; t *= 0.5) {
      trial = z.rowwise() + (t * d).transpose();
      next = evaluate(loss, y, trial, e);
      if (next <= value + kFineLevel * std::abs(value)) break;
    }
    if (!(t > 1e-12)) break;
    z.swap(trial);
    b += t * d;
    value = next;
  }
  evaluate(loss, y, z, e);
  return e.colwise().sum().cwiseAbs().sum() <= 1e-13 * e.cwiseAbs().sum();
}

}  // namespace landscape::homogeneous
