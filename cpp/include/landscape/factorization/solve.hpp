// The global optimum of the regularised factorisation over all widths (THEORY 4, meta-algorithm):
//
//   min over r, U (n2 x r), V (n0 x r) of   sum over observed c_ij l(U_i . V_j, y_ij) + lam/2 (|U|^2 + |V|^2)
//
// Rounds of: truncated Newton descent at fixed width; singular values of the residual E on span(V) and a block beside
// it; a proximal step on that subspace, which inserts all violators (sigma > lam) at once, drops what vanishes,
// balances the factors and never raises f; until the bound of THEORY (6.1) proves the relative gap.
#pragma once

#include <functional>
#include <limits>
#include <vector>

#include "landscape/context.hpp"
#include "landscape/factorization/objective.hpp"
#include "landscape/typedefs.hpp"

namespace landscape::factorization {

// The residual E = -G at a point: its values by rows, and its products.
struct Residual {
  const Observed& observed;
  const Vector& values;
  linalg::LinearMap map;
};

struct PolarRequest {
  double lower = 0.0;   // a lower bound already known
  double enough = 0.0;  // an upper bound of at most this ends the solve: no need to be tighter
};

struct PolarEstimate {
  double lower = 0.0;
  double upper = std::numeric_limits<double>::infinity();
  Matrix right;  // n0 x k, optional: right singular vectors the solver may not have seen
};

// Two-sided bounds on |E|_2. `warm_start` (n0 x k, orthonormal) spans the right singular vectors known so far, best
// first.
using Polar = std::function<PolarEstimate(const Residual&, const ConstMatrixView& warm_start, const PolarRequest&,
                                          const Context&)>;

enum class Status {
  certified,    // the proved relative gap is at most the tolerance
  rank_limit,   // stationary at rank_max, and a wider factorisation is better
  time_limit,   // max_seconds
  interrupted,  // the monitor asked to stop
  stagnated,    // no step lowers f any more in double precision, and the gap is not proved
  not_finite    // f at the start is not finite in double precision: rescale the data
};

struct TraceRecord {
  double seconds;
  Index width;
  double value;
  double lower_bound;  // best proved so far
  double polar_lower, polar_upper;
};

struct SolveSettings {
  double tolerance = 1e-6;  // of the relative gap (f - lower bound) / f
  Index rank_max = -1;      // -1: min(n2, n0)
  double max_seconds = std::numeric_limits<double>::infinity();
  Index max_rounds = 500;
  Index first_block = 4;  // columns inserted at first (measured on MovieLens-100k, SOLVER.md)
  std::uint64_t seed = 0;
  std::function<void(const TraceRecord&)> on_record;  // progress; called from the calling thread
};

struct SolveResult {
  Matrix u, v;  // balanced: U^T U = V^T V diagonal, descending
  double value = 0.0;
  double lower_bound = 0.0;
  // At the last residual examined: that of (U, V), unless the solve was interrupted or ran out of rounds.
  double polar_lower = 0.0, polar_upper = std::numeric_limits<double>::infinity();
  Status status = Status::stagnated;
  Index rounds = 0, newton_steps = 0, hessian_products = 0;
  std::vector<TraceRecord> trace;
};

// `u`, `v`: a start of any width, zero columns allowed.
SolveResult solve(const Observed& observed, const Loss& loss, double lam, const ConstMatrixView& u,
                  const ConstMatrixView& v, const Polar& polar, const SolveSettings& settings, const Context& context);

}  // namespace landscape::factorization
