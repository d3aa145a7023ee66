// Lower bounds of the polar of one-hidden-layer units, with the directions that attain them,
//   Omega°(Q) = max over |w| = 1 of f(w),   f(w) = | sum_i act(x_i . w) q_i |_2      X (m x d), Q (m x nL), w (d)
// by monotone ascent from many starts (THEORY 7.4). Local search can miss the maximum: what is found refutes, it never
// proves. Two stages:
//   climb   all starts in blocks, as matrix products: w+ = (w + eta g) / |w + eta g|, eta from infinity (the power
//           step) and cut back until f does not decrease;
//   polish  (power 1) the distinct ones each on their own. Maximisers sit on kinks x_i . w = 0 of samples that lower f,
//           where a gradient zigzags: an active set Z of such samples is kept at zero, the direction is the top
//           eigenvector of A^T A on their complement, A = sum_i act'(x_i . w) q_i x_i^T, and the step is the global
//           maximum on the great circle through w and that direction.
#pragma once

#include <cstdint>
#include <limits>

#include "landscape/context.hpp"
#include "landscape/homogeneous/activation.hpp"
#include "landscape/homogeneous/maximizers.hpp"
#include "landscape/typedefs.hpp"

namespace landscape::homogeneous {

struct AscentSettings {
  Index random_starts = 256;
  Index sample_starts = 128;   // +-x_i / |x_i| of the largest |q_i| |x_i|^power
  Index max_iterations = 200;  // per start, of either stage
  double tolerance = 1e-10;    // relative gain of a step under which a start has arrived
  Index polished = 0;  // of the best distinct directions; 0: what a few seconds allow, between 16 and all of them.
                       // How high the climb came says little about what polishing finds (measured).
  std::uint64_t seed = 0;
  double threshold = std::numeric_limits<double>::infinity();  // maximisers above it are collected
  double separation = 0.05;                                    // radians between collected maximisers
  Index count = 20;                                            // so many of them at most
};

struct AscentResult {
  double lower = 0.0;     // f(direction) with all rounding taken off: Omega°(Q) >= lower
  Vector direction;       // unit
  Maximizers maximizers;  // values with their rounding taken off, like `lower`
  Index iterations = 0;   // evaluations of f and its gradient, over all starts
  Index starts = 0;
};

// `starts` (k x d, k >= 0): directions to begin from besides the drawn ones, of any length.
AscentResult ascend(const ConstMatrixView& x, const ConstMatrixView& q, const Activation& act,
                    const ConstMatrixView& starts, const AscentSettings& settings, const Context& context);

// f(w / |w|) minus its rounding, so a lower bound of the polar whatever w is; 0 for w = 0.
double attained(const ConstMatrixView& x, const ConstMatrixView& q, const Activation& act, const Vector& w,
                const Context& context);

}  // namespace landscape::homogeneous
