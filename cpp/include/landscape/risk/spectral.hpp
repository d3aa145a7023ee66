// The whitened form of the linear risk, from which everything about the shallow linear landscape is read (THEORY 1).
//
//   T (n0 x rx)  with  T^T Sxx T = I, range T = range Sxx         "whitening"
//   B = Sxx T    (n0 x rx)                                        so that T B^T is the projector on range Sxx
//   M = Syx T    (n2 x rx) = Q diag(sigma) N^T,  lambda_i = sigma_i^2 = eigenvalues of Sigma = Syx Sxx^+ Sxy
//   R(U V^T) = R_min + |U (V^T B) - M|_F^2,   R_min = tr Syy - sum lambda_i
//
// Rank of Sxx: after scaling every input to unit second moment (the risk does not change under invertible maps of the
// inputs, and units must not decide ranks), singular directions within rounding of zero (8 u sqrt(n) relative) are
// taken as exact zeros.
#pragma once

#include "landscape/context.hpp"
#include "landscape/typedefs.hpp"

namespace landscape::risk {

struct SpectralData {
  Matrix whitening;        // T, n0 x rx
  Matrix colouring;        // B, n0 x rx
  Matrix cross;            // M, n2 x rx
  Matrix left;             // Q, n2 x k, k = min(n2, rx)
  Vector singular_values;  // sigma, k, descending
  Matrix right;            // N, rx x k
  Index rank = 0;          // rank of Sigma: singular values above `noise`
  Index unresolved = 0;  // singular values between the level of plain rounding and `noise`: zero or not, nobody can say
  double total = 0.0;    // tr Syy
  double minimum_risk = 0.0;  // R_min >= 0
  double condition = 1.0;     // of the scaled X (factor form) or of the scaled Sxx (moment form), on its range
  double dropped = 0.0;       // largest relative singular direction of X (or Sxx) that was taken as zero
  double rounding = 0.0;      // relative rounding level: |error of sigma_i| <= rounding * sqrt(total)

  Index rank_x() const { return whitening.cols(); }
  double noise() const { return rounding * std::sqrt(total); }
};

// From moments: xx (n0 x n0), xy (n0 x n2), trace_yy. `summation` bounds the relative error of the moments themselves
// in units of u (0: they are exact); it enters the rounding level only.
SpectralData spectral_from_moments(const ConstMatrixView& xx, const ConstMatrixView& xy, double trace_yy,
                                   double summation, const Context& context);

// From a factor: Fx (k x n0), Fy (k x n2) with Sxx = Fx^T Fx, Sxy = Fx^T Fy, Syy = Fy^T Fy.
SpectralData spectral_from_factor(const ConstMatrixView& fx, const ConstMatrixView& fy, double summation,
                                  const Context& context);

}  // namespace landscape::risk
