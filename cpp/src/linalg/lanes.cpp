#include "landscape/linalg/lanes.hpp"

namespace landscape::linalg {

namespace {

using Packet = Eigen::internal::packet_traits<double>::type;

// A factor with two strides, in doubles: a transpose swaps them. A shared one has one number for all lanes.
template <bool Shared>
struct Factor {
  const double* data;
  Index row_stride, column_stride;
  const double* at(Index i, Index j) const { return data + i * row_stride + j * column_stride; }
  Packet packet(Index i, Index j) const {
    if constexpr (Shared)
      return Eigen::internal::pset1<Packet>(*at(i, j));
    else
      return Eigen::internal::ploadu<Packet>(at(i, j));
  }
};
using Own = Factor<false>;
using Common = Factor<true>;

Own plain(const ConstMatrixView& a) { return {a.data(), a.outerStride(), kLanes}; }
Own transposed(const ConstMatrixView& a) { return {a.data(), kLanes, a.outerStride()}; }
Common shared(const ConstMatrixView& s) { return {s.data(), s.outerStride(), 1}; }
Common shared_transposed(const ConstMatrixView& s) { return {s.data(), 1, s.outerStride()}; }

// c (Rows x Cols) <- rows i.. of A (x depth) times columns j.. of B
template <int Rows, int Cols, class Left, class Right>
void block(const Left& a, const Right& b, Index i, Index j, Index depth, MatrixView& c) {
  using Eigen::internal::pmadd;
  using Eigen::internal::pset1;
  using Eigen::internal::pstoreu;
  Packet sum[Rows][Cols];
  for (int r = 0; r < Rows; ++r)
    for (int q = 0; q < Cols; ++q) sum[r][q] = pset1<Packet>(0.0);
  for (Index p = 0; p < depth; ++p) {
    Packet right[Cols];
    for (int q = 0; q < Cols; ++q) right[q] = b.packet(p, j + q);
    for (int r = 0; r < Rows; ++r) {
      const Packet left = a.packet(i + r, p);
      for (int q = 0; q < Cols; ++q) sum[r][q] = pmadd(left, right[q], sum[r][q]);
    }
  }
  for (int r = 0; r < Rows; ++r)
    for (int q = 0; q < Cols; ++q) pstoreu(c.data() + (i + r) * c.outerStride() + (j + q) * kLanes, sum[r][q]);
}

template <int Rows, class Left, class Right>
void row_band(const Left& a, const Right& b, Index i, Index cols, Index depth, MatrixView& c) {
  Index j = 0;
  for (; cols - j == 3 || cols - j > 4; j += 3) block<Rows, 3>(a, b, i, j, depth, c);
  for (; cols - j >= 2; j += 2) block<Rows, 2>(a, b, i, j, depth, c);
  for (; j < cols; ++j) block<Rows, 1>(a, b, i, j, depth, c);
}

template <class Left, class Right>
void lane_product(const Left& a, const Right& b, Index depth, MatrixView& c) {
  const Index cols = c.cols() / kLanes;
  Index i = 0;
  for (; i + 4 <= c.rows(); i += 4) row_band<4>(a, b, i, cols, depth, c);
  for (; i + 2 <= c.rows(); i += 2) row_band<2>(a, b, i, cols, depth, c);
  for (; i < c.rows(); ++i) row_band<1>(a, b, i, cols, depth, c);
}

}  // namespace

void multiply_lanes(const ConstMatrixView& a, const ConstMatrixView& b, MatrixView c) {
  lane_product(plain(a), plain(b), b.rows(), c);
}

void multiply_lanes_transposed(const ConstMatrixView& a, const ConstMatrixView& b, MatrixView c) {
  lane_product(transposed(a), plain(b), b.rows(), c);
}

void multiply_lanes_by_transposed(const ConstMatrixView& a, const ConstMatrixView& b, MatrixView c) {
  lane_product(plain(a), transposed(b), a.cols() / kLanes, c);
}

void shared_times_lanes(const ConstMatrixView& s, const ConstMatrixView& b, MatrixView c) {
  lane_product(shared(s), plain(b), b.rows(), c);
}

void shared_transposed_times_lanes(const ConstMatrixView& s, const ConstMatrixView& b, MatrixView c) {
  lane_product(shared_transposed(s), plain(b), b.rows(), c);
}

void shared_times_lanes_transposed(const ConstMatrixView& s, const ConstMatrixView& b, MatrixView c) {
  lane_product(shared(s), transposed(b), s.cols(), c);
}

void lanes_times_shared(const ConstMatrixView& a, const ConstMatrixView& s, MatrixView c) {
  lane_product(plain(a), shared(s), s.rows(), c);
}

void lanes_transposed_times_shared(const ConstMatrixView& a, const ConstMatrixView& s, MatrixView c) {
  lane_product(transposed(a), shared(s), s.rows(), c);
}

namespace {

using LanesTile = Eigen::internal::PacketBlock<Packet, kLanes>;

}  // namespace

void interleave(const double* const* lanes, Index size, double* out) {
  Index i = 0;
  for (; i + kLanes <= size; i += kLanes) {
    LanesTile tile;
    for (Index l = 0; l < kLanes; ++l) tile.packet[l] = Eigen::internal::ploadu<Packet>(lanes[l] + i);
    Eigen::internal::ptranspose(tile);
    for (Index l = 0; l < kLanes; ++l) Eigen::internal::pstoreu(out + (i + l) * kLanes, tile.packet[l]);
  }
  for (; i < size; ++i)
    for (Index l = 0; l < kLanes; ++l) out[i * kLanes + l] = lanes[l][i];
}

void separate(const double* interleaved, Index size, double* const* lanes, Index count) {
  Index i = 0;
  for (; i + kLanes <= size; i += kLanes) {
    LanesTile tile;
    for (Index l = 0; l < kLanes; ++l) tile.packet[l] = Eigen::internal::ploadu<Packet>(interleaved + (i + l) * kLanes);
    Eigen::internal::ptranspose(tile);
    for (Index l = 0; l < count; ++l) Eigen::internal::pstoreu(lanes[l] + i, tile.packet[l]);
  }
  for (; i < size; ++i)
    for (Index l = 0; l < count; ++l) lanes[l][i] = interleaved[i * kLanes + l];
}

}  // namespace landscape::linalg
