// The regularised factorisation of the observed entries at fixed width (THEORY 4 and 9, scaling B):
//
//   f(U, V) = sum over observed (i, j) of c_ij l(U_i . V_j, y_ij) + lam/2 (|U|^2 + |V|^2)     U (n2 x r), V (n0 x r)
//   G_ij    = c_ij l'(Z_ij),  E = -G,  Z = U V^T        df/dU = G V + lam U,   df/dV = G^T U + lam V
//   H[dU, dV] = ( Q V + G dV + lam dU,  Q^T U + G^T dU + lam dV ),   Q = c l''(Z) (dU V^T + U dV^T) on the entries
//
// The kernels work on one stacked matrix [U; V] whose width is padded with zero columns to a multiple of four: padded
// columns stay exactly zero under every operation here.
#pragma once

#include <vector>

#include "landscape/context.hpp"
#include "landscape/factorization/losses.hpp"
#include "landscape/factorization/observed.hpp"
#include "landscape/linalg/linear_map.hpp"
#include "landscape/typedefs.hpp"

namespace landscape::factorization {

constexpr Index kLane = 4;
inline Index padded(Index width) { return (width + kLane - 1) / kLane * kLane; }

// [U; V] with zero columns up to padded(width)      ((n2 + n0) x padded(r))
Matrix stack(const ConstMatrixView& u, const ConstMatrixView& v);

// <A, B>, summed in blocks of rows whose size depends on the shape only.
double inner(const Matrix& a, const Matrix& b, const Context& context);

// f along a step, on the entries only:  Z(t) = z + t b + t^2 q,  |W(t)|^2 = w0 + 2 t w1 + t^2 w2
struct Line {
  Vector z, b, q;
  double w0 = 0.0, w1 = 0.0, w2 = 0.0;
};

class Objective {
 public:
  // `observed` must outlive the object.
  Objective(const Observed& observed, const Loss& loss, double lam) : observed_(&observed), loss_(loss), lam_(lam) {}

  const Observed& observed() const { return *observed_; }
  const Loss& loss() const { return loss_; }
  double lam() const { return lam_; }
  // A bound on c l'' over the entries.
  double curvature() const;

  double value(const Matrix& w, const Context& context) const;

  // derivative <- G by rows, second <- c l'' by rows, gradient <- [df/dU; df/dV]; returns f
  double gradient(const Matrix& w, Matrix& gradient, Vector& derivative, Vector& second, const Context& context) const;

  // E by rows, for factors of any width, zero included; returns the sum of the losses.
  double residual(const ConstMatrixView& u, const ConstMatrixView& v, Vector& e, const Context& context) const;

  // The dual value of THEORY (6.1), max over 0 <= s <= lam / polar_upper of -l*(-s E), from the residual E by rows.
  double dual_value(const Vector& e, double polar_upper, const Context& context) const;

  // Coefficients of f along W + t D, and its change f(W + t D) - f(W), accurate relative to the change itself.
  void line(const Matrix& w, const Matrix& d, Line& line, const Context& context) const;
  double change(const Line& line, double t, const Context& context) const;
  // d/dt and d^2/dt^2 of f along the line
  void slope(const Line& line, double t, double& first, double& second, const Context& context) const;

 private:
  const Observed* observed_;
  Loss loss_;
  double lam_;
};

// The Hessian at one point: holds interleaved copies [W | D], so that a gathered row brings both its factors at once.
class FactorHessian {
 public:
  // `derivative` and `second` as left by Objective::gradient at w; all but w must outlive the object's use.
  void set(const Objective& objective, const Matrix& w, const Vector& derivative, const Vector& second,
           const Context& context);

  // D <- z + beta D
  void advance(const Matrix& z, double beta, const Context& context);
  // h <- H D; returns <D, H D>
  double apply(Matrix& h, const Context& context);
  auto direction(Index first_row, Index rows) const { return pair_.block(first_row, width_, rows, width_); }

 private:
  const Objective* objective_ = nullptr;
  const Vector *derivative_ = nullptr, *second_ = nullptr;
  Index width_ = 0;
  Matrix pair_;     // [W | D], (n2 + n0) x 2 padded(r)
  Vector change_;   // Q by rows
  Vector partial_;  // of <D, H D>, by range
};

}  // namespace landscape::factorization
