// The lines x_i . w = 0 that cut the circle, each once, in exact angular order.
#pragma once

#include "landscape/context.hpp"
#include "landscape/typedefs.hpp"

namespace landscape::homogeneous {

// x_i = s 2^e x~_i with s = +-1 and x~_i in the half-plane x2 > 0 or x2 = 0 < x1, its larger entry in [1, 2), and
// q_i = 2^(exponent - e) q~_i, by which the largest |q~_il| comes into [1, 2): act(x_i . w) q_i has the factor
// 2^exponent. Entries of x~ below 2^-400 are zero. Rows with x = 0 or q = 0 are left out. Four lines with q = 0, the
// fences, an eighth of the circle apart, keep every arc short.
struct AngularOrder {
  Index size = 0;    // n, fences included
  Matrix lines;      // (n + 2) x (3 + nL): (s, x~1, x~2, q~) of line k in row k, with s = 0 for fences; line n in row 0
                     // and line 1 in row n + 1, their q aside
  int exponent = 0;  // of f
  Index distinct = 0;  // directions among the lines, fences aside

  double side(Index k) const { return lines(k, 0); }
  double x1(Index k) const { return lines(k, 1); }
  double x2(Index k) const { return lines(k, 2); }
  double q(Index k, Index l) const { return lines(k, 3 + l); }
};

// Without `sorted` the lines come in the order of the rows, the fences last. Throws std::invalid_argument for NaN and
// infinities.
AngularOrder angular_order(const ConstMatrixView& x, const ConstMatrixView& q, bool sorted, const Context& context);

}  // namespace landscape::homogeneous
