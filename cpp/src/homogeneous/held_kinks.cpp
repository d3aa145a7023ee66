#include "held_kinks.hpp"

#include <Eigen/QR>
#include <algorithm>

namespace landscape::homogeneous {

namespace {
constexpr double kIndependent = 1e-7;  // of |x_i|, beside the span of the samples held
}

bool HeldKinks::hold(const ConstMatrixMap& x, Index sample) {
  if (dimension() <= 1 || holds(sample)) return false;
  const Vector own = x.row(sample).transpose();
  const double beside = everything() ? own.norm() : (basis_.transpose() * own).norm();
  if (!(beside > kIndependent * own.norm())) return false;
  samples_.push_back(sample);
  rebuild(x);
  return true;
}

void HeldKinks::release(const ConstMatrixMap& x, std::size_t place) {
  samples_.erase(samples_.begin() + static_cast<std::ptrdiff_t>(place));
  rebuild(x);
}

bool HeldKinks::holds(Index sample) const {
  return std::find(samples_.begin(), samples_.end(), sample) != samples_.end();
}

Matrix HeldKinks::gathered(const ConstMatrixMap& x) const {
  Matrix held(inputs_, static_cast<Index>(samples_.size()));
  for (std::size_t j = 0; j < samples_.size(); ++j)
    held.col(static_cast<Index>(j)) = x.row(samples_[j]).transpose().normalized();
  return held;
}

void HeldKinks::rebuild(const ConstMatrixMap& x) {
  if (everything()) {
    basis_.resize(0, 0);
    return;
  }
  const Index held = static_cast<Index>(samples_.size());
  const Eigen::HouseholderQR<Eigen::MatrixXd> qr{Eigen::MatrixXd(gathered(x))};
  Eigen::MatrixXd rest = Eigen::MatrixXd::Zero(inputs_, inputs_ - held);
  rest.bottomRows(inputs_ - held).setIdentity();
  basis_ = qr.householderQ() * rest;
}

Vector HeldKinks::projected(const Vector& v) const {
  return everything() ? v : Vector(basis_ * (basis_.transpose() * v));
}

Vector HeldKinks::multipliers(const ConstMatrixMap& x, const Vector& g) const {
  const Matrix held = gathered(x);
  Vector nu = Eigen::HouseholderQR<Eigen::MatrixXd>(Eigen::MatrixXd(held)).solve(g);
  for (std::size_t j = 0; j < samples_.size(); ++j) nu(static_cast<Index>(j)) /= x.row(samples_[j]).norm();
  return nu;
}

}  // namespace landscape::homogeneous
