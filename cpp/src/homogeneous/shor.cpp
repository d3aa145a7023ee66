#include "shor.hpp"

#include <algorithm>
#include <cmath>
#include <deque>

#include "landscape/errors.hpp"
#include "landscape/linalg/cholesky.hpp"
#include "landscape/linalg/decompositions.hpp"
#include "landscape/linalg/products.hpp"
#include "landscape/rounding.hpp"
#include "scaled.hpp"

namespace landscape::homogeneous {

namespace {

using linalg::rounding_gamma;

}  // namespace

Matrix dominating_factor(const ConstMatrixView& a, const Context& context) {
  const Index m = a.rows();
  const double trace = a.squaredNorm() * (1.0 + rounding_gamma(a.size() + 4));
  Matrix g(m, m);
  linalg::multiply_by_transposed(a, a, g, context);
  // L L^T = fl(G + room I) + D: room covers |D|, the forming of G and the addition.
  double room = (rounding_gamma(a.cols() + 4) * trace + kScaledUnderflow) * kFarUp;
  room = (room + linalg::cholesky_margin(m, trace * 1.001 + static_cast<double>(m) * room)) * 2.0 +
         4.0 * kUnitRoundoff * trace;
  g.diagonal().array() += room;
  if (!linalg::cholesky(g, context)) return Matrix();
  g.triangularView<Eigen::StrictlyUpper>().setZero();
  return g;
}

double proved_largest_eigenvalue(const ConstMatrixView& c, double error, const Context& context) {
  const Index n = c.rows();
  const double largest = linalg::symmetric_eigen(c, context).values(n - 1);
  const double trace = c.diagonal().cwiseAbs().sum() * kFarUp, size = std::abs(largest) + trace;
  double room = 4.0 * (error + linalg::cholesky_margin(n, static_cast<double>(n) * std::abs(largest) + trace)) +
                64.0 * kUnitRoundoff * size + kScaledUnderflow;
  Matrix factor(n, n);
  for (int attempt = 0; attempt < 24; ++attempt, room *= 8.0) {
    const double mu = std::max(largest + room, room);
    factor = -c;
    factor.diagonal().array() += mu;
    // mu I - C = L L^T - D + rounding of the diagonal
    const double rounding = 2.0 * kUnitRoundoff * (mu + trace);
    const double margin =
        linalg::cholesky_margin(n, factor.diagonal().cwiseAbs().sum() * (1.0 + rounding_gamma(n))) + rounding + error;
    if (linalg::cholesky(factor, context)) return std::max(0.0, (mu + margin * kFarUp) * kFarUp);
  }
  return kInfinity;
}

Shor::Shor(const ConstMatrixView& x, const ConstMatrixView& q, double slope, const Context& context)
    : x_(x),
      q_(q),
      c_(0.5 * (1.0 + slope)),
      e_(0.5 * (1.0 - slope)),
      context_(context),
      x_square_(x.rowwise().squaredNorm()),
      q_square_(q.rowwise().squaredNorm()),
      b_(q.cols(), x.cols()),
      best_value_(kInfinity) {
  linalg::multiply_transposed(q_, x_, b_, context_);
}

double Shor::proved(const Vector& nu) const {
  const Index m = x_.rows(), d = x_.cols(), nl = q_.cols();
  if (!(nu.minCoeff() > 1e-100 && nu.maxCoeff() < 1e100)) return kInfinity;
  // Up to here every entry is a sum of m products of at most six rounded factors.
  const double gamma = rounding_gamma(m + 16);
  Matrix weighted = q_.array().colwise() / nu.array();
  Matrix block(nl + d, nl + d);
  linalg::multiply_transposed(weighted, q_, block.topLeftCorner(nl, nl), context_);
  weighted = x_.array().colwise() * nu.array();
  Matrix g(d, d);
  linalg::multiply_transposed(weighted, x_, g, context_);
  const double q_size = (q_square_.array() / nu.array()).sum(), x_size = (x_square_.array() * nu.array()).sum(),
               cross = (q_square_.array() * x_square_.array()).sqrt().sum();
  const double around = 1.0 + 2.0 * rounding_gamma(m + d + nl + 16);
  if (!(q_size < 1e100 && x_size < 1e100)) return kInfinity;

  block.topLeftCorner(nl, nl) *= -1.0;
  block.topLeftCorner(nl, nl).diagonal().array() += 1.0;
  double estimate = e_ * e_ * x_size / static_cast<double>(d);
  {
    Matrix factor = block.topLeftCorner(nl, nl);
    factor.diagonal().array() += 1e-12;
    if (!linalg::cholesky(factor, context_)) return kInfinity;
    Matrix z = c_ * b_;
    factor.triangularView<Eigen::Lower>().solveInPlace(z);
    Matrix total(d, d);
    linalg::multiply_transposed(z, z, total, context_);
    total += e_ * e_ * g;
    if (!total.allFinite()) return kInfinity;
    estimate = std::max(0.0, linalg::symmetric_eigen(total, context_).values(d - 1));
  }
  if (!(estimate > 1e-100 && estimate < 1e100)) return kInfinity;
  // The second block times scale^2 = 2^-2k near 1 / mu: both have the size one.
  int exponent = 0;
  std::frexp(estimate, &exponent);
  const int k = exponent / 2;
  const double scale = std::ldexp(1.0, -k);
  const double forming =
      gamma * around * kFarUp * (q_size + scale * scale * e_ * e_ * x_size + std::abs(scale * c_) * cross) * kFarUp +
      (1.0 + scale * scale) * 0x1.0p-600;  // underflow, magnified by nu at most
  double room = 1e-13;
  for (int attempt = 0; attempt < 16; ++attempt, room *= 8.0) {
    const double mu = estimate * (1.0 + room) + 4.0 * forming / (scale * scale);
    Matrix full(nl + d, nl + d);
    full.topLeftCorner(nl, nl) = block.topLeftCorner(nl, nl);
    full.bottomLeftCorner(d, nl) = (scale * c_) * b_.transpose();
    full.topRightCorner(nl, d) = full.bottomLeftCorner(d, nl).transpose();
    full.bottomRightCorner(d, d) = -(scale * scale * e_ * e_) * g;
    full.bottomRightCorner(d, d).diagonal().array() += scale * scale * mu;
    full.topLeftCorner(nl, nl).diagonal().array() += forming + 1e-14;
    const double trace = full.diagonal().cwiseAbs().sum() * (1.0 + rounding_gamma(nl + d));
    const double diagonal = 4.0 * kUnitRoundoff * (2.0 + q_size + scale * scale * (mu + e_ * e_ * x_size)) * around;
    const double delta = (linalg::cholesky_margin(nl + d, trace) + forming + diagonal + forming + 1e-14) * kFarUp;
    if (!linalg::cholesky(full, context_)) continue;
    // The exact matrix plus delta I is positive; with nu (1 + delta) in place of nu the first block is I - Q^T N^-1 Q.
    return (1.0 + delta) * (mu + delta / (scale * scale)) * kFarUp;
  }
  return kInfinity;
}

double Shor::smoothed(const Vector& log_nu, double order, double barrier, Vector& gradient, Vector& curvature) {
  const Index d = x_.cols(), nl = q_.cols();
  if (!(log_nu.cwiseAbs().maxCoeff() < 300.0)) return kInfinity;
  const Vector root = (0.5 * log_nu.array()).exp();
  scaled_q_ = q_.array().colwise() / root.array();
  m_ = Matrix::Identity(nl, nl);
  k_.setZero(nl, nl);
  linalg::accumulate_gram(scaled_q_, k_, context_);
  m_ -= k_;
  if (!linalg::cholesky(m_, context_)) return kInfinity;
  const auto lower = m_.triangularView<Eigen::Lower>();
  scaled_x_ = (e_ * root).asDiagonal() * x_;
  g_.setZero(d, d);
  linalg::accumulate_gram(scaled_x_, g_, context_);
  if (c_ > 0.0) {
    z_ = c_ * b_;
    lower.solveInPlace(z_);
    linalg::accumulate_gram(z_, g_, context_);
  }
  if (!g_.allFinite()) return kInfinity;
  const linalg::SymmetricEigen eigen = linalg::symmetric_eigen(g_, context_);
  const double top = eigen.values(d - 1);
  if (!(top > 0.0)) return kInfinity;
  if (top < best_value_) {
    best_value_ = top;
    best_ = log_nu;
  }
  // Omega = G^(p-1) / tr G^p; only its larger part is formed.
  Index rank = 0;
  double sum = 0.0;
  Vector weights(d);
  for (Index j = d - 1; j >= 0; --j) {
    const double ratio = std::max(0.0, eigen.values(j) / top);
    const double power = std::pow(ratio, order);
    sum += power;
    if (power < 1e-9) break;
    weights(rank++) = std::sqrt(power / ratio / top);
  }
  Matrix root_omega(d, rank);
  for (Index j = 0; j < rank; ++j) root_omega.col(j) = weights(j) / std::sqrt(sum) * eigen.vectors.col(d - 1 - j);
  // d/dlog nu_i = |Omega^1/2 e root_i x_i|^2 - |Omega^1/2 c B^T M^-1 q_i / root_i|^2 - barrier |M^-1/2 q_i / root_i|^2
  y_.resize(x_.rows(), rank);
  linalg::multiply(scaled_x_, root_omega, y_, context_);
  curvature = y_.rowwise().squaredNorm();
  gradient = curvature;
  if (c_ > 0.0) {
    z_ = c_ * b_;
    lower.solveInPlace(z_);
    m_.transpose().triangularView<Eigen::Upper>().solveInPlace(z_);
    Matrix image = z_ * root_omega;
    linalg::multiply(scaled_q_, image, y_, context_);
    curvature += y_.rowwise().squaredNorm();
    gradient -= y_.rowwise().squaredNorm();
  }
  // (M^-1/2 Q^T)^T by columns
  Matrix solved = scaled_q_.transpose();
  lower.solveInPlace(solved);
  const Vector leverage = barrier * solved.colwise().squaredNorm().transpose();
  curvature += leverage;
  gradient -= leverage;
  return std::log(top) + std::log(sum) / order - 2.0 * barrier * m_.diagonal().array().log().sum();
}

// The better of N = |Q|_2^2 / e I (never worse than the product of the norms) and nu_i ~ |q_i| / |x_i|, which bounds
// the diagonals of both sides alike.
void Shor::start(Vector& log_nu) {
  const auto spread = [&](Vector candidate) {
    // lambda_max(Q^T N^-1 Q) = e
    scaled_q_ = q_.array().colwise() / (0.5 * candidate.array()).exp();
    Matrix g = Matrix::Zero(q_.cols(), q_.cols());
    linalg::accumulate_gram(scaled_q_, g, context_);
    const double top = linalg::symmetric_eigen(g, context_).values(q_.cols() - 1);
    candidate.array() += std::log(top / std::min(e_, 0.98));
    return candidate;
  };
  Vector gradient, curvature;
  const Vector even = spread(Vector::Zero(x_.rows()));
  const Vector ratio = spread(0.5 * (q_square_.array() / x_square_.array()).log());
  const double first = smoothed(even, 64.0, 0.0, gradient, curvature);
  const double second = smoothed(ratio, 64.0, 0.0, gradient, curvature);
  log_nu = second < first ? ratio : even;
}

Vector Shor::minimise(Index max_iterations, double tolerance, Index& iterations) {
  constexpr std::size_t memory = 8;
  Vector at;
  start(at);
  if (best_.size() == 0) return best_;
  Vector gradient, curvature, next_gradient, next_curvature;
  const double nl = static_cast<double>(q_.cols());
  struct Phase {
    double order, barrier;
  };
  // |G|_p <= d^(1/p) lambda_max, and the barrier costs about nL times itself
  for (const Phase phase : {Phase{8.0, 1e-2}, Phase{32.0, 1e-3}, Phase{128.0, 1e-4}}) {
    at = best_;
    const double barrier = phase.barrier / nl;
    double value = smoothed(at, phase.order, barrier, gradient, curvature);
    std::deque<Vector> steps, changes;
    double checkpoint = value;
    for (Index k = 0; k < max_iterations / 3; ++k, ++iterations) {
      context_.check();
      if (k % 10 == 9) {
        if (checkpoint - value < tolerance) break;
        checkpoint = value;
      }
      // two loops of L-BFGS with the diagonal of the curvature as its matrix
      Vector direction = gradient;
      std::vector<double> alphas(steps.size());
      for (std::size_t j = steps.size(); j-- > 0;) {
        alphas[j] = steps[j].dot(direction) / steps[j].dot(changes[j]);
        direction -= alphas[j] * changes[j];
      }
      direction.array() /= curvature.array() + 1e-12;
      for (std::size_t j = 0; j < steps.size(); ++j)
        direction += (alphas[j] - changes[j].dot(direction) / steps[j].dot(changes[j])) * steps[j];
      direction *= -1.0;
      double slope = direction.dot(gradient);
      if (!(slope < 0.0)) {
        direction = -gradient.array() / (curvature.array() + 1e-12);
        slope = direction.dot(gradient);
        steps.clear();
        changes.clear();
      }
      double length = std::min(1.0, 2.0 / direction.cwiseAbs().maxCoeff());
      double found = kInfinity;
      for (int trial = 0; trial < 20; ++trial, length *= 0.4) {
        found = smoothed(at + length * direction, phase.order, barrier, next_gradient, next_curvature);
        if (found <= value + 1e-4 * length * slope) break;
        found = kInfinity;
      }
      if (!(found < value)) break;
      const Vector step = length * direction, change = next_gradient - gradient;
      if (step.dot(change) > 1e-12 * step.norm() * change.norm()) {
        steps.push_back(step);
        changes.push_back(change);
        if (steps.size() > memory) steps.pop_front(), changes.pop_front();
      }
      at += step;
      value = found;
      gradient.swap(next_gradient);
      curvature.swap(next_curvature);
    }
  }
  // The best scale of N: at a = -1 it is where I - Q^T N^-1 Q turns singular.
  const Vector shape = best_;
  for (const double shift : {-1e-4, -1e-3, -1e-2, 1e-3, 1e-2})
    smoothed(shape.array() + shift, 64.0, 0.0, gradient, curvature);
  return best_.array().exp();
}

}  // namespace landscape::homogeneous
