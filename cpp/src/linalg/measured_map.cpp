#include "landscape/linalg/measured_map.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "dense_operations.hpp"
#include "landscape/errors.hpp"
#include "landscape/linalg/cholesky.hpp"

namespace landscape::linalg {

namespace {

// Squares of numbers between these stay normal after sums of any length that fits a machine.
constexpr double kSmallest = 0x1.0p-200, kLargest = 0x1.0p200;

// sqrt(sum of squares) from chunks of 4096, so the error grows with 4096 + count / 4096 roundings
template <class Chunk>
double frobenius_of(double largest, Index chunks, Index longest, Chunk&& chunk) {
  require(std::isfinite(largest), "the matrix must be finite");
  if (largest == 0.0) return 0.0;
  const double scale =
      largest < kSmallest || largest > kLargest ? std::ldexp(1.0, std::min(1023, -std::ilogb(largest))) : 1.0;
  double sum = 0.0;
  for (Index c = 0; c < chunks; ++c) sum += chunk(c, scale);
  // Dividing by a power of two may be inexact only where the norm is subnormal: hence the smallest normal number.
  const double norm = std::sqrt(sum * (1.0 + 2.0 * rounding_gamma(longest + chunks + 4))) / scale + 0x1.0p-1022;
  require(std::isfinite(norm), "the Frobenius norm of the matrix must be below the largest double");
  return norm;
}

}  // namespace

double frobenius_upper(const double* values, Index count) {
  constexpr Index length = 4096;
  double largest = 0.0;
  for (Index i = 0; i < count; ++i) {
    const double size = std::abs(values[i]);
    if (!(size <= largest)) largest = size;  // NaN as well, which no later comparison replaces by a number
    if (std::isnan(size)) break;
  }
  return frobenius_of(largest, (count + length - 1) / length, length, [&](Index c, double scale) {
    const Index begin = c * length;
    return (scale * ConstVectorMap(values + begin, std::min(length, count - begin))).squaredNorm();
  });
}

MeasuredMap measured(const ConstMatrixView& a) {
  MeasuredMap result;
  const double largest = a.size() > 0 ? a.cwiseAbs().maxCoeff<Eigen::PropagateNaN>() : 0.0;
  result.frobenius = frobenius_of(largest, a.rows(), a.cols(),
                                  [&](Index i, double scale) { return (scale * a.row(i)).squaredNorm(); });
  result.depth = std::max(a.rows(), a.cols()) + 2;
  result.gram_depth = result.depth;
  const Eigen::Map<const Matrix, 0, Eigen::OuterStride<>> view(a.data(), a.rows(), a.cols(),
                                                               Eigen::OuterStride<>(a.outerStride()));
  result.map.rows = a.rows();
  result.map.cols = a.cols();
  result.map.apply = [view](const ConstMatrixView& x, MatrixView out, const Context& context) {
    product(view, x, out, context);
  };
  result.map.apply_transposed = [view](const ConstMatrixView& x, MatrixView out, const Context& context) {
    product_transposed(view, x, out, context);
  };
  result.gram = [view](double scale, MatrixView g, const Context& context) {
    Matrix copy;
    if (scale != 1.0) copy = scale * view;
    const ConstMatrixView a_scaled = scale != 1.0 ? ConstMatrixView(copy) : ConstMatrixView(view);
    if (view.cols() <= view.rows()) {
      gram_of_columns(a_scaled, g, context);
    } else {
      gram_of_rows(a_scaled, g, context);
    }
  };
  return result;
}

MeasuredMap measured(const CompressedRows& a, const CompressedRows& transposed) {
  require(a.rows == transposed.cols && a.cols == transposed.rows && a.entries() == transposed.entries(),
          "`transposed` must be the transpose of the matrix");
  MeasuredMap result;
  result.frobenius = frobenius_upper(a.values, a.entries());
  const Index longest_row = a.longest_row(), longest_column = transposed.longest_row();
  result.depth = std::max(longest_row, longest_column) + 2;
  result.gram_depth = (a.rows < a.cols ? longest_row : longest_column) + 2;
  result.map.rows = a.rows;
  result.map.cols = a.cols;
  result.map.apply = [a](const ConstMatrixView& x, MatrixView out, const Context& context) {
    multiply(a, x, out, context);
  };
  result.map.apply_transposed = [transposed](const ConstMatrixView& x, MatrixView out, const Context& context) {
    multiply(transposed, x, out, context);
  };
  result.gram = [a, transposed](double scale, MatrixView g, const Context& context) {
    if (a.rows < a.cols) {
      gram_of_rows(a, transposed, scale, g, context);
    } else {
      gram_of_rows(transposed, a, scale, g, context);
    }
  };
  return result;
}

MeasuredMap measured(LinearMap map, double frobenius, Index depth) {
  require(std::isfinite(frobenius) && frobenius >= 0.0, "frobenius must be finite and not negative");
  require(depth >= 1, "depth must be at least 1");
  MeasuredMap result;
  result.map = std::move(map);
  result.frobenius = frobenius;
  result.depth = depth;
  return result;
}

double safe_scale(double frobenius) {
  if (frobenius == 0.0 || (frobenius >= kSmallest && frobenius <= kLargest)) return 1.0;
  return std::ldexp(1.0, std::max(-1000, std::min(1000, -std::ilogb(frobenius))));
}

}  // namespace landscape::linalg
