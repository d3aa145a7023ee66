// ADMM for the multipliers of the doubly nonnegative bound.
#pragma once

#include "dnn_cell.hpp"
#include "landscape/linalg/eigen_solver.hpp"

namespace landscape::homogeneous::dnn {

// ADMM on max <K, Z>, Z in {V P V^T: P psd} and Z in {entries >= 0, (h_i, s_i) = 0, <C, Z> <= 1}, where V is an
// orthonormal basis of range B and <C, z z^T> = |w|^2. With alpha = (h + s) / sqrt 2, tau = (h - s) / sqrt 2 = t / sqrt
// 2 the range is {alpha free, (tau, sigma t_E) = V_x xi}, plus the rows r = G_o (alpha, xi) of the decided outputs:
//   V = [V_0; G_o] S,   S = (I + G_o^T G_o)^{-1/2}.
class Admm {
 public:
  Admm(const PolarData& data, const Signs& signs);
  void start(const Dense& t, double rho, double penalty);  // rho = 0: cold, rho <- penalty |K|_F
  void iterate(Index iterations);
  void balance();  // rho by the residuals of the last iteration
  FloatMatrix multipliers() const;
  Vector scores(const PolarData& data);  // m + nL
  Dense directions(Index count) const;   // d x count, of the leading eigenvectors of P
  const Dense& t() const { return t_; }
  double rho() const { return rho_; }

 private:
  void compress(const Dense& t, Dense& out);
  void expand(const Dense& p, Dense& out);
  void project();
  void congruence(Dense& a);  // S a S

  Cell c_;
  Index u_, e_, o_, d_, n_, rows_;
  double x_scale_, q_scale_;
  Dense vx_, w_, go_, s_;  // V_x, W, G_o, S
  Dense outputs_;          // all rows of G in (alpha, xi)
  Vector go_scale_;
  Dense k_, kz_, cz_;  // K in V coordinates; K and C in z coordinates
  double rho_ = 0.0, theta_ = 0.0;
  Dense t_, target_, z_, z_before_, pz_, p_, compressed_;
  Dense a_, b_, av_, bv_, cross_, part_, half_;
  Eigen::SelfAdjointEigenSolver<Dense> eigen_;
};

}  // namespace landscape::homogeneous::dnn
