// The corrective step: output weights of k fixed hidden units, a convex group lasso (THEORY 5.5).
//
//   min over C (k x n), b (n)   sum_i loss((H C)_i + b, y_i) + lam sum_j |C_j|_2        H (m x k), Y (m x n), lam > 0
//
// C_j is row j, the output weights of unit j; b is left out of the problem, or unpenalised. The answer carries its own
// relative duality gap: with E = the gradients of the losses at Z = H C + 1 b^T, and E^T 1 = 0 where there is b,
//   0 <= P - P* <= sum_i [l(z_i) + l*(s e_i) - s <e_i, z_i>] + sum_j [lam |C_j| + s <(H^T E)_j, C_j>],
//   0 <= s <= lam / max_j |(H^T E)_j|
// (Fenchel; both brackets are sums of non-negative terms, so the gap is not a difference of large numbers).
//
// Method: working sets of units (Massias, Gramfort & Salmon 2018) and, on a set, proximal Newton steps (Lee, Sun &
// Saunders 2014) whose quadratic models live in the Gram matrix of the set. A model is minimised by block coordinate
// descent, which finds the support, and Newton steps on the support, which need no conditioning: units that share a
// kink are nearly collinear.
#pragma once

#include "landscape/context.hpp"
#include "landscape/homogeneous/losses.hpp"
#include "landscape/typedefs.hpp"

namespace landscape::homogeneous {

struct GroupLassoSettings {
  double tolerance = 1e-10;    // on the gap relative to the value
  Index max_iterations = 500;  // rounds: one product with all of H each
  Vector offset;               // n, added to every row of H C where there is no intercept; empty: zero
};

struct GroupLassoResult {
  Matrix c;          // k x n
  Vector intercept;  // n, zero if there is none
  double value = 0.0, gap = 0.0;
  Index iterations = 0;
  bool converged = false;
};

// `start` (k x n, or empty for zero): the result is not worse than the start with its best intercept, up to rounding.
GroupLassoResult group_lasso(const ConstMatrixView& h, const ConstMatrixView& y, const Loss& loss, double lam,
                             bool intercept, const ConstMatrixView& start, const GroupLassoSettings& settings,
                             const Context& context);

}  // namespace landscape::homogeneous
