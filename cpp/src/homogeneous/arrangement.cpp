#include "arrangement.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "compensated.hpp"
#include "exact_determinant.hpp"
#include "landscape/errors.hpp"

namespace landscape::homogeneous {

namespace {

constexpr double kSmallestEntry = 0x1.0p-150;

int exponent_of_largest(const ConstMatrixView& row) {
  int e = 0;
  std::frexp(row.cwiseAbs().maxCoeff(), &e);
  return e;
}

// value / unit to the nearest integer; |value| < 2^61 unit
std::int64_t in_units(DoubleDouble value, double unit) {
  const double high = value.high / unit;  // a power of two: exact
  const std::int64_t whole = std::llrint(high);
  return whole + std::llrint((high - static_cast<double>(whole)) + value.low / unit);
}

DoubleDouble times(DoubleDouble a, double b) {
  const DoubleDouble product = two_product(a.high, b);
  return two_sum(product.high, product.low + a.low * b);
}

Index first_nonzero(const Eigen::MatrixXd& x, Index i) {
  Index c = 0;
  while (x(i, c) == 0.0) ++c;
  return c;
}

// The order of lines through 0 by the ratios of their coordinates to the first one that is not zero, exactly.
int compare_lines(const Eigen::MatrixXd& x, Index i, Index j) {
  const Index lead = first_nonzero(x, i), other = first_nonzero(x, j);
  if (lead != other) return lead < other ? -1 : 1;
  const int same = (x(i, lead) > 0.0) == (x(j, lead) > 0.0) ? 1 : -1;
  for (Index c = lead + 1; c < x.cols(); ++c) {
    const int sign = compare_products(x(i, c), x(j, lead), x(j, c), x(i, lead));
    if (sign != 0) return sign * same;
  }
  return 0;
}

// Are there D - 2 linearly independent normals? Columns of `normals` lie on different lines.
bool has_planes(const Matrix& normals) {
  const Index d = normals.rows(), n = normals.cols();
  if (d < 5 || n < 3) return n >= d - 2;
  for (Index k = 2; k < n; ++k)
    for (int c = 0; c < 5; ++c)
      for (int e = c + 1; e < 5; ++e)
        for (int f = e + 1; f < 5; ++f) {
          SmallMatrix minor;
          minor.order = 3;
          const Index columns[] = {0, 1, k};
          const int coordinates[] = {c, e, f};
          for (int i = 0; i < 3; ++i)
            for (int j = 0; j < 3; ++j) minor(i, j) = normals(coordinates[j], columns[i]);
          if (sign_of_determinant(minor, false) != 0) return true;
        }
  return false;
}

// Multiples of 2^-b with (D b + 7) <= 53: sums of D! products of D such numbers below 1 are exact.
bool has_short_entries(const Matrix& normals) {
  const int bits = static_cast<int>((53 - 7) / normals.rows());
  const double scale = std::ldexp(1.0, bits);
  return (normals.array() * scale == (normals.array() * scale).round()).all();
}

}  // namespace

ScaledUnits::ScaledUnits(const ConstMatrixView& x_given, const ConstMatrixView& q_given, double a) : slope(a) {
  const Index d = x_given.cols(), outputs = q_given.cols();
  require(x_given.rows() == q_given.rows(), "X and Q must have as many rows");
  require(x_given.rows() >= 1 && d >= 1 && outputs >= 1, "X and Q must not be empty");
  require(x_given.allFinite(), "X must be finite");
  require(q_given.allFinite(), "Q must be finite");
  std::vector<Index> kept;
  std::vector<int> exponents;
  for (Index i = 0; i < x_given.rows(); ++i) {
    if ((x_given.row(i).array() == 0.0).all() || (q_given.row(i).array() == 0.0).all()) continue;
    const int e = exponent_of_largest(x_given.row(i)), weight = e + exponent_of_largest(q_given.row(i));
    exponent = kept.empty() ? weight : std::max(exponent, weight);
    kept.push_back(i);
    exponents.push_back(e);
  }
  const Index m = static_cast<Index>(kept.size());
  x = Eigen::MatrixXd::Zero(m, std::max<Index>(d, 3));
  q.resize(m, outputs);
  for (Index i = 0; i < m; ++i) {
    const Index from = kept[static_cast<std::size_t>(i)];
    const int e = exponents[static_cast<std::size_t>(i)];
    for (Index c = 0; c < d; ++c) {
      const double entry = std::ldexp(x_given(from, c), -e);
      x(i, c) = std::abs(entry) < kSmallestEntry ? 0.0 : entry;
    }
    for (Index l = 0; l < outputs; ++l) q(i, l) = std::ldexp(q_given(from, l), e - exponent);
  }
  dropped = 16.0 * static_cast<double>(m) * static_cast<double>(outputs) * kSmallestEntry;
}

double ScaledUnits::value(const Vector& w, Workspace& space, Vector* gradient) const {
  space.t.noalias() = x * w;
  if (gradient != nullptr) space.weight = (space.t.array() > 0.0).select(Vector::Ones(x.rows()), slope);
  space.t = space.t.cwiseMax(slope * space.t);
  space.output.noalias() = q.transpose() * space.t;
  if (gradient != nullptr) {
    space.t.noalias() = q * space.output;
    space.t.array() *= space.weight.array();
    gradient->noalias() = x.transpose() * space.t;
  }
  return space.output.norm();
}

double ScaledUnits::lower(const Vector& w) const {
  const Index m = x.rows(), outputs = q.cols();
  std::vector<DoubleDouble> sum(static_cast<std::size_t>(outputs));
  double weights = 0.0;
  for (Index i = 0; i < m; ++i) {
    DoubleDouble t;  // x_i . w
    for (Index c = 0; c < x.cols(); ++c) t = t + two_product(x(i, c), w(c));
    t = two_sum(t.high, t.low);
    if (t.high < 0.0) t = times(t, slope);
    for (Index l = 0; l < outputs; ++l) {
      sum[static_cast<std::size_t>(l)] = sum[static_cast<std::size_t>(l)] + times(t, q(i, l));
      weights += std::abs(q(i, l));
    }
  }
  double squared = 0.0;
  for (const DoubleDouble& s : sum) squared += (s.high + s.low) * (s.high + s.low);
  // |x_i . w| <= sqrt(5) |w|; a chain of m additions in twice the precision
  const double chain = static_cast<double>(m + 16);
  const double lost = 3.0 * chain * chain * 16.0 * kUnitRoundoff * kUnitRoundoff * weights + dropped + 0x1.0p-900;
  const double length = w.norm();
  if (!(length > 0.0)) return 0.0;
  const double relative = (static_cast<double>(outputs + x.cols()) + 16.0) * kUnitRoundoff;
  return std::max(0.0, std::sqrt(squared) / length * (1.0 - relative) - lost * std::max(1.0, 1.0 / length));
}

Arrangement::Arrangement(const ScaledUnits& units, const Vector& w)
    : dimension(units.x.cols()), outputs(units.q.cols()) {
  const Eigen::MatrixXd &x = units.x, &q = units.q;
  const Index m = x.rows();
  const Index entries = dimension * outputs;

  // |A_lc| <= S < 2^e; A(w) + A(-w) stays within 2^62 units
  int e = 0;
  const double largest_entry = m > 0 ? (q.cwiseAbs().transpose() * x.cwiseAbs()).maxCoeff() : 1.0;
  std::frexp(largest_entry * (1.0 + 1e-9), &e);
  unit = std::ldexp(1.0, e - 60);
  error = 0.52 * static_cast<double>(m) * unit * std::sqrt(static_cast<double>(entries)) * 1.001;

  for (Index i = 0; i < m; ++i) largest += 1.001 * q.row(i).norm() * x.row(i).norm();

  std::vector<Index> sorted(static_cast<std::size_t>(m));
  std::iota(sorted.begin(), sorted.end(), Index{0});
  std::sort(sorted.begin(), sorted.end(), [&](Index i, Index j) {
    const int order = compare_lines(x, i, j);
    return order != 0 ? order < 0 : i < j;
  });
  base.assign(static_cast<std::size_t>(entries), 0);
  total = base;
  std::vector<std::vector<std::int64_t>> jump_of;
  std::vector<Vector> normal_of;
  std::vector<std::int64_t> jump(static_cast<std::size_t>(entries));
  for (std::size_t first = 0, last = 0; first < sorted.size(); first = last) {
    const Index lead = first_nonzero(x, sorted[first]);
    std::fill(jump.begin(), jump.end(), 0);
    for (last = first; last < sorted.size() && compare_lines(x, sorted[first], sorted[last]) == 0; ++last) {
      const Index i = sorted[last];
      const bool same = (x(i, lead) > 0.0) == (x(sorted[first], lead) > 0.0);
      for (Index c = 0; c < dimension; ++c)
        for (Index l = 0; l < outputs; ++l) {
          const std::size_t at = static_cast<std::size_t>(c * outputs + l);
          const DoubleDouble product = two_product(q(i, l), x(i, c));
          const std::int64_t active = in_units(product, unit), inactive = in_units(times(product, units.slope), unit);
          base[at] += same ? inactive : active;
          jump[at] += same ? active - inactive : inactive - active;
        }
    }
    if (std::all_of(jump.begin(), jump.end(), [](std::int64_t j) { return j == 0; })) continue;
    normal_of.push_back(x.row(sorted[first]));
    jump_of.push_back(jump);
  }

  const std::size_t kinks = normal_of.size();
  std::vector<std::size_t> order(kinks);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::vector<double> distance(kinks);
  for (std::size_t k = 0; k < kinks; ++k) distance[k] = std::abs(normal_of[k].dot(w)) / normal_of[k].norm();
  std::stable_sort(order.begin(), order.end(), [&](std::size_t i, std::size_t j) { return distance[i] < distance[j]; });
  size = static_cast<Index>(kinks);
  normals.resize(dimension, size);
  jumps.reserve(kinks * static_cast<std::size_t>(entries));
  for (std::size_t k = 0; k < kinks; ++k) {
    normals.col(static_cast<Index>(k)) = normal_of[order[k]];
    jumps.insert(jumps.end(), jump_of[order[k]].begin(), jump_of[order[k]].end());
  }
  // Hyperplanes without a jump do no harm: with all coordinate planes there is a plane to sweep.
  if (!has_planes(normals)) {
    for (Index c = 0; c < dimension; ++c) {
      const Vector axis = Vector::Unit(dimension, c);
      bool present = false;
      for (Index k = 0; k < size; ++k) present |= (normals.col(k).array() != 0.0).count() == 1 && normals(c, k) != 0.0;
      if (present) continue;
      normals.conservativeResize(dimension, ++size);
      normals.col(size - 1) = axis;
      jumps.resize(static_cast<std::size_t>(size * entries), 0);
    }
  }
  for (std::size_t j = 0; j < total.size(); ++j) total[j] = 2 * base[j];
  for (std::size_t j = 0; j < jumps.size(); ++j) total[j % static_cast<std::size_t>(entries)] += jumps[j];
  short_entries = has_short_entries(normals);
}

}  // namespace landscape::homogeneous
