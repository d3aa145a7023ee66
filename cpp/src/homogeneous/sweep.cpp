#include "landscape/homogeneous/sweep.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "landscape/errors.hpp"
#include "landscape/parallel.hpp"
#include "prefix_sums.hpp"
#include "separated.hpp"

namespace landscape::homogeneous {

namespace {

constexpr double kAlong = 4.0 * kUnitRoundoff;  // |A|_F times it: the error of A w from roundings of A and the product
// Arcs evaluated at a time, the first one again: its end begins the second.
constexpr Index kTile = PrefixSums::kTile + 1;
constexpr Index kTilesOfTask = 16;
using Tile = std::array<double, kTile>;

double largest(const Tile& values, Index first, Index last) {
  return Eigen::Map<const Eigen::ArrayXd>(values.data() + first, last - first).maxCoeff();
}

void check(const ConstMatrixView& x, const ConstMatrixView& q, double slope, const SweepSettings& settings) {
  require(x.cols() == 2, "X must have two columns");
  require(q.rows() == x.rows(), "X and Q must have the same number of rows");
  require(q.cols() >= 1, "Q must have at least one column");
  require(slope >= -1.0 && slope <= 1.0, "slope must be between -1 and 1");
  require(settings.separation >= 0.0, "separation must not be negative");
  require(settings.count >= 0, "count must not be negative");
  require(!std::isnan(settings.threshold), "threshold must be a number");
}

// Small work is not worth a parallel region.
Context sized(const Context& context, Index operations) {
  Context result = context;
  if (operations < (Index{1} << 15)) result.n_threads = 1;
  return result;
}

// 2^exponent value, rounded towards the side on which it bounds
double scaled_down(double value, int exponent) {
  const double result = std::min(std::ldexp(value, exponent), std::numeric_limits<double>::max());
  return result > std::numeric_limits<double>::min() ? result : std::max(0.0, std::nextafter(result, -1.0));
}
double scaled_up(double value, int exponent) {
  const double result = std::ldexp(value, exponent), infinity = std::numeric_limits<double>::infinity();
  return value == 0.0 || result > std::numeric_limits<double>::min() ? result : std::nextafter(result, infinity);
}

struct Best {
  double squared = -1.0, w1 = 1.0, w2 = 0.0;  // f^2 and where
  double frobenius_squared = 0.0;             // the largest |A|_F^2 of any arc
  double upper = 0.0;
  std::vector<Candidate> candidates;

  void offer(double value, double v1, double v2) {
    if (value > squared) squared = value, w1 = v1, w2 = v2;
  }
};

// f^2 of the arcs of a tile, in the direction w (sign 0) or -w (sign 1). Slopes are derivatives of f^2 by the angle,
// times something positive, at the arc's own ends.
struct Arcs {
  Tile beta, gamma, start, peak, slope_at_start, slope_at_end;  // peak: 0 unless the arc contains it
  double frobenius_squared;
};

class Sweep {
 public:
  Sweep(const ConstMatrixView& x, const ConstMatrixView& q, double slope, const SweepSettings& settings,
        const Context& context)
      : settings_(settings), context_(context), sums_(x, q, slope, context) {
    const double threshold = std::max(0.0, std::ldexp(settings.threshold, -sums_.lines().exponent));
    threshold_squared_ = threshold * threshold;
    // (nL + 6) u |A|_F^2 on f^2 from A, M and the sinusoid, twice that where a peak just misses its arc and the end is
    // taken, and |A|_F^2 <= 2 f^2 at a peak.
    relative_ = (4.0 * static_cast<double>(q.cols()) + 32.0) * kUnitRoundoff;
  }

  SweepResult circle(bool linear);

 private:
  void bound(Index t, double& reached, double& upper) const;
  void tile(Index t, Best& best) const;
  void evaluate(Index first, Index count, DoubleDouble* r, Arcs arcs[2]) const;
  void look(Index first, Index count, const Arcs& arcs, double sign, Best& best) const;
  double lower(double w1, double w2, Vector& output) const;

  const SweepSettings& settings_;
  const Context& context_;
  PrefixSums sums_;
  double threshold_squared_, relative_;
};

// What f reaches where tile t begins, there or opposite, and what it does not exceed on the arcs of the tile: f grows
// by no more than the angle times |A|_F, which changes by no more than |1 - a| sum |q~_i| |x~_i|.
void Sweep::bound(Index t, double& reached, double& upper) const {
  const AngularOrder& lines = sums_.lines();
  const Index first = t * PrefixSums::kTile, last = first + kTile;
  const double x1 = lines.x1(first), x2 = lines.x2(first), length = std::sqrt(x1 * x1 + x2 * x2);
  const DoubleDouble* const r = sums_.before(t);
  double squared[2] = {0.0, 0.0}, frobenius_squared[2] = {0.0, 0.0};
  for (Index l = 0; l < sums_.outputs(); ++l) {
    double a1[2], a2[2];
    sums_.forms(2 * l, r[2 * l], a1[0], a1[1]);
    sums_.forms(2 * l + 1, r[2 * l + 1], a2[0], a2[1]);
    for (int s = 0; s < 2; ++s) {
      const double along = a2[s] * x1 - a1[s] * x2;
      squared[s] += along * along;
      frobenius_squared[s] += a1[s] * a1[s] + a2[s] * a2[s];
    }
  }
  reached = std::sqrt(std::max(squared[0], squared[1])) / length;
  upper = std::numeric_limits<double>::infinity();
  if (first == 0 || last > lines.size) return;
  const double end1 = lines.x1(last), end2 = lines.x2(last), cross = std::abs(x1 * end2 - x2 * end1);
  const double dot = x1 * end1 + x2 * end2, end_length = std::sqrt(end1 * end1 + end2 * end2);
  if (!(dot > 0.5 * length * end_length)) return;
  constexpr double rounding = 1e-9, rounding_of_angle = 1e-12;  // far more than that
  const double angle = cross / dot + rounding_of_angle;         // its tangent
  const double steepest = std::sqrt(std::max(frobenius_squared[0], frobenius_squared[1])) + 2.0 * sums_.weight_of(t);
  upper = (reached + steepest * angle + 2.0 * sums_.error()) * (1.0 + rounding);
}

// Arcs first..first + count - 1, arc k between d_k and d_{k+1}, from R of the first one; R of the last one is left.
void Sweep::evaluate(Index first, Index count, DoubleDouble* r, Arcs arcs[2]) const {
  std::array<double, kTile + 1> x1, x2;
  for (Index i = 0; i <= count; ++i) {
    x1[i] = sums_.lines().x1(first + i);
    x2[i] = sums_.lines().x2(first + i);
  }
  Tile m11[2], m12[2], m22[2], squared[2];
  for (Tile* tiles : {m11, m12, m22, squared}) tiles[0] = tiles[1] = Tile{};
  DoubleDouble prefix1[kTile], prefix2[kTile];
  for (Index l = 0; l < sums_.outputs(); ++l) {
    DoubleDouble state[2] = {r[2 * l], r[2 * l + 1]};
    for (Index i = 0; i < count; ++i) {
      if (i > 0) sums_.pass(first + i, l, state);
      prefix1[i] = state[0];
      prefix2[i] = state[1];
    }
    r[2 * l] = state[0];
    r[2 * l + 1] = state[1];
    for (Index i = 0; i < count; ++i) {
      double a1[2], a2[2];
      sums_.forms(2 * l, prefix1[i], a1[0], a1[1]);
      sums_.forms(2 * l + 1, prefix2[i], a2[0], a2[1]);
      for (int s = 0; s < 2; ++s) {
        const double along = a2[s] * x1[i] - a1[s] * x2[i];  // A d_k
        m11[s][i] += a1[s] * a1[s];
        m12[s][i] += a1[s] * a2[s];
        m22[s][i] += a2[s] * a2[s];
        squared[s][i] += along * along;
      }
    }
  }
  for (int s = 0; s < 2; ++s) {
    Tile frobenius;
    for (Index i = 0; i < count; ++i) {
      // |x|^2 (cos 2 phi, sin 2 phi) of d_k and d_{k+1}
      const double c = (x2[i] - x1[i]) * (x2[i] + x1[i]), t = -2.0 * x1[i] * x2[i];
      const double c_end = (x2[i + 1] - x1[i + 1]) * (x2[i + 1] + x1[i + 1]), t_end = -2.0 * x1[i + 1] * x2[i + 1];
      const double alpha = 0.5 * (m11[s][i] + m22[s][i]), beta = 0.5 * (m11[s][i] - m22[s][i]), gamma = m12[s][i];
      const double at_start = gamma * c - beta * t, at_end = gamma * c_end - beta * t_end;
      // An arc is at most an eighth of the circle: f^2 rises at its start, falls at its end, and is on the upper half
      // of its sinusoid.
      const bool inside = (at_start >= 0.0) & (at_end <= 0.0) & (beta * c + gamma * t >= 0.0);
      arcs[s].beta[i] = beta;
      arcs[s].gamma[i] = gamma;
      arcs[s].start[i] = squared[s][i] / (x1[i] * x1[i] + x2[i] * x2[i]);
      arcs[s].peak[i] = inside ? alpha + std::sqrt(beta * beta + gamma * gamma) : 0.0;
      arcs[s].slope_at_start[i] = at_start;
      arcs[s].slope_at_end[i] = at_end;
      frobenius[i] = 2.0 * alpha;
    }
    arcs[s].frobenius_squared = largest(frobenius, 0, count);
  }
}

// The best value and the local maximisers of arcs first + 1..first + count - 1.
void Sweep::look(Index first, Index count, const Arcs& arcs, double sign, Best& best) const {
  for (Index i = 1; i < count; ++i) {
    const double x1 = sums_.lines().x1(first + i), x2 = sums_.lines().x2(first + i);
    if (arcs.start[i] > std::min(best.squared, threshold_squared_)) {
      const double length = sign * std::sqrt(x1 * x1 + x2 * x2), w1 = -x2 / length, w2 = x1 / length;
      best.offer(arcs.start[i], w1, w2);
      if (arcs.start[i] > threshold_squared_ && arcs.slope_at_end[i - 1] >= 0.0 && arcs.slope_at_start[i] <= 0.0)
        best.candidates.push_back({arcs.start[i], w1, w2});
    }
    if (arcs.peak[i] > std::min(best.squared, threshold_squared_)) {
      // (cos, sin) of half the angle of (beta, gamma), within a quarter of d_k
      const double beta = arcs.beta[i], gamma = arcs.gamma[i], rho = std::hypot(beta, gamma);
      double v1 = beta >= 0.0 ? rho + beta : gamma, v2 = beta >= 0.0 ? gamma : rho - beta;
      if (rho == 0.0) v1 = -x2, v2 = x1;
      const double length = std::copysign(std::hypot(v1, v2), sign * (v2 * x1 - v1 * x2));
      best.offer(arcs.peak[i], v1 / length, v2 / length);
      if (arcs.peak[i] > threshold_squared_) best.candidates.push_back({arcs.peak[i], v1 / length, v2 / length});
    }
  }
}

void Sweep::tile(Index t, Best& best) const {
  const Index first = t * PrefixSums::kTile, count = std::min(kTile, sums_.lines().size - first + 1);
  std::vector<DoubleDouble> r(sums_.before(t), sums_.before(t) + 2 * sums_.outputs());
  Arcs arcs[2];
  evaluate(first, count, r.data(), arcs);
  for (int s = 0; s < 2; ++s) {
    best.frobenius_squared = std::max(best.frobenius_squared, arcs[s].frobenius_squared);
    const double most = std::max(largest(arcs[s].start, 1, count), largest(arcs[s].peak, 1, count));
    if (most > std::min(best.squared, threshold_squared_)) look(first, count, arcs[s], s == 0 ? 1.0 : -1.0, best);
  }
}

// f(w) / |w| minus everything that rounding may have added to it, and which way the outputs point
double Sweep::lower(double w1, double w2, Vector& output) const {
  const bool swept = w1 < 0.0 || (w1 == 0.0 && w2 > 0.0);
  const std::vector<DoubleDouble> r = swept ? sums_.at(w1, w2) : sums_.at(-w1, -w2);
  double squared = 0.0, frobenius_squared = 0.0;
  for (Index l = 0; l < sums_.outputs(); ++l) {
    double a1[2], a2[2];
    sums_.forms(2 * l, r[static_cast<std::size_t>(2 * l)], a1[0], a1[1]);
    sums_.forms(2 * l + 1, r[static_cast<std::size_t>(2 * l + 1)], a2[0], a2[1]);
    const int s = swept ? 0 : 1;
    const double along = a1[s] * w1 + a2[s] * w2;
    squared += along * along;
    frobenius_squared += a1[s] * a1[s] + a2[s] * a2[s];
    output[l] = along;
  }
  if (squared > 0.0) output.stableNormalize();
  const double value = std::sqrt(squared / (w1 * w1 + w2 * w2));
  return value * (1.0 - relative_) - kAlong * std::sqrt(frobenius_squared) - sums_.error();
}

SweepResult Sweep::circle(bool linear) {
  SweepResult result;
  const AngularOrder& lines = sums_.lines();
  result.arcs = linear || lines.distinct == 0 ? 1 : 2 * lines.distinct;
  result.direction = Vector::Unit(2, 0);
  result.output = Vector::Zero(sums_.outputs());
  if (sums_.weight() == 0.0) {
    result.maximizers = {Matrix(0, 2), Vector(0)};
    return result;
  }
  // Most tiles are nowhere near the maximum: their own bounds are all that is wanted of them.
  const Index tiles = sums_.tiles(), tasks = (tiles + kTilesOfTask - 1) / kTilesOfTask;
  Vector reached(tiles), upper(tiles);
  parallel_for(tasks, context_, [&](Index task, int) {
    for (Index t = task * kTilesOfTask; t < std::min(tiles, (task + 1) * kTilesOfTask); ++t)
      bound(t, reached(t), upper(t));
  });
  const double least = std::min(reached.maxCoeff(), std::sqrt(threshold_squared_));
  std::vector<Best> found(static_cast<std::size_t>(tasks));
  parallel_for(tasks, context_, [&](Index task, int) {
    Best& best = found[static_cast<std::size_t>(task)];
    for (Index t = task * kTilesOfTask; t < std::min(tiles, (task + 1) * kTilesOfTask); ++t)
      if (upper(t) >= least)
        tile(t, best);
      else
        best.upper = std::max(best.upper, upper(t));
    if (best.squared >= 0.0) {
      const double own = std::sqrt(best.squared) * (1.0 + relative_) + kAlong * std::sqrt(best.frobenius_squared);
      best.upper = std::max(best.upper, own);
    }
  });

  Best best;
  for (const Best& from : found) {
    best.offer(from.squared, from.w1, from.w2);
    best.upper = std::max(best.upper, from.upper);
    best.candidates.insert(best.candidates.end(), from.candidates.begin(), from.candidates.end());
  }
  // The best one is a local maximiser, whatever rounding has made of the slopes there.
  if (best.squared > threshold_squared_)
    best.candidates.insert(best.candidates.begin(), {best.squared, best.w1, best.w2});
  result.maximizers = separated(std::move(best.candidates), settings_.separation, settings_.count, lines.exponent);
  result.direction << best.w1, best.w2;
  result.lower = scaled_down(std::max(0.0, lower(best.w1, best.w2, result.output)), lines.exponent);
  result.upper = scaled_up((best.upper + sums_.error()) * (1.0 + relative_), lines.exponent);
  return result;
}

}  // namespace

SweepResult sweep(const ConstMatrixView& x, const ConstMatrixView& q, double slope, const SweepSettings& settings,
                  const Context& context) {
  check(x, q, slope, settings);
  return Sweep(x, q, slope, settings, sized(context, q.size())).circle(slope == 1.0);
}

SweepResult line(const ConstMatrixView& x, const ConstMatrixView& q, double slope, const SweepSettings& settings,
                 const Context& context) {
  require(x.cols() == 1, "X must have one column");
  // In the plane f(w1, w2) = |w1| f(sign w1): the same values, at (1, 0) and (-1, 0), which are ends of arcs.
  Matrix plane = Matrix::Zero(x.rows(), 2);
  plane.col(0) = x;
  SweepResult result = sweep(plane, q, slope, settings, context);
  result.direction.conservativeResize(1);
  result.maximizers.directions.conservativeResize(Eigen::NoChange, 1);
  return result;
}

}  // namespace landscape::homogeneous
