// The global optimum of a one-hidden-layer network with weight decay over all widths (THEORY 5.5, meta-algorithm):
//
//   min over r, U (nL x r), V (d x r), b   sum_i l(z_i, y_i) + lam Theta(U, V),   Z = act(X V) U^T + 1 b^T
//
// Rounds of: the polar at the slopes, which gives a lower bound (THEORY 6.1) and the units that are missing, several at
// once; the corrective step, a group lasso over the directions at hand and the new ones; units of the same cell merged,
// which never raises the objective; Newton descent in all units at once, held on the kinks they meet. Until the
// relative gap is small enough. The bound here leaves rounding aside; the certificate of the result does not.
#pragma once

#include <functional>
#include <limits>
#include <vector>

#include "landscape/context.hpp"
#include "landscape/homogeneous/maximizers.hpp"
#include "landscape/homogeneous/network.hpp"
#include "landscape/typedefs.hpp"

namespace landscape::homogeneous {

struct PolarSides {
  double lower = 0.0;
  double upper = std::numeric_limits<double>::infinity();
  Maximizers missing;  // directions whose value exceeds the threshold
};

// Q (m x nL), directions known (k x d), threshold
using PolarOracle =
    std::function<PolarSides(const Matrix& q, const Matrix& known, double threshold, const Context& context)>;

// Exact in one and two dimensions, in three with up to 6,000 samples, for linear units, and for quadratic ones of one
// output; elsewhere a search by
// ascent, whose upper side is infinite.
PolarOracle direct_polar(const Problem& problem, const Activation& act, Index random_starts, std::uint64_t seed);

enum class SolveStatus { certified, width_limit, time_limit, round_limit, interrupted, stagnated };

struct SolveRecord {
  double seconds;
  Index width;
  double value, lower_bound, polar_lower, polar_upper;
};

struct NetworkSolveSettings {
  double tolerance = 1e-4;  // of the relative gap (P - lower bound) / P
  Index width_max = -1;     // -1: no limit
  double max_seconds = std::numeric_limits<double>::infinity();
  Index max_rounds = 300;
  Index insertions = 100;                             // units at most, of one round
  std::function<void(const SolveRecord&)> on_record;  // called from the calling thread
};

struct NetworkSolveResult {
  Matrix u, v;  // nL x r, d x r, balanced
  Vector b;
  double value = 0.0, lower_bound = 0.0;
  SolveStatus status = SolveStatus::stagnated;
  std::vector<SolveRecord> trace;
};

// `u` (nL x r), `v` (d x r), `b` (nL): a start of any width. `directions` (k x d) are tried beside its own.
NetworkSolveResult solve(const Problem& problem, const Activation& act, const ConstMatrixView& u,
                         const ConstMatrixView& v, const Vector& b, const ConstMatrixView& directions,
                         const PolarOracle& polar, const NetworkSolveSettings& settings, const Context& context);

}  // namespace landscape::homogeneous
