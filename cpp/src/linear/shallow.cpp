#include "landscape/linear/shallow.hpp"

#include "landscape/linalg/products.hpp"
#include "landscape/parallel.hpp"

namespace landscape::linear {

namespace {

void ensure(Matrix& matrix, Index rows, Index cols) {
  if (matrix.rows() != rows || matrix.cols() != cols) matrix.resize(rows, cols);
}

// Moment form: out <- Sxx a      a (n0 x c)
void apply_xx(const Risk& risk, const ConstMatrixView& a, Matrix& out, Workspace& work, const Context& context) {
  ensure(out, a.rows(), a.cols());
  if (a.cols() <= linalg::kSkinnyColumns && a.rows() >= 32) {
    linalg::multiply_skinny(risk.xx, a, out, work.pack, context);
  } else {
    linalg::multiply(risk.xx, a, out, context);
  }
}

// Data form: hidden <- Fx V, residual <- Fx V U^T - Fy
void data_residual(const Risk& risk, const ConstMatrixView& u, const ConstMatrixView& v, Matrix& hidden,
                   Matrix& residual, const Context& context) {
  ensure(hidden, risk.fx.rows(), v.cols());
  ensure(residual, risk.fx.rows(), u.rows());
  linalg::multiply(risk.fx, v, hidden, context);
  residual.noalias() = hidden * u.transpose();
  residual -= risk.fy;
}

// out (n0 x c) <- 2 Fx^T rows      rows (k x c)
void apply_fx_transposed(const Risk& risk, Matrix& rows, MatrixView out, const Context& context) {
  rows *= 2.0;
  linalg::multiply_transposed(risk.fx, rows, out, context);
}

// Moment form: work.product <- Zt = V U^T, work.image <- Sxx Zt
void moment_products(const Risk& risk, const ConstMatrixView& u, const ConstMatrixView& v, Workspace& work,
                     const Context& context) {
  ensure(work.product, v.rows(), u.rows());
  work.product.noalias() = v * u.transpose();
  if (v.cols() < u.rows()) {
    apply_xx(risk, v, work.thin, work, context);
    ensure(work.image, v.rows(), u.rows());
    work.image.noalias() = work.thin * u.transpose();
  } else {
    apply_xx(risk, work.product, work.image, work, context);
  }
}

double moment_value(const Risk& risk, const Workspace& work) {
  // R = total + <Sxx Zt, Zt> - 2 <Sxy, Zt>; squared errors are never negative
  const double linear = risk.xy.cwiseProduct(work.product).sum();
  const double quadratic = work.image.cwiseProduct(work.product).sum();
  return std::max(0.0, risk.total + quadratic - 2.0 * linear);
}

}  // namespace

double value(const Risk& risk, const ConstMatrixView& u, const ConstMatrixView& v, Workspace& work,
             const Context& context) {
  if (risk.in_data_form()) {
    data_residual(risk, u, v, work.hidden, work.rows, context);
    return work.rows.squaredNorm();
  }
  moment_products(risk, u, v, work, context);
  return moment_value(risk, work);
}

double gradient(const Risk& risk, const ConstMatrixView& u, const ConstMatrixView& v, MatrixView g_u, MatrixView g_v,
                Workspace& work, const Context& context) {
  if (risk.in_data_form()) {
    data_residual(risk, u, v, work.hidden, work.rows, context);
    const double result = work.rows.squaredNorm();
    // dR/dU = 2 E^T Fx V,  dR/dV = 2 Fx^T (E U)
    g_u.noalias() = 2.0 * work.rows.transpose() * work.hidden;
    ensure(work.hidden_change, work.rows.rows(), u.cols());
    linalg::multiply(work.rows, u, work.hidden_change, context);
    apply_fx_transposed(risk, work.hidden_change, g_v, context);
    return result;
  }
  moment_products(risk, u, v, work, context);
  const double result = moment_value(risk, work);
  work.image -= risk.xy;
  g_u.noalias() = 2.0 * work.image.transpose() * v;
  g_v.noalias() = 2.0 * work.image * u;
  return result;
}

Hessian::Hessian(const Risk& risk, const ConstMatrixView& u, const ConstMatrixView& v, const Context& context)
    : risk_(risk), u_(u), v_(v) {
  if (risk.in_data_form()) {
    data_residual(risk, u_, v_, hidden_, residual_, context);
    return;
  }
  Workspace work;
  moment_products(risk, u_, v_, work, context);
  residual_ = work.image - risk.xy;
  if (v.cols() < u.rows()) apply_xx(risk, v_, hidden_, work, context);
}

void Hessian::change(const ConstMatrixView& d_u, const ConstMatrixView& d_v, Workspace& work,
                     const Context& context) const {
  if (risk_.in_data_form()) {
    // dE = Fx dV U^T + Fx V dU^T
    ensure(work.hidden_change, hidden_.rows(), hidden_.cols());
    ensure(work.rows, residual_.rows(), residual_.cols());
    linalg::multiply(risk_.fx, d_v, work.hidden_change, context);
    work.rows.noalias() = work.hidden_change * u_.transpose();
    work.rows.noalias() += hidden_ * d_u.transpose();
    return;
  }
  ensure(work.product, v_.rows(), u_.rows());
  work.product.noalias() = d_v * u_.transpose();
  work.product.noalias() += v_ * d_u.transpose();
  if (v_.cols() < u_.rows()) {
    apply_xx(risk_, d_v, work.thin, work, context);
    ensure(work.image, v_.rows(), u_.rows());
    work.image.noalias() = work.thin * u_.transpose();
    work.image.noalias() += hidden_ * d_u.transpose();
  } else {
    apply_xx(risk_, work.product, work.image, work, context);
  }
}

void Hessian::apply(const ConstMatrixView& d_u, const ConstMatrixView& d_v, MatrixView h_u, MatrixView h_v,
                    Workspace& work, const Context& context) const {
  change(d_u, d_v, work, context);
  if (risk_.in_data_form()) {
    // H_U = 2 (dE^T Fx V + E^T Fx dV),  H_V = 2 Fx^T (dE U + E dU)
    h_u.noalias() = 2.0 * work.rows.transpose() * hidden_;
    h_u.noalias() += 2.0 * residual_.transpose() * work.hidden_change;
    work.hidden_change.noalias() = work.rows * u_;
    work.hidden_change.noalias() += residual_ * d_u;
    apply_fx_transposed(risk_, work.hidden_change, h_v, context);
    return;
  }
  h_u.noalias() = 2.0 * work.image.transpose() * v_;
  h_u.noalias() += 2.0 * residual_.transpose() * d_v;
  h_v.noalias() = 2.0 * work.image * u_;
  h_v.noalias() += 2.0 * residual_ * d_u;
}

double Hessian::curvature(const ConstMatrixView& d_u, const ConstMatrixView& d_v, Workspace& work,
                          const Context& context) const {
  change(d_u, d_v, work, context);
  if (risk_.in_data_form()) {
    // 2 |dE|^2 + 4 <Fx dV dU^T, E>
    const double squared = work.rows.squaredNorm();
    work.rows.noalias() = work.hidden_change * d_u.transpose();
    return 2.0 * squared + 4.0 * work.rows.cwiseProduct(residual_).sum();
  }
  const double squared = work.image.cwiseProduct(work.product).sum();
  // <dV dU^T, Gt> = <dV, Gt dU>, an n0 x n1 product
  ensure(work.thin, v_.rows(), v_.cols());
  work.thin.noalias() = residual_ * d_u;
  return 2.0 * squared + 4.0 * work.thin.cwiseProduct(d_v).sum();
}

Matrix slice_coefficients(const Risk& risk, const ConstMatrixView& u, const ConstMatrixView& v,
                          const ConstMatrixView& u1, const ConstMatrixView& v1, const ConstMatrixView* u2,
                          const ConstMatrixView* v2, const Context& context) {
  // Zt(s, t) = sum_{a+b<=2} s^a t^b P_ab with P_ab sums of products of one V and one U factor. In data form Fx V stands
  // for V, and P_00 - Fy for P_00; R is the quadratic form of the P_ab.
  struct Term {
    int a, b;
    Matrix product, image;
  };
  const bool data = risk.in_data_form();
  const auto left = [&](const ConstMatrixView& factor) { return data ? Matrix(risk.fx * factor) : Matrix(factor); };
  const Matrix h = left(v), h1 = left(v1), h2 = u2 != nullptr ? left(*v2) : Matrix();
  std::vector<Term> terms;
  terms.push_back({0, 0, h * u.transpose(), {}});
  terms.push_back({1, 0, h1 * u.transpose() + h * u1.transpose(), {}});
  terms.push_back({2, 0, h1 * u1.transpose(), {}});
  if (u2 != nullptr) {
    terms.push_back({0, 1, h2 * u.transpose() + h * u2->transpose(), {}});
    terms.push_back({0, 2, h2 * u2->transpose(), {}});
    terms.push_back({1, 1, h1 * u2->transpose() + h2 * u1.transpose(), {}});
  }
  if (data) terms[0].product -= risk.fy;
  Workspace work;
  Matrix coefficients = Matrix::Zero(5, u2 != nullptr ? 5 : 1);
  if (!data) coefficients(0, 0) = risk.total;
  for (Term& term : terms) {
    if (data) continue;
    apply_xx(risk, term.product, term.image, work, context);
    coefficients(term.a, term.b) -= 2.0 * risk.xy.cwiseProduct(term.product).sum();
  }
  for (const Term& p : terms)
    for (const Term& q : terms)
      coefficients(p.a + q.a, p.b + q.b) += p.product.cwiseProduct(data ? q.product : q.image).sum();
  return coefficients;
}

}  // namespace landscape::linear
