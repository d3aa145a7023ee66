// Full dense decompositions: LAPACK through the seam when the context carries one, Eigen otherwise.
#pragma once

#include "landscape/context.hpp"
#include "landscape/typedefs.hpp"

namespace landscape::linalg {

struct SymmetricEigen {
  Vector values;   // ascending
  Matrix vectors;  // columns
};
// A = V diag(values) V^T      A (n x n), only its lower triangle is read
SymmetricEigen symmetric_eigen(const ConstMatrixView& a, const Context& context);

// Eigenvalues only, ascending, by Eigen: for the small matrices of one point in a batch.
Vector symmetric_eigenvalues(const ConstMatrixView& a);

struct ThinSvd {
  Matrix left;    // m x k, k = min(m, n)
  Vector values;  // k, descending
  Matrix right;   // n x k
};
// A = left diag(values) right^T      A (m x n)
ThinSvd thin_svd(const ConstMatrixView& a, const Context& context);

// R of A = Q R with R^T R = A^T A      A (m x n) -> min(m, n) x n, upper trapezoidal
Matrix qr_factor(const ConstMatrixView& a, const Context& context);

// By Eigen's Jacobi rotations: slow, and the vectors keep their digits where singular values repeat.
ThinSvd jacobi_svd(const ConstMatrixView& a);

// A = Q R by Householder reflections      A (m x n) -> Q (m x k), R (k x n), k = min(m, n)
struct ThinQr {
  Matrix q, r;
};
ThinQr thin_qr(const ConstMatrixView& a);

// An orthonormal basis of the column space      A (m x n) of full column rank -> m x n
Matrix orthonormal_columns(const ConstMatrixView& a);

// An orthonormal basis of what is orthogonal to the columns      A (m x n) of full column rank -> m x (m - n)
Matrix orthonormal_complement(const ConstMatrixView& a);

}  // namespace landscape::linalg
