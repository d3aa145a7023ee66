#include "landscape/homogeneous/pair.hpp"

namespace landscape::homogeneous {

Pair::Pair(const ConstMatrixMap& x, Index outputs, const Architecture& architecture)
    : targets_(Matrix::Zero(x.rows(), outputs)),
      problem_{x, ConstMatrixMap(targets_.data(), targets_.rows(), targets_.cols()), Loss{}, 1.0},
      degree_(architecture.degree()) {
  Architecture one = architecture;
  one.width = 1;
  network_ = make_network(problem_, one);
}

void Pair::apply(const double* w, MatrixView z) const { network_->predict(w, problem_.x, z, Context{}); }

void Pair::adjoint(const double* w, const ConstMatrixView& q, double* g) const {
  network_->adjoint(w, problem_.x, q, g, Context{});
}

}  // namespace landscape::homogeneous
