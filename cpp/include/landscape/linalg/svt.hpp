// Singular value thresholding: the minimiser of 1/2 |Y - Z|_F^2 + lam |Z|_*,
//   Z = D_lam(Y) = sum_i (sigma_i - lam)_+ u_i v_i^T      Y (m x n)      (Cai, Candes & Shen 2010; THEORY 4 and 9)
// with as many triplets as exceed lam, found by whichever is cheapest:
//   partial   Chebyshev-filtered subspace iteration on Y^T Y (Zhou, Saad, Tiago & Chelikowsky 2006), damping [0,
//   lam^2],
//             then orthonormal left vectors and a small SVD of the projected Y;
//   gram      all eigenvectors of Y^T Y, corrected by products with Y;
//   svd       the full SVD.
// The result is judged by the matrix itself, whatever the way there: with R = Y V - U S, T = Y^T U - V S and the
// complement C = (I - U U^T) Y (I - V V^T),
//   |Z - D_lam(Y)|_F <= sqrt(|R|_F^2 + |T|_F^2) + sqrt(min(m, n) - k) (|C|_2 - lam)_+
// because D_lam is a proximal map, hence nonexpansive, and D_lam(U S V^T + C) = U (S - lam)_+ V^T + D_lam(C).
#pragma once

#include <cstdint>

#include "landscape/linalg/measured_map.hpp"

namespace landscape::linalg {

enum class SvtMethod { automatic, partial, gram, svd };

struct SvtSettings {
  SvtMethod method = SvtMethod::automatic;
  double tolerance = 1e-11;   // on |R|, |T| relative to |Z|_F; not below 16 u |Y|_F, where the full SVD ends too
  bool complete = true;       // prove |C|_2 <= lam by Cholesky where a Gram matrix is at hand
  Index gram_up_to = 3000;    // order of Y^T Y that is formed
  Index max_products = 4000;  // columns multiplied by Y or Y^T; for maps without a Gram matrix
  std::uint64_t seed = 0;
};

struct SvtResult {
  Matrix left;                    // m x k, orthonormal
  Vector values;                  // k, the sigma_i > lam, descending; Z = left diag(values - lam) right^T
  Matrix right;                   // n x k, orthonormal
  double next = 0.0;              // the largest value found that is not above lam; 0 when none was looked at
  double margin = 0.0;            // min |sigma_i - lam| over the values and `next`: how far the rank is from changing
  double residual = 0.0;          // sqrt(|R|_F^2 + |T|_F^2)
  double complement_upper = 0.0;  // >= |C|_2, +infinity if nothing was proved
  double error_bound = 0.0;       // >= |Z - D_lam(Y)|_F up to the rounding of the residuals
  bool complete = false;          // complement_upper exceeds lam by no more than the tolerance allows
  bool converged = false;
  SvtMethod method = SvtMethod::automatic;  // the one that was taken
  Index products = 0;
};

// `start` (n x k0): vectors near the leading right singular ones, for instance an earlier result's `right`; may be
// empty.
SvtResult svt(const MeasuredMap& y, double lam, const SvtSettings& settings, const ConstMatrixView& start,
              const Context& context);

}  // namespace landscape::linalg
