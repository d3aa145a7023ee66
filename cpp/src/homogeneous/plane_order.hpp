// The planes T^perp, T = D - 2 hyperplanes of an arrangement, and the order in which the others cut them, exactly.
//
// With W(x, y) = det(T, x, y) = vol(T) (b1 . x  b2 . y - b2 . x  b1 . y) for an orthonormal basis (b1, b2) of T^perp,
// hyperplane j is the line y_j = (b1 . g_j, b2 . g_j) there, and on which side of line j line k lies is the sign of
// det(T, g_j, g_k).
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "arrangement.hpp"
#include "compensated.hpp"
#include "exact_determinant.hpp"

namespace landscape::homogeneous {

template <int D>
class PlaneOrder {
 public:
  using Span = std::array<Index, D - 2>;
  using Point = std::array<double, D>;

  // What a coordinate of a point in the plane may be off by, per unit of the point's length.
  static constexpr double kRounding = (D < 5 ? 64.0 : 512.0) * kUnitRoundoff;
  static constexpr double kNormalLength = 2.25;  // > sqrt(5) >= |g_j|

  // z = side y_hyperplane
  struct Event {
    double u, v;
    int hyperplane, side;
  };

  explicit PlaneOrder(const Arrangement& arrangement) : a_(arrangement), u_(a_.size), v_(a_.size) {
    const std::size_t n = static_cast<std::size_t>(a_.size);
    bucket_.resize(n);
    start_.resize(kBucketsPerEvent * n + 2);
    events_.reserve(n);
  }

  // False if T is dependent, or if another T has the same plane and comes first.
  bool set(const Span& t) {
    t_ = t;
    if (!find_basis()) return false;
    Index small = 0;
    for (Index j = 0; j < a_.size; ++j) {
      double u = 0.0, v = 0.0;
      for (int c = 0; c < D; ++c) {
        const double g = a_.normals(c, j);
        u += b1_[at(c)] * g;
        v += b2_[at(c)] * g;
      }
      u_[j] = u;
      v_[j] = v;
      small += std::abs(u) + std::abs(v) < kSmall;
    }
    span_.assign(t.begin(), t.end());
    by_determinants_ = false;
    if (small > D - 2 && !look_closer()) return false;
    events_.resize(at(a_.size) - span_.size());
    if (by_determinants_ || !order_by_angle()) order_by_determinants();
    return true;
  }

  // The angles of z grow from 0 to at most pi. Ties in any order.
  const std::vector<Event>& events() const { return events_; }

  // All hyperplanes that contain the plane, T first.
  const std::vector<Index>& span() const { return span_; }
  const Span& chosen() const { return t_; }
  const Point& b1() const { return b1_; }
  const Point& b2() const { return b2_; }
  // A projection onto these coordinates keeps the span of T apart.
  const std::array<int, D - 2>& coordinates() const { return coordinates_; }

  // The unit vector on which T and hyperplane j vanish, up to sign, to a few units in the last place.
  Point vertex(Index j) const {
    Point w = minors(j);
    scale_to_unit(w);
    return w;
  }

 private:
  static constexpr double kSmall = 0x1.0p-16;  // shorter |y_j| are computed from determinants
  static constexpr Index kBucketsPerEvent = 2;
  static constexpr double kSure = 0x1.0p-23;  // > relative error of a cross product of two y_j

  static std::size_t at(Index i) { return static_cast<std::size_t>(i); }
  static double norm(const Point& w) {
    double squared = 0.0;
    for (const double entry : w) squared += entry * entry;
    return std::sqrt(squared);
  }
  static void scale_to_unit(Point& w) {
    const double length = norm(w);
    for (double& entry : w) entry /= length;
  }

  SmallMatrix rows(int order, const Index* normals, const int* columns) const {
    SmallMatrix a;
    a.order = order;
    for (int i = 0; i < order; ++i)
      for (int c = 0; c < order; ++c) a(i, c) = a_.normals(columns[c], normals[i]);
    return a;
  }

  bool find_basis();
  bool look_closer();
  bool order_by_angle();
  void order_by_determinants();
  bool independent(const Index* normals, int count) const;

  // det(T, g_j, g_k)
  SmallMatrix with(Index j, Index k) const {
    Index normals[D];
    int columns[D];
    std::copy(t_.begin(), t_.end(), normals);
    normals[D - 2] = j;
    normals[D - 1] = k;
    for (int c = 0; c < D; ++c) columns[c] = c;
    return rows(D, normals, columns);
  }

  // Falls from 1 to -1 while the angle grows from 0 to pi.
  static double tangent(double u, double v) { return u / (std::abs(u) + v + 0x1.0p-1000); }

  // The sign of the cross product of two z, from which the second is to the left of the first.
  int turn(const Event& a, const Event& b) const {
    const double cross = a.u * b.v - a.v * b.u;
    const double size = (std::abs(a.u) + std::abs(a.v)) * (std::abs(b.u) + std::abs(b.v));
    if (!by_determinants_ && std::abs(cross) > kSure * size) return cross > 0.0 ? 1 : -1;
    return a.side * b.side * sign_of_determinant(with(a.hyperplane, b.hyperplane), a_.short_entries);
  }

  // w_c = det(T, g_j, e_c): zero where j belongs to the span
  Point minors(Index j) const {
    Index normals[D - 1];
    std::copy(t_.begin(), t_.end(), normals);
    normals[D - 2] = j;
    Point w;
    for (int c = 0; c < D; ++c) {
      int columns[D - 1];
      for (int e = 0, k = 0; e < D; ++e)
        if (e != c) columns[k++] = e;
      const double minor = determinant(rows(D - 1, normals, columns), a_.short_entries);
      w[at(c)] = (D - 1 - c) % 2 == 0 ? minor : -minor;
    }
    return w;
  }

  const Arrangement& a_;
  Span t_{};
  Point b1_, b2_;
  std::array<int, D - 2> coordinates_{};
  std::vector<Index> span_;
  Eigen::RowVectorXd u_, v_;  // y_j
  bool by_determinants_ = false;
  std::vector<Event> events_;
  std::vector<int> bucket_, start_;
};

template <int D>
bool PlaneOrder<D>::find_basis() {
  std::array<Point, D> w{};
  for (const bool exact : {D == 3, true}) {
    double largest = 0.0, terms = 0.0;
    for (int c = 0; c < D; ++c)
      for (int e = c + 1; e < D; ++e) {
        int rest[D - 2], inversions = 0;
        for (int f = 0, k = 0; f < D; ++f)
          if (f != c && f != e) {
            rest[k++] = f;
            inversions += (f > c) + (f > e);
          }
        const SmallMatrix a = rows(D - 2, t_.data(), rest);
        PlainDeterminant minor = plain_determinant(a);
        if (exact && D > 3) minor.value = determinant(a, a_.short_entries);
        w[at(c)][at(e)] = inversions % 2 == 0 ? minor.value : -minor.value;
        w[at(e)][at(c)] = -w[at(c)][at(e)];
        terms = std::max(terms, minor.terms);
        if (std::abs(minor.value) > largest) {
          largest = std::abs(minor.value);
          std::copy(rest, rest + D - 2, coordinates_.begin());
        }
      }
    if (exact && largest == 0.0) return false;
    if (exact || largest > 0.25 * terms) break;  // cancellation of two bits at most
  }
  // vol W = b1 b2^T - b2 b1^T: every row lies in the plane, and W b1 = -vol b2
  b1_ = *std::max_element(w.begin(), w.end(), [](const Point& a, const Point& b) { return norm(a) < norm(b); });
  scale_to_unit(b1_);
  for (int c = 0; c < D; ++c) {
    b2_[at(c)] = 0.0;
    for (int e = 0; e < D; ++e) b2_[at(c)] -= w[at(c)][at(e)] * b1_[at(e)];
  }
  scale_to_unit(b2_);
  return true;
}

template <int D>
bool PlaneOrder<D>::independent(const Index* normals, int count) const {
  if (count < 2) return true;  // no normal is zero
  if (count == 2) {
    for (int c = 0; c < D; ++c)
      for (int e = c + 1; e < D; ++e)
        if (compare_products(a_.normals(c, normals[0]), a_.normals(e, normals[1]), a_.normals(e, normals[0]),
                             a_.normals(c, normals[1])) != 0)
          return true;
    return false;
  }
  for (int c = 0; c < D; ++c)
    for (int e = c + 1; e < D; ++e)
      for (int f = e + 1; f < D; ++f) {
        const int columns[] = {c, e, f};
        if (sign_of_determinant(rows(3, normals, columns), a_.short_entries) != 0) return true;
      }
  return false;
}

// Normals that project to almost nothing: those in the span of T, and those too near to it for rounded projections.
template <int D>
bool PlaneOrder<D>::look_closer() {
  std::vector<Index> near;
  for (Index j = 0; j < a_.size; ++j) {
    if (std::abs(u_[j]) + std::abs(v_[j]) >= kSmall || std::find(t_.begin(), t_.end(), j) != t_.end()) continue;
    if (D > 3 && minors(j) == Point{}) {
      // T is the first basis of its span if each other member depends on the members of T before it.
      std::array<Index, D - 1> before{};
      int count = 0;
      for (const Index t : t_)
        if (t < j) before[static_cast<std::size_t>(count++)] = t;
      if (count < D - 2) {
        before[static_cast<std::size_t>(count)] = j;
        if (independent(before.data(), count + 1)) return false;
      }
      span_.push_back(j);
    } else {
      near.push_back(j);
    }
  }
  if (near.empty()) return true;
  // y_j = (det(T, r, g_j) y_s - det(T, s, g_j) y_r) / det(T, r, s) by two lines r, s that are known well
  Index r = 0, s = 0;
  double longest = 0.0, widest = 0.0;
  for (Index j = 0; j < a_.size; ++j)
    if (const double length = std::abs(u_[j]) + std::abs(v_[j]); length > longest) {
      longest = length;
      r = j;
    }
  for (Index j = 0; j < a_.size; ++j)
    if (const double width = std::abs(u_[r] * v_[j] - v_[r] * u_[j]); width > widest) {
      widest = width;
      s = j;
    }
  if (longest < 0x1.0p-6 || widest < 0x1.0p-6 * longest * longest) {
    by_determinants_ = true;
    return true;
  }
  const double area = determinant(with(r, s), a_.short_entries);
  for (const Index j : near) {
    const double of_r = determinant(with(r, j), a_.short_entries) / area;
    const double of_s = determinant(with(s, j), a_.short_entries) / area;
    u_[j] = of_r * u_[s] - of_s * u_[r];
    v_[j] = of_r * v_[s] - of_s * v_[r];
  }
  return true;
}

// Into buckets by a function that grows with the angle, then neighbours compared exactly and moved. A sequence whose
// neighbours turn left, the last one to the opposite of the first, goes around once if its rounded angles do roughly.
template <int D>
bool PlaneOrder<D>::order_by_angle() {
  constexpr int crowded = 8;
  const std::size_t n = at(a_.size);
  const int buckets = static_cast<int>(kBucketsPerEvent * a_.size);
  const double *u = u_.data(), *v = v_.data();
  const double half = 0.5 * buckets;
  int* const bucket = bucket_.data();
  for (std::size_t j = 0; j < n; ++j) {
    const double zu = std::copysign(1.0, v[j]) * u[j];
    bucket[j] = std::min(static_cast<int>(half - half * tangent(zu, std::abs(v[j]))), buckets - 1);
  }
  for (const Index t : span_) bucket_[at(t)] = buckets;  // left out
  std::fill(start_.begin(), start_.end(), 0);
  int* const start = start_.data() + 1;
  for (std::size_t j = 0; j < n; ++j) ++start[bucket[j]];
  int sum = 0, fullest = 0;
  for (int b = 0; b < buckets; ++b) {
    const int count = start[b];
    fullest = std::max(fullest, count);
    start[b] = sum;
    sum += count;
  }
  for (std::size_t j = 0; j < n; ++j) {
    if (bucket[j] == buckets) continue;
    const double side = std::copysign(1.0, v[j]);
    events_[static_cast<std::size_t>(start[bucket[j]]++)] = {side * u[j], std::abs(v[j]), static_cast<int>(j),
                                                             static_cast<int>(side)};
  }
  if (fullest > crowded) {
    for (int b = 0, first = 0; b < buckets; first = start[b++])
      if (start[b] - first > crowded)
        std::sort(events_.begin() + first, events_.begin() + start[b], [](const Event& e, const Event& f) {
          const double te = tangent(e.u, e.v), tf = tangent(f.u, f.v);
          return te != tf ? te > tf : e.hyperplane < f.hyperplane;
        });
  }

  std::size_t moves = 0;
  for (std::size_t k = 1; k < events_.size(); ++k) {
    if (turn(events_[k - 1], events_[k]) >= 0) continue;
    const Event event = events_[k];
    std::size_t to = k;
    for (; to > 0 && turn(events_[to - 1], event) < 0; --to, ++moves) events_[to] = events_[to - 1];
    events_[to] = event;
    if (moves > 2 * crowded * n) return false;
  }
  return events_.size() < 2 || turn(events_.front(), events_.back()) >= 0;
}

// From the first event on, by determinants alone.
template <int D>
void PlaneOrder<D>::order_by_determinants() {
  std::vector<char> member(at(a_.size), 0);
  for (const Index t : span_) member[at(t)] = 1;
  events_.clear();
  for (Index j = 0; j < a_.size; ++j)
    if (!member[at(j)]) events_.push_back({u_[j], v_[j], static_cast<int>(j), 1});
  if (events_.empty()) return;
  const Event first = events_.front();
  const Point ray = minors(first.hyperplane);
  std::size_t c = 0;
  for (std::size_t e = 1; e < D; ++e)
    if (std::abs(ray[e]) > std::abs(ray[c])) c = e;
  for (Event& event : events_) {
    event.side = turn(first, event);
    if (event.side == 0)  // on the same line
      event.side = (minors(event.hyperplane)[c] > 0.0) == (ray[c] > 0.0) ? 1 : -1;
    event.u *= event.side;
    event.v *= event.side;
  }
  const auto others =
      std::stable_partition(events_.begin(), events_.end(), [&](const Event& e) { return turn(first, e) == 0; });
  std::stable_sort(others, events_.end(), [&](const Event& e, const Event& f) { return turn(e, f) > 0; });
}

}  // namespace landscape::homogeneous
