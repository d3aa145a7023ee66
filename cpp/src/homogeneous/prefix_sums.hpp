// The matrices A of sum_i act(x_i . w) q_i = A w on the arcs of the circle, in twice the working precision.
//
// Turned by a quarter, line k (angular_order.hpp) is the direction d_k = (-x2, x1) in which it vanishes, k = 1..n, and
// w sweeps from d_1 to -d_1. The sums R and N of q_i x_i^T over the active and the inactive samples are
//   R_0 = sum over s_i = 1 of q~_i x~_i^T,   N_0 = - sum over s_i = -1 of q~_i x~_i^T,
//   R_k = R_{k-1} - q~_k x~_k^T,             R_k + N_k = R_0 + N_0        between d_k and d_{k+1}, whatever s_k is:
// a sample with s = 1 is active before its line and inactive behind it, one with s = -1 the other way round. Hence
//   f(w) = |A+ w|, A+ = R_k + a N_k,         f(-w) = |A- w|, A- = N_k + a R_k.
#pragma once

#include <algorithm>
#include <vector>

#include "angular_order.hpp"
#include "compensated.hpp"
#include "landscape/parallel.hpp"

namespace landscape::homogeneous {

class PrefixSums {
 public:
  static constexpr Index kBlock = 1024;  // lines from one stored sum to the next

  PrefixSums(const ConstMatrixView& x, const ConstMatrixView& q, double slope, const Context& context)
      : outputs_(q.cols()), slope_(slope) {
    const bool linear = slope == 1.0;
    lines_ = angular_order(x, q, !linear, context);
    sum(context);
    if (!linear) return;
    // A does not depend on the arc: the fences are enough.
    const int exponent = lines_.exponent;
    lines_ = angular_order(x.topRows(0), q.topRows(0), true, context);
    lines_.exponent = exponent;
    states_ = total_;
  }

  const AngularOrder& lines() const { return lines_; }
  Index outputs() const { return outputs_; }
  Index blocks() const { return (lines_.size + kBlock - 1) / kBlock; }
  // On |sum_i act(x_i . w) q_i|_2 at any w of length one, before A is rounded. Every exact term of a sum reaches its
  // low part, u D sum |q_i|_1 |x_i|_1 in all for chains of D sums, and these are added with D roundings more; R and N
  // are made of a few such sums.
  double error() const { return error_; }
  double weight() const { return weight_; }

  // R before line k + 1 of block b, k = b kBlock
  const DoubleDouble* before(Index block) const { return states_.data() + block * 2 * outputs_; }

  // row l of R: r <- r - q~_kl x~_k^T
  void pass(Index k, Index l, DoubleDouble* r) const {
    r[0] = r[0] - two_product(lines_.q(k, l), lines_.x1(k));
    r[1] = r[1] - two_product(lines_.q(k, l), lines_.x2(k));
  }

  // R behind all lines that w has passed. Needs w1 < 0, or w1 = 0 < w2.
  std::vector<DoubleDouble> at(double w1, double w2) const {
    Index low = 0, high = lines_.size;  // x~_k . w < 0 for the first lines and for no other
    while (low < high) {
      const Index k = (low + high) / 2 + 1;
      if (compare_products(lines_.x1(k), w1, lines_.x2(k), -w2) < 0)
        low = k;
      else
        high = k - 1;
    }
    const Index block = std::min(low / kBlock, blocks() - 1);
    std::vector<DoubleDouble> r(before(block), before(block) + 2 * outputs_);
    for (Index k = block * kBlock + 1; k <= low; ++k)
      for (Index l = 0; l < outputs_; ++l) pass(k, l, r.data() + 2 * l);
    return r;
  }

  // (A+, A-) of entry j = 2 l or 2 l + 1, rounded once
  void forms(Index j, DoubleDouble r, double& plus, double& minus) const {
    const DoubleDouble n = total_[static_cast<std::size_t>(j)] - r;
    plus = combined(r, n);
    minus = combined(n, r);
  }

 private:
  double combined(DoubleDouble r, DoubleDouble n) const {
    const DoubleDouble product = two_product(slope_, n.high), sum = two_sum(r.high, product.high);
    return sum.high + (sum.low + (product.low + (r.low + slope_ * n.low)));
  }

  void sum(const Context& context) {
    const Index entries = 2 * outputs_, count = blocks();
    std::vector<DoubleDouble> sums(
        static_cast<std::size_t>(2 * entries * count));  // of q~ x~^T in each block: s = 1, s = -1
    std::vector<double> weights(static_cast<std::size_t>(count));
    parallel_for(count, context, [&](Index b, int) {
      double weight = 0.0;
      for (Index k = b * kBlock + 1; k <= std::min(lines_.size, (b + 1) * kBlock); ++k) {
        DoubleDouble* const r = sums.data() + (2 * b + (lines_.side(k) < 0.0 ? 1 : 0)) * entries;
        const double x1 = lines_.x1(k), x2 = lines_.x2(k), size = std::abs(x1) + x2;
        for (Index l = 0; l < outputs_; ++l) {
          const double ql = lines_.q(k, l);
          r[2 * l] = r[2 * l] + two_product(ql, x1);
          r[2 * l + 1] = r[2 * l + 1] + two_product(ql, x2);
          weight += size * std::abs(ql);
        }
      }
      weights[static_cast<std::size_t>(b)] = weight;
    });

    std::vector<DoubleDouble> active(static_cast<std::size_t>(entries)), inactive(active);  // R_0, N_0
    weight_ = 0.0;
    for (Index b = 0; b < count; ++b) {
      weight_ += weights[static_cast<std::size_t>(b)];
      for (Index j = 0; j < entries; ++j) {
        const DoubleDouble* const block = sums.data() + 2 * b * entries + j;
        DoubleDouble &r = active[static_cast<std::size_t>(j)], &n = inactive[static_cast<std::size_t>(j)];
        r = r + block[0];
        n = n - block[entries];
      }
    }
    total_.resize(active.size());
    for (std::size_t j = 0; j < total_.size(); ++j) total_[j] = active[j] + inactive[j];
    states_ = active;
    states_.resize(static_cast<std::size_t>(entries * count));
    for (Index b = 0; b + 1 < count; ++b)
      for (Index j = 0; j < entries; ++j) {
        const DoubleDouble* const block = sums.data() + 2 * b * entries + j;
        states_[static_cast<std::size_t>((b + 1) * entries + j)] = before(b)[j] - (block[0] + block[entries]);
      }
    constexpr double u = kUnitRoundoff;
    const double chain = static_cast<double>(std::min(kBlock, lines_.size) + 4 * count + 8);
    error_ = 64.0 * chain * chain * u * u * weight_;
  }

  Index outputs_;
  double slope_;
  AngularOrder lines_;
  std::vector<DoubleDouble> total_, states_;  // R + N; R before each block
  double error_ = 0.0, weight_ = 0.0;
};

}  // namespace landscape::homogeneous
