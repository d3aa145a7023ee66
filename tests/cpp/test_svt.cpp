// Singular value thresholding and both sides of the largest singular value, against the full SVD.
#include "landscape/linalg/svt.hpp"

#include <cmath>

#include "landscape/linalg/decompositions.hpp"
#include "landscape/linalg/largest_singular_value.hpp"
#include "support.hpp"

using namespace landscape;
using namespace landscape::linalg;
using support::random_matrix;
using support::threads;

namespace {

Matrix planted(Index m, Index n, Index rank, double noise) {
  return random_matrix(m, rank, 1) * random_matrix(rank, n, 2) + noise * random_matrix(m, n, 3);
}

}  // namespace

TEST_CASE("thresholding is that of the full SVD, whichever way is taken") {
  for (const auto& [m, n] : {std::pair<Index, Index>{150, 120}, {120, 150}, {1, 6}, {6, 1}, {1, 1}, {40, 40}}) {
    const Matrix y = planted(m, n, std::min<Index>(5, std::min(m, n)), 0.1);
    const ThinSvd svd = thin_svd(y, threads(1));
    for (const double lam : {0.3 * svd.values[0], 2.0 * svd.values[0], 0.01 * svd.values[0]}) {
      const Vector kept = (svd.values.array() - lam).max(0.0);
      const Matrix expected = svd.left * kept.asDiagonal() * svd.right.transpose();
      for (const SvtMethod method : {SvtMethod::automatic, SvtMethod::gram, SvtMethod::svd}) {
        SvtSettings settings;
        settings.method = method;
        const SvtResult found = svt(measured(y), lam, settings, Matrix(n, 0), threads(2));
        CHECK(found.converged);
        CHECK(found.values.size() == (svd.values.array() > lam).count());
        const Matrix z = found.left * (found.values.array() - lam).matrix().asDiagonal() * found.right.transpose();
        CHECK((z - expected).norm() <= 1e-10 * (expected.norm() + 1e-3 * y.norm()));
      }
    }
  }
}

TEST_CASE("both bounds hold and are close, by Cholesky and by Lanczos") {
  const Matrix matrices[] = {planted(60, 40, 3, 0.1),  planted(40, 60, 3, 0.0),         Matrix::Zero(5, 4),
                             Matrix::Identity(20, 20), 1e-150 * random_matrix(8, 9, 4), 1e150 * random_matrix(9, 8, 5),
                             random_matrix(1, 1, 6)};
  for (const Matrix& a : matrices) {
    const double truth = a.isZero(0.0) ? 0.0 : thin_svd(a, threads(1)).values[0];
    for (const Index cholesky_up_to : {Index{3000}, Index{0}}) {
      SingularValueBoundSettings settings;
      settings.cholesky_up_to = cholesky_up_to;
      const SingularValueBounds bounds = largest_singular_value(measured(a), settings, Matrix(a.cols(), 0), threads(2));
      CHECK(bounds.lower <= truth * (1.0 + 1e-14));
      CHECK(bounds.upper >= truth * (1.0 - 1e-14));
      CHECK(bounds.upper - bounds.lower <= 2e-3 * truth);
      if (cholesky_up_to > 0) CHECK(bounds.upper - bounds.lower <= 2e-6 * truth);
      if (truth > 0.0) CHECK(bounds.left.dot(a * bounds.right) >= bounds.lower);
    }
  }
}
