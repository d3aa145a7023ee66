// A matrix, or its transpose, with at least as many rows as columns, times a power of two that keeps squares in range.
#pragma once

#include "landscape/linalg/measured_map.hpp"

namespace landscape::linalg {

class Oriented {
 public:
  explicit Oriented(const MeasuredMap& a)
      : a_(a), transposed_(a.map.cols > a.map.rows), scale_(safe_scale(a.frobenius)) {}

  Index rows() const { return transposed_ ? a_.map.cols : a_.map.rows; }
  Index cols() const { return transposed_ ? a_.map.rows : a_.map.cols; }
  bool transposed() const { return transposed_; }
  double scale() const { return scale_; }
  double frobenius() const { return scale_ * a_.frobenius * (1.0 + 4.0 * kUnitRoundoff); }
  Index depth() const { return a_.depth; }
  bool has_gram() const { return static_cast<bool>(a_.gram); }
  Index gram_depth() const { return a_.gram_depth; }

  // lower triangle of G <- B^T B, B = scale A or its transpose
  void gram(MatrixView g, const Context& context) const { a_.gram(scale_, g, context); }

  void apply(const ConstMatrixView& x, MatrixView out, const Context& context) const {
    run(transposed_ ? a_.map.apply_transposed : a_.map.apply, x, out, context);
  }
  void apply_transposed(const ConstMatrixView& x, MatrixView out, const Context& context) const {
    run(transposed_ ? a_.map.apply : a_.map.apply_transposed, x, out, context);
  }

 private:
  void run(const LinearMap::Product& product, const ConstMatrixView& x, MatrixView out, const Context& context) const {
    if (scale_ == 1.0) {
      product(x, out, context);
    } else {
      const Matrix scaled = scale_ * x;
      product(scaled, out, context);
    }
  }

  const MeasuredMap& a_;
  bool transposed_;
  double scale_;
};

// Entries of a map whose columns can be afforded, and the norm of what they may be off by.
struct Materialised {
  Matrix entries;
  double error = 0.0;  // |entries - A|_2 <= error
};
Materialised materialise(const MeasuredMap& a, const Context& context);
bool worth_materialising(const MeasuredMap& a, Index order_limit);

}  // namespace landscape::linalg
