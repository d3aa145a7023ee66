#include "landscape/linalg/products.hpp"

#include <algorithm>
#include <type_traits>

#include "landscape/parallel.hpp"

namespace landscape::linalg {

namespace {

// Eigen's packed product allocates, and on the thin matrices of these kernels it was 10 % to 60 % slower than the block
// below (benchmarks/bench_linear.py, 784-64-10 and 30-8-10): a panel over 192 stays in the first cache.
constexpr Index kRowTile = 64;
constexpr Index kDepthTile = 192;

using Packet = Eigen::internal::packet_traits<double>::type;
constexpr Index kWidth = Eigen::internal::unpacket_traits<Packet>::size;

// Accumulators of a block: AVX-512 has 32 registers, SSE and AVX have 16.
constexpr bool kManyRegisters = kWidth == 8;
constexpr int kBlockRows = kManyRegisters ? 8 : 4;  // times 3 packets, a packed right factor
constexpr int kFewRows = kManyRegisters ? 12 : 6;   // times 2 packets, a right factor read where it lies
constexpr int kDotRows = kManyRegisters ? 4 : 2;    // times 5 rows of the other factor
constexpr int kDotColumns = 5;
constexpr Index kPanel = 3 * kWidth;  // columns of a full panel
constexpr Index kColumnTile = 4 * kPanel;

// A product with so few rows (or, for dot products, columns) reads the large factor once and packs nothing.
constexpr Index kThin = 24;

template <Index Value>
using Constant = std::integral_constant<Index, Value>;

// Calls body(Constant<n>) for 1 <= n <= Most.
template <int Most, class Body>
void with_count(Index n, Body&& body) {
  if constexpr (Most > 0) {
    if (n == Most) return body(Constant<Most>{});
    with_count<Most - 1>(n, body);
  }
}

// Calls body(first, Constant<count>) for parts of at most Most that cover 0 <= i < n, as equal as they can be.
template <int Most, class Body>
void in_equal_parts(Index n, Body&& body) {
  Index first = 0;
  for (Index parts = (n + Most - 1) / Most; parts > 0; --parts) {
    const Index count = (n - first + parts - 1) / parts;
    with_count<Most>(count, [&](auto size) { body(first, size); });
    first += count;
  }
}

// out (Rows x Packets packets) <- S (Rows x depth) B (depth x Packets packets), added to out or not; S has any two
// strides
template <Into into, int Rows, int Packets, class DepthStride, class RightStride>
void register_block(const double* s, Index row_stride, DepthStride depth_stride, Index depth, const double* b,
                    RightStride b_stride, double* out, Index out_stride) {
  using Eigen::internal::padd;
  using Eigen::internal::ploadu;
  using Eigen::internal::pmadd;
  using Eigen::internal::pset1;
  using Eigen::internal::pstoreu;
  Packet sum[Rows][Packets];
  for (int r = 0; r < Rows; ++r)
    for (int q = 0; q < Packets; ++q) sum[r][q] = pset1<Packet>(0.0);
  for (Index j = 0; j < depth; ++j) {
    Packet d[Packets];
    for (int q = 0; q < Packets; ++q) d[q] = ploadu<Packet>(b + j * b_stride + q * kWidth);
    for (int r = 0; r < Rows; ++r) {
      const Packet value = pset1<Packet>(s[r * row_stride + j * depth_stride]);
      for (int q = 0; q < Packets; ++q) sum[r][q] = pmadd(value, d[q], sum[r][q]);
    }
  }
  for (int r = 0; r < Rows; ++r)
    for (int q = 0; q < Packets; ++q) {
      double* const to = out + r * out_stride + q * kWidth;
      pstoreu(to, into == Into::add ? padd(ploadu<Packet>(to), sum[r][q]) : sum[r][q]);
    }
}

// Two strides of a factor, the inner one known to the compiler where it is 1.
template <class Left, class Body>
void with_strides(const Left& a, Body&& body) {
  if constexpr (Left::IsRowMajor)
    body(a.outerStride(), Constant<1>{});
  else
    body(Index{1}, a.outerStride());
}

// --- both factors large: the right one is packed in panels -----------------------------------------------------------

Index packets_for(Index columns) { return std::min<Index>(3, (columns + kWidth - 1) / kWidth); }
constexpr Index in_panels(Index columns) { return (columns + kPanel - 1) / kPanel * kPanel; }

// panel (depth x width, whole packets) <- columns of B from `column` on, padded with zeros
template <class Right>
void pack_panel(const Right& b, Index column, double* panel) {
  using namespace Eigen::internal;
  const Index columns = std::min(kPanel, b.cols() - column), width = packets_for(columns) * kWidth;
  const Index whole = columns / kWidth * kWidth;
  if constexpr (Right::IsRowMajor) {
    for (Index j = 0; j < b.rows(); ++j)
      for (Index q = 0; q < whole; q += kWidth)
        pstoreu(panel + j * width + q, ploadu<Packet>(b.data() + j * b.outerStride() + column + q));
  } else {
    for (Index q = 0; q < whole; q += kWidth) {
      const double* const source = b.data() + (column + q) * b.outerStride();
      Index j = 0;
      for (; j + kWidth <= b.rows(); j += kWidth) {
        PacketBlock<Packet, kWidth> square;
        for (Index r = 0; r < kWidth; ++r) square.packet[r] = ploadu<Packet>(source + r * b.outerStride() + j);
        ptranspose(square);
        for (Index r = 0; r < kWidth; ++r) pstoreu(panel + (j + r) * width + q, square.packet[r]);
      }
      for (; j < b.rows(); ++j)
        for (Index r = 0; r < kWidth; ++r) panel[j * width + q + r] = source[r * b.outerStride() + j];
    }
  }
  for (Index j = 0; j < b.rows(); ++j)
    for (Index q = whole; q < width; ++q) panel[j * width + q] = q < columns ? b(j, column + q) : 0.0;
}

// B in panels of kPanel columns; a few rows at a time where they are read along the rows
template <class Right>
void pack(const Right& b, double* panels) {
  const Index rows = Right::IsRowMajor ? 8 : b.rows();
  for (Index j = 0; j < b.rows(); j += rows)
    for (Index column = 0; column < b.cols(); column += kPanel) {
      const Index width = packets_for(b.cols() - column) * kWidth;
      pack_panel(b.middleRows(j, std::min(rows, b.rows() - j)), column, panels + column * b.rows() + j * width);
    }
}

// C (or C +) <- A B for all rows of A and one panel, packed; `columns` of it count
template <int Packets, class DepthStride>
void panel_product(const double* a, Index row_stride, DepthStride depth_stride, Index rows, Index depth,
                   const double* panel, Index columns, double* c, Index c_stride, bool add) {
  constexpr Index width = Packets * kWidth;
  const auto run = [&](auto count, Index row, double* out, Index out_stride) {
    const double* const left = a + row * row_stride;
    if (add)
      register_block<Into::add, count.value, Packets>(left, row_stride, depth_stride, depth, panel, Constant<width>{},
                                                      out, out_stride);
    else
      register_block<Into::overwrite, count.value, Packets>(left, row_stride, depth_stride, depth, panel,
                                                            Constant<width>{}, out, out_stride);
  };
  const auto block = [&](Index row, auto count) {
    double* const out = c + row * c_stride;
    if (columns == width) return run(count, row, out, c_stride);
    alignas(64) double sum[count.value * width];
    for (Index r = 0; r < count.value; ++r)
      for (Index q = 0; q < width; ++q) sum[r * width + q] = add && q < columns ? out[r * c_stride + q] : 0.0;
    run(count, row, sum, width);
    for (Index r = 0; r < count.value; ++r) std::copy_n(sum + r * width, columns, out + r * c_stride);
  };
  Index row = 0;
  for (; row + kBlockRows <= rows; row += kBlockRows) block(row, Constant<kBlockRows>{});
  with_count<kBlockRows - 1>(rows - row, [&](auto count) { block(row, count); });
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

// C (or C +) <- A B for one tile of columns. Each stretch of the depth is summed on its own: the error grows with 192 +
// depth / 192, not with the depth.
template <class Left, class Right>
void tile_column(const Left& a, const Right& b, MatrixView c, Into into) {
  alignas(64) double panels[kDepthTile * kColumnTile];
  if (a.cols() == 0 && into == Into::overwrite) c.setZero();
  for (Index k = 0; k < a.cols(); k += kDepthTile) {
    const auto left = a.middleCols(k, std::min(kDepthTile, a.cols() - k));
    pack(b.middleRows(k, left.cols()), panels);
    with_strides(left, [&](Index row_stride, auto depth_stride) {
      for (Index column = 0; column < c.cols(); column += kPanel)
        with_count<3>(packets_for(c.cols() - column), [&](auto packets) {
          panel_product<packets.value>(left.data(), row_stride, depth_stride, left.rows(), left.cols(),
                                       panels + column * left.cols(), std::min(kPanel, c.cols() - column),
                                       c.data() + column, c.outerStride(), into == Into::add || k > 0);
        });
    });
  }
}

template <class Left, class Right>
void tiled_product(const Left& a, const Right& b, MatrixView c, Into into, const Context& context,
                   Part part = Part::all) {
  const Context shared = threads_for(c.size() * a.cols(), context);
  const Index row_tiles = (c.rows() + kRowTile - 1) / kRowTile;
  const Index column_tiles = (c.cols() + kColumnTile - 1) / kColumnTile;
  // A tile of columns is packed once for a group of row tiles: few groups where threads have enough to share, small
  // ones so that an interrupt is noticed.
  constexpr Index most = 16;
  const Index tasks = shared.n_threads > 1 ? 4 * static_cast<Index>(shared.n_threads) : 1;
  const Index groups =
      std::clamp<Index>(std::max(tasks / std::max<Index>(column_tiles, 1), (row_tiles + most - 1) / most), 1,
                        std::max<Index>(row_tiles, 1));
  parallel_for(groups * column_tiles, shared, [&](Index task, int) {
    const Index column = task / groups * kColumnTile, group = task % groups;
    const Index columns = std::min(kColumnTile, c.cols() - column);
    Index first = group * row_tiles / groups * kRowTile;
    const Index last = std::min((group + 1) * row_tiles / groups * kRowTile, c.rows());
    if (part == Part::lower) first = std::max(first, column);
    if (first < last)
      tile_column(a.middleRows(first, last - first), b.middleCols(column, columns),
                  c.block(first, column, last - first, columns), into);
  });
}

// --- few rows, or a small depth: the right factor is read where it lies, along its rows ------------------------------

// That many rows of B are multiplied at a time: each is a stream that the processor can follow.
constexpr Index kStreams = 16;

// A product of so small a depth is bound by writing C, which is written along its rows.
constexpr Index kShallow = 48;

// C (Rows x n) <- A (Rows x depth) B (depth x n), added to C or not
template <int Rows, class DepthStride>
void stripe(const double* a, Index row_stride, DepthStride depth_stride, const ConstMatrixView& b, double* c,
            Index c_stride, bool add) {
  constexpr Index pair = 2 * kWidth;
  const Index depth = b.rows(), whole = b.cols() / pair * pair, rest = b.cols() - whole;
  const auto block = [&](const double* right, Index right_stride, double* out, Index out_stride) {
    if (add)
      register_block<Into::add, Rows, 2>(a, row_stride, depth_stride, depth, right, right_stride, out, out_stride);
    else
      register_block<Into::overwrite, Rows, 2>(a, row_stride, depth_stride, depth, right, right_stride, out,
                                               out_stride);
  };
  for (Index j = 0; j < whole; j += pair) block(b.data() + j, b.outerStride(), c + j, c_stride);
  if (rest == 0) return;
  alignas(64) double edge[kShallow * pair], sum[Rows * pair];
  for (Index k = 0; k < depth; ++k)
    for (Index q = 0; q < pair; ++q) edge[k * pair + q] = q < rest ? b(k, whole + q) : 0.0;
  for (Index r = 0; r < Rows; ++r)
    for (Index q = 0; q < pair; ++q) sum[r * pair + q] = add && q < rest ? c[r * c_stride + whole + q] : 0.0;
  block(edge, pair, sum, pair);
  for (Index r = 0; r < Rows; ++r) std::copy_n(sum + r * pair, rest, c + r * c_stride + whole);
}

// C (or C +) <- A B, stripe by stripe; B has at most kShallow rows
template <class Left>
void stripes(const Left& a, const ConstMatrixView& b, double* c, Index c_stride, Into into) {
  with_strides(a, [&](Index row_stride, auto depth_stride) {
    in_equal_parts<kFewRows>(a.rows(), [&](Index row, auto rows) {
      stripe<rows.value>(a.data() + row * row_stride, row_stride, depth_stride, b, c + row * c_stride, c_stride,
                         into == Into::add);
    });
  });
}

// C has at most kThin rows: each stretch of B is read once.
template <class Left>
void thin_product(const Left& a, const ConstMatrixView& b, MatrixView c, Into into, const Context& context) {
  const Context shared = threads_for(c.size() * a.cols(), context);
  const Index tile = shared.n_threads > 1 ? 256 : c.cols();
  const Index part = c.rows() > kFewRows ? 128 : tile;  // what several stripes read stays in the first cache
  parallel_for((c.cols() + tile - 1) / tile, shared, [&](Index task, int) {
    const Index first = task * tile, last = std::min(c.cols(), first + tile);
    for (Index k = 0; k < a.cols(); k += kStreams) {
      const Index depth = std::min(kStreams, a.cols() - k);
      for (Index column = first; column < last; column += part)
        stripes(a.middleCols(k, depth), b.block(k, column, depth, std::min(part, last - column)), c.data() + column,
                c.outerStride(), k == 0 ? into : Into::add);
    }
  });
}

template <class Left>
void shallow_product(const Left& a, const ConstMatrixView& b, MatrixView c, Into into, const Context& context) {
  parallel_for((c.rows() + kRowTile - 1) / kRowTile, threads_for(c.size() * a.cols(), context), [&](Index task, int) {
    const Index row = task * kRowTile, rows = std::min(kRowTile, c.rows() - row);
    stripes(a.middleRows(row, rows), b, c.data() + row * c.outerStride(), c.outerStride(), into);
  });
}

// Shapes decide, so that an entry is rounded the same way whatever the threads.
template <class Left>
void any_product(const Left& a, const ConstMatrixView& b, MatrixView c, Into into, const Context& context) {
  const bool wide = c.cols() >= 4 * kWidth && a.cols() > 0;
  if (wide && c.rows() <= kThin)
    thin_product(a, b, c, into, context);
  else if (wide && a.cols() <= kShallow)
    shallow_product(a, b, c, into, context);
  else
    tiled_product(a, b, c, into, context);
}

// --- few rows of one factor, the other transposed: dot products ------------------------------------------------------

// out(r, q) <- <row r of A, row q of B>, added to out or not
template <int Rows, int Columns>
void dot_block(const double* a, Index a_stride, const double* b, Index b_stride, Index depth, bool add, double* out,
               Index row_stride, Index column_stride) {
  using Eigen::internal::ploadu;
  using Eigen::internal::pmadd;
  using Eigen::internal::pset1;
  Packet sum[Rows][Columns];
  for (int r = 0; r < Rows; ++r)
    for (int q = 0; q < Columns; ++q) sum[r][q] = pset1<Packet>(0.0);
  const auto accumulate = [&](const double* left, Index left_stride, const double* right, Index right_stride) {
    Packet d[Columns];
    for (int q = 0; q < Columns; ++q) d[q] = ploadu<Packet>(right + q * right_stride);
    for (int r = 0; r < Rows; ++r) {
      const Packet value = ploadu<Packet>(left + r * left_stride);
      for (int q = 0; q < Columns; ++q) sum[r][q] = pmadd(value, d[q], sum[r][q]);
    }
  };
  Index j = 0;
  for (; j + kWidth <= depth; j += kWidth) accumulate(a + j, a_stride, b + j, b_stride);
  if (j < depth) {
    double left[Rows * kWidth] = {}, right[Columns * kWidth] = {};
    for (int r = 0; r < Rows; ++r) std::copy_n(a + r * a_stride + j, depth - j, left + r * kWidth);
    for (int q = 0; q < Columns; ++q) std::copy_n(b + q * b_stride + j, depth - j, right + q * kWidth);
    accumulate(left, kWidth, right, kWidth);
  }
  for (int r = 0; r < Rows; ++r)
    for (int q = 0; q < Columns; ++q) {
      double& entry = out[r * row_stride + q * column_stride];
      const double dot = Eigen::internal::predux(sum[r][q]);
      entry = add ? entry + dot : dot;
    }
}

// out <- A B^T for a factor A of many rows and a factor B of few, entry (i, q) at out[i row_stride + q column_stride]
void dot_products(const ConstMatrixView& a, const ConstMatrixView& b, double* out, Index row_stride,
                  Index column_stride, Into into, const Context& context) {
  constexpr Index stretch = kDepthTile * kWidth;
  parallel_for((a.rows() + kRowTile - 1) / kRowTile, threads_for(a.size() * b.rows(), context), [&](Index task, int) {
    const Index last = std::min(a.rows(), (task + 1) * kRowTile);
    for (Index k = 0; k < a.cols(); k += stretch) {
      const Index depth = std::min(stretch, a.cols() - k);
      const auto block = [&](Index i, auto rows) {
        in_equal_parts<kDotColumns>(b.rows(), [&](Index q, auto columns) {
          dot_block<rows.value, columns.value>(
              a.data() + i * a.outerStride() + k, a.outerStride(), b.data() + q * b.outerStride() + k, b.outerStride(),
              depth, into == Into::add || k > 0, out + i * row_stride + q * column_stride, row_stride, column_stride);
        });
      };
      Index i = task * kRowTile;
      for (; i + kDotRows <= last; i += kDotRows) block(i, Constant<kDotRows>{});
      with_count<kDotRows - 1>(last - i, [&](auto rows) { block(i, rows); });
    }
  });
}

}  // namespace

void multiply(const ConstMatrixView& a, const ConstMatrixView& b, MatrixView c, const Context& context, Into into) {
  any_product(a, b, c, into, context);
}

void multiply_transposed(const ConstMatrixView& a, const ConstMatrixView& b, MatrixView c, const Context& context,
                         Into into) {
  any_product(a.transpose(), b, c, into, context);
}

void multiply_by_transposed(const ConstMatrixView& a, const ConstMatrixView& b, MatrixView c, const Context& context,
                            Into into) {
  const bool thin = std::min(c.rows(), c.cols()) <= kThin && a.cols() >= 4 * kWidth;
  if (!thin)
    tiled_product(a, b.transpose(), c, into, context);
  else if (c.rows() <= c.cols())
    dot_products(b, a, c.data(), 1, c.outerStride(), into, context);
  else
    dot_products(a, b, c.data(), c.outerStride(), 1, into, context);
}

void multiply_skinny(const ConstMatrixView& s, const ConstMatrixView& d, MatrixView c, Vector& scratch,
                     const Context& context) {
  constexpr Index depth_block = 256;  // that many rows of a panel stay in the first-level cache
  const Index n = s.cols();
  if (n == 0) c.setZero();
  const Context shared = threads_for(s.size() * d.cols(), context);
  const Index room = n * in_panels(std::min(d.cols(), kColumnTile));
  if (scratch.size() < room) scratch.resize(room);
  for (Index first = 0; first < d.cols(); first += kColumnTile) {  // columns for which a stretch of S is read once
    const Index columns = std::min(kColumnTile, d.cols() - first);
    pack(d.middleCols(first, columns), scratch.data());
    parallel_for((s.rows() + kRowTile - 1) / kRowTile, shared, [&](Index tile, int) {
      const Index row = tile * kRowTile, rows = std::min(kRowTile, s.rows() - row);
      for (Index j = 0; j < n; j += depth_block)
        for (Index column = 0; column < columns; column += kPanel)
          with_count<3>(packets_for(columns - column), [&](auto packets) {
            panel_product<packets.value>(s.data() + row * s.outerStride() + j, s.outerStride(), Constant<1>{}, rows,
                                         std::min(depth_block, n - j),
                                         scratch.data() + column * n + j * packets.value * kWidth,
                                         std::min(kPanel, columns - column),
                                         c.data() + row * c.outerStride() + first + column, c.outerStride(), j > 0);
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
