// The losses of an entry z against its target y, convex in z, and their conjugates (THEORY 6, table).
//
//   squared   1/2 t^2                                t = z - y        conjugate 1/2 a^2 + a y
//   huber     1/2 t^2 if |t| <= delta, else delta |t| - 1/2 delta^2   conjugate 1/2 a^2 + a y,  |a| <= delta
//   logistic  log(1 + exp(-y z)),  y = +-1           p = -y a         conjugate p ln p + (1 - p) ln(1 - p),  0 <= p <=
//   1
//
// A weighted loss c l(z) has the conjugate c l*(a / c), so only the unweighted ones are written.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#include "landscape/typedefs.hpp"

namespace landscape::factorization {

enum class LossKind { squared, huber, logistic };

struct Loss {
  LossKind kind = LossKind::squared;
  double delta = 1.0;  // huber only
};

// Each has value(z, y), derivative and second derivative in z, the conjugate and the inverse of the derivative (which
// is the derivative of the conjugate), and `curvature`, a bound on the second derivative.
struct SquaredLoss {
  static constexpr double curvature = 1.0;
  double value(double z, double y) const { return 0.5 * (z - y) * (z - y); }
  double derivative(double z, double y) const { return z - y; }
  double second(double, double) const { return 1.0; }
  double conjugate(double a, double y) const { return a * (0.5 * a + y); }
  double conjugate_derivative(double a, double y) const { return a + y; }
  // the largest s with s a in the domain of the conjugate
  double dual_reach(double, double) const { return std::numeric_limits<double>::infinity(); }
};

struct HuberLoss {
  static constexpr double curvature = 1.0;
  double delta;
  double value(double z, double y) const {
    const double t = std::abs(z - y);
    return t <= delta ? 0.5 * t * t : delta * (t - 0.5 * delta);
  }
  double derivative(double z, double y) const { return std::clamp(z - y, -delta, delta); }
  double second(double z, double y) const { return std::abs(z - y) <= delta ? 1.0 : 0.0; }
  double conjugate(double a, double y) const { return a * (0.5 * a + y); }
  double conjugate_derivative(double a, double y) const { return a + y; }
  double dual_reach(double a, double) const {
    return a == 0.0 ? std::numeric_limits<double>::infinity() : delta / std::abs(a);
  }
};

struct LogisticLoss {
  static constexpr double curvature = 0.25;
  double value(double z, double y) const {
    const double margin = y * z;
    return std::log1p(std::exp(-std::abs(margin))) + std::max(0.0, -margin);
  }
  // p = 1 / (1 + exp(y z)), the probability of the other class
  static double miss(double z, double y) {
    const double e = std::exp(-std::abs(z));
    return (y * z >= 0.0 ? e : 1.0) / (1.0 + e);
  }
  double derivative(double z, double y) const { return -y * miss(z, y); }
  double second(double z, double y) const {
    const double p = miss(z, y);
    return p * (1.0 - p);
  }
  static double x_log_x(double x) { return x > 0.0 ? x * std::log(x) : 0.0; }
  double conjugate(double a, double y) const {
    const double p = std::clamp(-y * a, 0.0, 1.0);
    return x_log_x(p) + (p < 1.0 ? (1.0 - p) * std::log1p(-p) : 0.0);
  }
  double conjugate_derivative(double a, double y) const {
    const double p = std::clamp(-y * a, 0.0, 1.0);
    return -y * (std::log(p) - std::log1p(-p));
  }
  double dual_reach(double a, double y) const {
    const double p = -y * a;
    return p > 0.0 ? 1.0 / p : std::numeric_limits<double>::infinity();
  }
};

// body(loss) with the concrete type, so that the loops over entries are compiled once for each loss.
template <class Body>
auto with_loss(const Loss& loss, Body&& body) {
  switch (loss.kind) {
    case LossKind::huber:
      return body(HuberLoss{loss.delta});
    case LossKind::logistic:
      return body(LogisticLoss{});
    default:
      return body(SquaredLoss{});
  }
}

}  // namespace landscape::factorization
