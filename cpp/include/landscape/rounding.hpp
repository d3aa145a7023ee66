// What the rounding of a few operations can do to a value, as factors and as relative levels.
#pragma once

#include "landscape/typedefs.hpp"

namespace landscape {

// Factors that carry a computed value past the rounding of up to 16 operations, and of up to 64.
constexpr double kUp = 1.0 + 16.0 * kUnitRoundoff, kDown = 1.0 - 16.0 * kUnitRoundoff;
constexpr double kFarUp = 1.0 + 64.0 * kUnitRoundoff;

// Relative differences of an objective's value that mean nothing: of one computed with care, and of any.
constexpr double kFineLevel = 16.0 * kUnitRoundoff, kLevel = 64.0 * kUnitRoundoff;

}  // namespace landscape
