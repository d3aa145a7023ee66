// The landscape over factors (U, V) of any width, without data X or with it:
//
//   f(U, V) = sum over observed c_ij l(Zhat_ij, y_ij) + lam/2 (|U|^2 + |V|^2)     Zhat = U V^T, or X V U^T
//
// With X (m x n0), Y (m x nL) and P = X V the observed objective without penalty has the factors (P, U):
//   df/dU = df/dU|_P + lam U,   df/dV = X^T df/dP + lam V,   and likewise for products of the Hessian with dP = X dV.
#pragma once

#include "landscape/factorization/objective.hpp"

namespace landscape::factorization {

class FactorLandscape {
 public:
  // `observed` and the data (m x n0, or empty) must outlive the object.
  FactorLandscape(const Observed& observed, const Loss& loss, double lam, const ConstMatrixMap& data)
      : objective_(observed, loss, data.size() > 0 ? 0.0 : lam), data_(data), lam_(lam) {}

  const Observed& observed() const { return objective_.observed(); }
  const Loss& loss() const { return objective_.loss(); }
  double lam() const { return lam_; }
  const ConstMatrixMap& data() const { return data_; }
  bool has_data() const { return data_.size() > 0; }
  Index outputs() const { return has_data() ? objective_.observed().n0 : objective_.observed().n2; }
  Index inputs() const { return has_data() ? data_.cols() : objective_.observed().n0; }

  double value(const ConstMatrixView& u, const ConstMatrixView& v, const Context& context) const;
  double gradient(const ConstMatrixView& u, const ConstMatrixView& v, MatrixView g_u, MatrixView g_v,
                  const Context& context) const;
  // E = -G on the observed entries, by rows of Y
  void residual(const ConstMatrixView& u, const ConstMatrixView& v, Vector& e, const Context& context) const;

 private:
  friend class FactorLandscapeHessian;
  Matrix stacked(const ConstMatrixView& u, const ConstMatrixView& v, const Context& context) const;
  double penalty(const ConstMatrixView& u, const ConstMatrixView& v) const;

  Objective objective_;
  ConstMatrixMap data_;
  double lam_;
};

// The Hessian at one point; `apply` uses the object's own scratch, so a thread needs an object of its own.
class FactorLandscapeHessian {
 public:
  // `land` must outlive the object; the point is copied.
  FactorLandscapeHessian(const FactorLandscape& land, const ConstMatrixView& u, const ConstMatrixView& v,
                         const Context& context);
  FactorLandscapeHessian(const FactorLandscapeHessian&) = delete;
  FactorLandscapeHessian& operator=(const FactorLandscapeHessian&) = delete;

  Index size() const { return (land_.outputs() + land_.inputs()) * width_; }

  // h <- H d, packed as (U, V)
  void apply(const double* d, double* h, const Context& context);

 private:
  const FactorLandscape& land_;
  Index width_;
  Matrix w_;
  Vector derivative_, second_;
  FactorHessian hessian_;
  Matrix direction_, product_;
};

}  // namespace landscape::factorization
