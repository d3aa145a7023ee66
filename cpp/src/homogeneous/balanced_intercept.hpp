// The unpenalised intercept that is best for given outputs: sum_i e_i = 0, e the slopes of the losses (THEORY 12b.6).
#pragma once

#include "landscape/homogeneous/losses.hpp"
#include "landscape/typedefs.hpp"

namespace landscape::homogeneous {

// Adds to every row of Z (m x n), and to b (n), what makes sum_i l(z_i, y_i) least, by Newton steps that are halved
// until the loss does not grow; E (m x n) <- the slopes at Z. Returns whether they sum to zero, to rounding.
bool balance_intercept(const Loss& loss, const ConstMatrixView& y, Matrix& z, Matrix& e, Vector& b);

}  // namespace landscape::homogeneous
