#include "landscape/factorization/polar.hpp"

#include <algorithm>
#include <memory>

#include "landscape/linalg/largest_singular_value.hpp"

namespace landscape::factorization {

namespace {

// The residual in both orders, as the linear algebra reads it.
struct CompressedResidual {
  Vector by_columns;
  linalg::CompressedRows rows, columns;

  explicit CompressedResidual(const Residual& residual) {
    const Observed& o = residual.observed;
    by_columns.resize(o.entries());
    for (Index k = 0; k < o.entries(); ++k) by_columns[k] = residual.values[o.by_rows[static_cast<std::size_t>(k)]];
    rows = {o.n2, o.n0, o.row_start.data(), o.column.data(), residual.values.data()};
    columns = {o.n0, o.n2, o.column_start.data(), o.row.data(), by_columns.data()};
  }
};

}  // namespace

Polar residual_polar(double failure, const Blas* blas, std::uint64_t seed) {
  // Starts of its own for every proof: those of the search are no independent witnesses.
  const auto calls = std::make_shared<std::uint64_t>(0);
  return [failure, blas, seed, calls](const Residual& residual, const ConstMatrixView& warm_start,
                                      const PolarRequest& request, const Context& outer) {
    Context context = outer;
    context.blas = blas;
    const CompressedResidual matrix(residual);
    linalg::SingularValueBoundSettings settings;
    settings.failure = failure;
    settings.seed = (seed ^ 0x706F6C6172ULL) + 0x9E3779B97F4A7C15ULL * ++*calls;
    if (request.lower > 0.0 && request.enough > request.lower) {
      // short of the bound that ends the solve: the proof adds its rounding
      settings.tolerance = std::clamp(0.9 * (request.enough / request.lower - 1.0), 1e-9, 0.5);
    }
    const linalg::SingularValueBounds bounds =
        linalg::largest_singular_value(linalg::measured(matrix.rows, matrix.columns), settings, warm_start, context);
    PolarEstimate estimate;
    estimate.lower = bounds.lower;
    estimate.upper = bounds.upper;
    // Only what the solver did not know is handed back: elsewhere the last bits of BLAS would steer it.
    if (bounds.right.size() == residual.observed.n0 && bounds.lower > request.lower * (1.0 + 1e-6))
      estimate.right = bounds.right;
    return estimate;
  };
}

}  // namespace landscape::factorization
