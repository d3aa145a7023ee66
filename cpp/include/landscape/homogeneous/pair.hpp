// A pair (phi, theta) of the chapter's Definition 1.7 on given samples X (m x d): phi maps the weights of one unit or
// subnetwork to its outputs (m x nL), theta is its penalty, and both have the same degree,
//
//   phi(c w) = c^degree phi(w),   theta(c w) = c^degree theta(w),   c >= 0
//
// Linear, ReLU, leaky ReLU, absolute value, squared ReLU and quadratic units, w = (u, v), phi = act(X v) u^T; and fully
// connected subnetworks of any depth, w = (W1, ..., WL) (network.hpp has the formulas). Their sums over units are the
// networks of this library; the maximum of <Q, phi(w)> over theta(w) = 1 is the polar.
#pragma once

#include "landscape/homogeneous/network.hpp"

namespace landscape::homogeneous {

class Pair {
 public:
  // Activation, hidden widths of a subnetwork, and whether theta is the product of norms; the width is taken as one.
  // The view of X must outlive the object.
  Pair(const ConstMatrixMap& x, Index outputs, const Architecture& architecture);

  int degree() const { return degree_; }
  // Number of packed weights.
  Index size() const { return network_->size(); }

  // z (m x nL) <- phi(w)
  void apply(const double* w, MatrixView z) const;
  // g (size()) <- the gradient of <Q, phi(w)> in w      Q (m x nL); <g, w> = degree <Q, phi(w)>, Euler's identity
  void adjoint(const double* w, const ConstMatrixView& q, double* g) const;
  double theta(const double* w) const { return network_->theta(w); }

 private:
  Matrix targets_;  // zeros: a pair has no loss
  Problem problem_;
  int degree_;
  std::unique_ptr<Network> network_;
};

}  // namespace landscape::homogeneous
