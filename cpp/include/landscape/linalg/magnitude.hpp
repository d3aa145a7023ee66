// The largest entry in magnitude, at the speed of memory: every array that comes in is looked at once.
#pragma once

#include "landscape/typedefs.hpp"

namespace landscape::linalg {

// max |x_i|; 0 if there is none, NaN if one is infinite or NaN
double largest_magnitude(const ConstVectorMap& x);

}  // namespace landscape::linalg
