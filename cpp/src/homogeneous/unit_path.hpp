// One step of a solver: where the objective is least along (U + t dU, V + t dV, b + t db), 0 < t <= 1. Between two
// kinks x_i . v_k(t) = 0 it is smooth; a minimum lies inside such a piece, on a kink, or at the end.
#pragma once

#include <utility>
#include <vector>

#include "unit_objective.hpp"

namespace landscape::homogeneous {

struct UnitStep {
  Matrix u, v;
  Vector b;
};

struct UnitStop {
  double t = 0.0;                              // 0: nothing below the start was found
  std::vector<std::pair<Index, Index>> kinks;  // (unit, sample) that the minimum lies on
  Index evaluations = 0;
};

// `t` = X V^T (m x r) and `sides` are those of the point, zero and arbitrary where a sample is held.
UnitStop minimise_along(const UnitObjective& objective, const UnitPoint& point, const Matrix& t, const Sides& sides,
                        const UnitStep& step, double value);

}  // namespace landscape::homogeneous
