// The linear networks as objectives of training.
#pragma once

#include "landscape/linear/deep.hpp"
#include "landscape/linear/shallow.hpp"
#include "landscape/training/objective.hpp"

namespace landscape::linear {

// Rows that minibatches are drawn from, scaled so that the risk is their sum: Sxx = Fx^T Fx, Sxy = Fx^T Fy.
struct Rows {
  ConstMatrixMap x{nullptr, 0, 0};  // m x n0
  ConstMatrixMap y{nullptr, 0, 0};  // m x n2
};

// Points (U, V). The views of `risk` and `rows` must outlive the object.
class ShallowObjective : public training::Objective {
 public:
  ShallowObjective(const Risk& risk, Index hidden, const Rows& rows = {})
      : risk_(risk), rows_(rows), shape_{risk.inputs(), hidden, risk.outputs()} {}

  Index size() const override { return shape_.size(); }
  std::unique_ptr<Scratch> scratch() const override;
  void gradients(const double* const* points, Index count, double* values, double* const* gradients, Scratch& scratch,
                 const Context& context) const override;
  int degree() const override { return 4; }
  void set_hessian(const double* point, Scratch& scratch, const Context& context) const override;
  void product(const double* d, double* h, Scratch& scratch, const Context& context) const override;
  Index terms() const override { return rows_.x.rows(); }
  double estimate(const double* point, const Index* chosen, Index count, double* gradient, Scratch& scratch,
                  const Context& context) const override;

 private:
  double gradient_of(const Risk& risk, const double* point, double* g, Workspace& work, const Context& context) const;

  Risk risk_;
  Rows rows_;
  Shape shape_;
};

// Points (W_1, ..., W_L). The views of `risk` and `rows` must outlive the object.
class DeepObjective : public training::Objective {
 public:
  DeepObjective(const Risk& risk, Widths widths, const Rows& rows = {})
      : risk_(risk), rows_(rows), widths_(std::move(widths)) {}

  Index size() const override { return parameter_count(widths_); }
  Index together() const override;
  std::unique_ptr<Scratch> scratch() const override;
  void gradients(const double* const* points, Index count, double* values, double* const* gradients, Scratch& scratch,
                 const Context& context) const override;
  int degree() const override { return 2 * static_cast<int>(widths_.size() - 1); }
  void set_hessian(const double* point, Scratch& scratch, const Context& context) const override;
  void product(const double* d, double* h, Scratch& scratch, const Context& context) const override;
  Index terms() const override { return rows_.x.rows(); }
  double estimate(const double* point, const Index* chosen, Index count, double* gradient, Scratch& scratch,
                  const Context& context) const override;

 private:
  Risk risk_;
  Rows rows_;
  Widths widths_;
};

}  // namespace landscape::linear
