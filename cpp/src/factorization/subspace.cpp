#include "subspace.hpp"

#include <Eigen/QR>
#include <algorithm>
#include <cmath>

#include "kernels.hpp"
#include "landscape/linalg/cholesky.hpp"
#include "landscape/linalg/decompositions.hpp"
#include "landscape/linalg/products.hpp"

namespace landscape::factorization {

namespace {

// A = Q R by the Cholesky factor of A^T A; false if A is too close to rank deficient for it.
bool cholesky_qr(const Matrix& a, Matrix& q, Matrix& r, const Context& context) {
  const Index k = a.cols();
  Matrix gram = Matrix::Zero(k, k);
  linalg::accumulate_gram(a, gram, context);
  if (!linalg::cholesky(gram, Context{})) return false;
  const Vector pivots = gram.diagonal();
  // the second pass repairs the orthogonality lost up to condition numbers of 1e7
  if (!(pivots.minCoeff() > 1e-7 * pivots.maxCoeff())) return false;
  r = Matrix(gram.triangularView<Eigen::Lower>()).transpose();
  const Matrix inverse = linalg::lower_inverse(gram).transpose();
  q.resize(a.rows(), k);
  linalg::multiply(a, inverse, q, kernels::sized(context, a.size() * k));
  return true;
}

Matrix product(const ConstMatrixView& a, const ConstMatrixView& b, const Context& context) {
  Matrix c(a.rows(), b.cols());
  linalg::multiply(a, b, c, kernels::sized(context, a.size() * b.cols()));
  return c;
}

Matrix transposed_product(const ConstMatrixView& a, const ConstMatrixView& b, const Context& context) {
  Matrix c(a.cols(), b.cols());
  linalg::multiply_transposed(a, b, c, kernels::sized(context, a.size() * b.cols()));
  return c;
}

Matrix image(const linalg::LinearMap::Product& apply, Index rows, const Matrix& x, const Context& context) {
  Matrix out(rows, x.cols());
  apply(x, out, context);
  return out;
}

// Descending, from the eigenvalues of the smaller Gram matrix: the large ones are accurate, and only they matter here.
Vector singular_values(const ConstMatrixView& a, const Context& context) {
  if (a.size() == 0) return Vector(0);
  const Matrix gram = a.rows() < a.cols() ? product(a, a.transpose(), context) : transposed_product(a, a, context);
  return linalg::symmetric_eigenvalues(gram).cwiseMax(0.0).cwiseSqrt().reverse();
}

double largest(const Vector& descending) { return descending.size() > 0 ? descending[0] : 0.0; }

// Orthonormal basis of what the columns of `a` add to the span of q: possibly fewer columns than `a` has.
Matrix beside(const Matrix& q, Matrix a, const Context& context) {
  constexpr double negligible = 1e-8;
  const auto keep_large = [&](double floor) {
    Index kept = 0;
    for (Index t = 0; t < a.cols(); ++t) {
      const double norm = a.col(t).norm();
      if (norm > floor && std::isfinite(norm)) a.col(kept++) = (a.col(t) / norm).eval();
    }
    a.conservativeResize(Eigen::NoChange, kept);
  };
  keep_large(0.0);
  project_out(q, a, context);
  keep_large(negligible);
  project_out(q, a, context);
  Matrix first, second, r;
  if (a.cols() == 0) return a;
  if (a.rows() > a.cols() && cholesky_qr(a, first, r, context)) {
    if (cholesky_qr(first, second, r, context)) return second;
  }
  Eigen::ColPivHouseholderQR<Eigen::MatrixXd> solver{Eigen::MatrixXd(a)};
  solver.setThreshold(negligible);
  a = solver.householderQ() * Eigen::MatrixXd::Identity(a.rows(), solver.rank());
  project_out(q, a, context);
  return orthonormal_basis(a, context);
}

Matrix joined(const Matrix& a, const Matrix& b) {
  Matrix c(a.rows(), a.cols() + b.cols());
  c << a, b;
  return c;
}

}  // namespace

void orthonormalise(const ConstMatrixView& a, Matrix& q, Matrix& r, const Context& context) {
  const Index k = std::min(a.rows(), a.cols());
  if (k == 0) {
    q.resize(a.rows(), 0);
    r.resize(0, a.cols());
    return;
  }
  // Unit columns first: their scales are not what makes a matrix rank deficient.
  Vector norms = a.colwise().norm();
  for (Index t = 0; t < norms.size(); ++t)
    if (!(norms[t] > 0.0)) norms[t] = 1.0;
  const Matrix scaled = a * norms.cwiseInverse().asDiagonal();
  Matrix first, second, r1, r2;
  if (a.rows() > a.cols() && cholesky_qr(scaled, first, r1, context) && cholesky_qr(first, second, r2, context)) {
    q = std::move(second);
    r = (r2 * r1) * norms.asDiagonal();
    return;
  }
  linalg::ThinQr qr = linalg::thin_qr(scaled);
  q = std::move(qr.q);
  r = qr.r * norms.asDiagonal();
}

Matrix orthonormal_basis(const ConstMatrixView& a, const Context& context) {
  Matrix q, r;
  orthonormalise(a, q, r, context);
  return q;
}

void project_out(const Matrix& q, Matrix& a, const Context& context) {
  if (q.cols() == 0 || a.cols() == 0) return;
  const Matrix overlap = transposed_product(q, a, context);
  a -= product(q, overlap, context);
}

Subspace explore(const Matrix& w, Index n2, Index width, const linalg::LinearMap& e, const Matrix& block, int sweeps,
                 const Context& context) {
  const Index n0 = w.rows() - n2;
  Subspace s;
  Matrix q_u, q_v, r_u, r_v;
  orthonormalise(w.topLeftCorner(n2, width), q_u, r_u, context);
  orthonormalise(w.bottomLeftCorner(n0, width), q_v, r_v, context);
  s.width = q_u.cols();

  const Index room = std::min(n2 - q_u.cols(), n0 - q_v.cols());
  Matrix x = beside(q_v, block.leftCols(std::min(block.cols(), room)), context), y;
  for (int sweep = 0; sweep < sweeps; ++sweep) {
    y = image(e.apply, n2, x, context);
    project_out(q_u, y, context);
    x = beside(q_v, image(e.apply_transposed, n0, y, context), context);
  }
  y = beside(q_u, image(e.apply, n2, x, context), context);

  s.left = joined(q_u, y);
  s.right = joined(q_v, x);
  s.residual = transposed_product(s.left, image(e.apply, n2, s.right, context), context);
  s.core = Matrix::Zero(s.left.cols(), s.right.cols());
  s.core.topLeftCorner(q_u.cols(), q_v.cols()) = r_u * r_v.transpose();
  s.inside = largest(singular_values(s.residual.topLeftCorner(q_u.cols(), q_v.cols()), context));
  s.outside = singular_values(s.residual.bottomRightCorner(y.cols(), x.cols()), context);
  // the bases are orthonormal to rounding only
  s.polar_lower = (1.0 - 1e-13) * largest(singular_values(s.residual, context));
  return s;
}

Index Subspace::violators(double lam) const {
  Index count = 0;
  while (count < outside.size() && outside[count] > lam) ++count;
  return count;
}

Matrix Subspace::ritz_vectors(const Context& context) const {
  const Index rows = left.cols() - width, cols = right.cols() - width;
  if (rows == 0 || cols == 0) return Matrix(right.rows(), 0);
  const linalg::ThinSvd svd = linalg::thin_svd(residual.bottomRightCorner(rows, cols), context);
  return product(right.rightCols(cols), svd.right, context);
}

ProximalPoint::ProximalPoint(const Subspace& subspace, double step, double lam, Index rank_max, const Context& context)
    : subspace_(subspace) {
  const Matrix moved = subspace.core + step * subspace.residual;
  if (moved.size() == 0) return;
  const linalg::ThinSvd svd = linalg::thin_svd(moved, context);
  // step = 0 must not keep rounding as rank
  const double threshold = std::max(step * lam, 1e-14 * svd.values[0]);
  Index rank = 0;
  while (rank < svd.values.size() && rank < rank_max && svd.values[rank] > threshold) ++rank;
  root_ = (svd.values.head(rank).array() - step * lam).max(0.0).sqrt();
  left_ = svd.left;
  right_ = svd.right;
}

Balanced ProximalPoint::factors(const Context& context) const {
  const Index k = rank();
  if (k == 0) return {Matrix(subspace_.left.rows(), 0), Matrix(subspace_.right.rows(), 0)};
  return {product(subspace_.left, left_.leftCols(k) * root_.asDiagonal(), context),
          product(subspace_.right, right_.leftCols(k) * root_.asDiagonal(), context)};
}

Matrix ProximalPoint::rest(const Context& context) const {
  const Index k = right_.cols() - rank();
  return k > 0 ? product(subspace_.right, right_.rightCols(k), context) : Matrix(subspace_.right.rows(), 0);
}

}  // namespace landscape::factorization
