// The polar of one-hidden-layer units on the circle, exactly: with act(t) = max(t, a t) and X (m x 2), Q (m x nL),
//   max over |w| = 1 of f(w) = |sum_i act(x_i . w) q_i|_2
// is bracketed to rounding in O(m (log m + nL)) (THEORY 7.2 and 12b.8). The m lines x_i . w = 0 cut the circle into 2m
// arcs; on each of them f(w) = |A w| with one nL x 2 matrix A, and with w = (cos phi, sin phi), M = A^T A,
//   f^2 = alpha + beta cos 2 phi + gamma sin 2 phi,   alpha, beta = (M11 +- M22) / 2,   gamma = M12,
// so the maximum of the arc is alpha + |(beta, gamma)|, if its angle lies inside, or the larger of the two ends.
//
// Why `upper` is one. The lines are in exact order, so A is the matrix of the arc; it is a prefix sum in twice the
// working precision, off by at most 64 D^2 u^2 sum_i |q_i|_1 |x_i|_1 with D the length of the chains of sums, a few
// thousand. What is left are the roundings of one arc: (4 nL + 32) u f at a peak, and 4 u |A|_F more at an end.
//
// Where |A w| at the start of 64 arcs, plus their angle times what |A|_F may become on them, is less than the best
// start of all, the arcs themselves are left out, and that bound is theirs.
#pragma once

#include <limits>

#include "landscape/context.hpp"
#include "landscape/homogeneous/maximizers.hpp"
#include "landscape/typedefs.hpp"

namespace landscape::homogeneous {

struct SweepSettings {
  double threshold = std::numeric_limits<double>::infinity();  // local maximisers above it are collected
  double separation = 0.05;                                    // radians between any two of them; the larger one stays
  Index count = 20;                                            // at most so many
};

struct SweepResult {
  double lower = 0.0, upper = 0.0;  // lower <= f(direction) <= max f <= upper
  Vector direction;                 // unit, of length 2 (or 1, by `line`)
  Vector output;                    // sum_i act(x_i . direction) q_i over its length; zero where f is
  Maximizers maximizers;
  Index arcs = 0;  // pieces of the circle on which act(X w) is linear
};

// slope = a in [-1, 1]
SweepResult sweep(const ConstMatrixView& x, const ConstMatrixView& q, double slope, const SweepSettings& settings,
                  const Context& context);

// The same for X (m x 1): w = 1 and w = -1.
SweepResult line(const ConstMatrixView& x, const ConstMatrixView& q, double slope, const SweepSettings& settings,
                 const Context& context);

}  // namespace landscape::homogeneous
