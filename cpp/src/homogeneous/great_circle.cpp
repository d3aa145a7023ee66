#include "great_circle.hpp"

#include <algorithm>
#include <cmath>

#include "landscape/linalg/decompositions.hpp"

namespace landscape::homogeneous {

namespace {

constexpr double kZero = 1e-12;  // |x_i . w| / |x_i| that counts as zero

// Grows from -1 to 1 with the angle of (x, y), y >= 0, from 0 to pi.
double half_turn_key(double x, double y) { return -x / (std::abs(x) + y); }

}  // namespace

GreatCircle::GreatCircle(const Scaled& data, double slope) : data_(data), slope_(slope) {
  const Index m = data.x.rows();
  kinks_.reserve(static_cast<std::size_t>(m));
  on_.resize(static_cast<std::size_t>(m));
  p_.resize(data.q.cols());
  r_.resize(data.q.cols());
}

GreatCircle::Point GreatCircle::search(const Vector& a, const Vector& b, const std::vector<char>& fixed,
                                       double known) {
  const Index m = data_.x.rows();
  p_.setZero();
  r_.setZero();
  kinks_.clear();
  for (Index i = 0; i < m; ++i) {
    if (fixed[i] || (a(i) == 0.0 && b(i) == 0.0)) continue;
    // just before theta = 0; a kink at 0 is met first
    on_[i] = a(i) > 0.0 || (a(i) == 0.0 && b(i) < 0.0);
    const double s = on_[i] ? 1.0 : slope_;
    p_.noalias() += s * a(i) * data_.q.row(i).transpose();
    r_.noalias() += s * b(i) * data_.q.row(i).transpose();
    // t_i = 0 along +-(b_i, -a_i)
    const double flip = a(i) > 0.0 || (a(i) == 0.0 && b(i) < 0.0) ? -1.0 : 1.0;
    kinks_.push_back({half_turn_key(flip * b(i), -flip * a(i)), static_cast<int>(i)});
  }
  if (slope_ == 1.0) kinks_.clear();
  std::sort(kinks_.begin(), kinks_.end(), [](const Kink& l, const Kink& r) {
    return l.key < r.key || (l.key == r.key && l.sample < r.sample);
  });

  Point best;
  best.value = known * known;
  const auto arc = [&](double from, double to, double side, Index at) {
    const double pp = p_.squaredNorm(), rr = r_.squaredNorm(), pr = p_.dot(r_);
    const double half = 0.5 * (pp - rr), swing = std::sqrt(half * half + pr * pr);
    const double top = 0.5 * (pp + rr) + swing;
    if (!(top > best.value)) return;
    double c = half >= 0.0 ? half + swing : pr, s = half >= 0.0 ? pr : swing - half;
    if (s < 0.0) c = -c, s = -s;
    const double key = s == 0.0 ? -1.0 : half_turn_key(c, s);
    if ((key >= from && key <= to) || (s == 0.0 && to == 1.0)) {
      const double length = std::sqrt(c * c + s * s);
      if (s == 0.0 && !(key >= from && key <= to)) c = -c;
      best = {top, side * c / length, side * s / length, -1};
      return;
    }
    if (at < 0) return;
    // the kink that opens the arc; the one that closes it opens the next
    const double x = b(at), y = -a(at), length = std::sqrt(x * x + y * y);
    const double flip = y < 0.0 || (y == 0.0 && x < 0.0) ? -side : side;
    c = flip * x / length;
    s = flip * y / length;
    const double value = pp * c * c + rr * s * s + 2.0 * pr * c * s;
    if (value > best.value) best = {value, c, s, at};
  };
  const auto n = static_cast<Index>(kinks_.size());
  for (const double side : {1.0, -1.0}) {
    arc(-1.0, n > 0 ? kinks_[0].key : 1.0, side, -1);
    for (Index j = 0; j < n; ++j) {
      const Index i = kinks_[j].sample;
      const double change = (1.0 - slope_) * (on_[i] ? -1.0 : 1.0);
      on_[i] = !on_[i];
      p_.noalias() += change * a(i) * data_.q.row(i).transpose();
      r_.noalias() += change * b(i) * data_.q.row(i).transpose();
      arc(kinks_[j].key, j + 1 < n ? kinks_[j + 1].key : 1.0, side, i);
    }
  }
  best.value = std::sqrt(best.value);
  return best;
}

FaceAscent::FaceAscent(const Scaled& data, double slope) : data_(data), slope_(slope), circle_(data, slope) {
  const Index m = data.x.rows(), d = data.x.cols(), nl = data.q.cols();
  t_.resize(m);
  b_.resize(m);
  weight_.resize(m);
  output_.resize(nl);
  gradient_.resize(d);
  direction_.resize(d);
  multipliers_.resize(d);
  jacobian_.resize(nl, d);
  fixed_.assign(static_cast<std::size_t>(m), 0);
  basis_.resize(d, d);
  triangle_.resize(d, d);
}

double FaceAscent::value(const Vector& w) {
  t_.noalias() = data_.x * w;
  weight_ = t_.cwiseMax(slope_ * t_);
  output_.noalias() = data_.q.transpose() * weight_;
  return output_.norm();
}

void FaceAscent::project(Vector& v) const {
  const auto z = static_cast<Index>(zero_.size());
  for (int pass = 0; pass < 2; ++pass)
    for (Index k = 0; k < z; ++k) v -= basis_.row(k).dot(v) * basis_.row(k).transpose();
}

void FaceAscent::add(Index sample) {
  const auto k = static_cast<Index>(zero_.size());
  direction_ = data_.x.row(sample).transpose();
  const double size = direction_.norm();
  for (Index j = 0; j < k; ++j) {
    triangle_(k, j) = basis_.row(j).dot(direction_);
    direction_ -= triangle_(k, j) * basis_.row(j).transpose();
  }
  for (Index j = 0; j < k; ++j) {  // twice is enough
    const double rest = basis_.row(j).dot(direction_);
    triangle_(k, j) += rest;
    direction_ -= rest * basis_.row(j).transpose();
  }
  fixed_[sample] = 1;
  triangle_(k, k) = direction_.norm();
  if (triangle_(k, k) <= 1e-9 * size || k + 1 >= data_.x.cols()) return;
  basis_.row(k) = direction_.transpose() / triangle_(k, k);
  zero_.push_back(sample);
}

void FaceAscent::rebuild() {
  const std::vector<Index> kept = zero_;
  zero_.clear();
  std::fill(fixed_.begin(), fixed_.end(), 0);
  for (const Index i : kept) add(i);
}

// At w, whose t is at hand: u = S / |S|, weight_i = q_i . u, gradient of f with the samples of Z at slope a.
void FaceAscent::differentiate(const Vector& w) {
  value_ = value(w);
  if (value_ == 0.0) return;
  output_ /= value_;
  weight_.noalias() = data_.q * output_;
  for (Index i = 0; i < t_.size(); ++i) b_(i) = (t_(i) > 0.0 && !fixed_[i] ? 1.0 : slope_) * weight_(i);
  gradient_.noalias() = data_.x.transpose() * b_;
}

bool FaceAscent::search_along(Vector& w, double tolerance) {
  direction_ -= w.dot(direction_) * w;
  const double length = direction_.norm();
  if (!(length > 0.0)) return false;
  direction_ /= length;
  direction_ -= w.dot(direction_) * w;
  t_.noalias() = data_.x * w;
  b_.noalias() = data_.x * direction_;
  const GreatCircle::Point best = circle_.search(t_, b_, fixed_, value_ * (1.0 + tolerance));
  if (!(best.value > value_ * (1.0 + tolerance))) return false;
  direction_ = (best.cosine * w + best.sine * direction_).normalized();
  // Values at kinks are differences of running sums; believe the direct one.
  const double found = value(direction_);
  if (!(found > value_ * (1.0 + 0.5 * tolerance))) return false;
  w = direction_;
  value_ = found;
  if (best.kink >= 0) add(best.kink);
  return true;
}

// Leaves one sample of Z whose multiplier mu (gradient = X_Z^T mu on the span) is outside [0, -(1 - a) weight], and
// puts the direction of ascent that this opens into direction_.
bool FaceAscent::release(const Vector& w, double tolerance) {
  const auto k = static_cast<Index>(zero_.size());
  for (Index j = 0; j < k; ++j) multipliers_(j) = basis_.row(j).dot(gradient_);
  triangle_.topLeftCorner(k, k).triangularView<Eigen::Lower>().transpose().solveInPlace(multipliers_.head(k));
  double worst = tolerance * value_;
  Index leaving = -1;
  double slope_change = 0.0;
  for (Index j = 0; j < k; ++j) {
    const Index i = zero_[j];
    const double top = -(1.0 - slope_) * weight_(i), size = data_.x_norm(i);
    const double below = -multipliers_(j) * size, above = (multipliers_(j) - top) * size;
    if (below > worst && below >= above) worst = below, leaving = j, slope_change = 0.0;
    else if (above > worst) worst = above, leaving = j, slope_change = 1.0 - slope_;
  }
  if (leaving < 0) return false;
  const Index i = zero_[leaving];
  zero_.erase(zero_.begin() + leaving);
  rebuild();
  direction_ = gradient_ + slope_change * weight_(i) * data_.x.row(i).transpose();
  direction_ -= w.dot(direction_) * w;
  project(direction_);
  return true;
}

double FaceAscent::climb(Vector& w, double tolerance, Index max_steps, Index& steps) {
  const Index d = data_.x.cols(), nl = data_.q.cols();
  zero_.clear();
  std::fill(fixed_.begin(), fixed_.end(), 0);
  Index failures = 0;
  for (Index step = 0; step < max_steps; ++step) {
    ++steps;
    differentiate(w);
    if (value_ == 0.0) break;
    Vector& v = direction_;
    v = gradient_;
    project(v);
    v -= w.dot(v) * w;
    bool moved = false;
    if (v.norm() > 1e-9 * gradient_.norm()) {
      if (nl > 1 && nl <= 32) {
        // A <- Q^T diag(act') X P,  y the top eigenvector of A A^T, v = A^T y
        for (Index i = 0; i < t_.size(); ++i) b_(i) = fixed_[i] ? 0.0 : t_(i) > 0.0 ? 1.0 : slope_;
        jacobian_.noalias() = (data_.q.array().colwise() * b_.array()).matrix().transpose() * data_.x;
        for (std::size_t k = 0; k < zero_.size(); ++k) {
          const auto n = basis_.row(static_cast<Index>(k));
          jacobian_ -= (jacobian_ * n.transpose()) * n;
        }
        small_ = jacobian_ * jacobian_.transpose();
        v.noalias() = jacobian_.transpose() * linalg::symmetric_eigen(small_, Context{}).vectors.col(nl - 1);
        if (v.dot(w) < 0.0) v = -v;
        project(v);
      }
      moved = search_along(w, tolerance);
    }
    if (moved) {
      failures = 0;
      continue;
    }
    if (zero_.empty() || ++failures > d) break;
    differentiate(w);
    if (!release(w, 1e-9)) break;
    if (search_along(w, tolerance)) failures = 0;
  }
  return value_ = value(w);
}

bool FaceAscent::jump(Vector& w, const Vector& v, double tolerance) {
  zero_.clear();
  std::fill(fixed_.begin(), fixed_.end(), 0);
  value_ = value(w);
  direction_ = v;
  return search_along(w, tolerance);
}

}  // namespace landscape::homogeneous
