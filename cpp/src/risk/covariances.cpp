#include "landscape/risk/covariances.hpp"

#include <Eigen/Cholesky>
#include <algorithm>
#include <cmath>
#include <vector>

#include "landscape/linalg/decompositions.hpp"
#include "landscape/linalg/products.hpp"

namespace landscape::risk {

namespace {

// Rows per block: about 0.5 Gflop, so that the monitor is polled often and a block of weighted rows stays small.
Index block_rows(Index n0, Index n2) {
  const double flops_per_row = 2.0 * static_cast<double>(n0 + n2) * static_cast<double>(n0 + n2) + 1.0;
  return std::clamp<Index>(static_cast<Index>(0.5e9 / flops_per_row), 256, 8192);
}

// rows <- sqrt(w) (X - 1 mean^T) for one block; returns the block's weight and means.
Totals weighted_block(const ConstMatrixView& x, const ConstMatrixView& y, const double* weights, bool center,
                      Matrix& rows_x, Matrix& rows_y) {
  Totals block;
  const Index m = x.rows();
  Vector w = weights != nullptr ? Vector(ConstVectorMap(weights, m)) : Vector::Ones(m);
  block.weight = w.sum();
  block.mean_x = Vector::Zero(x.cols());
  block.mean_y = Vector::Zero(y.cols());
  rows_x = x;
  rows_y = y;
  if (center && block.weight > 0.0) {
    block.mean_x = x.transpose() * w / block.weight;
    if (y.cols() > 0) block.mean_y = y.transpose() * w / block.weight;
    rows_x.rowwise() -= block.mean_x.transpose();
    rows_y.rowwise() -= block.mean_y.transpose();
    // The mean of large values is itself rounded: what is left of it is subtracted too.
    const Vector left_x = rows_x.transpose() * w / block.weight;
    const Vector left_y = rows_y.transpose() * w / block.weight;
    rows_x.rowwise() -= left_x.transpose();
    rows_y.rowwise() -= left_y.transpose();
    block.mean_x += left_x;
    block.mean_y += left_y;
  }
  if (weights != nullptr) {
    w = w.cwiseSqrt();
    rows_x.array().colwise() *= w.array();
    rows_y.array().colwise() *= w.array();
  }
  return block;
}

// The jump between two centred sets: sqrt(W_a W_b / W) (mean_b - mean_a), and the merged totals (Chan et al. 1983).
void merge_totals(Totals& a, const Totals& b, bool center, Vector& jump_x, Vector& jump_y) {
  const double weight = a.weight + b.weight;
  jump_x = Vector::Zero(b.mean_x.size());
  jump_y = Vector::Zero(b.mean_y.size());
  if (center && weight > 0.0) {
    const Vector delta_x = b.mean_x - a.mean_x, delta_y = b.mean_y - a.mean_y;
    const double factor = std::sqrt(a.weight / weight) * std::sqrt(b.weight);
    jump_x = factor * delta_x;
    jump_y = factor * delta_y;
    a.mean_x += (b.weight / weight) * delta_x;
    a.mean_y += (b.weight / weight) * delta_y;
  }
  a.weight = weight;
}

void add_rank_one(const Vector& jump_x, const Vector& jump_y, MomentSums sums) {
  sums.sxx.noalias() += jump_x * jump_x.transpose();
  if (jump_y.size() == 0) return;
  sums.sxy.noalias() += jump_x * jump_y.transpose();
  sums.syy.noalias() += jump_y * jump_y.transpose();
}

// The sums of one block, added to the totals in one go: rounding grows with the number of blocks, not of rows.
class BlockSums {
 public:
  BlockSums(Index n0, Index n2) : sxx_(n0, n0), sxy_(n0, n2), syy_(n2, n2) {}

  void add(const ConstMatrixView& x, const ConstMatrixView& y, MomentSums sums, const Context& context) {
    sxx_.setZero();
    linalg::accumulate_gram(x, sxx_, context);
    sums.sxx += sxx_;
    if (y.cols() == 0) return;
    sxy_.setZero();
    linalg::accumulate_cross(x, y, sxy_, context);
    sums.sxy += sxy_;
    syy_.setZero();
    linalg::accumulate_gram(y, syy_, context);
    sums.syy += syy_;
  }

 private:
  Matrix sxx_, sxy_, syy_;
};

// [a; b], compressed to its R factor when it has more rows than columns.
Matrix stack_and_compress(const ConstMatrixView& a, const ConstMatrixView& b, const Context& context) {
  Matrix stacked(a.rows() + b.rows(), b.cols());
  stacked.topRows(a.rows()) = a;
  stacked.bottomRows(b.rows()) = b;
  return stacked.rows() > stacked.cols() ? linalg::qr_factor(stacked, context) : stacked;
}

}  // namespace

void accumulate_moments(const ConstMatrixView& x, const ConstMatrixView& y, const ConstVectorMap& weights, bool center,
                        MomentSums sums, Totals& totals, const Context& context) {
  const Index step = block_rows(x.cols(), y.cols());
  const bool plain = !center && weights.size() == 0;
  BlockSums block_sums(x.cols(), y.cols());
  Matrix rows_x, rows_y;
  Vector jump_x, jump_y;
  for (Index first = 0; first < x.rows(); first += step) {
    context.check();
    const Index rows = std::min(step, x.rows() - first);
    const auto block_x = x.middleRows(first, rows);
    const auto block_y = y.middleRows(first, rows);
    if (plain) {
      block_sums.add(block_x, block_y, sums, context);
      totals.weight += static_cast<double>(rows);
      continue;
    }
    const Totals block =
        weighted_block(block_x, block_y, weights.size() > 0 ? weights.data() + first : nullptr, center, rows_x, rows_y);
    block_sums.add(rows_x, rows_y, sums, context);
    merge_totals(totals, block, center, jump_x, jump_y);
    if (center) add_rank_one(jump_x, jump_y, sums);
  }
}

void merge_moments(const MomentSums& b, const Totals& totals_b, bool center, MomentSums a, Totals& totals_a) {
  Vector jump_x, jump_y;
  merge_totals(totals_a, totals_b, center, jump_x, jump_y);
  a.sxx += b.sxx;
  a.sxy += b.sxy;
  a.syy += b.syy;
  if (center) add_rank_one(jump_x, jump_y, a);
}

Matrix accumulate_factor(const ConstMatrixView& factor, const ConstMatrixView& x, const ConstMatrixView& y,
                         const ConstVectorMap& weights, bool center, Totals& totals, const Context& context) {
  const Index n = x.cols() + y.cols();
  // A QR of b new rows over n old ones costs 2 (b + n) n^2: blocks of a few n keep the overhead of the old rows small.
  const Index step = std::max<Index>(4 * n, 1024);
  Matrix result = factor, rows_x, rows_y;
  Vector jump_x, jump_y;
  for (Index first = 0; first < x.rows(); first += step) {
    context.check();
    const Index rows = std::min(step, x.rows() - first);
    const Totals block = weighted_block(x.middleRows(first, rows), y.middleRows(first, rows),
                                        weights.size() > 0 ? weights.data() + first : nullptr, center, rows_x, rows_y);
    merge_totals(totals, block, center, jump_x, jump_y);
    const bool jumped = center && (jump_x.squaredNorm() + jump_y.squaredNorm()) > 0.0;
    Matrix added(rows + (jumped ? 1 : 0), n);
    added.topLeftCorner(rows, x.cols()) = rows_x;
    added.topRightCorner(rows, y.cols()) = rows_y;
    if (jumped) {
      added.row(rows).head(x.cols()) = jump_x.transpose();
      added.row(rows).tail(y.cols()) = jump_y.transpose();
    }
    result = stack_and_compress(result, added, context);
  }
  return result;
}

Matrix merge_factors(const ConstMatrixView& a, const ConstMatrixView& b, bool center, Totals& totals_a,
                     const Totals& totals_b, const Context& context) {
  Vector jump_x, jump_y;
  merge_totals(totals_a, totals_b, center, jump_x, jump_y);
  Matrix merged = stack_and_compress(a, b, context);
  if (center && (jump_x.squaredNorm() + jump_y.squaredNorm()) > 0.0) {
    Matrix row(1, merged.cols());
    row.leftCols(jump_x.size()) = jump_x.transpose();
    row.rightCols(jump_y.size()) = jump_y.transpose();
    merged = stack_and_compress(merged, row, context);
  }
  return merged;
}

double equilibrated_rcond(const ConstMatrixView& lower) {
  std::vector<Index> kept;
  for (Index i = 0; i < lower.rows(); ++i)
    if (lower(i, i) > 0.0) kept.push_back(i);
  const Index n = static_cast<Index>(kept.size());
  if (n == 0) return 1.0;
  Eigen::MatrixXd scaled(n, n);
  for (Index j = 0; j < n; ++j)
    for (Index i = j; i < n; ++i) {
      const Index row = kept[static_cast<std::size_t>(i)], column = kept[static_cast<std::size_t>(j)];
      scaled(i, j) = lower(row, column) / (std::sqrt(lower(row, row)) * std::sqrt(lower(column, column)));
    }
  const Eigen::LLT<Eigen::MatrixXd> cholesky(scaled.selfadjointView<Eigen::Lower>());
  return cholesky.info() == Eigen::Success ? cholesky.rcond() : 0.0;
}

}  // namespace landscape::risk
