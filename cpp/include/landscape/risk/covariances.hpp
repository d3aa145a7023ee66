// Second moments of a data set, accumulated in one pass over blocks of rows.
//
//   Sxx = (1/W) sum_i w_i x_i x_i^T,   Sxy = (1/W) sum_i w_i x_i y_i^T,   Syy likewise,   W = sum_i w_i
//
// `center` subtracts the weighted means: blocks are centred at their own means and merged by the update of Chan, Golub
// & LeVeque (1983), so that a large mean costs few digits. Two representations (THEORY 1 and 12b.12):
//   moments   the unnormalised sums W Sxx (n0 x n0), W Sxy (n0 x n2), W Syy (n2 x n2);
//   factor    F (k x (n0+n2)), k <= n0+n2, with F^T F = W [Sxx Sxy; Syx Syy]: no squaring of the condition number.
#pragma once

#include "landscape/context.hpp"
#include "landscape/typedefs.hpp"

namespace landscape::risk {

struct Totals {
  double weight = 0.0;  // W
  Vector mean_x;        // n0, zero unless centred
  Vector mean_y;        // n2, empty when Y = X
};

// Views over the caller's sums; sxy and syy are empty (0 x 0) when Y = X. Only lower triangles of sxx, syy are kept.
struct MomentSums {
  MatrixView sxx;
  MatrixView sxy;
  MatrixView syy;
};

// sums, totals <- sums, totals + rows of X (m x n0), Y (m x n2; 0 columns when Y = X), weights (m, or empty for ones)
void accumulate_moments(const ConstMatrixView& x, const ConstMatrixView& y, const ConstVectorMap& weights, bool center,
                        MomentSums sums, Totals& totals, const Context& context);

// a <- a + b for two sets of sums with their totals
void merge_moments(const MomentSums& b, const Totals& totals_b, bool center, MomentSums a, Totals& totals_a);

// F of the rows seen so far, new rows added: kept as rows while there are at most n0+n2 of them, else as R of a QR.
Matrix accumulate_factor(const ConstMatrixView& factor, const ConstMatrixView& x, const ConstMatrixView& y,
                         const ConstVectorMap& weights, bool center, Totals& totals, const Context& context);

Matrix merge_factors(const ConstMatrixView& a, const ConstMatrixView& b, bool center, Totals& totals_a,
                     const Totals& totals_b, const Context& context);

// Reciprocal condition estimate of diag(A)^{-1/2} A diag(A)^{-1/2} without its zero rows (1-norm, Cholesky); 0 if that
// is not positive definite.
double equilibrated_rcond(const ConstMatrixView& lower);

}  // namespace landscape::risk
