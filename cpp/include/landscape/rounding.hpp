// What the rounding of a few operations can do to a value, as factors and as relative levels.
#pragma once

#include "landscape/typedefs.hpp"

namespace landscape {

// Factors that carry a bound past the rounding of the products, sums and roots it is made of: of a few bounds (the
// errors of 16 operations), and of a few dozen (64).
constexpr double kUp = 1.0 + 16.0 * kUnitRoundoff, kDown = 1.0 - 16.0 * kUnitRoundoff;
constexpr double kFarUp = 1.0 + 64.0 * kUnitRoundoff;

// Relative differences of an objective's value that mean nothing: of one computed with care, and of any.
constexpr double kFineLevel = 16.0 * kUnitRoundoff, kLevel = 64.0 * kUnitRoundoff;

}  // namespace landscape
