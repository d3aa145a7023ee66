// Orthonormal bases and the proximal step on a subspace.
#pragma once

#include "landscape/context.hpp"
#include "landscape/factorization/objective.hpp"
#include "landscape/linalg/linear_map.hpp"
#include "landscape/typedefs.hpp"

namespace landscape::factorization {

// A = Q R with orthonormal Q      A (m x k), Q (m x min(m, k)), R (min(m, k) x k)
void orthonormalise(const ConstMatrixView& a, Matrix& q, Matrix& r, const Context& context);
Matrix orthonormal_basis(const ConstMatrixView& a, const Context& context);

// a <- (I - Q Q^T) a
void project_out(const Matrix& q, Matrix& a, const Context& context);

// The residual E seen from a point Z = left core right^T and a block beside its spans.
struct Subspace {
  Matrix left, right;   // orthonormal: the spans of U and V first, then the block
  Index width = 0;      // columns that belong to U and V
  Matrix core;          // Z = left core right^T
  Matrix residual;      // left^T E right
  double inside = 0.0;  // largest singular value of the part of `residual` on the spans of U and V
  Vector outside;       // singular values of the part on the block, descending: those above lam violate optimality
  double polar_lower = 0.0;

  // How many of `outside` are above lam.
  Index violators(double lam) const;
  // The right singular vectors that go with `outside`      (n0 x k)
  Matrix ritz_vectors(const Context& context) const;
};

// `block` (n0 x k) starts the search beside span(V); `sweeps` multiplications by E^T E refine it.
Subspace explore(const Matrix& w, Index n2, Index width, const linalg::LinearMap& e, const Matrix& block, int sweeps,
                 const Context& context);

struct Balanced {
  Matrix u, v;  // U = P s^{1/2}, V = Q s^{1/2}
};

// The minimiser of 1/2 |Z + step E - Z'|^2 + step lam |Z'|_* over Z' in the subspace; step = 0 balances the factors of
// Z.
class ProximalPoint {
 public:
  ProximalPoint(const Subspace& subspace, double step, double lam, Index rank_max, const Context& context);

  Index rank() const { return root_.size(); }
  Balanced factors(const Context& context) const;
  // Right singular directions that were not kept      (n0 x k)
  Matrix rest(const Context& context) const;

 private:
  const Subspace& subspace_;
  Matrix left_, right_;
  Vector root_;
};

}  // namespace landscape::factorization
