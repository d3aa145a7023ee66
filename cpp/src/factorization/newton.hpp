// Truncated Newton descent at fixed width: conjugate gradients on the Hessian with a diagonal
// preconditioner, then a line search that is exact up to a few Newton steps on f restricted to the line.
#pragma once

#include <functional>

#include "landscape/context.hpp"
#include "landscape/factorization/objective.hpp"
#include "preconditioner.hpp"

namespace landscape::factorization {

class Newton {
 public:
  Newton(const Objective& objective, std::function<bool()> out_of_time)
      : objective_(objective), out_of_time_(std::move(out_of_time)) {}

  // Evaluates f and its derivatives at w; the steps below keep them current.
  void start(const Matrix& w, const Context& context);
  // One step: w moves only if f falls; value() is its smallest computed value. Conjugate gradients stop at the relative
  // residual `forcing`, at `products_max` products, or at a direction without positive curvature.
  bool step(Matrix& w, double forcing, Index products_max, const Context& context);

  double value() const { return value_; }
  double gradient_norm() const { return gradient_norm_; }
  Index steps() const { return steps_; }
  Index products() const { return products_; }

 private:
  bool search(Matrix& w, const Matrix& d, const Context& context);

  const Objective& objective_;
  std::function<bool()> out_of_time_;
  DiagonalPreconditioner preconditioner_;
  FactorHessian hessian_;
  Line line_;
  Matrix gradient_, trial_gradient_, trial_, d_, z_, residual_, h_;
  Vector derivative_, second_, trial_derivative_, trial_second_;
  double value_ = 0.0, gradient_norm_ = 0.0;
  Index steps_ = 0, products_ = 0;
};

}  // namespace landscape::factorization
