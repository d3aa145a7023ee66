// Dense products of any width: the BLAS of the context where it is ahead, our tiles elsewhere.
#pragma once

#include "landscape/context.hpp"
#include "landscape/typedefs.hpp"

namespace landscape::linalg {

// C <- A B      A (m x k), B (k x n), C (m x n)
void product(const ConstMatrixView& a, const ConstMatrixView& b, MatrixView c, const Context& context);

// C <- A^T B      A (k x m), B (k x n), C (m x n)
void product_transposed(const ConstMatrixView& a, const ConstMatrixView& b, MatrixView c, const Context& context);

// lower triangle of G <- A^T A, the upper one is undefined      A (m x n), G (n x n)
void gram_of_columns(const ConstMatrixView& a, MatrixView g, const Context& context);

// lower triangle of G <- A A^T, the upper one is undefined      A (m x n), G (m x m)
void gram_of_rows(const ConstMatrixView& a, MatrixView g, const Context& context);

// lower triangle of G <- G + W W^T      W (n x k), G (n x n)
void add_gram_of_rows(const ConstMatrixView& w, MatrixView g, const Context& context);

// The strict upper triangle from the lower one.
void mirror_lower(MatrixView g, const Context& context);

}  // namespace landscape::linalg
