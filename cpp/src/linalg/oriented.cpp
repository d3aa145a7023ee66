#include "oriented.hpp"

#include <algorithm>
#include <cmath>

#include "landscape/linalg/cholesky.hpp"

namespace landscape::linalg {

bool worth_materialising(const MeasuredMap& a, Index order_limit) {
  constexpr Index most_entries = Index{1} << 25;  // 256 MiB
  return !a.gram && std::min(a.map.rows, a.map.cols) <= order_limit && a.map.rows * a.map.cols <= most_entries;
}

Materialised materialise(const MeasuredMap& a, const Context& context) {
  constexpr Index block = 64;
  const bool by_columns = a.map.cols <= a.map.rows;
  const Index count = by_columns ? a.map.cols : a.map.rows;
  Matrix entries(by_columns ? a.map.rows : a.map.cols, count);
  for (Index first = 0; first < count; first += block) {
    const Index columns = std::min(block, count - first);
    Matrix unit = Matrix::Zero(count, columns), image(entries.rows(), columns);
    for (Index c = 0; c < columns; ++c) unit(first + c, c) = 1.0;
    (by_columns ? a.map.apply : a.map.apply_transposed)(unit, image, context);
    entries.middleCols(first, columns) = image;
  }
  Materialised result;
  if (by_columns)
    result.entries.swap(entries);
  else
    result.entries = entries.transpose();
  // Every column is off by at most gamma |A|_F.
  result.error = rounding_gamma(a.depth) * a.frobenius * std::sqrt(static_cast<double>(count)) * (1.0 + 1e-10);
  return result;
}

}  // namespace landscape::linalg
