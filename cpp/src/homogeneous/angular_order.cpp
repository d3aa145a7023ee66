#include "angular_order.hpp"

#include <algorithm>
#include <climits>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <numeric>

#include "compensated.hpp"
#include "landscape/errors.hpp"
#include "landscape/large_pages.hpp"
#include "landscape/parallel.hpp"

namespace landscape::homogeneous {

namespace {

constexpr Index kRowsOfTask = 8192;  // rows that one thread takes at a time
constexpr Index kSerial = 16384;     // lines that one thread sorts
constexpr Index kFences = 4;
constexpr double kFence[kFences][2] = {{1.0, 0.0}, {1.0, 1.0}, {0.0, 1.0}, {-1.0, 1.0}};

Index chunks(Index n) { return (n + kRowsOfTask - 1) / kRowsOfTask; }

// floor(log2 |x|), x != 0; 1024 for infinities and NaN
int binary_exponent(double x) {
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
  explicit PowerOfTwo(int k) {
    const int most = std::clamp(k, -1022, 1022);
    first = power_of_two(most);
    second = most == k ? 1.0 : power_of_two(std::clamp(k - most, -1022, 1022));
  }
  double first, second;
  double operator*(double x) const { return x * first * second; }
};

struct Line {
  double x1, x2;
  int exponent;
  double side;
};

// Inlined: returned through memory, its fields would be loaded in pairs that were not stored in pairs, a stall per row.
EIGEN_ALWAYS_INLINE Line canonical(double x1, double x2) {
  constexpr double negligible = 0x1p-400;
  const int e = binary_exponent(std::max(std::abs(x1), std::abs(x2)));
  const PowerOfTwo scale(-e);
  x1 = scale * x1;
  x2 = scale * x2;
  if (std::abs(x1) < negligible) x1 = 0.0;
  if (std::abs(x2) < negligible) x2 = 0.0;
  // Signs of samples are random: no branch.
  const double side = std::copysign(1.0, x2 == 0.0 ? x1 : x2);
  return {side * x1, std::abs(x2), e, side};
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

// Buckets of equal width over low..high, the outer ones with the keys beyond: calls move(i, place) for every i = 0..n-1
// that is not absent, in such a way that buckets ascend and each one keeps the order of i. Returns where the buckets
// begin, and the total.
template <class Key, class Move>
std::vector<Index> distribute(Index n, double low, double high, Index buckets, const Key& key, const Move& move,
                              const Context& context) {
  const double scale = low < high ? (static_cast<double>(buckets) - 0.5) / (high - low) : 0.0;
  const auto bucket = [&](double k) { return static_cast<Index>((std::clamp(k, low, high) - low) * scale); };
  const Index length = std::max(kRowsOfTask, n / 16), blocks = (n + length - 1) / length;
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
  constexpr Index per_bucket = 2048;
  return (n + per_bucket - 1) / per_bucket;
}

// Sorts rays whose slots ascend into `out`: cells of a few rays each, sorted one by one.
void sort_rays(const Ray* rays, Index n, Ray* out, std::vector<Index>& start) {
  constexpr Index per_cell = 3;
  const auto range = std::minmax_element(rays, rays + n, [](const Ray& a, const Ray& b) { return a.key < b.key; });
  const double low = range.first->key, high = range.second->key;
  if (low == high) {
    std::copy(rays, rays + n, out);
    return;
  }
  const Index cells = n / per_cell + 1;
  const double scale = (static_cast<double>(cells) - 0.5) / (high - low);
  start.assign(static_cast<std::size_t>(cells) + 1, 0);
  const auto cell = [&](Index i) { return static_cast<std::size_t>((rays[i].key - low) * scale); };
  for (Index i = 0; i < n; ++i) ++start[cell(i) + 1];
  for (std::size_t c = 0; c + 1 < start.size(); ++c) start[c + 1] += start[c];
  for (Index i = 0; i < n; ++i) out[start[cell(i)]++] = rays[i];
  for (Index c = 0, first = 0; c < cells; first = start[static_cast<std::size_t>(c++)])
    std::sort(out + first, out + start[static_cast<std::size_t>(c)], before);
}

// The same for many rays. Whatever does not spread after a few rounds is left to one thread.
void sort_many_rays(Ray* rays, Index n, Ray* out, int depth, const Context& context) {
  constexpr int deepest = 4;
  const auto range = std::minmax_element(rays, rays + n, [](const Ray& a, const Ray& b) { return a.key < b.key; });
  const double low = range.first->key, high = range.second->key;
  if (n <= kSerial || depth == deepest || low == high) {
    std::vector<Index> cells;
    sort_rays(rays, n, out, cells);
    return;
  }
  const std::vector<Index> start = distribute(
      n, low, high, bucket_count(n), [&](Index i) { return rays[i].key; },
      [&](Index i, Index place) { out[place] = rays[i]; }, context);
  std::copy(out, out + n, rays);
  const Index buckets = static_cast<Index>(start.size()) - 1;
  const Index* const begin = start.data();
  parallel_for(buckets, context, [&](Index j, int) {
    if (begin[j + 1] - begin[j] <= kSerial) std::sort(out + begin[j], out + begin[j + 1], before);
  });
  for (Index j = 0; j < buckets; ++j)
    if (begin[j + 1] - begin[j] > kSerial)
      sort_many_rays(rays + begin[j], begin[j + 1] - begin[j], out + begin[j], depth + 1, context);
}

// The order of two lines, exactly: positive if line a comes first, 0 if they are the same.
int compare_angles(const AngularOrder& order, Index a, Index b) {
  return compare_products(order.x1(a), order.x2(b), order.x2(a), order.x1(b));
}

Ray ray(const AngularOrder& order, Index k) { return {key_of(order.x1(k), order.x2(k)), k}; }

// Line first + i becomes the one that was line rays[i].slot, along the cycles of that permutation.
void permute(Ray* rays, Index count, Index first, AngularOrder& order, double* spare) {
  const Index width = order.lines.cols();
  double* const lines = order.lines.data();
  for (Index i = 0; i < count; ++i) {
    if (rays[i].slot == first + i) continue;
    std::copy_n(lines + (first + i) * width, width, spare);
    Index to = i;
    for (Index from = rays[to].slot - first; from != i; to = from, from = rays[to].slot - first) {
      std::copy_n(lines + (first + from) * width, width, lines + (first + to) * width);
      rays[to].slot = first + to;
    }
    std::copy_n(spare, width, lines + (first + to) * width);
    rays[to].slot = first + to;
  }
}

// Puts every chain of keys closer than kTie into exact order.
void repair(AngularOrder& order) {
  std::vector<Ray> chain;
  Vector spare(order.lines.cols());
  const auto precedes = [&](const Ray& a, const Ray& b) { return compare_angles(order, a.slot, b.slot) > 0; };
  for (Index k = 1; k <= order.size; ++k) {
    chain.push_back(ray(order, k));
    if (k < order.size && ray(order, k + 1).key - chain.back().key <= kTie) continue;
    const Index count = static_cast<Index>(chain.size());
    if (!std::is_sorted(chain.begin(), chain.end(), precedes)) {
      std::stable_sort(chain.begin(), chain.end(), precedes);
      permute(chain.data(), count, k + 1 - count, order, spare.data());
    }
    chain.clear();
  }
}

void close(AngularOrder& order) {
  order.lines.row(0).head(3) = order.lines.row(order.size).head(3);
  order.lines.row(order.size + 1).head(3) = order.lines.row(1).head(3);
}

}  // namespace

AngularOrder angular_order(const ConstMatrixView& x, const ConstMatrixView& q, bool sorted, const Context& context) {
  const Index m = x.rows(), outputs = q.cols(), rows = m + kFences;
  AngularOrder result;

  // Keys, and the exponent of the largest 2^e |q_il|.
  Vector keys(rows);
  prefer_large_pages(keys.data(), static_cast<std::size_t>(rows) * sizeof(double));
  std::vector<int> largest(static_cast<std::size_t>(chunks(m)) + 1, INT_MIN);
  parallel_for(chunks(m), context, [&](Index b, int) {
    int most = INT_MIN;
    double zero = 0.0;  // NaN as soon as anything is not finite
    for (Index i = b * kRowsOfTask; i < std::min(m, (b + 1) * kRowsOfTask); ++i) {
      double size = 0.0, own = 0.0 * x(i, 0) + 0.0 * x(i, 1);
      for (Index l = 0; l < outputs; ++l) {
        size = std::max(size, std::abs(q(i, l)));
        own += 0.0 * q(i, l);
      }
      zero += own;
      keys(i) = kAbsent;
      if (size == 0.0 || (x(i, 0) == 0.0 && x(i, 1) == 0.0)) continue;
      const Line line = canonical(x(i, 0), x(i, 1));
      keys(i) = key_of(line.x1, line.x2);
      most = std::max(most, line.exponent + binary_exponent(size));
    }
    require(zero == 0.0, "X and Q must be finite");
    largest[static_cast<std::size_t>(b)] = most;
  });
  result.exponent = *std::max_element(largest.begin(), largest.end());
  if (result.exponent == INT_MIN) result.exponent = 0;  // no row with both x and q
  for (Index f = 0; f < kFences; ++f) keys(m + f) = key_of(kFence[f][0], kFence[f][1]);

  // The lines, in buckets of keys, or all in one.
  double low = 0.0, high = 0.0;
  if (sorted && m > 0) {
    low = keys.head(m).minCoeff();
    high = (keys.head(m).array() == kAbsent).select(low, keys.head(m)).maxCoeff();
  }
  result.lines.resize(rows + 2, 3 + outputs);
  prefer_large_pages(result.lines.data(), static_cast<std::size_t>(result.lines.size()) * sizeof(double));
  const auto key = [&](Index i) { return keys(i); };
  const auto move = [&](Index i, Index place) {
    double* const out = result.lines.data() + (place + 1) * result.lines.cols();
    if (i >= m) {
      std::fill_n(out, 3 + outputs, 0.0);
      std::copy_n(kFence[i - m], 2, out + 1);
      return;
    }
    const Line line = canonical(x(i, 0), x(i, 1));
    const PowerOfTwo scale(line.exponent - result.exponent);
    out[0] = line.side;
    out[1] = line.x1;
    out[2] = line.x2;
    for (Index l = 0; l < outputs; ++l) out[3 + l] = scale * q(i, l);
  };
  const std::vector<Index> start = distribute(rows, low, high, sorted ? bucket_count(rows) : 1, key, move, context);
  const Index n = result.size = start.back(), buckets = static_cast<Index>(start.size()) - 1;
  if (!sorted) return result;

  const Index threads = std::max(1, context.n_threads), room = std::min(n, kSerial);
  const Index* const begin = start.data();
  std::vector<Ray> rays(static_cast<std::size_t>(threads * room)), ordered(rays.size());
  std::vector<std::vector<Index>> cells(static_cast<std::size_t>(threads));
  Matrix spare(threads, result.lines.cols());
  parallel_for(buckets, context, [&](Index j, int thread) {
    const Index first = begin[j] + 1, count = begin[j + 1] - begin[j];
    if (count == 0 || count > kSerial) return;
    Ray *const from = rays.data() + thread * room, *const to = ordered.data() + thread * room;
    for (Index i = 0; i < count; ++i) from[i] = ray(result, first + i);
    sort_rays(from, count, to, cells[static_cast<std::size_t>(thread)]);
    permute(to, count, first, result, spare.row(thread).data());
  });
  for (Index j = 0; j < buckets; ++j) {
    const Index first = begin[j] + 1, count = begin[j + 1] - begin[j];
    if (count <= kSerial) continue;
    rays.resize(static_cast<std::size_t>(count));
    ordered.resize(rays.size());
    for (Index i = 0; i < count; ++i) rays[static_cast<std::size_t>(i)] = ray(result, first + i);
    sort_many_rays(rays.data(), count, ordered.data(), 0, context);
    permute(ordered.data(), count, first, result, spare.data());
  }
  close(result);

  // When all neighbours are in order, all lines are: they lie in a half-plane. A sample's line is new unless it equals
  // the last sample's before it.
  std::vector<Index> fresh(static_cast<std::size_t>(chunks(n)));
  std::vector<char> wrong(fresh.size());
  const auto examine = [&](Index b, int) {
    const std::size_t at = static_cast<std::size_t>(b);
    fresh[at] = wrong[at] = 0;
    for (Index k = b * kRowsOfTask + 1; k <= std::min(n, (b + 1) * kRowsOfTask); ++k) {
      Index last = k - 1;
      int sign = last > 0 ? compare_angles(result, last, k) : 1;
      if (sign < 0) wrong[at] = 1;
      if (result.side(k) == 0.0) continue;
      if (last > 0 && result.side(last) == 0.0) {
        while (last > 0 && result.side(last) == 0.0) --last;
        sign = last > 0 ? compare_angles(result, last, k) : 1;
      }
      if (sign != 0) ++fresh[at];
    }
  };
  parallel_for(chunks(n), context, examine);
  if (std::find(wrong.begin(), wrong.end(), 1) != wrong.end()) {
    repair(result);
    close(result);
    parallel_for(chunks(n), context, examine);
  }
  result.distinct = std::accumulate(fresh.begin(), fresh.end(), Index{0});
  return result;
}

}  // namespace landscape::homogeneous
