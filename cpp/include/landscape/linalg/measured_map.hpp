// A LinearMap together with what a proof needs to know about it: how large it is and how exactly it is applied.
#pragma once

#include <functional>

#include "landscape/linalg/compressed_rows.hpp"
#include "landscape/linalg/linear_map.hpp"

namespace landscape::linalg {

struct MeasuredMap {
  using Gram = std::function<void(double scale, MatrixView g, const Context& context)>;

  LinearMap map;
  double frobenius = 0.0;  // >= |A|_F, rounding included
  Index depth = 1;         // |fl(A x) - A x|_2 <= gamma_depth |A|_F |x|_2 in exact sums, and the same for A^T
  // Lower triangle of G <- scale^2 A^T A (cols <= rows) or scale^2 A A^T, each entry a sum of `gram_depth` products of
  // entries of scale A; absent when the entries of A are not at hand.
  Gram gram;
  Index gram_depth = 0;
};

// Frobenius norm rounded up, without over- or underflow; throws std::invalid_argument unless it is finite.
double frobenius_upper(const double* values, Index count);

// The views must outlive the result.
MeasuredMap measured(const ConstMatrixView& a);
MeasuredMap measured(const CompressedRows& a, const CompressedRows& transposed);

// Any map: the caller answers for the norm and for the number of roundings on the way to one entry of a product.
MeasuredMap measured(LinearMap map, double frobenius, Index depth);

// 2^-k that brings the Frobenius norm near 1, or 1 when its squares neither over- nor underflow
double safe_scale(double frobenius);

}  // namespace landscape::linalg
