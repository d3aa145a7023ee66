// Storage, decided once: everything that crosses a boundary is float64 in C order (row-major), as NumPy's default.
#pragma once

#include <Eigen/Core>
#include <limits>

namespace landscape {

using Index = Eigen::Index;
using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Vector = Eigen::VectorXd;

// Views bind to a Matrix, to a Map over foreign memory and to row or column blocks of either, without a copy.
using MatrixView = Eigen::Ref<Matrix, 0, Eigen::OuterStride<>>;
using ConstMatrixView = Eigen::Ref<const Matrix, 0, Eigen::OuterStride<>>;
using MatrixMap = Eigen::Map<Matrix>;
using ConstMatrixMap = Eigen::Map<const Matrix>;
using VectorMap = Eigen::Map<Vector>;
using ConstVectorMap = Eigen::Map<const Vector>;

constexpr double kUnitRoundoff = 1.1102230246251565e-16;  // u = 2^-53
constexpr double kInfinity = std::numeric_limits<double>::infinity();

}  // namespace landscape
