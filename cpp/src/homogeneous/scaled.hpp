// X and Q times powers of two that bring their largest entries into [1/2, 1), without the samples that contribute
// nothing (x_i = 0 or q_i = 0), and the way back with the rounding on the side asked for.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#include "landscape/errors.hpp"
#include "landscape/typedefs.hpp"

namespace landscape::homogeneous {

// What underflow can take from sums of fewer than 2^60 products of numbers below 1, of which some were rounded when
// they were scaled.
constexpr double kScaledUnderflow = 0x1.0p-1000;

struct Scaled {
  Matrix x, q;                         // m x d, m x nL
  Vector x_norm, q_norm;               // rows, rounded
  int x_exponent = 0, q_exponent = 0;  // original = 2^exponent times the scaled ones
};

// e with |largest| in [2^(e-1), 2^e), such that 2^-e is a double
inline int exponent_of(const ConstMatrixView& a, const char* name) {
  const double largest = a.size() > 0 ? a.cwiseAbs().maxCoeff<Eigen::PropagateNaN>() : 0.0;
  require(std::isfinite(largest), std::string(name) + " must be finite");
  int e = 0;
  if (largest > 0.0) std::frexp(largest, &e);
  return std::max(e, -1000);
}

inline Scaled scaled(const ConstMatrixView& x, const ConstMatrixView& q) {
  require(x.rows() == q.rows(), "X and Q must have as many rows");
  require(x.rows() >= 1 && x.cols() >= 1 && q.cols() >= 1, "X and Q must not be empty");
  Scaled s;
  s.x_exponent = exponent_of(x, "X");
  s.q_exponent = exponent_of(q, "Q");
  const double x_scale = std::ldexp(1.0, -s.x_exponent), q_scale = std::ldexp(1.0, -s.q_exponent);
  s.x.resize(x.rows(), x.cols());
  s.q.resize(q.rows(), q.cols());
  Index m = 0;
  for (Index i = 0; i < x.rows(); ++i) {
    if ((x.row(i).array() == 0.0).all() || (q.row(i).array() == 0.0).all()) continue;
    s.x.row(m) = x_scale * x.row(i);
    s.q.row(m) = q_scale * q.row(i);
    ++m;
  }
  s.x.conservativeResize(m, x.cols());
  s.q.conservativeResize(m, q.cols());
  s.x_norm = s.x.rowwise().norm();
  s.q_norm = s.q.rowwise().norm();
  return s;
}

// value * 2^exponent rounded down, or up; value >= 0
inline double unscaled_lower(double value, int exponent) {
  const double result = std::ldexp(value, exponent);
  if (!(result > 0.0)) return 0.0;
  if (result < 0x1.0p-1000) return std::max(0.0, result - std::numeric_limits<double>::denorm_min());
  return std::min(result, std::numeric_limits<double>::max());
}
inline double unscaled_upper(double value, int exponent) {
  if (value == 0.0) return 0.0;
  const double result = std::ldexp(value, exponent);
  return result < 0x1.0p-1000 ? result + std::numeric_limits<double>::denorm_min() : result;
}

}  // namespace landscape::homogeneous
