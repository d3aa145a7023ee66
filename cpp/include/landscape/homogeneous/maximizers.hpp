// Directions in which the polar's function is locally largest: new units for a solver, most promising first.
#pragma once

#include "landscape/typedefs.hpp"

namespace landscape::homogeneous {

// Local maximisers of f(w) = |sum_i act(x_i . w) q_i|_2 on the unit sphere of R^d.
struct Maximizers {
  Matrix directions;  // k x d, unit rows
  Vector values;      // k, f at them to rounding, descending
};

}  // namespace landscape::homogeneous
