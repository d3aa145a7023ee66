// A group lasso in Gram space, for one working set:
//
//   min over C (w x n)   <G0, C - C0> + 1/2 <C - C0, Q (C - C0)> + lam sum_j |C_j|_2         Q (w x w) psd, G0 (w x n)
//
// Block coordinate descent is exact, because the Hessian Q (x) I is a multiple of I in a block:
//   C_j <- (1 - lam / |v|)_+ v / Q_jj,   v = Q_jj C_j - G_j.
// On the support the penalty is smooth, with Hessian lam / |C_j| (I - u_j u_j^T), u_j = C_j / |C_j|, and a Newton step
// costs factors of order |support| whatever n: `SupportNewton`.
#pragma once

#include <vector>

#include "landscape/context.hpp"
#include "landscape/typedefs.hpp"

namespace landscape::homogeneous {

// (Q (x) I + Hessian of lam sum_j |C_j|)^-1 for C without zero rows      Q (s x s), C (s x n)
//
// With D = diag(lam / |C_j|) and B = U U^T the matrix is, up to scaling by D^(1/2) on both sides,
//   (I + T) (x) I - blockdiag(u_j u_j^T),   T = D^(-1/2) Q D^(-1/2)      (s x s)
// and by Woodbury its inverse needs those of I + T and of V o B, V = (I + T)^-1 T, o the entrywise product, alone:
//   (V o B) tau = diag(U^T (I + T)^-1 R),   X = (I + T)^-1 (R + diag(tau) U)      (R, X s x n)
// For n = 1 the penalty has no curvature, and Q itself is factored.
class SupportNewton {
 public:
  // false when the factors do not exist in floating point; q is overwritten
  bool factor(Matrix& q, const Matrix& c, double lam);
  // R <- inverse R
  void solve(Matrix& r) const;

 private:
  static void solve_with(const Matrix& factor, Matrix& r);

  Matrix factor_, capacity_, u_;
  Vector root_;  // diagonal of D^(-1/2)
};

class QuadraticGroupLasso {
 public:
  // c (w x n) and the gradient g (n x w, transposed so that updates run along rows) change in place; q is symmetric.
  QuadraticGroupLasso(const ConstMatrixView& q, double lam, MatrixView c, MatrixView g, const Context& context)
      : q_(q), lam_(lam), c_(c), g_(g), context_(context), size_(q.rows()), n_(c.cols()) {}

  // Until every subgradient is within tolerance * lam of zero, or nothing improves.
  void minimise(double tolerance);

 private:
  double violation(bool support_only) const;
  bool sweep();
  bool sweep_scalar();
  void find_support();
  void gather_support();
  void prune();
  bool newton_direction();
  bool step_scalar();
  bool step();

  ConstMatrixView q_;
  double lam_;
  MatrixView c_, g_;
  const Context& context_;
  Index size_, n_;
  std::vector<Index> support_;
  SupportNewton newton_;
  Matrix gram_, d_, qd_;
};

}  // namespace landscape::homogeneous
