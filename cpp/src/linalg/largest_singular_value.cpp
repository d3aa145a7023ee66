#include "landscape/linalg/largest_singular_value.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <utility>

#include "dense_operations.hpp"
#include "lanczos_chains.hpp"
#include "landscape/errors.hpp"
#include "landscape/linalg/cholesky.hpp"
#include "landscape/linalg/decompositions.hpp"
#include "landscape/linalg/eigen_solver.hpp"
#include "landscape/linalg/products.hpp"
#include "landscape/parallel.hpp"
#include "landscape/random.hpp"
#include "landscape/rounding.hpp"
#include "oriented.hpp"

namespace landscape::linalg {

namespace {

// What underflow can take from a sum of squares whose scale is within 2^-200 .. 2^200.
constexpr double kUnderflow = 0x1.0p-960;

struct RitzPair {
  double value = 0.0;
  double error = 0.0;  // estimated lambda_1 - value; not a bound
  Vector vector;
  Index products = 0;
};

using VectorOperator = std::function<void(const Vector& x, Vector& out)>;

// The largest Ritz pair of a Krylov space with full reorthogonalisation; stops at `accuracy` relative to the value.
RitzPair largest_ritz_pair(const VectorOperator& apply, Vector start, Index max_steps, double accuracy,
                           const Context& context) {
  const Index n = start.size();
  const Index room = std::min(max_steps, n);
  Matrix basis(room + 1, n);
  Vector diagonal(room), below(room), w(n);
  basis.row(0) = start.normalized().transpose();
  RitzPair result;
  Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver;
  for (Index k = 1; k <= room; ++k) {
    context.check();
    start = basis.row(k - 1).transpose();
    apply(start, w);
    ++result.products;
    diagonal(k - 1) = start.dot(w);
    for (int pass = 0; pass < 2; ++pass) {
      const Vector coefficients = basis.topRows(k) * w;
      w.noalias() -= basis.topRows(k).transpose() * coefficients;
    }
    below(k - 1) = w.norm();
    const bool exhausted = below(k - 1) <= 1e-14 * std::abs(diagonal.head(k).maxCoeff()) || k == room;
    if (exhausted || k % 4 == 0) {
      solver.computeFromTridiagonal(diagonal.head(k), below.head(k - 1));
      const Vector& values = solver.eigenvalues();
      const double residual = std::abs(below(k - 1) * solver.eigenvectors()(k - 1, k - 1));
      const double distance = k > 1 ? values(k - 1) - values(k - 2) : 0.0;
      result.value = values(k - 1);
      // The gap theorem, where the gap to the next Ritz value exceeds the residual (Parlett 1998, 11.7).
      result.error = distance > residual ? residual * residual / distance : residual;
      if (exhausted || result.error <= accuracy * result.value) {
        result.vector = (solver.eigenvectors().col(k - 1).transpose() * basis.topRows(k)).transpose();
        result.vector.normalize();
        return result;
      }
    }
    basis.row(k) = w.transpose() / below(k - 1);
  }
  return result;
}

Vector random_vector(Index n, std::uint64_t seed, std::uint64_t stream) {
  const CounterRandom random(seed, stream);
  Vector x(n);
  for (Index i = 0; i < n; ++i) x(i) = random.normal(static_cast<std::uint64_t>(i));
  return x;
}

Vector symmetric_product(const Matrix& g, const Vector& x, Context context) {
  constexpr Index tile = 32, serial_up_to = 1024;
  if (g.rows() <= serial_up_to) context.n_threads = 1;
  Vector out(g.rows());
  parallel_for((g.rows() + tile - 1) / tile, context, [&](Index block, int) {
    const Index row = block * tile, rows = std::min(tile, g.rows() - row);
    out.segment(row, rows).noalias() = g.middleRows(row, rows) * x;
  });
  return out;
}

class Bounds {
 public:
  Bounds(const MeasuredMap& a, const SingularValueBoundSettings& settings, const Context& context)
      : b_(a), settings_(settings), context_(context) {
    result_.seed = settings.seed;
  }

  // |B v| minus what the product may have gained, as sigma_1 >= u^T B v for the unit u along it.
  void witness(const Vector& v) {
    Matrix x = v.normalized(), image(b_.rows(), 1);
    b_.apply(x, image, context_);
    ++result_.products;
    const double length = image.norm();
    const double gained = rounding_gamma(b_.depth()) * b_.frobenius();
    // Norms of rows() squares are exact to half of gamma_rows.
    const double below = (length * kDown * (1.0 - rounding_gamma(b_.rows() + b_.cols() + 4)) - gained * kUp) * kDown;
    if (result_.right.size() > 0 && below <= lower_) return;
    lower_ = std::max(lower_, std::max(0.0, below));
    result_.right = x;
    result_.left = length > 0.0 ? Vector(image / length) : Vector(Vector::Unit(b_.rows(), 0));
  }

  void raise_upper(double squared) { upper_ = std::min(upper_, std::sqrt(std::max(0.0, squared)) * kUp); }

  SingularValueBounds finish(double tolerance, double entry_error) {
    // A bound that an attained value contradicts was false: the starts were unlucky, or chosen against.
    if (lower_ > upper_) upper_ = b_.frobenius();
    upper_ = std::min(upper_, b_.frobenius());
    result_.lower = std::max(0.0, lower_ / b_.scale() * kDown - entry_error * kUp);
    result_.upper = upper_ / b_.scale() * kUp + entry_error * kUp + std::numeric_limits<double>::denorm_min();
    if (result_.upper < 1e-320) result_.upper = b_.frobenius() > 0.0 ? result_.upper : 0.0;
    result_.kappa /= b_.scale();
    result_.margin = result_.margin / b_.scale() / b_.scale();
    result_.converged = result_.upper - result_.lower <= tolerance * result_.lower || result_.upper == 0.0;
    if (b_.transposed()) result_.left.swap(result_.right);
    return std::move(result_);
  }

  const Oriented& map() const { return b_; }
  double lower() const { return lower_; }
  double upper() const { return upper_; }
  SingularValueBounds& result() { return result_; }

  void by_cholesky(double tolerance, const ConstMatrixView& start);
  void by_lanczos(double tolerance, const ConstMatrixView& start);

 private:
  double lanczos_upper(const LanczosChains& chains, double y, double above) const;

  Oriented b_;
  const SingularValueBoundSettings& settings_;
  const Context& context_;
  SingularValueBounds result_;
  double lower_ = 0.0, upper_ = std::numeric_limits<double>::infinity();
};

void Bounds::by_cholesky(double tolerance, const ConstMatrixView& start) {
  constexpr Index small = 48, krylov_steps = 64, inverse_steps = 12, attempts = 24;
  const Index n = b_.cols();
  const double frobenius_squared = b_.frobenius() * b_.frobenius() * kUp;
  result_.proof = UpperBoundProof::cholesky;
  Matrix gram(n, n), factor(n, n);
  b_.gram(gram, context_);
  mirror_lower(gram, context_);
  const double trace = gram.trace();
  const double forming = rounding_gamma(b_.gram_depth()) * frobenius_squared + kUnderflow;

  // theta approximates lambda_1(G) from below; error estimates by how much.
  RitzPair pair;
  if (n <= small) {
    const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver{Eigen::MatrixXd(gram)};
    pair.vector = solver.eigenvectors().col(n - 1);
    pair.value = std::max(0.0, solver.eigenvalues()(n - 1));
  } else {
    Vector first = random_vector(n, settings_.seed, 0).normalized();
    const double size = start.cols() > 0 ? start.stableNorm() : 0.0;
    if (size > 0.0 && std::isfinite(size)) first += 3.0 * (start / size).rowwise().sum();
    const auto apply = [&](const Vector& x, Vector& out) { out = symmetric_product(gram, x, context_); };
    pair = largest_ritz_pair(apply, first, krylov_steps, 0.1 * tolerance, context_);
  }
  witness(pair.vector);

  double theta = pair.value;
  // Room for kappa^2 above theta: enough for the factor to exist in floating point, far less than the tolerance.
  const auto roundings = [&](double kappa_squared) {
    return cholesky_margin(n, std::max(0.0, static_cast<double>(n) * kappa_squared - trace) * kUp + kappa_squared) +
           kUnitRoundoff * kappa_squared;
  };
  const double least = std::max(n <= small ? 0.0 : 0.6 * tolerance * theta, 2.0 * roundings(theta));
  double room = std::max(least, 2.0 * pair.error);
  for (Index attempt = 0; attempt < attempts; ++attempt) {
    const double kappa_squared = theta + room;
    if (!(kappa_squared < 2.0 * frobenius_squared) || kappa_squared == 0.0) break;  // |A|_F is the better bound
    factor = -gram;
    factor.diagonal().array() += kappa_squared;
    ++result_.factorizations;
    if (!cholesky(factor, context_)) {
      theta = std::max(theta, lower_ * lower_);
      room *= 6.0;
      continue;
    }
    const double margin = (roundings(kappa_squared) + forming) * kUp;
    raise_upper((kappa_squared + margin) * kUp);
    result_.kappa = std::sqrt(kappa_squared);
    result_.margin = margin;
    if (upper_ - lower_ <= tolerance * lower_ || room <= least * 1.001) break;
    // lambda_1(G) = kappa^2 - 1 / mu with mu the largest eigenvalue of the inverse, which a few steps give to 10 %
    // however close the next ones are (Kuczynski & Wozniakowski 1992, Theorem 3.2).
    const auto solve = [&](const Vector& x, Vector& out) {
      out = factor.triangularView<Eigen::Lower>().solve(x);
      factor.transpose().triangularView<Eigen::Upper>().solveInPlace(out);
    };
    const Vector from = pair.vector + 0.1 * random_vector(n, settings_.seed, 1 + attempt).normalized();
    pair.vector = largest_ritz_pair(solve, from, inverse_steps, 1e-2, context_).vector;
    const Vector image = symmetric_product(gram, pair.vector, context_);
    theta = std::min(std::max(theta, pair.vector.dot(image)), kappa_squared);
    witness(pair.vector);
    room = std::max(least, 0.1 * (kappa_squared - theta));
  }
}

double Bounds::lanczos_upper(const LanczosChains& chains, double y, double above) const {
  // What one step of the recurrence is off by: the two products, then a handful of vector operations.
  const Index k = chains.steps();
  const auto holds = [&](double t) {
    const double per_step =
        2.0 * rounding_gamma(b_.depth()) * b_.frobenius() * std::sqrt(t) * kUp + 32.0 * kUnitRoundoff * t;
    for (Index c = 0; c < chains.chains(); ++c) {
      const double decay = chains.log_decay(c, t * (1.0 - 1e-14 * static_cast<double>(k)));
      if (decay > 0.0) return false;
      const double distance = t - chains.largest_ritz(c);
      if (!(distance > 0.0)) return false;
      const double rounding = std::sqrt(static_cast<double>(k)) * per_step / distance;
      if (chains.start_norms()(c) * (1.0 + 1e-10) * (std::exp(decay) * (1.0 + 1e-8) + rounding) > y) return false;
    }
    return true;
  };
  // The bound on |<v_1, omega>| falls as t grows.
  double low = above, high = b_.frobenius() * b_.frobenius() * 2.0;
  for (double width = 1e-4; width < 1e3; width *= 3.0) {
    const double t = above * (1.0 + width);
    if (t >= high) break;
    if (holds(t)) {
      high = t;
      break;
    }
    low = t;
  }
  for (int i = 0; i < 40 && high - low > 1e-6 * above; ++i) {
    const double middle = 0.5 * (low + high);
    (holds(middle) ? high : low) = middle;
  }
  return high;
}

// y with P(|N(0, 1)| <= y)^p = failure, rounded down
double normal_threshold(double failure, Index p) {
  const double each = std::pow(failure, 1.0 / static_cast<double>(p));
  double low = 0.0, high = 8.0;
  for (int i = 0; i < 200; ++i) {
    const double middle = 0.5 * (low + high);
    (std::erf(middle * 0.70710678118654752440) <= each * (1.0 - 1e-12) ? low : high) = middle;
  }
  return low;
}

void Bounds::by_lanczos(double tolerance, const ConstMatrixView& start) {
  const Index n = b_.cols(), p = settings_.chains;
  result_.proof = UpperBoundProof::lanczos;
  result_.failure = settings_.failure;
  result_.chains = p;
  const double y = normal_threshold(settings_.failure, p);
  Matrix between(b_.rows(), p);
  const auto gram = [&](const ConstMatrixView& x, MatrixView out) {
    b_.apply(x, between, context_);
    b_.apply_transposed(between, out, context_);
    result_.products += 2 * x.cols();
  };
  LanczosChains chains(gram, n, p, settings_.seed, context_);
  const Index affordable = settings_.basis_bytes / (static_cast<Index>(sizeof(double)) * n * p);
  std::vector<Matrix> basis;
  Index next_look = 8;
  double squared = std::numeric_limits<double>::infinity();
  while (chains.steps() < settings_.max_steps) {
    if (chains.steps() < affordable) basis.push_back(chains.current());
    chains.step();
    if (chains.steps() < next_look && chains.steps() < settings_.max_steps) continue;
    double theta = 0.0;
    for (Index c = 0; c < p; ++c) theta = std::max(theta, chains.largest_ritz(c));
    if (theta == 0.0) break;
    squared = std::min(squared, lanczos_upper(chains, y, theta));
    // The witness is evaluated anew and may come out a little lower than theta.
    if (std::sqrt(squared) <= std::sqrt(theta) * (1.0 + 0.98 * tolerance)) break;
    next_look = chains.steps() + std::max<Index>(2, chains.steps() / 16);
  }
  result_.steps = chains.steps();
  raise_upper(squared * kUp);

  // Ritz vectors of all chains, then the best vector of their span and of the start.
  const Index k = chains.steps();
  Matrix weights(k, p), ritz = Matrix::Zero(n, p);
  for (Index c = 0; c < p; ++c) weights.col(c) = chains.largest_ritz_vector(c);
  constexpr Index tile = 1024;
  const auto add = [&](const Matrix& q, Index j) {
    parallel_for((n + tile - 1) / tile, context_, [&](Index block, int) {
      const Index row = block * tile, rows = std::min(tile, n - row);
      ritz.middleRows(row, rows) += q.middleRows(row, rows) * weights.row(j).asDiagonal();
    });
  };
  if (static_cast<Index>(basis.size()) >= k) {
    for (Index j = 0; j < k; ++j) add(basis[static_cast<std::size_t>(j)], j);
  } else {
    LanczosChains again(gram, n, p, settings_.seed, context_);
    for (Index j = 0; j < k; ++j) {
      add(again.current(), j);
      if (j + 1 < k) again.step();
    }
  }
  Matrix span(n, p + start.cols());
  span << ritz, start;
  for (Index c = 0; c < span.cols(); ++c)
    if (span.col(c).norm() == 0.0) span.col(c) = random_vector(n, settings_.seed, 1000 + c);
  const Matrix q = orthonormal_columns(span);
  Matrix image(b_.rows(), q.cols());
  b_.apply(q, image, context_);
  result_.products += q.cols();
  const ThinSvd small = thin_svd(image.transpose() * image, Context{});
  witness(q * small.left.col(0));
}

}  // namespace

SingularValueBounds largest_singular_value(const MeasuredMap& a, const SingularValueBoundSettings& settings,
                                           const ConstMatrixView& start, const Context& context) {
  const Index rows = a.map.rows, cols = a.map.cols, order = std::min(rows, cols);
  require(rows >= 1 && cols >= 1, "the matrix must have at least one row and one column");
  require(settings.failure > 0.0 && settings.failure < 1.0, "failure must be between 0 and 1");
  require(settings.chains >= 1 && settings.max_steps >= 1, "chains and max_steps must be at least 1");
  require(start.cols() == 0 || start.rows() == cols, "start must have as many rows as the matrix has columns");
  if (worth_materialising(a, settings.cholesky_up_to)) {
    const Materialised dense = materialise(a, context);
    const MeasuredMap known = measured(ConstMatrixView(dense.entries));
    SingularValueBounds result = largest_singular_value(known, settings, start, context);
    result.lower = std::max(0.0, result.lower - dense.error * kUp);
    result.upper = (result.upper + dense.error) * kUp;
    return result;
  }
  const bool by_cholesky = a.gram && order <= settings.cholesky_up_to;
  const double tolerance = settings.tolerance > 0.0 ? settings.tolerance : by_cholesky ? 1e-6 : 1e-3;
  Bounds bounds(a, settings, context);
  if (a.frobenius == 0.0) {
    bounds.witness(Vector::Unit(order, 0));
    bounds.raise_upper(0.0);
    return bounds.finish(tolerance, 0.0);
  }
  // A start is given for the right side; the smaller side may be the left one.
  Matrix near_start(order, start.cols());
  if (start.cols() > 0) {
    if (bounds.map().transposed()) {
      a.map.apply(start, near_start, context);
    } else {
      near_start = start;
    }
  }
  if (by_cholesky)
    bounds.by_cholesky(tolerance, near_start);
  else
    bounds.by_lanczos(tolerance, near_start);
  return bounds.finish(tolerance, 0.0);
}

}  // namespace landscape::linalg
