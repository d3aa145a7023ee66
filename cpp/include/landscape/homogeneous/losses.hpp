// The losses of a row z of outputs against its target y, convex in z (THEORY 6, table). Squared, Huber, logistic and
// squared hinge are sums over the entries; softmax couples them.
//
//   squared hinge   1/2 max(0, 1 - y z)^2,  y = +-1
//   softmax         log sum_k exp(z_k) - <y, z>,  y in the simplex
#pragma once

#include "landscape/factorization/losses.hpp"
#include "landscape/typedefs.hpp"

namespace landscape::homogeneous {

enum class LossKind { squared, huber, logistic, squared_hinge, softmax };

struct Loss {
  LossKind kind = LossKind::squared;
  double delta = 1.0;  // huber only
};

struct SquaredHingeLoss {
  static double miss(double z, double y) { return std::max(0.0, 1.0 - y * z); }
  double value(double z, double y) const { return 0.5 * miss(z, y) * miss(z, y); }
  double derivative(double z, double y) const { return -y * miss(z, y); }
  double second(double z, double y) const { return 1.0 - y * z > 0.0 ? 1.0 : 0.0; }
};

// Each has, for rows of n entries: value; g <- gradient and the value; h <- (second derivative) d.
template <class Entry>
struct Entrywise {
  Entry entry;

  double value(const double* z, const double* y, Index n) const {
    double sum = 0.0;
    for (Index k = 0; k < n; ++k) sum += entry.value(z[k], y[k]);
    return sum;
  }
  double gradient(const double* z, const double* y, Index n, double* g) const {
    double sum = 0.0;
    for (Index k = 0; k < n; ++k) {
      sum += entry.value(z[k], y[k]);
      g[k] = entry.derivative(z[k], y[k]);
    }
    return sum;
  }
  void curvature(const double* z, const double* y, Index n, const double* d, double* h) const {
    for (Index k = 0; k < n; ++k) h[k] = entry.second(z[k], y[k]) * d[k];
  }
};

struct SoftmaxLoss {
  // log sum exp z = top + log1p(sum of the others' exp(z - top)): exact to rounding also where one class has it all
  double value(const double* z, const double* y, Index n) const { return gradient(z, y, n, nullptr); }
  double gradient(const double* z, const double* y, Index n, double* g) const {
    Index top = 0;
    for (Index k = 1; k < n; ++k)
      if (z[k] > z[top]) top = k;
    double others = 0.0, fit = 0.0;
    for (Index k = 0; k < n; ++k) {
      if (k != top) others += std::exp(z[k] - z[top]);
      fit += y[k] * (z[k] - z[top]);
    }
    if (g != nullptr)
      for (Index k = 0; k < n; ++k) g[k] = std::exp(z[k] - z[top]) / (1.0 + others) - y[k];
    return std::log1p(others) - fit;
  }
  void curvature(const double* z, const double*, Index n, const double* d, double* h) const {
    double top = z[0], sum = 0.0, mean = 0.0;
    for (Index k = 1; k < n; ++k) top = std::max(top, z[k]);
    for (Index k = 0; k < n; ++k) {
      h[k] = std::exp(z[k] - top);
      sum += h[k];
      mean += h[k] * d[k];
    }
    for (Index k = 0; k < n; ++k) h[k] = h[k] / sum * (d[k] - mean / sum);
  }
};

// body(loss) with the concrete type, so that the loops over rows are compiled once for each loss.
template <class Body>
auto with_loss(const Loss& loss, Body&& body) {
  switch (loss.kind) {
    case LossKind::huber:
      return body(Entrywise<factorization::HuberLoss>{{loss.delta}});
    case LossKind::logistic:
      return body(Entrywise<factorization::LogisticLoss>{});
    case LossKind::squared_hinge:
      return body(Entrywise<SquaredHingeLoss>{});
    case LossKind::softmax:
      return body(SoftmaxLoss{});
    default:
      return body(Entrywise<factorization::SquaredLoss>{});
  }
}

}  // namespace landscape::homogeneous
