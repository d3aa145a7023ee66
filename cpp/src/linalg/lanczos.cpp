#include "landscape/linalg/lanczos.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "landscape/linalg/decompositions.hpp"
#include "landscape/random.hpp"

namespace landscape::linalg {

namespace {

// One search: finds the `wanted` smallest eigenpairs of A on the complement of `locked` (rows).
class Search {
 public:
  Search(const SymmetricOperator& apply, Index n, const LanczosSettings& settings, const Context& context)
      : apply_(apply), n_(n), settings_(settings), context_(context) {}

  // Returns true when converged; values_, vectors_ (rows) hold the pairs either way.
  bool run(Index wanted, const Matrix& locked, Index max_products, Index& products) {
    const Index room = n_ - locked.rows();
    const Index basis_size = std::min(
        room, settings_.basis > 0 ? std::max(settings_.basis, wanted + 2) : std::max<Index>(2 * wanted + 1, 20));
    Matrix basis(basis_size + 1, n_), projected = Matrix::Zero(basis_size, basis_size);
    Vector image(n_), coefficients;
    Index kept = 0;
    basis.row(0) = random_start(locked, basis, 0).transpose();
    for (;;) {
      double beta = 0.0;
      Index size = basis_size;
      for (Index j = kept; j < size; ++j) {
        context_.check();
        apply_(basis.row(j).data(), image.data());
        if (settings_.largest) image = -image;
        ++products;
        beta = orthogonalise(locked, basis, j + 1, image, coefficients);
        projected.col(j).head(j + 1) = coefficients;
        projected.row(j).head(j + 1) = coefficients.transpose();
        scale_ = std::max(scale_, coefficients.cwiseAbs().maxCoeff());
        const bool invariant = beta <= 4.0 * kUnitRoundoff * static_cast<double>(n_) * scale_;
        if (invariant) beta = 0.0;
        if (products >= max_products) size = j + 1;
        if (j + 1 == room) break;
        // An invariant subspace is continued by a fresh random direction.
        basis.row(j + 1) = (invariant ? random_start(locked, basis, j + 1) : Vector(image / beta)).transpose();
      }
      const SymmetricEigen ritz = symmetric_eigen(projected.topLeftCorner(size, size), Context{});
      scale_ = std::max(scale_, ritz.values.cwiseAbs().maxCoeff());
      const Index found = std::min(wanted, size);
      const Vector estimates = beta * ritz.vectors.row(size - 1).head(found).cwiseAbs().transpose();
      const bool converged = found == wanted && (size == room || estimates.maxCoeff() <= settings_.tolerance * scale_);
      if (converged || products >= max_products) {
        values_ = ritz.values.head(found);
        vectors_ = ritz.vectors.leftCols(found).transpose() * basis.topRows(size);
        return converged;
      }
      // Keep the wanted Ritz vectors and some of their neighbours, then the residual direction.
      kept = std::min(basis_size - 1, found + (basis_size - found) / 2);
      const Matrix restart = ritz.vectors.leftCols(kept).transpose() * basis.topRows(basis_size);
      const Vector next = basis.row(basis_size).transpose();
      basis.topRows(kept) = restart;
      basis.row(kept) = next.transpose();
      projected.setZero();
      projected.diagonal().head(kept) = ritz.values.head(kept);
    }
  }

  const Vector& values() const { return values_; }
  const Matrix& vectors() const { return vectors_; }
  double scale() const { return scale_; }

 private:
  // w <- (I - Q Q^T) w for locked and basis rows, twice if the first pass took most of it (Daniel et al. 1976).
  double orthogonalise(const Matrix& locked, const Matrix& basis, Index rows, Vector& w, Vector& coefficients) {
    const double before = w.norm();
    coefficients = basis.topRows(rows) * w;
    w.noalias() -= basis.topRows(rows).transpose() * coefficients;
    if (locked.rows() > 0) w -= locked.transpose() * (locked * w).eval();
    double after = w.norm();
    if (after < 0.717 * before) {
      const Vector correction = basis.topRows(rows) * w;
      w.noalias() -= basis.topRows(rows).transpose() * correction;
      if (locked.rows() > 0) w -= locked.transpose() * (locked * w).eval();
      coefficients += correction;
      after = w.norm();
    }
    return after;
  }

  Vector random_start(const Matrix& locked, const Matrix& basis, Index rows) {
    const CounterRandom random(settings_.seed, stream_++);
    Vector start(n_);
    for (Index i = 0; i < n_; ++i) start(i) = random.normal(static_cast<std::uint64_t>(i));
    start.normalize();
    Vector ignored;
    for (int pass = 0; pass < 2; ++pass) {
      if (rows > 0) {
        orthogonalise(locked, basis, rows, start, ignored);
      } else if (locked.rows() > 0) {
        start -= locked.transpose() * (locked * start).eval();
      }
      start.normalize();
    }
    return start;
  }

  const SymmetricOperator& apply_;
  Index n_;
  const LanczosSettings& settings_;
  const Context& context_;
  std::uint64_t stream_ = 0;
  double scale_ = 0.0;
  Vector values_;
  Matrix vectors_;
};

constexpr Index kRecurrence = 160;              // steps of the plain recurrence at most
constexpr Index kMostNumbers = Index{1} << 25;  // in the basis: 256 MB, but at least so many vectors
constexpr Index kLeastBasis = 20;
constexpr Index kLargeOrder = 20'000;  // below it reorthogonalisation in the caches costs little
constexpr Index kCheck = 4;            // steps between two looks at the Ritz values

// One extreme pair of a large operator by the plain three-term recurrence: its vectors lose their orthogonality towards
// Ritz vectors that have converged, which gives those copies and leaves the pair that is sought alone (Paige 1976). The
// residual is evaluated, so nothing rests on that. False where `kRecurrence` steps are not enough.
bool recurrence(const SymmetricOperator& apply, Index n, const LanczosSettings& settings, const Context& context,
                Index allowance, LanczosResult& result) {
  const Index most = std::min({kRecurrence, allowance, std::max<Index>(kLeastBasis, kMostNumbers / n)});
  Matrix basis(most + 1, n);
  Vector image(n), alpha(most), beta = Vector::Zero(most);
  const CounterRandom random(settings.seed, 0);
  for (Index i = 0; i < n; ++i) image[i] = random.normal(static_cast<std::uint64_t>(i));
  basis.row(0) = image.normalized().transpose();
  double scale = 0.0;
  for (Index j = 0; j < most; ++j) {
    context.check();
    apply(basis.row(j).data(), image.data());
    if (settings.largest) image = -image;
    ++result.products;
    if (j > 0) image -= beta[j - 1] * basis.row(j - 1).transpose();
    alpha[j] = basis.row(j).dot(image.transpose());
    image -= alpha[j] * basis.row(j).transpose();
    beta[j] = image.norm();
    scale = std::max(scale, std::abs(alpha[j]) + beta[j]);
    const bool invariant = beta[j] <= 4.0 * kUnitRoundoff * static_cast<double>(n) * scale;
    if ((j + 1) % kCheck == 0 || invariant || j + 1 == most) {
      Matrix projected = Matrix::Zero(j + 1, j + 1);
      projected.diagonal() = alpha.head(j + 1);
      projected.diagonal(1) = projected.diagonal(-1) = beta.head(j);
      const SymmetricEigen ritz = symmetric_eigen(projected, Context{});
      const double norm = ritz.values.cwiseAbs().maxCoeff();
      if (!invariant && beta[j] * std::abs(ritz.vectors(j, 0)) > 0.9 * settings.tolerance * norm) {
        basis.row(j + 1) = image.transpose() / beta[j];
        continue;
      }
      const Vector vector = (ritz.vectors.col(0).transpose() * basis.topRows(j + 1)).transpose().normalized();
      apply(vector.data(), image.data());
      ++result.products;
      const double value = vector.dot(image), residual = (image - value * vector).norm();
      if (residual > settings.tolerance * norm) return false;
      result.values = Vector::Constant(1, value);
      result.vectors = vector.transpose();
      result.residuals = Vector::Constant(1, residual);
      result.converged = true;
      return true;
    }
    basis.row(j + 1) = image.transpose() / beta[j];
  }
  return false;
}

void append(Matrix& rows, const Matrix& more) {
  const Index old = rows.rows();
  rows.conservativeResize(old + more.rows(), more.cols());
  rows.bottomRows(more.rows()) = more;
}

}  // namespace

LanczosResult lanczos(const SymmetricOperator& apply, Index n, const LanczosSettings& settings,
                      const Context& context) {
  require(n >= 1, "the operator must have at least one row");
  require(settings.count >= 1 && settings.count <= n, "count must be between 1 and the order of the operator");
  const Index budget = settings.max_products > 0 ? settings.max_products : std::max<Index>(10 * n, 1000);
  const Index allowance = std::max<Index>(1, budget - settings.count);  // the rest pays for the final residuals
  LanczosResult result;
  if (settings.count == 1 && n >= kLargeOrder && settings.basis == 0 &&
      recurrence(apply, n, settings, context, allowance, result))
    return result;
  Search search(apply, n, settings, context);
  Matrix found(0, n);
  Vector values(0);
  result.converged = search.run(settings.count, found, allowance, result.products);
  found = search.vectors();
  values = search.values();
  // Copies of repeated eigenvalues hide in the complement.
  while (result.converged && found.rows() < n && result.products < allowance) {
    const bool settled = search.run(1, found, allowance, result.products);
    Vector sorted = values;
    std::sort(sorted.data(), sorted.data() + sorted.size());
    const double last = sorted(settings.count - 1);
    if (!settled) {
      result.converged = false;  // nothing more extreme is left, as far as the budget could see
      break;
    }
    if (search.values()(0) >= last - settings.tolerance * search.scale()) break;
    append(found, search.vectors());
    values.conservativeResize(values.size() + 1);
    values(values.size() - 1) = search.values()(0);
  }
  std::vector<Index> order(static_cast<std::size_t>(values.size()));
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<Index>(i);
  std::stable_sort(order.begin(), order.end(), [&](Index a, Index b) { return values(a) < values(b); });
  const Index count = std::min<Index>(settings.count, values.size());
  result.values.resize(count);
  result.vectors.resize(count, n);
  result.residuals.resize(count);
  Vector image(n);
  for (Index i = 0; i < count; ++i) {
    result.vectors.row(i) = found.row(order[static_cast<std::size_t>(i)]).normalized();
    apply(result.vectors.row(i).data(), image.data());
    ++result.products;
    // The Rayleigh quotient: what is reported is a bound that the vector itself witnesses.
    result.values(i) = result.vectors.row(i).dot(image.transpose());
    result.residuals(i) = (image.transpose() - result.values(i) * result.vectors.row(i)).norm();
  }
  return result;
}

}  // namespace landscape::linalg
