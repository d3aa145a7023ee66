#include "landscape/linear/deep.hpp"

#include <algorithm>

#include "landscape/linalg/products.hpp"
#include "landscape/linear/detail.hpp"

namespace landscape::linear {

namespace {

using detail::apply_xx;
using detail::ensure;
using linalg::Into;

Widths widths_of(const Layers& w) {
  Widths widths{w.front().cols()};
  for (const ConstMatrixMap& layer : w) widths.push_back(layer.rows());
  return widths;
}

Index depth(const Layers& w) { return static_cast<Index>(w.size()); }

// W_h, counted from 1 as in the formulas.
const ConstMatrixMap& layer(const Layers& w, Index h) { return w[static_cast<std::size_t>(h - 1)]; }

Matrix& at(std::vector<Matrix>& matrices, Index h) { return matrices[static_cast<std::size_t>(h)]; }
const Matrix& at(const std::vector<Matrix>& matrices, Index h) { return matrices[static_cast<std::size_t>(h)]; }

// Layer h of packed parameters with the shapes of w.
MatrixMap block(double* packed, const Layers& w, Index h) {
  for (Index l = 1; l < h; ++l) packed += layer(w, l).size();
  return {packed, layer(w, h).rows(), layer(w, h).cols()};
}
ConstMatrixMap block(const double* packed, const Layers& w, Index h) {
  for (Index l = 1; l < h; ++l) packed += layer(w, l).size();
  return {packed, layer(w, h).rows(), layer(w, h).cols()};
}

void size_state(const Layers& w, DeepState& state) {
  const std::size_t count = w.size() + 1;
  for (auto* matrices : {&state.ft, &state.kt, &state.ct, &state.st, &state.left, &state.right})
    if (matrices->size() != count) matrices->resize(count);
}

// Ft_h and Ct_h on their sides of the pivot. Ft_L and Ct_0 are identities and are not stored.
void forward_products(const Layers& w, DeepState& state, const Context& context) {
  const Index last = depth(w), b = state.pivot;
  size_state(w, state);
  for (Index h = last; h > b; --h) {  // Ft_{h-1} <- W_h^T Ft_h
    Matrix& out = at(state.ft, h - 1);
    ensure(out, layer(w, h).cols(), layer(w, last).rows());
    if (h == last)
      out = layer(w, h).transpose();
    else
      linalg::multiply_transposed(layer(w, h), at(state.ft, h), out, context);
  }
  for (Index h = 1; h <= b; ++h) {  // Ct_h <- Ct_{h-1} W_h^T
    Matrix& out = at(state.ct, h);
    ensure(out, layer(w, 1).cols(), layer(w, h).rows());
    if (h == 1)
      out = layer(w, h).transpose();
    else
      linalg::multiply_by_transposed(at(state.ct, h - 1), layer(w, h), out, context);
  }
}

double residual_of(const Risk& risk, const Layers& w, DeepState& state, const Context& context) {
  const Index last = depth(w), b = state.pivot;
  const Index n0 = layer(w, 1).cols(), outputs = layer(w, last).rows();
  if (risk.in_data_form()) {
    ensure(state.residual, risk.fx.rows(), outputs);
    if (b == 0) {
      linalg::multiply(risk.fx, at(state.ft, 0), state.residual, context);
    } else {
      ensure(state.image, risk.fx.rows(), at(state.ct, b).cols());
      linalg::multiply(risk.fx, at(state.ct, b), state.image, context);
      if (b == last)
        state.residual = state.image;
      else
        linalg::multiply(state.image, at(state.ft, b), state.residual, context);
    }
    state.residual -= risk.fy;
    return state.residual.squaredNorm();
  }
  // R = total + <Sxx Pt, Pt> - 2 <Sxy, Pt>; squared errors are never negative
  const Matrix* product = &state.product;
  if (b == 0) {
    product = &at(state.ft, 0);
    apply_xx(risk, *product, state.residual, state.pack, context);
  } else if (b == last) {
    product = &at(state.ct, last);
    apply_xx(risk, *product, state.residual, state.pack, context);
  } else {
    ensure(state.product, n0, outputs);
    ensure(state.residual, n0, outputs);
    linalg::multiply(at(state.ct, b), at(state.ft, b), state.product, context);
    apply_xx(risk, at(state.ct, b), state.image, state.pack, context);
    linalg::multiply(state.image, at(state.ft, b), state.residual, context);
  }
  const double quadratic = state.residual.cwiseProduct(*product).sum();
  const double linear = risk.xy.cwiseProduct(*product).sum();
  state.residual -= risk.xy;
  return std::max(0.0, risk.total + quadratic - 2.0 * linear);
}

// Kt_b and St_b from the residual.
void pivot_products(const Risk& risk, const Layers& w, DeepState& state, const Context& context) {
  const Index last = depth(w), b = state.pivot;
  const Index n0 = layer(w, 1).cols(), outputs = layer(w, last).rows();
  const Index width = b == 0 ? n0 : layer(w, b).rows();
  const bool data = risk.in_data_form();
  if (b < last) {
    ensure(at(state.kt, b), width, outputs);
    if (data)
      linalg::multiply_transposed(b == 0 ? ConstMatrixView(risk.fx) : ConstMatrixView(state.image), state.residual,
                                  at(state.kt, b), context);
    else if (b == 0)
      at(state.kt, b) = state.residual;
    else
      linalg::multiply_transposed(at(state.ct, b), state.residual, at(state.kt, b), context);
  }
  if (b > 0) {
    ensure(at(state.st, b), n0, width);
    if (b == last) {
      if (data)
        linalg::multiply_transposed(risk.fx, state.residual, at(state.st, b), context);
      else
        at(state.st, b) = state.residual;
    } else if (data) {
      ensure(state.thin, risk.fx.rows(), width);
      linalg::multiply_by_transposed(state.residual, at(state.ft, b), state.thin, context);
      linalg::multiply_transposed(risk.fx, state.thin, at(state.st, b), context);
    } else {
      linalg::multiply_by_transposed(state.residual, at(state.ft, b), at(state.st, b), context);
    }
  }
}

// The remaining Kt_h (h < L) and St_h (h >= 1).
void backward_products(const Layers& w, DeepState& state, const Context& context) {
  const Index last = depth(w), b = state.pivot;
  for (Index h = b + 1; h < last; ++h) {
    ensure(at(state.kt, h), layer(w, h).rows(), layer(w, last).rows());
    linalg::multiply(layer(w, h), at(state.kt, h - 1), at(state.kt, h), context);
  }
  for (Index h = b; h > 1; --h) {
    ensure(at(state.st, h - 1), layer(w, 1).cols(), layer(w, h).cols());
    linalg::multiply(at(state.st, h), layer(w, h), at(state.st, h - 1), context);
  }
}

}  // namespace

Index parameter_count(const Widths& widths) {
  Index count = 0;
  for (std::size_t l = 1; l < widths.size(); ++l) count += widths[l] * widths[l - 1];
  return count;
}

Layers unpack(const double* packed, const Widths& widths) {
  Layers layers;
  for (std::size_t l = 1; l < widths.size(); ++l) {
    layers.emplace_back(packed, widths[l], widths[l - 1]);
    packed += widths[l] * widths[l - 1];
  }
  return layers;
}

Index pivot_layer(const Risk& risk, const Layers& w) {
  const Index last = depth(w);
  const auto width = [&](Index h) { return static_cast<double>(h == 0 ? layer(w, 1).cols() : layer(w, h).rows()); };
  const double n0 = width(0), outputs = width(last);
  // A pass costs three products per layer; Sxx (or Fx twice) is applied to as many columns as the pivot has.
  const double rows = risk.in_data_form() ? 2.0 * static_cast<double>(risk.fx.rows()) : n0;
  const auto cost = [&](Index b) {
    double flops = 0.0;
    for (Index h = 1; h <= last; ++h) flops += 3.0 * (h > b ? outputs : n0) * width(h) * width(h - 1);
    const bool end = b == 0 || b == last;
    flops += rows * n0 * (end ? outputs : width(b));
    if (!end) flops += 3.0 * width(b) * outputs * (risk.in_data_form() ? 0.5 * rows : n0);
    return flops;
  };
  Index best = 0;
  for (Index b = 1; b <= last; ++b)
    if (cost(b) < cost(best)) best = b;
  return best;
}

double value(const Risk& risk, const Layers& w, DeepState& state, const Context& context) {
  state.pivot = pivot_layer(risk, w);
  forward_products(w, state, context);
  return residual_of(risk, w, state, context);
}

double gradient(const Risk& risk, const Layers& w, double* g, DeepState& state, const Context& context) {
  const double result = value(risk, w, state, context);
  pivot_products(risk, w, state, context);
  backward_products(w, state, context);
  const Index last = depth(w), b = state.pivot;
  for (Index h = 1; h <= last; ++h) {
    MatrixMap out = block(g, w, h);
    if (h == last && h > b)
      out = at(state.kt, h - 1).transpose();
    else if (h > b)
      linalg::multiply_by_transposed(at(state.ft, h), at(state.kt, h - 1), out, context);
    else if (h == 1)
      out = at(state.st, 1).transpose();
    else
      linalg::multiply_transposed(at(state.st, h), at(state.ct, h - 1), out, context);
    out *= 2.0;
  }
  return result;
}

DeepHessian::DeepHessian(const Risk& risk, const Layers& w, const Context& context)
    : risk_(risk), widths_(widths_of(w)) {
  point_.reserve(static_cast<std::size_t>(parameter_count(widths_)));
  for (const ConstMatrixMap& block : w) point_.insert(point_.end(), block.data(), block.data() + block.size());
  w_ = unpack(point_.data(), widths_);
  value(risk_, w_, state_, context);
  pivot_products(risk_, w_, state_, context);
  backward_products(w_, state_, context);
}

// dFt_h and dCt_h on their sides of the pivot.
void DeepHessian::advance(const double* d_packed, DeepState& change, const Context& context) const {
  const auto layer_of_d = [&](Index h) { return block(d_packed, w_, h); };
  const Index last = depth(w_), b = state_.pivot;
  change.pivot = b;
  size_state(w_, change);
  // dFt_{h-1} <- W_h^T dFt_h + D_h^T Ft_h      (dFt_L = 0, Ft_L = I)
  for (Index h = last; h > b; --h) {
    Matrix& out = at(change.ft, h - 1);
    ensure(out, widths_[static_cast<std::size_t>(h - 1)], widths_.back());
    if (h == last) {
      out = layer_of_d(h).transpose();
      continue;
    }
    linalg::multiply_transposed(layer(w_, h), at(change.ft, h), out, context);
    linalg::multiply_transposed(layer_of_d(h), at(state_.ft, h), out, context, Into::add);
  }
  // dCt_h <- dCt_{h-1} W_h^T + Ct_{h-1} D_h^T      (dCt_0 = 0, Ct_0 = I)
  for (Index h = 1; h <= b; ++h) {
    Matrix& out = at(change.ct, h);
    ensure(out, widths_.front(), widths_[static_cast<std::size_t>(h)]);
    if (h == 1) {
      out = layer_of_d(h).transpose();
      continue;
    }
    linalg::multiply_by_transposed(at(change.ct, h - 1), layer(w_, h), out, context);
    linalg::multiply_by_transposed(at(state_.ct, h - 1), layer_of_d(h), out, context, Into::add);
  }
}

// What Sxx (or Fx) is applied to, dPt or dCt_b, and where the result goes.
const Matrix& DeepHessian::operand(const DeepState& change) const {
  return change.pivot == 0 ? at(change.ft, 0) : at(change.ct, change.pivot);
}
Matrix& DeepHessian::image(DeepState& change) const {
  const bool interior = change.pivot > 0 && change.pivot < depth(w_);
  return interior ? change.image : change.residual;
}

void DeepHessian::apply(const double* d, double* h, DeepState& change, const Context& context) const {
  advance(d, change, context);
  if (risk_.in_data_form()) {
    ensure(image(change), risk_.fx.rows(), operand(change).cols());
    linalg::multiply(risk_.fx, operand(change), image(change), context);
  } else {
    apply_xx(risk_, operand(change), image(change), change.pack, context);
  }
  retreat(d, h, change, context);
}

void DeepHessian::apply_together(const double* d, double* h, Index count, DeepBatch& batch,
                                 const Context& context) const {
  if (static_cast<Index>(batch.changes.size()) < count) batch.changes.resize(static_cast<std::size_t>(count));
  const auto change = [&](Index i) -> DeepState& { return batch.changes[static_cast<std::size_t>(i)]; };
  for (Index i = 0; i < count; ++i) advance(d + i * size(), change(i), context);
  // One product for all: the columns of the operands side by side.
  const Index cols = operand(change(0)).cols();
  ensure(batch.side_by_side, widths_.front(), count * cols);
  for (Index i = 0; i < count; ++i) batch.side_by_side.middleCols(i * cols, cols) = operand(change(i));
  if (risk_.in_data_form()) {
    ensure(batch.images, risk_.fx.rows(), count * cols);
    linalg::multiply(risk_.fx, batch.side_by_side, batch.images, context);
  } else {
    apply_xx(risk_, batch.side_by_side, batch.images, batch.pack, context);
  }
  for (Index i = 0; i < count; ++i) {
    Matrix& out = image(change(i));
    ensure(out, batch.images.rows(), cols);
    out = batch.images.middleCols(i * cols, cols);
    retreat(d + i * size(), h + i * size(), change(i), context);
  }
}

// From Sxx dPt (or Sxx dCt_b, or Fx times them) to H d.
void DeepHessian::retreat(const double* d_packed, double* h_packed, DeepState& change, const Context& context) const {
  const auto layer_of_d = [&](Index h) { return block(d_packed, w_, h); };
  const Index last = depth(w_), b = state_.pivot;
  const Index n0 = widths_.front(), outputs = widths_.back();
  const Index width = widths_[static_cast<std::size_t>(b)];
  const bool data = risk_.in_data_form();
  if (b > 0 && b < last) {  // the change of the residual: dE (k x nL), or dGt (n0 x nL)
    ensure(change.residual, data ? risk_.fx.rows() : n0, outputs);
    linalg::multiply(change.image, at(state_.ft, b), change.residual, context);
    linalg::multiply(state_.image, at(change.ft, b), change.residual, context, Into::add);
  }

  // dKt_b and dSt_b
  if (b < last) {
    Matrix& out = at(change.kt, b);
    ensure(out, width, outputs);
    if (b == 0) {
      if (data)
        linalg::multiply_transposed(risk_.fx, change.residual, out, context);
      else
        out = change.residual;
    } else {
      const Matrix& c = data ? state_.image : at(state_.ct, b);
      const Matrix& dc = data ? change.image : at(change.ct, b);
      linalg::multiply_transposed(c, change.residual, out, context);
      linalg::multiply_transposed(dc, state_.residual, out, context, Into::add);
    }
  }
  if (b > 0) {
    Matrix& out = at(change.st, b);
    ensure(out, n0, width);
    if (b == last) {
      if (data)
        linalg::multiply_transposed(risk_.fx, change.residual, out, context);
      else
        out = change.residual;
    } else {
      Matrix& thin = data ? change.thin : out;
      ensure(thin, data ? risk_.fx.rows() : n0, width);
      linalg::multiply_by_transposed(change.residual, at(state_.ft, b), thin, context);
      linalg::multiply_by_transposed(state_.residual, at(change.ft, b), thin, context, Into::add);
      if (data) linalg::multiply_transposed(risk_.fx, thin, out, context);
    }
  }

  // dKt_h <- W_h dKt_{h-1} + D_h Kt_{h-1};   H_h = 2 (dFt_h Kt_{h-1}^T + Ft_h dKt_{h-1}^T)
  for (Index h = b + 1; h <= last; ++h) {
    MatrixMap out = block(h_packed, w_, h);
    if (h == last) {
      out = at(change.kt, h - 1).transpose();
    } else {
      // Both terms in one pass over the large result: [2 dFt_h, 2 Ft_h] [Kt_{h-1}, dKt_{h-1}]^T
      Matrix &left = at(change.left, h), &right = at(change.right, h);
      ensure(left, at(change.ft, h).rows(), 2 * outputs);
      ensure(right, at(change.kt, h - 1).rows(), 2 * outputs);
      left.leftCols(outputs) = 2.0 * at(change.ft, h);
      left.rightCols(outputs) = 2.0 * at(state_.ft, h);
      right.leftCols(outputs) = at(state_.kt, h - 1);
      right.rightCols(outputs) = at(change.kt, h - 1);
      linalg::multiply_by_transposed(left, right, out, context);
      ensure(at(change.kt, h), widths_[static_cast<std::size_t>(h)], outputs);
      linalg::multiply(layer(w_, h), at(change.kt, h - 1), at(change.kt, h), context);
      linalg::multiply(layer_of_d(h), at(state_.kt, h - 1), at(change.kt, h), context, Into::add);
    }
    if (h == last) out *= 2.0;
  }
  // dSt_{h-1} <- dSt_h W_h + St_h D_h;   H_h = 2 (dSt_h^T Ct_{h-1} + St_h^T dCt_{h-1})
  for (Index h = b; h >= 1; --h) {
    MatrixMap out = block(h_packed, w_, h);
    if (h == 1) {
      out = at(change.st, 1).transpose();
    } else {
      linalg::multiply_transposed(at(change.st, h), at(state_.ct, h - 1), out, context);
      linalg::multiply_transposed(at(state_.st, h), at(change.ct, h - 1), out, context, Into::add);
      ensure(at(change.st, h - 1), n0, widths_[static_cast<std::size_t>(h - 1)]);
      linalg::multiply(at(change.st, h), layer(w_, h), at(change.st, h - 1), context);
      linalg::multiply(at(state_.st, h), layer_of_d(h), at(change.st, h - 1), context, Into::add);
    }
    out *= 2.0;
  }
}

}  // namespace landscape::linear
