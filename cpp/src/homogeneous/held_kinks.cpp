#include "held_kinks.hpp"

#include <algorithm>

#include "landscape/linalg/decompositions.hpp"

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
  basis_ = linalg::orthonormal_complement(gathered(x));
}

Vector HeldKinks::projected(const Vector& v) const {
  return everything() ? v : Vector(basis_ * (basis_.transpose() * v));
}

Vector HeldKinks::multipliers(const ConstMatrixMap& x, const Vector& g) const {
  const linalg::ThinQr qr = linalg::thin_qr(gathered(x));
  Vector nu = qr.r.triangularView<Eigen::Upper>().solve(qr.q.transpose() * g);
  for (std::size_t j = 0; j < samples_.size(); ++j) nu(static_cast<Index>(j)) /= x.row(samples_[j]).norm();
  return nu;
}

}  // namespace landscape::homogeneous
