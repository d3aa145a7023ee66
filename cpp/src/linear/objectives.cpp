#include "landscape/linear/objectives.hpp"

#include "landscape/linalg/lanes.hpp"

namespace landscape::linear {

namespace {

struct ShallowScratch : training::Objective::Scratch {
  Workspace work;
};

struct DeepScratch : training::Objective::Scratch {
  DeepState one;
  LaneState lanes;
  Layers points[linalg::kLanes];
};

}  // namespace

std::unique_ptr<training::Objective::Scratch> ShallowObjective::scratch() const {
  return std::make_unique<ShallowScratch>();
}

void ShallowObjective::gradients(const double* const* points, Index count, double* values, double* const* gradients,
                                 Scratch& scratch, const Context& context) const {
  Workspace& work = static_cast<ShallowScratch&>(scratch).work;
  const Index split = shape_.outputs * shape_.hidden;
  for (Index i = 0; i < count; ++i)
    values[i] = gradient(risk_, ConstMatrixMap(points[i], shape_.outputs, shape_.hidden),
                         ConstMatrixMap(points[i] + split, shape_.inputs, shape_.hidden),
                         MatrixMap(gradients[i], shape_.outputs, shape_.hidden),
                         MatrixMap(gradients[i] + split, shape_.inputs, shape_.hidden), work, context);
}

Index DeepObjective::together() const { return small_enough_for_lanes(risk_, widths_) ? linalg::kLanes : 1; }

std::unique_ptr<training::Objective::Scratch> DeepObjective::scratch() const { return std::make_unique<DeepScratch>(); }

void DeepObjective::gradients(const double* const* points, Index count, double* values, double* const* gradients,
                              Scratch& scratch, const Context& context) const {
  DeepScratch& own = static_cast<DeepScratch&>(scratch);
  for (Index i = 0; i < count; ++i) unpack_into(points[i], widths_, own.points[i]);
  if (together() > 1) {
    gradients_in_lanes(risk_, own.points, count, values, gradients, own.lanes, context);
  } else {
    values[0] = gradient(risk_, own.points[0], gradients[0], own.one, context);
  }
}

}  // namespace landscape::linear
