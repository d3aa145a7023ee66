// Branch and bound for the polar of one-hidden-layer units (THEORY 7.5, U4):
//   max f(w) = |sum_i act(x_i . w) q_i|_2 over |w| = 1        x (m x d), q (m x nL), act(t) = max(t, slope t)
// Cells of directions are split by the sign of one x_i . w or of one output r_k(w); each cell is bounded by the doubly
// nonnegative relaxation, warm from its parent. At any moment the leaves cover all w, so that the largest of their
// bounds is a proof, wherever the search stops.
#pragma once

#include <limits>
#include <vector>

#include "landscape/homogeneous/doubly_nonnegative.hpp"

namespace landscape::homogeneous {

struct BranchSettings {
  double tolerance = 1e-2;  // stop when upper <= lower (1 + tolerance), or <= 1e-6 sum_i |x_i| |q_i|
  double enough = 0.0;      // also stop when upper <= enough
  Index max_nodes = 100000;
  double max_seconds = std::numeric_limits<double>::infinity();
  double lower = 0.0;        // a value known to be <= the polar
  Vector direction;          // a w whose f(w) the search starts from; may be empty
  bool keep_leaves = false;  // return the proof
  DnnSettings bound;
};

struct BranchLeaf {
  Signs signs;              // m + nL, of the input's samples and outputs; samples left out of `data` are 0
  double upper = 0.0;       // >= f on the cell
  FloatMatrix multipliers;  // order as in CellLayout
};

enum class BranchStop { tolerance, enough, nodes, seconds, interrupted, exhausted };

struct BranchResult {
  double lower = 0.0, upper = std::numeric_limits<double>::infinity();
  Vector direction;      // f(direction) >= lower, unless settings.lower was larger
  double root = 0.0;     // the bound before any split
  Index nodes = 0;       // cells bounded
  Index iterations = 0;  // of ADMM, over all cells
  double seconds = 0.0;
  BranchStop stop = BranchStop::exhausted;
  std::vector<BranchLeaf> leaves;
};

BranchResult branch_and_bound(const ConstMatrixView& x, const ConstMatrixView& q, double slope,
                              const BranchSettings& settings, const Context& context);

}  // namespace landscape::homogeneous
