#include <algorithm>
#include <cmath>

#include "negative_curvature.hpp"

namespace landscape::training {

namespace {

class NewtonCg final : public SecondOrder {
 public:
  using SecondOrder::SecondOrder;

 protected:
  // Conjugate gradients for H d = -g, to the accuracy of Nocedal & Wright 2006, (7.3), or to negative curvature.
  void advance(Group& group, Index i, const Context& context) override {
    const Index size = group.size();
    Run& run = group.run(i);
    const ConstVectorMap g(group.gradient(i), size);
    const double target = std::min(0.5, std::sqrt(run.gradient_norm)) * run.gradient_norm;
    d_ = Vector::Zero(size);
    r_ = g;
    p_ = -g;
    h_.resize(size);
    double scale = 0.0, square = r_.squaredNorm();
    for (Index j = 0; j < settings_.krylov; ++j) {
      product(group, i, p_.data(), h_.data(), context);
      const double length = p_.norm(), curvature = p_.dot(h_) / (length * length);
      scale = std::max(scale, h_.norm() / length);
      if (curvature < -settings_.curvature * scale) {
        p_ /= p_.dot(g) > 0.0 ? -length : length;
        descend_curvature(group, i, p_, curvature, context);
        return;
      }
      if (!(curvature > settings_.curvature * scale)) break;  // flat: the step so far, or along -g
      const double alpha = square / (curvature * length * length);
      d_ += alpha * p_;
      r_ += alpha * h_;
      const double next = r_.squaredNorm();
      if (std::sqrt(next) <= target) break;
      p_ = -r_ + (next / square) * p_;
      square = next;
    }
    if (!(d_.dot(g) < 0.0)) d_ = -(0.1 * std::max(group.norm(run.point), 1e-3) / run.gradient_norm) * g;
    backtrack(group, i, d_, context);
  }

 private:
  Vector d_, r_, p_, h_;
};

}  // namespace

std::unique_ptr<Stepper> make_newton_cg(const Settings& settings) { return std::make_unique<NewtonCg>(settings); }

}  // namespace landscape::training
