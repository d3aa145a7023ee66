// One cell of directions: what its doubly nonnegative relaxation is made of, and the products it needs.
#pragma once

#include <vector>

#include "landscape/homogeneous/doubly_nonnegative.hpp"

namespace landscape::homogeneous::dnn {

using Dense = Eigen::MatrixXd;  // by columns: what eigensolvers work on
using DenseView = Eigen::Ref<Dense, 0, Eigen::OuterStride<>>;
using ConstDenseView = Eigen::Ref<const Dense, 0, Eigen::OuterStride<>>;

// out <- alpha A B + beta out,   alpha A^T B + beta out,   alpha A B^T + beta out
void product(double alpha, const ConstDenseView& a, const ConstDenseView& b, double beta, DenseView out);
void product_tn(double alpha, const ConstDenseView& a, const ConstDenseView& b, double beta, DenseView out);
void product_nt(double alpha, const ConstDenseView& a, const ConstDenseView& b, double beta, DenseView out);

// In scaled data: rows of X and Q by kind, signs, and G = [G_w, G_h] with r = G (w, h).
struct Cell {
  CellLayout layout;
  Index u, e, o, d, n_outputs;  // undecided samples, decided ones, decided outputs, inputs, outputs
  Dense xu, xe, qu;             // undecided rows; decided rows times their signs
  Dense g;                      // nL x (d + u)
  Vector tau;                   // signs of the decided outputs

  Cell(const PolarData& data, const Signs& signs);
  Index order() const { return d + u; }
  Index rows() const { return 2 * u + e + o; }
  Dense decided_outputs() const;  // tau_k times row k of G
};

}  // namespace landscape::homogeneous::dnn
