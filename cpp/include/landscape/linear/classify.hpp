// Where a point lies in the landscape of the shallow linear network (THEORY 2.3-2.7, 12b.3, 12b.7).
//
// In whitened coordinates W = V^T B, E = U W - M the risk is R_min + |E|^2, and everything is decided there: invariant
// under invertible maps of the inputs, and no digits lost to the condition of Sxx. See the functions for each decision.
#pragma once

#include "landscape/context.hpp"
#include "landscape/risk/spectral.hpp"
#include "landscape/typedefs.hpp"

namespace landscape::linear {

enum class Kind : int { not_critical = 0, global_minimum = 1, strict_saddle = 2, undetermined = 3 };

enum class Reason : int {
  gradient,            // not critical: the relative gradient exceeds ten times the tolerance
  near_tolerance,      // undetermined: the relative gradient is within a factor ten above the tolerance
  rounding_gradient,   // undetermined: rounding of these weights alone explains the gradient
  gap_closed,          // global minimum: critical, and the gap is below every saddle's
  near_tie,            // undetermined: the gap is below the resolution, but so is the gap of some saddle
  negative_curvature,  // strict saddle: a direction of negative curvature beyond its margin
  no_witness,          // undetermined: a positive gap, but no direction whose curvature is negative beyond its margin
  coarse_resolution    // undetermined: inputs so ill-conditioned that the resolution is no longer small
};

enum class WitnessKind : int { none = 0, swap = 1, rank = 2 };

struct Classification {
  Kind kind = Kind::undetermined;
  Reason reason = Reason::no_witness;
  double value = 0.0;
  double gap = 0.0;         // value - minimum over all (U, V) of this width
  double gap_margin = 0.0;  // rounding margin of the gap
  double gradient = 0.0;    // Frobenius norm of (dR/dU, dR/dV)
  double gradient_relative = 0.0;
  double resolution = 0.0;  // gaps below this cannot be told from zero at this point
  Index rank = 0;           // of U V^T Sxx^{1/2}
  double rank_margin =
      1.0;               // distance of the singular values from the threshold, relative to it; 1 is as good as it gets
  double deficit = 0.0;  // sum_{i<=r} lambda_i - tr(Z Sxx Z^T)
  Index morse_index = -1;  // -1: not defined here
  Index nullity = -1;
  WitnessKind witness = WitnessKind::none;
  double curvature = 0.0;         // H[d, d] of `direction`
  double scaled_curvature = 0.0;  // of `scaled_direction`
  double rayleigh = 0.0;          // the smaller of H[d, d] / |d|^2 over the two
};

struct Directions {
  Matrix du, dv, scaled_du, scaled_dv;  // n2 x n1, n0 x n1 each; empty when there is no witness
  Eigen::VectorXi indices;              // the index set S (0-based, increasing) when `indices_defined`
  bool indices_defined = false;
};

// The point in whitened coordinates, and scratch: kept between the points of a batch so that those that are not
// critical cost no allocation.
struct Whitened {
  Matrix w;                       // V^T B, n1 x rx
  Matrix e;                       // U W - M, n2 x rx
  double norm_u, norm_w, top;     // |U|, |W|, sigma_1
  double error;                   // bound on the rounding error of E, in norm
  double error_w;                 // the same for W
  Matrix half_u, half_w, half_v;  // halves of the gradients by U, W and V
  Matrix gram, upper, rows, s;    // n1 x n1, and n1 x rx
};

// tolerance: relative gradient below which a point counts as critical. `directions` may be null.
Classification classify(const risk::SpectralData& data, const ConstMatrixView& u, const ConstMatrixView& v,
                        double tolerance, Directions* directions, Whitened& point, const Context& context);

inline Classification classify(const risk::SpectralData& data, const ConstMatrixView& u, const ConstMatrixView& v,
                               double tolerance, Directions* directions, const Context& context) {
  Whitened point;
  return classify(data, u, v, tolerance, directions, point, context);
}

// The smallest positive gap of a critical point at width n1: lambda_rho, or lambda_rho - (next distinct lambda).
double smallest_saddle_gap(const risk::SpectralData& data, Index hidden);

}  // namespace landscape::linear
