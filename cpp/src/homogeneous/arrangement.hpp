// f(w) = |sum_i act(x_i . w) q_i|_2, act(t) = max(t, a t), made ready for the enumeration of faces: scaled, samples on
// one line through 0 merged into one hyperplane, and every matrix A on a cone a sum of integers.
#pragma once

#include <cstdint>
#include <vector>

#include "landscape/typedefs.hpp"

namespace landscape::homogeneous {

// x_i <- 2^-e_i x_i with its largest entry in [1/2, 1), q_i <- 2^(e_i - e) q_i with the largest of all in [1/2, 1), so
// that f = 2^e times the scaled f. Entries of x_i below 2^-150 are set to zero: products of five stay exact.
struct ScaledUnits {
  Eigen::MatrixXd x, q;  // m x max(d, 3), m x nL, without the samples that contribute nothing
  double slope = 0.0;
  int exponent = 0;
  double dropped = 0.0;  // |f - scaled f| <= dropped, in scaled units

  ScaledUnits(const ConstMatrixView& x, const ConstMatrixView& q, double slope);

  struct Workspace {
    Vector t, weight, output;
  };
  // f(w), and if asked its gradient A^T A w, to working precision
  double value(const Vector& w, Workspace& space, Vector* gradient = nullptr) const;
  // f(w / |w|) with all rounding taken off
  double lower(const Vector& w) const;
};

// Hyperplane k is g_k . w = 0 (g_k the first of its samples). On a cone,
//   A = base + sum over g_k . w > 0 of jump_k,      jump_k = (1 - a) sum_i (+-1) q_i x_i^T  over its samples,
// in multiples of `unit`, so any order of additions gives the same A. Hyperplanes without a jump are left out.
struct Arrangement {
  Index dimension = 0, outputs = 0, size = 0;  // D, nL, n
  Matrix normals;                              // D x n: g_k in column k
  std::vector<std::int64_t> jumps;             // n x (D nL): entry (l, c) of jump_k at k D nL + c nL + l
  std::vector<std::int64_t> base, total;       // total = A(w) + A(-w)
  double unit = 0.0;
  double error = 0.0;          // |A - computed A|_F <= error
  double largest = 0.0;        // |A|_F <= largest
  bool short_entries = false;  // determinants of D normals are exact in working precision

  // Hyperplanes nearest to w come first.
  Arrangement(const ScaledUnits& units, const Vector& w);
};

}  // namespace landscape::homogeneous
