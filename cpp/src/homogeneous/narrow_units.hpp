// Units on few inputs: products with an inner dimension of two or three leave the registers empty, so both passes go
// over samples in the lanes of the registers and keep no hidden value; the second computes them again.
//
//   z_i += sum_k u_k act(x_i . v_k)         gU += g_i act(x_i . v_k),  gV_k += x_i act'(x_i . v_k) (g_i . u_k)
#pragma once

#include "landscape/homogeneous/activation.hpp"
#include "landscape/typedefs.hpp"

namespace landscape::homogeneous {

class NarrowUnits {
 public:
  // Whether it is the better way for so many inputs and outputs.
  static bool suits(Index inputs, Index outputs) { return inputs <= 8 && outputs <= 4; }

  // z (m x nL) <- z + act(X V) U^T      x (m x d), v (d x r), u (nL x r)
  void outputs(const Activation& act, const ConstMatrixView& x, const ConstMatrixMap& v, const ConstMatrixMap& u,
               MatrixView z);
  // After outputs() on the same samples: g_u += G^T act(X V), g_v += X^T (act'(X V) o G U)
  void pull_back(const Activation& act, const ConstMatrixMap& v, const ConstMatrixMap& u, const ConstMatrixView& g,
                 MatrixMap g_u, MatrixMap g_v);

 private:
  Matrix x_, z_;  // d x padded samples, nL x padded samples: rows past the samples are zero
};

}  // namespace landscape::homogeneous
