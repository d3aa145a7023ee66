#include "angular_order.hpp"

#include <algorithm>
#include <climits>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>

#include "compensated.hpp"
#include "landscape/errors.hpp"
#include "landscape/parallel.hpp"

namespace landscape::homogeneous {

namespace {

constexpr Index kChunk = 8192;  // rows that one thread takes at a time
constexpr Index kFences = 4;
constexpr double kFence[kFences][2] = {{1.0, 0.0}, {1.0, 1.0}, {0.0, 1.0}, {-1.0, 1.0}};

Index chunks(Index n) { return (n + kChunk - 1) / kChunk; }

// floor(log2 |x|), x != 0; 1024 for infinities and NaN
int exponent_of(double x) {
  std::uint64_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  const int field = static_cast<int>((bits >> 52) & 0x7ff);
  return field > 0 ? field - 1023 : std::ilogb(x);
}

// 2^k, |k| <= 1022
double power_of_two(int k) {
  const std::uint64_t bits = static_cast<std::uint64_t>(k + 1023) << 52;
  double result;
  std::memcpy(&result, &bits, sizeof result);
  return result;
}

// 2^k as two factors, for every k that takes a double to a double
struct PowerOfTwo {
  explicit PowerOfTwo(int k)
      : first(power_of_two(std::clamp(k, -2044, 2044) / 2)),
        second(power_of_two(std::clamp(k, -2044, 2044) - std::clamp(k, -2044, 2044) / 2)) {}
  double first, second;
  double operator*(double x) const { return x * first * second; }
};

struct Line {
  double x1, x2;
  int exponent;
  bool reversed;
};

Line canonical(double x1, double x2) {
  constexpr double negligible = 0x1p-400;
  const int e = exponent_of(std::max(std::abs(x1), std::abs(x2)));
  const PowerOfTwo scale(-e);
  x1 = scale * x1;
  x2 = scale * x2;
  if (std::abs(x1) < negligible) x1 = 0.0;
  if (std::abs(x2) < negligible) x2 = 0.0;
  const bool reversed = x2 < 0.0 || (x2 == 0.0 && x1 < 0.0);
  return {reversed ? -x1 : x1, reversed ? -x2 : x2, e, reversed};
}

// Grows with the angle of x from -1 to 1 and is off by at most 2^-52, so keys further apart than kTie are in order.
double key_of(double x1, double x2) { return -x1 / (std::abs(x1) + x2); }
constexpr double kTie = 0x1p-50;
constexpr double kAbsent = 2.0;  // the key of rows left out

struct Ray {
  double key;
  Index slot;  // where its line is
};

bool before(const Ray& a, const Ray& b) { return a.key < b.key || (a.key == b.key && a.slot < b.slot); }

// n rays without a value yet, for threads to be the first that touch them
using Rays = std::unique_ptr<Ray[]>;
Rays rays(Index n) { return Rays(new Ray[static_cast<std::size_t>(n)]); }

// Buckets of equal width over the keys low..high: calls move(i, place) for every i = 0..n-1 that is not absent, in such
// a way that buckets ascend and each one keeps the order of i. Returns where the buckets begin, and the total.
template <class Key, class Move>
std::vector<Index> distribute(Index n, double low, double high, Index buckets, const Key& key, const Move& move,
                              const Context& context) {
  const double scale = low < high ? (static_cast<double>(buckets) - 0.5) / (high - low) : 0.0;
  const auto bucket = [&](double k) { return static_cast<Index>((k - low) * scale); };
  const Index length = std::max(kChunk, n / 16), blocks = (n + length - 1) / length;
  Eigen::Matrix<Index, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> place(blocks, buckets);  // counts at first
  parallel_for(blocks, context, [&](Index b, int) {
    place.row(b).setZero();
    for (Index i = b * length; i < std::min(n, (b + 1) * length); ++i)
      if (key(i) != kAbsent) ++place(b, bucket(key(i)));
  });
  std::vector<Index> start;
  Index total = 0;
  for (Index j = 0; j < buckets; ++j) {
    start.push_back(total);
    for (Index b = 0; b < blocks; ++b) {
      const Index count = place(b, j);
      place(b, j) = total;
      total += count;
    }
  }
  start.push_back(total);
  parallel_for(blocks, context, [&](Index b, int) {
    for (Index i = b * length; i < std::min(n, (b + 1) * length); ++i)
      if (key(i) != kAbsent) move(i, place(b, bucket(key(i)))++);
  });
  return start;
}

Index bucket_count(Index n) {
  constexpr Index per_bucket = 1024;
  return (n + per_bucket - 1) / per_bucket;
}

void sort_buckets(Ray* all, const std::vector<Index>& start, int depth, const Context& context);

// A range that is too large for one thread is distributed again, unless it does not spread.
void sort_rays(Ray* all, Index n, int depth, const Context& context) {
  constexpr int deepest = 4;
  const auto range = std::minmax_element(all, all + n, [](const Ray& a, const Ray& b) { return a.key < b.key; });
  const double low = range.first->key, high = range.second->key;
  if (low == high) return;  // slots ascend
  if (depth == deepest) {
    std::sort(all, all + n, before);
    return;
  }
  const Rays from = rays(n);
  std::copy(all, all + n, from.get());
  const auto key = [&](Index i) { return from[static_cast<std::size_t>(i)].key; };
  const auto move = [&](Index i, Index place) { all[place] = from[static_cast<std::size_t>(i)]; };
  sort_buckets(all, distribute(n, low, high, bucket_count(n), key, move, context), depth + 1, context);
}

void sort_buckets(Ray* all, const std::vector<Index>& start, int depth, const Context& context) {
  constexpr Index serial_up_to = 16384;
  const Index buckets = static_cast<Index>(start.size()) - 1;
  const Index* const begin = start.data();
  parallel_for(buckets, context, [&](Index j, int) {
    if (begin[j + 1] - begin[j] <= serial_up_to) std::sort(all + begin[j], all + begin[j + 1], before);
  });
  for (Index j = 0; j < buckets; ++j)
    if (begin[j + 1] - begin[j] > serial_up_to) sort_rays(all + begin[j], begin[j + 1] - begin[j], depth, context);
}

}  // namespace

AngularOrder angular_order(const ConstMatrixView& x, const ConstMatrixView& q, int power, bool sorted,
                           const Context& context) {
  const Index m = x.rows(), outputs = q.cols(), rows = m + kFences;
  AngularOrder result;

  // Keys, and the exponent of the largest 2^(power e) |q_il|.
  Vector keys(rows);
  std::vector<int> largest(static_cast<std::size_t>(chunks(m)) + 1, INT_MIN);
  parallel_for(chunks(m), context, [&](Index b, int) {
    int most = INT_MIN;
    for (Index i = b * kChunk; i < std::min(m, (b + 1) * kChunk); ++i) {
      double size = 0.0, zero = 0.0 * x(i, 0) + 0.0 * x(i, 1);
      for (Index l = 0; l < outputs; ++l) {
        size = std::max(size, std::abs(q(i, l)));
        zero += 0.0 * q(i, l);
      }
      require(zero == 0.0, "X and Q must be finite");
      keys(i) = kAbsent;
      if (size == 0.0 || (x(i, 0) == 0.0 && x(i, 1) == 0.0)) continue;
      const Line line = canonical(x(i, 0), x(i, 1));
      keys(i) = key_of(line.x1, line.x2);
      most = std::max(most, power * line.exponent + exponent_of(size));
    }
    largest[static_cast<std::size_t>(b)] = most;
  });
  result.exponent = *std::max_element(largest.begin(), largest.end());
  for (Index f = 0; f < kFences; ++f) keys(m + f) = key_of(kFence[f][0], kFence[f][1]);

  // Lines, a few neighbours at a time in the order of their rows: s, x~, q~. The fences span the keys -1..1/2.
  const double low = -1.0, high = 1.0;
  Matrix lines(rows, 3 + outputs);
  const Rays order = rays(rows);
  const auto key = [&](Index i) { return keys(i); };
  const auto move = [&](Index i, Index place) {
    order[static_cast<std::size_t>(place)] = {keys(i), place};
    double* const out = lines.data() + place * lines.cols();
    if (i >= m) {
      out[0] = 0.0;
      out[1] = kFence[i - m][0];
      out[2] = kFence[i - m][1];
      for (Index l = 0; l < outputs; ++l) out[3 + l] = 0.0;
      return;
    }
    const Line line = canonical(x(i, 0), x(i, 1));
    const PowerOfTwo scale(power * line.exponent - result.exponent);
    const double s = line.reversed ? -1.0 : 1.0, sign = power == 1 ? 1.0 : s;
    out[0] = s;
    out[1] = line.x1;
    out[2] = line.x2;
    for (Index l = 0; l < outputs; ++l) out[3 + l] = sign * (scale * q(i, l));
  };
  const Index buckets = sorted ? bucket_count(rows) : 1;
  const std::vector<Index> start = distribute(rows, low, sorted ? high : low, buckets, key, move, context);
  const Index n = result.size = start.back();
  if (sorted) sort_buckets(order.get(), start, 0, context);

  // Chains of keys closer than kTie are sorted by exact comparisons.
  const auto precedes = [&](const Ray& a, const Ray& b) {
    const int sign = compare_products(lines(a.slot, 1), lines(b.slot, 2), lines(a.slot, 2), lines(b.slot, 1));
    return sign > 0 || (sign == 0 && a.slot < b.slot);
  };
  for (Index first = 0, last; sorted && first < n; first = last) {
    for (last = first + 1; last < n; ++last)
      if (order[static_cast<std::size_t>(last)].key - order[static_cast<std::size_t>(last - 1)].key > kTie) break;
    if (last - first > 1) std::sort(order.get() + first, order.get() + last, precedes);
  }

  result.x1.resize(n + 2);
  result.x2.resize(n + 2);
  result.q.resize(n, outputs);
  result.side.resize(static_cast<std::size_t>(n));
  parallel_for(chunks(n), context, [&](Index b, int) {
    for (Index k = b * kChunk; k < std::min(n, (b + 1) * kChunk); ++k) {
      const double* const line = lines.data() + order[static_cast<std::size_t>(k)].slot * lines.cols();
      result.side[static_cast<std::size_t>(k)] = static_cast<signed char>(line[0]);
      result.x1(k + 1) = line[1];
      result.x2(k + 1) = line[2];
      for (Index l = 0; l < outputs; ++l) result.q(k, l) = line[3 + l];
    }
  });
  result.x1(0) = result.x1(n);
  result.x2(0) = result.x2(n);
  result.x1(n + 1) = result.x1(1);
  result.x2(n + 1) = result.x2(1);

  // A sample's line is new unless it equals the last sample's before it.
  for (Index k = 1, last = 0; sorted && k <= n; ++k) {
    if (result.side[static_cast<std::size_t>(k - 1)] == 0) continue;
    if (last == 0 || compare_products(result.x1(last), result.x2(k), result.x2(last), result.x1(k)) != 0)
      ++result.distinct;
    last = k;
  }
  return result;
}

}  // namespace landscape::homogeneous
