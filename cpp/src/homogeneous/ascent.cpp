#include "landscape/homogeneous/ascent.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>
#include <vector>

#include "great_circle.hpp"
#include "landscape/linalg/cholesky.hpp"
#include "landscape/linalg/decompositions.hpp"
#include "landscape/linalg/products.hpp"
#include "landscape/parallel.hpp"
#include "landscape/random.hpp"
#include "scaled.hpp"

namespace landscape::homogeneous {

namespace {

constexpr double kHalfTurn = 3.141592653589793;
constexpr Index kClimbers = 24;  // starts that climb together: full panels of linalg/products

// f and the gradient G of f^2 / 2 at a few directions, the columns of W, samples in tiles that stay in cache.
class Values {
 public:
  Values(const Scaled& data, const Activation& act) : data_(data), act_(act) {
    const Index d = data.x.cols(), nl = data.q.cols(), m = data.x.rows();
    tile_ = std::min(m, std::max<Index>(64, 24576 / (d + nl + 2 * kClimbers) / 64 * 64));
    t_.resize(tile_, kClimbers);
    h_.resize(tile_, kClimbers);
    s_.resize(nl, kClimbers);
  }

  // W (d x k), k <= kClimbers -> f (k), G (d x k). `check` runs between tiles.
  template <class Check>
  void operator()(const ConstMatrixView& w, Vector& f, MatrixView g, Check&& check) {
    const Index k = w.cols(), m = data_.x.rows();
    const bool scalar = data_.q.cols() == 1;
    auto s = s_.leftCols(k);
    // S <- sum_i q_i act(t_i)      (nL x k)
    if (!scalar) {
      for (Index row = 0; row < m; row += tile_) {
        check();
        const Index rows = std::min(tile_, m - row);
        activations(w, row, rows);
        for (Index i = 0; i < rows; ++i)
          for (Index j = 0; j < k; ++j) h_(i, j) = act_.value(t_(i, j));
        linalg::multiply_transposed(data_.q.middleRows(row, rows), h_.block(0, 0, rows, k), s, serial_,
                                    row == 0 ? linalg::Into::overwrite : linalg::Into::add);
      }
      for (Index j = 0; j < k; ++j) f(j) = s.col(j).norm();
    }
    // G <- sum_i act'(t_i) (q_i . S) x_i      (d x k); with one output S = G_1 . w / p where G_1 has S = 1
    for (Index row = 0; row < m; row += tile_) {
      check();
      const Index rows = std::min(tile_, m - row);
      if (scalar || tile_ < m) activations(w, row, rows);
      if (scalar)
        h_.topLeftCorner(rows, k).colwise() = data_.q.col(0).segment(row, rows);
      else
        linalg::multiply(data_.q.middleRows(row, rows), s, h_.block(0, 0, rows, k), serial_);
      for (Index i = 0; i < rows; ++i)
        for (Index j = 0; j < k; ++j) h_(i, j) *= act_.derivative(t_(i, j));
      linalg::multiply_transposed(data_.x.middleRows(row, rows), h_.block(0, 0, rows, k), g, serial_,
                                  row == 0 ? linalg::Into::overwrite : linalg::Into::add);
    }
    if (scalar)
      for (Index j = 0; j < k; ++j) {
        const double output = g.col(j).dot(w.col(j)) / act_.power;
        f(j) = std::abs(output);
        g.col(j) *= output;
      }
  }

 private:
  void activations(const ConstMatrixView& w, Index row, Index rows) {
    linalg::multiply(data_.x.middleRows(row, rows), w, t_.block(0, 0, rows, w.cols()), serial_);
  }

  const Scaled& data_;
  const Activation& act_;
  const Context serial_;
  Index tile_ = 0;
  Matrix t_, h_, s_;
};

struct Climber {
  double value = 0.0, angle = 0.0, last_angle = 0.0;  // of the next step and of the last one that was taken
  int rejected = 0, idle = 0;
  bool arrived = false;
};

// Monotone ascent of one block of unit directions, the rows of W; returns the evaluations made.
template <class Check>
Index climb(Values& values, MatrixView w, double* f, Index max_iterations, double tolerance, Check&& check) {
  const Index k = w.rows(), d = w.cols();
  Matrix ahead(k, d), trial(d, k), gradient(d, k);  // unit tangents; compacted trial points and their gradients
  std::vector<Climber> climbers(static_cast<std::size_t>(k));
  std::vector<Index> active(static_cast<std::size_t>(k));
  std::iota(active.begin(), active.end(), Index{0});
  Vector found(k), g(d);
  Index evaluations = 0;
  for (Index iteration = 0; iteration <= max_iterations && !active.empty(); ++iteration) {
    const auto n = static_cast<Index>(active.size());
    for (Index j = 0; j < n; ++j) {
      const Index i = active[j];
      const Climber& c = climbers[i];
      trial.col(j) = w.row(i).transpose();
      if (iteration == 0) continue;
      trial.col(j) = std::cos(c.angle) * trial.col(j) + std::sin(c.angle) * ahead.row(i).transpose();
      trial.col(j).normalize();
    }
    values(trial.leftCols(n), found, gradient.leftCols(n), check);
    evaluations += n;
    for (Index j = 0; j < n; ++j) {
      const Index i = active[j];
      Climber& c = climbers[i];
      if (iteration > 0 && !(found(j) > c.value)) {
        c.angle *= 0.25;
        c.arrived = ++c.rejected > 12 || c.angle < 1e-9;
        continue;
      }
      c.idle = iteration > 0 && found(j) <= c.value * (1.0 + tolerance) ? c.idle + 1 : 0;
      c.last_angle = c.rejected > 0 ? c.angle : kHalfTurn;
      c.rejected = 0;
      c.value = found(j);
      w.row(i) = trial.col(j).transpose();
      // eta = infinity turns w by the angle between w and the gradient.
      g = gradient.col(j);
      const double along = g.dot(trial.col(j));
      g -= along * trial.col(j);
      const double across = g.norm();
      c.angle = std::min(std::atan2(across, along), 4.0 * c.last_angle);
      c.arrived = c.idle > 1 || !(across > 1e-14 * std::abs(along));
      if (!c.arrived) ahead.row(i) = g.transpose() / across;
    }
    active.erase(std::remove_if(active.begin(), active.end(), [&](Index i) { return climbers[i].arrived; }),
                 active.end());
  }
  for (Index i = 0; i < k; ++i) f[i] = climbers[i].value;
  return evaluations;
}

// The given directions, the sample directions, the singular ones, then Gaussians; unit rows.
Matrix all_starts(const Scaled& data, const Activation& act, const ConstMatrixView& given,
                  const AscentSettings& settings, const Context& context) {
  constexpr Index decomposed_up_to = 512, singular = 8;
  const Index m = data.x.rows(), d = data.x.cols(), nl = data.q.cols();
  std::vector<Index> order(static_cast<std::size_t>(m));
  std::iota(order.begin(), order.end(), Index{0});
  const auto samples = std::min(settings.sample_starts, m);
  const Vector size = data.q_norm.array() * (act.power == 1 ? data.x_norm : data.x_norm.cwiseAbs2()).array();
  std::partial_sort(order.begin(), order.begin() + samples, order.end(),
                    [&](Index i, Index j) { return size(i) > size(j) || (size(i) == size(j) && i < j); });
  const int sides = act.even() ? 1 : 2;
  Matrix top(0, d);
  if (std::min(d, nl) <= decomposed_up_to) {
    Matrix b(nl, d);  // Q^T X
    linalg::multiply_transposed(data.q, data.x, b, context);
    top = linalg::thin_svd(b, Context{}).right.leftCols(std::min({singular, d, nl})).transpose();
  }
  Matrix w(given.rows() + sides * (samples + top.rows()) + settings.random_starts, d);
  Index k = 0;
  const auto push = [&](const Vector& v) {
    const double length = v.stableNorm();
    if (length > 0.0 && std::isfinite(length)) w.row(k++) = (v / length).transpose();
  };
  for (Index i = 0; i < given.rows(); ++i) push(given.row(i).transpose());
  for (int side = 0; side < sides; ++side) {
    const double sign = side == 0 ? 1.0 : -1.0;
    for (Index j = 0; j < samples; ++j) push(sign * data.x.row(order[j]).transpose());
    for (Index j = 0; j < top.rows(); ++j) push(sign * top.row(j).transpose());
  }
  Vector v(d);
  for (Index i = 0; i < settings.random_starts; ++i) {
    const CounterRandom random(settings.seed, static_cast<std::uint64_t>(i));
    for (Index j = 0; j < d; ++j) v(j) = random.normal(static_cast<std::uint64_t>(j));
    push(v);
  }
  w.conservativeResize(k, d);
  return w;
}

// Directions and values from the best down, each at least `separation` from those before it.
struct Ranked {
  std::vector<Index> kept;

  Ranked(const Matrix& w, const Vector& f, double separation, bool even, Index count, double above) {
    std::vector<Index> order(static_cast<std::size_t>(f.size()));
    std::iota(order.begin(), order.end(), Index{0});
    std::sort(order.begin(), order.end(), [&](Index i, Index j) { return f(i) > f(j) || (f(i) == f(j) && i < j); });
    const double closest = 2.0 * std::sin(0.5 * separation);
    for (const Index i : order) {
      if (static_cast<Index>(kept.size()) >= count || !(f(i) > above)) break;
      const bool distinct = std::none_of(kept.begin(), kept.end(), [&](Index j) {
        return (w.row(i) - w.row(j)).squaredNorm() < closest * closest ||
               (even && (w.row(i) + w.row(j)).squaredNorm() < closest * closest);
      });
      if (distinct) kept.push_back(i);
    }
  }
};

Matrix rows_of(const Matrix& w, const std::vector<Index>& rows) {
  Matrix result(static_cast<Index>(rows.size()), w.cols());
  for (std::size_t k = 0; k < rows.size(); ++k) result.row(static_cast<Index>(k)) = w.row(rows[k]);
  return result;
}

// Polishing one start takes some sixty great circles, of two products with X and Q and a sort each.
Index polished(const AscentSettings& settings, const Scaled& data) {
  constexpr double operations = 2e9;
  if (settings.polished > 0) return settings.polished;
  const auto m = static_cast<double>(data.x.rows()), width = static_cast<double>(data.x.cols() + data.q.cols());
  return static_cast<Index>(std::clamp(operations / (60.0 * m * (2.0 * width + 30.0)), 16.0, 4096.0));
}

}  // namespace

AscentResult ascend(const ConstMatrixView& x, const ConstMatrixView& q, const Activation& act,
                    const ConstMatrixView& starts, const AscentSettings& settings, const Context& context) {
  require_valid(act);
  require(starts.rows() == 0 || starts.cols() == x.cols(), "starts must have as many columns as X");
  require(settings.random_starts >= 0 && settings.sample_starts >= 0 && settings.max_iterations >= 0 &&
              settings.count >= 0 && settings.polished >= 0,
          "counts of starts, iterations and maximisers must not be negative");
  const Scaled data = scaled(x, q);
  const Index d = x.cols();
  AscentResult result;
  result.direction = Vector::Unit(d, 0);
  result.maximizers = {Matrix(0, d), Vector(0)};
  if (data.x.rows() == 0) return result;

  Matrix w = all_starts(data, act, starts, settings, context);
  const Index n = w.rows();
  result.starts = n;
  if (n == 0) return result;
  Vector f(n);
  const int threads = std::max(1, context.n_threads);
  const bool kinks = act.power == 1 && act.slope < 1.0;
  {
    // What polishing will finish need not be climbed to the end.
    const double tolerance = kinks ? std::max(settings.tolerance, 1e-3) : settings.tolerance;
    const Index blocks = (n + kClimbers - 1) / kClimbers;
    Eigen::VectorX<Index> evaluations(blocks);
    std::vector<Values> values(static_cast<std::size_t>(threads), Values(data, act));
    parallel_for(blocks, context, [&](Index block, int thread) {
      const Index first = block * kClimbers, rows = std::min(kClimbers, n - first);
      evaluations(block) =
          climb(values[thread], w.middleRows(first, rows), f.data() + first, settings.max_iterations, tolerance, [&] {
            if (thread == 0) context.check();
          });
    });
    result.iterations = evaluations.sum();
  }
  if (kinks) {
    const Ranked distinct(w, f, 1e-2, act.even(), polished(settings, data), -1.0);
    w = rows_of(w, distinct.kept);
    f.resize(w.rows());
    std::vector<FaceAscent> faces(static_cast<std::size_t>(threads), FaceAscent(data, act.slope));
    Eigen::VectorX<Index> steps = Eigen::VectorX<Index>::Zero(w.rows());
    parallel_for(w.rows(), context, [&](Index i, int thread) {
      Vector v = w.row(i).transpose();
      f(i) = faces[thread].climb(v, settings.tolerance, settings.max_iterations, steps(i), [&] {
        if (thread == 0) context.check();
      });
      w.row(i) = v.transpose();
    });
    result.iterations += steps.sum();
  }

  const int exponent = act.power * data.x_exponent + data.q_exponent;
  Index best = 0;
  f.maxCoeff(&best);
  result.direction = w.row(best).transpose();
  result.lower = attained(x, q, act, result.direction, context);
  if (std::isfinite(settings.threshold)) {
    const double above = std::ldexp(settings.threshold, -exponent);
    const Ranked ranked(w, f, settings.separation, act.even(), settings.count, above);
    Matrix& directions = result.maximizers.directions;
    Vector& values = result.maximizers.values;
    directions = rows_of(w, ranked.kept);
    values.resize(directions.rows());
    double least = result.lower;
    for (Index i = 0; i < values.size(); ++i)
      values(i) = least = std::min(least, attained(x, q, act, directions.row(i).transpose(), context));
  }
  return result;
}

double attained(const ConstMatrixView& x, const ConstMatrixView& q, const Activation& act, const Vector& w,
                const Context& context) {
  require_valid(act);
  require(x.rows() == q.rows() && x.rows() >= 1, "X and Q must have as many rows");
  require(w.size() == x.cols(), "w must have as many entries as X has columns");
  constexpr Index chunk = 32;
  const Index m = x.rows(), d = x.cols(), nl = q.cols(), chunks = (m + chunk - 1) / chunk, p = act.power;
  const int x_exponent = exponent_of(x, "X"), q_exponent = exponent_of(q, "Q");
  const double x_scale = std::ldexp(1.0, -x_exponent), q_scale = std::ldexp(1.0, -q_exponent);
  const double length = w.stableNorm();
  if (!(length > 0.0) || !std::isfinite(length)) return 0.0;
  const Vector unit = w / length;
  // S = sum_i act(x_i . w) q_i in chunks of 32 samples that are then added in pairs, and what its roundings are
  // measured by, sum_i |q_i| |x_i|^p.
  Matrix sums = Matrix::Zero(chunks, nl);
  Vector sizes = Vector::Zero(chunks);
  constexpr Index grain = 32;
  parallel_for((chunks + grain - 1) / grain, context, [&](Index group, int) {
    for (Index c = group * grain; c < std::min(chunks, (group + 1) * grain); ++c)
      for (Index i = c * chunk; i < std::min(m, (c + 1) * chunk); ++i) {
        const double h = act.value((x_scale * x.row(i)).dot(unit));
        const double size = (x_scale * x.row(i)).norm(), weight = (q_scale * q.row(i)).norm();
        sums.row(c) += (h * q_scale) * q.row(i);
        sizes(c) += p == 1 ? size * weight : size * size * weight;
      }
  });
  Index levels = 0;
  for (Index stride = 1; stride < chunks; stride *= 2, ++levels)
    for (Index c = 0; c + stride < chunks; c += 2 * stride) {
      sums.row(c) += sums.row(c + stride);
      sizes(c) += sizes(c + stride);
    }
  // |fl(S) - S| <= gamma sum_i |q_i| |x_i|^p |w|^p with the roundings on the way to one term of the sum
  constexpr double up = 1.0 + 64.0 * kUnitRoundoff, down = 1.0 - 64.0 * kUnitRoundoff;
  const double gamma = linalg::rounding_gamma(p * (d + 3) + chunk + levels + 4);
  const double around = 1.0 + linalg::rounding_gamma(2 * (d + nl) + chunk + levels + 8);
  const double unit_norm = unit.norm(), unit_upper = unit_norm * around * up;
  const double scale = p == 1 ? unit_upper : unit_upper * unit_upper * up;
  const double below =
      sums.row(0).norm() * (2.0 - around) * down - gamma * sizes(0) * around * around * scale * up - kScaledUnderflow;
  return unscaled_lower(std::max(0.0, below) / scale * down, static_cast<int>(p) * x_exponent + q_exponent);
}

}  // namespace landscape::homogeneous
