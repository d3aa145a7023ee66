#include "landscape/training/gradient_norm.hpp"

#include <cmath>
#include <limits>

#include "landscape/errors.hpp"

namespace landscape::training {

namespace {

struct GradientNormScratch : Objective::Scratch {
  std::unique_ptr<Objective::Scratch> inner;
  Vector slope;
};

}  // namespace

std::unique_ptr<Objective::Scratch> GradientNorm::scratch() const {
  auto own = std::make_unique<GradientNormScratch>();
  own->inner = inner_.scratch();
  own->slope.resize(size());
  return own;
}

void GradientNorm::gradients(const double* const* points, Index count, double* values, double* const* gradients,
                             Scratch& scratch, const Context& context) const {
  GradientNormScratch& own = static_cast<GradientNormScratch&>(scratch);
  for (Index i = 0; i < count; ++i) {
    double value = 0.0;
    double* slope = own.slope.data();
    inner_.gradients(points + i, 1, &value, &slope, *own.inner, context);
    values[i] = 0.5 * own.slope.squaredNorm();
    if (!std::isfinite(values[i])) {
      VectorMap(gradients[i], size()).setConstant(std::numeric_limits<double>::quiet_NaN());
      continue;
    }
    inner_.set_hessian(points[i], *own.inner, context);
    inner_.product(slope, gradients[i], *own.inner, context);
  }
}

void GradientNorm::set_hessian(const double*, Scratch&, const Context&) const {
  require(false, "the squared gradient norm has no Hessian here");
}

void GradientNorm::product(const double*, double*, Scratch&, const Context&) const {
  require(false, "the squared gradient norm has no Hessian here");
}

}  // namespace landscape::training
