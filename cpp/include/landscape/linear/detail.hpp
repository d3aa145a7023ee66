// What the kernels of the linear networks share.
#pragma once

#include "landscape/linalg/products.hpp"
#include "landscape/linear/shallow.hpp"

namespace landscape::linear::detail {

inline void ensure(Matrix& matrix, Index rows, Index cols) {
  if (matrix.rows() != rows || matrix.cols() != cols) matrix.resize(rows, cols);
}

// Moment form: out <- Sxx a      a (n0 x c)
inline void apply_xx(const Risk& risk, const ConstMatrixView& a, Matrix& out, Vector& pack, const Context& context) {
  ensure(out, a.rows(), a.cols());
  if (a.cols() <= linalg::kSkinnyColumns && a.rows() >= 32)
    linalg::multiply_skinny(risk.xx, a, out, pack, context);
  else
    linalg::multiply(risk.xx, a, out, context);
}

}  // namespace landscape::linear::detail
