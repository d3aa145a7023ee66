// Cholesky as a proof: success on a floating-point matrix bounds its smallest eigenvalue from below.
#pragma once

#include "landscape/context.hpp"
#include "landscape/typedefs.hpp"

namespace landscape::linalg {

// gamma_k = k u / (1 - k u): the relative error of k roundings (Higham 2002, Lemma 3.1); infinite when k u >= 1/2
double rounding_gamma(Index k);

// A = L L^T in place of the lower triangle, the only part that is read or written; false when a pivot is not positive.
bool cholesky(MatrixView a, const Context& context);

// L^-1      L (n x n), only its lower triangle is read
Matrix lower_inverse(const ConstMatrixView& l);

// If `cholesky` succeeds on A (n x n) with trace tr A, then lambda_min(A) >= -margin.
//
// Higham 2002, Theorem 10.3: L L^T = A + D with |D| <= gamma_{n+1} |L| |L|^T, for any order of the sums, so that
// |D|_2 <= gamma |L|_F^2 <= gamma / (1 - gamma) tr A. Two roundings more are allowed per entry: blocked kernels
// multiply by reciprocal pivots.
double cholesky_margin(Index n, double trace);

}  // namespace landscape::linalg
