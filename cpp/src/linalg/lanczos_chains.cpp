#include "lanczos_chains.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "landscape/linalg/eigen_solver.hpp"
#include "landscape/parallel.hpp"
#include "landscape/random.hpp"

namespace landscape::linalg {

namespace {

constexpr Index kRowsPerChunk = 2048;

// body(first row, rows) over chunks of rows, with the sums of its results taken in order
template <class Body>
Vector sum_over_chunks(Index n, Index columns, const Context& context, Body&& body) {
  const Index chunks = (n + kRowsPerChunk - 1) / kRowsPerChunk;
  Matrix partial(chunks, columns);
  parallel_for(chunks, context, [&](Index chunk, int) {
    const Index begin = chunk * kRowsPerChunk;
    partial.row(chunk) = body(begin, std::min(kRowsPerChunk, n - begin));
  });
  Vector total = Vector::Zero(columns);
  for (Index chunk = 0; chunk < chunks; ++chunk) total += partial.row(chunk).transpose();
  return total;
}

}  // namespace

LanczosChains::LanczosChains(Operator apply, Index n, Index chains, std::uint64_t seed, const Context& context)
    : apply_(std::move(apply)), context_(context) {
  // The vector operations of a step are too short for a parallel region; the operator has its own context.
  if (n * chains <= (Index{1} << 20)) context_.n_threads = 1;
  previous_ = Matrix::Zero(n, chains);
  current_.resize(n, chains);
  image_.resize(n, chains);
  for (Index c = 0; c < chains; ++c) {
    const CounterRandom random(seed, static_cast<std::uint64_t>(c));
    for (Index i = 0; i < n; ++i) current_(i, c) = random.normal(static_cast<std::uint64_t>(i));
  }
  start_norms_ = column_norms(current_);
  current_ = current_ * start_norms_.cwiseInverse().asDiagonal();
}

Vector LanczosChains::column_norms(const Matrix& x) const {
  return sum_over_chunks(x.rows(), x.cols(), context_,
                         [&](Index begin, Index rows) { return x.middleRows(begin, rows).colwise().squaredNorm(); })
      .cwiseSqrt();
}

void LanczosChains::step() {
  const Index n = current_.rows(), k = steps();
  apply_(current_, image_);
  const Vector alpha = sum_over_chunks(n, chains(), context_, [&](Index begin, Index rows) {
    return current_.middleRows(begin, rows).cwiseProduct(image_.middleRows(begin, rows)).colwise().sum();
  });
  const Vector last = k > 0 ? beta_.back() : Vector::Zero(chains());
  const Vector beta = sum_over_chunks(n, chains(), context_, [&](Index begin, Index rows) {
                        auto w = image_.middleRows(begin, rows);
                        w -= current_.middleRows(begin, rows) * alpha.asDiagonal();
                        w -= previous_.middleRows(begin, rows) * last.asDiagonal();
                        return w.colwise().squaredNorm();
                      }).cwiseSqrt();
  alpha_.push_back(alpha);
  beta_.push_back(beta);
  previous_.swap(current_);
  // An exhausted chain goes on with a zero vector: its later alphas and betas are zero.
  const Vector inverse = beta.unaryExpr([](double b) { return b > 0.0 ? 1.0 / b : 0.0; });
  parallel_for((n + kRowsPerChunk - 1) / kRowsPerChunk, context_, [&](Index chunk, int) {
    const Index begin = chunk * kRowsPerChunk, rows = std::min(kRowsPerChunk, n - begin);
    current_.middleRows(begin, rows) = image_.middleRows(begin, rows) * inverse.asDiagonal();
  });
}

double LanczosChains::log_decay(Index chain, double t) const {
  // det(t - T) from the pivots of its L D L^T, all positive exactly when t exceeds every eigenvalue of T.
  double sum = 0.0, pivot = 1.0;
  for (Index j = 0; j < steps(); ++j) {
    const double before = j > 0 ? beta(chain, j - 1) : 0.0;
    pivot = t - alpha(chain, j) - before * (before / pivot);
    if (!(pivot > 0.0)) return std::numeric_limits<double>::infinity();
    sum += std::log(beta(chain, j) / pivot);
  }
  return sum;
}

double LanczosChains::largest_ritz(Index chain) const {
  // Gershgorin above, the largest diagonal entry below; bisection on the signs of the pivots.
  double low = 0.0, high = 0.0;
  for (Index j = 0; j < steps(); ++j) {
    const double before = j > 0 ? beta(chain, j - 1) : 0.0, after = j + 1 < steps() ? beta(chain, j) : 0.0;
    low = std::max(low, alpha(chain, j));
    high = std::max(high, alpha(chain, j) + before + after);
  }
  for (int i = 0; i < 60 && high - low > 4.0 * kUnitRoundoff * high; ++i) {
    const double middle = 0.5 * (low + high);
    double pivot = 1.0;
    bool above = true;
    for (Index j = 0; j < steps() && above; ++j) {
      const double before = j > 0 ? beta(chain, j - 1) : 0.0;
      pivot = middle - alpha(chain, j) - before * (before / pivot);
      above = pivot > 0.0;
    }
    (above ? high : low) = middle;
  }
  return low;
}

Vector LanczosChains::largest_ritz_vector(Index chain) const {
  Vector diagonal(steps()), below(std::max<Index>(0, steps() - 1));
  for (Index j = 0; j < steps(); ++j) diagonal(j) = alpha(chain, j);
  for (Index j = 0; j + 1 < steps(); ++j) below(j) = beta(chain, j);
  Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver;
  solver.computeFromTridiagonal(diagonal, below);
  return solver.eigenvectors().col(steps() - 1);
}

double LanczosChains::fraction_above(double t) const {
  double total = 0.0;
  for (Index c = 0; c < chains(); ++c) {
    Vector diagonal(steps()), below(std::max<Index>(0, steps() - 1));
    for (Index j = 0; j < steps(); ++j) diagonal(j) = alpha(c, j);
    for (Index j = 0; j + 1 < steps(); ++j) below(j) = beta(c, j);
    Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver;
    solver.computeFromTridiagonal(diagonal, below);
    for (Index j = 0; j < steps(); ++j)
      if (solver.eigenvalues()(j) > t) total += solver.eigenvectors()(0, j) * solver.eigenvectors()(0, j);
  }
  return total / static_cast<double>(chains());
}

}  // namespace landscape::linalg
