// Half the squared gradient norm of another objective, whose zeros are all the critical points, saddles included:
//   F(x) = 1/2 |g(x)|^2,   dF = H(x) g(x)
#pragma once

#include "landscape/training/objective.hpp"

namespace landscape::training {

class GradientNorm : public Objective {
 public:
  // `inner` must outlive the object.
  explicit GradientNorm(const Objective& inner) : inner_(inner) {}

  Index size() const override { return inner_.size(); }
  std::unique_ptr<Scratch> scratch() const override;
  void gradients(const double* const* points, Index count, double* values, double* const* gradients, Scratch& scratch,
                 const Context& context) const override;
  // Its own Hessian takes third derivatives, which no landscape gives.
  void set_hessian(const double* point, Scratch& scratch, const Context& context) const override;
  void product(const double* d, double* h, Scratch& scratch, const Context& context) const override;

 private:
  const Objective& inner_;
};

}  // namespace landscape::training
