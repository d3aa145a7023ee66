#include <Eigen/SVD>
#include <vector>

#include "landscape/linalg/decompositions.hpp"
#include "lapack.hpp"

namespace landscape::linalg {

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
    Eigen::MatrixXd u(m, k), vt(k, n);
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
  if (rank <= 16) return jacobi_svd(a);
  const Eigen::BDCSVD<Eigen::MatrixXd> solver(Eigen::MatrixXd(a), Eigen::ComputeThinU | Eigen::ComputeThinV);
  converged(solver.info() == Eigen::Success ? 0 : 1, "BDCSVD");
  return {solver.matrixU(), solver.singularValues(), solver.matrixV()};
}

ThinSvd jacobi_svd(const ConstMatrixView& a) {
  const Eigen::JacobiSVD<Eigen::MatrixXd> solver(Eigen::MatrixXd(a), Eigen::ComputeThinU | Eigen::ComputeThinV);
  return {solver.matrixU(), solver.singularValues(), solver.matrixV()};
}

}  // namespace landscape::linalg
