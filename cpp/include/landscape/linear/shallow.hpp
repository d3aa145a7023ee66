// The shallow linear network: one hidden layer, no activation, squared loss (THEORY 2, scaling A).
//
//   R(U, V) = tr(Syy - 2 Syx Z^T + Z Sxx Z^T),   Z = U V^T        U (n2 x n1), V (n0 x n1)
//   Gt := Sxx V U^T - Sxy (n0 x n2)      dR/dU = 2 Gt^T V      dR/dV = 2 Gt U                                   [S1]
//   d^2/dt^2 R(U + t dU, V + t dV) at 0 = 2 <Sxx Dt, Dt> + 4 <dV dU^T, Gt>,   Dt := V dU^T + dV U^T            (2.1)
//   H[d] = ( 2 (dGt^T V + Gt^T dV),  2 (dGt U + Gt dU) ),   dGt := Sxx Dt                                  (THEORY 10)
//
// In moment form everything is written for the transposed product Dt (n0 x n2), the shape of Sxy, so that Sxx
// multiplies from the left and its rows stream through the cache once. The work goes through the fewer of n1 and n2
// columns, so in data form (n0 > m, or an ill-conditioned X) nothing of size n0 x n2 is formed when n1 < n2.
#pragma once

#include <vector>

#include "landscape/context.hpp"
#include "landscape/typedefs.hpp"

namespace landscape::linear {

// The quadratic risk, in moments (xx, xy, total) or in data form (fx, fy): Sxx = Fx^T Fx, Sxy = Fx^T Fy.
struct Risk {
  ConstMatrixMap xx{nullptr, 0, 0};  // n0 x n0, or empty in data form
  ConstMatrixMap xy{nullptr, 0, 0};  // n0 x n2, or empty in data form
  ConstMatrixMap fx{nullptr, 0, 0};  // k x n0, or empty in moment form
  ConstMatrixMap fy{nullptr, 0, 0};  // k x n2
  double total = 0.0;                // tr Syy

  bool in_data_form() const { return fx.cols() > 0; }
  Index inputs() const { return in_data_form() ? fx.cols() : xy.rows(); }
  Index outputs() const { return in_data_form() ? fy.cols() : xy.cols(); }
};

struct Shape {
  Index inputs, hidden, outputs;
  Index size() const { return hidden * (inputs + outputs); }
};

// Scratch of one thread; sized on first use, then no kernel below allocates in it.
struct Workspace {
  Matrix product;        // Zt or Dt, n0 x n2
  Matrix image;          // Sxx Zt or Sxx Dt, or Gt, n0 x n2
  Matrix thin;           // moment form: Sxx V or Sxx dV, n0 x n1
  Matrix hidden;         // data form: Fx V, k x n1
  Matrix hidden_change;  // data form: Fx dV, k x n1
  Matrix rows;           // data form: E or dE, k x n2
  Vector pack;
};

double value(const Risk& risk, const ConstMatrixView& u, const ConstMatrixView& v, Workspace& work,
             const Context& context);

// g_u (n2 x n1), g_v (n0 x n1); returns the value
double gradient(const Risk& risk, const ConstMatrixView& u, const ConstMatrixView& v, MatrixView g_u, MatrixView g_v,
                Workspace& work, const Context& context);

// The Hessian at one point: what the point alone determines is computed once and reused by every product.
class Hessian {
 public:
  // The views of `risk` must outlive the object; the point is copied.
  Hessian(const Risk& risk, const ConstMatrixView& u, const ConstMatrixView& v, const Context& context);

  Shape shape() const { return {risk_.inputs(), u_.cols(), risk_.outputs()}; }

  // H[d]: h_u (n2 x n1), h_v (n0 x n1)
  void apply(const ConstMatrixView& d_u, const ConstMatrixView& d_v, MatrixView h_u, MatrixView h_v, Workspace& work,
             const Context& context) const;

  // H[d, d]
  double curvature(const ConstMatrixView& d_u, const ConstMatrixView& d_v, Workspace& work,
                   const Context& context) const;

 private:
  // Moment form: work.image <- Sxx Dt. Data form: work.rows <- dE = Fx Dt.
  void change(const ConstMatrixView& d_u, const ConstMatrixView& d_v, Workspace& work, const Context& context) const;

  Risk risk_;
  Matrix u_, v_;
  Matrix residual_;       // Gt, n0 x n2; empty in data form with n1 < n2
  Matrix data_residual_;  // data form: E = Fx V U^T - Fy, k x n2
  Matrix hidden_;         // if n1 < n2: Sxx V, n0 x n1 (moment form) or Fx V, k x n1 (data form)
};

// Coefficients c (5 x 5) of R(U + s U1 + t U2, V + s V1 + t V2) = sum_{i+j<=4} c_ij s^i t^j; d2 may be null (c is 5 x
// 1).
Matrix slice_coefficients(const Risk& risk, const ConstMatrixView& u, const ConstMatrixView& v,
                          const ConstMatrixView& u1, const ConstMatrixView& v1, const ConstMatrixView* u2,
                          const ConstMatrixView* v2, const Context& context);

}  // namespace landscape::linear
