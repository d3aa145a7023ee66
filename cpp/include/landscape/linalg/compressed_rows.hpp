// Sparse matrices in compressed rows, kept in both orders so that A x and A^T x are both sums over stored rows: every
// output is summed by one thread in one order.
#pragma once

#include <cstdint>
#include <vector>

#include "landscape/context.hpp"
#include "landscape/typedefs.hpp"

namespace landscape::linalg {

// Row i holds entries starts[i] .. starts[i + 1] - 1, its columns ascending and distinct.
struct CompressedRows {
  Index rows = 0, cols = 0;
  const std::int64_t* starts = nullptr;  // rows + 1
  const std::int32_t* columns = nullptr;
  const double* values = nullptr;

  Index entries() const { return rows > 0 ? static_cast<Index>(starts[rows]) : 0; }
  Index longest_row() const;
};

// out <- A x      A (m x n) sparse, x (n x k), out (m x k)
void multiply(const CompressedRows& a, const ConstMatrixView& x, MatrixView out, const Context& context);

// lower triangle of G <- scale^2 A A^T, the strict upper one is left alone      A (m x n), `transposed` = A^T
//
// Row i of G is the sum of a_ik times column k, in the order of k (Gustavson 1978).
void gram_of_rows(const CompressedRows& a, const CompressedRows& transposed, double scale, MatrixView g,
                  const Context& context);

struct OwnedCompressedRows {
  std::vector<std::int64_t> starts;
  std::vector<std::int32_t> columns;
  std::vector<double> values;
  CompressedRows view;

  OwnedCompressedRows() = default;
  OwnedCompressedRows(OwnedCompressedRows&&) = default;
  OwnedCompressedRows& operator=(OwnedCompressedRows&&) = default;
};
OwnedCompressedRows transpose(const CompressedRows& a);

}  // namespace landscape::linalg
