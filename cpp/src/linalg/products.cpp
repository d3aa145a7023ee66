#include "landscape/linalg/products.hpp"

#include <algorithm>
#include <type_traits>

#include "landscape/parallel.hpp"

namespace landscape::linalg {

namespace {

// Eigen's packed product allocates, and on the thin matrices of these kernels it was 10 % to 60 % slower than the block
// below (benchmarks/bench_linear.py, 784-64-10 and 30-8-10): a tile of 64 x 64 over 192 stays in the first two caches.
constexpr Index kRowTile = 64;
constexpr Index kDepthTile = 192;

using Packet = Eigen::internal::packet_traits<double>::type;
constexpr Index kWidth = Eigen::internal::unpacket_traits<Packet>::size;
constexpr Index kPanel = 3 * kWidth;  // columns of a full panel: 4 x 3 accumulators fit the registers of SSE and AVX

using Unit = std::integral_constant<Index, 1>;

// out (Rows x Packets packets) <- S (Rows x depth) panel (depth x Packets packets), added to out or not; S has any two
// strides
template <Into into, int Rows, int Packets, class DepthStride>
void register_block(const double* s, Index row_stride, DepthStride depth_stride, Index depth, const double* panel,
                    double* out, Index out_stride) {
  using Eigen::internal::pload;
  using Eigen::internal::ploadu;
  using Eigen::internal::pmadd;
  using Eigen::internal::pset1;
  using Eigen::internal::pstoreu;
  Packet sum[Rows][Packets];
  for (int r = 0; r < Rows; ++r)
    for (int q = 0; q < Packets; ++q)
      sum[r][q] = into == Into::add ? ploadu<Packet>(out + r * out_stride + q * kWidth) : pset1<Packet>(0.0);
  for (Index j = 0; j < depth; ++j) {
    Packet d[Packets];
    for (int q = 0; q < Packets; ++q) d[q] = pload<Packet>(panel + (j * Packets + q) * kWidth);
    for (int r = 0; r < Rows; ++r) {
      const Packet value = pset1<Packet>(s[r * row_stride + j * depth_stride]);
      for (int q = 0; q < Packets; ++q) sum[r][q] = pmadd(value, d[q], sum[r][q]);
    }
  }
  for (int r = 0; r < Rows; ++r)
    for (int q = 0; q < Packets; ++q) pstoreu(out + r * out_stride + q * kWidth, sum[r][q]);
}

template <Into into, int Packets, class DepthStride>
void row_blocks(const double* s, Index row_stride, DepthStride depth_stride, Index rows, Index depth,
                const double* panel, double* out, Index out_stride) {
  Index i = 0;
  for (; i + 4 <= rows; i += 4)
    register_block<into, 4, Packets>(s + i * row_stride, row_stride, depth_stride, depth, panel, out + i * out_stride,
                                     out_stride);
  for (; i < rows; ++i)
    register_block<into, 1, Packets>(s + i * row_stride, row_stride, depth_stride, depth, panel, out + i * out_stride,
                                     out_stride);
}

// panel (depth x Packets packets) <- columns of B, padded with zeros
template <int Packets, class Right>
void pack_panel(const Right& b, Index column, Index columns, double* panel) {
  constexpr Index width = Packets * kWidth;
  for (Index j = 0; j < b.rows(); ++j)
    for (Index q = 0; q < width; ++q) panel[j * width + q] = q < columns ? b(j, column + q) : 0.0;
}

Index packets_for(Index columns) { return std::min<Index>(3, (columns + kWidth - 1) / kWidth); }

// Calls body(std::integral_constant<int, Packets>) for a panel of so many columns.
template <class Body>
void with_packets(Index columns, Body&& body) {
  switch (packets_for(columns)) {
    case 1:
      return body(std::integral_constant<int, 1>{});
    case 2:
      return body(std::integral_constant<int, 2>{});
    default:
      return body(std::integral_constant<int, 3>{});
  }
}

// sum <- A B for one tile: B is packed panel by panel, A is read where it lies.
template <class Left, class Right>
void tile_product(const Left& a, const Right& b, double* sum, Index sum_stride) {
  alignas(64) double panel[kDepthTile * kPanel];
  const Unit one;
  for (Index column = 0; column < b.cols(); column += kPanel) {
    const Index columns = std::min(kPanel, b.cols() - column);
    with_packets(columns, [&](auto packets) {
      pack_panel<packets.value>(b, column, columns, panel);
      if constexpr (Left::IsRowMajor)
        row_blocks<Into::overwrite, packets.value>(a.data(), a.outerStride(), one, a.rows(), b.rows(), panel,
                                                   sum + column, sum_stride);
      else
        row_blocks<Into::overwrite, packets.value>(a.data(), Index{1}, a.outerStride(), a.rows(), b.rows(), panel,
                                                   sum + column, sum_stride);
    });
  }
}

enum class Part { all, lower };

// Up to so many multiply-adds, a few tenths of a millisecond, a second thread does not pay: what it saves in one
// product is lost by waking it and by moving half of the operands to its cache (784-100-100-10 in docs/benchmarks.md).
constexpr Index kSmallProduct = 8 * 1024 * 1024;

Context threads_for(Index multiply_adds, const Context& context) {
  Context result = context;
  if (multiply_adds <= kSmallProduct) result.n_threads = 1;
  return result;
}

// Every tile is summed in a scratch of fixed stride, or straight in C where whole packets fill it: shapes alone, and
// not where C happens to lie in memory, decide which entries are computed with packets and which one by one, whose
// roundings differ.
template <class Left, class Right>
void tiled_product(const Left& a, const Right& b, MatrixView c, Into into, const Context& context,
                   Part part = Part::all) {
  constexpr Index stride = (kRowTile + kPanel - 1) / kPanel * kPanel;
  const Index row_tiles = (c.rows() + kRowTile - 1) / kRowTile, column_tiles = (c.cols() + kRowTile - 1) / kRowTile;
  parallel_for(row_tiles * column_tiles, threads_for(c.size() * a.cols(), context), [&](Index tile, int) {
    const Index row = tile / column_tiles * kRowTile, column = tile % column_tiles * kRowTile;
    if (part == Part::lower && column > row) return;
    const Index rows = std::min(kRowTile, c.rows() - row), columns = std::min(kRowTile, c.cols() - column);
    if (into == Into::overwrite && a.cols() > 0 && a.cols() <= kDepthTile && columns % kWidth == 0 &&
        part == Part::all) {
      tile_product(a.block(row, 0, rows, a.cols()), b.block(0, column, a.cols(), columns),
                   c.data() + row * c.outerStride() + column, c.outerStride());
      return;
    }
    alignas(64) double scratch[kRowTile * stride];
    alignas(64) double chunk[kRowTile * stride];
    using Tile = Eigen::Map<Matrix, Eigen::Aligned64, Eigen::OuterStride<stride>>;
    Tile sum(scratch, rows, columns), part_sum(chunk, rows, columns);
    // Each stretch of the depth is summed on its own: the error grows with 192 + depth / 192, not with the depth.
    for (Index k = 0; k < a.cols(); k += kDepthTile) {
      const Index depth = std::min(kDepthTile, a.cols() - k);
      const auto left = a.block(row, k, rows, depth);
      const auto right = b.block(k, column, depth, columns);
      tile_product(left, right, k == 0 ? scratch : chunk, stride);
      if (k > 0) sum += part_sum;
    }
    if (a.cols() == 0) sum.setZero();
    if (into == Into::add)
      c.block(row, column, rows, columns) += sum;
    else
      c.block(row, column, rows, columns) = sum;
  });
}

}  // namespace

void multiply(const ConstMatrixView& a, const ConstMatrixView& b, MatrixView c, const Context& context, Into into) {
  tiled_product(a, b, c, into, context);
}

void multiply_transposed(const ConstMatrixView& a, const ConstMatrixView& b, MatrixView c, const Context& context,
                         Into into) {
  tiled_product(a.transpose(), b, c, into, context);
}

void multiply_by_transposed(const ConstMatrixView& a, const ConstMatrixView& b, MatrixView c, const Context& context,
                            Into into) {
  tiled_product(a, b.transpose(), c, into, context);
}

void multiply_skinny(const ConstMatrixView& s, const ConstMatrixView& d, MatrixView c, Vector& pack,
                     const Context& context) {
  constexpr Index depth_block = 256;  // 256 x 12 doubles of the panel stay in the first-level cache
  const Index n = s.cols();
  const Context shared = threads_for(s.size() * d.cols(), context);
  if (pack.size() < n * kPanel) pack.resize(n * kPanel);
  for (Index column = 0; column < d.cols(); column += kPanel) {
    const Index columns = std::min(kPanel, d.cols() - column);
    with_packets(columns, [&](auto packets) {
      constexpr Index width = packets.value * kWidth;
      pack_panel<packets.value>(d, column, columns, pack.data());
      parallel_for((s.rows() + kRowTile - 1) / kRowTile, shared, [&](Index tile, int) {
        alignas(64) double out[kRowTile * width] = {};
        const Index first = tile * kRowTile, rows = std::min(kRowTile, s.rows() - first);
        for (Index j = 0; j < n; j += depth_block)
          row_blocks<Into::add, packets.value>(s.data() + first * s.outerStride() + j, s.outerStride(), Unit{}, rows,
                                               std::min(depth_block, n - j), pack.data() + j * width, out, width);
        for (Index i = 0; i < rows; ++i)
          for (Index q = 0; q < columns; ++q) c(first + i, column + q) = out[i * width + q];
      });
    });
  }
}

void accumulate_gram(const ConstMatrixView& x, MatrixView c, const Context& context) {
  if (const Blas* blas = context.library()) {
    // Row-major X (m x n) is column-major X^T (n x m); the upper triangle there is the lower one here.
    char uplo = 'U', trans = 'N';
    int n = blas_int(x.cols()), k = blas_int(x.rows()), lda = blas_int(x.outerStride()),
        ldc = blas_int(c.outerStride());
    double one = 1.0;
    blas->dsyrk(&uplo, &trans, &n, &k, &one, const_cast<double*>(x.data()), &lda, &one, c.data(), &ldc);
    return;
  }
  tiled_product(x.transpose(), x, c, Into::add, context, Part::lower);
}

void accumulate_cross(const ConstMatrixView& x, const ConstMatrixView& y, MatrixView c, const Context& context) {
  if (const Blas* blas = context.library()) {
    char none = 'N', transposed = 'T';
    int p = blas_int(y.cols()), n = blas_int(x.cols()), k = blas_int(x.rows());
    int ldy = blas_int(y.outerStride()), ldx = blas_int(x.outerStride()), ldc = blas_int(c.outerStride());
    double one = 1.0;
    blas->dgemm(&none, &transposed, &p, &n, &k, &one, const_cast<double*>(y.data()), &ldy,
                const_cast<double*>(x.data()), &ldx, &one, c.data(), &ldc);
    return;
  }
  tiled_product(x.transpose(), y, c, Into::add, context);
}

}  // namespace landscape::linalg
