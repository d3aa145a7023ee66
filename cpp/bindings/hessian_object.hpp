// The bound forms of linear::Risk and linear::Hessian, shared by the linear and curvature bindings.
#pragma once

#include <memory>

#include "common.hpp"
#include "landscape/linalg/lanczos.hpp"
#include "landscape/linear/shallow.hpp"

namespace landscape::bindings {

// Views into NumPy arrays, and the arrays, so that the views stay valid. Empty arrays mark the form that is not used.
struct RiskObject {
  RiskObject(Array xx, Array xy, Array fx, Array fy, double total);

  std::vector<Array> arrays;
  linear::Risk risk;
};

struct HessianObject {
  HessianObject(std::shared_ptr<RiskObject> object, const Array& u, const Array& v, int n_threads);

  // H x over packed parameters (U in C order, then V).
  linalg::SymmetricOperator flat(const Context& context, linear::Workspace& work) const;
  Array apply(const Array& x, int n_threads) const;

  std::shared_ptr<RiskObject> risk;
  std::unique_ptr<linear::Hessian> hessian;
};

}  // namespace landscape::bindings
