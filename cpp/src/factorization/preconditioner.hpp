// A diagonal preconditioner for the Hessian of the factorisation. Its diagonal block for row i of U is
//
//   B_i = sum over observed j of s_ij V_j V_j^T + lam I ~ m_i C + lam I,      s = c l''(Z),  m_i = sum_j s_ij,
//   C = sum_ij s_ij V_j V_j^T / sum_ij s_ij,
//
// and likewise for V. Of C only the diagonal is kept, which is nearly all of it when the factors are balanced
// (U^T U = V^T V diagonal). On MovieLens-100k this took as many products as the rotation that makes C diagonal, as the
// true diagonals, and as the exact r x r blocks, and costs next to nothing (SOLVER.md).
#pragma once

#include "landscape/context.hpp"
#include "landscape/factorization/objective.hpp"
#include "landscape/typedefs.hpp"

namespace landscape::factorization {

class DiagonalPreconditioner {
 public:
  void set(const Objective& objective, const Matrix& w, const Vector& second, const Context& context);

  // z <- B^{-1} g  is  z = inverse() * g, entry by entry
  const Matrix& inverse() const { return inverse_; }

 private:
  Vector mass_;     // m of the rows of U, then of V
  Matrix inverse_;  // (n2 + n0) x padded(r)
};

}  // namespace landscape::factorization
