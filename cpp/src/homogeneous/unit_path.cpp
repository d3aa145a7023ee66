#include "unit_path.hpp"

#include <algorithm>
#include <cmath>

namespace landscape::homogeneous {

namespace {

constexpr double kStill = 1e-13;  // of |x_i| |dv|: a sample held, or in the span of those

struct Crossing {
  double t;
  Index unit, sample;
  bool operator<(const Crossing& other) const { return t < other.t; }
};

class Path {
 public:
  Path(const UnitObjective& objective, const UnitPoint& point, const Matrix& t, const Sides& sides,
       const UnitStep& step)
      : o_(objective), point_(point), t_(t), sides_(sides), step_(step), dt_(objective.problem.x * step.v.transpose()) {
    find_crossings();
    if (!o_.kinked()) return;
    // A sample on its kink is on the side it was let go to, all along.
    const auto held = t_.array() == 0.0;
    shown_ = held.select(sides_.cast<double>(), t_);
    shown_move_ = held.select(0.0, dt_);
  }

  UnitStop run(double value) {
    UnitStop stop;
    if (blocked_.size() > 0) {  // a sample on its kink that the step takes to the other side
      stop.kinks = blocked_;
      return stop;
    }
    const Index pieces = static_cast<Index>(ends_.size()) - 1;
    Index low = 0, high = pieces;  // the slope is negative right of ends_[low], and not left of ends_[high]
    if (!(slope(ends_[0], 0) < 0.0)) return stop;
    double at = 1.0;
    if (slope(1.0, pieces - 1) >= 0.0) {
      at = -1.0;
      while (high - low > 1) {
        const Index middle = (low + high) / 2;
        if (slope(ends_[middle], middle - 1) >= 0.0) {
          high = middle;
        } else if (slope(ends_[middle], middle) < 0.0) {
          low = middle;
        } else {
          at = ends_[middle];
          stop.kinks = on(middle);
          break;
        }
      }
      if (at < 0.0) at = root(low);
    }
    if (!(value_at(at) < value)) {  // it rose in between: the first piece, where it falls at first
      stop.kinks.clear();
      at = ends_[1];
      if (slope(ends_[1], 0) >= 0.0)
        at = root(0);
      else if (pieces > 1)
        stop.kinks = on(1);
      for (int halving = 0; halving < 40 && !(value_at(at) < value); ++halving) {
        at *= 0.5;
        stop.kinks.clear();
      }
      if (!(value_at(at) < value)) at = 0.0;
    }
    stop.t = at;
    stop.evaluations = evaluations_;
    return stop;
  }

 private:
  void find_crossings() {
    ends_.assign(1, 0.0);
    if (o_.kinked()) {
      for (Index k = 0; k < point_.width(); ++k) {
        const double size = step_.v.row(k).norm();
        if (!(size > 0.0)) continue;
        for (Index i = 0; i < o_.samples(); ++i) {
          const double move = dt_(i, k), here = t_(i, k);
          if (here == 0.0) {
            const double still = kStill * o_.problem.x.row(i).norm() * size;
            if (std::abs(move) > still && (move > 0.0) != (sides_(i, k) > 0)) blocked_.emplace_back(k, i);
          } else if ((here > 0.0) != (move > 0.0) && std::abs(move) >= std::abs(here)) {
            crossings_.push_back({-here / move, k, i});
          }
        }
      }
    }
    std::sort(crossings_.begin(), crossings_.end());
    for (const Crossing& crossing : crossings_)
      if (crossing.t > ends_.back() && crossing.t < 1.0) ends_.push_back(crossing.t);
    ends_.push_back(1.0);
  }

  std::vector<std::pair<Index, Index>> on(Index end) const {
    std::vector<std::pair<Index, Index>> found;
    for (const Crossing& crossing : crossings_)
      if (crossing.t == ends_[end]) found.emplace_back(crossing.unit, crossing.sample);
    return found;
  }

  // dP/dt at t, with the sides of a piece
  double slope(double t, Index piece) {
    ++evaluations_;
    const double middle = 0.5 * (ends_[piece] + ends_[piece + 1]);
    const Index m = o_.samples(), n = o_.outputs();
    activate(t, middle);
    const Matrix u = point_.u + t * step_.u;
    z_.noalias() = h_ * u;
    dz_.noalias() = dh_ * u;
    if (!o_.scalar()) dz_.noalias() += h_ * step_.u;
    z_.rowwise() += (point_.b + t * step_.b).transpose();
    dz_.rowwise() += step_.b.transpose();
    g_.resize(m, n);
    o_.losses(z_, &g_);
    return g_.cwiseProduct(dz_).sum() + penalty_slope(t);
  }

  // H and dH/dt at t, of act or of the branch of it that holds at `middle`
  void activate(double t, double middle) {
    const Index size = t_.size();
    h_.resize(t_.rows(), t_.cols());
    dh_.resize(t_.rows(), t_.cols());
    const double slope = o_.act.slope;
    const double *const start = t_.data(), *const move = dt_.data();
    double *const h = h_.data(), *const dh = dh_.data();
    if (o_.kinked()) {
      const double *const shown = shown_.data(), *const shown_move = shown_move_.data();
      for (Index j = 0; j < size; ++j) {
        const double a = shown[j] + middle * shown_move[j] > 0.0 ? 1.0 : slope;
        h[j] = a * (start[j] + t * move[j]);
        dh[j] = a * move[j];
      }
    } else if (o_.act.power == 1) {
      for (Index j = 0; j < size; ++j) {
        h[j] = start[j] + t * move[j];
        dh[j] = move[j];
      }
    } else {
      for (Index j = 0; j < size; ++j) {
        const double here = start[j] + t * move[j], a = here > 0.0 ? 1.0 : slope;
        h[j] = (a * here) * (a * here);
        dh[j] = 2.0 * (a * here) * (a * move[j]);
      }
    }
  }

  double penalty_slope(double t) const {
    double sum = 0.0;
    const Index d = o_.penalized();
    for (Index k = 0; k < point_.width(); ++k) {
      const double size = length(point_.v, step_.v, k, d, t), along = rise(point_.v, step_.v, k, d, t);
      if (o_.scalar()) {
        sum += o_.act.power == 2 ? 2.0 * along : size > 0.0 ? along / size : step_.v.row(k).head(d).norm();
        continue;
      }
      const Index n = o_.outputs();
      const double along_u = rise(point_.u, step_.u, k, n, t);
      sum += o_.act.power == 1 ? along_u + along : length(point_.u, step_.u, k, n, t) * along_u + 2.0 * size * along;
    }
    const double b = o_.problem.intercept_decay ? (point_.b + t * step_.b).dot(step_.b) : 0.0;
    return o_.problem.lam * (sum + b);
  }

  // Of the first d entries of a_k + t da_k: the length, and the inner product with da_k
  static double length(const Matrix& a, const Matrix& da, Index k, Index d, double t) {
    double sum = 0.0;
    for (Index j = 0; j < d; ++j) sum += (a(k, j) + t * da(k, j)) * (a(k, j) + t * da(k, j));
    return std::sqrt(sum);
  }
  static double rise(const Matrix& a, const Matrix& da, Index k, Index d, double t) {
    double sum = 0.0;
    for (Index j = 0; j < d; ++j) sum += (a(k, j) + t * da(k, j)) * da(k, j);
    return sum;
  }

  // Where the slope changes sign inside a piece, by the Illinois method.
  double root(Index piece) {
    double a = ends_[piece], b = ends_[piece + 1];
    double fa = slope(a, piece), fb = slope(b, piece);
    const double enough = 1e-3 * std::abs(fa);
    for (int step = 0; step < 30 && fa < 0.0 && fb > 0.0; ++step) {
      double c = (a * fb - b * fa) / (fb - fa);
      if (!(c > a && c < b)) c = 0.5 * (a + b);
      const double fc = slope(c, piece);
      if (std::abs(fc) <= enough) return c;
      if (fc < 0.0) {
        a = c;
        fa = fc;
        if (last_ == -1) fb *= 0.5;
        last_ = -1;
      } else {
        b = c;
        fb = fc;
        if (last_ == 1) fa *= 0.5;
        last_ = 1;
      }
      if (!(b - a > 1e-15 * b)) break;
    }
    return a > 0.0 ? a : b;
  }

  double value_at(double t) {
    ++evaluations_;
    return o_.value({point_.u + t * step_.u, point_.v + t * step_.v, point_.b + t * step_.b});
  }

  const UnitObjective& o_;
  const UnitPoint& point_;
  const Matrix& t_;
  const Sides& sides_;
  const UnitStep& step_;
  Matrix dt_, shown_, shown_move_, h_, dh_, z_, dz_, g_;
  std::vector<Crossing> crossings_;
  std::vector<std::pair<Index, Index>> blocked_;
  std::vector<double> ends_;
  int last_ = 0;
  Index evaluations_ = 0;
};

}  // namespace

UnitStop minimise_along(const UnitObjective& objective, const UnitPoint& point, const Matrix& t, const Sides& sides,
                        const UnitStep& step, double value) {
  return Path(objective, point, t, sides, step).run(value);
}

}  // namespace landscape::homogeneous
