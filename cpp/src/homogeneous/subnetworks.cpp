#include <cmath>
#include <limits>

#include "architectures.hpp"
#include "landscape/errors.hpp"
#include "landscape/linalg/products.hpp"

namespace landscape::homogeneous {

namespace {

using linalg::Into;

Index parameters(const Problem& problem, const Architecture& architecture) {
  Index before = problem.x.cols(), sum = 0;
  for (const Index n : architecture.hidden) {
    require(n > 0, "every hidden layer of a subnetwork needs a unit");
    sum += n * before;
    before = n;
  }
  return architecture.width * (sum + before * problem.y.cols());
}

class Subnetworks final : public Network {
 public:
  Subnetworks(const Problem& problem, const Architecture& architecture)
      : Network(problem, parameters(problem, architecture)),
        act_(architecture.act),
        product_(architecture.product),
        width_(architecture.width) {
    require(act_.power == 1, "subnetworks have activations of power 1");
    require(!problem.free_bias, "subnetworks have no free bias");
    sizes_.push_back(problem.x.cols());
    sizes_.insert(sizes_.end(), architecture.hidden.begin(), architecture.hidden.end());
    sizes_.push_back(problem.y.cols());
    Index offset = 0;
    for (std::size_t l = 0; l + 1 < sizes_.size(); ++l) {
      offsets_.push_back(offset);
      offset += width_ * sizes_[l] * sizes_[l + 1];
    }
  }

 private:
  std::vector<int> exponents() const { return std::vector<int>(depth(), 1); }
  // block(p, l) of product_penalty
  auto block(Index k) const {
    return [this, k](auto* p, std::size_t l) { return weight(p, k, l); };
  }

 protected:
  // By subnetwork and hidden layer: t = A_{l-1} W_l^T, a = act(t) and their changes; s and ds run backwards.
  struct Own final : Hidden {
    std::vector<Matrix> t, a, da;
    Matrix s, next, ds, dnext;
  };

  std::unique_ptr<Hidden> hidden() const override {
    auto own = std::make_unique<Own>();
    for (std::vector<Matrix>* blocks : {&own->t, &own->a, &own->da})
      blocks->resize(static_cast<std::size_t>(width_) * (depth() - 1));
    return own;
  }

  void outputs(const double* point, const ConstMatrixView& x, MatrixView z, Hidden& hidden) const override {
    Own& own = static_cast<Own&>(hidden);
    for (Index k = 0; k < width_; ++k) {
      for (std::size_t l = 0; l + 1 < depth(); ++l) {
        Matrix &t = own.t[at(k, l)], &a = own.a[at(k, l)];
        t.resize(x.rows(), sizes_[l + 1]);
        a.resize(x.rows(), sizes_[l + 1]);
        linalg::multiply_by_transposed(before(own.a, x, k, l), weight(point, k, l), t, serial_);
        activate(act_, t, a);
      }
      linalg::multiply_by_transposed(before(own.a, x, k, depth() - 1), weight(point, k, depth() - 1), z, serial_,
                                     Into::add);
    }
  }

  void pull_back(const double* point, const ConstMatrixView& x, const ConstMatrixView& g, double* gradient,
                 Hidden& hidden) const override {
    Own& own = static_cast<Own&>(hidden);
    for (Index k = 0; k < width_; ++k) {
      own.s = g;
      for (std::size_t l = depth(); l-- > 0;) {
        linalg::multiply_transposed(own.s, before(own.a, x, k, l), weight(gradient, k, l), serial_, Into::add);
        if (l == 0) break;
        back(own.s, weight(point, k, l), own.t[at(k, l - 1)], own.next);
      }
    }
  }

  void push_forward(const double* point, const double* direction, const ConstMatrixView& x, MatrixView dz,
                    Hidden& hidden) const override {
    Own& own = static_cast<Own&>(hidden);
    for (Index k = 0; k < width_; ++k) {
      for (std::size_t l = 0; l < depth(); ++l) {
        const bool last = l + 1 == depth();
        if (!last) own.da[at(k, l)].resize(x.rows(), sizes_[l + 1]);
        MatrixView out = last ? MatrixView(dz) : MatrixView(own.da[at(k, l)]);
        linalg::multiply_by_transposed(before(own.a, x, k, l), weight(direction, k, l), out, serial_,
                                       last ? Into::add : Into::overwrite);
        if (l > 0) linalg::multiply_by_transposed(own.da[at(k, l - 1)], weight(point, k, l), out, serial_, Into::add);
        if (!last) times_derivative(act_, own.t[at(k, l)], own.da[at(k, l)]);
      }
    }
  }

  void pull_back_change(const double* point, const double* direction, const ConstMatrixView& x,
                        const ConstMatrixView& g, const ConstMatrixView& dg, double* out,
                        Hidden& hidden) const override {
    Own& own = static_cast<Own&>(hidden);
    for (Index k = 0; k < width_; ++k) {
      own.s = g;
      own.ds = dg;
      for (std::size_t l = depth(); l-- > 0;) {
        linalg::multiply_transposed(own.ds, before(own.a, x, k, l), weight(out, k, l), serial_, Into::add);
        if (l == 0) break;
        linalg::multiply_transposed(own.s, own.da[at(k, l - 1)], weight(out, k, l), serial_, Into::add);
        // dS <- (dS W + S dW) o act', S <- (S W) o act'
        own.dnext.resize(x.rows(), sizes_[l]);
        linalg::multiply(own.ds, weight(point, k, l), own.dnext, serial_);
        linalg::multiply(own.s, weight(direction, k, l), own.dnext, serial_, Into::add);
        times_derivative(act_, own.t[at(k, l - 1)], own.dnext);
        own.ds.swap(own.dnext);
        back(own.s, weight(point, k, l), own.t[at(k, l - 1)], own.next);
      }
    }
  }

  double margin(const double* point, const ConstMatrixView& x, Hidden& hidden) const override {
    double least = std::numeric_limits<double>::infinity();
    if (act_.linear()) return least;
    const Own& own = static_cast<const Own&>(hidden);
    for (Index k = 0; k < width_; ++k)
      for (std::size_t l = 0; l + 1 < depth(); ++l) {
        const ConstMatrixView inputs = before(own.a, x, k, l);
        const auto w = weight(point, k, l);
        const Matrix& t = own.t[at(k, l)];
        for (Index j = 0; j < w.rows(); ++j) {
          const double size = w.row(j).stableNorm();
          if (size == 0.0) continue;
          for (Index i = 0; i < t.rows(); ++i) {
            const double length = inputs.row(i).stableNorm();
            if (length > 0.0) least = std::min(least, std::abs(t(i, j)) / length / size);
          }
        }
      }
    return least;
  }

  double penalty(const double* point, double* gradient) const override {
    if (product_) {
      double sum = 0.0;
      for (Index k = 0; k < width_; ++k) sum += product_penalty(exponents(), block(k), point, gradient, problem().lam);
      return sum;
    }
    const auto power = static_cast<double>(depth());
    double theta = 0.0;
    for (std::size_t l = 0; l < depth(); ++l)
      for (Index k = 0; k < width_; ++k) {
        const auto w = weight(point, k, l);
        const double size = w.norm();
        theta += std::pow(size, power) / power;
        if (gradient != nullptr && size > 0.0)
          weight(gradient, k, l) += problem().lam * std::pow(size, power - 2.0) * w;
      }
    return theta;
  }

  void penalty_change(const double* point, const double* direction, double* out) const override {
    if (product_) {
      for (Index k = 0; k < width_; ++k)
        product_penalty_change(exponents(), block(k), point, direction, out, problem().lam);
      return;
    }
    const auto power = static_cast<double>(depth());
    for (std::size_t l = 0; l < depth(); ++l)
      for (Index k = 0; k < width_; ++k) {
        const auto w = weight(point, k, l), d = weight(direction, k, l);
        const double size = w.norm();
        if (size == 0.0 && power > 2.0) continue;
        const double inner = size > 0.0 ? (power - 2.0) * w.cwiseProduct(d).sum() / size / size : 0.0;
        weight(out, k, l) += problem().lam * std::pow(size, power - 2.0) * (d + inner * w);
      }
  }

 private:
  std::size_t depth() const { return sizes_.size() - 1; }
  std::size_t at(Index k, std::size_t l) const { return static_cast<std::size_t>(k) * (depth() - 1) + l; }
  ConstMatrixMap weight(const double* p, Index k, std::size_t l) const {
    return {p + offsets_[l] + k * sizes_[l] * sizes_[l + 1], sizes_[l + 1], sizes_[l]};
  }
  MatrixMap weight(double* p, Index k, std::size_t l) const {
    return {p + offsets_[l] + k * sizes_[l] * sizes_[l + 1], sizes_[l + 1], sizes_[l]};
  }
  // A_{l-1}, the inputs of layer l
  ConstMatrixView before(const std::vector<Matrix>& a, const ConstMatrixView& x, Index k, std::size_t l) const {
    return l == 0 ? ConstMatrixView(x) : ConstMatrixView(a[at(k, l - 1)]);
  }
  // s <- (s W) o act'(t)
  void back(Matrix& s, const ConstMatrixView& w, const Matrix& t, Matrix& next) const {
    next.resize(s.rows(), w.cols());
    linalg::multiply(s, w, next, serial_);
    times_derivative(act_, t, next);
    s.swap(next);
  }

  Activation act_;
  bool product_;
  Index width_;
  std::vector<Index> sizes_, offsets_;
  Context serial_;
};

}  // namespace

std::unique_ptr<Network> make_subnetworks(const Problem& problem, const Architecture& architecture) {
  return std::make_unique<Subnetworks>(problem, architecture);
}

}  // namespace landscape::homogeneous
