// Fewer units with the same outputs and no larger penalty (THEORY 5.5): units of one cell, with outputs along the same
// direction, add up to one unit; so do units along the same input direction.
#pragma once

#include "unit_objective.hpp"

namespace landscape::homogeneous {

// Whether anything was merged.
bool merge_units(const UnitObjective& objective, UnitPoint& point);

}  // namespace landscape::homogeneous
