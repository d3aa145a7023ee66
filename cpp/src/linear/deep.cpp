#include "landscape/linear/deep.hpp"

#include <algorithm>

#include "landscape/linalg/lanes.hpp"
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

// The same into a vector that keeps its memory.
void size_widths(const Layers& w, Widths& widths) {
  widths.clear();
  widths.push_back(w.front().cols());
  for (const ConstMatrixMap& layer : w) widths.push_back(layer.rows());
}

Index depth(const Layers& w) { return static_cast<Index>(w.size()); }

// W_h, counted from 1 as in the formulas.
const ConstMatrixMap& layer(const Layers& w, Index h) { return w[static_cast<std::size_t>(h - 1)]; }

Matrix& at(std::vector<Matrix>& matrices, Index h) { return matrices[static_cast<std::size_t>(h)]; }
const Matrix& at(const std::vector<Matrix>& matrices, Index h) { return matrices[static_cast<std::size_t>(h)]; }
Index at(const Widths& widths, Index h) { return widths[static_cast<std::size_t>(h)]; }

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
  for (auto* matrices : {&state.f, &state.k, &state.ct, &state.st, &state.left, &state.right})
    if (matrices->size() != count) matrices->resize(count);
}

// The arithmetic of one network, and of kLanes of them: the passes below are written once for both.
struct OneNetwork {
  static constexpr Index lanes = 1;

  static void multiply(const ConstMatrixView& a, const ConstMatrixView& b, MatrixView c, const Context& context) {
    linalg::multiply(a, b, c, context);
  }
  static void multiply_transposed(const ConstMatrixView& a, const ConstMatrixView& b, MatrixView c,
                                  const Context& context) {
    linalg::multiply_transposed(a, b, c, context);
  }
  static void multiply_by_transposed(const ConstMatrixView& a, const ConstMatrixView& b, MatrixView c,
                                     const Context& context) {
    linalg::multiply_by_transposed(a, b, c, context);
  }
  static void shared_times(const ConstMatrixView& s, const ConstMatrixView& b, MatrixView c, const Context& context) {
    linalg::multiply(s, b, c, context);
  }
  static void shared_transposed_times(const ConstMatrixView& s, const ConstMatrixView& b, MatrixView c,
                                      const Context& context) {
    linalg::multiply_transposed(s, b, c, context);
  }
  static void shared_times_transposed(const ConstMatrixView& s, const ConstMatrixView& b, MatrixView c,
                                      const Context& context) {
    linalg::multiply_by_transposed(s, b, c, context);
  }
  static void times_shared(const ConstMatrixView& a, const ConstMatrixView& s, MatrixView c, const Context& context) {
    linalg::multiply(a, s, c, context);
  }
  static void transposed_times_shared(const ConstMatrixView& a, const ConstMatrixView& s, MatrixView c,
                                      const Context& context) {
    linalg::multiply_transposed(a, s, c, context);
  }
  static void transpose(const ConstMatrixView& a, MatrixView c) { c = a.transpose(); }
  template <class Shared>
  static void subtract_shared(Matrix& a, const Shared& shared) {
    a -= shared;
  }
  static void add_products(const Matrix& a, const Matrix& b, double* sums) { sums[0] += a.cwiseProduct(b).sum(); }
  // Row by row: one long sum of a transpose would round as often as it has terms.
  template <class Shared>
  static void add_shared_products(const Shared& shared, const Matrix& b, double* sums) {
    for (Index i = 0; i < b.rows(); ++i) sums[0] += shared.row(i).cwiseProduct(b.row(i)).sum();
  }
};

struct ManyNetworks {
  static constexpr Index lanes = linalg::kLanes;

  static void multiply(const ConstMatrixView& a, const ConstMatrixView& b, MatrixView c, const Context&) {
    linalg::multiply_lanes(a, b, c);
  }
  static void multiply_transposed(const ConstMatrixView& a, const ConstMatrixView& b, MatrixView c, const Context&) {
    linalg::multiply_lanes_transposed(a, b, c);
  }
  static void multiply_by_transposed(const ConstMatrixView& a, const ConstMatrixView& b, MatrixView c, const Context&) {
    linalg::multiply_lanes_by_transposed(a, b, c);
  }
  static void shared_times(const ConstMatrixView& s, const ConstMatrixView& b, MatrixView c, const Context&) {
    linalg::shared_times_lanes(s, b, c);
  }
  static void shared_transposed_times(const ConstMatrixView& s, const ConstMatrixView& b, MatrixView c,
                                      const Context&) {
    linalg::shared_transposed_times_lanes(s, b, c);
  }
  static void shared_times_transposed(const ConstMatrixView& s, const ConstMatrixView& b, MatrixView c,
                                      const Context&) {
    linalg::shared_times_lanes_transposed(s, b, c);
  }
  static void times_shared(const ConstMatrixView& a, const ConstMatrixView& s, MatrixView c, const Context&) {
    linalg::lanes_times_shared(a, s, c);
  }
  static void transposed_times_shared(const ConstMatrixView& a, const ConstMatrixView& s, MatrixView c,
                                      const Context&) {
    linalg::lanes_transposed_times_shared(a, s, c);
  }
  static void transpose(const ConstMatrixView& a, MatrixView c) {
    for (Index i = 0; i < a.rows(); ++i)
      for (Index j = 0; j < c.rows(); ++j) c.block<1, lanes>(j, i * lanes) = a.block<1, lanes>(i, j * lanes);
  }
  template <class Shared>
  static void subtract_shared(Matrix& a, const Shared& shared) {
    for (Index i = 0; i < shared.rows(); ++i)
      for (Index j = 0; j < shared.cols(); ++j) a.block<1, lanes>(i, j * lanes).array() -= shared(i, j);
  }
  using Lanes = Eigen::Array<double, 1, lanes>;
  static void add_products(const Matrix& a, const Matrix& b, double* sums) {
    Lanes sum = Lanes::Zero();
    for (Index i = 0; i < a.rows(); ++i)
      for (Index j = 0; j < a.cols(); j += lanes)
        sum += a.block<1, lanes>(i, j).array() * b.block<1, lanes>(i, j).array();
    Eigen::Map<Lanes>(sums) += sum;
  }
  template <class Shared>
  static void add_shared_products(const Shared& shared, const Matrix& b, double* sums) {
    Lanes sum = Lanes::Zero();
    for (Index i = 0; i < shared.rows(); ++i)
      for (Index j = 0; j < shared.cols(); ++j) sum += shared(i, j) * b.block<1, lanes>(i, j * lanes).array();
    Eigen::Map<Lanes>(sums) += sum;
  }
};

// Everything from the forward products to the gradient. Lanes lie side by side in the columns: a matrix of m x n is
// m x (n lanes), and what the networks share (Sxx, Fx, Sxy, Fy) is not repeated.
template <class Arithmetic>
struct Pass {
  static constexpr Index lanes = Arithmetic::lanes;

  const Risk& risk;
  const Layers& w;  // n_h x (n_{h-1} lanes)
  const Widths& widths;
  DeepState& state;
  const Context& context;

  Index last() const { return depth(w); }
  Index outputs() const { return widths.back(); }
  Index inputs() const { return widths.front(); }
  static void size(Matrix& matrix, Index rows, Index cols) { ensure(matrix, rows, cols * lanes); }

  // out <- Sxx a
  void apply_moments(const Matrix& a, Matrix& out) {
    if constexpr (lanes == 1) {
      apply_xx(risk, a, out, state.pack, context);
    } else {
      ensure(out, a.rows(), a.cols());
      Arithmetic::shared_times(risk.xx, a, out, context);
    }
  }

  // F_h and Ct_h on their sides of the pivot. F_L and Ct_0 are identities and are not stored.
  void forward() {
    const Index b = state.pivot;
    size_state(w, state);
    for (Index h = last(); h > b; --h) {  // F_{h-1} <- F_h W_h
      Matrix& out = at(state.f, h - 1);
      size(out, outputs(), at(widths, h - 1));
      if (h == last())
        out = layer(w, h);
      else
        Arithmetic::multiply(at(state.f, h), layer(w, h), out, context);
    }
    for (Index h = 1; h <= b; ++h) {  // Ct_h <- Ct_{h-1} W_h^T
      Matrix& out = at(state.ct, h);
      size(out, inputs(), at(widths, h));
      if (h == 1)
        Arithmetic::transpose(layer(w, h), out);
      else
        Arithmetic::multiply_by_transposed(at(state.ct, h - 1), layer(w, h), out, context);
    }
  }

  // The residual and the values.
  void residual(double* values) {
    std::fill_n(values, lanes, 0.0);
    if (risk.in_data_form())
      residual_of_data(values);
    else
      residual_of_moments(values);
  }

  void residual_of_data(double* values) {
    const Index b = state.pivot;
    size(state.residual, risk.fx.rows(), outputs());
    if (b == 0) {
      Arithmetic::shared_times_transposed(risk.fx, at(state.f, 0), state.residual, context);
    } else {
      size(state.image, risk.fx.rows(), at(widths, b));
      Arithmetic::shared_times(risk.fx, at(state.ct, b), state.image, context);
      if (b == last())
        state.residual = state.image;
      else
        Arithmetic::multiply_by_transposed(state.image, at(state.f, b), state.residual, context);
    }
    Arithmetic::subtract_shared(state.residual, risk.fy);
    Arithmetic::add_products(state.residual, state.residual, values);
  }

  // R = total + <Sxx Pt, Pt> - 2 <Sxy, Pt>; squared errors are never negative
  void residual_of_moments(double* values) {
    const Index b = state.pivot;
    double linear[lanes] = {};
    if (b == 0) {
      const Matrix& product = at(state.f, 0);  // P itself
      size(state.residual, outputs(), inputs());
      Arithmetic::times_shared(product, risk.xx, state.residual, context);
      Arithmetic::add_products(state.residual, product, values);
      Arithmetic::add_shared_products(risk.xy.transpose(), product, linear);
      Arithmetic::subtract_shared(state.residual, risk.xy.transpose());
    } else {
      const Matrix& product = b == last() ? at(state.ct, last()) : state.product;
      if (b == last()) {
        apply_moments(product, state.residual);
      } else {
        size(state.product, inputs(), outputs());
        size(state.residual, inputs(), outputs());
        Arithmetic::multiply_by_transposed(at(state.ct, b), at(state.f, b), state.product, context);
        apply_moments(at(state.ct, b), state.image);
        Arithmetic::multiply_by_transposed(state.image, at(state.f, b), state.residual, context);
      }
      Arithmetic::add_products(state.residual, product, values);
      Arithmetic::add_shared_products(risk.xy, product, linear);
      Arithmetic::subtract_shared(state.residual, risk.xy);
    }
    for (Index l = 0; l < lanes; ++l) {
      const double risk_of_lane = risk.total + values[l] - 2.0 * linear[l];
      values[l] = risk_of_lane < 0.0 ? 0.0 : risk_of_lane;  // NaN stays
    }
  }

  // K_b and St_b from the residual.
  void at_pivot() {
    const Index b = state.pivot;
    const bool data = risk.in_data_form();
    if (b < last()) {
      size(at(state.k, b), outputs(), at(widths, b));
      if (data && b == 0)
        Arithmetic::transposed_times_shared(state.residual, risk.fx, at(state.k, b), context);
      else if (data)
        Arithmetic::multiply_transposed(state.residual, state.image, at(state.k, b), context);
      else if (b == 0)
        at(state.k, b) = state.residual;
      else
        Arithmetic::multiply_transposed(state.residual, at(state.ct, b), at(state.k, b), context);
    }
    if (b > 0) {
      size(at(state.st, b), inputs(), at(widths, b));
      if (b == last()) {
        if (data)
          Arithmetic::shared_transposed_times(risk.fx, state.residual, at(state.st, b), context);
        else
          at(state.st, b) = state.residual;
      } else if (data) {
        size(state.thin, risk.fx.rows(), at(widths, b));
        Arithmetic::multiply(state.residual, at(state.f, b), state.thin, context);
        Arithmetic::shared_transposed_times(risk.fx, state.thin, at(state.st, b), context);
      } else {
        Arithmetic::multiply(state.residual, at(state.f, b), at(state.st, b), context);
      }
    }
  }

  // The remaining K_h (h < L) and St_h (h >= 1).
  void backward() {
    const Index b = state.pivot;
    for (Index h = b + 1; h < last(); ++h) {
      size(at(state.k, h), outputs(), at(widths, h));
      Arithmetic::multiply_by_transposed(at(state.k, h - 1), layer(w, h), at(state.k, h), context);
    }
    for (Index h = b; h > 1; --h) {
      size(at(state.st, h - 1), inputs(), at(widths, h - 1));
      Arithmetic::multiply(at(state.st, h), layer(w, h), at(state.st, h - 1), context);
    }
  }

  void values(double* out) {
    state.pivot = pivot_layer(risk, widths);
    forward();
    residual(out);
  }

  // g: packed blocks of n_h x (n_{h-1} lanes)
  void gradients(double* out, double* g) {
    values(out);
    at_pivot();
    backward();
    const Index b = state.pivot;
    for (Index h = 1; h <= last(); ++h) {
      MatrixMap slope = block(g, w, h);
      if (h == last() && h > b)
        slope = at(state.k, h - 1);
      else if (h > b)
        Arithmetic::multiply_transposed(at(state.f, h), at(state.k, h - 1), slope, context);
      else if (h == 1)
        Arithmetic::transpose(at(state.st, 1), slope);
      else
        Arithmetic::multiply_transposed(at(state.st, h), at(state.ct, h - 1), slope, context);
      slope *= 2.0;
    }
  }
};

}  // namespace

Index parameter_count(const Widths& widths) {
  Index count = 0;
  for (std::size_t l = 1; l < widths.size(); ++l) count += widths[l] * widths[l - 1];
  return count;
}

Layers unpack(const double* packed, const Widths& widths) {
  Layers layers;
  unpack_into(packed, widths, layers);
  return layers;
}

void unpack_into(const double* packed, const Widths& widths, Layers& layers) {
  layers.clear();
  for (std::size_t l = 1; l < widths.size(); ++l) {
    layers.emplace_back(packed, widths[l], widths[l - 1]);
    packed += widths[l] * widths[l - 1];
  }
}

Index pivot_layer(const Risk& risk, const Widths& widths) {
  const Index last = static_cast<Index>(widths.size()) - 1;
  const auto width = [&](Index h) { return static_cast<double>(at(widths, h)); };
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
  size_widths(w, state.widths);
  double result = 0.0;
  Pass<OneNetwork>{risk, w, state.widths, state, context}.values(&result);
  return result;
}

double gradient(const Risk& risk, const Layers& w, double* g, DeepState& state, const Context& context) {
  size_widths(w, state.widths);
  double result = 0.0;
  Pass<OneNetwork>{risk, w, state.widths, state, context}.gradients(&result, g);
  return result;
}

bool small_enough_for_lanes(const Risk& risk, const Widths& widths) {
  Index largest = parameter_count(widths);
  largest = std::max(largest, (risk.in_data_form() ? risk.fx.rows() : widths.front()) * widths.back());
  return largest <= kLargestInLanes;
}

void gradients_in_lanes(const Risk& risk, const Layers* points, Index count, double* values, double* const* g,
                        LaneState& state, const Context& context) {
  constexpr Index lanes = linalg::kLanes;
  const Layers& first = points[0];
  if (state.blocks.empty()) {
    size_widths(first, state.widths);
    state.parameters.resize(parameter_count(state.widths) * lanes);
    state.slopes.resize(parameter_count(state.widths) * lanes);
    state.blocks.clear();
    const double* data = state.parameters.data();
    for (const ConstMatrixMap& block : first) {
      state.blocks.emplace_back(data, block.rows(), block.cols() * lanes);
      data += block.size() * lanes;
    }
  }
  // Lanes without a point of their own compute the last one again.
  double* out = state.parameters.data();
  for (std::size_t h = 0; h < first.size(); ++h) {
    const double* sources[lanes];
    for (Index lane = 0; lane < lanes; ++lane) sources[lane] = points[std::min(lane, count - 1)][h].data();
    linalg::interleave(sources, first[h].size(), out);
    out += first[h].size() * lanes;
  }
  double results[lanes];
  Pass<ManyNetworks> pass{risk, state.blocks, state.widths, state.passes, context};
  if (g == nullptr) {
    pass.values(results);
  } else {
    pass.gradients(results, state.slopes.data());
    linalg::separate(state.slopes.data(), state.slopes.size() / lanes, g, count);
  }
  std::copy_n(results, count, values);
}

DeepHessian::DeepHessian(const Risk& risk, const Layers& w, const Context& context)
    : risk_(risk), widths_(widths_of(w)) {
  point_.reserve(static_cast<std::size_t>(parameter_count(widths_)));
  for (const ConstMatrixMap& block : w) point_.insert(point_.end(), block.data(), block.data() + block.size());
  w_ = unpack(point_.data(), widths_);
  double unused = 0.0;
  Pass<OneNetwork> pass{risk_, w_, widths_, state_, context};
  pass.values(&unused);
  pass.at_pivot();
  pass.backward();
}

// dF_h and dCt_h on their sides of the pivot.
void DeepHessian::advance(const double* d_packed, DeepState& change, const Context& context) const {
  const auto layer_of_d = [&](Index h) { return block(d_packed, w_, h); };
  const Index last = depth(w_), b = state_.pivot;
  change.pivot = b;
  size_state(w_, change);
  // dF_{h-1} <- dF_h W_h + F_h D_h      (dF_L = 0, F_L = I)
  for (Index h = last; h > b; --h) {
    Matrix& out = at(change.f, h - 1);
    ensure(out, widths_.back(), at(widths_, h - 1));
    if (h == last) {
      out = layer_of_d(h);
      continue;
    }
    linalg::multiply(at(change.f, h), layer(w_, h), out, context);
    linalg::multiply(at(state_.f, h), layer_of_d(h), out, context, Into::add);
  }
  // dCt_h <- dCt_{h-1} W_h^T + Ct_{h-1} D_h^T      (dCt_0 = 0, Ct_0 = I)
  for (Index h = 1; h <= b; ++h) {
    Matrix& out = at(change.ct, h);
    ensure(out, widths_.front(), at(widths_, h));
    if (h == 1) {
      out = layer_of_d(h).transpose();
      continue;
    }
    linalg::multiply_by_transposed(at(change.ct, h - 1), layer(w_, h), out, context);
    linalg::multiply_by_transposed(at(state_.ct, h - 1), layer_of_d(h), out, context, Into::add);
  }
}

// What Sxx (or Fx) is applied to, dP or dCt_b, and where the result goes.
const Matrix& DeepHessian::operand(const DeepState& change) const {
  return change.pivot == 0 ? at(change.f, 0) : at(change.ct, change.pivot);
}
Matrix& DeepHessian::image(DeepState& change) const {
  const bool interior = change.pivot > 0 && change.pivot < depth(w_);
  return interior ? change.image : change.residual;
}

void DeepHessian::apply(const double* d, double* h, DeepState& change, const Context& context) const {
  advance(d, change, context);
  const Matrix& by = operand(change);
  Matrix& out = image(change);
  const bool from_outputs = state_.pivot == 0;
  if (risk_.in_data_form() && from_outputs) {
    ensure(out, risk_.fx.rows(), by.rows());
    linalg::multiply_by_transposed(risk_.fx, by, out, context);
  } else if (risk_.in_data_form()) {
    ensure(out, risk_.fx.rows(), by.cols());
    linalg::multiply(risk_.fx, by, out, context);
  } else if (from_outputs) {
    ensure(out, by.rows(), by.cols());
    linalg::multiply(by, risk_.xx, out, context);
  } else {
    apply_xx(risk_, by, out, change.pack, context);
  }
  retreat(d, h, change, context);
}

void DeepHessian::apply_together(const double* d, double* h, Index count, DeepBatch& batch,
                                 const Context& context) const {
  if (state_.pivot == 0) return apply_stacked(d, h, count, batch, context);
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
    ensure(batch.images, batch.side_by_side.rows(), batch.side_by_side.cols());
    linalg::multiply_skinny(risk_.xx, batch.side_by_side, batch.images, batch.pack, context);
  }
  for (Index i = 0; i < count; ++i) {
    Matrix& out = image(change(i));
    ensure(out, batch.images.rows(), cols);
    out = batch.images.middleCols(i * cols, cols);
    retreat(d + i * size(), h + i * size(), change(i), context);
  }
}

// From the output side, b = 0: the rows of all directions lie one below the other, so that W_h and Sxx are read once
// for all.
void DeepHessian::apply_stacked(const double* d, double* h_packed, Index count, DeepBatch& batch,
                                const Context& context) const {
  const Index last = depth(w_), outputs = widths_.back();
  if (batch.changes.empty()) batch.changes.resize(1);
  DeepState& change = batch.changes.front();
  size_state(w_, change);
  const auto direction = [&](Index i, Index h) { return block(d + i * size(), w_, h); };
  const auto part = [&](Matrix& stacked, Index i) { return stacked.middleRows(i * outputs, outputs); };
  for (Index h = last; h > 0; --h) {
    Matrix& out = at(change.f, h - 1);
    ensure(out, count * outputs, at(widths_, h - 1));
    if (h < last) linalg::multiply(at(change.f, h), layer(w_, h), out, context);
    for (Index i = 0; i < count; ++i) {
      if (h == last)
        part(out, i) = direction(i, h);
      else
        linalg::multiply(at(state_.f, h), direction(i, h), part(out, i), context, Into::add);
    }
  }
  Matrix& first = at(change.k, 0);
  ensure(first, count * outputs, widths_.front());
  if (risk_.in_data_form()) {
    ensure(batch.images, risk_.fx.rows(), count * outputs);
    linalg::multiply_by_transposed(risk_.fx, at(change.f, 0), batch.images, context);
    linalg::multiply_transposed(batch.images, risk_.fx, first, context);
  } else {
    linalg::multiply(at(change.f, 0), risk_.xx, first, context);
  }
  for (Index h = 1; h <= last; ++h) {
    Matrix& before = at(change.k, h - 1);
    for (Index i = 0; i < count; ++i) {
      MatrixMap out = block(h_packed + i * size(), w_, h);
      if (h == last) {
        out = 2.0 * part(before, i);
        continue;
      }
      pair_factors(h, part(at(change.f, h), i), part(before, i), change);
      linalg::multiply_transposed(at(change.left, h), at(change.right, h), out, context);
    }
    if (h == last) break;
    Matrix& after = at(change.k, h);
    ensure(after, count * outputs, at(widths_, h));
    linalg::multiply_by_transposed(before, layer(w_, h), after, context);
    for (Index i = 0; i < count; ++i)
      linalg::multiply_by_transposed(at(state_.k, h - 1), direction(i, h), part(after, i), context, Into::add);
  }
}

// [2 dF_h; 2 F_h] and [K_{h-1}; dK_{h-1}]: both terms of H_h in one pass over the large result.
void DeepHessian::pair_factors(Index h, const ConstMatrixView& f_change, const ConstMatrixView& k_change,
                               DeepState& change) const {
  const Index outputs = widths_.back();
  Matrix &left = at(change.left, h), &right = at(change.right, h);
  ensure(left, 2 * outputs, f_change.cols());
  ensure(right, 2 * outputs, k_change.cols());
  left.topRows(outputs) = 2.0 * f_change;
  left.bottomRows(outputs) = 2.0 * at(state_.f, h);
  right.topRows(outputs) = at(state_.k, h - 1);
  right.bottomRows(outputs) = k_change;
}

// From Sxx dPt (or Sxx dCt_b, or Fx times them) to H d.
void DeepHessian::retreat(const double* d_packed, double* h_packed, DeepState& change, const Context& context) const {
  const auto layer_of_d = [&](Index h) { return block(d_packed, w_, h); };
  const Index last = depth(w_), b = state_.pivot;
  const Index n0 = widths_.front(), outputs = widths_.back();
  const Index width = at(widths_, b);
  const bool data = risk_.in_data_form();
  if (b > 0 && b < last) {  // the change of the residual: dE (k x nL), or dGt (n0 x nL)
    ensure(change.residual, data ? risk_.fx.rows() : n0, outputs);
    linalg::multiply_by_transposed(change.image, at(state_.f, b), change.residual, context);
    linalg::multiply_by_transposed(state_.image, at(change.f, b), change.residual, context, Into::add);
  }

  // dK_b and dSt_b
  if (b < last) {
    Matrix& out = at(change.k, b);
    ensure(out, outputs, width);
    if (b == 0) {
      if (data)
        linalg::multiply_transposed(change.residual, risk_.fx, out, context);
      else
        out = change.residual;
    } else {
      const Matrix& c = data ? state_.image : at(state_.ct, b);
      const Matrix& dc = data ? change.image : at(change.ct, b);
      linalg::multiply_transposed(change.residual, c, out, context);
      linalg::multiply_transposed(state_.residual, dc, out, context, Into::add);
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
      linalg::multiply(change.residual, at(state_.f, b), thin, context);
      linalg::multiply(state_.residual, at(change.f, b), thin, context, Into::add);
      if (data) linalg::multiply_transposed(risk_.fx, thin, out, context);
    }
  }

  // dK_h <- dK_{h-1} W_h^T + K_{h-1} D_h^T;   H_h = 2 (dF_h^T K_{h-1} + F_h^T dK_{h-1})
  for (Index h = b + 1; h <= last; ++h) {
    MatrixMap out = block(h_packed, w_, h);
    if (h == last) {
      out = 2.0 * at(change.k, h - 1);
    } else {
      pair_factors(h, at(change.f, h), at(change.k, h - 1), change);
      linalg::multiply_transposed(at(change.left, h), at(change.right, h), out, context);
      ensure(at(change.k, h), outputs, at(widths_, h));
      linalg::multiply_by_transposed(at(change.k, h - 1), layer(w_, h), at(change.k, h), context);
      linalg::multiply_by_transposed(at(state_.k, h - 1), layer_of_d(h), at(change.k, h), context, Into::add);
    }
  }
  // dSt_{h-1} <- dSt_h W_h + St_h D_h;   H_h = 2 (dSt_h^T Ct_{h-1} + St_h^T dCt_{h-1})
  for (Index h = b; h >= 1; --h) {
    MatrixMap out = block(h_packed, w_, h);
    if (h == 1) {
      out = at(change.st, 1).transpose();
    } else {
      linalg::multiply_transposed(at(change.st, h), at(state_.ct, h - 1), out, context);
      linalg::multiply_transposed(at(state_.st, h), at(change.ct, h - 1), out, context, Into::add);
      ensure(at(change.st, h - 1), n0, at(widths_, h - 1));
      linalg::multiply(at(change.st, h), layer(w_, h), at(change.st, h - 1), context);
      linalg::multiply(at(state_.st, h), layer_of_d(h), at(change.st, h - 1), context, Into::add);
    }
    out *= 2.0;
  }
}

}  // namespace landscape::linear
