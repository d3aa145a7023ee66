// Determinants of matrices of order up to 5 in exact arithmetic: expansions, sums of doubles that do not overlap, in
// order of growing size (Shewchuk 1997). Exact as long as no product under- or overflows.
#pragma once

#include <array>

#include "landscape/typedefs.hpp"

namespace landscape::homogeneous {

constexpr int kLargestOrder = 5;

// A square matrix; entry (i, c) is entries[5 i + c].
struct SmallMatrix {
  int order = 0;
  std::array<double, kLargestOrder * kLargestOrder> entries;
  double& operator()(int i, int c) { return entries[static_cast<std::size_t>(kLargestOrder * i + c)]; }
  double operator()(int i, int c) const { return entries[static_cast<std::size_t>(kLargestOrder * i + c)]; }
};

// det A in working precision and what its terms add up to in absolute value: |determinant - det A| <= 4 k u terms.
struct PlainDeterminant {
  double value, terms;
};
PlainDeterminant plain_determinant(const SmallMatrix& a);

// det A to a relative error of 4 u, so zero and sign are exact. `short_entries`: plain arithmetic is exact for A.
double determinant(const SmallMatrix& a, bool short_entries);

int sign_of_determinant(const SmallMatrix& a, bool short_entries);

}  // namespace landscape::homogeneous
