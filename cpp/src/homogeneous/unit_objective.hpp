// The objective of single units as a solver walks on it (THEORY 5.1, scaling B), with the sides of the kinks explicit:
//
//   P = sum_i l(z_i, y_i) + lam sum_k theta(u_k, v_k) + decay |b|^2 / 2,   Z = H U + 1 b^T,   H = act(X V)
//
// One output: u_k = +-1 is the sign, v_k carries the size, theta = |v_k|^p. More: theta = (|u|^2 + |v|^2) / 2, for
// power 2 (|u|^3 + 2 |v|^3) / 3. Both are the smallest Theta with the same outputs once the units are balanced. A free
// bias, the last entry of v, is no part of theta.
#pragma once

#include "landscape/context.hpp"
#include "landscape/homogeneous/network.hpp"

namespace landscape::homogeneous {

struct UnitPoint {
  Matrix u;  // r x nL
  Matrix v;  // r x d
  Vector b;  // nL, zero without an intercept
  Index width() const { return u.rows(); }
};

using Sides = Eigen::Matrix<signed char, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

class UnitObjective {
 public:
  UnitObjective(const Problem& data, const Activation& unit) : problem(data), act(unit) {}

  const Problem& problem;
  Activation act;

  Index samples() const { return problem.x.rows(); }
  Index inputs() const { return problem.x.cols(); }
  Index outputs() const { return problem.y.cols(); }
  const double* target(Index i) const { return problem.y.data() + i * outputs(); }
  bool scalar() const { return outputs() == 1; }
  bool kinked() const { return act.power == 1 && act.slope != 1.0; }
  Index penalized() const { return inputs() - (problem.free_bias ? 1 : 0); }

  Matrix hidden(const Matrix& v) const;  // act(X V^T), V (r x d)
  // Loss at Z; G <- its slopes unless null
  double losses(const Matrix& z, Matrix* g) const;
  double penalty(const UnitPoint& p) const;  // lam Theta + decay / 2 |b|^2
  double value(const UnitPoint& p) const;

  // act(t) and act'(t) of a sample on the given side of the kink
  double on_side(double t, int side) const {
    const double s = side > 0 ? t : act.slope * t;
    return act.power == 1 ? s : s * s;
  }
  double slope_on_side(double t, int side) const {
    const double a = side > 0 ? 1.0 : act.slope;
    return act.power == 1 ? a : 2.0 * a * a * t;
  }

  // |v_k| in the sense of theta
  double size(const Matrix& v, Index k) const { return v.row(k).head(penalized()).norm(); }
};

}  // namespace landscape::homogeneous
