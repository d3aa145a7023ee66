// The lines x_i . w = 0 that cut the circle, each once, in exact angular order.
#pragma once

#include <vector>

#include "landscape/context.hpp"
#include "landscape/typedefs.hpp"

namespace landscape::homogeneous {

// x_i = s 2^e x~_i with s = +-1 and x~_i in the half-plane x2 > 0 or x2 = 0 < x1, its larger entry in [1, 2), and
// q_i = s^(power + 1) 2^(exponent - power e) q~_i, by which the largest |q~_il| comes into [1, 2).
// Entries of x~ below 2^-400 are zero. Rows with x = 0 or q = 0 are left out. Four lines with q = 0, the fences, an
// eighth of the circle apart, keep every arc short.
struct AngularOrder {
  Index size = 0;                 // n, fences included
  Vector x1, x2;                  // n + 2: x~ of line k = 1..n at k; the last one at 0, the first one at n + 1
  Matrix q;                       // n x nL: q~ of line k in row k - 1
  std::vector<signed char> side;  // n: s of line k at k - 1, 0 for fences
  int exponent = 0;               // of f
  Index distinct = 0;             // directions among the lines, fences aside
};

// Without `sorted` the lines come in the order of the rows, the fences last. Throws std::invalid_argument for NaN and
// infinities.
AngularOrder angular_order(const ConstMatrixView& x, const ConstMatrixView& q, int power, bool sorted,
                           const Context& context);

}  // namespace landscape::homogeneous
