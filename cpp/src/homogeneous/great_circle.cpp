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
  const auto m = static_cast<std::size_t>(data.x.rows());
  kinks_.resize(m);
  sorted_.resize(m);
  on_.resize(m);
  first_.resize(m + 2);
  p_.resize(data.q.cols());
  r_.resize(data.q.cols());
}

// Buckets of equal width hold about one kink each where the angles are spread; insertion does the rest.
void GreatCircle::sort(Index n) {
  const auto bucket = [n](double key) {
    return std::min(n - 1, static_cast<Index>(0.5 * (key + 1.0) * static_cast<double>(n)));
  };
  const auto before = [](const Kink& l, const Kink& r) {
    return l.key < r.key || (l.key == r.key && l.sample < r.sample);
  };
  std::fill_n(first_.begin(), n + 1, 0);
  for (Index i = 0; i < n; ++i) ++first_[bucket(kinks_[i].key) + 1];
  int largest = 0;
  for (Index k = 0; k < n; ++k) {
    largest = std::max(largest, first_[k + 1]);
    first_[k + 1] += first_[k];
  }
  for (Index i = 0; i < n; ++i) sorted_[first_[bucket(kinks_[i].key)]++] = kinks_[i];
  if (largest > 24) {
    std::sort(sorted_.begin(), sorted_.begin() + n, before);
    return;
  }
  for (Index i = 1; i < n; ++i) {
    const Kink kink = sorted_[i];
    Index j = i;
    for (; j > 0 && before(kink, sorted_[j - 1]); --j) sorted_[j] = sorted_[j - 1];
    sorted_[j] = kink;
  }
}

// P <- P + s a_i q_i, R <- R + s b_i q_i, and their inner products
template <bool scalar>
struct GreatCircle::Sums {
  double* p;
  double* r;
  const double* q;
  Index outputs;
  double pp = 0.0, pr = 0.0, rr = 0.0;

  void add(Index i, double a, double b) {
    if constexpr (scalar) {
      *p += a * q[i];
      *r += b * q[i];
    } else {
      const double* row = q + i * outputs;
      for (Index l = 0; l < outputs; ++l) {
        p[l] += a * row[l];
        r[l] += b * row[l];
      }
    }
  }
  void multiply() {
    pp = pr = rr = 0.0;
    for (Index l = 0; l < (scalar ? 1 : outputs); ++l) {
      pp += p[l] * p[l];
      pr += p[l] * r[l];
      rr += r[l] * r[l];
    }
  }
};

GreatCircle::Point GreatCircle::search(const Vector& a, const Vector& b, const std::vector<char>& fixed, double known) {
  return data_.q.cols() == 1 ? search_arcs<true>(a, b, fixed, known) : search_arcs<false>(a, b, fixed, known);
}

template <bool scalar>
GreatCircle::Point GreatCircle::search_arcs(const Vector& a, const Vector& b, const std::vector<char>& fixed,
                                            double known) {
  const Index m = data_.x.rows();
  p_.setZero();
  r_.setZero();
  Sums<scalar> sums{p_.data(), r_.data(), data_.q.data(), data_.q.cols()};
  Index n = 0;
  for (Index i = 0; i < m; ++i) {
    if (fixed[i] || (a(i) == 0.0 && b(i) == 0.0)) continue;
    // just before theta = 0; a kink at 0 is met first
    on_[i] = a(i) > 0.0 || (a(i) == 0.0 && b(i) < 0.0);
    const double s = on_[i] ? 1.0 : slope_;
    sums.add(i, s * a(i), s * b(i));
    // t_i = 0 along +-(b_i, -a_i)
    const double flip = on_[i] ? -1.0 : 1.0;
    kinks_[n++] = {half_turn_key(flip * b(i), -flip * a(i)), static_cast<int>(i)};
  }
  if (slope_ == 1.0) n = 0;
  sort(n);

  Point best;
  best.value = known * known;
  const auto arc = [&](double from, double to, double side, Index at) {
    sums.multiply();
    const double pp = sums.pp, rr = sums.rr, pr = sums.pr, half = 0.5 * (pp - rr);
    if (!(pp + rr > best.value)) return;
    const double swing = std::sqrt(half * half + pr * pr), top = 0.5 * (pp + rr) + swing;
    if (!(top > best.value)) return;
    double c = half >= 0.0 ? half + swing : pr, s = half >= 0.0 ? pr : swing - half;
    if (s < 0.0) c = -c, s = -s;
    const double key = s == 0.0 ? -1.0 : half_turn_key(c, s);
    const bool inside = key >= from && key <= to;
    if (inside || (s == 0.0 && to == 1.0)) {
      const double length = std::sqrt(c * c + s * s);
      if (s == 0.0) c = inside ? std::abs(c) : -std::abs(c);
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
  for (const double side : {1.0, -1.0}) {
    arc(-1.0, n > 0 ? sorted_[0].key : 1.0, side, -1);
    for (Index j = 0; j < n; ++j) {
      const Index i = sorted_[j].sample;
      const double change = (1.0 - slope_) * (on_[i] ? -1.0 : 1.0);
      on_[i] = !on_[i];
      sums.add(i, change * a(i), change * b(i));
      arc(sorted_[j].key, j + 1 < n ? sorted_[j + 1].key : 1.0, side, i);
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

// f from t, S in output_
double FaceAscent::value_of(const Vector& t) {
  weight_ = t.cwiseMax(slope_ * t);
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

// u = S / |S|, weight_i = q_i . u, gradient of f with the samples of Z at slope a
void FaceAscent::differentiate() {
  value_ = value_of(t_);
  if (value_ == 0.0) return;
  output_ /= value_;
  weight_.noalias() = data_.q * output_;
  for (Index i = 0; i < t_.size(); ++i) b_(i) = (t_(i) > 0.0 && !fixed_[i] ? 1.0 : slope_) * weight_(i);
  gradient_.noalias() = data_.x.transpose() * b_;
}

bool FaceAscent::search_along(Vector& w, double tolerance) {
  for (int pass = 0; pass < 2; ++pass) {
    direction_ -= w.dot(direction_) * w;
    const double length = direction_.norm();
    if (!(length > 0.0)) return false;
    direction_ /= length;
  }
  b_.noalias() = data_.x * direction_;
  const GreatCircle::Point best = circle_.search(t_, b_, fixed_, value_ * (1.0 + tolerance));
  if (!(best.value > value_ * (1.0 + tolerance))) return false;
  // Values at kinks are differences of running sums; believe the direct one.
  b_ = best.cosine * t_ + best.sine * b_;
  const double found = value_of(b_);
  if (!(found > value_ * (1.0 + 0.5 * tolerance))) return false;
  w = (best.cosine * w + best.sine * direction_).normalized();
  t_.swap(b_);
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
    if (below > worst && below >= above)
      worst = below, leaving = j, slope_change = 0.0;
    else if (above > worst)
      worst = above, leaving = j, slope_change = 1.0 - slope_;
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

double FaceAscent::climb(Vector& w, double tolerance, Index max_steps, Index& steps,
                         const std::function<void()>& check) {
  constexpr Index refresh = 16, decomposed_up_to = 32;
  const Index d = data_.x.cols(), nl = data_.q.cols();
  zero_.clear();
  std::fill(fixed_.begin(), fixed_.end(), 0);
  Index failures = 0;
  for (Index step = 0; step < max_steps; ++step) {
    ++steps;
    check();
    if (step % refresh == 0) t_.noalias() = data_.x * w;
    differentiate();
    if (value_ == 0.0) break;
    Vector& v = direction_;
    v = gradient_;
    project(v);
    v -= w.dot(v) * w;
    if (v.norm() > 1e-9 * gradient_.norm()) {
      if (nl > 1 && nl <= decomposed_up_to) leading_direction(w);
      if (search_along(w, tolerance)) {
        failures = 0;
        continue;
      }
    }
    if (zero_.empty() || ++failures > d) break;
    differentiate();
    if (!release(w, 1e-9)) break;
    if (search_along(w, tolerance)) failures = 0;
  }
  t_.noalias() = data_.x * w;
  return value_ = value_of(t_);
}

// direction_ <- A^T y with A <- Q^T diag(act') X on the complement of Z, y the top eigenvector of A A^T
void FaceAscent::leading_direction(const Vector& w) {
  for (Index i = 0; i < t_.size(); ++i) b_(i) = fixed_[i] ? 0.0 : t_(i) > 0.0 ? 1.0 : slope_;
  scaled_q_ = data_.q.array().colwise() * b_.array();
  jacobian_.noalias() = scaled_q_.transpose() * data_.x;
  for (std::size_t k = 0; k < zero_.size(); ++k) {
    const auto n = basis_.row(static_cast<Index>(k));
    jacobian_ -= (jacobian_ * n.transpose()) * n;
  }
  small_.noalias() = jacobian_ * jacobian_.transpose();
  direction_.noalias() =
      jacobian_.transpose() * linalg::symmetric_eigen(small_, Context{}).vectors.col(small_.rows() - 1);
  if (direction_.dot(w) < 0.0) direction_ *= -1.0;
  project(direction_);
}

}  // namespace landscape::homogeneous
