#include <algorithm>
#include <cmath>
#include <vector>

#include "landscape/homogeneous/ascent.hpp"
#include "landscape/homogeneous/faces.hpp"
#include "landscape/homogeneous/solve.hpp"
#include "landscape/homogeneous/sweep.hpp"
#include "landscape/linalg/decompositions.hpp"
#include "landscape/linalg/products.hpp"

namespace landscape::homogeneous {

namespace {

constexpr double kSeparation = 0.03;  // radians between new units (measured)
constexpr Index kCount = 100;
constexpr Index kFacesUpTo = 6000;  // samples, in three dimensions

// |Q^T X w| over unit w
PolarSides linear_polar(const Problem& problem, const Matrix& q, double threshold, const Context& context) {
  Matrix product(q.cols(), problem.x.cols());
  linalg::multiply_transposed(q, problem.x, product, context);
  const linalg::ThinSvd svd = linalg::thin_svd(product, Context{});
  PolarSides sides;
  sides.lower = svd.values.size() > 0 ? svd.values(0) : 0.0;
  sides.upper = sides.lower * (1.0 + 1e-14);
  Index count = 0;
  while (count < std::min(svd.values.size(), kCount) && svd.values(count) > threshold) ++count;
  sides.missing.directions = svd.right.leftCols(count).transpose();
  sides.missing.values = svd.values.head(count);
  return sides;
}

// |w^T M w| over unit w, M = sum_i q_i x_i x_i^T: quadratic units of one output
PolarSides quadratic_polar(const Problem& problem, const Matrix& q, double threshold, const Context& context) {
  const Index d = problem.x.cols();
  const Matrix weighted = q.col(0).asDiagonal() * problem.x;
  Matrix m(d, d);
  linalg::multiply_transposed(problem.x, weighted, m, context);
  const linalg::SymmetricEigen eigen = linalg::symmetric_eigen(m, Context{});
  std::vector<Index> order;
  for (Index k = 0; k < d; ++k)
    if (std::abs(eigen.values(k)) > threshold) order.push_back(k);
  std::sort(order.begin(), order.end(),
            [&](Index a, Index b) { return std::abs(eigen.values(a)) > std::abs(eigen.values(b)); });
  PolarSides sides;
  sides.lower = eigen.values.cwiseAbs().maxCoeff();
  sides.upper = sides.lower * (1.0 + 1e-13);
  sides.missing.directions.resize(static_cast<Index>(order.size()), d);
  sides.missing.values.resize(static_cast<Index>(order.size()));
  for (Index j = 0; j < sides.missing.values.size(); ++j) {
    const Index k = order[static_cast<std::size_t>(j)];
    sides.missing.directions.row(j) = eigen.vectors.col(k).transpose();
    sides.missing.values(j) = std::abs(eigen.values(k));
  }
  return sides;
}

}  // namespace

PolarOracle direct_polar(const Problem& problem, const Activation& act, Index random_starts, std::uint64_t seed) {
  return [&problem, act, random_starts, seed](const Matrix& q, const Matrix& known, double threshold,
                                              const Context& context) {
    const Index d = problem.x.cols(), m = problem.x.rows();
    if (act.linear()) return linear_polar(problem, q, threshold, context);
    if (act.power == 2 && act.even() && q.cols() == 1) return quadratic_polar(problem, q, threshold, context);
    PolarSides sides;
    if (act.power == 1 && d <= 2) {
      const SweepSettings settings{threshold, kSeparation, kCount};
      const SweepResult found =
          d == 1 ? line(problem.x, q, act.slope, settings, context) : sweep(problem.x, q, act.slope, settings, context);
      return PolarSides{found.lower, found.upper, found.maximizers};
    }
    if (act.power == 1 && d == 3 && m <= kFacesUpTo) {
      FacesSettings settings;
      settings.threshold = threshold;
      settings.separation = kSeparation;
      settings.count = kCount;
      const FacesResult found = faces(problem.x, q, act.slope, settings, context);
      sides.lower = found.lower;
      if (found.complete) sides.upper = found.upper;
      sides.missing = found.maximizers;
      return sides;
    }
    AscentSettings settings;
    settings.random_starts = random_starts;
    settings.threshold = threshold;
    settings.separation = kSeparation;
    settings.count = kCount;
    settings.seed = seed;
    const AscentResult found = ascend(problem.x, q, act, known, settings, context);
    sides.lower = found.lower;
    sides.missing = found.maximizers;
    return sides;
  };
}

}  // namespace landscape::homogeneous
