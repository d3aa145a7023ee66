#include "landscape/factorization/training_objective.hpp"

namespace landscape::factorization {

namespace {

struct FactorScratch : training::Objective::Scratch {
  std::unique_ptr<FactorLandscapeHessian> hessian;
  Vector hidden;
};

}  // namespace

FactorObjective::FactorObjective(const FactorLandscape& land, Index width) : land_(land), width_(width) {
  const Observed& observed = land.observed();
  row_.resize(static_cast<std::size_t>(observed.entries()));
  for (Index i = 0; i < observed.n2; ++i)
    for (Index k = observed.row_start[static_cast<std::size_t>(i)];
         k < observed.row_start[static_cast<std::size_t>(i) + 1]; ++k)
      row_[static_cast<std::size_t>(k)] = static_cast<std::int32_t>(i);
}

std::unique_ptr<training::Objective::Scratch> FactorObjective::scratch() const {
  return std::make_unique<FactorScratch>();
}

void FactorObjective::gradients(const double* const* points, Index count, double* values, double* const* gradients,
                                Scratch&, const Context& context) const {
  for (Index i = 0; i < count; ++i)
    values[i] = land_.gradient(u(points[i]), v(points[i]), u(gradients[i]), v(gradients[i]), context);
}

void FactorObjective::set_hessian(const double* point, Scratch& scratch, const Context& context) const {
  static_cast<FactorScratch&>(scratch).hessian =
      std::make_unique<FactorLandscapeHessian>(land_, u(point), v(point), context);
}

void FactorObjective::product(const double* d, double* h, Scratch& scratch, const Context& context) const {
  static_cast<FactorScratch&>(scratch).hessian->apply(d, h, context);
}

double FactorObjective::estimate(const double* point, const Index* chosen, Index count, double* gradient,
                                 Scratch& scratch, const Context&) const {
  const Observed& observed = land_.observed();
  const ConstMatrixMap left = u(point), right = v(point);
  MatrixMap g_left = u(gradient), g_right = v(gradient);
  const double lam = land_.lam(), scale = static_cast<double>(terms()) / static_cast<double>(count);
  VectorMap(gradient, size()) = lam * ConstVectorMap(point, size());
  Vector& hidden = static_cast<FactorScratch&>(scratch).hidden;
  const double sum = with_loss(land_.loss(), [&](const auto& loss) {
    double value = 0.0;
    for (Index j = 0; j < count; ++j) {
      const Index k = chosen[j], row = row_[static_cast<std::size_t>(k)],
                  column = observed.column[static_cast<std::size_t>(k)];
      const double weight = scale * observed.weight(k), y = observed.y[k];
      if (land_.has_data()) {  // Zhat = X V U^T: a row is a sample, a column an output
        const auto x = land_.data().row(row);
        hidden = right.transpose() * x.transpose();
        const double z = left.row(column).dot(hidden), slope = weight * loss.derivative(z, y);
        value += weight * loss.value(z, y);
        g_left.row(column) += slope * hidden.transpose();
        g_right += slope * (x.transpose() * left.row(column));
      } else {
        const double z = left.row(row).dot(right.row(column)), slope = weight * loss.derivative(z, y);
        value += weight * loss.value(z, y);
        g_left.row(row) += slope * right.row(column);
        g_right.row(column) += slope * left.row(row);
      }
    }
    return value;
  });
  return sum + 0.5 * lam * ConstVectorMap(point, size()).squaredNorm();
}

}  // namespace landscape::factorization
