// Independent Lanczos recurrences of one symmetric operator, side by side, so that a block of columns pays for one pass
// over the matrix. No reorthogonalisation: the bound below needs the recurrence, not the orthogonality.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "landscape/context.hpp"
#include "landscape/typedefs.hpp"

namespace landscape::linalg {

class LanczosChains {
 public:
  using Operator = std::function<void(const ConstMatrixView& x, MatrixView out)>;  // both n x chains

  // B q_j = beta_j q_{j+1} + alpha_j q_j + beta_{j-1} q_{j-1} from Gaussian starts      B (n x n)
  LanczosChains(Operator apply, Index n, Index chains, std::uint64_t seed, const Context& context);

  void step();

  Index steps() const { return static_cast<Index>(alpha_.size()); }
  Index chains() const { return current_.cols(); }
  const Matrix& current() const { return current_; }  // q_{k+1}
  const Vector& start_norms() const { return start_norms_; }
  double alpha(Index chain, Index j) const { return alpha_[static_cast<std::size_t>(j)](chain); }
  double beta(Index chain, Index j) const { return beta_[static_cast<std::size_t>(j)](chain); }

  // The largest eigenvalue of the k x k tridiagonal of one chain.
  double largest_ritz(Index chain) const;

  // Eigenvector of the k x k tridiagonal for its largest eigenvalue, and its first components for all of them.
  Vector largest_ritz_vector(Index chain) const;

  // log of prod_j beta_j / (t - theta_j); +infinity unless t exceeds every Ritz value theta_j
  double log_decay(Index chain, double t) const;

  // Mean over the chains of the weight that the starts put on Ritz values above t: estimates the fraction of the
  // spectrum that is there.
  double fraction_above(double t) const;

 private:
  Vector column_norms(const Matrix& x) const;

  Operator apply_;
  Context context_;
  Matrix previous_, current_, image_;
  Vector start_norms_;
  std::vector<Vector> alpha_, beta_;
};

}  // namespace landscape::linalg
