// Cholesky factors of the small matrices of optimisation steps, by Eigen, compiled once for all who need them.
#pragma once

#include <memory>

#include "landscape/typedefs.hpp"

namespace landscape::linalg {

class SmallCholesky {
 public:
  SmallCholesky();
  ~SmallCholesky();
  SmallCholesky(SmallCholesky&&) noexcept;

  // A = L L^T, only the lower triangle is read; false where A is not positive definite to working precision.
  bool factor(const ConstMatrixView& a);
  Index size() const;
  // A^-1 b
  Vector solve(const Vector& b) const;

 private:
  struct Factor;
  std::unique_ptr<Factor> factor_;
};

}  // namespace landscape::linalg
