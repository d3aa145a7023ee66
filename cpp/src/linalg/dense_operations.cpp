#include "dense_operations.hpp"

#include <algorithm>

#include "landscape/linalg/products.hpp"
#include "landscape/parallel.hpp"

namespace landscape::linalg {

namespace {

// Row-major C = A B is column-major C^T = B^T A^T.
void gemm(const Blas& blas, const ConstMatrixView& a, bool transpose_a, const ConstMatrixView& b, MatrixView c) {
  char none = 'N', left = transpose_a ? 'T' : 'N';
  int m = blas_int(c.cols()), n = blas_int(c.rows()), k = blas_int(b.rows());
  int ldb = blas_int(b.outerStride()), lda = blas_int(a.outerStride()), ldc = blas_int(c.outerStride());
  double one = 1.0, zero = 0.0;
  blas.dgemm(&none, &left, &m, &n, &k, &one, const_cast<double*>(b.data()), &ldb, const_cast<double*>(a.data()), &lda,
             &zero, c.data(), &ldc);
}

// G <- beta G + alpha X X^T or alpha X^T X; the lower triangle of row-major G is the upper one read by columns.
void syrk(const Blas& blas, double alpha, const ConstMatrixView& x, bool of_rows, double beta, MatrixView g) {
  char uplo = 'U', trans = of_rows ? 'T' : 'N';
  int n = blas_int(g.rows()), k = blas_int(of_rows ? x.cols() : x.rows());
  int ldx = blas_int(x.outerStride()), ldg = blas_int(g.outerStride());
  blas.dsyrk(&uplo, &trans, &n, &k, &alpha, const_cast<double*>(x.data()), &ldx, &beta, g.data(), &ldg);
}

}  // namespace

void product(const ConstMatrixView& a, const ConstMatrixView& b, MatrixView c, const Context& context) {
  if (b.cols() < kSkinnyColumns / 2) {
    Vector pack;
    multiply_skinny(a, b, c, pack, context);
  } else if (const Blas* blas = context.library()) {
    gemm(*blas, a, false, b, c);
  } else {
    multiply(a, b, c, context);
  }
}

void product_transposed(const ConstMatrixView& a, const ConstMatrixView& b, MatrixView c, const Context& context) {
  const Blas* blas = context.library();
  if (blas != nullptr && b.cols() >= kSkinnyColumns / 2) {
    gemm(*blas, a, true, b, c);
  } else {
    multiply_transposed(a, b, c, context);
  }
}

void gram_of_columns(const ConstMatrixView& a, MatrixView g, const Context& context) {
  if (const Blas* blas = context.library()) {
    syrk(*blas, 1.0, a, false, 0.0, g);
    return;
  }
  g.setZero();
  accumulate_gram(a, g, context);
}

void gram_of_rows(const ConstMatrixView& a, MatrixView g, const Context& context) {
  if (const Blas* blas = context.library()) {
    syrk(*blas, 1.0, a, true, 0.0, g);
  } else {
    multiply_by_transposed(a, a, g, context);
  }
}

void add_gram_of_rows(const ConstMatrixView& w, MatrixView g, const Context& context) {
  if (w.cols() == 0) return;
  if (const Blas* blas = context.library()) {
    syrk(*blas, 1.0, w, true, 1.0, g);
  } else {
    multiply_by_transposed(w, w, g, context, Into::add);
  }
}

void mirror_lower(MatrixView g, const Context& context) {
  constexpr Index tile = 64;
  const Index tiles = (g.rows() + tile - 1) / tile;
  parallel_for(tiles, context, [&](Index block, int) {
    const Index row = block * tile, rows = std::min(tile, g.rows() - row);
    for (Index column = row; column < g.rows(); column += tile) {
      const Index columns = std::min(tile, g.rows() - column);
      if (column == row) {
        for (Index i = 0; i < rows; ++i)
          for (Index j = i + 1; j < columns; ++j) g(row + i, column + j) = g(column + j, row + i);
      } else {
        g.block(row, column, rows, columns) = g.block(column, row, columns, rows).transpose();
      }
    }
  });
}

}  // namespace landscape::linalg
