// Parallel networks of one width as objectives of training; minibatches are drawn from the samples.
#pragma once

#include "landscape/homogeneous/network.hpp"
#include "landscape/training/objective.hpp"

namespace landscape::homogeneous {

class NetworkObjective : public training::Objective {
 public:
  // Degree of the value along lines, 0 where it is no polynomial.
  NetworkObjective(std::shared_ptr<const Network> network, int degree)
      : network_(std::move(network)), degree_(degree) {}

  Index size() const override { return network_->size(); }
  std::unique_ptr<Scratch> scratch() const override;
  void gradients(const double* const* points, Index count, double* values, double* const* gradients, Scratch& scratch,
                 const Context& context) const override;
  int degree() const override { return degree_; }
  void set_hessian(const double* point, Scratch& scratch, const Context& context) const override;
  void product(const double* d, double* h, Scratch& scratch, const Context& context) const override;
  Index terms() const override { return network_->problem().x.rows(); }
  double estimate(const double* point, const Index* chosen, Index count, double* gradient, Scratch& scratch,
                  const Context& context) const override;

 private:
  std::shared_ptr<const Network> network_;
  int degree_;
};

}  // namespace landscape::homogeneous
