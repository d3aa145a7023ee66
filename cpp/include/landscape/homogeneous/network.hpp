// Parallel positively homogeneous networks with weight decay (THEORY 5.1 and 10, scaling B): r subnetworks whose
// outputs add up,
//
//   P(w) = sum over samples i of l(z_i, y_i) + lam Theta(w),    Z = sum_k phi(w_k) + 1 b^T,    X (m x d), Y (m x nL)
//
// Units (one hidden layer)   phi = act(X v) u^T, point (U (nL x r), V (d x r)), and with t = X V, H = act(t), G = dl/dZ
//   power 1: Theta = 1/2 sum (|u|^2 + |v|^2)      power 2: Theta = 1/3 sum (|u|^3 + 2 |v|^3)
//   dP/dU = G^T H + lam dTheta/dU,   dP/dV = X^T (act'(t) o (G U)) + lam dTheta/dV,   dP/db = G^T 1
//   H[dU, dV, db] with dt = X dV, dH = act'(t) o dt, dZ = H dU^T + dH U^T + 1 db^T, dG = l''(Z)[dZ]:
//   ( dG^T H + G^T dH,  X^T (act'(t) o (G dU + dG U) + act''(t) o dt o (G U)),  dG^T 1 ) + lam Theta''
//
// Subnetworks (any depth L)   phi = act(.. act(X W1^T) ..) WL^T, point (W1 (r x n1 x d), ..., WL (r x nL x n_{L-1})),
//   act only between layers, power 1;  Theta = 1/L sum over subnetworks and layers of |Wl|_F^L
//
// or, with `product`, Theta = sum of |u| |v|^power, of prod_l |Wl|_F: the same infimum over balanced weights (THEORY
// 5.2), and no derivative where a norm is zero (the terms of such a block count as zero).
//
// Points are packed: their blocks in turn, each in C order, and the intercept b (nL) last where there is one. Off the
// kinks (no x_i . v = 0) the Hessian is that of the smooth piece.
#pragma once

#include <memory>
#include <vector>

#include "landscape/context.hpp"
#include "landscape/homogeneous/activation.hpp"
#include "landscape/homogeneous/losses.hpp"
#include "landscape/typedefs.hpp"

namespace landscape::homogeneous {

struct Problem {
  ConstMatrixMap x{nullptr, 0, 0};  // m x d
  ConstMatrixMap y{nullptr, 0, 0};  // m x nL
  Loss loss;
  double lam = 0.0;
  bool intercept = false;
  bool intercept_decay = false;  // adds lam/2 |b|^2
  bool free_bias = false;        // units of power 1: the last column of X is ones, and V's last row has no penalty
};

struct Architecture {
  Activation act;
  std::vector<Index> hidden;  // n1, ..., n_{L-1} of a subnetwork; empty: units
  Index width = 0;            // r
  bool product = false;       // Theta is a product of norms
  // phi(c w) = c^degree phi(w), and likewise theta
  int degree() const { return hidden.empty() ? act.power + 1 : static_cast<int>(hidden.size()) + 1; }
};

// The objective of one width. The views of the problem must outlive it.
class Network {
 public:
  // What a call works with; kept between calls it spares the allocations.
  class Workspace;

  virtual ~Network() = default;

  const Problem& problem() const { return problem_; }
  // Number of packed parameters.
  Index size() const { return size_; }

  std::shared_ptr<Workspace> workspace() const;

  // P(w); gradient (size()) unless null. Samples are split into parts that depend on m only and summed in order.
  double evaluate(const double* point, double* gradient, Workspace& work, const Context& context) const;

  // `scale` times the losses of other samples (k x d, k x nL) plus lam Theta, and the gradient (size())
  double evaluate_samples(const double* point, const ConstMatrixView& x, const ConstMatrixView& y, double scale,
                          double* gradient, Workspace& work) const;

  // out <- H d
  void hessian_product(const double* point, const double* direction, double* out, Workspace& work,
                       const Context& context) const;

  // Outputs of other samples, without the loss      x (k x d), z (k x nL)
  void predict(const double* point, const ConstMatrixView& x, MatrixView z, const Context& context) const;

  // gradient (size()) <- that of <Q, Z> with the outputs Z of other samples      x (k x d), q (k x nL)
  void adjoint(const double* point, const ConstMatrixView& x, const ConstMatrixView& q, double* gradient,
               const Context& context) const;

  // Theta, without lam and without the penalty of the intercept
  double theta(const double* point) const { return penalty(point, nullptr); }

  // The smallest |t| / (|inputs| |weights|) over samples and hidden units, how far the point is from a kink of the
  // activation; infinite where there is none.
  double kink_margin(const double* point, const Context& context) const;

 protected:
  // Hidden values of one chunk of samples, left by outputs() for the calls after it.
  struct Hidden {
    virtual ~Hidden() = default;
  };

  // `chunk`: samples at a time, so few that their hidden values stay in the second cache; divides 1024
  Network(const Problem& problem, Index size, Index chunk = 128);

  virtual std::unique_ptr<Hidden> hidden() const = 0;
  // z += the outputs of the samples x
  virtual void outputs(const double* point, const ConstMatrixView& x, MatrixView z, Hidden& hidden) const = 0;
  // gradient += that of <G, Z>
  virtual void pull_back(const double* point, const ConstMatrixView& x, const ConstMatrixView& g, double* gradient,
                         Hidden& hidden) const = 0;
  // dz += the change of Z along the direction
  virtual void push_forward(const double* point, const double* direction, const ConstMatrixView& x, MatrixView dz,
                            Hidden& hidden) const = 0;
  // outputs() and pull_back() where nothing else needs the hidden values
  virtual void only_outputs(const double* point, const ConstMatrixView& x, MatrixView z, Hidden& hidden) const {
    outputs(point, x, z, hidden);
  }
  virtual void only_pull_back(const double* point, const ConstMatrixView& x, const ConstMatrixView& g, double* gradient,
                              Hidden& hidden) const {
    pull_back(point, x, g, gradient, hidden);
  }
  // After push_forward(): out += the change of pull_back's result along the direction, dG being that of G
  virtual void pull_back_change(const double* point, const double* direction, const ConstMatrixView& x,
                                const ConstMatrixView& g, const ConstMatrixView& dg, double* out,
                                Hidden& hidden) const = 0;
  virtual double margin(const double* point, const ConstMatrixView& x, Hidden& hidden) const = 0;
  // Theta; gradient += lam Theta' unless null
  virtual double penalty(const double* point, double* gradient) const = 0;
  // out += lam Theta'' d
  virtual void penalty_change(const double* point, const double* direction, double* out) const = 0;

 private:
  template <class Body>
  double over_parts(double* sum, Workspace& work, const Context& context, Body&& body) const;

  // lam Theta with the penalty of the intercept; gradient += its gradient unless null
  double decay(const double* point, double* gradient) const;
  // The sum of the losses of one chunk times `scale`; gradient += its gradient
  template <class Loss, class Part>
  double chunk_gradient(const Loss& loss, const double* point, const ConstMatrixView& x, const ConstMatrixView& y,
                        double scale, double* gradient, Part& part) const;

  Index intercept_at() const { return size_ - (problem_.intercept ? problem_.y.cols() : 0); }

  Problem problem_;
  Index size_ = 0, chunk_;
};

std::unique_ptr<Network> make_network(const Problem& problem, const Architecture& architecture);

}  // namespace landscape::homogeneous
