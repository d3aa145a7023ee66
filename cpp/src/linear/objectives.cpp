#include "landscape/linear/objectives.hpp"

#include <cmath>

#include "landscape/linalg/lanes.hpp"

namespace landscape::linear {

namespace {

// The chosen rows as a risk of their own.
struct Batch {
  Matrix x, y;

  Risk gather(const Rows& rows, const Index* chosen, Index count) {
    x.resize(count, rows.x.cols());
    y.resize(count, rows.y.cols());
    const double scale = std::sqrt(static_cast<double>(rows.x.rows()) / static_cast<double>(count));
    Risk risk;
    for (Index i = 0; i < count; ++i) {
      x.row(i) = scale * rows.x.row(chosen[i]);
      y.row(i) = scale * rows.y.row(chosen[i]);
      risk.total += y.row(i).squaredNorm();
    }
    new (&risk.fx) ConstMatrixMap(x.data(), x.rows(), x.cols());
    new (&risk.fy) ConstMatrixMap(y.data(), y.rows(), y.cols());
    return risk;
  }
};

struct ShallowScratch : training::Objective::Scratch {
  Workspace work, batch_work;
  std::unique_ptr<Hessian> hessian;
  Batch batch;
};

struct DeepScratch : training::Objective::Scratch {
  DeepState one, change, batch_pass;
  LaneState lanes;
  Layers points[linalg::kLanes];
  std::unique_ptr<DeepHessian> hessian;
  Batch batch;
};

}  // namespace

std::unique_ptr<training::Objective::Scratch> ShallowObjective::scratch() const {
  return std::make_unique<ShallowScratch>();
}

double ShallowObjective::gradient_of(const Risk& risk, const double* point, double* g, Workspace& work,
                                     const Context& context) const {
  const Index split = shape_.outputs * shape_.hidden;
  return gradient(risk, ConstMatrixMap(point, shape_.outputs, shape_.hidden),
                  ConstMatrixMap(point + split, shape_.inputs, shape_.hidden),
                  MatrixMap(g, shape_.outputs, shape_.hidden), MatrixMap(g + split, shape_.inputs, shape_.hidden), work,
                  context);
}

void ShallowObjective::gradients(const double* const* points, Index count, double* values, double* const* gradients,
                                 Scratch& scratch, const Context& context) const {
  Workspace& work = static_cast<ShallowScratch&>(scratch).work;
  for (Index i = 0; i < count; ++i) values[i] = gradient_of(risk_, points[i], gradients[i], work, context);
}

void ShallowObjective::set_hessian(const double* point, Scratch& scratch, const Context& context) const {
  static_cast<ShallowScratch&>(scratch).hessian = std::make_unique<Hessian>(
      risk_, ConstMatrixMap(point, shape_.outputs, shape_.hidden),
      ConstMatrixMap(point + shape_.outputs * shape_.hidden, shape_.inputs, shape_.hidden), context);
}

void ShallowObjective::product(const double* d, double* h, Scratch& scratch, const Context& context) const {
  ShallowScratch& own = static_cast<ShallowScratch&>(scratch);
  const Index split = shape_.outputs * shape_.hidden;
  own.hessian->apply(ConstMatrixMap(d, shape_.outputs, shape_.hidden),
                     ConstMatrixMap(d + split, shape_.inputs, shape_.hidden),
                     MatrixMap(h, shape_.outputs, shape_.hidden), MatrixMap(h + split, shape_.inputs, shape_.hidden),
                     own.work, context);
}

double ShallowObjective::estimate(const double* point, const Index* chosen, Index count, double* gradient,
                                  Scratch& scratch, const Context& context) const {
  ShallowScratch& own = static_cast<ShallowScratch&>(scratch);
  return gradient_of(own.batch.gather(rows_, chosen, count), point, gradient, own.batch_work, context);
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

void DeepObjective::set_hessian(const double* point, Scratch& scratch, const Context& context) const {
  static_cast<DeepScratch&>(scratch).hessian = std::make_unique<DeepHessian>(risk_, unpack(point, widths_), context);
}

void DeepObjective::product(const double* d, double* h, Scratch& scratch, const Context& context) const {
  DeepScratch& own = static_cast<DeepScratch&>(scratch);
  own.hessian->apply(d, h, own.change, context);
}

double DeepObjective::estimate(const double* point, const Index* chosen, Index count, double* gradient,
                               Scratch& scratch, const Context& context) const {
  DeepScratch& own = static_cast<DeepScratch&>(scratch);
  unpack_into(point, widths_, own.points[0]);
  return linear::gradient(own.batch.gather(rows_, chosen, count), own.points[0], gradient, own.batch_pass, context);
}

}  // namespace landscape::linear
