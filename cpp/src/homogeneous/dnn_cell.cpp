#include "dnn_cell.hpp"

namespace landscape::homogeneous::dnn {

namespace {

void scale(double beta, DenseView out) {
  if (beta == 0.0)
    out.setZero();
  else if (beta != 1.0)
    out *= beta;
}

Dense rows_of(const ConstDenseView& a, const std::vector<Index>& rows) {
  Dense out(static_cast<Index>(rows.size()), a.cols());
  for (Index i = 0; i < out.rows(); ++i) out.row(i) = a.row(rows[static_cast<std::size_t>(i)]);
  return out;
}

}  // namespace

void product(double alpha, const ConstDenseView& a, const ConstDenseView& b, double beta, DenseView out) {
  scale(beta, out);
  if (a.cols() > 0) out.noalias() += alpha * a * b;
}
void product_tn(double alpha, const ConstDenseView& a, const ConstDenseView& b, double beta, DenseView out) {
  scale(beta, out);
  if (a.rows() > 0) out.noalias() += alpha * a.transpose() * b;
}
void product_nt(double alpha, const ConstDenseView& a, const ConstDenseView& b, double beta, DenseView out) {
  scale(beta, out);
  if (a.cols() > 0) out.noalias() += alpha * a * b.transpose();
}

Cell::Cell(const PolarData& data, const Signs& signs)
    : layout(data, signs),
      u(static_cast<Index>(layout.undecided.size())),
      e(static_cast<Index>(layout.decided.size())),
      o(static_cast<Index>(layout.outputs.size())),
      d(data.inputs()),
      n_outputs(data.outputs()),
      xu(rows_of(data.x, layout.undecided)),
      xe(rows_of(data.x, layout.decided)),
      qu(rows_of(data.q, layout.undecided)),
      tau(o) {
  // r = sum_i c_i t_i q_i + (1 - a) sum_U h_i q_i,   c_i = 1 where t_i >= 0 is decided, else a
  Vector c = Vector::Constant(data.size(), data.slope);
  for (Index i = 0; i < data.size(); ++i)
    if (signs(i) > 0) c(i) = 1.0;
  g.resize(n_outputs, d + u);
  product_tn(1.0, data.q, c.asDiagonal() * data.x, 0.0, g.leftCols(d));
  g.rightCols(u) = (1.0 - data.slope) * qu.transpose();
  for (Index i = 0; i < e; ++i)
    if (signs(layout.decided[static_cast<std::size_t>(i)]) < 0) xe.row(i) *= -1.0;
  for (Index k = 0; k < o; ++k) tau(k) = signs(data.size() + layout.outputs[static_cast<std::size_t>(k)]);
}

Dense Cell::decided_outputs() const { return tau.asDiagonal() * rows_of(g, layout.outputs); }

}  // namespace landscape::homogeneous::dnn
