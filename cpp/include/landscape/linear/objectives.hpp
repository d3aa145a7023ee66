// The linear networks as objectives of training.
#pragma once

#include "landscape/linear/deep.hpp"
#include "landscape/linear/shallow.hpp"
#include "landscape/training/objective.hpp"

namespace landscape::linear {

// Points (U, V). The views of `risk` must outlive the object.
class ShallowObjective : public training::Objective {
 public:
  ShallowObjective(const Risk& risk, Index hidden) : risk_(risk), shape_{risk.inputs(), hidden, risk.outputs()} {}

  Index size() const override { return shape_.size(); }
  std::unique_ptr<Scratch> scratch() const override;
  void gradients(const double* const* points, Index count, double* values, double* const* gradients, Scratch& scratch,
                 const Context& context) const override;

 private:
  Risk risk_;
  Shape shape_;
};

// Points (W_1, ..., W_L). The views of `risk` must outlive the object.
class DeepObjective : public training::Objective {
 public:
  DeepObjective(const Risk& risk, Widths widths) : risk_(risk), widths_(std::move(widths)) {}

  Index size() const override { return parameter_count(widths_); }
  Index together() const override;
  std::unique_ptr<Scratch> scratch() const override;
  void gradients(const double* const* points, Index count, double* values, double* const* gradients, Scratch& scratch,
                 const Context& context) const override;

 private:
  Risk risk_;
  Widths widths_;
};

}  // namespace landscape::linear
