#include "landscape/factorization/landscape.hpp"

#include "landscape/linalg/products.hpp"

namespace landscape::factorization {

Matrix FactorLandscape::stacked(const ConstMatrixView& u, const ConstMatrixView& v, const Context& context) const {
  if (!has_data()) return stack(u, v);
  Matrix p(data_.rows(), v.cols());
  linalg::multiply(data_, v, p, context);
  return stack(p, u);
}

double FactorLandscape::penalty(const ConstMatrixView& u, const ConstMatrixView& v) const {
  return has_data() ? 0.5 * lam_ * (u.squaredNorm() + v.squaredNorm()) : 0.0;
}

double FactorLandscape::value(const ConstMatrixView& u, const ConstMatrixView& v, const Context& context) const {
  return objective_.value(stacked(u, v, context), context) + penalty(u, v);
}

double FactorLandscape::gradient(const ConstMatrixView& u, const ConstMatrixView& v, MatrixView g_u, MatrixView g_v,
                                 const Context& context) const {
  Matrix slopes;
  Vector derivative, second;
  const double result = objective_.gradient(stacked(u, v, context), slopes, derivative, second, context);
  const Index rows = objective_.observed().n2, width = u.cols();
  if (has_data()) {
    g_u = slopes.bottomRows(slopes.rows() - rows).leftCols(width) + lam_ * u;
    g_v = lam_ * v;
    linalg::multiply_transposed(data_, slopes.topLeftCorner(rows, width), g_v, context, linalg::Into::add);
  } else {
    g_u = slopes.topLeftCorner(rows, width);
    g_v = slopes.bottomRows(slopes.rows() - rows).leftCols(width);
  }
  return result + penalty(u, v);
}

void FactorLandscape::residual(const ConstMatrixView& u, const ConstMatrixView& v, Vector& e,
                               const Context& context) const {
  if (!has_data()) {
    objective_.residual(u, v, e, context);
    return;
  }
  Matrix p(data_.rows(), v.cols());
  linalg::multiply(data_, v, p, context);
  objective_.residual(p, u, e, context);
}

FactorLandscapeHessian::FactorLandscapeHessian(const FactorLandscape& land, const ConstMatrixView& u,
                                               const ConstMatrixView& v, const Context& context)
    : land_(land), width_(u.cols()), w_(land.stacked(u, v, context)) {
  Matrix unused;
  land_.objective_.gradient(w_, unused, derivative_, second_, context);
  hessian_.set(land_.objective_, w_, derivative_, second_, context);
}

void FactorLandscapeHessian::apply(const double* d, double* h, const Context& context) {
  const ConstMatrixMap d_u(d, land_.outputs(), width_), d_v(d + d_u.size(), land_.inputs(), width_);
  MatrixMap h_u(h, land_.outputs(), width_), h_v(h + h_u.size(), land_.inputs(), width_);
  direction_ = land_.stacked(d_u, d_v, context);
  hessian_.advance(direction_, 0.0, context);
  hessian_.apply(product_, context);
  const Index rows = land_.objective_.observed().n2;
  if (land_.has_data()) {
    h_u = product_.bottomRows(product_.rows() - rows).leftCols(width_) + land_.lam_ * d_u;
    h_v = land_.lam_ * d_v;
    linalg::multiply_transposed(land_.data_, product_.topLeftCorner(rows, width_), h_v, context, linalg::Into::add);
  } else {
    h_u = product_.topLeftCorner(rows, width_);
    h_v = product_.bottomRows(product_.rows() - rows).leftCols(width_);
  }
}

}  // namespace landscape::factorization
