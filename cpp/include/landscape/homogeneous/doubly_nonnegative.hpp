// The doubly nonnegative (DNN) upper bound of the polar of one-hidden-layer units, on a cell of directions
// (THEORY 7.5, (7.1) with decided samples):
//   f(w) = |r|,  r = sum_i act(x_i . w) q_i,  act(t) = max(t, a t)        x_i in R^d, q_i in R^nL, |w| = 1
//   cell: sigma_i x_i . w >= 0 for decided samples, tau_k r_k >= 0 for decided outputs.
// With t_i = x_i . w, an undecided sample has h_i = (t_i)_+ and s_i = (-t_i)_+, so that act(t_i) = a t_i + (1 - a) h_i.
// All is linear in y = (w, h):   r = G y,   and   z = B y = (h, h - t, sigma t, tau r) >= 0   with h_i s_i = 0.
// For every symmetric N with nonnegative entries, those at (h_i, s_i) free,
//   kappa^2 |w|^2 - |r|^2 = y^T F y + z^T N z,   F = kappa^2 diag(I, 0) - G^T G - B^T N B,
// so that F psd proves f <= kappa on the cell. Any N will do; ADMM finds a good one, one Cholesky with margin proves
// it. In the letters of THEORY: N1, N3 are the (h, h) and (s, s) blocks, N2 / 2 and -nu / 2 the (h, s) block off and on
// its diagonal, Gamma = F_hh; kappa^2 is the largest eigenvalue of the Schur complement.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "landscape/context.hpp"
#include "landscape/typedefs.hpp"

namespace landscape::homogeneous {

using Signs = Eigen::Matrix<std::int8_t, Eigen::Dynamic, 1>;  // 0 undecided, +1, -1; m samples, then nL outputs
using FloatMatrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

// The data behind every bound. Samples with x_i = 0 or q_i = 0 are left out; the others are scaled by powers of two,
//   x_i <- x_i 2^-e_i with largest entry in [1/2, 1),   q_i <- q_i 2^(e_i - exponent) with largest entry of all in
//   [1/2, 1),
// which keeps every sign and multiplies the polar by 2^-exponent. Multipliers refer to the scaled data.
struct PolarData {
  Matrix x;                    // k x d
  Matrix q;                    // k x nL
  double slope = 0.0;          // a in [-1, 1]; 1 is the linear unit, which has no cells and no multipliers
  std::vector<Index> samples;  // the k rows of the input
  Index exponent = 0;
  double x_norm = 0.0, q_norm = 0.0;  // about the spectral norms; scales, not bounds
  double output_bound = 0.0;          // >= sum_i |x_i| |q_i|
  Index inputs() const { return x.cols(); }
  Index outputs() const { return q.cols(); }
  Index size() const { return x.rows(); }

  double unscaled_up(double value) const;    // >= value 2^exponent
  double unscaled_down(double value) const;  // <= value 2^exponent
  double scaled(double value) const;         // about value 2^-exponent
};

PolarData polar_data(const ConstMatrixView& x, const ConstMatrixView& q, double slope);

// f(w) for the scaled data and a w of any length > 0, divided by |w| and rounded down.
double attained(const PolarData& data, const Vector& w);

// Where the entries of z are: h_U, s_U, decided samples, decided outputs, each in increasing order.
struct CellLayout {
  std::vector<Index> undecided, decided, outputs;
  CellLayout(const PolarData& data, const Signs& signs);
  Index size() const { return static_cast<Index>(2 * undecided.size() + decided.size() + outputs.size()); }
};

struct DnnSettings {
  Index min_iterations = 25, max_iterations = 600;  // of ADMM
  Index evaluate_every = 25;                        // iterations between two evaluations of the bound
  double enough = 0.0;                              // stop when upper <= enough (scaled)
  double patience = 8.0;  // give up when so many evaluations at the present rate would not reach `enough`
  double penalty = 1.0;   // the first rho of ADMM relative to |K|_F
  double deadline = std::numeric_limits<double>::infinity();  // seconds of the steady clock
};

// Where ADMM stopped, from which a cell with further decisions starts.
struct DnnState {
  FloatMatrix t;
  double rho = 0.0;  // 0: no state
};

struct DnnBound {
  double upper = std::numeric_limits<double>::infinity();  // >= max f on the cell, for the scaled data
  FloatMatrix multipliers;                                 // N, of order CellLayout::size()
  double lower = 0.0;                                      // the best f(w) met on the way; w need not be in the cell
  Vector direction;
  Vector scores;  // m + nL: how much the relaxation mixes both signs; 0 where decided
  Index iterations = 0;
  DnnState state;
};

// >= max f on the cell for multipliers N of the layout's order; the (h_i, s_i) entries of N are lowered (all by the
// same amount) to what serves the bound best, negative entries elsewhere are set to zero. Infinite if nothing is
// proved.
double dnn_upper(const PolarData& data, const Signs& signs, FloatMatrix& multipliers);

// `parent`: the state and multipliers of a cell with fewer decisions, and its signs; null for a cold start.
DnnBound dnn_bound(const PolarData& data, const Signs& signs, const DnnSettings& settings, const Signs* parent_signs,
                   const DnnBound* parent, const Context& context);

}  // namespace landscape::homogeneous
