// Eigen's solver of the symmetric eigenproblem, compiled once (in decompositions.cpp) instead of wherever it is used.
#pragma once

#include <Eigen/Eigenvalues>

extern template class Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd>;
extern template Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd>& Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd>::compute(
    const Eigen::EigenBase<Eigen::MatrixXd>&, int);
