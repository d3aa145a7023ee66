// The diagonal Shor bound (U1 of homogeneous/spectral_bounds.hpp) on scaled data of small sides.
#pragma once

#include "landscape/context.hpp"
#include "landscape/typedefs.hpp"

namespace landscape::homogeneous {

// A' (m x m) lower triangular with A' A'^T >= A A^T, rounding included, so that A v stays within A' {|v| <= 1}.
// A (m x n); empty when the factorisation failed.
Matrix dominating_factor(const ConstMatrixView& a, const Context& context);

// >= lambda_max(C) where C (n x n) is within `error` (spectral norm) of the lower triangle given; >= 0
double proved_largest_eigenvalue(const ConstMatrixView& c, double error, const Context& context);

class Shor {
 public:
  // X (m x d), Q (m x nL) without zero rows, entries up to 1
  Shor(const ConstMatrixView& x, const ConstMatrixView& q, double slope, const Context& context);

  // Proved upper bound of the square of the polar at nu (m); infinite where nu proves nothing.
  double proved(const Vector& nu) const;

  // A good nu; empty when none was found.
  Vector minimise(Index max_iterations, double tolerance, Index& iterations);

 private:
  // log of the Schatten norm of order `order` of G = e^2 X^T N X + c^2 B^T M^-1 B, minus barrier log det M, and its
  // gradient in log nu; infinite where M = I - Q^T N^-1 Q is not positive. Remembers the best nu.
  double smoothed(const Vector& log_nu, double order, double barrier, Vector& gradient, Vector& curvature);
  void start(Vector& log_nu);

  const ConstMatrixView x_, q_;
  const double c_, e_;
  const Context& context_;
  Vector x_square_, q_square_;  // |x_i|^2, |q_i|^2
  Matrix b_;
  Vector best_;
  double best_value_;
  // scratch
  Matrix scaled_x_, scaled_q_, m_, g_, z_, y_, k_;
};

}  // namespace landscape::homogeneous
