// Factorisations of one width as objectives of training; minibatches are drawn from the observed entries.
#pragma once

#include "landscape/factorization/landscape.hpp"
#include "landscape/training/objective.hpp"

namespace landscape::factorization {

class FactorObjective : public training::Objective {
 public:
  // The landscape, and through it the entries and the data, must outlive the object.
  FactorObjective(const FactorLandscape& land, Index width);

  Index size() const override { return (land_.outputs() + land_.inputs()) * width_; }
  std::unique_ptr<Scratch> scratch() const override;
  void gradients(const double* const* points, Index count, double* values, double* const* gradients, Scratch& scratch,
                 const Context& context) const override;
  int degree() const override { return land_.loss().kind == LossKind::squared ? 4 : 0; }
  void set_hessian(const double* point, Scratch& scratch, const Context& context) const override;
  void product(const double* d, double* h, Scratch& scratch, const Context& context) const override;
  Index terms() const override { return land_.observed().entries(); }
  double estimate(const double* point, const Index* chosen, Index count, double* gradient, Scratch& scratch,
                  const Context& context) const override;

 private:
  ConstMatrixMap u(const double* p) const { return {p, land_.outputs(), width_}; }
  ConstMatrixMap v(const double* p) const { return {p + land_.outputs() * width_, land_.inputs(), width_}; }
  MatrixMap u(double* p) const { return {p, land_.outputs(), width_}; }
  MatrixMap v(double* p) const { return {p + land_.outputs() * width_, land_.inputs(), width_}; }

  const FactorLandscape& land_;
  Index width_;
  std::vector<std::int32_t> row_;  // of every entry, by rows
};

}  // namespace landscape::factorization
