// What training needs of a landscape: values, gradients and Hessian products of packed points, and estimates of the
// gradient from a few of the terms that the objective is a sum of.
#pragma once

#include <memory>

#include "landscape/context.hpp"
#include "landscape/typedefs.hpp"

namespace landscape::training {

class Objective {
 public:
  // Of one thread; sized on first use.
  struct Scratch {
    virtual ~Scratch() = default;
  };

  virtual ~Objective() = default;

  // Number of parameters.
  virtual Index size() const = 0;
  // How many points one call takes. What it computes for a point does not depend on its neighbours.
  virtual Index together() const { return 1; }
  virtual std::unique_ptr<Scratch> scratch() const = 0;

  // values (count), and `count` packed gradients      count <= together() points, each packed
  virtual void gradients(const double* const* points, Index count, double* values, double* const* gradients,
                         Scratch& scratch, const Context& context) const = 0;

  // Degree of the polynomial in t that the value at x + t d is, for all x and d; 0 where it is none.
  virtual int degree() const { return 0; }

  // The Hessian at a point, which the scratch keeps until the next call.
  virtual void set_hessian(const double* point, Scratch& scratch, const Context& context) const = 0;
  // h <- H d
  virtual void product(const double* d, double* h, Scratch& scratch, const Context& context) const = 0;

  // How many terms minibatches are drawn from; 0 where there are none.
  virtual Index terms() const { return 0; }
  // The gradient of (terms / count) times the chosen terms plus the rest, and that sum: their expectation over a
  // uniform choice is the gradient and the value.
  virtual double estimate(const double* point, const Index* chosen, Index count, double* gradient, Scratch& scratch,
                          const Context& context) const;
};

}  // namespace landscape::training
