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

  explicit PlaneOrder(const Arrangement& arrangement) : a_(arrangement) {
    const std::size_t n = static_cast<std::size_t>(a_.size);
    u_.resize(a_.size);
    v_.resize(a_.size);
    for (auto* numbers : {&key_, &sorted_key_}) numbers->resize(n);
    sign_.resize(n);
    bucket_.resize(n);
    order_.resize(n);
    start_.resize(n + 2);
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
    events_ = a_.size - static_cast<Index>(span_.size());
    if (by_determinants_ || !order_by_angle()) order_by_determinants();
    return true;
  }

  // With z_k = side(k) y_event(k) for k = 0..events()-1, the angles of z_k grow from 0 to less than pi. Ties in any order.
  Index events() const { return events_; }
  Index event(Index k) const { return order_[static_cast<std::size_t>(k)]; }
  int side(Index k) const { return sign_[static_cast<std::size_t>(event(k))]; }
  int side_of(Index j) const { return sign_[static_cast<std::size_t>(j)]; }
  // y_event(k)
  double u(Index k) const { return u_[event(k)]; }
  double v(Index k) const { return v_[event(k)]; }

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
  static constexpr double kSure = 0x1.0p-23;   // > relative error of a cross product of two y_j

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

  // The sign of the cross product of y_j and y_k.
  int turn(Index j, Index k) const {
    if (!by_determinants_) {
      const double cross = u_[j] * v_[k] - v_[j] * u_[k];
      const double size = (std::abs(u_[j]) + std::abs(v_[j])) * (std::abs(u_[k]) + std::abs(v_[k]));
      if (std::abs(cross) > kSure * size) return cross > 0.0 ? 1 : -1;
    }
    return sign_of_determinant(with(j, k), a_.short_entries);
  }
  int turn_of_events(Index j, Index k) const {
    return sign_[static_cast<std::size_t>(j)] * sign_[static_cast<std::size_t>(k)] * turn(j, k);
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
  Index events_ = 0;
  std::vector<signed char> sign_;
  std::vector<double> key_, sorted_key_;
  std::vector<int> bucket_, order_, start_;
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

// Buckets by a function that grows with the angle, insertion inside them, then neighbours compared exactly. A sequence
// whose neighbours turn left, the last one to the opposite of the first, goes once around if its angles do roughly.
template <int D>
bool PlaneOrder<D>::order_by_angle() {
  const std::size_t n = static_cast<std::size_t>(a_.size), events = static_cast<std::size_t>(events_);
  const double buckets = static_cast<double>(n);
  const double *u = u_.data(), *v = v_.data();
  for (std::size_t j = 0; j < n; ++j) {
    const bool same = v[j] > 0.0 || (v[j] == 0.0 && u[j] > 0.0);
    const double zu = same ? u[j] : -u[j];
    sign_[j] = same ? 1 : -1;
    key_[j] = 0.5 - 0.5 * zu / (std::abs(zu) + std::abs(v[j]) + 0x1.0p-1000);
    bucket_[j] = std::min(static_cast<int>(key_[j] * buckets), static_cast<int>(n) - 1);
  }
  for (const Index t : span_) bucket_[static_cast<std::size_t>(t)] = static_cast<int>(n);
  std::fill(start_.begin(), start_.end(), 0);
  for (std::size_t j = 0; j < n; ++j) ++start_[static_cast<std::size_t>(bucket_[j]) + 1];
  for (std::size_t b = 0; b <= n; ++b) start_[b + 1] += start_[b];
  for (std::size_t j = 0; j < n; ++j) {
    // start_[b] .. runs on to where bucket b + 1 starts
    const std::size_t at = static_cast<std::size_t>(start_[static_cast<std::size_t>(bucket_[j])]++);
    order_[at] = static_cast<int>(j);
  }
  std::size_t first = 0;
  for (std::size_t b = 0; b < n; ++b) {
    const std::size_t last = static_cast<std::size_t>(start_[b]);
    if (last - first > 16)
      std::sort(order_.begin() + static_cast<std::ptrdiff_t>(first), order_.begin() + static_cast<std::ptrdiff_t>(last),
                [&](int i, int j) {
                  const double ki = key_[static_cast<std::size_t>(i)], kj = key_[static_cast<std::size_t>(j)];
                  return ki != kj ? ki < kj : i < j;
                });
    for (std::size_t k = first + 1; k < last; ++k) {
      const int j = order_[k];
      const double key = key_[static_cast<std::size_t>(j)];
      std::size_t at = k;
      for (; at > first && key_[static_cast<std::size_t>(order_[at - 1])] > key; --at) order_[at] = order_[at - 1];
      order_[at] = j;
    }
    first = last;
  }

  Index moves = 0;
  for (std::size_t k = 1; k < events; ++k) {
    const int j = order_[k];
    std::size_t at = k;
    for (; at > 0 && turn_of_events(order_[at - 1], j) < 0; --at, ++moves) order_[at] = order_[at - 1];
    order_[at] = j;
    if (moves > 4 * events_) return false;
  }
  return events < 2 || turn_of_events(order_[0], order_[events - 1]) >= 0;
}

// From the first event on, by determinants alone.
template <int D>
void PlaneOrder<D>::order_by_determinants() {
  order_.clear();
  std::vector<char> member(static_cast<std::size_t>(a_.size), 0);
  for (const Index t : span_) member[static_cast<std::size_t>(t)] = 1;
  for (Index j = 0; j < a_.size; ++j)
    if (!member[static_cast<std::size_t>(j)]) order_.push_back(static_cast<int>(j));
  if (!order_.empty()) {
    const Index first = order_.front();
    const Point ray = minors(first);
    std::size_t c = 0;
    for (std::size_t e = 1; e < D; ++e)
      if (std::abs(ray[e]) > std::abs(ray[c])) c = e;
    std::vector<int> on_first, others;
    for (const int j : order_) {
      int sign = j == first ? 0 : turn(first, j);
      (sign == 0 ? on_first : others).push_back(j);
      if (sign == 0) sign = (minors(j)[c] > 0.0) == (ray[c] > 0.0) ? 1 : -1;
      sign_[static_cast<std::size_t>(j)] = static_cast<signed char>(sign);
    }
    std::stable_sort(others.begin(), others.end(), [&](int i, int j) { return turn_of_events(i, j) > 0; });
    order_ = std::move(on_first);
    order_.insert(order_.end(), others.begin(), others.end());
  }
  order_.resize(static_cast<std::size_t>(a_.size));
}

}  // namespace landscape::homogeneous
