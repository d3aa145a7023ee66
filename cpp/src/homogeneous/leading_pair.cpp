#include "leading_pair.hpp"

#include <Eigen/Eigenvalues>

namespace landscape::homogeneous {

LeadingPair leading_pair(const double* m, Index d, double* vector) {
  using Form = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::ColMajor, 5, 5>;  // no allocation
  const Form form = Eigen::Map<const Eigen::MatrixXd>(m, d, d);
  const Eigen::SelfAdjointEigenSolver<Form> solver(form);
  Eigen::Map<Vector>(vector, d) = solver.eigenvectors().col(d - 1).normalized();
  return {solver.eigenvalues()(d - 1), d > 1 ? solver.eigenvalues()(d - 2) : 0.0};
}

}  // namespace landscape::homogeneous
