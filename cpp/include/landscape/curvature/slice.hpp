// Values of a polynomial slice on a grid: f(s, t) = sum_ij c_ij s^i t^j.
#pragma once

#include "landscape/context.hpp"
#include "landscape/typedefs.hpp"

namespace landscape::curvature {

// values (S x T) <- f(s_a, t_b); coefficients c (degree+1 x degree+1, or degree+1 x 1 with t of length 1)
void evaluate_slice(const ConstMatrixView& coefficients, const ConstVectorMap& s, const ConstVectorMap& t,
                    MatrixView values, const Context& context);

}  // namespace landscape::curvature
