// The one seam to a BLAS/LAPACK: a table of Fortran-convention entry points (column-major, everything by address,
// 32-bit integers). Python fills it from the capsules that SciPy publishes; C++-only users may leave it out and get
// Eigen.
#pragma once

#include "landscape/typedefs.hpp"

namespace landscape {

inline int blas_int(Index value) { return static_cast<int>(value); }

struct Blas {
  using Gemm = void(char* transa, char* transb, int* m, int* n, int* k, double* alpha, double* a, int* lda, double* b,
                    int* ldb, double* beta, double* c, int* ldc);
  using Syrk = void(char* uplo, char* trans, int* n, int* k, double* alpha, double* a, int* lda, double* beta,
                    double* c, int* ldc);
  using Syevd = void(char* jobz, char* uplo, int* n, double* a, int* lda, double* w, double* work, int* lwork,
                     int* iwork, int* liwork, int* info);
  using Gesdd = void(char* jobz, int* m, int* n, double* a, int* lda, double* s, double* u, int* ldu, double* vt,
                     int* ldvt, double* work, int* lwork, int* iwork, int* info);
  using Geqrf = void(int* m, int* n, double* a, int* lda, double* tau, double* work, int* lwork, int* info);
  using Potrf = void(char* uplo, int* n, double* a, int* lda, int* info);

  Gemm* dgemm = nullptr;
  Syrk* dsyrk = nullptr;
  Syevd* dsyevd = nullptr;
  Gesdd* dgesdd = nullptr;
  Geqrf* dgeqrf = nullptr;
  Potrf* dpotrf = nullptr;
};

}  // namespace landscape
