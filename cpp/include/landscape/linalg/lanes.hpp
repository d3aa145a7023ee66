// Products of small matrices, kLanes of them at once: entry (i, j) of the matrix of lane l lies at (i, j kLanes + l),
// so that every instruction works on kLanes matrices and a matrix may be smaller than a register block.
#pragma once

#include "landscape/typedefs.hpp"

namespace landscape::linalg {

constexpr Index kLanes = Eigen::internal::packet_traits<double>::size;

// C <- A B      A (m x k), B (k x n), C (m x n) in every lane; C must not overlap A or B
void multiply_lanes(const ConstMatrixView& a, const ConstMatrixView& b, MatrixView c);

// C <- A^T B      A (k x m), B (k x n)
void multiply_lanes_transposed(const ConstMatrixView& a, const ConstMatrixView& b, MatrixView c);

// C <- A B^T      A (m x k), B (n x k)
void multiply_lanes_by_transposed(const ConstMatrixView& a, const ConstMatrixView& b, MatrixView c);

// The same with one S for all lanes: S B, S^T B, S B^T, A S and A^T S
void shared_times_lanes(const ConstMatrixView& s, const ConstMatrixView& b, MatrixView c);
void shared_transposed_times_lanes(const ConstMatrixView& s, const ConstMatrixView& b, MatrixView c);
void shared_times_lanes_transposed(const ConstMatrixView& s, const ConstMatrixView& b, MatrixView c);
void lanes_times_shared(const ConstMatrixView& a, const ConstMatrixView& s, MatrixView c);
void lanes_transposed_times_shared(const ConstMatrixView& a, const ConstMatrixView& s, MatrixView c);

// out (size kLanes) <- entry i of lane l at i kLanes + l, and back to `count` arrays
void interleave(const double* const* lanes, Index size, double* out);
void separate(const double* interleaved, Index size, double* const* lanes, Index count);

}  // namespace landscape::linalg
