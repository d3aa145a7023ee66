// Upper bounds of the polar of one-hidden-layer units in any dimension, every rounding included,
//   Omega°(Q) = max over |w| = 1 of | sum_i act(x_i . w) q_i |_2      X (m x d), Q (m x nL), B = Q^T X
// With c = (1 + a) / 2, e = (1 - a) / 2 a unit of power 1 is act(t) = c t + e |t|, and (THEORY 7.5)
//   norms     |Q|_2 |X|_2                                    (U0)
//   shor      sqrt(mu), for any nu > 0 and N = diag(nu), where (U1)
//               [ I - Q^T N^-1 Q       c B          ]
//               [     c B^T      mu I - e^2 X^T N X ]  >= 0:
//             with s = |t|, |Q^T (c t + e s)|^2 - e^2 (s^T N s - t^T N t) is at most mu |w|^2 for every s. It holds at
//             a = -1 and for N = Q Q^T too. nu is found by L-BFGS on a smoothed mu, its quality is no part of the
//             proof;
//   split     c |B|_2 + e |N^1/2 X|_2 |N^-1/2 Q|_2, N = I or the one above      (U2)
// The linear unit has |B|_2 itself. Units of power 2 have c = (1 + a^2) / 2, e = (1 - a^2) / 2, act(t) = c t^2 + e t
// |t|,
//   definite  lambda_max(X^T diag(|q_i|) X), for one output the larger lambda_max(X^T diag(q_+ - a^2 q_-) X) of +-q,
//   which
//             is the polar itself for the quadratic unit;
//   unfolded  c |sum_i q_i vec(x_i x_i^T)^T|_2 + e lambda_max(X^T diag(|q_i|) X), for small d.
// Subnetworks of any depth with the penalty of their degree obey `norms` (THEORY 7.6). A point is proved by Cholesky
// with the margin of linalg/cholesky.hpp; only `norms` of matrices whose smaller side exceeds 3000 is probabilistic.
#pragma once

#include <limits>

#include "landscape/context.hpp"
#include "landscape/homogeneous/activation.hpp"
#include "landscape/typedefs.hpp"

namespace landscape::homogeneous {

enum class SpectralMethod { norms, linear, shor, split, definite, unfolded };

struct SpectralSettings {
  Index shor_iterations = 60;     // of L-BFGS; 0: no shor bound
  double shor_tolerance = 1e-4;   // relative gain of ten iterations under which it ends
  Index shor_order_up_to = 1500;  // min(m, d) + min(m, nL), order of the matrix that is factored
  Index unfolded_up_to = 40;      // d
};

struct SpectralBounds {
  static constexpr double kNone = std::numeric_limits<double>::infinity();
  double upper = kNone;  // the least of those below
  SpectralMethod method = SpectralMethod::norms;
  double norms = kNone, linear = kNone /* |B|_2, the polar at a = 1 */, shor = kNone, split = kNone, definite = kNone,
         unfolded = kNone;
  double failure = 0.0;  // probability that `norms`, `linear` or `split` is false; 0: deterministic
  Vector nu;             // m multipliers of `shor`, for Q * 2^-q_exponent; 0 where x_i = 0 or q_i = 0
  int q_exponent = 0;
  Index iterations = 0;
};

SpectralBounds spectral_bounds(const ConstMatrixView& x, const ConstMatrixView& q, const Activation& act,
                               const SpectralSettings& settings, const Context& context);

// |Q|_2 |X|_2, for subnetworks of any depth
SpectralBounds norm_bound(const ConstMatrixView& x, const ConstMatrixView& q, const Context& context);

// From a bound for |t|, or for relu: act = c t + e |t| = a t + (1 - a) relu      (rounded up)
double split_upper_from_abs(double linear, double absolute, double slope);
double split_upper_from_relu(double linear, double relu, double slope);

// The value of the shor bound at any multipliers nu > 0 (m) for Q * 2^-q_exponent; infinite where they prove nothing.
double shor_upper(const ConstMatrixView& x, const ConstMatrixView& q, double slope, const Vector& nu, int q_exponent,
                  const Context& context);

}  // namespace landscape::homogeneous
