#include "unit_objective.hpp"

#include <cmath>

namespace landscape::homogeneous {

double UnitObjective::losses(const Matrix& z, Matrix* g) const {
  const Index m = samples(), n = outputs();
  return with_loss(problem.loss, [&](const auto& loss) {
    double sum = 0.0;
    for (Index i = 0; i < m; ++i)
      sum += g == nullptr ? loss.value(&z(i, 0), target(i), n) : loss.gradient(&z(i, 0), target(i), n, &(*g)(i, 0));
    return sum;
  });
}

double UnitObjective::penalty(const UnitPoint& p) const {
  double sum = 0.0;
  for (Index k = 0; k < p.width(); ++k) {
    const double v = size(p.v, k), u = p.u.row(k).norm();
    if (scalar())
      sum += act.power == 1 ? v : v * v;
    else
      sum += act.power == 1 ? 0.5 * (u * u + v * v) : (u * u * u + 2.0 * v * v * v) / 3.0;
  }
  return problem.lam * (sum + (problem.intercept_decay ? 0.5 * p.b.squaredNorm() : 0.0));
}

Matrix UnitObjective::hidden(const Matrix& v) const {
  Matrix h = problem.x * v.transpose();
  double* const entries = h.data();
  const double slope = act.slope;
  for (Index i = 0, size = h.size(); i < size; ++i) {
    const double t = entries[i], below = slope * t;  // both sides computed: no branch
    entries[i] = t > 0.0 ? t : below;
  }
  if (act.power == 2) h = h.cwiseAbs2();
  return h;
}

double UnitObjective::value(const UnitPoint& p) const {
  const Matrix h = hidden(p.v);
  Matrix z = h * p.u;
  z.rowwise() += p.b.transpose();
  return losses(z, nullptr) + penalty(p);
}

}  // namespace landscape::homogeneous
