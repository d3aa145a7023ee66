// What the group lasso needs of a loss beyond losses.hpp: a bound w(z, y) on the second derivative of a row, and the
// Fenchel excess l(z) + l*(s e) - s <e, z> >= 0 of e = gradient(z), 0 <= s <= 1, without cancellation.
#pragma once

#include <algorithm>
#include <cmath>

#include "landscape/homogeneous/losses.hpp"

namespace landscape::homogeneous {

template <class Entry>
double row_weight(const Entrywise<Entry>& loss, const double* z, const double* y, Index n) {
  double top = 0.0;
  for (Index o = 0; o < n; ++o) top = std::max(top, loss.entry.second(z[o], y[o]));
  return top;
}

// Gershgorin for diag(p) - p p^T
inline double row_weight(const SoftmaxLoss&, const double* z, const double*, Index n) {
  const double top = *std::max_element(z, z + n);
  double total = 0.0, most = 0.0;
  for (Index o = 0; o < n; ++o) total += std::exp(z[o] - top);
  for (Index o = 0; o < n; ++o) {
    const double p = std::exp(z[o] - top) / total;
    most = std::max(most, 2.0 * p * (1.0 - p));
  }
  return most;
}

// w <- the factors of B, l'' = B^T B, of one row: for sums over entries B = diag(w), for softmax diag(w) (I - 1 p^T)
// with w_o^2 = p_o.
template <class Entry>
void root_curvature(const Entrywise<Entry>& loss, const double* z, const double* y, Index n, double* w) {
  for (Index o = 0; o < n; ++o) w[o] = std::sqrt(loss.entry.second(z[o], y[o]));
}
inline void root_curvature(const SoftmaxLoss&, const double* z, const double*, Index n, double* w) {
  const double top = *std::max_element(z, z + n);
  double total = 0.0;
  for (Index o = 0; o < n; ++o) total += std::exp(z[o] - top);
  for (Index o = 0; o < n; ++o) w[o] = std::sqrt(std::exp(z[o] - top) / total);
}

// log(1 + a e^t) without overflow, a >= 0
inline double log1p_exp(double a, double t) {
  return t < 600.0 || a == 0.0 ? std::log1p(a * std::exp(std::min(t, 600.0))) : t + std::log(a);
}

// l(z) + l*(s e) - s <e, z> >= 0 for e = gradient(z), 0 <= s <= 1 (any s for the squared loss)
inline double excess(const Entrywise<factorization::SquaredLoss>&, const double* z, const double* y, Index n,
                     double s) {
  double sum = 0.0;
  for (Index o = 0; o < n; ++o) sum += (z[o] - y[o]) * (z[o] - y[o]);
  return 0.5 * (1.0 - s) * (1.0 - s) * sum;
}

inline double excess(const Entrywise<factorization::HuberLoss>& loss, const double* z, const double* y, Index n,
                     double s) {
  const double delta = loss.entry.delta;
  double sum = 0.0;
  for (Index o = 0; o < n; ++o) {
    const double t = std::abs(z[o] - y[o]);
    sum += t <= delta ? 0.5 * (1.0 - s) * (1.0 - s) * t * t : (1.0 - s) * delta * (t - 0.5 * delta * (1.0 + s));
  }
  return sum;
}

inline double excess(const Entrywise<SquaredHingeLoss>& loss, const double* z, const double* y, Index n, double s) {
  return (1.0 - s) * (1.0 - s) * loss.value(z, y, n);
}

// The divergence of (s p, 1 - s p) from (p, 1 - p), p / (1 - p) = e^(-y z).
inline double excess(const Entrywise<factorization::LogisticLoss>&, const double* z, const double* y, Index n,
                     double s) {
  double sum = 0.0;
  for (Index o = 0; o < n; ++o) {
    const double p = s * factorization::LogisticLoss::miss(z[o], y[o]);
    sum += (1.0 - p) * log1p_exp(1.0 - s, -y[o] * z[o]) + (s > 0.0 ? p * std::log(s) : 0.0);
  }
  return sum;
}

// The divergence of s p + (1 - s) y from p = softmax(z).
inline double excess(const SoftmaxLoss&, const double* z, const double* y, Index n, double s) {
  const double top = *std::max_element(z, z + n);
  double total = 0.0, sum = 0.0;
  for (Index o = 0; o < n; ++o) total += std::exp(z[o] - top);
  const double log_total = top + std::log(total);
  for (Index o = 0; o < n; ++o) {
    const double log_p = z[o] - log_total, q = s * std::exp(log_p) + (1.0 - s) * y[o];
    if (q > 0.0) sum += q * (std::log(q) - log_p);
  }
  return std::max(0.0, sum);
}

}  // namespace landscape::homogeneous
