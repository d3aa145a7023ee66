#include "landscape/linear/shallow.hpp"

#include "landscape/linalg/products.hpp"
#include "landscape/linear/detail.hpp"
#include "landscape/parallel.hpp"

namespace landscape::linear {

namespace {

using detail::apply_xx;
using detail::ensure;
using linalg::Into;

// Work goes through n2 columns (the product Zt, n0 x n2) or through n1 columns (Fx V or Sxx V), whichever are fewer.
bool through_product(const ConstMatrixView& u) { return u.rows() <= u.cols(); }

// Data form: residual <- Fx V U^T - Fy; hidden <- Fx V unless the work goes through the product
void data_residual(const Risk& risk, const ConstMatrixView& u, const ConstMatrixView& v, Matrix& product,
                   Matrix& hidden, Matrix& residual, const Context& context) {
  ensure(residual, risk.fx.rows(), u.rows());
  if (through_product(u)) {
    ensure(product, v.rows(), u.rows());
    linalg::multiply_by_transposed(v, u, product, context);
    linalg::multiply(risk.fx, product, residual, context);
  } else {
    ensure(hidden, risk.fx.rows(), v.cols());
    linalg::multiply(risk.fx, v, hidden, context);
    linalg::multiply_by_transposed(hidden, u, residual, context);
  }
  residual -= risk.fy;
}

void double_both(MatrixView u, MatrixView v) {
  u *= 2.0;
  v *= 2.0;
}

// Moment form: work.product <- Zt = V U^T, work.image <- Sxx Zt
void moment_products(const Risk& risk, const ConstMatrixView& u, const ConstMatrixView& v, Workspace& work,
                     const Context& context) {
  ensure(work.product, v.rows(), u.rows());
  linalg::multiply_by_transposed(v, u, work.product, context);
  if (through_product(u)) {
    apply_xx(risk, work.product, work.image, work.pack, context);
  } else {
    apply_xx(risk, v, work.thin, work.pack, context);
    ensure(work.image, v.rows(), u.rows());
    linalg::multiply_by_transposed(work.thin, u, work.image, context);
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
    data_residual(risk, u, v, work.product, work.hidden, work.rows, context);
    return work.rows.squaredNorm();
  }
  moment_products(risk, u, v, work, context);
  return moment_value(risk, work);
}

double gradient(const Risk& risk, const ConstMatrixView& u, const ConstMatrixView& v, MatrixView g_u, MatrixView g_v,
                Workspace& work, const Context& context) {
  double result = 0.0;
  if (risk.in_data_form()) {
    data_residual(risk, u, v, work.product, work.hidden, work.rows, context);
    result = work.rows.squaredNorm();
    if (!through_product(u)) {
      // dR/dU = 2 E^T Fx V,  dR/dV = 2 Fx^T (E U)
      linalg::multiply_transposed(work.rows, work.hidden, g_u, context);
      ensure(work.hidden_change, work.rows.rows(), u.cols());
      linalg::multiply(work.rows, u, work.hidden_change, context);
      linalg::multiply_transposed(risk.fx, work.hidden_change, g_v, context);
      double_both(g_u, g_v);
      return result;
    }
    ensure(work.image, v.rows(), u.rows());
    linalg::multiply_transposed(risk.fx, work.rows, work.image, context);
  } else {
    moment_products(risk, u, v, work, context);
    result = moment_value(risk, work);
    work.image -= risk.xy;
  }
  linalg::multiply_transposed(work.image, v, g_u, context);
  linalg::multiply(work.image, u, g_v, context);
  double_both(g_u, g_v);
  return result;
}

Hessian::Hessian(const Risk& risk, const ConstMatrixView& u, const ConstMatrixView& v, const Context& context)
    : risk_(risk), u_(u), v_(v) {
  Workspace work;
  if (risk.in_data_form()) {
    data_residual(risk, u_, v_, work.product, hidden_, data_residual_, context);
    if (through_product(u_)) {
      residual_.resize(v.rows(), u.rows());
      linalg::multiply_transposed(risk.fx, data_residual_, residual_, context);
    }
    return;
  }
  moment_products(risk, u_, v_, work, context);
  residual_ = work.image - risk.xy;
  if (!through_product(u_)) apply_xx(risk, v_, hidden_, work.pack, context);
}

void Hessian::change(const ConstMatrixView& d_u, const ConstMatrixView& d_v, Workspace& work,
                     const Context& context) const {
  const bool data = risk_.in_data_form();
  if (data && !through_product(u_)) {
    // dE = Fx dV U^T + Fx V dU^T
    ensure(work.hidden_change, hidden_.rows(), hidden_.cols());
    ensure(work.rows, data_residual_.rows(), data_residual_.cols());
    linalg::multiply(risk_.fx, d_v, work.hidden_change, context);
    linalg::multiply_by_transposed(work.hidden_change, u_, work.rows, context);
    linalg::multiply_by_transposed(hidden_, d_u, work.rows, context, Into::add);
    return;
  }
  ensure(work.product, v_.rows(), u_.rows());
  linalg::multiply_by_transposed(d_v, u_, work.product, context);
  linalg::multiply_by_transposed(v_, d_u, work.product, context, Into::add);
  if (data) {
    ensure(work.rows, data_residual_.rows(), data_residual_.cols());
    linalg::multiply(risk_.fx, work.product, work.rows, context);
  } else if (through_product(u_)) {
    apply_xx(risk_, work.product, work.image, work.pack, context);
  } else {
    apply_xx(risk_, d_v, work.thin, work.pack, context);
    ensure(work.image, v_.rows(), u_.rows());
    linalg::multiply_by_transposed(work.thin, u_, work.image, context);
    linalg::multiply_by_transposed(hidden_, d_u, work.image, context, Into::add);
  }
}

void Hessian::apply(const ConstMatrixView& d_u, const ConstMatrixView& d_v, MatrixView h_u, MatrixView h_v,
                    Workspace& work, const Context& context) const {
  change(d_u, d_v, work, context);
  if (risk_.in_data_form()) {
    if (!through_product(u_)) {
      // H_U = 2 (dE^T Fx V + E^T Fx dV),  H_V = 2 Fx^T (dE U + E dU)
      linalg::multiply_transposed(work.rows, hidden_, h_u, context);
      linalg::multiply_transposed(data_residual_, work.hidden_change, h_u, context, Into::add);
      linalg::multiply(work.rows, u_, work.hidden_change, context);
      linalg::multiply(data_residual_, d_u, work.hidden_change, context, Into::add);
      linalg::multiply_transposed(risk_.fx, work.hidden_change, h_v, context);
      double_both(h_u, h_v);
      return;
    }
    ensure(work.image, v_.rows(), u_.rows());
    linalg::multiply_transposed(risk_.fx, work.rows, work.image, context);
  }
  linalg::multiply_transposed(work.image, v_, h_u, context);
  linalg::multiply_transposed(residual_, d_v, h_u, context, Into::add);
  linalg::multiply(work.image, u_, h_v, context);
  linalg::multiply(residual_, d_u, h_v, context, Into::add);
  double_both(h_u, h_v);
}

double Hessian::curvature(const ConstMatrixView& d_u, const ConstMatrixView& d_v, Workspace& work,
                          const Context& context) const {
  change(d_u, d_v, work, context);
  const bool data = risk_.in_data_form();
  const double squared = data ? work.rows.squaredNorm() : work.image.cwiseProduct(work.product).sum();
  if (data && !through_product(u_)) {
    // <dV dU^T, Gt> = <Fx dV dU^T, E>
    linalg::multiply_by_transposed(work.hidden_change, d_u, work.rows, context);
    return 2.0 * squared + 4.0 * work.rows.cwiseProduct(data_residual_).sum();
  }
  // <dV dU^T, Gt> = <dV, Gt dU>, an n0 x n1 product
  ensure(work.thin, v_.rows(), v_.cols());
  linalg::multiply(residual_, d_u, work.thin, context);
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
    apply_xx(risk, term.product, term.image, work.pack, context);
    coefficients(term.a, term.b) -= 2.0 * risk.xy.cwiseProduct(term.product).sum();
  }
  for (const Term& p : terms)
    for (const Term& q : terms)
      coefficients(p.a + q.a, p.b + q.b) += p.product.cwiseProduct(data ? q.product : q.image).sum();
  return coefficients;
}

}  // namespace landscape::linear
