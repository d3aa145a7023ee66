#include "dnn_admm.hpp"

#include <algorithm>
#include <cmath>

namespace landscape::homogeneous::dnn {

namespace {

const double kHalfRoot = std::sqrt(0.5);

}  // namespace

Admm::Admm(const PolarData& data, const Signs& signs)
    : c_(data, signs),
      u_(c_.u),
      e_(c_.e),
      o_(c_.o),
      d_(c_.d),
      n_(0),
      rows_(c_.rows()),
      x_scale_(data.x_norm),
      q_scale_(data.q_norm) {
  // [tau; sigma t_E] = X~ w = V_x xi,   w = W xi + what X~ does not see
  Dense x(u_ + e_, c_.d);
  x.topRows(u_) = c_.xu * (kHalfRoot / data.x_norm);
  x.bottomRows(e_) = c_.xe * (1.0 / data.x_norm);
  // X~ = V_x Sigma W^T without the directions that X~ does not see
  Dense gram(c_.d, c_.d);
  product_tn(1.0, x, x, 0.0, gram);
  const Eigen::SelfAdjointEigenSolver<Dense> svd(gram);
  const Vector squares = svd.eigenvalues().cwiseMax(1e-300);
  d_ = std::max<Index>(1, (squares.array() > 1e-13 * squares(c_.d - 1)).count());
  n_ = u_ + d_;
  w_ = svd.eigenvectors().rightCols(d_) * squares.tail(d_).cwiseSqrt().cwiseInverse().asDiagonal();
  vx_.resize(u_ + e_, d_);
  product(1.0, x, w_, 0.0, vx_);
  // r = G y in (alpha, xi): w = W xi, h = (alpha + V_x xi) / sqrt 2
  Dense g(c_.n_outputs, n_);
  const double x_scale = 1.0 / x_scale_, q_scale = 1.0 / q_scale_;
  g.leftCols(u_) = c_.g.rightCols(u_) * (kHalfRoot * q_scale);
  product(x_scale * q_scale, c_.g.leftCols(c_.d), w_, 0.0, g.rightCols(d_));
  product(1.0, g.leftCols(u_), vx_.topRows(u_), 1.0, g.rightCols(d_));
  Dense k(n_, n_), cw = Dense::Zero(n_, n_);
  product_tn(1.0, g, g, 0.0, k);
  product_tn(1.0, w_, w_, 0.0, cw.bottomRightCorner(d_, d_));
  if (o_ > 0) {
    go_.resize(o_, n_);
    go_scale_.resize(o_);
    for (Index i = 0; i < o_; ++i) {
      const Index row = c_.layout.outputs[static_cast<std::size_t>(i)];
      const double size = g.row(row).norm();
      go_scale_(i) = size > 0.0 ? 1.0 / size : 1.0;
      go_.row(i) = g.row(row) * (go_scale_(i) * c_.tau(i));
    }
    // S = I - G_o^T E diag((1 - (1 + l)^{-1/2}) / l) E^T G_o   with   G_o G_o^T = E diag(l) E^T
    Dense small(o_, o_);
    product_nt(1.0, go_, go_, 0.0, small);
    const Eigen::SelfAdjointEigenSolver<Dense> eigen(small);
    Vector weight(o_);
    for (Index i = 0; i < o_; ++i) {
      const double l = std::max(eigen.eigenvalues()(i), 1e-300);
      weight(i) = 1.0 / (std::sqrt(1.0 + l) * (1.0 + std::sqrt(1.0 + l)));
    }
    Dense w(o_, n_);
    product_tn(1.0, eigen.eigenvectors(), go_, 0.0, w);
    w = weight.cwiseSqrt().asDiagonal() * w;
    s_ = Dense::Identity(n_, n_);
    product_tn(-1.0, w, w, 1.0, s_);
    congruence(k);
    congruence(cw);
  }
  k_ = std::move(k);
  outputs_ = std::move(g);
  expand(k_, kz_);
  expand(cw, cz_);
}

void Admm::congruence(Dense& a) {
  half_.resize(n_, n_);
  product(1.0, s_, a, 0.0, half_);
  product(1.0, half_, s_, 0.0, a);
}

// out <- V^T T V
void Admm::compress(const Dense& t, Dense& out) {
  const Index u = u_, e = e_, m = u_ + e_;
  const auto hh = t.topLeftCorner(u, u), hs = t.block(0, u, u, u), sh = t.block(u, 0, u, u), ss = t.block(u, u, u, u);
  const auto he = t.block(0, 2 * u, u, e), se = t.block(u, 2 * u, u, e), ee = t.block(2 * u, 2 * u, e, e);
  out.resize(n_, n_);
  a_.resize(u, m);
  b_.resize(m, m);
  out.topLeftCorner(u, u) = 0.5 * (hh + hs + sh + ss);
  a_.leftCols(u) = 0.5 * (hh - hs + sh - ss);
  a_.rightCols(e) = kHalfRoot * (he + se);
  b_.topLeftCorner(u, u) = 0.5 * (hh - hs - sh + ss);
  b_.topRightCorner(u, e) = kHalfRoot * (he - se);
  b_.bottomLeftCorner(e, u) = b_.topRightCorner(u, e).transpose();
  b_.bottomRightCorner(e, e) = ee;
  product(1.0, a_, vx_, 0.0, out.topRightCorner(u, d_));
  out.bottomLeftCorner(d_, u) = out.topRightCorner(u, d_).transpose();
  bv_.resize(m, d_);
  product(1.0, b_, vx_, 0.0, bv_);
  product_tn(1.0, vx_, bv_, 0.0, out.bottomRightCorner(d_, d_));
  if (o_ == 0) return;
  // + G_o^T T_oz V_0 + its transpose + G_o^T T_oo G_o, then S . S
  const auto oh = t.block(2 * u + e, 0, o_, u), os = t.block(2 * u + e, u, o_, u),
             oe = t.block(2 * u + e, 2 * u, o_, e);
  cross_.resize(o_, n_);
  cross_.leftCols(u) = kHalfRoot * (oh + os);
  product(kHalfRoot, oh - os, vx_.topRows(u), 0.0, cross_.rightCols(d_));
  product(1.0, oe, vx_.bottomRows(e), 1.0, cross_.rightCols(d_));
  product(0.5, t.bottomRightCorner(o_, o_), go_, 1.0, cross_);
  product_tn(1.0, go_, cross_, 1.0, out);
  product_tn(1.0, cross_, go_, 1.0, out);
  congruence(out);
}

// out <- V P V^T
void Admm::expand(const Dense& p, Dense& out) {
  const Index u = u_, e = e_, m = u_ + e_;
  if (o_ > 0) compressed_ = p, congruence(compressed_);
  const Dense& q = o_ > 0 ? compressed_ : p;
  out.resize(rows_, rows_);
  av_.resize(u, m);
  bv_.resize(m, d_);
  b_.resize(m, m);
  product_nt(1.0, q.topRightCorner(u, d_), vx_, 0.0, av_);  // P_{alpha, (tau, E)}
  product(1.0, vx_, q.bottomRightCorner(d_, d_), 0.0, bv_);
  product_nt(1.0, bv_, vx_, 0.0, b_);
  const auto aa = q.topLeftCorner(u, u);
  const auto at = av_.leftCols(u), ae = av_.rightCols(e);
  const auto tt = b_.topLeftCorner(u, u), te = b_.topRightCorner(u, e);
  out.topLeftCorner(u, u) = 0.5 * (aa + tt + at + at.transpose());
  out.block(u, u, u, u) = 0.5 * (aa + tt - at - at.transpose());
  out.block(0, u, u, u) = 0.5 * (aa - tt - at + at.transpose());
  out.block(u, 0, u, u) = out.block(0, u, u, u).transpose();
  out.block(0, 2 * u, u, e) = kHalfRoot * (ae + te);
  out.block(u, 2 * u, u, e) = kHalfRoot * (ae - te);
  out.block(2 * u, 0, e, 2 * u) = out.block(0, 2 * u, 2 * u, e).transpose();
  out.block(2 * u, 2 * u, e, e) = b_.bottomRightCorner(e, e);
  if (o_ == 0) return;
  cross_.resize(o_, n_);
  product(1.0, go_, q, 0.0, cross_);
  auto rows = out.bottomRows(o_);
  product_nt(kHalfRoot, cross_.rightCols(d_), vx_.topRows(u), 0.0, rows.leftCols(u));
  rows.middleCols(u, u) = kHalfRoot * cross_.leftCols(u) - rows.leftCols(u);
  rows.leftCols(u) += kHalfRoot * cross_.leftCols(u);
  product_nt(1.0, cross_.rightCols(d_), vx_.bottomRows(e), 0.0, rows.middleCols(2 * u, e));
  product_nt(1.0, cross_, go_, 0.0, rows.rightCols(o_));
  out.topRightCorner(m + u, o_) = rows.leftCols(m + u).transpose();
}

void Admm::start(const Dense& t, double rho, double penalty) {
  if (rho > 0.0 && t.rows() == rows_) {
    t_ = t;
    rho_ = rho;
  } else {
    t_ = Dense::Zero(rows_, rows_);
    rho_ = penalty * std::max(k_.norm(), 1e-12);
  }
  z_ = Dense::Zero(rows_, rows_);
}

// Z <- (target - theta C)_+ with <C, Z> <= 1 and zeros at (h_i, s_i); theta by safeguarded Newton steps from the last
// one
void Admm::project() {
  constexpr double accuracy = 1e-7, indicator = 1e290;  // min(1, indicator z) = 1 where z > 0, without a branch
  double low = 0.0, high = kInfinity, theta = theta_;
  for (int step = 0; step < 30; ++step) {
    z_ = (target_ - theta * cz_).cwiseMax(0.0);
    z_.diagonal(u_).head(u_).setZero();
    z_.diagonal(-u_).head(u_).setZero();
    theta_ = theta;
    const double excess = z_.cwiseProduct(cz_).sum() - 1.0;
    if (std::abs(excess) <= accuracy || (theta == 0.0 && excess <= 0.0)) break;
    (excess > 0.0 ? low : high) = theta;
    const double slope = (indicator * z_).cwiseMin(1.0).cwiseProduct(cz_.cwiseAbs2()).sum();
    theta = slope > 0.0 ? std::max(0.0, theta + excess / slope) : kInfinity;
    if (!(theta > low && theta < high) && !(theta == 0.0 && low == 0.0))
      theta = high < kInfinity ? 0.5 * (low + high) : 2.0 * low + 1e-6;
  }
}

void Admm::iterate(Index iterations) {
  constexpr double relaxation = 1.6;
  for (Index k = 0; k < iterations; ++k) {
    // P <- (V^T T V)_+ ;  target = 2 P - T + K / rho ;  Z <- projection ;  T <- T + relaxation (Z - P)
    compress(t_, p_);
    eigen_.compute(p_);
    const Vector& values = eigen_.eigenvalues();
    const Index negative = (values.array() <= 0.0).count(), positive = n_ - negative;
    const Dense& vectors = eigen_.eigenvectors();
    if (positive <= negative) {
      part_ = vectors.rightCols(positive) * values.tail(positive).cwiseSqrt().asDiagonal();
      product_nt(1.0, part_, part_, 0.0, p_);
    } else {
      part_ = vectors.leftCols(negative) * (-values.head(negative)).cwiseMax(0.0).cwiseSqrt().asDiagonal();
      product_nt(1.0, part_, part_, 1.0, p_);
    }
    expand(p_, pz_);
    target_ = 2.0 * pz_ - t_ + kz_ / rho_;
    z_.swap(z_before_);
    project();
    t_ += relaxation * (z_ - pz_);
  }
}

void Admm::balance() {
  // T = P + W with W in units of 1 / rho
  const double primal = (z_ - pz_).norm(), dual = (z_ - z_before_).norm();
  double factor = 1.0;
  if (primal > 5.0 * dual) factor = 1.5;
  if (dual > 5.0 * primal) factor = 1.0 / 1.5;
  if (factor != 1.0) {
    rho_ *= factor;
    t_ = (pz_ + (t_ - pz_) / factor).eval();
  }
}

// N = rho (Z - target + theta C), back in the units of the data
FloatMatrix Admm::multipliers() const {
  Dense n = rho_ * (z_ - target_ + theta_ * cz_);
  const double scale = q_scale_ * q_scale_;
  n *= scale;
  for (Index i = 0; i < o_; ++i) {
    n.row(rows_ - o_ + i) *= go_scale_(i) / q_scale_;
    n.col(rows_ - o_ + i) *= go_scale_(i) / q_scale_;
  }
  return n.cast<float>();
}

Vector Admm::scores(const PolarData& data) {
  Vector out = Vector::Zero(data.size() + data.outputs());
  for (Index i = 0; i < u_; ++i)
    out(c_.layout.undecided[static_cast<std::size_t>(i)]) =
        std::max(0.0, std::min(pz_(i, i), pz_(u_ + i, u_ + i))) * c_.qu.row(i).squaredNorm();
  // E[r_k h_i] and E[r_k s_i] of one sign are cut off by a split on r_k
  if (c_.n_outputs > o_) {
    if (o_ > 0) compressed_ = p_, congruence(compressed_);
    const Dense& p = o_ > 0 ? compressed_ : p_;
    Dense r(c_.n_outputs, n_), t(c_.n_outputs, u_);
    product(1.0, outputs_, p, 0.0, r);
    product_nt(1.0, r.rightCols(d_), vx_.topRows(u_), 0.0, t);
    const double scale = kHalfRoot * q_scale_;
    for (Index k = 0; k < c_.n_outputs; ++k) {
      if (std::find(c_.layout.outputs.begin(), c_.layout.outputs.end(), k) != c_.layout.outputs.end()) continue;
      double plus = 0.0, minus = 0.0;
      for (Index i = 0; i < u_; ++i)
        for (const double value : {r(k, i) + t(k, i), r(k, i) - t(k, i)}) {
          const double cut = scale * value * c_.qu.row(i).norm();
          plus = std::max(plus, cut);
          minus = std::max(minus, -cut);
        }
      out(data.size() + k) = std::min(plus, minus);
    }
  }
  return out;
}

Dense Admm::directions(Index count) const {
  count = std::min(count, n_);
  Dense v = eigen_.eigenvectors().rightCols(count);
  if (o_ > 0) {
    Dense sv(n_, count);
    product(1.0, s_, v, 0.0, sv);
    v = sv;
  }
  Dense out(c_.d, count);
  product(1.0, w_, v.bottomRows(d_), 0.0, out);
  return out;
}

}  // namespace landscape::homogeneous::dnn
