#include "landscape/linalg/decompositions.hpp"

#include <Eigen/QR>
#include <vector>

#include "landscape/linalg/eigen_solver.hpp"
#include "lapack.hpp"

template class Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd>;
template Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd>& Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd>::compute(
    const Eigen::EigenBase<Eigen::MatrixXd>&, int);

namespace landscape::linalg {

using ColumnMajor = Eigen::MatrixXd;

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

Vector symmetric_eigenvalues(const ConstMatrixView& a) {
  Eigen::SelfAdjointEigenSolver<ColumnMajor> solver(ColumnMajor(a), Eigen::EigenvaluesOnly);
  converged(solver.info() == Eigen::Success ? 0 : 1, "SelfAdjointEigenSolver");
  return solver.eigenvalues();
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

namespace {

// Q times `count` columns of the identity, from `first` on
Matrix columns_of_q(const Eigen::HouseholderQR<ColumnMajor>& solver, Index first, Index count) {
  ColumnMajor unit = ColumnMajor::Zero(solver.rows(), count);
  unit.middleRows(first, count).setIdentity();
  return Matrix(solver.householderQ() * unit);
}

}  // namespace

ThinQr thin_qr(const ConstMatrixView& a) {
  const Index rank = std::min(a.rows(), a.cols());
  if (rank == 0) return {Matrix(a.rows(), 0), Matrix(0, a.cols())};
  const Eigen::HouseholderQR<ColumnMajor> solver{ColumnMajor(a)};
  return {columns_of_q(solver, 0, rank), Matrix(solver.matrixQR().topRows(rank).triangularView<Eigen::Upper>())};
}

Matrix orthonormal_columns(const ConstMatrixView& a) { return thin_qr(a).q; }

Matrix orthonormal_complement(const ConstMatrixView& a) {
  if (a.cols() == 0) return Matrix::Identity(a.rows(), a.rows());
  const Eigen::HouseholderQR<ColumnMajor> solver{ColumnMajor(a)};
  return columns_of_q(solver, a.cols(), a.rows() - a.cols());
}

}  // namespace landscape::linalg
