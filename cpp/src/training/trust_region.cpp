#include <algorithm>
#include <cmath>

#include "landscape/linalg/decompositions.hpp"
#include "negative_curvature.hpp"

namespace landscape::training {

namespace {

constexpr int kTrials = 60;

// min over |y| <= radius of <c, y> + 1/2 sum lambda_i y_i^2 (More & Sorensen 1983), lambda ascending
struct Diagonal {
  const Vector& lambda;
  const Vector& c;

  Vector at(double mu) const {
    Vector y(lambda.size());
    for (Index k = 0; k < y.size(); ++k) {
      const double under = lambda[k] + mu;
      y[k] = c[k] == 0.0 ? 0.0 : -c[k] / std::max(under, 1e-300);
    }
    return y;
  }

  Vector minimum(double radius) const {
    if (lambda[0] > 0.0) {
      const Vector y = at(0.0);
      if (y.norm() <= radius) return y;
    }
    double low = std::max(0.0, -lambda[0]), high = low + c.norm() / radius;
    const double tiny = 1e-14 * (std::abs(lambda[0]) + high - low);
    Vector y = at(low + tiny);
    if (y.norm() < radius) {  // the hard case: the leftmost eigenvector fills up the radius
      const double rest = y.tail(y.size() - 1).squaredNorm();
      const double fill = std::sqrt(std::max(0.0, radius * radius - rest));
      y[0] = c[0] > 0.0 ? -fill : fill;
      return y;
    }
    for (int halving = 0; halving < 200 && high - low > 1e-14 * high; ++halving) {
      const double middle = 0.5 * (low + high);
      (at(middle).norm() > radius ? low : high) = middle;
    }
    return at(high);
  }
};

class TrustRegion final : public SecondOrder {
 public:
  using SecondOrder::SecondOrder;

 protected:
  void advance(Group& group, Index i, const Context& context) override {
    Run& run = group.run(i);
    build(group, i, context);
    const ConstVectorMap x(run.point, group.size());
    for (int trial = 0; trial < kTrials; ++trial) {
      const Vector y = vectors_ * Diagonal{values_, slopes_}.minimum(run.step_size);
      const double predicted = -(gradient_norm_ * y[0] + 0.5 * y.dot(projected_.topLeftCorner(rank_, rank_) * y));
      VectorMap(group.trial(i), group.size()) = x + basis_.topRows(rank_).transpose() * y;
      group.evaluate(i, context);
      const double length = y.norm();
      if (!group.bad_trial(i)) {
        const double actual = run.value - group.trial_value(i);
        const bool drowned = predicted <= 10.0 * settings_.rounding;
        const double ratio = predicted > 0.0 ? actual / predicted : -1.0;
        const bool lower = group.trial_gradient_norm(i) < run.gradient_norm && actual >= -settings_.rounding;
        if (drowned ? lower : ratio > 1e-4) {
          if (!drowned && ratio > 0.75 && length > 0.9 * run.step_size)
            run.step_size *= 2.0;
          else if (!drowned && ratio < 0.25)
            run.step_size = 0.25 * length;
          group.accept(i, false);
          return;
        }
      }
      run.step_size = 0.25 * length;
    }
    run.reason = StopReason::stalled;
  }

 private:
  // The Krylov space of g: orthonormal rows, H projected on it, and the spectral form of that.
  void build(Group& group, Index i, const Context& context) {
    const Index size = group.size(), most = std::min(settings_.krylov, size);
    const Run& run = group.run(i);
    gradient_norm_ = run.gradient_norm;
    if (basis_.rows() < most || basis_.cols() != size) basis_.resize(most, size);
    projected_.setZero(most, most);
    basis_.row(0) = ConstVectorMap(group.gradient(i), size).transpose() / gradient_norm_;
    image_.resize(size);
    const double target = std::min(0.1, std::sqrt(gradient_norm_)) * gradient_norm_;
    double scale = 0.0;
    for (rank_ = 1;; ++rank_) {
      const Index j = rank_ - 1;
      product(group, i, basis_.row(j).data(), image_.data(), context);
      scale = std::max(scale, image_.norm());
      Vector coefficients = basis_.topRows(rank_) * image_;
      image_ -= basis_.topRows(rank_).transpose() * coefficients;
      const Vector again = basis_.topRows(rank_) * image_;
      image_ -= basis_.topRows(rank_).transpose() * again;
      coefficients += again;
      projected_(j, j) = coefficients[j];
      const double beta = image_.norm();
      const bool last = rank_ == most || beta <= 1e-13 * scale;
      if (last || rank_ % 4 == 0) {
        solve();
        if (last) return;
        const Vector y = vectors_ * Diagonal{values_, slopes_}.minimum(run.step_size);
        if (beta * std::abs(y[j]) <= target) return;
      }
      projected_(j, rank_) = projected_(rank_, j) = beta;
      basis_.row(rank_) = image_.transpose() / beta;
    }
  }

  void solve() {
    const linalg::SymmetricEigen eigen = linalg::symmetric_eigen(projected_.topLeftCorner(rank_, rank_), Context{});
    values_ = eigen.values;
    vectors_ = eigen.vectors;
    slopes_ = gradient_norm_ * vectors_.row(0).transpose();
  }

  Matrix basis_, projected_, vectors_;
  Vector image_, values_, slopes_;
  double gradient_norm_ = 0.0;
  Index rank_ = 0;
};

}  // namespace

std::unique_ptr<Stepper> make_trust_region(const Settings& settings) { return std::make_unique<TrustRegion>(settings); }

}  // namespace landscape::training
