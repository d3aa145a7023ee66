#include <cmath>
#include <limits>

#include "architectures.hpp"
#include "landscape/errors.hpp"
#include "landscape/linalg/products.hpp"
#include "narrow_units.hpp"

namespace landscape::homogeneous {

namespace {

using linalg::Into;

class Units final : public Network {
 public:
  Units(const Problem& problem, const Architecture& architecture)
      : Network(problem, architecture.width * (problem.x.cols() + problem.y.cols()),
                NarrowUnits::suits(problem.x.cols(), problem.y.cols()) ? 512 : 128),
        act_(architecture.act),
        product_(architecture.product),
        width_(architecture.width),
        inputs_(problem.x.cols()),
        outputs_(problem.y.cols()) {
    require(act_.power == 1 || !problem.free_bias, "a free bias needs an activation of power 1");
  }

 private:
  // block(p, l) of product_penalty: u_k, or v_k without a free bias
  auto column(Index k) const {
    return [this, k](auto* p, std::size_t l) {
      const Index rows = l == 0 ? outputs_ : inputs_ - (problem().free_bias ? 1 : 0);
      return (l == 0 ? u(p) : v(p)).topRows(rows).col(k);
    };
  }

 protected:
  struct Own final : Hidden {
    NarrowUnits narrow;
    Matrix t, h, dt, dh, w, slope_sum;
    void fit(Index rows, Index width) {
      if (t.rows() >= rows && t.cols() == width) return;
      for (Matrix* block : {&t, &h, &dt, &dh, &w, &slope_sum}) block->resize(rows, width);
    }
  };

  std::unique_ptr<Hidden> hidden() const override { return std::make_unique<Own>(); }

  void outputs(const double* point, const ConstMatrixView& x, MatrixView z, Hidden& hidden) const override {
    Own& own = static_cast<Own&>(hidden);
    own.fit(x.rows(), width_);
    auto t = own.t.topRows(x.rows());
    auto h = own.h.topRows(x.rows());
    linalg::multiply(x, v(point), t, serial_);  // t <- X V
    activate(act_, t, h);
    linalg::multiply_by_transposed(h, u(point), z, serial_, Into::add);  // Z <- Z + H U^T
  }

  void pull_back(const double* point, const ConstMatrixView& x, const ConstMatrixView& g, double* gradient,
                 Hidden& hidden) const override {
    Own& own = static_cast<Own&>(hidden);
    auto w = own.w.topRows(x.rows());
    linalg::multiply_transposed(g, own.h.topRows(x.rows()), u(gradient), serial_, Into::add);
    linalg::multiply(g, u(point), w, serial_);
    times_derivative(act_, own.t.topRows(x.rows()), w);
    linalg::multiply_transposed(x, w, v(gradient), serial_, Into::add);
  }

  void only_outputs(const double* point, const ConstMatrixView& x, MatrixView z, Hidden& hidden) const override {
    if (!NarrowUnits::suits(inputs_, outputs_)) return outputs(point, x, z, hidden);
    static_cast<Own&>(hidden).narrow.outputs(act_, x, v(point), u(point), z);
  }

  void only_pull_back(const double* point, const ConstMatrixView& x, const ConstMatrixView& g, double* gradient,
                      Hidden& hidden) const override {
    if (!NarrowUnits::suits(inputs_, outputs_)) return pull_back(point, x, g, gradient, hidden);
    static_cast<Own&>(hidden).narrow.pull_back(act_, v(point), u(point), g, u(gradient), v(gradient));
  }

  void push_forward(const double* point, const double* direction, const ConstMatrixView& x, MatrixView dz,
                    Hidden& hidden) const override {
    Own& own = static_cast<Own&>(hidden);
    auto dt = own.dt.topRows(x.rows());
    auto dh = own.dh.topRows(x.rows());
    linalg::multiply(x, v(direction), dt, serial_);
    dh = dt;
    times_derivative(act_, own.t.topRows(x.rows()), dh);
    linalg::multiply_by_transposed(own.h.topRows(x.rows()), u(direction), dz, serial_, Into::add);
    linalg::multiply_by_transposed(dh, u(point), dz, serial_, Into::add);
  }

  void pull_back_change(const double* point, const double* direction, const ConstMatrixView& x,
                        const ConstMatrixView& g, const ConstMatrixView& dg, double* out,
                        Hidden& hidden) const override {
    Own& own = static_cast<Own&>(hidden);
    const auto t = own.t.topRows(x.rows());
    auto w = own.w.topRows(x.rows());
    linalg::multiply_transposed(dg, own.h.topRows(x.rows()), u(out), serial_, Into::add);
    linalg::multiply_transposed(g, own.dh.topRows(x.rows()), u(out), serial_, Into::add);
    linalg::multiply(g, u(direction), w, serial_);
    linalg::multiply(dg, u(point), w, serial_, Into::add);
    times_derivative(act_, t, w);
    if (act_.power == 2) {
      auto sum = own.slope_sum.topRows(x.rows());
      linalg::multiply(g, u(point), sum, serial_);
      const double left = 2.0 * act_.slope * act_.slope;
      for (Index i = 0; i < t.rows(); ++i)
        for (Index k = 0; k < width_; ++k) w(i, k) += (t(i, k) > 0.0 ? 2.0 : left) * own.dt(i, k) * sum(i, k);
    }
    linalg::multiply_transposed(x, w, v(out), serial_, Into::add);
  }

  double margin(const double* point, const ConstMatrixView& x, Hidden& hidden) const override {
    if (act_.linear() || (act_.power == 2 && act_.even())) return std::numeric_limits<double>::infinity();
    const Own& own = static_cast<const Own&>(hidden);
    const auto left = u(point), right = v(point);
    double least = std::numeric_limits<double>::infinity();
    for (Index k = 0; k < width_; ++k) {
      const double size = right.col(k).stableNorm();
      if (size == 0.0 && left.col(k).isZero(0.0)) continue;
      for (Index i = 0; i < x.rows(); ++i) {
        const double length = x.row(i).stableNorm();
        if (length > 0.0) least = std::min(least, size > 0.0 ? std::abs(own.t(i, k)) / length / size : 0.0);
      }
    }
    return least;
  }

  double penalty(const double* point, double* gradient) const override {
    const double lam = problem().lam;
    if (product_) {
      double sum = 0.0;
      for (Index k = 0; k < width_; ++k) sum += product_penalty({1, act_.power}, column(k), point, gradient, lam);
      return sum;
    }
    if (act_.power == 1) {
      const Index count = penalized();
      if (gradient != nullptr) VectorMap(gradient, count) += lam * ConstVectorMap(point, count);
      return 0.5 * ConstVectorMap(point, count).squaredNorm();
    }
    double theta = 0.0;
    for (Index k = 0; k < width_; ++k) {
      const auto left = u(point).col(k), right = v(point).col(k);
      const double p = left.norm(), q = right.norm();
      theta += (p * p * p + 2.0 * q * q * q) / 3.0;
      if (gradient == nullptr) continue;
      u(gradient).col(k) += lam * p * left;
      v(gradient).col(k) += 2.0 * lam * q * right;
    }
    return theta;
  }

  void penalty_change(const double* point, const double* direction, double* out) const override {
    const double lam = problem().lam;
    if (product_) {
      for (Index k = 0; k < width_; ++k) product_penalty_change({1, act_.power}, column(k), point, direction, out, lam);
      return;
    }
    if (act_.power == 1) {
      const Index count = penalized();
      VectorMap(out, count) += lam * ConstVectorMap(direction, count);
      return;
    }
    const auto add = [](const auto& w, const auto& d, double factor, auto&& result) {
      const double size = w.norm();  // d^2 |w|^3 / 3 = |w| d + w <w, d> / |w|
      if (size > 0.0) result += factor * (size * d + (w.dot(d) / size) * w);
    };
    for (Index k = 0; k < width_; ++k) {
      add(u(point).col(k), u(direction).col(k), lam, u(out).col(k));
      add(v(point).col(k), v(direction).col(k), 2.0 * lam, v(out).col(k));
    }
  }

 private:
  // V's last row comes last in a packed point, so a free bias leaves a shorter one.
  Index penalized() const { return width_ * (inputs_ + outputs_ - (problem().free_bias ? 1 : 0)); }
  ConstMatrixMap u(const double* p) const { return {p, outputs_, width_}; }
  ConstMatrixMap v(const double* p) const { return {p + outputs_ * width_, inputs_, width_}; }
  MatrixMap u(double* p) const { return {p, outputs_, width_}; }
  MatrixMap v(double* p) const { return {p + outputs_ * width_, inputs_, width_}; }

  Activation act_;
  bool product_;
  Index width_, inputs_, outputs_;
  Context serial_;
};

}  // namespace

std::unique_ptr<Network> make_units(const Problem& problem, const Architecture& architecture) {
  return std::make_unique<Units>(problem, architecture);
}

}  // namespace landscape::homogeneous
