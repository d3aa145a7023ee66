#include "landscape/linalg/decompositions.hpp"

#include <Eigen/Eigenvalues>
#include <Eigen/QR>
#include <Eigen/SVD>
#include <vector>

namespace landscape::linalg {

namespace {

// Below this order a call into LAPACK costs more than it saves, and Eigen runs inside parallel regions too.
constexpr Index kLapackFromOrder = 48;

using ColumnMajor = Eigen::MatrixXd;

const Blas* lapack(const Context& context, Index order) {
  return order >= kLapackFromOrder ? context.library() : nullptr;
}

void converged(int info, const char* routine) {
  if (info != 0) throw NumericalFailure(std::string(routine) + " did not converge, info = " + std::to_string(info));
}

}  // namespace

SymmetricEigen symmetric_eigen(const ConstMatrixView& a, const Context& context) {
  SymmetricEigen result;
  if (a.rows() == 0) return result;
  if (const Blas* blas = lapack(context, a.rows())) {
    ColumnMajor work_matrix = a;
    int n = static_cast<int>(a.rows()), lwork = -1, liwork = -1, iwork_size = 0, info = 0;
    char jobz = 'V', uplo = 'L';
    double work_size = 0.0;
    result.values.resize(n);
    blas->dsyevd(&jobz, &uplo, &n, work_matrix.data(), &n, result.values.data(), &work_size, &lwork, &iwork_size,
                 &liwork, &info);
    lwork = static_cast<int>(work_size);
    liwork = iwork_size;
    std::vector<double> work(lwork);
    std::vector<int> iwork(liwork);
    blas->dsyevd(&jobz, &uplo, &n, work_matrix.data(), &n, result.values.data(), work.data(), &lwork, iwork.data(),
                 &liwork, &info);
    converged(info, "dsyevd");
    result.vectors = work_matrix;
    return result;
  }
  Eigen::SelfAdjointEigenSolver<ColumnMajor> solver(ColumnMajor(a), Eigen::ComputeEigenvectors);
  converged(solver.info() == Eigen::Success ? 0 : 1, "SelfAdjointEigenSolver");
  result.values = solver.eigenvalues();
  result.vectors = solver.eigenvectors();
  return result;
}

ThinSvd thin_svd(const ConstMatrixView& a, const Context& context) {
  ThinSvd result;
  const Index rank = std::min(a.rows(), a.cols());
  if (rank == 0) {
    result.left.resize(a.rows(), 0);
    result.right.resize(a.cols(), 0);
    return result;
  }
  if (const Blas* blas = lapack(context, rank)) {
    // Row-major A is column-major A^T = right diag left^T.
    Matrix work_matrix = a;
    int m = static_cast<int>(a.cols()), n = static_cast<int>(a.rows()), k = static_cast<int>(rank), lwork = -1,
        info = 0;
    char jobz = 'S';
    double work_size = 0.0;
    ColumnMajor u(m, k), vt(k, n);
    std::vector<int> iwork(8 * k);
    result.values.resize(k);
    blas->dgesdd(&jobz, &m, &n, work_matrix.data(), &m, result.values.data(), u.data(), &m, vt.data(), &k, &work_size,
                 &lwork, iwork.data(), &info);
    lwork = static_cast<int>(work_size);
    std::vector<double> work(lwork);
    blas->dgesdd(&jobz, &m, &n, work_matrix.data(), &m, result.values.data(), u.data(), &m, vt.data(), &k, work.data(),
                 &lwork, iwork.data(), &info);
    converged(info, "dgesdd");
    result.right = u;
    result.left = vt.transpose();
    return result;
  }
  // Jacobi to order 16 (it is more accurate there, and Eigen's divide and conquer switches to it anyway).
  if (rank <= 16) {
    Eigen::JacobiSVD<ColumnMajor> solver(ColumnMajor(a), Eigen::ComputeThinU | Eigen::ComputeThinV);
    result.left = solver.matrixU();
    result.values = solver.singularValues();
    result.right = solver.matrixV();
  } else {
    Eigen::BDCSVD<ColumnMajor> solver(ColumnMajor(a), Eigen::ComputeThinU | Eigen::ComputeThinV);
    converged(solver.info() == Eigen::Success ? 0 : 1, "BDCSVD");
    result.left = solver.matrixU();
    result.values = solver.singularValues();
    result.right = solver.matrixV();
  }
  return result;
}

Matrix qr_factor(const ConstMatrixView& a, const Context& context) {
  const Index rank = std::min(a.rows(), a.cols());
  if (rank == 0) return Matrix(0, a.cols());
  ColumnMajor work_matrix = a;
  if (const Blas* blas = lapack(context, rank)) {
    int m = static_cast<int>(a.rows()), n = static_cast<int>(a.cols()), lwork = -1, info = 0;
    double work_size = 0.0;
    std::vector<double> tau(rank);
    blas->dgeqrf(&m, &n, work_matrix.data(), &m, tau.data(), &work_size, &lwork, &info);
    lwork = static_cast<int>(work_size);
    std::vector<double> work(lwork);
    blas->dgeqrf(&m, &n, work_matrix.data(), &m, tau.data(), work.data(), &lwork, &info);
    converged(info, "dgeqrf");
    return Matrix(work_matrix.topRows(rank).triangularView<Eigen::Upper>());
  }
  Eigen::HouseholderQR<Eigen::Ref<ColumnMajor>> solver(work_matrix);
  return Matrix(work_matrix.topRows(rank).triangularView<Eigen::Upper>());
}

Matrix orthonormal_columns(const ConstMatrixView& a) {
  if (a.cols() == 0) return Matrix(a.rows(), 0);
  Eigen::HouseholderQR<ColumnMajor> solver{ColumnMajor(a)};
  return Matrix(solver.householderQ() * ColumnMajor::Identity(a.rows(), a.cols()));
}

}  // namespace landscape::linalg
