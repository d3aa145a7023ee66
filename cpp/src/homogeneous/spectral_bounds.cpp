#include "landscape/homogeneous/spectral_bounds.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "landscape/linalg/cholesky.hpp"
#include "landscape/linalg/largest_singular_value.hpp"
#include "landscape/linalg/products.hpp"
#include "landscape/rounding.hpp"
#include "scaled.hpp"
#include "shor.hpp"

namespace landscape::homogeneous {

namespace {

using linalg::rounding_gamma;

// A library's products round differently for another number of threads, and L-BFGS magnifies that to 1e-5 of the bound.
Context without_library(Context context) {
  context.blas = nullptr;
  return context;
}

struct Norm {
  double upper = 0.0, failure = 0.0;
};

Norm spectral_norm(const ConstMatrixView& a, double error, const Context& context) {
  const auto bounds = linalg::largest_singular_value(linalg::measured(a), {}, Matrix(a.cols(), 0), context);
  return {(bounds.upper + error) * kFarUp, bounds.failure};
}

class Bounds {
 public:
  Bounds(const ConstMatrixView& x, const ConstMatrixView& q, const Activation& act, const SpectralSettings& settings,
         const Context& context)
      : data_(scaled(x, q)), act_(act), settings_(settings), context_(without_library(context)) {
    result_.q_exponent = data_.q_exponent;
    result_.nu = Vector::Zero(x.rows());
    m_ = data_.x.rows();
    around_ = 1.0 + 2.0 * rounding_gamma(m_ + x.cols() + q.cols() + 16);
    Index row = 0;
    for (Index i = 0; i < x.rows(); ++i)
      if (!((x.row(i).array() == 0.0).all() || (q.row(i).array() == 0.0).all())) result_.nu(i) = row++ < m_ ? 1.0 : 0.0;
  }

  SpectralBounds run();

 private:
  void norms();
  void linear();
  void shor();
  void squared();
  // lambda_max(X^T diag(weight) X), weight (m) rounded by at most four operations
  double form(const Vector& weight);
  double form_size(const Vector& weight) const {
    return (weight.array().abs() * data_.x_norm.array().square()).sum() * around_;
  }
  SpectralBounds zero();
  SpectralBounds finish();

  Scaled data_;
  const Activation& act_;
  const SpectralSettings& settings_;
  const Context context_;
  Index m_ = 0;
  double around_ = 1.0;
  Norm x_norm_, q_norm_;
  SpectralBounds result_;
};

void Bounds::norms() {
  x_norm_ = spectral_norm(data_.x, kScaledUnderflow, context_);
  q_norm_ = spectral_norm(data_.q, kScaledUnderflow, context_);
  result_.norms = x_norm_.upper * (act_.power == 2 ? x_norm_.upper : 1.0) * q_norm_.upper * kFarUp;
  result_.failure = x_norm_.failure + q_norm_.failure;
}

void Bounds::linear() {
  Matrix b(data_.q.cols(), data_.x.cols());
  linalg::multiply_transposed(data_.q, data_.x, b, context_);
  const double size = data_.q_norm.dot(data_.x_norm) * around_;
  const Norm norm = spectral_norm(b, rounding_gamma(m_ + 4) * size + kScaledUnderflow, context_);
  result_.linear = norm.upper;
  result_.failure += norm.failure;
}

void Bounds::shor() {
  const double slope = act_.slope, e = 0.5 * (1.0 - slope);
  result_.split = split_upper_from_abs(result_.linear, result_.norms, slope);
  const Index order = std::min(m_, data_.x.cols()) + std::min(m_, data_.q.cols());
  if (settings_.shor_iterations <= 0 || order > settings_.shor_order_up_to || !(e > 0.0)) return;
  if (data_.x.cols() > m_) data_.x = dominating_factor(data_.x, context_);
  if (data_.q.cols() > m_) data_.q = dominating_factor(data_.q, context_);
  if (data_.x.size() == 0 || data_.q.size() == 0) return;
  Shor bound(data_.x, data_.q, slope, context_);
  const Vector nu = bound.minimise(settings_.shor_iterations, settings_.shor_tolerance, result_.iterations);
  if (nu.size() == 0) return;
  result_.shor = std::sqrt(bound.proved(nu)) * kFarUp;
  // |t| with the same N, scaled until Q^T N^-1 Q <= I, is bounded by |N^1/2 X|_2.
  if (slope > -1.0) {
    const Matrix weighted = data_.q.array().colwise() / nu.array().sqrt();
    const Norm norm = spectral_norm(weighted, 0.0, context_);
    const double absolute =
        std::sqrt(Shor(data_.x, data_.q, -1.0, context_).proved(nu * (norm.upper * norm.upper * (1.0 + 1e-10))));
    result_.split = std::min(result_.split, split_upper_from_abs(result_.linear, absolute * kFarUp, slope));
  }
  Index row = 0;
  for (Index i = 0; i < result_.nu.size(); ++i)
    if (result_.nu(i) != 0.0) result_.nu(i) = nu(row++);
}

double Bounds::form(const Vector& weight) {
  const Matrix weighted = data_.x.array().colwise() * weight.array();
  Matrix c(data_.x.cols(), data_.x.cols());
  linalg::multiply_transposed(weighted, data_.x, c, context_);
  return proved_largest_eigenvalue(c, rounding_gamma(m_ + 12) * form_size(weight) * kFarUp + kScaledUnderflow,
                                   context_);
}

void Bounds::squared() {
  const Index d = data_.x.cols(), nl = data_.q.cols();
  const double a2 = act_.slope * act_.slope;
  if (std::min(m_, d) > settings_.shor_order_up_to) return;
  if (d > m_) {
    data_.x = dominating_factor(data_.x, context_);
    if (data_.x.size() == 0) return;
    data_.x_norm = data_.x.rowwise().norm();
  }
  if (nl == 1) {
    const auto q = data_.q.col(0).array();
    result_.definite = std::max(form(q.max(0.0) + a2 * q.min(0.0)), form((-q).max(0.0) + a2 * (-q).min(0.0)));
    return;
  }
  // |q_i| rounded up
  const double definite = form(data_.q_norm * (around_ * kFarUp));
  result_.definite = definite;
  if (d > settings_.unfolded_up_to) return;
  // vec(x x^T) without its repetitions, which count as sqrt(2)
  const Index pairs = data_.x.cols() * (data_.x.cols() + 1) / 2;
  Matrix products(m_, pairs), unfolding(nl, pairs);
  for (Index i = 0; i < m_; ++i)
    for (Index j = 0, k = 0; j < data_.x.cols(); ++j)
      for (Index l = 0; l <= j; ++l, ++k)
        products(i, k) = (l == j ? 1.0 : 1.4142135623730951) * data_.x(i, j) * data_.x(i, l);
  linalg::multiply_transposed(data_.q, products, unfolding, context_);
  const double error = rounding_gamma(m_ + 12) * form_size(data_.q_norm) * around_ + kScaledUnderflow;
  const Norm norm = spectral_norm(unfolding, error, context_);
  result_.unfolded = (0.5 * (1.0 + a2) * norm.upper + 0.5 * (1.0 - a2) * definite) * kFarUp;
  result_.failure += norm.failure;
}

SpectralBounds Bounds::zero() {
  result_.upper = result_.norms = 0.0;
  return std::move(result_);
}

SpectralBounds Bounds::finish() {
  const int exponent = act_.power * data_.x_exponent + data_.q_exponent;
  const std::pair<SpectralMethod, double SpectralBounds::*> all[] = {
      {SpectralMethod::norms, &SpectralBounds::norms},       {SpectralMethod::linear, &SpectralBounds::linear},
      {SpectralMethod::shor, &SpectralBounds::shor},         {SpectralMethod::split, &SpectralBounds::split},
      {SpectralMethod::definite, &SpectralBounds::definite}, {SpectralMethod::unfolded, &SpectralBounds::unfolded}};
  for (const auto& [method, bound] : all) {
    double& value = result_.*bound;
    value = std::isnan(value) ? SpectralBounds::kNone : unscaled_upper(value, exponent);
    // |B|_2 bounds the linear unit only.
    if (method == SpectralMethod::linear && !act_.linear()) continue;
    if (value < result_.upper) {
      result_.upper = value;
      result_.method = method;
    }
  }
  if (result_.method == SpectralMethod::shor || result_.method == SpectralMethod::definite) result_.failure = 0.0;
  if (!std::isfinite(result_.shor)) result_.nu.setZero();
  return std::move(result_);
}

SpectralBounds Bounds::run() {
  if (m_ == 0) return zero();
  norms();
  if (act_.power == 2) {
    squared();
  } else {
    linear();
    shor();
  }
  return finish();
}

}  // namespace

SpectralBounds spectral_bounds(const ConstMatrixView& x, const ConstMatrixView& q, const Activation& act,
                               const SpectralSettings& settings, const Context& context) {
  require_valid(act);
  return Bounds(x, q, act, settings, context).run();
}

SpectralBounds norm_bound(const ConstMatrixView& x, const ConstMatrixView& q, const Context& context) {
  const Scaled data = scaled(x, q);
  const Context own = without_library(context);
  SpectralBounds result;
  result.q_exponent = data.q_exponent;
  result.upper = result.norms = 0.0;
  if (data.x.rows() == 0) return result;
  const Norm on_x = spectral_norm(data.x, kScaledUnderflow, own), on_q = spectral_norm(data.q, kScaledUnderflow, own);
  result.upper = result.norms = unscaled_upper(on_x.upper * on_q.upper * kFarUp, data.x_exponent + data.q_exponent);
  result.failure = on_x.failure + on_q.failure;
  return result;
}

double split_upper_from_abs(double linear, double absolute, double slope) {
  return (0.5 * (1.0 + slope) * linear + 0.5 * (1.0 - slope) * absolute) * kFarUp;
}

double split_upper_from_relu(double linear, double relu, double slope) {
  return (std::abs(slope) * linear + (1.0 - slope) * relu) * kFarUp;
}

double shor_upper(const ConstMatrixView& x, const ConstMatrixView& q, double slope, const Vector& nu, int q_exponent,
                  const Context& context) {
  require(nu.size() == x.rows(), "nu must have one entry for each row of X");
  const Context own = without_library(context);
  Scaled data = scaled(x, q);
  const Index m = data.x.rows();
  if (m == 0) return 0.0;
  // N is for Q Q^T
  const double scale = std::ldexp(1.0, 2 * (q_exponent - data.q_exponent));
  Vector kept(m);
  Index row = 0;
  for (Index i = 0; i < x.rows(); ++i)
    if (!((x.row(i).array() == 0.0).all() || (q.row(i).array() == 0.0).all())) kept(row++) = nu(i) * scale;
  if (data.x.cols() > m) data.x = dominating_factor(data.x, own);
  if (data.q.cols() > m) data.q = dominating_factor(data.q, own);
  if (data.x.size() == 0 || data.q.size() == 0) return SpectralBounds::kNone;
  const double mu = Shor(data.x, data.q, slope, own).proved(kept);
  return unscaled_upper(std::sqrt(mu) * kFarUp, data.x_exponent + data.q_exponent);
}

}  // namespace landscape::homogeneous
