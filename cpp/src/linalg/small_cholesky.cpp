#include "landscape/linalg/small_cholesky.hpp"

#include <Eigen/Cholesky>

namespace landscape::linalg {

struct SmallCholesky::Factor {
  Eigen::LLT<Eigen::MatrixXd, Eigen::Lower> llt;
};

SmallCholesky::SmallCholesky() : factor_(std::make_unique<Factor>()) {}
SmallCholesky::~SmallCholesky() = default;
SmallCholesky::SmallCholesky(SmallCholesky&&) noexcept = default;

bool SmallCholesky::factor(const ConstMatrixView& a) {
  factor_->llt.compute(Eigen::MatrixXd(a));
  return factor_->llt.info() == Eigen::Success;
}

Index SmallCholesky::size() const { return factor_->llt.rows(); }

Vector SmallCholesky::solve(const Vector& b) const { return factor_->llt.solve(b); }

}  // namespace landscape::linalg
