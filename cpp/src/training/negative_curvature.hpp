// What the methods of second order share: the leftmost eigenvector where the gradient vanishes, and a search along a
// direction of negative curvature.
#pragma once

#include "group.hpp"

namespace landscape::training {

class SecondOrder : public Stepper {
 public:
  explicit SecondOrder(const Settings& settings) : settings_(settings) {}
  bool first_order() const override { return false; }

  void step(Group& group, const Context& context) override;

 protected:
  // One step of a run whose gradient is not small; the Hessian is set.
  virtual void advance(Group& group, Index i, const Context& context) = 0;

  void product(Group& group, Index i, const double* d, double* h, const Context& context);
  // Moves along a unit direction of curvature < 0, downhill as far as doubling pays; the run stalls if nothing does.
  void descend_curvature(Group& group, Index i, const Vector& direction, double curvature, const Context& context);
  // The step moves to x + t d of the largest t = 1, 1/2, ... that decreases enough.
  void backtrack(Group& group, Index i, const Vector& direction, const Context& context);

  const Settings& settings_;

 private:
  bool leave(Group& group, Index i, const Context& context);
  void place(Group& group, Index i, const Vector& direction, double step);
};

}  // namespace landscape::training
