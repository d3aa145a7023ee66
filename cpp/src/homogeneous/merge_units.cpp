#include "merge_units.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "landscape/linalg/decompositions.hpp"

namespace landscape::homogeneous {

namespace {

constexpr double kSame = 1e-14;       // 1 - cosine of directions that count as one
constexpr double kZeroAngle = 1e-13;  // |x_i . v| / (|x_i| |v|): on the kink

bool along(const Eigen::RowVectorXd& a, const Eigen::RowVectorXd& b) {
  const double sizes = a.norm() * b.norm();
  return sizes > 0.0 && a.dot(b) > 0.0 && (a / a.norm() - b / b.norm()).squaredNorm() <= 2.0 * kSame;
}

// sum_k u_k (X v_k)^2 = x^T M x with M = sum_k u_k v_k v_k^T: its eigenvectors have the smallest penalty, tr |M|.
bool merge_quadratic(UnitPoint& point) {
  const Matrix m = point.v.transpose() * point.u.col(0).asDiagonal() * point.v;
  if (!m.allFinite()) return false;
  const linalg::SymmetricEigen eigen = linalg::symmetric_eigen(m, Context{});
  const Vector& values = eigen.values;
  const double least = 1e-15 * values.cwiseAbs().maxCoeff();
  Matrix u(values.size(), 1), v(values.size(), m.rows());
  Index r = 0;
  for (Index k = 0; k < values.size(); ++k) {
    if (!(std::abs(values(k)) > least)) continue;
    u(r, 0) = values(k) > 0.0 ? 1.0 : -1.0;
    v.row(r++) = std::sqrt(std::abs(values(k))) * eigen.vectors.col(k).transpose();
  }
  point.u = u.topRows(r);
  point.v = v.topRows(r);
  return true;
}

}  // namespace

bool merge_units(const UnitObjective& o, UnitPoint& point) {
  const Index r = point.width(), m = o.samples();
  if (r < 2) return false;
  if (o.scalar() && o.act.power == 2 && o.act.even()) return merge_quadratic(point);
  Sides signs(m, r);
  const bool cells = o.act.power == 1;
  if (cells && o.kinked()) {
    const Matrix t = o.problem.x * point.v.transpose();
    for (Index k = 0; k < r; ++k) {
      const double size = point.v.row(k).norm();
      for (Index i = 0; i < m; ++i) {
        const double limit = kZeroAngle * o.problem.x.row(i).norm() * size;
        signs(i, k) = t(i, k) > limit ? 1 : t(i, k) < -limit ? -1 : 0;
      }
    }
  } else {
    signs.setZero();
  }
  std::vector<Index> alive;
  for (Index k = 0; k < r; ++k) {
    bool merged = false;
    for (const Index j : alive) {
      if (cells && along(point.u.row(j), point.u.row(k)) &&
          (signs.col(j).cast<int>().cwiseProduct(signs.col(k).cast<int>()).array() >= 0).all()) {
        // act(X v_j) |u_j| + act(X v_k) |u_k| = act(X (|u_j| v_j + |u_k| v_k))
        const double a = point.u.row(j).norm(), b = point.u.row(k).norm();
        const Eigen::RowVectorXd v = a * point.v.row(j) + b * point.v.row(k), u = point.u.row(j) / a;
        const double size = o.scalar() ? 1.0 : std::sqrt(v.head(o.penalized()).norm());
        if (!(size > 0.0)) continue;
        point.u.row(j) = size * u;
        point.v.row(j) = v / size;
        signs.col(j) = (signs.col(j).array() == 0).select(signs.col(k), signs.col(j));
        merged = true;
      } else if (!o.scalar() && along(point.v.row(j), point.v.row(k))) {
        const double a = o.size(point.v, j), b = o.size(point.v, k);
        const Eigen::RowVectorXd c =
            std::pow(a, o.act.power) * point.u.row(j) + std::pow(b, o.act.power) * point.u.row(k);
        const double root = std::pow(c.norm(), 1.0 / (o.act.power + 1));
        if (!(root > 0.0)) continue;
        point.u.row(j) = c * (root / c.norm());
        point.v.row(j) *= root / a;
        merged = true;
      } else if (o.scalar() && !cells && point.u(j, 0) == point.u(k, 0) && along(point.v.row(j), point.v.row(k))) {
        point.v.row(j) *= std::hypot(point.v.row(j).norm(), point.v.row(k).norm()) / point.v.row(j).norm();
        merged = true;
      }
      if (merged) break;
    }
    if (!merged) alive.push_back(k);
  }
  const Index left = static_cast<Index>(alive.size());
  if (left == r) return false;
  Matrix u(left, point.u.cols()), v(left, point.v.cols());
  for (Index j = 0; j < left; ++j) {
    u.row(j) = point.u.row(alive[static_cast<std::size_t>(j)]);
    v.row(j) = point.v.row(alive[static_cast<std::size_t>(j)]);
  }
  point.u = u;
  point.v = v;
  return true;
}

}  // namespace landscape::homogeneous
