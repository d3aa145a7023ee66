// Deep linear networks: P = W_L ... W_1, squared loss (THEORY 3, scaling A).
//
//   R(W_1, ..., W_L) = tr(Syy - 2 Syx P^T + P Sxx P^T)          W_l (n_l x n_{l-1}), l = 1..L                     [D1]
//   C_h := W_h ... W_1 (n_h x n0),   F_h := W_L ... W_{h+1} (nL x n_h),   G := P Sxx - Syx (nL x n0)
//   dR/dW_h = 2 F_h^T G C_{h-1}^T
//
// All products are split at a pivot layer b, P = F_b C_b: above it everything has nL columns, below it n0 rows,
//   F_{h-1} = F_h W_h  (h > b),          Ct_h = Ct_{h-1} W_h^T  (h <= b),      Pt = Ct_b F_b^T,   Gt = Sxx Pt - Sxy
//   K_b = G C_b^T,   K_h = K_{h-1} W_h^T,   dR/dW_h = 2 F_h^T K_{h-1}          (h > b)
//   St_b = G^T F_b,  St_{h-1} = St_h W_h,   dR/dW_h = 2 St_h^T Ct_{h-1}        (h <= b)
// with the layer b of fewest flops: the output side (b = 0) where nL is small, the input side (b = L) where n0 is, a
// bottleneck otherwise (THEORY 12b.11). Whatever is thin has few rows, never few columns, so that it is read along its
// rows and fills the vector registers whatever its thickness. A product of the Hessian differentiates each line once
// more.
#pragma once

#include <vector>

#include "landscape/linear/shallow.hpp"

namespace landscape::linear {

// W_1, ..., W_L, or a direction with their shapes.
using Layers = std::vector<ConstMatrixMap>;

// n_0, ..., n_L
using Widths = std::vector<Index>;

Index parameter_count(const Widths& widths);

// The views of packed parameters: block order, each block in C order.
Layers unpack(const double* packed, const Widths& widths);
void unpack_into(const double* packed, const Widths& widths, Layers& layers);

// The layer at which the products are split: the one of fewest flops.
Index pivot_layer(const Risk& risk, const Widths& widths);

// Everything that one pass through the network computes; also the scratch of one thread, sized on first use.
struct DeepState {
  Index pivot = 0;
  std::vector<Matrix> f;            // h = b..L-1: nL x n_h
  std::vector<Matrix> k;            // h = b..L-1: nL x n_h
  std::vector<Matrix> ct;           // h = 1..b: n0 x n_h
  std::vector<Matrix> st;           // h = 1..b: n0 x n_h
  Matrix image;                     // moments: Sxx Ct_b (n0 x n_b); data: Fx Ct_b (k x n_b); unused where C_b = I
  Matrix residual;                  // moments: Gt (n0 x nL), or G where b = 0; data: E = Fx Pt - Fy (k x nL)
  Matrix product;                   // moments: Pt, unless it is F_0^T or Ct_L
  Matrix thin;                      // data: E F_b, k x n_b
  std::vector<Matrix> left, right;  // pairs of factors, one below the other: 2 nL x n_h, 2 nL x n_{h-1}
  Vector pack;
  Widths widths;
};

// Scratch of one thread for several networks at once, of the widths of its first use: parameters and gradients with the
// lanes side by side.
struct LaneState {
  Widths widths;
  Vector parameters, slopes;
  Layers blocks;
  DeepState passes;
};

// Scratch of one thread for several directions at once.
struct DeepBatch {
  std::vector<DeepState> changes;
  Matrix side_by_side;  // n0 x (count n_b)
  Matrix images;        // Sxx or Fx times it
  Vector pack;
};

double value(const Risk& risk, const Layers& w, DeepState& state, const Context& context);

// g: packed, as the parameters; returns the value.
double gradient(const Risk& risk, const Layers& w, double* g, DeepState& state, const Context& context);

// Small networks of the same widths, one per lane of the vector registers: a layer of 10 x 5 fills no register block on
// its own. `count` <= linalg::kLanes points; values (count); g are `count` packed gradients, or null. What a
// lane computes does not depend on its neighbours, so batches can be cut anywhere.
constexpr Index kLargestInLanes = 4096;  // numbers per network; above it one network fills the registers alone
bool small_enough_for_lanes(const Risk& risk, const Widths& widths);
void gradients_in_lanes(const Risk& risk, const Layers* points, Index count, double* values, double* const* g,
                        LaneState& state, const Context& context);

// The Hessian at one point: what the point alone determines is computed once and reused by every product.
class DeepHessian {
 public:
  // The views of `risk` must outlive the object; the point is copied.
  DeepHessian(const Risk& risk, const Layers& w, const Context& context);
  DeepHessian(const DeepHessian&) = delete;
  DeepHessian& operator=(const DeepHessian&) = delete;

  Index size() const { return static_cast<Index>(point_.size()); }

  // h <- H d, both packed; `change` is the scratch of one thread.
  void apply(const double* d, double* h, DeepState& change, const Context& context) const;

  // So many directions are worth taking together: beyond that Sxx is no longer what is waited for (docs/benchmarks.md).
  static constexpr Index kTogether = 8;

  // The same for `count` directions, one after the other in d and h; what they share is read once for all of them.
  void apply_together(const double* d, double* h, Index count, DeepBatch& batch, const Context& context) const;

 private:
  void apply_stacked(const double* d, double* h, Index count, DeepBatch& batch, const Context& context) const;
  void pair_factors(Index h, const ConstMatrixView& ft_change, const ConstMatrixView& kt_change,
                    DeepState& change) const;
  void advance(const double* d, DeepState& change, const Context& context) const;
  void retreat(const double* d, double* h, DeepState& change, const Context& context) const;
  const Matrix& operand(const DeepState& change) const;
  Matrix& image(DeepState& change) const;

  Risk risk_;
  Widths widths_;
  std::vector<double> point_;
  Layers w_;
  DeepState state_;
};

}  // namespace landscape::linear
