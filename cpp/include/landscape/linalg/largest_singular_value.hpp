// Both sides of sigma_1(A) = max u^T A v over unit u, v.
//
// Below: the pair (v, u = A v / |A v|), with the rounding of that product taken off.
// Above, one of two proofs:
//   cholesky   kappa^2 I - G has a Cholesky factor, G = A^T A or A A^T of the smaller side: deterministic. With the
//              rounding of the factor and of G,
//                sigma_1^2 <= kappa^2 + gamma_{n+3} / (1 - gamma_{n+3}) tr(kappa^2 I - G) + gamma_k |A|_F^2 + u kappa^2
//              (Higham 2002, Theorem 10.3 and section 3.5; THEORY 12b.4).
//   lanczos    p independent Lanczos recurrences of G from Gaussian starts: true with probability 1 - failure. In the
//              eigenvector v_1 of lambda_1 = sigma_1^2 a recurrence reads
//                <v_1, q_1> prod_j (lambda_1 - theta_j) / beta_j = <v_1, q_{k+1}> <= 1      (theta_j Ritz values)
//              so lambda_1 > t forces |<v_1, omega_i>| <= |omega_i| prod_j beta_j / (t - theta_j) for every start
//              omega_i, and each <v_1, omega_i> is a standard normal number. The least t that keeps the right side
//              below y for all i, P(|N(0, 1)| <= y)^p = failure, is the bound. It holds for all k at once, so stopping
//              when it is tight is allowed, and it needs no orthogonality, only the recurrence (van Dorsselaer,
//              Hochstenbach & van der Vorst 2000 for one vector in exact arithmetic; Kuczynski & Wozniakowski 1992,
//              Theorem 4.1, bounds the steps it takes).
#pragma once

#include <cstdint>

#include "landscape/linalg/measured_map.hpp"

namespace landscape::linalg {

enum class UpperBoundProof { cholesky, lanczos };

struct SingularValueBoundSettings {
  double tolerance = 0.0;                // on (upper - lower) / lower; 0: 1e-6 by Cholesky, 1e-3 by Lanczos
  double failure = 1e-9;                 // probability that a Lanczos bound is false
  Index cholesky_up_to = 3000;           // order of the Gram matrix; beyond it Lanczos
  Index chains = 8;                      // one cache line per gathered row; measured, LINALG.md
  Index max_steps = 3000;                // of Lanczos
  Index basis_bytes = Index{512} << 20;  // Lanczos vectors are kept up to this size, else computed twice
  std::uint64_t seed = 0;
};

struct SingularValueBounds {
  double lower = 0.0, upper = 0.0;
  Vector left, right;  // unit, left^T A right >= lower
  UpperBoundProof proof = UpperBoundProof::cholesky;
  double failure = 0.0;    // 0: deterministic
  bool converged = false;  // the bracket is as tight as asked
  Index products = 0;      // columns multiplied by A or by A^T
  // What a verifier needs: kappa^2 I - G was factored and sigma_1^2 <= kappa^2 + margin; or the recurrences are run
  // again from (seed, chains) for so many steps.
  double kappa = 0.0, margin = 0.0;
  Index factorizations = 0;
  std::uint64_t seed = 0;
  Index chains = 0, steps = 0;
};

// `start` (cols x k, k >= 0): vectors near the leading right singular ones, used for the lower side only.
SingularValueBounds largest_singular_value(const MeasuredMap& a, const SingularValueBoundSettings& settings,
                                           const ConstMatrixView& start, const Context& context);

}  // namespace landscape::linalg
