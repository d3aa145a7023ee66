#include "landscape/linalg/compressed_rows.hpp"

#include <algorithm>
#include <limits>

#include "landscape/errors.hpp"
#include "landscape/parallel.hpp"

namespace landscape::linalg {

namespace {

constexpr Index kEntriesPerBlock = 8192;

// The first row of block b when the stored entries are cut into blocks of nearly equal size.
Index block_start(const CompressedRows& a, Index block, Index blocks) {
  if (block >= blocks) return a.rows;
  const std::int64_t entry = a.starts[a.rows] / blocks * block;
  return std::lower_bound(a.starts, a.starts + a.rows, entry) - a.starts;
}

template <int Columns>
void multiply_columns(const CompressedRows& a, const ConstMatrixView& x, MatrixView out, Index column, Index begin,
                      Index end) {
  const Index x_stride = x.outerStride(), out_stride = out.outerStride();
  const double* const from = x.data() + column;
  for (Index i = begin; i < end; ++i) {
    double sum[Columns] = {};
    for (std::int64_t e = a.starts[i]; e < a.starts[i + 1]; ++e) {
      const double value = a.values[e];
      const double* const row = from + a.columns[e] * x_stride;
      for (int c = 0; c < Columns; ++c) sum[c] += value * row[c];
    }
    double* const to = out.data() + i * out_stride + column;
    for (int c = 0; c < Columns; ++c) to[c] = sum[c];
  }
}

}  // namespace

Index CompressedRows::longest_row() const {
  std::int64_t longest = 0;
  for (Index i = 0; i < rows; ++i) longest = std::max(longest, starts[i + 1] - starts[i]);
  return static_cast<Index>(longest);
}

void multiply(const CompressedRows& a, const ConstMatrixView& x, MatrixView out, const Context& context) {
  if (a.rows == 0) return;
  const Index blocks = std::max<Index>(1, std::min(a.rows, a.entries() / kEntriesPerBlock));
  parallel_for(blocks, context, [&](Index block, int) {
    const Index begin = block == 0 ? 0 : block_start(a, block, blocks), end = block_start(a, block + 1, blocks);
    Index column = 0;
    for (; column + 8 <= x.cols(); column += 8) multiply_columns<8>(a, x, out, column, begin, end);
    for (; column + 4 <= x.cols(); column += 4) multiply_columns<4>(a, x, out, column, begin, end);
    for (; column < x.cols(); ++column) multiply_columns<1>(a, x, out, column, begin, end);
  });
}

void gram_of_rows(const CompressedRows& a, const CompressedRows& transposed, double scale, MatrixView g,
                  const Context& context) {
  constexpr Index rows_per_block = 16;
  const Index blocks = (a.rows + rows_per_block - 1) / rows_per_block;
  // A late row of the triangle costs more than an early one: an item is a block from each end.
  parallel_for((blocks + 1) / 2, context, [&](Index item, int) {
    const Index ends[2] = {item, blocks - 1 - item};
    for (int side = 0; side < (ends[0] == ends[1] ? 1 : 2); ++side) {
      const Index begin = ends[side] * rows_per_block, end = std::min(a.rows, begin + rows_per_block);
      for (Index i = begin; i < end; ++i) {
        double* const row = g.data() + i * g.outerStride();
        std::fill_n(row, i + 1, 0.0);
        for (std::int64_t e = a.starts[i]; e < a.starts[i + 1]; ++e) {
          const double value = scale * a.values[e];
          const Index k = a.columns[e];
          const std::int64_t last = transposed.starts[k + 1];
          for (std::int64_t f = transposed.starts[k]; f < last && transposed.columns[f] <= i; ++f)
            row[transposed.columns[f]] += value * (scale * transposed.values[f]);
        }
      }
    }
  });
}

OwnedCompressedRows transpose(const CompressedRows& a) {
  require(a.rows <= std::numeric_limits<std::int32_t>::max(), "a sparse matrix may have at most 2^31 - 1 rows");
  OwnedCompressedRows result;
  result.starts.assign(static_cast<std::size_t>(a.cols + 1), 0);
  result.columns.resize(static_cast<std::size_t>(a.entries()));
  result.values.resize(static_cast<std::size_t>(a.entries()));
  for (Index e = 0; e < a.entries(); ++e) ++result.starts[static_cast<std::size_t>(a.columns[e]) + 1];
  for (Index j = 0; j < a.cols; ++j) result.starts[j + 1] += result.starts[j];
  std::vector<std::int64_t> next(result.starts.begin(), result.starts.end() - 1);
  for (Index i = 0; i < a.rows; ++i) {
    for (std::int64_t e = a.starts[i]; e < a.starts[i + 1]; ++e) {
      const std::int64_t at = next[static_cast<std::size_t>(a.columns[e])]++;
      result.columns[at] = static_cast<std::int32_t>(i);
      result.values[at] = a.values[e];
    }
  }
  result.view = {a.cols, a.rows, result.starts.data(), result.columns.data(), result.values.data()};
  return result;
}

}  // namespace landscape::linalg
