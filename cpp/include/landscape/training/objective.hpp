// What training needs of a landscape: values and gradients of packed points, a few of them at a time.
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
};

}  // namespace landscape::training
