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
  static constexpr Index kTile = 64;  // lines from one stored sum to the next

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
  Index tiles() const { return (lines_.size + kTile - 1) / kTile; }
  // On |sum_i act(x_i . w) q_i|_2 at any w of length one, before A is rounded. Every exact term of a sum reaches its
  // low part, u D sum |q_i|_1 |x_i|_1 in all for chains of D sums, and these are added with D roundings more; R and N
  // are made of a few such sums.
  double error() const { return error_; }
  double weight() const { return weight_; }

  // R before line k + 1, k = t kTile
  const DoubleDouble* before(Index t) const { return states_.data() + t * 2 * outputs_; }
  // sum |q~_i|_1 |x~_i|_1 over the lines k + 1..k + kTile
  double weight_of(Index t) const { return weights_[static_cast<std::size_t>(t)]; }

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
    const Index tile = std::min(low / kTile, tiles() - 1);
    std::vector<DoubleDouble> r(before(tile), before(tile) + 2 * outputs_);
    for (Index k = tile * kTile + 1; k <= low; ++k)
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
  static constexpr Index kTilesOfPart = 16;  // summed by one thread, and in between: it keeps the chains of sums short

  double combined(DoubleDouble r, DoubleDouble n) const {
    const DoubleDouble product = two_product(slope_, n.high), sum = two_sum(r.high, product.high);
    return sum.high + (sum.low + (product.low + (r.low + slope_ * n.low)));
  }

  void sum(const Context& context) {
    const Index entries = 2 * outputs_, count = tiles(), parts = (count + kTilesOfPart - 1) / kTilesOfPart;
    // of q~ x~^T: s = 1 in the first half of a row, s = -1 in the second
    std::vector<DoubleDouble> of_tile(static_cast<std::size_t>(2 * entries * count));
    std::vector<DoubleDouble> of_part(static_cast<std::size_t>(2 * entries * parts));
    weights_.resize(static_cast<std::size_t>(count));
    parallel_for(parts, context, [&](Index part, int) {
      DoubleDouble* const total = of_part.data() + 2 * part * entries;
      for (Index t = part * kTilesOfPart; t < std::min(count, (part + 1) * kTilesOfPart); ++t) {
        DoubleDouble* const sums = of_tile.data() + 2 * t * entries;
        double weight = 0.0;
        for (Index k = t * kTile + 1; k <= std::min(lines_.size, (t + 1) * kTile); ++k) {
          DoubleDouble* const r = sums + (lines_.side(k) < 0.0 ? entries : 0);
          const double x1 = lines_.x1(k), x2 = lines_.x2(k), size = std::abs(x1) + x2;
          for (Index l = 0; l < outputs_; ++l) {
            const double ql = lines_.q(k, l);
            r[2 * l] = r[2 * l] + two_product(ql, x1);
            r[2 * l + 1] = r[2 * l + 1] + two_product(ql, x2);
            weight += size * std::abs(ql);
          }
        }
        weights_[static_cast<std::size_t>(t)] = weight;
        for (Index j = 0; j < 2 * entries; ++j) total[j] = total[j] + sums[j];
      }
    });

    weight_ = 0.0;
    for (const double weight : weights_) weight_ += weight;
    std::vector<DoubleDouble> active(static_cast<std::size_t>(entries)), inactive(active);  // R_0, N_0
    for (Index part = 0; part < parts; ++part)
      for (Index j = 0; j < entries; ++j) {
        const DoubleDouble* const sums = of_part.data() + 2 * part * entries + j;
        DoubleDouble &r = active[static_cast<std::size_t>(j)], &n = inactive[static_cast<std::size_t>(j)];
        r = r + sums[0];
        n = n - sums[entries];
      }
    total_.resize(active.size());
    for (std::size_t j = 0; j < total_.size(); ++j) total_[j] = active[j] + inactive[j];
    states_.resize(static_cast<std::size_t>(entries * count));
    for (Index part = 0; part < parts; ++part)
      for (Index j = 0; j < entries; ++j) {
        DoubleDouble state = active[static_cast<std::size_t>(j)];  // R before the part, then before each of its tiles
        const DoubleDouble* const sums = of_part.data() + 2 * part * entries + j;
        active[static_cast<std::size_t>(j)] = state - (sums[0] + sums[entries]);
        for (Index t = part * kTilesOfPart; t < std::min(count, (part + 1) * kTilesOfPart); ++t) {
          states_[static_cast<std::size_t>(t * entries + j)] = state;
          const DoubleDouble* const own = of_tile.data() + 2 * t * entries + j;
          state = state - (own[0] + own[entries]);
        }
      }
    constexpr double u = kUnitRoundoff;
    const double chain = static_cast<double>(2 * std::min(kTile, lines_.size) + 2 * kTilesOfPart + 4 * parts + 8);
    error_ = 64.0 * chain * chain * u * u * weight_;
  }

  Index outputs_;
  double slope_;
  AngularOrder lines_;
  std::vector<DoubleDouble> total_, states_;  // R + N; R before each tile
  std::vector<double> weights_;
  double error_ = 0.0, weight_ = 0.0;
};

}  // namespace landscape::homogeneous
