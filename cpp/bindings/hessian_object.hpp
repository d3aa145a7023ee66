// The bound forms of the risk and of the Hessians, shared by the linear and curvature bindings.
#pragma once

#include <memory>

#include "common.hpp"
#include "landscape/linalg/lanczos.hpp"
#include "landscape/linear/deep.hpp"

namespace landscape::bindings {

// Views into NumPy arrays, and the arrays, so that the views stay valid. Empty arrays mark the form that is not used.
struct RiskObject {
  RiskObject(Array xx, Array xy, Array fx, Array fy, double total);

  std::vector<Array> arrays;
  linear::Risk risk;
};

// A Hessian at one point, as the curvature bindings see it: products over packed parameters.
struct HessianObject {
  virtual ~HessianObject() = default;
  virtual Index size() const = 0;
  // H x with scratch of its own: one operator per thread. The context must outlive it.
  virtual linalg::SymmetricOperator flat(const Context& context) const = 0;
  // H x for `items` vectors, one after the other.
  virtual void rows(const double* in, double* out, Index items, const Context& context) const;

  Array apply(const Array& x, int n_threads) const;
};

struct ShallowHessianObject : HessianObject {
  ShallowHessianObject(std::shared_ptr<RiskObject> object, const Array& u, const Array& v, int n_threads);
  Index size() const override;
  linalg::SymmetricOperator flat(const Context& context) const override;

  std::shared_ptr<RiskObject> risk;
  std::unique_ptr<linear::Hessian> hessian;
};

struct DeepHessianObject : HessianObject {
  DeepHessianObject(std::shared_ptr<RiskObject> object, const std::vector<Array>& w, int n_threads);
  Index size() const override;
  linalg::SymmetricOperator flat(const Context& context) const override;
  void rows(const double* in, double* out, Index items, const Context& context) const override;

  std::shared_ptr<RiskObject> risk;
  std::unique_ptr<linear::DeepHessian> hessian;
};

}  // namespace landscape::bindings
