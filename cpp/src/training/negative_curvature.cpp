#include "negative_curvature.hpp"

#include <algorithm>
#include <cmath>

#include "landscape/linalg/lanczos.hpp"

namespace landscape::training {

namespace {

constexpr int kDoublings = 40;
constexpr std::uint64_t kLeftmost = 0x6C656674ULL;

}  // namespace

void SecondOrder::place(Group& group, Index i, const Vector& direction, double step) {
  VectorMap(group.trial(i), group.size()) = ConstVectorMap(group.run(i).point, group.size()) + step * direction;
}

void SecondOrder::product(Group& group, Index i, const double* d, double* h, const Context& context) {
  group.objective().product(d, h, group.scratch(), context);
  ++group.run(i).products;
}

void SecondOrder::step(Group& group, const Context& context) {
  for (const Index i : group.open()) {
    Run& run = group.run(i);
    group.objective().set_hessian(run.point, group.scratch(), context);
    if (group.small_gradient(i)) {
      if (!leave(group, i, context)) run.reason = StopReason::converged;
    } else {
      advance(group, i, context);
    }
  }
}

// A step off a point where the gradient is small; false if no curvature there is negative.
bool SecondOrder::leave(Group& group, Index i, const Context& context) {
  Run& run = group.run(i);
  if (group.size() == 0) return false;
  linalg::LanczosSettings settings;
  settings.tolerance = std::max(0.1 * settings_.curvature, 1e-12);
  settings.seed = settings_.seed ^ kLeftmost ^ (run.key << 20) ^ static_cast<std::uint64_t>(run.steps);
  double scale = 0.0;
  const linalg::LanczosResult found = linalg::lanczos(
      [&](const double* x, double* y) {
        product(group, i, x, y, context);
        scale = std::max(scale, group.norm(y) / std::max(group.norm(x), 1e-300));
      },
      group.size(), settings, context);
  if (found.values.size() == 0 || !(found.values[0] < -settings_.curvature * scale)) return false;
  Vector direction = found.vectors.row(0).transpose();
  if (direction.dot(ConstVectorMap(group.gradient(i), group.size())) > 0.0) direction = -direction;
  descend_curvature(group, i, direction, found.values[0], context);
  return true;
}

void SecondOrder::descend_curvature(Group& group, Index i, const Vector& direction, double curvature,
                                    const Context& context) {
  Run& run = group.run(i);
  const double slope = std::min(0.0, direction.dot(ConstVectorMap(group.gradient(i), group.size())));
  const auto enough = [&](double t) {
    return !group.bad_trial(i) &&
           group.trial_value(i) <= run.value + kSufficient * (t * slope + 0.5 * t * t * curvature);
  };
  double t = 0.1 * std::max(group.norm(run.point), 1e-3);
  place(group, i, direction, t);
  group.evaluate(i, context);
  if (enough(t)) {
    for (int doubling = 0; doubling < kDoublings; ++doubling) {
      const double value = group.trial_value(i);
      place(group, i, direction, 2.0 * t);
      group.evaluate(i, context);
      if (group.bad_trial(i) || group.trial_value(i) >= value || !enough(2.0 * t)) {
        place(group, i, direction, t);
        group.evaluate(i, context);
        break;
      }
      t *= 2.0;
    }
    group.accept(i, false);
    return;
  }
  for (int halving = 0; halving < kHalvings; ++halving) {
    t *= 0.5;
    place(group, i, direction, t);
    group.evaluate(i, context);
    if (enough(t)) {
      group.accept(i, false);
      return;
    }
  }
  run.reason = StopReason::stalled;
}

void SecondOrder::backtrack(Group& group, Index i, const Vector& direction, const Context& context) {
  Run& run = group.run(i);
  const double slope = direction.dot(ConstVectorMap(group.gradient(i), group.size()));
  double t = 1.0;
  for (int halving = 0; halving < kHalvings; ++halving, t *= 0.5) {
    place(group, i, direction, t);
    group.evaluate(i, context);
    if (group.bad_trial(i)) continue;
    // Where the decrease drowns in rounding the slope decides (Hager & Zhang 2005, "approximate Wolfe").
    const double there = direction.dot(ConstVectorMap(group.trial_gradient(i), group.size()));
    if (group.trial_value(i) <= run.value + kSufficient * t * slope ||
        (group.trial_value(i) <= run.value + settings_.rounding && there <= (2.0 * kSufficient - 1.0) * slope)) {
      group.accept(i, false);
      return;
    }
  }
  run.reason = StopReason::stalled;
}

}  // namespace landscape::training
