// Dense products in tiles whose sizes depend on the shapes only, so threads change the speed and not the bits, and that
// are packed on the stack: no product here allocates.
#pragma once

#include "landscape/context.hpp"
#include "landscape/typedefs.hpp"

namespace landscape::linalg {

enum class Into { overwrite, add };

// C <- A B (or C + A B)      A (m x k), B (k x n), C (m x n)
void multiply(const ConstMatrixView& a, const ConstMatrixView& b, MatrixView c, const Context& context,
              Into into = Into::overwrite);

// C <- A^T B (or C + A^T B)      A (k x m), B (k x n), C (m x n)
void multiply_transposed(const ConstMatrixView& a, const ConstMatrixView& b, MatrixView c, const Context& context,
                         Into into = Into::overwrite);

// C <- A B^T (or C + A B^T)      A (m x k), B (n x k), C (m x n)
void multiply_by_transposed(const ConstMatrixView& a, const ConstMatrixView& b, MatrixView c, const Context& context,
                            Into into = Into::overwrite);

// C <- S D      S (n x n), D (n x c) with few columns: S is read once and never packed.
void multiply_skinny(const ConstMatrixView& s, const ConstMatrixView& d, MatrixView c, Vector& scratch,
                     const Context& context);
constexpr Index kSkinnyColumns = 24;

// lower triangle of C <- C + X^T X      X (m x n), C (n x n)
void accumulate_gram(const ConstMatrixView& x, MatrixView c, const Context& context);

// C <- C + X^T Y      X (m x n), Y (m x p), C (n x p)
void accumulate_cross(const ConstMatrixView& x, const ConstMatrixView& y, MatrixView c, const Context& context);

}  // namespace landscape::linalg
