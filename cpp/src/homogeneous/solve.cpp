#include "landscape/homogeneous/solve.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "balanced_intercept.hpp"
#include "joint_descent.hpp"
#include "landscape/errors.hpp"
#include "landscape/homogeneous/group_lasso.hpp"
#include "landscape/rounding.hpp"
#include "lasso_losses.hpp"
#include "merge_units.hpp"
#include "unit_objective.hpp"

namespace landscape::homogeneous {

namespace {

constexpr double kAbove = 1e-12;  // a new unit's polar value is above lam by that much, relatively
constexpr Index kIdleInsertions = 5;

class NetworkSolver {
 public:
  NetworkSolver(const Problem& problem, const Activation& act, const PolarOracle& polar,
                const NetworkSolveSettings& settings, const Context& context)
      : problem_(problem), act_(act), o_(problem_, act), polar_(polar), settings_(settings), context_(context) {
    context_.blas = nullptr;  // the same bits for every number of threads
  }

  void start(const ConstMatrixView& u, const ConstMatrixView& v, const Vector& b, const ConstMatrixView& directions) {
    point_.u.resize(0, o_.outputs());
    point_.v.resize(0, o_.inputs());
    point_.b = b;
    Matrix c(u.cols(), o_.outputs()), w(u.cols(), o_.inputs());
    Index width = 0;
    for (Index k = 0; k < u.cols(); ++k) {
      const Vector own = v.col(k);
      const double size = own.head(o_.penalized()).norm();
      if (!(size > 0.0) || u.col(k).isZero(0.0)) continue;
      w.row(width) = own.transpose() / size;
      c.row(width++) = std::pow(size, act_.power) * u.col(k).transpose();
    }
    point_ = from_amplitudes(c.topRows(width), w.topRows(width), b);
    extra_ = directions;
    value_ = o_.value(point_);
  }

  SolveStatus run() {
    try {
      return rounds();
    } catch (const Interrupted&) {
      return SolveStatus::interrupted;
    }
  }

  NetworkSolveResult result(SolveStatus status) {
    NetworkSolveResult result;
    result.status = status;
    const Index r = point_.width();
    result.u.resize(o_.outputs(), r);
    result.v.resize(o_.inputs(), r);
    for (Index k = 0; k < r; ++k) {
      const double size = o_.size(point_.v, k), left = point_.u.row(k).norm();
      // |u| = |v|, at the same u act(v)
      const double amplitude = left * std::pow(size, act_.power), root = std::pow(amplitude, 1.0 / (act_.power + 1));
      result.u.col(k) = point_.u.row(k).transpose() * (root / left);
      result.v.col(k) = point_.v.row(k).transpose() * (root / size);
    }
    result.b = point_.b;
    result.value = value_;
    result.lower_bound = lower_bound_;
    result.trace = std::move(trace_);
    return result;
  }

 private:
  double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count(); }
  bool out_of_time() const { return seconds() > settings_.max_seconds; }

  SolveStatus rounds() {
    Index idle = 0;
    double best_gap = std::numeric_limits<double>::infinity();
    for (Index round = 0; round < settings_.max_rounds; ++round) {
      context_.check();
      const Maximizers missing = look();
      if (value_ - lower_bound_ <= settings_.tolerance * std::abs(value_) || value_ <= 0.0)
        return SolveStatus::certified;
      if (out_of_time()) return SolveStatus::time_limit;
      // Without an upper side nothing is proved; going on would only make sure of what the search sees already.
      if (apparent_gap_ <= settings_.tolerance * std::abs(value_)) return SolveStatus::stagnated;
      const double before = value_, gap = apparent_gap_;
      const Index room = settings_.width_max < 0
                             ? settings_.insertions
                             : std::max<Index>(0, std::min(settings_.insertions, settings_.width_max - point_.width()));
      const Index inserted = std::min<Index>(room, missing.values.size());
      improve(missing.directions.topRows(inserted), gap / std::abs(value_), idle);
      const bool moved = value_ < before - 1e-6 * gap - kLevel * std::abs(before);
      idle = moved || gap < 0.9 * best_gap ? 0 : idle + 1;
      best_gap = std::min(best_gap, gap);
      if (idle > kIdleInsertions || (!moved && idle > 2 && missing.values.size() == 0)) {
        return inserted < missing.values.size() && settings_.width_max >= 0 && point_.width() >= settings_.width_max
                   ? SolveStatus::width_limit
                   : SolveStatus::stagnated;
      }
    }
    look();
    return value_ - lower_bound_ <= settings_.tolerance * std::abs(value_) ? SolveStatus::certified
                                                                           : SolveStatus::round_limit;
  }

  // The polar at the point: a lower bound of the minimum, and what is missing.
  Maximizers look() {
    Matrix h, z = outputs(h);
    Matrix e(o_.samples(), o_.outputs());
    balanced_ = true;
    if (problem_.intercept && !problem_.intercept_decay) {
      balanced_ = balance_intercept(problem_.loss, problem_.y, z, e, point_.b);
      value_ = std::min(value_, o_.value(point_));
    }
    o_.losses(z, &e);
    const Matrix q = -e;
    const Index extra = extra_.rows();
    Matrix known(point_.width() + extra, o_.inputs());
    for (Index k = 0; k < point_.width(); ++k) known.row(k) = point_.v.row(k) / o_.size(point_.v, k);
    known.bottomRows(extra) = extra_;
    const PolarSides sides = polar_(q, known, problem_.lam * (1.0 + kAbove), context_);
    lower_bound_ = std::max(lower_bound_, value_ - gap(z, e, q, sides.upper));
    // Where only a search looked, what the gap would be if it missed nothing says how exact the next round is to be.
    apparent_gap_ = std::isfinite(sides.upper) ? value_ - lower_bound_ : gap(z, e, q, sides.lower);
    trace_.push_back({seconds(), point_.width(), value_, lower_bound_, sides.lower, sides.upper});
    if (settings_.on_record) settings_.on_record(trace_.back());
    extra_.resize(0, o_.inputs());
    return sides.missing;
  }

  // P - D at the dual point s E, s <= lam / polar, as a sum of terms that are not negative (THEORY 6.1)
  double gap(const Matrix& z, const Matrix& e, const Matrix& q, double polar) const {
    const double reach = polar > 0.0 ? problem_.lam / polar : std::numeric_limits<double>::infinity();
    Matrix z_units = z;
    z_units.rowwise() -= point_.b.transpose();
    const double fit = q.cwiseProduct(z_units).sum(), penalty = o_.penalty(point_);
    double s = std::min(1.0, reach);
    if (problem_.loss.kind == LossKind::squared) {
      const double squared = e.squaredNorm();
      if (squared > 0.0) s = std::clamp(1.0 + fit / squared, 0.0, reach);  // the least gap
    }
    if (!balanced_) s = 0.0;  // no other dual point is feasible
    double total = with_loss(problem_.loss, [&](const auto& kind) {
      double sum = 0.0;
      for (Index i = 0; i < o_.samples(); ++i) sum += excess(kind, &z(i, 0), o_.target(i), o_.outputs(), s);
      return sum;
    });
    double units = penalty - s * fit;
    if (problem_.intercept_decay) {
      const Vector sums = e.colwise().sum().transpose();
      const double lam = problem_.lam;
      units -= 0.5 * lam * point_.b.squaredNorm();
      total += (lam * point_.b + s * sums).squaredNorm() / (2.0 * lam);
    }
    return total + std::max(0.0, units);
  }

  Matrix outputs(Matrix& h) const {
    h = o_.hidden(point_.v);
    Matrix z = h * point_.u;
    z.rowwise() += point_.b.transpose();
    return z;
  }

  // Corrective step with the new directions, merging, descent in all units, merging.
  void improve(const Matrix& fresh, double relative, Index idle) {
    if (fresh.rows() > 0 || trace_.size() == 1) correct(fresh, relative);
    tidy();
    JointDescentSettings descent;
    descent.tolerance = std::clamp(1e-3 * relative * std::pow(1e-4, idle), 1e-15, 1e-4);
    if (relative > 0.1) descent.max_steps = 10;  // too few units yet to be worth more
    descent.out_of_time = [this] { return out_of_time(); };
    UnitPoint moved = point_;
    const double reached = joint_descent(o_, moved, value_, descent, context_);
    take(moved, reached);
    balance();
    tidy();
  }

  void take(const UnitPoint& point, double value) {
    if (!(value <= value_ + kLevel * std::abs(value_))) return;
    point_ = point;
    value_ = std::min(value, value_);
  }

  // Factors of equal norm, which the descent in both leaves only nearly so
  void balance() {
    if (o_.scalar()) return;
    Matrix c(point_.width(), o_.outputs()), w(point_.width(), o_.inputs());
    amplitudes(point_, c, w);
    const UnitPoint balanced = from_amplitudes(c, w, point_.b);
    take(balanced, o_.value(balanced));
  }

  // Row k of C and W: the unit's direction w, |w| = 1, and the output weights that belong to it
  void amplitudes(const UnitPoint& point, Matrix& c, Matrix& w) const {
    for (Index k = 0; k < point.width(); ++k) {
      const double size = o_.size(point.v, k);
      w.row(k) = point.v.row(k) / size;
      c.row(k) = std::pow(size, act_.power) * point.u.row(k);
    }
  }

  void tidy() {
    UnitPoint merged = point_;
    if (!merge_units(o_, merged)) return;
    take(merged, o_.value(merged));
  }

  UnitPoint from_amplitudes(const ConstMatrixView& c, const ConstMatrixView& w, const Vector& b) const {
    std::vector<Index> alive;
    for (Index k = 0; k < c.rows(); ++k)
      if (!c.row(k).isZero(0.0)) alive.push_back(k);
    const Index r = static_cast<Index>(alive.size());
    UnitPoint point{Matrix(r, o_.outputs()), Matrix(r, o_.inputs()), b};
    for (Index j = 0; j < r; ++j) {
      const Index k = alive[static_cast<std::size_t>(j)];
      const double size = c.row(k).norm();
      if (o_.scalar()) {
        point.u(j, 0) = c(k, 0) > 0.0 ? 1.0 : -1.0;
        point.v.row(j) = std::pow(size, 1.0 / act_.power) * w.row(k);
      } else {
        const double root = std::pow(size, 1.0 / (act_.power + 1));
        point.u.row(j) = c.row(k) * (root / size);
        point.v.row(j) = root * w.row(k);
      }
    }
    return point;
  }

  // All output weights at once, over the directions at hand and the new ones.
  void correct(const Matrix& fresh, double relative) {
    const Index r = point_.width(), all = r + fresh.rows();
    if (all == 0 && !problem_.intercept) return;
    Matrix w(all, o_.inputs()), c = Matrix::Zero(all, o_.outputs());
    amplitudes(point_, c, w);
    for (Index k = r; k < all; ++k) {
      const double size = fresh.row(k - r).head(o_.penalized()).norm();
      w.row(k) = fresh.row(k - r) / (size > 0.0 ? size : 1.0);
    }
    const Matrix h = o_.hidden(w);
    GroupLassoSettings lasso;
    lasso.tolerance = std::clamp(1e-2 * relative, 1e-11, 1e-3);
    lasso.max_iterations = 50;
    const bool free = problem_.intercept && !problem_.intercept_decay;
    if (problem_.intercept_decay) lasso.offset = point_.b;  // the descent in all weights moves it
    const GroupLassoResult found = group_lasso(h, problem_.y, problem_.loss, problem_.lam, free, c, lasso, context_);
    const UnitPoint point = from_amplitudes(found.c, w, free ? found.intercept : point_.b);
    take(point, o_.value(point));
  }

  const Problem& problem_;
  Activation act_;
  UnitObjective o_;
  const PolarOracle& polar_;
  const NetworkSolveSettings& settings_;
  Context context_;
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();

  UnitPoint point_;
  bool balanced_ = true;
  Matrix extra_;
  double value_ = 0.0, lower_bound_ = -std::numeric_limits<double>::infinity(), apparent_gap_ = 0.0;
  std::vector<SolveRecord> trace_;
};

}  // namespace

NetworkSolveResult solve(const Problem& problem, const Activation& act, const ConstMatrixView& u,
                         const ConstMatrixView& v, const Vector& b, const ConstMatrixView& directions,
                         const PolarOracle& polar, const NetworkSolveSettings& settings, const Context& context) {
  require_valid(act);
  require(problem.lam > 0.0 && std::isfinite(problem.lam), "lam must be positive and finite");
  require(u.rows() == problem.y.cols() && v.rows() == problem.x.cols() && u.cols() == v.cols(),
          "the start must be u (nL x r) and v (d x r)");
  require(b.size() == problem.y.cols(), "b must have one entry for each output");
  require(settings.width_max < 0 || u.cols() <= settings.width_max, "the start must have at most width_max units");
  NetworkSolver solver(problem, act, polar, settings, context);
  solver.start(u, v, b, directions);
  return solver.result(solver.run());
}

}  // namespace landscape::homogeneous
