#include "landscape/linalg/products.hpp"

#include "landscape/parallel.hpp"

namespace landscape::linalg {

namespace {

// 64 x 192 doubles are 96 KB, below the 128 KB that Eigen packs on the stack (EIGEN_STACK_ALLOCATION_LIMIT).
constexpr Index kRowTile = 64;
constexpr Index kDepthTile = 192;

int as_int(Index value) { return static_cast<int>(value); }

enum class Part { all, lower };

// Every tile is summed in an aligned scratch of fixed stride: where C happens to lie in memory must not decide which of
// its entries Eigen computes with packets and which one by one, whose roundings differ.
template <class Left, class Right>
void tiled_product(const Left& a, const Right& b, MatrixView c, Into into, const Context& context,
                   Part part = Part::all) {
  const Index row_tiles = (c.rows() + kRowTile - 1) / kRowTile, column_tiles = (c.cols() + kRowTile - 1) / kRowTile;
  parallel_for(row_tiles * column_tiles, context, [&](Index tile, int) {
    const Index row = tile / column_tiles * kRowTile, column = tile % column_tiles * kRowTile;
    if (part == Part::lower && column > row) return;
    const Index rows = std::min(kRowTile, c.rows() - row), columns = std::min(kRowTile, c.cols() - column);
    alignas(64) double scratch[kRowTile * kRowTile];
    const Index stride = (columns + 7) / 8 * 8;
    Eigen::Map<Matrix, Eigen::Aligned64, Eigen::OuterStride<>> sum(scratch, rows, columns,
                                                                  Eigen::OuterStride<>(stride));
    if (into == Into::add)
      sum = c.block(row, column, rows, columns);
    else
      sum.setZero();
    for (Index k = 0; k < a.cols(); k += kDepthTile) {
      const Index depth = std::min(kDepthTile, a.cols() - k);
      sum.noalias() += a.block(row, k, rows, depth) * b.block(k, column, depth, columns);
    }
    c.block(row, column, rows, columns) = sum;
  });
}

// C (4 rows x Packets packets) <- C + S (4 x depth) panel (depth x Packets packets)
template <int Packets>
void skinny_block(const double* s, Index stride, Index depth, const double* panel, double* out) {
  using Packet = Eigen::internal::packet_traits<double>::type;
  using Eigen::internal::pload;
  using Eigen::internal::pmadd;
  using Eigen::internal::pset1;
  using Eigen::internal::pstore;
  constexpr int width = Eigen::internal::unpacket_traits<Packet>::size;
  Packet sum[4][Packets];
  for (int r = 0; r < 4; ++r)
    for (int q = 0; q < Packets; ++q) sum[r][q] = pload<Packet>(out + (r * Packets + q) * width);
  for (Index j = 0; j < depth; ++j) {
    Packet d[Packets];
    for (int q = 0; q < Packets; ++q) d[q] = pload<Packet>(panel + (j * Packets + q) * width);
    for (int r = 0; r < 4; ++r) {
      const Packet value = pset1<Packet>(s[r * stride + j]);
      for (int q = 0; q < Packets; ++q) sum[r][q] = pmadd(value, d[q], sum[r][q]);
    }
  }
  for (int r = 0; r < 4; ++r)
    for (int q = 0; q < Packets; ++q) pstore(out + (r * Packets + q) * width, sum[r][q]);
}

// One panel of at most Packets packets of columns of D, packed and padded with zeros.
template <int Packets>
void skinny_panel(const ConstMatrixView& s, const ConstMatrixView& d, Index column, Index columns, MatrixView c,
                  double* panel, const Context& context) {
  constexpr Index width = Packets * Eigen::internal::unpacket_traits<Eigen::internal::packet_traits<double>::type>::size;
  constexpr Index depth_block = 256;  // 256 x 12 doubles of the panel stay in the first-level cache
  const Index n = s.cols();
  for (Index j = 0; j < n; ++j)
    for (Index q = 0; q < width; ++q) panel[j * width + q] = q < columns ? d(j, column + q) : 0.0;
  const Index tiles = (s.rows() + kRowTile - 1) / kRowTile;
  parallel_for(tiles, context, [&](Index tile, int) {
    alignas(64) double out[(kRowTile + 4) * width] = {};
    const Index first = tile * kRowTile;
    const Index rows = std::min(kRowTile, s.rows() - first);
    const Index full = rows - rows % 4;
    for (Index j = 0; j < n; j += depth_block) {
      const Index depth = std::min(depth_block, n - j);
      for (Index i = 0; i < full; i += 4)
        skinny_block<Packets>(&s.coeffRef(first + i, j), s.outerStride(), depth, panel + j * width, out + i * width);
      for (Index i = full; i < rows; ++i)
        for (Index k = 0; k < depth; ++k)
          for (Index q = 0; q < width; ++q)
            out[i * width + q] += s(first + i, j + k) * panel[(j + k) * width + q];
    }
    for (Index i = 0; i < rows; ++i)
      for (Index q = 0; q < columns; ++q) c(first + i, column + q) = out[i * width + q];
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
  constexpr Index width = Eigen::internal::unpacket_traits<Eigen::internal::packet_traits<double>::type>::size;
  const Index needed = s.cols() * 3 * width;
  if (pack.size() < needed) pack.resize(needed);
  for (Index column = 0; column < d.cols(); column += 3 * width) {
    const Index columns = std::min(3 * width, d.cols() - column);
    if (columns > 2 * width)
      skinny_panel<3>(s, d, column, columns, c, pack.data(), context);
    else if (columns > width)
      skinny_panel<2>(s, d, column, columns, c, pack.data(), context);
    else
      skinny_panel<1>(s, d, column, columns, c, pack.data(), context);
  }
}

void accumulate_gram(const ConstMatrixView& x, MatrixView c, const Context& context) {
  if (const Blas* blas = context.library()) {
    // Row-major X (m x n) is column-major X^T (n x m); the upper triangle there is the lower one here.
    char uplo = 'U', trans = 'N';
    int n = as_int(x.cols()), k = as_int(x.rows()), lda = as_int(x.outerStride()), ldc = as_int(c.outerStride());
    double one = 1.0;
    blas->dsyrk(&uplo, &trans, &n, &k, &one, const_cast<double*>(x.data()), &lda, &one, c.data(), &ldc);
    return;
  }
  tiled_product(x.transpose(), x, c, Into::add, context, Part::lower);
}

void accumulate_cross(const ConstMatrixView& x, const ConstMatrixView& y, MatrixView c, const Context& context) {
  if (const Blas* blas = context.library()) {
    char none = 'N', transposed = 'T';
    int p = as_int(y.cols()), n = as_int(x.cols()), k = as_int(x.rows());
    int ldy = as_int(y.outerStride()), ldx = as_int(x.outerStride()), ldc = as_int(c.outerStride());
    double one = 1.0;
    blas->dgemm(&none, &transposed, &p, &n, &k, &one, const_cast<double*>(y.data()), &ldy,
                const_cast<double*>(x.data()), &ldx, &one, c.data(), &ldc);
    return;
  }
  tiled_product(x.transpose(), y, c, Into::add, context);
}

}  // namespace landscape::linalg
