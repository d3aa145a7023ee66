#include "landscape/linalg/cholesky.hpp"

#include <Eigen/Cholesky>
#include <cmath>
#include <limits>

#include "lapack.hpp"

namespace landscape::linalg {

namespace {

// Well below this order the threads of LAPACK gained nothing over one thread of Eigen, and on a busy machine they lost.
constexpr Index kLapackCholeskyFromOrder = 960;

}  // namespace

double rounding_gamma(Index k) {
  const double ku = static_cast<double>(k) * kUnitRoundoff;
  return ku < 0.5 ? ku / (1.0 - ku) : std::numeric_limits<double>::infinity();
}

bool cholesky(MatrixView a, const Context& context) {
  require(a.rows() == a.cols(), "a must be square");
  if (a.rows() == 0) return true;
  const Blas* blas = a.rows() >= kLapackCholeskyFromOrder ? lapack(context, a.rows()) : nullptr;
  if (blas != nullptr) {
    // The lower triangle of row-major A is the upper one of the same memory read by columns.
    char uplo = 'U';
    int n = static_cast<int>(a.rows()), stride = static_cast<int>(a.outerStride()), info = 0;
    blas->dpotrf(&uplo, &n, a.data(), &stride, &info);
    if (info != 0) return false;
  } else {
    const Eigen::LLT<Eigen::Ref<Matrix, 0, Eigen::OuterStride<>>, Eigen::Lower> factor(a);
    if (factor.info() != Eigen::Success) return false;
  }
  for (Index i = 0; i < a.rows(); ++i)
    if (!(a(i, i) > 0.0) || !std::isfinite(a(i, i))) return false;
  return true;
}

Matrix lower_inverse(const ConstMatrixView& l) {
  return l.triangularView<Eigen::Lower>().solve(Matrix::Identity(l.rows(), l.cols()));
}

double cholesky_margin(Index n, double trace) {
  const double gamma = rounding_gamma(n + 3);
  return gamma / (1.0 - gamma) * trace;
}

}  // namespace landscape::linalg
