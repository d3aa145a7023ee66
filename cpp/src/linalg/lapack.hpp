// Shared by the decompositions: when to call LAPACK, and what its info means.
#pragma once

#include <string>

#include "landscape/context.hpp"
#include "landscape/errors.hpp"
#include "landscape/typedefs.hpp"

namespace landscape::linalg {

// Below this order a call into LAPACK costs more than it saves, and Eigen runs inside parallel regions too.
constexpr Index kLapackFromOrder = 48;

inline const Blas* lapack(const Context& context, Index order) {
  // Work sizes of about 4 order^2 must fit a 32-bit integer.
  return order >= kLapackFromOrder && order <= 16384 ? context.library() : nullptr;
}

inline void converged(int info, const char* routine) {
  if (info != 0) throw NumericalFailure(std::string(routine) + " did not converge, info = " + std::to_string(info));
}

}  // namespace landscape::linalg
