// Twice the working precision by error-free transformations (Dekker 1971; Ogita, Rump & Oishi 2005).
//
// Compilers may contract a * b + c, which is why a product that goes into a sum is itself written as a fused operation.
#pragma once

#include <cmath>

namespace landscape::homogeneous {

struct DoubleDouble {
  double high = 0.0, low = 0.0;  // stands for their sum
  DoubleDouble operator-() const { return {-high, -low}; }
};

// a + b, exactly
inline DoubleDouble two_sum(double a, double b) {
  const double sum = a + b, part = sum - a;
  return {sum, (a - (sum - part)) + (b - part)};
}

// a b, exactly unless something under- or overflows
inline DoubleDouble two_product(double a, double b) {
#if defined(__FMA__) || defined(__FP_FAST_FMA) || defined(__ARM_FEATURE_FMA)
  const double product = std::fma(a, b, 0.0);
  return {product, std::fma(a, b, -product)};
#else
  constexpr double split = 0x1p27 + 1.0;
  const double product = a * b, ca = split * a, cb = split * b;
  const double a1 = ca - (ca - a), a2 = a - a1, b1 = cb - (cb - b), b2 = b - b1;
  return {product, ((a1 * b1 - product) + a1 * b2 + a2 * b1) + a2 * b2};
#endif
}

// The high parts lose nothing; the low parts are summed in working precision.
inline DoubleDouble operator+(DoubleDouble a, DoubleDouble b) {
  const DoubleDouble sum = two_sum(a.high, b.high);
  return {sum.high, sum.low + (a.low + b.low)};
}
inline DoubleDouble operator-(DoubleDouble a, DoubleDouble b) { return a + -b; }

// the sign of a b - c d, exactly
inline int compare_products(double a, double b, double c, double d) {
  const double ab = a * b, cd = c * d;  // rounding keeps the order, unless it makes them equal
  if (ab != cd) return ab < cd ? -1 : 1;
  const double low = two_product(a, b).low, other = two_product(c, d).low;
  return low == other ? 0 : low < other ? -1 : 1;
}

}  // namespace landscape::homogeneous
