// The columns of H that have been needed by the group lasso, and their products.
#pragma once

#include <algorithm>
#include <vector>

#include "landscape/linalg/products.hpp"
#include "landscape/parallel.hpp"

namespace landscape::homogeneous {

constexpr Index kChunk = 512;  // rows of one task

// body(first, rows, chunk) over chunks of rows; few chunks are not worth a second thread.
template <class Body>
void over_rows(Index m, Index chunk, Context context, Body&& body) {
  if (m <= 4 * kChunk) context.n_threads = 1;
  parallel_for((m + chunk - 1) / chunk, context,
               [&](Index part, int) { body(part * chunk, std::min(chunk, m - part * chunk), part); });
}

// Row i holds sample i of the columns so far; scaled, and centred where there is an intercept.
class Columns {
 public:
  Columns(const ConstMatrixView& h, double scale, bool centre)
      : h_(h), scale_(scale), centre_(centre), slot_(static_cast<std::size_t>(h.cols()), -1) {}

  Index count() const { return static_cast<Index>(units_.size()); }
  Index slot(Index unit) const { return slot_[static_cast<std::size_t>(unit)]; }
  double mean(Index unit) const { return means_[static_cast<std::size_t>(slot(unit))]; }
  auto x() const { return x_.leftCols(count()); }
  const Matrix& gram() const { return gram_; }

  // Appends those of the units that are missing; with their products if the Gram matrix is wanted.
  void add(const std::vector<Index>& units, bool with_gram, const Context& context) {
    const Index old = count();
    for (const Index unit : units) {
      if (slot(unit) >= 0) continue;
      slot_[static_cast<std::size_t>(unit)] = count();
      units_.push_back(unit);
    }
    const Index fresh = count() - old;
    if (fresh == 0) return;
    reserve(with_gram);
    const Index m = h_.rows();
    Matrix sums = Matrix::Zero((m + kChunk - 1) / kChunk, fresh);
    over_rows(m, kChunk, context, [&](Index first, Index rows, Index part) {
      constexpr Index ahead = 6;  // rows; the entries of one row are lines apart, which no prefetcher guesses
      for (Index i = first; i < first + rows; ++i) {
        const double* row = h_.data() + i * h_.outerStride();
        const double* later = h_.data() + std::min(i + ahead, m - 1) * h_.outerStride();
        double* out = &x_(i, old);
        for (Index a = 0; a < fresh; ++a) {
          const Index unit = units_[static_cast<std::size_t>(old + a)];
          __builtin_prefetch(later + unit);
          out[a] = scale_ * row[unit];
        }
        if (centre_) sums.row(part) += x_.row(i).segment(old, fresh);
      }
    });
    means_.resize(static_cast<std::size_t>(count()), 0.0);
    if (centre_) {
      const Eigen::RowVectorXd mean = sums.colwise().sum() / static_cast<double>(m);
      for (Index a = 0; a < fresh; ++a) means_[static_cast<std::size_t>(old + a)] = mean(a);
      over_rows(m, kChunk, context, [&](Index first, Index rows, Index) {
        for (Index i = first; i < first + rows; ++i) x_.row(i).segment(old, fresh) -= mean;
      });
    }
    if (!with_gram) return;
    linalg::multiply_transposed(x_.middleCols(old, fresh), x(), gram_.block(old, 0, fresh, count()), context);
    gram_.block(0, old, old, fresh) = gram_.block(old, 0, fresh, old).transpose();
    // the block of the new ones is symmetric to rounding; make it so exactly
    auto corner = gram_.block(old, old, fresh, fresh);
    for (Index a = 0; a < fresh; ++a)
      for (Index b = 0; b < a; ++b) corner(b, a) = corner(a, b);
  }

  // out <- the columns of the units      (m x |units|)
  void gather(const std::vector<Index>& units, Matrix& out, const Context& context) const {
    over_rows(h_.rows(), kChunk, context, [&](Index first, Index rows, Index) {
      for (Index i = first; i < first + rows; ++i)
        for (std::size_t a = 0; a < units.size(); ++a) out(i, static_cast<Index>(a)) = x_(i, slot(units[a]));
    });
  }

 private:
  void reserve(bool with_gram) {
    const Index room = x_.cols();
    if (count() <= room) return;
    // an odd number of cache lines per row, so that the rows of a tile do not share cache sets
    const Index grown = (std::max(count() + count() / 2, Index{120}) / 16) * 16 + 8;
    x_.conservativeResize(h_.rows(), grown);
    if (with_gram) gram_.conservativeResize(grown, grown);
  }

  const ConstMatrixView& h_;
  double scale_;
  bool centre_;
  std::vector<Index> slot_, units_;
  std::vector<double> means_;
  Matrix x_, gram_;
};

}  // namespace landscape::homogeneous
