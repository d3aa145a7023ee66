#include "quadratic_group_lasso.hpp"

#include <Eigen/Cholesky>
#include <algorithm>
#include <cmath>

namespace landscape::homogeneous {

namespace {

constexpr Index kFirstSweeps = 12;  // at most so many; they end when the support stays
constexpr Index kSweeps = 3;
constexpr double kLongestStep = 100.0;  // |D| / |C| of a Newton step
constexpr Index kMaxRounds = 300, kIdleNewtonRounds = 30;
constexpr double kRidge = 1e-14;  // times the order and the largest diagonal entry: duplicates are normal

using Factor = Eigen::LLT<Eigen::Ref<Matrix, 0, Eigen::OuterStride<>>, Eigen::Lower>;  // in place

double sign(double x) { return (x > 0.0) - (x < 0.0); }

}  // namespace

namespace {

// Cholesky factor of A + ridge in place, with the least ridge that has one
bool factor_with_ridge(const Matrix& a, Matrix& factor) {
  const double ridge = kRidge * static_cast<double>(a.rows()) * a.diagonal().maxCoeff();
  for (double more = 1.0; more < 1e9; more *= 100.0) {
    factor = a;
    factor.diagonal().array() += more * ridge;
    if (Factor(factor).info() == Eigen::Success) return true;
  }
  return false;
}

}  // namespace

bool SupportNewton::factor(Matrix& q, const Matrix& c, double lam) {
  if (c.cols() == 1) {
    capacity_.resize(0, 0);
    return factor_with_ridge(q, factor_);
  }
  const Vector length = c.rowwise().norm();
  u_ = length.cwiseInverse().asDiagonal() * c;
  root_ = (length / lam).cwiseSqrt();
  q = root_.asDiagonal() * q * root_.asDiagonal();
  factor_ = q;
  factor_.diagonal().array() += 1.0;
  if (Factor(factor_).info() != Eigen::Success) return false;
  solve_with(factor_, q);
  q = 0.5 * (q + q.transpose()).eval();
  q.array() *= (u_ * u_.transpose()).array();
  return factor_with_ridge(q, capacity_);
}

void SupportNewton::solve_with(const Matrix& factor, Matrix& r) {
  factor.triangularView<Eigen::Lower>().solveInPlace(r);
  factor.transpose().triangularView<Eigen::Upper>().solveInPlace(r);
}

void SupportNewton::solve(Matrix& r) const {
  if (capacity_.size() == 0) return solve_with(factor_, r);
  r = root_.asDiagonal() * r;
  Matrix solved = r;
  solve_with(factor_, solved);
  Matrix tau = (solved.array() * u_.array()).rowwise().sum().matrix();
  solve_with(capacity_, tau);
  r += tau.col(0).asDiagonal() * u_;
  solve_with(factor_, r);
  r = root_.asDiagonal() * r;
}

// The largest distance of a subgradient from zero, over the support or over all blocks.
double QuadraticGroupLasso::violation(bool support_only) const {
  double worst = 0.0;
  for (Index j = 0; j < size_; ++j) {
    const double length = c_.row(j).norm();
    if (length > 0.0)
      worst = std::max(worst, (g_.col(j).transpose() + lam_ / length * c_.row(j)).norm());
    else if (!support_only)
      worst = std::max(worst, g_.col(j).norm() - lam_);
  }
  return worst;
}

// One pass over the blocks; true if the support changed.
bool QuadraticGroupLasso::sweep_scalar() {
  bool changed = false;
  double* c = c_.data();
  const Index stride = c_.outerStride();
  auto g = g_.row(0);
  for (Index j = 0; j < size_; ++j) {
    const double q = q_(j, j), old = c[j * stride], v = q * old - g_(0, j);
    const double shrunk = std::abs(v) - lam_;
    const double next = shrunk > 0.0 && q > 0.0 ? std::copysign(shrunk, v) / q : 0.0;
    if (next == old) continue;
    changed |= (next == 0.0) != (old == 0.0);
    c[j * stride] = next;
    g += (next - old) * q_.row(j);
  }
  return changed;
}

bool QuadraticGroupLasso::sweep() {
  if (n_ == 1) return sweep_scalar();
  bool changed = false;
  Eigen::RowVectorXd v(n_);
  for (Index j = 0; j < size_; ++j) {
    const double q = q_(j, j);
    v = q * c_.row(j) - g_.col(j).transpose();
    const double length = v.norm();
    const double shrink = length > lam_ && q > 0.0 ? (1.0 - lam_ / length) / q : 0.0;
    const bool was_zero = c_.row(j).isZero(0.0);
    if (shrink == 0.0 && was_zero) continue;
    changed |= (shrink == 0.0) != was_zero;
    v = shrink * v - c_.row(j);
    c_.row(j) = shrink == 0.0 ? Eigen::RowVectorXd::Zero(n_) : Eigen::RowVectorXd(c_.row(j) + v);
    for (Index o = 0; o < n_; ++o)
      if (v(o) != 0.0) g_.row(o) += v(o) * q_.row(j);
  }
  return changed;
}

void QuadraticGroupLasso::find_support() {
  support_.clear();
  for (Index j = 0; j < size_; ++j)
    if (!c_.row(j).isZero(0.0)) support_.push_back(j);
}

void QuadraticGroupLasso::gather_support() {
  const Index s = static_cast<Index>(support_.size());
  gram_.resize(s, s);
  for (Index a = 0; a < s; ++a) {
    const double* row = q_.data() + support_[a] * q_.outerStride();
    for (Index b = 0; b < s; ++b) gram_(a, b) = row[support_[b]];
  }
}

bool QuadraticGroupLasso::newton_direction() {
  const Index s = static_cast<Index>(support_.size());
  Matrix c(s, n_);
  d_.resize(s, n_);
  for (Index a = 0; a < s; ++a) {
    c.row(a) = c_.row(support_[a]);
    d_.row(a) = -g_.col(support_[a]).transpose() - lam_ / c.row(a).norm() * c.row(a);
  }
  if (!newton_.factor(gram_, c, lam_)) return false;
  newton_.solve(d_);
  // Along null vectors of Q the step is as long as the ridge allows, its curvature nothing but rounding; a block
  // vanishes long before.
  const double length = d_.norm(), longest = kLongestStep * c.norm();
  if (length > longest) d_ *= longest / length;
  return std::isfinite(length);
}

// Q D for the D on the support      (n x w)
void multiply_rows(const ConstMatrixView& q, const std::vector<Index>& support, const Matrix& d, Matrix& out) {
  out.setZero(d.cols(), q.cols());
  for (std::size_t a = 0; a < support.size(); ++a)
    for (Index o = 0; o < d.cols(); ++o)
      if (const double value = d(static_cast<Index>(a), o); value != 0.0) out.row(o) += value * q.row(support[a]);
}

// The exact minimiser along C + t D, whose slope jumps by 2 lam |d_a| where an entry changes its sign, or the point
// C + D with the entries that would change their sign set to zero: whichever is lower.
bool QuadraticGroupLasso::step_scalar() {
  const Index s = static_cast<Index>(support_.size());
  multiply_rows(q_, support_, d_, qd_);
  double slope = 0.0, curvature = 0.0;
  std::vector<std::pair<double, double>> breaks;
  for (Index a = 0; a < s; ++a) {
    const Index j = support_[a];
    const double c = c_(j, 0), d = d_(a, 0);
    slope += d * (g_(0, j) + lam_ * sign(c));
    curvature += d * qd_(0, j);
    if (c * d < 0.0) breaks.emplace_back(-c / d, 2.0 * lam_ * std::abs(d));
  }
  if (!(slope < 0.0)) return false;
  std::sort(breaks.begin(), breaks.end());
  double t = 0.0, here = slope;
  bool at_break = false;
  for (const auto& [next, jump] : breaks) {
    const double there = here + curvature * (next - t);
    if (there >= 0.0) break;
    t = next;
    here = there + jump;
    if (here >= 0.0) {
      at_break = true;
      break;
    }
  }
  if (!at_break) {
    if (!(curvature > 0.0)) return false;
    t -= here / curvature;
  }
  // objective(C + t D) - objective(C)
  const auto change = [&](const Matrix& d, const Matrix& qd, double length) {
    double sum = 0.0;
    for (Index a = 0; a < s; ++a) {
      const Index j = support_[a];
      const double c = c_(j, 0), move = length * d(a, 0);
      sum += move * (g_(0, j) + 0.5 * length * qd(0, j)) + lam_ * (std::abs(c + move) - std::abs(c));
    }
    return sum;
  };
  if (!breaks.empty() && breaks.front().first < 1.0) {
    Matrix clamped = d_, q_clamped;
    for (Index a = 0; a < s; ++a) {
      const double c = c_(support_[a], 0);
      if (c * (c + d_(a, 0)) < 0.0) clamped(a, 0) = -c;
    }
    multiply_rows(q_, support_, clamped, q_clamped);
    if (change(clamped, q_clamped, 1.0) < change(d_, qd_, t)) {
      d_.swap(clamped);
      qd_.swap(q_clamped);
      t = 1.0;
    }
  }
  for (Index a = 0; a < s; ++a) {
    double& c = c_(support_[a], 0);
    const double old = c;
    c = (t == 1.0 && d_(a, 0) == -old) || (at_break && old * d_(a, 0) < 0.0 && -old / d_(a, 0) == t)
            ? 0.0
            : old + t * d_(a, 0);
  }
  g_.row(0) += t * qd_.row(0);
  return true;
}

// The minimiser along C + t D by a bracketed Newton iteration on the slope, which increases.
bool QuadraticGroupLasso::step() {
  if (n_ == 1) return step_scalar();
  const Index s = static_cast<Index>(support_.size());
  multiply_rows(q_, support_, d_, qd_);
  double linear = 0.0, quadratic = 0.0;
  for (Index a = 0; a < s; ++a) {
    linear += d_.row(a).dot(g_.col(support_[a]).transpose());
    quadratic += d_.row(a).dot(qd_.col(support_[a]).transpose());
  }
  double second = 0.0;
  const auto slope = [&](double t) {
    double sum = linear + t * quadratic;
    second = quadratic;
    for (Index a = 0; a < s; ++a) {
      const auto d = d_.row(a);
      double cc = 0.0, cd = 0.0, dd = 0.0;
      for (Index o = 0; o < n_; ++o) {
        const double c = c_(support_[a], o) + t * d(o);
        cc += c * c;
        cd += c * d(o);
        dd += d(o) * d(o);
      }
      if (!(cc > 0.0)) continue;
      const double length = std::sqrt(cc);
      sum += lam_ * cd / length;
      second += lam_ * std::max(0.0, dd - cd * cd / cc) / length;
    }
    return sum;
  };
  const double first = slope(0.0);
  if (!(first < 0.0)) return false;
  double low = 0.0, high = kInfinity, t = 1.0;
  for (int i = 0; i < 60; ++i) {
    const double here = slope(t);
    if (std::abs(here) <= 1e-3 * std::abs(first)) {
      low = t;
      break;
    }
    (here < 0.0 ? low : high) = t;
    if (high - low <= 1e-3 * low || low > 4.0) break;
    const double next = second > 0.0 ? t - here / second : kInfinity;
    t = next > low && next < high ? next : high == kInfinity ? 2.0 * t : low > 0.0 ? 0.5 * (low + high) : 0.03 * high;
  }
  t = low;
  if (!(t > 0.0)) return false;
  for (Index a = 0; a < s; ++a) c_.row(support_[a]) += t * d_.row(a);
  g_ += t * qd_;
  return true;
}

// Blocks of the support whose exact minimiser is zero leave it.
void QuadraticGroupLasso::prune() {
  Eigen::RowVectorXd v(n_);
  for (const Index j : support_) {
    v = q_(j, j) * c_.row(j) - g_.col(j).transpose();
    if (v.norm() > lam_) continue;
    for (Index o = 0; o < n_; ++o) g_.row(o) -= c_(j, o) * q_.row(j);
    c_.row(j).setZero();
  }
}

// Sweeps find what should enter; then Newton steps minimise over the support, which only shrinks meanwhile: where it is
// larger than the rank of Q, steps along null vectors are stopped by blocks that vanish, one or more at a time.
void QuadraticGroupLasso::minimise(double tolerance) {
  double best = kInfinity;
  Index idle = 0;
  for (Index round = 0; round < kMaxRounds && idle <= kIdleNewtonRounds; ++round) {
    for (Index i = 0; i < (round == 0 ? kFirstSweeps : kSweeps); ++i)
      if (!sweep() && i > 0) break;
    const double here = violation(false);
    if (here <= tolerance * lam_) return;
    idle = here < 0.5 * best ? 0 : idle + 1;
    best = std::min(best, here);
    find_support();
    const Index most = 2 * static_cast<Index>(support_.size()) + 10;
    for (Index steps = 0; steps < most && !support_.empty(); ++steps) {
      context_.check();
      gather_support();
      if (!newton_direction() || !step()) break;
      find_support();
      prune();
      find_support();
      const double inside = violation(true), all = violation(false);
      if (all <= tolerance * lam_) return;
      if (inside <= std::max(tolerance * lam_, 0.1 * all)) break;
    }
  }
}

}  // namespace landscape::homogeneous
